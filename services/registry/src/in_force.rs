//! The revision in force, what waits for an operator, and both across a restart.

use std::path::{Path, PathBuf};

use chassis::Clock;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::registry::v1::{
    ApplyRequest, ForcedChange, FormatDescription, InspectResponse, Losses, PendingChange,
    Snapshot, StoredRegistry,
};
use uuid::Uuid;

use crate::check::{CheckedFolder, check_folder, revision_of};
use crate::losses::find_accident;
use crate::stored;

/// What a folder would lose against the revision that a registry has stored, when an operator would
/// have to confirm it; none also when nothing is stored or the folder has mistakes.
pub fn find_waiting_losses(folder: &Path, state_file: &Path) -> Option<Losses> {
    let stored = stored::read(state_file).ok().flatten()?;
    let snapshot = stored.snapshot.unwrap_or_default();
    let current = CheckedFolder { snapshot, files: stored.files };
    find_accident(&current, &check_folder(folder, None).ok()?)
}

/// The state of the registry, beside its snapshot for watchers.
#[derive(Debug, Default)]
pub(crate) struct InForce {
    /// The registry's folder; its snapshot has no formats.
    folder: CheckedFolder,
    /// The formats beside the shipped ones.
    formats: Vec<FormatDescription>,
    applied_at_us: i64,
    pending: Option<Pending>,
    forced: Vec<ForcedChange>,
    /// The file that stores this; empty: none.
    state_file: PathBuf,
    /// Why the file does not have it.
    not_stored: Option<String>,
}

/// A change that waits for an operator.
#[derive(Debug)]
struct Pending {
    folder: CheckedFolder,
    losses: Losses,
    since_us: i64,
}

/// What became of a folder without mistakes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is in force.
    InForce,
    /// It waits, because it loses this.
    Waits(String),
}

impl InForce {
    /// What is in force; without a revision before the first folder.
    pub(crate) fn folder(&self) -> &CheckedFolder {
        &self.folder
    }

    /// The formats in force beside the shipped ones.
    pub(crate) fn formats(&self) -> &[FormatDescription] {
        &self.formats
    }

    /// What is in force, as it is sent to watchers.
    pub(crate) fn snapshot(&self) -> Snapshot {
        with_formats(self.folder.snapshot.clone(), &self.formats)
    }

    /// Puts other formats in force.
    pub(crate) fn change_formats(&mut self, formats: Vec<FormatDescription>) {
        if formats != self.formats {
            self.formats = formats;
            self.applied_at_us = Clock::System.now_us();
            if self.has_revision() {
                self.store();
            }
        }
    }

    pub(crate) fn has_revision(&self) -> bool {
        !self.folder.snapshot.revision.is_empty()
    }

    /// Reads what the last process stored, unless something is in force already.
    pub(crate) fn restore(&mut self, state_file: &Path) {
        state_file.clone_into(&mut self.state_file);
        if self.has_revision() || state_file.as_os_str().is_empty() {
            return;
        }
        match stored::read(state_file) {
            Ok(None) => {}
            Ok(Some(stored)) => {
                let (snapshot, formats) = without_formats(stored.snapshot.unwrap_or_default());
                self.folder = CheckedFolder { snapshot, files: stored.files };
                self.formats = formats;
                (self.applied_at_us, self.forced) = (stored.applied_at_us, stored.forced);
            }
            Err(error) => {
                let file = state_file.display();
                tracing::error!(%file, %error, "stored revision of the registry cannot be read");
                self.not_stored = Some(error.to_string());
            }
        }
    }

    /// Puts a folder in force, unless it loses so much that an operator has to confirm it.
    pub(crate) fn change(&mut self, folder: CheckedFolder) -> Outcome {
        if folder.snapshot.revision == self.folder.snapshot.revision {
            self.pending = None;
            self.folder = folder;
            return Outcome::InForce;
        }
        let accident =
            if self.has_revision() { find_accident(&self.folder, &folder) } else { None };
        let Some(losses) = accident else {
            self.pending = None;
            self.folder = folder;
            self.applied_at_us = Clock::System.now_us();
            self.store();
            return Outcome::InForce;
        };
        let text = losses_text(&losses, &self.folder);
        let is_known = |it: &Pending| it.folder.snapshot.revision == folder.snapshot.revision;
        if !self.pending.as_ref().is_some_and(is_known) {
            let since_us = Clock::System.now_us();
            tracing::error!(
                losses = text,
                revision = folder.snapshot.revision,
                "registry change waits for an operator"
            );
            self.pending = Some(Pending { folder, losses, since_us });
        }
        Outcome::Waits(text)
    }

    /// Whether a change waits for an operator.
    pub(crate) const fn has_pending(&self) -> bool {
        self.pending.is_some()
    }

    /// Forgets the change that waited, because the folder is another one now.
    pub(crate) fn forget_pending(&mut self) {
        self.pending = None;
    }

