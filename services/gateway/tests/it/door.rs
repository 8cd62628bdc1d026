//! Who is let in, what is taken over, and what a refusal leaves.

use std::sync::atomic::Ordering;

use proto::exchange::v1::submit_request::Body as Given;
use proto::exchange::v1::track_request::By;
use proto::exchange::v1::*;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::stage::{Stage, answered, called, called_with, code_of, eventually, shared, soon};

#[tokio::test]
async fn nobody_is_let_in_without_a_token_that_is_in_force() {
    let stage = Stage::new().await;
    let mut client = stage.client.clone();
    let asked = LookupRequest::default;
    let wrong = client.lookup(called_with("token-b-app", asked())).await;
    assert_eq!(code_of(answered(wrong)), "LT-GW-006");
    let none = client.lookup(tonic::Request::new(asked())).await;
    assert_eq!(code_of(answered(none)), "LT-GW-006");
    let disabled = client.lookup(called_with("token-c-app", asked())).await;
    assert_eq!(code_of(answered(disabled)), "LT-GW-007");
}

#[tokio::test]
async fn an_adapter_of_another_protocol_is_told_so() {
    let mut stage = Stage::new().await;
    let adapter = "one".to_owned();
    let request = HelloRequest { protocol_versions: vec![9], adapter, ..HelloRequest::default() };
    let refused = stage.client.hello(called(request)).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::FailedPrecondition);
    assert_eq!(code_of(answered::<HelloResponse>(Err(refused))), "LT-EX-001");
}

#[tokio::test]
async fn a_receipt_comes_once_and_is_the_first_one_when_it_comes_again() {
    let stage = Stage::new().await;
    let first = stage.submit("k1", b"hello").await.unwrap().receipt.unwrap();
    assert!(!first.repeat && !first.message_id.is_empty());
    let again = stage.submit("k1", b"hello").await.unwrap().receipt.unwrap();
    assert!(again.repeat);
    assert_eq!(again.message_id, first.message_id);
    assert_eq!(code_of(stage.submit("k1", b"other").await), "LT-JNL-001");
    let mut client = stage.client.clone();
    let by = |by| called(TrackRequest { by: Some(by) });
    let tracked = client.track(by(By::Key("k1".to_owned()))).await.unwrap().into_inner();
    assert_eq!(tracked.messages[0].receipt.as_ref().unwrap().message_id, first.message_id);
    let empty = client.track(by(By::Number(" ".to_owned()))).await;
    assert_eq!(code_of(answered(empty)), "LT-EX-011");
}

#[tokio::test]
async fn a_refusal_leaves_its_code_and_nothing_of_the_content() {
    let stage = Stage::new().await;
    stage.put("file", 0, b"secret file", b"secret file").await.unwrap();
    let body = Given::Inline("refuse: secret words".into());
    let refused = stage.submit_with("k", body, &["file"]).await.unwrap_err();
    assert_eq!((refused.code.as_str(), refused.violations.len()), ("LT-MAP-210", 1));
    let noted = eventually(async || stage.journal.0.lock().await.refusals.pop()).await;
    assert_eq!(noted.key, "k");
    assert!(!format!("{noted:?}").contains("secret words"), "{noted:?}");
    assert_eq!(stage.kept(), 0);
    assert!(stage.journal.0.lock().await.items.is_empty());
    let again = stage.submit_with("k", Given::Inline("fine".into()), &["file"]).await;
    assert_eq!(code_of(again), "LT-EX-004", "the upload went with the refusal");
}

#[tokio::test]
async fn files_inside_and_beside_a_body_are_safe_before_the_receipt() {
    let stage = Stage::new().await;
    stage.put("scan", 0, b"beside", b"beside").await.unwrap();
    let body = Given::Inline("packed:inside".into());
    let receipt = stage.submit_with("", body, &["scan"]).await.unwrap().receipt.unwrap();
    assert_eq!(receipt.attachments.len(), 2);
    for bytes in [b"inside".as_slice(), b"beside"] {
        assert!(stage.claims.open(&bus::Claim::of(bytes), 0).await.is_ok());
    }
}

