//! Exports documents in the format of the sender's software.

use crate::document::OfficialDocument;
use crate::edxml_packet::edxml_packet;
use crate::portal_json::portal_json;
use crate::profile::Software;

impl OfficialDocument {
    /// The bytes that the sender's software exports.
    pub fn native(&self) -> String {
        match self.sender.software {
            Software::Edxml => edxml_packet(self),
            Software::Ioffice => portal_json(self).to_string(),
        }
    }
}
