//! Submitting: uploads, retries, and items that share a call.

use std::collections::HashSet;
use std::io::Write as _;

use futures::future::join_all;
use proto::fault::code;
use proto::fault::v1::Fault;
use sdk::{Content, File, Item, SubmitError};
use tonic::Status;

use crate::environment::Environment;
use crate::fault_layer::State;

fn item(key: &str, content: impl Into<Content>) -> Item {
    let file = File {
        reference: "a".to_owned(),
        name: "a.pdf".to_owned(),
        media_type: String::new(),
        content: content.into(),
    };
    Item {
        key: key.to_owned(),
        format: "ioffice.portal".to_owned(),
        body: format!("body of {key}").into(),
        files: vec![file],
        ..Item::default()
    }
}

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|it| (it % 251) as u8).collect()
}

#[tokio::test]
async fn files_that_the_gateway_lost_before_the_submit_are_uploaded_again() {
    let environment =
        Environment::new(State { submits_losing_uploads: 2, ..State::default() }).await;
    let submit_handle = environment.connection.submit_handle().unwrap();
    let big = bytes(2 << 20);
    let item = Item { body: big.clone().into(), ..item("1", bytes(70_000)) };
    let receipt = submit_handle.submit(&item).await.unwrap();
    assert_eq!(receipt.message_id, environment.journal.submitted_ids().await["1"]);
    environment.layer.with(|state| assert_eq!(state.submits, 3));
    assert_eq!(environment.journal.submitted().await.len(), 1);
    let (body, files) = environment.stored("1").await;
    assert!(body == big, "the bytes differ");
    assert_eq!(files, [bytes(70_000)]);
}

#[tokio::test]
async fn an_incomplete_upload_is_repeated() {
    let fault = Fault::new(&code::LT_EX_009).param("part", "p").param("expected", "3");
    let state = State { submit_failures: [fault.into()].into(), ..State::default() };
    let environment = Environment::new(state).await;
    environment.connection.submit_handle().unwrap().submit(&item("1", bytes(9))).await.unwrap();
    assert_eq!(environment.stored("1").await.1, [bytes(9)]);
}

#[tokio::test]
async fn a_gateway_that_loses_every_upload_is_unavailable_and_the_item_is_not_refused() {
    let environment =
        Environment::new(State { submits_losing_uploads: 99, ..State::default() }).await;
    let outcome =
        environment.connection.submit_handle().unwrap().submit(&item("1", bytes(9))).await;
    assert!(matches!(outcome, Err(SubmitError::Unavailable(_))), "{outcome:?}");
    environment.layer.with(|state| assert_eq!(state.submits, 3));
}

#[tokio::test]
async fn two_items_with_the_same_file_have_separate_uploads() {
    let environment = Environment::with_submit_barrier(State::default(), 2).await;
    let submit_handle = environment.connection.submit_handle().unwrap();
    let (one, two) = (item("1", bytes(70_000)), item("2", bytes(70_000)));
    let (first, second) = tokio::join!(submit_handle.submit(&one), submit_handle.submit(&two));
    first.unwrap();
    second.unwrap();
    assert_eq!(environment.journal.submitted().await.len(), 2);
    for key in ["1", "2"] {
        assert_eq!(environment.stored(key).await.1, [bytes(70_000)]);
    }
    environment.layer.with(|state| {
        let names: HashSet<_> = state.upload_names.iter().collect();
        assert_eq!(names.len(), 2, "{names:?}");
        assert!(names.iter().all(|it| it.len() <= 100), "{names:?}");
    });
}

#[tokio::test]
async fn failures_of_an_upload_are_limited_at_each_offset_and_not_in_total() {
    let unavailable = || Some(Status::unavailable("away"));
    let put_failures = (0..10).flat_map(|_| [unavailable(), None]).collect();
    let environment = Environment::new(State { put_failures, ..State::default() }).await;
    let all = bytes(10 << 20);
    environment.connection.submit_handle().unwrap().submit(&item("1", all.clone())).await.unwrap();
    assert!(environment.stored("1").await.1 == [all], "the bytes differ");
}

