//! The JSON form of the canonical model: the protobuf JSON mapping of `Canonical`.

use std::collections::{HashMap, HashSet};

use prost::Message as _;
use prost_reflect::{
    DeserializeOptions, DynamicMessage, Kind, MessageDescriptor, ReflectMessage as _,
    SerializeOptions, Value,
};
use proto::canonical::v1::{Attachment, Canonical, canonical::Body};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::mapping::v1::DeclaredAttachment;
use proto::message::v1::Finding;

use crate::content::{BlobSink, empty_file};
use crate::convert::{is_date, normalize_text};
use crate::diagnostic::BilingualText;
use crate::file::{
    attachments_mut, blob_from_digest, find_upload, make_names_plain, unreferenced_file,
};
use crate::limits::{FINDINGS_MAX, TEXT_CHARS_MAX};
use crate::scan;
use crate::tree::{NodeKind, Tree};

fn descriptor() -> Result<MessageDescriptor, Fault> {
    proto::descriptors()
        .get_message_by_name("lienthong.canonical.v1.Canonical")
        .ok_or_else(|| Fault::new(&code::LT_SYS_002).param("part", "formats"))
}

/// True for a JSON object with a canonical body.
pub(crate) fn detects(tree: &Tree<'_>) -> bool {
    let bodies = ["document", "status", "receipt", "delivery_report", "deliveryReport"];
    // A body is an object, and nothing but the origin stands beside it; in other formats a state of
    // that name does.
    let name = |it: usize| tree.nodes[it].name.as_ref();
    let is_object =
        |it: &usize| tree.nodes[*it].text.is_empty() && tree.nodes[*it].kind != NodeKind::Item;
    let (mut has_body, mut has_other) = (false, false);
    for it in tree.children(0) {
        let is_body = bodies.contains(&name(it)) && is_object(&it);
        has_body |= is_body;
        has_other |= !is_body && name(it) != "origin";
    }
    has_body && !has_other
}

/// Reads a message and checks it against the rules of the model.
///
/// # Errors
///
/// The JSON does not follow the mapping, violates a rule, or names files that were not uploaded.
pub(crate) fn read(
    text: &str,
    declared: &[DeclaredAttachment],
    sink: &mut dyn BlobSink,
) -> Result<(Canonical, Vec<Finding>), Fault> {
    // prost-reflect accepts repeated keys and any depth, the scanner refuses them.
    let tree = scan::json::scan(text)?;
    check_spellings(&tree, 0, &descriptor()?)?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let options = DeserializeOptions::new().deny_unknown_fields(true);
    let mut message =
        DynamicMessage::deserialize_with_options(descriptor()?, &mut deserializer, &options)
            .map_err(|error| {
                let at = format!("{}:{}", error.line(), error.column());
                Fault::new(&code::LT_MAP_002).param("at", &at).violation(
                    at,
                    "không theo mô hình chuẩn",
                    error.to_string(),
                )
            })?;
    let mut violations = Vec::new();
    normalize_message(&mut message, "", &mut violations);
    let mut canonical = Canonical::decode(message.encode_to_vec().as_slice())
        .map_err(|error| Fault::new(&code::LT_MAP_002).detail(error.to_string()))?;
    canonical.origin = None;
    let within =
        if matches!(canonical.body, Some(Body::Status(_))) { "status" } else { "document" };
    assign_ids(attachments_mut(&mut canonical), within, &mut violations);
    let findings = make_names_plain(&mut canonical, |index| {
        format!("{within}.attachments[{index}].file_name")
    });
    sink.admit(0, &canonical)?;
    if !violations.is_empty() {
        let fault = Fault::new(&code::LT_MAP_014);
        let reported = violations.iter().take(FINDINGS_MAX);
        return Err(
            reported.fold(fault, |it, (field, text)| it.violation(field, &text.vi, &text.en))
        );
    }
    resolve_files(attachments_mut(&mut canonical), within, declared)?;
    Ok((canonical, findings))
}

/// Refuses a field that stands in both of its spellings (`file_name` and `fileName`): it is a
/// repeated key, of which a reader would see only one.
fn check_spellings(
    tree: &Tree<'_>,
    node_id: usize,
    descriptor: &MessageDescriptor,
) -> Result<(), Fault> {
    let mut spellings: HashMap<u32, &str> = HashMap::new();
    for child in tree.children(node_id) {
        let name = tree.nodes[child].name.as_ref();
        let field = descriptor.get_field_by_name(name);
        let Some(field) = field.or_else(|| descriptor.get_field_by_json_name(name)) else {
            continue;
        };
        let first = spellings.entry(field.number()).or_insert(name);
        if *first != name {
            let path = tree.path(child);
            return Err(Fault::new(&code::LT_MAP_002).param("at", &path).violation(
                path,
                format!("có hai lần (`{first}` và `{name}`)"),
                format!("stands twice (`{first}` and `{name}`)"),
            ));
        }
        if let Kind::Message(inner) = field.kind() {
            check_spellings(tree, child, &inner)?;
        }
    }
    Ok(())
}

