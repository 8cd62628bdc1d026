//! Messages on their way in: fetched through cuts, answered until heard, finished before the end.

use std::sync::Arc;

use bytes::Bytes;
use proto::exchange::v1::Delivery as Handed;
use proto::exchange::v1::settle_request::Answer;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::message::v1::{Attachment, Claim};
use sdk::{
    Application, CollectError, DeliverError, Delivery, Description, FetchError, Outlet, ServeError,
    Taken,
};
use sha2::{Digest as _, Sha256};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::gateway::{Gateway, LIMIT, Running, State};

/// An application that says what it does, and delivers when it may.
#[derive(Debug)]
struct Office {
    /// Ids of the deliveries that were begun.
    begun: watch::Sender<Vec<String>>,
    /// How many deliveries may end.
    may_end: Semaphore,
    /// Has every message it is asked for.
    has_all: bool,
    /// Collecting fails once this is cancelled.
    breaks: CancellationToken,
    /// Collecting was told to stop.
    stopped: CancellationToken,
    /// What became of the files of the deliveries.
    fetched: watch::Sender<Vec<Result<Vec<u8>, FetchError>>>,
}

impl Office {
    fn new(may_end: usize) -> Self {
        Self {
            begun: watch::Sender::default(),
            may_end: Semaphore::new(may_end),
            has_all: false,
            breaks: CancellationToken::new(),
            stopped: CancellationToken::new(),
            fetched: watch::Sender::default(),
        }
    }

    async fn until_begun(&self, count: usize) {
        let mut begun = self.begun.subscribe();
        let waiting = begun.wait_for(|it| it.len() >= count);
        drop(tokio::time::timeout(LIMIT, waiting).await.expect("nothing was begun").unwrap());
    }
}

impl Application for Office {
    fn describe(&self) -> Description {
        Description::default()
    }

    async fn deliver(&self, delivery: Delivery) -> Result<Taken, DeliverError> {
        self.begun.send_modify(|it| it.push(delivery.message_id().to_owned()));
        for it in delivery.attachments() {
            let bytes = delivery.attachment(&it.id).unwrap().all().await;
            self.fetched.send_modify(|it| it.push(bytes));
        }
        self.may_end.acquire().await.unwrap().forget();
        Ok(Taken { reference: format!("office/{}", delivery.message_id()) })
    }

    async fn collect(
        &self,
        _outlet: Outlet,
        shutdown: CancellationToken,
    ) -> Result<(), CollectError> {
        tokio::select! {
            () = shutdown.cancelled() => {
                self.stopped.cancel();
                Ok(())
            }
            () = self.breaks.cancelled() => Err(CollectError("the office burnt down".into())),
        }
    }

    async fn has(&self, message_id: &str) -> Result<Option<Taken>, DeliverError> {
        Ok(self.has_all.then(|| Taken { reference: format!("known/{message_id}") }))
    }
}

/// An office that is connected to a gateway.
struct Connected {
    running: Running,
    office: Arc<Office>,
    stop: CancellationToken,
    serving: JoinSet<Result<(), ServeError>>,
}

impl Connected {
    async fn new(state: State, office: Office) -> Self {
        let running = Gateway::new(state).run().await;
        let (office, stop) = (Arc::new(office), CancellationToken::new());
        let mut serving = JoinSet::new();
        let (application, connection) = (office.clone(), running.connection.clone());
        let shutdown = stop.clone();
        serving.spawn(async move { sdk::serve(application, &connection, shutdown).await });
        Self { running, office, stop, serving }
    }

    async fn ended(&mut self) -> Result<(), ServeError> {
        let ended = tokio::time::timeout(LIMIT, self.serving.join_next()).await;
        ended.expect("it did not end").unwrap().unwrap()
    }

    fn answers(&self) -> Vec<(String, String)> {
        self.running.gateway.with(|state| {
            let told = state.settles.iter().map(|it| {
                let answer = match it.answer.clone().unwrap() {
                    Answer::Taken(it) => format!("taken {}", it.reference),
                    Answer::Refused(it) => format!("refused {}", it.reason),
                    Answer::Unavailable(it) => format!("back after {} ms", it.retry_after_ms),
                };
                (it.message_id.clone(), answer)
            });
            told.collect()
        })
    }
}

fn delivery(id: &str, conversation: &str) -> Handed {
    Handed {
        message_id: id.to_owned(),
        conversation: conversation.to_owned(),
        lease: 7,
        ..Handed::default()
    }
}

