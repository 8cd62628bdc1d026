//! The lease of a message: which session may settle it, and until when. Pure: time and events go in,
//! the next state and its effect come out.
//!
//! | state | `Begun` | `Settled`, its session and number | `Settled`, another one | `Due` | `SessionClosed` | `Restarted` | `Revoked` | `Finished` |
//! |---|---|---|---|---|---|---|---|---|
//! | `Free` | `Held`, granted | `Free`, late | `Free`, late | – | – | – | – | `Ended` |
//! | `Held` | –, held already, also by its own session and number | `Free` or `Ended`, settled | –, late | after its end `Free`, given back | its own: `Free`, given back | ends at once | `Free` | `Ended` |
//! | `Ended` | –, already ended | –, late | –, late | – | – | – | – | – |
//!
//! The gateway names the number, so it can take a lease back although the answer of its Begin was
//! lost. Session and number together fence off the answers of other leases: a session lives in one
//! gateway process, which uses no number twice. Numbers of different sessions are not compared,
//! because they come from different clocks. One Begin may hold two copies of a message under one
//! number; the second one is held already, because a second grant would deliver it twice.

/// End of a lease whose channel was in the memory of the process before: any time has passed it.
pub(crate) const END_AT_RESTART: i64 = 1;

/// The lease of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lease {
    /// No session holds the message.
    Free,
    /// A session holds it.
    Held { session: String, number: i64, until: i64 },
    /// The message is in a terminal state.
    Ended,
}

/// What happens to a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LeaseEvent<'a> {
    /// A session begins with the message; a lease lasts so many microseconds.
    Begun { session: &'a str, number: i64, lasts: i64 },
    /// A session answers. Final: the message reaches a terminal state.
    Settled { session: &'a str, number: u64, is_final: bool },
    /// The sweeper reads the row.
    Due,
    /// A session is closed.
    SessionClosed { session: &'a str },
    /// The process starts again, and its channels were in memory.
    #[cfg_attr(not(test), expect(dead_code, reason = "one statement ends them all: publish_all"))]
    Restarted,
    /// The message leaves its session without an answer: its row is damaged, or it was made again.
    Revoked,
    /// The message reaches a terminal state.
    Finished,
}

/// What an event means for the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LeaseEffect {
    Nothing,
    /// The session has the lease that the next state names.
    Granted,
    /// A session holds the message already, perhaps the same one.
    HeldAlready,
    AlreadyEnded,
    /// The answer counts.
    Settled,
    /// The answer comes without the lease, and changes nothing.
    Late,
    /// The session lost the message; the class of its receiver decides whether another may have it.
    GivenBack,
}

impl Lease {
    /// The state after an event, and its effect.
    pub(crate) fn after(self, event: LeaseEvent<'_>, now: i64) -> (Self, LeaseEffect) {
        match self {
            Self::Free => after_free(event, now),
            Self::Held { session, number, until } => {
                after_held((session, number, until), event, now)
            }
            Self::Ended => (Self::Ended, effect_when_ended(event)),
        }
    }
}

fn after_free(event: LeaseEvent<'_>, now: i64) -> (Lease, LeaseEffect) {
    match event {
        LeaseEvent::Begun { session, number, lasts } => {
            let (session, until) = (session.to_owned(), now + lasts);
            (Lease::Held { session, number, until }, LeaseEffect::Granted)
        }
        LeaseEvent::Settled { .. } => (Lease::Free, LeaseEffect::Late),
        LeaseEvent::Due
        | LeaseEvent::SessionClosed { .. }
        | LeaseEvent::Restarted
        | LeaseEvent::Revoked => (Lease::Free, LeaseEffect::Nothing),
        LeaseEvent::Finished => (Lease::Ended, LeaseEffect::Nothing),
    }
}

fn after_held(
    (session, number, until): (String, i64, i64),
    event: LeaseEvent<'_>,
    now: i64,
) -> (Lease, LeaseEffect) {
    let is_its = |of: &str| session == of;
    let kept = |until, effect| (Lease::Held { session: session.clone(), number, until }, effect);
    match event {
        LeaseEvent::Begun { .. } => kept(until, LeaseEffect::HeldAlready),
        LeaseEvent::Settled { session: of, number: answered, is_final } => {
            let is_current = u64::try_from(number) == Ok(answered);
            match (is_its(of) && is_current, is_final) {
                (true, true) => (Lease::Ended, LeaseEffect::Settled),
                (true, false) => (Lease::Free, LeaseEffect::Settled),
                (false, _) => kept(until, LeaseEffect::Late),
            }
        }
        LeaseEvent::Due if until <= now => (Lease::Free, LeaseEffect::GivenBack),
        LeaseEvent::SessionClosed { session: of } if is_its(of) => {
            (Lease::Free, LeaseEffect::GivenBack)
        }
        LeaseEvent::Due | LeaseEvent::SessionClosed { .. } => kept(until, LeaseEffect::Nothing),
        LeaseEvent::Restarted => kept(until.min(END_AT_RESTART), LeaseEffect::Nothing),
        LeaseEvent::Revoked => (Lease::Free, LeaseEffect::Nothing),
        LeaseEvent::Finished => (Lease::Ended, LeaseEffect::Nothing),
    }
}

fn effect_when_ended(event: LeaseEvent<'_>) -> LeaseEffect {
    match event {
        LeaseEvent::Begun { .. } => LeaseEffect::AlreadyEnded,
        LeaseEvent::Settled { .. } => LeaseEffect::Late,
        LeaseEvent::Due
        | LeaseEvent::SessionClosed { .. }
        | LeaseEvent::Restarted
        | LeaseEvent::Revoked
        | LeaseEvent::Finished => LeaseEffect::Nothing,
    }
}

#[cfg(test)]
mod tests;
