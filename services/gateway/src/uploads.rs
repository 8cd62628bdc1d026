//! Uploads of bodies and files. They have no name in the claim store until an item that uses them
//! is accepted, so a refusal or a crash leaves nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bus::ClaimStore;
use bus::claim::Spool;
use bytes::Bytes;
use proto::exchange::v1::{PutPartRequest, PutPartResponse};
use proto::fault::code;
use proto::fault::v1::Fault;
use tokio::sync::Mutex;

use crate::config::Config;
use crate::fault::{from_claim_error, invalid_field};
use crate::limits::CHUNK_BYTES_MAX;

/// Where the bytes of an upload are.
enum Content {
    /// In an anonymous spool.
    Spool(Spool),
    /// In the claim store, under their SHA-256.
    Committed,
    /// A write failed or was cancelled, so the number of bytes written is unknown.
    Broken,
}

struct Upload {
    content: Content,
    size: u64,
    sha256: [u8; 32],
    received: u64,
    /// All bytes were received and have the declared digest.
    is_complete: bool,
    last_call_us: i64,
}

impl Upload {
    /// Takes the spool out for a write or read, and leaves the upload broken until the spool is put
    /// back: a call that is cancelled in the middle must not leave an upload that looks complete.
    fn take_spool(&mut self, part: &str) -> Result<Spool, Fault> {
        match std::mem::replace(&mut self.content, Content::Broken) {
            Content::Spool(spool) => Ok(spool),
            content @ (Content::Committed | Content::Broken) => {
                self.content = content;
                Err(unknown_upload(part))
            }
        }
    }

    fn is_broken(&self) -> bool {
        matches!(self.content, Content::Broken)
    }

    /// The digest and size of a complete upload.
    fn claim(&self, part: &str) -> Result<bus::Claim, Fault> {
        if self.is_broken() {
            return Err(unknown_upload(part));
        }
        if !self.is_complete {
            let received = self.received.to_string();
            return Err(Fault::new(&code::LT_EX_009)
                .param("part", part)
                .param("expected", received));
        }
        Ok(bus::Claim { sha256: self.sha256, size: self.size })
    }

    /// Receives the next chunk, or reports the progress when the request has no data.
    async fn receive(
        &mut self,
        request: PutPartRequest,
        (sha256, now_us): ([u8; 32], i64),
    ) -> Result<PutPartResponse, Fault> {
        if self.size != request.size || self.sha256 != sha256 {
            return Err(Fault::new(&code::LT_EX_005).param("part", &request.part));
        }
        self.last_call_us = now_us;
        if !request.data.is_empty() {
            self.append(&request).await?;
        }
        let (received, complete) = (self.received, self.is_complete);
        Ok(PutPartResponse { part: request.part, received, complete })
    }

    /// Appends a chunk. While the disk is full or fails, the upload stays as it is, so that the same
    /// chunk can be sent again. Only a call that was cancelled does not put the spool back, because
    /// the number of bytes written is unknown.
    async fn append(&mut self, request: &PutPartRequest) -> Result<(), Fault> {
        if request.offset != self.received {
            return Err(Fault::new(&code::LT_EX_003)
                .param("part", &request.part)
                .param("offset", request.offset.to_string())
                .param("expected", self.received.to_string()));
        }
        let received = self.received + u64::try_from(request.data.len()).unwrap_or(u64::MAX);
        if received > self.size {
            return Err(Fault::new(&code::LT_EX_006).param("part", &request.part));
        }
        let mut spool = self.take_spool(&request.part)?;
        let data = request.data.clone();
        let written = if received == self.size {
            spool.write_last(data).await.map(Some)
        } else {
            spool.write(data).await.map(|()| None)
        };
        let claim = match written {
            Ok(claim) => claim,
            Err(error) => {
                if error.storage_failure().is_some() {
                    self.content = Content::Spool(spool);
                }
                return Err(from_claim_error(&error));
            }
        };
        if claim.is_some_and(|it| it.sha256 != self.sha256) {
            return Err(Fault::new(&code::LT_EX_007).param("part", &request.part));
        }
        self.is_complete = claim.is_some();
        self.received = received;
        self.content = Content::Spool(spool);
        Ok(())
    }
}

/// An upload and its declared size, which is read without waiting for the upload's lock.
#[derive(Clone)]
struct UploadEntry {
    size: u64,
    upload: Arc<Mutex<Upload>>,
}

/// The uploads of all applications by application and part. Each upload has a lock of its own, so
/// that a slow one does not delay the others.
#[derive(Clone, Default)]
pub(crate) struct Uploads(Arc<Mutex<HashMap<(String, String), UploadEntry>>>);

impl std::fmt::Debug for Uploads {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Uploads").finish_non_exhaustive()
    }
}

