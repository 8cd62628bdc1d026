//! The file in which the revision in force outlives a restart.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use prost::Message as _;
use proto::registry::v1::StoredRegistry;
use sha2::{Digest as _, Sha256};

/// Length of the digest in front of the content, bytes.
const DIGEST_BYTES: usize = 32;

/// Changes of operators that are kept.
pub(crate) const FORCED_MAX: usize = 100;

/// Reads the file; none when there is none yet.
///
/// # Errors
///
/// The file cannot be read, or is not what was written.
pub(crate) fn read(path: &Path) -> io::Result<Option<StoredRegistry>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, "its digest does not match");
    let (digest, content) = bytes.split_at_checked(DIGEST_BYTES).ok_or_else(damaged)?;
    if digest != Sha256::digest(content).as_slice() {
        return Err(damaged());
    }
    StoredRegistry::decode(content).map(Some).map_err(io::Error::other)
}

/// Writes the file, durably: after a crash it is the old or the new one.
///
/// # Errors
///
/// The file cannot be written; the old one stays.
pub(crate) fn write(path: &Path, stored: &StoredRegistry) -> io::Result<()> {
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let temporary = temporary_path(path);
    let content = stored.encode_to_vec();
    let mut options = OpenOptions::new();
    options.create(true).truncate(true).write(true).mode(0o600);
    let written = options.open(&temporary).and_then(|mut file| {
        file.write_all(&Sha256::digest(&content))?;
        file.write_all(&content)?;
        file.sync_all()
    });
    written
        .and_then(|()| fs::rename(&temporary, path))
        .inspect_err(|_first| drop(fs::remove_file(&temporary)))?;
    File::open(folder)?.sync_all()
}

fn temporary_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_anything_else_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/registry.applied");
        assert_eq!(read(&path).unwrap(), None);
        let stored = StoredRegistry { applied_at_us: 7, ..StoredRegistry::default() };
        write(&path, &stored).unwrap();
        write(&path, &stored).unwrap();
        assert_eq!(read(&path).unwrap(), Some(stored));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        let bytes = fs::read(&path).unwrap();
        for damaged in [&bytes[..bytes.len() - 1], &bytes[1..], b"", b"text"] {
            fs::write(&path, damaged).unwrap();
            assert!(read(&path).is_err());
        }
    }
}
