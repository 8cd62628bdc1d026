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

fn settled(session: &str, number: Option<u64>, is_final: bool) -> LeaseEvent<'_> {
    LeaseEvent::Settled { session, number, is_final }
}

#[test]
fn every_state_and_event_has_its_transition() {
    use LeaseEffect::{AlreadyEnded, GivenBack, Granted, HeldAlready, Late, Nothing, Settled};
    let (free, held, ended) = (Lease::Free { last: 7 }, held(2_000), Lease::Ended { last: 7 });
    let granted = Lease::Held { session: "s".to_owned(), number: NOW, until: NOW + 5 };
    let past = Lease::Held { session: "s".to_owned(), number: 7, until: END_AT_RESTART };
    let begun = LeaseEvent::Begun { session: "s", lasts: 5 };
    let closed = |session| LeaseEvent::SessionClosed { session };
    // The event, and what becomes of a free, a held and an ended lease.
    let table = [
        (begun, [(&granted, Granted), (&held, HeldAlready), (&ended, AlreadyEnded)]),
        (settled("s", Some(7), false), [(&free, Late), (&free, Settled), (&ended, Late)]),
        (settled("s", Some(7), true), [(&free, Late), (&ended, Settled), (&ended, Late)]),
        (settled("s", None, false), [(&free, Late), (&free, Settled), (&ended, Late)]),
        (settled("s", Some(6), true), [(&free, Late), (&held, Late), (&ended, Late)]),
        (settled("other", Some(7), true), [(&free, Late), (&held, Late), (&ended, Late)]),
        (settled("other", None, false), [(&free, Late), (&held, Late), (&ended, Late)]),
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
    let over = self::held(NOW);
    assert_eq!(over.after(LeaseEvent::Due, NOW), (free, GivenBack), "its end has come");
}

#[test]
fn a_lease_number_is_above_the_last_though_the_clock_was_set_back() {
    let begun = LeaseEvent::Begun { session: "s", lasts: 5 };
    let (lease, _) = Lease::Free { last: NOW + 9 }.after(begun, NOW);
    assert_eq!(lease.number(), NOW + 10);
}

/// A message is in hand exactly while its lease is held, whatever the event.
#[test]
fn the_states_of_messages_and_of_leases_agree() {
    for number in 0..12 {
        let state = State::try_from(number).unwrap();
        let row = DeliveryRow { state, ..DeliveryRow::default() };
        let is_free = transition(state, Event::Begun) == Some(Transition::To(State::InHand));
        let begun = LeaseEvent::Begun { session: "s", lasts: 5 };
        let (_, effect) = row.lease().after(begun, NOW);
        assert!(!is_free || effect == LeaseEffect::Granted, "{state:?}");
        let is_settled = transition(state, Event::Taken).is_some();
        let (_, effect) = row.lease().after(settled("", Some(0), true), NOW);
        assert_eq!(is_settled, effect == LeaseEffect::Settled, "{state:?}");
    }
}

/// A call that is on its way, perhaps twice, perhaps for long.
#[derive(Clone, Debug)]
enum Packet {
    Begin { session: String, message: usize },
    Settle { session: String, message: usize, number: Option<u64>, is_final: bool },
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
            Lease::Free { .. } => row.state = State::Queued,
            Lease::Held { .. } => assert_eq!(row.state, State::InHand),
            Lease::Ended { .. } => row.state = State::Taken,
        }
        // What is stored is all that a start finds.
        let (state, session) = (row.state, row.session.clone());
        let (lease, due_at) = (row.lease, row.due_at);
        *row = DeliveryRow { state, session, lease, due_at, ..DeliveryRow::default() };
        assert_eq!(row.lease(), after);
        self.check_change(message, (&before, &after), event, effect);
        effect
    }

    fn check_change(
        &self,
        message: usize,
        (before, after): (&Lease, &Lease),
        event: LeaseEvent<'_>,
        effect: LeaseEffect,
    ) {
        assert!(after.number() >= before.number(), "a number comes back");
        let is_unchanged = before == after;
        let was_ended = matches!(before, Lease::Ended { .. });
        assert!(is_unchanged || !was_ended, "an ended message is settled or begun again");
        if let Lease::Held { session, number, until } = before {
            match event {
                LeaseEvent::Settled { session: of, number: answered, .. } => {
                    let is_current = answered.is_none_or(|it| Ok(it) == u64::try_from(*number));
                    assert_eq!(
                        !is_unchanged,
                        session == of && is_current,
                        "the wrong answer counts"
                    );
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
        } else if let Lease::Held { number, until, .. } = after {
            assert_eq!(effect, LeaseEffect::Granted, "a lease that nobody asked for");
            assert!(self.given[message].iter().all(|(_, it)| it < number), "a number given twice");
            assert!(*until > self.now, "a lease without an end ahead");
        }
    }

    /// At most one of all answers that sessions could ever send counts.
    fn check_holders(&self) {
        for (row, given) in self.rows.iter().zip(&self.given) {
            let counts = |(session, number): &&(String, i64)| {
                let answer = settled(session, u64::try_from(*number).ok(), true);
                row.lease().after(answer, self.now).1 == LeaseEffect::Settled
            };
            let holders = given.iter().filter(counts).count();
            assert_eq!(holders, usize::from(row.state == State::InHand), "holders of {row:?}");
        }
    }

    fn begin(&mut self, session: String, message: usize) {
        if !self.sessions.contains(&session) {
            return; // The journal does not know a session that is closed.
        }
        let begun = LeaseEvent::Begun { session: &session, lasts: LASTS };
        if self.apply(message, begun) != LeaseEffect::Granted {
            return;
        }
        let number = self.rows[message].lease;
        self.given[message].push((session.clone(), number));
        // The answer of the journal may be lost, and then the gateway takes back what it cannot name.
        let is_lost = self.random.one_in(4);
        let is_final = !is_lost && self.random.one_in(8);
        let number = u64::try_from(number).ok().filter(|_| !is_lost);
        self.network.push(Packet::Settle { session, message, number, is_final });
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
            Packet::Begin { session, message } => self.begin(session, message),
            Packet::Settle { session, message, number, is_final } => {
                self.apply(message, settled(&session, number, is_final));
            }
        }
    }

    fn step(&mut self) {
        let message = self.random.below(MESSAGES);
        let session = self.random.below(SESSIONS);
        match self.random.below(100) {
            0..30 => {
                let session = self.sessions[session].clone();
                self.network.push(Packet::Begin { session, message });
            }
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
