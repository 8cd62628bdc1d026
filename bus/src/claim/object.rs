//! A claim store in an S3-compatible object store, to which spools on this machine are uploaded.

use std::{fmt, future::Future, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, stream::BoxStream};
use object_store::{
    Certificate, ClientOptions, GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutPayload,
    RetryConfig,
    aws::{AmazonS3Builder, Checksum},
    path::Path,
};

use super::{
    disk::run_blocking,
    error::ClaimError,
    pieces::{PIECE_BYTES, Pieces},
    reader::{Reader, Source, piece_begin},
    reference::Claim,
    spool::Spool,
    upload::{PART_BYTES, PartUpload},
};
use crate::uninterrupted::uninterrupted;

/// The connection to an S3-compatible service.
#[derive(Clone)]
pub struct S3 {
    /// The service's URL, `http` or `https`.
    pub endpoint: String,
    /// The bucket, which must exist.
    pub bucket: String,
    /// PEM of the authorities of an `https` service's certificate; `None` for the public ones.
    pub authorities: Option<String>,
    /// The region; most services outside AWS accept any.
    pub region: String,
    /// The id of the access key.
    pub access_key_id: String,
    /// The secret access key.
    pub secret_access_key: String,
    /// A folder of this machine for spools.
    pub spool: PathBuf,
}

/// Time limits of an S3-compatible service. Transferring a body has no limit in total, because it may
/// have any size, but it must not pause longer than `quiet_ms_max`.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For opening a connection.
    pub connect_ms_max: u64,
    /// For a pause in an answer.
    pub quiet_ms_max: u64,
    /// For one call including its retries; for reading a body, until it begins.
    pub call_ms_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connect_ms_max: 5_000, quiet_ms_max: 30_000, call_ms_max: 120_000 }
    }
}

/// A store in an object store.
#[derive(Clone)]
pub struct Objects {
    store: Arc<dyn ObjectStore>,
    spool: Arc<std::path::Path>,
    limit: Duration,
}

impl Objects {
    pub(super) async fn open(settings: S3, limits: Limits) -> Result<Self, ClaimError> {
        let limit = Duration::from_millis(limits.call_ms_max);
        let authorities = settings.authorities.as_deref().unwrap_or_default().as_bytes();
        let authorities =
            Certificate::from_pem_bundle(authorities).map_err(failed("read authorities"))?;
        let client = authorities
            .into_iter()
            .fold(ClientOptions::new(), ClientOptions::with_root_certificate)
            .with_allow_http(settings.endpoint.starts_with("http://"))
            .with_connect_timeout(Duration::from_millis(limits.connect_ms_max))
            .with_read_timeout(Duration::from_millis(limits.quiet_ms_max))
            .with_timeout_disabled();
        // The client needs a default provider; the error means that the process has one already.
        drop(rustls::crypto::ring::default_provider().install_default());
        let store = AmazonS3Builder::new()
            .with_endpoint(settings.endpoint)
            .with_bucket_name(settings.bucket)
            .with_region(settings.region)
            .with_access_key_id(settings.access_key_id)
            .with_secret_access_key(settings.secret_access_key)
            .with_client_options(client)
            .with_retry(RetryConfig { retry_timeout: limit, ..RetryConfig::default() })
            // The service checks the digest before it confirms an upload.
            .with_checksum_algorithm(Checksum::SHA256)
            .build()
            .map_err(failed("configure"))?;
        let (store, spool) = (Arc::new(store), settings.spool);
        let folder = spool.clone();
        run_blocking("make folder", move || std::fs::create_dir_all(folder)).await?;
        Spool::create(spool.clone()).await?;
        Ok(Self { store, spool: spool.into(), limit })
    }

    pub(super) async fn spool(&self) -> Result<Spool, ClaimError> {
        Spool::create(self.spool.to_path_buf()).await
    }