/// Normalises texts, checks dates, and clears the directory key, which only the mapping service
/// sets.
fn normalize_message(
    message: &mut DynamicMessage,
    within: &str,
    violations: &mut Vec<(String, BilingualText)>,
) {
    if message.descriptor().name() == "Date" && !is_existing_date(message) {
        let text = BilingualText::new("ngày không có thật", "is a day that does not exist");
        violations.push((within.to_owned(), text));
    }
    message.clear_field_by_name("directory_key");
    for (field, value) in message.fields_mut() {
        // Leftovers are unchanged texts of another format.
        if field.name() == "leftovers" {
            continue;
        }
        let name = [within, field.name()].join(".");
        let name = name.trim_start_matches('.');
        normalize_value(value, name, violations);
    }
}

fn normalize_value(value: &mut Value, name: &str, violations: &mut Vec<(String, BilingualText)>) {
    if let Value::Message(message) = value {
        normalize_message(message, name, violations);
    } else if let Value::List(items) = value {
        for (index, it) in items.iter_mut().enumerate() {
            normalize_value(it, &format!("{name}[{index}]"), violations);
        }
    } else if let Value::String(text) = value {
        let count = if text.len() > TEXT_CHARS_MAX { text.chars().count() } else { 0 };
        if count > TEXT_CHARS_MAX {
            let text = BilingualText::new(
                format!("dài {count} ký tự, nhiều nhất {TEXT_CHARS_MAX}"),
                format!("has {count} characters, at most {TEXT_CHARS_MAX}"),
            );
            violations.push((name.to_owned(), text));
            return;
        }
        match normalize_text(text) {
            // A code is carried as it was written, see `RecordReader::code_text`.
            Ok(_) if name.ends_with("].value") && name.contains("ids[") => {}
            Ok(normalized) => *text = normalized.into_owned(),
            Err(error) => {
                violations.push((name.to_owned(), BilingualText::new(error.vi, error.en)));
            }
        }
    }
}

/// True for a date of the calendar; its day, or month and day, may be 0 for not known.
fn is_existing_date(date: &DynamicMessage) -> bool {
    let number = |name: &str| date.get_field_by_name(name).and_then(|it| it.as_i32());
    let [Some(year), Some(month), Some(day)] = ["year", "month", "day"].map(number) else {
        return false;
    };
    match (month, day) {
        (0, 0) => is_date(year, 1, 1),
        (_, 0) => is_date(year, month, 1),
        _ => is_date(year, month, day),
    }
}

/// Gives attachments without an id a free number, and reports ids that occur twice.
fn assign_ids(
    attachments: &mut [Attachment],
    within: &str,
    violations: &mut Vec<(String, BilingualText)>,
) {
    let existing: HashSet<String> = attachments.iter().map(|it| it.id.clone()).collect();
    let mut used = HashSet::new();
    let mut number = 0;
    for (index, it) in attachments.iter_mut().enumerate() {
        while it.id.is_empty() {
            number += 1;
            let id = number.to_string();
            it.id = if existing.contains(&id) { String::new() } else { id };
        }
        if !used.insert(it.id.clone()) {
            let text = BilingualText::new("mã này đã có ở mục khác", "another record has this id");
            violations.push((format!("{within}.attachments[{index}].id"), text));
        }
    }
}

/// Resolves the references of attachments to uploaded files.
fn resolve_files(
    attachments: &mut [Attachment],
    within: &str,
    declared: &[DeclaredAttachment],
) -> Result<(), Fault> {
    let mut referenced = Vec::new();
    for (index, it) in attachments.iter_mut().enumerate() {
        let stated = it.content.clone().unwrap_or_default();
        let field = format!("{within}.attachments[{index}].content.ref");
        let (upload, digest) = find_upload(declared, &stated.r#ref, &field)?;
        let is_sha256 = |it: &&proto::canonical::v1::Digest| {
            it.algorithm.is_empty() || it.algorithm.eq_ignore_ascii_case("sha256")
        };
        let mut digests = stated.digests.iter().filter(is_sha256);
        let differs = digests.any(|it| it.value.as_ref() != digest.sha256)
            || (stated.size > 0 && stated.size != digest.size);
        if differs {
            return Err(Fault::new(&code::LT_MAP_011).param("name", &stated.r#ref).violation(
                &field,
                "kích thước hoặc SHA-256 khác với tệp gửi kèm",
                "size or SHA-256 differ from the file that came",
            ));
        }
        if digest.size == 0 {
            return Err(empty_file(&stated.r#ref, &field));
        }
        referenced.push(&upload.reference);
        it.content = Some(blob_from_digest(&digest));
    }
    let extra = declared.iter().find(|it| !referenced.contains(&&it.reference));
    extra.map_or(Ok(()), |it| Err(unreferenced_file(it)))
}

/// Writes a message with the field names of the contract.
///
/// # Errors
///
/// The descriptors do not match the contract.
pub(crate) fn write(canonical: &Canonical) -> Result<String, Fault> {
    let failed =
        |detail: String| Fault::new(&code::LT_SYS_002).param("part", "formats").detail(detail);
    let mut message = DynamicMessage::new(descriptor()?);
    message.merge(canonical.encode_to_vec().as_slice()).map_err(|it| failed(it.to_string()))?;
    let options =
        SerializeOptions::new().use_proto_field_name(true).stringify_64_bit_integers(false);
    message
        .serialize_with_options(serde_json::value::Serializer, &options)
        .map(|it| format!("{it:#}"))
        .map_err(|it| failed(it.to_string()))
}
