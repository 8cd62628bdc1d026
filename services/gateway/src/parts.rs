//! Uploads: anonymous until an item that names them is accepted; a refusal or a crash leaves nothing.

use std::collections::HashMap;
use std::sync::Arc;

use bus::ClaimStore;
use bus::claim::{ClaimError, Spool};
use proto::exchange::v1::{PutPartRequest, PutPartResponse};
use proto::fault::code;
use proto::fault::v1::Fault;
use tokio::sync::Mutex;

use crate::config::Config;
use crate::fault::internal;
use crate::hello::CHUNK;

/// Where the bytes of an upload are.
enum Held {
    /// On their way in, without a name.
    Spool(Spool),
    /// In the store, under the name of their content.
    Kept,
    /// Nobody can say how far a write came: it failed, or whoever waited for it went away.
    Broken,
}

/// An upload.
struct Part {
    held: Held,
    size: u64,
    sha256: [u8; 32],
    received: u64,
    /// All bytes are there and have the declared digest.
    is_checked: bool,
    touched_us: i64,
}

impl Part {
    /// Takes the spool out to work on it. Until it is put back the upload counts as broken, so
    /// that a caller who goes away in the middle leaves nothing that looks whole.
    fn spool(&mut self, name: &str) -> Result<Spool, Fault> {
        match std::mem::replace(&mut self.held, Held::Broken) {
            Held::Spool(spool) => Ok(spool),
            held @ (Held::Kept | Held::Broken) => {
                self.held = held;
                Err(gone(name))
            }
        }
    }

    fn is_broken(&self) -> bool {
        matches!(self.held, Held::Broken)
    }

    /// What it holds, once it is whole.
    fn claim(&self, name: &str) -> Result<bus::Claim, Fault> {
        if self.is_broken() {
            return Err(gone(name));
        }
        if !self.is_checked {
            let received = self.received.to_string();
            return Err(Fault::new(&code::LT_EX_009)
                .param("part", name)
                .param("expected", received));
        }
        Ok(bus::Claim { sha256: self.sha256, size: self.size })
    }
}

/// What is known of an upload without waiting for who is writing it.
#[derive(Clone)]
struct Known {
    size: u64,
    part: Arc<Mutex<Part>>,
}

/// Uploads of all applications by application and name. Each has a lock of its own, so a slow
/// upload keeps nobody else waiting.
#[derive(Clone, Default)]
pub(crate) struct Parts(Arc<Mutex<HashMap<(String, String), Known>>>);

impl std::fmt::Debug for Parts {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Parts").finish_non_exhaustive()
    }
}

impl Parts {
    /// Takes the next chunk of an upload.
    pub(crate) async fn put(
        &self,
        application: &str,
        request: PutPartRequest,
        (config, claims, now_us): (&Config, &ClaimStore, i64),
    ) -> Result<PutPartResponse, Fault> {
        let sha256 = checked(&request, config)?;
        let part = loop {
            let part = self.part(application, &request, (config, claims, now_us), sha256).await?;
            if !part.lock().await.is_broken() {
                break part;
            }
            self.remove(application, &request.part, &part).await;
        };
        let name = request.part.clone();
        let outcome = put_into(&mut *part.lock().await, request, (sha256, now_us)).await;
        if part.lock().await.is_broken() {
            self.remove(application, &name, &part).await;
            return Err(outcome.err().unwrap_or_else(|| gone(&name)));
        }
        outcome
    }

    /// Lets go of an upload that is of no more use, unless another one has its name by now.
    async fn remove(&self, application: &str, name: &str, part: &Arc<Mutex<Part>>) {
        let mut parts = self.0.lock().await;
        let key = (application.to_owned(), name.to_owned());
        if parts.get(&key).is_some_and(|it| Arc::ptr_eq(&it.part, part)) {
            parts.remove(&key);
        }
    }

