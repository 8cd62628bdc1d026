//! The phase of a session: whether it is open, and whether its adapter reads. Pure: events go in, the
//! next phase and its effect come out.
//!
//! | state | `ReaderOpened` | `ReaderClosed` | `StreamLost` | `DrainStarted` | `Closed` |
//! |---|---|---|---|---|---|
//! | `Open`, silent or lost | reads | – | – | `Draining` | `Closed` |
//! | `Open`, reads | –, refused | its own: silent | its own: lost | `Draining` | `Closed` |
//! | `Draining`, silent or lost | reads | – | – | – | `Closed` |
//! | `Draining`, reads | –, refused | its own: silent | its own: lost | – | `Closed` |
//! | `Closed` | – | – | – | – | – |
//!
//! `Closed` stands for each cause: idle, abandoned, its token revoked, ended by an operator, closed by
//! the journal, replaced by a newer session. A reader has a number, because the end of one may be
//! noticed after the next was opened. Whatever ends reading returns the unsent deliveries.

/// How an adapter asks for deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asking {
    /// Neither a stream nor a poll is open: it gets nothing.
    Nothing,
    /// As many as it may have in flight.
    Stream,
    /// One response with at most this many.
    Poll(usize),
}

/// Whether the adapter reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    Silent,
    /// Its stream broke. It may open another one for a while.
    Lost {
        at_us: i64,
    },
    Reads {
        reader: u64,
        asking: Asking,
    },
}

/// Where a session is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Open(Reading),
    /// The gateway stops: nothing more is delivered, and what was sent may be settled.
    Draining(Reading),
    Closed,
}

/// What happens to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SessionEvent {
    ReaderOpened { reader: u64, asking: Asking },
    ReaderClosed { reader: u64 },
    StreamLost { reader: u64, at_us: i64 },
    DrainStarted,
    Closed,
}

/// What an event means for the deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PhaseEffect {
    Nothing,
    /// Another reader has the session.
    Refused,
    /// The unsent deliveries go back to the journal.
    ReturnUnsent,
}

impl Reading {
    fn after(self, event: SessionEvent) -> (Self, PhaseEffect) {
        match (self, event) {
            (Self::Silent | Self::Lost { .. }, SessionEvent::ReaderOpened { reader, asking }) => {
                (Self::Reads { reader, asking }, PhaseEffect::Nothing)
            }
            (Self::Reads { .. }, SessionEvent::ReaderOpened { .. }) => (self, PhaseEffect::Refused),
            (Self::Reads { reader, .. }, SessionEvent::ReaderClosed { reader: of })
                if reader == of =>
            {
                (Self::Silent, PhaseEffect::ReturnUnsent)
            }
            (Self::Reads { reader, .. }, SessionEvent::StreamLost { reader: of, at_us })
                if reader == of =>
            {
                (Self::Lost { at_us }, PhaseEffect::ReturnUnsent)
            }
            (
                Self::Silent | Self::Lost { .. } | Self::Reads { .. },
                SessionEvent::ReaderClosed { .. } | SessionEvent::StreamLost { .. },
            ) => (self, PhaseEffect::Nothing),
            (
                Self::Silent | Self::Lost { .. } | Self::Reads { .. },
                SessionEvent::DrainStarted | SessionEvent::Closed,
            ) => (self, PhaseEffect::ReturnUnsent),
        }
    }
}

impl Phase {
    pub(super) fn after(self, event: SessionEvent) -> (Self, PhaseEffect) {
        match (self, event) {
            (Self::Open(_) | Self::Draining(_), SessionEvent::Closed) => {
                (Self::Closed, PhaseEffect::ReturnUnsent)
            }
            (Self::Open(reading), SessionEvent::DrainStarted) => {
                (Self::Draining(reading), PhaseEffect::ReturnUnsent)
            }
            (
                Self::Open(reading),
                SessionEvent::ReaderOpened { .. }
                | SessionEvent::ReaderClosed { .. }
                | SessionEvent::StreamLost { .. },
            ) => {
                let (reading, effect) = reading.after(event);
                (Self::Open(reading), effect)
            }
            (
                Self::Draining(reading),
                SessionEvent::ReaderOpened { .. }
                | SessionEvent::ReaderClosed { .. }
                | SessionEvent::StreamLost { .. },
            ) => {
                let (reading, effect) = reading.after(event);
                (Self::Draining(reading), effect)
            }
            (Self::Draining(_), SessionEvent::DrainStarted)
            | (
                Self::Closed,
                SessionEvent::ReaderOpened { .. }
                | SessionEvent::ReaderClosed { .. }
                | SessionEvent::StreamLost { .. }
                | SessionEvent::DrainStarted
                | SessionEvent::Closed,
            ) => (self, PhaseEffect::Nothing),
        }
    }

    /// Whether the adapter reads; of a closed session nobody does.
    pub(super) fn reading(self) -> Reading {
        match self {
            Self::Open(reading) | Self::Draining(reading) => reading,
            Self::Closed => Reading::Silent,
        }
    }
}

#[cfg(test)]
mod tests;
