//! Uploads: anonymous until an item that names them is accepted; a refusal or a crash leaves nothing.

use std::collections::HashMap;
use std::sync::Arc;

use bus::ClaimStore;
use bus::claim::Spool;
use proto::exchange::v1::{PutPartRequest, PutPartResponse};
use proto::fault::code;
use proto::fault::v1::Fault;
use tokio::sync::Mutex;

use crate::config::Config;
use crate::fault::internal;
use crate::hello::CHUNK;

/// An upload.
struct Part {
    spool: Option<Spool>,
    size: u64,
    sha256: [u8; 32],
    received: u64,
    touched_us: i64,
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
        let part = self.part(application, &request, (config, claims, now_us), sha256).await?;
        let mut part = part.lock().await;
        if part.size != request.size || part.sha256 != sha256 {
            return Err(Fault::new(&code::LT_EX_005).param("part", &request.part));
        }
        part.touched_us = now_us;
        if !request.data.is_empty() {
            if request.offset != part.received {
                let expected = part.received.to_string();
                return Err(Fault::new(&code::LT_EX_003)
                    .param("part", &request.part)
                    .param("offset", request.offset.to_string())
                    .param("expected", expected));
            }
            self.append(application, &request, &mut part).await?;
        }
        let complete = part.received == part.size;
        Ok(PutPartResponse { part: request.part, received: part.received, complete })
    }

    async fn append(
        &self,
        application: &str,
        request: &PutPartRequest,
        part: &mut Part,
    ) -> Result<(), Fault> {
        let len = u64::try_from(request.data.len()).unwrap_or(u64::MAX);
        if part.received + len > part.size {
            return Err(Fault::new(&code::LT_EX_006).param("part", &request.part));
        }
        let Some(spool) = &mut part.spool else { return Err(gone(&request.part)) };
        spool.write(request.data.clone()).await.map_err(|error| internal(&error))?;
        part.received += len;
        if part.received == part.size {
            let claim = spool.claim().await.map_err(|error| internal(&error))?;
            if claim.sha256 != part.sha256 {
                part.spool = None;
                self.0.lock().await.remove(&(application.to_owned(), request.part.clone()));
                return Err(Fault::new(&code::LT_EX_007).param("part", &request.part));
            }
        }
        Ok(())
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
            spool: Some(spool),
            size: request.size,
            sha256,
            received: 0,
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
        if part.received != part.size {
            return Err(Fault::new(&code::LT_EX_009)
                .param("part", name)
                .param("expected", part.received.to_string()));
        }
        Ok(bus::Claim { sha256: part.sha256, size: part.size })
    }

    /// All bytes of a finished upload that is a body.
    pub(crate) async fn bytes(&self, application: &str, name: &str) -> Result<bytes::Bytes, Fault> {
        let part = self.find(application, name).await?;
        let mut part = part.lock().await;
        let size = part.size;
        let Some(spool) = &mut part.spool else { return Err(gone(name)) };
        let reader = spool.read(0).await.map_err(|error| internal(&error))?;
        reader.read_all(size).await.map_err(|error| internal(&error))
    }

    /// Keeps a finished upload for good. It stays an upload until [`Parts::forget`].
    pub(crate) async fn keep(
        &self,
        application: &str,
        name: &str,
        claims: &ClaimStore,
    ) -> Result<(), Fault> {
        let part = self.find(application, name).await?;
        let mut part = part.lock().await;
        match part.spool.take() {
            Some(spool) => {
                claims.keep(spool).await.map_err(|error| internal(&error))?;
                Ok(())
            }
            // An earlier try of the same item kept it.
            None => Ok(()),
        }
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
    if request.size == 0 && sha256 != bus::Claim::of(&[]).sha256 {
        return Err(Fault::new(&code::LT_EX_007).param("part", &request.part));
    }
    Ok(sha256)
}

/// A field of the call that is wrong.
pub(crate) fn field(path: &str, vi: &str, en: &str) -> Fault {
    Fault::new(&code::LT_EX_011).param("field", path).violation(path, vi, en)
}
