//! Deliveries: from the channel to an adapter, its settlements, and what becomes of a session.

use std::time::Duration;

use bus::Body;
use bytes::Bytes;
use futures::StreamExt as _;
use proto::exchange::v1::exchange_client::ExchangeClient;
use proto::exchange::v1::settle_request::Answer;
use proto::exchange::v1::settled::Outcome;
use proto::exchange::v1::*;
use proto::fault::v1::Fault;
use proto::journal::v1::Envelope;
use proto::message::v1::{State, Step};
use proto::operate::v1::Asking;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tonic::Streaming;
use tonic::transport::Endpoint;

use crate::environment::{Environment, code_of, hello_request, into_result, request, taken};
use crate::waiting::{timed, wait_for};

fn text(body: &str) -> Body {
    Body::Inline(Bytes::copy_from_slice(body.as_bytes()))
}

async fn next(stream: &mut Streaming<Delivery>) -> Delivery {
    timed(stream.message()).await.unwrap().unwrap()
}

async fn ended(stream: &mut Streaming<Delivery>) -> String {
    Fault::from_status(&timed(stream.message()).await.unwrap_err()).unwrap().code
}

#[tokio::test]
async fn a_delivery_settled_again_with_the_same_answer_is_a_repeat() {
    let mut environment = Environment::new().await;
    let session = environment.open_session("one").await;
    let mut stream = environment.receive(&session, 0).await;
    let id = environment.publish_delivery("m1", text("native"), &[]).await;
    let delivery = next(&mut stream).await;
    assert_eq!((delivery.message_id.as_str(), delivery.sequence), (id.as_str(), 1));
    assert_eq!(delivery.body, Some(delivery::Body::Inline("native".into())));
    let lease = (id.as_str(), delivery.lease);
    assert!(!environment.settle(&session, lease, taken()).await.unwrap().repeat);
    assert!(environment.settle(&session, lease, taken()).await.unwrap().repeat);
    let refused = Answer::Refused(Refused { reason: "no".to_owned() });
    assert_eq!(code_of(environment.settle(&session, lease, refused).await), "LT-EX-013");
    assert_eq!(environment.state(&id).await, State::Taken);
    let silent = Answer::Refused(Refused { reason: " ".to_owned() });
    assert_eq!(code_of(environment.settle(&session, lease, silent).await), "LT-EX-011");
}

#[tokio::test]
async fn a_delivery_unknown_to_the_journal_is_recorded_as_refused() {
    let mut environment = Environment::new().await;
    let session = environment.open_session("one").await;
    let id = environment.publish_foreign("m1", text("native")).await;
    let _stream = environment.receive(&session, 0).await;
    let refusal = wait_for(async || environment.calls().refusals.pop()).await;
    assert_eq!((refusal.key, refusal.application.as_str()), (id, "a-app"));
    assert_eq!(refusal.fault.unwrap().code, "LT-JNL-005");
}

#[tokio::test]
async fn a_delivery_that_was_altered_in_the_broker_comes_as_the_journal_has_it() {
    let mut environment = Environment::new().await;
    let session = environment.open_session("one").await;
    let mut stream = environment.receive(&session, 0).await;
    let alterations: [fn(&mut Envelope) -> Body; 3] = [
        |_| text("altered"),
        |envelope| {
            envelope.sender = "c".to_owned();
            text("native")
        },
        |envelope| {
            // Not even an envelope, and not a reason to make the message a dead letter.
            envelope.source.clear();
            text("native")
        },
    ];
    for (name, alter) in ["m1", "m2", "m3"].into_iter().zip(alterations) {
        let id = environment.publish_altered((name, text("native")), alter).await;
        let delivery = next(&mut stream).await;
        assert_eq!((delivery.message_id.as_str(), delivery.attempt), (id.as_str(), 1));
        assert_eq!(delivery.body, Some(delivery::Body::Inline("native".into())));
        assert_eq!(delivery.sender, "b");
        environment.settle(&session, (&id, delivery.lease), taken()).await.unwrap();
        assert_eq!(environment.state(&id).await, State::Taken);
    }
    assert!(environment.calls().refusals.is_empty());
}

