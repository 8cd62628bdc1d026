//! Failures around the journal: lost connections, rows that cannot be written, channels that
//! refuse, more due messages than one sweep publishes.

use std::collections::HashSet;
use std::time::Duration;

use bus::{Bus, CurrentBus, Settings};
use chassis::{Clock, Upstream, health::Health};
use journal::Service;
use proto::fault::v1::Fault;
use proto::journal::v1::accept_outcome::Outcome;
use proto::journal::v1::command_request::Action;
use proto::journal::v1::journal_client::JournalClient;
use proto::journal::v1::*;
use proto::message::v1::*;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::environment::*;
use crate::on_both;

on_both!(
    a_message_that_cannot_be_written_is_refused_alone,
    due_messages_do_not_delay_calls,
    calls_beyond_one_group_are_all_answered,
    a_refusing_channel_is_tried_again_soon,
    a_clock_set_back_delays_no_message,
    a_journal_that_ended_refuses_calls_to_be_repeated,
);

/// A journal that runs until it fails or is stopped.
struct RunningJournal {
    journal: JournalClient<Upstream>,
    running: JoinSet<anyhow::Result<()>>,
    shutdown: CancellationToken,
}

async fn start_journal(database: &str) -> RunningJournal {
    let config = config(database);
    let service = Service::new(&config);
    let journal = JournalClient::new(Upstream::local(service.server()));
    let (health, shutdown) = (Health::new(), CancellationToken::new());
    health.unwell("journal", "not started yet");
    let parts = (service, CurrentBus::fixed(Bus::embedded(Settings::default())));
    let clock_and_health = (Clock::fixed(1), health.clone());
    let mut running = JoinSet::new();
    let outer = shutdown.clone();
    running
        .spawn(async move { Box::pin(journal::run(config, parts, clock_and_health, outer)).await });
    eventually(async || health.is_ready().then_some(())).await;
    RunningJournal { journal, running, shutdown }
}

impl RunningJournal {
    /// The fault of a call that the journal cannot answer; it comes without waiting for a timeout.
    async fn refusal(&mut self) -> Fault {
        let request = AcceptRequest { items: vec![item()] };
        let limit = Duration::from_secs(2);
        let answer = tokio::time::timeout(limit, self.journal.accept(request)).await;
        Fault::from_status(&answer.expect("the call was not answered").unwrap_err()).unwrap()
    }
}

/// Terminates connections of a database: the writer's, which holds the lock, or all others.
async fn end_connections(database: &str, of_the_writer: bool) {
    let not = if of_the_writer { "" } else { "NOT" };
    let sql = format!(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid() \
         AND pid {not} IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory')"
    );
    let (client, _running) = client(database).await;
    let ended: i64 = client.query_one(&sql, &[]).await.unwrap().get(0);
    assert!(ended > 0);
}

#[tokio::test]
async fn a_writer_that_loses_its_connection_ends_and_refuses_waiting_calls() {
    let database = crate::postgres_cluster::database();
    let mut running = start_journal(&database).await;
    running.journal.accept(AcceptRequest { items: vec![item()] }).await.unwrap();
    end_connections(&database, true).await;
    assert_eq!(running.refusal().await.code, "LT-SYS-002");
    let ended = tokio::time::timeout(WAIT_MAX, running.running.join_next()).await.unwrap();
    assert!(ended.unwrap().unwrap().is_err());
    assert_eq!(running.refusal().await.code, "LT-SYS-002");
}

#[tokio::test]
async fn a_reader_that_loses_its_connection_ends_the_journal() {
    let database = crate::postgres_cluster::database();
    let mut running = start_journal(&database).await;
    running.journal.find(FindRequest::default()).await.unwrap();
    end_connections(&database, false).await;
    let answer = running.journal.find(FindRequest::default()).await.unwrap_err();
    assert_eq!(Fault::from_status(&answer).unwrap().code, "LT-SYS-002");
    let ended = tokio::time::timeout(WAIT_MAX, running.running.join_next()).await.unwrap();
    assert!(ended.unwrap().unwrap().is_err());
}

