//! Random sequences of calls against the sessions of one application, with a journal that leases
//! messages to them and knows what each may have.

use super::*;
use crate::random::{Random, seeds};

const MESSAGES: usize = 8;
const SESSIONS: usize = 3;
const LASTS: i64 = 1_000;

/// A session as the test knows it, beside its state.
struct Known {
    name: usize,
    state: SessionState,
    in_flight_max: usize,
    /// The reader that has it, how it asks, and what it still wants.
    reader: Option<(u64, Asking)>,
    /// Readers that ended before; their ends may be noticed again.
    ended: Vec<u64>,
    /// When its last stream was lost, if no other reader came since.
    lost_at: Option<i64>,
    is_draining: bool,
    is_closed: bool,
    /// What was sent, and under which lease.
    sent: Vec<(String, u64)>,
}

/// A reservation, and what the journal answered for it: messages and leases.
struct Begin {
    name: usize,
    count: usize,
    given: Vec<(usize, u64)>,
}

/// The lease of a message at the journal: session, number, end.
type Lease = Option<(usize, u64, i64)>;

struct World {
    random: Random,
    now: i64,
    sessions: Vec<Known>,
    names: usize,
    journal: [Lease; MESSAGES],
    lease: u64,
    begins: Vec<Begin>,
    /// Answers of adapters on their way: message, lease.
    answers: Vec<(usize, u64)>,
}

fn delivery(message: usize, lease: u64, until: i64) -> (Delivery, InFlight) {
    let message_id = format!("m{message}");
    let in_flight = InFlight {
        lease,
        attachments: Vec::new(),
        body: None,
        lease_until_us: until,
        conversation: String::new(),
        traceparent: String::new(),
    };
    (Delivery { message_id, lease, lease_until_us: until, ..Delivery::default() }, in_flight)
}

impl World {
    fn new(seed: u64) -> Self {
        let mut world = Self {
            random: Random::new(seed),
            now: 0,
            sessions: Vec::new(),
            names: 0,
            journal: [None; MESSAGES],
            lease: 0,
            begins: Vec::new(),
            answers: Vec::new(),
        };
        for _ in 0..SESSIONS {
            let opened = world.opened();
            world.sessions.push(opened);
        }
        world
    }

    fn opened(&mut self) -> Known {
        self.names += 1;
        let in_flight_max = 1 + self.random.below(4);
        Known {
            name: self.names,
            state: SessionState::new(in_flight_max, self.now),
            in_flight_max,
            reader: None,
            ended: Vec::new(),
            lost_at: None,
            is_draining: false,
            is_closed: false,
            sent: Vec::new(),
        }
    }

    fn note(&mut self, chosen: usize, event: &str) {
        let (name, state) = (self.sessions[chosen].name, &self.sessions[chosen].state);
        let (phase, unsent, reserved) = (state.phase, state.unsent.len(), state.reserved);
        let counts = (state.in_flight.len(), unsent, reserved);
        self.random.note(format!("{} s{name} {event}: {phase:?} {counts:?}", self.now));
    }

    /// The journal takes back what a session did not send.
    fn give_back(&mut self, name: usize, unsent: Vec<Delivery>) {
        for it in unsent {
            let lease = self.lease_of(&it.message_id);
            assert!(lease.is_none_or(|(of, number, _)| of == name || number != it.lease));
            if lease.is_some_and(|(_, number, _)| number == it.lease) {
                self.journal[message_of(&it.message_id)] = None;
            }
        }
    }

    fn lease_of(&self, id: &str) -> Lease {
        self.journal[message_of(id)]
    }

    fn open_reader(&mut self, chosen: usize) {
        let asking = match self.random.below(3) {
            0 => Asking::Poll(1 + self.random.below(4)),
            _ => Asking::Stream,
        };
        let known = &mut self.sessions[chosen];
        match known.state.open_reader(asking, 0) {
            Some(_) if known.is_closed => {}
            Some(reader) => {
                assert!(known.reader.is_none(), "two readers");
                (known.reader, known.lost_at) = (Some((reader, asking)), None);
            }
            None => assert!(known.reader.is_some(), "a reader is refused though nobody reads"),
        }
        self.note(chosen, "opens a reader");
    }

