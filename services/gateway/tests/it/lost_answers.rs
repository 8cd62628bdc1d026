//! Answers of the journal that are lost after it has committed the call.

use std::time::Duration;

use futures::StreamExt as _;
use proto::journal::v1::ended::Outcome;
use proto::message::v1::State;

use crate::environment::{Environment, taken};
use crate::waiting::{timed, wait_for};

#[tokio::test]
async fn an_item_whose_accept_was_lost_gets_the_same_receipt_when_submitted_again() {
    let environment = Environment::new().await;
    environment.journal.lose_answer("accept");
    let lost = environment.submit("k1", b"hello").await.unwrap_err();
    assert_eq!((lost.code.as_str(), lost.is_retryable()), ("LT-SYS-002", true));
    let receipt = environment.submit("k1", b"hello").await.unwrap().receipt.unwrap();
    assert!(receipt.repeat);
    assert_eq!(environment.journal.message_count().await, 1);
}

#[tokio::test]
async fn deliveries_whose_begin_was_lost_are_returned_and_delivered() {
    let mut environment = Environment::new().await;
    environment.journal.lose_answer("begin");
    let session = environment.open_session("one").await;
    let mut stream = environment.receive(&session, 0).await;
    let id = environment.publish_delivery("m1", bus::Body::Inline("x".into()), &[]).await;
    wait_for(async || environment.calls().unsent.contains(&id).then_some(())).await;
    // The failed window is parked, and delivered when its retry is due.
    let delivery = timed(async {
        loop {
            tokio::select! {
                delivery = stream.next() => break delivery.unwrap().unwrap(),
                () = tokio::time::sleep(Duration::from_millis(50)) => {
                    environment.clock.advance(Duration::from_secs(5));
                }
            }
        }
    })
    .await;
    assert_eq!(delivery.message_id, id);
    // The undo of the lost Begin may come again, after the message was delivered under a newer lease.
    let undo = environment.calls().ends[0].clone();
    let ended = environment.journal.client.clone().end(undo).await.unwrap().into_inner();
    assert_eq!(ended.messages[0].outcome(), Outcome::LeaseLost);
    environment.settle(&session, (&id, delivery.lease), taken()).await.unwrap();
    assert_eq!(environment.state(&id).await, State::Taken);
}

#[tokio::test]
async fn a_return_that_did_not_reach_the_journal_is_repeated_until_it_does() {
    let mut environment = Environment::new().await;
    environment.journal.lose_answer("begin");
    environment.journal.lose_ends(3);
    let session = environment.open_session("one").await;
    let _stream = environment.receive(&session, 0).await;
    let id = environment.publish_delivery("m1", bus::Body::Inline("x".into()), &[]).await;
    // Nothing but the return takes the message from the session before its lease ends.
    wait_for(async || environment.calls().unsent.contains(&id).then_some(())).await;
}

#[tokio::test]
async fn what_was_begun_while_the_broker_was_lost_is_delivered() {
    let mut environment = Environment::new().await;
    environment.journal.hold_begun(true);
    let session = environment.open_session("one").await;
    let mut stream = environment.receive(&session, 0).await;
    let id = environment.publish_delivery("m1", bus::Body::Inline("x".into()), &[]).await;
    wait_for(async || (environment.state(&id).await == State::InHand).then_some(())).await;
    environment.current_bus.reconnect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    environment.journal.hold_begun(false);
    let delivery = timed(stream.next()).await.unwrap().unwrap();
    assert_eq!((&delivery.message_id, delivery.attempt), (&id, 1));
    environment.settle(&session, (&id, delivery.lease), taken()).await.unwrap();
}

#[tokio::test]
async fn a_settlement_whose_answer_was_lost_is_a_repeat_when_sent_again() {
    let mut environment = Environment::new().await;
    let session = environment.open_session("one").await;
    let mut stream = environment.receive(&session, 0).await;
    let id = environment.publish_delivery("m1", bus::Body::Inline("x".into()), &[]).await;
    let lease = timed(stream.next()).await.unwrap().unwrap().lease;
    environment.journal.lose_answer("end");
    let lost = environment.settle(&session, (&id, lease), taken()).await.unwrap_err();
    assert!(lost.is_retryable());
    assert!(environment.settle(&session, (&id, lease), taken()).await.unwrap().repeat);
}