    pub(super) async fn commit(&self, spool: &mut Spool) -> Result<Claim, ClaimError> {
        let claim = spool.seal(self.spool.to_path_buf()).await?;
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
            self.within("put", self.store.put(&path(&claim), payload)).await?;
        } else {
            self.upload(&claim, &mut reader).await?;
        }
        if claim.size > PIECE_BYTES {
            self.store_pieces(&claim, &spool.pieces()).await;
        }
        if self.exists(&claim).await? { Ok(claim) } else { Err(ClaimError::Damaged { claim }) }
    }

    /// Stores the digests of the pieces. Without them reading from an offset takes longer, because all
    /// bytes are read once to compute them, so a failure is not the caller's.
    async fn store_pieces(&self, claim: &Claim, pieces: &Pieces) {
        let payload = PutPayload::from(pieces.encode(claim));
        let path = pieces_path(claim);
        if let Err(error) = self.within("store pieces", self.store.put(&path, payload)).await {
            tracing::warn!(%claim, %error, "digests of pieces were not stored");
        }
    }

    /// The digests of the pieces as they are stored; none when they are missing or damaged.
    async fn read_pieces(&self, claim: &Claim) -> Result<Option<Pieces>, ClaimError> {
        if let Some(pieces) = Pieces::of_small(claim) {
            return Ok(Some(pieces));
        }
        let path = pieces_path(claim);
        let reading = async { self.store.get(&path).await?.bytes().await };
        match self.within("read pieces", reading).await {
            Ok(encoded) => Ok(Pieces::decode(&encoded, claim)),
            Err(ClaimError::Objects { source: object_store::Error::NotFound { .. }, .. }) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    async fn upload(&self, claim: &Claim, reader: &mut Reader) -> Result<(), ClaimError> {
        let (objects, path) = (self.clone(), path(claim));
        let beginning = uninterrupted(async move {
            let beginning = PartUpload::begin(objects.store.clone(), path);
            objects.within("begin upload", beginning).await
        });
        let mut upload = beginning.await?;
        while let Some(chunk) = reader.next().await? {
            self.within("upload", upload.write(&chunk)).await?;
        }
        self.within("finish upload", upload.finish()).await
    }

    pub(super) async fn read(&self, claim: &Claim, offset: u64) -> Result<Reader, ClaimError> {
        let claim = *claim;
        if offset >= claim.size {
            // Services refuse an empty range, so only the size is checked.
            self.check(&claim).await?;
            let empty = futures::stream::empty().boxed();
            return Reader::at_end(Source::Stream(empty, Bytes::new()), claim, offset);
        }
        let pieces = match self.read_pieces(&claim).await? {
            Some(pieces) => pieces,
            None if offset == 0 => {
                return Reader::from_stream(self.stream(&claim, 0).await?, claim);
            }
            None => {
                let all = Reader::from_stream(self.stream(&claim, 0).await?, claim)?;
                let pieces = all.into_pieces().await?;
                self.store_pieces(&claim, &pieces).await;
                pieces
            }
        };
        let stream = self.stream(&claim, piece_begin(offset)).await?;
        Reader::in_pieces(Source::Stream(stream, Bytes::new()), (claim, pieces), offset)
    }

    /// The stored bytes from `offset`, which is before the end.
    async fn stream(
        &self,
        claim: &Claim,
        offset: u64,
    ) -> Result<BoxStream<'static, object_store::Result<Bytes>>, ClaimError> {
        let claim = *claim;
        let range = (offset > 0).then_some(GetRange::Offset(offset));
        let options = GetOptions { range, ..GetOptions::default() };
        let path = path(&claim);
        let found = match self.within("open", self.store.get_opts(&path, options)).await {
            Err(ClaimError::Objects { source: object_store::Error::NotFound { .. }, .. }) => {
                return Err(ClaimError::Missing { claim });
            }
            found => found?,
        };
        if found.meta.size != claim.size {
            return Err(ClaimError::Damaged { claim });
        }
        Ok(found.into_stream())
    }

    async fn check(&self, claim: &Claim) -> Result<(), ClaimError> {
        if self.exists(claim).await? { Ok(()) } else { Err(ClaimError::Missing { claim: *claim }) }
    }

    pub(super) async fn exists(&self, claim: &Claim) -> Result<bool, ClaimError> {
        match self.within("look", self.store.head(&path(claim))).await {
            Ok(found) => Ok(found.size == claim.size),
            Err(ClaimError::Objects { source: object_store::Error::NotFound { .. }, .. }) => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    async fn within<T>(
        &self,
        action: &'static str,
        call: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T, ClaimError> {
        let timeout =
            |elapsed| object_store::Error::Generic { store: "S3", source: Box::new(elapsed) };
        let outcome = tokio::time::timeout(self.limit, call).await;
        outcome.unwrap_or_else(|elapsed| Err(timeout(elapsed))).map_err(failed(action))
    }
}

fn path(claim: &Claim) -> Path {
    let (folder, name) = claim.path();
    Path::from_iter(["sha256", &folder, &name])
}

fn pieces_path(claim: &Claim) -> Path {
    let (folder, name) = claim.path();
    Path::from_iter(["sha256", &folder, &format!("{name}.pieces")])
}

fn failed(action: &'static str) -> impl FnOnce(object_store::Error) -> ClaimError {
    move |source| ClaimError::Objects { action, source }
}

impl fmt::Debug for S3 {
    /// Leaves out the secret key.
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
