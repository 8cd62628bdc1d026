//! Items on their way out: with their files, through trouble, and each by itself.

use std::collections::HashSet;
use std::io::Write as _;

use futures::future::join_all;
use proto::fault::code;
use proto::fault::v1::Fault;
use sdk::{Content, File, Item, SubmitError};
use tonic::Status;

use crate::gateway::{Gateway, State};

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
        body: "{}".to_owned().into(),
        files: vec![file],
        ..Item::default()
    }
}

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|it| (it % 251) as u8).collect()
}

#[tokio::test]
async fn files_the_gateway_lost_before_the_submit_are_uploaded_again() {
    let running = Gateway::new(State { loses: 2, ..State::default() }).run().await;
    let outlet = running.connection.outlet().unwrap();
    let big = bytes(2 << 20);
    let item = Item { body: big.clone().into(), ..item("1", bytes(70_000)) };
    let receipt = outlet.submit(&item).await.unwrap();
    assert_eq!(receipt.message_id, "m-1");
    running.gateway.with(|state| {
        assert_eq!(state.submits, 3);
        assert_eq!(state.items.len(), 1);
        assert_eq!(state.items[0].body, big);
        assert_eq!(state.items[0].files, [bytes(70_000)]);
    });
}

#[tokio::test]
async fn an_upload_the_gateway_says_is_not_whole_is_made_again() {
    let fault = Fault::new(&code::LT_EX_009).param("part", "p").param("expected", "3");
    let state = State { submit_trouble: [fault.into()].into(), ..State::default() };
    let running = Gateway::new(state).run().await;
    running.connection.outlet().unwrap().submit(&item("1", bytes(9))).await.unwrap();
    running.gateway.with(|state| assert_eq!(state.items[0].files, [bytes(9)]));
}

#[tokio::test]
async fn a_gateway_that_never_keeps_an_upload_is_away_and_refuses_nothing() {
    let running = Gateway::new(State { loses: 99, ..State::default() }).run().await;
    let outcome = running.connection.outlet().unwrap().submit(&item("1", bytes(9))).await;
    assert!(matches!(outcome, Err(SubmitError::Unavailable(_))), "{outcome:?}");
    running.gateway.with(|state| assert_eq!(state.submits, 3));
}

#[tokio::test]
async fn two_items_with_the_same_file_leave_each_other_s_upload_alone() {
    let running = Gateway::new(State::default()).together(2).run().await;
    let outlet = running.connection.outlet().unwrap();
    let (one, two) = (item("1", bytes(70_000)), item("2", bytes(70_000)));
    let (first, second) = tokio::join!(outlet.submit(&one), outlet.submit(&two));
    first.unwrap();
    second.unwrap();
    running.gateway.with(|state| {
        let keys: HashSet<_> = state.items.iter().map(|it| it.key.as_str()).collect();
        assert_eq!(keys, HashSet::from(["1", "2"]));
        assert!(state.items.iter().all(|it| it.files == [bytes(70_000)]));
        let names: HashSet<_> = state.names.iter().collect();
        assert_eq!(names.len(), 2, "{names:?}");
        assert!(names.iter().all(|it| it.len() <= 100), "{names:?}");
    });
}

#[tokio::test]
async fn a_long_upload_outlives_more_trouble_than_one_place_may_have() {
    let away = || Some(Status::unavailable("away"));
    let put_trouble = (0..10).flat_map(|_| [away(), None]).collect();
    let running = Gateway::new(State { put_trouble, ..State::default() }).run().await;
    let all = bytes(10 << 20);
    running.connection.outlet().unwrap().submit(&item("1", all.clone())).await.unwrap();
    running.gateway.with(|state| assert!(state.items[0].files == [all], "the bytes differ"));
}

#[tokio::test]
async fn an_upload_the_gateway_lost_half_way_begins_again() {
    let running = Gateway::new(State {
        put_trouble: [
            None,
            Some(Fault::new(&code::LT_EX_004).param("part", "p").param("expected", "0").into()),
        ]
        .into(),
        ..State::default()
    })
    .run()
    .await;
    let all = bytes(3 << 20);
    running.connection.outlet().unwrap().submit(&item("1", all.clone())).await.unwrap();
    running.gateway.with(|state| assert!(state.items[0].files == [all], "the bytes differ"));
}

#[tokio::test]
async fn a_file_that_becomes_shorter_is_unreadable() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&bytes(3 << 20)).unwrap();
    let path = file.path().to_owned();
    let state = State { shortens: Some(path.clone()), ..State::default() };
    let running = Gateway::new(state).run().await;
    let outcome = running.connection.outlet().unwrap().submit(&item("1", path)).await;
    assert!(matches!(outcome, Err(SubmitError::Unreadable(_))), "{outcome:?}");
}

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    let fault = Fault::new(&code::LT_EX_008);
    let trouble = [Status::unavailable("away"), fault.into()];
    let state = State { submit_trouble: trouble.into(), ..State::default() };
    let running = Gateway::new(state).run().await;
    running.connection.outlet().unwrap().submit(&item("1", bytes(9))).await.unwrap();
    running.gateway.with(|state| assert_eq!((state.submits, state.items.len()), (3, 1)));
}

