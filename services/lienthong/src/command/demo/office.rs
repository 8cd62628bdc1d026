//! An agency's office: its mail room, its adapter, and the clerk who answers with a status.

use std::sync::Arc;

use adapter_sample::{Mailroom, Received, Sample};
use proto::journal::v1::{MessageType, Receipt};
use sdk::{Connection, File as SentFile, Item, SubmitError};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::agency::{Agency, Software, by_key};
use super::paper::{Paper, StatusPaper};

/// An agency at work.
#[derive(Debug)]
pub(super) struct Office {
    /// Which agency.
    pub(super) agency: &'static Agency,
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
    ) -> Self {
        let mailroom = Mailroom::new();
        let connection = Connection { gateway, token };
        let application = format!("{}-{run}", agency.application);
        let sample = Arc::new(Sample::new(application, "demo".to_owned(), mailroom.clone()));
        let stop = shutdown.clone();
        working.spawn(async move {
            chassis::supervise("adapter", &stop, || async {
                Ok(sdk::serve(sample.clone(), &connection, stop.clone()).await?)
            })
            .await;
        });
        let (clerk, stop) = (mailroom.clone(), shutdown.clone());
        working.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = register(agency, clerk) => {}
            }
        });
        Self { agency, mailroom }
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

/// Answers each document with status 03, entered in the register, and a recall with 15, agreed.
async fn register(agency: &'static Agency, mailroom: Mailroom) {
    let mut inbox = mailroom.watch();
    let mut answered = 0;
    loop {
        let fresh: Vec<Received> =
            inbox.borrow_and_update().iter().skip(answered).cloned().collect();
        for received in fresh {
            answered += 1;
            if received.kind == MessageType::Document {
                answer(agency, &mailroom, &received).await;
            }
        }
        if inbox.changed().await.is_err() {
            return;
        }
    }
}

async fn answer(agency: &'static Agency, mailroom: &Mailroom, received: &Received) {
    let Some(to) = by_key(&received.sender) else { return };
    let (code, words) = if received.index.subject.starts_with("Thu hồi") {
        ("15", "Đồng ý lấy lại")
    } else {
        ("03", "Đã tiếp nhận, vào sổ văn bản đến")
    };
    let status = StatusPaper {
        from: agency,
        to,
        document_id: &received.index.document_id,
        number: &received.index.number,
        code,
        words,
    };
    let item = Item {
        key: format!("tt-{}", received.message_id),
        format: agency.software.statuses().to_owned(),
        body: status.native().into(),
        ..Item::default()
    };
    if let Err(error) = mailroom.send(item).await {
        tracing::warn!(%error, "status was not sent");
    }
}
