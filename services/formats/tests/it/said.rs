//! What counts as said: names of the packet's namespace, and texts that are not only words for
//! nothing.

use crate::*;

/// A file of the shared cases; none when the folder is absent.
fn case(path: &str) -> Option<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/cases");
    let bytes = std::fs::read(folder.join(path)).ok();
    if bytes.is_none() {
        std::io::stderr().write_all(format!("no {path}, so it was not read\n").as_bytes()).unwrap();
    }
    bytes
}

fn decode(native: &[u8]) -> Result<(String, formats::DecodedMessage), Fault> {
    let registry = registry();
    let (format, mut decoded) =
        registry.decode("auto", native, &[], &mut MemoryBlobs::default())?;
    Ok((format.name().to_owned(), decoded.remove(0)))
}

fn codes(decoded: &formats::DecodedMessage) -> Vec<(&str, &str)> {
    decoded
        .findings
        .iter()
        .map(|it| (it.code.as_str(), it.field.rsplit('/').next().unwrap()))
        .collect()
}

#[test]
fn a_name_of_another_namespace_changes_nothing_and_comes_back_in_it() {
    let registry = registry();
    let edxml = registry.get("edxml.document").unwrap();
    let vendor = r#"<v:Subject xmlns:v="urn:vendor">NHÃN</v:Subject><v:StatusCode xmlns:v="urn:vendor">7</v:StatusCode><Other xmlns="urn:other" xmlns:w="urn:w" w:level="1"><Deep>x</Deep></Other><edXML:From>"#;
    let native = PACKET.replacen("<edXML:From>", vendor, 1);
    assert_eq!(registry.choose("auto", native.as_bytes()).unwrap().name(), "edxml.document");
    let mut files = MemoryBlobs::default();
    let canonical = read(edxml, native.as_bytes(), &mut files).unwrap();
    assert_eq!(document(&canonical).subject, "V/v A & B");
    let mut written = Vec::new();
    let losses = edxml.encode(&canonical, EncodeContext::default(), &files, &mut written).unwrap();
    assert!(losses.iter().all(|it| it.kind() != loss::Kind::Lost), "{losses:?}");
    let text = String::from_utf8(written.clone()).unwrap();
    for kept in [
        r#"<ns:Subject xmlns:ns="urn:vendor">NHÃN</ns:Subject>"#,
        r#"<ns:Other xmlns:ns="urn:other" xmlns:ns0="urn:w" ns0:level="1">"#,
        r#"<ns:Deep xmlns:ns="urn:other">x</ns:Deep>"#,
    ] {
        assert!(text.contains(kept), "{kept}\n{text}");
    }
    let again = read(edxml, &written, &mut files).unwrap();
    let ats = |it: &Canonical| -> std::collections::BTreeSet<String> {
        document(it).leftovers[0].items.iter().map(|it| it.at.clone()).collect()
    };
    assert_eq!(ats(&canonical), ats(&again));
}

