//! Receiving: order, answers, downloads, and the end of a session.

use std::sync::Arc;

use bytes::Bytes;
use proto::exchange::v1::settle_request::Answer;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::message::v1::State as MessageState;
use sdk::{
    Application, CollectError, DeliverError, Delivery, Description, FetchError, ServeError,
    SubmitHandle, Taken,
};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::environment::{Environment, message_id};
use crate::fault_layer::State;
use crate::waiting::timed;

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
        drop(timed(started.wait_for(|it| it.len() >= count)).await.unwrap());
    }
}

impl Application for TestApplication {
    fn describe(&self) -> Description {
        Description { adapter: "test".to_owned(), ..Description::default() }
    }

    async fn deliver(&self, delivery: Delivery) -> Result<Taken, DeliverError> {
        let name = name_of(delivery.message_id());
        self.started.send_modify(|it| it.push(name.clone()));
        for it in delivery.attachments() {
            let bytes = delivery.attachment(&it.id).unwrap().all().await;
            self.downloads.send_modify(|it| it.push(bytes));
        }
        self.permits.acquire().await.unwrap().forget();
        Ok(Taken { reference: format!("application/{name}") })
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
        Ok(self.has_all.then(|| Taken { reference: format!("known/{}", name_of(message_id)) }))
    }
}

/// An adapter that is connected to the gateway.
struct ConnectedAdapter {
    environment: Environment,
    application: Arc<TestApplication>,
    stop: CancellationToken,
    serving: JoinSet<Result<(), ServeError>>,
}

impl ConnectedAdapter {
    async fn new(state: State, application: TestApplication) -> Self {
        Self::connect(Environment::new(state).await, application)
    }

    fn connect(environment: Environment, application: TestApplication) -> Self {
        let (application, stop) = (Arc::new(application), CancellationToken::new());
        let mut serving = JoinSet::new();
        let (served, connection) = (application.clone(), environment.connection.clone());
        let shutdown = stop.clone();
        serving.spawn(async move { sdk::serve(served, &connection, shutdown).await });
        Self { environment, application, stop, serving }
    }

    /// Ends the adapter as a crash does, and starts another one in its place.
    async fn crash(mut self, application: TestApplication) -> Self {
        self.serving.shutdown().await;
        Self::connect(self.environment, application)
    }

    async fn ended(&mut self) -> Result<(), ServeError> {
        timed(self.serving.join_next()).await.unwrap().unwrap()
    }

    async fn wait_until_settled(&self, count: usize) {
        self.environment.layer.wait_until(|state| state.settles.len() == count).await;
    }

    async fn wait_until_delivered(&self, count: usize) {
        self.environment.layer.wait_until(|state| state.deliveries.len() >= count).await;
    }

    /// The state of a delivery in the journal.
    async fn state(&self, name: &str) -> MessageState {
        self.environment.journal.state(&message_id(name)).await
    }

    fn answers(&self) -> Vec<(String, String)> {
        self.environment.layer.with(|state| {
            let answers = state.settles.iter().map(|it| {
                let answer = match it.answer.clone().unwrap() {
                    Answer::Taken(it) => format!("taken {}", it.reference),
                    Answer::Refused(it) => format!("refused {}", it.reason),
                    Answer::Unavailable(it) => format!("returned for {} ms", it.retry_after_ms),
                };
                (name_of(&it.message_id), answer)
            });
            answers.collect()
        })
    }
}

/// Name of the delivery with this id.
fn name_of(id: &str) -> String {
    let names = ["m-1", "m-2", "m-3", "m-4"];
    names.into_iter().find(|it| message_id(it) == id).unwrap().to_owned()
}

fn owned(answers: &[(&str, &str)]) -> Vec<(String, String)> {
    answers.iter().map(|(id, answer)| ((*id).to_owned(), (*answer).to_owned())).collect()
}

#[tokio::test]
async fn a_shutdown_finishes_started_deliveries_and_returns_the_others() {
    let mut adapter = ConnectedAdapter::new(State::default(), TestApplication::new(0)).await;
    adapter.environment.deliver("c", &["m-1", "m-2"]).await;
    adapter.environment.deliver("d", &["m-3"]).await;
    adapter.application.wait_until_started(2).await;
    adapter.wait_until_delivered(3).await;
    adapter.stop.cancel();
    adapter.environment.deliver("e", &["m-4"]).await;
    adapter.wait_until_delivered(4).await;
    assert_eq!(adapter.answers(), []);
    adapter.application.permits.add_permits(2);
    adapter.ended().await.unwrap();
    let mut answers = adapter.answers();
    answers.sort();
    let expected = [
        ("m-1", "taken application/m-1"),
        ("m-2", "returned for 1 ms"),
        ("m-3", "taken application/m-3"),
        ("m-4", "returned for 1 ms"),
    ];
    assert_eq!(answers, owned(&expected));
    for name in ["m-1", "m-3"] {
        assert_eq!(adapter.state(name).await, MessageState::Taken, "{name}");
    }
}

