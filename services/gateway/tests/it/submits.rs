//! Submits: receipts, repeats and conflicts, limits, and what a refusal leaves.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use proto::exchange::v1::submit_request::Body as SubmittedBody;
use proto::exchange::v1::submitted::Outcome;
use proto::exchange::v1::track_request::By;
use proto::exchange::v1::*;
use proto::fault::v1::Fault;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tonic::transport::Endpoint;
use tower::ServiceExt as _;

use crate::environment::{Environment, code_of, into_result, item, request};
use crate::waiting::{timed, wait_for};

#[tokio::test]
async fn an_item_submitted_again_gets_its_first_receipt() {
    let environment = Environment::new().await;
    let first = environment.submit("k1", b"hello").await.unwrap().receipt.unwrap();
    assert!(!first.repeat && !first.message_id.is_empty());
    let again = environment.submit("k1", b"hello").await.unwrap().receipt.unwrap();
    assert!(again.repeat);
    assert_eq!(again.message_id, first.message_id);
    assert_eq!(code_of(environment.submit("k1", b"other").await), "LT-JNL-001");
    let mut client = environment.client.clone();
    let by = |by| request(TrackRequest { by: Some(by) });
    let tracked = client.track(by(By::Key("k1".to_owned()))).await.unwrap().into_inner();
    assert_eq!(tracked.messages[0].receipt.as_ref().unwrap().message_id, first.message_id);
    let empty = client.track(by(By::Number(" ".to_owned()))).await;
    assert_eq!(code_of(into_result(empty)), "LT-EX-011");
}

#[tokio::test]
async fn a_refusal_leaves_its_code_and_nothing_of_the_content() {
    let environment = Environment::new().await;
    environment.put("file", 0, b"secret file", b"secret file").await.unwrap();
    let body = SubmittedBody::Inline("refuse: secret words".into());
    let refused = environment.submit_with("k", body, &["file"]).await.unwrap_err();
    assert_eq!((refused.code.as_str(), refused.violations.len()), ("LT-MAP-210", 1));
    let refusal = wait_for(async || environment.calls().refusals.pop()).await;
    assert_eq!(refusal.key, "", "the key of a secret item may be its subject");
    assert_eq!(refusal.fault.as_ref().unwrap().code, "LT-MAP-210");
    assert!(!format!("{refusal:?}").contains("secret words"), "{refusal:?}");
    assert_eq!(environment.committed_files(), 0);
    assert_eq!(environment.journal.message_count().await, 0);
    let again = environment.submit_with("k", SubmittedBody::Inline("fine".into()), &["file"]).await;
    assert_eq!(code_of(again), "LT-EX-004", "the upload went with the refusal");
}

#[tokio::test]
async fn files_inside_and_beside_a_body_are_stored_before_the_receipt() {
    let environment = Environment::new().await;
    environment.put("scan", 0, b"beside", b"beside").await.unwrap();
    let body = SubmittedBody::Inline("packed:inside".into());
    let receipt = environment.submit_with("", body, &["scan"]).await.unwrap().receipt.unwrap();
    assert_eq!(receipt.attachments.len(), 2);
    for bytes in [b"inside".as_slice(), b"beside"] {
        assert!(environment.claims.open(&bus::Claim::from_content(bytes), 0).await.is_ok());
    }
}

#[tokio::test]
async fn bodies_over_a_limit_are_refused_and_large_ones_are_uploaded() {
    let environment = Environment::with(|it| it.body_bytes_max = 2_000_000).await;
    let large = vec![b'x'; 1_500_000];
    assert_eq!(code_of(environment.submit("", &large).await), "LT-EX-011");
    let half = large.len() / 2;
    environment.put("body", 0, &large[..half], &large).await.unwrap();
    assert_eq!(
        code_of(environment.submit_with("", SubmittedBody::Part("body".into()), &[]).await),
        "LT-EX-009"
    );
    environment.put("body", half, &large[half..], &large).await.unwrap();
    let receipt =
        environment.submit_with("", SubmittedBody::Part("body".into()), &[]).await.unwrap();
    let sha256 = bus::Claim::from_content(&large).sha256;
    assert_eq!(receipt.receipt.unwrap().native_sha256.as_ref(), sha256.as_slice());

    let endless = environment.submit("", &vec![b'x'; 9 << 20]).await;
    assert_eq!(code_of(endless), "LT-GW-001", "longer than any message of gRPC");

    let whole = vec![b'y'; 2_000_001];
    for (index, piece) in whole.chunks(1 << 20).enumerate() {
        environment.put("huge", index << 20, piece, &whole).await.unwrap();
    }
    assert_eq!(
        code_of(environment.submit_with("", SubmittedBody::Part("huge".into()), &[]).await),
        "LT-GW-001"
    );
}

