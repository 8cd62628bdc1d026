//! The database's disk is full: nothing new is accepted, what was accepted is finished, and the
//! journal goes on once there is space.

use std::time::{Duration, Instant};

use proto::fault::v1::{Fault, Reason};
use proto::journal::v1::accept_outcome::Outcome;
use proto::journal::v1::*;
use proto::message::v1::{MessageType, ReceiverClass};

use tokio::time::timeout;

use crate::environment::*;
use crate::small_disk::SmallDisk;

fn block_on(steps: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(steps);
}

/// What became of one more message: accepted, or refused by a fault.
async fn accept_one(environment: &Environment, item: Acceptance) -> Result<(), Fault> {
    let answer = environment.journal.clone().accept(AcceptRequest { items: vec![item] }).await;
    let outcome = answer.map_err(|it| Fault::from_status(&it).unwrap())?.into_inner();
    match outcome.outcomes.into_iter().next().unwrap().outcome.unwrap() {
        Outcome::Receipt(_) => Ok(()),
        Outcome::Refused(fault) => Err(fault),
        Outcome::Unknown(_) => panic!("not accepted"),
    }
}

/// An item that the disk has space for only a few times.
fn large_item() -> Acceptance {
    Acceptance { native: Some(inline(&"n".repeat(200_000))), ..item() }
}

/// Accepts large items until one is refused.
async fn first_refusal(environment: &Environment) -> Fault {
    loop {
        if let Err(fault) = accept_one(environment, large_item()).await {
            return fault;
        }
    }
}

fn assert_full(fault: &Fault) {
    assert_eq!((fault.code.as_str(), fault.reason()), ("LT-JNL-010", Reason::Exhausted));
    assert_eq!((fault.entry().unwrap().http, fault.retry_after_ms), (507, 5_000));
}

#[test]
fn a_full_disk_refuses_new_messages_and_settles_those_that_are_held() {
    const TEST: &str =
        "full_disk::a_full_disk_refuses_new_messages_and_settles_those_that_are_held";
    let Some(disk) = SmallDisk::enter(TEST) else { return };
    if disk.is_limited {
        println!("no small disk can be mounted here, and a limit would reach the journal as well");
        return;
    }
    block_on(async {
        let mut environment = Environment::on_sqlite_in(disk.folder()).await;
        let session = environment.open("b-app", ReceiverClass::Repeatable).await;
        let mut held = Vec::new();
        for _ in 0..20 {
            let id = environment.accept_and_route(item(), &["b-app"]).await.remove(0);
            held.push((environment.deliver(&session, &id).await, id));
        }
        disk.fill(0);
        let refused = timeout(WAIT_MAX, first_refusal(&environment)).await.unwrap();
        assert_full(&refused);
        for (lease, id) in &held {
            let ended = environment.end(&session, id, *lease, taken()).await;
            assert_eq!(ended.outcome(), ended::Outcome::Closed);
        }
        assert_full(&accept_one(&environment, item()).await.unwrap_err());
        disk.free();
        let freed = Instant::now();
        eventually(async || accept_one(&environment, item()).await.ok()).await;
        println!("accepted {} ms after there was space", freed.elapsed().as_millis());
        assert!(freed.elapsed() < Duration::from_secs(5));
    });
}

#[tokio::test]
async fn a_server_without_space_refuses_new_messages_and_settles_those_that_are_held() {
    for (state, code) in [("53100", "LT-JNL-010"), ("58030", "LT-JNL-011")] {
        let mut environment = Environment::new(Kind::Postgres).await;
        let session = environment.open("b-app", ReceiverClass::Repeatable).await;
        let id = environment.accept_and_route(item(), &["b-app"]).await.remove(0);
        let lease = environment.deliver(&session, &id).await;
        let fail = format!(
            "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             RAISE EXCEPTION 'no space' USING ERRCODE = '{state}'; END $$; \
             CREATE TRIGGER fail BEFORE INSERT ON message_row FOR EACH ROW EXECUTE FUNCTION fail()"
        );
        environment.execute("", &fail).await;
        let fault = accept_one(&environment, item()).await.unwrap_err();
        assert_eq!((fault.code.as_str(), fault.is_retryable()), (code, true));
        let ended = environment.end(&session, &id, lease, taken()).await;
        assert_eq!(ended.outcome(), ended::Outcome::Closed);
        environment.execute("", "DROP TRIGGER fail ON message_row").await;
        accept_one(&environment, item()).await.unwrap();
    }
}

#[tokio::test]
async fn a_disk_with_little_space_accepts_statuses_only() {
    let mut environment = Environment::new(Kind::Sqlite).await;
    let session = environment.open("b-app", ReceiverClass::Repeatable).await;
    let id = environment.accept_and_route(item(), &["b-app"]).await.remove(0);
    let lease = environment.deliver(&session, &id).await;
    let stop = environment.watch_full_disk().await;
    let mut status = item();
    let envelope = status.message.as_mut().and_then(|it| it.envelope.as_mut()).unwrap();
    envelope.r#type = MessageType::Status.into();
    let request = AcceptRequest { items: vec![item(), status.clone(), item()] };
    let response = environment.journal.accept(request).await.unwrap().into_inner();
    let refused: Vec<_> = response
        .outcomes
        .iter()
        .map(|it| match it.outcome.as_ref().unwrap() {
            Outcome::Receipt(_) => "",
            Outcome::Refused(fault) => &fault.code,
            Outcome::Unknown(_) => "unknown",
        })
        .collect();
    assert_eq!(refused, ["LT-JNL-010", "", "LT-JNL-010"]);
    let ended = environment.end(&session, &id, lease, taken()).await;
    assert_eq!(ended.outcome(), ended::Outcome::Closed);
    stop.cancel();
}
