//! Bad inputs of the reliability catalogue (section 6), and what this engine answers.
//!
//! | entry | input | answer |
//! |---|---|---|
//! | B-038 | an encoding that nobody knows | refused, LT-MAP-023 |
//! | B-038 | `utf-16` declared over UTF-8 bytes | taken: .NET writes it so, and the bytes are proven |
//! | B-044 | a second root, or anything but white space and comments outside the root | LT-MAP-001 |
//! | B-050 | a repeated key, also as `file_name` and `fileName` | LT-MAP-002 |
//! | B-058 | a text far beyond the length of its field | LT-MAP-005, the bound and by how much |
//! | B-058 | a text somewhat longer than the standard | taken with a finding: people write such |
//! | B-070 | a file of zero bytes, raw, in a ZIP, or uploaded | LT-MAP-010, naming the file |
//!
//! The formatting of XML is no part of a code (B-024): white space with which an element is
//! indented is no part of a code, every other character is carried to mapping, which refuses it.

use crate::*;

/// The code, field and English description of a refusal.
fn refusal(format: &str, native: impl AsRef<[u8]>) -> (String, String, String) {
    let registry = registry();
    let format = registry.get(format).unwrap();
    let decoded = format.decode(native.as_ref(), &[], &mut MemoryBlobs::default());
    let fault = decoded.err().unwrap_or_else(|| {
        panic!("accepted: {}", String::from_utf8_lossy(native.as_ref()));
    });
    let first = fault.violations.first().cloned().unwrap_or_default();
    assert_ne!(first.description_vi, first.description_en);
    (fault.code, first.field, first.description_en)
}

fn read_packet(native: &str) -> (Document, MemoryBlobs) {
    let mut files = MemoryBlobs::default();
    let registry = registry();
    let format = registry.get("edxml.document").unwrap();
    let canonical =
        read(format, native.as_bytes(), &mut files).unwrap_or_else(|it| panic!("{native}: {it:?}"));
    (document(&canonical).clone(), files)
}

#[test]
fn an_encoding_that_nobody_knows_is_refused_by_its_name() {
    let declared = |name: &str| PACKET.replacen("encoding=\"UTF-8\"", name, 1);
    for name in ["klingon", "UTF-7", "TCVN4", "VPS", "utf8mb4", "", "UTF-8\u{200b}", "utf-64"] {
        let (code, field, text) =
            refusal("edxml.document", declared(&format!("encoding=\"{name}\"")));
        assert_eq!((&*code, &*field), ("LT-MAP-023", "encoding"), "{name}");
        assert!(text.contains(name.trim_end_matches('\u{200b}')), "{text}");
    }
    for harmless in [
        "",
        "encoding='utf-8'",
        "encoding=\"utf8\"",
        "encoding=\"utf-16\"",
        "encoding=\"UTF-8\" standalone=\"yes\"",
    ] {
        read_packet(&declared(harmless));
    }
}

#[test]
fn nothing_but_white_space_and_comments_stands_outside_the_root() {
    let behind = "something follows the root element";
    for garbage in
        ["x", "<a/>", "<edXML/>", "\0\0\0", "\u{a0}", "]]>", "&amp;", "<![CDATA[ ]]>", "\u{feff}"]
    {
        let (code, field, _) = refusal("edxml.document", format!("{PACKET}{garbage}"));
        assert_eq!(code, "LT-MAP-001", "{garbage:?}");
        assert!(field.starts_with("byte "), "{garbage:?}: {field}");
    }
    let (_, field, text) = refusal("edxml.document", format!("{PACKET}\n\0"));
    assert_eq!((field, text), (format!("byte {}", PACKET.len() + 1), format!("{behind} (U+0000)")));
    for second in [format!("{PACKET}{PACKET}"), format!("{PACKET}<?xml version=\"1.0\"?>")] {
        assert!(refusal("edxml.document", second).2.ends_with("follows the root element"));
    }
    let before = PACKET.replacen("<edXML ", "rác <edXML ", 1);
    let (_, _, text) = refusal("edxml.document", before);
    assert_eq!(text, "something stands before the root element (U+0072)");
    for harmless in ["", "\n", "\r\n \t", "<!-- hết -->\n", "<?note x?>"] {
        read_packet(&format!("{PACKET}{harmless}"));
        read_packet(&PACKET.replacen("<edXML ", &format!("{harmless}<edXML "), 1));
    }
    read_packet(&format!("\u{feff}{PACKET}"));
    read_packet(&format!("\u{feff}\u{feff}{PACKET}"));
}

