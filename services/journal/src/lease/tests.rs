//! Tests of the lease: every pair of its table, and random sequences of calls.

use proto::message::v1::State;

use super::*;
use crate::delivery_row::DeliveryRow;
use crate::random::{Random, seeds};
use crate::transitions::{Event, Transition, transition};

const NOW: i64 = 1_000;

fn held(until: i64) -> Lease {
    Lease::Held { session: "s".to_owned(), number: 7, until }
}

fn begun(session: &str, number: i64) -> LeaseEvent<'_> {
    LeaseEvent::Begun { session, number, lasts: 5 }
}

fn settled(session: &str, number: u64, is_final: bool) -> LeaseEvent<'_> {
    LeaseEvent::Settled { session, number, is_final }
}

#[test]
fn every_state_and_event_has_its_transition() {
    use LeaseEffect::{AlreadyEnded, GivenBack, Granted, HeldAlready, Late, Nothing, Settled};
    let (free, held, ended) = (Lease::Free, held(2_000), Lease::Ended);
    let granted = Lease::Held { session: "s".to_owned(), number: 3, until: NOW + 5 };
    let past = Lease::Held { session: "s".to_owned(), number: 7, until: END_AT_RESTART };
    let closed = |session| LeaseEvent::SessionClosed { session };
    // The event, and what becomes of a free, a held and an ended lease.
    let table = [
        (begun("s", 3), [(&granted, Granted), (&held, HeldAlready), (&ended, AlreadyEnded)]),
        (settled("s", 7, false), [(&free, Late), (&free, Settled), (&ended, Late)]),
        (settled("s", 7, true), [(&free, Late), (&ended, Settled), (&ended, Late)]),
        (settled("s", 6, false), [(&free, Late), (&held, Late), (&ended, Late)]),
        (settled("s", 8, true), [(&free, Late), (&held, Late), (&ended, Late)]),
        (settled("s", 0, false), [(&free, Late), (&held, Late), (&ended, Late)]),
        (settled("other", 7, true), [(&free, Late), (&held, Late), (&ended, Late)]),
        (settled("other", 7, false), [(&free, Late), (&held, Late), (&ended, Late)]),
        (LeaseEvent::Due, [(&free, Nothing), (&held, Nothing), (&ended, Nothing)]),
        (closed("s"), [(&free, Nothing), (&free, GivenBack), (&ended, Nothing)]),
        (closed("other"), [(&free, Nothing), (&held, Nothing), (&ended, Nothing)]),
        (LeaseEvent::Restarted, [(&free, Nothing), (&past, Nothing), (&ended, Nothing)]),
        (LeaseEvent::Revoked, [(&free, Nothing), (&free, Nothing), (&ended, Nothing)]),
        (LeaseEvent::Finished, [(&ended, Nothing), (&ended, Nothing), (&ended, Nothing)]),
    ];
    for (event, outcomes) in table {
        for (before, (after, effect)) in [&free, &held, &ended].into_iter().zip(outcomes) {
            let expected = (after.clone(), effect);
            assert_eq!(before.clone().after(event, NOW), expected, "{event:?} in {before:?}");
        }
    }
    for again in [begun("s", 7), begun("other", 7), begun("s", 8)] {
        assert_eq!(held.clone().after(again, NOW), (held.clone(), HeldAlready), "{again:?}");
    }
    let over = self::held(NOW);
    assert_eq!(over.after(LeaseEvent::Due, NOW), (free, GivenBack), "its end has come");
}

/// A message is in hand exactly while its lease is held, whatever the event.
#[test]
fn the_states_of_messages_and_of_leases_agree() {
    for number in 0..12 {
        let state = State::try_from(number).unwrap();
        let row = DeliveryRow { state, ..DeliveryRow::default() };
        let is_free = transition(state, Event::Begun) == Some(Transition::To(State::InHand));
        let (_, effect) = row.lease().after(begun("s", 3), NOW);
        assert!(!is_free || effect == LeaseEffect::Granted, "{state:?}");
        let is_settled = transition(state, Event::Taken).is_some();
        let (_, effect) = row.lease().after(settled("", 0, true), NOW);
        assert_eq!(is_settled, effect == LeaseEffect::Settled, "{state:?}");
    }
}

