//! Receiving: order, answers, downloads, and the end of a session.

use std::sync::Arc;

use bytes::Bytes;
use proto::exchange::v1 as exchange;
use proto::exchange::v1::settle_request::Answer;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::message::v1::{Attachment, Claim};
use sdk::{
    Application, CollectError, DeliverError, Delivery, Description, FetchError, ServeError,
    SubmitHandle, Taken,
};
use sha2::{Digest as _, Sha256};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::fake_gateway::{FakeGateway, LIMIT, Running, State};

/// An application that records its deliveries, and finishes them when the test permits it.
#[derive(Debug)]
struct TestApplication {
    /// Ids of the deliveries that have started.
    started: watch::Sender<Vec<String>>,
    /// Permits to finish a delivery.
    permits: Semaphore,
    /// Whether it has every message that the SDK looks up.
    has_all: bool,
    /// Collecting fails once this is cancelled.
    collect_failure: CancellationToken,
    /// Cancelled when collecting is told to stop.
    collect_stopped: CancellationToken,
    /// Outcomes of the downloads.
    downloads: watch::Sender<Vec<Result<Vec<u8>, FetchError>>>,
}

impl TestApplication {
    fn new(permits: usize) -> Self {
        Self {
            started: watch::Sender::default(),
            permits: Semaphore::new(permits),
            has_all: false,
            collect_failure: CancellationToken::new(),
            collect_stopped: CancellationToken::new(),
            downloads: watch::Sender::default(),
        }
    }

    async fn wait_until_started(&self, count: usize) {
        let mut started = self.started.subscribe();
        let waiting = started.wait_for(|it| it.len() >= count);
        drop(
            tokio::time::timeout(LIMIT, waiting)
                .await
                .expect("no delivery started in time")
                .unwrap(),
        );
    }
}

impl Application for TestApplication {
    fn describe(&self) -> Description {
        Description::default()
    }

    async fn deliver(&self, delivery: Delivery) -> Result<Taken, DeliverError> {
        self.started.send_modify(|it| it.push(delivery.message_id().to_owned()));
        for it in delivery.attachments() {
            let bytes = delivery.attachment(&it.id).unwrap().all().await;
            self.downloads.send_modify(|it| it.push(bytes));
        }
        self.permits.acquire().await.unwrap().forget();
        Ok(Taken { reference: format!("application/{}", delivery.message_id()) })
    }

    async fn collect(
        &self,
        _submit_handle: SubmitHandle,
        shutdown: CancellationToken,
    ) -> Result<(), CollectError> {
        tokio::select! {
            () = shutdown.cancelled() => {
                self.collect_stopped.cancel();
                Ok(())
            }
            () = self.collect_failure.cancelled() => Err(CollectError("the database is gone".into())),
        }
    }

    async fn find_delivered(&self, message_id: &str) -> Result<Option<Taken>, DeliverError> {
        Ok(self.has_all.then(|| Taken { reference: format!("known/{message_id}") }))
    }
}

/// An adapter that is connected to the fake gateway.
struct ConnectedAdapter {
    running: Running,
    application: Arc<TestApplication>,
    stop: CancellationToken,
    serving: JoinSet<Result<(), ServeError>>,
}

impl ConnectedAdapter {
    async fn new(state: State, application: TestApplication) -> Self {
        let running = FakeGateway::new(state).run().await;
        let (application, stop) = (Arc::new(application), CancellationToken::new());
        let mut serving = JoinSet::new();
        let (served, connection) = (application.clone(), running.connection.clone());
        let shutdown = stop.clone();
        serving.spawn(async move { sdk::serve(served, &connection, shutdown).await });
        Self { running, application, stop, serving }
    }

    async fn ended(&mut self) -> Result<(), ServeError> {
        let ended = tokio::time::timeout(LIMIT, self.serving.join_next()).await;
        ended.expect("the adapter did not end in time").unwrap().unwrap()
    }

    fn answers(&self) -> Vec<(String, String)> {
        self.running.gateway.with(|state| {
            let answers = state.settles.iter().map(|it| {
                let answer = match it.answer.clone().unwrap() {
                    Answer::Taken(it) => format!("taken {}", it.reference),
                    Answer::Refused(it) => format!("refused {}", it.reason),
                    Answer::Unavailable(it) => format!("returned for {} ms", it.retry_after_ms),
                };
                (it.message_id.clone(), answer)
            });
            answers.collect()
        })
    }
}

fn delivery(id: &str, conversation: &str) -> exchange::Delivery {
    exchange::Delivery {
        message_id: id.to_owned(),
        conversation: conversation.to_owned(),
        lease: 7,
        ..exchange::Delivery::default()
    }
}