impl Uploads {
    /// Receives a chunk of an upload.
    pub(crate) async fn receive(
        &self,
        application: &str,
        request: PutPartRequest,
        (config, claims, now_us): (&Config, &ClaimStore, i64),
    ) -> Result<PutPartResponse, Fault> {
        let sha256 = check_request(&request, config)?;
        let upload = loop {
            let key = (config, claims, now_us);
            let upload = self.find_or_create(application, &request, key, sha256).await?;
            if !upload.lock().await.is_broken() {
                break upload;
            }
            self.remove(application, &request.part, &upload).await;
        };
        let part = request.part.clone();
        let outcome = upload.lock().await.receive(request, (sha256, now_us)).await;
        if upload.lock().await.is_broken() {
            self.remove(application, &part, &upload).await;
            return Err(outcome.err().unwrap_or_else(|| unknown_upload(&part)));
        }
        outcome
    }

    /// Removes a broken upload, unless another one has taken its name.
    async fn remove(&self, application: &str, part: &str, upload: &Arc<Mutex<Upload>>) {
        let mut uploads = self.0.lock().await;
        let key = (application.to_owned(), part.to_owned());
        if uploads.get(&key).is_some_and(|it| Arc::ptr_eq(&it.upload, upload)) {
            uploads.remove(&key);
        }
    }

    async fn find_or_create(
        &self,
        application: &str,
        request: &PutPartRequest,
        (config, claims, now_us): (&Config, &ClaimStore, i64),
        sha256: [u8; 32],
    ) -> Result<Arc<Mutex<Upload>>, Fault> {
        let mut uploads = self.0.lock().await;
        let key = (application.to_owned(), request.part.clone());
        if let Some(entry) = uploads.get(&key) {
            return Ok(entry.upload.clone());
        }
        if request.offset > 0 {
            return Err(unknown_upload(&request.part));
        }
        let own = uploads.iter().filter(|((owner, _), _)| owner == application);
        let (count, bytes) =
            own.fold((0, request.size), |(count, bytes), (_, it)| (count + 1, bytes + it.size));
        let all_bytes = uploads.values().fold(request.size, |bytes, it| bytes + it.size);
        let is_full = count >= config.parts_max || bytes > config.spool_bytes_max;
        if is_full || all_bytes > config.spools_bytes_max {
            return Err(Fault::new(&code::LT_EX_008).retry_after(Duration::from_secs(5)));
        }
        let spool = claims.spool().await.map_err(|error| from_claim_error(&error))?;
        let upload = Upload {
            content: Content::Spool(spool),
            size: request.size,
            sha256,
            received: 0,
            // No chunk follows that would complete an empty upload; `check_request` has compared
            // its digest.
            is_complete: request.size == 0,
            last_call_us: now_us,
        };
        let upload = Arc::new(Mutex::new(upload));
        uploads.insert(key, UploadEntry { size: request.size, upload: upload.clone() });
        Ok(upload)
    }

    async fn find(&self, application: &str, part: &str) -> Result<Arc<Mutex<Upload>>, Fault> {
        let key = (application.to_owned(), part.to_owned());
        let found = self.0.lock().await.get(&key).map(|it| it.upload.clone());
        found.ok_or_else(|| unknown_upload(part))
    }

    /// The digest and size of a complete upload.
    pub(crate) async fn claim(&self, application: &str, part: &str) -> Result<bus::Claim, Fault> {
        let upload = self.find(application, part).await?;
        let upload = upload.lock().await;
        upload.claim(part)
    }

    /// Reads all bytes of a complete upload.
    pub(crate) async fn read_all(
        &self,
        application: &str,
        part: &str,
        claims: &ClaimStore,
    ) -> Result<Bytes, Fault> {
        let upload = self.find(application, part).await?;
        let mut upload = upload.lock().await;
        let claim = upload.claim(part)?;
        let reader = if matches!(upload.content, Content::Committed) {
            claims.open(&claim, 0).await
        } else {
            let mut spool = upload.take_spool(part)?;
            let reader = spool.read(0).await;
            upload.content = Content::Spool(spool);
            reader
        };
        let reader = reader.map_err(|error| from_claim_error(&error))?;
        reader.read_all(claim.size).await.map_err(|error| from_claim_error(&error))
    }

    /// Commits a complete upload to the claim store. It stays listed until it is
    /// [removed](Uploads::remove_used), so that the same item may be submitted again. When the
    /// store is full or fails the upload stays complete, and the next submit commits it.
    pub(crate) async fn commit(
        &self,
        application: &str,
        part: &str,
        claims: &ClaimStore,
    ) -> Result<(), Fault> {
        let upload = self.find(application, part).await?;
        let mut upload = upload.lock().await;
        upload.claim(part)?;
        if matches!(upload.content, Content::Committed) {
            return Ok(());
        }
        let mut spool = upload.take_spool(part)?;
        let committed = claims.commit_or_keep(&mut spool).await;
        upload.content = match &committed {
            Ok(_) => Content::Committed,
            Err(error) if error.storage_failure().is_some() => Content::Spool(spool),
            Err(_) => Content::Broken,
        };
        committed.map(drop).map_err(|error| from_claim_error(&error))
    }