#[tokio::test]
async fn too_many_submits_of_one_application_are_refused_as_retryable() {
    let environment = Environment::with(|it| it.submits_max = 1).await;
    let held = environment.mapping.permits.clone().acquire_many_owned(1_000).await.unwrap();
    let environment = Arc::new(environment);
    let mut submits = JoinSet::new();
    let first = environment.clone();
    submits.spawn(async move { first.submit("", b"first").await });
    let calls = &environment.mapping.calls;
    wait_for(async || (calls.load(Ordering::SeqCst) == 1).then_some(())).await;
    let refused = environment.submit("", b"second").await.unwrap_err();
    assert_eq!(refused.code, "LT-GW-012");
    assert!(refused.is_retryable() && refused.retry_after_ms > 0);
    drop(held);
    timed(submits.join_next()).await.unwrap().unwrap().unwrap();
    environment.submit("", b"second").await.unwrap();
}

#[tokio::test]
async fn submits_at_the_same_time_are_normalized_and_accepted_in_batches() {
    const SUBMITS: usize = 100;
    let environment = Arc::new(Environment::new().await);
    let gate: &Semaphore = &environment.mapping.permits;
    let held = gate.acquire_many(1_000).await.unwrap();
    let mut submits = JoinSet::new();
    for number in 0..SUBMITS {
        let environment = environment.clone();
        submits.spawn(async move {
            environment.submit(&number.to_string(), number.to_string().as_bytes()).await
        });
    }
    let calls = &environment.mapping.calls;
    wait_for(async || (calls.load(Ordering::SeqCst) > 0).then_some(())).await;
    // The gateway and all callers share this thread, so after these turns every other call is in its
    // queue.
    for _ in 0..10_000 {
        tokio::task::yield_now().await;
    }
    drop(held);
    while let Some(done) = timed(submits.join_next()).await {
        done.unwrap().unwrap();
    }
    let (read, accepted) = (calls.load(Ordering::SeqCst), environment.calls().accept_count);
    assert!(read < SUBMITS / 4 && accepted < SUBMITS / 2, "{read} reads, {accepted} accepts");
}

#[tokio::test]
async fn items_of_one_call_are_accepted_or_refused_one_by_one() {
    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let environment = Environment::new().await;
    let plain = |key: &str, body: &'static str| item(key, SubmittedBody::Inline(body.into()), &[]);
    let traced = SubmitRequest { traceparent: PARENT.to_owned(), ..plain("k3", "traced") };
    environment.submit("k1", b"one").await.unwrap();
    let items = vec![
        plain("k1", "one"),
        plain("k\n2", "two"),
        plain("k1", "other"),
        traced,
        plain("k4", "new"),
    ];
    let results = environment.submit_batch(items).await.unwrap().results;
    let describe = |it: Submitted| match it.outcome.unwrap() {
        Outcome::Submitted(answer) => {
            let receipt = answer.receipt.unwrap();
            assert!(!receipt.message_id.is_empty());
            format!("repeat: {}", receipt.repeat)
        }
        Outcome::Refused(refused) => {
            assert!(!refused.title_vi.is_empty() && !refused.remedy_en.is_empty(), "{refused:?}");
            refused.fault.unwrap().code
        }
    };
    let outcomes: Vec<_> = results.into_iter().map(describe).collect();
    let expected = ["repeat: true", "LT-EX-011", "LT-JNL-001", "repeat: false", "repeat: false"];
    assert_eq!(outcomes, expected);
    let traces: Vec<_> = {
        let items = &environment.calls().accepted;
        let envelopes = items.iter().map(|it| it.message.as_ref().unwrap().envelope.as_ref());
        envelopes.map(|it| it.unwrap().traceparent.clone()).collect()
    };
    assert!(traces.contains(&PARENT.to_owned()) && traces.contains(&String::new()), "{traces:?}");
    for count in [0, 257] {
        let refused = environment.submit_batch(vec![plain("", "many"); count]).await;
        assert_eq!(code_of(refused), "LT-EX-011", "{count}");
    }
}

