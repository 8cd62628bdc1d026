//! Random calls against the journal's writer on a database: the machines of messages, leases and
//! tries together with the rows, the cache and the sweeper that apply them.

use std::collections::{HashMap, HashSet};

use chassis::disk::DiskSpace;
use chassis::health::Health;
use proto::journal::v1::body::Place;
use proto::journal::v1::command_request::Action;
use proto::journal::v1::entry::Disposition;
use proto::journal::v1::settlement::Answer;
use proto::journal::v1::{
    Acceptance, Body, CommandRequest, Derived, EndRequest, Entry, Envelope, Message, OpenRequest,
    RefusedAnswer, Settlement, TakenAnswer, UnavailableAnswer, begun,
};
use proto::message::v1::{ReceiverClass, State};

use crate::accept::accept;
use crate::altered_copies::ReceivedCopy;
use crate::begin::BeginCall;
use crate::call::Call;
use crate::command::command;
use crate::connect;
use crate::database::Database;
use crate::delivery_row::{COLUMNS, DeliveryRow};
use crate::group;
use crate::lease::{END_AT_RESTART, LeaseEvent};
use crate::random::{Random, seeds};
use crate::record::record;
use crate::reply::Reply;
use crate::row_cache::RowCache;
use crate::storage::{Storage, reserve_of};
use crate::sweep::{postpone, publish_all, publish_soon, sweep};
use crate::unit_of_work::UnitOfWork;

const APPLICATION: &str = "b-app";
const MESSAGES: usize = 6;
const CONVERSATIONS: usize = 2;
const LEASE_MS: i64 = 600_000;
const SECOND: i64 = 1_000_000;

/// False for an answer to another lease than the one that the row has, and for a Begin of a message
/// that is in hand.
fn may_change(packet: &Packet, was: &DeliveryRow) -> bool {
    let request = match packet {
        Packet::Begin { id, .. } => return *id == was.id && was.state != State::InHand,
        Packet::End(request) => request,
        Packet::Unpublished(_)
        | Packet::Command(..)
        | Packet::Open(_)
        | Packet::Close(_)
        | Packet::Sweep => return true,
    };
    let mut settlements = request.settlements.iter().filter(|it| it.message_id == was.id);
    let is_current = |lease| i64::try_from(lease) == Ok(was.lease);
    request.session == was.session && settlements.any(|it| is_current(it.lease))
}

/// A call on its way to the journal, perhaps twice, perhaps for long.
#[derive(Clone, Debug)]
enum Packet {
    Begin { session: String, lease: i64, id: String },
    End(EndRequest),
    Unpublished(String),
    Command(Action, String),
    Open(usize),
    Close(String),
    Sweep,
}

/// What a call brought.
#[derive(Debug, Default)]
struct Outcome {
    published: Vec<String>,
    /// Sessions and leases under which messages were given.
    given: Vec<(String, u64)>,
}

struct World {
    random: Random,
    now: i64,
    database: Database,
    cache: RowCache,
    storage: Storage,
    class: ReceiverClass,
    /// The receiver takes nothing.
    is_away: bool,
    /// The sessions that two adapters have, each at a gateway of its own.
    sessions: [String; 2],
    /// The last lease of each gateway. They count alike, so both often use the same number.
    leases: [u64; 2],
    opened: usize,
    network: Vec<Packet>,
    /// Messages in the channel.
    channel: Vec<String>,
    rows: HashMap<String, DeliveryRow>,
    /// Messages that an operator drove again.
    driven: HashSet<String>,
    /// Sessions and leases under which a message may have reached a receiver.
    reached: HashMap<String, HashSet<(String, u64)>>,
    /// The watermark goes back with the clock; what was due before it waits for the clock.
    watermark_max: i64,
    /// States that messages were in.
    seen: HashSet<State>,
}

fn message_id(kind: usize, number: usize) -> String {
    format!("0198c0de-0000-7000-800{kind}-{number:012}")
}

fn message(kind: usize, number: usize, application: &str) -> Message {
    let envelope = Envelope {
        id: message_id(kind, number),
        source: "a-app".to_owned(),
        sender: "a".to_owned(),
        conversation: format!("c{}", number % CONVERSATIONS),
        recipients: vec!["b".to_owned()],
        application: application.to_owned(),
        ..Envelope::default()
    };
    let place = Some(Place::Inline("canonical".into()));
    Message { envelope: Some(envelope), body: Some(Body { place }) }
}