#[tokio::test]
async fn a_refusal_is_about_the_item_and_a_wrong_token_is_not() {
    let cases = [(&code::LT_MAP_002, true), (&code::LT_GW_006, false), (&code::LT_GW_007, false)];
    for (page, is_refusal) in cases {
        let trouble = [Fault::new(page).into()];
        let state = State { submit_trouble: trouble.into(), ..State::default() };
        let running = Gateway::new(state).run().await;
        let outcome = running.connection.outlet().unwrap().submit(&item("1", bytes(9))).await;
        let (fault, refused) = match outcome {
            Err(SubmitError::Refused(fault)) => (fault, true),
            Err(SubmitError::NotAdmitted(fault)) => (fault, false),
            other => panic!("{}: {other:?}", page.code),
        };
        assert_eq!((fault.code.as_str(), refused), (page.code, is_refusal));
        running.gateway.with(|state| assert_eq!(state.submits, 1, "it was tried once"));
    }
}

fn small(key: usize, body: Vec<u8>) -> Item {
    let format = "ioffice.portal".to_owned();
    Item { key: key.to_string(), format, body: body.into(), ..Item::default() }
}

#[tokio::test]
async fn small_items_that_are_ready_go_together_and_each_has_its_own_receipt() {
    let running = Gateway::new(State::default()).run().await;
    let outlet = running.connection.outlet().unwrap();
    let items: Vec<_> = (0..600).map(|it| small(it, bytes(100))).collect();
    let receipts = join_all(items.iter().map(|it| outlet.submit(it))).await;
    for (number, receipt) in receipts.into_iter().enumerate() {
        assert_eq!(receipt.unwrap().message_id, format!("m-{number}"));
    }
    running.gateway.with(|state| {
        assert_eq!(state.submits, 600);
        assert!(state.batches.len() < 60, "{:?}", state.batches);
        assert!(state.batches.iter().all(|it| *it <= 256), "{:?}", state.batches);
    });
}

#[tokio::test]
async fn larger_items_make_smaller_calls() {
    let running = Gateway::new(State::default()).run().await;
    let outlet = running.connection.outlet().unwrap();
    let items: Vec<_> = (0..20).map(|it| small(it, bytes(600_000))).collect();
    for receipt in join_all(items.iter().map(|it| outlet.submit(it))).await {
        receipt.unwrap();
    }
    running.gateway.with(|state| assert_eq!((state.submits, state.batches.len()), (20, 0)));
}

#[tokio::test]
async fn what_an_item_has_beside_its_body_counts_too() {
    let running = Gateway::new(State::default()).run().await;
    let outlet = running.connection.outlet().unwrap();
    let recipients: Vec<_> = (0..10_000).map(|it| format!("A{it:09}")).collect();
    let with = |it| Item { recipients: recipients.clone(), ..small(it, bytes(9)) };
    let items: Vec<_> = (0..40).map(with).collect();
    for receipt in join_all(items.iter().map(|it| outlet.submit(it))).await {
        receipt.unwrap();
    }
    running.gateway.with(|state| {
        assert_eq!(state.submits, 40);
        // Each has some 120 kB, and a call takes 1 MiB.
        assert!(state.batches.iter().all(|it| *it <= 8), "{:?}", state.batches);
    });
}

#[tokio::test]
async fn a_call_that_is_refused_as_a_whole_refuses_no_item() {
    let refusal = Fault::new(&code::LT_GW_001).param("size", "> 2").param("most", "2");
    let state = State { batch_trouble: [refusal.into()].into(), ..State::default() };
    let running = Gateway::new(state).run().await;
    let outlet = running.connection.outlet().unwrap();
    let items: Vec<_> = (0..3).map(|it| small(it, bytes(9))).collect();
    for receipt in join_all(items.iter().map(|it| outlet.submit(it))).await {
        receipt.unwrap();
    }
    running.gateway.with(|state| assert_eq!((state.batches.len(), state.submits), (1, 3)));
}

#[tokio::test]
async fn of_items_that_go_together_each_is_refused_or_tried_again_by_itself() {
    let refusal = Fault::new(&code::LT_MAP_002).into();
    let busy = Fault::new(&code::LT_EX_008).into();
    let state = State { submit_trouble: [refusal, busy].into(), ..State::default() };
    let running = Gateway::new(state).run().await;
    let outlet = running.connection.outlet().unwrap();
    let items: Vec<_> = (0..3).map(|it| small(it, bytes(9))).collect();
    let outcomes = join_all(items.iter().map(|it| outlet.submit(it))).await;
    let [Err(SubmitError::Refused(fault)), Ok(second), Ok(third)] = outcomes.as_slice() else {
        panic!("{outcomes:?}");
    };
    assert_eq!(fault.code, "LT-MAP-002");
    assert_eq!((second.message_id.as_str(), third.message_id.as_str()), ("m-1", "m-2"));
    running.gateway.with(|state| assert_eq!((state.submits, state.items.len()), (4, 2)));
}

#[tokio::test]
async fn after_a_call_that_failed_each_item_is_tried_alone() {
    let away = Status::unavailable("away");
    let state = State { batch_trouble: [away].into(), ..State::default() };
    let running = Gateway::new(state).run().await;
    let outlet = running.connection.outlet().unwrap();
    let items: Vec<_> = (0..3).map(|it| small(it, bytes(9))).collect();
    for receipt in join_all(items.iter().map(|it| outlet.submit(it))).await {
        receipt.unwrap();
    }
    running.gateway.with(|state| assert_eq!((state.batches.len(), state.submits), (1, 3)));
}
