//! This service's copy of the registry: tokens to applications, and who may write to whom.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use chassis::Upstream;
use proto::exchange::v1::LookedUp;
use proto::journal::v1::MessageType;
use proto::registry::v1::registry_client::RegistryClient;
use proto::registry::v1::{Application, Organisation, Right, Snapshot, WatchRequest};
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

/// One state of the registry, indexed for the gateway's questions.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    revision: String,
    by_token: HashMap<[u8; 32], Arc<Application>>,
    organisations: HashMap<String, Arc<Organisation>>,
    rights: Vec<Right>,
}

impl Directory {
    fn new(snapshot: Snapshot) -> Self {
        let mut by_token = HashMap::new();
        for application in snapshot.applications {
            let application = Arc::new(application);
            for hash in application.token_sha256.iter().filter_map(|it| digest(it)) {
                by_token.insert(hash, application.clone());
            }
        }
        let organisations =
            snapshot.organisations.into_iter().map(|it| (it.key.clone(), Arc::new(it))).collect();
        Self { revision: snapshot.revision, by_token, organisations, rights: snapshot.rights }
    }

    /// Whose token this is. The digest is looked up, so no byte of a token is ever compared.
    pub(crate) fn application(&self, token: &str) -> Option<Arc<Application>> {
        let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        self.by_token.get(&hash).cloned()
    }

    /// The name people know an organisation by.
    pub(crate) fn name(&self, key: &str) -> String {
        self.organisations.get(key).map_or_else(String::new, |it| it.name.clone())
    }

    /// Organisations of which a code or the name contains the text.
    pub(crate) fn lookup(&self, from: &str, text: &str, today: &str, most: usize) -> Vec<LookedUp> {
        let wanted = text.trim().to_lowercase();
        let mut found: Vec<_> = self
            .organisations
            .values()
            .filter(|it| {
                it.key == wanted
                    || it.name.to_lowercase().contains(&wanted)
                    || it.codes.iter().any(|code| code.value.eq_ignore_ascii_case(&wanted))
            })
            .cloned()
            .collect();
        found.sort_by(|left, right| left.key.cmp(&right.key));
        found.truncate(most);
        found
            .into_iter()
            .map(|it| LookedUp {
                may_send: self.may_send(from, &it.key, today),
                organisation: Some(Organisation::clone(&it)),
            })
            .collect()
    }

    fn may_send(&self, from: &str, to: &str, today: &str) -> Vec<i32> {
        let mut types: Vec<i32> = self
            .rights
            .iter()
            .filter(|it| (it.from == "*" || it.from == from) && (it.to == "*" || it.to == to))
            .filter(|it| it.valid_from.as_str() <= today)
            .filter(|it| it.valid_to.is_empty() || it.valid_to.as_str() >= today)
            .flat_map(|it| it.types.iter().copied())
            .filter(|it| *it != i32::from(MessageType::Unspecified))
            .collect();
        types.sort_unstable();
        types.dedup();
        types
    }
}

fn digest(hex: &str) -> Option<[u8; 32]> {
    bus::Claim::from_hex(hex, 0).map(|it| it.sha256)
}

/// The state in force; clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registered(Arc<ArcSwap<Directory>>);

impl Registered {
    pub(crate) fn now(&self) -> Arc<Directory> {
        self.0.load_full()
    }

    /// Follows the registry until `shutdown`. The copy stays in force when this fails.
    pub(crate) async fn follow(
        &self,
        registry: Upstream,
        health: &chassis::health::Health,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<()> {
        let mut client = RegistryClient::new(registry).max_decoding_message_size(64 << 20);
        let request = WatchRequest { known_revision: self.now().revision.clone() };
        let watching = async {
            let watched = client.watch(request).await.context("the registry cannot be watched")?;
            let mut states = watched.into_inner();
            while let Some(state) = states.message().await.context("the registry's watch broke")? {
                self.0.store(Arc::new(Directory::new(state)));
                health.well("gateway.registry");
            }
            anyhow::bail!("the registry ended its watch")
        };
        tokio::select! {
            () = shutdown.cancelled() => Ok(()),
            outcome = watching => outcome,
        }
    }
}
