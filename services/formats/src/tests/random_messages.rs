//! Random messages, reproducible from a seed.

use prost::Message as _;
use prost_reflect::{DynamicMessage, Kind, MessageDescriptor, ReflectMessage as _, Value};
use proto::canonical::v1::{Canonical, DeliveryReport, Document, Status, canonical::Body};
use proto::message::v1::MessageType;

use crate::file::attachments_mut;
use crate::tests::laws::patch::description;
use crate::{Format, MemoryBlobs};

/// A generator of messages. The random numbers are SplitMix64, so that a seed gives the same
/// message with every version of the dependencies.
pub(super) struct RandomMessages(pub(super) u64);

impl RandomMessages {
    /// A random number from 0 to below `bound`.
    pub(super) fn number_below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut it = self.0;
        it = (it ^ (it >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        it = (it ^ (it >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (it ^ (it >> 31)) % bound
    }

    /// A random index of a list.
    pub(super) fn index_below(&mut self, length: usize) -> usize {
        usize::try_from(self.number_below(length.max(1) as u64)).unwrap()
    }

    /// A text that is hard to read or to write.
    pub(super) fn hostile_text(&mut self) -> String {
        self.text()
    }

    /// The bytes with a few places changed, cut, doubled or filled with syntax.
    pub(super) fn damage(&mut self, native: &[u8]) -> Vec<u8> {
        let mut native = native.to_vec();
        for _ in 0..1 + self.number_below(4) {
            let at = self.index_below(native.len());
            match self.number_below(4) {
                0 if !native.is_empty() => {
                    native[at] = u8::try_from(self.number_below(256)).unwrap();
                }
                1 => native.truncate(at.max(1)),
                2 => native.splice(at..at, *b"<a>{[\"&#0;").for_each(drop),
                _ => native.extend_from_within(at..),
            }
        }
        native
    }

    fn text(&mut self) -> String {
        let difficult = [
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
        match self.number_below(8) {
            0 => "dài ".repeat(usize::try_from(self.number_below(300)).unwrap()),
            1..=3 => "Văn bản thường".to_owned(),
            _ => difficult[usize::try_from(self.number_below(difficult.len() as u64)).unwrap()]
                .to_owned(),
        }
    }

    fn value(&mut self, kind: &Kind, depth: u32) -> Option<Value> {
        if let Some(inner) = kind.as_message() {
            return (depth < 5).then(|| Value::Message(self.message(inner, depth + 1)));
        }
        if let Some(names) = kind.as_enum() {
            let all: Vec<_> = names.values().map(|it| it.number()).collect();
            return Some(Value::EnumNumber(
                all[usize::try_from(self.number_below(all.len() as u64)).unwrap()],
            ));
        }
        if *kind == Kind::String {
            Some(Value::String(self.text()))
        } else if *kind == Kind::Bool {
            Some(Value::Bool(self.number_below(2) == 1))
        } else if *kind == Kind::Uint32 {
            let wide = u32::try_from(self.number_below(1 << 32)).unwrap();
            Some(Value::U32(wide >> self.number_below(32)))
        } else if *kind == Kind::Int32 {
            Some(Value::I32(i32::try_from(self.number_below(3000)).unwrap()))
        } else {
            None
        }
    }

    fn message(&mut self, descriptor: &MessageDescriptor, depth: u32) -> DynamicMessage {
        let mut message = DynamicMessage::new(descriptor.clone());
        match descriptor.name() {
            "Date" => {
                let (month, day) = (1 + self.number_below(12), 1 + self.number_below(28));
                message.set_field_by_name(
                    "year",
                    Value::I32(i32::try_from(1900 + self.number_below(200)).unwrap()),
                );
                if self.number_below(6) > 0 {
                    message.set_field_by_name("month", Value::I32(i32::try_from(month).unwrap()));
                    message.set_field_by_name("day", Value::I32(i32::try_from(day).unwrap()));
                }
                return message;
            }
            "Timestamp" => {
                message.set_field_by_name(
                    "seconds",
                    Value::I64(i64::try_from(self.number_below(4_000_000_000)).unwrap()),
                );
                if self.number_below(4) == 0 {
                    message.set_field_by_name("nanos", Value::I32(5));
                }
                return message;
            }
            _ => {}
        }
        for field in descriptor.fields().filter(|it| !["leftovers", "content"].contains(&it.name()))
        {
            if self.number_below(10) < u64::from(depth) * 3 {
                continue;
            }
            let count = if field.is_list() { self.number_below(3) } else { 1 };
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

    /// A message of any content, with texts that are hard to write.
    pub(super) fn any_message(&mut self, descriptor: &MessageDescriptor) -> DynamicMessage {
        self.message(descriptor, 0)
    }

    /// Two messages that differ in some values and in some missing, moved or new items.
    pub(super) fn similar_pair(
        &mut self,
        descriptor: &MessageDescriptor,
    ) -> (DynamicMessage, DynamicMessage) {
        let (message, other) = (self.message(descriptor, 0), self.message(descriptor, 0));
        let similar = self.mix(&message, &other);
        (message, similar)
    }

    fn mix(&mut self, one: &DynamicMessage, other: &DynamicMessage) -> DynamicMessage {
        let mut mixed = DynamicMessage::new(one.descriptor());
        for field in one.descriptor().fields() {
            let [one, other] = [one, other].map(|it| it.get_field(&field).into_owned());
            let value = match (self.number_below(6), one, other) {
                (0, _, other) => other,
                (1, ..) => continue,
                (_, Value::List(items), Value::List(others)) => {
                    Value::List(self.mix_items(items, &others))
                }
                (_, Value::Message(one), Value::Message(other)) if self.number_below(3) > 0 => {
                    Value::Message(self.mix(&one, &other))
                }
                (_, one, _) => one,
            };
            mixed.set_field(&field, value);
        }
        mixed
    }

    fn mix_items(&mut self, mut items: Vec<Value>, others: &[Value]) -> Vec<Value> {
        match self.number_below(6) {
            0 => drop(items.pop()),
            1 if !items.is_empty() => drop(items.remove(0)),
            2 => items.reverse(),
            3 => items.extend_from_slice(others),
            4 => drop(items.splice(0..0, others.iter().cloned())),
            _ => {}
        }
        for (index, it) in items.iter_mut().enumerate() {
            let other = others.get(index).and_then(Value::as_message);
            if let (Some(one), Some(other), 0) = (it.as_message(), other, self.number_below(3)) {
                *it = Value::Message(self.mix(one, other));
            }
        }
        items
    }

    /// A file: plain bytes, a ZIP that wraps one file, an office document, or an archive.
    fn file_bytes(&mut self, index: usize) -> Vec<u8> {
        let plain = vec![
            u8::try_from(index).unwrap();
            10 + usize::try_from(self.number_below(3000)).unwrap()
        ];
        let entries: &[&str] = match self.number_below(6) {
            0 => &["105156e5-8646-c527-4f4f-7420d8cd2102.edxml"],
            1 => &["[Content_Types].xml", "word/document.xml"],
            2 => &["mimetype", "content.xml"],
            3 => &["1.pdf", "2.pdf"],
            _ => return plain,
        };
        let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for it in entries {
            archive.start_file(*it, zip::write::SimpleFileOptions::default()).unwrap();
            std::io::Write::write_all(&mut archive, &plain).unwrap();
        }
        archive.finish().unwrap().into_inner()
    }

    /// A message of the type that a format carries; its files are added to `files`.
    pub(super) fn canonical(
        &mut self,
        format: &Format,
        files: &mut MemoryBlobs,
    ) -> (Canonical, DynamicMessage) {
        let mut message = self.message(&descriptor_of(format), 0);
        let descriptor = message.descriptor();
        let bytes = message.encode_to_vec();
        let body = if descriptor.name() == "DeliveryReport" {
            let mut it = DeliveryReport::decode(bytes.as_slice()).unwrap();
            it.message_id = "8b1f".into();
            it.outcome = 1 + it.outcome.rem_euclid(3);
            Body::DeliveryReport(it)
        } else if descriptor.name() == "Document" {
            let mut it = Document::decode(bytes.as_slice()).unwrap();
            if self.number_below(10) > 0 {
                add_required_values(&mut it);
            }
            for it in &mut it.attachments {
                let extensions =
                    ["pdf", "docx", "XLSM", "odt", "zip", "jar", "doc", "unk", "b c", ""];
                let extension = extensions[usize::try_from(self.number_below(10)).unwrap()];
                it.file_name = format!("a.{extension}");
            }
            Body::Document(it)
        } else {
            let mut it = Status::decode(bytes.as_slice()).unwrap();
            if !description(format).contains("to: attachments") {
                it.attachments.clear();
            }
            // Every other status is one that all formats have a code for.
            let has_code = (1..=16).contains(&it.kind) && self.number_below(2) > 0;
            let known = [2, 6][usize::try_from(self.number_below(2)).unwrap()];
            it.kind = if has_code { it.kind } else { known };
            let about = it.about.get_or_insert_default();
            about.id = "A99.1,2026/11/20,45/CV/TU".into();
            about.number.get_or_insert_default().printed = "45-CV/TU".into();
            it.addressee = Some(organisation("A99.1"));
            it.reporter = Some(organisation("A99.2"));
            Body::Status(it)
        };
        let mut canonical = Canonical { origin: None, body: Some(body) };
        for (index, it) in attachments_mut(&mut canonical).iter_mut().enumerate() {
            let bytes = self.file_bytes(index);
            let sha256 = files.insert(&bytes).sha256;
            it.content = Some(proto::canonical::v1::Blob {
                r#ref: format!("sha256:{}", hex::encode(sha256)),
                size: bytes.len() as u64,
                digests: vec![proto::canonical::v1::Digest {
                    algorithm: "sha256".into(),
                    value: sha256.to_vec().into(),
                }],
            });
        }
        let bytes = match canonical.body.as_ref().unwrap() {
            Body::Document(it) => it.encode_to_vec(),
            Body::Status(it) => it.encode_to_vec(),
            Body::DeliveryReport(it) => it.encode_to_vec(),
            Body::Receipt(_) => Vec::new(),
        };
        message = DynamicMessage::new(message.descriptor());
        message.merge(bytes.as_slice()).unwrap();
        (canonical, message)
    }
}

/// The type of the messages that a format carries.
pub(super) fn descriptor_of(format: &Format) -> MessageDescriptor {
    let name = match format.carries().first() {
        Some(MessageType::Status) => "Status",
        Some(MessageType::DeliveryReport) => "DeliveryReport",
        _ => "Document",
    };
    let name = format!("lienthong.canonical.v1.{name}");
    proto::descriptors().get_message_by_name(&name).unwrap()
}

fn organisation(code: &str) -> proto::canonical::v1::Organisation {
    let id = proto::canonical::v1::OrganisationId {
        scheme: proto::scheme::scheme_of(code).into(),
        value: code.into(),
        ..Default::default()
    };
    proto::canonical::v1::Organisation { ids: vec![id], ..Default::default() }
}

/// Sets the values that most formats require of a document.
fn add_required_values(it: &mut Document) {
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
}