#[test]
fn an_unbound_name_is_the_packets_and_an_empty_declaration_binds_none() {
    let plain = PACKET
        .replacen(
            r#"<edXML xmlns="http://www.mic.gov.vn/TBT/QCVN_102_2016">"#,
            r#"<edXML xmlns="">"#,
            1,
        )
        .replacen(r#" xmlns:edXML="http://www.mic.gov.vn/TBT/QCVN_102_2016""#, "", 1);
    let (format, decoded) = decode(plain.as_bytes()).unwrap();
    assert_eq!(format, "edxml.document");
    assert_eq!(document(&decoded.canonical).attachments.len(), 1);
}

#[test]
fn cases_of_names_have_their_value() {
    for path in [
        "X07-foreign-namespace-same-name/a.xml",
        "X07-foreign-namespace-same-name/b-statuscode.xml",
    ] {
        let Some(native) = case(path) else { continue };
        let (format, decoded) = decode(&native).unwrap();
        assert_eq!(format, "edxml.document", "{path}");
        let it = document(&decoded.canonical);
        assert_eq!((it.subject.as_str(), it.due), ("Về việc thử gói tin tổng hợp", None), "{path}");
    }
    for path in ["X08-nil-other-prefix/a.xml", "X08-nil-other-prefix/b.xml"] {
        let Some(native) = case(path) else { continue };
        let (_, decoded) = decode(&native).unwrap();
        let it = document(&decoded.canonical);
        assert_eq!((it.due, it.leftovers.len()), (None, 0), "{path}");
    }
    if let Some(native) = case("X09-html-entity/a.xml") {
        let fault = decode(&native).unwrap_err();
        assert_eq!(fault.code, "LT-MAP-003");
        let it = &fault.violations[0];
        assert!(it.field.ends_with("MessageHeader/Subject"), "{it:?}");
        assert!(it.description_en.contains("&nbsp;"), "{it:?}");
    }
}

#[test]
fn cases_of_absent_values_have_their_value() {
    for path in [
        "J09-null-everywhere/a.json",
        "J18-null-list/attachments-null.json",
        "J18-null-list/attachments-of-null.json",
        "J18-null-list/empty-object.json",
        "J18-null-list/recipients-null.json",
        "J18-null-list/replaces-null.json",
        "J18-null-list/xml-empty-attachmentencoded.xml",
        "J18-null-list/xml-nil-attachment.xml",
    ] {
        let Some(native) = case(path) else { continue };
        let (_, decoded) = decode(&native).unwrap_or_else(|it| panic!("{path}: {it:?}"));
        let it = document(&decoded.canonical);
        assert!(it.attachments.is_empty() && it.relations.is_empty(), "{path}");
        assert_eq!(decoded.findings, [], "{path}");
    }
    if let Some(native) = case("T09-null-words/a.xml") {
        let (_, decoded) = decode(&native).unwrap();
        let it = document(&decoded.canonical);
        assert_eq!(
            (it.sender.as_ref().unwrap().name.as_str(), it.summary.as_str(), it.due),
            ("", "", None)
        );
        let expected =
            [("LT-MAP-034", "OrganName"), ("LT-MAP-034", "Content"), ("LT-MAP-034", "DueDate")];
        assert_eq!(codes(&decoded), expected);
    }
}

/// A sibling of J18 in the list of the records themselves.
#[test]
fn a_record_in_which_nothing_stands_is_none() {
    let record =
        r#"{"Guid":"g","SoHieu":"1","KyHieu":"CV","TrichYeu":"T","NgayBanHanh":"01/02/2026"}"#;
    let body = |data: &str| format!(r#"{{"Value":{{"Total":1,"Data":[{data}]}}}}"#);
    let registry = registry();
    for (data, place) in [
        (format!("{record},{{}}"), "Value/Data[0]"),
        (format!(r#"{{}},null,{{"Guid":null,"Attachments":[{{}}]}},{record}"#), "Value/Data[3]"),
    ] {
        let sink = &mut MemoryBlobs::default();
        let (_, records) =
            registry.decode_records("auto", body(&data).as_bytes(), &[], sink).unwrap();
        let [only] = records.as_slice() else { panic!("{records:?}") };
        assert_eq!(
            (only.place.as_str(), &*only.outcome.as_ref().unwrap().findings),
            (place, &[][..])
        );
    }
    for data in ["", "{}", "null,{}"] {
        let sink = &mut MemoryBlobs::default();
        let fault =
            registry.decode("ioffice.portal", body(data).as_bytes(), &[], sink).unwrap_err();
        assert_eq!(fault.code, "LT-MAP-009", "{data}");
    }
}

#[test]
fn a_page_of_a_longer_list_is_a_finding_and_a_login_page_is_told_as_html() {
    if let Some(native) = case("J13-paged/a.json") {
        let (_, decoded) = decode(&native).unwrap();
        assert_eq!(codes(&decoded), [("LT-MAP-033", "Total")]);
    }
    let registry = registry();
    let code = |name: &str, body: &str| {
        let decoded = registry.decode(name, body.as_bytes(), &[], &mut MemoryBlobs::default());
        decoded.unwrap_err().code
    };
    for page in [
        " <!DOCTYPE html><html><body>x</body></html>",
        "\u{feff}\r\n<HTML>\r\n<head><title>502 Bad Gateway</title></head></HTML>",
        "<!-- IIS --><!-- 8.5 -->\n<html lang=\"vi\"><body>x</body></html>",
        "<?xml version=\"1.0\"?>\n<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0\" \"x\"><html/>",
    ] {
        for name in ["auto", "ioffice.portal", "edxml.document", "canonical.json"] {
            assert_eq!(code(name, page), "LT-MAP-032", "{name}: {page}");
        }
    }
    assert_eq!(code("auto", "<htmlData><a>1</a></htmlData>"), "LT-MAP-004");
}

/// Siblings of X09: characters that no XML holds, and the sign that people forget to escape.
#[test]
fn a_character_that_xml_forbids_is_refused_by_its_name_and_a_bare_sign_by_its_place() {
    for entity in ["&ldquo;", "&#0;", "&#x1F;", "&#xFFFE;", "&#xD800;", "&#x110000;"] {
        let fault = decode(PACKET.replace("A &amp; B", entity).as_bytes()).unwrap_err();
        let found = &fault.violations[0];
        assert_eq!(fault.code, "LT-MAP-003", "{entity}");
        assert!(found.field.ends_with("Subject") && found.description_en.contains(entity));
    }
    let fault = decode(PACKET.replace("A &amp; B", "A & B").as_bytes()).unwrap_err();
    let found = &fault.violations[0];
    assert_eq!(fault.code, "LT-MAP-001");
    assert!(
        found.field.starts_with("byte ") && found.description_en.contains("&amp;"),
        "{found:?}"
    );
}

#[test]
fn an_empty_status_code_makes_no_status() {
    let native = PACKET.replacen("<edXML:From>", "<edXML:StatusCode/><edXML:From>", 1);
    assert_eq!(decode(native.as_bytes()).unwrap().0, "edxml.document");
}

const RECALL: &str = "<edXML:Bussiness><edXML:BussinessDocType>1</edXML:BussinessDocType><edXML:DocumentId>goc</edXML:DocumentId></edXML:Bussiness>";

/// The packet with this text behind the trace, and this one behind the trace list.
fn recall(inside: &str, behind: &str) -> String {
    let end = "</edXML:TraceHeaderList>";
    PACKET.replacen(end, &format!("{inside}{end}{behind}"), 1)
}

#[test]
fn a_recall_in_another_spelling_or_place_is_no_new_document() {
    let revoked = [
        recall(RECALL, ""),
        recall(&RECALL.replace("edXML:Bussiness>", "edXML:Business>"), ""),
        recall(&RECALL.replace("edXML:Bussiness>", "edXML:bussiness>"), ""),
        recall(&RECALL.replace("BussinessDocType", "BusinessDocType"), ""),
        recall(&RECALL.replace("BussinessDocType", "bussinessdoctype"), ""),
        recall("", RECALL),
        recall(RECALL, "").replace("edXML:TraceHeaderList>", "edXML:traceheaderlist>"),
        recall("<edXML:BussinessDocType>1</edXML:BussinessDocType>", ""),
    ];
    for (index, native) in revoked.iter().enumerate() {
        let (_, decoded) = decode(native.as_bytes()).unwrap();
        let change = document(&decoded.canonical).change.as_ref().unwrap();
        assert_eq!(change.kind, 2, "{native}");
        let codes = codes(&decoded);
        assert_eq!(codes.iter().any(|it| it.0 == "LT-MAP-035"), index > 0, "{codes:?}\n{native}");
        let target = change.target.as_ref().map_or("", |it| &it.id);
        let is_named = native.contains("goc");
        assert_eq!(target, if is_named { "goc" } else { "" }, "{native}");
        assert_eq!(codes.iter().any(|it| it.0 == "LT-MAP-036"), !is_named, "{codes:?}");
    }
    let unclear = [
        recall("<edXML:Bussiness><edXML:DocumentId>goc</edXML:DocumentId></edXML:Bussiness>", ""),
        recall(
            &RECALL.replace("edXML:Bussiness>", "edXML:Business>"),
            &RECALL.replace("edXML:Bussiness>", "edXML:Busines>"),
        ),
    ];
    for native in unclear {
        assert_eq!(decode(native.as_bytes()).unwrap_err().code, "LT-MAP-014", "{native}");
    }
    let twice = recall(&RECALL.replace(">1<", ">0<"), RECALL);
    let (_, decoded) = decode(twice.as_bytes()).unwrap();
    assert!(codes(&decoded).contains(&("LT-MAP-035", "Bussiness")), "{:?}", codes(&decoded));
}

#[test]
fn a_recall_takes_its_target_from_the_only_reference() {
    let inside =
        "<edXML:Bussiness><edXML:BussinessDocType>1</edXML:BussinessDocType></edXML:Bussiness>";
    let reference = |id: &str| {
        format!(
            "<edXML:ResponseFor><edXML:OrganId>A99.1</edXML:OrganId><edXML:DocumentId>{id}</edXML:DocumentId></edXML:ResponseFor>"
        )
    };
    let native = |references: String| {
        recall(inside, "").replacen("<edXML:DueDate>", &format!("{references}<edXML:DueDate>"), 1)
    };
    let target = |native: String| {
        let (_, decoded) = decode(native.as_bytes()).unwrap();
        let target = document(&decoded.canonical).change.as_ref().unwrap().target.clone();
        let is_finding = codes(&decoded).iter().any(|it| it.0 == "LT-MAP-036");
        (target.map_or_else(String::new, |it| it.id), is_finding)
    };
    assert_eq!(target(native(reference("goc"))), ("goc".to_owned(), false));
    assert_eq!(target(native(String::new())), (String::new(), true));
    assert_eq!(target(native(reference("a") + &reference("b"))), (String::new(), true));
}