#[tokio::test]
async fn a_settlement_without_a_lease_is_refused_with_its_reason() {
    let mut environment = Environment::new().await;
    let session = environment.open_session("one").await;
    let mut stream = environment.receive(&session, 0).await;
    let unknown = environment.settle(&session, ("no-such-message", 1), taken()).await;
    assert_eq!(code_of(unknown), "LT-EX-014");
    assert_eq!(
        code_of(environment.settle("no-such-session", ("m", 1), taken()).await),
        "LT-EX-014"
    );
    let id = environment.publish_delivery("m1", text("native"), &[]).await;
    let lease = next(&mut stream).await.lease;
    let late = environment.settle(&session, (&id, lease + 100), taken()).await;
    assert_eq!(code_of(late), "LT-EX-012");
    environment.settle(&session, (&id, lease), taken()).await.unwrap();
}

#[tokio::test]
async fn settlements_of_one_call_succeed_or_fail_one_by_one() {
    let mut environment = Environment::new().await;
    let session = environment.open_session("one").await;
    let mut stream = environment.receive(&session, 0).await;
    let mut items = Vec::new();
    for name in ["m1", "m2"] {
        environment.publish_delivery(name, text("native"), &[]).await;
        let delivery = next(&mut stream).await;
        items.push(SettleRequest {
            session: session.clone(),
            message_id: delivery.message_id,
            lease: delivery.lease,
            answer: Some(taken()),
        });
    }
    let unknown = SettleRequest { message_id: "no-such-message".to_owned(), ..items[0].clone() };
    let silent = SettleRequest { answer: None, ..items[1].clone() };
    let batch = vec![unknown, items[0].clone(), silent, items[1].clone(), items[0].clone()];
    let results = environment.settle_batch(batch).await.unwrap().results;
    let describe = |it: Settled| match it.outcome.unwrap() {
        Outcome::Settled(settled) => {
            format!("{} {}", settled.state().as_str_name(), settled.repeat)
        }
        Outcome::Refused(refused) => refused.fault.unwrap().code,
    };
    let outcomes: Vec<_> = results.into_iter().map(describe).collect();
    // Settlements of one call run at the same time, so either of the two equal ones is the repeat.
    let (mut same, others) =
        (vec![outcomes[1].as_str(), &outcomes[4]], [&outcomes[0], &outcomes[2], &outcomes[3]]);
    same.sort_unstable();
    assert_eq!(others, ["LT-EX-014", "LT-EX-011", "TAKEN false"]);
    assert_eq!(same, ["TAKEN false", "TAKEN true"]);
    for count in [0, 257] {
        let refused = environment.settle_batch(vec![items[0].clone(); count]).await;
        assert_eq!(code_of(refused), "LT-EX-011", "{count}");
    }
}

#[tokio::test]
async fn no_more_deliveries_are_in_flight_than_the_adapter_asked_for() {
    let mut environment = Environment::new().await;
    let session = environment.open_session("one").await;
    let mut stream = environment.receive(&session, 2).await;
    let mut third = String::new();
    for number in 0..3 {
        third = environment.publish_delivery(&format!("m{number}"), text("native"), &[]).await;
    }
    let first = next(&mut stream).await;
    next(&mut stream).await;
    assert_eq!(environment.state(&third).await, State::Queued);
    environment.settle(&session, (&first.message_id, first.lease), taken()).await.unwrap();
    next(&mut stream).await;
}

#[tokio::test]
async fn a_second_stream_of_a_session_is_refused_and_a_new_session_ends_the_older() {
    let mut environment = Environment::new().await;
    let older = environment.open_session("one").await;
    let mut stream = environment.receive(&older, 0).await;
    let receive = ReceiveRequest { session: older.clone(), in_hand_max: 0 };
    let second = environment.client.receive(request(receive)).await;
    assert_eq!(code_of(into_result(second).map(|_| ())), "LT-EX-016");
    let newer = environment.open_session("one").await;
    assert_eq!(ended(&mut stream).await, "LT-JNL-004");
    // The receive loop was waiting for the older one; it must not wait for it any longer.
    let mut stream = environment.receive(&newer, 0).await;
    let id = environment.publish_delivery("m1", text("native"), &[]).await;
    assert_eq!(next(&mut stream).await.message_id, id);
}

#[tokio::test]
async fn a_new_session_receives_though_the_replaced_one_was_full() {
    let mut environment = Environment::new().await;
    let older = environment.open_session("one").await;
    let mut stream = environment.receive(&older, 1).await;
    environment.publish_delivery("m1", text("native"), &[]).await;
    next(&mut stream).await;
    let second = environment.publish_delivery("m2", text("native"), &[]).await;
    let newer = environment.open_session("one").await;
    let mut stream = environment.receive(&newer, 0).await;
    assert_eq!(next(&mut stream).await.message_id, second);
}

