//! Vietnamese from before Unicode in fields and bodies.

use std::path::PathBuf;

use formats::{DecodedMessage, EncodeContext, Format, FormatRegistry, MemoryBlobs};
use proto::canonical::v1::{Document, canonical::Body, leftover::Why};
use proto::fault::v1::Fault;

/// A file of the shared cases; none when the folder is absent.
#[expect(clippy::print_stdout, reason = "a test that is skipped says so")]
fn shared_case(name: &str) -> Option<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/cases");
    let native = std::fs::read(folder.join(name)).ok();
    if native.is_none() {
        println!("no {name} beside the project, so it was not read");
    }
    native
}

fn decode(native: &[u8]) -> Result<DecodedMessage, Fault> {
    let formats = FormatRegistry::shipped().unwrap();
    let (_, mut decoded) = formats.decode("auto", native, &[], &mut MemoryBlobs::default())?;
    Ok(decoded.remove(0))
}

fn document(decoded: &DecodedMessage) -> &Document {
    match &decoded.canonical.body {
        Some(Body::Document(it)) => it,
        other => panic!("{other:?}"),
    }
}

/// Codes of the findings about texts and encodings, with their fields.
fn text_findings(decoded: &DecodedMessage) -> Vec<(String, String)> {
    let is_about_text = |it: &str| ("LT-MAP-060"..="LT-MAP-063").contains(&it);
    let findings = decoded.findings.iter().filter(|it| is_about_text(&it.code));
    findings.map(|it| (it.code.clone(), it.field.clone())).collect()
}

const SUBJECT: &str = "edXMLEnvelope/edXMLHeader/MessageHeader/Subject";

#[test]
fn case_t04_a_subject_in_tcvn3_is_converted_with_a_finding() {
    let Some(native) = shared_case("T04-tcvn3-as-latin1/a.xml") else { return };
    let decoded = decode(&native).unwrap();
    assert_eq!(document(&decoded).subject, "Công văn về việc triển khai nhiệm vụ");
    assert_eq!(text_findings(&decoded), [("LT-MAP-060".to_owned(), SUBJECT.to_owned())]);
    let leftover =
        document(&decoded).leftovers[0].items.iter().find(|it| it.at == SUBJECT).unwrap();
    assert_eq!(leftover.raw, "C«ng v¨n vÒ viÖc triÓn khai nhiÖm vô");
    assert_eq!((leftover.why(), leftover.of.as_str()), (Why::Spelling, "subject"));
}

#[test]
fn case_t05_a_subject_encoded_twice_is_converted_with_a_finding() {
    let Some(native) = shared_case("T05-utf8-twice/a.xml") else { return };
    let decoded = decode(&native).unwrap();
    assert_eq!(document(&decoded).subject, "Công văn về việc");
    assert_eq!(text_findings(&decoded), [("LT-MAP-060".to_owned(), SUBJECT.to_owned())]);
}

#[test]
fn case_n12_legacy_encodings_are_converted_and_signs_stay() {
    for (name, subject) in [
        ("tcvn3-bytes.xml", "Công văn về việc"),
        ("vni-in-unicode.xml", "Công văn về việc triển khai"),
    ] {
        let Some(native) = shared_case(&format!("N12-legacy-encodings/{name}")) else { return };
        let decoded = decode(&native).unwrap();
        assert_eq!(document(&decoded).subject, subject);
        let findings = text_findings(&decoded);
        assert!(findings.contains(&("LT-MAP-060".to_owned(), SUBJECT.to_owned())), "{findings:?}");
        // The rest of the packet is UTF-8, whatever it declares.
        let sender = document(&decoded).sender.as_ref().unwrap();
        assert_eq!(sender.name, "Cơ quan A");
        assert_eq!(document(&decoded).place, "Tỉnh mẫu");
    }
    let native = shared_case("N12-legacy-encodings/not-tcvn3.xml").unwrap();
    let decoded = decode(&native).unwrap();
    assert_eq!(document(&decoded).subject, "Bảng giá: 5 µm, 30 °C, ¶ 2");
    assert!(text_findings(&decoded).is_empty());
}