impl World {
    async fn new(seed: u64, mut database: Database) -> Self {
        database.batch("PRAGMA synchronous = OFF").await.unwrap();
        let mut cache = RowCache::open(&mut database).await.unwrap();
        let mut unit = UnitOfWork::new(&mut database, 1, &mut cache);
        unit.database.begin().await.unwrap();
        let items: Vec<_> = (0..MESSAGES)
            .map(|it| Acceptance {
                message: Some(message(0, it, "")),
                content_digest: vec![u8::try_from(it).unwrap(); 32].into(),
                ..Acceptance::default()
            })
            .collect();
        accept(&mut unit, &items.iter().collect::<Vec<_>>()).await.unwrap();
        let entry = |it| Entry {
            message_id: message_id(0, it),
            derived: vec![Derived {
                message: Some(message(1, it, APPLICATION)),
                ..Derived::default()
            }],
            disposition: Some(Disposition::Routed(true)),
            ..Entry::default()
        };
        let entries: Vec<_> = (0..MESSAGES).map(entry).collect();
        record(&mut unit, &[(&entries, &[])]).await.unwrap();
        unit.flush().await.unwrap();
        unit.database.commit().await.unwrap();
        unit.committed();
        let class = match seed % 3 {
            0 => ReceiverClass::Neither,
            1 => ReceiverClass::Askable,
            _ => ReceiverClass::Repeatable,
        };
        let mut world = Self {
            random: Random::new(seed),
            now: 2,
            database,
            cache,
            storage: Storage::new(DiskSpace::new(), Health::new(), reserve_of("", 0)),
            class,
            is_away: seed % 4 == 1,
            sessions: Default::default(),
            leases: [0; 2],
            opened: 0,
            network: Vec::new(),
            channel: (0..MESSAGES).map(|it| message_id(1, it)).collect(),
            rows: HashMap::new(),
            driven: HashSet::new(),
            reached: HashMap::new(),
            watermark_max: 0,
            seen: HashSet::new(),
        };
        world.rows = world.stored().await;
        for adapter in 0..world.sessions.len() {
            world.call(&[Packet::Open(adapter)]).await;
        }
        world
    }

    /// Rows of the derived messages as they are stored.
    async fn stored(&mut self) -> HashMap<String, DeliveryRow> {
        let sql = format!("SELECT {COLUMNS} FROM delivery_state WHERE application <> ''");
        let rows = self.database.query(&sql, Vec::new()).await.unwrap();
        let read = rows.into_iter().map(|mut it| DeliveryRow::read(&mut it).unwrap());
        read.map(|it| (it.id.clone(), it)).collect()
    }

    /// Works on calls as the writer does: one by itself, or Begins and Ends in a group. Now and then
    /// the commit fails, and nothing has happened.
    async fn call(&mut self, packets: &[Packet]) -> Outcome {
        let fails = self.random.one_in(25);
        let opened = format!("s{}", self.opened + 1);
        let mut unit = UnitOfWork::new(&mut self.database, self.now, &mut self.cache);
        unit.database.begin().await.unwrap();
        let mut outcome = Outcome::default();
        match packets {
            [] | [Packet::Begin { .. } | Packet::End(_), ..] => {
                outcome.given = work_group(&mut unit, packets, &self.storage).await;
            }
            [packet, ..] => work_alone(&mut unit, packet, (&opened, self.class)).await,
        }
        unit.flush().await.unwrap();
        if fails && !matches!(packets, [Packet::Open(_)]) {
            unit.database.rollback().await.unwrap();
            drop(unit);
            self.random.note(format!("{} {packets:?}: not committed", self.now));
            return Outcome::default();
        }
        unit.database.commit().await.unwrap();
        outcome.published = unit.committed();
        self.random.note(format!("{} {packets:?}: {outcome:?}", self.now));
        self.channel.extend(outcome.published.iter().cloned());
        if let [Packet::Open(adapter)] = packets {
            self.opened += 1;
            self.sessions[*adapter] = opened;
        }
        if let [Packet::Command(Action::Redrive, id)] = packets {
            self.driven.insert(id.clone());
        }
        self.check(packets).await;
        outcome
    }

