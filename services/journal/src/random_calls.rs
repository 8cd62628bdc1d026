//! Random calls against the journal's writer on a database: the machines of messages, leases and
//! tries together with the rows, the cache and the sweeper that apply them.

use std::collections::{HashMap, HashSet};

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
use crate::begin::begin;
use crate::command::command;
use crate::connect;
use crate::database::Database;
use crate::delivery_row::{COLUMNS, DeliveryRow};
use crate::lease::{END_AT_RESTART, LeaseEvent};
use crate::random::{Random, seeds};
use crate::record::record;
use crate::row_cache::RowCache;
use crate::settle::end;
use crate::sweep::{postpone, publish_all, publish_soon, sweep};
use crate::unit_of_work::UnitOfWork;

const APPLICATION: &str = "b-app";
const MESSAGES: usize = 6;
const CONVERSATIONS: usize = 2;
const LEASE_MS: i64 = 600_000;
const SECOND: i64 = 1_000_000;

/// False for an answer to another lease than the one that the row has.
fn may_change(packet: &Packet, was: &DeliveryRow) -> bool {
    let Packet::End(request) = packet else { return true };
    let mut settlements = request.settlements.iter().filter(|it| it.message_id == was.id);
    let is_current = |lease| lease == 0 || i64::try_from(lease) == Ok(was.lease);
    request.session == was.session && settlements.any(|it| is_current(it.lease))
}

/// A call on its way to the journal, perhaps twice, perhaps for long.
#[derive(Clone, Debug)]
enum Packet {
    Begin { session: String, id: String },
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
    /// The lease under which a message was given to a session.
    given: Option<u64>,
}

struct World {
    random: Random,
    now: i64,
    database: Database,
    cache: RowCache,
    class: ReceiverClass,
    /// The receiver takes nothing.
    is_away: bool,
    /// The sessions that two adapters have.
    sessions: [String; 2],
    opened: usize,
    network: Vec<Packet>,
    /// Messages in the channel.
    channel: Vec<String>,
    rows: HashMap<String, DeliveryRow>,
    /// Messages that an operator drove again.
    driven: HashSet<String>,
    /// Leases under which a message may have reached a receiver.
    reached: HashMap<String, HashSet<u64>>,
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
            class,
            is_away: seed % 4 == 1,
            sessions: Default::default(),
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
            world.call(&Packet::Open(adapter)).await;
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

    /// Works on a call as the writer does. Now and then its commit fails, and nothing has happened.
    async fn call(&mut self, packet: &Packet) -> Outcome {
        let fails = self.random.one_in(25);
        let opened = format!("s{}", self.opened + 1);
        let mut unit = UnitOfWork::new(&mut self.database, self.now, &mut self.cache);
        unit.database.begin().await.unwrap();
        let mut outcome = Outcome::default();
        work(&mut unit, packet, (&opened, self.class), &mut outcome).await;
        unit.flush().await.unwrap();
        if fails && !matches!(packet, Packet::Open(_)) {
            unit.database.rollback().await.unwrap();
            drop(unit);
            self.random.note(format!("{} {packet:?}: not committed", self.now));
            return Outcome::default();
        }
        unit.database.commit().await.unwrap();
        outcome.published = unit.committed();
        self.random.note(format!("{} {packet:?}: {outcome:?}", self.now));
        self.channel.extend(outcome.published.iter().cloned());
        if let Packet::Open(adapter) = packet {
            self.opened += 1;
            self.sessions[*adapter] = opened;
        }
        if let Packet::Command(Action::Redrive, id) = packet {
            self.driven.insert(id.clone());
        }
        self.check(packet).await;
        outcome
    }

    /// Compares the stored rows with those before a call.
    async fn check(&mut self, packet: &Packet) {
        let (before, after) = (self.rows.clone(), self.stored().await);
        self.watermark_max = self.watermark_max.max(self.cache.watermark);
        assert_eq!(after.len(), MESSAGES);
        let mut in_hand = HashSet::new();
        for (id, row) in &after {
            let was = &before[id];
            self.seen.insert(row.state);
            assert!(row.corrupt.is_none());
            assert!(row.lease >= was.lease, "a lease number comes back: {row:?}");
            assert!((0..=8).contains(&row.tries), "tries exceed the schedule: {row:?}");
            let is_held = row.state == State::InHand;
            assert_eq!(is_held, !row.session.is_empty(), "a holder and no lease: {row:?}");
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
            assert!(!is_changed || is_next || may_change(packet, was), "late: {was:?} {row:?}");
        }
        self.rows = after;
    }

