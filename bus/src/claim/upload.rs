//! An upload to an object store in parts, which is aborted unless it is finished.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt as _, Result, path::Path};
use tokio::{runtime::Handle, task::JoinSet};

/// Bytes of one part, of which two are in memory. S3 allows 10,000 parts.
pub(super) const PART_BYTES: usize = 8 * 1024 * 1024;

/// Parts that are uploaded at the same time.
const PARTS_MAX: usize = 2;

/// An upload, owned from the moment it begins. It is aborted however its owner ends: the service
/// would keep its parts until somebody deletes them.
pub(super) struct PartUpload {
    /// None: it is finished.
    open: Option<Box<dyn MultipartUpload>>,
    parts: JoinSet<Result<()>>,
    /// Bytes of the next part.
    buffer: BytesMut,
}

impl PartUpload {
    pub(super) async fn begin(store: Arc<dyn ObjectStore>, path: Path) -> Result<Self> {
        let open = Some(store.put_multipart(&path).await?);
        Ok(Self { open, parts: JoinSet::new(), buffer: BytesMut::new() })
    }

    /// Appends bytes; waits while as many parts are under way as may be.
    pub(super) async fn write(&mut self, bytes: &Bytes) -> Result<()> {
        self.buffer.extend_from_slice(bytes);
        while self.buffer.len() >= PART_BYTES {
            self.wait_for_parts(PARTS_MAX - 1).await?;
            self.send_part(PART_BYTES);
        }
        Ok(())
    }

    /// Sends the rest and makes the object.
    pub(super) async fn finish(&mut self) -> Result<()> {
        if !self.buffer.is_empty() {
            self.send_part(self.buffer.len());
        }
        self.wait_for_parts(0).await?;
        if let Some(open) = &mut self.open {
            open.complete().await?;
        }
        self.open = None;
        Ok(())
    }

    fn send_part(&mut self, count: usize) {
        let part = self.buffer.split_to(count).freeze();
        if let Some(open) = &mut self.open {
            self.parts.spawn(open.put_part(part.into()));
        }
    }

    /// Waits until at most `count_max` parts are under way.
    async fn wait_for_parts(&mut self, count_max: usize) -> Result<()> {
        while self.parts.len() > count_max {
            if let Some(uploaded) = self.parts.join_next().await {
                uploaded??;
            }
        }
        Ok(())
    }
}

impl Drop for PartUpload {
    fn drop(&mut self) {
        self.parts.abort_all();
        let (open, runtime) = (self.open.take(), Handle::try_current());
        if let (Some(open), Ok(runtime)) = (open, runtime) {
            runtime.spawn(abort(open));
        }
    }
}

async fn abort(mut upload: Box<dyn MultipartUpload>) {
    if let Err(error) = upload.abort().await {
        tracing::warn!(%error, "upload that was given up was not aborted");
    }
}