#[tokio::test]
async fn bodies_over_a_limit_are_refused_and_large_ones_ride_as_parts() {
    let stage = Stage::with(|it| it.body_bytes_max = 2_000_000).await;
    let large = vec![b'x'; 1_500_000];
    assert_eq!(code_of(stage.submit("", &large).await), "LT-EX-011");
    let half = large.len() / 2;
    stage.put("body", 0, &large[..half], &large).await.unwrap();
    assert_eq!(code_of(stage.submit_with("", Given::Part("body".into()), &[]).await), "LT-EX-009");
    stage.put("body", half, &large[half..], &large).await.unwrap();
    let receipt = stage.submit_with("", Given::Part("body".into()), &[]).await.unwrap();
    let sha256 = bus::Claim::of(&large).sha256;
    assert_eq!(receipt.receipt.unwrap().native_sha256.as_ref(), sha256.as_slice());

    let endless = stage.submit("", &vec![b'x'; 9 << 20]).await;
    assert_eq!(code_of(endless), "LT-GW-001", "longer than any message of gRPC");

    let whole = vec![b'y'; 2_000_001];
    for (place, piece) in whole.chunks(1 << 20).enumerate() {
        stage.put("huge", place << 20, piece, &whole).await.unwrap();
    }
    assert_eq!(code_of(stage.submit_with("", Given::Part("huge".into()), &[]).await), "LT-GW-001");
}

#[tokio::test]
async fn too_many_submits_of_one_application_are_asked_to_come_again() {
    let stage = Stage::with(|it| it.submits_max = 1).await;
    let held = stage.mapping.gate.clone().acquire_many_owned(1_000).await.unwrap();
    let stage = shared(stage);
    let mut submits = JoinSet::new();
    let first = stage.clone();
    submits.spawn(async move { first.submit("", b"first").await });
    let calls = &stage.mapping.calls;
    eventually(async || (calls.load(Ordering::SeqCst) == 1).then_some(())).await;
    let refused = stage.submit("", b"second").await.unwrap_err();
    assert_eq!(refused.code, "LT-GW-004");
    assert!(refused.may_pass() && refused.retry_after_ms > 0);
    drop(held);
    soon(submits.join_next()).await.unwrap().unwrap().unwrap();
    stage.submit("", b"second").await.unwrap();
}

#[tokio::test]
async fn submits_that_come_together_are_read_and_accepted_together() {
    const SUBMITS: usize = 100;
    let stage = shared(Stage::new().await);
    let gate: &Semaphore = &stage.mapping.gate;
    let held = gate.acquire_many(1_000).await.unwrap();
    let mut submits = JoinSet::new();
    for number in 0..SUBMITS {
        let stage = stage.clone();
        submits.spawn(async move {
            stage.submit(&number.to_string(), number.to_string().as_bytes()).await
        });
    }
    let calls = &stage.mapping.calls;
    eventually(async || (calls.load(Ordering::SeqCst) > 0).then_some(())).await;
    // The gateway and all callers share this thread: the others are in its queue after these turns.
    for _ in 0..10_000 {
        tokio::task::yield_now().await;
    }
    drop(held);
    while let Some(done) = soon(submits.join_next()).await {
        done.unwrap().unwrap();
    }
    let (read, accepted) = (calls.load(Ordering::SeqCst), stage.journal.0.lock().await.accepts);
    assert!(read < SUBMITS / 4 && accepted < SUBMITS / 2, "{read} reads, {accepted} accepts");
}

#[tokio::test]
async fn a_stop_lets_a_submit_finish() {
    let stage = shared(Stage::new().await);
    let held = stage.mapping.gate.acquire_many(1_000).await.unwrap();
    let mut submits = JoinSet::new();
    let first = stage.clone();
    submits.spawn(async move { first.submit("", b"late").await });
    let calls = &stage.mapping.calls;
    eventually(async || (calls.load(Ordering::SeqCst) == 1).then_some(())).await;
    stage.shutdown.cancel();
    drop(held);
    assert!(soon(submits.join_next()).await.unwrap().unwrap().unwrap().receipt.is_some());
}
