//! Files of a record: their bytes are decoded only after the sink has admitted the item.

use std::borrow::Cow;

use proto::canonical::v1::{Attachment, Canonical};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::mapping::v1::DeclaredAttachment;
use proto::message::v1::Finding;

use crate::canonical_path::{PathSegment, find_value};
use crate::content::{
    BlobSink, FileTraits, SaidOfFile, UnpackBudget, digest_reference, empty_file, judge,
    media_type_of, unpack,
};
use crate::file::{attachments_mut, blob_from_digest, find_upload};
use crate::model::{DynMessage, Value};
use crate::plan::LeafRule;
use crate::read::put::{find_or_create_message, put_blob};
use crate::read::reader::{FileSource, Location, RecordReader};

/// Prefix of a provisional blob reference; the index of the node with the bytes follows.
const NODE_REFERENCE: &str = "place:";

impl<'t> RecordReader<'t> {
    /// Notes in the blob's reference which node has the bytes; [`Self::decode_files`] decodes them.
    pub(super) fn note_content(
        &mut self,
        leaf: &'t LeafRule,
        from: Location<'_>,
        message: &mut DynMessage<'t>,
    ) {
        // An element without content is an empty file, which is refused with its name.
        let Some(node_id) = self.find_node(from, &leaf.at) else {
            self.report_missing(from, &leaf.at);
            return;
        };
        self.tree.nodes[node_id].is_read.set(true);
        if let Some(blob) = find_or_create_message(message, &leaf.to) {
            let reference = format!("{NODE_REFERENCE}{node_id}");
            blob.set_by_name("ref", Value::Text(Cow::Owned(reference)));
        }
    }