fn with_file(id: &str, bytes: &Bytes) -> exchange::Delivery {
    let sha256 = Bytes::copy_from_slice(&Sha256::digest(bytes));
    let claim = Some(Claim { sha256, size: bytes.len() as u64 });
    let attachment = Attachment { id: "a".to_owned(), claim, ..Attachment::default() };
    exchange::Delivery { attachments: vec![attachment], ..delivery(id, id) }
}

fn owned(answers: &[(&str, &str)]) -> Vec<(String, String)> {
    answers.iter().map(|(id, answer)| ((*id).to_owned(), (*answer).to_owned())).collect()
}

#[tokio::test]
async fn a_shutdown_finishes_started_deliveries_and_returns_the_others() {
    let mut it = ConnectedAdapter::new(State::default(), TestApplication::new(0)).await;
    for id in ["m-1", "m-2"] {
        it.running.gateway.deliver(delivery(id, "c")).await;
    }
    it.running.gateway.deliver(delivery("m-3", "d")).await;
    it.application.wait_until_started(2).await;
    it.stop.cancel();
    it.running.gateway.deliver(delivery("m-4", "e")).await;
    assert_eq!(it.answers(), []);
    it.application.permits.add_permits(2);
    it.ended().await.unwrap();
    let mut answers = it.answers();
    answers.sort();
    let expected = [
        ("m-1", "taken application/m-1"),
        ("m-2", "returned for 1 ms"),
        ("m-3", "taken application/m-3"),
        ("m-4", "returned for 1 ms"),
    ];
    assert_eq!(answers, owned(&expected));
}

#[tokio::test]
async fn a_broken_stream_finishes_started_deliveries() {
    let mut it = ConnectedAdapter::new(State::default(), TestApplication::new(0)).await;
    it.running.gateway.deliver(delivery("m-1", "c")).await;
    it.application.wait_until_started(1).await;
    it.running.gateway.break_stream().await;
    // The adapter notices the end of the stream before the delivery may finish.
    tokio::time::timeout(LIMIT, it.application.collect_stopped.cancelled())
        .await
        .expect("the adapter did not notice it");
    it.application.permits.add_permits(1);
    let outcome = it.ended().await;
    assert!(matches!(outcome, Err(ServeError::Link(_))), "{outcome:?}");
    assert_eq!(it.answers(), owned(&[("m-1", "taken application/m-1")]));
}

#[tokio::test]
async fn a_failure_of_collecting_finishes_started_deliveries() {
    let mut it = ConnectedAdapter::new(State::default(), TestApplication::new(0)).await;
    it.running.gateway.deliver(delivery("m-1", "c")).await;
    it.application.wait_until_started(1).await;
    it.application.collect_failure.cancel();
    it.application.permits.add_permits(1);
    let outcome = it.ended().await;
    assert!(matches!(outcome, Err(ServeError::Collect(_))), "{outcome:?}");
    assert_eq!(it.answers(), owned(&[("m-1", "taken application/m-1")]));
}

#[tokio::test]
async fn messages_of_one_conversation_are_delivered_one_after_the_other() {
    let it = ConnectedAdapter::new(State::default(), TestApplication::new(0)).await;
    for id in ["m-1", "m-2"] {
        it.running.gateway.deliver(delivery(id, "c")).await;
    }
    it.running.gateway.deliver(delivery("m-3", "d")).await;
    it.application.wait_until_started(2).await;
    let mut started = it.application.started.borrow().clone();
    started.sort();
    assert_eq!(started, ["m-1", "m-3"]);
    it.application.permits.add_permits(3);
    it.application.wait_until_started(3).await;
    it.running.gateway.wait_until(|state| state.settles.len() == 3).await;
}

#[tokio::test]
async fn an_answer_is_sent_until_the_gateway_records_it() {
    let unavailable = || Status::unavailable("away");
    let settle_failures = [unavailable(), unavailable()].into();
    let it = ConnectedAdapter::new(
        State { settle_failures, ..State::default() },
        TestApplication::new(1),
    )
    .await;
    it.running.gateway.deliver(delivery("m-1", "c")).await;
    it.running.gateway.wait_until(|state| state.settles.len() == 3).await;
    it.running.gateway.with(|state| {
        assert!(state.settles.iter().all(|settle| *settle == state.settles[0]));
        assert_eq!((state.settles[0].session.as_str(), state.settles[0].lease), ("s", 7));
    });
}