    /// Compares the stored rows with those before a call.
    async fn check(&mut self, packets: &[Packet]) {
        let (before, after) = (self.rows.clone(), self.stored().await);
        self.watermark_max = self.watermark_max.max(self.cache.watermark);
        assert_eq!(after.len(), MESSAGES);
        let mut in_hand = HashSet::new();
        for (id, row) in &after {
            let was = &before[id];
            self.seen.insert(row.state);
            assert!(row.corrupt.is_none());
            assert!((0..=8).contains(&row.tries), "tries exceed the schedule: {row:?}");
            let is_held = row.state == State::InHand;
            assert_eq!(is_held, !row.session.is_empty(), "a holder and no lease: {row:?}");
            assert_eq!(is_held, row.lease > 0, "a number and no lease: {row:?}");
            assert!(!is_held || self.sessions.contains(&row.session), "closed, and holds {row:?}");
            assert!(!is_held || in_hand.insert(&row.conversation), "two of one conversation");
            if row.is_ended() && !was.is_ended() {
                let conversation = &row.conversation;
                let held = before.values().filter(|it| it.state == State::Held);
                let held = held.filter(|it| it.conversation == *conversation);
                let next = held.min_by_key(|it| it.sequence);
                let is_released = next.is_none_or(|it| after[&it.id].state != State::Held);
                assert!(is_released, "{next:?} waits behind {row:?}");
            }
            if was.is_ended() {
                assert_eq!(row.state, was.state, "a terminal state is left");
            }
            // What moves has a due time that the sweeper will come to.
            if row.is_moving() {
                let latest = row.due_at.max(self.watermark_max + 1);
                let is_seen = row.sweep_at > self.cache.watermark && row.sweep_at <= latest;
                assert!(row.due_at > 0 && is_seen, "lost: {row:?} {}", self.cache.watermark);
            }
            let changes = |it: &DeliveryRow| (it.state, it.lease, it.session.clone(), it.tries);
            let is_next = was.state == State::Held && row.state == State::Queued;
            let is_changed = changes(row) != changes(was);
            let is_of_call = packets.iter().any(|it| may_change(it, was));
            assert!(!is_changed || is_next || is_of_call, "late: {was:?} {row:?}");
        }
        self.rows = after;
    }

    /// A Begin, and the session and the lease that it names.
    fn next_begin(&mut self, id: String, adapter: usize) -> (Packet, (String, u64)) {
        self.leases[adapter] += 1;
        let (session, lease) = (self.sessions[adapter].clone(), self.leases[adapter]);
        let number = i64::try_from(lease).unwrap();
        (Packet::Begin { session: session.clone(), lease: number, id }, (session, lease))
    }

    /// A message of the channel reaches a session, whose receiver answers later, perhaps twice.
    async fn begin(&mut self, id: String, adapter: usize) {
        let (packet, (session, lease)) = self.next_begin(id.clone(), adapter);
        if self.random.one_in(6) {
            return self.lose_answer(packet, (id, session, lease)).await;
        }
        let count = self.random.below(3);
        let mut group = self.pick_packets(count);
        group.insert(self.random.below(group.len() + 1), packet);
        if !self.call(&group).await.given.contains(&(session.clone(), lease)) {
            return;
        }
        let row = &self.rows[&id];
        let earlier = self.rows.values().filter(|it| it.conversation == row.conversation);
        let waits = |it: &&DeliveryRow| it.sequence < row.sequence && !it.is_ended();
        assert_eq!(earlier.filter(waits).count(), 0, "{id} overtakes");
        let chosen = self.random.below(20);
        let answer = match if self.is_away { 11 + chosen % 7 } else { chosen } {
            0..10 => Answer::Taken(TakenAnswer::default()),
            10 => Answer::Refused(RefusedAnswer { reason: "no".to_owned() }),
            11..14 => Answer::Unavailable(UnavailableAnswer {
                retry_after_ms: 1_000 * self.random.below(3) as u64,
                ..UnavailableAnswer::default()
            }),
            14..16 => Answer::Unsent(true),
            16 => Answer::Interrupted(true),
            _ => {
                self.reach(&id, (session, lease));
                return;
            }
        };
        // An application that is away has not taken it.
        if !matches!(answer, Answer::Unsent(_) | Answer::Unavailable(_)) {
            self.reach(&id, (session.clone(), lease));
        }
        for _ in 0..=self.random.below(2) {
            self.send_answer((id.clone(), session.clone()), lease, answer.clone());
        }
    }

