//! Laws of files: through every shipped format that has them inside, bytes, name and type are the
//! same on the other side; and no bytes of a sender end in anything but a file or a coded refusal.
//!
//! The corpus `tests/corpus/files` holds one small file for each way in which the unpacker reads.
//! `FORMATS_MUTATE_SECONDS=300` mutates it for that long, else for a moment.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use proto::canonical::v1::{
    Attachment, Blob, Date, DocumentNumber, Organisation, OrganisationId, Person, Recipient,
};

use crate::*;

/// The corpus, each file with its name.
fn corpus() -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/files");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|it| it.unwrap().path())
        .map(|it| (it.file_name().unwrap().to_string_lossy().into_owned(), fs::read(it).unwrap()))
        .collect();
    files.sort();
    files
}

/// Random numbers (SplitMix64), the same for a seed with every version of the dependencies.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut it = self.0;
        it = (it ^ (it >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        it = (it ^ (it >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((it ^ (it >> 31)) % u64::try_from(bound).unwrap()).unwrap()
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }

    fn pick<'i, T>(&mut self, items: &'i [T]) -> &'i T {
        &items[self.below(items.len())]
    }
}

/// A document that every shipped format can write, with these files.
fn document_with(files: &[(String, String, Vec<u8>)], blobs: &mut MemoryBlobs) -> Canonical {
    let organisation = |code: &str| Organisation {
        ids: vec![OrganisationId {
            scheme: "qd20".into(),
            value: code.into(),
            ..Default::default()
        }],
        name: format!("Cơ quan {code}"),
        ..Default::default()
    };
    let attachment = |(index, (name, media_type, bytes)): (usize, &(String, String, Vec<u8>))| {
        let digest = blobs.insert(bytes);
        let value = digest.sha256.to_vec().into();
        let reference = format!("sha256:{}", hex::encode(digest.sha256));
        let digests = vec![proto::canonical::v1::Digest { algorithm: "sha256".into(), value }];
        Attachment {
            id: (index + 1).to_string(),
            role: 1,
            file_name: name.clone(),
            media_type: media_type.clone(),
            content: Some(Blob { r#ref: reference, size: digest.size, digests }),
            ..Default::default()
        }
    };
    let document = Document {
        id: "A99.1,2026/11/20,45/CV".into(),
        number: Some(DocumentNumber {
            number: "45".into(),
            notation: "CV".into(),
            printed: "45/CV".into(),
            ..Default::default()
        }),
        subject: "Về việc thử".into(),
        issued: Some(Date { year: 2026, month: 11, day: 20 }),
        sender: Some(organisation("A99.1")),
        issuer: Some(organisation("A99.1")),
        recipients: vec![Recipient {
            organisation: Some(organisation("A99.2")),
            role: 1,
            ..Default::default()
        }],
        signers: vec![Person {
            full_name: "Nguyễn Văn A".into(), role: 1, ..Default::default()
        }],
        attachments: files.iter().enumerate().map(attachment).collect(),
        ..Default::default()
    };
    Canonical { origin: None, body: Some(Body::Document(document)) }
}

/// Names that are true to the content of a corpus file, and names that say nothing of it.
fn names_of(file: &str) -> Vec<String> {
    let extension = file.rsplit_once('.').unwrap().1;
    let named = ["Công văn số 5", "12-2025-QĐ-UBND", "a"].map(|it| format!("{it}.{extension}"));
    let upper = format!("A.{}", extension.to_uppercase());
    named.into_iter().chain([upper, "khong-duoi".into(), "a.xyz".into()]).collect()
}

/// Shipped formats.
fn format_names() -> Vec<String> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../mapping/formats");
    let entries = fs::read_dir(folder).unwrap().map(|it| it.unwrap());
    entries.map(|it| it.file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn a_file_is_the_same_on_the_other_side_of_every_format_that_holds_files() {
    let registry = registry();
    let corpus = corpus();
    let mut random = Random(7);
    let mut holding = BTreeSet::new();
    for _ in 0..60 {
        let files: Vec<_> = (0..=random.below(3))
            .map(|_| {
                let (file, bytes) = random.pick(&corpus);
                let name = random.pick(&names_of(file)).clone();
                (name, String::new(), bytes.clone())
            })
            .collect();
        let mut blobs = MemoryBlobs::default();
        let canonical = document_with(&files, &mut blobs);
        for name in format_names() {
            let format = registry.get(&name).unwrap();
            let mut written = Vec::new();
            let encoded = format.encode(&canonical, EncodeContext::default(), &blobs, &mut written);
            if encoded.is_err() {
                continue;
            }
            let mut read = MemoryBlobs::default();
            let Ok(mut decoded) = format.decode(&written, &[], &mut read) else { continue };
            let decoded = decoded.remove(0).canonical;
            let Some(Body::Document(document)) = &decoded.body else { continue };
            for (it, (file_name, _, bytes)) in document.attachments.iter().zip(&files) {
                let sha256 = &it.content.as_ref().unwrap().digests[0].value;
                assert_eq!(&read.files()[sha256.as_ref()], bytes, "{name}: {file_name}");
                assert_eq!(&it.file_name, file_name, "{name}");
            }
            assert_eq!(document.attachments.len(), files.len(), "{name}");
            holding.insert(name);
        }
    }
    for name in ["edxml.document", "voffice.register"] {
        assert!(holding.contains(name), "{holding:?}");
    }
}

/// Changes bytes, cuts, doubles or joins pieces.
fn mutate(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    for _ in 0..=random.below(6) {
        if bytes.is_empty() {
            bytes.extend_from_slice(other);
            continue;
        }
        let at = random.below(bytes.len());
        let length = random.below(32).min(bytes.len() - at);
        match random.below(7) {
            0 => bytes[at] = random.byte(),
            1 => bytes[at] ^= 1 << random.below(8),
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at..at + length)),
            4 => {
                let piece = bytes[at..at + length].to_vec();
                bytes.splice(at..at, piece);
            }
            5 => {
                let piece = other.get(..random.below(other.len().max(1))).unwrap_or_default();
                bytes.splice(at..at, piece.iter().copied());
            }
            _ => bytes[at..at + length].fill([0, 0xff][random.below(2)]),
        }
    }
}

/// Reads a packet with these letters as its file. What it is refused for has a code and a field.
fn read_content(
    format: &Format,
    (name, content_type): (&str, &str),
    base64: &str,
) -> Option<(Canonical, MemoryBlobs)> {
    let native = PACKET
        .replace(
            "<ContentTransferEncoded>",
            &format!("<ContentType>{content_type}</ContentType><ContentTransferEncoded>"),
        )
        .replace("a.pdf", name)
        .replace("JVBERi0xLjQ=", base64);
    let mut files = MemoryBlobs::default();
    match format.decode(native.as_bytes(), &[], &mut files) {
        Ok(mut decoded) => Some((decoded.remove(0).canonical, files)),
        Err(fault) => {
            let known = ["LT-MAP-007", "LT-MAP-010", "LT-MAP-011"];
            assert!(known.contains(&&*fault.code), "{name}: {fault:?}");
            assert!(!fault.violations.is_empty(), "{fault:?}");
            None
        }
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the command says how long the mutation runs")]
fn mutated_files_end_in_a_file_or_a_coded_refusal() {
    let seconds = std::env::var("FORMATS_MUTATE_SECONDS").ok().and_then(|it| it.parse().ok());
    let until = Instant::now() + Duration::from_secs(seconds.unwrap_or(2));
    let corpus = corpus();
    let mut random = Random(seconds.unwrap_or(1));
    let (mut tried, mut read) = (0_u64, 0_u64);
    let registry = registry();
    let edxml = registry.get("edxml.document").unwrap();
    while tried < 60 || Instant::now() < until {
        let (file, original) = random.pick(&corpus);
        let (_, other) = random.pick(&corpus);
        let mut bytes = original.clone();
        mutate(&mut bytes, other, &mut random);
        let mut base64 = base64_simd::STANDARD.encode_to_string(&bytes);
        let is_changed = random.below(4) == 0;
        if is_changed {
            let mut letters = base64.clone().into_bytes();
            mutate(&mut letters, b"data:;base64,-_==\n", &mut random);
            letters.retain(|it| it.is_ascii_graphic() && !b"<&>".contains(it));
            base64 = String::from_utf8(letters).unwrap();
        }
        let name = random.pick(&names_of(file)).clone();
        let content_type = *random.pick(&["application/zip", "application/pdf", ""]);
        tried += 1;
        let begin = Instant::now();
        let Some((canonical, files)) = read_content(edxml, (&name, content_type), &base64) else {
            continue;
        };
        assert!(begin.elapsed() < Duration::from_secs(10), "{name}: {}", hex::encode(&bytes));
        read += 1;
        let content = |it: &Canonical, files: &MemoryBlobs| {
            let it = document(it).attachments[0].clone();
            let sha256 = it.content.unwrap().digests[0].value.clone();
            (it.file_name, it.media_type, files.files()[sha256.as_ref()].clone())
        };
        let first = content(&canonical, &files);
        if !is_changed && name.to_lowercase().ends_with(".zip") {
            assert_eq!(first.2, bytes, "a file named .zip is what was sent");
        }
        let mut written = Vec::new();
        edxml.encode(&canonical, EncodeContext::default(), &files, &mut written).unwrap();
        let mut again = MemoryBlobs::default();
        // A name inside an archive may have become a secrecy mark, which only reading refuses.
        let Ok(mut decoded) = edxml.decode(&written, &[], &mut again) else {
            panic!("{name}: {}", hex::encode(&bytes))
        };
        assert_eq!(content(&decoded.remove(0).canonical, &again), first, "{}", hex::encode(&bytes));
    }
    assert!(tried > 20 && read > 5, "{tried} tried, {read} read");
    let said = format!("{tried} mutated files: {read} read, {} refused\n", tried - read);
    std::io::stderr().write_all(said.as_bytes()).unwrap();
}
