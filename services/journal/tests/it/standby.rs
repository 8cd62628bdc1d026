//! A second journal on the same PostgreSQL database waits as a standby, and callers with both
//! addresses follow the one that holds the lock.

use std::net::SocketAddr;
use std::time::Duration;

use bus::{Bus, CurrentBus, Settings};
use chassis::health::Health;
use chassis::upstream::{Network, STANDBY_HEADER};
use chassis::{Clock, Upstream};
use journal::Service;
use proto::fault::v1::Fault;
use proto::journal::v1::accept_outcome::Outcome;
use proto::journal::v1::journal_client::JournalClient;
use proto::journal::v1::{AcceptRequest, Acceptance, FindRequest};
use proto::message::v1::Receipt;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

use crate::environment::{WAIT_MAX, client as client_of, config, eventually, item};
use crate::proxy::Proxy;

/// The longest that callers wait until the standby serves them.
const TAKEOVER_MAX: Duration = Duration::from_secs(5);

/// A journal with a listener of its own. Dropping it ends it as a kill does: the kernel closes its
/// sockets, and nothing is said in the journal.
struct Process {
    address: SocketAddr,
    health: Health,
    _running: JoinSet<()>,
}

impl Process {
    async fn start(database: &str) -> Self {
        // No sweep while a test lasts: what is cut off inside a transaction may keep the lock for 11 s.
        let config = journal::Config { sweep_ms: 600_000, ..config(database) };
        let service = Service::new(&config);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (health, mut running) = (Health::new(), JoinSet::new());
        health.unwell("journal", "not started yet");
        let server = tonic::transport::Server::builder().add_service(service.server());
        running.spawn(async move {
            server.serve_with_incoming(TcpListenerStream::new(listener)).await.unwrap();
        });
        let told = health.clone();
        running.spawn(async move {
            // As the chassis does, the journal is started again when it fails.
            loop {
                let bus = Bus::embedded(Settings { partitions: 1, ..Settings::default() });
                let parts = (service.clone(), CurrentBus::fixed(bus));
                let stands = (Clock::System, told.clone());
                let stop = CancellationToken::new();
                let ended = Box::pin(journal::run(config.clone(), parts, stands, stop)).await;
                tracing::warn!(?ended, "a journal ended");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        });
        Self { address, health, _running: running }
    }

    async fn until_serving(&self) {
        eventually(async || self.health.is_ready().then_some(())).await;
    }
}

fn client(addresses: &[SocketAddr]) -> JournalClient<Upstream> {
    let uris: Vec<String> = addresses.iter().map(|it| format!("http://{it}")).collect();
    JournalClient::new(Upstream::network(&Network::new(uris.join(","))).unwrap())
}

async fn accept(journal: &JournalClient<Upstream>, item: &Acceptance) -> Result<Receipt, Status> {
    let request = AcceptRequest { items: vec![item.clone()] };
    let accepted = journal.clone().accept(request).await?.into_inner().outcomes.remove(0);
    let Some(Outcome::Receipt(receipt)) = accepted.outcome else { panic!("{accepted:?}") };
    Ok(receipt)
}

/// Repeats a call, as callers of a retryable failure do, until it succeeds; and how long that took.
async fn accept_again(journal: &JournalClient<Upstream>, item: &Acceptance) -> (Receipt, Duration) {
    let begun = Instant::now();
    while begun.elapsed() < WAIT_MAX {
        // Several at once, as a gateway has them.
        let mut calls = JoinSet::new();
        for _ in 0..4 {
            let (journal, item) = (journal.clone(), item.clone());
            calls.spawn(async move { accept(&journal, &item).await });
        }
        let outcomes = calls.join_all().await;
        for status in outcomes.iter().filter_map(|it| it.as_ref().err()) {
            let retryable = [Code::Unavailable, Code::Unknown, Code::Cancelled];
            assert!(retryable.contains(&status.code()), "{status:?}");
        }
        if let Some(receipt) = outcomes.into_iter().find_map(Result::ok) {
            return (receipt, begun.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no journal serves");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_refuses_at_once_and_serves_soon_after_a_kill_of_the_first() {
    let database = crate::postgres_cluster::database();
    let first = Process::start(&database).await;
    first.until_serving().await;
    let second = Process::start(&database).await;
    let begun = Instant::now();
    let refused = client(&[second.address]).find(FindRequest::default()).await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    let fault = Fault::from_status(&refused).unwrap();
    assert_eq!((refused.code(), fault.code.as_str()), (Code::Unavailable, "LT-SYS-002"));
    assert!(fault.is_retryable());
    assert!(refused.metadata().get(STANDBY_HEADER).is_some());

    // The standby stands first in the list, so that the first call has to move on.
    let journal = client(&[second.address, first.address]);
    let item = item();
    let (receipt, _) = accept_again(&journal, &item).await;
    assert!(!second.health.is_ready(), "a standby is not ready");

    drop(first);
    let (again, took) = accept_again(&journal, &item).await;
    println!("the standby took over in {took:?}");
    assert!(took < TAKEOVER_MAX, "{took:?}");
    assert_eq!(again.message_id, receipt.message_id, "what was answered is not lost");
    second.until_serving().await;
}

/// Cuts the first off while its writer is between two transactions, in which silence may last
/// longer: what a call leaves to be written is written soon after its answer, at any moment.
async fn freeze_outside_a_transaction(server: &Proxy, database: &str) {
    let (client, _running) = client_of(database).await;
    eventually(async || {
        server.freeze();
        // What had passed already has arrived by then.
        tokio::time::sleep(Duration::from_millis(50)).await;
        let writer = "SELECT state FROM pg_stat_activity WHERE datname = current_database() \
             AND pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory')";
        let state: String = client.query_one(writer, &[]).await.unwrap().get(0);
        if state != "idle" {
            server.thaw();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        (state == "idle").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_that_is_cut_off_loses_the_lock_and_its_callers() {
    let database = crate::postgres_cluster::database();
    let (server, through) = Proxy::to_database(&database).await;
    let first = Process::start(&through).await;
    first.until_serving().await;
    let second = Process::start(&database).await;
    let listener = Proxy::to_address(first.address).await;
    let journal = client(&[listener.address, second.address]);
    let item = item();
    let (receipt, _) = accept_again(&journal, &item).await;

    // All its connections stay open, and nothing passes: nobody is told that it is gone.
    freeze_outside_a_transaction(&server, &database).await;
    listener.freeze();
    let (again, took) = accept_again(&journal, &item).await;
    println!("the standby took over in {took:?}");
    assert!(took < TAKEOVER_MAX, "{took:?}");
    assert_eq!(again.message_id, receipt.message_id);

    // The first is alive. It must have noticed by itself that it no longer holds the lock.
    let refused = async || {
        let mut journal = client(&[first.address]);
        let asking = journal.find(FindRequest::default());
        tokio::time::timeout(Duration::from_secs(1), asking).await.ok()?.err()
    };
    let refused = eventually(refused).await;
    assert!(refused.metadata().get(STANDBY_HEADER).is_some(), "{refused:?}");
    server.thaw();
    listener.thaw();
    let (again, _) = accept_again(&journal, &item).await;
    assert_eq!(again.message_id, receipt.message_id);
    assert!(!first.health.is_ready() && second.health.is_ready());
}