    /// The answer of a Begin is lost, so nothing reaches the receiver. The Begin may come late, perhaps
    /// twice. Its undo may come before it, in its group, after newer Begins, several times or never.
    async fn lose_answer(&mut self, begin: Packet, (id, session, lease): (String, String, u64)) {
        for _ in 0..self.random.below(4) {
            self.send_answer((id.clone(), session.clone()), lease, Answer::Unsent(true));
        }
        if self.random.one_in(3) {
            self.network.push(begin);
        } else {
            self.call(&[begin]).await;
        }
    }

    /// Some of the packets on their way; a packet may come again.
    fn pick_packets(&mut self, count: usize) -> Vec<Packet> {
        let mut picked = Vec::new();
        for _ in 0..count.min(self.network.len()) {
            let chosen = self.random.below(self.network.len());
            picked.push(self.network[chosen].clone());
            if !self.random.one_in(4) {
                self.network.swap_remove(chosen);
            }
        }
        picked
    }

    /// A message may have reached a receiver, a second time only where that is harmless.
    fn reach(&mut self, id: &str, lease: (String, u64)) {
        let reached = self.reached.entry(id.to_owned()).or_default();
        reached.insert(lease);
        let is_once = reached.len() == 1 || self.driven.contains(id);
        assert!(is_once || self.class != ReceiverClass::Neither, "{id} is delivered twice");
    }

    fn send_answer(&mut self, (id, session): (String, String), lease: u64, answer: Answer) {
        let settlement = Settlement { message_id: id, lease, answer: Some(answer) };
        let application = APPLICATION.to_owned();
        self.network.push(Packet::End(EndRequest {
            session,
            settlements: vec![settlement],
            application,
        }));
    }

    async fn restart(&mut self) {
        self.random.note(format!("{} the journal starts again", self.now));
        if self.random.one_in(2) {
            publish_all(&mut self.database).await.unwrap();
            self.channel.clear();
            let ended = self.stored().await;
            for (id, row) in &ended {
                let (lease, _) = self.rows[id].lease().after(LeaseEvent::Restarted, self.now);
                assert_eq!(row.lease(), lease, "a start ends leases as the table says");
                assert!(
                    !row.is_moving() || row.state == State::Parked || row.due_at == END_AT_RESTART
                );
            }
        } else {
            publish_soon(&mut self.database, self.now).await.unwrap();
        }
        self.cache = RowCache::open(&mut self.database).await.unwrap();
        self.rows = self.stored().await;
    }

    async fn step(&mut self) {
        let adapter = self.random.below(2);
        let any = message_id(1, self.random.below(MESSAGES));
        match self.random.below(100) {
            0..35 if !self.channel.is_empty() => {
                let chosen = self.random.below(self.channel.len());
                let id = self.channel[chosen].clone();
                if !self.random.one_in(5) {
                    self.channel.swap_remove(chosen);
                }
                self.begin(id, adapter).await;
            }
            35..65 if !self.network.is_empty() => {
                let count = 1 + self.random.below(3);
                let group = self.pick_packets(count);
                self.call(&group).await;
            }
            65..75 => drop(self.call(&[Packet::Sweep]).await),
            75..86 => self.now += (1 + self.random.below(120) as i64) * 5 * SECOND,
            86..89 => self.now += 6 * 3_600 * SECOND,
            89 => self.now -= self.random.below(30) as i64 * SECOND,
            90 => drop(self.call(&[Packet::Open(adapter)]).await),
            91 => {
                self.call(&[Packet::Close(self.sessions[adapter].clone())]).await;
                self.call(&[Packet::Open(adapter)]).await;
            }
            92 => self.restart().await,
            93 => drop(self.call(&[Packet::Unpublished(any)]).await),
            94 => drop(self.call(&[Packet::Command(Action::Redrive, any)]).await),
            95 => drop(self.call(&[Packet::Command(Action::Release, any)]).await),
            96 if self.random.one_in(4) => {
                drop(self.call(&[Packet::Command(Action::Withdraw, any)]).await);
            }
            97 => self.channel.clear(),
            _ => {}
        }
    }

    /// A message of the channel is taken at once.
    async fn take(&mut self, id: String) {
        let (begin, (session, lease)) = self.next_begin(id.clone(), 0);
        if self.call(&[begin]).await.given.is_empty() {
            return;
        }
        self.send_answer((id, session), lease, Answer::Taken(TakenAnswer::default()));
        for packet in std::mem::take(&mut self.network) {
            self.call(&[packet]).await;
        }
    }

