//! Files of a record: their bytes are decoded only after the sink has admitted the item.

use std::borrow::Cow;

use proto::canonical::v1::{Attachment, Canonical};
use proto::fault::code;
use proto::fault::v1::Fault;

use crate::canonical_path::{PathSegment, find_value};
use crate::content::{
    BlobSink, UnpackBudget, UnpackedFile, digest_reference, empty_file, media_type_of_content,
    unpack,
};
use crate::file::{WrittenFile, attachments_mut, blob_from_digest, claimed_digest};
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

    /// Decodes the files whose bytes are in the tree, in the order of their attachments.
    ///
    /// # Errors
    ///
    /// A file is damaged, exceeds a bound, or has another size than the body says.
    pub(crate) fn decode_files(
        &self,
        canonical: &mut Canonical,
        sink: &mut dyn BlobSink,
        budget: &mut UnpackBudget,
    ) -> Result<(), Fault> {
        for attachment in attachments_mut(canonical) {
            let reference = attachment.content.as_ref().map_or("", |it| &it.r#ref);
            let node_id = reference.strip_prefix(NODE_REFERENCE).and_then(|it| it.parse().ok());
            let Some(node_id) = node_id.filter(|it: &usize| *it < self.tree.nodes.len()) else {
                continue;
            };
            let file = match self.files {
                FileSource::Written(files) => self.written_file(node_id, files),
                FileSource::Received(_) => {
                    Some(self.decode_file((node_id, attachment), budget, sink)?)
                }
            };
            let Some(file) = file else { continue };
            if let Some(recognised) = media_type_of_content(&file.head, &attachment.file_name) {
                recognised.clone_into(&mut attachment.media_type);
            }
            attachment.content = Some(blob_from_digest(&file.digest));
        }
        Ok(())
    }

    fn written_file(&self, node_id: usize, files: &[WrittenFile]) -> Option<UnpackedFile> {
        let file = files.get(self.tree.nodes[node_id].file_index?)?;
        Some(UnpackedFile { digest: file.digest, head: file.head.clone(), packed_size: 0 })
    }

    fn decode_file(
        &self,
        (node_id, attachment): (usize, &Attachment),
        budget: &mut UnpackBudget,
        sink: &mut dyn BlobSink,
    ) -> Result<UnpackedFile, Fault> {
        let field = self.tree.path(node_id);
        let name = &attachment.file_name;
        let label = if name.is_empty() { &field } else { name };
        let file = unpack(&self.tree.nodes[node_id].text, label, budget, sink)?;
        if file.digest.size == 0 {
            return Err(empty_file(label, &field));
        }
        // Senders state the size of the file or that of the ZIP around it.
        let stated = attachment.content.as_ref().map_or(0, |it| it.size);
        let matches = stated == 0 || stated == file.digest.size || stated == file.packed_size;
        if matches {
            Ok(file)
        } else {
            Err(size_mismatch((label, field.clone()), stated, file.digest.size))
        }
    }
}

fn size_mismatch((name, field): (&str, String), stated: u64, actual: u64) -> Fault {
    Fault::new(&code::LT_MAP_011).param("name", name).violation(
        field,
        format!("ghi {stated} byte, tệp có {actual} byte"),
        format!("says {stated} bytes, the file has {actual}"),
    )
}