    /// The end of a reader, or once more the end of one before it.
    fn close_reader(&mut self, chosen: usize) {
        let is_late = self.random.one_in(3);
        let is_lost = self.random.one_in(2);
        let picked = self.random.below(8);
        let (now, known) = (self.now, &mut self.sessions[chosen]);
        let late = known.ended.get(picked % known.ended.len().max(1)).copied();
        let reader = if is_late { late } else { known.reader.map(|it| it.0) };
        let Some(reader) = reader else { return };
        let unsent = known.state.close_reader(reader, is_lost.then_some(now));
        if known.reader.is_some_and(|it| it.0 == reader) {
            known.reader = None;
            known.ended.push(reader);
            known.lost_at = is_lost.then_some(now);
        } else {
            assert!(unsent.is_empty(), "the end of another reader takes deliveries away");
        }
        let name = known.name;
        self.give_back(name, unsent);
        self.note(chosen, if is_late { "ends a reader late" } else { "ends its reader" });
    }

    fn reserve(&mut self, chosen: usize) {
        let count = 1 + self.random.below(4);
        let known = &mut self.sessions[chosen];
        let (capacity, name) = (known.state.capacity(), known.name);
        let count = known.state.reserve(count);
        assert!(count <= capacity, "more is reserved than there is");
        if count > 0 {
            self.begins.push(Begin { name, count, given: Vec::new() });
        }
        self.note(chosen, "reserves");
    }

    /// The journal works on a Begin, though its session may be gone at the gateway.
    fn begin(&mut self) {
        let Some(chosen) = self.pick_begin() else { return };
        let (name, count) = (self.begins[chosen].name, self.begins[chosen].count);
        let is_open = self.sessions.iter().any(|it| it.name == name && !it.is_closed);
        for _ in self.begins[chosen].given.len()..count {
            let message = self.random.below(MESSAGES);
            if self.journal[message].is_some() || !is_open {
                continue;
            }
            self.lease += 1;
            self.journal[message] = Some((name, self.lease, self.now + LASTS));
            self.begins[chosen].given.push((message, self.lease));
            self.random.note(format!("{} journal leases m{message} to s{name}", self.now));
        }
    }

    fn pick_begin(&mut self) -> Option<usize> {
        (!self.begins.is_empty()).then(|| self.random.below(self.begins.len()))
    }

    /// The answer of the journal reaches the gateway, or is lost, and then the reservation ends.
    fn answer(&mut self) {
        let Some(chosen) = self.pick_begin() else { return };
        let begin = self.begins.swap_remove(chosen);
        let is_lost = self.random.one_in(5);
        let Some(index) = self.sessions.iter().position(|it| it.name == begin.name) else {
            return; // The gateway was killed meanwhile.
        };
        self.sessions[index].state.release(begin.count);
        for (message, lease) in begin.given {
            let is_current = self.journal[message].is_some_and(|it| it.1 == lease);
            let until = self.journal[message].filter(|_| is_current).map_or(self.now, |it| it.2);
            let (delivery, in_flight) = delivery(message, lease, until);
            let known = &mut self.sessions[index];
            let queued = if is_lost {
                Err(Box::new(delivery))
            } else {
                known.state.enqueue(delivery, in_flight)
            };
            match queued {
                Ok(_) => assert!(
                    known.reader.is_some() && !known.is_draining && !known.is_closed,
                    "a session that nobody reads takes a delivery"
                ),
                Err(unsent) => self.give_back(begin.name, vec![*unsent]),
            }
        }
        self.note(index, "gets an answer");
    }

