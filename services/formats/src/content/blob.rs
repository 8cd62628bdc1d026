//! How the bytes of files enter and leave a conversion.

use std::io;

use proto::fault::v1::Fault;

/// Receives the files that a body contains, one after the other. The caller stores them only when
/// the whole item is accepted.
pub trait BlobSink {
    /// Sees the message of the record of this index before its files are decoded and before its
    /// violations are reported, so that an item which may not enter at all (a secrecy mark) is
    /// refused without a further trace.
    ///
    /// # Errors
    ///
    /// The item is refused as a whole; nothing more of it is read.
    fn admit(
        &mut self,
        record: usize,
        canonical: &proto::canonical::v1::Canonical,
    ) -> Result<(), Fault> {
        let _ = (record, canonical);
        Ok(())
    }

    /// Appends bytes to the current file.
    ///
    /// # Errors
    ///
    /// The bytes cannot be stored.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Ends the current file.
    ///
    /// # Errors
    ///
    /// The file cannot be stored.
    fn finish(&mut self) -> io::Result<()>;
}

/// Provides the bytes of files that a body is written with.
pub trait BlobSource {
    /// Passes the bytes of one file to `into` in pieces.
    ///
    /// # Errors
    ///
    /// The file is missing, or its bytes do not match the digest.
    fn read(&self, sha256: [u8; 32], size: u64, into: &mut dyn FnMut(&[u8])) -> Result<(), Fault>;
}

/// Content address of a file: digest and size of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobDigest {
    /// SHA-256 of the bytes.
    pub sha256: [u8; 32],
    /// Number of bytes.
    pub size: u64,
}

/// The reference of a file in the canonical model: `sha256:<lower-case hex>`.
pub(crate) fn digest_reference(sha256: &[u8]) -> String {
    format!("sha256:{}", hex::encode(sha256))
}

/// A sink that discards files.
pub(crate) struct NullSink;

impl BlobSink for NullSink {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}
