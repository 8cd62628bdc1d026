//! This service's copy of the registry: tokens to applications, and who may write to whom.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use chassis::Upstream;
use chassis::health::Health;
use proto::exchange::v1::LookedUp;
use proto::message::v1::{MessageType, Organisation};
use proto::registry::v1::registry_client::RegistryClient;
use proto::registry::v1::{Application, Right, Snapshot, WatchRequest};
use sha2::{Digest as _, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// The condition of health that somebody can be let in.
const READ: &str = "gateway.registry";
/// How soon a registry that is away is asked again.
const AGAIN: Duration = Duration::from_secs(1);

/// Who calls: the application, and the digest of the token that says so.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) application: Arc<Application>,
    pub(crate) token: [u8; 32],
}

/// One state of the registry, indexed for the gateway's questions.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    revision: String,
    by_token: HashMap<[u8; 32], Arc<Application>>,
    places: HashMap<String, Arc<Semaphore>>,
    organisations: HashMap<String, Known>,
    rights: Vec<Right>,
}

/// An organisation with its name as it is searched.
#[derive(Debug)]
struct Known {
    organisation: Organisation,
    folded: String,
}

impl Directory {
    /// A snapshot indexed. Submits that go on under the older state still count.
    fn new(snapshot: Snapshot, older: &Self, submits_max: usize) -> Self {
        let (mut by_token, mut places) = (HashMap::new(), HashMap::new());
        for application in snapshot.applications {
            let application = Arc::new(application);
            let id = application.id.clone();
            let kept = older.places.get(&id).cloned();
            places.insert(id, kept.unwrap_or_else(|| Arc::new(Semaphore::new(submits_max))));
            for hash in application.token_sha256.iter().filter_map(|it| digest(it)) {
                by_token.insert(hash, application.clone());
            }
        }
        let organisations = snapshot.organisations.into_iter().map(|organisation| {
            let folded = fold(&organisation.name);
            (organisation.key.clone(), Known { organisation, folded })
        });
        Self {
            revision: snapshot.revision,
            organisations: organisations.collect(),
            by_token,
            places,
            rights: snapshot.rights,
        }
    }

    /// True until the registry has spoken.
    pub(crate) fn is_empty(&self) -> bool {
        self.revision.is_empty()
    }

    /// A place for one more submit of this application; none: it has too many at once.
    pub(crate) fn place(&self, application: &str) -> Option<OwnedSemaphorePermit> {
        self.places.get(application)?.clone().try_acquire_owned().ok()
    }

    /// True while the token of this digest opens the door.
    pub(crate) fn is_open(&self, token: &[u8; 32]) -> bool {
        self.by_token.get(token).is_some_and(|it| !it.disabled)
    }

    /// Whose token this is. The digest is looked up, so no byte of a token is ever compared.
    pub(crate) fn caller(&self, token: &str) -> Option<Caller> {
        let token: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        self.by_token.get(&token).map(|it| Caller { application: it.clone(), token })
    }

    /// The name people know an organisation by.
    pub(crate) fn name(&self, key: &str) -> String {
        self.organisations.get(key).map_or_else(String::new, |it| it.organisation.name.clone())
    }