    fn take(&mut self, chosen: usize) {
        let count = 1 + self.random.below(3);
        let (now, known) = (self.now, &mut self.sessions[chosen]);
        if known.reader.is_none() {
            return;
        }
        let (taken, expired) = known.state.take(count, now);
        assert!(taken.is_empty() || !known.is_draining && !known.is_closed);
        let name = known.name;
        for it in &taken {
            let sent = (it.message_id.clone(), it.lease);
            assert!(!known.sent.contains(&sent), "sent twice under one lease");
            assert!(it.lease_until_us > now, "sent after its lease has ended");
            known.sent.push(sent);
        }
        for it in taken {
            let lease = self.lease_of(&it.message_id);
            assert!(
                lease.is_some_and(|(of, number, _)| (of, number) == (name, it.lease)),
                "another session may have {}",
                it.message_id
            );
            for _ in 0..=self.random.below(2) {
                self.answers.push((message_of(&it.message_id), it.lease));
            }
        }
        self.give_back(name, expired);
        self.note(chosen, "takes");
    }

    /// An answer of an adapter, perhaps a repeat, perhaps late.
    fn settle(&mut self) {
        if self.answers.is_empty() {
            return;
        }
        let chosen = self.random.below(self.answers.len());
        let (message, lease) = self.answers[chosen];
        if !self.random.one_in(4) {
            self.answers.swap_remove(chosen);
        }
        if self.journal[message].is_some_and(|it| it.1 == lease) {
            self.journal[message] = None;
        }
        for known in &mut self.sessions {
            let (before, id) = (known.state.load(), format!("m{message}"));
            let was_its = known.state.in_flight(&id).is_some_and(|it| it.lease == lease);
            let is_settled = known.state.settle(&id, lease);
            assert_eq!(is_settled, was_its, "another lease is settled");
            assert_eq!(known.state.load(), before - usize::from(is_settled), "its place is free");
        }
        self.random.note(format!("{} m{message} is settled under {lease}", self.now));
    }

    /// Time passes; the journal ends leases, and gateways forget them.
    fn pass(&mut self) {
        self.now += i64::try_from(self.random.below(400)).unwrap();
        let now = self.now;
        for lease in &mut self.journal {
            *lease = lease.filter(|it| it.2 > now);
        }
        let chosen = self.random.below(SESSIONS);
        let name = self.sessions[chosen].name;
        let (_, unsent) = self.sessions[chosen].state.expire_leases(now);
        self.give_back(name, unsent);
        self.note(chosen, "forgets ended leases");
    }

    /// A session ends at the gateway and at the journal. Another one comes.
    fn close(&mut self, chosen: usize) {
        let known = &mut self.sessions[chosen];
        let (unsent, name) = (known.state.close(), known.name);
        (known.is_closed, known.reader) = (true, None);
        self.give_back(name, unsent);
        self.note(chosen, "is closed");
        let state = &self.sessions[chosen].state;
        assert!(state.capacity() == 0 && state.unsent.is_empty(), "a closed session has something");
        for lease in &mut self.journal {
            *lease = lease.filter(|it| it.0 != name);
        }
    }

    fn drain(&mut self, chosen: usize) {
        let known = &mut self.sessions[chosen];
        let (unsent, name) = (known.state.start_drain(), known.name);
        known.is_draining = true;
        self.give_back(name, unsent);
        self.note(chosen, "drains");
    }

    /// The gateway is killed: the journal closes what it does not renew, and nothing else is known.
    fn crash(&mut self) {
        for chosen in 0..SESSIONS {
            let name = self.sessions[chosen].name;
            for lease in &mut self.journal {
                *lease = lease.filter(|it| it.0 != name);
            }
            self.sessions[chosen] = self.opened();
        }
        self.random.note(format!("{} crash", self.now));
    }