    /// Removes the uploads of an item that was answered for good.
    pub(crate) async fn remove_used(&self, application: &str, parts: &[String]) {
        if parts.is_empty() {
            return;
        }
        let mut uploads = self.0.lock().await;
        for part in parts {
            uploads.remove(&(application.to_owned(), part.clone()));
        }
    }

    /// Removes uploads without a call since `before_us`. One that is locked is being written.
    pub(crate) async fn expire(&self, before_us: i64) {
        let mut uploads = self.0.lock().await;
        uploads
            .retain(|_, it| it.upload.try_lock().map_or(true, |it| it.last_call_us >= before_us));
    }
}

/// No such upload in this gateway: it was never begun, has expired, is broken, or is at another
/// gateway. In each case the client starts it again from offset 0.
fn unknown_upload(part: &str) -> Fault {
    Fault::new(&code::LT_EX_004).param("part", part).param("expected", "0")
}

/// Checks a request by itself, and returns the declared digest.
fn check_request(request: &PutPartRequest, config: &Config) -> Result<[u8; 32], Fault> {
    let is_name = (1..=100).contains(&request.part.len())
        && request.part.bytes().all(|it| it.is_ascii_alphanumeric() || b"._-".contains(&it));
    if !is_name {
        return Err(invalid_field(
            "part",
            "1-100 ký tự A-Z a-z 0-9 . _ -",
            "1 to 100 of A-Z a-z 0-9 . _ -",
        ));
    }
    if request.size > config.part_bytes_max {
        return Err(Fault::new(&code::LT_EX_010)
            .param("size", request.size.to_string())
            .param("most", config.part_bytes_max.to_string()));
    }
    if request.data.len() > CHUNK_BYTES_MAX as usize {
        return Err(invalid_field("data", "mỗi lần nhiều nhất 1 MiB", "at most 1 MiB at a time"));
    }
    let sha256: [u8; 32] = request.sha256.as_ref().try_into().map_err(|_length| {
        invalid_field("sha256", "cần 32 byte SHA-256", "must be 32 bytes of SHA-256")
    })?;
    if request.size == 0 && sha256 != bus::Claim::from_content(&[]).sha256 {
        return Err(Fault::new(&code::LT_EX_007).param("part", &request.part));
    }
    Ok(sha256)
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    /// A size above which a spool writes to disk at once, so that a write can be cancelled.
    const LARGE: usize = 600_000;

    struct Environment {
        uploads: Uploads,
        config: Config,
        claims: ClaimStore,
        _folder: tempfile::TempDir,
    }

    impl Environment {
        async fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let claims = ClaimStore::folder(folder.path()).await.unwrap();
            let config = toml::from_str(crate::config::DEFAULTS).unwrap();
            Self { uploads: Uploads::default(), config, claims, _folder: folder }
        }

        async fn put(
            &self,
            offset: usize,
            data: &[u8],
            whole: &[u8],
        ) -> Result<(u64, bool), String> {
            let request = PutPartRequest {
                part: "p".to_owned(),
                offset: offset as u64,
                data: Bytes::copy_from_slice(data),
                size: whole.len() as u64,
                sha256: Bytes::copy_from_slice(&bus::Claim::from_content(whole).sha256),
            };
            let call = (&self.config, &self.claims, 0);
            let response = self.uploads.receive("a", request, call).await;
            response.map(|it| (it.received, it.complete)).map_err(|it| it.code)
        }
    }

    #[tokio::test]
    async fn an_upload_whose_write_was_cancelled_starts_again() {
        let environment = Environment::new().await;
        let whole = vec![7; LARGE];
        assert_eq!(environment.put(0, &whole[..10], &whole).await, Ok((10, false)));
        assert_eq!(environment.put(10, &whole[10..], &whole).now_or_never(), None);
        let next = environment.put(10, &whole[10..], &whole).await;
        assert_eq!(next, Err("LT-EX-004".to_owned()));
        assert_eq!(environment.put(0, &whole[..10], &whole).await, Ok((10, false)));
        assert_eq!(environment.put(10, &whole[10..], &whole).now_or_never(), None);
        assert_eq!(environment.put(0, &whole, &whole).await, Ok((LARGE as u64, true)));
    }

    #[tokio::test]
    async fn an_upload_whose_commit_was_cancelled_is_not_committed() {
        let environment = Environment::new().await;
        let whole = vec![7; LARGE];
        environment.put(0, &whole, &whole).await.unwrap();
        let commit = || environment.uploads.commit("a", "p", &environment.claims);
        assert!(commit().now_or_never().is_none());
        assert_eq!(commit().await.unwrap_err().code, "LT-EX-004");
        assert_eq!(environment.uploads.claim("a", "p").await.unwrap_err().code, "LT-EX-004");
        assert_eq!(environment.put(0, &whole, &whole).await, Ok((LARGE as u64, true)));
        commit().await.unwrap();
        commit().await.unwrap();
        let read = environment.uploads.read_all("a", "p", &environment.claims).await;
        assert_eq!(read.unwrap(), whole);
    }
}
