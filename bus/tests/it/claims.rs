//! What the store of claims promises, tried over a folder and over an object store.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use bus::{
    Claim, ClaimStore,
    claim::{ClaimError, Limits, Reader, S3},
};
use bytes::Bytes;
use tempfile::TempDir;

use crate::s3::Service;

/// Each promise as a test over a folder and as one over an object store.
macro_rules! promises {
    ($($promise:ident)*) => {
        mod folder {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                super::$promise(super::Place::folder().await).await;
            })*
        }

        mod objects {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                super::$promise(super::Place::objects().await).await;
            })*
        }
    };
}

promises! {
    what_is_kept_is_read_as_it_was
    reading_begins_anywhere
    a_spool_that_is_dropped_leaves_nothing
    a_spool_is_read_back_while_it_grows
    the_same_content_is_stored_once
    what_is_missing_is_told_apart_from_what_is_damaged
    changed_content_is_found_before_the_end_is_given
    what_is_there_in_part_is_replaced
}

/// A store, and a way to see and to spoil what it holds.
struct Place {
    store: ClaimStore,
    home: TempDir,
    service: Option<Service>,
}

impl Place {
    async fn folder() -> Self {
        let home = TempDir::new().unwrap();
        let store = ClaimStore::folder(home.path().join("claims")).await.unwrap();
        Self { store, home, service: None }
    }

    async fn objects() -> Self {
        Self::objects_within(Limits::default()).await
    }

    async fn objects_within(limits: Limits) -> Self {
        let home = TempDir::new().unwrap();
        let service = Service::start().await;
        let settings = S3 {
            endpoint: service.endpoint.clone(),
            bucket: "claims".to_owned(),
            region: "local".to_owned(),
            access_key_id: "name".to_owned(),
            secret_access_key: "word".to_owned(),
            spool: home.path().join("spool"),
        };
        let store = ClaimStore::s3_within(settings, limits).await.unwrap();
        Self { store, home, service: Some(service) }
    }

    /// How many things are stored, and how many files lie in the folder.
    async fn counts(&self) -> (usize, usize) {
        let files = files(self.home.path()).len();
        match &self.service {
            Some(service) => (service.held.lock().await.objects.len(), files),
            None => (files, files),
        }
    }