#[tokio::test]
async fn a_broken_stream_finishes_started_deliveries() {
    let mut adapter = ConnectedAdapter::new(State::default(), TestApplication::new(0)).await;
    adapter.environment.deliver("c", &["m-1"]).await;
    adapter.application.wait_until_started(1).await;
    adapter.environment.layer.break_stream();
    // The adapter notices the end of the stream before the delivery may finish.
    timed(adapter.application.collect_stopped.cancelled()).await;
    adapter.application.permits.add_permits(1);
    let outcome = adapter.ended().await;
    assert!(matches!(outcome, Err(ServeError::Link(_))), "{outcome:?}");
    assert_eq!(adapter.answers(), owned(&[("m-1", "taken application/m-1")]));
}

#[tokio::test]
async fn a_failure_of_collecting_finishes_started_deliveries() {
    let mut adapter = ConnectedAdapter::new(State::default(), TestApplication::new(0)).await;
    adapter.environment.deliver("c", &["m-1"]).await;
    adapter.application.wait_until_started(1).await;
    adapter.application.collect_failure.cancel();
    adapter.application.permits.add_permits(1);
    let outcome = adapter.ended().await;
    assert!(matches!(outcome, Err(ServeError::Collect(_))), "{outcome:?}");
    assert_eq!(adapter.answers(), owned(&[("m-1", "taken application/m-1")]));
}

#[tokio::test]
async fn messages_of_one_conversation_are_delivered_one_after_the_other() {
    let adapter = ConnectedAdapter::new(State::default(), TestApplication::new(0)).await;
    adapter.environment.deliver("c", &["m-1", "m-2"]).await;
    adapter.environment.deliver("d", &["m-3"]).await;
    adapter.wait_until_delivered(3).await;
    adapter.application.wait_until_started(2).await;
    let mut started = adapter.application.started.borrow().clone();
    started.sort();
    assert_eq!(started, ["m-1", "m-3"]);
    adapter.application.permits.add_permits(3);
    adapter.application.wait_until_started(3).await;
    adapter.wait_until_settled(3).await;
    for name in ["m-1", "m-2", "m-3"] {
        assert_eq!(adapter.state(name).await, MessageState::Taken, "{name}");
    }
}

#[tokio::test]
async fn an_answer_is_sent_until_the_gateway_records_it() {
    let unavailable = || Status::unavailable("away");
    let settle_failures = [unavailable(), unavailable()].into();
    let adapter = ConnectedAdapter::new(
        State { settle_failures, ..State::default() },
        TestApplication::new(1),
    )
    .await;
    adapter.environment.deliver("c", &["m-1"]).await;
    adapter.wait_until_settled(3).await;
    adapter.environment.layer.with(|state| {
        assert!(state.settles.iter().all(|settle| *settle == state.settles[0]));
        let expected = (&state.sessions[0], state.deliveries[0].lease);
        assert_eq!((&state.settles[0].session, state.settles[0].lease), expected);
    });
    assert_eq!(adapter.state("m-1").await, MessageState::Taken);
}

#[tokio::test]
async fn an_answer_whose_response_was_lost_is_sent_again_and_the_next_message_is_delivered() {
    let state = State { lost_responses: 1, ..State::default() };
    let adapter = ConnectedAdapter::new(state, TestApplication::new(2)).await;
    adapter.environment.deliver("c", &["m-1", "m-2"]).await;
    adapter.wait_until_settled(3).await;
    let first = ("m-1", "taken application/m-1");
    assert_eq!(adapter.answers(), owned(&[first, first, ("m-2", "taken application/m-2")]));
    for name in ["m-1", "m-2"] {
        assert_eq!(adapter.state(name).await, MessageState::Taken, "{name}");
    }
}

