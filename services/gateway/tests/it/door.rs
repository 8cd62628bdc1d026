//! Who is let in, what is taken over, and what a refusal leaves.

use std::sync::atomic::Ordering;

use chassis::Upstream;
use gateway::{GatewayDependencies, Service};
use proto::exchange::v1::submit_request::Body as Given;
use proto::exchange::v1::submitted::Outcome;
use proto::exchange::v1::track_request::By;
use proto::exchange::v1::*;
use proto::fault::v1::Fault;
use proto::journal::v1::journal_server::JournalServer;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tonic::transport::Endpoint;
use tower::ServiceExt as _;

use crate::stage::{Stage, answered, called, called_with, code_of, eventually, item, shared, soon};

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
        assert!(stage.claims.open(&bus::Claim::from_content(bytes), 0).await.is_ok());
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
    let sha256 = bus::Claim::from_content(&large).sha256;
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
    assert!(refused.is_retryable() && refused.retry_after_ms > 0);
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
async fn items_of_one_call_are_taken_or_refused_each_by_itself() {
    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let stage = Stage::new().await;
    let words = |key: &str, words: &'static str| item(key, Given::Inline(words.into()), &[]);
    let traced = SubmitRequest { traceparent: PARENT.to_owned(), ..words("k3", "traced") };
    stage.submit("k1", b"one").await.unwrap();
    let items = vec![
        words("k1", "one"),
        words("k\n2", "two"),
        words("k1", "other"),
        traced,
        words("k4", "new"),
    ];
    let results = stage.submit_batch(items).await.unwrap().results;
    let told = |it: Submitted| match it.outcome.unwrap() {
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
    let told: Vec<_> = results.into_iter().map(told).collect();
    let expected = ["repeat: true", "LT-EX-011", "LT-JNL-001", "repeat: false", "repeat: false"];
    assert_eq!(told, expected);
    let traces: Vec<_> = {
        let items = &stage.journal.0.lock().await.items;
        let envelopes = items.iter().map(|it| it.message.as_ref().unwrap().envelope.as_ref());
        envelopes.map(|it| it.unwrap().traceparent.clone()).collect()
    };
    assert!(traces.contains(&PARENT.to_owned()) && traces.contains(&String::new()), "{traces:?}");
    for count in [0, 257] {
        let refused = stage.submit_batch(vec![words("", "many"); count]).await;
        assert_eq!(code_of(refused), "LT-EX-011", "{count}");
    }
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

#[tokio::test]
async fn a_conflict_and_a_repeat_leave_no_file_behind() {
    let stage = Stage::new().await;
    stage.submit("k", b"first").await.unwrap();
    let large = Given::Inline(vec![b'x'; 300_000].into());
    stage.put("scan", 0, b"beside", b"beside").await.unwrap();
    let other = stage.submit_with("k", large.clone(), &["scan"]).await.unwrap_err();
    assert_eq!(other.code, "LT-JNL-001");
    assert!(other.params.contains_key("first"));
    assert_eq!(stage.kept(), 0);
    for is_repeat in [false, true] {
        stage.put("scan", 0, b"beside", b"beside").await.unwrap();
        let answer = stage.submit_with("l", large.clone(), &["scan"]).await.unwrap();
        assert_eq!(answer.receipt.unwrap().repeat, is_repeat);
        assert_eq!(stage.kept(), 2, "the body and the file, once");
    }
}

#[tokio::test]
async fn a_trace_context_is_carried_only_in_the_form_of_the_standard() {
    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let stage = Stage::new().await;
    for (named, carried) in
        [(PARENT.to_owned(), PARENT), (format!("00-{}", "a".repeat(200_000)), "")]
    {
        let request = item("", Given::Inline(named.clone().into()), &[]);
        stage.give(SubmitRequest { traceparent: named, ..request }).await.unwrap();
        let item = stage.journal.0.lock().await.items.pop().unwrap();
        assert_eq!(item.message.unwrap().envelope.unwrap().traceparent, carried);
    }
    let mut beside = called(item("", Given::Inline("beside".into()), &[]));
    beside.metadata_mut().insert("traceparent", PARENT.parse().unwrap());
    beside.metadata_mut().insert("tracestate", "vendor=1".parse().unwrap());
    stage.client.clone().submit(beside).await.unwrap();
    let item = stage.journal.0.lock().await.items.pop().unwrap();
    let envelope = item.message.unwrap().envelope.unwrap();
    assert_eq!((envelope.traceparent.as_str(), envelope.tracestate.as_str()), (PARENT, "vendor=1"));
}

#[tokio::test]
async fn a_field_that_is_wrong_is_named_by_its_path() {
    let stage = Stage::new().await;
    let path = |fault: Fault| (fault.code, fault.violations[0].field.clone());
    let body = || Given::Inline("x".into());
    let odd = stage.submit_with("a\nb", body(), &[]).await.unwrap_err();
    assert_eq!(path(odd), ("LT-EX-011".to_owned(), "key".to_owned()));
    let none = stage.submit_with("k", Given::Part("none".into()), &[]).await.unwrap_err();
    assert_eq!(path(none), ("LT-EX-004".to_owned(), "part".to_owned()));
    stage.put("half", 0, b"a", b"ab").await.unwrap();
    stage.put("whole", 0, b"ab", b"ab").await.unwrap();
    let half = stage.submit_with("k", body(), &["whole", "half"]).await.unwrap_err();
    assert_eq!(path(half), ("LT-EX-009".to_owned(), "attachments[1].part".to_owned()));
    let twice = stage.submit_with("k", body(), &["whole", "whole"]).await.unwrap_err();
    assert_eq!(path(twice), ("LT-EX-011".to_owned(), "attachments[1].reference".to_owned()));
    let many = vec!["whole"; 201];
    let many = stage.submit_with("k", body(), &many).await.unwrap_err();
    assert_eq!(path(many), ("LT-GW-002".to_owned(), "attachments".to_owned()));
}

#[tokio::test]
async fn more_wrong_fields_than_a_header_holds_are_counted() {
    let stage = Stage::new().await;
    let body = Given::Inline("refuse everything".into());
    let request = called(item("k", body, &[]));
    let status = stage.client.clone().submit(request).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::PermissionDenied);
    let fault = Fault::from_status(&status).unwrap();
    assert_eq!(fault.code, "LT-MAP-210");
    assert!(!fault.violations.is_empty());
    assert_eq!(fault.violations.len() + fault.violations_left_out as usize, 50);
}

#[tokio::test]
async fn bytes_that_are_no_call_get_a_code() {
    let stage = Stage::new().await;
    let endpoint = Endpoint::from_shared(format!("http://{}", stage.address)).unwrap();
    let channel = endpoint.connect().await.unwrap();
    let call = async |method: &str, body: Vec<u8>| {
        let request =
            http::Request::post(format!("http://gateway/lienthong.exchange.v1.Exchange/{method}"))
                .header("authorization", "Bearer token-a-app")
                .header("content-type", "application/grpc")
                .header("te", "trailers")
                .body(tonic::body::Body::new(axum::body::Body::from(body)))
                .unwrap();
        let response = soon(channel.clone().oneshot(request)).await.unwrap();
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
        // A field with the wire type 7, which there is not.
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
async fn a_body_keeps_its_room_though_its_caller_went_away() {
    let stage = shared(Stage::with(|it| it.bodies_bytes_max = 900_000).await);
    let held = stage.mapping.gate.acquire_many(1_000).await.unwrap();
    let large = vec![b'x'; 500_000];
    let mut submits = JoinSet::new();
    let (first, body) = (stage.clone(), large.clone());
    submits.spawn(async move { first.submit("", &body).await });
    let calls = &stage.mapping.calls;
    eventually(async || (calls.load(Ordering::SeqCst) == 1).then_some(())).await;
    submits.shutdown().await;
    assert_eq!(code_of(stage.submit("", &large).await), "LT-GW-004");
    drop(held);
    eventually(async || stage.submit("", &large).await.ok()).await;
    // There is no room to read it, let alone to work on it.
    assert_eq!(code_of(stage.submit("", &vec![b'x'; 1_000_000]).await), "LT-GW-004");
}

#[tokio::test]
async fn the_registry_may_go_away_and_come_back() {
    let mut stage = Stage::new().await;
    stage.registry = tokio::sync::watch::channel(crate::stage::snapshot()).0;
    eventually(async || (stage.watched.load(Ordering::SeqCst) > 1).then_some(())).await;
    stage.submit("k", b"hello").await.unwrap();
    stage.hello("one").await;
}

#[tokio::test]
async fn a_gateway_that_starts_again_knows_who_calls_before_the_registry_speaks() {
    let stage = Stage::new().await;
    let nobody = Upstream::local(JournalServer::new(stage.journal.clone()));
    let dependencies = GatewayDependencies {
        bus: stage.bus.clone(),
        claims: stage.claims.clone(),
        journal: nobody.clone(),
        mapping: nobody,
        registry: stage.follower.clone(),
    };
    let config = toml::from_str(gateway::DEFAULTS).unwrap();
    let again = Service::new(config, dependencies, stage.clock.clone(), "again".to_owned());
    let request = http::Request::get("/v1/lookup?text=a")
        .header("authorization", "Bearer token-a-app")
        .body(axum::body::Body::empty())
        .unwrap();
    assert_eq!(again.routes().oneshot(request).await.unwrap().status(), 200);
}

#[tokio::test]
async fn sessions_of_one_application_are_bounded() {
    let mut stage = Stage::with(|it| it.sessions_max = 1).await;
    stage.hello("one").await;
    stage.hello("one").await;
    let adapter = "two".to_owned();
    let request = HelloRequest { protocol_versions: vec![1], adapter, ..HelloRequest::default() };
    assert_eq!(code_of(answered(stage.client.hello(called(request)).await)), "LT-GW-010");
}

#[tokio::test]
async fn a_message_is_tracked_by_its_whole_id_only() {
    let stage = Stage::new().await;
    let id = stage.submit("k1", b"hello").await.unwrap().receipt.unwrap().message_id;
    let by = async |id: String| {
        let request = called(TrackRequest { by: Some(By::MessageId(id)) });
        stage.client.clone().track(request).await.unwrap().into_inner().messages.len()
    };
    assert_eq!(
        (by(id.clone()).await, by(id.trim_end_matches(|it| it != '-').to_owned()).await),
        (1, 0)
    );
}
