//! The real journal on SQLite.

use std::collections::HashMap;
use std::path::Path;

use bus::Bus;
use chassis::health::Health;
use chassis::{Clock, Upstream};
use proto::journal::v1::journal_client::JournalClient;
use proto::journal::v1::{FindRequest, JourneyRequest, Summary};
use proto::message::v1::State;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::waiting::wait_for;

/// A running journal; it is aborted when this is dropped.
#[derive(Debug)]
pub(crate) struct TestJournal {
    pub(crate) client: JournalClient<Upstream>,
    /// How the gateway reaches it.
    pub(crate) upstream: Upstream,
    _running: JoinSet<()>,
}

impl TestJournal {
    pub(crate) async fn start(folder: &Path, bus: Bus, clock: Clock) -> Self {
        let mut config: toml::Table = toml::from_str(journal::DEFAULTS).unwrap();
        let database = folder.join("journal.sqlite").display().to_string();
        config.insert("database".to_owned(), database.into());
        config.insert("sweep_ms".to_owned(), 20.into());
        let config: journal::Config = config.try_into().unwrap();
        let service = journal::Service::new(&config);
        let upstream = Upstream::local(service.server());
        let health = Health::new();
        health.unwell("journal", "not started yet");
        let (watched, shutdown) = (health.clone(), CancellationToken::new());
        let mut running = JoinSet::new();
        running.spawn(async move {
            Box::pin(journal::run(
                config,
                (service, bus::CurrentBus::fixed(bus)),
                (clock, watched),
                shutdown,
            ))
            .await
            .unwrap();
        });
        wait_for(async || health.is_ready().then_some(())).await;
        let client = JournalClient::new(upstream.clone());
        Self { client, upstream, _running: running }
    }

    /// The submitted messages by their key.
    pub(crate) async fn submitted(&self) -> HashMap<String, Summary> {
        let mut submitted = HashMap::new();
        let mut find = FindRequest { limit: 500, ..FindRequest::default() };
        loop {
            let found = self.client.clone().find(find.clone()).await.unwrap().into_inner();
            submitted.extend(found.messages.into_iter().map(|it| (it.key.clone(), it)));
            if found.next.is_empty() {
                return submitted;
            }
            find.cursor = found.next;
        }
    }

    /// Message ids of the submitted messages by their key.
    pub(crate) async fn submitted_ids(&self) -> HashMap<String, String> {
        let submitted = self.submitted().await.into_iter();
        submitted.map(|(key, it)| (key, it.envelope.unwrap().id)).collect()
    }

    /// State of a submitted or derived message.
    pub(crate) async fn state(&self, id: &str) -> State {
        let journey = JourneyRequest { message_id: id.to_owned() };
        let journey = self.client.clone().journey(journey).await.unwrap().into_inner();
        let mut messages = journey.derived.into_iter().chain(journey.message);
        let is_it = |it: &Summary| it.envelope.as_ref().is_some_and(|it| it.id == id);
        messages.find(is_it).unwrap().state()
    }
}
