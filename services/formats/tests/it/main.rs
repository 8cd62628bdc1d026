//! What goes in comes out: real packets, every direction, and what is refused.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod cases;

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::Write as _;
use std::path::PathBuf;

use formats::{BlobSink, BlobSource, Context, Format, Shelf};
use proto::canonical::v1::{Canonical, Document, canonical::Body};
use proto::fault::v1::Fault;
use proto::journal::v1::Claim;
use proto::mapping::v1::{DeclaredAttachment, loss};
use sha2::{Digest as _, Sha256};

/// Files in memory, by digest.
#[derive(Default)]
struct Files {
    open: Vec<u8>,
    kept: RefCell<HashMap<[u8; 32], Vec<u8>>>,
}

impl BlobSink for Files {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.open.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(&mut self) -> std::io::Result<()> {
        let bytes = std::mem::take(&mut self.open);
        self.kept.get_mut().insert(Sha256::digest(&bytes).into(), bytes);
        Ok(())
    }
}

impl BlobSource for Files {
    fn read(&self, sha256: [u8; 32], size: u64, into: &mut dyn FnMut(&[u8])) -> Result<(), Fault> {
        let kept = self.kept.borrow();
        let bytes = &kept[&sha256];
        bytes.get(..usize::try_from(size).unwrap()).unwrap().chunks(1_000).for_each(into);
        Ok(())
    }
}

fn shelf() -> Shelf {
    Shelf::shipped().unwrap()
}

fn samples() -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/samples/edxml");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        let said =
            std::io::stderr().write_all(b"no samples beside the project, so none were read\n");
        said.unwrap();
        return Vec::new();
    };
    let mut found: Vec<_> = entries
        .map(|it| it.unwrap().path())
        .map(|it| {
            (it.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&it).unwrap())
        })
        .collect();
    found.sort();
    found
}

fn read(format: &Format, native: &[u8], files: &mut Files) -> Result<Canonical, Fault> {
    Ok(format.decode(native, &[], files)?.remove(0).canonical)
}

fn document(canonical: &Canonical) -> &Document {
    match &canonical.body {
        Some(Body::Document(it)) => it,
        _ => panic!("no document"),
    }
}

#[test]
fn every_real_packet_reads_and_the_malformed_one_is_refused() {
    let shelf = shelf();
    for (name, native) in samples() {
        let chosen = shelf.choose("auto", &native);
        if name == "edoc.edxml" {
            let fault = chosen.err().unwrap();
            assert_eq!(fault.code, "LT-MAP-001", "{name}");
            assert!(!fault.violations.is_empty());
            continue;
        }
        let format = chosen.unwrap_or_else(|it| panic!("{name}: {it}"));
        let kind = if name.starts_with("status") { "edxml.status" } else { "edxml.document" };
        assert_eq!(format.name(), kind, "{name}");
        read(format, &native, &mut Files::default()).unwrap_or_else(|it| panic!("{name}: {it:?}"));
    }
}

#[test]
fn real_packets_survive_being_written_and_read_again() {
    let shelf = shelf();
    for (name, native) in samples() {
        let Ok(format) = shelf.choose("auto", &native) else { continue };
        let mut files = Files::default();
        let mut first = read(format, &native, &mut files).unwrap();
        let mut written = Vec::new();
        format.encode(&first, Context::default(), &files, &mut written).unwrap();
        let before = files.kept.borrow().clone();
        let mut again = Files::default();
        let mut second = read(format, &written, &mut again)
            .unwrap_or_else(|it| panic!("{name}: {it:?}\n{}", String::from_utf8_lossy(&written)));
        (first.origin, second.origin) = (None, None);
        assert_eq!(first, second, "{name}");
        assert_eq!(before, *again.kept.borrow(), "{name}");
        let mut third = Vec::new();
        format.encode(&second, Context::default(), &again, &mut third).unwrap();
        assert_eq!(written, third, "{name}: writing twice gives other bytes");
    }
}

