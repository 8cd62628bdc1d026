//! Repeats at the door: after the uploads are gone, after a change of the registry or a description,
//! and after the first has ended.

use std::sync::atomic::Ordering;

use bus::Claim;
use bytes::Bytes;
use proto::exchange::v1::submit_request::Body as SubmittedBody;
use proto::exchange::v1::submitted::Outcome;
use proto::exchange::v1::track_request::By;
use proto::exchange::v1::*;
use proto::journal::v1::command_request::Action;
use proto::journal::v1::entry::Disposition;
use proto::journal::v1::{CommandRequest, Derived, Entry, Envelope, RecordRequest};
use proto::message::v1::{Receipt, State};

use crate::environment::{Environment, code_of, item, request};

fn inline(text: &str) -> SubmittedBody {
    SubmittedBody::Inline(Bytes::copy_from_slice(text.as_bytes()))
}

/// An item with the digests of its uploads.
fn declared(mut item: SubmitRequest, files: &[&[u8]]) -> SubmitRequest {
    for (attachment, bytes) in item.attachments.iter_mut().zip(files) {
        attachment.sha256 = Bytes::copy_from_slice(&Claim::from_content(bytes).sha256);
    }
    item
}

async fn upload(environment: &Environment, part: &str, bytes: &[u8]) {
    for (index, piece) in bytes.chunks(1 << 20).enumerate() {
        environment.put(part, index << 20, piece, bytes).await.unwrap();
    }
}

async fn upload_all(environment: &Environment, parts: &[&str]) {
    for part in parts {
        upload(environment, part, b"scan").await;
    }
}

async fn submitted(environment: &Environment, item: SubmitRequest) -> SubmitResponse {
    environment.submit_item(item).await.unwrap()
}

fn receipt(response: &SubmitResponse) -> Receipt {
    response.receipt.clone().unwrap()
}

fn codes(response: &SubmitResponse) -> Vec<&str> {
    response.findings.iter().map(|it| it.code.as_str()).collect()
}

#[tokio::test]
async fn a_retry_whose_uploads_are_gone_gets_the_first_receipt() {
    let environment = Environment::new().await;
    let file = vec![7; 2_500_000];
    upload(&environment, "scan", &file).await;
    let first = item("k1", inline("công văn"), &["scan"]);
    let expected = Receipt {
        repeat: true,
        ..receipt(&submitted(&environment, declared(first.clone(), &[&file])).await)
    };
    // The answer was lost, and the uploads went with the first submit.
    let again = submitted(&environment, declared(first.clone(), &[&file])).await;
    assert_eq!((receipt(&again), codes(&again)), (expected.clone(), vec![]));
    assert_eq!(again.recipients[0].organisation, "b");
    // Under another name of the upload, without a key, and without digests.
    let mut renamed = declared(first.clone(), &[&file]);
    renamed.attachments[0].part = "another-try".to_owned();
    renamed.key.clear();
    assert_eq!(receipt(&submitted(&environment, renamed).await), expected);
    let undeclared = submitted(&environment, first.clone()).await;
    assert_eq!((receipt(&undeclared), codes(&undeclared)), (expected.clone(), vec!["LT-EX-019"]));
    // In a batch, each by itself.
    let batch = vec![first.clone(), item("", inline("công văn"), &["scan"])];
    let results = environment.submit_batch(batch).await.unwrap().results;
    let Some(Outcome::Submitted(again)) = &results[0].outcome else { panic!("{results:?}") };
    assert_eq!(receipt(again), expected);
    let Some(Outcome::Refused(refused)) = &results[1].outcome else { panic!("{results:?}") };
    assert_eq!(refused.fault.as_ref().unwrap().code, "LT-EX-004", "nothing identifies it");
    assert_eq!(environment.journal.message_count().await, 1);
    assert_eq!(environment.committed_files(), 1, "nothing was written again");
}

#[tokio::test]
async fn an_uploaded_body_is_not_sent_again_either() {
    let environment = Environment::new().await;
    let body = vec![b'x'; 1_500_000];
    upload(&environment, "body", &body).await;
    let mut first = item("k1", SubmittedBody::Part("body".into()), &[]);
    let id = receipt(&submitted(&environment, first.clone()).await).message_id;
    let again = submitted(&environment, first.clone()).await;
    assert_eq!((receipt(&again).message_id, codes(&again)), (id.clone(), vec!["LT-EX-019"]));
    first.body_sha256 = Bytes::copy_from_slice(&Claim::from_content(&body).sha256);
    let again = submitted(&environment, first.clone()).await;
    assert_eq!((receipt(&again).message_id, codes(&again)), (id, vec![]));
    // An upload that was begun again and is not complete yet.
    environment.put("body", 0, &body[..9], &body).await.unwrap();
    assert!(receipt(&submitted(&environment, first).await).repeat);
}

#[tokio::test]
async fn a_known_key_with_other_content_is_a_conflict_once_that_can_be_told() {
    let environment = Environment::new().await;
    upload(&environment, "scan", b"one").await;
    submitted(&environment, item("k1", inline("one"), &["scan"])).await;
    for other in [
        item("k1", inline("other"), &["scan"]),
        declared(item("k1", inline("one"), &["scan"]), &[b"another scan"]),
        item("k2", inline("one"), &["scan"]),
    ] {
        let asked_for = environment.submit_item(other).await;
        assert_eq!(code_of(asked_for), "LT-EX-004", "its bytes must come before it can be told");
    }
    upload(&environment, "scan", b"one").await;
    let conflict = environment.submit_item(item("k1", inline("other"), &["scan"])).await;
    assert_eq!(code_of(conflict), "LT-JNL-001");
    assert_eq!(environment.journal.message_count().await, 1);
}

