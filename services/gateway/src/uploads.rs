//! Uploads of bodies and files. They have no name in the claim store until an item that uses them
//! is accepted, so a refusal or a crash leaves nothing.

mod upload;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bus::ClaimStore;
use bytes::Bytes;
use proto::exchange::v1::{PutPartRequest, PutPartResponse};
use proto::fault::code;
use proto::fault::v1::Fault;
use tokio::sync::Mutex;

pub(crate) use self::upload::UploadContext;
use self::upload::{Upload, unknown_upload};
use crate::config::Config;
use crate::fault::invalid_field;
use crate::limits::CHUNK_BYTES_MAX;

/// An upload and its declared size, which is read without waiting for the upload's lock.
#[derive(Clone)]
struct UploadEntry {
    size: u64,
    upload: Arc<Mutex<Upload>>,
}

/// The uploads of one application, by part.
#[derive(Default)]
struct ApplicationUploads {
    by_part: HashMap<String, UploadEntry>,
    /// Their declared sizes together.
    bytes: u64,
}

#[derive(Default)]
struct State {
    by_application: HashMap<String, ApplicationUploads>,
    /// The declared sizes of all uploads together.
    bytes: u64,
}

impl State {
    fn find(&self, application: &str, part: &str) -> Option<&Arc<Mutex<Upload>>> {
        Some(&self.by_application.get(application)?.by_part.get(part)?.upload)
    }

    /// Removes those of an application's uploads for which `is_over` holds.
    fn remove_if(&mut self, application: &str, is_over: impl Fn(&str, &UploadEntry) -> bool) {
        let Some(uploads) = self.by_application.get_mut(application) else { return };
        let before = uploads.bytes;
        let left = &mut uploads.bytes;
        uploads.by_part.retain(|part, it| {
            let is_over = is_over(part, it);
            if is_over {
                *left -= it.size;
            }
            !is_over
        });
        self.bytes -= before - uploads.bytes;
        if uploads.by_part.is_empty() {
            self.by_application.remove(application);
        }
    }

    fn remove(&mut self, application: &str, part: &str) {
        let Some(uploads) = self.by_application.get_mut(application) else { return };
        if let Some(entry) = uploads.by_part.remove(part) {
            uploads.bytes -= entry.size;
            self.bytes -= entry.size;
        }
        if uploads.by_part.is_empty() {
            self.by_application.remove(application);
        }
    }
}