#[tokio::test]
async fn a_stop_waits_for_a_submit() {
    let environment = Arc::new(Environment::new().await);
    let held = environment.mapping.permits.acquire_many(1_000).await.unwrap();
    let mut submits = JoinSet::new();
    let first = environment.clone();
    submits.spawn(async move { first.submit("", b"late").await });
    let calls = &environment.mapping.calls;
    wait_for(async || (calls.load(Ordering::SeqCst) == 1).then_some(())).await;
    environment.shutdown.cancel();
    drop(held);
    assert!(timed(submits.join_next()).await.unwrap().unwrap().unwrap().receipt.is_some());
}

#[tokio::test]
async fn a_conflict_and_a_repeat_leave_no_file_behind() {
    let environment = Environment::new().await;
    environment.submit("k", b"first").await.unwrap();
    let large = SubmittedBody::Inline(vec![b'x'; 300_000].into());
    environment.put("scan", 0, b"beside", b"beside").await.unwrap();
    let other = environment.submit_with("k", large.clone(), &["scan"]).await.unwrap_err();
    assert_eq!(other.code, "LT-JNL-001");
    assert!(other.params.contains_key("first"));
    assert_eq!(environment.committed_files(), 0);
    for is_repeat in [false, true] {
        environment.put("scan", 0, b"beside", b"beside").await.unwrap();
        let answer = environment.submit_with("l", large.clone(), &["scan"]).await.unwrap();
        assert_eq!(answer.receipt.unwrap().repeat, is_repeat);
        assert_eq!(environment.committed_files(), 2, "the body and the file, once");
    }
}

#[tokio::test]
async fn only_a_well_formed_trace_context_is_carried() {
    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let environment = Environment::new().await;
    for (named, carried) in
        [(PARENT.to_owned(), PARENT), (format!("00-{}", "a".repeat(200_000)), "")]
    {
        let request = item("", SubmittedBody::Inline(named.clone().into()), &[]);
        environment.submit_item(SubmitRequest { traceparent: named, ..request }).await.unwrap();
        let item = environment.calls().accepted.pop().unwrap();
        assert_eq!(item.message.unwrap().envelope.unwrap().traceparent, carried);
    }
    let mut beside = request(item("", SubmittedBody::Inline("beside".into()), &[]));
    beside.metadata_mut().insert("traceparent", PARENT.parse().unwrap());
    beside.metadata_mut().insert("tracestate", "vendor=1".parse().unwrap());
    environment.client.clone().submit(beside).await.unwrap();
    let item = environment.calls().accepted.pop().unwrap();
    let envelope = item.message.unwrap().envelope.unwrap();
    assert_eq!((envelope.traceparent.as_str(), envelope.tracestate.as_str()), (PARENT, "vendor=1"));
}

#[tokio::test]
async fn an_invalid_field_is_named_by_its_path() {
    let environment = Environment::new().await;
    let path = |fault: Fault| (fault.code, fault.violations[0].field.clone());
    let body = || SubmittedBody::Inline("x".into());
    let control = environment.submit_with("a\nb", body(), &[]).await.unwrap_err();
    assert_eq!(path(control), ("LT-EX-011".to_owned(), "key".to_owned()));
    let none =
        environment.submit_with("k", SubmittedBody::Part("none".into()), &[]).await.unwrap_err();
    assert_eq!(path(none), ("LT-EX-004".to_owned(), "part".to_owned()));
    environment.put("half", 0, b"a", b"ab").await.unwrap();
    environment.put("whole", 0, b"ab", b"ab").await.unwrap();
    let half = environment.submit_with("k", body(), &["whole", "half"]).await.unwrap_err();
    assert_eq!(path(half), ("LT-EX-009".to_owned(), "attachments[1].part".to_owned()));
    let twice = environment.submit_with("k", body(), &["whole", "whole"]).await.unwrap_err();
    assert_eq!(path(twice), ("LT-EX-011".to_owned(), "attachments[1].reference".to_owned()));
    let many = vec!["whole"; 201];
    let many = environment.submit_with("k", body(), &many).await.unwrap_err();
    assert_eq!(path(many), ("LT-GW-002".to_owned(), "attachments".to_owned()));
}

