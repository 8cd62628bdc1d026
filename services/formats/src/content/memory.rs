//! Files in memory by digest, for format cases and tests.

use std::collections::HashMap;
use std::io;

use proto::fault::code;
use proto::fault::v1::Fault;
use proto::mapping::v1::DeclaredAttachment;
use proto::message::v1::Claim;
use sha2::{Digest as _, Sha256};

use crate::content::blob::{BlobDigest, BlobSink, BlobSource, digest_reference};
use crate::content::file_type::HEAD_BYTES;

/// A sink and source of files that keeps them in memory by SHA-256.
#[derive(Clone, Debug, Default)]
pub struct MemoryBlobs {
    current: Vec<u8>,
    files: HashMap<[u8; 32], Vec<u8>>,
}

impl MemoryBlobs {
    /// Stores a file.
    pub fn insert(&mut self, bytes: &[u8]) -> BlobDigest {
        let digest = BlobDigest { sha256: Sha256::digest(bytes).into(), size: bytes.len() as u64 };
        self.files.insert(digest.sha256, bytes.to_vec());
        digest
    }

    /// Stores a file and declares it under a reference, as an upload beside the body is declared.
    pub fn declare(&mut self, reference: &str, bytes: &[u8]) -> DeclaredAttachment {
        let BlobDigest { sha256, size } = self.insert(bytes);
        DeclaredAttachment {
            reference: reference.to_owned(),
            file_name: reference.to_owned(),
            claim: Some(Claim { sha256: sha256.to_vec().into(), size }),
            head: bytes.get(..HEAD_BYTES).unwrap_or(bytes).to_vec().into(),
            ..Default::default()
        }
    }

    /// The stored files by SHA-256.
    pub fn files(&self) -> &HashMap<[u8; 32], Vec<u8>> {
        &self.files
    }
}

impl BlobSink for MemoryBlobs {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.current.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        let bytes = std::mem::take(&mut self.current);
        self.files.insert(Sha256::digest(&bytes).into(), bytes);
        Ok(())
    }
}

impl BlobSource for MemoryBlobs {
    fn read(&self, sha256: [u8; 32], _size: u64, into: &mut dyn FnMut(&[u8])) -> Result<(), Fault> {
        let missing = || Fault::new(&code::LT_MAP_008).param("name", digest_reference(&sha256));
        // Several pieces, as a claim store delivers a file.
        self.files.get(&sha256).ok_or_else(missing)?.chunks(1_000).for_each(into);
        Ok(())
    }
}
