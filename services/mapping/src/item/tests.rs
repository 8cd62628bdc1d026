//! Items as clients send them, decoded and normalized: codes and recipients (catalogue B-021,
//! B-022, B-024, B-058).
//!
//! | input | answer |
//! |---|---|
//! | invisible, full-width or look-alike characters, lower case in a code | LT-MAP-225, spelled out, with what the registry has |
//! | a blank inside the quotes of JSON, or in the call's `recipients` | LT-MAP-225 |
//! | blanks and line ends between the tags of XML | taken: they are how XML is indented, not part of the code |
//! | the sender among the recipients | LT-MAP-226 |
//! | a recipient twice | taken once, with a finding (LT-MAP-227): nothing is ambiguous about it |

use std::path::PathBuf;

use proto::message::v1::{MessageType, Organisation, OrganisationCode};
use proto::registry::v1::{Application, Right, Snapshot, Takes};

use super::*;

fn directory() -> Directory {
    let organisation = |key: &str, code: &str| Organisation {
        key: key.into(),
        codes: vec![OrganisationCode { value: code.into(), ..OrganisationCode::default() }],
        ..Organisation::default()
    };
    let application = |organisation: &str| Application {
        id: format!("{organisation}-1"),
        organisation: organisation.into(),
        takes: vec![Takes {
            r#type: MessageType::Document.into(),
            format: "canonical.json".into(),
        }],
        ..Application::default()
    };
    Directory::new(Snapshot {
        revision: "1".into(),
        organisations: vec![organisation("a", "A99.1"), organisation("b", "A99.2")],
        applications: vec![application("a"), application("b")],
        rights: vec![Right {
            from: "*".into(),
            to: "*".into(),
            types: vec![MessageType::Document.into()],
            ..Right::default()
        }],
        ..Snapshot::default()
    })
}

fn packet(sender: &str, recipients: &[&str]) -> String {
    let to: String = recipients
        .iter()
        .map(|it| format!("<To><OrganId>{it}</OrganId><OrganName>B</OrganName></To>"))
        .collect();
    format!(
        "<edXML xmlns=\"http://www.mic.gov.vn/TBT/QCVN_102_2016\"><edXMLEnvelope><edXMLHeader>\
         <MessageHeader><From><OrganId>{sender}</OrganId></From>{to}<DocumentId>1</DocumentId>\
         <Code><CodeNumber>45</CodeNumber><CodeNotation>CV/TU</CodeNotation></Code>\
         <PromulgationInfo><PromulgationDate>2026/11/20</PromulgationDate></PromulgationInfo>\
         <Subject>V/v A</Subject></MessageHeader></edXMLHeader></edXMLEnvelope></edXML>"
    )
}

fn portal(code: &str) -> String {
    format!(
        r#"{{"Value":{{"Data":[{{"Guid":"1","SoHieu":"4","KyHieu":"CV","TrichYeu":"V/v A","DoMat":"0",
            "NgayBanHanh":"20/11/2026","DonViNhanVanBanNgoaDonVi":[{{"MaDonVi":"A99.2"}},{{"MaDonVi":"{code}"}}]}}]}}}}"#
    )
}

fn read_of_refused(native: &str) -> (String, Option<ReadAttributes>) {
    let opening =
        NormalizeItem { sender: "a".into(), format: "auto".into(), ..NormalizeItem::default() };
    let item = ReceivedItem { opening, native: Bytes::copy_from_slice(native.as_bytes()) };
    let codec = Codec::with_shipped_formats().unwrap();
    let refusal = only_outcome(normalize_item(&codec, &directory(), "2026-11-24", &item));
    let refusal = refusal.unwrap_err();
    (refusal.fault.code, refusal.read)
}

