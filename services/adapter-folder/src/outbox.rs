//! The outbox: a document that stays unchanged long enough is claimed, submitted, and then moved to
//! `sent` or `refused`.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use proto::exchange::v1::SubmitResponse;
use proto::exchange::v1::submitted_record::Outcome;
use proto::fault::v1::Fault;
use proto::fault::{Lang, code};
use proto::message::v1::Receipt;
use serde_json::json;

use crate::file_name::{truncate, with_number};
use crate::json_file::{pretty_json, rfc3339};
use crate::layout::{Layout, rename_durably, write_durably};
use crate::outbox_entries::{AttachmentFolder, DOCUMENTS_MAX, OutboxEntries, attachment_folder};
use crate::report::note_sent;

/// Total size, number of files and newest modification time of a document with its attachments. A
/// document is unchanged while its fingerprint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fingerprint {
    bytes: u64,
    files: usize,
    newest: SystemTime,
}

/// Scans the outbox, and remembers what the previous scans found.
#[derive(Debug, Default)]
pub(crate) struct OutboxScanner {
    /// Fingerprint of each document, and since when it has been the same.
    fingerprints: HashMap<OsString, (Fingerprint, Instant)>,
    /// Entries that failed in the last scan. Each failure is logged once.
    failed: HashSet<OsString>,
}

/// A document with its attachments that was moved out of the outbox.
#[derive(Clone, Debug)]
pub(crate) struct OutboxDocument {
    pub(crate) name: OsString,
    pub(crate) body: PathBuf,
    pub(crate) files: Vec<PathBuf>,
    folder: PathBuf,
}

impl OutboxScanner {
    /// Claims the documents that have been unchanged for `settle`, oldest first, after those that
    /// were claimed before and have no outcome yet. A document that fails does not delay the others.
    ///
    /// The time is measured by this process and not taken from the files: the clock of a file server
    /// may differ, and some programs give a copy the time of its original.
    ///
    /// # Errors
    ///
    /// The outbox or the folder of claimed documents cannot be read.
    pub(crate) fn claim_settled(
        &mut self,
        layout: &Layout,
        (now, settle): (Instant, Duration),
    ) -> io::Result<Vec<OutboxDocument>> {
        let failed_before = std::mem::take(&mut self.failed);
        let mut claimed = Vec::new();
        let entries = OutboxEntries::read(&layout.outbox)?;
        for entry in fs::read_dir(&layout.sending)?.take(DOCUMENTS_MAX) {
            let name = entry?.file_name();
            let outcome = claim(layout, &entries, &name);
            claimed.extend(self.log_failure(&failed_before, &name, outcome));
        }
        let mut found = Vec::new();
        for name in &entries.documents {
            let outcome = fingerprint(layout, &entries, name);
            let fingerprint = self.log_failure(&failed_before, name, outcome);
            found.extend(fingerprint.map(|it| (it.newest, name, it)));
        }
        found.sort_by(|left, right| (left.0, &left.1).cmp(&(right.0, &right.1)));
        let previous = std::mem::take(&mut self.fingerprints);
        for (_, name, fingerprint) in found {
            let known = previous.get(name).filter(|(it, _)| *it == fingerprint);
            let since = known.map_or(now, |(_, since)| *since);
            let has_settled = known.is_some() && now.duration_since(since) >= settle;
            if has_settled && !layout.sending.join(name).exists() {
                let outcome = claim(layout, &entries, name);
                claimed.extend(self.log_failure(&failed_before, name, outcome));
            } else {
                self.fingerprints.insert(name.clone(), (fingerprint, since));
            }
        }
        Ok(claimed)
    }

    /// The value of one entry. An error is logged unless the entry failed in the last scan too.
    fn log_failure<T>(
        &mut self,
        failed_before: &HashSet<OsString>,
        name: &OsStr,
        outcome: io::Result<Option<T>>,
    ) -> Option<T> {
        let error = match outcome {
            Ok(it) => return it,
            Err(error) => error,
        };
        if !failed_before.contains(name) {
            let file = name.to_string_lossy().into_owned();
            tracing::warn!(file, %error, "document cannot be claimed and stays where it is");
        }
        self.failed.insert(name.to_owned());
        None
    }
}

/// Fingerprint of a document; `None` when it no longer exists or is still being written.
fn fingerprint(
    layout: &Layout,
    entries: &OutboxEntries,
    name: &OsStr,
) -> io::Result<Option<Fingerprint>> {
    let Some(body) = if_exists(fs::metadata(layout.outbox.join(name)))? else { return Ok(None) };
    let mut fingerprint = Fingerprint { bytes: body.len(), files: 0, newest: body.modified()? };
    let attachments = AttachmentFolder::read(&entries.attachments_of(name))?;
    if attachments.is_incomplete {
        return Ok(None);
    }
    for path in attachments.files {
        let Some(file) = if_exists(fs::metadata(&path))? else { return Ok(None) };
        fingerprint.bytes += file.len();
        fingerprint.files += 1;
        fingerprint.newest = fingerprint.newest.max(file.modified()?);
    }
    Ok(Some(fingerprint))
}

/// Moves a document with its attachments to `sending`, where only this process writes. Repeating it
/// after a crash completes the move.
fn claim(
    layout: &Layout,
    entries: &OutboxEntries,
    name: &OsStr,
) -> io::Result<Option<OutboxDocument>> {
    let folder = layout.sending.join(name);
    let body = folder.join(name);
    let attachments = folder.join(attachment_folder(name));
    fs::create_dir_all(&folder)?;
    if !body.exists() {
        let moved = move_from_outbox((&layout.outbox, entries), name, (&body, &attachments));
        if !matches!(moved, Ok(Some(()))) {
            move_attachments_back(layout, name, &folder)?;
            return moved.map(|_none| None);
        }
    }
    let files = AttachmentFolder::read(&attachments)?.files;
    Ok(Some(OutboxDocument { name: name.to_owned(), files, body, folder }))
}