    async fn part(
        &self,
        application: &str,
        request: &PutPartRequest,
        (config, claims, now_us): (&Config, &ClaimStore, i64),
        sha256: [u8; 32],
    ) -> Result<Arc<Mutex<Part>>, Fault> {
        let mut parts = self.0.lock().await;
        let key = (application.to_owned(), request.part.clone());
        if let Some(known) = parts.get(&key) {
            return Ok(known.part.clone());
        }
        if request.offset > 0 {
            return Err(gone(&request.part));
        }
        let of_one = parts.iter().filter(|((owner, _), _)| owner == application);
        let (count, bytes) =
            of_one.fold((0, request.size), |(count, bytes), (_, it)| (count + 1, bytes + it.size));
        let all = parts.values().fold(request.size, |bytes, it| bytes + it.size);
        let is_full = count >= config.parts_max || bytes > config.spool_bytes_max;
        if is_full || all > config.spools_bytes_max {
            return Err(Fault::new(&code::LT_EX_008).retry_after(std::time::Duration::from_secs(5)));
        }
        let spool = claims.spool().await.map_err(|error| internal(&error))?;
        let part = Part {
            held: Held::Spool(spool),
            size: request.size,
            sha256,
            received: 0,
            // The digest of no bytes was checked with the call.
            is_checked: request.size == 0,
            touched_us: now_us,
        };
        let part = Arc::new(Mutex::new(part));
        parts.insert(key, Known { size: request.size, part: part.clone() });
        Ok(part)
    }

    async fn find(&self, application: &str, name: &str) -> Result<Arc<Mutex<Part>>, Fault> {
        let key = (application.to_owned(), name.to_owned());
        let found = self.0.lock().await.get(&key).map(|it| it.part.clone());
        found.ok_or_else(|| gone(name))
    }

    /// What a finished upload holds, without taking it away.
    pub(crate) async fn claim(&self, application: &str, name: &str) -> Result<bus::Claim, Fault> {
        let part = self.find(application, name).await?;
        let part = part.lock().await;
        part.claim(name)
    }

    /// All bytes of a finished upload that is a body.
    pub(crate) async fn bytes(
        &self,
        application: &str,
        name: &str,
        claims: &ClaimStore,
    ) -> Result<bytes::Bytes, Fault> {
        let part = self.find(application, name).await?;
        let mut part = part.lock().await;
        let claim = part.claim(name)?;
        let reader = if matches!(part.held, Held::Kept) {
            claims.open(&claim, 0).await
        } else {
            let mut spool = part.spool(name)?;
            let reader = spool.read(0).await;
            if reader.is_ok() {
                part.held = Held::Spool(spool);
            }
            reader
        };
        let reader = reader.map_err(|error| internal(&error))?;
        reader.read_all(claim.size).await.map_err(|error| internal(&error))
    }

    /// Keeps a finished upload for good. It stays an upload until [`Parts::forget`], so that the
    /// same item may be tried again; one whose keeping failed is to be uploaded again.
    pub(crate) async fn keep(
        &self,
        application: &str,
        name: &str,
        claims: &ClaimStore,
    ) -> Result<(), Fault> {
        let part = self.find(application, name).await?;
        let mut part = part.lock().await;
        part.claim(name)?;
        if matches!(part.held, Held::Kept) {
            return Ok(());
        }
        let spool = part.spool(name)?;
        claims.commit(spool).await.map_err(|error| internal(&error))?;
        part.held = Held::Kept;
        Ok(())
    }

    /// Lets go of uploads that were used.
    pub(crate) async fn forget(&self, application: &str, names: &[String]) {
        if names.is_empty() {
            return;
        }
        let mut parts = self.0.lock().await;
        for name in names {
            parts.remove(&(application.to_owned(), name.clone()));
        }
    }

    /// Lets go of uploads nobody came back to.
    pub(crate) async fn expire(&self, before_us: i64) {
        let mut parts = self.0.lock().await;
        parts.retain(|_, it| it.part.try_lock().map_or(true, |it| it.touched_us >= before_us));
    }
}

/// Takes the next chunk, or says how far the upload is.
async fn put_into(
    part: &mut Part,
    request: PutPartRequest,
    (sha256, now_us): ([u8; 32], i64),
) -> Result<PutPartResponse, Fault> {
    if part.size != request.size || part.sha256 != sha256 {
        return Err(Fault::new(&code::LT_EX_005).param("part", &request.part));
    }
    part.touched_us = now_us;
    if !request.data.is_empty() {
        append(&request, part).await?;
    }
    let (received, complete) = (part.received, part.is_checked);
    Ok(PutPartResponse { part: request.part, received, complete })
}

