//! What is taken off and what is left on, over real ZIP bytes.

use std::collections::HashMap;
use std::io::Write as _;

use super::*;

#[derive(Default)]
struct Kept {
    open: Vec<u8>,
    last: Vec<u8>,
    source: HashMap<[u8; 32], Vec<u8>>,
}

impl BlobSink for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.open.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.last = std::mem::take(&mut self.open);
        Ok(())
    }
}

impl BlobSource for Kept {
    fn read(&self, sha256: [u8; 32], _size: u64, into: &mut dyn FnMut(&[u8])) -> Result<(), Fault> {
        self.source[&sha256].chunks(1_000).for_each(into);
        Ok(())
    }
}

/// A ZIP of these entries, compressed.
fn zipped(entries: &[&str]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
    for (place, it) in entries.iter().enumerate() {
        archive.start_file(*it, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(format!("nội dung {place}").as_bytes()).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// The bytes that reading a raw payload of this name gives, or the code of the refusal.
fn read(bytes: &[u8], name: &str) -> Result<Vec<u8>, String> {
    let mut kept = Kept::default();
    let text = base64_simd::STANDARD.encode_to_string(bytes);
    match decode(&text, name, &mut Budget::item(), &mut kept) {
        Ok(_) => Ok(kept.last),
        Err(fault) => Err(format!("{}: {}", fault.code, fault.violations[0].description_en)),
    }
}

const ENTRY: &str = "105156e5-8646-c527-4f4f-7420d8cd2102";

#[test]
fn what_is_written_comes_back_bit_for_bit_under_any_name() {
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
        let named = BlobDigest { sha256: Sha256::digest(body).into(), size: body.len() as u64 };
        let mut files = Kept::default();
        files.source.insert(named.sha256, body.clone());
        let mut text = Vec::new();
        let head = encode(named, &ending(name), &files, &mut text).unwrap();
        assert!(body.starts_with(&head));
        let text = String::from_utf8(text).unwrap();
        let opened = decode(&text, name, &mut Budget::item(), &mut files).unwrap();
        assert_eq!(opened.named, named, "{name}");
        assert_eq!(&files.last, body, "{name}");
    }
}

#[test]
fn a_raw_payload_that_is_a_zip_is_kept_or_unwrapped_by_its_entries() {
    let content = "nội dung 0".as_bytes().to_vec();
    let office = zipped(&["[Content_Types].xml", "word/document.xml"]);
    for name in ["a.docx", "a.xlsm", "a.docm", "a", "a.bin"] {
        assert_eq!(read(&office, name).as_ref(), Ok(&office), "{name}");
    }
    let open = zipped(&["mimetype", "content.xml"]);
    assert_eq!(read(&open, "a.odp").as_ref(), Ok(&open));
    // The kits name the entry after the packet or not at all, whatever the file is called.
    assert_eq!(read(&zipped(&[&format!("{ENTRY}.edxml")]), "a.doc"), Ok(content.clone()));
    assert_eq!(read(&zipped(&[&format!("{ENTRY}.unk")]), "a.xls"), Ok(content.clone()));
    assert_eq!(read(&zipped(&["1.docx"]), "a.docx"), Ok(content.clone()));
    // A file that is called `.zip` is one.
    let (one, two) = (zipped(&["1.pdf"]), zipped(&["1.pdf", "2.pdf"]));
    assert_eq!(read(&one, "a.zip").as_ref(), Ok(&one));
    assert_eq!(read(&two, "a.ZIP").as_ref(), Ok(&two));
    assert_eq!(read(&zipped(&[&format!("{ENTRY}.zip")]), "a.zip"), Ok(content));
    let refused = |bytes: &[u8], name: &str| read(bytes, name).unwrap_err();
    assert!(refused(&two, "a.pdf").contains("exactly one"));
    for path in ["../a.pdf", "/a.pdf", "b/a.pdf", "b\\a.pdf"] {
        assert!(refused(&zipped(&[path]), "a.pdf").contains("is a path"), "{path}");
    }
    assert!(read(&zipped(&["so 12..pdf"]), "a.pdf").is_ok());
    assert!(refused(&one[..one.len() - 10], "a.pdf").contains("damaged"));
}

#[test]
fn a_name_that_stands_twice_in_a_zip_is_two_files() {
    let mut bytes = zipped(&["1.pdf", "2.pdf"]);
    for place in 0..bytes.len() - 5 {
        if &bytes[place..place + 5] == b"2.pdf" {
            bytes[place] = b'1';
        }
    }
    assert!(read(&bytes, "a.pdf").unwrap_err().contains("exactly one"));
}

#[test]
fn the_files_of_an_item_share_one_budget() {
    let zeros = vec![0; 90_000];
    let mut archive = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
    let level =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    archive.start_file("1.pdf", level).unwrap();
    archive.write_all(&zeros).unwrap();
    let text = base64_simd::STANDARD.encode_to_string(archive.finish().unwrap().into_inner());
    let mut budget = Budget(100_000);
    let mut once = || decode(&text, "a.pdf", &mut budget, &mut Nowhere).map(|_| ());
    let first = once();
    assert!(first.is_ok(), "{first:?}");
    assert_eq!(once().unwrap_err().code, "LT-MAP-010");
}

#[test]
fn a_type_is_told_by_the_first_bytes_and_then_by_the_name() {
    assert_eq!(by_content(b"%PDF-1.7", "a.zip"), Some("application/pdf"));
    assert_eq!(by_content(b"PK\x03\x04", "a.docx"), by_name("a.docx"));
    assert_eq!(by_content(b"PK\x03\x04", "a.pdf"), Some("application/zip"));
    assert_eq!(by_content(b"plain", "a.txt"), None);
    assert_eq!(by_name("a.TXT"), Some("text/plain"));
    assert_eq!(by_name("a"), None);
}