    /// Puts the change in force that waits. It is stored first, so that it cannot be in force without
    /// its record.
    ///
    /// # Errors
    ///
    /// No change of this revision waits, or it cannot be stored; nothing has changed then.
    pub(crate) fn force(&mut self, request: &ApplyRequest) -> Result<ForcedChange, Fault> {
        let revision = request.revision.as_str();
        let waiting = self.pending.take_if(|it| it.folder.snapshot.revision == revision);
        let Some(pending) = waiting else {
            return Err(Fault::new(&code::LT_REG_020).param("revision", revision));
        };
        let change = ForcedChange {
            id: Uuid::now_v7().to_string(),
            at_us: Clock::System.now_us(),
            actor: request.actor.clone(),
            reason: request.reason.clone(),
            from_revision: self.folder.snapshot.revision.clone(),
            to_revision: revision.to_owned(),
            losses: Some(pending.losses.clone()),
            is_recorded: false,
        };
        let mut next = self.to_stored();
        next.snapshot = Some(with_formats(pending.folder.snapshot.clone(), &self.formats));
        next.files.clone_from(&pending.folder.files);
        next.applied_at_us = change.at_us;
        next.forced.push(change.clone());
        let surplus = next.forced.len().saturating_sub(stored::FORCED_MAX);
        next.forced.drain(..surplus);
        if !self.state_file.as_os_str().is_empty()
            && let Err(error) = stored::write(&self.state_file, &next)
        {
            self.pending = Some(pending);
            return Err(Fault::new(&code::LT_REG_021).param("message", error.to_string()));
        }
        self.folder = pending.folder;
        (self.applied_at_us, self.forced) = (next.applied_at_us, next.forced);
        self.not_stored = None;
        let ForcedChange { actor, reason, from_revision, to_revision, .. } = &change;
        tracing::warn!(
            actor,
            reason,
            from_revision,
            to_revision,
            "operator put a registry change in force"
        );
        Ok(change)
    }

    /// The changes of operators that the journal does not have yet.
    pub(crate) fn unrecorded(&self) -> Vec<ForcedChange> {
        self.forced.iter().filter(|it| !it.is_recorded).cloned().collect()
    }

    /// Notes that the journal has these changes.
    pub(crate) fn note_recorded(&mut self, changes: &[ForcedChange]) {
        let is_in = |id: &str| changes.iter().any(|it| it.id == id);
        for it in self.forced.iter_mut().filter(|it| is_in(&it.id)) {
            it.is_recorded = true;
        }
        self.store();
    }

    /// Why the file does not have what is in force.
    pub(crate) fn not_stored(&self) -> Option<&str> {
        self.not_stored.as_deref()
    }

    /// Stores what is in force. It is in force even when that fails: after a restart the folder is
    /// compared with an older revision then.
    pub(crate) fn store(&mut self) {
        if self.state_file.as_os_str().is_empty() {
            return;
        }
        let written = stored::write(&self.state_file, &self.to_stored());
        if let Err(error) = &written {
            let file = self.state_file.display();
            tracing::error!(%file, %error, "revision of the registry cannot be stored");
        }
        self.not_stored = written.err().map(|it| it.to_string());
    }

    fn to_stored(&self) -> StoredRegistry {
        StoredRegistry {
            snapshot: Some(self.snapshot()),
            files: self.folder.files.clone(),
            applied_at_us: self.applied_at_us,
            forced: self.forced.clone(),
        }
    }

    /// The state for operators, without the mistakes of the folder.
    pub(crate) fn inspect(&self) -> InspectResponse {
        let count = |it: usize| u32::try_from(it).unwrap_or(u32::MAX);
        let pending = self.pending.as_ref().map(|it| PendingChange {
            revision: it.folder.snapshot.revision.clone(),
            since_us: it.since_us,
            losses: Some(it.losses.clone()),
            organisations: count(it.folder.snapshot.organisations.len()),
            applications: count(it.folder.snapshot.applications.len()),
        });
        InspectResponse {
            revision: self.snapshot().revision,
            applied_at_us: self.applied_at_us,
            organisations: count(self.folder.snapshot.organisations.len()),
            applications: count(self.folder.snapshot.applications.len()),
            mistakes: Vec::new(),
            pending,
            not_stored: self.not_stored.clone().unwrap_or_default(),
            forced: self.forced.clone(),
            loaded_formats: self.formats.iter().map(without_text).collect(),
            ..InspectResponse::default()
        }
    }
}

/// A format for a list.
pub(crate) fn without_text(format: &FormatDescription) -> FormatDescription {
    FormatDescription { text: String::new(), ..format.clone() }
}

/// A snapshot with formats. Its revision changes with each of them.
fn with_formats(mut snapshot: Snapshot, formats: &[FormatDescription]) -> Snapshot {
    if !formats.is_empty() {
        snapshot.formats = formats.to_vec();
        snapshot.revision = revision_of(&snapshot);
    }
    snapshot
}

/// The parts of a snapshot: the registry, and the formats beside it.
fn without_formats(mut snapshot: Snapshot) -> (Snapshot, Vec<FormatDescription>) {
    let formats = std::mem::take(&mut snapshot.formats);
    if !formats.is_empty() {
        snapshot.revision.clear();
        snapshot.revision = revision_of(&snapshot);
    }
    (snapshot, formats)
}

/// Losses in one line for health and the log.
fn losses_text(losses: &Losses, before: &CheckedFolder) -> String {
    let (organisations, applications) =
        (before.snapshot.organisations.len(), before.snapshot.applications.len());
    let mut text = format!(
        "{} of {organisations} organisations, {} of {applications} applications",
        losses.organisations.len(),
        losses.applications.len()
    );
    if losses.rights > 0 {
        text.push_str(&format!(", all {} rights", losses.rights));
    }
    if losses.code_lists > 0 {
        text.push_str(&format!(", all {} code lists", losses.code_lists));
    }
    if !losses.emptied_files.is_empty() {
        text.push_str(&format!("; emptied: {}", losses.emptied_files.join(", ")));
    }
    text
}
