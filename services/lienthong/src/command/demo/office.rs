//! An agency's office: its mail room, its adapter, and the clerk who answers with a status.

use std::sync::Arc;

use adapter_sample::{Mailroom, Received, Sample};
use formats::{BlobSink, FormatRegistry};
use proto::canonical::v1::canonical::Body;
use proto::canonical::v1::{Canonical, change};
use proto::mapping::v1::DeclaredAttachment;
use proto::message::v1::{Claim, MessageType, Receipt};
use sdk::{Connection, File as SentFile, Item, SubmitError};
use sha2::{Digest as _, Sha256};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::agency::{Agency, Software, by_key};
use super::paper::{Paper, StatusPaper};
use crate::view::hex;

/// An agency at work.
#[derive(Debug)]
pub(super) struct Office {
    /// Which agency.
    pub(super) agency: &'static Agency,
    /// Its directory key in this run.
    pub(super) key: String,
    /// Its application.
    pub(super) mailroom: Mailroom,
}

impl Office {
    /// Opens the office: the adapter connects over gRPC, the clerk registers what arrives.
    pub(super) fn open(
        agency: &'static Agency,
        run: &str,
        (gateway, token): (String, String),
        (working, shutdown): (&mut JoinSet<()>, &CancellationToken),
    ) -> anyhow::Result<Self> {
        let mailroom = Mailroom::new();
        let connection = Connection { gateway, token };
        let application = format!("{}{run}", agency.application);
        let sample = Arc::new(Sample::new(application, "demo".to_owned(), mailroom.clone()));
        let stop = shutdown.clone();
        working.spawn(async move {
            chassis::supervise("adapter", &stop, || async {
                Ok(sdk::serve(sample.clone(), &connection, stop.clone()).await?)
            })
            .await;
        });
        let clerk = Clerk { agency, mailroom: mailroom.clone(), shelf: shelf()? };
        let stop = shutdown.clone();
        working.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = clerk.work() => {}
            }
        });
        Ok(Self { agency, key: format!("{}{run}", agency.key), mailroom })
    }

    /// Hands a paper to the bus.
    pub(super) async fn send(&self, paper: &Paper, key: &str) -> Result<Receipt, SubmitError> {
        self.send_native(paper, key, paper.native()).await
    }

    /// Hands over bytes that stand for a paper.
    pub(super) async fn send_native(
        &self,
        paper: &Paper,
        key: &str,
        native: String,
    ) -> Result<Receipt, SubmitError> {
        // The packet carries its files inside; the portal's come beside it.
        let files = match paper.from.software {
            Software::Edxml => Vec::new(),
            Software::Ioffice => paper
                .files
                .iter()
                .map(|it| SentFile {
                    reference: format!("/uploads/{}", it.name),
                    name: it.name.clone(),
                    media_type: "application/pdf".to_owned(),
                    content: it.bytes.clone().into(),
                })
                .collect(),
        };
        let item = Item {
            key: key.to_owned(),
            format: paper.from.software.documents().to_owned(),
            body: native.into(),
            files,
            recipients: Vec::new(),
        };
        self.mailroom.send(item).await
    }
}

/// The shipped formats, as the agencies' software knows them.
pub(super) fn shelf() -> anyhow::Result<FormatRegistry> {
    FormatRegistry::shipped().map_err(|it| anyhow::anyhow!(it.join("; ")))
}

/// Code of QCVN 102 for a document that was entered in the register.
pub(super) const REGISTERED: &str = "03";
/// Code of QCVN 102 for a recall that was agreed to.
pub(super) const RECALL_AGREED: &str = "15";

/// True when software of this kind can tell a recall from a new document: its format has a place
/// for what a packet is for.
pub(super) fn sees_recalls(shelf: &FormatRegistry, software: Software) -> bool {
    const KIND: &str = "change.kind";
    shelf.get(software.documents()).is_some_and(|it| it.native_path(KIND) != KIND)
}

/// The clerk of an office.
struct Clerk {
    agency: &'static Agency,
    mailroom: Mailroom,
    shelf: FormatRegistry,
}

