//! From a channel into the hands of an adapter, and its answers.

use std::time::Duration;

use bus::Body;
use bytes::Bytes;
use futures::StreamExt as _;
use proto::exchange::v1::exchange_client::ExchangeClient;
use proto::exchange::v1::settle_request::Answer;
use proto::exchange::v1::settled::Outcome;
use proto::exchange::v1::*;
use proto::fault::v1::Fault;
use proto::message::v1::State;
use tonic::Streaming;
use tonic::transport::Endpoint;

use crate::stage::{Stage, answered, called, code_of, eventually, soon, taken};

fn text(words: &str) -> Body {
    Body::Inline(Bytes::copy_from_slice(words.as_bytes()))
}

async fn next(stream: &mut Streaming<Delivery>) -> Delivery {
    soon(stream.message()).await.unwrap().unwrap()
}

async fn ended(stream: &mut Streaming<Delivery>) -> String {
    Fault::from_status(&soon(stream.message()).await.unwrap_err()).unwrap().code
}

#[tokio::test]
async fn a_delivery_is_taken_once_and_the_same_answer_is_a_repeat() {
    let mut stage = Stage::new().await;
    let session = stage.hello("one").await;
    let mut stream = stage.receive(&session, 0).await;
    let id = stage.send("m1", text("native"), &[]).await;
    let delivery = next(&mut stream).await;
    assert_eq!((delivery.message_id.as_str(), delivery.sequence), (id.as_str(), 1));
    assert_eq!(delivery.body, Some(delivery::Body::Inline("native".into())));
    let of = (id.as_str(), delivery.lease);
    assert!(!stage.settle(&session, of, taken()).await.unwrap().repeat);
    assert!(stage.settle(&session, of, taken()).await.unwrap().repeat);
    let refused = Answer::Refused(Refused { reason: "no".to_owned() });
    assert_eq!(code_of(stage.settle(&session, of, refused).await), "LT-EX-013");
    assert_eq!(stage.state(&id).await, State::Taken);
    let silent = Answer::Refused(Refused { reason: " ".to_owned() });
    assert_eq!(code_of(stage.settle(&session, of, silent).await), "LT-EX-011");
}

#[tokio::test]
async fn a_delivery_that_the_journal_does_not_know_is_a_refusal() {
    let mut stage = Stage::new().await;
    let session = stage.hello("one").await;
    let id = stage.send("m1", text("native"), &[]).await;
    stage.journal.0.lock().await.rows.clear();
    let _stream = stage.receive(&session, 0).await;
    let refusal = eventually(async || stage.journal.0.lock().await.refusals.pop()).await;
    assert_eq!((refusal.key, refusal.application.as_str()), (id, "a-app"));
    assert_eq!(refusal.fault.unwrap().code, "LT-JNL-005");
}

#[tokio::test]
async fn answers_for_what_is_not_held_are_told_apart() {
    let mut stage = Stage::new().await;
    let session = stage.hello("one").await;
    let mut stream = stage.receive(&session, 0).await;
    let unknown = stage.settle(&session, ("no-such-message", 1), taken()).await;
    assert_eq!(code_of(unknown), "LT-EX-014");
    assert_eq!(code_of(stage.settle("no-such-session", ("m", 1), taken()).await), "LT-EX-014");
    let id = stage.send("m1", text("native"), &[]).await;
    let lease = next(&mut stream).await.lease;
    let late = stage.settle(&session, (&id, lease + 100), taken()).await;
    assert_eq!(code_of(late), "LT-EX-012");
    stage.settle(&session, (&id, lease), taken()).await.unwrap();
}