#[test]
fn a_text_far_beyond_its_length_is_refused_with_its_bound() {
    let subject = |text: &str| PACKET.replace("V/v A &amp; B", text);
    let (code, field, text) = refusal("edxml.document", subject(&"x".repeat(1 << 20)));
    assert_eq!(code, "LT-MAP-005");
    assert_eq!(field, "edXMLEnvelope/edXMLHeader/MessageHeader/Subject");
    assert_eq!(text, "has 1048576 characters, at most 5000");
    assert_eq!(refusal("edxml.document", subject(&"ữ".repeat(5_001))).0, "LT-MAP-005");
    read_packet(&subject(&"ữ".repeat(5_000)));
    let number = PACKET.replace("CodeNumber>45<", &format!("CodeNumber>{}<", "4".repeat(1_001)));
    assert!(refusal("edxml.document", number).2.ends_with("at most 1000"));
    let long = "x".repeat(65_537);
    let json = format!(r#"{{"document":{{"subject":"{long}","note":"a"}}}}"#);
    let (code, field, text) = refusal("canonical.json", json);
    assert_eq!((&*code, &*field), ("LT-MAP-014", "document.subject"));
    assert_eq!(text, "has 65537 characters, at most 65536");
    let twice = r#"{"document":{"attachments":[{"file_name":"a","fileName":"b"}]}}"#;
    let (code, field, text) = refusal("canonical.json", twice);
    assert_eq!((&*code, &*field), ("LT-MAP-002", "document/attachments[0]/fileName"));
    assert_eq!(text, "stands twice (`file_name` and `fileName`)");
}

/// The packet with this as the content of its file.
fn with_content(text: &str) -> String {
    PACKET.replace(">JVBERi0xLjQ=<", &format!(">{text}<"))
}

#[test]
fn base64_is_taken_in_every_form_and_an_empty_file_in_none() {
    for form in [
        "JVBERi0xLjQ=",
        "JVBERi0xLjQ",
        "JVBERi\r\n0xLjQ=\n",
        "data:application/pdf;base64,JVBERi0xLjQ=",
    ] {
        let (_, files) = read_packet(&with_content(form));
        assert_eq!(files.files().values().next().unwrap(), b"%PDF-1.4", "{form}");
    }
    for (form, text) in
        [("JVBERi0xLjQ=x", "U+003D"), ("JVBERi0xLj", "cut off"), ("data:,x", "base64")]
    {
        let (code, field, description) = refusal("edxml.document", with_content(form));
        assert_eq!((&*code, &*field), ("LT-MAP-010", "a.pdf"), "{form}");
        assert!(description.contains(text), "{form}: {description}");
    }
    for empty in ["", " \n ", "data:application/pdf;base64,"] {
        let (code, _, text) = refusal("edxml.document", with_content(empty));
        assert_eq!((&*code, &*text), ("LT-MAP-010", "the file is empty, 0 bytes"), "{empty:?}");
    }
}

#[test]
fn an_empty_upload_is_refused_by_its_reference() {
    let portal = r#"{"Value":{"Data":[{"Guid":"1","SoHieu":"4","KyHieu":"CV","TrichYeu":"V/v A",
        "NgayBanHanh":"20/11/2026","DoMat":"0","Attachments":[{"FileName":"a.pdf","FilePath":"/u/a"}]}]}}"#;
    let canonical =
        r#"{"document":{"attachments":[{"file_name":"a.pdf","content":{"ref":"/u/a"}}]}}"#;
    let claim = Claim { sha256: sha256_of_nothing().into(), size: 0 };
    let upload = DeclaredAttachment {
        reference: "/u/a".to_owned(),
        claim: Some(claim),
        ..DeclaredAttachment::default()
    };
    for (format, native) in [("ioffice.portal", portal), ("canonical.json", canonical)] {
        let registry = registry();
        let format = registry.get(format).unwrap();
        let sink = &mut MemoryBlobs::default();
        let fault =
            format.decode(native.as_bytes(), std::slice::from_ref(&upload), sink).unwrap_err();
        assert_eq!((&*fault.code, &*fault.params["name"]), ("LT-MAP-010", "/u/a"));
    }
}

fn sha256_of_nothing() -> Vec<u8> {
    hex::decode("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855").unwrap()
}

/// The bytes of a case beside the project; none when the folder is absent.
fn case(path: &str) -> Option<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/cases");
    let bytes = std::fs::read(folder.join(path)).ok();
    if bytes.is_none() {
        std::io::stderr().write_all(b"no cases beside the project, so none was read\n").unwrap();
    }
    bytes
}

#[test]
fn cases_of_files_have_their_value() {
    for path in ["F01-empty-file/a.xml", "F01-empty-file/zip.xml"] {
        let Some(native) = case(path) else { return };
        let (code, field, text) = refusal("edxml.document", &native);
        assert_eq!((&*code, &*text), ("LT-MAP-010", "the file is empty, 0 bytes"), "{path}");
        assert!(!field.is_empty());
        let fault = registry()
            .get("edxml.document")
            .unwrap()
            .decode(&native, &[], &mut MemoryBlobs::default())
            .unwrap_err();
        assert_eq!(fault.params["name"], "phu-luc.txt", "{path}");
    }
    let forms = [
        "X13-base64-data-uri/a.xml",
        "X14-base64-url-nopad/nopad.xml",
        "X14-base64-url-nopad/url.xml",
        "X14-base64-url-nopad/trailing-bits.xml",
    ];
    for path in forms {
        let native = String::from_utf8(case(path).unwrap()).unwrap();
        let (_, files) = read_packet(&native);
        assert!(files.files().values().next().unwrap().starts_with(b"%PDF"), "{path}");
    }
}

#[test]
fn a_code_keeps_every_character_but_the_indentation_of_xml() {
    let code_of = |native: &str| {
        let (document, _) = read_packet(native);
        document.recipients[0].organisation.clone().unwrap().ids[0].value.clone()
    };
    let packet = |code: &str| PACKET.replace("000.00.02.A99", code);
    assert_eq!(code_of(&packet("\r\n\t A99.2 \n")), "A99.2");
    for code in
        ["A99.2\u{a0}", "\u{feff}A99.2", "A99.2\u{200b}", "\u{ff21}99.2", "A99\n.2", "a99.2"]
    {
        assert_eq!(code_of(&packet(code)), code, "{code:?}");
    }
}
