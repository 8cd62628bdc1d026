//! A file that holds space for later.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

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
    /// A reserve of this size; held when an earlier process has left its file. 0 bytes: there is
    /// none, and every call succeeds.
    pub fn new(path: PathBuf, bytes: u64) -> Self {
        let is_held = bytes > 0 && fs::metadata(&path).is_ok_and(|it| it.len() >= BYTES_MIN);
        Self { path, bytes, is_held }
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
        let taken = match rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, bytes) {
            // A file system that cannot allocate is written to.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => write_zeros(file, bytes),
            taken => taken.map_err(io::Error::from),
        };
        match taken {
            Ok(()) => {
                self.is_held = true;
                Ok(())
            }
            Err(error) => {
                drop(fs::remove_file(&self.path));
                Err(error)
            }
        }
    }

    /// Gives the space back; true when there was some.
    pub fn release(&mut self) -> bool {
        self.is_held = false;
        self.bytes > 0 && fs::remove_file(&self.path).is_ok()
    }
}

fn write_zeros(mut file: File, bytes: u64) -> io::Result<()> {
    let block = vec![0; 1 << 20];
    let mut left = bytes;
    while left > 0 {
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(block.len());
        file.write_all(block.get(..count).unwrap_or_default())?;
        left = left.saturating_sub(u64::try_from(count).unwrap_or(left));
    }
    file.sync_all()
}
