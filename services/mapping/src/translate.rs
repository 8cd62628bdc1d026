//! Canonical to what one application takes, on the side when it is large.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bus::{Body, ClaimStore, INLINE_BYTES_MAX};
use bytes::Bytes;
use chassis::Clock;
use formats::EncodeContext;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::message::v1::{Attachment, Loss};
use tokio::sync::Semaphore;

use crate::blobs::Stored;
use crate::codec::{Shelf, Written};
use crate::config::Config;

/// Writes messages for applications. Clones share everything.
#[derive(Clone, Debug)]
pub(crate) struct Translator {
    shelf: Arc<Shelf>,
    claims: ClaimStore,
    aside: Arc<Semaphore>,
    aside_bytes_min: u64,
    clock: Clock,
}

/// A message as one application will read it.
#[derive(Clone, Debug)]
pub(crate) struct Translated {
    pub(crate) body: Body,
    pub(crate) version: u32,
    pub(crate) hash: String,
    pub(crate) losses: Vec<Loss>,
    pub(crate) took_us: u64,
}

impl Translator {
    pub(crate) fn new(shelf: Arc<Shelf>, claims: ClaimStore, config: &Config) -> Self {
        Self {
            shelf,
            claims,
            aside: Arc::new(Semaphore::new(config.aside_max.max(1))),
            aside_bytes_min: config.aside_bytes_min,
            clock: Clock::System,
        }
    }

    /// Writes a message in a format. What is too large to ride along is stored.
    pub(crate) async fn translate(
        &self,
        canonical: &Bytes,
        attachments: &[Attachment],
        format: &str,
        context: EncodeContext,
    ) -> Result<Translated, Fault> {
        let begun = self.clock.now_us();
        let files: u64 =
            attachments.iter().filter_map(|it| it.claim.as_ref()).map(|it| it.size).sum();
        let size = files.saturating_add(u64::try_from(canonical.len()).unwrap_or(u64::MAX));
        let written = if attachments.is_empty() && size < self.aside_bytes_min {
            let write = || self.shelf.write(format, canonical, context, &Stored::none());
            catch_unwind(AssertUnwindSafe(write)).unwrap_or_else(|_panic| Err(broke_down()))?
        } else {
            self.aside(canonical.clone(), format.to_owned(), context, size).await?
        };
        let native = Bytes::from(written.native);
        let body = if native.len() <= INLINE_BYTES_MAX {
            Body::Inline(native)
        } else {
            Body::Claim(self.claims.put(native).await.map_err(|it| unstored(&it))?)
        };
        let took_us = u64::try_from(self.clock.now_us().saturating_sub(begun)).unwrap_or_default();
        let (version, hash, losses) = (written.version, written.hash, written.losses);
        Ok(Translated { body, version, hash, losses, took_us })
    }

    async fn aside(
        &self,
        canonical: Bytes,
        format: String,
        context: EncodeContext,
        size: u64,
    ) -> Result<Written, Fault> {
        let large = size >= self.aside_bytes_min;
        let _place = if large { self.aside.acquire().await.ok() } else { None };
        let (shelf, claims) = (Arc::clone(&self.shelf), self.claims.clone());
        let stored = Stored::of(claims, tokio::runtime::Handle::current());
        let work = move || shelf.write(&format, &canonical, context, &stored);
        tokio::task::spawn_blocking(work).await.unwrap_or_else(|_panic| Err(broke_down()))
    }
}

/// One copy's trouble. The panic's own words may hold content, so they stay in the process's log.
fn broke_down() -> Fault {
    Fault::new(&code::LT_SYS_001).param("id", "translate")
}

/// What a failing store means for a message.
pub(crate) fn unstored(error: &bus::claim::ClaimError) -> Fault {
    use bus::claim::ClaimError;
    match error {
        ClaimError::Missing { claim } | ClaimError::Damaged { claim } => {
            Fault::new(&code::LT_MAP_218).param("claim", claim.to_string())
        }
        ClaimError::Beyond { .. }
        | ClaimError::Folder { .. }
        | ClaimError::NotDurable { .. }
        | ClaimError::Objects { .. }
        | ClaimError::Incomplete => Fault::new(&code::LT_MAP_219),
    }
    .detail(error.to_string())
}