/// A call that is on its way, perhaps twice, perhaps for long.
#[derive(Clone, Debug)]
enum Packet {
    /// Undone: its answer will be lost, and its undo is on its way too, perhaps ahead of it.
    Begin {
        session: String,
        message: usize,
        number: i64,
        is_undone: bool,
    },
    Settle {
        session: String,
        message: usize,
        number: u64,
        is_final: bool,
    },
}

const MESSAGES: usize = 4;
const SESSIONS: usize = 3;
const LASTS: i64 = 1_000;

/// Messages in a journal, sessions that ask for them, and the calls between.
struct World {
    random: Random,
    now: i64,
    rows: [DeliveryRow; MESSAGES],
    sessions: [String; SESSIONS],
    /// The last number of each one's gateway. The gateways count alike, so numbers of different
    /// sessions are often the same.
    numbers: [i64; SESSIONS],
    opened: usize,
    network: Vec<Packet>,
    /// Every lease that was given, by message.
    given: [Vec<(String, i64)>; MESSAGES],
}

impl World {
    fn new(seed: u64) -> Self {
        let row = DeliveryRow { state: State::Queued, ..DeliveryRow::default() };
        Self {
            random: Random::new(seed),
            now: 1,
            rows: std::array::from_fn(|_| row.clone()),
            sessions: std::array::from_fn(|it| format!("s{it}")),
            numbers: [0; SESSIONS],
            opened: SESSIONS,
            network: Vec::new(),
            given: Default::default(),
        }
    }

    /// Applies an event as the unit of work does, and checks what it changed.
    fn apply(&mut self, message: usize, event: LeaseEvent<'_>) -> LeaseEffect {
        let row = &mut self.rows[message];
        let before = row.lease();
        let (after, effect) = before.clone().after(event, self.now);
        self.random.note(format!("{} m{message} {event:?}: {effect:?} {after:?}", self.now));
        row.set_lease(after.clone());
        match after {
            Lease::Free => row.state = State::Queued,
            Lease::Held { .. } => assert_eq!(row.state, State::InHand),
            Lease::Ended => row.state = State::Taken,
        }
        // What is stored is all that a start finds.
        let (state, session) = (row.state, row.session.clone());
        let (lease, due_at) = (row.lease, row.due_at);
        *row = DeliveryRow { state, session, lease, due_at, ..DeliveryRow::default() };
        assert_eq!(row.lease(), after);
        self.check_change((&before, &after), event, effect);
        effect
    }

    fn check_change(
        &self,
        (before, after): (&Lease, &Lease),
        event: LeaseEvent<'_>,
        effect: LeaseEffect,
    ) {
        let is_unchanged = before == after;
        let was_ended = *before == Lease::Ended;
        assert!(is_unchanged || !was_ended, "an ended message is settled or begun again");
        if let Lease::Held { session, number, until } = before {
            match event {
                LeaseEvent::Settled { session: of, number: answered, .. } => {
                    let is_current = session == of && Ok(answered) == u64::try_from(*number);
                    assert_eq!(!is_unchanged, is_current, "the wrong answer counts");
                    assert_eq!(!is_unchanged, effect == LeaseEffect::Settled);
                }
                LeaseEvent::Due => assert_eq!(!is_unchanged, *until <= self.now, "its end"),
                LeaseEvent::SessionClosed { session: of } => {
                    assert_eq!(!is_unchanged, session == of, "a closed session holds something");
                }
                LeaseEvent::Begun { .. } => assert!(is_unchanged, "two sessions hold a message"),
                LeaseEvent::Restarted => assert!(matches!(after, Lease::Held { .. })),
                LeaseEvent::Revoked | LeaseEvent::Finished => {
                    assert!(!matches!(after, Lease::Held { .. }));
                }
            }
        } else if let Lease::Held { session, number, until } = after {
            assert_eq!(effect, LeaseEffect::Granted, "a lease that nobody asked for");
            let asked = LeaseEvent::Begun { session, number: *number, lasts: LASTS };
            assert_eq!(event, asked, "the lease has another name than its Begin");
            assert!(*until > self.now, "a lease without an end ahead");
        }
    }