    /// Resolves the reference of a file that was uploaded beside the body.
    pub(super) fn resolve_reference(
        &mut self,
        (node_id, text): (usize, &'t str),
        to: &'t [PathSegment],
        message: &mut DynMessage<'t>,
    ) {
        // The path ends in `content.ref`; the whole blob is set.
        let content = to.get(..to.len().saturating_sub(1)).unwrap_or_default();
        let field = self.tree.path(node_id);
        let found = match self.files {
            FileSource::Written(files) => {
                let mut digests = files.iter().map(|it| it.digest);
                let found = digests.find(|it| digest_reference(&it.sha256) == text);
                found.map(|it| (text, it)).ok_or_else(|| Fault::new(&code::LT_MAP_008))
            }
            FileSource::Received(declared) => find_upload(declared, text, &field)
                .map(|(upload, digest)| (upload.reference.as_str(), digest)),
        };
        let (reference, digest) = match found {
            Ok(found) => found,
            Err(fault) => {
                self.fault.get_or_insert(fault);
                return;
            }
        };
        self.note_upload((text, reference), &field);
        if digest.size == 0 && matches!(self.files, FileSource::Received(_)) {
            self.fault.get_or_insert(empty_file(text, &field));
        }
        let size = find_value(message, content).and_then(|it| it.as_message()?.get_by_name("size"));
        if let Some(Value::U64(declared_size)) = size
            && *declared_size != digest.size
        {
            let fault = size_mismatch((text, field), *declared_size, digest.size);
            self.fault.get_or_insert(fault);
        }
        put_blob(message, content, digest);
    }

    /// Notes that the record names an upload. Two texts that mean one upload are one file too few: the
    /// second text would get the bytes of the first.
    fn note_upload(&mut self, (text, reference): (&'t str, &'t str), field: &str) {
        if self.referenced.iter().any(|(other, it)| *it == reference && *other != text) {
            let fault = Fault::new(&code::LT_MAP_008).param("name", text).violation(
                field,
                "tệp gửi kèm này đã thuộc về một tên khác trong nội dung",
                "the file that came along belongs to another name of the body",
            );
            self.fault.get_or_insert(fault);
        }
        self.referenced.push((text, reference));
    }

    /// Decodes the files whose bytes are in the tree, in the order of their attachments, and tells
    /// the media type of each. Returns what its content contradicts; `field_of` tells the sender's
    /// field of an upload.
    ///
    /// # Errors
    ///
    /// A file is damaged, exceeds a bound, or has another size than the body says.
    pub(crate) fn decode_files(
        &self,
        canonical: &mut Canonical,
        sink: &mut dyn BlobSink,
        budget: &mut UnpackBudget,
        field_of: &dyn Fn(usize) -> String,
    ) -> Result<Vec<Finding>, Fault> {
        let mut findings = Vec::new();
        for (index, attachment) in attachments_mut(canonical).iter_mut().enumerate() {
            let reference = attachment.content.as_ref().map_or("", |it| &it.r#ref);
            let node_id = reference.strip_prefix(NODE_REFERENCE).and_then(|it| it.parse().ok());
            let node_id = node_id.filter(|it: &usize| *it < self.tree.nodes.len());
            let traits = match (node_id, self.files) {
                (Some(node_id), FileSource::Written(files)) => {
                    let file = self.tree.nodes[node_id].file_index.and_then(|it| files.get(it));
                    attachment.content = file.map(|it| blob_from_digest(&it.digest));
                    file.and_then(|it| it.traits.clone())
                }
                (Some(node_id), FileSource::Received(_)) => {
                    Some(self.decode_file((node_id, attachment), budget, sink)?)
                }
                (None, _) => self.traits_of_upload(attachment),
            };
            let head = traits.as_ref().map(|it| it.head.as_slice());
            attachment.media_type =
                media_type_of(head, &attachment.media_type, &attachment.file_name);
            if let Some((code, text_vi, text_en)) =
                traits.and_then(|it| judge(&it, &attachment.file_name))
            {
                let field = node_id.map_or_else(|| field_of(index), |it| self.tree.path(it));
                findings.push(Finding { code: code.to_owned(), field, text_vi, text_en });
            }
        }
        Ok(findings)
    }

    /// What the first bytes of an upload show; none when they are not at hand.
    fn traits_of_upload(&self, attachment: &Attachment) -> Option<FileTraits> {
        let FileSource::Received(declared) = self.files else { return None };
        let reference = &attachment.content.as_ref()?.r#ref;
        let is_same = |it: &&DeclaredAttachment| {
            let claim = it.claim.as_ref();
            claim.is_some_and(|it| digest_reference(&it.sha256) == *reference)
        };
        let head = &declared.iter().find(is_same)?.head;
        (!head.is_empty()).then(|| FileTraits::of_head(head))
    }

    fn decode_file(
        &self,
        (node_id, attachment): (usize, &mut Attachment),
        budget: &mut UnpackBudget,
        sink: &mut dyn BlobSink,
    ) -> Result<FileTraits, Fault> {
        let field = self.tree.path(node_id);
        let names = [&attachment.file_name, &attachment.id, &field];
        let label = names.into_iter().find(|it| !it.is_empty()).unwrap_or(&field);
        let media_type = attachment.media_type.as_str();
        let said = SaidOfFile {
            name: &attachment.file_name,
            label,
            media_type,
            is_raw: !self.may_wrap,
            says_zip: is_zip_type(media_type) || self.says_zip_beside(node_id),
        };
        let file = unpack(&self.tree.nodes[node_id].text, &said, budget, sink)?;
        if file.digest.size == 0 {
            return Err(empty_file(label, &field));
        }
        // Senders state the size of the file or that of the ZIP around it.
        let stated = attachment.content.as_ref().map_or(0, |it| it.size);
        if stated != 0 && stated != file.digest.size && stated != file.packed_size {
            return Err(size_mismatch((label, field.clone()), stated, file.digest.size));
        }
        attachment.content = Some(blob_from_digest(&file.digest));
        Ok(file.traits)
    }

    /// True when a field beside the content says that it is a ZIP: each of the two records of a file
    /// may say another type.
    fn says_zip_beside(&self, node_id: usize) -> bool {
        let parent = self.tree.nodes[node_id].parent;
        self.tree.children(parent).any(|it| {
            let node = &self.tree.nodes[it];
            node.is_mapped.get() && is_zip_type(&node.text.trim().to_ascii_lowercase())
        })
    }
}

/// True for the media types by which senders mean a ZIP.
fn is_zip_type(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim_end();
    ["application/zip", "application/x-zip", "application/x-zip-compressed"].contains(&essence)
}

fn size_mismatch((name, field): (&str, String), stated: u64, actual: u64) -> Fault {
    Fault::new(&code::LT_MAP_011).param("name", name).violation(
        field,
        format!("ghi {stated} byte, tệp có {actual} byte"),
        format!("says {stated} bytes, the file has {actual}"),
    )
}
