//! What goes in comes out: real packets, every direction, and what is refused.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod cases;
mod descriptions;
mod refusals;
mod writing;

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::Write as _;
use std::path::PathBuf;

use formats::{BlobSink, BlobSource, EncodeContext, Format, FormatRegistry};
use proto::canonical::v1::{Canonical, Document, canonical::Body};
use proto::fault::v1::Fault;
use proto::mapping::v1::DeclaredAttachment;
use proto::message::v1::{Claim, loss};
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

fn shelf() -> FormatRegistry {
    FormatRegistry::shipped().unwrap()
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
        format.encode(&first, EncodeContext::default(), &files, &mut written).unwrap();
        let before = files.kept.borrow().clone();
        let mut again = Files::default();
        let mut second = read(format, &written, &mut again)
            .unwrap_or_else(|it| panic!("{name}: {it:?}\n{}", String::from_utf8_lossy(&written)));
        (first.origin, second.origin) = (None, None);
        assert_eq!(first, second, "{name}");
        assert_eq!(before, *again.kept.borrow(), "{name}");
        let mut third = Vec::new();
        format.encode(&second, EncodeContext::default(), &again, &mut third).unwrap();
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
