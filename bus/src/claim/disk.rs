//! Blocking file system calls.

use std::{fs::File, io, os::unix::fs::FileExt};

use bytes::Bytes;

use super::error::ClaimError;

/// Reads the bytes of `file` from `offset`, at most `count_max`.
pub(super) fn read_at(file: &File, offset: u64, count_max: usize) -> io::Result<Bytes> {
    let mut chunk = vec![0; count_max];
    let mut filled = 0;
    while filled < count_max {
        let position = offset + u64::try_from(filled).unwrap_or(u64::MAX);
        match file.read_at(&mut chunk[filled..], position) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    chunk.truncate(filled);
    Ok(chunk.into())
}

/// Runs a call that may block on the disk on tokio's blocking threads.
pub(super) async fn run_blocking<T: Send + 'static>(
    action: &'static str,
    call: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, ClaimError> {
    tokio::task::spawn_blocking(call)
        .await
        .unwrap_or_else(|aborted| Err(io::Error::other(aborted)))
        .map_err(|source| ClaimError::Folder { action, source })
}