#[tokio::test]
async fn instances_of_one_application_share_its_deliveries() {
    let mut environment = Environment::new().await;
    let (one, two) = (environment.open_session("one").await, environment.open_session("two").await);
    let (mut first, mut second) =
        (environment.receive(&one, 1).await, environment.receive(&two, 1).await);
    environment.publish_delivery("m1", text("native"), &[]).await;
    environment.publish_delivery("m2", text("native"), &[]).await;
    assert_ne!(next(&mut first).await.message_id, next(&mut second).await.message_id);
}

/// A client that polls over a connection of its own.
async fn start_poll(environment: &Environment, session: &str, wait_ms: u32) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut socket = socket.connect(environment.address.parse().unwrap()).await.unwrap();
    let head = format!(
        "GET /v1/receive?session={session}&wait_ms={wait_ms} HTTP/1.1\r\nHost: a\r\n\
         Authorization: Bearer token-a-app\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    socket
}

/// Waits until the session of this adapter asks as given.
async fn wait_asking(environment: &Environment, adapter: &str, asking: Asking) {
    let is_asking = || {
        let sessions = environment.service.list_sessions("a-app");
        sessions.iter().any(|it| it.adapter == adapter && it.asking() == asking).then_some(())
    };
    wait_for(async || is_asking()).await;
}

#[tokio::test]
async fn between_polls_a_session_holds_nothing_and_another_one_gets_the_delivery_at_once() {
    let mut environment = Environment::new().await;
    let poller = environment.open_session("poller").await;
    let path = format!("/v1/receive?session={poller}&wait_ms=0");
    crate::http_json::get(&environment.address, &path).await;
    let id = environment.publish_delivery("m1", text("native"), &[]).await;
    let other = environment.open_session("other").await;
    let mut stream = environment.receive(&other, 0).await;
    let delivery = tokio::time::timeout(Duration::from_secs(2), stream.message()).await;
    assert_eq!(delivery.unwrap().unwrap().unwrap().message_id, id);
    assert_eq!(environment.calls().unsent, Vec::<String>::new(), "it was begun for one only");
}

#[tokio::test]
async fn a_delivery_for_a_poll_whose_client_went_away_goes_to_another_session_at_once() {
    let mut environment = Environment::new().await;
    let (poller, other) =
        (environment.open_session("poller").await, environment.open_session("other").await);
    let socket = start_poll(&environment, &poller, 30_000).await;
    wait_asking(&environment, "poller", Asking::Poll).await;
    drop(socket);
    wait_asking(&environment, "poller", Asking::NotAsking).await;
    let mut stream = environment.receive(&other, 0).await;
    for name in ["m1", "m2", "m3", "m4"] {
        let id = environment.publish_delivery(name, text("native"), &[]).await;
        let delivery = tokio::time::timeout(Duration::from_secs(2), stream.message()).await;
        assert_eq!(delivery.unwrap().unwrap().unwrap().message_id, id);
    }
}

#[tokio::test]
async fn deliveries_of_a_response_that_broke_off_are_given_back_by_the_class_of_the_receiver() {
    let mut environment = Environment::new().await;
    // More than the buffers of a connection hold.
    environment.registry.send_modify(|it| {
        it.revision = "2".to_owned();
        it.applications[0].in_hand_max = 64;
    });
    let limits = async |it: &mut Environment| it.hello("poller").await.limits.unwrap().in_hand_max;
    while limits(&mut environment).await < 64 {}
    let session = environment.open_session("poller").await;
    let mut ids = Vec::new();
    for number in 0..40 {
        let body = Body::Inline(vec![b'x'; 250_000].into());
        ids.push(environment.publish_delivery(&format!("m{number}"), body, &[]).await);
    }
    let socket = start_poll(&environment, &format!("{session}&max=64"), 1_000).await;
    wait_for(async || {
        let sessions = environment.service.list_sessions("a-app");
        let is_answered = sessions[0].asking() == Asking::NotAsking && sessions[0].in_flight > 0;
        is_answered.then_some(())
    })
    .await;
    drop(socket);
    // The application can neither repeat nor be asked, and a part may have reached it.
    wait_for(async || (environment.state(&ids[0]).await == State::InDoubt).then_some(())).await;
    assert_eq!(environment.service.list_sessions("a-app")[0].in_flight, 0);
}

