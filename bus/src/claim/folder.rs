//! Claims in a folder of this machine: one file each, in 256 folders by the digest's first byte.

use std::{
    fs::{self, File},
    io,
    os::fd::AsRawFd,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::fs::{AtFlags, CWD};

use super::{
    Claim, ClaimError,
    reader::Reader,
    spool::{Spool, blocking},
};

/// A store in a folder.
#[derive(Clone, Debug)]
pub struct Folder {
    root: Arc<Path>,
}

impl Folder {
    pub(super) async fn open(root: PathBuf) -> Result<Self, ClaimError> {
        let made = root.clone();
        blocking("make folder", move || {
            fs::create_dir_all(&made)?;
            sync(&made)
        })
        .await?;
        // A file system that cannot hold nameless files is found out now, not with the first upload.
        Spool::create(root.clone()).await?;
        Ok(Self { root: root.into() })
    }

    pub(super) async fn spool(&self) -> Result<Spool, ClaimError> {
        Spool::create(self.root.to_path_buf()).await
    }

    pub(super) async fn keep(&self, mut spool: Spool) -> Result<Claim, ClaimError> {
        let claim = spool.claim().await?;
        let root = Arc::clone(&self.root);
        let size = blocking("keep", move || link(&root, &claim, spool.file())).await?;
        if size == claim.size { Ok(claim) } else { Err(ClaimError::Damaged { claim }) }
    }

    pub(super) async fn read(&self, claim: &Claim, offset: u64) -> Result<Reader, ClaimError> {
        let claim = *claim;
        let path = self.path(&claim);
        let opened = blocking("open", move || match File::open(path) {
            Ok(file) => file.metadata().map(|found| Some((file, found.len()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        });
        let (file, size) = opened.await?.ok_or(ClaimError::Missing { claim })?;
        if size != claim.size {
            return Err(ClaimError::Damaged { claim });
        }
        Reader::of_file(Arc::new(file), claim, offset)
    }

    pub(super) async fn exists(&self, claim: &Claim) -> Result<bool, ClaimError> {
        let (path, size) = (self.path(claim), claim.size);
        blocking("look", move || match fs::metadata(path) {
            Ok(found) => Ok(found.len() == size),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        })
        .await
    }

    fn path(&self, claim: &Claim) -> PathBuf {
        let (folder, name) = claim.path();
        self.root.join(folder).join(name)
    }
}

/// Gives a nameless file its name, durably, and says how large the file of that name is: one that
/// was there before stays.
fn link(root: &Path, claim: &Claim, file: &File) -> io::Result<u64> {
    let (folder, name) = claim.path();
    let folder = root.join(folder);
    let path = folder.join(name);
    // The content before the name: a name that survives a crash has all of its content.
    file.sync_all()?;
    match fs::create_dir(&folder) {
        Ok(()) => sync(root)?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    let nameless = format!("/proc/self/fd/{}", file.as_raw_fd());
    match rustix::fs::linkat(CWD, nameless, CWD, &path, AtFlags::SYMLINK_FOLLOW) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    // Also when it was there: whoever linked it may not have come this far.
    sync(&folder)?;
    Ok(fs::metadata(&path)?.len())
}

/// Makes a folder's names durable.
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