#[test]
fn case_x03_a_packet_in_utf16_is_read_in_both_orders_and_without_a_mark() {
    for name in ["be-bom.xml", "le-bom.xml", "le-nobom.xml"] {
        let Some(native) = shared_case(&format!("X03-utf16/{name}")) else { return };
        let decoded = decode(&native).unwrap();
        assert_eq!(document(&decoded).subject, "Về việc thử gói tin tổng hợp");
        assert!(text_findings(&decoded).is_empty());
    }
}

#[test]
fn case_x04_a_packet_in_windows_1258_is_read_as_declared() {
    let Some(native) = shared_case("X04-windows-1258/a.xml") else { return };
    let decoded = decode(&native).unwrap();
    assert_eq!(document(&decoded).subject, "Về việc thử gói tin tổng hợp");
    assert_eq!(document(&decoded).place, "Tỉnh mẫu");
    assert!(text_findings(&decoded).is_empty());
}

#[test]
fn case_x05_a_declaration_that_is_not_true_is_a_finding() {
    let Some(native) = shared_case("X05-latin1-that-is-also-utf8/a.xml") else { return };
    let decoded = decode(&native).unwrap();
    assert_eq!(document(&decoded).subject, "Bao cao á so 5");
    assert_eq!(text_findings(&decoded), [("LT-MAP-062".to_owned(), "encoding".to_owned())]);
}

#[test]
fn case_j02_json_in_utf16_is_read() {
    let Some(native) = shared_case("J02-json-utf16/a.json") else { return };
    let decoded = decode(&native).unwrap();
    assert_eq!(document(&decoded).subject, "Về việc thử");
}

/// A valid packet with other texts in it.
fn packet(subject: &str, place: &str, notation: &str) -> Vec<u8> {
    let packet = include_str!("../../../mapping/formats/edxml.document/cases/new/native.xml");
    let with = |text: String, name: &str, value: &str| {
        let (before, rest) = text.split_once(&format!("<edXML:{name}>")).unwrap();
        let (_, after) = rest.split_once(&format!("</edXML:{name}>")).unwrap();
        format!("{before}<edXML:{name}>{value}</edXML:{name}>{after}")
    };
    let text = with(packet.to_owned(), "Subject", subject);
    let text = with(text, "Place", place);
    with(text, "CodeNotation", notation).into_bytes()
}

#[test]
fn a_spelling_goes_back_to_its_format_unless_the_value_has_changed() {
    let formats = FormatRegistry::shipped().unwrap();
    let format = formats.get("edxml.document").unwrap();
    let native = packet("C«ng v¨n vÒ viÖc", "Quảng Bình", "CV-VPTU");
    let mut blobs = MemoryBlobs::default();
    let decoded = format.decode(&native, &[], &mut blobs).unwrap().remove(0);
    let write = |subject: &str| {
        let mut canonical = decoded.canonical.clone();
        let Some(Body::Document(it)) = &mut canonical.body else { panic!() };
        it.subject = subject.to_owned();
        let mut out = Vec::new();
        let losses = format.encode(&canonical, EncodeContext::default(), &blobs, &mut out).unwrap();
        let about: Vec<_> = losses.into_iter().filter(|it| it.path.contains("ubject")).collect();
        (String::from_utf8(out).unwrap(), about)
    };
    let (same, losses) = write("Công văn về việc");
    assert!(same.contains("<edXML:Subject>C«ng v¨n vÒ viÖc</edXML:Subject>"));
    assert!(losses.is_empty(), "{losses:?}");
    let (changed, losses) = write("Công văn khác");
    assert!(changed.contains("<edXML:Subject>Công văn khác</edXML:Subject>"));
    assert_eq!(losses.len(), 1, "{losses:?}");
}

