//! The canonical model's own JSON: protobuf's JSON mapping of `Canonical`.

use prost::Message as _;
use prost_reflect::{DeserializeOptions, DynamicMessage, MessageDescriptor, SerializeOptions};
use proto::canonical::v1::{Attachment, Canonical, Digest, canonical::Body};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::mapping::v1::DeclaredAttachment;

use crate::content::Named;
use crate::read::reference;

fn descriptor() -> Result<MessageDescriptor, Fault> {
    proto::descriptors()
        .get_message_by_name("lienthong.canonical.v1.Canonical")
        .ok_or_else(|| Fault::new(&code::LT_SYS_002).param("part", "formats"))
}

/// True for an object with a canonical body.
pub(crate) fn detects(text: &str) -> bool {
    let Ok(serde_json::Value::Object(object)) = serde_json::from_str(text) else { return false };
    ["document", "status", "receipt"].iter().any(|it| object.contains_key(*it))
}

/// Reads it; the files it names are those that came along.
pub(crate) fn read(text: &str, declared: &[DeclaredAttachment]) -> Result<Canonical, Fault> {
    // Repeated keys and depth are refused by the same scanner as any JSON.
    crate::scan::json::scan(text)?;
    let mut from = serde_json::Deserializer::from_str(text);
    let options = DeserializeOptions::new().deny_unknown_fields(true);
    let message = DynamicMessage::deserialize_with_options(descriptor()?, &mut from, &options)
        .map_err(|error| {
            let at = format!("{}:{}", error.line(), error.column());
            Fault::new(&code::LT_MAP_002).param("at", &at).violation(
                at,
                "không theo mô hình chuẩn",
                error.to_string(),
            )
        })?;
    let mut canonical = Canonical::decode(message.encode_to_vec().as_slice())
        .map_err(|error| Fault::new(&code::LT_MAP_002).detail(error.to_string()))?;
    canonical.origin = None;
    let attachments = match &mut canonical.body {
        Some(Body::Document(it)) => &mut it.attachments,
        Some(Body::Status(it)) => &mut it.attachments,
        Some(Body::Receipt(_)) | None => return Ok(canonical),
    };
    files(attachments, declared)?;
    Ok(canonical)
}

fn files(attachments: &mut [Attachment], declared: &[DeclaredAttachment]) -> Result<(), Fault> {
    let mut used = Vec::new();
    for (place, it) in attachments.iter_mut().enumerate() {
        if it.id.is_empty() {
            it.id = (place + 1).to_string();
        }
        let said = it.content.clone().unwrap_or_default();
        let found = declared.iter().find(|file| file.reference == said.r#ref);
        let named = found.and_then(|file| {
            let claim = file.claim.as_ref()?;
            Some(Named { sha256: claim.sha256.as_ref().try_into().ok()?, size: claim.size })
        });
        let field = format!("document.attachments[{place}].content.ref");
        let Some(named) = named else {
            return Err(Fault::new(&code::LT_MAP_008).param("name", &said.r#ref).violation(
                field,
                "tệp được nêu nhưng không gửi kèm",
                "the file is named but did not come along",
            ));
        };
        let is_other = said.digests.iter().any(|it| it.value.as_ref() != named.sha256)
            || (said.size > 0 && said.size != named.size);
        if is_other {
            return Err(Fault::new(&code::LT_MAP_011).param("name", &said.r#ref).violation(
                field,
                "kích thước hoặc SHA-256 khác với tệp gửi kèm",
                "size or SHA-256 differ from the file that came",
            ));
        }
        used.push(said.r#ref.clone());
        it.content = Some(proto::canonical::v1::Blob {
            r#ref: reference(&named),
            size: named.size,
            digests: vec![Digest {
                algorithm: "sha256".to_owned(),
                value: named.sha256.to_vec().into(),
            }],
        });
    }
    match declared.iter().find(|it| !used.contains(&it.reference)) {
        Some(extra) => Err(Fault::new(&code::LT_MAP_013).param("name", &extra.reference)),
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
