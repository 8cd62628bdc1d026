//! Refusals and their codes.

use crate::*;

#[test]
fn each_kind_of_invalid_content_has_its_code() {
    let registry = registry();
    let edxml = registry.get("edxml.document").unwrap();
    let code = |native: String| {
        edxml.decode(native.as_bytes(), &[], &mut MemoryBlobs::default()).unwrap_err().code
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
    assert_eq!(registry.choose("no.such", b"").unwrap_err().code, "LT-MAP-017");
    assert_eq!(registry.choose("auto", b"hello").unwrap_err().code, "LT-MAP-018");
    let twice = br#"{"Value":{"Data":[{},{"TrichYeu":"a","TrichYeu":"b"}]}}"#;
    let fault = registry.choose("auto", twice).unwrap_err();
    assert_eq!(
        (&*fault.code, &*fault.violations[0].field),
        ("LT-MAP-002", "Value/Data[1]/TrichYeu")
    );
    assert_eq!(fault.violations[0].description_en, "stands twice, at 1:48");
}

#[test]
fn content_beyond_a_bound_is_refused() {
    let registry = registry();
    let edxml = registry.get("edxml.document").unwrap();
    let code = |native: String| {
        edxml.decode(native.as_bytes(), &[], &mut MemoryBlobs::default()).unwrap_err().code
    };
    let subject = "<edXML:Subject>";
    let deep = format!("{}{}", "<a>".repeat(200), "</a>".repeat(200));
    assert_eq!(code(PACKET.replace(subject, &format!("{deep}{subject}"))), "LT-MAP-005");
    let many = "<a/>".repeat(30_000);
    assert_eq!(code(PACKET.replace(subject, &format!("{many}{subject}"))), "LT-MAP-005");
    let long = "x".repeat(2_000_000);
    assert_eq!(code(PACKET.replace(subject, &format!("{subject}{long}"))), "LT-MAP-005");
    let portal = registry.get("ioffice.portal").unwrap();
    let nested = format!("{}{}", "[".repeat(500), "]".repeat(500));
    let fault = portal.decode(nested.as_bytes(), &[], &mut MemoryBlobs::default()).unwrap_err();
    assert_eq!(fault.code, "LT-MAP-005");
    assert_eq!(fault.violations[0].description_en, "the depth is beyond the bound of 64");
    let fault = edxml.decode(b"\xff\xfe<", &[], &mut MemoryBlobs::default()).unwrap_err();
    assert_eq!(fault.code, "LT-MAP-063");
    assert_eq!(fault.violations[0].description_en, "the byte 3C is no character of UTF-16LE");
}

/// A sink that admits no item. Its code shows whether it saw the content.
struct RefusingSink;

impl BlobSink for RefusingSink {
    fn admit(&mut self, _record: usize, canonical: &Canonical) -> Result<(), Fault> {
        let sees_content =
            document(canonical).number.as_ref().is_some_and(|it| it.notation == "CV/TU");
        let code = if sees_content {
            &proto::fault::code::LT_MAP_007
        } else {
            &proto::fault::code::LT_SYS_001
        };
        Err(Fault::new(code))
    }

    fn write(&mut self, _bytes: &[u8]) -> std::io::Result<()> {
        Err(std::io::Error::other("a file was decoded"))
    }

    fn finish(&mut self) -> std::io::Result<()> {
        Err(std::io::Error::other("a file was decoded"))
    }
}

#[test]
fn the_sink_refuses_an_item_before_other_faults_are_reported() {
    let registry = registry();
    let edxml = registry.get("edxml.document").unwrap();
    let damaged = PACKET.replace("JVBERi0xLjQ=", "J*");
    let incomplete = PACKET.replace("<edXML:Subject>V/v A &amp; B</edXML:Subject>", "");
    let absent = PACKET.replace("<ContentId>9<", "<ContentId>8<");
    for native in [PACKET, &damaged, &incomplete, &absent] {
        let fault = edxml.decode(native.as_bytes(), &[], &mut RefusingSink).unwrap_err();
        assert_eq!(fault.code, "LT-MAP-007");
    }
    // A secrecy field refuses the item even before that, in every record.
    let portal = registry.get("ioffice.portal").unwrap();
    let second = r#"{"TrichYeu":"x","KyHieu":"y","DoMat":"2"}"#;
    let native = format!(
        r#"{{"Value":{{"Data":[{{"TrichYeu":"tệp hỏng","Attachments":[{{"FilePath":"no"}}]}},{second}]}}}}"#
    );
    let fault = portal.decode(native.as_bytes(), &[], &mut MemoryBlobs::default()).unwrap_err();
    assert_eq!(fault.code, "LT-MAP-007");
    assert!(!format!("{fault:?}").contains("tệp hỏng"));
}

#[test]
fn nodes_that_may_be_secrecy_marks_always_become_leftovers() {
    let registry = registry();
    let edxml = registry.get("edxml.document").unwrap();
    let unknown = "<edXML:Unknown>x</edXML:Unknown>".repeat(400);
    let native = PACKET.replace(
        "<edXML:Strange>",
        &format!("{unknown}<edXML:OtherInfo edXML:secret=\"3\"><edXML:DoMat>1</edXML:DoMat></edXML:OtherInfo><edXML:Strange>"),
    );
    let decoded =
        edxml.decode(native.as_bytes(), &[], &mut MemoryBlobs::default()).unwrap().remove(0);
    let leftovers = &document(&decoded.canonical).leftovers[0].items;
    for mark in ["OtherInfo/DoMat", "OtherInfo/@secret"] {
        assert!(leftovers.iter().any(|it| it.at.ends_with(mark)), "{mark}");
    }
    assert!(
        decoded.findings.iter().any(|it| it.code == "LT-MAP-022"),
        "the dropped nodes are reported"
    );
}

#[test]
fn too_many_files_are_refused() {
    let registry = registry();
    let portal = registry.get("ioffice.portal").unwrap();
    let one = r#"{"Id":"1","FileName":"a.pdf","FilePath":"a"}"#;
    let many = [one; 201].join(",");
    let native = format!(r#"{{"Value":{{"Data":[{{"TrichYeu":"x","Attachments":[{many}]}}]}}}}"#);
    let fault = portal.decode(native.as_bytes(), &[], &mut MemoryBlobs::default()).unwrap_err();
    assert_eq!(fault.code, "LT-MAP-005");
}

#[test]
fn canonical_json_must_follow_the_rules_of_the_model() {
    let registry = registry();
    let json = registry.get("canonical.json").unwrap();
    let code = |native: &str| {
        let fault = json.decode(native.as_bytes(), &[], &mut MemoryBlobs::default()).unwrap_err();
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
    let it = read(json, decomposed.as_bytes(), &mut MemoryBlobs::default()).unwrap();
    assert_eq!(document(&it).subject, "hấp");
    assert_eq!(
        document(&it).sender.as_ref().unwrap().directory_key,
        "",
        "only the mapping service sets it"
    );
}