#[test]
fn texts_of_every_spelling_are_converted_and_identifiers_are_not() {
    for (subject, expected) in [
        ("V/v b¸o c¸o kÕt qu¶ th¸ng 9", "V/v báo cáo kết quả tháng 9"),
        ("Baùo caùo keát quaû thaùng 9", "Báo cáo kết quả tháng 9"),
        ("Báo cáo kêìt quaÒ tháng 9", "Báo cáo kết quả tháng 9"),
        ("BÃ¡o cÃ¡o káº¿t quáº£", "Báo cáo kết quả"),
        ("Ba\u{301}o ca\u{301}o kê\u{301}t qua\u{309}", "Báo cáo kết quả"),
        ("Ðề nghị Ðảng ủy", "Đề nghị Đảng ủy"),
    ] {
        let decoded = decode(&packet(subject, "Hµ Néi", "CV-VPTU")).unwrap();
        assert_eq!(document(&decoded).subject, expected);
        assert_eq!(document(&decoded).place, "Hà Nội");
        assert_eq!(text_findings(&decoded).len(), 2, "{subject}");
    }
    let decoded = decode(&packet("Về việc", "Huế", "Q§-H§ND")).unwrap();
    assert_eq!(document(&decoded).number.as_ref().unwrap().notation, "Q§-H§ND");
}

#[test]
fn an_unsure_text_stays_with_a_finding() {
    let decoded = decode(&packet("Héi", "Huế", "CV")).unwrap();
    assert_eq!(document(&decoded).subject, "Héi");
    assert_eq!(text_findings(&decoded), [("LT-MAP-061".to_owned(), SUBJECT.to_owned())]);
    for innocent in
        ["Häagen-Dazs, Zürich", "Giá 5 µm, 30 °C, § 5", "naïve café", "Đoàn Côte d’Ivoire"]
    {
        let decoded = decode(&packet(innocent, "Huế", "CV")).unwrap();
        assert_eq!(document(&decoded).subject, innocent);
        assert!(text_findings(&decoded).is_empty(), "{innocent}");
    }
}

const TABLE: &str = r#"
format: test.table
version: 1
title: Danh mục thử
carries: Document
others: keep
syntax:
  kind: csv
  charset: CHARSET
  separator: ";"
detect:
  - has: Trích yếu
fields:
  - {at: Số, to: number.number}
  - {at: Trích yếu, to: subject}
"#;

#[test]
fn a_table_is_read_and_written_in_the_charset_of_its_description() {
    for charset in legacy_text::Charset::ALL {
        let format = Format::compile(&TABLE.replace("CHARSET", charset.name())).unwrap();
        // VISCII has letters where the others have these quotation marks.
        let quotes =
            if charset == legacy_text::Charset::Viscii { ["'"; 2] } else { ["“", "”"] };
        let subject = format!("Về việc {}xét duyệt{} của Đảng ủy", quotes[0], quotes[1]);
        let text = format!("Số;Trích yếu\r\n045;{subject}\r\n");
        let native = charset.encode(&text);
        assert!(native.lost.is_empty(), "{:?}", native.lost);
        let blobs = MemoryBlobs::default();
        let decoded =
            format.decode(&native.bytes, &[], &mut MemoryBlobs::default()).unwrap().remove(0);
        assert_eq!(document(&decoded).subject, subject);
        let mut out = Vec::new();
        let context = EncodeContext::default();
        let losses = format.encode(&decoded.canonical, context, &blobs, &mut out).unwrap();
        assert!(losses.is_empty(), "{losses:?}");
        assert_eq!(out, native.bytes, "{charset:?}");
    }
    let format = Format::compile(&TABLE.replace("CHARSET", "tcvn3")).unwrap();
    let native = legacy_text::Charset::Tcvn3.encode("Số;Trích yếu\r\n1;ý kiến\r\n").bytes;
    let mut decoded = format.decode(&native, &[], &mut MemoryBlobs::default()).unwrap().remove(0);
    let Some(Body::Document(it)) = &mut decoded.canonical.body else { panic!() };
    it.subject = "Ý kiến ← Ủy ban".to_owned();
    let mut out = Vec::new();
    let blobs = MemoryBlobs::default();
    let losses =
        format.encode(&decoded.canonical, EncodeContext::default(), &blobs, &mut out).unwrap();
    assert_eq!(losses.len(), 1, "{losses:?}");
    assert_eq!((losses[0].path.as_str(), losses[0].value.as_str()), ("subject", "ý kiến ? ủy ban"));
    let again = format.decode(&out, &[], &mut MemoryBlobs::default()).unwrap().remove(0);
    assert_eq!(document(&again).subject, "ý kiến ? ủy ban");
    assert!(Format::compile(&TABLE.replace("CHARSET", "tcvn4")).is_err());
}
