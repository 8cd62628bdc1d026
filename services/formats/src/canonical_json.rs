//! The canonical model's own JSON: protobuf's JSON mapping of `Canonical`.

use std::collections::HashSet;

use prost::Message as _;
use prost_reflect::{
    DeserializeOptions, DynamicMessage, MessageDescriptor, ReflectMessage as _, SerializeOptions,
    Value,
};
use proto::canonical::v1::{Attachment, Canonical, canonical::Body};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::mapping::v1::DeclaredAttachment;

use crate::content::{BlobDigest, BlobSink};
use crate::convert::{clean, is_real};
use crate::limits::FINDINGS_MAX;
use crate::mistake::Words;
use crate::read::{attachments, content_of};
use crate::tree::Tree;

fn descriptor() -> Result<MessageDescriptor, Fault> {
    proto::descriptors()
        .get_message_by_name("lienthong.canonical.v1.Canonical")
        .ok_or_else(|| Fault::new(&code::LT_SYS_002).param("part", "formats"))
}

/// True for an object with a canonical body.
pub(crate) fn detects(tree: &Tree<'_>) -> bool {
    ["document", "status", "receipt"].iter().any(|it| tree.named(0, it).next().is_some())
}

/// Reads it; the files it names are those that came along.
pub(crate) fn read(
    text: &str,
    declared: &[DeclaredAttachment],
    sink: &mut dyn BlobSink,
) -> Result<Canonical, Fault> {
    // Repeated keys and depth are refused by the same scanner as any JSON.
    crate::scan::json::scan(text)?;
    let mut from = serde_json::Deserializer::from_str(text);
    let options = DeserializeOptions::new().deny_unknown_fields(true);
    let mut message = DynamicMessage::deserialize_with_options(descriptor()?, &mut from, &options)
        .map_err(|error| {
            let at = format!("{}:{}", error.line(), error.column());
            Fault::new(&code::LT_MAP_002).param("at", &at).violation(
                at,
                "không theo mô hình chuẩn",
                error.to_string(),
            )
        })?;
    let mut wrong = Vec::new();
    tidy(&mut message, "", &mut wrong);
    let mut canonical = Canonical::decode(message.encode_to_vec().as_slice())
        .map_err(|error| Fault::new(&code::LT_MAP_002).detail(error.to_string()))?;
    canonical.origin = None;
    let within =
        if matches!(canonical.body, Some(Body::Status(_))) { "status" } else { "document" };
    ids(attachments(&mut canonical), within, &mut wrong);
    sink.admit(&canonical)?;
    if !wrong.is_empty() {
        let fault = Fault::new(&code::LT_MAP_014);
        let shown = wrong.iter().take(FINDINGS_MAX);
        return Err(shown.fold(fault, |it, (field, why)| it.violation(field, &why.vi, &why.en)));
    }
    files(attachments(&mut canonical), within, declared)?;
    Ok(canonical)
}

/// Texts as the model holds them, days that exist, and nothing that only the service may say.
fn tidy(message: &mut DynamicMessage, within: &str, wrong: &mut Vec<(String, Words)>) {
    if message.descriptor().name() == "Date" && !is_day(message) {
        let words = Words::new("ngày không có thật", "is a day that does not exist");
        wrong.push((within.to_owned(), words));
    }
    message.clear_field_by_name("directory_key");
    for (field, value) in message.fields_mut() {
        // Leftovers are the words of others, kept as they were.
        if field.name() == "leftovers" {
            continue;
        }
        let name = [within, field.name()].join(".");
        let name = name.trim_start_matches('.');
        tidy_value(value, name, wrong);
    }
}

fn tidy_value(value: &mut Value, name: &str, wrong: &mut Vec<(String, Words)>) {
    if let Value::Message(message) = value {
        tidy(message, name, wrong);
    } else if let Value::List(items) = value {
        for (place, it) in items.iter_mut().enumerate() {
            tidy_value(it, &format!("{name}[{place}]"), wrong);
        }
    } else if let Value::String(text) = value {
        match clean(text) {
            Ok(cleaned) => *text = cleaned.into_owned(),
            Err(why) => wrong.push((name.to_owned(), Words::new(why.vi, why.en))),
        }
    }
}

