//! The bytes to send: in memory, or read from a file in chunks.

use std::io::{self, SeekFrom};
use std::path::PathBuf;

use bytes::{Bytes, BytesMut};
use sha2::{Digest as _, Sha256};
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

/// Size of one chunk of an upload, bytes.
const CHUNK_BYTES: usize = 1024 * 1024;

/// The bytes of a body or a file.
#[derive(Clone, Debug)]
pub enum Content {
    /// Bytes in memory.
    Bytes(Bytes),
    /// A file, of which one chunk at a time is in memory. It must not change during the transfer: the
    /// gateway refuses an upload whose digest differs from the declared one.
    Path(PathBuf),
}

impl Default for Content {
    fn default() -> Self {
        Self::Bytes(Bytes::new())
    }
}

impl From<Bytes> for Content {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes.into())
    }
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        Self::Bytes(text.into())
    }
}

impl From<PathBuf> for Content {
    fn from(path: PathBuf) -> Self {
        Self::Path(path)
    }
}

impl Content {
    /// Reads everything; `None` when it is larger than this. At most one chunk.
    pub(crate) async fn read_up_to(&self, bytes_max: u64) -> io::Result<Option<Bytes>> {
        let size = match self {
            Self::Bytes(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            Self::Path(path) => tokio::fs::metadata(path).await?.len(),
        };
        if size <= bytes_max { self.chunk(0).await.map(Some) } else { Ok(None) }
    }

    /// SHA-256 and size, bytes.
    pub(crate) async fn digest(&self) -> io::Result<([u8; 32], u64)> {
        let mut digest = Sha256::new();
        let mut size = 0;
        loop {
            let chunk = self.chunk(size).await?;
            if chunk.is_empty() {
                return Ok((digest.finalize().into(), size));
            }
            size += u64::try_from(chunk.len()).unwrap_or(u64::MAX);
            digest.update(&chunk);
        }
    }

    /// Reads up to one chunk from this offset; empty at the end.
    pub(crate) async fn chunk(&self, offset: u64) -> io::Result<Bytes> {
        match self {
            Self::Bytes(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                Ok(bytes.slice(start..bytes.len().min(start + CHUNK_BYTES)))
            }
            Self::Path(path) => {
                let mut file = File::open(path).await?;
                file.seek(SeekFrom::Start(offset)).await?;
                let mut chunk = BytesMut::with_capacity(CHUNK_BYTES);
                let mut limited = file.take(u64::try_from(CHUNK_BYTES).unwrap_or(u64::MAX));
                while limited.read_buf(&mut chunk).await? > 0 {}
                Ok(chunk.freeze())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[tokio::test]
    async fn a_file_and_the_same_bytes_in_memory_have_equal_digests_and_chunks() {
        let bytes: Vec<u8> = (0..CHUNK_BYTES * 2 + 77).map(|it| (it % 251) as u8).collect();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&bytes).unwrap();
        let on_disk = Content::from(file.path().to_owned());
        let in_memory = Content::from(bytes.clone());
        assert_eq!(on_disk.digest().await.unwrap(), in_memory.digest().await.unwrap());
        for offset in [0, 1, CHUNK_BYTES, CHUNK_BYTES * 2, bytes.len(), bytes.len() + 9] {
            let offset = offset as u64;
            let chunk = on_disk.chunk(offset).await.unwrap();
            assert!(chunk.len() <= CHUNK_BYTES);
            assert_eq!(chunk, in_memory.chunk(offset).await.unwrap(), "from {offset}");
        }
    }
}
