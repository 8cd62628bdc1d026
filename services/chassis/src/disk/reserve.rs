//! A file that holds space for later.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::FallocateFlags;

use crate::disk::usage::read_usage;

/// The reserve takes at most this share of the free space: one in so many bytes.
const FREE_SHARE: u64 = 8;

/// A reserve that is smaller than this helps nobody.
const BYTES_MIN: u64 = 256 * 1024;

/// A file whose only purpose is the space it takes: deleted, it lets its owner finish what is begun
/// on a disk that others have filled.
#[derive(Debug)]
pub struct ReserveFile {
    path: PathBuf,
    bytes: u64,
    is_held: bool,
}

impl ReserveFile {
    /// A reserve of this size, which is not taken yet. 0 bytes: there is none, and every call
    /// succeeds.
    pub const fn new(path: PathBuf, bytes: u64) -> Self {
        Self { path, bytes, is_held: false }
    }

    /// Whether the space is held.
    pub const fn is_held(&self) -> bool {
        self.is_held || self.bytes == 0
    }

    /// Takes the space, if it is not held already; on a small disk less than was asked for.
    ///
    /// # Errors
    ///
    /// There is hardly any space, or the file cannot be created. Nothing is taken then.
    pub fn take(&mut self) -> io::Result<()> {
        if self.is_held() {
            return Ok(());
        }
        let folder = self.path.parent().filter(|it| !it.as_os_str().is_empty());
        let free = read_usage(folder.unwrap_or(Path::new(".")))?.free_bytes;
        let bytes = self.bytes.min(free / FREE_SHARE);
        if bytes < self.bytes.min(BYTES_MIN) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let mut options = OpenOptions::new();
        let file = options.create(true).truncate(false).write(true).mode(0o600).open(&self.path)?;
        let taken = rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, bytes);
        match taken {
            Ok(()) => {
                self.is_held = true;
                Ok(())
            }
            Err(error) => {
                drop(fs::remove_file(&self.path));
                Err(error.into())
            }
        }
    }

    /// Gives the space back; true when there was some.
    pub fn release(&mut self) -> bool {
        self.is_held = false;
        self.bytes > 0 && fs::remove_file(&self.path).is_ok()
    }
}