/// A day that exists, or as much of one as is known.
fn is_day(date: &DynamicMessage) -> bool {
    let number = |name: &str| date.get_field_by_name(name).and_then(|it| it.as_i32());
    let [Some(year), Some(month), Some(day)] = ["year", "month", "day"].map(number) else {
        return false;
    };
    match (month, day) {
        (0, 0) => is_real(year, 1, 1),
        (_, 0) => is_real(year, month, 1),
        _ => is_real(year, month, day),
    }
}

/// Every file has an id of its own.
fn ids(attachments: &mut [Attachment], within: &str, wrong: &mut Vec<(String, Words)>) {
    let said: HashSet<String> = attachments.iter().map(|it| it.id.clone()).collect();
    let mut taken = HashSet::new();
    let mut number = 0;
    for (place, it) in attachments.iter_mut().enumerate() {
        while it.id.is_empty() {
            number += 1;
            let id = number.to_string();
            it.id = if said.contains(&id) { String::new() } else { id };
        }
        if !taken.insert(it.id.clone()) {
            let words = Words::new("mã này đã có ở mục khác", "another record has this id");
            wrong.push((format!("{within}.attachments[{place}].id"), words));
        }
    }
}

fn files(
    attachments: &mut [Attachment],
    within: &str,
    declared: &[DeclaredAttachment],
) -> Result<(), Fault> {
    let mut used = Vec::new();
    for (place, it) in attachments.iter_mut().enumerate() {
        let said = it.content.clone().unwrap_or_default();
        let found = declared.iter().find(|file| file.reference == said.r#ref);
        let named = found.and_then(|file| {
            let claim = file.claim.as_ref()?;
            Some(BlobDigest { sha256: claim.sha256.as_ref().try_into().ok()?, size: claim.size })
        });
        let field = format!("{within}.attachments[{place}].content.ref");
        let Some(named) = named else {
            return Err(Fault::new(&code::LT_MAP_008).param("name", &said.r#ref).violation(
                field,
                "tệp được nêu nhưng không gửi kèm",
                "the file is named but did not come along",
            ));
        };
        let is_sha256 = |it: &&proto::canonical::v1::Digest| {
            it.algorithm.is_empty() || it.algorithm.eq_ignore_ascii_case("sha256")
        };
        let mut digests = said.digests.iter().filter(is_sha256);
        let is_other = digests.any(|it| it.value.as_ref() != named.sha256)
            || (said.size > 0 && said.size != named.size);
        if is_other {
            return Err(Fault::new(&code::LT_MAP_011).param("name", &said.r#ref).violation(
                field,
                "kích thước hoặc SHA-256 khác với tệp gửi kèm",
                "size or SHA-256 differ from the file that came",
            ));
        }
        used.push(said.r#ref.clone());
        it.content = Some(content_of(&named));
    }
    match declared.iter().find(|it| !used.contains(&it.reference)) {
        Some(extra) => {
            Err(Fault::new(&code::LT_MAP_013).param("name", &extra.reference).violation(
                &extra.reference,
                "tệp gửi kèm không được nêu trong nội dung",
                "the file came along but the body does not name it",
            ))
        }
        None => Ok(()),
    }
}

/// Writes it with the names of the contract.
pub(crate) fn write(canonical: &Canonical) -> Result<String, Fault> {
    let failed =
        |words: String| Fault::new(&code::LT_SYS_002).param("part", "formats").detail(words);
    let mut message = DynamicMessage::new(descriptor()?);
    message.merge(canonical.encode_to_vec().as_slice()).map_err(|it| failed(it.to_string()))?;
    let options =
        SerializeOptions::new().use_proto_field_name(true).stringify_64_bit_integers(false);
    message
        .serialize_with_options(serde_json::value::Serializer, &options)
        .map(|it| format!("{it:#}"))
        .map_err(|it| failed(it.to_string()))
}
