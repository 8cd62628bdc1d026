//! Claims in an S3-compatible object store, uploaded from a spool on this machine.

use std::{fmt, path::PathBuf, sync::Arc};

use futures::StreamExt;
use object_store::{
    GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutPayload, WriteMultipart,
    aws::AmazonS3Builder, path::Path,
};

use super::{
    Claim, ClaimError,
    reader::Reader,
    spool::{Spool, blocking},
};

/// Bytes of one uploaded part: what an upload holds in memory, twice. S3 takes up to 10,000 parts.
const PART_BYTES: usize = 8 * 1024 * 1024;

/// Parts on their way at once.
const PARTS_MAX: usize = 2;

/// How an S3-compatible service is reached.
#[derive(Clone)]
pub struct S3 {
    /// The service's address; `http` is taken as well as `https`.
    pub endpoint: String,
    /// The bucket, which must be there.
    pub bucket: String,
    /// The region; most services outside AWS take any.
    pub region: String,
    /// The name of the key.
    pub access_key_id: String,
    /// The key.
    pub secret_access_key: String,
    /// A folder of this machine for what is being uploaded.
    pub spool: PathBuf,
}

/// A store in an object store.
#[derive(Clone)]
pub struct Objects {
    store: Arc<dyn ObjectStore>,
    spool: Arc<std::path::Path>,
}

impl Objects {
    pub(super) async fn open(settings: S3) -> Result<Self, ClaimError> {
        // The client takes the process's provider; an error says that one is chosen already.
        drop(rustls::crypto::ring::default_provider().install_default());
        let store = AmazonS3Builder::new()
            .with_endpoint(settings.endpoint)
            .with_bucket_name(settings.bucket)
            .with_region(settings.region)
            .with_access_key_id(settings.access_key_id)
            .with_secret_access_key(settings.secret_access_key)
            .with_allow_http(true)
            .build()
            .map_err(failed("configure"))?;
        Self::over(Arc::new(store), settings.spool).await
    }

    async fn over(store: Arc<dyn ObjectStore>, spool: PathBuf) -> Result<Self, ClaimError> {
        let made = spool.clone();
        blocking("make folder", move || std::fs::create_dir_all(made)).await?;
        Spool::create(spool.clone()).await?;
        Ok(Self { store, spool: spool.into() })
    }

    pub(super) async fn spool(&self) -> Result<Spool, ClaimError> {
        Spool::create(self.spool.to_path_buf()).await
    }

    pub(super) async fn keep(&self, mut spool: Spool) -> Result<Claim, ClaimError> {
        let claim = spool.claim().await?;
        if self.exists(&claim).await? {
            return Ok(claim);
        }
        let mut reader = spool.read(0).await?;
        if claim.size <= u64::try_from(PART_BYTES).unwrap_or(u64::MAX) {
            let mut parts = Vec::new();
            while let Some(chunk) = reader.next().await? {
                parts.push(chunk);
            }
            let payload: PutPayload = parts.into_iter().collect();
            self.store.put(&path(&claim), payload).await.map_err(failed("put"))?;
        } else {
            self.upload(&claim, &mut reader).await?;
        }
        if self.exists(&claim).await? { Ok(claim) } else { Err(ClaimError::Damaged { claim }) }
    }

    async fn upload(&self, claim: &Claim, reader: &mut Reader) -> Result<(), ClaimError> {
        let upload =
            self.store.put_multipart(&path(claim)).await.map_err(failed("begin upload"))?;
        let mut upload = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
        match feed(&mut upload, reader).await {
            Ok(()) => upload.finish().await.map(drop).map_err(failed("finish upload")),
            Err(error) => {
                // The first error is the one to tell; the service drops old uploads by its rules.
                drop(upload.abort().await);
                Err(error)
            }
        }
    }

    pub(super) async fn read(&self, claim: &Claim, offset: u64) -> Result<Reader, ClaimError> {
        let claim = *claim;
        if offset >= claim.size {
            // A range that holds nothing is refused by services, so only the size is looked at.
            self.check(&claim).await?;
            return Reader::of_stream(futures::stream::empty().boxed(), claim, offset);
        }
        let range = (offset > 0).then_some(GetRange::Offset(offset));
        let options = GetOptions { range, ..GetOptions::default() };
        let found = match self.store.get_opts(&path(&claim), options).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Err(ClaimError::Missing { claim }),
            Err(source) => return Err(ClaimError::Objects { action: "open", source }),
        };
        if found.meta.size != claim.size {
            return Err(ClaimError::Damaged { claim });
        }
        Reader::of_stream(found.into_stream(), claim, offset)
    }

    async fn check(&self, claim: &Claim) -> Result<(), ClaimError> {
        if self.exists(claim).await? { Ok(()) } else { Err(ClaimError::Missing { claim: *claim }) }
    }

    pub(super) async fn exists(&self, claim: &Claim) -> Result<bool, ClaimError> {
        match self.store.head(&path(claim)).await {
            Ok(found) => Ok(found.size == claim.size),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(source) => Err(ClaimError::Objects { action: "look", source }),
        }
    }
}

/// Hands over what the reader gives, waiting while enough is on its way.
async fn feed(upload: &mut WriteMultipart, reader: &mut Reader) -> Result<(), ClaimError> {
    while let Some(chunk) = reader.next().await? {
        upload.wait_for_capacity(PARTS_MAX).await.map_err(failed("upload"))?;
        upload.put(chunk);
    }
    Ok(())
}

fn path(claim: &Claim) -> Path {
    let (folder, name) = claim.path();
    Path::from_iter(["sha256", &folder, &name])
}

fn failed(action: &'static str) -> impl FnOnce(object_store::Error) -> ClaimError {
    move |source| ClaimError::Objects { action, source }
}

impl fmt::Debug for S3 {
    /// Leaves out the key.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("S3")
            .field("endpoint", &self.endpoint)
            .field("bucket", &self.bucket)
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Objects {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Objects").field("store", &self.store.to_string()).finish()
    }
}
