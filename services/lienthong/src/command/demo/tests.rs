//! The simulated agencies against a whole system: what a broken agency does to its documents.

use std::time::Duration;

use proto::journal::v1::FindRequest;
use proto::message::v1::{MessageType, State};
use sandbox::{
    AGENCIES, DocumentPurpose, FaultSwitch, MessageFinder as _, OfficialDocument, SimulatedAgency,
};

use super::JournalFinder;
use super::environment::Environment;
use crate::cli::Demo;
use crate::journal_access::connect_journal;

/// How long a document may take to arrive; far more than it needs on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// A document of the Party office for the Youth Union.
fn document(number: &str) -> OfficialDocument {
    let [sender, .., recipient] = &AGENCIES;
    OfficialDocument {
        number: number.to_owned(),
        notation: "CV/TU".to_owned(),
        subject: format!("Công văn {number}"),
        sender,
        recipients: vec![recipient],
        files: Vec::new(),
        purpose: DocumentPurpose::Issue,
        id_suffix: String::new(),
    }
}

async fn await_documents(agency: &SimulatedAgency, count: usize) {
    let waiting = async {
        while agency.application().count(MessageType::Document) < count {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, waiting).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_agency_keeps_back_its_own_documents_until_it_is_repaired() {
    let arguments = Demo { broker: None, database: None, certificates: None, documents: 0 };
    let environment = Environment::open(&arguments).await.unwrap();
    let participants = &environment.participants;
    participants.await_readiness().await;
    let [sender, .., recipient] = participants.agencies.as_slice() else { panic!("no agencies") };

    sender.submit(&document("1"), "1").await.unwrap();
    await_documents(recipient, 1).await;

    recipient.disconnect();
    sender.submit(&document("2"), "2").await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(recipient.application().count(MessageType::Document), 1, "it is disconnected");
    recipient.reconnect();
    await_documents(recipient, 2).await;

    recipient.set_fault(FaultSwitch::Refuse { reason: "sai thẩm quyền".to_owned() });
    sender.submit(&document("3"), "3").await.unwrap();
    let journal = connect_journal(&participants.client).await.unwrap();
    let refused = FindRequest {
        organisation: recipient.key().to_owned(),
        states: vec![State::Refused.into()],
        derived: true,
        ..FindRequest::default()
    };
    let waiting = async {
        while JournalFinder(&journal).find(refused.clone()).await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, waiting).await.unwrap();

    recipient.set_fault(FaultSwitch::Off);
    sender.submit(&document("4"), "4").await.unwrap();
    await_documents(recipient, 3).await;
    let subjects: Vec<_> =
        recipient.application().inbox().into_iter().map(|it| it.index.subject).collect();
    assert_eq!(subjects, ["Công văn 1", "Công văn 2", "Công văn 4"]);
    environment.close().await;
}