const PACKET: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<edXML xmlns="http://www.mic.gov.vn/TBT/QCVN_102_2016">
  <edXML:edXMLEnvelope xmlns:edXML="http://www.mic.gov.vn/TBT/QCVN_102_2016">
    <edXML:edXMLHeader><edXML:MessageHeader>
      <edXML:From><edXML:OrganId>A99.1</edXML:OrganId><edXML:OrganName>Văn phòng Tỉnh ủy</edXML:OrganName></edXML:From>
      <edXML:To><edXML:OrganId>000.00.02.A99</edXML:OrganId><edXML:OrganName>Mặt trận</edXML:OrganName></edXML:To>
      <edXML:DocumentId>A99.1,2026/11/20,45/CV/TU</edXML:DocumentId>
      <edXML:Code><edXML:CodeNumber>45</edXML:CodeNumber><edXML:CodeNotation>CV/TU</edXML:CodeNotation></edXML:Code>
      <edXML:PromulgationInfo><edXML:PromulgationDate>2026/11/20</edXML:PromulgationDate></edXML:PromulgationInfo>
      <edXML:Subject>V/v A &amp; B</edXML:Subject>
      <edXML:DueDate>2026/02/30</edXML:DueDate>
      <edXML:Strange>giữ lại</edXML:Strange>
    </edXML:MessageHeader>
    <edXML:TraceHeaderList><edXML:TraceHeader><edXML:OrganId>A99.1</edXML:OrganId><edXML:Timestamp>2026/11/20 08:00:00</edXML:Timestamp></edXML:TraceHeader></edXML:TraceHeaderList>
    </edXML:edXMLHeader>
    <edXML:edXMLBody><edXML:edXMLManifest version="1.0"><edXML:Reference><edXML:ContentId>cid:9</edXML:ContentId><edXML:AttachmentName>a.pdf</edXML:AttachmentName></edXML:Reference></edXML:edXMLManifest></edXML:edXMLBody>
  </edXML:edXMLEnvelope>
  <AttachmentEncoded><Attachment><ContentId>9</ContentId><AttachmentName>a.pdf</AttachmentName><ContentTransferEncoded>JVBERi0xLjQ=</ContentTransferEncoded></Attachment></AttachmentEncoded>
</edXML>"#;

#[test]
fn a_packet_becomes_what_the_portal_reads_and_the_report_names_what_is_lost() {
    let shelf = shelf();
    let (edxml, portal) =
        (shelf.get("edxml.document").unwrap(), shelf.get("ioffice.portal").unwrap());
    let mut files = Files::default();
    let decoded = edxml.decode(PACKET.as_bytes(), &[], &mut files).unwrap().remove(0);
    assert_eq!(decoded.findings.len(), 1, "the day that does not exist is a finding");
    let it = document(&decoded.canonical);
    assert_eq!(it.subject, "V/v A & B");
    assert_eq!(it.attachments.len(), 1, "the two records of one file are one attachment");
    assert_eq!(it.attachments[0].id, "9");
    assert_eq!(it.leftovers[0].items.len(), 2);
    let mut written = Vec::new();
    let losses =
        portal.encode(&decoded.canonical, Context::default(), &files, &mut written).unwrap();
    let value: serde_json::Value = serde_json::from_slice(&written).unwrap();
    let record = &value["Value"]["Data"][0];
    assert_eq!(value["Value"]["Total"], 1);
    assert_eq!(record["KyHieu"], "CV/TU");
    assert_eq!(record["NgayBanHanh"], "20/11/2026");
    assert_eq!(record["MaDinhDanh"], "A99.1");
    assert_eq!(record["SoDen"], "", "the portal wants every key");
    assert_eq!(record["DonViNhanVanBanNgoaDonVi"][0]["MaDonVi"], "000.00.02.A99");
    let lost: Vec<_> = losses
        .iter()
        .filter(|it| it.kind() == loss::Kind::Lost)
        .map(|it| it.path.as_str())
        .collect();
    assert!(lost.iter().any(|it| it.starts_with("trace[0]")), "{lost:?}");
    assert!(losses.iter().any(|it| it.kind() == loss::Kind::Added && it.path == "issuer.name"));
}

