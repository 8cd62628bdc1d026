//! Message translator: encodes a canonical message in the format that an application takes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bus::{Body, ClaimStore, INLINE_BYTES_MAX};
use bytes::Bytes;
use chassis::Clock;
use formats::EncodeContext;
use proto::fault::v1::Fault;
use proto::message::v1::{Attachment, Loss};
use registry_client::Directory;
use tokio::sync::Semaphore;

use crate::codec::{Codec, EncodedMessage};
use crate::config::Config;
use crate::fault::{from_claim_error, from_panic};
use crate::files::StoredFiles;
use crate::formats_in_force::FormatsInForce;

/// Encodes messages for applications. Clones share formats, claim store and permits.
#[derive(Clone, Debug)]
pub(crate) struct Translator {
    formats: Arc<FormatsInForce>,
    claims: ClaimStore,
    /// Bounds the large translations that run at the same time.
    blocking_permits: Arc<Semaphore>,
    blocking_bytes_min: u64,
    clock: Clock,
}

/// A message translated into one format.
#[derive(Clone, Debug)]
pub(crate) struct Translation {
    pub(crate) body: Body,
    pub(crate) version: u32,
    pub(crate) hash: String,
    pub(crate) losses: Vec<Loss>,
    pub(crate) duration_us: u64,
}

impl Translator {
    pub(crate) fn new(formats: Arc<FormatsInForce>, claims: ClaimStore, config: &Config) -> Self {
        Self {
            formats,
            claims,
            blocking_permits: Arc::new(Semaphore::new(config.aside_max.max(1))),
            blocking_bytes_min: config.aside_bytes_min,
            clock: Clock::System,
        }
    }

    /// The formats of a snapshot of the registry.
    pub(crate) fn codec(&self, directory: &Directory) -> Arc<Codec> {
        self.formats.of(directory)
    }

    /// Translates a message into a format. A native body above the bus's limit for inline bodies is
    /// stored as a claim.
    pub(crate) async fn translate(
        &self,
        canonical: &Bytes,
        attachments: &[Attachment],
        (codec, format): (&Arc<Codec>, &str),
        context: EncodeContext,
    ) -> Result<Translation, Fault> {
        let begin_us = self.clock.now_us();
        let attachment_bytes: u64 =
            attachments.iter().filter_map(|it| it.claim.as_ref()).map(|it| it.size).sum();
        let canonical_bytes = u64::try_from(canonical.len()).unwrap_or(u64::MAX);
        let size = attachment_bytes.saturating_add(canonical_bytes);
        let encoded = if attachments.is_empty() && size < self.blocking_bytes_min {
            let encode = || codec.encode(format, canonical, context, &StoredFiles::none());
            catch_unwind(AssertUnwindSafe(encode)).unwrap_or_else(|_panic| Err(panicked()))?
        } else {
            let codec = (Arc::clone(codec), format.to_owned());
            self.encode_blocking(canonical.clone(), codec, context, size).await?
        };
        let native = Bytes::from(encoded.native);
        let body = if native.len() <= INLINE_BYTES_MAX {
            Body::Inline(native)
        } else {
            Body::Claim(self.claims.put(native).await.map_err(|it| from_claim_error(&it))?)
        };
        let elapsed_us = self.clock.now_us().saturating_sub(begin_us);
        Ok(Translation {
            body,
            version: encoded.version,
            hash: encoded.hash,
            losses: encoded.losses,
            duration_us: u64::try_from(elapsed_us).unwrap_or_default(),
        })
    }

    /// Encodes on a thread that may block, because the format engine reads attachments from the
    /// store synchronously and a large body would hold up every task of its thread. Only large ones
    /// need a permit: small ones wait for the store and use little processor time.
    async fn encode_blocking(
        &self,
        canonical: Bytes,
        (codec, format): (Arc<Codec>, String),
        context: EncodeContext,
        size: u64,
    ) -> Result<EncodedMessage, Fault> {
        let is_large = size >= self.blocking_bytes_min;
        let _permit = if is_large { self.blocking_permits.acquire().await.ok() } else { None };
        let files = StoredFiles::new(self.claims.clone(), tokio::runtime::Handle::current());
        let encode = move || codec.encode(&format, &canonical, context, &files);
        tokio::task::spawn_blocking(encode).await.unwrap_or_else(|_panic| Err(panicked()))
    }
}

fn panicked() -> Fault {
    from_panic("translate")
}