#[tokio::test]
async fn answers_that_come_together_are_judged_one_by_one() {
    let mut stage = Stage::new().await;
    let session = stage.hello("one").await;
    let mut stream = stage.receive(&session, 0).await;
    let mut items = Vec::new();
    for name in ["m1", "m2"] {
        stage.send(name, text("native"), &[]).await;
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
    let results = stage.settle_batch(batch).await.unwrap().results;
    let told = |it: Settled| match it.outcome.unwrap() {
        Outcome::Settled(settled) => {
            format!("{} {}", settled.state().as_str_name(), settled.repeat)
        }
        Outcome::Refused(refused) => refused.fault.unwrap().code,
    };
    let told: Vec<_> = results.into_iter().map(told).collect();
    // Of the same answer twice in one call either may be the first.
    let (mut same, others) = (vec![told[1].as_str(), &told[4]], [&told[0], &told[2], &told[3]]);
    same.sort_unstable();
    assert_eq!(others, ["LT-EX-014", "LT-EX-011", "TAKEN false"]);
    assert_eq!(same, ["TAKEN false", "TAKEN true"]);
    for count in [0, 257] {
        let refused = stage.settle_batch(vec![items[0].clone(); count]).await;
        assert_eq!(code_of(refused), "LT-EX-011", "{count}");
    }
}

#[tokio::test]
async fn no_more_is_in_hand_than_was_asked_for() {
    let mut stage = Stage::new().await;
    let session = stage.hello("one").await;
    let mut stream = stage.receive(&session, 2).await;
    for number in 0..3 {
        stage.send(&format!("m{number}"), text("native"), &[]).await;
    }
    let first = next(&mut stream).await;
    next(&mut stream).await;
    let third =
        stage.journal.0.lock().await.rows.values().filter(|it| it.state == State::Queued).count();
    assert_eq!(third, 1);
    stage.settle(&session, (&first.message_id, first.lease), taken()).await.unwrap();
    next(&mut stream).await;
}

#[tokio::test]
async fn a_second_stream_of_a_session_is_refused_and_a_new_session_ends_the_older() {
    let mut stage = Stage::new().await;
    let older = stage.hello("one").await;
    let mut stream = stage.receive(&older, 0).await;
    let request = ReceiveRequest { session: older.clone(), in_hand_max: 0 };
    let second = stage.client.receive(called(request)).await;
    assert_eq!(code_of(answered(second).map(|_| ())), "LT-EX-016");
    let newer = stage.hello("one").await;
    assert_eq!(ended(&mut stream).await, "LT-JNL-004");
    // Work goes on with the newer one at once, though the older one was waited for.
    let mut stream = stage.receive(&newer, 0).await;
    let id = stage.send("m1", text("native"), &[]).await;
    assert_eq!(next(&mut stream).await.message_id, id);
}

#[tokio::test]
async fn full_hands_of_a_replaced_session_keep_nobody_waiting() {
    let mut stage = Stage::new().await;
    let older = stage.hello("one").await;
    let mut stream = stage.receive(&older, 1).await;
    stage.send("m1", text("native"), &[]).await;
    next(&mut stream).await;
    let second = stage.send("m2", text("native"), &[]).await;
    let newer = stage.hello("one").await;
    let mut stream = stage.receive(&newer, 0).await;
    assert_eq!(next(&mut stream).await.message_id, second);
}

#[tokio::test]
async fn instances_of_one_application_share_its_deliveries() {
    let mut stage = Stage::new().await;
    let (one, two) = (stage.hello("one").await, stage.hello("two").await);
    let (mut first, mut second) = (stage.receive(&one, 1).await, stage.receive(&two, 1).await);
    stage.send("m1", text("native"), &[]).await;
    stage.send("m2", text("native"), &[]).await;
    assert_ne!(next(&mut first).await.message_id, next(&mut second).await.message_id);
}

#[tokio::test]
async fn what_never_left_goes_back_as_unsent_when_the_poller_is_replaced() {
    let mut stage = Stage::new().await;
    let session = stage.hello("poller").await;
    // The first look says that somebody is there; what comes afterwards waits for the next.
    let path = format!("/v1/receive?session={session}&wait_ms=0");
    crate::web::get(&stage.address, &path).await;
    let id = stage.send("m1", text("native"), &[]).await;
    eventually(async || (stage.state(&id).await == State::InHand).then_some(())).await;
    stage.hello("poller").await;
    let book = stage.journal.0.lock().await;
    assert_eq!((book.unsent.as_slice(), book.given_back.len()), ([id].as_slice(), 0));
}

#[tokio::test]
async fn a_stream_that_breaks_may_be_taken_up_again_for_a_while() {
    let mut stage = Stage::new().await;
    let session = stage.hello("one").await;
    let mut stream = stage.receive(&session, 0).await;
    let id = stage.send("m1", text("native"), &[b"a file"]).await;
    let lease = next(&mut stream).await.lease;
    drop(stream);
    // The gateway hears of it when it likes; until then the session is being received.
    let client = stage.client.clone();
    let again = async || {
        let request = ReceiveRequest { session: session.clone(), in_hand_max: 0 };
        client.clone().receive(called(request)).await.ok()
    };
    let mut stream = eventually(again).await.into_inner();
    let request = GetPartRequest {
        session: session.clone(),
        message_id: id.clone(),
        attachment: "0".to_owned(),
        offset: 2,
    };
    let mut chunks = client.clone().get_part(called(request)).await.unwrap().into_inner();
    assert_eq!(soon(chunks.message()).await.unwrap().unwrap().data, "file");
    stage.settle(&session, (&id, lease), taken()).await.unwrap();
    let id = stage.send("m2", text("native"), &[]).await;
    assert_eq!(next(&mut stream).await.message_id, id);
    drop(stream);
    let gap = Duration::from_millis(stage.limits("another").await.stream_gap_ms);
    // Its stream's end was heard once it counts as left, and from then on the time is up.
    eventually(async || {
        stage.clock.advance(gap);
        stage.journal.0.lock().await.given_back.contains(&id).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_client_that_stalls_keeps_nobody_waiting() {
    let mut stage = Stage::new().await;
    let session = stage.hello("one").await;
    let endpoint = Endpoint::from_shared(format!("http://{}", stage.address)).unwrap();
    let narrow = endpoint.initial_stream_window_size(1_000).initial_connection_window_size(1_000);
    let mut client = ExchangeClient::new(narrow.connect().await.unwrap());
    let request = ReceiveRequest { session, in_hand_max: 0 };
    let mut stalled = client.receive(called(request)).await.unwrap().into_inner();
    for number in 0..3 {
        stage.send(&format!("m{number}"), Body::Inline(vec![b'x'; 200_000].into()), &[]).await;
    }
    next(&mut stalled).await;
    let newer = soon(stage.hello("one")).await;
    let mut stream = stage.receive(&newer, 0).await;
    let id = stage.send("m4", text("native"), &[]).await;
    assert_eq!(next(&mut stream).await.message_id, id);
}

#[tokio::test]
async fn the_answer_of_an_ended_session_is_recorded() {
    let mut stage = Stage::new().await;
    let older = stage.hello("one").await;
    let mut stream = stage.receive(&older, 0).await;
    let id = stage.send("m1", text("native"), &[]).await;
    let lease = next(&mut stream).await.lease;
    stage.hello("one").await;
    assert_eq!(code_of(stage.settle(&older, (&id, lease), taken()).await), "LT-EX-012");
    assert_eq!(stage.journal.0.lock().await.late, [("a-app".to_owned(), id)]);
}

#[tokio::test]
async fn a_token_that_was_replaced_loses_its_stream() {
    let mut stage = Stage::new().await;
    let session = stage.hello("one").await;
    let mut stream = stage.receive(&session, 0).await;
    stage.registry.send_modify(|it| {
        it.revision = "2".to_owned();
        it.applications[0].token_sha256 = vec![bus::Claim::from_content(b"another").sha256_hex()];
    });
    assert_eq!(ended(&mut stream).await, "LT-JNL-004");
}

#[tokio::test]
async fn a_stop_waits_for_the_answer_to_what_was_handed_over() {
    let mut stage = Stage::new().await;
    let session = stage.hello("one").await;
    let mut stream = stage.receive(&session, 1).await;
    let id = stage.send("m1", text("native"), &[]).await;
    let lease = next(&mut stream).await.lease;
    stage.shutdown.cancel();
    let adapter = "two".to_owned();
    let late = HelloRequest { protocol_versions: vec![1], adapter, ..HelloRequest::default() };
    let client = stage.client.clone();
    eventually(async || {
        let refused = client.clone().hello(called(late.clone())).await.err()?;
        (refused.code() == tonic::Code::Unavailable).then_some(())
    })
    .await;
    stage.settle(&session, (&id, lease), taken()).await.unwrap();
    let status = soon(stream.message()).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unavailable);
    while let Some(ended) = soon(stage.running.join_next()).await {
        ended.unwrap();
    }
    assert_eq!(stage.state(&id).await, State::Taken);
}

#[tokio::test]
async fn a_disabled_application_loses_its_stream() {
    let mut stage = Stage::new().await;
    let session = stage.hello("one").await;
    let mut stream = stage.receive(&session, 0).await;
    stage.registry.send_modify(|it| {
        it.revision = "2".to_owned();
        it.applications[0].disabled = true;
    });
    assert_eq!(ended(&mut stream).await, "LT-JNL-004");
}

#[tokio::test]
async fn a_stop_ends_streams_with_a_code_on_which_one_comes_again() {
    let mut stage = Stage::new().await;
    let session = stage.hello("one").await;
    let mut stream = stage.receive(&session, 0).await;
    stage.shutdown.cancel();
    let status = soon(stream.message()).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unavailable);
    assert!(Fault::from_status(&status).unwrap().retry_after_ms > 0);
    while let Some(ended) = soon(stage.running.join_next()).await {
        ended.unwrap();
    }
}

#[tokio::test]
async fn files_and_large_bodies_are_read_from_any_offset_while_in_hand() {
    let mut stage = Stage::new().await;
    let session = stage.hello("one").await;
    let mut stream = stage.receive(&session, 0).await;
    let file: Vec<u8> = (0..700_000_u32).map(|it| it.to_le_bytes()[1]).collect();
    let body = vec![b'n'; 300_000];
    let claim = stage.claims.put(body.clone().into()).await.unwrap();
    let id = stage.send("m1", Body::Claim(claim), &[&file]).await;
    let delivery = next(&mut stream).await;
    assert!(matches!(delivery.body, Some(delivery::Body::ByPart(it)) if it.size == 300_000));

    let request = |attachment: &str, offset: u64| GetPartRequest {
        session: session.clone(),
        message_id: id.clone(),
        attachment: attachment.to_owned(),
        offset,
    };
    let client = stage.client.clone();
    let read = async |asked: GetPartRequest| {
        let (mut offset, mut bytes) = (asked.offset, Vec::new());
        let mut chunks = answered(client.clone().get_part(called(asked)).await)?;
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.unwrap();
            assert_eq!(chunk.offset, offset);
            assert!(chunk.data.len() <= 1 << 20);
            offset += chunk.data.len() as u64;
            bytes.extend_from_slice(&chunk.data);
        }
        Ok::<_, Fault>(bytes)
    };
    assert!(read(request("", 0)).await.unwrap() == body);
    assert!(read(request("0", 0)).await.unwrap() == file);
    assert!(read(request("0", 650_000)).await.unwrap() == file[650_000..]);
    assert_eq!(read(request("0", 700_000)).await.unwrap(), b"");
    assert_eq!(code_of(read(request("0", 700_001)).await), "LT-EX-011");
    assert_eq!(code_of(read(request("9", 0)).await), "LT-EX-015");
    stage.settle(&session, (&id, delivery.lease), taken()).await.unwrap();
    assert_eq!(code_of(read(request("0", 0)).await), "LT-EX-014");
}