    fn step(&mut self) {
        let chosen = self.random.below(SESSIONS);
        match self.random.below(100) {
            0..12 => self.open_reader(chosen),
            12..20 => self.close_reader(chosen),
            20..38 => self.reserve(chosen),
            38..52 => self.begin(),
            52..64 => self.answer(),
            64..78 => self.take(chosen),
            78..90 => self.settle(),
            90..96 => self.pass(),
            96..98 => self.close(chosen),
            98 => self.drain(chosen),
            _ => {
                if self.random.one_in(4) {
                    self.crash();
                } else if self.sessions[chosen].is_closed || self.sessions[chosen].is_draining {
                    self.close(chosen);
                    self.sessions[chosen] = self.opened();
                }
            }
        }
        self.check();
    }

    fn check(&self) {
        for known in &self.sessions {
            let state = &known.state;
            let reserved = self.begins.iter().filter(|it| it.name == known.name);
            let reserved = reserved.map(|it| it.count).sum::<usize>();
            assert_eq!(state.reserved, reserved, "a reservation is lost");
            assert!(state.load() <= known.in_flight_max, "more in flight than the adapter accepts");
            let is_open = !known.is_draining && !known.is_closed;
            let asking = known.reader.map_or(Asking::Nothing, |it| it.1);
            assert_eq!(state.asking(), asking, "the reader of s{}", known.name);
            if is_open && asking == Asking::Stream {
                let free = known.in_flight_max - state.load();
                assert_eq!(state.capacity(), free, "an open stream stands still");
            }
            assert!(is_open || state.capacity() == 0);
            let lost_at = known.lost_at.filter(|_| !known.is_closed);
            assert_eq!(state.is_abandoned(i64::MAX), lost_at.is_some(), "s{}", known.name);
            for it in &state.unsent {
                let found = state.in_flight(&it.message_id);
                assert!(found.is_some_and(|of| of.lease == it.lease), "unsent without a lease");
            }
        }
        for (message, lease) in self.journal.iter().enumerate() {
            let Some((name, number, _)) = *lease else { continue };
            let is_begun = self.begins.iter().any(|it| it.given.contains(&(message, number)));
            let has = |it: &&Known| {
                let found = it.state.in_flight(&format!("m{message}"));
                found.is_some_and(|of| of.lease == number)
            };
            let holders: Vec<_> = self.sessions.iter().filter(has).map(|it| it.name).collect();
            let expected = if is_begun { Vec::new() } else { vec![name] };
            assert_eq!(holders, expected, "holders of m{message} under {number}");
        }
    }
}

fn message_of(id: &str) -> usize {
    id.trim_start_matches('m').parse().unwrap()
}

#[test]
fn sessions_hold_what_the_journal_leased_to_them_and_nothing_else() {
    for seed in seeds(100) {
        let mut world = World::new(seed);
        (0..3_000).for_each(|_| world.step());
        while !world.begins.is_empty() {
            world.answer();
        }
        assert!(world.sessions.iter().all(|it| it.state.reserved == 0), "capacity is lost");
    }
}

#[test]
fn an_unsent_copy_under_an_older_lease_is_dropped_when_a_newer_one_is_queued() {
    let mut state = SessionState::new(3, 0);
    let reader = state.open_reader(Asking::Stream, 0).unwrap();
    // The journal has ended the first lease before its time, so it does not expire here.
    for (message, lease) in [(1, 7), (2, 8), (1, 9)] {
        let (delivery, in_flight) = delivery(message, lease, LASTS);
        state.enqueue(delivery, in_flight).unwrap();
    }
    assert_eq!((state.in_flight_count(), state.sent_count()), (2, 0));
    let (taken, expired) = state.take(10, 1);
    let leases: Vec<_> = taken.iter().map(|it| (it.message_id.as_str(), it.lease)).collect();
    assert_eq!((leases, expired.len()), (vec![("m2", 8), ("m1", 9)], 0));
    assert_eq!(state.sent_count(), 2);
    assert!(state.close_reader(reader, None).is_empty());
}
