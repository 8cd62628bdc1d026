//! Conversions through the public interface: real packets, both directions, refusals.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod attachments;
mod bad_inputs;
mod bag;
mod cases;
mod code_lists;
mod constructs;
mod csv_of_excel;
mod descriptions;
mod drafts;
mod file_laws;
mod flat;
mod independent;
mod legacy_text;
mod profiles;
mod recipients;
mod records;
mod refusals;
mod said;
mod schema;
mod shared_cases;
mod shipped;
mod values;
mod writing;

use std::io::Write as _;
use std::path::PathBuf;

use formats::{
    BlobSink, EncodeContext, Format, FormatRegistry, MemoryBlobs, SourceMistake, SourcePosition,
};
use proto::canonical::v1::{Canonical, Document, Leftover, canonical::Body, leftover};
use proto::fault::v1::Fault;
use proto::mapping::v1::DeclaredAttachment;
use proto::message::v1::{Claim, loss};

fn registry() -> FormatRegistry {
    FormatRegistry::shipped().unwrap()
}

/// Real packets beside the project; none when the folder is absent.
fn samples() -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/samples/edxml");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        std::io::stderr().write_all(b"no samples beside the project, so none were read\n").unwrap();
        return Vec::new();
    };
    let mut samples: Vec<_> = entries
        .map(|it| it.unwrap().path())
        .map(|it| {
            (it.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&it).unwrap())
        })
        .collect();
    samples.sort();
    samples
}

fn read(format: &Format, native: &[u8], files: &mut MemoryBlobs) -> Result<Canonical, Fault> {
    Ok(format.decode(native, &[], files)?.remove(0).canonical)
}

fn document(canonical: &Canonical) -> &Document {
    match &canonical.body {
        Some(Body::Document(it)) => it,
        _ => panic!("no document"),
    }
}

#[test]
fn real_packets_decode_and_the_malformed_one_is_refused() {
    let registry = registry();
    for (name, native) in samples() {
        let chosen = registry.choose("auto", &native);
        if name == "edoc.edxml" {
            let fault = chosen.err().unwrap();
            assert_eq!(fault.code, "LT-MAP-001", "{name}");
            assert!(!fault.violations.is_empty());
            continue;
        }
        let format = chosen.unwrap_or_else(|it| panic!("{name}: {it}"));
        let kind = if name.starts_with("status") { "edxml.status" } else { "edxml.document" };
        assert_eq!(format.name(), kind, "{name}");
        read(format, &native, &mut MemoryBlobs::default())
            .unwrap_or_else(|it| panic!("{name}: {it:?}"));
    }
}

#[test]
fn real_packets_round_trip() {
    let registry = registry();
    for (name, native) in samples() {
        let Ok(format) = registry.choose("auto", &native) else { continue };
        let mut files = MemoryBlobs::default();
        let mut first = read(format, &native, &mut files).unwrap();
        let mut written = Vec::new();
        format.encode(&first, EncodeContext::default(), &files, &mut written).unwrap();
        let before = files.files().clone();
        let mut again = MemoryBlobs::default();
        let mut second = read(format, &written, &mut again)
            .unwrap_or_else(|it| panic!("{name}: {it:?}\n{}", String::from_utf8_lossy(&written)));
        (first.origin, second.origin) = (None, None);
        drop_not_carried(&mut first);
        assert_eq!(first, second, "{name}");
        assert_eq!(&before, again.files(), "{name}");
        let mut third = Vec::new();
        format.encode(&second, EncodeContext::default(), &again, &mut third).unwrap();
        assert_eq!(written, third, "{name}: encoding twice gives other bytes");
    }
}