    /// With a receiver that takes everything and an operator that drives dead letters again, each
    /// message ends.
    async fn heal(&mut self) {
        self.network.clear();
        for _ in 0..60 {
            self.now += 6 * 3_600 * SECOND;
            self.call(&[Packet::Sweep]).await;
            for id in (0..MESSAGES).map(|it| message_id(1, it)) {
                self.call(&[Packet::Command(Action::Redrive, id)]).await;
            }
            for id in std::mem::take(&mut self.channel) {
                self.take(id).await;
            }
        }
        for row in self.rows.values() {
            assert!(row.is_ended(), "lost: {row:?}");
        }
    }
}

/// Works on Begins and Ends in one group: the sessions and leases under which messages were given.
async fn work_group(
    unit: &mut UnitOfWork<'_>,
    packets: &[Packet],
    storage: &Storage,
) -> Vec<(String, u64)> {
    let (mut calls, mut begins) = (Vec::new(), Vec::new());
    for packet in packets {
        match packet {
            Packet::Begin { session, lease, id } => {
                let copy = ReceivedCopy { message_id: id.clone(), digest: Default::default() };
                let (session, lease) = (session.clone(), *lease);
                let (reply, answered) = Reply::channel();
                begins.push((session.clone(), answered));
                calls.push(Call::Begin(BeginCall { session, lease, copies: vec![copy] }, reply));
            }
            Packet::End(request) => calls.push(Call::End(request.clone(), Reply::channel().0)),
            Packet::Unpublished(_)
            | Packet::Command(..)
            | Packet::Open(_)
            | Packet::Close(_)
            | Packet::Sweep => panic!("{packet:?} in a group"),
        }
    }
    let mut answers = Vec::new();
    let group: Vec<&Call> = calls.iter().collect();
    group::work(unit, (&group, storage), &mut answers).await.unwrap();
    answers.into_iter().for_each(|answer| answer());
    let mut given = Vec::new();
    for (session, mut answered) in begins {
        let begun = answered.try_recv().ok().and_then(|it| it.unwrap()).into_iter().flatten();
        let begun = begun.filter(|it| it.answer() == begun::Answer::Deliver);
        given.extend(begun.map(|it| (session.clone(), it.lease)));
    }
    given
}

async fn work_alone(
    unit: &mut UnitOfWork<'_>,
    packet: &Packet,
    (opened, class): (&str, ReceiverClass),
) {
    match packet {
        Packet::Begin { .. } | Packet::End(_) => panic!("{packet:?} is worked on in a group"),
        Packet::Unpublished(id) => {
            let wait = std::time::Duration::from_secs(5);
            postpone(unit, &[(id.clone(), wait)]).await.unwrap();
        }
        Packet::Command(action, id) => {
            let request = CommandRequest {
                action: (*action).into(),
                message_ids: vec![id.clone()],
                ..CommandRequest::default()
            };
            command(unit, &request).await.unwrap();
        }
        Packet::Open(adapter) => {
            let request = OpenRequest {
                application: APPLICATION.to_owned(),
                adapter: format!("adapter {adapter}"),
                receiver_class: class.into(),
                lease_ms: u64::try_from(LEASE_MS).unwrap(),
                ..OpenRequest::default()
            };
            connect::open(unit, opened, &request).await.unwrap();
        }
        Packet::Close(session) => drop(connect::close(unit, session).await.unwrap()),
        Packet::Sweep => drop(sweep(unit).await.unwrap()),
    }
}

#[tokio::test]
async fn no_message_is_lost_or_doubled_through_random_calls() {
    let mut seen = HashSet::new();
    let seeds = seeds(12);
    for seed in seeds.clone() {
        let (database, _directory) = Database::empty().await;
        let mut world = World::new(seed, database).await;
        for _ in 0..400 {
            world.step().await;
        }
        world.heal().await;
        seen.extend(world.seen.drain());
    }
    // Routed is the state of their parents.
    let is_missed =
        |it: &State| !matches!(it, State::Unspecified | State::Accepted | State::Routed);
    let all = (0..12).map(|it| State::try_from(it).unwrap()).filter(is_missed);
    let unseen: Vec<_> = all.filter(|it| !seen.contains(it)).collect();
    assert!(seeds.len() == 1 || unseen.is_empty(), "never in {unseen:?}");
}
