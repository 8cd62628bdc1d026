//! Follows the folder of format descriptions: reads it when it has changed, and decides what of it may
//! come into force.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chassis::Upstream;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::StoredFormat;
use proto::registry::v1::FormatDescription;

use crate::folder_watch::FolderWatch;
use crate::format_engine::FormatEngine;
use crate::format_folder::{FormatsConfig, FoundDescription, formats_state, read_descriptions};
use crate::format_store::store_formats;
use crate::loaded_formats::{LoadedFormats, ResolveContext, UsedFormats, resolve, version_fault};
use crate::yaml_files::FolderState;

/// Where formats come from beside those that are shipped, and who keeps them.
#[derive(Clone, Debug)]
pub struct FormatSources {
    /// The folder of descriptions, and its bounds.
    pub config: FormatsConfig,
    /// The format engine.
    pub engine: Arc<dyn FormatEngine>,
    /// The journal, which keeps every version; none: no version is kept.
    pub store: Option<Upstream>,
}

/// The folder as it was read last, and what is known of its descriptions.
#[derive(Debug)]
pub(crate) struct FormatFollower {
    sources: FormatSources,
    watch: FolderWatch,
    files: Vec<FoundDescription>,
    /// Hashes that the journal has.
    stored: BTreeSet<String>,
    /// Hashes that the journal refused, and why.
    refused: BTreeMap<String, Fault>,
    /// Hashes that the journal could not store yet, and why.
    waiting: BTreeMap<String, Fault>,
    /// True: what was read is not in force yet, or waits for the journal.
    is_due: bool,
}

impl FormatFollower {
    pub(crate) fn new(sources: FormatSources) -> Self {
        Self {
            sources,
            watch: FolderWatch::default(),
            files: Vec::new(),
            stored: BTreeSet::new(),
            refused: BTreeMap::new(),
            waiting: BTreeMap::new(),
            is_due: false,
        }
    }

    /// Looks at the folder; true when there is something to put in force.
    pub(crate) async fn look(&mut self, is_first: bool) -> anyhow::Result<bool> {
        let state = self.state().await?;
        if self.watch.is_due(&state, is_first) {
            let config = self.sources.config.clone();
            let files = tokio::task::spawn_blocking(move || read_descriptions(&config)).await?;
            // What changed while it was read is read again.
            if self.state().await? == state {
                self.files = files;
                self.is_due = true;
                self.watch.handle(state.clone());
            }
        }
        self.watch.see(state);
        Ok(self.is_due)
    }

    async fn state(&self) -> anyhow::Result<FolderState> {
        let config = self.sources.config.clone();
        Ok(tokio::task::spawn_blocking(move || formats_state(&config)).await?)
    }

    /// Decides which formats may come into force, and has the journal store them. The second value
    /// is true while one waits for the journal; at the very first start none does.
    pub(crate) async fn load(
        &mut self,
        in_force: &[FormatDescription],
        used: &UsedFormats,
        is_first: bool,
    ) -> (LoadedFormats, bool) {
        self.waiting.clear();
        let loaded = self.resolve(in_force, used).await;
        let Some(store) = self.sources.store.clone() else { return (loaded, false) };
        let is_stored = |it: &&FormatDescription| {
            self.stored.contains(&it.hash) || in_force.iter().any(|known| known.hash == it.hash)
        };
        let new: Vec<_> = loaded.formats.iter().filter(|it| !is_stored(it)).cloned().collect();
        if new.is_empty() {
            return (loaded, false);
        }
        match store_formats(store, &new).await {
            Ok(conflicts) => {
                for it in new {
                    self.note_stored(it, &conflicts);
                }
                if conflicts.is_empty() {
                    return (loaded, false);
                }
            }
            // The roles that the journal waits for wait for the registry. Mapping has every version
            // kept that it uses.
            Err(status) if is_first => {
                let error = status.message();
                tracing::warn!(error, "formats are in force before the journal keeps them");
                return (loaded, false);
            }
            Err(status) => {
                let waits = |it: FormatDescription| {
                    let fault = Fault::new(&code::LT_FMT_032).param("format", &it.name);
                    (it.hash, fault.param("message", status.message()))
                };
                self.waiting = new.into_iter().map(waits).collect();
            }
        }
        (self.resolve(in_force, used).await, !self.waiting.is_empty())
    }

    /// Notes what the journal did with a format.
    fn note_stored(&mut self, format: FormatDescription, conflicts: &[StoredFormat]) {
        let is_other = |it: &&StoredFormat| it.name == format.name && it.version == format.version;
        match conflicts.iter().find(is_other) {
            Some(it) => {
                let fault = version_fault(&format, &it.hash);
                self.refused.insert(format.hash, fault);
            }
            None => {
                self.stored.insert(format.hash);
            }
        }
    }

    /// As [`load`](Self::load), for formats that were stored meanwhile or are not new.
    pub(crate) async fn resolve(
        &self,
        in_force: &[FormatDescription],
        used: &UsedFormats,
    ) -> LoadedFormats {
        let (files, engine) = (self.files.clone(), Arc::clone(&self.sources.engine));
        let refused = self.waiting.iter().chain(&self.refused);
        let refused: BTreeMap<_, _> =
            refused.map(|(hash, fault)| (hash.clone(), fault.clone())).collect();
        let (in_force, used) = (in_force.to_vec(), used.clone());
        let kept = in_force.clone();
        let resolving = move || {
            let context = ResolveContext {
                engine: &*engine,
                in_force: &in_force,
                used: &used,
                refused: &refused,
            };
            resolve(&files, &context)
        };
        // A description must not end the registry, even where it ends the engine.
        tokio::task::spawn_blocking(resolving).await.unwrap_or_else(|error| {
            tracing::error!(%error, "the format engine failed; the formats in force stay");
            LoadedFormats { formats: kept, ..LoadedFormats::default() }
        })
    }

    /// What was read is in force, or waits.
    pub(crate) fn settle(&mut self, is_waiting: bool) {
        self.is_due = is_waiting;
    }

    pub(crate) fn engine(&self) -> &dyn FormatEngine {
        &*self.sources.engine
    }
}