#[tokio::test]
async fn of_the_answers_of_a_call_only_the_failed_one_is_sent_again() {
    let later = Fault::new(&code::LT_SYS_002).param("part", "journal");
    let settle_failures = [later.into()].into();
    let adapter = ConnectedAdapter::new(
        State { settle_failures, ..State::default() },
        TestApplication::new(0),
    )
    .await;
    for id in ["m-1", "m-2", "m-3"] {
        adapter.environment.deliver(id, &[id]).await;
    }
    adapter.application.wait_until_started(3).await;
    adapter.application.permits.add_permits(3);
    adapter.wait_until_settled(4).await;
    let mut names: Vec<_> = adapter.answers().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names.pop().as_ref(), names.first());
    names.sort_unstable();
    assert_eq!(names, ["m-1", "m-2", "m-3"]);
    for name in names {
        assert_eq!(adapter.state(&name).await, MessageState::Taken, "{name}");
    }
}

#[tokio::test]
async fn a_refused_answer_is_not_sent_again_and_the_next_message_is_delivered() {
    let settle_failures = [Fault::new(&code::LT_EX_012).into()].into();
    let of_one = State { settle_failures, ..State::default() };
    let batch_failures = [Fault::new(&code::LT_GW_007).into()].into();
    for state in [of_one, State { batch_failures, ..State::default() }] {
        let adapter = ConnectedAdapter::new(state, TestApplication::new(2)).await;
        adapter.environment.deliver("c", &["m-1", "m-2"]).await;
        adapter.wait_until_settled(2).await;
        let expected = [("m-1", "taken application/m-1"), ("m-2", "taken application/m-2")];
        assert_eq!(adapter.answers(), owned(&expected));
        assert_eq!(adapter.state("m-2").await, MessageState::Taken);
    }
}

#[tokio::test]
async fn a_message_that_the_application_has_is_not_delivered_again() {
    for has_all in [true, false] {
        let adapter = ConnectedAdapter::new(State::default(), TestApplication::new(0)).await;
        adapter.environment.deliver("c", &["m-1"]).await;
        adapter.application.wait_until_started(1).await;
        // The journal does not know whether the crashed application has the message.
        let application = TestApplication { has_all, ..TestApplication::new(2) };
        let adapter = adapter.crash(application).await;
        adapter.environment.deliver("c", &["m-2"]).await;
        adapter.wait_until_settled(2).await;
        let first = if has_all { "taken known/m-1" } else { "taken application/m-1" };
        assert_eq!(adapter.answers(), owned(&[("m-1", first), ("m-2", "taken application/m-2")]));
        let started = adapter.application.started.borrow().clone();
        assert_eq!(started.contains(&"m-1".to_owned()), !has_all);
    }
}

/// Downloads one file; returns the outcome and the offsets of the calls.
async fn download(state: State, file: &Bytes) -> (Result<Vec<u8>, FetchError>, Vec<u64>) {
    let adapter = ConnectedAdapter::new(state, TestApplication::new(1)).await;
    adapter.environment.deliver_with_files("c", &["m-1"], &[file]).await;
    adapter.wait_until_settled(1).await;
    let downloaded = adapter.application.downloads.send_replace(Vec::new()).pop().unwrap();
    (downloaded, adapter.environment.layer.with(|state| state.download_offsets.clone()))
}

#[tokio::test]
async fn a_broken_download_resumes_at_its_offset_while_it_makes_progress() {
    let mib = 1 << 20;
    let bytes = Bytes::from_iter((0..7 * mib + 5).map(|it| (it % 251) as u8));
    let cuts = [1, 1, 1, 1, 1, 0, 0, 1].map(|it| it * mib as u64).into();
    let (downloaded, offsets) = download(State { cuts, ..State::default() }, &bytes).await;
    assert!(downloaded.unwrap() == bytes, "the bytes differ");
    let expected: Vec<u64> = [0, 1, 2, 3, 4, 5, 5, 5, 6].map(|it| it * mib as u64).into();
    assert_eq!(offsets, expected);
}

#[tokio::test]
async fn bytes_with_another_digest_are_damaged() {
    let state = State { damages_downloads: true, ..State::default() };
    let (downloaded, _) = download(state, &Bytes::from_static(b"ab")).await;
    assert!(matches!(downloaded, Err(FetchError::Damaged)), "{downloaded:?}");
}

#[tokio::test]
async fn a_refused_download_is_not_retried() {
    let bytes = Bytes::from_static(b"ab");
    let get_failures = [Fault::new(&code::LT_EX_014).into()].into();
    let (downloaded, offsets) = download(State { get_failures, ..State::default() }, &bytes).await;
    assert!(matches!(downloaded, Err(FetchError::Gateway(_))), "{downloaded:?}");
    assert_eq!(offsets, [0]);
}
