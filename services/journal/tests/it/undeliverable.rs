//! The undeliverable channel of a real broker, with the journal running.

use std::time::Duration;

use bus::{Bus, Channel, CurrentBus, Publish as _, Settings};
use chassis::{Clock, Upstream, health::Health};
use journal::Service;
use lapin::options::BasicPublishOptions;
use lapin::{BasicProperties, Connection, ConnectionProperties};
use prost::Message as _;
use proto::journal::v1::accept_outcome::Outcome;
use proto::journal::v1::journal_client::JournalClient;
use proto::journal::v1::{AcceptRequest, Refusal};
use tokio_util::sync::CancellationToken;

use crate::environment::{item, stored_copy};
use crate::node::Node;

const WAIT_MAX: Duration = Duration::from_secs(30);

/// Publishes to the broker without the gateway: no content type, no envelope.
#[expect(clippy::disallowed_methods, reason = "this client is not ours")]
async fn publish_foreign(url: &str, properties: Vec<BasicProperties>) {
    let connection = Connection::connect(url, ConnectionProperties::default()).await.unwrap();
    let link = connection.create_channel().await.unwrap();
    for properties in properties {
        let (options, body) = (BasicPublishOptions::default(), b"from elsewhere");
        let sent =
            link.basic_publish("lienthong.intake".into(), "x".into(), options, body, properties);
        sent.await.unwrap().await.unwrap();
    }
    connection.close(200, "done".into()).await.unwrap();
}

/// Keys and details of the refusals, once there are this many; those of one key count as one row.
async fn refusals(database: &str, count: usize) -> Vec<(String, String)> {
    let reader = rusqlite::Connection::open(database).unwrap();
    let until = tokio::time::Instant::now() + WAIT_MAX;
    loop {
        let mut asked = reader
            .prepare("SELECT item_key, details FROM refusal ORDER BY last_at, item_key")
            .unwrap();
        let read = |row: &rusqlite::Row<'_>| {
            let details = Refusal::decode(row.get::<_, Vec<u8>>(1)?.as_slice()).unwrap();
            let fault = details.fault.unwrap();
            assert_eq!(fault.code, "LT-JNL-007");
            Ok((row.get(0)?, fault.detail))
        };
        let found: Vec<_> = asked.query_map([], read).unwrap().map(Result::unwrap).collect();
        if found.len() >= count {
            return found;
        }
        assert!(tokio::time::Instant::now() < until, "only {found:?} were refused");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// True when the journal recorded that the message was undeliverable.
async fn is_recorded(journal: &mut JournalClient<Upstream>, id: &str) -> bool {
    let request = proto::journal::v1::JourneyRequest { message_id: id.to_owned() };
    let journey = journal.journey(request).await.unwrap().into_inner();
    journey.message.unwrap().fault.is_some_and(|it| it.code == "LT-JNL-007")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_undeliverable_message_is_a_refusal_and_stops_nothing() {
    let node = tokio::task::spawn_blocking(|| Node::start(1)).await.unwrap();
    let settings = Settings { url: node.url(0), partitions: 1, ..Settings::default() };
    let bus = Bus::connect(settings).await.unwrap();
    bus.declare_topology().await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("journal.sqlite").display().to_string();
    let config = crate::environment::config(&database);
    let service = Service::new(&config);
    let mut journal = JournalClient::new(Upstream::local(service.server()));
    let (health, stop) = (Health::new(), CancellationToken::new());
    let clock_and_health = (Clock::System, health.clone());
    let running = Box::pin(journal::run(
        config,
        (service, CurrentBus::fixed(bus.clone())),
        clock_and_health,
        stop.clone(),
    ));
    let checking = async {
        let request = AcceptRequest { items: vec![item()] };
        // Calls are refused until the journal has opened its database.
        let accepted = async || journal.clone().accept(request.clone()).await.ok();
        let accepted =
            crate::environment::eventually(accepted).await.into_inner().outcomes.remove(0);
        let Some(Outcome::Receipt(receipt)) = accepted.outcome else { panic!("{accepted:?}") };
        let foreign_id = uuid::Uuid::new_v4().to_string();
        let without_id = BasicProperties::default();
        let with_id = BasicProperties::default().with_message_id(foreign_id.clone().into());
        publish_foreign(&node.url(0), vec![without_id.clone(), with_id, without_id]).await;
        let refused = refusals(&database, 2).await;
        assert_eq!(refused.iter().filter(|it| it.0 == foreign_id).count(), 1, "{refused:?}");
        assert!(refused.iter().all(|it| it.1.contains("content type")), "{refused:?}");

        // Messages that the journal knows are recorded and published again.
        let unknown = uuid::Uuid::new_v4().to_string();
        let known = stored_copy(&mut journal, &receipt.message_id).await;
        let foreign = bus::Message { id: unknown.parse().unwrap(), ..known.clone() };
        let publisher = bus.publisher().await.unwrap();
        let batch = [known, foreign].map(|it| (Channel::undeliverable(), it));
        let outcomes = publisher.publish(batch.into()).await;
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
        let refused = refusals(&database, 3).await.remove(2);
        assert_eq!(refused, (unknown, "the journal does not know it".to_owned()));
        let until = tokio::time::Instant::now() + WAIT_MAX;
        while !is_recorded(&mut journal, &receipt.message_id).await {
            assert!(tokio::time::Instant::now() < until, "it was not recorded");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(health.is_ready());
    };
    tokio::select! {
        ended = running => panic!("the journal ended: {ended:?}"),
        () = checking => {}
    }
    stop.cancel();
}