#[tokio::test]
async fn violations_that_do_not_fit_into_a_header_are_counted() {
    let environment = Environment::new().await;
    let body = SubmittedBody::Inline("refuse everything".into());
    let request = request(item("k", body, &[]));
    let status = environment.client.clone().submit(request).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::PermissionDenied);
    let fault = Fault::from_status(&status).unwrap();
    assert_eq!(fault.code, "LT-MAP-210");
    assert!(!fault.violations.is_empty());
    assert_eq!(fault.violations.len() + fault.violations_left_out as usize, 50);
}

#[tokio::test]
async fn a_malformed_call_is_refused_with_a_code() {
    let environment = Environment::new().await;
    let endpoint = Endpoint::from_shared(format!("http://{}", environment.address)).unwrap();
    let channel = endpoint.connect().await.unwrap();
    let call = async |method: &str, body: Vec<u8>| {
        let request =
            http::Request::post(format!("http://gateway/lienthong.exchange.v1.Exchange/{method}"))
                .header("authorization", "Bearer token-a-app")
                .header("content-type", "application/grpc")
                .header("te", "trailers")
                .body(tonic::body::Body::new(axum::body::Body::from(body)))
                .unwrap();
        let response = timed(channel.clone().oneshot(request)).await.unwrap();
        let status = tonic::Status::from_header_map(response.headers()).unwrap();
        Fault::from_status(&status).unwrap_or_else(|| panic!("{status:?}")).code
    };
    let framed = |bytes: &[u8]| {
        let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
        [[0].as_slice(), &length, bytes].concat()
    };
    let mut noise = Noise(7);
    for length in [1, 5, 40, 300] {
        let mut bytes: Vec<u8> = (0..length).map(|_| noise.byte()).collect();
        // A field with the wire type 7, which protobuf does not define.
        bytes[0] = 0x0f;
        assert_eq!(call("Submit", framed(&bytes)).await, "LT-EX-011");
        assert_eq!(call("Submit", framed(&bytes)[..length + 4].to_vec()).await, "LT-EX-011", "cut");
    }
    assert_eq!(call("Submit", Vec::new()).await, "LT-EX-011");
    assert_eq!(call("Nothing", framed(b"")).await, "LT-GW-009");
}

/// Bytes that look random and are the same in every run.
struct Noise(u64);

impl Noise {
    fn byte(&mut self) -> u8 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.to_le_bytes()[3]
    }
}

#[tokio::test]
async fn a_body_holds_its_memory_though_its_caller_has_gone_away() {
    let environment = Arc::new(Environment::with(|it| it.bodies_bytes_max = 900_000).await);
    let held = environment.mapping.permits.acquire_many(1_000).await.unwrap();
    let large = vec![b'x'; 500_000];
    let mut submits = JoinSet::new();
    let (first, body) = (environment.clone(), large.clone());
    submits.spawn(async move { first.submit("", &body).await });
    let calls = &environment.mapping.calls;
    wait_for(async || (calls.load(Ordering::SeqCst) == 1).then_some(())).await;
    submits.shutdown().await;
    assert_eq!(code_of(environment.submit("", &large).await), "LT-GW-012");
    drop(held);
    wait_for(async || environment.submit("", &large).await.ok()).await;
    // The budget is smaller than the body of this call.
    assert_eq!(code_of(environment.submit("", &vec![b'x'; 1_000_000]).await), "LT-GW-004");
}

#[tokio::test]
async fn a_message_is_tracked_by_its_whole_id_only() {
    let environment = Environment::new().await;
    let id = environment.submit("k1", b"hello").await.unwrap().receipt.unwrap().message_id;
    let by = async |id: String| {
        let request = request(TrackRequest { by: Some(By::MessageId(id)) });
        environment.client.clone().track(request).await.unwrap().into_inner().messages.len()
    };
    assert_eq!(
        (by(id.clone()).await, by(id.trim_end_matches(|it| it != '-').to_owned()).await),
        (1, 0)
    );
}

/// Catalogue B-110. Documents travel other ways too, so the status is delivered and told about.
#[tokio::test]
async fn a_status_about_an_unknown_document_is_accepted_with_a_finding() {
    let environment = Environment::new().await;
    for _again in 0..2 {
        let first = environment.submit("s1", b"status 01").await.unwrap();
        assert_eq!(first.findings[0].code, "LT-MAP-228");
        assert_ne!(first.findings[0].text_vi, first.findings[0].text_en);
    }
    let later = environment.submit("s2", b"status 03").await.unwrap();
    assert_eq!(later.findings, []);
}
