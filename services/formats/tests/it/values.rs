//! Values are read and written true: what identifies is whole, what could not be read is not replaced.

use crate::*;

/// The packet with the text of its first element of this name replaced.
fn with(name: &str, text: &str) -> String {
    let open = format!("<edXML:{name}>");
    let (before, rest) = PACKET.split_once(&open).unwrap();
    let (_, after) = rest.split_once("</").unwrap();
    format!("{before}{open}{text}</{after}")
}

/// The packet after it was read and written, and the losses of writing.
fn rewritten(native: &str) -> (String, Vec<String>) {
    let registry = registry();
    let edxml = registry.get("edxml.document").unwrap();
    let mut files = MemoryBlobs::default();
    let canonical =
        read(edxml, native.as_bytes(), &mut files).unwrap_or_else(|it| panic!("{native}: {it:?}"));
    let mut out = Vec::new();
    let losses = edxml.encode(&canonical, EncodeContext::default(), &files, &mut out).unwrap();
    let losses = losses.into_iter().filter(|it| it.kind() != loss::Kind::Added);
    let losses = losses.map(|it| format!("{} {}", it.path, it.reason));
    (String::from_utf8(out).unwrap(), losses.collect())
}

/// Two documents would become one, and an address that of somebody else.
#[test]
fn what_identifies_is_written_whole() {
    let long_name = format!("{}.pdf", "a".repeat(600));
    for (name, value) in [
        ("CodeNumber", "20251020104803".to_owned()),
        ("CodeNotation", "TB-UBND-VXNV-".repeat(5)),
        ("DocumentId", format!("A99.1,2026/11/20,{}", "4".repeat(200))),
        ("DocumentId", "bộ phận ".repeat(20).trim().to_owned()),
    ] {
        let (written, losses) = rewritten(&with(name, &value));
        assert!(written.contains(&format!("<edXML:{name}>{value}</")), "{name}: {written}");
        assert_eq!(losses, [""; 0], "{name}");
    }
    let named = PACKET.replace(">a.pdf<", &format!(">{long_name}<"));
    let (written, losses) = rewritten(&named);
    assert_eq!(written.matches(&format!(">{long_name}<")).count(), 2, "{written}");
    assert_eq!(losses, [""; 0]);
    let mail = format!("{}@a.vn", "x".repeat(120));
    let addressed = PACKET.replacen(
        "</edXML:From>",
        &format!(
            "<edXML:Email>{mail}</edXML:Email><edXML:Telephone>{0}</edXML:Telephone></edXML:From>",
            "0".repeat(40)
        ),
        1,
    );
    let (written, losses) = rewritten(&addressed);
    assert!(written.contains(&mail) && written.contains(&"0".repeat(40)), "{written}");
    assert_eq!(losses, [""; 0]);
    // A description may be cut, and the loss says so.
    let (_, losses) = rewritten(&with("Subject", &"dài ".repeat(200)));
    assert_eq!(losses, ["subject cut"]);
}