#[tokio::test]
async fn an_upload_that_the_gateway_lost_begins_again() {
    let environment = Environment::new(State {
        put_failures: [
            None,
            Some(Fault::new(&code::LT_EX_004).param("part", "p").param("expected", "0").into()),
        ]
        .into(),
        ..State::default()
    })
    .await;
    let all = bytes(3 << 20);
    environment.connection.submit_handle().unwrap().submit(&item("1", all.clone())).await.unwrap();
    assert!(environment.stored("1").await.1 == [all], "the bytes differ");
}

#[tokio::test]
async fn a_file_that_is_truncated_during_its_upload_is_unreadable() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&bytes(3 << 20)).unwrap();
    let path = file.path().to_owned();
    let state = State { truncates: Some(path.clone()), ..State::default() };
    let environment = Environment::new(state).await;
    let outcome = environment.connection.submit_handle().unwrap().submit(&item("1", path)).await;
    assert!(matches!(outcome, Err(SubmitError::Unreadable(_))), "{outcome:?}");
}

#[tokio::test]
async fn a_transient_error_is_retried() {
    let fault = Fault::new(&code::LT_EX_008);
    let failures = [Status::unavailable("away"), fault.into()];
    let state = State { submit_failures: failures.into(), ..State::default() };
    let environment = Environment::new(state).await;
    environment.connection.submit_handle().unwrap().submit(&item("1", bytes(9))).await.unwrap();
    environment.layer.with(|state| assert_eq!(state.submits, 3));
    assert_eq!(environment.journal.submitted().await.len(), 1);
}

#[tokio::test]
async fn an_item_whose_receipt_was_lost_is_submitted_again_and_stored_once() {
    let environment = Environment::new(State { lost_responses: 1, ..State::default() }).await;
    let submit_handle = environment.connection.submit_handle().unwrap();
    let receipt = submit_handle.submit(&item("1", bytes(9))).await.unwrap();
    let ids = environment.journal.submitted_ids().await;
    assert_eq!((ids.len(), &receipt.message_id), (1, &ids["1"]));
    assert_eq!(environment.stored("1").await.1, [bytes(9)]);
    // The first submit has consumed the upload, and the bus knows the item without it.
    environment.layer.with(|state| assert_eq!((state.submits, state.upload_names.len()), (2, 1)));
}

#[tokio::test]
async fn a_wrong_token_is_not_a_refusal_of_the_item() {
    let cases = [(&code::LT_MAP_002, true), (&code::LT_GW_006, false), (&code::LT_GW_007, false)];
    for (code, is_refusal) in cases {
        let failures = [Fault::new(code).into()];
        let state = State { submit_failures: failures.into(), ..State::default() };
        let environment = Environment::new(state).await;
        let outcome =
            environment.connection.submit_handle().unwrap().submit(&item("1", bytes(9))).await;
        let (fault, refused) = match outcome {
            Err(SubmitError::Refused(fault)) => (fault, true),
            Err(SubmitError::NotAdmitted(fault)) => (fault, false),
            other => panic!("{}: {other:?}", code.code),
        };
        assert_eq!((fault.code.as_str(), refused), (code.code, is_refusal));
        environment.layer.with(|state| assert_eq!(state.submits, 1, "it was submitted once"));
    }
}

/// An item without files, with a body of this size. Each key has another body, because equal ones
/// would be repeats.
fn small(key: usize, size: usize) -> Item {
    let (key, format) = (key.to_string(), "ioffice.portal".to_owned());
    let mut body = bytes(size.max(key.len()));
    body[..key.len()].copy_from_slice(key.as_bytes());
    Item { key, format, body: body.into(), ..Item::default() }
}

#[tokio::test]
async fn small_items_share_calls_and_each_has_its_own_receipt() {
    let environment = Environment::new(State::default()).await;
    let submit_handle = environment.connection.submit_handle().unwrap();
    let items: Vec<_> = (0..600).map(|it| small(it, 100)).collect();
    let receipts = join_all(items.iter().map(|it| submit_handle.submit(it))).await;
    let ids = environment.journal.submitted_ids().await;
    assert_eq!(ids.values().collect::<HashSet<_>>().len(), 600);
    for (number, receipt) in receipts.into_iter().enumerate() {
        assert_eq!(receipt.unwrap().message_id, ids[&number.to_string()]);
    }
    environment.layer.with(|state| {
        assert_eq!(state.submits, 600);
        assert!(state.batches.len() < 60, "{:?}", state.batches);
        assert!(state.batches.iter().all(|it| *it <= 256), "{:?}", state.batches);
    });
}

