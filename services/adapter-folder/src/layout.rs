//! The subfolders, and durable file operations.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Paths of the subfolders. A lock file makes sure that one process at a time uses them.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) outbox: PathBuf,
    pub(crate) inbox: PathBuf,
    pub(crate) sent: PathBuf,
    pub(crate) refused: PathBuf,
    /// Documents moved out of the outbox whose submit has no outcome yet.
    pub(crate) sending: PathBuf,
    /// Messages that are still incomplete.
    pub(crate) arriving: PathBuf,
    /// Ids of delivered messages: one empty file for each.
    pub(crate) delivered: PathBuf,
    /// In which subfolders of `sent` a message is: one file for each message id.
    pub(crate) sent_names: PathBuf,
    _lock: Arc<File>,
}

impl Layout {
    /// Creates missing subfolders and locks the folder for this process.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        let own = folder.join(".lienthong");
        fs::create_dir_all(&own)?;
        let lock = File::create(own.join("lock"))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => io::Error::new(
                io::ErrorKind::ResourceBusy,
                "another adapter works on this folder; stop it or choose another folder",
            ),
            TryLockError::Error(error) => error,
        })?;
        let layout = Self {
            outbox: folder.join("outbox"),
            inbox: folder.join("inbox"),
            sent: folder.join("sent"),
            refused: folder.join("refused"),
            sending: own.join("sending"),
            arriving: own.join("arriving"),
            delivered: own.join("delivered"),
            sent_names: own.join("sent"),
            _lock: Arc::new(lock),
        };
        let all = [&layout.outbox, &layout.inbox, &layout.sent, &layout.refused];
        let own = [&layout.sending, &layout.arriving, &layout.delivered, &layout.sent_names];
        for path in all.into_iter().chain(own) {
            fs::create_dir_all(path)?;
        }
        // An incomplete message is delivered again under its id, so its files are deleted.
        for entry in fs::read_dir(&layout.arriving)? {
            let entry = entry?;
            if !layout.delivered.join(entry.file_name()).exists() {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(layout)
    }
}

/// Renames a file or folder; the new name survives a power failure.
pub(crate) fn rename_durably(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    for path in [to, from] {
        if let Some(folder) = path.parent() {
            sync_directory(folder)?;
        }
    }
    Ok(())
}

/// Writes a file; its content survives a power failure.
pub(crate) fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::write(path, bytes)?;
    File::open(path)?.sync_all()
}

/// Flushes the entries of a directory to the disk.
pub(crate) fn sync_directory(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