#[tokio::test]
async fn only_the_owner_may_read_the_database_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let env = Environment::new(Kind::Sqlite).await;
    for file in ["", "-wal", ".lock"] {
        let mode = std::fs::metadata(format!("{}{file}", env.database)).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o600, "{file}");
    }
}

#[tokio::test]
async fn tables_of_a_newer_version_are_not_opened() {
    let env = Environment::new(Kind::Sqlite).await;
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("newer.sqlite").display().to_string();
    let sql = format!("VACUUM INTO '{copy}'");
    env.execute(&sql, "").await;
    let newer = rusqlite::Connection::open(&copy).unwrap();
    newer.execute_batch("INSERT INTO migration (number) VALUES (99)").unwrap();
    let config = config(&copy);
    let parts = (Service::new(&config), CurrentBus::fixed(Bus::embedded(Settings::default())));
    let clock_and_health = (Clock::fixed(1), Health::new());
    let ended = journal::run(config, parts, clock_and_health, CancellationToken::new());
    let error = Box::pin(ended).await.unwrap_err();
    assert!(format!("{error:#}").contains("version 99"), "{error:#}");
}

async fn a_journal_that_ended_refuses_calls_to_be_repeated(env: Environment) {
    let database = env.stop().await;
    let mut running = start_journal(&database.0).await;
    running.journal.accept(AcceptRequest { items: vec![item()] }).await.unwrap();
    running.shutdown.cancel();
    running.running.join_next().await.unwrap().unwrap().unwrap();
    let fault = running.refusal().await;
    assert_eq!((fault.code.as_str(), fault.retry_after_ms), ("LT-SYS-002", 1_000));
    let answer = running.journal.find(FindRequest::default()).await.unwrap_err();
    assert_eq!(answer.code(), tonic::Code::Unavailable);
}

async fn a_message_that_cannot_be_written_is_refused_alone(mut env: Environment) {
    env.execute(
        "CREATE TRIGGER invalid BEFORE INSERT ON message_row WHEN NEW.sender = 'invalid' \
             BEGIN SELECT RAISE(ABORT, 'invalid'); END",
        "ALTER TABLE message_row ADD CHECK (sender <> 'invalid')",
    )
    .await;
    let bad = || with(|it| it.sender = "invalid".to_owned());
    let calls = [vec![item()], vec![item(), bad(), item()], vec![bad()], vec![item()]];
    let calls = calls.map(|items| {
        let mut journal = env.journal.clone();
        async move { journal.accept(AcceptRequest { items }).await }
    });
    let mut answers = futures::future::join_all(calls).await.into_iter();
    let mut next = || answers.next().unwrap();
    let whole = |it: Result<tonic::Response<AcceptResponse>, tonic::Status>| {
        let outcomes = it.unwrap().into_inner().outcomes.into_iter();
        outcomes.map(|it| matches!(it.outcome, Some(Outcome::Receipt(_)))).collect::<Vec<bool>>()
    };
    assert_eq!(whole(next()), [true]);
    assert_eq!(whole(next()), [true, false, true]);
    assert_eq!(Fault::from_status(&next().unwrap_err()).unwrap().code, "LT-JNL-006");
    assert_eq!(whole(next()), [true]);
    // Enough items for PostgreSQL's COPY.
    let mut items: Vec<_> = (0..40).map(|_| item()).collect();
    items[30] = bad();
    let outcomes = whole(env.journal.accept(AcceptRequest { items }).await);
    assert!(outcomes.iter().enumerate().all(|(place, it)| *it == (place != 30)), "{outcomes:?}");
    let (one, other) = (env.accept_one(item()).await.message_id, env.accept_one(item()).await);
    let mut wrong = routing(&one, &["b-app"]);
    let envelope = wrong.derived[0].message.as_mut().unwrap().envelope.as_mut().unwrap();
    envelope.sender = "invalid".to_owned();
    env.record(vec![wrong, routing(&other.message_id, &["b-app"])]).await;
    let summary = env.summary(&one).await;
    assert_eq!(summary.state(), State::Dead, "it waits for an operator");
    assert_eq!(summary.fault.unwrap().code, "LT-JNL-006");
    assert_eq!(env.state(&other.message_id).await, State::Routed);
}