#[test]
fn the_portal_s_files_are_those_that_came_along() {
    let shelf = shelf();
    let portal = shelf.get("ioffice.portal").unwrap();
    let body = |files: &str| {
        format!(
            r#"{{"Code":0,"Value":{{"Total":1,"Data":[{{"Guid":"g1","SoHieu":"1","KyHieu":"CV-MT","TrichYeu":"T","NgayBanHanh":"01/02/2026","DoMat":"0","DonViNhanVanBanNgoaDonVi":[{{"MaDonVi":"A99.1"}}],"Attachments":[{files}]}}]}}}}"#
        )
    };
    let claim = Claim { sha256: vec![7; 32].into(), size: 5 };
    let declared = [DeclaredAttachment {
        reference: "/u/a.pdf".into(),
        file_name: "a.pdf".into(),
        media_type: String::new(),
        claim: Some(claim),
    }];
    let sink = &mut Files::default();
    let one = r#"{"Id":3,"FileName":"a.pdf","FileSize":"5","FilePath":"/u/a.pdf"}"#;
    let decoded = portal.decode(body(one).as_bytes(), &declared, sink).unwrap().remove(0);
    assert_eq!(document(&decoded.canonical).attachments[0].content.as_ref().unwrap().size, 5);
    let code = |native: String, declared: &[DeclaredAttachment]| {
        portal.decode(native.as_bytes(), declared, &mut Files::default()).unwrap_err().code
    };
    assert_eq!(code(body(one), &[]), "LT-MAP-008", "named but absent");
    assert_eq!(code(body(""), &declared), "LT-MAP-013", "present but not named");
    let other = one.replace("\"5\"", "\"6\"");
    assert_eq!(code(body(&other), &declared), "LT-MAP-011", "another size");
    let secret = body("").replace(r#""DoMat":"0""#, r#""DoMat":"1""#);
    assert_eq!(code(secret, &[]), "LT-MAP-007", "secret");
    for hidden in [r#""DoMat":["0","1"]"#, r#""DoMat":{"x":"1"}"#, r#""DoMat":["1"]"#] {
        let secret = body("").replace(r#""DoMat":"0""#, hidden);
        assert_eq!(code(secret, &[]), "LT-MAP-007", "{hidden}");
    }
}

#[test]
fn what_is_wrong_is_told_by_its_code() {
    let shelf = shelf();
    let edxml = shelf.get("edxml.document").unwrap();
    let code = |native: String| {
        edxml.decode(native.as_bytes(), &[], &mut Files::default()).unwrap_err().code
    };
    let half: String = PACKET.chars().take(900).collect();
    assert_eq!(code(half), "LT-MAP-001");
    let doctype = PACKET.replacen("<edXML ", "<!DOCTYPE x [<!ENTITY a \"b\">]><edXML ", 1);
    assert_eq!(code(doctype), "LT-MAP-003");
    assert_eq!(code(PACKET.replace("A &amp; B", "&boom;")), "LT-MAP-003");
    assert_eq!(
        code(PACKET.replace("edXML xmlns=", "eDoc xmlns=").replace("</edXML>", "</eDoc>")),
        "LT-MAP-004"
    );
    assert_eq!(code(PACKET.replacen("QCVN_102_2016", "QCVN_000", 1)), "LT-MAP-006");
    assert_eq!(
        code(PACKET.replace("<edXML:Subject>V/v A &amp; B</edXML:Subject>", "")),
        "LT-MAP-014"
    );
    assert_eq!(
        code(PACKET.replace("PromulgationDate>2026/11/20", "PromulgationDate>2026/02/30")),
        "LT-MAP-014"
    );
    assert_eq!(code(PACKET.replace("JVBERi0xLjQ=", "J*")), "LT-MAP-010");
    assert_eq!(shelf.choose("no.such", b"").unwrap_err().code, "LT-MAP-017");
    assert_eq!(shelf.choose("auto", b"hello").unwrap_err().code, "LT-MAP-018");
    let twice = br#"{"TrichYeu":"a","TrichYeu":"b"}"#;
    assert_eq!(shelf.choose("auto", twice).unwrap_err().code, "LT-MAP-002");
}

#[test]
fn the_order_of_children_changes_nothing() {
    let shelf = shelf();
    let edxml = shelf.get("edxml.document").unwrap();
    let subject = "<edXML:Subject>V/v A &amp; B</edXML:Subject>";
    let shuffled =
        PACKET.replace(subject, "").replace("<edXML:From>", &format!("{subject}<edXML:From>"));
    let mut one = read(edxml, PACKET.as_bytes(), &mut Files::default()).unwrap();
    let mut other = read(edxml, shuffled.as_bytes(), &mut Files::default()).unwrap();
    (one.origin, other.origin) = (None, None);
    assert_eq!(one, other);
}

#[test]
fn a_description_with_mistakes_names_them_all() {
    let text = r#"
format: x
version: 1
title: X
carries: Document
syntax: {kind: json, records: a}
fields:
  - {at: A, to: subjekt}
  - {at: B, to: issued, as: date}
  - {at: C, to: "recipients[role=NOBODY]"}
"#;
    let mistakes = Format::compile(text).unwrap_err();
    assert_eq!(mistakes.len(), 3, "{mistakes:#?}");
    assert!(mistakes[0].starts_with("8:5: A: "), "line and column: {}", mistakes[0]);
    assert!(mistakes[0].contains("did you mean `subject`?"), "{}", mistakes[0]);
    assert!(mistakes[1].starts_with("9:5: B: "), "{}", mistakes[1]);
    let key = text.replace("subjekt", "subject").replace("as: date", "az: date");
    let mistakes = Format::compile(&key).unwrap_err();
    assert!(
        mistakes[0].starts_with("9:") && mistakes[0].contains("did you mean `as`?"),
        "{mistakes:?}"
    );
}

#[test]
fn the_order_of_keys_changes_nothing() {
    let shelf = shelf();
    let portal = shelf.get("ioffice.portal").unwrap();
    let keys = [
        r#""Guid":"g1""#,
        r#""KyHieu":"CV""#,
        r#""TrichYeu":"T""#,
        r#""NgayBanHanh":"01/02/2026""#,
    ];
    let body = |keys: &[&str]| format!(r#"{{"Value":{{"Data":[{{{}}}]}}}}"#, keys.join(","));
    let mut reversed = keys;
    reversed.reverse();
    let mut one = read(portal, body(&keys).as_bytes(), &mut Files::default()).unwrap();
    let mut other = read(portal, body(&reversed).as_bytes(), &mut Files::default()).unwrap();
    (one.origin, other.origin) = (None, None);
    assert_eq!(one, other);
}

/// Every place between two elements of the packet, one at a time.
#[test]
fn an_unknown_place_changes_leftovers_only() {
    let shelf = shelf();
    let edxml = shelf.get("edxml.document").unwrap();
    let plain = |native: &str| {
        let mut it = read(edxml, native.as_bytes(), &mut Files::default()).unwrap();
        it.origin = None;
        let Some(Body::Document(document)) = &mut it.body else { panic!("no document") };
        let left: usize = document.leftovers.drain(..).map(|it| it.items.len()).sum();
        (it, left)
    };
    let (expected, before) = plain(PACKET);
    let mut tried = 0;
    for (place, _) in PACKET.match_indices("><") {
        let mut native = PACKET.to_owned();
        native.insert_str(place + 1, "<new-thing>mới</new-thing>");
        let (read, after) = plain(&native);
        assert_eq!(read, expected, "at byte {place}");
        assert_eq!(after, before + 1, "at byte {place}: it is kept");
        tried += 1;
    }
    assert!(tried > 20, "{tried} places");
}

/// Twice the content may take about twice the time, not four times.
#[test]
fn time_grows_with_the_content() {
    let shelf = shelf();
    let edxml = shelf.get("edxml.document").unwrap();
    let time = |count: usize| {
        let to = "<edXML:To><edXML:OrganId>A99.7</edXML:OrganId></edXML:To>".repeat(count);
        let unknown = "<edXML:Unknown>x</edXML:Unknown>".repeat(count);
        let receivers: String = (0..count)
            .map(|it| format!("<edXML:Receiver><edXML:OrganId>A98.{it}</edXML:OrganId><edXML:ReceiverType>1</edXML:ReceiverType></edXML:Receiver>"))
            .collect();
        let update = format!(
            "<edXML:Bussiness><edXML:BussinessDocType>2</edXML:BussinessDocType><edXML:BussinessDocumentInfo><edXML:ReceiverList>{receivers}</edXML:ReceiverList></edXML:BussinessDocumentInfo></edXML:Bussiness></edXML:TraceHeaderList>"
        );
        let native = PACKET
            .replacen("<edXML:To>", &format!("{to}{unknown}<edXML:To>"), 1)
            .replacen("</edXML:TraceHeaderList>", &update, 1);
        let mut best = std::time::Duration::MAX;
        for _ in 0..3 {
            let begin = std::time::Instant::now();
            read(edxml, native.as_bytes(), &mut Files::default()).unwrap();
            best = best.min(begin.elapsed());
        }
        best
    };
    let (some, more) = (time(500), time(2_000));
    assert!(more < some * 10, "{some:?} for 500, {more:?} for 2000");
}

#[test]
fn too_much_is_refused_by_its_code() {
    let shelf = shelf();
    let edxml = shelf.get("edxml.document").unwrap();
    let code = |native: String| {
        edxml.decode(native.as_bytes(), &[], &mut Files::default()).unwrap_err().code
    };
    let subject = "<edXML:Subject>";
    let deep = format!("{}{}", "<a>".repeat(200), "</a>".repeat(200));
    assert_eq!(code(PACKET.replace(subject, &format!("{deep}{subject}"))), "LT-MAP-005");
    let many = "<a/>".repeat(30_000);
    assert_eq!(code(PACKET.replace(subject, &format!("{many}{subject}"))), "LT-MAP-005");
    let long = "x".repeat(2_000_000);
    assert_eq!(code(PACKET.replace(subject, &format!("{subject}{long}"))), "LT-MAP-005");
    let portal = shelf.get("ioffice.portal").unwrap();
    let nested = format!("{}{}", "[".repeat(500), "]".repeat(500));
    let fault = portal.decode(nested.as_bytes(), &[], &mut Files::default()).unwrap_err();
    assert_eq!(fault.code, "LT-MAP-002");
    let fault = edxml.decode(b"\xff\xfe<", &[], &mut Files::default()).unwrap_err();
    assert_eq!(fault.code, "LT-MAP-016");
}

/// Types that do not fit, values that no enum has, lists that cannot be read backwards: told when
/// the description is compiled, so that no message meets them.
#[test]
fn a_description_that_could_not_work_does_not_compile() {
    let compiled = |lists: &str, line: &str| {
        let text = format!(
            "format: x\nversion: 1\ntitle: X\ncarries: Document\nsyntax: {{kind: json, records: a}}\nlists: {{{lists}}}\nfields:\n  - {line}\n"
        );
        Format::compile(&text).map(|_| ()).map_err(|it| it.join("\n"))
    };
    for (lists, line, words) in [
        ("", "{at: X, to: subject, as: yes-no a b}", "does not fit the type"),
        ("", "{at: X, to: places}", "say which item"),
        ("", "{at: X, to: recipients.their_reference}", "say which item"),
        ("", "{at: X, to: issued, as: date dd/MM}", "lacks `y`"),
        ("u: {rows: {\"1\": URGEMT}}", "{at: X, to: urgency, as: code u}", "did you mean `URGENT`"),
        (
            "u: {rows: {\"1\": URGENT, \"2\": URGENT}}",
            "{at: X, to: urgency, as: code u}",
            "both mean",
        ),
        ("u: {rows: {\"1\": URGENT}}", "{at: X, to: subject, as: code u}", "holds no code"),
        ("u: {rows: {\"1\": a}, gate: b}", "{at: X, to: secrecy, as: code u}", "no code means"),
        ("", "{at: X, to: urgency, as: code u, read-default: NORMAL}", "there is no list"),
        (
            "u: {rows: {\"1\": URGENT}}",
            "{at: X, to: urgency, as: code u, read-default: NORMEL}",
            "did you mean",
        ),
        ("", "{each: X, to: places, as: whole}", "does not fit the type"),
        ("", "{each: X, to: attachments, pair: yes, fields: [{at: A, to: id}]}", "needs a `match`"),
    ] {
        let mistakes = compiled(lists, line).unwrap_err();
        assert!(mistakes.contains(words), "{line}: {mistakes}");
    }
    assert_eq!(compiled("", "{each: X, to: places}"), Ok(()));
}

/// A sink that admits nothing.
struct Closed;

impl BlobSink for Closed {
    fn admit(&mut self, canonical: &Canonical) -> Result<(), Fault> {
        let is_told = document(canonical).number.as_ref().is_some_and(|it| it.notation == "CV/TU");
        let code =
            if is_told { &proto::fault::code::LT_MAP_007 } else { &proto::fault::code::LT_SYS_001 };
        Err(Fault::new(code))
    }

    fn write(&mut self, _bytes: &[u8]) -> std::io::Result<()> {
        Err(std::io::Error::other("a file was opened"))
    }

    fn finish(&mut self) -> std::io::Result<()> {
        Err(std::io::Error::other("a file was opened"))
    }
}

#[test]
fn who_may_not_pass_is_told_so_before_anything_else() {
    let shelf = shelf();
    let edxml = shelf.get("edxml.document").unwrap();
    let damaged = PACKET.replace("JVBERi0xLjQ=", "J*");
    let incomplete = PACKET.replace("<edXML:Subject>V/v A &amp; B</edXML:Subject>", "");
    let absent = PACKET.replace("<ContentId>9<", "<ContentId>8<");
    for native in [PACKET, &damaged, &incomplete, &absent] {
        let fault = edxml.decode(native.as_bytes(), &[], &mut Closed).unwrap_err();
        assert_eq!(fault.code, "LT-MAP-007");
    }
    // A field for it is looked at even before that, in every record.
    let portal = shelf.get("ioffice.portal").unwrap();
    let second = r#"{"TrichYeu":"x","KyHieu":"y","DoMat":"2"}"#;
    let native = format!(
        r#"{{"Value":{{"Data":[{{"TrichYeu":"tệp hỏng","Attachments":[{{"FilePath":"no"}}]}},{second}]}}}}"#
    );
    let fault = portal.decode(native.as_bytes(), &[], &mut Files::default()).unwrap_err();
    assert_eq!(fault.code, "LT-MAP-007");
    assert!(!format!("{fault:?}").contains("tệp hỏng"));
}

#[test]
fn places_that_may_be_secrecy_marks_are_always_kept() {
    let shelf = shelf();
    let edxml = shelf.get("edxml.document").unwrap();
    let unknown = "<edXML:Unknown>x</edXML:Unknown>".repeat(400);
    let native = PACKET.replace(
        "<edXML:Strange>",
        &format!("{unknown}<edXML:OtherInfo edXML:secret=\"3\"><edXML:DoMat>1</edXML:DoMat></edXML:OtherInfo><edXML:Strange>"),
    );
    let decoded = edxml.decode(native.as_bytes(), &[], &mut Files::default()).unwrap().remove(0);
    let kept = &document(&decoded.canonical).leftovers[0].items;
    for mark in ["OtherInfo/DoMat", "OtherInfo/@secret"] {
        assert!(kept.iter().any(|it| it.at.ends_with(mark)), "{mark}");
    }
    assert!(decoded.findings.iter().any(|it| it.code == "LT-MAP-022"), "the rest is told");
}

#[test]
fn leftovers_bring_nothing_in_but_themselves() {
    let shelf = shelf();
    let edxml = shelf.get("edxml.document").unwrap();
    let mut files = Files::default();
    let mut canonical = read(edxml, PACKET.as_bytes(), &mut files).unwrap();
    let Some(Body::Document(document)) = &mut canonical.body else { panic!("no document") };
    let header = "edXMLEnvelope/edXMLHeader/MessageHeader";
    let item = |at: &str, raw: &str| proto::canonical::v1::Leftover {
        at: format!("{header}/{at}"),
        raw: raw.to_owned(),
        ..Default::default()
    };
    document.leftovers[0].items = vec![
        item("a><b", "x"),
        item("Subject/Other", "x"),
        item("To[7]/OrganId", "A99.66"),
        item("Fine", "a <b> & \u{1}c"),
        item("Two[0]", "1"),
        item("Two[1]", "2"),
        item("Deep/Deeper/@level", "3"),
    ];
    let mut written = Vec::new();
    edxml.encode(&canonical, Context::default(), &files, &mut written).unwrap();
    let text = String::from_utf8(written.clone()).unwrap();
    for absent in ["a><b", "<edXML:Other>", "A99.66"] {
        assert!(!text.contains(absent), "{absent}");
    }
    assert!(text.contains("<edXML:Fine>a &lt;b&gt; &amp; c</edXML:Fine>"), "{text}");
    let again = read(edxml, &written, &mut files).unwrap();
    let Some(Body::Document(again)) = &again.body else { panic!("no document") };
    let ats: Vec<_> = again.leftovers[0].items.iter().map(|it| it.at.as_str()).collect();
    for back in ["Fine", "Two[0]", "Two[1]", "Deep/Deeper/@level"] {
        assert!(ats.contains(&format!("{header}/{back}").as_str()), "{back}: {ats:?}");
    }
}

#[test]
fn whoever_writes_stands_at_the_end_of_the_trace() {
    let shelf = shelf();
    let edxml = shelf.get("edxml.document").unwrap();
    let mut files = Files::default();
    let canonical = read(edxml, PACKET.as_bytes(), &mut files).unwrap();
    let context = Context { now_us: 1_764_000_000_000_000, organisation: "00.38.W00".to_owned() };
    let mut written = Vec::new();
    let report = edxml.encode(&canonical, context.clone(), &files, &mut written).unwrap();
    assert!(report.iter().all(|it| it.kind() != loss::Kind::Lost), "{report:?}");
    assert!(report.iter().any(|it| it.path.starts_with("trace[1]") && it.reason == "context"));
    let again = read(edxml, &written, &mut files).unwrap();
    let codes = |it: &Canonical| -> Vec<String> {
        let trace = &document(it).trace;
        trace.iter().map(|it| it.organisation.as_ref().unwrap().ids[0].value.clone()).collect()
    };
    assert_eq!(codes(&again), ["A99.1", "00.38.W00"]);
    let mut twice = Vec::new();
    edxml.encode(&again, context, &files, &mut twice).unwrap();
    assert_eq!(codes(&read(edxml, &twice, &mut files).unwrap()).len(), 2, "once is enough");
}

#[test]
fn what_a_format_cannot_say_truly_is_refused() {
    let shelf = shelf();
    let edxml = shelf.get("edxml.document").unwrap();
    let mut files = Files::default();
    let good = read(edxml, PACKET.as_bytes(), &mut files).unwrap();
    let refused = |change: &dyn Fn(&mut Document)| {
        let mut canonical = good.clone();
        let Some(Body::Document(it)) = &mut canonical.body else { panic!("no document") };
        change(it);
        let mut out = Vec::new();
        let fault = edxml.encode(&canonical, Context::default(), &files, &mut out).unwrap_err();
        assert!(out.is_empty());
        assert_eq!(fault.code, "LT-MAP-012");
        fault.violations[0].field.clone()
    };
    assert_eq!(refused(&|it| it.change.get_or_insert_default().kind = 5), "change.kind");
    assert_eq!(refused(&|it| it.id.clear()), "id");
    assert_eq!(refused(&|it| it.number = None), "number.number");
    assert_eq!(
        refused(&|it| it.sender.as_mut().unwrap().ids[0].value = "A".repeat(36)),
        "sender.ids[0]"
    );
}

#[test]
fn a_container_that_is_needed_is_asked_for_by_its_own_name() {
    let format = Format::compile(
        r#"
format: x
version: 1
title: X
carries: Document
syntax: {kind: json, records: a}
fields:
  - {at: T, to: subject}
  - at: N
    to: number
    need: both
    fields: [{at: S, to: number}]
"#,
    )
    .unwrap();
    let fault = format.decode(br#"{"a":[{"T":"x"}]}"#, &[], &mut Files::default()).unwrap_err();
    assert_eq!((fault.code.as_str(), fault.violations[0].field.as_str()), ("LT-MAP-014", "a[0]/N"));
    let document = Document { subject: "x".into(), ..Default::default() };
    let canonical = Canonical { origin: None, body: Some(Body::Document(document)) };
    let mut out = Vec::new();
    let written = format.encode(&canonical, Context::default(), &Files::default(), &mut out);
    let fault = written.unwrap_err();
    assert_eq!((fault.code.as_str(), fault.violations[0].field.as_str()), ("LT-MAP-012", "number"));
}

#[test]
fn more_files_than_a_message_may_have_are_refused() {
    let shelf = shelf();
    let portal = shelf.get("ioffice.portal").unwrap();
    let one = r#"{"Id":"1","FileName":"a.pdf","FilePath":"a"}"#;
    let many = [one; 201].join(",");
    let native = format!(r#"{{"Value":{{"Data":[{{"TrichYeu":"x","Attachments":[{many}]}}]}}}}"#);
    let fault = portal.decode(native.as_bytes(), &[], &mut Files::default()).unwrap_err();
    assert_eq!(fault.code, "LT-MAP-005");
}

#[test]
fn an_item_left_out_moves_nothing_else() {
    let shelf = shelf();
    let edxml = shelf.get("edxml.document").unwrap();
    let mut files = Files::default();
    let mut canonical = read(edxml, PACKET.as_bytes(), &mut files).unwrap();
    let Some(Body::Document(it)) = &mut canonical.body else { panic!("no document") };
    let first = it.recipients[0].clone();
    for (place, role) in [2, 1].into_iter().enumerate() {
        let mut other = first.clone();
        other.role = role;
        let id = &mut other.organisation.as_mut().unwrap().ids[0];
        (id.scheme, id.value) = ("qd20".into(), format!("A99.{place}"));
        it.recipients.insert(place, other);
    }
    it.signers = vec![
        proto::canonical::v1::Person { full_name: "A".into(), role: 1, ..Default::default() },
        proto::canonical::v1::Person { full_name: "B".into(), role: 1, ..Default::default() },
    ];
    let report = edxml.encode(&canonical, Context::default(), &files, &mut Vec::new()).unwrap();
    let told = |part: &str| -> Vec<_> {
        let mine = report.iter().filter(|it| it.path.starts_with(part));
        mine.map(|it| (it.kind(), it.path.as_str(), it.reason.as_str())).collect()
    };
    let recipients = told("recipients");
    assert!(!recipients.is_empty());
    for it in recipients {
        assert!(
            it.0 == loss::Kind::Lost
                && it.1.starts_with("recipients[0].")
                && it.2 == "not-admitted",
            "{it:?}"
        );
    }
    assert!(told("signers[1]").iter().all(|it| it.2 == "first-only"));
    assert_eq!(told("signers[0]"), []);
}

#[test]
fn the_model_s_own_json_is_held_to_the_model() {
    let shelf = shelf();
    let json = shelf.get("canonical.json").unwrap();
    let code = |native: &str| {
        let fault = json.decode(native.as_bytes(), &[], &mut Files::default()).unwrap_err();
        (fault.code, fault.violations[0].field.clone())
    };
    let day = r#"{"document":{"issued":{"year":2026,"month":2,"day":30}}}"#;
    assert_eq!(code(day), ("LT-MAP-014".into(), "document.issued".into()));
    let control = r#"{"document":{"number":{"notation":"a\u0001"}}}"#;
    assert_eq!(code(control), ("LT-MAP-014".into(), "document.number.notation".into()));
    let twice = r#"{"document":{"attachments":[{"id":"1"},{"id":"1"}]}}"#;
    assert_eq!(code(twice), ("LT-MAP-014".into(), "document.attachments[1].id".into()));
    let decomposed =
        "{\"document\":{\"subject\":\" ha\u{302}\u{301}p \",\"sender\":{\"directory_key\":\"x\"}}}";
    let it = read(json, decomposed.as_bytes(), &mut Files::default()).unwrap();
    assert_eq!(document(&it).subject, "hấp");
    assert_eq!(
        document(&it).sender.as_ref().unwrap().directory_key,
        "",
        "only the service says it"
    );
}

#[test]
fn a_format_is_told_by_one_look() {
    let shelf = shelf();
    let marked = format!("\u{feff}{}", r#"{"Value":{"Data":[{"TrichYeu":"a","KyHieu":"b"}]}}"#);
    assert_eq!(shelf.choose("auto", marked.as_bytes()).unwrap().name(), "ioffice.portal");
    let other = PACKET.replacen("QCVN_102_2016", "QCVN_000", 1);
    assert_eq!(shelf.choose("auto", other.as_bytes()).unwrap_err().code, "LT-MAP-006");
    assert_eq!(shelf.choose("auto", PACKET.as_bytes()).unwrap().name(), "edxml.document");
    let json = br#" {"status":{}}"#;
    assert_eq!(shelf.choose("auto", json).unwrap().name(), "canonical.json");
    assert_eq!(shelf.choose("auto", b"{\"a\":1}").unwrap_err().code, "LT-MAP-018");
}