/// The uploads of all applications. Each upload has a lock of its own, so that a slow one does not
/// delay the others; under the lock of all nothing waits.
#[derive(Clone, Default)]
pub(crate) struct Uploads(Arc<parking_lot::Mutex<State>>);

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
        context: UploadContext<'_>,
    ) -> Result<PutPartResponse, Fault> {
        let sha256 = check_request(&request, context.config)?;
        let (upload, mut locked) = loop {
            let upload = self.find_or_create(application, &request, sha256, context)?;
            let locked = upload.clone().lock_owned().await;
            if !locked.is_broken() {
                break (upload, locked);
            }
            self.remove(application, &request.part, &upload);
        };
        let part = request.part.clone();
        let outcome = locked.receive(request, (application, sha256), context).await;
        if locked.is_broken() {
            self.remove(application, &part, &upload);
            return Err(outcome.err().unwrap_or_else(|| unknown_upload(&part)));
        }
        outcome
    }

    /// Removes a broken upload, unless another one has taken its name.
    fn remove(&self, application: &str, part: &str, upload: &Arc<Mutex<Upload>>) {
        let mut state = self.0.lock();
        if state.find(application, part).is_some_and(|it| Arc::ptr_eq(it, upload)) {
            state.remove(application, part);
        }
    }

    fn find_or_create(
        &self,
        application: &str,
        request: &PutPartRequest,
        sha256: [u8; 32],
        UploadContext { config, now_us, .. }: UploadContext<'_>,
    ) -> Result<Arc<Mutex<Upload>>, Fault> {
        let mut state = self.0.lock();
        if let Some(upload) = state.find(application, &request.part) {
            return Ok(upload.clone());
        }
        if request.offset > 0 {
            return Err(unknown_upload(&request.part));
        }
        let all_bytes = state.bytes.saturating_add(request.size);
        let own = state.by_application.get(application);
        let (count, bytes) = own.map_or((0, 0), |it| (it.by_part.len(), it.bytes));
        let bytes = bytes.saturating_add(request.size);
        let is_full = count >= config.parts_max || bytes > config.spool_bytes_max;
        if is_full || all_bytes > config.spools_bytes_max {
            return Err(Fault::new(&code::LT_EX_008).retry_after(Duration::from_secs(5)));
        }
        let upload = Arc::new(Mutex::new(Upload::new(request.size, sha256, now_us)));
        let entry = UploadEntry { size: request.size, upload: upload.clone() };
        state.bytes = all_bytes;
        let own = state.by_application.entry(application.to_owned()).or_default();
        own.bytes = bytes;
        own.by_part.insert(request.part.clone(), entry);
        Ok(upload)
    }

    fn find(&self, application: &str, part: &str) -> Result<Arc<Mutex<Upload>>, Fault> {
        let found = self.0.lock().find(application, part).cloned();
        found.ok_or_else(|| unknown_upload(part))
    }

    /// The digest and size of a complete upload.
    pub(crate) async fn claim(&self, application: &str, part: &str) -> Result<bus::Claim, Fault> {
        let upload = self.find(application, part)?;
        let upload = upload.lock().await;
        upload.claim(part)
    }

    /// The digest and size of a complete upload, and its first bytes.
    pub(crate) async fn claim_and_head(
        &self,
        application: &str,
        part: &str,
    ) -> Result<(bus::Claim, Bytes), Fault> {
        let upload = self.find(application, part)?;
        let upload = upload.lock().await;
        Ok((upload.claim(part)?, upload.head()))
    }

    /// Reads all bytes of a complete upload.
    pub(crate) async fn read_all(
        &self,
        application: &str,
        part: &str,
        claims: &ClaimStore,
    ) -> Result<Bytes, Fault> {
        let upload = self.find(application, part)?;
        let mut upload = upload.lock().await;
        upload.read_all(part, claims).await
    }

    /// Commits a complete upload to the claim store. It stays listed until it is
    /// [removed](Uploads::remove_used), so that the same item may be submitted again.
    pub(crate) async fn commit(
        &self,
        application: &str,
        part: &str,
        claims: &ClaimStore,
    ) -> Result<(), Fault> {
        let upload = self.find(application, part)?;
        let mut upload = upload.lock().await;
        upload.commit(part, claims).await
    }

    /// Removes the uploads of an item that was answered for good.
    pub(crate) fn remove_used(&self, application: &str, parts: &[String]) {
        if parts.is_empty() {
            return;
        }
        let mut state = self.0.lock();
        for part in parts {
            state.remove(application, part);
        }
    }

    /// Removes uploads without a call since `before_us`, and those of applications that are no
    /// longer `registered`. One that is locked is being written.
    pub(crate) fn expire(&self, before_us: i64, is_registered: impl Fn(&str) -> bool) {
        let mut state = self.0.lock();
        let applications: Vec<String> = state.by_application.keys().cloned().collect();
        for application in applications {
            let is_registered = is_registered(&application);
            state.remove_if(&application, |_, it| {
                let is_unused = it.upload.try_lock().is_ok_and(|it| it.last_call_us < before_us);
                is_unused || !is_registered
            });
        }
    }
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
    let (size, bytes_max) = (request.size, config.part_bytes_max);
    if size > bytes_max {
        return Err(Fault::new(&code::LT_EX_010)
            .param("size", size.to_string())
            .param("most", bytes_max.to_string())
            .violation(
                "size",
                format!("là {size}, nhiều nhất {bytes_max}"),
                format!("is {size}, at most {bytes_max}"),
            ));
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
    use crate::memory::MemoryBudget;

    /// A size above which a spool writes to disk at once, so that a write can be cancelled.
    const LARGE: usize = 600_000;

    struct Environment {
        uploads: Uploads,
        config: Config,
        memory: MemoryBudget,
        claims: ClaimStore,
        _folder: tempfile::TempDir,
    }

    impl Environment {
        async fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let claims = ClaimStore::folder(folder.path()).await.unwrap();
            let config = toml::from_str(crate::config::DEFAULTS).unwrap();
            let (uploads, memory) = (Uploads::default(), MemoryBudget::new(1 << 20, 1 << 20));
            Self { uploads, config, memory, claims, _folder: folder }
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
            let (config, claims, memory) = (&self.config, &self.claims, &self.memory);
            let context = UploadContext { config, claims, memory, now_us: 0 };
            let response = self.uploads.receive("a", request, context).await;
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

    #[tokio::test]
    async fn a_small_upload_is_held_in_memory_until_it_is_removed() {
        let environment = Environment::new().await;
        let small = vec![7; 65_536];
        environment.put(0, &small[..10], &small).await.unwrap();
        assert_eq!(environment.memory.held_bytes(), 10, "not its declared size");
        assert_eq!(environment.put(10, &small[10..], &small).await, Ok((65_536, true)));
        let (uploads, claims) = (&environment.uploads, &environment.claims);
        assert_eq!(uploads.read_all("a", "p", claims).await.unwrap(), small);
        uploads.commit("a", "p", claims).await.unwrap();
        assert_eq!(environment.memory.held_bytes(), 0, "it is in the claim store");
        assert_eq!(uploads.read_all("a", "p", claims).await.unwrap(), small);
        uploads.remove_used("a", &["p".to_owned()]);
        let state = uploads.0.lock();
        assert_eq!((state.bytes, state.by_application.len()), (0, 0));
    }

    #[tokio::test]
    async fn a_larger_upload_and_a_small_one_without_memory_have_a_file() {
        let environment = Environment::new().await;
        let large = vec![7; 65_537];
        environment.put(0, &large, &large).await.unwrap();
        assert_eq!(environment.memory.held_bytes(), 0);
        environment.uploads.remove_used("a", &["p".to_owned()]);
        let small = vec![7; 100];
        assert_eq!(environment.put(0, &small[..50], &small).await, Ok((50, false)));
        let left = (1 << 20) - environment.memory.held_bytes();
        let _held = environment.memory.reserve("b", left).unwrap();
        assert_eq!(environment.put(50, &small[50..], &small).await, Ok((100, true)));
        let read = environment.uploads.read_all("a", "p", &environment.claims).await;
        assert_eq!(read.unwrap(), small);
    }

    #[tokio::test]
    async fn unused_uploads_and_those_of_a_removed_application_are_forgotten() {
        let environment = Environment::new().await;
        environment.put(0, b"a", b"a scan").await.unwrap();
        environment.uploads.expire(0, |_| true);
        assert_eq!(environment.uploads.0.lock().bytes, 6);
        environment.uploads.expire(1, |_| true);
        assert_eq!(environment.uploads.0.lock().bytes, 0);
        environment.put(0, b"a", b"a scan").await.unwrap();
        environment.uploads.expire(0, |_| false);
        assert_eq!(environment.uploads.0.lock().bytes, 0);
    }
}
