//! What holds for every message and every shipped format, tried on random ones.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::{ProptestConfig, any, proptest};
use prost::Message as _;
use prost_reflect::{DynamicMessage, Kind, MessageDescriptor, Value};
use proto::canonical::v1::{Canonical, Document, Status, canonical::Body};
use proto::fault::v1::Fault;
use proto::journal::v1::Claim;
use proto::mapping::v1::{DeclaredAttachment, Loss, loss};
use sha2::{Digest as _, Sha256};

use crate::{BlobSink, BlobSource, Context, Format, Shelf, path};

/// Files in memory.
#[derive(Clone, Default)]
struct Files {
    open: Vec<u8>,
    kept: HashMap<[u8; 32], Vec<u8>>,
}

impl BlobSink for Files {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.open.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(&mut self) -> std::io::Result<()> {
        let bytes = std::mem::take(&mut self.open);
        self.kept.insert(Sha256::digest(&bytes).into(), bytes);
        Ok(())
    }
}

impl BlobSource for Files {
    fn read(&self, sha256: [u8; 32], _size: u64, into: &mut dyn FnMut(&[u8])) -> Result<(), Fault> {
        into(&self.kept[&sha256]);
        Ok(())
    }
}

/// A small generator, so that a seed tells the whole message.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut it = self.0;
        it = (it ^ (it >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        it = (it ^ (it >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (it ^ (it >> 31)) % sides
    }

    fn text(&mut self) -> String {
        let hostile = [
            "",
            " ",
            "N/A",
            "null",
            "0",
            "1",
            "01",
            "a & b <c> \"d\" ]]> 'e'",
            " đầu và cuối ",
            "x;y ; z;",
            "e\u{301}\u{323} chưa ghép",
            "dòng 1\r\ndòng 2\rdòng 3",
            "\u{1}\u{7f}\u{85}\u{fffe}",
            "cid:7",
            "cid:",
            "Công văn",
            "45-CV/TU",
            "A99.1",
            "2026/02/30",
            "🙂 chữ",
            "sha256:00",
            "{\"a\":1}",
            "<![CDATA[x]]>",
            "&amp;",
        ];
        match self.roll(8) {
            0 => "dài ".repeat(usize::try_from(self.roll(300)).unwrap()),
            1..=3 => "Văn bản thường".to_owned(),
            _ => hostile[usize::try_from(self.roll(hostile.len() as u64)).unwrap()].to_owned(),
        }
    }

    fn value(&mut self, kind: &Kind, depth: u32) -> Option<Value> {
        if let Some(inner) = kind.as_message() {
            return (depth < 5).then(|| Value::Message(self.message(inner, depth + 1)));
        }
        if let Some(names) = kind.as_enum() {
            let all: Vec<_> = names.values().map(|it| it.number()).collect();
            return Some(Value::EnumNumber(
                all[usize::try_from(self.roll(all.len() as u64)).unwrap()],
            ));
        }
        if *kind == Kind::String {
            Some(Value::String(self.text()))
        } else if *kind == Kind::Bool {
            Some(Value::Bool(self.roll(2) == 1))
        } else if *kind == Kind::Uint32 {
            let wide = u32::try_from(self.roll(1 << 32)).unwrap();
            Some(Value::U32(wide >> self.roll(32)))
        } else if *kind == Kind::Int32 {
            Some(Value::I32(i32::try_from(self.roll(3000)).unwrap()))
        } else {
            None
        }
    }

    fn message(&mut self, of: &MessageDescriptor, depth: u32) -> DynamicMessage {
        let mut message = DynamicMessage::new(of.clone());
        match of.name() {
            "Date" => {
                let (month, day) = (1 + self.roll(12), 1 + self.roll(28));
                message.set_field_by_name(
                    "year",
                    Value::I32(i32::try_from(1900 + self.roll(200)).unwrap()),
                );
                if self.roll(6) > 0 {
                    message.set_field_by_name("month", Value::I32(i32::try_from(month).unwrap()));
                    message.set_field_by_name("day", Value::I32(i32::try_from(day).unwrap()));
                }
                return message;
            }
            "Timestamp" => {
                message.set_field_by_name(
                    "seconds",
                    Value::I64(i64::try_from(self.roll(4_000_000_000)).unwrap()),
                );
                if self.roll(4) == 0 {
                    message.set_field_by_name("nanos", Value::I32(5));
                }
                return message;
            }
            _ => {}
        }
        for field in of.fields().filter(|it| !["leftovers", "content"].contains(&it.name())) {
            if self.roll(10) < u64::from(depth) * 3 {
                continue;
            }
            let count = if field.is_list() { self.roll(3) } else { 1 };
            let mut values = Vec::new();
            for _ in 0..count {
                values.extend(self.value(&field.kind(), depth));
            }
            if field.is_list() {
                message.set_field(&field, Value::List(values));
            } else if let Some(value) = values.pop() {
                message.set_field(&field, value);
            }
        }
        message
    }

    fn canonical(&mut self, format: &Format, files: &mut Files) -> (Canonical, DynamicMessage) {
        let mut message = self.message(&format.message().unwrap().descriptor_of(), 0);
        let is_document = message.descriptor_of().name() == "Document";
        let bytes = message.encode_to_vec();
        let body = if is_document {
            let mut it = Document::decode(bytes.as_slice()).unwrap();
            if self.roll(10) > 0 {
                needed(&mut it);
            }
            Body::Document(it)
        } else {
            let mut it = Status::decode(bytes.as_slice()).unwrap();
            it.attachments.clear();
            if it.kind == 0 || it.kind > 16 {
                it.kind = 1;
            }
            it.addressee = Some(organisation("A99.1"));
            it.reporter = Some(organisation("A99.2"));
            Body::Status(it)
        };
        let mut canonical = Canonical { origin: None, body: Some(body) };
        if let Some(Body::Document(it)) = &mut canonical.body {
            for (place, it) in it.attachments.iter_mut().enumerate() {
                let bytes = vec![
                    u8::try_from(place).unwrap();
                    10 + usize::try_from(self.roll(3000)).unwrap()
                ];
                let sha256: [u8; 32] = Sha256::digest(&bytes).into();
                let hex: String = sha256.iter().map(|it| format!("{it:02x}")).collect();
                it.content = Some(proto::canonical::v1::Blob {
                    r#ref: format!("sha256:{hex}"),
                    size: bytes.len() as u64,
                    digests: vec![proto::canonical::v1::Digest {
                        algorithm: "sha256".into(),
                        value: sha256.to_vec().into(),
                    }],
                });
                files.kept.insert(sha256, bytes);
            }
        }
        let bytes = match canonical.body.as_ref().unwrap() {
            Body::Document(it) => it.encode_to_vec(),
            Body::Status(it) => it.encode_to_vec(),
            Body::Receipt(_) => Vec::new(),
        };
        message = DynamicMessage::new(message.descriptor_of());
        message.merge(bytes.as_slice()).unwrap();
        (canonical, message)
    }
}

trait Described {
    fn descriptor_of(&self) -> MessageDescriptor;
}

impl Described for DynamicMessage {
    fn descriptor_of(&self) -> MessageDescriptor {
        prost_reflect::ReflectMessage::descriptor(self)
    }
}

fn organisation(code: &str) -> proto::canonical::v1::Organisation {
    let id = proto::canonical::v1::OrganisationId {
        scheme: proto::scheme::scheme_of(code).into(),
        value: code.into(),
        ..Default::default()
    };
    proto::canonical::v1::Organisation { ids: vec![id], ..Default::default() }
}

/// Gives a random document what most formats cannot do without.
fn needed(it: &mut Document) {
    it.id = "A99.1,2026/11/20,45/CV/TU".into();
    it.subject = "Trích yếu".into();
    it.sender = Some(organisation("A99.1"));
    it.issued = Some(proto::canonical::v1::Date { year: 2026, month: 11, day: 20 });
    let number = it.number.get_or_insert_default();
    number.number = "45".into();
    number.notation = "CV/TU".into();
    it.recipients.push(proto::canonical::v1::Recipient {
        organisation: Some(organisation("A99.2")),
        role: 1,
        ..Default::default()
    });
    for it in &mut it.recipients {
        it.organisation = Some(organisation("A99.3"));
    }
    for it in &mut it.relations {
        it.target.get_or_insert_default().id = "id".into();
    }
    for it in &mut it.attachments {
        it.file_name = "a.pdf".into();
    }
}

fn declared(canonical: &Canonical) -> Vec<DeclaredAttachment> {
    let Some(Body::Document(it)) = &canonical.body else { return Vec::new() };
    let all = it.attachments.iter().filter_map(|it| it.content.as_ref());
    all.map(|it| DeclaredAttachment {
        reference: it.r#ref.clone(),
        claim: Some(Claim { sha256: it.digests[0].value.clone(), size: it.size }),
        ..Default::default()
    })
    .collect()
}

type Leaves = BTreeMap<String, String>;

fn leaves(message: &DynamicMessage) -> Leaves {
    let own = |(path, _): &(String, String)| {
        !path.starts_with("leftovers") && !path.contains("directory_key")
    };
    path::leaves(message).into_iter().filter(own).collect()
}

fn of_canonical(format: &Format, canonical: &Canonical) -> Leaves {
    let mut message = format.message().unwrap();
    match canonical.body.as_ref().unwrap() {
        Body::Document(it) => message.merge(it.encode_to_vec().as_slice()).unwrap(),
        Body::Status(it) => message.merge(it.encode_to_vec().as_slice()).unwrap(),
        Body::Receipt(_) => {}
    }
    leaves(&message)
}

fn apply(mut leaves: Leaves, report: &[Loss]) -> Leaves {
    for it in report {
        match it.kind() {
            loss::Kind::Lost => {
                leaves.remove(&it.path).unwrap();
            }
            loss::Kind::Changed | loss::Kind::Added => {
                leaves.insert(it.path.clone(), it.value.clone());
            }
            loss::Kind::Unspecified => panic!("a loss of no kind"),
        }
    }
    leaves
}

/// Writes, reads, and compares with the report; false when the format refuses the message.
fn patch_law(format: &Format, seed: u64) -> bool {
    let mut files = Files::default();
    let (canonical, message) = Dice(seed).canonical(format, &mut files);
    let declared =
        if format.name() == "ioffice.portal" { declared(&canonical) } else { Vec::new() };
    let context = Context { now_us: 1_770_000_000_000_000 };
    let mut native = Vec::new();
    let Ok(report) = format.encode(&canonical, context, &files, &mut native) else { return false };
    let mut found = Files::default();
    let shown = || format!("{} seed {seed}\n{}", format.name(), String::from_utf8_lossy(&native));
    let read = format.decode(&native, &declared, &mut found);
    // The portal asks its senders for an id that a packet need not have.
    if read.as_ref().is_err_and(|it| it.violations.iter().all(|it| it.field.ends_with("/Guid"))) {
        return false;
    }
    let read = read.unwrap_or_else(|it| panic!("{it:?} {}", shown())).remove(0).canonical;
    let (expected, is) = (apply(leaves(&message), &report), of_canonical(format, &read));
    let differing: Vec<_> = expected
        .iter()
        .filter(|(path, value)| is.get(*path) != Some(value))
        .map(|(path, value)| {
            format!("{path}: report says {value:?}, reader sees {:?}", is.get(path))
        })
        .chain(
            is.iter()
                .filter(|(it, _)| !expected.contains_key(*it))
                .map(|it| format!("unreported {it:?}")),
        )
        .collect();
    assert!(differing.is_empty(), "{differing:#?} {}", shown());
    for (digest, bytes) in &found.kept {
        assert_eq!(files.kept.get(digest), Some(bytes), "{}", shown());
    }
    normalises_once(format, (&read, &declared), &files);
    true
}

/// What was read once is read the same for ever.
fn normalises_once(
    format: &Format,
    (read, declared): (&Canonical, &[DeclaredAttachment]),
    files: &Files,
) {
    let write = |canonical: &Canonical| {
        let mut native = Vec::new();
        let report = format.encode(canonical, Context { now_us: 7 }, files, &mut native);
        report.map(|report| (native, report))
    };
    let Ok((second, report)) = write(read) else { return };
    let again =
        format.decode(&second, declared, &mut Files::default()).unwrap().remove(0).canonical;
    assert_eq!(
        apply(of_canonical(format, read), &report),
        of_canonical(format, &again),
        "{report:?}"
    );
    let (third, _) = write(&again).unwrap();
    assert_eq!(second, third, "the same message gives the same bytes");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn a_receiver_reads_what_the_report_says(seed in any::<u64>()) {
        let shelf = Shelf::shipped().unwrap();
        for name in ["edxml.document", "edxml.status", "ioffice.portal"] {
            patch_law(shelf.get(name).unwrap(), seed);
        }
    }

    #[test]
    fn damaged_bytes_end_in_a_message_or_a_code(seed in any::<u64>()) {
        let shelf = Shelf::shipped().unwrap();
        for name in ["edxml.document", "edxml.status", "ioffice.portal"] {
            let format = shelf.get(name).unwrap();
            let mut files = Files::default();
            let mut dice = Dice(seed);
            let (canonical, _) = dice.canonical(format, &mut files);
            let mut native = Vec::new();
            if format.encode(&canonical, Context::default(), &files, &mut native).is_err() {
                continue;
            }
            for _ in 0..1 + dice.roll(4) {
                let at = usize::try_from(dice.roll(native.len() as u64)).unwrap();
                match dice.roll(4) {
                    0 => native[at] = u8::try_from(dice.roll(256)).unwrap(),
                    1 => native.truncate(at.max(1)),
                    2 => native.splice(at..at, *b"<a>{[\"&#0;").for_each(drop),
                    _ => native.extend_from_within(at..),
                }
            }
            if let Err(fault) = format.decode(&native, &declared(&canonical), &mut files) {
                assert!(fault.code.starts_with("LT-MAP-"), "{fault:?}");
            }
        }
    }
}

#[test]
fn most_random_messages_can_be_written() {
    let shelf = Shelf::shipped().unwrap();
    for name in ["edxml.document", "edxml.status", "ioffice.portal"] {
        let written = (0..100).filter(|it| patch_law(shelf.get(name).unwrap(), *it)).count();
        assert!(written > 20, "{name}: {written} of 100; the laws would be tried on too few");
    }
}