/// A description that would cut an identity does not compile, whichever field it is.
#[test]
fn a_rule_that_would_cut_an_identity_does_not_compile() {
    let mistakes = |rule: &str| {
        let text = format!(
            "format: x\nversion: 1\ntitle: X\ncarries: Document\nsyntax: {{kind: json, records: a}}\n\
             lists: {{t: {{open: yes, rows: {{abcdef: x}}}}}}\nfields:\n  - {rule}\n"
        );
        let mistakes = Format::compile(&text).err().unwrap_or_default();
        mistakes.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    for target in [
        "to: id",
        "to: number.number",
        "to: number, pattern: '{number}/{notation}'",
        "to: sender.email",
        "to: sender.phone",
        "to: \"sender.ids[0]\", as: org-id",
        "to: change.target.id",
        "to: \"extras[a.B]\", as: extra",
        "to: \"relations[kind=ANSWERS].target.id\"",
        "to: dossier.code",
        "to: pages, as: whole",
        "to: issued, as: date yyyy/MM/dd",
        "to: type, as: code t",
    ] {
        let found = mistakes(&format!("{{at: A, {target}, max: 5}}"));
        assert!(found.len() == 1 && found[0].contains("never cut"), "{target}: {found:?}");
        for other in ["carry", "refuse"] {
            let rule = format!("{{at: A, {target}, max: 5, too-long: {other}}}");
            assert_eq!(mistakes(&rule), [""; 0], "{target}");
        }
    }
    for descriptive in ["subject", "sender.name", "note", "change.reason"] {
        assert_eq!(mistakes(&format!("{{at: A, to: {descriptive}, max: 5}}")), [""; 0]);
    }
    assert_eq!(mistakes("{at: A, to: type, as: code t, max: 6}"), [""; 0]);
    let alone = mistakes("{at: A, to: id, too-long: carry}");
    assert!(alone[0].contains("needs a `max`"), "{alone:?}");
}

/// The files of a folder of cases beside the project; none when it is absent.
fn cases_of(folder: &str) -> Vec<(String, Vec<u8>)> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/cases").join(folder);
    let Ok(entries) = std::fs::read_dir(&path) else {
        std::io::stderr().write_all(b"no cases beside the project, so none was read\n").unwrap();
        return Vec::new();
    };
    let mut paths: Vec<_> = entries.map(|it| it.unwrap().path()).collect();
    paths.sort();
    let name = |it: &PathBuf| it.file_name().unwrap().to_string_lossy().into_owned();
    paths.iter().map(|it| (name(it), std::fs::read(it).unwrap())).collect()
}

/// What a case must say: of the file, in its format.
struct Said {
    /// The day of issue, the due day, or what was refused.
    issued: Result<String, String>,
    due: String,
    findings: Vec<String>,
}

fn said(native: &[u8]) -> Said {
    let registry = registry();
    let format = registry.choose("auto", native).unwrap();
    let day = |it: Option<proto::canonical::v1::Date>| {
        it.map_or_else(String::new, |it| format!("{:04}-{:02}-{:02}", it.year, it.month, it.day))
    };
    let decoded = match format.decode(native, &[], &mut MemoryBlobs::default()) {
        Ok(mut decoded) => decoded.remove(0),
        Err(fault) => {
            let first = fault.violations.first().cloned().unwrap_or_default();
            let text = format!("{} {}: {}", fault.code, first.field, first.description_en);
            return Said { issued: Err(text), due: String::new(), findings: Vec::new() };
        }
    };
    let document = document(&decoded.canonical);
    let findings = decoded.findings.iter().map(|it| {
        assert!(!it.text_vi.is_empty() && it.text_vi != it.text_en, "{it:?}");
        format!("{} {}", it.code, it.field.rsplit('/').next().unwrap())
    });
    let findings = findings.collect();
    Said { issued: Ok(day(document.issued)), due: day(document.due), findings }
}