    /// A message of the channel reaches a session, whose receiver answers later, perhaps twice.
    async fn begin(&mut self, id: String, session: String) {
        let packet = Packet::Begin { session: session.clone(), id: id.clone() };
        let Some(lease) = self.call(&packet).await.given else { return };
        let row = &self.rows[&id];
        let earlier = self.rows.values().filter(|it| it.conversation == row.conversation);
        let waits = |it: &&DeliveryRow| it.sequence < row.sequence && !it.is_ended();
        assert_eq!(earlier.filter(waits).count(), 0, "{id} overtakes");
        if self.random.one_in(8) {
            // The answer was lost: nothing reached the receiver. The gateway takes the lease back before
            // it begins the message again, because it cannot name the lease; that call may be lost too.
            let kept = self.network.len();
            self.send_answer((id, session), 0, Answer::Unsent(true));
            let packet = self.network.split_off(kept).remove(0);
            if !self.random.one_in(3) {
                self.call(&packet).await;
            }
            return;
        }
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
                self.reach(&id, lease);
                return;
            }
        };
        // An application that is away has not taken it.
        if !matches!(answer, Answer::Unsent(_) | Answer::Unavailable(_)) {
            self.reach(&id, lease);
        }
        for _ in 0..=self.random.below(2) {
            self.send_answer((id.clone(), session.clone()), lease, answer.clone());
        }
    }

    /// A message may have reached a receiver, a second time only where that is harmless.
    fn reach(&mut self, id: &str, lease: u64) {
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
        let session = self.sessions[self.random.below(2)].clone();
        let any = message_id(1, self.random.below(MESSAGES));
        match self.random.below(100) {
            0..35 if !self.channel.is_empty() => {
                let chosen = self.random.below(self.channel.len());
                let id = self.channel[chosen].clone();
                if !self.random.one_in(5) {
                    self.channel.swap_remove(chosen);
                }
                self.begin(id, session).await;
            }
            35..65 if !self.network.is_empty() => {
                let chosen = self.random.below(self.network.len());
                let packet = self.network[chosen].clone();
                if !self.random.one_in(4) {
                    self.network.swap_remove(chosen);
                }
                self.call(&packet).await;
            }
            65..75 => drop(self.call(&Packet::Sweep).await),
            75..86 => self.now += (1 + self.random.below(120) as i64) * 5 * SECOND,
            86..89 => self.now += 6 * 3_600 * SECOND,
            89 => self.now -= self.random.below(30) as i64 * SECOND,
            90 => {
                let adapter = self.random.below(2);
                self.call(&Packet::Open(adapter)).await;
            }
            91 => {
                let adapter = self.sessions.iter().position(|it| *it == session).unwrap();
                self.call(&Packet::Close(session)).await;
                self.call(&Packet::Open(adapter)).await;
            }
            92 => self.restart().await,
            93 => drop(self.call(&Packet::Unpublished(any)).await),
            94 => drop(self.call(&Packet::Command(Action::Redrive, any)).await),
            95 => drop(self.call(&Packet::Command(Action::Release, any)).await),
            96 if self.random.one_in(4) => {
                drop(self.call(&Packet::Command(Action::Withdraw, any)).await);
            }
            97 => self.channel.clear(),
            _ => {}
        }
    }

    /// A message of the channel is taken at once.
    async fn take(&mut self, id: String) {
        let session = self.sessions[0].clone();
        let begin = Packet::Begin { session: session.clone(), id: id.clone() };
        let Some(lease) = self.call(&begin).await.given else { return };
        self.send_answer((id, session), lease, Answer::Taken(TakenAnswer::default()));
        for packet in std::mem::take(&mut self.network) {
            self.call(&packet).await;
        }
    }

    /// With a receiver that takes everything and an operator that drives dead letters again, each
    /// message ends.
    async fn heal(&mut self) {
        self.network.clear();
        for _ in 0..60 {
            self.now += 6 * 3_600 * SECOND;
            self.call(&Packet::Sweep).await;
            for id in (0..MESSAGES).map(|it| message_id(1, it)) {
                self.call(&Packet::Command(Action::Redrive, id)).await;
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

async fn work(
    unit: &mut UnitOfWork<'_>,
    packet: &Packet,
    (opened, class): (&str, ReceiverClass),
    outcome: &mut Outcome,
) {
    match packet {
        Packet::Begin { session, id } => {
            unit.load([id.as_str()].into_iter()).await.unwrap();
            unit.load_sessions([session.as_str()].into_iter()).await.unwrap();
            let copy = ReceivedCopy { message_id: id.clone(), digest: Default::default() };
            let answers = begin(unit, &[(session, std::slice::from_ref(&copy))]).await.unwrap();
            let begun = answers.into_iter().flatten().flatten();
            let given = begun.filter(|it| it.answer() == begun::Answer::Deliver);
            outcome.given = given.map(|it| it.lease).next();
        }
        Packet::End(request) => {
            unit.load(crate::settle::ids(request)).await.unwrap();
            end(unit, &[request]).await.unwrap();
        }
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
