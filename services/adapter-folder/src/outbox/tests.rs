//! Which documents of an outbox are claimed, when, and where they are moved.

use proto::exchange::v1::SubmittedRecord;
use proto::message::v1::Finding;

use super::*;

fn write_file(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

const SETTLE: Duration = Duration::from_secs(5);

/// An outbox with a scanner and a clock of its own.
struct TestOutbox {
    layout: Layout,
    scanner: OutboxScanner,
    now: Instant,
    _folder: tempfile::TempDir,
}

impl TestOutbox {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::open(folder.path()).unwrap();
        Self { layout, scanner: OutboxScanner::default(), now: Instant::now(), _folder: folder }
    }

    fn put(&self, name: &str, text: &str) {
        write_file(&self.layout.outbox.join(name), text);
    }

    /// Scans after one settling time.
    fn scan(&mut self) -> Vec<OutboxDocument> {
        self.scan_after(SETTLE)
    }

    fn scan_after(&mut self, wait: Duration) -> Vec<OutboxDocument> {
        self.now += wait;
        self.scanner.claim_settled(&self.layout, (self.now, SETTLE)).unwrap()
    }
}

fn names(documents: &[OutboxDocument]) -> Vec<String> {
    documents.iter().map(|it| it.name.to_string_lossy().into_owned()).collect()
}

#[test]
fn a_document_is_claimed_with_its_attachments_once_it_has_settled() {
    let mut it = TestOutbox::new();
    it.put("a.json", "{}");
    it.put("a.json.files/x.pdf", "x");
    it.put("dở.json.tmp", "{");
    it.put(".ẩn", "{");
    assert!(it.scan().is_empty(), "the first scan stores the fingerprint");
    it.put("a.json.files/y.pdf", "y");
    assert!(it.scan().is_empty(), "it changed");
    assert!(it.scan_after(SETTLE / 2).is_empty(), "it has not settled");
    let taken = it.scan_after(SETTLE / 2);
    assert_eq!(names(&taken), ["a.json"]);
    assert_eq!(taken[0].files.len(), 2);
    assert!(!it.layout.outbox.join("a.json").exists());
    assert!(!it.layout.outbox.join("a.json.files").exists());
    assert!(it.layout.outbox.join("dở.json.tmp").exists());
}

