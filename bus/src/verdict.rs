//! Verdicts: what a handler decides about each message of a window.

use crate::message::Message;

/// Codes of the bus's own faults, as in the catalogue of errors.
pub mod code {
    /// The handler panicked on this message.
    pub const PANICKED: &str = "LT-BUS-001";
    /// The handler gave no verdict on this message.
    pub const UNDECIDED: &str = "LT-BUS-002";
    /// A delivery is not a message of the bus.
    pub const UNREADABLE: &str = "LT-BUS-003";
    /// The channel does not exist; the message was not stored.
    pub const UNROUTABLE: &str = "LT-BUS-004";
    /// The channel is full or the broker refused; the message was not stored.
    pub const REFUSED: &str = "LT-BUS-005";
    /// There was no confirm; the message may be stored or not.
    pub const UNKNOWN: &str = "LT-BUS-006";
    /// The message exceeds a limit of the bus.
    pub const INVALID: &str = "LT-BUS-007";
    /// A stored body is missing, or its digest differs from its claim.
    pub const CLAIM: &str = "LT-BUS-008";
}

/// Why a message cannot go on. The bus does not read the texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// A code of the catalogue of errors.
    pub code: String,
    /// What happened, for operators.
    pub detail: String,
}

impl Fault {
    /// A fault with a code and its detail.
    pub fn new(code: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { code: code.into(), detail: detail.into() }
    }
}

/// The decision about one message.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The message is handled, and its results are durable.
    Done,
    /// Handling failed for a reason that may pass; the message is parked and delivered again.
    Retry(Fault),
    /// Handling can never succeed; the message becomes a dead letter.
    Reject(Fault),
}

/// How the failure store stores a message that cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// It waits for its next delivery.
    Parked(Fault),
    /// It is a dead letter.
    Dead(Fault),
}

/// The verdicts on one window, one per message and in their order.
///
/// No message can be left out: [`Verdicts::undecided`] begins with a retry for each, and
/// [`Verdicts::decide`] replaces one at a time. A list of another length than its window is not
/// used, and the whole window is retried.
///
/// ```
/// # use bus::{Verdict, Verdicts};
/// let mut verdicts = Verdicts::undecided(3);
/// verdicts.decide(0, Verdict::Done);
/// let collected: Verdicts = (0..3).map(|_| Verdict::Done).collect();
/// ```
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdicts(Vec<Verdict>);

impl Verdicts {
    /// A retry for each of `count` messages, to be replaced by [`decide`](Self::decide).
    pub fn undecided(count: usize) -> Self {
        Self(vec![retry_undecided(); count])
    }

    /// The same verdict on each of `count` messages.
    pub fn all(count: usize, verdict: Verdict) -> Self {
        Self(vec![verdict; count])
    }

    /// The verdict of `judge` on each message.
    pub fn judge_each(window: &[Message], judge: impl FnMut(&Message) -> Verdict) -> Self {
        window.iter().map(judge).collect()
    }

    /// Decides about the message at `index` of the window. An index beyond it is ignored.
    pub fn decide(&mut self, index: usize, verdict: Verdict) {
        if let Some(undecided) = self.0.get_mut(index) {
            *undecided = verdict;
        }
    }

    /// The verdicts, in the order of the window.
    pub fn as_slice(&self) -> &[Verdict] {
        &self.0
    }

    /// The verdicts for a window of `count` messages: these when there are as many, and otherwise a
    /// retry for each.
    pub(crate) fn fit(self, count: usize) -> Vec<Verdict> {
        if self.0.len() == count {
            return self.0;
        }
        tracing::error!(given = self.0.len(), count, "verdicts do not fit their window");
        Self::undecided(count).0
    }
}

impl FromIterator<Verdict> for Verdicts {
    fn from_iter<I: IntoIterator<Item = Verdict>>(verdicts: I) -> Self {
        Self(verdicts.into_iter().collect())
    }
}

impl From<Vec<Verdict>> for Verdicts {
    fn from(verdicts: Vec<Verdict>) -> Self {
        Self(verdicts)
    }
}

fn retry_undecided() -> Verdict {
    Verdict::Retry(Fault::new(code::UNDECIDED, "the handler gave no verdict"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_undecided_message_is_retried() {
        let mut verdicts = Verdicts::undecided(2);
        verdicts.decide(1, Verdict::Done);
        verdicts.decide(2, Verdict::Done);
        assert_eq!(verdicts.fit(2), [retry_undecided(), Verdict::Done]);
    }

    #[test]
    fn verdicts_of_another_length_than_the_window_are_not_used() {
        for given in [0, 2, 4] {
            let verdicts = Verdicts::all(given, Verdict::Done);
            assert_eq!(verdicts.fit(3), [retry_undecided(), retry_undecided(), retry_undecided()]);
        }
    }
}