/// Removes the notes of what is never carried, such as a signature over the old bytes.
fn drop_not_carried(canonical: &mut Canonical) {
    let leftovers = match &mut canonical.body {
        Some(Body::Document(it)) => &mut it.leftovers,
        Some(Body::Status(it)) => &mut it.leftovers,
        _ => return,
    };
    let is_carried = |it: &Leftover| it.why() != leftover::Why::NotCarried;
    leftovers.iter_mut().for_each(|it| it.items.retain(is_carried));
    leftovers.retain(|it| !it.items.is_empty());
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
fn the_order_of_elements_does_not_matter() {
    let registry = registry();
    let edxml = registry.get("edxml.document").unwrap();
    let subject = "<edXML:Subject>V/v A &amp; B</edXML:Subject>";
    let shuffled =
        PACKET.replace(subject, "").replace("<edXML:From>", &format!("{subject}<edXML:From>"));
    let mut one = read(edxml, PACKET.as_bytes(), &mut MemoryBlobs::default()).unwrap();
    let mut other = read(edxml, shuffled.as_bytes(), &mut MemoryBlobs::default()).unwrap();
    (one.origin, other.origin) = (None, None);
    assert_eq!(one, other);
}

#[test]
fn the_order_of_json_keys_does_not_matter() {
    let registry = registry();
    let portal = registry.get("ioffice.portal").unwrap();
    let keys = [
        r#""Guid":"g1""#,
        r#""KyHieu":"CV""#,
        r#""TrichYeu":"T""#,
        r#""NgayBanHanh":"01/02/2026""#,
    ];
    let body = |keys: &[&str]| format!(r#"{{"Value":{{"Data":[{{{}}}]}}}}"#, keys.join(","));
    let mut reversed = keys;
    reversed.reverse();
    let mut one = read(portal, body(&keys).as_bytes(), &mut MemoryBlobs::default()).unwrap();
    let mut other = read(portal, body(&reversed).as_bytes(), &mut MemoryBlobs::default()).unwrap();
    (one.origin, other.origin) = (None, None);
    assert_eq!(one, other);
}

/// Inserts an unknown element between any two tags of the packet.
#[test]
fn an_unknown_element_changes_leftovers_only() {
    let registry = registry();
    let edxml = registry.get("edxml.document").unwrap();
    let plain = |native: &str| {
        let mut it = read(edxml, native.as_bytes(), &mut MemoryBlobs::default()).unwrap();
        it.origin = None;
        let Some(Body::Document(document)) = &mut it.body else { panic!("no document") };
        let leftovers: usize = document.leftovers.drain(..).map(|it| it.items.len()).sum();
        (it, leftovers)
    };
    let (expected, before) = plain(PACKET);
    let mut tried = 0;
    for (at, _) in PACKET.match_indices("><") {
        let mut native = PACKET.to_owned();
        native.insert_str(at + 1, "<new-thing>mới</new-thing>");
        let (read, after) = plain(&native);
        assert_eq!(read, expected, "at byte {at}");
        assert_eq!(after, before + 1, "at byte {at}: it becomes a leftover");
        tried += 1;
    }
    assert!(tried > 20, "{tried} positions");
}

/// Four times the content may take up to ten times as long: quadratic time would take sixteen.
/// Processor time of this thread, which does not grow while other programs run. The kernel adds up
/// what it has when a thread yields.
fn processor_time() -> std::time::Duration {
    std::thread::yield_now();
    let times = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let on_processor = times.split(' ').next().unwrap().parse().unwrap();
    std::time::Duration::from_nanos(on_processor)
}

#[test]
fn decoding_time_grows_linearly_with_the_content() {
    let registry = registry();
    let edxml = registry.get("edxml.document").unwrap();
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
            let begin = processor_time();
            read(edxml, native.as_bytes(), &mut MemoryBlobs::default()).unwrap();
            best = best.min(processor_time() - begin);
        }
        best
    };
    let (some, more) = (time(500), time(2_000));
    assert!(!some.is_zero() && more < some * 10, "{some:?} for 500, {more:?} for 2000");
}

#[test]
fn the_format_is_detected_from_the_bytes() {
    let registry = registry();
    let marked = format!("\u{feff}{}", r#"{"Value":{"Data":[{"TrichYeu":"a","KyHieu":"b"}]}}"#);
    assert_eq!(registry.choose("auto", marked.as_bytes()).unwrap().name(), "ioffice.portal");
    let other = PACKET.replacen("QCVN_102_2016", "QCVN_000", 1);
    assert_eq!(registry.choose("auto", other.as_bytes()).unwrap_err().code, "LT-MAP-006");
    assert_eq!(registry.choose("auto", PACKET.as_bytes()).unwrap().name(), "edxml.document");
    let json = br#" {"status":{}}"#;
    assert_eq!(registry.choose("auto", json).unwrap().name(), "canonical.json");
    assert_eq!(registry.choose("auto", b"{\"a\":1}").unwrap_err().code, "LT-MAP-018");
}
