//! The attachments of a body: inside it, beside its file, or in a folder under their digests.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use formats::{BlobSink, BlobSource, Format, HEAD_BYTES, NameMatch, match_file_name};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::mapping::v1::DeclaredAttachment;
use proto::message::v1::Claim;
use sha2::{Digest as _, Sha256};

/// Most attachments that are collected for one body.
const ATTACHMENTS_MAX: usize = 1_000;

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

    /// Adds the attachments of a body: every file of the folder `<body>.files`, as an outbox has it,
    /// then those beside the body that it names. Each try to decode the body fails with the next
    /// missing one, until none is missing.
    pub(super) fn collect_beside(
        &mut self,
        file: &Path,
        format: &Format,
        native: &[u8],
    ) -> std::io::Result<Vec<DeclaredAttachment>> {
        let mut declared = Vec::new();
        for path in adapter_folder::attachments_beside(file)? {
            let name = file_name(&path);
            declared.push(self.declare(&path, name)?);
        }
        let mut beside: Option<Vec<PathBuf>> = None;
        while declared.len() < ATTACHMENTS_MAX {
            let records = format.decode_records(native, &declared, &mut Self::default());
            let faults: Vec<Fault> = match records {
                Ok(records) => records.into_iter().filter_map(|it| it.outcome.err()).collect(),
                Err(fault) => vec![fault],
            };
            // Another record may be refused for another reason, and lack no file.
            let missing = faults.iter().find(|it| it.code == code::LT_MAP_008.code);
            let Some(reference) = missing.and_then(|it| it.params.get("name")) else { break };
            let paths = beside.get_or_insert_with(|| files_beside(file));
            let names: Vec<String> = paths.iter().map(|it| file_name(it)).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let NameMatch::One(index) = match_file_name(reference, &names) else { break };
            let Some(path) = paths.get(index) else { break };
            declared.push(self.declare(path, reference.clone())?);
        }
        Ok(declared)
    }

    /// Adds a file under the reference by which a body names it.
    fn declare(&mut self, path: &Path, reference: String) -> std::io::Result<DeclaredAttachment> {
        let bytes = fs::read(path)?;
        Ok(DeclaredAttachment {
            reference,
            file_name: file_name(path),
            media_type: String::new(),
            claim: Some(self.add(&bytes)?),
            head: bytes.iter().take(HEAD_BYTES).copied().collect(),
        })
    }
}

/// The files in the folder of a body, without the body.
pub(super) fn files_beside(body: &Path) -> Vec<PathBuf> {
    let folder = body.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.flatten().map(|it| it.path());
    paths.filter(|it| it.is_file() && it.file_name() != body.file_name()).collect()
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |it| it.to_string_lossy().into_owned())
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
