//! The exit status of a command.

use std::process::ExitCode;

use proto::fault::v1::{Fault, Reason};

/// How a command ended. The numbers are listed in the program's help, and scripts branch on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitStatus {
    /// Everything was done.
    Done,
    /// An error of our own.
    Failed,
    /// The content is refused.
    Refused,
    /// What was named does not exist.
    NotFound,
    /// The caller may not do this.
    Forbidden,
    /// A service did not answer in time.
    Unreachable,
    /// The request contradicts what is stored.
    Conflict,
    /// A part was done.
    Partial,
    /// The command line has a mistake.
    Usage,
    /// A signal ended the command.
    Interrupted,
}

impl ExitStatus {
    /// The number that the process exits with.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::NotFound => 4,
            Self::Forbidden => 5,
            Self::Unreachable => 6,
            Self::Conflict => 7,
            Self::Partial => 8,
            Self::Interrupted => 130,
        }
    }

    /// The status of a command that a fault ended.
    pub(crate) fn from_fault(fault: &Fault) -> Self {
        match fault.reason() {
            Reason::Unspecified | Reason::Internal => Self::Failed,
            Reason::Invalid => Self::Refused,
            Reason::Unauthenticated | Reason::Forbidden => Self::Forbidden,
            Reason::NotFound => Self::NotFound,
            Reason::Conflict => Self::Conflict,
            Reason::Exhausted | Reason::Unavailable => Self::Unreachable,
        }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status.code())
    }
}
