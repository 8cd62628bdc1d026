//! Documents in an outbox: what is taken, when, and what is left.

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