    /// Organisations that have this code, or whose name contains the text in any spelling.
    pub(crate) fn lookup(&self, from: &str, text: &str, today: &str, most: usize) -> Vec<LookedUp> {
        let (code, words) = (text.trim(), fold(text.trim()));
        let mut found: Vec<_> = self
            .organisations
            .values()
            .filter(|it| {
                it.organisation.key.eq_ignore_ascii_case(code)
                    || it.folded.contains(&words)
                    || it.organisation.codes.iter().any(|it| it.value.eq_ignore_ascii_case(code))
            })
            .map(|it| &it.organisation)
            .collect();
        found.sort_by(|left, right| left.key.cmp(&right.key));
        found.truncate(most);
        found
            .into_iter()
            .map(|it| LookedUp {
                may_send: if is_in_force(it, today) {
                    self.may_send(from, &it.key, today)
                } else {
                    Vec::new()
                },
                organisation: Some(it.clone()),
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

fn is_in_force(organisation: &Organisation, today: &str) -> bool {
    let (from, to) = (organisation.valid_from.as_str(), organisation.valid_to.as_str());
    from <= today && (to.is_empty() || to >= today)
}

/// A name without what people leave out when they type: case, marks, the bar of đ.
fn fold(name: &str) -> String {
    let plain = name.nfd().filter(|it| !is_combining_mark(*it)).map(|it| match it {
        'đ' | 'Đ' => 'd',
        other => other,
    });
    plain.flat_map(char::to_lowercase).collect()
}

fn digest(hex: &str) -> Option<[u8; 32]> {
    bus::Claim::from_hex(hex, 0).map(|it| it.sha256)
}

/// The state in force; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Registered(Arc<ArcSwap<Directory>>);

impl Registered {
    /// Nothing is known yet, so nobody is let in.
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn now(&self) -> Arc<Directory> {
        self.0.load_full()
    }

    /// Follows the registry for ever. While it is away the copy stays in force.
    pub(crate) async fn follow(&self, registry: Upstream, submits_max: usize, health: &Health) {
        if self.now().is_empty() {
            health.unwell(READ, "the registry was not read yet");
        } else {
            health.well(READ);
        }
        loop {
            if let Err(error) = self.watch(registry.clone(), submits_max, health).await {
                tracing::warn!(error = format!("{error:#}"), "registry is away");
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn watch(
        &self,
        registry: Upstream,
        submits_max: usize,
        health: &Health,
    ) -> anyhow::Result<()> {
        let mut client = RegistryClient::new(registry).max_decoding_message_size(64 << 20);
        let request = WatchRequest { known_revision: self.now().revision.clone() };
        let watched = client.watch(request).await.context("the registry cannot be watched")?;
        let mut states = watched.into_inner();
        while let Some(state) = states.message().await.context("the registry's watch broke")? {
            let directory = Directory::new(state, &self.now(), submits_max);
            self.0.store(Arc::new(directory));
            health.well(READ);
        }
        anyhow::bail!("the registry ended its watch")
    }
}

#[cfg(test)]
mod tests {
    use proto::message::v1::OrganisationCode;

    use super::*;

    fn organisation(key: &str, name: &str, valid_to: &str) -> Organisation {
        let code = OrganisationCode { value: format!("{key}.H57"), ..OrganisationCode::default() };
        Organisation {
            key: key.to_owned(),
            name: name.to_owned(),
            codes: vec![code],
            valid_to: valid_to.to_owned(),
            ..Organisation::default()
        }
    }

    fn directory() -> Directory {
        let right = Right {
            from: "a".to_owned(),
            to: "*".to_owned(),
            types: vec![MessageType::Document.into()],
            ..Right::default()
        };
        let organisations = vec![
            organisation("a", "Ban Dân vận", ""),
            organisation("b", "Đảng ủy xã Đông Hà", ""),
            organisation("c", "Đảng ủy cũ", "2026-06-30"),
        ];
        let revision = "1".to_owned();
        let snapshot =
            Snapshot { revision, organisations, rights: vec![right], ..Snapshot::default() };
        Directory::new(snapshot, &Directory::default(), 1)
    }

    fn keys(text: &str) -> Vec<(String, usize)> {
        let found = directory().lookup("a", text, "2026-07-01", 10);
        let key = |it: LookedUp| (it.organisation.unwrap().key, it.may_send.len());
        found.into_iter().map(key).collect()
    }

    #[test]
    fn names_are_found_in_any_spelling_and_codes_whole() {
        let b = vec![("b".to_owned(), 1)];
        assert_eq!(keys("dang uy xa dong"), b);
        assert_eq!(keys("ĐẢNG ỦY XÃ"), b);
        assert_eq!(keys("B.h57"), b);
        assert_eq!(keys("H57"), []);
    }

    #[test]
    fn nobody_may_write_to_an_organisation_that_has_ended() {
        assert_eq!(keys("đảng ủy"), [("b".to_owned(), 1), ("c".to_owned(), 0)]);
    }
}
