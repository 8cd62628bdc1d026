//! Packing and unpacking of real ZIP archives.

use std::io::{self, Write as _};

use super::*;
use crate::grammar::FileForm;

/// A compressed ZIP with these entries.
fn zipped(entries: &[&str]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
    for (index, it) in entries.iter().enumerate() {
        archive.start_file(*it, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(format!("nội dung {index}").as_bytes()).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// A file of this name whose content type says nothing.
fn named(name: &str) -> SaidOfFile<'_> {
    SaidOfFile { name, label: name, ..SaidOfFile::default() }
}

/// A file of this name with `application/zip` beside it, as the library of the axis writes.
fn zip_typed(name: &str) -> SaidOfFile<'_> {
    SaidOfFile { media_type: "application/zip", says_zip: true, ..named(name) }
}

/// The file that a payload of this name unpacks to, or the code and text of the refusal.
fn unpack_bytes(bytes: &[u8], name: &str) -> Result<Vec<u8>, String> {
    unpack_said(bytes, &named(name))
}

fn unpack_said(bytes: &[u8], said: &SaidOfFile<'_>) -> Result<Vec<u8>, String> {
    let mut files = MemoryBlobs::default();
    let text = base64_simd::STANDARD.encode_to_string(bytes);
    match unpack(&text, said, &mut UnpackBudget::per_item(), &mut files) {
        Ok(file) => Ok(files.files()[&file.digest.sha256].clone()),
        Err(fault) => Err(format!("{}: {}", fault.code, fault.violations[0].description_en)),
    }
}

/// A form of files whose content type is said beside them.
fn told(form: FileForm) -> Packing {
    Packing { form, is_told: true }
}

const ENTRY: &str = "105156e5-8646-c527-4f4f-7420d8cd2102";

#[test]
fn a_packed_file_unpacks_to_the_same_bytes_under_any_name() {
    let bodies = [
        zipped(&["[Content_Types].xml", "word/document.xml"]),
        zipped(&["mimetype", "META-INF/manifest.xml", "content.xml"]),
        zipped(&["a.pdf", "b.pdf"]),
        zipped(&["only.pdf"]),
        zipped(&["doc.kml"]),
        zipped(&["g.pdf"]),
        zipped(&[&format!("{ENTRY}.pdf")]),
        zipped(&[&format!("{ENTRY}.zip")]),
        zipped(&["../evil"]),
        zipped(&[]),
        b"PK\x03\x04 cut off".to_vec(),
        b"%PDF-1.4".to_vec(),
        Vec::new(),
        vec![7; 40_001],
        "nội dung lặp lại ".repeat(2_000).into_bytes(),
    ];
    let names = [
        "a.docx", "b.DOCX", "c.xlsm", "d.odp", "e.jar", "f.zip", "f.ZIP", "g.pdf", "h", "i.xls",
        "k.kmz", "l.apk", "m.xyz",
    ];
    let types = ["", "application/pdf", "application/zip", "image/vnd.dwg"];
    for (name, media_type) in names.iter().flat_map(|name| types.map(|it| (*name, it))) {
        for (body, form) in bodies.iter().flat_map(|it| [(it, FileForm::Zip), (it, FileForm::Raw)])
        {
            assert_eq!(
                &pack_and_unpack(body, (form, name, media_type)),
                body,
                "{name} {media_type}"
            );
        }
    }
}

/// The bytes of a file after it was written in a form, under a name and a media type, and read.
fn pack_and_unpack(body: &[u8], (form, name, media_type): (FileForm, &str, &str)) -> Vec<u8> {
    let mut source = MemoryBlobs::default();
    let digest = source.insert(body);
    let mut text = Vec::new();
    let traits = pack(digest, (told(form), name, media_type), &source, &mut text).unwrap();
    assert!(body.starts_with(&traits.head));
    let packed = packed_media_type(told(form), name, media_type);
    let said =
        SaidOfFile { media_type: packed, says_zip: packed == "application/zip", ..named(name) };
    let text = String::from_utf8(text).unwrap();
    let mut files = MemoryBlobs::default();
    let unpacked = unpack(&text, &said, &mut UnpackBudget::per_item(), &mut files).unwrap();
    files.files()[&unpacked.digest.sha256].clone()
}

/// What the library of the national axis gets: it unwraps where the content type is
/// `application/zip` and the name does not end in `.zip`.
fn read_as_the_axis(bytes: &[u8], content_type: &str, name: &str) -> Vec<u8> {
    if content_type != "application/zip" || name.ends_with(".zip") {
        return bytes.to_vec();
    }
    let mut archive = zip::ZipArchive::new(io::Cursor::new(bytes)).unwrap();
    let mut content = Vec::new();
    io::copy(&mut archive.by_index(0).unwrap(), &mut content).unwrap();
    content
}

#[test]
fn the_library_of_the_axis_reads_every_written_file() {
    let zip = ("application/zip", zipped(&["1.pdf"]));
    let several = ("application/zip", zipped(&["a", "b"]));
    let pdf = ("application/pdf", b"%PDF-1.4".to_vec());
    let unknown = ("application/octet-stream", vec![7; 90_000]);
    let names = ["a.zip", "a.ZIP", "a.pdf", "a.docx", "a.kmz", "a"];
    let bodies = [zip, several, pdf, unknown];
    for ((media_type, body), name) in bodies.iter().flat_map(|it| names.map(|name| (it, name))) {
        for form in [FileForm::Zip, FileForm::Raw] {
            let mut source = MemoryBlobs::default();
            let digest = source.insert(body);
            let mut text = Vec::new();
            pack(digest, (told(form), name, media_type), &source, &mut text).unwrap();
            let bytes = base64_simd::STANDARD.decode_to_vec(&text).unwrap();
            let packed = packed_media_type(told(form), name, media_type);
            // Whether the library looks at the case of the name is not known.
            for name in [name, &name.to_lowercase()] {
                assert_eq!(&read_as_the_axis(&bytes, packed, name), body, "{name} {form:?}");
            }
        }
    }
}

#[test]
fn a_file_is_deflated_where_that_helps() {
    let pack_size = |body: &[u8]| {
        let mut source = MemoryBlobs::default();
        let digest = source.insert(body);
        let mut text = Vec::new();
        pack(digest, (told(FileForm::Zip), "a.doc", ""), &source, &mut text).unwrap();
        text.len()
    };
    let text = "Điều 1. Phạm vi điều chỉnh\n".repeat(5_000);
    assert!(pack_size(text.as_bytes()) < text.len() / 10);
    let mut state = 1_u64;
    let random: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        u8::try_from(state >> 56).unwrap()
    })
    .take(100_000)
    .collect();
    assert!(pack_size(&random) < random.len() * 4 / 3 + 400);
    // A begin that deflates, before bytes that do not.
    let mixed = [&[0; 33_000][..], &random].concat();
    assert!(pack_size(&mixed) < mixed.len() * 4 / 3 + 400);
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
    assert_eq!(unpack_said(&zipped(&["tmp1"]), &zip_typed("a.docx")), Ok(content.clone()));
    // A file named `.zip` stays a ZIP, whatever its entries and its content type.
    let (one, two) = (zipped(&["1.pdf"]), zipped(&["1.pdf", "2.pdf"]));
    let (uuid, nested) = (zipped(&[&format!("{ENTRY}.pdf")]), zipped(&[&format!("{ENTRY}.zip")]));
    for whole in [&one, &two, &uuid, &nested] {
        for said in [named("a.zip"), zip_typed("a.zip"), named("a.ZIP")] {
            assert_eq!(unpack_said(whole, &said).as_ref(), Ok(whole));
        }
    }
    // So does a file of another format that is a ZIP.
    for name in ["ban-do.kmz", "a.apk", "a.epub", "a.odt", "a.xmind"] {
        for whole in [&one, &two, &zipped(&["doc.kml"])] {
            assert_eq!(unpack_bytes(whole, name).as_ref(), Ok(whole), "{name}");
        }
        assert_eq!(unpack_bytes(&uuid, name), Ok(content.clone()), "{name}");
    }
    // An unknown extension says nothing; then the content type decides.
    for whole in [&one, &two] {
        assert_eq!(unpack_bytes(whole, "a.xyz").as_ref(), Ok(whole));
    }
    assert_eq!(unpack_said(&one, &zip_typed("a.xyz")), Ok(content.clone()));
    let typed_pdf = SaidOfFile { media_type: "application/pdf", ..named("a") };
    assert_eq!(unpack_said(&one, &typed_pdf), Ok(content));
}