    /// At most one of all answers that sessions could ever send counts.
    fn check_holders(&self) {
        for (row, given) in self.rows.iter().zip(&self.given) {
            let counts = |(session, number): &&(String, i64)| {
                let answer = settled(session, u64::try_from(*number).unwrap(), true);
                row.lease().after(answer, self.now).1 == LeaseEffect::Settled
            };
            let holders = given.iter().filter(counts).count();
            assert_eq!(holders, usize::from(row.state == State::InHand), "holders of {row:?}");
        }
    }

    fn begin(&mut self, session: String, message: usize, (number, is_undone): (i64, bool)) {
        if !self.sessions.contains(&session) {
            return; // The journal does not know a session that is closed.
        }
        let begun = LeaseEvent::Begun { session: &session, number, lasts: LASTS };
        if self.apply(message, begun) != LeaseEffect::Granted {
            return;
        }
        let given = (session.clone(), number);
        if !self.given[message].contains(&given) {
            self.given[message].push(given);
        }
        if !is_undone {
            let is_final = self.random.one_in(8);
            let number = u64::try_from(number).unwrap();
            self.network.push(Packet::Settle { session, message, number, is_final });
        }
    }

    /// A gateway sends a Begin, and its undo where the answer will be lost.
    fn send_begin(&mut self, session: usize, message: usize) {
        self.numbers[session] += 1;
        let (number, session) = (self.numbers[session], self.sessions[session].clone());
        let is_undone = self.random.one_in(4);
        if is_undone {
            let (session, number) = (session.clone(), u64::try_from(number).unwrap());
            self.network.push(Packet::Settle { session, message, number, is_final: false });
        }
        self.network.push(Packet::Begin { session, message, number, is_undone });
    }

    fn deliver(&mut self) {
        if self.network.is_empty() {
            return;
        }
        let chosen = self.random.below(self.network.len());
        let packet = self.network[chosen].clone();
        if !self.random.one_in(3) {
            self.network.swap_remove(chosen);
        }
        match packet {
            Packet::Begin { session, message, number, is_undone } => {
                self.begin(session, message, (number, is_undone));
            }
            Packet::Settle { session, message, number, is_final } => {
                self.apply(message, settled(&session, number, is_final));
            }
        }
    }

    fn step(&mut self) {
        let message = self.random.below(MESSAGES);
        let session = self.random.below(SESSIONS);
        match self.random.below(100) {
            0..30 => self.send_begin(session, message),
            30..75 => self.deliver(),
            75..85 => self.now += i64::try_from(self.random.below(700)).unwrap(),
            85..93 => {
                self.apply(message, LeaseEvent::Due);
            }
            93..96 => {
                self.opened += 1;
                let opened = format!("s{}", self.opened);
                let closed = std::mem::replace(&mut self.sessions[session], opened);
                for it in 0..MESSAGES {
                    self.apply(it, LeaseEvent::SessionClosed { session: &closed });
                    assert!(self.rows[it].session != closed, "a closed session holds something");
                }
            }
            96 => {
                for it in 0..MESSAGES {
                    self.apply(it, LeaseEvent::Restarted);
                }
            }
            97 => self.now -= i64::try_from(self.random.below(900)).unwrap(),
            98 => {
                self.apply(message, LeaseEvent::Revoked);
            }
            _ => {
                // A crash: what was on its way is gone.
                self.network.truncate(self.random.below(4));
                if self.random.one_in(3) {
                    self.apply(message, LeaseEvent::Finished);
                }
            }
        }
        if self.rows[message].state == State::Taken && self.random.one_in(20) {
            // Another message in its place.
            self.rows[message] = DeliveryRow { state: State::Queued, ..DeliveryRow::default() };
            self.given[message].clear();
            let is_of =
                |it: &Packet| matches!(it, Packet::Settle { message: of, .. } if *of == message);
            self.network.retain(|it| !is_of(it));
        }
        self.check_holders();
    }
}

#[test]
fn a_message_has_one_holder_through_repeats_delays_and_crashes() {
    for seed in seeds(60) {
        let mut world = World::new(seed);
        (0..3_000).for_each(|_| world.step());
        world.now += 10 * LASTS;
        for message in 0..MESSAGES {
            world.apply(message, LeaseEvent::Due);
            assert_ne!(world.rows[message].state, State::InHand, "a lease without an end");
        }
    }
}
