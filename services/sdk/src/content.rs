//! The bytes of a file to send: in memory, or read piece by piece from the disk.

use std::io::{self, SeekFrom};
use std::path::PathBuf;

use bytes::{Bytes, BytesMut};
use sha2::{Digest as _, Sha256};
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

/// Bytes of one chunk of an upload.
const CHUNK: usize = 1024 * 1024;

/// Where the bytes of a file are.
#[derive(Clone, Debug)]
pub enum Content {
    /// In memory.
    Bytes(Bytes),
    /// On the disk; one chunk of it is in memory at a time. It must not change while it is sent:
    /// the gateway refuses what does not have the digest it had at first.
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
    /// All of it, when it is no longer than this and fits one chunk.
    pub(crate) async fn small(&self, bytes_max: u64) -> io::Result<Option<Bytes>> {
        let size = match self {
            Self::Bytes(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            Self::Path(path) => tokio::fs::metadata(path).await?.len(),
        };
        if size <= bytes_max { self.chunk(0).await.map(Some) } else { Ok(None) }
    }

    /// SHA-256 and number of bytes.
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

    /// What stands from this offset, one chunk at most; empty at the end.
    pub(crate) async fn chunk(&self, offset: u64) -> io::Result<Bytes> {
        match self {
            Self::Bytes(bytes) => {
                let from = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                Ok(bytes.slice(from..bytes.len().min(from + CHUNK)))
            }
            Self::Path(path) => {
                let mut file = File::open(path).await?;
                file.seek(SeekFrom::Start(offset)).await?;
                let mut chunk = BytesMut::with_capacity(CHUNK);
                let mut rest = file.take(u64::try_from(CHUNK).unwrap_or(u64::MAX));
                while rest.read_buf(&mut chunk).await? > 0 {}
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
    async fn a_file_on_the_disk_and_the_same_bytes_in_memory_are_sent_alike() {
        let bytes: Vec<u8> = (0..CHUNK * 2 + 77).map(|it| (it % 251) as u8).collect();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&bytes).unwrap();
        let on_disk = Content::from(file.path().to_owned());
        let in_memory = Content::from(bytes.clone());
        assert_eq!(on_disk.digest().await.unwrap(), in_memory.digest().await.unwrap());
        for offset in [0, 1, CHUNK, CHUNK * 2, bytes.len(), bytes.len() + 9] {
            let offset = offset as u64;
            let chunk = on_disk.chunk(offset).await.unwrap();
            assert!(chunk.len() <= CHUNK);
            assert_eq!(chunk, in_memory.chunk(offset).await.unwrap(), "from {offset}");
        }
    }
}
