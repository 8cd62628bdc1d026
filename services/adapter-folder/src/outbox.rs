//! The outbox: what lies there long enough is taken, and is filed when the bus has answered.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use proto::fault::Lang;
use proto::fault::v1::Fault;
use proto::message::v1::Receipt;
use serde_json::{Value, json};

use crate::layout::{Layout, moved, written};
use crate::name::{numbered, shortened};

/// The most documents of one look; the next look takes the others.
const LOOK_MAX: usize = 1_000;
/// The most files beside one document.
const FILES_MAX: usize = 1_000;
/// Ends of names that programs give to files they are still writing.
const UNFINISHED: [&str; 5] = [".tmp", ".part", ".partial", ".crdownload", ".filepart"];
/// What operating systems put into folders by themselves.
const NOBODY_S: [&str; 3] = ["thumbs.db", "desktop.ini", "__macosx"];

/// How a document looked: bytes and files, and the newest of their times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    bytes: u64,
    files: usize,
    newest: SystemTime,
}

/// What was seen at the looks before.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// How each document looks, and since when.
    looks: HashMap<OsString, (Look, Instant)>,
    /// What cannot be taken, so that it is told once.
    odd: HashSet<OsString>,
}

/// A document with its files, taken out of the outbox.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    pub(crate) name: OsString,
    pub(crate) body: PathBuf,
    pub(crate) files: Vec<PathBuf>,
    folder: PathBuf,
}

impl Seen {
    /// Takes what has looked the same for as long as `settle`, oldest first; first of all what was
    /// taken before and never answered. What cannot be taken keeps nothing else waiting.
    ///
    /// Time is measured here and not read from the files: clocks of file servers differ from
    /// ours, and some programs give a copy the time of its original.
    ///
    /// # Errors
    ///
    /// The outbox itself, or the folder of what is being sent, cannot be read.
    pub(crate) fn take(
        &mut self,
        layout: &Layout,
        (now, settle): (Instant, Duration),
    ) -> io::Result<Vec<Taken>> {
        let told = std::mem::take(&mut self.odd);
        let mut taken = Vec::new();
        for entry in fs::read_dir(&layout.sending)?.take(LOOK_MAX) {
            let name = entry?.file_name();
            taken.extend(self.well(&told, &name, claimed(layout, &name)));
        }
        let mut found = Vec::new();
        for name in documents(&layout.outbox)? {
            let look = self.well(&told, &name, look(layout, &name));
            found.extend(look.map(|look| (look.newest, name, look)));
        }
        found.sort_by(|left, right| (left.0, &left.1).cmp(&(right.0, &right.1)));
        let before = std::mem::take(&mut self.looks);
        for (_, name, look) in found {
            let known = before.get(&name).filter(|(it, _)| *it == look);
            let since = known.map_or(now, |(_, since)| *since);
            let has_settled = known.is_some() && now.duration_since(since) >= settle;
            if has_settled && !layout.sending.join(&name).exists() {
                taken.extend(self.well(&told, &name, claimed(layout, &name)));
            } else {
                self.looks.insert(name, (look, since));
            }
        }
        Ok(taken)
    }

    /// What could be had of one entry; trouble with it is told when it is new.
    fn well<T>(
        &mut self,
        told: &HashSet<OsString>,
        name: &OsStr,
        outcome: io::Result<Option<T>>,
    ) -> Option<T> {
        let error = match outcome {
            Ok(it) => return it,
            Err(error) => error,
        };
        if !told.contains(name) {
            let file = name.to_string_lossy().into_owned();
            tracing::warn!(file, %error, "document cannot be taken and stays where it is");
        }
        self.odd.insert(name.to_owned());
        None
    }
}

/// Names of what may be documents.
fn documents(outbox: &Path) -> io::Result<Vec<OsString>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(outbox)? {
        let entry = entry?;
        let is_file = entry.file_type().is_ok_and(|it| it.is_file());
        if is_file && !is_passed_over(&entry.file_name()) {
            found.push(entry.file_name());
        }
        if found.len() == LOOK_MAX {
            break;
        }
    }
    Ok(found)
}

/// How a document with its files looks now; none when it has gone, or is still being written.
fn look(layout: &Layout, name: &OsStr) -> io::Result<Option<Look>> {
    let Some(body) = there(fs::metadata(layout.outbox.join(name)))? else { return Ok(None) };
    let mut look = Look { bytes: body.len(), files: 0, newest: body.modified()? };
    let side = Side::read(&layout.outbox.join(beside(name)))?;
    if side.is_unfinished {
        return Ok(None);
    }
    for path in side.files {
        let Some(file) = there(fs::metadata(&path))? else { return Ok(None) };
        look.bytes += file.len();
        look.files += 1;
        look.newest = look.newest.max(file.modified()?);
    }
    Ok(Some(look))
}

