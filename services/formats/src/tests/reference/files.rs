//! Files of a record in the reference interpreter. Base64 and archives are opened by the engine's own
//! unpacker, which tests of its own compare with the files of other programs.

use prost_reflect::{DynamicMessage, ReflectMessage as _, Value};

use super::paths::text;
use super::reader::{PLACE, Reader, blob};
use crate::MemoryBlobs;
use crate::content::{
    FileTraits, SaidOfFile, UnpackBudget, digest_reference, judge, media_type_of, plain_file_name,
    unpack,
};

/// Gives attachments ids and plain names, as far as their bytes do not matter.
pub(super) fn complete(message: &mut DynamicMessage, findings: &mut Vec<String>) {
    let mut used = Vec::new();
    change_attachments(message, |index, attachment| {
        let (mut id, mut number) = (text(attachment, "id"), index);
        while id.is_empty() || used.contains(&id) {
            number += 1;
            id = number.to_string();
        }
        used.push(id.clone());
        attachment.set_field_by_name("id", Value::String(id));
        if let Some(name) = plain_file_name(&text(attachment, "file_name")) {
            findings.push("LT-MAP-042".to_owned());
            attachment.set_field_by_name("file_name", Value::String(name));
        }
        Ok::<_, String>(())
    })
    .unwrap();
}

/// Decodes the files whose bytes are in the record, and tells the media type of each.
pub(super) fn decode(
    reader: &Reader<'_>,
    (may_wrap, budget): (bool, &mut UnpackBudget),
    message: &mut DynamicMessage,
    findings: &mut Vec<String>,
) -> Result<(), String> {
    let mut sink = MemoryBlobs::default();
    change_attachments(message, |_, attachment| {
        let content = attachment.get_field_by_name("content").unwrap().into_owned();
        let content = content.as_message().unwrap();
        let (reference, stated) =
            (text(content, "ref"), content.get_field_by_name("size").unwrap().as_u64().unwrap());
        let (name, media_type) = (text(attachment, "file_name"), text(attachment, "media_type"));
        let place: Option<usize> = reference.strip_prefix(PLACE).and_then(|it| it.parse().ok());
        let traits = match place {
            None => traits_of_upload(reader, &reference),
            Some(place) => {
                let is_zip = |it: &str| {
                    let essence = it.split(';').next().unwrap().trim_end().to_ascii_lowercase();
                    ["application/zip", "application/x-zip", "application/x-zip-compressed"]
                        .contains(&&*essence)
                };
                let beside = &reader.native.0[reader.native.0[place].parent].children;
                let says_zip = beside.iter().any(|it| {
                    reader.mapped.contains(it) && is_zip(reader.native.0[*it].text.trim())
                });
                let said = SaidOfFile {
                    name: &name,
                    label: &name,
                    media_type: &media_type,
                    is_raw: !may_wrap,
                    says_zip: says_zip || is_zip(&media_type),
                };
                let base64 = &reader.native.0[place].text;
                let file = unpack(base64, &said, budget, &mut sink).map_err(|it| it.code)?;
                if file.digest.size == 0 {
                    return Err("LT-MAP-010".to_owned());
                }
                if ![0, file.digest.size, file.packed_size].contains(&stated) {
                    return Err("LT-MAP-011".to_owned());
                }
                let blob = blob(&content.descriptor(), &file.digest.sha256, file.digest.size);
                attachment.set_field_by_name("content", Value::Message(blob));
                Some(file.traits)
            }
        };
        let head = traits.as_ref().map(|it| it.head.as_slice());
        let media_type = media_type_of(head, &media_type, &name);
        attachment.set_field_by_name("media_type", Value::String(media_type));
        findings.extend(traits.and_then(|it| judge(&it, &name)).map(|(code, ..)| code.to_owned()));
        Ok(())
    })
}

fn traits_of_upload(reader: &Reader<'_>, reference: &str) -> Option<FileTraits> {
    let claimed = |it: &proto::message::v1::Claim| digest_reference(&it.sha256) == reference;
    let found = reader.declared.iter().find(|it| it.claim.as_ref().is_some_and(claimed));
    found.filter(|it| !it.head.is_empty()).map(|it| FileTraits::of_head(&it.head))
}

fn change_attachments<E>(
    message: &mut DynamicMessage,
    mut with: impl FnMut(usize, &mut DynamicMessage) -> Result<(), E>,
) -> Result<(), E> {
    let Some(field) = message.descriptor().get_field_by_name("attachments") else { return Ok(()) };
    if !message.has_field(&field) {
        return Ok(());
    }
    let items = message.get_field_mut(&field).as_list_mut().unwrap();
    items
        .iter_mut()
        .enumerate()
        .try_for_each(|(index, it)| with(index, it.as_message_mut().unwrap()))
}