#[tokio::test]
async fn a_poll_that_does_not_wait_gets_what_is_ready() {
    let mut environment = Environment::new().await;
    let poller = environment.open_session("poller").await;
    let mut ids: Vec<String> = Vec::new();
    for name in ["m1", "m2", "m3"] {
        ids.push(environment.publish_delivery(name, text("native"), &[]).await);
    }
    let path = format!("/v1/receive?session={poller}&wait_ms=0&max=2");
    let mut received = Vec::new();
    for _ in 0..2 {
        let (status, answer) = crate::http_json::get(&environment.address, &path).await;
        assert_eq!(status, 200, "{answer}");
        let deliveries = answer["deliveries"].as_array().unwrap().clone();
        assert!(deliveries.len() <= 2);
        received.extend(deliveries.iter().map(|it| it["message_id"].as_str().unwrap().to_owned()));
    }
    ids.sort();
    received.sort();
    assert_eq!(received, ids);
}

#[tokio::test]
async fn a_broken_stream_may_be_opened_again_until_the_gap_is_over() {
    let mut environment = Environment::new().await;
    let session = environment.open_session("one").await;
    let mut stream = environment.receive(&session, 0).await;
    let id = environment.publish_delivery("m1", text("native"), &[b"a file"]).await;
    let lease = next(&mut stream).await.lease;
    drop(stream);
    // Until the gateway notices the broken connection, the session counts as streaming.
    let client = environment.client.clone();
    let again = async || {
        let receive = ReceiveRequest { session: session.clone(), in_hand_max: 0 };
        client.clone().receive(request(receive)).await.ok()
    };
    let mut stream = wait_for(again).await.into_inner();
    let get_part = GetPartRequest {
        session: session.clone(),
        message_id: id.clone(),
        attachment: "0".to_owned(),
        offset: 2,
    };
    let mut chunks = client.clone().get_part(request(get_part)).await.unwrap().into_inner();
    assert_eq!(timed(chunks.message()).await.unwrap().unwrap().data, "file");
    environment.settle(&session, (&id, lease), taken()).await.unwrap();
    let id = environment.publish_delivery("m2", text("native"), &[]).await;
    assert_eq!(next(&mut stream).await.message_id, id);
    drop(stream);
    let limits = environment.hello("another").await.limits.unwrap();
    let gap = Duration::from_millis(limits.stream_gap_ms);
    // The gap begins when the gateway notices the broken connection, so the clock goes on until
    // then.
    wait_for(async || {
        environment.clock.advance(gap);
        environment.calls().closed.contains(&session).then_some(())
    })
    .await;
    assert_eq!(environment.state(&id).await, State::InDoubt);
}

#[tokio::test]
async fn a_stalled_client_delays_no_other_session() {
    let mut environment = Environment::new().await;
    let session = environment.open_session("one").await;
    let endpoint = Endpoint::from_shared(format!("http://{}", environment.address)).unwrap();
    let narrow = endpoint.initial_stream_window_size(1_000).initial_connection_window_size(1_000);
    let mut client = ExchangeClient::new(narrow.connect().await.unwrap());
    let receive = ReceiveRequest { session, in_hand_max: 0 };
    let mut stalled = client.receive(request(receive)).await.unwrap().into_inner();
    for number in 0..3 {
        environment
            .publish_delivery(&format!("m{number}"), Body::Inline(vec![b'x'; 200_000].into()), &[])
            .await;
    }
    next(&mut stalled).await;
    let newer = timed(environment.open_session("one")).await;
    let mut stream = environment.receive(&newer, 0).await;
    let id = environment.publish_delivery("m4", text("native"), &[]).await;
    assert_eq!(next(&mut stream).await.message_id, id);
}

#[tokio::test]
async fn a_settlement_of_an_ended_session_is_recorded_as_late() {
    let mut environment = Environment::new().await;
    let older = environment.open_session("one").await;
    let mut stream = environment.receive(&older, 0).await;
    let id = environment.publish_delivery("m1", text("native"), &[]).await;
    let lease = next(&mut stream).await.lease;
    environment.open_session("one").await;
    assert_eq!(code_of(environment.settle(&older, (&id, lease), taken()).await), "LT-EX-012");
    assert!(environment.journal.steps(&id).await.contains(&Step::LateAnswer));
}