/// Folder, file, day of issue or refusal, due day, findings.
type DayRow =
    (&'static str, &'static str, Result<String, String>, &'static str, &'static [&'static str]);

/// Cases D01, D02, E02 and J07: every file of the folders, one row each.
#[test]
fn cases_of_days_have_their_value() {
    let header = "LT-MAP-014 edXMLEnvelope/edXMLHeader/MessageHeader/PromulgationInfo";
    let month_first =
        format!("{header}/PromulgationDate: \"11/20/2026\" has the month first, which is not read");
    let ok = |day: &str| Ok(day.to_owned());
    let november = || ok("2026-11-20");
    let none: &'static [&'static str] = &["LT-MAP-054 DueDate"];
    let rows: [DayRow; 15] = [
        ("D01-sentinel-due-date", "0-0001_01_01.xml", november(), "", none),
        ("D01-sentinel-due-date", "1-0001-01-01.xml", november(), "", none),
        ("D01-sentinel-due-date", "2-01_01_0001.xml", november(), "", none),
        ("D01-sentinel-due-date", "3-1900_01_01.xml", november(), "", none),
        ("D01-sentinel-due-date", "4-0001-01-01T000000.xml", november(), "", none),
        ("D02-other-date-forms", "00.xml", november(), "", &[]),
        ("D02-other-date-forms", "02.xml", november(), "", &[]),
        ("D02-other-date-forms", "04.xml", ok("2026-11-05"), "", &[]),
        ("D02-other-date-forms", "06.xml", november(), "", &[]),
        ("D02-other-date-forms", "08.xml", Err(month_first), "", &[]),
        ("D02-other-date-forms", "10.xml", november(), "", &[]),
        (
            "E02-date-with-time",
            "a.xml",
            ok("2023-03-14"),
            "2023-03-14",
            &["LT-MAP-053 PromulgationDate", "LT-MAP-053 DueDate"],
        ),
        ("J07-dates", "a.json", ok("2026-11-18"), "", &[]),
        ("J07-dates", "b.json", ok("2026-11-18"), "", &[]),
        ("J07-dates", "c.json", ok("2026-11-18"), "", &[]),
    ];
    for folder in
        ["D01-sentinel-due-date", "D02-other-date-forms", "E02-date-with-time", "J07-dates"]
    {
        for (name, native) in cases_of(folder) {
            let row = rows.iter().find(|it| (it.0, it.1) == (folder, name.as_str()));
            let (.., issued, due, findings) = row.unwrap_or_else(|| panic!("{folder}/{name}"));
            let said = said(&native);
            assert_eq!(&said.issued, issued, "{folder}/{name}");
            assert_eq!((said.due.as_str(), said.findings), (*due, strings(findings)), "{name}");
        }
    }
}

/// Siblings of D02: what people and other input methods write, and what stays doubtful.
#[test]
fn days_that_have_one_reading_are_read() {
    let read = |day: &str| said(with("PromulgationDate", day).as_bytes()).issued;
    for day in [
        "20 tháng 11 năm 2026",
        "Ngày 20 tháng 11 năm 2026",
        "20 / 11 / 2026",
        "２０／１１／２０２６",
        "2026 - 11 - 20",
    ] {
        assert_eq!(read(day), Ok("2026-11-20".to_owned()), "{day}");
    }
    for day in ["20/11/26", "tháng 11 năm 2026", "20 11 2026", "20/11/2026.", "20-Nov-2026"] {
        assert!(read(day).is_err(), "{day}");
    }
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|it| (*it).to_owned()).collect()
}