impl Clerk {
    /// Answers each document that arrives.
    async fn work(&self) {
        let mut inbox = self.mailroom.watch();
        let mut answered = 0;
        loop {
            let fresh: Vec<Received> =
                inbox.borrow_and_update().iter().skip(answered).cloned().collect();
            for received in fresh {
                answered += 1;
                self.answer(&received, answered).await;
            }
            if inbox.changed().await.is_err() {
                return;
            }
        }
    }

    /// A document is entered in the register under its next number; a recall is agreed to.
    async fn answer(&self, received: &Received, number: usize) {
        let Some(to) = by_key(&received.sender) else { return };
        if received.kind != MessageType::Document {
            return;
        }
        let (code, words) = if self.is_recall(received) {
            (RECALL_AGREED, "Đồng ý lấy lại".to_owned())
        } else {
            (REGISTERED, format!("Đã vào sổ văn bản đến, số đến {number}"))
        };
        let status = StatusPaper {
            from: self.agency,
            to,
            document_id: &received.index.document_id,
            number: &received.index.number,
            code,
            words,
        };
        let item = Item {
            key: format!("tt-{}", received.message_id),
            format: self.agency.software.statuses().to_owned(),
            body: status.native().into(),
            ..Item::default()
        };
        if let Err(error) = self.mailroom.send(item).await {
            tracing::warn!(%error, "status was not sent");
        }
    }

    /// Reads what the document is for, in the words of the office's own software.
    fn is_recall(&self, received: &Received) -> bool {
        let Some(format) = self.shelf.get(self.agency.software.documents()) else { return false };
        let declared: Vec<_> = received.files.iter().map(|(_, _, it)| by_digest(it)).collect();
        let read = format.decode(&received.body, &declared, &mut Digests::default());
        read.is_ok_and(|it| it.iter().any(|it| revokes(&it.canonical)))
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

/// A file beside a body, under the name the bus writes into it.
fn by_digest(bytes: &[u8]) -> DeclaredAttachment {
    let sha256: [u8; 32] = Sha256::digest(bytes).into();
    let claim = Claim { sha256: sha256.to_vec().into(), size: bytes.len() as u64 };
    DeclaredAttachment {
        reference: format!("sha256:{}", hex(&sha256)),
        claim: Some(claim),
        ..DeclaredAttachment::default()
    }
}

/// Digests of the files inside a packet.
#[derive(Default)]
pub(super) struct Digests {
    open: Sha256,
    /// One a file, in their order.
    pub(super) done: Vec<[u8; 32]>,
}

impl BlobSink for Digests {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.open.update(bytes);
        Ok(())
    }

    fn finish(&mut self) -> std::io::Result<()> {
        self.done.push(std::mem::take(&mut self.open).finalize().into());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::demo::agency::AGENCIES;
    use crate::command::demo::paper::Business;

    #[test]
    fn a_recall_is_told_by_what_the_packet_is_for_and_not_by_its_subject() {
        let agency = AGENCIES.first().unwrap();
        let clerk = Clerk { agency, mailroom: Mailroom::new(), shelf: shelf().unwrap() };
        let paper = |business: Business, subject: &str| Paper {
            number: "45".to_owned(),
            notation: "CV/TU".to_owned(),
            subject: subject.to_owned(),
            from: agency,
            to: vec![agency],
            files: Vec::new(),
            business,
            run: String::new(),
        };
        let received = |paper: &Paper| Received {
            message_id: String::new(),
            kind: MessageType::Document,
            format: String::new(),
            sender: String::new(),
            index: proto::message::v1::Index::default(),
            conversation: String::new(),
            body: paper.native().into_bytes(),
            files: Vec::new(),
        };
        assert!(sees_recalls(&clerk.shelf, Software::Edxml));
        assert!(clerk.is_recall(&received(&paper(Business::Recall("x".to_owned()), "Công văn"))));
        assert!(!clerk.is_recall(&received(&paper(Business::New, "Thu hồi giấy phép"))));
    }
}
