//! The clerk of an agency: answers each delivered document with a status report.

use proto::message::v1::MessageType;
use sdk::Item;

use crate::application::{DeliveredMessage, SimulatedApplication};
use crate::native_reader::NativeReader;
use crate::profile::{AgencyProfile, profile_by_key};
use crate::status_report::{StatusCode, StatusReport};

/// A clerk at work on the inbox of one application.
pub(crate) struct Clerk {
    pub(crate) profile: &'static AgencyProfile,
    pub(crate) application: SimulatedApplication,
    pub(crate) reader: NativeReader,
}

impl Clerk {
    /// Answers every message of the inbox, present and future, in its order.
    pub(crate) async fn answer_deliveries(&self) {
        let mut inbox = self.application.watch_inbox();
        let mut answered = 0;
        loop {
            let unanswered: Vec<DeliveredMessage> =
                inbox.borrow_and_update().iter().skip(answered).cloned().collect();
            for message in unanswered {
                answered += 1;
                self.answer(&message, answered).await;
            }
            if inbox.changed().await.is_err() {
                return;
            }
        }
    }

    /// Agrees to a recall, and enters every other document in the register under this number.
    async fn answer(&self, message: &DeliveredMessage, register_number: usize) {
        let Some(addressee) = profile_by_key(&message.sender) else { return };
        if message.message_type != MessageType::Document {
            return;
        }
        let (code, text) = if self.reader.is_recall(self.profile.software, message) {
            (StatusCode::RecallAgreed, "Đồng ý lấy lại".to_owned())
        } else {
            let text = format!("Đã vào sổ văn bản đến, số đến {register_number}");
            (StatusCode::Registered, text)
        };
        let report = StatusReport {
            reporter: self.profile,
            addressee,
            document_id: &message.index.document_id,
            number: &message.index.number,
            code,
            text,
        };
        let item = Item {
            key: format!("tt-{}", message.message_id),
            format: self.profile.software.status_format().to_owned(),
            body: report.native().into(),
            ..Item::default()
        };
        if let Err(error) = self.application.submit(item).await {
            tracing::warn!(%error, "status report was not submitted");
        }
    }
}