/// Moves the attachments, then the document; `None` when the document no longer exists.
fn move_from_outbox(
    (outbox, entries): (&Path, &OutboxEntries),
    name: &OsStr,
    (body, attachments): (&Path, &Path),
) -> io::Result<Option<()>> {
    let source = entries.attachments_of(name);
    if !attachments.exists() && source.is_dir() {
        rename_durably(&source, attachments)?;
    }
    if_exists(rename_durably(&outbox.join(name), body))
}

/// Moves the attachments back, because the document was removed from the outbox meanwhile.
fn move_attachments_back(layout: &Layout, name: &OsStr, folder: &Path) -> io::Result<()> {
    let attachments = folder.join(attachment_folder(name));
    if attachments.is_dir() {
        rename_durably(&attachments, &layout.outbox.join(attachment_folder(name)))?;
    }
    fs::remove_dir(folder)
}

/// `None` for a file that does not exist.
fn if_exists<T>(outcome: io::Result<T>) -> io::Result<Option<T>> {
    match outcome {
        Ok(it) => Ok(Some(it)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

impl OutboxDocument {
    /// Writes `receipt.json` and moves the document to `sent`. Of a body of several records,
    /// `LY-DO.txt` names those that were refused.
    pub(crate) fn move_to_sent(self, layout: &Layout, response: &SubmitResponse) -> io::Result<()> {
        let receipt = response.receipt.clone().unwrap_or_default();
        let refused = refused_records(response);
        if !refused.violations.is_empty() {
            write_durably(&self.report_path("LY-DO.txt"), reason_text(&refused).as_bytes())?;
        }
        let receipt_file = json!({
            "message_id": receipt.message_id,
            "conversation": receipt.conversation,
            "accepted_at": rfc3339(receipt.accepted_at_us),
            "sequence": receipt.sequence,
            "repeat": receipt.repeat,
            "recipients": receipt.recipients,
        });
        write_durably(&self.report_path("receipt.json"), &pretty_json(&receipt_file))?;
        let path = self.free_path(&layout.sent);
        // Before the move: a crash in between leaves a name that leads nowhere, and the document is
        // moved by the next start.
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        note_sent(layout, &receipt.message_id, &name)?;
        for it in accepted_records(response) {
            note_sent(layout, &it.message_id, &name)?;
        }
        rename_durably(&self.folder, &path)
    }

    /// Writes the reason as text and as JSON, and moves the document to `refused`.
    pub(crate) fn move_to_refused(self, layout: &Layout, fault: &Fault) -> io::Result<()> {
        let fields: Vec<_> = fault
            .violations
            .iter()
            .map(
                |it| json!({ "field": it.field, "vi": it.description_vi, "en": it.description_en }),
            )
            .collect();
        let reason = json!({
            "code": fault.code,
            "title": { "vi": fault.title(Lang::Vi), "en": fault.title(Lang::En) },
            "remedy": { "vi": fault.remedy(Lang::Vi), "en": fault.remedy(Lang::En) },
            "fields": fields,
        });
        write_durably(&self.report_path("reason.json"), &pretty_json(&reason))?;
        write_durably(&self.report_path("LY-DO.txt"), reason_text(fault).as_bytes())?;
        rename_durably(&self.folder, &self.free_path(&layout.refused))
    }

    /// Path of a report beside the document; numbered when the document itself has that name.
    fn report_path(&self, name: &str) -> PathBuf {
        let is_document = self.name.to_string_lossy().eq_ignore_ascii_case(name);
        self.folder.join(if is_document { with_number(name, 2) } else { name.to_owned() })
    }

    /// Where the document with its attachments and reports is moved to in a folder: under a new name
    /// if the folder has one of the same name.
    fn free_path(&self, folder: &Path) -> PathBuf {
        // Truncated, so that the name with a number is not too long.
        let name = truncate(&self.name.to_string_lossy());
        let mut path = folder.join(&self.name);
        let mut number = 1;
        while path.exists() {
            number += 1;
            path = folder.join(with_number(&name, number));
        }
        path
    }
}

/// The receipts of the records of a body that has several.
fn accepted_records(response: &SubmitResponse) -> impl Iterator<Item = &Receipt> {
    response.records.iter().filter_map(|it| match it.outcome.as_ref()? {
        Outcome::Submitted(accepted) => accepted.receipt.as_ref(),
        Outcome::Refused(_) => None,
    })
}

/// The refused records of a body of which others were accepted, as one fault.
fn refused_records(response: &SubmitResponse) -> Fault {
    let refused = response.findings.iter().filter(|it| it.code == code::LT_MAP_232.code);
    refused.fold(Fault::new(&code::LT_MAP_232), |fault, it| {
        fault.violation(&it.field, &it.text_vi, &it.text_en)
    })
}

/// The reason of a refusal for clerks: Vietnamese, then English.
fn reason_text(fault: &Fault) -> String {
    let mut text = String::new();
    for lang in [Lang::Vi, Lang::En] {
        let head = match lang {
            Lang::Vi => "Bị từ chối",
            Lang::En => "Refused",
        };
        text.push_str(&format!("{head} {}: {}\r\n", fault.code, fault.title(lang)));
        for it in &fault.violations {
            let description = match lang {
                Lang::Vi => &it.description_vi,
                Lang::En => &it.description_en,
            };
            text.push_str(&format!("  - {}: {description}\r\n", it.field));
        }
        text.push_str(&format!("{}\r\n\r\n", fault.remedy(lang)));
    }
    text
}

#[cfg(test)]
mod tests;
