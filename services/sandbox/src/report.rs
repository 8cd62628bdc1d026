//! What a scenario counted, and which of its expectations were not met.

use std::time::Duration;

use proto::message::v1::State;

use crate::arrival::Arrival;
use crate::profile::Software;

/// A submission that the gateway must refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalCase {
    /// A packet that is cut off in the middle.
    TruncatedPacket,
    /// A document that carries a secrecy mark.
    SecrecyMark,
    /// A key that was used before, with other content.
    ReusedKey,
    /// A recipient that the registry does not have.
    UnknownRecipient,
}

impl RefusalCase {
    /// The error code that the gateway must answer.
    pub fn expected_code(self) -> &'static str {
        match self {
            Self::TruncatedPacket => "LT-MAP-001",
            Self::SecrecyMark => "LT-MAP-210",
            Self::ReusedKey => "LT-JNL-001",
            Self::UnknownRecipient => "LT-MAP-204",
        }
    }
}

/// An expectation that was not met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// A message had not reached a terminal state at the time limit.
    NotTerminal {
        /// The message.
        message_id: String,
        /// Its state.
        state: State,
    },
    /// A repeated submission got a receipt of its own instead of the first one.
    RepeatNotRecognised {
        /// The key it was submitted under; empty: none.
        key: String,
    },
    /// A submission that must be refused was accepted.
    NotRefused {
        /// Which one.
        case: RefusalCase,
    },
    /// A submission was refused with another code than the expected one.
    WrongRefusalCode {
        /// Which one.
        case: RefusalCase,
        /// The code of the refusal.
        code: String,
    },
    /// A message is in an inbox too often or not often enough.
    WrongCount {
        /// The message and the inbox.
        arrival: Arrival,
        /// How often it should be there.
        expected: usize,
        /// How often it is there.
        found: usize,
    },
}

/// An outcome that meets the expectations and that people should know of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remark {
    /// The document format of this software has no field for a recall, so its users see a new
    /// document.
    RecallNotExpressible(Software),
}

/// The outcome of a scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScenarioReport {
    /// Items that got a first receipt: documents and statuses.
    pub submitted: usize,
    /// Documents that reached a recipient, each recipient counted.
    pub delivered: usize,
    /// Documents that should have reached a recipient.
    pub expected: usize,
    /// Statuses that came back to the sender.
    pub statuses_returned: usize,
    /// Statuses that should have come back.
    pub statuses_expected: usize,
    /// Repeated submissions that got the first receipt.
    pub repeats_answered: usize,
    /// Codes of the submissions that were refused.
    pub refused: Vec<String>,
    /// Messages that were delivered twice.
    pub duplicated: usize,
    /// Messages in an inbox to which no agency sent them.
    pub unexpected: usize,
    /// Attachments that arrived bit for bit.
    pub attachments_identical: usize,
    /// Attachments that should have arrived.
    pub attachments_expected: usize,
    /// From the first submission to the last expected arrival.
    pub elapsed: Duration,
    /// Expectations that were not met.
    pub violations: Vec<Violation>,
    /// Outcomes worth knowing.
    pub remarks: Vec<Remark>,
}

impl ScenarioReport {
    /// Documents and statuses that never arrived.
    pub fn lost(&self) -> usize {
        self.expected.saturating_sub(self.delivered)
            + self.statuses_expected.saturating_sub(self.statuses_returned)
    }

    /// True when every expectation was met.
    pub fn is_successful(&self) -> bool {
        self.lost() == 0
            && self.duplicated == 0
            && self.unexpected == 0
            && self.attachments_identical == self.attachments_expected
            && self.violations.is_empty()
    }
}
