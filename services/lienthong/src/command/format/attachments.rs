//! The attachments of a body: inside it, beside its file, or in a folder under their digests.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use formats::{BlobSink, BlobSource, Format, HEAD_BYTES};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::mapping::v1::DeclaredAttachment;
use proto::message::v1::Claim;
use sha2::{Digest as _, Sha256};

/// Most attachments that are collected for one body.
const ATTACHMENTS_MAX: usize = 200;

/// Attachments by the hexadecimal SHA-256 of their content. Those of the folder are read on demand.
#[derive(Default)]
pub(super) struct AttachmentFolder {
    /// The attachment that is being decoded.
    current: Vec<u8>,
    decoded: RefCell<HashMap<String, Vec<u8>>>,
    folder: Option<PathBuf>,
}

impl AttachmentFolder {
    /// An empty set. Every attachment added later is also written to the folder, if one is given.
    pub(super) fn new(folder: Option<PathBuf>) -> Self {
        Self { folder, ..Self::default() }
    }

    /// Adds an attachment.
    fn add(&mut self, bytes: &[u8]) -> std::io::Result<Claim> {
        let digest = Sha256::digest(bytes);
        self.current.extend_from_slice(bytes);
        self.finish()?;
        Ok(Claim { sha256: digest.to_vec().into(), size: bytes.len() as u64 })
    }

    /// Digest and size of every attachment, ordered by digest.
    pub(super) fn sizes(&self) -> Vec<(String, usize)> {
        let decoded = self.decoded.borrow();
        let mut sizes: Vec<_> = decoded.iter().map(|(name, it)| (name.clone(), it.len())).collect();
        sizes.sort_unstable();
        sizes
    }

    /// Adds the attachments that a body refers to by path, from the folder of its file. Each try to
    /// decode the body fails with the next missing one, until none is missing.
    pub(super) fn collect_beside(
        &mut self,
        file: &Path,
        format: &Format,
        native: &[u8],
    ) -> std::io::Result<Vec<DeclaredAttachment>> {
        let mut declared: Vec<DeclaredAttachment> = Vec::new();
        while declared.len() < ATTACHMENTS_MAX {
            let Err(fault) = format.decode(native, &declared, &mut Self::default()) else { break };
            let is_missing = fault.code == code::LT_MAP_008.code;
            let Some(reference) = fault.params.get("name").filter(|_| is_missing) else { break };
            let file_name = reference.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
            let Ok(bytes) = fs::read(file.with_file_name(&file_name)) else { break };
            declared.push(DeclaredAttachment {
                reference: reference.clone(),
                file_name,
                media_type: String::new(),
                claim: Some(self.add(&bytes)?),
                head: bytes.iter().take(HEAD_BYTES).copied().collect(),
            });
        }
        Ok(declared)
    }
}

impl BlobSink for AttachmentFolder {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.current.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(&mut self) -> std::io::Result<()> {
        let bytes = std::mem::take(&mut self.current);
        let name = hex::encode(Sha256::digest(&bytes));
        if let Some(folder) = &self.folder {
            fs::create_dir_all(folder)?;
            fs::write(folder.join(&name), &bytes)?;
        }
        self.decoded.get_mut().insert(name, bytes);
        Ok(())
    }
}

impl BlobSource for AttachmentFolder {
    fn read(&self, sha256: [u8; 32], _size: u64, into: &mut dyn FnMut(&[u8])) -> Result<(), Fault> {
        let name = hex::encode(sha256);
        if let Some(bytes) = self.decoded.borrow().get(&name) {
            into(bytes);
            return Ok(());
        }
        let path = self.folder.as_ref().map(|it| it.join(&name));
        let bytes = path.and_then(|it| fs::read(it).ok());
        let missing = || Fault::new(&code::LT_MAP_008).param("name", &name);
        into(&bytes.ok_or_else(missing)?);
        Ok(())
    }
}
