//! The files of a body: found inside it, or lying beside it, or in a folder under their digests.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use formats::{BlobSink, BlobSource, Format as Plan};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::mapping::v1::DeclaredAttachment;
use proto::message::v1::Claim;
use sha2::{Digest as _, Sha256};

use crate::view::hex;

/// Files of one body are not more than this many.
const FILES_MAX: usize = 200;

/// Files by their digests; those of a folder are read when they are asked for.
#[derive(Default)]
pub(super) struct Files {
    open: Vec<u8>,
    found: RefCell<HashMap<String, Vec<u8>>>,
    folder: Option<PathBuf>,
}

impl Files {
    /// No files yet; what is found is also written to the folder, if there is one.
    pub(super) fn new(folder: Option<PathBuf>) -> Self {
        Self { folder, ..Self::default() }
    }

    /// Keeps the bytes of a file, and names them.
    pub(super) fn keep(&mut self, bytes: &[u8]) -> std::io::Result<Claim> {
        let digest = Sha256::digest(bytes);
        self.open.extend_from_slice(bytes);
        self.finish()?;
        Ok(Claim { sha256: digest.to_vec().into(), size: bytes.len() as u64 })
    }

    /// Digest and size of every file found, by digest.
    pub(super) fn all(&self) -> Vec<(String, usize)> {
        let found = self.found.borrow();
        let mut all: Vec<_> = found.iter().map(|(name, it)| (name.clone(), it.len())).collect();
        all.sort_unstable();
        all
    }

    /// Keeps what a body names by path and what lies beside it. Which files it names only reading
    /// tells: each refusal names the next.
    pub(super) fn beside(
        &mut self,
        file: &Path,
        plan: &Plan,
        native: &[u8],
    ) -> std::io::Result<Vec<DeclaredAttachment>> {
        let mut declared: Vec<DeclaredAttachment> = Vec::new();
        while declared.len() < FILES_MAX {
            let Err(fault) = plan.decode(native, &declared, &mut Self::default()) else { break };
            let missing = fault.code == code::LT_MAP_008.code;
            let Some(reference) = fault.params.get("name").filter(|_| missing) else { break };
            let file_name = reference.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
            let Ok(bytes) = fs::read(file.with_file_name(&file_name)) else { break };
            declared.push(DeclaredAttachment {
                reference: reference.clone(),
                file_name,
                media_type: String::new(),
                claim: Some(self.keep(&bytes)?),
            });
        }
        Ok(declared)
    }
}

impl BlobSink for Files {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.open.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(&mut self) -> std::io::Result<()> {
        let bytes = std::mem::take(&mut self.open);
        let name = hex(&Sha256::digest(&bytes));
        if let Some(folder) = &self.folder {
            fs::create_dir_all(folder)?;
            fs::write(folder.join(&name), &bytes)?;
        }
        self.found.get_mut().insert(name, bytes);
        Ok(())
    }
}

impl BlobSource for Files {
    fn read(&self, sha256: [u8; 32], _size: u64, into: &mut dyn FnMut(&[u8])) -> Result<(), Fault> {
        let name = hex(&sha256);
        if let Some(bytes) = self.found.borrow().get(&name) {
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
