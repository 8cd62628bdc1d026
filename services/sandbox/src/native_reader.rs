//! Reads delivered bodies with the shipped formats, as the receiving software would.

use formats::{BlobSink, FormatRegistry};
use proto::canonical::v1::canonical::Body;
use proto::canonical::v1::{Canonical, change};
use proto::mapping::v1::DeclaredAttachment;
use proto::message::v1::Claim;
use sha2::{Digest as _, Sha256};

use crate::application::DeliveredMessage;
use crate::profile::Software;

/// The shipped formats, as the software of the agencies uses them. Clones share them.
#[derive(Clone, Debug)]
pub struct NativeReader {
    formats: FormatRegistry,
}

impl NativeReader {
    /// A reader of the shipped formats.
    ///
    /// # Errors
    ///
    /// A shipped description has mistakes.
    pub fn new() -> anyhow::Result<Self> {
        let formats = FormatRegistry::shipped().map_err(|it| anyhow::anyhow!(it.join("; ")))?;
        Ok(Self { formats })
    }

    /// True when the document format of this software has a field for the purpose of a packet.
    /// Software without one shows a recall as a new document.
    pub fn can_express_recall(&self, software: Software) -> bool {
        const PURPOSE: &str = "change.kind";
        let format = self.formats.get(software.document_format());
        format.is_some_and(|it| it.native_path(PURPOSE) != PURPOSE)
    }

    /// True when a delivered document recalls another one, by its purpose and not by its subject.
    pub fn is_recall(&self, software: Software, message: &DeliveredMessage) -> bool {
        let Some(format) = self.formats.get(software.document_format()) else { return false };
        let declared: Vec<_> = message.attachments.iter().map(|it| declare(it)).collect();
        let decoded = format.decode(&message.body, &declared, &mut DigestSink::default());
        decoded.is_ok_and(|it| it.iter().any(|it| revokes(&it.canonical)))
    }

    /// Digests of the files of a delivered document: inside the packet of edXML, beside the JSON
    /// of iOffice.
    ///
    /// # Errors
    ///
    /// The body cannot be read.
    pub fn file_digests(
        &self,
        software: Software,
        message: &DeliveredMessage,
    ) -> anyhow::Result<Vec<[u8; 32]>> {
        match software {
            Software::Ioffice => {
                Ok(message.attachments.iter().map(|it| Sha256::digest(it).into()).collect())
            }
            Software::Edxml => {
                let mut sink = DigestSink::default();
                let name = software.document_format();
                self.formats.choose(name, &message.body)?.decode(&message.body, &[], &mut sink)?;
                Ok(sink.finished)
            }
        }
    }
}

fn revokes(message: &Canonical) -> bool {
    match &message.body {
        Some(Body::Document(it)) => {
            it.change.as_ref().is_some_and(|it| it.kind() == change::Kind::Revoke)
        }
        Some(_) | None => false,
    }
}

/// An attachment under the reference by which the bus writes it into a body.
fn declare(bytes: &[u8]) -> DeclaredAttachment {
    let sha256: [u8; 32] = Sha256::digest(bytes).into();
    let claim = Claim { sha256: sha256.to_vec().into(), size: bytes.len() as u64 };
    DeclaredAttachment {
        reference: format!("sha256:{}", hex::encode(sha256)),
        claim: Some(claim),
        ..DeclaredAttachment::default()
    }
}

/// Digests the files inside a packet without holding them.
#[derive(Default)]
struct DigestSink {
    current: Sha256,
    finished: Vec<[u8; 32]>,
}

impl BlobSink for DigestSink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.current.update(bytes);
        Ok(())
    }

    fn finish(&mut self) -> std::io::Result<()> {
        self.finished.push(std::mem::take(&mut self.current).finalize().into());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proto::message::v1::{Index, MessageType};

    use super::*;
    use crate::document::{DocumentFile, DocumentPurpose, OfficialDocument};
    use crate::profile::AGENCIES;

    fn document(subject: &str) -> OfficialDocument {
        let agency = AGENCIES.first().unwrap();
        OfficialDocument {
            number: "45".to_owned(),
            notation: "CV/TU".to_owned(),
            subject: subject.to_owned(),
            sender: agency,
            recipients: vec![agency],
            files: vec![DocumentFile { name: "a.pdf".to_owned(), bytes: b"%PDF-1.4 a".to_vec() }],
            purpose: DocumentPurpose::Issue,
            id_suffix: String::new(),
        }
    }

    fn delivered(document: &OfficialDocument) -> DeliveredMessage {
        DeliveredMessage {
            message_id: String::new(),
            message_type: MessageType::Document,
            format: String::new(),
            sender: String::new(),
            index: Index::default(),
            conversation: String::new(),
            body: document.native().into_bytes(),
            attachments: Vec::new(),
        }
    }

    #[test]
    fn a_recall_is_recognised_by_the_purpose_of_the_packet_and_not_by_its_subject() {
        let reader = NativeReader::new().unwrap();
        assert!(reader.can_express_recall(Software::Edxml));
        let recall = document("Công văn").recall("Công văn");
        assert!(reader.is_recall(Software::Edxml, &delivered(&recall)));
        let issue = document("Thu hồi giấy phép");
        assert!(!reader.is_recall(Software::Edxml, &delivered(&issue)));
    }

    #[test]
    fn files_inside_a_packet_have_the_digests_of_the_files_that_were_put_in() {
        let reader = NativeReader::new().unwrap();
        let document = document("Công văn");
        let expected: [u8; 32] = Sha256::digest(b"%PDF-1.4 a").into();
        let digests = reader.file_digests(Software::Edxml, &delivered(&document)).unwrap();
        assert_eq!(digests, [expected]);
    }
}
