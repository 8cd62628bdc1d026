//! Follows the folder: what changed counts once two looks in a row have seen the same.

use std::sync::Arc;
use std::time::Duration;

use chassis::health::Health;
use chassis::metrics::Level;
use tokio_util::sync::CancellationToken;

use crate::check::{CheckedFolder, check_folder};
use crate::folder_watch::FolderWatch;
use crate::format_engine::KnownFormats;
use crate::format_follower::FormatFollower;
use crate::in_force::{InForce, Outcome};
use crate::loaded_formats::{LoadedFormats, UsedFormats, used_formats};
use crate::mistake::Mistake;
use crate::record::record_forced;
use crate::server::{Config, Service};
use crate::yaml_files::{FolderState, folder_state};

/// The condition in health.
const CONDITION: &str = "registry";

/// The condition of the file that stores what is in force.
const STATE_CONDITION: &str = "registry.state";

/// The condition of the folder of format descriptions.
const FORMATS_CONDITION: &str = "registry.formats";

/// Reads the folders, and again whenever they change, until `shutdown`. A folder with mistakes changes
/// nothing, and one that loses much waits for an operator.
///
/// # Errors
///
/// The folder has mistakes and no earlier snapshot is in force.
pub async fn run(
    config: Config,
    service: Service,
    health: Health,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    // A watch never ends by itself, so an open one would hold up a server that drains.
    let _run_end = service.begin_run().drop_guard();
    restore(&config, &service, &health).await?;
    let mut follower = Follower {
        config: &config,
        service: &service,
        health: &health,
        watch: FolderWatch::default(),
        formats: service.formats.clone().map(FormatFollower::new),
        registry_revision: service.in_force.lock().folder().snapshot.revision.clone(),
    };
    let counts = Level::new(
        "lienthong.registry.mistakes",
        "{mistake}",
        "Mistakes in a watched folder, whose last good state is in force, by folder",
    );
    loop {
        follower.poll().await?;
        report_state(&service, &health);
        for (folder, mistakes) in
            [("registry", service.mistakes()), ("formats", service.format_mistakes())]
        {
            let count = u32::try_from(mistakes.len()).unwrap_or(u32::MAX);
            counts.set_for(f64::from(count), "folder", folder);
        }
        record_forced(&service).await;
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            () = tokio::time::sleep(Duration::from_millis(config.poll_ms)) => {}
        }
    }
}

/// Follows both folders.
struct Follower<'a> {
    config: &'a Config,
    service: &'a Service,
    health: &'a Health,
    watch: FolderWatch,
    formats: Option<FormatFollower>,
    /// Revision of the registry's folder beside which the formats were decided.
    registry_revision: String,
}

/// What one look decided about formats.
struct FormatDecision {
    /// With the formats that the registry as it is now names.
    loaded: LoadedFormats,
    /// With those that the registry in force names as well, for when it stays in force.
    fallback: LoadedFormats,
    is_waiting: bool,
}

impl Follower<'_> {
    /// Looks at both folders, and puts in force what has changed.
    async fn poll(&mut self) -> anyhow::Result<()> {
        let is_first = self.service.snapshot().revision.is_empty();
        let revision = self.service.in_force.lock().folder().snapshot.revision.clone();
        // An operator may have put a registry in force that uses other formats.
        let is_forced = revision != self.registry_revision;
        let are_formats_due = match &mut self.formats {
            Some(formats) => formats.look(is_first).await? || is_forced,
            None => false,
        };
        let state = look(self.config).await?;
        // An editor empties a file before it writes it, and a copy takes time: a state counts when
        // it has not changed between two looks, nor while it was read.
        let is_due = self.watch.is_due(&state, is_first)
            || (are_formats_due && self.watch.is_steady(&state, is_first));
        if is_due {
            let candidate = check_in_background(self.config, None).await?;
            let used = candidate.as_ref().ok().map(|it| used_formats(&it.snapshot));
            let decision = self.decide(used).await;
            let checked = self.check_formats(candidate, decision.as_ref()).await?;
            if is_first || look(self.config).await? == state {
                self.apply(checked, decision)?;
                self.watch.handle(state.clone());
            }
        } else if are_formats_due {
            let decision = self.decide(None).await;
            let mut in_force = self.service.in_force.lock();
            self.apply_formats(decision, false, &mut in_force);
        }
        self.watch.see(state);
        Ok(())
    }

    /// Decides which formats may come into force beside a registry that names these; none: beside the
    /// one in force. None where no formats are loaded.
    async fn decide(&mut self, used: Option<UsedFormats>) -> Option<FormatDecision> {
        let formats = self.formats.as_mut()?;
        let (in_force, named) = {
            let in_force = self.service.in_force.lock();
            (in_force.formats().to_vec(), used_formats(&in_force.folder().snapshot))
        };
        let used = used.unwrap_or_else(|| named.clone());
        let is_first = !self.service.in_force.lock().has_revision();
        let (loaded, is_waiting) = formats.load(&in_force, &used, is_first).await;
        let is_covered = named.keys().all(|it| used.contains_key(it));
        let fallback = if is_covered {
            loaded.clone()
        } else {
            let both = used.into_iter().chain(named).collect();
            formats.resolve(&in_force, &both).await
        };
        Some(FormatDecision { loaded, fallback, is_waiting })
    }

    /// Checks the formats that the registry names against those that may come into force.
    async fn check_formats(
        &self,
        candidate: Result<CheckedFolder, Vec<Mistake>>,
        decision: Option<&FormatDecision>,
    ) -> anyhow::Result<Result<CheckedFolder, Vec<Mistake>>> {
        let (Ok(_), Some(decision), Some(formats)) = (&candidate, decision, &self.formats) else {
            return Ok(candidate);
        };
        let known = decision.loaded.known(formats.engine());
        check_in_background(self.config, Some(known)).await
    }

    /// Puts the registry and the formats in force together, or reports what prevents it.
    fn apply(
        &mut self,
        checked: Result<CheckedFolder, Vec<Mistake>>,
        decision: Option<FormatDecision>,
    ) -> anyhow::Result<()> {
        let service = self.service;
        match checked {
            Ok(folder) => {
                service.mistakes.send_replace(Arc::default());
                let mut in_force = service.in_force.lock();
                let is_changed = service.change(folder, self.health, &mut in_force);
                self.apply_formats(decision, is_changed, &mut in_force);
                Ok(())
            }
            Err(mistakes) => {
                let mut in_force = service.in_force.lock();
                self.apply_formats(decision, false, &mut in_force);
                drop(in_force);
                service.keep_last(mistakes, self.health, self.config)
            }
        }
    }

    /// Puts formats in force and sends the snapshot to watchers.
    fn apply_formats(
        &mut self,
        decision: Option<FormatDecision>,
        is_registry_changed: bool,
        in_force: &mut InForce,
    ) {
        if let (Some(formats), Some(decision)) = (&mut self.formats, decision) {
            let FormatDecision { loaded, fallback, is_waiting } = decision;
            let loaded = if is_registry_changed { loaded } else { fallback };
            in_force.change_formats(loaded.formats);
            formats.settle(is_waiting);
            self.report_formats(loaded.mistakes);
        }
        self.registry_revision.clone_from(&in_force.folder().snapshot.revision);
        if in_force.has_revision() {
            self.service.publish(&in_force.snapshot());
        }
    }

    /// Shows the mistakes of format descriptions; a new one is logged.
    fn report_formats(&self, mistakes: Vec<Mistake>) {
        let known = self.service.format_mistakes();
        for it in mistakes.iter().filter(|it| !known.contains(it)) {
            let file = it.file.as_str();
            tracing::warn!(file, error = %it.fault, "format description is not in force");
        }
        match mistakes.len() {
            0 => self.health.well(FORMATS_CONDITION),
            count => self.health.warn(
                FORMATS_CONDITION,
                format!("{count} mistakes in the folder of formats; the last good versions stay"),
            ),
        }
        self.service.format_mistakes.send_replace(Arc::new(mistakes));
    }
}