fn with_file(id: &str, bytes: &Bytes) -> Handed {
    let sha256 = Bytes::copy_from_slice(&Sha256::digest(bytes));
    let claim = Some(Claim { sha256, size: bytes.len() as u64 });
    let attachment = Attachment { id: "a".to_owned(), claim, ..Attachment::default() };
    Handed { attachments: vec![attachment], ..delivery(id, id) }
}

fn told(answers: &[(&str, &str)]) -> Vec<(String, String)> {
    answers.iter().map(|(id, answer)| ((*id).to_owned(), (*answer).to_owned())).collect()
}

#[tokio::test]
async fn a_stop_lets_what_was_begun_finish_and_gives_back_what_was_not() {
    let mut it = Connected::new(State::default(), Office::new(0)).await;
    for id in ["m-1", "m-2"] {
        it.running.gateway.hand(delivery(id, "c")).await;
    }
    it.running.gateway.hand(delivery("m-3", "d")).await;
    it.office.until_begun(2).await;
    it.stop.cancel();
    it.running.gateway.hand(delivery("m-4", "e")).await;
    assert_eq!(it.answers(), []);
    it.office.may_end.add_permits(2);
    it.ended().await.unwrap();
    let mut answers = it.answers();
    answers.sort();
    let expected = [
        ("m-1", "taken office/m-1"),
        ("m-2", "back after 1 ms"),
        ("m-3", "taken office/m-3"),
        ("m-4", "back after 1 ms"),
    ];
    assert_eq!(answers, told(&expected));
}

#[tokio::test]
async fn a_broken_link_lets_what_was_begun_finish() {
    let mut it = Connected::new(State::default(), Office::new(0)).await;
    it.running.gateway.hand(delivery("m-1", "c")).await;
    it.office.until_begun(1).await;
    it.running.gateway.end().await;
    // The end is seen before the delivery may go on.
    tokio::time::timeout(LIMIT, it.office.stopped.cancelled()).await.expect("it was not seen");
    it.office.may_end.add_permits(1);
    let outcome = it.ended().await;
    assert!(matches!(outcome, Err(ServeError::Link(_))), "{outcome:?}");
    assert_eq!(it.answers(), told(&[("m-1", "taken office/m-1")]));
}

#[tokio::test]
async fn collecting_that_fails_lets_what_was_begun_finish() {
    let mut it = Connected::new(State::default(), Office::new(0)).await;
    it.running.gateway.hand(delivery("m-1", "c")).await;
    it.office.until_begun(1).await;
    it.office.breaks.cancel();
    it.office.may_end.add_permits(1);
    let outcome = it.ended().await;
    assert!(matches!(outcome, Err(ServeError::Collect(_))), "{outcome:?}");
    assert_eq!(it.answers(), told(&[("m-1", "taken office/m-1")]));
}

#[tokio::test]
async fn messages_of_one_conversation_come_one_after_the_other() {
    let it = Connected::new(State::default(), Office::new(0)).await;
    for id in ["m-1", "m-2"] {
        it.running.gateway.hand(delivery(id, "c")).await;
    }
    it.running.gateway.hand(delivery("m-3", "d")).await;
    it.office.until_begun(2).await;
    let mut begun = it.office.begun.borrow().clone();
    begun.sort();
    assert_eq!(begun, ["m-1", "m-3"]);
    it.office.may_end.add_permits(3);
    it.office.until_begun(3).await;
    it.running.gateway.until(|state| state.settles.len() == 3).await;
}

#[tokio::test]
async fn an_answer_is_given_until_it_is_heard() {
    let away = || Status::unavailable("away");
    let settle_trouble = [away(), away()].into();
    let it = Connected::new(State { settle_trouble, ..State::default() }, Office::new(1)).await;
    it.running.gateway.hand(delivery("m-1", "c")).await;
    it.running.gateway.until(|state| state.settles.len() == 3).await;
    it.running.gateway.with(|state| {
        assert!(state.settles.iter().all(|settle| *settle == state.settles[0]));
        assert_eq!((state.settles[0].session.as_str(), state.settles[0].lease), ("s", 7));
    });
}