#[test]
fn a_zip_that_cannot_be_opened_says_why() {
    let refused = |bytes: &[u8], name: &str| unpack_bytes(bytes, name).unwrap_err();
    let (one, two) = (zipped(&["1.pdf"]), zipped(&["1.pdf", "2.pdf"]));
    assert!(refused(&two, "a.pdf").contains("exactly one"));
    assert!(refused(&zipped(&[]), "a.pdf").contains("holds no file"));
    for path in ["../a.pdf", "/a.pdf", "b/../../a.pdf", "..\\a.pdf"] {
        assert!(refused(&zipped(&[path]), "a.pdf").contains("is a path"), "{path}");
    }
    assert!(unpack_bytes(&zipped(&["so 12..pdf"]), "a.pdf").is_ok());
    assert!(refused(&one[..one.len() - 10], "a.pdf").contains("damaged"));
    assert!(unpack_bytes(&one[..one.len() - 10], "a.zip").is_ok(), "it is no wrapping");
    let methods =
        [(9, "Deflate64"), (12, "bzip2"), (14, "LZMA"), (93, "Zstandard"), (95, "xz"), (77, "77")];
    for (method, name) in methods {
        let mut bytes = one.clone();
        let central = bytes.windows(4).position(|it| it == b"PK\x01\x02").unwrap();
        (bytes[8], bytes[central + 10]) = (method, method);
        let text = refused(&bytes, "a.pdf");
        assert!(text.contains(name) && !text.contains("damaged"), "{text}");
        assert_eq!(unpack_bytes(&bytes, "a.zip").as_ref(), Ok(&bytes));
    }
}