async fn calls_beyond_one_group_are_all_answered(env: Environment) {
    let calls = (0..10).map(|_| {
        let mut journal = env.journal.clone();
        let items = (0..300).map(|_| item()).collect();
        async move { journal.accept(AcceptRequest { items }).await }
    });
    for answer in futures::future::join_all(calls).await {
        assert_eq!(answer.unwrap().into_inner().outcomes.len(), 300);
    }
}

async fn due_messages_do_not_delay_calls(mut env: Environment) {
    const DUE: usize = 5_000;
    let mut expected = HashSet::new();
    for _ in 0..DUE / 250 {
        for outcome in env.accept((0..250).map(|_| item()).collect()).await {
            let Outcome::Receipt(receipt) = outcome else { panic!("{outcome:?}") };
            expected.insert(receipt.message_id);
        }
    }
    env.advance(31);
    let other = env.accept_one(item()).await.message_id;
    let mut published: HashSet<String> = env.published_so_far().into_iter().collect();
    assert!(published.len() <= 2_000, "{} of {DUE} were published before a call", published.len());
    for _ in 0..200 {
        for id in env.published_in_a_while().await {
            if id != other {
                assert!(expected.contains(&id) && published.insert(id), "each is published once");
            }
        }
        if published.len() == DUE {
            return;
        }
        // Messages that found their channel full are due again after a few seconds.
        env.advance(1);
    }
    panic!("{} of {DUE} were published", published.len());
}

async fn a_clock_set_back_delays_no_message(mut env: Environment) {
    let before = env.accept_and_route(item(), &["b-app"]).await.remove(0);
    // The sweeper runs, and its watermark is stored.
    env.advance(31);
    assert_eq!(env.next_published().await.1, before);
    env.set_clock_back(3_600);
    assert_eq!(env.published_in_a_while().await, Vec::<String>::new());
    let id = env.accept_and_route(item_of("later"), &["c-app"]).await.remove(0);
    let session = env.open("c-app", ReceiverClass::Repeatable).await;
    let lease = env.deliver(&session, &id).await;
    env.end(&session, &id, lease, unavailable(0)).await;
    let states = vec![State::Parked.into()];
    let parked = FindRequest { states, derived: true, ..FindRequest::default() };
    // A submitted message matches by the states of its derived ones.
    let parent = env.summary(&id).await.envelope.unwrap().parent;
    let found: HashSet<String> = ids(&env.find(parked).await).into_iter().collect();
    assert_eq!(found, HashSet::from([parent, id.clone()]));
    env.advance(11);
    assert_eq!(env.next_published().await.1, id, "it is due by the new time");
}

async fn a_refusing_channel_is_tried_again_soon(mut env: Environment) {
    let id = env.accept_and_route(item(), &["d-app"]).await.remove(0);
    let other = env.accept_and_route(item(), &["b-app"]).await.remove(0);
    env.advance(31);
    assert_eq!(env.next_published().await.1, other, "other channels are not delayed");
    // A few more tries fail.
    for _ in 0..10 {
        env.advance(5);
        assert_eq!(env.published_in_a_while().await, Vec::<String>::new());
    }
    env.declare_channel("d-app").await;
    let mut published = Vec::new();
    for _ in 0..15 {
        env.advance(5);
        published = env.published_in_a_while().await;
        if !published.is_empty() {
            break;
        }
    }
    assert_eq!(published, std::slice::from_ref(&id), "failed publishes do not lengthen the pause");
    // An operator can publish it at once.
    assert!(env.command(Action::Release, &other).await);
    assert_eq!(env.next_published().await.1, other);
}