/// Puts in force what the last process stored.
async fn restore(config: &Config, service: &Service, health: &Health) -> anyhow::Result<()> {
    let (restored, state_file) = (service.clone(), config.state_file.clone());
    let restoring = move || restored.in_force.lock().restore(&state_file);
    tokio::task::spawn_blocking(restoring).await?;
    let snapshot = service.in_force.lock().snapshot();
    if !snapshot.revision.is_empty() {
        service.publish(&snapshot);
        health.well(CONDITION);
    }
    Ok(())
}

async fn look(config: &Config) -> anyhow::Result<FolderState> {
    let folder = config.folder.clone();
    Ok(tokio::task::spawn_blocking(move || folder_state(&folder)).await?)
}

async fn check_in_background(
    config: &Config,
    formats: Option<KnownFormats>,
) -> anyhow::Result<Result<CheckedFolder, Vec<Mistake>>> {
    let folder = config.folder.clone();
    let checking = move || check_folder(&folder, formats.as_ref());
    Ok(tokio::task::spawn_blocking(checking).await?)
}

/// Tries again to store what could not be stored, and says so in health. A change that waited is
/// well once an operator has put it in force.
fn report_state(service: &Service, health: &Health) {
    let mut in_force = service.in_force.lock();
    if !in_force.has_pending() && service.mistakes().is_empty() {
        health.well(CONDITION);
    }
    if in_force.not_stored().is_some() {
        in_force.store();
    }
    match in_force.not_stored() {
        None => health.well(STATE_CONDITION),
        Some(reason) => {
            let text = format!("the revision in force is not stored for a restart: {reason}");
            health.warn(STATE_CONDITION, text);
        }
    }
}

impl Service {
    /// Puts a folder in force; false when it waits for an operator.
    fn change(&self, folder: CheckedFolder, health: &Health, in_force: &mut InForce) -> bool {
        match in_force.change(folder) {
            Outcome::InForce => {
                health.well(CONDITION);
                true
            }
            // A warning and not a failure: what is in force serves every call.
            Outcome::Waits(losses) => {
                health.warn(
                    CONDITION,
                    format!(
                        "a change is not in force, it loses {losses}; the last state stays in \
                         force; mend the folder, or `lienthong registry apply --force`"
                    ),
                );
                false
            }
        }
    }

    fn keep_last(
        &self,
        mistakes: Vec<Mistake>,
        health: &Health,
        config: &Config,
    ) -> anyhow::Result<()> {
        for it in &mistakes {
            let (file, line) = (it.file.as_str(), it.line);
            tracing::warn!(file, line, error = %it.fault, "registry has a mistake");
        }
        let count = mistakes.len();
        self.mistakes.send_replace(Arc::new(mistakes));
        self.in_force.lock().forget_pending();
        if self.snapshot().revision.is_empty() {
            health.unwell(CONDITION, format!("{count} mistakes in its folder"));
            anyhow::bail!(
                "the registry folder {} has {count} mistakes; `lienthong registry check` lists them",
                config.folder.display(),
            );
        }
        // A warning and not a failure: an earlier snapshot is in force, so calls can be answered.
        let text = format!("{count} mistakes in its folder; the last snapshot stays in force");
        health.warn(CONDITION, text);
        tracing::warn!(mistakes = count, "registry keeps its last snapshot in force");
        Ok(())
    }
}