#[tokio::test]
async fn of_the_answers_of_a_call_only_the_failed_one_is_sent_again() {
    let later = Fault::new(&code::LT_SYS_002).param("part", "journal");
    let settle_failures = [later.into()].into();
    let it = ConnectedAdapter::new(
        State { settle_failures, ..State::default() },
        TestApplication::new(0),
    )
    .await;
    for id in ["m-1", "m-2", "m-3"] {
        it.running.gateway.deliver(delivery(id, id)).await;
    }
    it.application.wait_until_started(3).await;
    it.application.permits.add_permits(3);
    it.running.gateway.wait_until(|state| state.settles.len() == 4).await;
    it.running.gateway.with(|state| {
        let mut ids: Vec<_> = state.settles.iter().map(|it| it.message_id.as_str()).collect();
        assert_eq!(ids.pop(), Some(state.settles[0].message_id.as_str()));
        ids.sort_unstable();
        assert_eq!(ids, ["m-1", "m-2", "m-3"]);
    });
}

#[tokio::test]
async fn a_refused_answer_is_not_sent_again_and_the_next_message_is_delivered() {
    let settle_failures = [Fault::new(&code::LT_EX_012).into()].into();
    let of_one = State { settle_failures, ..State::default() };
    let batch_failures = [Fault::new(&code::LT_GW_007).into()].into();
    for state in [of_one, State { batch_failures, ..State::default() }] {
        let it = ConnectedAdapter::new(state, TestApplication::new(2)).await;
        it.running.gateway.deliver(delivery("m-1", "c")).await;
        it.running.gateway.deliver(delivery("m-2", "c")).await;
        it.running.gateway.wait_until(|state| state.settles.len() == 2).await;
        let expected = [("m-1", "taken application/m-1"), ("m-2", "taken application/m-2")];
        assert_eq!(it.answers(), owned(&expected));
    }
}

#[tokio::test]
async fn a_message_that_the_application_has_is_not_delivered_again() {
    for has_all in [true, false] {
        let application = TestApplication { has_all, ..TestApplication::new(2) };
        let it = ConnectedAdapter::new(State::default(), application).await;
        it.running
            .gateway
            .deliver(exchange::Delivery { ask_first: true, ..delivery("m-1", "c") })
            .await;
        it.running.gateway.deliver(delivery("m-2", "c")).await;
        it.running.gateway.wait_until(|state| state.settles.len() == 2).await;
        let first = if has_all { "taken known/m-1" } else { "taken application/m-1" };
        assert_eq!(it.answers(), owned(&[("m-1", first), ("m-2", "taken application/m-2")]));
        let started = it.application.started.borrow().clone();
        assert_eq!(started.contains(&"m-1".to_owned()), !has_all);
    }
}

/// Downloads one file; returns the outcome and the offsets of the calls.
async fn download(state: State, expected: &Bytes) -> (Result<Vec<u8>, FetchError>, Vec<u64>) {
    let it = ConnectedAdapter::new(state, TestApplication::new(1)).await;
    it.running.gateway.deliver(with_file("m-1", expected)).await;
    it.running.gateway.wait_until(|state| state.settles.len() == 1).await;
    let downloaded = it.application.downloads.send_replace(Vec::new()).pop().unwrap();
    (downloaded, it.running.gateway.with(|state| state.download_offsets.clone()))
}

fn file(bytes: &Bytes) -> State {
    State { files: [("a".to_owned(), bytes.clone())].into(), ..State::default() }
}

#[tokio::test]
async fn a_broken_download_resumes_at_its_offset_while_it_makes_progress() {
    let mib = 1 << 20;
    let bytes = Bytes::from_iter((0..7 * mib + 5).map(|it| (it % 251) as u8));
    let cuts = [1, 1, 1, 1, 1, 0, 0, 1].into();
    let (downloaded, offsets) = download(State { cuts, ..file(&bytes) }, &bytes).await;
    assert!(downloaded.unwrap() == bytes, "the bytes differ");
    let expected: Vec<u64> = [0, 1, 2, 3, 4, 5, 5, 5, 6].map(|it| it * mib as u64).into();
    assert_eq!(offsets, expected);
}

#[tokio::test]
async fn bytes_with_another_digest_are_damaged() {
    let (expected, other) = (Bytes::from_static(b"ab"), Bytes::from_static(b"xy"));
    let (downloaded, _) = download(file(&other), &expected).await;
    assert!(matches!(downloaded, Err(FetchError::Damaged)), "{downloaded:?}");
}

#[tokio::test]
async fn a_refused_download_is_not_retried() {
    let bytes = Bytes::from_static(b"ab");
    let get_failures = [Fault::new(&code::LT_EX_014).into()].into();
    let (downloaded, offsets) = download(State { get_failures, ..file(&bytes) }, &bytes).await;
    assert!(matches!(downloaded, Err(FetchError::Gateway(_))), "{downloaded:?}");
    assert_eq!(offsets, [0]);
}
