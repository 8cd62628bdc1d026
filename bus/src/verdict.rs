//! What becomes of a message, decided by whoever handled it.

use crate::message::Message;

/// The codes under which the bus itself reports, as in the catalogue of errors.
pub mod code {
    /// The handler broke down on this message.
    pub const PANICKED: &str = "LT-BUS-001";
    /// The handler gave no verdict on this message.
    pub const UNJUDGED: &str = "LT-BUS-002";
    /// What came from the channel is not a message.
    pub const UNREADABLE: &str = "LT-BUS-003";
    /// The channel does not exist, so nothing was stored.
    pub const UNROUTABLE: &str = "LT-BUS-004";
    /// The channel is full or the broker refuses, so nothing was stored.
    pub const REFUSED: &str = "LT-BUS-005";
    /// The broker never answered, so the message may be stored or not.
    pub const UNKNOWN: &str = "LT-BUS-006";
    /// The message is beyond what the bus carries.
    pub const INVALID: &str = "LT-BUS-007";
    /// A stored body is missing or is not what its name says.
    pub const CLAIM: &str = "LT-BUS-008";
}

/// Why a message cannot go on, in words the bus does not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// A code of the catalogue of errors.
    pub code: String,
    /// What happened, for whoever looks after the system.
    pub detail: String,
}

impl Fault {
    /// A fault with a code and the words that go with it.
    pub fn new(code: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { code: code.into(), detail: detail.into() }
    }
}

/// What becomes of a message.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The work is done and its results are safe.
    Done,
    /// It failed for a reason that may pass; bring it back.
    Retry(Fault),
    /// It can never succeed; keep it as a dead letter.
    Reject(Fault),
}

/// What the keeper makes of a message that cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// It waits for another try.
    Parked(Fault),
    /// It is a dead letter.
    Dead(Fault),
}

/// The verdicts on one window, one for each of its messages and in their order.
///
/// There is no way to leave a message out. [`Verdicts::undecided`] begins with a retry for
/// everybody, and [`Verdicts::decide`] replaces one at a time; a list that was collected is taken
/// only when it is exactly as long as its window, and otherwise the whole window is retried.
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
    /// A retry for each of `count` messages, until something better is decided.
    pub fn undecided(count: usize) -> Self {
        Self(vec![unjudged(); count])
    }

    /// The same verdict on each of `count` messages.
    pub fn all(count: usize, verdict: Verdict) -> Self {
        Self(vec![verdict; count])
    }

    /// One verdict a message, given by looking at each.
    pub fn judge_each(window: &[Message], judge: impl FnMut(&Message) -> Verdict) -> Self {
        window.iter().map(judge).collect()
    }

    /// Decides about the message at `place` of the window; a place beyond it decides nothing.
    pub fn decide(&mut self, place: usize, verdict: Verdict) {
        if let Some(undecided) = self.0.get_mut(place) {
            *undecided = verdict;
        }
    }

    /// The verdicts, in the order of the window.
    pub fn as_slice(&self) -> &[Verdict] {
        &self.0
    }

    /// The verdicts for a window of `count`: these, if they are its, and else a retry for each.
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

fn unjudged() -> Verdict {
    Verdict::Retry(Fault::new(code::UNJUDGED, "the handler gave no verdict"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_decided_is_retried() {
        let mut verdicts = Verdicts::undecided(2);
        verdicts.decide(1, Verdict::Done);
        verdicts.decide(2, Verdict::Done);
        assert_eq!(verdicts.fit(2), [unjudged(), Verdict::Done]);
    }

    #[test]
    fn a_list_that_does_not_fit_judges_nobody() {
        for given in [0, 2, 4] {
            let verdicts = Verdicts::all(given, Verdict::Done);
            assert_eq!(verdicts.fit(3), [unjudged(), unjudged(), unjudged()]);
        }
    }
}