#[test]
fn attachments_lie_in_a_folder_of_the_same_letters_however_it_is_composed() {
    let mut it = TestOutbox::new();
    it.put("thư mục.json", "{}");
    it.put("thu\u{31b} mu\u{323}c.json.files/x.pdf", "x");
    // Each of these two has a folder of its own.
    it.put("số.json", "{}");
    it.put("số.json.files/composed.pdf", "x");
    it.put("so\u{302}\u{301}.json", "{}");
    it.put("so\u{302}\u{301}.json.files/decomposed.pdf", "x");
    // The folder of the other document is not this one's.
    it.put("gửi.json", "{}");
    it.put("gu\u{31b}\u{309}i.json", "{}");
    it.put("gu\u{31b}\u{309}i.json.files/y.pdf", "y");
    assert!(it.scan().is_empty());
    let mut found: Vec<_> = it
        .scan()
        .iter()
        .map(|it| {
            let files = it.files.iter().map(|it| it.file_name().unwrap().to_string_lossy());
            (it.name.to_string_lossy().into_owned(), files.collect::<Vec<_>>().join(","))
        })
        .collect();
    found.sort();
    let expected = [
        ("gu\u{31b}\u{309}i.json", "y.pdf"),
        ("gửi.json", ""),
        ("so\u{302}\u{301}.json", "decomposed.pdf"),
        ("số.json", "composed.pdf"),
        ("thư mục.json", "x.pdf"),
    ];
    assert_eq!(found, expected.map(|(name, files)| (name.to_owned(), files.to_owned())));
    assert_eq!(fs::read_dir(&it.layout.outbox).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn a_document_waits_for_an_attachment_that_is_still_being_written() {
    let mut it = TestOutbox::new();
    it.put("a.json", "{}");
    it.put("a.json.files/x.pdf.part", "x");
    for _ in 0..3 {
        assert!(it.scan().is_empty());
    }
    let files = it.layout.outbox.join("a.json.files");
    fs::rename(files.join("x.pdf.part"), files.join("x.pdf")).unwrap();
    assert!(it.scan().is_empty());
    assert_eq!(it.scan()[0].files.len(), 1);
}

#[test]
fn a_claim_that_a_crash_interrupted_is_completed() {
    let mut it = TestOutbox::new();
    it.put("a.xml", "<a/>");
    write_file(&it.layout.sending.join("a.xml/a.xml.files/x.pdf"), "x");
    let taken = it.scan();
    assert_eq!(names(&taken), ["a.xml"], "claimed without waiting for a second scan");
    assert_eq!(taken[0].files.len(), 1);
}

#[test]
fn attachments_of_a_document_that_was_removed_are_moved_back() {
    let mut it = TestOutbox::new();
    write_file(&it.layout.sending.join("a.xml/a.xml.files/x.pdf"), "x");
    assert!(it.scan().is_empty());
    assert!(it.layout.outbox.join("a.xml.files/x.pdf").exists());
    assert!(!it.layout.sending.join("a.xml").exists());
    it.put("a.xml", "<a/>");
    it.scan();
    assert_eq!(it.scan()[0].files.len(), 1);
}

#[test]
fn a_second_document_of_the_same_name_is_moved_under_a_number() {
    let mut it = TestOutbox::new();
    for round in ["1", "2"] {
        it.put("a.xml", round);
        it.scan();
        let taken = it.scan().pop().unwrap();
        taken.move_to_sent(&it.layout, &SubmitResponse::default()).unwrap();
    }
    let sent = &it.layout.sent;
    assert_eq!(fs::read_to_string(sent.join("a.xml/a.xml")).unwrap(), "1");
    assert_eq!(fs::read_to_string(sent.join("a (2).xml/a.xml")).unwrap(), "2");
    assert!(sent.join("a.xml/receipt.json").exists());
}

#[test]
fn a_document_that_waits_for_one_of_the_same_name_delays_no_other() {
    let mut it = TestOutbox::new();
    write_file(&it.layout.sending.join("a.xml/a.xml"), "1");
    it.put("a.xml", "2");
    it.put("b.xml", "b");
    assert_eq!(names(&it.scan()), ["a.xml"]);
    assert_eq!(names(&it.scan()), ["a.xml", "b.xml"]);
    assert_eq!(fs::read_to_string(it.layout.sending.join("a.xml/a.xml")).unwrap(), "1");
}

#[test]
fn a_document_with_the_longest_possible_name_is_sent() {
    for len in 250..=255 {
        let mut it = TestOutbox::new();
        let name = format!("{}.xml", "x".repeat(len - 4));
        for round in 0..2 {
            it.put(&name, "<a/>");
            it.scan();
            let taken = it.scan().pop().unwrap();
            taken.move_to_sent(&it.layout, &SubmitResponse::default()).unwrap();
            assert_eq!(fs::read_dir(&it.layout.sent).unwrap().count(), round + 1);
        }
    }
}

#[test]
fn an_entry_that_fails_stays_and_the_others_are_claimed() {
    let mut it = TestOutbox::new();
    it.put("a.xml", "<a/>");
    it.put("a.xml.files", "a file where a folder should be");
    it.put("b.xml", "<b/>");
    write_file(&it.layout.sending.join("c.xml"), "a file where a folder should be");
    it.scan();
    assert_eq!(names(&it.scan()), ["a.xml.files", "b.xml"]);
    assert!(it.layout.outbox.join("a.xml").exists());
    assert_eq!(it.scanner.failed, ["c.xml".into(), "a.xml".into()].into());
}

#[test]
fn a_document_with_the_name_of_a_report_is_not_overwritten() {
    let mut it = TestOutbox::new();
    for name in ["receipt.json", "reason.json", "ly-do.txt"] {
        it.put(name, "mine");
    }
    it.scan();
    for taken in it.scan() {
        let fault = Fault::new(&code::LT_FLD_001);
        match taken.name.to_str() {
            Some("receipt.json") => {
                taken.move_to_sent(&it.layout, &SubmitResponse::default()).unwrap()
            }
            _ => taken.move_to_refused(&it.layout, &fault).unwrap(),
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
    let mut it = TestOutbox::new();
    let secret = it.layout.sent.join("secret");
    write_file(&secret.join("s.pdf"), "s");
    std::os::unix::fs::symlink(secret.join("s.pdf"), it.layout.outbox.join("a.xml")).unwrap();
    it.put("b.xml", "<b/>");
    std::os::unix::fs::symlink(&secret, it.layout.outbox.join("b.xml.files")).unwrap();
    for _ in 0..3 {
        assert!(it.scan().is_empty());
    }
}

#[test]
fn a_folder_can_be_opened_by_one_adapter_only() {
    let folder = tempfile::tempdir().unwrap();
    let first = Layout::open(folder.path()).unwrap();
    let error = Layout::open(folder.path()).unwrap_err();
    assert!(error.to_string().contains("another adapter"), "{error}");
    drop(first);
    Layout::open(folder.path()).unwrap();
}

#[test]
fn refused_records_of_a_sent_document_are_named_beside_it() {
    let mut it = TestOutbox::new();
    it.put("so.csv", "x");
    it.scan();
    let taken = it.scan().pop().unwrap();
    let record = |id: &str| SubmittedRecord {
        outcome: Some(Outcome::Submitted(SubmitResponse {
            receipt: Some(Receipt { message_id: id.to_owned(), ..Receipt::default() }),
            ..SubmitResponse::default()
        })),
        ..SubmittedRecord::default()
    };
    let finding = Finding {
        code: code::LT_MAP_232.code.to_owned(),
        field: "line 3/Ngày".to_owned(),
        text_vi: "sai ngày".to_owned(),
        text_en: "no such day".to_owned(),
    };
    let response = SubmitResponse {
        receipt: Some(Receipt { message_id: "1".to_owned(), ..Receipt::default() }),
        findings: vec![finding],
        records: vec![record("1"), record("2")],
        ..SubmitResponse::default()
    };
    taken.move_to_sent(&it.layout, &response).unwrap();
    let reason = fs::read_to_string(it.layout.sent.join("so.csv/LY-DO.txt")).unwrap();
    assert!(reason.contains("LT-MAP-232") && reason.contains("line 3/Ngày: sai ngày"), "{reason}");
    for id in ["1", "2"] {
        // A report about any of its records finds the document.
        assert_eq!(fs::read_to_string(it.layout.sent_names.join(id)).unwrap(), "so.csv");
    }
}
