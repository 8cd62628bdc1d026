//! The outbox: what lies there long enough is taken, and is filed when the bus has answered.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use proto::fault::Lang;
use proto::fault::v1::Fault;
use proto::journal::v1::Receipt;
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
mod tests {
    use super::*;

    fn put(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    const SETTLE: Duration = Duration::from_secs(5);

    /// An outbox that is looked at once in a settling time.
    struct Watched {
        layout: Layout,
        seen: Seen,
        now: Instant,
        _folder: tempfile::TempDir,
    }

    impl Watched {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let layout = Layout::open(folder.path()).unwrap();
            Self { layout, seen: Seen::default(), now: Instant::now(), _folder: folder }
        }

        fn put(&self, name: &str, text: &str) {
            put(&self.layout.outbox.join(name), text);
        }

        fn look(&mut self) -> Vec<Taken> {
            self.look_after(SETTLE)
        }

        fn look_after(&mut self, wait: Duration) -> Vec<Taken> {
            self.now += wait;
            self.seen.take(&self.layout, (self.now, SETTLE)).unwrap()
        }
    }

    fn names(taken: &[Taken]) -> Vec<String> {
        taken.iter().map(|it| it.name.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn a_document_is_taken_whole_when_it_has_settled_and_not_while_it_grows() {
        let mut it = Watched::new();
        it.put("a.json", "{}");
        it.put("a.json.files/x.pdf", "x");
        it.put("dở.json.tmp", "{");
        it.put(".ẩn", "{");
        assert!(it.look().is_empty(), "the first look only remembers");
        it.put("a.json.files/y.pdf", "y");
        assert!(it.look().is_empty(), "it still grows");
        assert!(it.look_after(SETTLE / 2).is_empty(), "it may still grow");
        let taken = it.look_after(SETTLE / 2);
        assert_eq!(names(&taken), ["a.json"]);
        assert_eq!(taken[0].files.len(), 2);
        assert!(!it.layout.outbox.join("a.json").exists());
        assert!(!it.layout.outbox.join("a.json.files").exists());
        assert!(it.layout.outbox.join("dở.json.tmp").exists());
    }

    #[test]
    fn a_document_waits_for_a_file_that_is_still_being_written_beside_it() {
        let mut it = Watched::new();
        it.put("a.json", "{}");
        it.put("a.json.files/x.pdf.part", "x");
        for _ in 0..3 {
            assert!(it.look().is_empty());
        }
        let files = it.layout.outbox.join("a.json.files");
        fs::rename(files.join("x.pdf.part"), files.join("x.pdf")).unwrap();
        assert!(it.look().is_empty());
        assert_eq!(it.look()[0].files.len(), 1);
    }

    #[test]
    fn what_was_cut_off_between_two_moves_goes_on() {
        let mut it = Watched::new();
        it.put("a.xml", "<a/>");
        put(&it.layout.sending.join("a.xml/a.xml.files/x.pdf"), "x");
        let taken = it.look();
        assert_eq!(names(&taken), ["a.xml"], "taken without waiting for a second look");
        assert_eq!(taken[0].files.len(), 1);
    }

    #[test]
    fn files_of_a_document_that_was_taken_back_go_back_too() {
        let mut it = Watched::new();
        put(&it.layout.sending.join("a.xml/a.xml.files/x.pdf"), "x");
        assert!(it.look().is_empty());
        assert!(it.layout.outbox.join("a.xml.files/x.pdf").exists());
        assert!(!it.layout.sending.join("a.xml").exists());
        it.put("a.xml", "<a/>");
        it.look();
        assert_eq!(it.look()[0].files.len(), 1);
    }

    #[test]
    fn a_second_document_of_the_same_name_waits_and_is_filed_beside_the_first() {
        let mut it = Watched::new();
        for round in ["1", "2"] {
            it.put("a.xml", round);
            it.look();
            let taken = it.look().pop().unwrap();
            taken.sent(&it.layout, &Receipt::default()).unwrap();
        }
        let sent = &it.layout.sent;
        assert_eq!(fs::read_to_string(sent.join("a.xml/a.xml")).unwrap(), "1");
        assert_eq!(fs::read_to_string(sent.join("a (2).xml/a.xml")).unwrap(), "2");
        assert!(sent.join("a.xml/receipt.json").exists());
    }

    #[test]
    fn a_document_that_waits_for_its_namesake_keeps_nobody_waiting() {
        let mut it = Watched::new();
        put(&it.layout.sending.join("a.xml/a.xml"), "1");
        it.put("a.xml", "2");
        it.put("b.xml", "b");
        assert_eq!(names(&it.look()), ["a.xml"]);
        assert_eq!(names(&it.look()), ["a.xml", "b.xml"]);
        assert_eq!(fs::read_to_string(it.layout.sending.join("a.xml/a.xml")).unwrap(), "1");
    }

    #[test]
    fn a_name_as_long_as_a_name_can_be_is_sent_and_filed() {
        for len in 250..=255 {
            let mut it = Watched::new();
            let name = format!("{}.xml", "x".repeat(len - 4));
            for round in 0..2 {
                it.put(&name, "<a/>");
                it.look();
                let taken = it.look().pop().unwrap();
                taken.sent(&it.layout, &Receipt::default()).unwrap();
                assert_eq!(fs::read_dir(&it.layout.sent).unwrap().count(), round + 1);
            }
        }
    }

    #[test]
    fn an_entry_that_cannot_be_taken_stays_and_the_others_go() {
        let mut it = Watched::new();
        it.put("a.xml", "<a/>");
        it.put("a.xml.files", "a file where a folder should be");
        it.put("b.xml", "<b/>");
        put(&it.layout.sending.join("c.xml"), "a file where a folder should be");
        it.look();
        assert_eq!(names(&it.look()), ["a.xml.files", "b.xml"]);
        assert!(it.layout.outbox.join("a.xml").exists());
        assert_eq!(it.seen.odd, ["c.xml".into(), "a.xml".into()].into());
    }

    #[test]
    fn a_document_with_the_name_of_a_receipt_or_a_reason_stays_what_it_is() {
        let mut it = Watched::new();
        for name in ["receipt.json", "reason.json", "ly-do.txt"] {
            it.put(name, "mine");
        }
        it.look();
        for taken in it.look() {
            let fault = Fault::new(&proto::fault::code::LT_FLD_001);
            match taken.name.to_str() {
                Some("receipt.json") => taken.sent(&it.layout, &Receipt::default()).unwrap(),
                _ => taken.refused(&it.layout, &fault).unwrap(),
            }
        }
        let (sent, refused) = (&it.layout.sent, &it.layout.refused);
        for path in [
            sent.join("receipt.json/receipt.json"),
            refused.join("reason.json/reason.json"),
            refused.join("ly-do.txt/ly-do.txt"),
        ] {
            assert_eq!(fs::read_to_string(&path).unwrap(), "mine", "{}", path.display());
        }
        assert!(sent.join("receipt.json/receipt (2).json").exists());
        assert!(refused.join("reason.json/reason (2).json").exists());
        assert!(refused.join("ly-do.txt/LY-DO (2).txt").exists());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_not_followed() {
        let mut it = Watched::new();
        let secret = it.layout.sent.join("secret");
        put(&secret.join("s.pdf"), "s");
        std::os::unix::fs::symlink(secret.join("s.pdf"), it.layout.outbox.join("a.xml")).unwrap();
        it.put("b.xml", "<b/>");
        std::os::unix::fs::symlink(&secret, it.layout.outbox.join("b.xml.files")).unwrap();
        for _ in 0..3 {
            assert!(it.look().is_empty());
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
