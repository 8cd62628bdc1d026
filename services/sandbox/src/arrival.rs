//! A message in an inbox, as expected and as found.

use proto::message::v1::MessageType;

/// A message in the inbox of an agency.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrival {
    /// Registry key of the agency that has it.
    pub inbox: &'static str,
    /// `document` or `status`.
    pub message_type: &'static str,
    /// Registry key of its sender; `?` for a sender that is not simulated.
    pub sender: &'static str,
    /// The identifier of the document that it is or reports on.
    pub document_id: String,
    /// The subject of a document, which distinguishes it from its recall; the code of a status.
    pub content: String,
}

impl Arrival {
    /// True for a status report.
    pub fn is_status(&self) -> bool {
        self.message_type == MessageType::Status.as_str()
    }
}