    /// Puts something else where the claim is.
    async fn spoil(&self, content: &[u8]) {
        match &self.service {
            Some(service) => {
                for object in service.held.lock().await.objects.values_mut() {
                    *object = content.to_vec();
                }
            }
            None => {
                for file in files(self.home.path()) {
                    fs::write(file, content).unwrap();
                }
            }
        }
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Bytes that differ from place to place.
fn content(count: usize) -> Bytes {
    (0..count).map(|place| (place ^ (place >> 8) ^ (place >> 16)).to_le_bytes()[0]).collect()
}

async fn read(mut reader: Reader) -> Result<Bytes, ClaimError> {
    let mut all = Vec::new();
    while let Some(chunk) = reader.next().await? {
        assert!(!chunk.is_empty());
        all.extend_from_slice(&chunk);
    }
    Ok(all.into())
}

async fn what_is_kept_is_read_as_it_was(place: Place) {
    for count in [0, 1, 262_143, 262_144, 262_145, 20_000_000] {
        let content = content(count);
        let mut spool = place.store.spool().await.unwrap();
        for chunk in content.chunks(65_521) {
            spool.write(content.slice_ref(chunk)).await.unwrap();
        }
        let claim = place.store.commit(spool).await.unwrap();
        assert_eq!(claim, Claim::from_content(&content));
        assert!(place.store.exists(&claim).await.unwrap());
        let found = read(place.store.open(&claim, 0).await.unwrap()).await.unwrap();
        assert!(found == content, "{count} bytes came back changed");
    }
    if let Some(service) = &place.service {
        assert_eq!(service.held.lock().await.parts, 3, "the large one goes up in parts");
    }
}

async fn reading_begins_anywhere(place: Place) {
    let content = content(600_000);
    let claim = place.store.put(content.clone()).await.unwrap();
    for offset in [1, 262_144, 599_999, 600_000] {
        let reader = place.store.open(&claim, offset).await.unwrap();
        let begin = usize::try_from(offset).unwrap();
        assert!(read(reader).await.unwrap() == content[begin..], "from {offset}");
    }
    let beyond = place.store.open(&claim, 600_001).await;
    assert!(matches!(beyond, Err(ClaimError::Beyond { .. })), "{beyond:?}");
    let too_large = place.store.open(&claim, 0).await.unwrap().read_all(599_999).await;
    assert!(too_large.is_err());
    let all = place.store.open(&claim, 0).await.unwrap().read_all(600_000).await;
    assert!(all.unwrap() == content);
}

async fn a_spool_that_is_dropped_leaves_nothing(place: Place) {
    let mut spool = place.store.spool().await.unwrap();
    spool.write(content(3_000_000)).await.unwrap();
    // Nothing has a name yet, so a crash at this moment leaves nothing either.
    assert_eq!(place.counts().await, (0, 0));
    drop(spool);
    assert_eq!(place.counts().await, (0, 0));
}

async fn a_spool_is_read_back_while_it_grows(place: Place) {
    let content = content(900_000);
    let mut spool = place.store.spool().await.unwrap();
    spool.write(content.slice(..400_000)).await.unwrap();
    assert_eq!(spool.len(), 400_000);
    assert!(read(spool.read(0).await.unwrap()).await.unwrap() == content[..400_000]);
    spool.write(content.slice(400_000..)).await.unwrap();
    assert!(read(spool.read(399_999).await.unwrap()).await.unwrap() == content[399_999..]);
    assert_eq!(spool.claim().await.unwrap(), Claim::from_content(&content));
    assert_eq!(place.store.commit(spool).await.unwrap(), Claim::from_content(&content));
}

async fn the_same_content_is_stored_once(place: Place) {
    let content = content(1_000_000);
    let puts = (0..8).map(|_| place.store.put(content.clone()));
    for claim in futures::future::join_all(puts).await {
        assert_eq!(claim.unwrap(), Claim::from_content(&content));
    }
    assert_eq!(place.counts().await.0, 1);
}

async fn what_is_missing_is_told_apart_from_what_is_damaged(place: Place) {
    let bytes = content(10);
    let claim = Claim::from_content(&bytes);
    let missing = place.store.open(&claim, 0).await;
    assert!(matches!(missing, Err(ClaimError::Missing { .. })), "{missing:?}");
    assert!(!place.store.exists(&claim).await.unwrap());

    place.store.put(bytes).await.unwrap();
    place.spoil(&content(9)).await;
    assert!(!place.store.exists(&claim).await.unwrap());
    let damaged = place.store.open(&claim, 0).await;
    assert!(matches!(damaged, Err(ClaimError::Damaged { .. })), "{damaged:?}");
}

async fn changed_content_is_found_before_the_end_is_given(place: Place) {
    let bytes = content(600_000);
    let claim = place.store.put(bytes.clone()).await.unwrap();
    let mut changed = bytes.to_vec();
    changed[300_000] ^= 1;
    place.spoil(&changed).await;
    let found = read(place.store.open(&claim, 0).await.unwrap()).await;
    assert!(matches!(found, Err(ClaimError::Damaged { .. })), "{found:?}");
}

async fn what_is_there_in_part_is_replaced(place: Place) {
    let bytes = content(1_000);
    let claim = place.store.put(bytes.clone()).await.unwrap();
    place.spoil(b"half").await;
    assert_eq!(place.store.put(bytes.clone()).await.unwrap(), claim);
    assert!(read(place.store.open(&claim, 0).await.unwrap()).await.unwrap() == bytes);
    assert_eq!(place.counts().await.0, 1);
}

#[tokio::test]
async fn a_file_of_the_right_size_and_other_content_is_replaced() {
    let place = Place::folder().await;
    let bytes = content(600_000);
    let claim = place.store.put(bytes.clone()).await.unwrap();
    let mut changed = bytes.to_vec();
    changed[599_999] ^= 1;
    place.spoil(&changed).await;
    let before = place.store.open(&claim, 1).await.unwrap();
    assert_eq!(place.store.put(bytes.clone()).await.unwrap(), claim);
    assert!(read(place.store.open(&claim, 0).await.unwrap()).await.unwrap() == bytes);
    // Whoever was reading goes on with what he had.
    assert!(read(before).await.unwrap() == changed[1..]);
    assert_eq!(place.counts().await.0, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_may_take_long_while_it_goes_on() {
    let limits = Limits { quiet_ms_max: 400, ..Limits::default() };
    let place = Place::objects_within(limits).await;
    let bytes = content(60_000);
    let claim = place.store.put(bytes.clone()).await.unwrap();
    place.service.as_ref().unwrap().held.lock().await.pause = Some(Duration::from_millis(100));
    let begun = Instant::now();
    assert!(read(place.store.open(&claim, 0).await.unwrap()).await.unwrap() == bytes);
    assert!(begun.elapsed() > Duration::from_millis(400), "it was not slow");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_falls_silent_is_an_error_that_may_pass() {
    let limits = Limits { quiet_ms_max: 100, call_ms_max: 1_000, ..Limits::default() };
    let place = Place::objects_within(limits).await;
    let claim = place.store.put(content(60_000)).await.unwrap();
    place.service.as_ref().unwrap().held.lock().await.pause = Some(Duration::from_secs(3_600));
    let begun = Instant::now();
    let stuck = read(place.store.open(&claim, 0).await.unwrap()).await;
    assert!(stuck.unwrap_err().may_pass());
    place.service.as_ref().unwrap().held.lock().await.is_silent = true;
    assert!(place.store.put(content(100)).await.unwrap_err().may_pass());
    assert!(place.store.exists(&claim).await.unwrap_err().may_pass());
    assert!(place.store.open(&claim, 0).await.unwrap_err().may_pass());
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_is_told_the_digest_of_what_it_is_given() {
    let place = Place::objects().await;
    place.store.put(content(10)).await.unwrap();
    place.store.put(content(9_000_000)).await.unwrap();
    let held = place.service.as_ref().unwrap().held.lock().await;
    assert_eq!((held.puts, held.digests), (3, 3), "one at once, and two parts");
}