/// A status: its code, the text of its time as it is written again, and the findings.
fn status_of(native: &[u8]) -> (i32, String, Vec<String>) {
    let registry = registry();
    let format = registry.get("edxml.status").unwrap();
    let decoded = format.decode(native, &[], &mut MemoryBlobs::default()).unwrap().remove(0);
    let Some(Body::Status(status)) = &decoded.canonical.body else { panic!("no status") };
    let mut out = Vec::new();
    let now = EncodeContext { now_us: 1_600_000_000_000_000, ..EncodeContext::default() };
    format.encode(&decoded.canonical, now, &MemoryBlobs::default(), &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    let time = text.split_once("<edXML:Timestamp>").map_or("", |(_, it)| it);
    let time = time.split('<').next().unwrap().to_owned();
    (status.kind, time, decoded.findings.iter().map(|it| it.code.clone()).collect())
}

/// Cases D03: the time that the reporter said, in whatever form, and never another one.
#[test]
fn cases_of_status_times_have_their_value() {
    for (name, native) in cases_of("D03-status-time-forms") {
        let expected = (1, "2026/11/20 09:30:00".to_owned(), Vec::new());
        assert_eq!(status_of(&native), expected, "{name}");
    }
}

/// Cases D04: a code without its zero, with white space, as a number or in full width.
#[test]
fn cases_of_status_codes_have_their_value() {
    for (name, native) in cases_of("D04-status-code-forms") {
        let (kind, findings): (_, &[&str]) = match name.as_str() {
            "0.xml" => (1, &["LT-MAP-050"]),
            "1.xml" | "4.xml" | "6.xml" => (3, &["LT-MAP-050"]),
            "3.xml" => (6, &[]),
            other => panic!("{other}"),
        };
        let (read, _, found) = status_of(&native);
        assert_eq!((read, found), (kind, strings(findings)), "{name}");
    }
}

const STATUS: &str = r#"<edXML xmlns="http://www.mic.gov.vn/TBT/QCVN_102_2016"><edXMLEnvelope><edXMLHeader><MessageHeader>
<From><OrganId>A99.2</OrganId></From>
<ResponseFor><OrganId>A99.1</OrganId><Code>71/CV</Code><DocumentId>A99.1,2026/11/20,71/CV</DocumentId></ResponseFor>
<StatusCode>01</StatusCode><Timestamp>TIME</Timestamp></MessageHeader></edXMLHeader></edXMLEnvelope></edXML>"#;

/// A default is for what is absent. What could not be read is written as it stood, and in another
/// format nothing is written in its place.
#[test]
fn an_unreadable_time_is_never_replaced() {
    for unreadable in ["hôm qua", "11/20/2026 09:30", "2026/02/30 08:00:00", "0001-01-01T00:00:00"]
    {
        let (_, time, findings) = status_of(STATUS.replace("TIME", unreadable).as_bytes());
        assert_eq!((time.as_str(), findings.len()), (unreadable, 1));
    }
    let (_, time, findings) = status_of(STATUS.replace("TIME", "2026-01-02T08:00:00").as_bytes());
    assert_eq!((time.as_str(), findings.len()), ("2026/01/02 08:00:00", 0));
    // Where nothing stood, the format says when it was written.
    let (_, time, _) = status_of(STATUS.replace("TIME", "").as_bytes());
    assert_eq!(time, "2020/09/13 19:26:40");
    let other = Format::compile(
        "format: other\nversion: 1\ntitle: X\ncarries: Status\nsyntax: {kind: json, records: ''}\n\
         fields:\n  - {at: code, to: about.id}\n\
         \x20 - {at: time, to: at, as: time yyyy-MM-dd HH:mm, write-default: now}\n\
         \x20 - {at: by, to: actor.full_name, else: reporter.name}\n",
    )
    .unwrap();
    let written = |time: &str| {
        let registry = registry();
        let edxml = registry.get("edxml.status").unwrap();
        let native = STATUS.replace("TIME", time);
        let read = read(edxml, native.as_bytes(), &mut MemoryBlobs::default()).unwrap();
        let mut out = Vec::new();
        other.encode(&read, EncodeContext::default(), &MemoryBlobs::default(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    assert!(written("").contains("1970-01-01 07:00"), "{}", written(""));
    assert!(!written("hôm qua").contains("1970"), "{}", written("hôm qua"));
}

/// Case T06: what a text round trip left of a text is taken with a finding.
#[test]
fn a_damaged_text_has_a_finding() {
    for (name, native) in cases_of("T06-replacement-char") {
        // The file of the case is damaged as well, which is another finding.
        let findings = said(&native).findings;
        assert!(findings.contains(&"LT-MAP-052 Subject".to_owned()), "{name}: {findings:?}");
    }
    for native in [
        with("Subject", "C\u{fffd}ng v\u{fffd}n"),
        with("CodeNotation", "C\u{fffd}/TU"),
        with("OrganName", "\u{fffd}"),
    ] {
        let findings = said(native.as_bytes()).findings;
        assert!(findings.iter().any(|it| it.starts_with("LT-MAP-052")), "{findings:?}");
    }
}