#[tokio::test]
async fn a_declared_digest_must_be_that_of_the_bytes() {
    let environment = Environment::new().await;
    upload(&environment, "scan", b"one").await;
    let wrong = declared(item("", inline("x"), &["scan"]), &[b"other"]);
    let fault = environment.submit_item(wrong).await.unwrap_err();
    assert_eq!(
        (fault.code.as_str(), fault.violations[0].field.as_str()),
        ("LT-EX-018", "attachments[0].sha256")
    );
    let short = SubmitRequest { body_sha256: vec![1; 31].into(), ..item("", inline("x"), &[]) };
    assert_eq!(code_of(environment.submit_item(short).await), "LT-EX-011");
    let wrong = SubmitRequest { body_sha256: vec![1; 32].into(), ..item("", inline("x"), &[]) };
    assert_eq!(code_of(environment.submit_item(wrong).await), "LT-EX-018");
    submitted(&environment, declared(item("", inline("x"), &["scan"]), &[b"one"])).await;
}

#[tokio::test]
async fn neither_the_registry_nor_a_description_turns_a_retry_into_something_else() {
    let environment = Environment::new().await;
    for (key, files) in [("k1", vec![]), ("", vec![]), ("k2", vec!["scan"])] {
        let body = format!("công văn {key}{}", files.len());
        upload_all(&environment, &files).await;
        let first = item(key, inline(&body), &files);
        let expected =
            Receipt { repeat: true, ..receipt(&submitted(&environment, first.clone()).await) };
        let count = environment.journal.message_count().await;
        let mapping = &environment.mapping;
        for switch in [&mapping.reads_otherwise, &mapping.forbids] {
            switch.store(true, Ordering::SeqCst);
            upload_all(&environment, &files).await;
            assert_eq!(receipt(&submitted(&environment, first.clone()).await), expected, "{key}");
            switch.store(false, Ordering::SeqCst);
        }
        assert_eq!(environment.journal.message_count().await, count, "no second document");
    }
    environment.mapping.forbids.store(true, Ordering::SeqCst);
    let new = environment.submit("", b"never sent before").await;
    assert_eq!(code_of(new), "LT-MAP-206");
}

#[tokio::test]
async fn auto_and_the_name_of_the_format_are_the_same_item() {
    let environment = Environment::new().await;
    let first = receipt(&submitted(&environment, item("", inline("x"), &[])).await);
    environment.mapping.reads_otherwise.store(true, Ordering::SeqCst);
    let auto = SubmitRequest { format: "auto".to_owned(), ..item("", inline("x"), &[]) };
    let again = receipt(&submitted(&environment, auto).await);
    assert_eq!((again.repeat, again.message_id), (true, first.message_id));
}

/// Routes a message to an application that refuses it, or makes it a dead letter there.
async fn fail(environment: &Environment, parent: &str) {
    let parent_id: bus::MessageId = parent.parse().unwrap();
    let envelope = Envelope {
        id: parent_id.derive("delivery.b-app").to_string(),
        recipients: vec!["b".to_owned()],
        application: "b-app".to_owned(),
        ..Envelope::default()
    };
    let message =
        Some(proto::journal::v1::Message { envelope: Some(envelope.clone()), body: None });
    let entry = Entry {
        message_id: parent.to_owned(),
        derived: vec![Derived { message, ..Derived::default() }],
        disposition: Some(Disposition::Routed(true)),
        ..Entry::default()
    };
    let mut journal = environment.journal.client.clone();
    journal
        .record(RecordRequest { entries: vec![entry], ..RecordRequest::default() })
        .await
        .unwrap();
    let command = CommandRequest {
        action: Action::Withdraw.into(),
        message_ids: vec![envelope.id],
        ..CommandRequest::default()
    };
    assert_eq!(journal.command(command).await.unwrap().into_inner().done.len(), 1);
}

#[tokio::test]
async fn what_ended_without_arriving_goes_out_again_under_the_journals_id() {
    let environment = Environment::new().await;
    let first = receipt(&environment.submit("k1", b"x").await.unwrap());
    fail(&environment, &first.message_id).await;
    let again = environment.submit("k1", b"x").await.unwrap();
    let newest = receipt(&again);
    assert!(!newest.repeat && newest.copy_of == first.message_id, "{newest:?}");
    assert_ne!(newest.message_id, first.message_id);
    let repeat = receipt(&environment.submit("", b"x").await.unwrap());
    assert_eq!((repeat.repeat, &repeat.message_id), (true, &newest.message_id));
    assert_eq!(environment.state(&newest.message_id).await, State::Accepted);
    let by = TrackRequest { by: Some(By::Key("k1".to_owned())) };
    let tracked = environment.client.clone().track(request(by)).await.unwrap().into_inner();
    let ids: Vec<Receipt> = tracked.messages.into_iter().filter_map(|it| it.receipt).collect();
    assert_eq!(ids.len(), 2);
    assert!(ids.iter().any(|it| it.copy_of == first.message_id));
}

#[tokio::test]
async fn what_goes_out_again_needs_its_uploads() {
    let environment = Environment::new().await;
    upload(&environment, "scan", b"scan").await;
    let item = declared(item("k1", inline("x"), &["scan"]), &[b"scan"]);
    let first = receipt(&submitted(&environment, item.clone()).await);
    fail(&environment, &first.message_id).await;
    assert_eq!(code_of(environment.submit_item(item.clone()).await), "LT-EX-004");
    upload(&environment, "scan", b"scan").await;
    assert_eq!(receipt(&submitted(&environment, item).await).copy_of, first.message_id);
}
