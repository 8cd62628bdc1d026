//! The outbox: what lies there long enough is taken, and is filed when the bus has answered.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use proto::fault::Lang;
use proto::fault::v1::Fault;
use proto::journal::v1::Receipt;
use serde_json::{Value, json};

use crate::layout::{Layout, moved, written};
use crate::name::numbered;

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

/// What was seen at the last look.
#[derive(Debug, Default)]
pub(crate) struct Seen(HashMap<OsString, Look>);

/// A document with its files, taken out of the outbox.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    pub(crate) name: OsString,
    pub(crate) body: PathBuf,
    pub(crate) files: Vec<PathBuf>,
    folder: PathBuf,
}

impl Seen {
    /// Takes what is the same as at the last look, oldest first; first of all what was taken
    /// before and never answered.
    pub(crate) fn take(&mut self, layout: &Layout) -> io::Result<Vec<Taken>> {
        let mut taken = Vec::new();
        for entry in fs::read_dir(&layout.sending)?.take(LOOK_MAX) {
            taken.extend(claimed(layout, &entry?.file_name())?);
        }
        let mut found = Vec::new();
        for entry in fs::read_dir(&layout.outbox)?.take(LOOK_MAX) {
            let entry = entry?;
            let name = entry.file_name();
            if entry.file_type()?.is_file() && !is_passed_over(&name) {
                found.extend(look(layout, &name)?.map(|look| (look.newest, name, look)));
            }
        }
        found.sort_by(|left, right| (left.0, &left.1).cmp(&(right.0, &right.1)));
        let before = std::mem::take(&mut self.0);
        for (_, name, look) in found {
            if before.get(&name) == Some(&look) && !layout.sending.join(&name).exists() {
                taken.extend(claimed(layout, &name)?);
            } else {
                self.0.insert(name, look);
            }
        }
        Ok(taken)
    }
}

/// How a document with its files looks now; none when it has gone.
fn look(layout: &Layout, name: &OsStr) -> io::Result<Option<Look>> {
    let Ok(body) = fs::metadata(layout.outbox.join(name)) else { return Ok(None) };
    let mut look = Look { bytes: body.len(), files: 0, newest: body.modified()? };
    for path in files(&layout.outbox.join(beside(name)))? {
        let Ok(file) = fs::metadata(&path) else { return Ok(None) };
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
        let outside = layout.outbox.join(beside(name));
        if !side.exists() && outside.is_dir() {
            moved(&outside, &side)?;
        }
        match moved(&layout.outbox.join(name), &body) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    Ok(Some(Taken { name: name.to_owned(), files: files(&side)?, body, folder }))
}

/// Ordinary files of a folder, by name; links are not followed.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries.take(FILES_MAX) {
        let entry = entry?;
        if entry.file_type()?.is_file() && !is_passed_over(&entry.file_name()) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// The folder of files that go with a document.
pub(crate) fn beside(name: &OsStr) -> OsString {
    let mut beside = name.to_owned();
    beside.push(".files");
    beside
}

fn is_passed_over(name: &OsStr) -> bool {
    let name = name.to_string_lossy().to_lowercase();
    name.starts_with(['.', '~'])
        || UNFINISHED.iter().any(|it| name.ends_with(it))
        || NOBODY_S.contains(&name.as_str())
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
        written(&self.folder.join("receipt.json"), &pretty(&receipt))?;
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
        written(&self.folder.join("reason.json"), &pretty(&reason))?;
        written(&self.folder.join("LY-DO.txt"), words(fault).as_bytes())?;
        self.filed(&layout.refused)
    }

    fn filed(self, under: &Path) -> io::Result<()> {
        let name = self.name.to_string_lossy();
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
mod tests {
    use super::*;

    fn put(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn names(taken: &[Taken]) -> Vec<String> {
        taken.iter().map(|it| it.name.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn a_document_is_taken_whole_at_the_second_look_and_not_while_it_grows() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::open(folder.path()).unwrap();
        let mut seen = Seen::default();
        put(&layout.outbox.join("a.json"), "{}");
        put(&layout.outbox.join("a.json.files/x.pdf"), "x");
        put(&layout.outbox.join("dở.json.tmp"), "{");
        put(&layout.outbox.join(".ẩn"), "{");
        assert!(seen.take(&layout).unwrap().is_empty(), "the first look only remembers");
        put(&layout.outbox.join("a.json.files/y.pdf"), "y");
        assert!(seen.take(&layout).unwrap().is_empty(), "it still grows");
        let taken = seen.take(&layout).unwrap();
        assert_eq!(names(&taken), ["a.json"]);
        assert_eq!(taken[0].files.len(), 2);
        assert!(!layout.outbox.join("a.json").exists());
        assert!(!layout.outbox.join("a.json.files").exists());
        assert!(layout.outbox.join("dở.json.tmp").exists());
    }

    #[test]
    fn what_was_cut_off_between_two_moves_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::open(folder.path()).unwrap();
        put(&layout.outbox.join("a.xml"), "<a/>");
        put(&layout.sending.join("a.xml/a.xml.files/x.pdf"), "x");
        let taken = Seen::default().take(&layout).unwrap();
        assert_eq!(names(&taken), ["a.xml"], "taken without waiting for a second look");
        assert_eq!(taken[0].files.len(), 1);
    }

    #[test]
    fn a_second_document_of_the_same_name_waits_and_is_filed_beside_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::open(folder.path()).unwrap();
        let mut seen = Seen::default();
        for round in ["1", "2"] {
            put(&layout.outbox.join("a.xml"), round);
            while let Some(taken) = seen.take(&layout).unwrap().pop() {
                taken.sent(&layout, &Receipt::default()).unwrap();
            }
            let taken = seen.take(&layout).unwrap().pop().unwrap();
            taken.sent(&layout, &Receipt::default()).unwrap();
        }
        assert_eq!(fs::read_to_string(layout.sent.join("a.xml/a.xml")).unwrap(), "1");
        assert_eq!(fs::read_to_string(layout.sent.join("a (2).xml/a.xml")).unwrap(), "2");
        assert!(layout.sent.join("a.xml/receipt.json").exists());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::open(folder.path()).unwrap();
        let secret = folder.path().join("secret");
        put(&secret, "s");
        std::os::unix::fs::symlink(&secret, layout.outbox.join("a.xml")).unwrap();
        let mut seen = Seen::default();
        for _ in 0..3 {
            assert!(seen.take(&layout).unwrap().is_empty());
        }
    }

    #[test]
    fn two_adapters_never_work_on_one_folder() {
        let folder = tempfile::tempdir().unwrap();
        let first = Layout::open(folder.path()).unwrap();
        let error = Layout::open(folder.path()).unwrap_err();
        assert!(error.to_string().contains("another adapter"), "{error}");
        drop(first);
        Layout::open(folder.path()).unwrap();
    }
}
