//! Packing and unpacking of real ZIP archives.

use std::io::{self, Write as _};

use super::*;

/// A compressed ZIP with these entries.
fn zipped(entries: &[&str]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
    for (index, it) in entries.iter().enumerate() {
        archive.start_file(*it, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(format!("nội dung {index}").as_bytes()).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// The file that a payload of this name unpacks to, or the code and text of the refusal.
fn unpack_bytes(bytes: &[u8], name: &str) -> Result<Vec<u8>, String> {
    let mut files = MemoryBlobs::default();
    let text = base64_simd::STANDARD.encode_to_string(bytes);
    match unpack(&text, name, &mut UnpackBudget::per_item(), &mut files) {
        Ok(file) => Ok(files.files()[&file.digest.sha256].clone()),
        Err(fault) => Err(format!("{}: {}", fault.code, fault.violations[0].description_en)),
    }
}

const ENTRY: &str = "105156e5-8646-c527-4f4f-7420d8cd2102";

#[test]
fn a_packed_file_unpacks_to_the_same_bytes_under_any_name() {
    let office = zipped(&["[Content_Types].xml", "word/document.xml"]);
    let bodies = [
        office,
        zipped(&["mimetype", "META-INF/manifest.xml", "content.xml"]),
        zipped(&["a.pdf", "b.pdf"]),
        zipped(&["only.pdf"]),
        zipped(&[&format!("{ENTRY}.pdf")]),
        zipped(&["../evil"]),
        b"PK\x03\x04 cut off".to_vec(),
        b"%PDF-1.4".to_vec(),
        Vec::new(),
        vec![7; 3_001],
    ];
    let names = ["a.docx", "b.DOCX", "c.xlsm", "d.odp", "e.jar", "f.zip", "g.pdf", "h", "i.xls"];
    for (body, name) in bodies.iter().flat_map(|it| names.iter().map(move |name| (it, name))) {
        let mut source = MemoryBlobs::default();
        let digest = source.insert(body);
        let mut text = Vec::new();
        let head = pack(digest, &plain_extension(name), &source, &mut text).unwrap();
        assert!(body.starts_with(&head));
        let text = String::from_utf8(text).unwrap();
        let mut files = MemoryBlobs::default();
        let unpacked = unpack(&text, name, &mut UnpackBudget::per_item(), &mut files).unwrap();
        assert_eq!(unpacked.digest, digest, "{name}");
        assert_eq!(&files.files()[&digest.sha256], body, "{name}");
    }
}

#[test]
fn a_zip_payload_is_the_file_or_is_unwrapped_depending_on_its_entries() {
    let content = "nội dung 0".as_bytes().to_vec();
    let office = zipped(&["[Content_Types].xml", "word/document.xml"]);
    for name in ["a.docx", "a.xlsm", "a.docm", "a", "a.bin"] {
        assert_eq!(unpack_bytes(&office, name).as_ref(), Ok(&office), "{name}");
    }
    let open = zipped(&["mimetype", "content.xml"]);
    assert_eq!(unpack_bytes(&open, "a.odp").as_ref(), Ok(&open));
    // The kits name the entry by a UUID or by their own rule, whatever the name of the file.
    assert_eq!(unpack_bytes(&zipped(&[&format!("{ENTRY}.edxml")]), "a.doc"), Ok(content.clone()));
    assert_eq!(unpack_bytes(&zipped(&[&format!("{ENTRY}.unk")]), "a.xls"), Ok(content.clone()));
    assert_eq!(unpack_bytes(&zipped(&["1.docx"]), "a.docx"), Ok(content.clone()));
    // A file named `.zip` stays a ZIP.
    let (one, two) = (zipped(&["1.pdf"]), zipped(&["1.pdf", "2.pdf"]));
    assert_eq!(unpack_bytes(&one, "a.zip").as_ref(), Ok(&one));
    assert_eq!(unpack_bytes(&two, "a.ZIP").as_ref(), Ok(&two));
    assert_eq!(unpack_bytes(&zipped(&[&format!("{ENTRY}.zip")]), "a.zip"), Ok(content));
    let refused = |bytes: &[u8], name: &str| unpack_bytes(bytes, name).unwrap_err();
    assert!(refused(&two, "a.pdf").contains("exactly one"));
    for path in ["../a.pdf", "/a.pdf", "b/a.pdf", "b\\a.pdf"] {
        assert!(refused(&zipped(&[path]), "a.pdf").contains("is a path"), "{path}");
    }
    assert!(unpack_bytes(&zipped(&["so 12..pdf"]), "a.pdf").is_ok());
    assert!(refused(&one[..one.len() - 10], "a.pdf").contains("damaged"));
}

#[test]
fn two_zip_entries_of_one_name_are_two_files() {
    let mut bytes = zipped(&["1.pdf", "2.pdf"]);
    for at in 0..bytes.len() - 5 {
        if &bytes[at..at + 5] == b"2.pdf" {
            bytes[at] = b'1';
        }
    }
    assert!(unpack_bytes(&bytes, "a.pdf").unwrap_err().contains("exactly one"));
}

#[test]
fn the_files_of_an_item_share_one_unpack_budget() {
    let zeros = vec![0; 90_000];
    let mut archive = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
    let level =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    archive.start_file("1.pdf", level).unwrap();
    archive.write_all(&zeros).unwrap();
    let text = base64_simd::STANDARD.encode_to_string(archive.finish().unwrap().into_inner());
    let mut budget = UnpackBudget(100_000);
    let mut once = || unpack(&text, "a.pdf", &mut budget, &mut NullSink).map(|_| ());
    let first = once();
    assert!(first.is_ok(), "{first:?}");
    assert_eq!(once().unwrap_err().code, "LT-MAP-010");
}

#[test]
fn the_media_type_comes_from_the_first_bytes_then_from_the_name() {
    assert_eq!(media_type_of_content(b"%PDF-1.7", "a.zip"), Some("application/pdf"));
    assert_eq!(media_type_of_content(b"PK\x03\x04", "a.docx"), media_type_of_name("a.docx"));
    assert_eq!(media_type_of_content(b"PK\x03\x04", "a.pdf"), Some("application/zip"));
    assert_eq!(media_type_of_content(b"plain", "a.txt"), None);
    assert_eq!(media_type_of_name("a.TXT"), Some("text/plain"));
    assert_eq!(media_type_of_name("a"), None);
}

/// A sink on a full disk.
struct FullSink;

impl BlobSink for FullSink {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn finish(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::StorageFull.into())
    }
}

#[test]
fn a_full_disk_is_not_reported_as_a_damaged_file() {
    let office = zipped(&["[Content_Types].xml", "word/document.xml"]);
    for bytes in [zipped(&["only.pdf"]), office, b"%PDF-1.4".to_vec(), Vec::new()] {
        let text = base64_simd::STANDARD.encode_to_string(&bytes);
        let mut budget = UnpackBudget::per_item();
        let fault = unpack(&text, "a.pdf", &mut budget, &mut FullSink).unwrap_err();
        assert_eq!((fault.code.as_str(), fault.is_retryable()), ("LT-STO-004", true));
    }
}

#[test]
fn an_archive_with_a_marked_name_inside_is_refused() {
    for entry in ["TUYỆT MẬT.pdf", "mật/ke-hoach.pdf", "KÕ ho¹ch (MËt).doc"] {
        let refused = unpack_bytes(&zipped(&["a.pdf", entry]), "goi.zip").unwrap_err();
        assert!(refused.starts_with("LT-MAP-007") && !refused.contains(entry), "{refused}");
    }
    let plain = zipped(&["a.pdf", "Luật Bảo vệ bí mật nhà nước.pdf"]);
    assert_eq!(unpack_bytes(&plain, "goi.zip").unwrap(), plain);
}