/// Moves a document with its files to where nobody else writes. Doing it again goes on where it
/// was cut off.
fn claimed(layout: &Layout, name: &OsStr) -> io::Result<Option<Taken>> {
    let folder = layout.sending.join(name);
    let body = folder.join(name);
    let side = folder.join(beside(name));
    fs::create_dir_all(&folder)?;
    if !body.exists() {
        let brought = brought(layout, name, (&body, &side));
        if !matches!(brought, Ok(Some(()))) {
            given_back(layout, name, &folder)?;
            return brought.map(|_nothing| None);
        }
    }
    Ok(Some(Taken { name: name.to_owned(), files: Side::read(&side)?.files, body, folder }))
}

/// Moves the files, then the document; none when it has gone.
fn brought(layout: &Layout, name: &OsStr, (body, side): (&Path, &Path)) -> io::Result<Option<()>> {
    let outside = layout.outbox.join(beside(name));
    if !side.exists() && outside.is_dir() {
        moved(&outside, side)?;
    }
    there(moved(&layout.outbox.join(name), body))
}

/// Puts back the files of a document that somebody took out of the outbox meanwhile.
fn given_back(layout: &Layout, name: &OsStr, folder: &Path) -> io::Result<()> {
    let side = folder.join(beside(name));
    if side.is_dir() {
        moved(&side, &layout.outbox.join(beside(name)))?;
    }
    fs::remove_dir(folder)
}

/// None for what is not there.
fn there<T>(outcome: io::Result<T>) -> io::Result<Option<T>> {
    match outcome {
        Ok(it) => Ok(Some(it)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// What lies in the folder beside a document.
#[derive(Debug, Default)]
struct Side {
    /// Ordinary files, by name.
    files: Vec<PathBuf>,
    /// Something there is still being written.
    is_unfinished: bool,
}

impl Side {
    /// Reads the folder, if there is one; links are not followed.
    fn read(folder: &Path) -> io::Result<Self> {
        match fs::symlink_metadata(folder) {
            Ok(it) if it.is_dir() => {}
            Ok(_) => {
                let words = format!("{} is no folder", folder.display());
                return Err(io::Error::new(io::ErrorKind::NotADirectory, words));
            }
            // A document's name may be so long that no folder's name can be made of it.
            Err(error) => {
                let kinds = [io::ErrorKind::NotFound, io::ErrorKind::InvalidFilename];
                return if kinds.contains(&error.kind()) {
                    Ok(Self::default())
                } else {
                    Err(error)
                };
            }
        }
        let mut side = Self::default();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            side.is_unfinished |= is_unfinished(&name.to_string_lossy().to_lowercase());
            let is_file = entry.file_type()?.is_file() && !is_passed_over(&name);
            if is_file && side.files.len() < FILES_MAX {
                side.files.push(entry.path());
            }
        }
        side.files.sort();
        Ok(side)
    }
}

/// The folder of files that go with a document.
pub(crate) fn beside(name: &OsStr) -> OsString {
    let mut beside = name.to_owned();
    beside.push(".files");
    beside
}

fn is_passed_over(name: &OsStr) -> bool {
    let name = name.to_string_lossy().to_lowercase();
    name.starts_with(['.', '~']) || is_unfinished(&name) || NOBODY_S.contains(&name.as_str())
}

/// A name in small letters that programs give to what they are still writing.
fn is_unfinished(name: &str) -> bool {
    UNFINISHED.iter().any(|it| name.ends_with(it))
}

impl Taken {
    /// Files what was sent, with its receipt.
    pub(crate) fn sent(self, layout: &Layout, receipt: &Receipt) -> io::Result<()> {
        let receipt = json!({
            "message_id": receipt.message_id,
            "conversation": receipt.conversation,
            "accepted_at": rfc3339(receipt.accepted_at_us),
            "sequence": receipt.sequence,
            "repeat": receipt.repeat,
            "recipients": receipt.recipients,
        });
        written(&self.beside("receipt.json"), &pretty(&receipt))?;
        self.filed(&layout.sent)
    }

    /// Files what was refused, with the reason in words and for programs.
    pub(crate) fn refused(self, layout: &Layout, fault: &Fault) -> io::Result<()> {
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
        written(&self.beside("reason.json"), &pretty(&reason))?;
        written(&self.beside("LY-DO.txt"), words(fault).as_bytes())?;
        self.filed(&layout.refused)
    }

    /// Where something of ours is put; a document may have that name itself.
    fn beside(&self, ours: &str) -> PathBuf {
        let is_the_document_s = self.name.to_string_lossy().eq_ignore_ascii_case(ours);
        self.folder.join(if is_the_document_s { numbered(ours, 2) } else { ours.to_owned() })
    }

    fn filed(self, under: &Path) -> io::Result<()> {
        // A number has to find a place in the name.
        let name = shortened(&self.name.to_string_lossy());
        let mut place = under.join(&self.name);
        let mut number = 1;
        while place.exists() {
            number += 1;
            place = under.join(numbered(&name, number));
        }
        moved(&self.folder, &place)
    }
}

/// The reason as a clerk reads it: Vietnamese, then English.
fn words(fault: &Fault) -> String {
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

pub(crate) fn pretty(value: &Value) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// A time as programs read it: RFC 3339, UTC.
pub(crate) fn rfc3339(at_us: i64) -> String {
    jiff::Timestamp::from_microsecond(at_us).map_or_else(|_| String::new(), |it| it.to_string())
}

#[cfg(test)]
mod tests;