#[test]
fn entries_of_operating_systems_and_folders_are_passed_over() {
    let content = "nội dung 0".as_bytes().to_vec();
    let macos = ["van-ban.pdf", "__MACOSX/._van-ban.pdf"];
    let windows = ["van-ban.pdf", "Thumbs.db", "desktop.ini"];
    for entries in [&macos[..], &windows, &["van-ban.pdf", ".DS_Store", "van/"], &["van\\ban.pdf"]]
    {
        assert_eq!(unpack_bytes(&zipped(entries), "a.pdf").as_ref(), Ok(&content), "{entries:?}");
    }
    let in_folder = zipped(&["vanban/van-ban.pdf", "vanban/"]);
    assert_eq!(unpack_bytes(&in_folder, "a.pdf"), Ok(content));
}

#[test]
fn a_high_ratio_counts_only_above_a_floor() {
    let zeros = |size: usize| {
        let mut archive = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
        archive.start_file("1.bmp", zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(&vec![0; size]).unwrap();
        archive.finish().unwrap().into_inner()
    };
    for size in [76_000, 1_000_000] {
        assert_eq!(unpack_bytes(&zeros(size), "a.bmp").map(|it| it.len()), Ok(size));
    }
    assert!(unpack_bytes(&zeros(3_000_000), "a.bmp").unwrap_err().contains("too large"));
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
    let mut once = || unpack(&text, &named("a.pdf"), &mut budget, &mut NullSink).map(|_| ());
    let first = once();
    assert!(first.is_ok(), "{first:?}");
    assert_eq!(once().unwrap_err().code, "LT-MAP-010");
}

#[test]
fn the_media_type_comes_from_the_content_then_the_sender_then_the_name() {
    let docx = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
    let rows: [(&[u8], &str, &str, &str); 19] = [
        (b"%PDF-1.7", "", "a.zip", "application/pdf"),
        (b"\r\n\xef\xbb\xbf%PDF-1.7", "", "a.pdf", "application/pdf"),
        (b"PK\x03\x04", "application/zip", "a.docx", docx),
        (b"PK\x03\x04", docx, "a.pdf", docx),
        (b"PK\x03\x04", "", "a.pdf", "application/zip"),
        (b"PK\x03\x04", "application/x-made-up", "a.xyz", "application/x-made-up"),
        (b"AC1027", "application/octet-stream", "a.dwg", "image/vnd.dwg"),
        (b"drawing", "image/vnd.dwg", "a.dxf", "image/vnd.dwg"),
        (b"<html>", "application/pdf", "a.pdf", "text/html"),
        (b"<p>x", "text/html", "a.dat", "application/xml"),
        (b"Rar!\x1a\x07\0", "application/x-rar-compressed", "a.rar", "application/vnd.rar"),
        (b"sig", "application/x-pkcs7-signature", "a.p7x", "application/x-pkcs7-signature"),
        (b"plain", "application/pdf", "a.txt", "text/plain"),
        (b"plain", "application/zip", "a", "application/octet-stream"),
        (b"plain", "text/plain; charset=utf-8", "a", "text/plain"),
        (
            b"MZ\x90\0\x03",
            "application/pdf",
            "a.pdf",
            "application/vnd.microsoft.portable-executable",
        ),
        (&[0; 9], "application/pdf", "a.pdf", "application/octet-stream"),
        (b"MZ la chu", "", "a.txt", "text/plain"),
        (b"", "", "a", "application/octet-stream"),
    ];
    for (head, said, name, expected) in rows {
        assert_eq!(media_type_of(Some(head), said, name), expected, "{said} {name}");
    }
    assert_eq!(media_type_of(None, "", "a.TXT"), "text/plain");
    assert_eq!(media_type_of(None, "application/octet-stream", "a.pdf"), "application/pdf");
    assert_eq!(media_type_of(None, "image/vnd.dwg", "a.pdf"), "image/vnd.dwg");
}

#[test]
fn a_file_that_is_not_what_its_name_says_is_found() {
    let found = |bytes: &[u8], name: &str| {
        judge(&FileTraits::of_head(bytes), name)
            .map_or(String::new(), |(code, _, en)| format!("{code} {en}"))
    };
    let pdf = "%PDF-1.4\n%\u{fffd}\u{fffd}\u{fffd}".as_bytes();
    for (bytes, name, expected) in [
        (&[0; 5_000][..], "a.pdf", "LT-MAP-040"),
        (&[0; 50], "a.xyz", "LT-MAP-040"),
        (pdf, "a.pdf", "LT-MAP-041"),
        (b"<!DOCTYPE html><html>", "login.pdf", "an HTML page"),
        (b"MZ\x90\0\x03", "a.pdf", "a Windows program"),
        (b"MZ\x90\0\x03", "a.xyz", "a Windows program"),
        (b"not a pdf", "a.pdf", "something else"),
        (b"%PDF-1.4", "a.docx", "a PDF"),
        (b"%PDF-1.4", "a.txt", "a PDF"),
        (b"\x89PNG\r\n\x1a\n", "a.jpg", "a PNG image"),
        (b"PK\x03\x04", "a.doc", "a ZIP archive"),
    ] {
        assert!(found(bytes, name).contains(expected), "{name}: {}", found(bytes, name));
    }
    let late_header = [b" ".repeat(1_000).as_slice(), b"%PDF-1.4"].concat();
    for (bytes, name) in [
        (&late_header[..], "a.pdf"),
        (b"{\\rtf1", "a.doc"),
        (b"<edXML xmlns='x'>", "a.edxml"),
        (b"MZ\x90\0\x03", "a.exe"),
        (b"a;b", "a.csv"),
        (b"x", "a.xyz"),
        (b"PK\x03\x04", "a.docx"),
        (b"PK\x05\x06", "a.zip"),
    ] {
        assert_eq!(found(bytes, name), "", "{name}");
    }
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
        let fault = unpack(&text, &named("a.pdf"), &mut budget, &mut FullSink).unwrap_err();
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
