//! The folders inside the folder, and how things are moved between them.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The folders; one process has them at a time.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) outbox: PathBuf,
    pub(crate) inbox: PathBuf,
    pub(crate) sent: PathBuf,
    pub(crate) refused: PathBuf,
    /// Taken out of the outbox and not answered yet.
    pub(crate) sending: PathBuf,
    /// Coming, not whole yet.
    pub(crate) arriving: PathBuf,
    /// One empty file for each message that came.
    pub(crate) delivered: PathBuf,
    _lock: Arc<File>,
}

impl Layout {
    /// Makes what is missing and takes the folder for this process.
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
            _lock: Arc::new(lock),
        };
        let all = [&layout.outbox, &layout.inbox, &layout.sent, &layout.refused];
        for path in all.into_iter().chain([&layout.sending, &layout.arriving, &layout.delivered]) {
            fs::create_dir_all(path)?;
        }
        // What was cut off while it came is fetched again under its id.
        for entry in fs::read_dir(&layout.arriving)? {
            let entry = entry?;
            if !layout.delivered.join(entry.file_name()).exists() {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(layout)
    }
}

/// Moves a file or folder, so that it is at its new place also after a power cut.
pub(crate) fn moved(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    for path in [to, from] {
        if let Some(folder) = path.parent() {
            kept(folder)?;
        }
    }
    Ok(())
}

/// Writes a file, and returns when it is on the disk.
pub(crate) fn written(path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::write(path, bytes)?;
    File::open(path)?.sync_all()
}

/// Returns when the folder's list of names is on the disk.
pub(crate) fn kept(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