#[tokio::test]
async fn a_replaced_token_ends_its_stream() {
    let mut environment = Environment::new().await;
    let session = environment.open_session("one").await;
    let mut stream = environment.receive(&session, 0).await;
    environment.registry.send_modify(|it| {
        it.revision = "2".to_owned();
        it.applications[0].token_sha256 = vec![bus::Claim::from_content(b"another").sha256_hex()];
    });
    assert_eq!(ended(&mut stream).await, "LT-GW-006");
}

#[tokio::test]
async fn a_stop_waits_for_the_settlement_of_deliveries_in_flight() {
    let mut environment = Environment::new().await;
    let session = environment.open_session("one").await;
    let mut stream = environment.receive(&session, 1).await;
    let id = environment.publish_delivery("m1", text("native"), &[]).await;
    let lease = next(&mut stream).await.lease;
    environment.shutdown.cancel();
    let client = environment.client.clone();
    wait_for(async || {
        let refused = client.clone().hello(request(hello_request("two"))).await.err()?;
        (refused.code() == tonic::Code::Unavailable).then_some(())
    })
    .await;
    environment.settle(&session, (&id, lease), taken()).await.unwrap();
    let status = timed(stream.message()).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unavailable);
    while let Some(ended) = timed(environment.running.join_next()).await {
        ended.unwrap();
    }
    assert_eq!(environment.state(&id).await, State::Taken);
}

#[tokio::test]
async fn a_disabled_application_has_its_stream_ended() {
    let mut environment = Environment::new().await;
    let session = environment.open_session("one").await;
    let mut stream = environment.receive(&session, 0).await;
    environment.registry.send_modify(|it| {
        it.revision = "2".to_owned();
        it.applications[0].disabled = true;
    });
    assert_eq!(ended(&mut stream).await, "LT-GW-007");
}

#[tokio::test]
async fn a_stop_ends_streams_with_a_retryable_code() {
    let mut environment = Environment::new().await;
    let session = environment.open_session("one").await;
    let mut stream = environment.receive(&session, 0).await;
    environment.shutdown.cancel();
    let status = timed(stream.message()).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unavailable);
    assert!(Fault::from_status(&status).unwrap().retry_after_ms > 0);
    while let Some(ended) = timed(environment.running.join_next()).await {
        ended.unwrap();
    }
}

#[tokio::test]
async fn files_and_large_bodies_are_read_from_any_offset_while_in_flight() {
    let mut environment = Environment::new().await;
    let session = environment.open_session("one").await;
    let mut stream = environment.receive(&session, 0).await;
    let file: Vec<u8> = (0..700_000_u32).map(|it| it.to_le_bytes()[1]).collect();
    let body = vec![b'n'; 300_000];
    let claim = environment.claims.put(body.clone().into()).await.unwrap();
    let id = environment.publish_delivery("m1", Body::Claim(claim), &[&file]).await;
    let delivery = next(&mut stream).await;
    assert!(matches!(delivery.body, Some(delivery::Body::ByPart(it)) if it.size == 300_000));

    let part = |attachment: &str, offset: u64| GetPartRequest {
        session: session.clone(),
        message_id: id.clone(),
        attachment: attachment.to_owned(),
        offset,
    };
    let client = environment.client.clone();
    let read = async |part: GetPartRequest| {
        let (mut offset, mut bytes) = (part.offset, Vec::new());
        let mut chunks = into_result(client.clone().get_part(request(part)).await)?;
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.unwrap();
            assert_eq!(chunk.offset, offset);
            assert!(chunk.data.len() <= 1 << 20);
            offset += chunk.data.len() as u64;
            bytes.extend_from_slice(&chunk.data);
        }
        Ok::<_, Fault>(bytes)
    };
    assert!(read(part("", 0)).await.unwrap() == body);
    assert!(read(part("0", 0)).await.unwrap() == file);
    assert!(read(part("0", 650_000)).await.unwrap() == file[650_000..]);
    assert_eq!(read(part("0", 700_000)).await.unwrap(), b"");
    assert_eq!(code_of(read(part("0", 700_001)).await), "LT-EX-011");
    assert_eq!(code_of(read(part("9", 0)).await), "LT-EX-015");
    environment.settle(&session, (&id, delivery.lease), taken()).await.unwrap();
    assert_eq!(code_of(read(part("0", 0)).await), "LT-EX-014");
}