/// Adds a chunk. The spool is put back only when all went well: an upload of which nobody can say
/// how far it came is broken.
async fn append(request: &PutPartRequest, part: &mut Part) -> Result<(), Fault> {
    if request.offset != part.received {
        return Err(Fault::new(&code::LT_EX_003)
            .param("part", &request.part)
            .param("offset", request.offset.to_string())
            .param("expected", part.received.to_string()));
    }
    let received = part.received + u64::try_from(request.data.len()).unwrap_or(u64::MAX);
    if received > part.size {
        return Err(Fault::new(&code::LT_EX_006).param("part", &request.part));
    }
    let mut spool = part.spool(&request.part)?;
    let written = async {
        spool.write(request.data.clone()).await?;
        let is_whole = received == part.size;
        Ok::<_, ClaimError>(if is_whole { Some(spool.claim().await?) } else { None })
    };
    let claim = written.await.map_err(|error| {
        // The words are for the log; what the caller must do is begin again.
        drop(internal(&error));
        gone(&request.part)
    })?;
    if claim.is_some_and(|it| it.sha256 != part.sha256) {
        return Err(Fault::new(&code::LT_EX_007).param("part", &request.part));
    }
    part.is_checked = claim.is_some();
    part.received = received;
    part.held = Held::Spool(spool);
    Ok(())
}

fn gone(part: &str) -> Fault {
    Fault::new(&code::LT_EX_004).param("part", part).param("expected", "0")
}

fn checked(request: &PutPartRequest, config: &Config) -> Result<[u8; 32], Fault> {
    let name_is_fine = (1..=100).contains(&request.part.len())
        && request.part.bytes().all(|it| it.is_ascii_alphanumeric() || b"._-".contains(&it));
    if !name_is_fine {
        return Err(field(
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
    if request.data.len() > CHUNK as usize {
        return Err(field("data", "mỗi lần nhiều nhất 1 MiB", "at most 1 MiB at a time"));
    }
    let sha256 = request.sha256.as_ref().try_into();
    let sha256: [u8; 32] = sha256
        .map_err(|_length| field("sha256", "cần 32 byte SHA-256", "must be 32 bytes of SHA-256"))?;
    if request.size == 0 && sha256 != bus::Claim::from_content(&[]).sha256 {
        return Err(Fault::new(&code::LT_EX_007).param("part", &request.part));
    }
    Ok(sha256)
}

/// A field of the call that is wrong.
pub(crate) fn field(path: &str, vi: &str, en: &str) -> Fault {
    Fault::new(&code::LT_EX_011).param("field", path).violation(path, vi, en)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures::FutureExt as _;

    use super::*;

    /// Large enough that it goes to the disk at once.
    const LARGE: usize = 600_000;

    struct Stand {
        parts: Parts,
        config: Config,
        claims: ClaimStore,
        _folder: tempfile::TempDir,
    }

    impl Stand {
        async fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let claims = ClaimStore::folder(folder.path()).await.unwrap();
            let config = toml::from_str(crate::DEFAULTS).unwrap();
            Self { parts: Parts::default(), config, claims, _folder: folder }
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
            let put = self.parts.put("a", request, (&self.config, &self.claims, 0)).await;
            put.map(|it| (it.received, it.complete)).map_err(|it| it.code)
        }
    }

    #[tokio::test]
    async fn an_upload_whose_caller_went_away_in_the_middle_begins_again() {
        let stand = Stand::new().await;
        let whole = vec![7; LARGE];
        assert_eq!(stand.put(0, &whole[..10], &whole).await, Ok((10, false)));
        assert_eq!(stand.put(10, &whole[10..], &whole).now_or_never(), None);
        assert_eq!(stand.put(10, &whole[10..], &whole).await, Err("LT-EX-004".to_owned()));
        assert_eq!(stand.put(0, &whole[..10], &whole).await, Ok((10, false)));
        assert_eq!(stand.put(10, &whole[10..], &whole).now_or_never(), None);
        assert_eq!(stand.put(0, &whole, &whole).await, Ok((LARGE as u64, true)));
    }

    #[tokio::test]
    async fn what_was_cut_while_it_was_kept_is_never_said_to_be_kept() {
        let stand = Stand::new().await;
        let whole = vec![7; LARGE];
        stand.put(0, &whole, &whole).await.unwrap();
        let keep = || stand.parts.keep("a", "p", &stand.claims);
        assert!(keep().now_or_never().is_none());
        assert_eq!(keep().await.unwrap_err().code, "LT-EX-004");
        assert_eq!(stand.parts.claim("a", "p").await.unwrap_err().code, "LT-EX-004");
        assert_eq!(stand.put(0, &whole, &whole).await, Ok((LARGE as u64, true)));
        keep().await.unwrap();
        keep().await.unwrap();
        assert_eq!(stand.parts.bytes("a", "p", &stand.claims).await.unwrap(), whole);
    }
}
