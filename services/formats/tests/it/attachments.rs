//! Files of a message: their bytes, names and types are the same on the other side, and what they
//! are is told by their content.
//!
//! Packets are made from [`PACKET`], whose one file is `a.pdf` in both of its records; the folders of
//! cases beside the project are read where they lie.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;

use formats::DecodedMessage;
use proto::canonical::v1::Attachment;
use proto::message::v1::Finding;

use crate::*;

/// A ZIP with these entries, each with its name as content.
fn zipped(entries: &[&str]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
    for it in entries {
        archive.start_file(*it, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(it.as_bytes()).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// A packet with one file: its name, its content type where one is said, and its bytes.
fn packet(name: &str, content_type: &str, bytes: &[u8]) -> String {
    let content_type = match content_type {
        "" => String::new(),
        it => format!("<ContentType>{it}</ContentType>"),
    };
    let content = base64_simd::STANDARD.encode_to_string(bytes);
    PACKET
        .replace("<ContentTransferEncoded>", &format!("{content_type}<ContentTransferEncoded>"))
        .replace("a.pdf", name)
        .replace("JVBERi0xLjQ=", &content)
}

fn decode(native: &[u8]) -> Result<(DecodedMessage, MemoryBlobs), Fault> {
    let mut files = MemoryBlobs::default();
    let registry = registry();
    let decoded = registry.get("edxml.document").unwrap().decode(native, &[], &mut files)?;
    Ok((decoded.into_iter().next().unwrap(), files))
}

/// The first attachment of a packet, its bytes, and the findings about it.
fn first_file(native: &[u8]) -> (Attachment, Vec<u8>, Vec<Finding>) {
    let (mut decoded, files) =
        decode(native).unwrap_or_else(|it| panic!("{}: {it:?}", String::from_utf8_lossy(native)));
    let it = document(&decoded.canonical).attachments[0].clone();
    let sha256 = &it.content.as_ref().unwrap().digests[0].value;
    let bytes = files.files()[sha256.as_ref()].clone();
    decoded.findings.retain(|it| it.code.starts_with("LT-MAP-04"));
    (it, bytes, decoded.findings)
}

/// The code, the parameter `name` and the English text of a refusal.
fn refusal(native: &[u8]) -> (String, String, String) {
    let fault = decode(native).map(|_| ()).unwrap_err();
    let name = fault.params.get("name").cloned().unwrap_or_default();
    let text = fault.violations.first().map(|it| it.description_en.clone());
    (fault.code, name, text.unwrap_or_default())
}

/// The path of a folder of cases; none when it is absent.
fn cases(name: &str) -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/cases").join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    let said = format!("no cases beside the project, so {name} was not read\n");
    io::stderr().write_all(said.as_bytes()).unwrap();
    None
}

#[test]
fn a_zip_stays_what_it_is_unless_it_wraps_the_file() {
    const UUID: &str = "3f2504e0-4f89-11d3-9a0c-0305e82c3301";
    let one = zipped(&[&format!("{UUID}.pdf")]);
    let two = zipped(&["a.pdf", "b.pdf"]);
    let map = zipped(&["doc.kml"]);
    let zip_type = "application/zip";
    for (name, content_type, bytes) in [
        ("hs.zip", zip_type, &one),
        ("hs.zip", "", &one),
        ("HS.ZIP", zip_type, &two),
        ("ban-do.kmz", "application/vnd.google-earth.kmz", &map),
        ("ban-do.kmz", "", &two),
        ("a.apk", "", &two),
        ("a.epub", "application/epub+zip", &map),
    ] {
        let (_, read, findings) = first_file(packet(name, content_type, bytes).as_bytes());
        assert_eq!(&read, bytes, "{name} {content_type}");
        assert_eq!(findings, [], "{name} {content_type}");
    }
    for (name, content_type) in [
        ("a.pdf", zip_type),
        ("a.pdf", ""),
        ("a.kmz", zip_type),
        ("a.xyz", zip_type),
        ("a", zip_type),
    ] {
        let (_, read, _) = first_file(packet(name, content_type, &one).as_bytes());
        assert_eq!(read, format!("{UUID}.pdf").into_bytes(), "{name} {content_type}");
    }
    // The two records of a file may say different types.
    let other = packet("a.xyz", "application/pdf", &one).replace(
        "<edXML:AttachmentName>",
        "<edXML:ContentType>application/zip</edXML:ContentType><edXML:AttachmentName>",
    );
    assert_ne!(first_file(other.as_bytes()).1, one);
}

#[test]
fn the_media_type_is_that_of_the_content_else_as_said() {
    for (name, said, bytes, expected) in [
        ("a.dwg", "image/vnd.dwg", &b"unknown"[..], "image/vnd.dwg"),
        ("a.html", "text/html", b"<html>", "text/html"),
        ("a.rar", "application/x-rar", b"Rar!", "application/x-rar"),
        ("a.p7s", "application/pkcs7-signature", b"-----BEGIN", "application/pkcs7-signature"),
        ("a.pdf", "application/octet-stream", b"%PDF-1.4", "application/pdf"),
        ("a.bin", "image/png", b"%PDF-1.4", "application/pdf"),
        ("a.txt", "application/pdf", b"plain", "text/plain"),
        ("a.dat", "", b"plain", "application/octet-stream"),
    ] {
        let (read, _, _) = first_file(packet(name, said, bytes).as_bytes());
        assert_eq!(read.media_type, expected, "{name} {said}");
    }
}

#[test]
fn a_file_that_contradicts_its_name_is_a_finding_in_its_field() {
    let (_, _, findings) = first_file(packet("a.pdf", "application/pdf", &[0; 5_000]).as_bytes());
    let [found] = findings.as_slice() else { panic!("{findings:?}") };
    assert_eq!(found.code, "LT-MAP-040");
    assert!(found.field.ends_with("Attachment/ContentTransferEncoded"), "{}", found.field);
    assert!(found.text_en.contains("a.pdf") && found.text_en.contains("zeros"), "{found:?}");
    let damaged = "%PDF-1.7\n%\u{fffd}\u{fffd}\u{fffd}\u{fffd}\n1 0 obj".as_bytes();
    assert_eq!(first_file(packet("a.pdf", "", damaged).as_bytes()).2[0].code, "LT-MAP-041");
    for (name, bytes) in [("a.pdf", &b"%PDF-1.4"[..]), ("a.txt", "chữ".as_bytes()), ("a", b"x")] {
        assert_eq!(first_file(packet(name, "", bytes).as_bytes()).2, [], "{name}");
    }
}

#[test]
fn a_missing_file_is_named_as_a_person_knows_it() {
    let without_bytes = |native: &str| {
        let (head, rest) = native.split_once("<AttachmentEncoded>").unwrap();
        let (_, tail) = rest.split_once("</AttachmentEncoded>").unwrap();
        format!("{head}{tail}")
    };
    let (code, name, _) = refusal(without_bytes(PACKET).as_bytes());
    assert_eq!((&*code, &*name), ("LT-MAP-008", "a.pdf"));
    let nameless = PACKET.replace("<edXML:AttachmentName>a.pdf</edXML:AttachmentName>", "");
    let (code, name, _) = refusal(without_bytes(&nameless).as_bytes());
    assert_eq!((&*code, &*name), ("LT-MAP-008", "9"));
    let reference = "<edXML:Reference><edXML:ContentId>cid:9</edXML:ContentId><edXML:AttachmentName>a.pdf</edXML:AttachmentName></edXML:Reference>";
    let (code, name, _) = refusal(PACKET.replace(reference, "").as_bytes());
    assert_eq!((&*code, &*name), ("LT-MAP-013", "a.pdf"));
}

#[test]
fn the_prefix_of_a_content_id_joins_in_any_case() {
    for id in ["CID:9", "Cid:9", "9"] {
        let (it, _, _) = first_file(PACKET.replace("cid:9", id).as_bytes());
        assert_eq!(it.id, "9", "{id}");
    }
}

#[test]
fn names_of_files_beside_the_body_join_in_every_form() {
    let Some(folder) = cases("A01-attachment-name-forms") else { return };
    let mut bodies: Vec<_> = fs::read_dir(&folder).unwrap().map(|it| it.unwrap().path()).collect();
    bodies.retain(|it| it.extension().is_some_and(|it| it == "json"));
    bodies.sort();
    let registry = registry();
    let portal = registry.get("ioffice.portal").unwrap();
    let mut read = 0;
    for body in bodies {
        let beside = PathBuf::from(format!("{}.files", body.display()));
        // The folder of the last one has a decomposed name; finding it is the adapter's part.
        let Ok(entries) = fs::read_dir(beside) else { continue };
        let mut files = MemoryBlobs::default();
        let declared: Vec<_> = entries
            .map(|it| it.unwrap().path())
            .map(|it| {
                let name = it.file_name().unwrap().to_string_lossy().into_owned();
                files.declare(&name, &fs::read(&it).unwrap())
            })
            .collect();
        let decoded = portal.decode(&fs::read(&body).unwrap(), &declared, &mut files);
        let decoded = decoded.unwrap_or_else(|it| panic!("{}: {it:?}", body.display())).remove(0);
        let [it] = document(&decoded.canonical).attachments.as_slice() else { panic!("one file") };
        assert_eq!(it.content.as_ref().unwrap().size, 26, "{}", body.display());
        assert_eq!(it.file_name, "Công văn số 5.pdf", "{}", body.display());
        read += 1;
    }
    assert!(read >= 6, "{read}");
}

/// A record of the portal with these files, as (name, reference).
fn portal_body(files: &[(&str, &str)]) -> String {
    let files: Vec<_> = files
        .iter()
        .map(|(name, path)| format!(r#"{{"FileName":"{name}","FilePath":"{path}"}}"#))
        .collect();
    format!(
        r#"{{"Code":0,"Value":{{"Total":1,"Data":[{{"Guid":"g1","SoHieu":"1","KyHieu":"CV","TrichYeu":"T","NgayBanHanh":"01/02/2026","DoMat":"0","DonViNhanVanBanNgoaDonVi":[{{"MaDonVi":"A99.1"}}],"Attachments":[{}]}}]}}}}"#,
        files.join(",")
    )
}

#[test]
fn an_upload_is_joined_by_a_looser_form_only_when_one_fits() {
    let registry = registry();
    let portal = registry.get("ioffice.portal").unwrap();
    let decode = |body: &[(&str, &str)], uploads: &[&str]| {
        let mut files = MemoryBlobs::default();
        let declared: Vec<_> = uploads.iter().map(|it| files.declare(it, it.as_bytes())).collect();
        let decoded = portal.decode(portal_body(body).as_bytes(), &declared, &mut files);
        decoded.map(|mut it| {
            let it = it.remove(0);
            let size = |it: &Attachment| it.content.as_ref().unwrap().size;
            document(&it.canonical).attachments.iter().map(size).collect::<Vec<_>>()
        })
    };
    let fault = |body: &[(&str, &str)], uploads: &[&str]| {
        let fault = decode(body, uploads).unwrap_err();
        (fault.code, fault.violations[0].description_en.clone())
    };
    assert_eq!(decode(&[("a", "/u/a.pdf")], &["a.pdf"]).unwrap(), [5]);
    let (code, text) = fault(&[("a", "A.PDF")], &["a.pdf", "a.Pdf"]);
    assert_eq!(code, "LT-MAP-008");
    assert!(text.starts_with("several"), "{text}");
    // One upload cannot be two files of the body, in whatever order they stand.
    for order in [["a.pdf", "A.pdf"], ["A.pdf", "a.pdf"]] {
        let (code, text) = fault(&[("a", order[0]), ("b", order[1])], &["a.pdf"]);
        assert_eq!(code, "LT-MAP-008");
        assert!(text.contains("another name"), "{text}");
    }
    assert_eq!(decode(&[("a", "x/a"), ("b", "y/bb")], &["bb", "a"]).unwrap(), [1, 2]);
    assert_eq!(fault(&[("a", "a")], &["a", "b"]).0, "LT-MAP-013");
}

#[test]
fn uploads_that_are_not_what_they_say_are_findings() {
    let Some(folder) = cases("A05-file-is-not-what-it-says") else { return };
    let registry = registry();
    let portal = registry.get("ioffice.portal").unwrap();
    for (body, file, media_type) in [
        ("exe.json", "cong-van.pdf", "application/vnd.microsoft.portable-executable"),
        ("html.json", "login.pdf", "text/html"),
        ("zeros.json", "zeros.pdf", "application/octet-stream"),
    ] {
        let mut files = MemoryBlobs::default();
        let bytes = fs::read(folder.join(file)).unwrap();
        let declared = [files.declare(file, &bytes)];
        let native = fs::read(folder.join(body)).unwrap();
        let decoded = portal.decode(&native, &declared, &mut files).unwrap().remove(0);
        assert_eq!(document(&decoded.canonical).attachments[0].media_type, media_type, "{body}");
        let found: Vec<_> = decoded.findings.iter().filter(|it| it.code == "LT-MAP-040").collect();
        assert_eq!(found.len(), 1, "{body}: {:?}", decoded.findings);
        assert!(found[0].field.ends_with("FilePath"), "{}", found[0].field);
        // The same file inside a packet.
        let (it, read, inside) = first_file(packet(file, "application/pdf", &bytes).as_bytes());
        assert_eq!((it.media_type.as_str(), read), (media_type, bytes), "{body}");
        assert_eq!(inside[0].text_en, found[0].text_en, "{body}");
    }
}

#[test]
fn names_of_files_are_carried_whole_and_made_plain() {
    let Some(folder) = cases("F02-attachment-names") else { return };
    let native = fs::read(folder.join("a.xml")).unwrap();
    let (decoded, files) = decode(&native).unwrap();
    let names: Vec<_> =
        document(&decoded.canonical).attachments.iter().map(|it| it.file_name.as_str()).collect();
    assert_eq!(names[0], "12-2025-QĐ-UBND.pdf");
    assert_eq!(names[1], "13-2025-QĐ-UBND.pdf");
    assert!(names[2].chars().count() > 330 && names[2].ends_with(".pdf"), "{}", names[2]);
    assert_eq!(
        names[3..],
        ["Công văn.pdf", "Công văn.pdf", "văn bản.pdf", "VĂN BẢN.PDF", "to trinh.docx", ".pdf"]
    );
    let renamed: Vec<_> = decoded.findings.iter().filter(|it| it.code == "LT-MAP-042").collect();
    assert_eq!(renamed.len(), 5, "{renamed:?}");
    assert!(renamed[0].text_vi.contains("12/2025/QĐ-UBND.pdf"), "{:?}", renamed[0]);
    assert!(renamed[0].field.contains("AttachmentName"), "{}", renamed[0].field);
    // What is stored goes out under the same names.
    let registry = registry();
    let edxml = registry.get("edxml.document").unwrap();
    let mut written = Vec::new();
    edxml.encode(&decoded.canonical, EncodeContext::default(), &files, &mut written).unwrap();
    let again = edxml.decode(&written, &[], &mut MemoryBlobs::default()).unwrap().remove(0);
    let read: Vec<_> =
        document(&again.canonical).attachments.iter().map(|it| it.file_name.as_str()).collect();
    assert_eq!(read, names);
    assert!(again.findings.iter().all(|it| it.code != "LT-MAP-042"), "{:?}", again.findings);
}

#[test]
fn a_name_beyond_any_length_keeps_its_ending() {
    for length in [340, 501, 900] {
        let name = format!("{}.pdf", "ả".repeat(length));
        let (it, _, _) = first_file(packet(&name, "", b"%PDF-1.4").as_bytes());
        assert_eq!(it.file_name, name);
        let (decoded, files) = decode(packet(&name, "", b"%PDF-1.4").as_bytes()).unwrap();
        let registry = registry();
        for target in ["edxml.document", "ioffice.portal"] {
            let mut written = Vec::new();
            let target = registry.get(target).unwrap();
            target
                .encode(&decoded.canonical, EncodeContext::default(), &files, &mut written)
                .unwrap();
            assert!(String::from_utf8(written).unwrap().contains(&name), "{length}");
        }
    }
}

#[test]
fn zip_cases_of_scanners_and_macos_are_unwrapped() {
    for (path, size) in [
        ("Z01-zip-small-high-ratio/blank-page.xml", 76_002),
        ("Z02-zip-macos/a.xml", 26),
        ("Z03-zip-in-folder/a.xml", 26),
    ] {
        let (folder, file) = path.split_once('/').unwrap();
        let Some(folder) = cases(folder) else { return };
        let (it, read, _) = first_file(&fs::read(folder.join(file)).unwrap());
        assert_eq!(read.len(), size, "{path}");
        assert_eq!(it.content.unwrap().size, u64::try_from(size).unwrap(), "{path}");
    }
}

#[test]
fn a_file_that_went_through_a_text_is_a_finding() {
    let Some(folder) = cases("T06-replacement-char") else { return };
    let (it, _, findings) = first_file(&fs::read(folder.join("a.xml")).unwrap());
    let [found] = findings.as_slice() else { panic!("{findings:?}") };
    assert_eq!(found.code, "LT-MAP-041");
    assert!(found.text_vi.contains(&it.file_name), "{found:?}");
}

/// Whether a signature covers its file is another part's task; here, its file is carried as it is
/// and nothing is said of the signature.
#[test]
fn a_signed_pdf_is_carried_to_the_last_byte() {
    let Some(folder) = cases("N11-pdf-byte-range") else { return };
    for name in ["no-contents.pdf", "not-from-start.pdf", "zero.pdf"] {
        let bytes = fs::read(folder.join(name)).unwrap();
        let (it, read, findings) = first_file(packet(name, "application/pdf", &bytes).as_bytes());
        assert_eq!((it.media_type.as_str(), &read), ("application/pdf", &bytes), "{name}");
        assert_eq!(findings, [], "{name}");
    }
}

/// Real packets hold deflated ZIPs; with stored ones they grew by up to 42 %.
#[test]
fn a_real_packet_does_not_grow_when_it_is_written() {
    let registry = registry();
    let edxml = registry.get("edxml.document").unwrap();
    for (name, native) in samples().into_iter().filter(|(it, _)| it.starts_with("edoc_")) {
        let (decoded, files) = decode(&native).unwrap();
        let mut written = Vec::new();
        edxml.encode(&decoded.canonical, EncodeContext::default(), &files, &mut written).unwrap();
        let percent = written.len() * 100 / native.len();
        let said =
            format!("{name}: {} bytes, written {} ({percent} %)\n", native.len(), written.len());
        io::stderr().write_all(said.as_bytes()).unwrap();
        assert!(percent <= 102, "{said}");
    }
}
