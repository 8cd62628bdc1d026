//! Follows the folder: what changed counts once two looks in a row have seen the same.

use std::time::Duration;

use chassis::health::Health;
use tokio_util::sync::CancellationToken;

use crate::check::{CheckedFolder, check_folder};
use crate::in_force::Outcome;
use crate::mistake::Mistake;
use crate::record::record_forced;
use crate::server::{Config, Service};
use crate::yaml_files::{FolderState, folder_state};

/// The condition in health.
const CONDITION: &str = "registry";

/// The condition of the file that stores what is in force.
const STATE_CONDITION: &str = "registry.state";

/// Reads the folder, and again whenever it changes, until `shutdown`. A folder with mistakes changes
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
    let mut handled: Option<FolderState> = None;
    let mut seen: Option<FolderState> = None;
    loop {
        let state = look(&config).await?;
        // An editor empties a file before it writes it, and a copy takes time: a state counts when
        // it has not changed between two looks, nor while it was read. At the very first start
        // there is nothing to protect.
        let is_first = service.snapshot().revision.is_empty();
        let is_steady = is_first || seen.as_ref() == Some(&state);
        if handled.as_ref() != Some(&state) && is_steady {
            let checked = check_in_background(&config, &service).await?;
            if is_first || look(&config).await? == state {
                service.apply(checked, &health, &config)?;
                handled = Some(state.clone());
            }
        }
        seen = Some(state);
        report_state(&service, &health);
        record_forced(&service).await;
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            () = tokio::time::sleep(Duration::from_millis(config.poll_ms)) => {}
        }
    }
}

/// Puts in force what the last process stored.
async fn restore(config: &Config, service: &Service, health: &Health) -> anyhow::Result<()> {
    let (restored, state_file) = (service.clone(), config.state_file.clone());
    let restoring = move || restored.in_force.lock().restore(&state_file);
    tokio::task::spawn_blocking(restoring).await?;
    let snapshot = service.in_force.lock().folder().snapshot.clone();
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
    service: &Service,
) -> anyhow::Result<Result<CheckedFolder, Vec<Mistake>>> {
    let (folder, formats) = (config.folder.clone(), service.formats.clone());
    let checking = move || check_folder(&folder, formats.as_deref());
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
    /// Puts a folder in force, or reports what prevents it.
    fn apply(
        &self,
        checked: Result<CheckedFolder, Vec<Mistake>>,
        health: &Health,
        config: &Config,
    ) -> anyhow::Result<()> {
        match checked {
            Ok(folder) => {
                self.mistakes.send_replace(std::sync::Arc::default());
                self.change(folder, health);
                Ok(())
            }
            Err(mistakes) => self.keep_last(mistakes, health, config),
        }
    }

    fn change(&self, folder: CheckedFolder, health: &Health) {
        let mut in_force = self.in_force.lock();
        match in_force.change(folder) {
            Outcome::InForce => {
                self.publish(&in_force.folder().snapshot);
                health.well(CONDITION);
            }
            // A warning and not a failure: what is in force serves every call.
            Outcome::Waits(losses) => health.warn(
                CONDITION,
                format!(
                    "a change is not in force, it loses {losses}; the last state stays in force; \
                     mend the folder, or `lienthong registry apply --force`"
                ),
            ),
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
        self.mistakes.send_replace(std::sync::Arc::new(mistakes));
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
