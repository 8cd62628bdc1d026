//! A claim store in a folder: one file per claim, in 256 folders by the digest's first byte.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::{fd::AsRawFd, unix::fs::FileExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    disk::run_blocking,
    error::ClaimError,
    pieces::{PIECE_BYTES, Pieces},
    reader::{Reader, Source},
    reference::Claim,
    spool::Spool,
};

/// Bytes that are read at a time when a stored file is checked.
const COMPARED_BYTES: usize = 256 * 1024;

/// A store in a folder.
#[derive(Clone, Debug)]
pub struct Folder {
    root: Arc<Path>,
}

impl Folder {
    pub(super) async fn open(root: PathBuf) -> Result<Self, ClaimError> {
        let folder = root.clone();
        run_blocking("make folder", move || create_folders(&folder)).await?;
        // Fails now, and not at the first upload, on a file system without `O_TMPFILE`.
        Spool::create(root.clone()).await?;
        Ok(Self { root: root.into() })
    }

    pub(super) async fn spool(&self) -> Result<Spool, ClaimError> {
        Spool::create(self.root.to_path_buf()).await
    }

    pub(super) async fn commit(&self, spool: &mut Spool) -> Result<Claim, ClaimError> {
        let claim = spool.seal(self.root.to_path_buf()).await?;
        let (root, file) = (Arc::clone(&self.root), Arc::clone(spool.file()));
        let linked = run_blocking("keep", move || Ok(link(&root, &claim, &file))).await?;
        if let Err(ClaimError::NotDurable { .. }) = linked {
            spool.suspect();
        }
        linked?;
        if claim.size > PIECE_BYTES {
            self.store_pieces(&claim, spool.pieces()).await;
        }
        Ok(claim)
    }

    /// Stores the digests of the pieces. Without them reading from an offset takes longer, because all
    /// bytes are read once to compute them, so a failure is not the caller's.
    async fn store_pieces(&self, claim: &Claim, pieces: Pieces) {
        let (path, encoded) = (self.pieces_path(claim), pieces.encode(claim));
        let stored = run_blocking("store pieces", move || write_pieces(&path, &encoded)).await;
        if let Err(error) = stored {
            tracing::warn!(%claim, %error, "digests of pieces were not stored");
        }
    }

    /// The digests of the pieces as they are stored; none when they are missing or damaged.
    async fn read_pieces(&self, claim: &Claim) -> Result<Option<Pieces>, ClaimError> {
        if let Some(pieces) = Pieces::of_small(claim) {
            return Ok(Some(pieces));
        }
        let path = self.pieces_path(claim);
        let encoded = run_blocking("read pieces", move || match fs::read(path) {
            Ok(encoded) => Ok(Some(encoded)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        });
        Ok(encoded.await?.and_then(|it| Pieces::decode(&it, claim)))
    }

    fn pieces_path(&self, claim: &Claim) -> PathBuf {
        self.path(claim).with_extension("pieces")
    }

    pub(super) async fn read(&self, claim: &Claim, offset: u64) -> Result<Reader, ClaimError> {
        let claim = *claim;
        let path = self.path(&claim);
        let opened = run_blocking("open", move || match File::open(path) {
            Ok(file) => file.metadata().map(|found| Some((file, found.len()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        });
        let (file, size) = opened.await?.ok_or(ClaimError::Missing { claim })?;
        if size != claim.size {
            return Err(ClaimError::Damaged { claim });
        }
        let file = Arc::new(file);
        let pieces = match self.read_pieces(&claim).await? {
            Some(pieces) => pieces,
            None if offset == 0 || offset >= claim.size => {
                return Reader::from_file(file, claim, offset);
            }
            None => {
                let all = Reader::from_file(Arc::clone(&file), claim, 0)?;
                let pieces = all.into_pieces().await?;
                self.store_pieces(&claim, pieces.clone()).await;
                pieces
            }
        };
        Reader::in_pieces(Source::File(file), (claim, pieces), offset)
    }

    pub(super) async fn exists(&self, claim: &Claim) -> Result<bool, ClaimError> {
        let (path, size) = (self.path(claim), claim.size);
        run_blocking("look", move || match fs::metadata(path) {
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

/// Creates the store's folders and makes their names durable, so that storing a claim later needs to
/// sync only the claim's own folder.
fn create_folders(root: &Path) -> io::Result<()> {
    let missing: Vec<_> = root.ancestors().take_while(|it| !it.exists()).collect();
    fs::create_dir_all(root)?;
    for first in 0..=u8::MAX {
        match fs::create_dir(root.join(format!("{first:02x}"))) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    sync(root)?;
    // The root as well: an earlier process may have created it and ended before this sync.
    for created in missing.into_iter().chain([root]) {
        match created
            .parent()
            .map(|it| sync(if it.as_os_str().is_empty() { Path::new(".") } else { it }))
        {
            // In a folder that may not be read, no folder was created.
            Some(Err(error)) if error.kind() != io::ErrorKind::PermissionDenied => {
                return Err(error);
            }
            _ => {}
        }
    }
    Ok(())
}

/// Links a file under its claim, durably. An existing file stays unless it is damaged.
fn link(root: &Path, claim: &Claim, file: &File) -> Result<(), ClaimError> {
    let failed = |source| ClaimError::Folder { action: "keep", source };
    let not_durable = |source| ClaimError::NotDurable { source };
    let (folder, name) = claim.path();
    let folder = root.join(folder);
    let path = folder.join(name);
    // The content is synced before the name, so a name that survives a crash has all of its content.
    file.sync_all().map_err(not_durable)?;
    match link_file(file, &path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if !is_whole(&path, claim).map_err(failed)? {
                tracing::error!(%claim, "damaged body was replaced");
                replace(file, &path).map_err(failed)?;
            }
        }
        linked => linked.map_err(failed)?,
    }
    // Also for an existing file: the process that linked it may have ended before this sync.
    sync(&folder).map_err(not_durable)
}

fn link_file(file: &File, path: &Path) -> io::Result<()> {
    let nameless = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(rustix::fs::linkat(CWD, nameless, CWD, path, AtFlags::SYMLINK_FOLLOW)?)
}

/// Replaces an existing file atomically, so that readers see either the old or the new one.
fn replace(file: &File, path: &Path) -> io::Result<()> {
    let temporary = path.with_extension(Uuid::now_v7().to_string());
    link_file(file, &temporary)?;
    fs::rename(&temporary, path).inspect_err(|_first| drop(fs::remove_file(&temporary)))
}

/// Writes the digests of pieces to a file without a name, which a crash leaves nothing of, and names it,
/// unless they are stored already; replaces damaged ones. They are not synced: what a crash leaves of them is whole or not used.
fn write_pieces(path: &Path, encoded: &[u8]) -> io::Result<()> {
    if fs::read(path).is_ok_and(|it| it == encoded) {
        return Ok(());
    }
    let folder = path.parent().unwrap_or(path);
    let (flags, mode) = (OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC, Mode::RUSR | Mode::WUSR);
    let file = File::from(rustix::fs::open(folder, flags, mode | Mode::RGRP)?);
    file.write_all_at(encoded, 0)?;
    match link_file(&file, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => replace(&file, path),
        linked => linked,
    }
}

/// Whether a file's content has the digest and the size of its claim.
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

/// Makes the names in a folder durable.
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
