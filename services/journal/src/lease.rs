//! The lease of a message: which session may settle it, and until when. Pure: time and events go in,
//! the next state and its effect come out.
//!
//! | state | `Begun` | `Settled`, its session and number | `Settled`, another one | `Due` | `SessionClosed` | `Restarted` | `Revoked` | `Finished` |
//! |---|---|---|---|---|---|---|---|---|
//! | `Free` | `Held`, granted | `Free`, late | `Free`, late | – | – | – | – | `Ended` |
//! | `Held` | –, held already | `Free` or `Ended`, settled | –, late | after its end `Free`, given back | its own: `Free`, given back | ends at once | `Free` | `Ended` |
//! | `Ended` | –, already ended | –, late | –, late | – | – | – | – | – |
//!
//! A number is given once and the next one is greater, also after the lease has ended and when the
//! clock was set back: it fences off the answers of earlier leases.

/// End of a lease whose channel was in the memory of the process before: any time has passed it.
pub(crate) const END_AT_RESTART: i64 = 1;

/// The lease of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lease {
    /// No session holds the message. `last` is the number of the last lease; 0: there was none.
    Free { last: i64 },
    /// A session holds it.
    Held { session: String, number: i64, until: i64 },
    /// The message is in a terminal state.
    Ended { last: i64 },
}

/// What happens to a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LeaseEvent<'a> {
    /// A session begins with the message; a lease lasts so many microseconds.
    Begun { session: &'a str, lasts: i64 },
    /// A session answers. Number none: whichever lease it has, because the answer that named the
    /// number was lost. Final: the message reaches a terminal state.
    Settled { session: &'a str, number: Option<u64>, is_final: bool },
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
            Self::Free { last } => after_free(last, event, now),
            Self::Held { session, number, until } => {
                after_held((session, number, until), event, now)
            }
            Self::Ended { last } => (Self::Ended { last }, effect_when_ended(event)),
        }
    }

    /// The number of the lease, or of the last one.
    pub(crate) fn number(&self) -> i64 {
        match self {
            Self::Free { last } | Self::Ended { last } => *last,
            Self::Held { number, .. } => *number,
        }
    }
}

fn after_free(last: i64, event: LeaseEvent<'_>, now: i64) -> (Lease, LeaseEffect) {
    match event {
        LeaseEvent::Begun { session, lasts } => {
            let (session, number) = (session.to_owned(), now.max(last + 1));
            (Lease::Held { session, number, until: now + lasts }, LeaseEffect::Granted)
        }
        LeaseEvent::Settled { .. } => (Lease::Free { last }, LeaseEffect::Late),
        LeaseEvent::Due
        | LeaseEvent::SessionClosed { .. }
        | LeaseEvent::Restarted
        | LeaseEvent::Revoked => (Lease::Free { last }, LeaseEffect::Nothing),
        LeaseEvent::Finished => (Lease::Ended { last }, LeaseEffect::Nothing),
    }
}

fn after_held(
    (session, number, until): (String, i64, i64),
    event: LeaseEvent<'_>,
    now: i64,
) -> (Lease, LeaseEffect) {
    let (free, ended) = (Lease::Free { last: number }, Lease::Ended { last: number });
    let is_its = |of: &str| session == of;
    let kept = |until, effect| (Lease::Held { session: session.clone(), number, until }, effect);
    match event {
        LeaseEvent::Begun { .. } => kept(until, LeaseEffect::HeldAlready),
        LeaseEvent::Settled { session: of, number: answered, is_final } => {
            let is_current = answered.is_none_or(|it| u64::try_from(number) == Ok(it));
            match (is_its(of) && is_current, is_final) {
                (true, true) => (ended, LeaseEffect::Settled),
                (true, false) => (free, LeaseEffect::Settled),
                (false, _) => kept(until, LeaseEffect::Late),
            }
        }
        LeaseEvent::Due if until <= now => (free, LeaseEffect::GivenBack),
        LeaseEvent::SessionClosed { session: of } if is_its(of) => (free, LeaseEffect::GivenBack),
        LeaseEvent::Due | LeaseEvent::SessionClosed { .. } => kept(until, LeaseEffect::Nothing),
        LeaseEvent::Restarted => kept(until.min(END_AT_RESTART), LeaseEffect::Nothing),
        LeaseEvent::Revoked => (free, LeaseEffect::Nothing),
        LeaseEvent::Finished => (ended, LeaseEffect::Nothing),
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
