//! Writes the files of a record: which node gets the bytes of which file, and what is said of it.

use std::borrow::Cow;

use crate::canonical_path::find_value;
use proto::fault::v1::Fault;

use crate::content::{BlobSource, Packing, pack, packed_media_type};
use crate::file::{WrittenFile, digest_of_blob, name_and_type};
use crate::model::{DynMessage, Value};
use crate::plan::LeafRule;
use crate::write::writer::{LazyNode, RecordWriter};

/// Writes the bytes of files into a body.
pub(crate) struct FileWriter<'f> {
    pub(crate) files: &'f mut [WrittenFile],
    pub(crate) packing: Packing,
    pub(crate) source: &'f dyn BlobSource,
}

impl FileWriter<'_> {
    /// Appends base64 of a file, and notes what its bytes show.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub(super) fn write(&mut self, file_index: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
        let Some(file) = self.files.get_mut(file_index) else { return Ok(()) };
        let said = (self.packing, file.name.as_str(), file.media_type.as_str());
        file.traits = Some(pack(file.digest, said, self.source, out)?);
        Ok(())
    }
}

impl<'w> RecordWriter<'_, 'w> {
    /// Writes the content type beside a file.
    pub(super) fn write_packed_type(
        &mut self,
        leaf: &'w LeafRule,
        parent: &LazyNode<'_, 'w>,
        message: &DynMessage<'_>,
    ) {
        let (name, media_type) = name_and_type(message, &leaf.to);
        let packed = packed_media_type(self.packing, name, media_type);
        let node_id = self.create_child(parent, &leaf.at);
        self.tree.nodes[node_id].text = Cow::Owned(packed.to_owned());
    }

    /// Notes at the node which file it gets.
    pub(super) fn write_content(
        &mut self,
        leaf: &'w LeafRule,
        parent: &LazyNode<'_, 'w>,
        message: &DynMessage<'_>,
    ) {
        let blob = find_value(message, &leaf.to).and_then(Value::as_message);
        let Some(digest) = blob.and_then(digest_of_blob) else {
            self.report_missing(&leaf.name);
            return;
        };
        let node_id = self.create_child(parent, &leaf.at);
        self.tree.nodes[node_id].file_index = Some(self.files.len());
        self.tree.nodes[node_id].declares_prefix = leaf.declares_prefix;
        let (name, media_type) = name_and_type(message, &leaf.to);
        self.files.push(WrittenFile {
            digest,
            name: name.to_owned(),
            media_type: media_type.to_owned(),
            traits: None,
        });
    }
}