#[tokio::test]
async fn large_items_share_no_call() {
    let environment = Environment::new(State::default()).await;
    let submit_handle = environment.connection.submit_handle().unwrap();
    let items: Vec<_> = (0..20).map(|it| small(it, 600_000)).collect();
    for receipt in join_all(items.iter().map(|it| submit_handle.submit(it))).await {
        receipt.unwrap();
    }
    environment.layer.with(|state| assert_eq!((state.submits, state.batches.len()), (20, 0)));
}

#[tokio::test]
async fn the_size_of_a_call_includes_the_recipients_of_its_items() {
    let environment = Environment::new(State::default()).await;
    let submit_handle = environment.connection.submit_handle().unwrap();
    let recipients: Vec<_> = (0..5_000).map(|it| format!("A{it:09}")).collect();
    let with = |it| Item { recipients: recipients.clone(), ..small(it, 9) };
    let items: Vec<_> = (0..40).map(with).collect();
    for receipt in join_all(items.iter().map(|it| submit_handle.submit(it))).await {
        receipt.unwrap();
    }
    environment.layer.with(|state| {
        assert_eq!(state.submits, 40);
        // Each has some 60 kB, and a call takes 1 MiB.
        assert!(state.batches.iter().all(|it| *it <= 17), "{:?}", state.batches);
    });
}

#[tokio::test]
async fn a_refused_call_refuses_none_of_its_items() {
    let refusal = Fault::new(&code::LT_GW_001).param("size", "> 2").param("most", "2");
    let state = State { batch_failures: [refusal.into()].into(), ..State::default() };
    let environment = Environment::new(state).await;
    let submit_handle = environment.connection.submit_handle().unwrap();
    let items: Vec<_> = (0..3).map(|it| small(it, 9)).collect();
    for receipt in join_all(items.iter().map(|it| submit_handle.submit(it))).await {
        receipt.unwrap();
    }
    environment.layer.with(|state| assert_eq!((state.batches.len(), state.submits), (1, 3)));
}

#[tokio::test]
async fn each_item_of_a_call_is_refused_or_retried_by_itself() {
    let refusal = Fault::new(&code::LT_MAP_002).into();
    let busy = Fault::new(&code::LT_EX_008).into();
    let state = State { submit_failures: [refusal, busy].into(), ..State::default() };
    let environment = Environment::new(state).await;
    let submit_handle = environment.connection.submit_handle().unwrap();
    let items: Vec<_> = (0..3).map(|it| small(it, 9)).collect();
    let outcomes = join_all(items.iter().map(|it| submit_handle.submit(it))).await;
    let [Err(SubmitError::Refused(fault)), Ok(second), Ok(third)] = outcomes.as_slice() else {
        panic!("{outcomes:?}");
    };
    assert_eq!(fault.code, "LT-MAP-002");
    let ids = environment.journal.submitted_ids().await;
    assert_eq!((&second.message_id, &third.message_id), (&ids["1"], &ids["2"]));
    environment.layer.with(|state| assert_eq!(state.submits, 4));
    assert_eq!(ids.len(), 2);
}

#[tokio::test]
async fn after_a_failed_call_each_item_is_submitted_in_its_own_call() {
    let unavailable = Status::unavailable("away");
    let state = State { batch_failures: [unavailable].into(), ..State::default() };
    let environment = Environment::new(state).await;
    let submit_handle = environment.connection.submit_handle().unwrap();
    let items: Vec<_> = (0..3).map(|it| small(it, 9)).collect();
    for receipt in join_all(items.iter().map(|it| submit_handle.submit(it))).await {
        receipt.unwrap();
    }
    environment.layer.with(|state| assert_eq!((state.batches.len(), state.submits), (1, 3)));
}