#[test]
fn a_refusal_has_the_number_where_it_could_be_read_and_the_item_is_not_secret() {
    let (code, read) = read_of_refused(&portal("Z99.9"));
    assert_eq!(code, "LT-MAP-204", "an unknown recipient, found after decoding");
    let read = read.unwrap();
    assert_eq!((read.number.as_str(), read.r#type()), ("4/CV", MessageType::Document));
    let (code, read) = read_of_refused(&portal("A99.3").replace("V/v A", ""));
    assert_eq!(code, "LT-MAP-014", "a wrong field, found while decoding");
    assert_eq!(read.unwrap().number, "4/CV");
    let (code, read) = read_of_refused(&portal("A99.3").replace("V/v A", "TUYỆT MẬT"));
    assert_eq!((code.as_str(), read), ("LT-MAP-210", None));
    let (_, read) = read_of_refused("{");
    assert_eq!(read.map(|it| it.number), None, "nothing was read");
}

fn normalize_native(native: &[u8], recipients: &[&str]) -> Result<Normalized, Fault> {
    let opening = NormalizeItem {
        sender: "a".into(),
        format: "auto".into(),
        recipients: recipients.iter().map(|it| (*it).to_owned()).collect(),
        ..NormalizeItem::default()
    };
    let item = ReceivedItem { opening, native: Bytes::copy_from_slice(native) };
    let codec = Codec::with_shipped_formats().unwrap();
    let normalized = normalize_item(&codec, &directory(), "2026-11-24", &item);
    only_outcome(normalized).map_err(|it| it.fault)
}

/// The outcome of an item of one record.
fn only_outcome(
    item: Result<(ExtractedFiles, Vec<RecordOutcome>), Refusal>,
) -> Result<Normalized, Refusal> {
    let (_, mut records) = item?;
    records.remove(0).outcome
}

/// Rows of `eoffice.laocai`: number, subject, and what else stands in each.
fn rows(rows: &[(u32, &str, &str)]) -> Vec<u8> {
    let row = |(number, subject, more): &(u32, &str, &str)| {
        format!(
            r#"{{"external_doc_id":"{number}","notation":"{number}/CV","abstract":"{subject}",
                "publish_date":"2026-11-20"{more}}}"#
        )
    };
    format!(r#"{{"rows":[{}]}}"#, rows.iter().map(row).collect::<Vec<_>>().join(",")).into_bytes()
}

fn answers(native: Vec<u8>) -> Vec<NormalizeResponse> {
    let opening = NormalizeItem {
        sender: "a".into(),
        format: "auto".into(),
        recipients: vec!["A99.2".into()],
        ..NormalizeItem::default()
    };
    let item = ReceivedItem { opening, native: native.into() };
    let codec = Codec::with_shipped_formats().unwrap();
    answer_item(&codec, &directory(), "2026-11-24", &item).collect()
}

#[test]
fn each_record_of_a_body_has_its_own_outcome_and_identities() {
    let answers = answers(rows(&[(1, "Một", ""), (2, "", ""), (3, "Ba", "")]));
    let places: Vec<_> = answers.iter().map(|it| (it.records, it.record, &*it.place)).collect();
    assert_eq!(places, [(3, 0, "rows[0]"), (3, 1, "rows[1]"), (3, 2, "rows[2]")]);
    let [Some(Frame::Normalized(one)), Some(Frame::Refused(fault)), Some(Frame::Normalized(three))] =
        [0, 1, 2].map(|it: usize| answers[it].frame.clone())
    else {
        panic!("{answers:?}")
    };
    assert_eq!((&*fault.code, &*fault.violations[0].field), ("LT-MAP-014", "rows[1]/abstract"));
    assert_eq!(answers[1].read.as_ref().unwrap().number, "2/CV", "an operator finds it by this");
    assert_ne!(one.content_digest, three.content_digest);
    assert_ne!(one.conversation, three.conversation);
    let [answer] = &answers_of_one()[..] else { panic!("one record is one answer") };
    assert_eq!((answer.records, &*answer.place), (0, ""));
}

fn answers_of_one() -> Vec<NormalizeResponse> {
    answers(rows(&[(1, "Một", "")]))
}

#[test]
fn a_secrecy_mark_in_one_record_refuses_the_body_and_names_no_other() {
    for marked in [
        (2, "Hai", r#","secret_id":"2""#),
        (2, "TUYỆT MẬT", ""),
        (2, "Hai", r#","x":"Độ mật: Mật""#),
        // A record that is refused for another reason too.
        (2, "", r#","x":"Độ mật: Mật""#),
    ] {
        let answers = answers(rows(&[(1, "Một", ""), marked, (3, "Ba", "")]));
        let [
            NormalizeResponse {
                frame: Some(Frame::Refused(fault)), read: None, records: 0, ..
            },
        ] = &answers[..]
        else {
            panic!("{marked:?}: {answers:?}")
        };
        assert!(secrecy::is_code(fault), "{marked:?}: {fault:?}");
        assert!(!format!("{fault:?}").contains("Một"));
    }
}

/// Code, path and both texts of the first violation.
fn refusal(native: &str, recipients: &[&str]) -> (String, String, String, String) {
    let fault = normalize_native(native.as_bytes(), recipients).expect_err(native);
    let first = fault.violations[0].clone();
    (fault.code, first.field, first.description_vi, first.description_en)
}

const MISSPELLED: [(&str, &str); 9] = [
    ("A99.2\u{200b}", "`A99.2[U+200B]` holds U+200B (zero-width space); the registry has `A99.2`"),
    ("\u{feff}A99.2", "`[U+FEFF]A99.2` holds U+FEFF (byte order mark); the registry has `A99.2`"),
    ("A99.2\u{a0}", "`A99.2[U+00A0]` holds U+00A0 (no-break space); the registry has `A99.2`"),
    ("A99\u{200d}.2", "`A99[U+200D].2` holds U+200D (zero-width joiner); the registry has `A99.2`"),
    ("\u{ff21}99.2", "`Ａ[U+FF21]99.2` holds U+FF21 (full-width letter); the registry has `A99.2`"),
    ("\u{410}99.2", "`А[U+0410]99.2` holds U+0410 (Cyrillic letter)"),
    ("A99\u{2028}.2", "`A99[U+2028].2` holds U+2028 (line break); the registry has `A99.2`"),
    ("a99.2", "`a99.2` differs in upper and lower case; the registry has `A99.2`"),
    ("A99.2\u{ad}", "`A99.2[U+00AD]` holds U+00AD (soft hyphen); the registry has `A99.2`"),
];

#[test]
fn a_code_that_is_not_written_as_registered_is_refused_in_every_format() {
    for (code, expected) in MISSPELLED {
        let forms = [
            (
                packet("A99.1", &["A99.2", code]),
                vec![],
                "edXMLEnvelope/edXMLHeader/MessageHeader/To[1]/OrganId",
            ),
            (portal(code), vec![], "Value/Data[0]/DonViNhanVanBanNgoaDonVi[1]/MaDonVi"),
            (packet("A99.1", &["A99.2"]), vec!["A99.2", code], "recipients[1]"),
        ];
        for (native, recipients, path) in forms {
            let (found, field, vi, en) = refusal(&native, &recipients);
            assert_eq!(found, "LT-MAP-225", "{code:?} {path}");
            assert!(path.ends_with(&field), "{field} is not {path}");
            assert!(en.contains(expected), "{code:?}: {en}");
            assert_ne!(vi, en);
        }
    }
    let sender = refusal(&packet("a99.1", &["A99.2"]), &[]);
    assert_eq!(
        (&*sender.0, &*sender.1),
        ("LT-MAP-225", "edXMLEnvelope/edXMLHeader/MessageHeader/From/OrganId")
    );
    assert_eq!(refusal(&packet("A99.1\u{200b}", &["A99.2"]), &[]).0, "LT-MAP-225");
    for blank in ["A99.2 ", " A99.2"] {
        assert!(refusal(&portal(blank), &[]).3.contains("a blank in front or behind"));
        assert_eq!(refusal(&packet("A99.1", &["A99.2"]), &[blank]).0, "LT-MAP-225");
    }
    assert_eq!(refusal(&packet("A99.1", &["A99.7"]), &[]).0, "LT-MAP-204", "simply unknown");
}

#[test]
fn indentation_of_xml_is_no_part_of_a_code() {
    for code in ["A99.2", "\n      A99.2\n    ", "A99.2 ", "\t\r\nA99.2", "b"] {
        let normalized = normalize_native(packet("A99.1", &[code]).as_bytes(), &[]).unwrap();
        assert_eq!(normalized.recipients, ["b"], "{code:?}");
    }
}

#[test]
fn the_sender_is_no_recipient_and_a_recipient_twice_is_one() {
    let (code, _, _, en) = refusal(&packet("A99.1", &["A99.2", "A99.1"]), &[]);
    assert_eq!(
        (&*code, &*en),
        ("LT-MAP-226", "The recipient A99.1 is the sending organisation itself.")
    );
    assert_eq!(refusal(&packet("A99.1", &["A99.2"]), &["a"]).1, "recipients[0]");
    let twice = normalize_native(packet("A99.1", &["A99.2", "b"]).as_bytes(), &[]).unwrap();
    assert_eq!(twice.recipients, ["b"]);
    let finding = twice.findings.iter().find(|it| it.code == "LT-MAP-227").unwrap();
    assert!(finding.field.ends_with("To[1]/OrganId"), "{}", finding.field);
}

#[test]
fn ids_hold_nothing_that_people_cannot_see() {
    let good = packet("A99.1", &["A99.2"]);
    for (from, to, field) in [
        (">45<", ">4\u{200b}5<", "CodeNumber"),
        (">CV/TU<", ">CV\u{feff}/TU<", "CodeNotation"),
        (">1</DocumentId>", ">1\u{202e}</DocumentId>", "DocumentId"),
    ] {
        let (code, path, _, en) = refusal(&good.replace(from, to), &[]);
        assert_eq!(code, "LT-MAP-014");
        assert!(path.ends_with(field) && en.contains("U+"), "{path}: {en}");
    }
    assert!(
        normalize_native(good.replace(">CV/TU<", ">CV\u{a0}–\u{a0}TU<").as_bytes(), &[]).is_ok()
    );
    for empty in ["", "  ", "\u{200b}\u{feff}", "\u{a0}"] {
        let (code, ..) = refusal(&good.replace("V/v A", empty), &[]);
        assert_eq!(code, "LT-MAP-014", "{empty:?}");
    }
    let long = portal("A99.2").replace("V/v A", &"x".repeat(1 << 20));
    assert_eq!(refusal(&long, &[]).0, "LT-MAP-005");
    let long = portal("A99.2").replace("V/v A", &"x".repeat(5_001));
    assert_eq!(refusal(&long, &[]).3, "The subject has 5001 characters, at most 5000.");
}

#[test]
fn cases_of_codes_have_their_value() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/cases/T01-invisible-in-code");
    for (name, shown) in [
        ("bom.xml", Some("[U+FEFF]A99.2")),
        ("nbsp.xml", Some("A99.2[U+00A0]")),
        ("zwsp.xml", Some("A99.2[U+200B]")),
        ("lower.xml", Some("a99.2")),
        ("newline.xml", None),
    ] {
        let Ok(native) = std::fs::read(folder.join(name)) else {
            println!("no cases beside the project, so none was read");
            return;
        };
        match (normalize_native(&native, &[]), shown) {
            (Ok(normalized), None) => assert_eq!(normalized.recipients, ["b"], "{name}"),
            (Err(fault), Some(shown)) => {
                assert_eq!((&*fault.code, &*fault.params["code"]), ("LT-MAP-225", shown), "{name}");
                let field = &fault.violations[0].field;
                assert!(field.ends_with("To[0]/OrganId"), "{name}: {field}");
            }
            (outcome, _) => panic!("{name}: {outcome:?}"),
        }
    }
}

/// As [`directory`], with what two recipients take, as `document format, status format`.
fn directory_taking(takes_of_b: &str, takes_of_c: &str) -> Directory {
    let organisation = |key: &str, code: &str| Organisation {
        key: key.into(),
        codes: vec![OrganisationCode { value: code.into(), ..OrganisationCode::default() }],
        ..Organisation::default()
    };
    let types = [MessageType::Document, MessageType::Status];
    let application = |organisation: &str, takes: &str| Application {
        id: format!("{organisation}-1"),
        organisation: organisation.into(),
        takes: types
            .into_iter()
            .zip(takes.split(", "))
            .map(|(it, format)| Takes { r#type: it.into(), format: format.into() })
            .collect(),
        ..Application::default()
    };
    Directory::new(Snapshot {
        revision: "1".into(),
        organisations: vec![
            organisation("a", "A99.1"),
            organisation("b", "A99.2"),
            organisation("c", "A99.3"),
        ],
        applications: vec![application("b", takes_of_b), application("c", takes_of_c)],
        rights: vec![Right {
            from: "*".into(),
            to: "*".into(),
            types: types.map(i32::from).into(),
            ..Right::default()
        }],
        ..Snapshot::default()
    })
}

fn normalize_by(directory: &Directory, native: &str) -> Result<Normalized, Fault> {
    let opening =
        NormalizeItem { sender: "a".into(), format: "auto".into(), ..NormalizeItem::default() };
    let item = ReceivedItem { opening, native: Bytes::copy_from_slice(native.as_bytes()) };
    let codec = Codec::with_shipped_formats().unwrap();
    let normalized = normalize_item(&codec, directory, "2026-11-24", &item);
    only_outcome(normalized).map_err(|it| it.fault)
}

/// Code, field and English text of the findings with this code.
fn findings_of(normalized: &Normalized, code: &str) -> Vec<(String, String)> {
    let found = normalized.findings.iter().filter(|it| it.code == code);
    found.map(|it| (it.field.clone(), it.text_en.clone())).collect()
}

const HEADER: &str = "edXMLEnvelope/edXMLHeader/MessageHeader";

#[test]
fn what_no_recipient_can_get_is_refused_with_the_senders_own_fields() {
    const EDXML: &str = "edxml.document, edxml.status";
    let without_id = packet("A99.1", &["A99.2"]).replace("<DocumentId>1</DocumentId>", "");
    let fault = normalize_by(&directory_taking(EDXML, EDXML), &without_id).unwrap_err();
    assert_eq!(fault.code, "LT-MAP-241");
    let violation = &fault.violations[0];
    assert_eq!(violation.field, format!("{HEADER}/DocumentId"));
    let text = &violation.description_en;
    assert!(text.contains("b-1") && text.contains("edxml.document"), "{text}");
    assert!(normalize_by(&directory_taking(EDXML, EDXML), &packet("A99.1", &["A99.2"])).is_ok());
    let anything = directory_taking("canonical.json, canonical.json", EDXML);
    let normalized = normalize_by(&anything, &without_id).unwrap();
    assert_eq!(findings_of(&normalized, "LT-MAP-242"), [], "c is no recipient");
}

#[test]
fn what_some_recipients_cannot_get_is_a_finding_that_names_them() {
    let directory =
        directory_taking("canonical.json, canonical.json", "edxml.document, edxml.status");
    let both = packet("A99.1", &["A99.2", "A99.3"]).replace("<DocumentId>1</DocumentId>", "");
    let normalized = normalize_by(&directory, &both).unwrap();
    assert_eq!(normalized.recipients, ["b", "c"]);
    let found = findings_of(&normalized, "LT-MAP-242");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].0, format!("{HEADER}/DocumentId"));
    assert!(found[0].1.starts_with("c-1 takes the format edxml.document"), "{}", found[0].1);
}

fn status(code: &str, about: &str, description: &str, time: &str) -> String {
    format!(
        "<edXML xmlns=\"http://www.mic.gov.vn/TBT/QCVN_102_2016\"><edXMLEnvelope><edXMLHeader>\
         <MessageHeader><From><OrganId>A99.1</OrganId></From><ResponseFor>\
         <OrganId>A99.2</OrganId><Code>45/CV</Code>{about}\
         <PromulgationDate>2026/11/20</PromulgationDate></ResponseFor><StatusCode>{code}</StatusCode>\
         <StaffInfo><Staff>N</Staff></StaffInfo><Description>{description}</Description>\
         <Timestamp>{time}</Timestamp></MessageHeader></edXMLHeader></edXMLEnvelope></edXML>"
    )
}

const ABOUT: &str = "<DocumentId>1</DocumentId>";

#[test]
fn a_status_that_names_no_document_is_refused_where_its_recipient_needs_it() {
    let directory =
        directory_taking("edxml.document, edxml.status", "edxml.document, edxml.status");
    let fault = normalize_by(&directory, &status("03", "", "", "2026/11/21 08:00:00")).unwrap_err();
    assert_eq!(fault.code, "LT-MAP-241");
    assert_eq!(fault.violations[0].field, format!("{HEADER}/ResponseFor/DocumentId"));
    let good = normalize_by(&directory, &status("03", ABOUT, "", "2026/11/21 08:00:00"));
    assert!(good.is_ok(), "{good:?}");
}

#[test]
fn a_status_that_refuses_without_a_reason_has_a_finding() {
    let directory =
        directory_taking("edxml.document, edxml.status", "edxml.document, edxml.status");
    let found = |code: &str, description: &str| {
        let native = status(code, ABOUT, description, "2026/11/21 08:00:00");
        findings_of(&normalize_by(&directory, &native).unwrap(), "LT-MAP-244")
    };
    for code in ["02", "13", "16"] {
        for nothing in ["", " ", "\u{200b}"] {
            let found = found(code, nothing);
            assert_eq!(found.len(), 1, "{code}");
            assert_eq!(found[0].0, format!("{HEADER}/Description"), "{code}");
        }
        assert_eq!(found(code, "Sai thể thức"), []);
    }
    for code in ["01", "03", "04", "05", "06", "15"] {
        assert_eq!(found(code, ""), [], "{code}");
    }
}

#[test]
fn a_year_that_nobody_means_is_a_finding() {
    let directory = directory();
    for (day, is_found) in [
        ("2026/11/20", false),
        ("0026/11/20", true),
        ("2062/11/20", true),
        ("2056/11/20", false),
        ("2057/01/01", true),
        ("1996/01/01", false),
        ("1995/12/31", true),
    ] {
        let native = packet("A99.1", &["A99.2"]).replace("2026/11/20", day);
        let found = findings_of(&normalize_by(&directory, &native).unwrap(), "LT-MAP-243");
        assert_eq!(!found.is_empty(), is_found, "{day}: {found:?}");
        assert!(found.iter().all(|it| it.0.ends_with("PromulgationDate")), "{found:?}");
    }
    let due =
        packet("A99.1", &["A99.2"]).replace("<Subject>", "<DueDate>2206/12/01</DueDate><Subject>");
    let found = findings_of(&normalize_by(&directory, &due).unwrap(), "LT-MAP-243");
    assert!(found.len() == 1 && found[0].0.ends_with("DueDate"), "{found:?}");
    let directory =
        directory_taking("edxml.document, edxml.status", "edxml.document, edxml.status");
    let native = status("03", ABOUT, "", "2062/11/21 08:00:00");
    let found = findings_of(&normalize_by(&directory, &native).unwrap(), "LT-MAP-243");
    assert!(found.len() == 1 && found[0].0.ends_with("Timestamp"), "{found:?}");
}

#[test]
fn cases_of_impossible_years_have_their_finding() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/cases/D06-impossible-years");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("no cases beside the project, so none was read");
        return;
    };
    let paths: Vec<PathBuf> = entries.map(|it| it.unwrap().path()).collect();
    assert!(paths.len() >= 2);
    for path in paths {
        let native = std::fs::read_to_string(&path).unwrap();
        let normalized = normalize_by(&directory(), &native).unwrap();
        let found = findings_of(&normalized, "LT-MAP-243");
        assert_eq!(found.len(), 1, "{}: {:?}", path.display(), normalized.findings);
        assert_eq!(found[0].0, format!("{HEADER}/PromulgationInfo/PromulgationDate"));
    }
}
