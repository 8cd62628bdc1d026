//! Files of a record: their bytes are decoded only after the sink has admitted the item.

use std::borrow::Cow;

use proto::canonical::v1::{Attachment, Canonical};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::message::v1::Finding;

use crate::canonical_path::{PathSegment, find_value};
use crate::content::{
    BlobSink, FileTraits, SaidOfFile, UnpackBudget, digest_reference, empty_file, judge,
    media_type_of, unpack,
};
use crate::file::{attachments_mut, blob_from_digest, claimed_digest};
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
        (node_id, text): (usize, &str),
        to: &'t [PathSegment],
        message: &mut DynMessage<'t>,
    ) {
        // The path ends in `content.ref`; the whole blob is set.
        let content = to.get(..to.len().saturating_sub(1)).unwrap_or_default();
        let digest = match self.files {
            FileSource::Written(files) => {
                let mut digests = files.iter().map(|it| it.digest);
                digests.find(|it| digest_reference(&it.sha256) == text)
            }
            FileSource::Received(declared) => {
                declared.iter().find(|it| it.reference == text).and_then(claimed_digest)
            }
        };
        let field = self.tree.path(node_id);
        let Some(digest) = digest else {
            let fault = Fault::new(&code::LT_MAP_008).param("name", text).violation(
                field,
                "tệp được nêu nhưng không gửi kèm",
                "the file is named but did not come along",
            );
            self.fault.get_or_insert(fault);
            return;
        };
        self.referenced.push(text.to_owned());
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

    /// Decodes the files whose bytes are in the tree, in the order of their attachments, and tells
    /// the media type of each. Returns what its content contradicts.
    ///
    /// # Errors
    ///
    /// A file is damaged, exceeds a bound, or has another size than the body says.
    pub(crate) fn decode_files(
        &self,
        canonical: &mut Canonical,
        sink: &mut dyn BlobSink,
        budget: &mut UnpackBudget,
    ) -> Result<Vec<Finding>, Fault> {
        let mut findings = Vec::new();
        for attachment in attachments_mut(canonical) {
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
                (None, _) => None,
            };
            let head = traits.as_ref().map(|it| it.head.as_slice());
            attachment.media_type =
                media_type_of(head, &attachment.media_type, &attachment.file_name);
            let found = traits.and_then(|it| judge(&it, &attachment.file_name));
            if let (Some((code, text_vi, text_en)), Some(node_id)) = (found, node_id) {
                let (code, field) = (code.to_owned(), self.tree.path(node_id));
                findings.push(Finding { code, field, text_vi, text_en });
            }
        }
        Ok(findings)
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
