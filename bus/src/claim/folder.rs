//! Claims in a folder of this machine: one file each, in 256 folders by the digest's first byte.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::fd::AsRawFd,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::fs::{AtFlags, CWD};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    Claim, ClaimError,
    reader::Reader,
    spool::{Spool, blocking},
};

/// Bytes that are compared at a time.
const COMPARED_BYTES: usize = 256 * 1024;

/// A store in a folder.
#[derive(Clone, Debug)]
pub struct Folder {
    root: Arc<Path>,
}

impl Folder {
    pub(super) async fn open(root: PathBuf) -> Result<Self, ClaimError> {
        let made = root.clone();
        blocking("make folder", move || make(&made)).await?;
        // A file system that cannot hold nameless files is found out now, not with the first upload.
        Spool::create(root.clone()).await?;
        Ok(Self { root: root.into() })
    }

    pub(super) async fn spool(&self) -> Result<Spool, ClaimError> {
        Spool::create(self.root.to_path_buf()).await
    }

    pub(super) async fn commit(&self, mut spool: Spool) -> Result<Claim, ClaimError> {
        let claim = spool.claim().await?;
        let root = Arc::clone(&self.root);
        blocking("keep", move || Ok(link(&root, &claim, spool.file()))).await??;
        Ok(claim)
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

/// Makes the store's folders, all of them at once, and their names durable: a name that is later
/// linked into one of them then needs only that one.
fn make(root: &Path) -> io::Result<()> {
    let missing: Vec<_> = root.ancestors().take_while(|it| !it.exists()).collect();
    fs::create_dir_all(root)?;
    for first in 0..=u8::MAX {
        match fs::create_dir(root.join(format!("{first:02x}"))) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    sync(root)?;
    // The root itself as well: whoever made it may not have come as far as this.
    for made in missing.into_iter().chain([root]) {
        match made
            .parent()
            .map(|it| sync(if it.as_os_str().is_empty() { Path::new(".") } else { it }))
        {
            // A folder that may not be read is not one that anything was made in.
            Some(Err(error)) if error.kind() != io::ErrorKind::PermissionDenied => {
                return Err(error);
            }
            _ => {}
        }
    }
    Ok(())
}

/// Gives a nameless file its name, durably. What is there under that name stays, if it is whole.
fn link(root: &Path, claim: &Claim, file: &File) -> Result<(), ClaimError> {
    let failed = |source| ClaimError::Folder { action: "keep", source };
    let not_durable = |source| ClaimError::NotDurable { source };
    let (folder, name) = claim.path();
    let folder = root.join(folder);
    let path = folder.join(name);
    // The content before the name: a name that survives a crash has all of its content.
    file.sync_all().map_err(not_durable)?;
    match name_it(file, &path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if !is_whole(&path, claim).map_err(failed)? {
                tracing::error!(%claim, "a damaged body was replaced");
                replace(file, &path).map_err(failed)?;
            }
        }
        named => named.map_err(failed)?,
    }
    // Also when it was there: whoever linked it may not have come this far.
    sync(&folder).map_err(not_durable)
}

fn name_it(file: &File, path: &Path) -> io::Result<()> {
    let nameless = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(rustix::fs::linkat(CWD, nameless, CWD, path, AtFlags::SYMLINK_FOLLOW)?)
}

/// Puts a nameless file where another one is. Readers have the one or the other, never a mixture.
fn replace(file: &File, path: &Path) -> io::Result<()> {
    let beside = path.with_extension(Uuid::now_v7().to_string());
    name_it(file, &beside)?;
    fs::rename(&beside, path).inspect_err(|_first| drop(fs::remove_file(&beside)))
}

/// Whether a file holds what its name says.
fn is_whole(path: &Path, claim: &Claim) -> io::Result<bool> {
    let mut file = File::open(path)?;
    if file.metadata()?.len() != claim.size {
        return Ok(false);
    }
    let (mut hash, mut chunk) = (Sha256::new(), vec![0; COMPARED_BYTES]);
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(<[u8; 32]>::from(hash.finalize()) == claim.sha256),
            count => hash.update(&chunk[..count]),
        }
    }
}

/// Makes a folder's names durable.
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