#[tokio::test]
async fn of_answers_that_go_together_only_the_one_not_heard_is_given_again() {
    let later = Fault::new(&code::LT_SYS_002).param("part", "journal");
    let settle_trouble = [later.into()].into();
    let it = Connected::new(State { settle_trouble, ..State::default() }, Office::new(0)).await;
    for id in ["m-1", "m-2", "m-3"] {
        it.running.gateway.hand(delivery(id, id)).await;
    }
    it.office.until_begun(3).await;
    it.office.may_end.add_permits(3);
    it.running.gateway.until(|state| state.settles.len() == 4).await;
    it.running.gateway.with(|state| {
        let mut ids: Vec<_> = state.settles.iter().map(|it| it.message_id.as_str()).collect();
        assert_eq!(ids.pop(), Some(state.settles[0].message_id.as_str()));
        ids.sort_unstable();
        assert_eq!(ids, ["m-1", "m-2", "m-3"]);
    });
}

#[tokio::test]
async fn an_answer_the_bus_does_not_want_is_not_repeated_and_the_next_message_comes() {
    let settle_trouble = [Fault::new(&code::LT_EX_012).into()].into();
    let of_one = State { settle_trouble, ..State::default() };
    let batch_trouble = [Fault::new(&code::LT_GW_007).into()].into();
    for state in [of_one, State { batch_trouble, ..State::default() }] {
        let it = Connected::new(state, Office::new(2)).await;
        it.running.gateway.hand(delivery("m-1", "c")).await;
        it.running.gateway.hand(delivery("m-2", "c")).await;
        it.running.gateway.until(|state| state.settles.len() == 2).await;
        let expected = [("m-1", "taken office/m-1"), ("m-2", "taken office/m-2")];
        assert_eq!(it.answers(), told(&expected));
    }
}

#[tokio::test]
async fn an_application_that_has_the_message_is_asked_and_not_handed_it_again() {
    for has_all in [true, false] {
        let office = Office { has_all, ..Office::new(2) };
        let it = Connected::new(State::default(), office).await;
        it.running.gateway.hand(Handed { ask_first: true, ..delivery("m-1", "c") }).await;
        it.running.gateway.hand(delivery("m-2", "c")).await;
        it.running.gateway.until(|state| state.settles.len() == 2).await;
        let first = if has_all { "taken known/m-1" } else { "taken office/m-1" };
        assert_eq!(it.answers(), told(&[("m-1", first), ("m-2", "taken office/m-2")]));
        let begun = it.office.begun.borrow().clone();
        assert_eq!(begun.contains(&"m-1".to_owned()), !has_all);
    }
}

/// Fetches one file, and says at which offsets it was asked for.
async fn fetch(state: State, expected: &Bytes) -> (Result<Vec<u8>, FetchError>, Vec<u64>) {
    let it = Connected::new(state, Office::new(1)).await;
    it.running.gateway.hand(with_file("m-1", expected)).await;
    it.running.gateway.until(|state| state.settles.len() == 1).await;
    let fetched = it.office.fetched.send_replace(Vec::new()).pop().unwrap();
    (fetched, it.running.gateway.with(|state| state.opened.clone()))
}

fn file(bytes: &Bytes) -> State {
    State { files: [("a".to_owned(), bytes.clone())].into(), ..State::default() }
}

#[tokio::test]
async fn a_download_goes_on_where_it_was_cut_as_long_as_it_gets_on() {
    let mib = 1 << 20;
    let bytes = Bytes::from_iter((0..7 * mib + 5).map(|it| (it % 251) as u8));
    let cuts = [1, 1, 1, 1, 1, 0, 0, 1].into();
    let (fetched, opened) = fetch(State { cuts, ..file(&bytes) }, &bytes).await;
    assert!(fetched.unwrap() == bytes, "the bytes differ");
    let expected: Vec<u64> = [0, 1, 2, 3, 4, 5, 5, 5, 6].map(|it| it * mib as u64).into();
    assert_eq!(opened, expected);
}

#[tokio::test]
async fn bytes_that_are_not_the_sender_s_are_damaged() {
    let (expected, other) = (Bytes::from_static(b"ab"), Bytes::from_static(b"xy"));
    let (fetched, _) = fetch(file(&other), &expected).await;
    assert!(matches!(fetched, Err(FetchError::Damaged)), "{fetched:?}");
}

#[tokio::test]
async fn a_download_that_is_refused_is_not_asked_for_again() {
    let bytes = Bytes::from_static(b"ab");
    let open_trouble = [Fault::new(&code::LT_EX_014).into()].into();
    let (fetched, opened) = fetch(State { open_trouble, ..file(&bytes) }, &bytes).await;
    assert!(matches!(fetched, Err(FetchError::Gateway(_))), "{fetched:?}");
    assert_eq!(opened, [0]);
}
