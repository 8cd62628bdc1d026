//! The promises of the claim store, each tested over a folder and over an object store.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use bus::{
    Claim, ClaimStore,
    claim::{ClaimError, Limits, Reader, S3, StorageFailure},
};
use bytes::Bytes;
use tempfile::TempDir;

use crate::{s3::Service, small_disk::SmallDisk};

/// Each promise as a test over a folder and as one over an object store.
macro_rules! promises {
    ($($promise:ident)*) => {
        mod folder {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                super::$promise(super::TestStore::folder().await).await;
            })*
        }

        mod objects {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                super::$promise(super::TestStore::objects().await).await;
            })*
        }
    };
}

promises! {
    committed_bytes_are_read_unchanged
    reading_begins_at_any_offset
    a_spool_that_is_dropped_leaves_nothing
    a_spool_is_read_back_while_it_grows
    the_same_content_is_stored_once
    missing_and_damaged_bytes_are_different_errors
    changed_content_is_detected_before_the_last_chunk
    a_partial_copy_is_replaced
    no_damaged_byte_is_read_from_any_offset
    digests_of_pieces_that_are_lost_or_damaged_are_computed_anew
}

/// A claim store whose contents the test can count and damage.
struct TestStore {
    store: ClaimStore,
    home: TempDir,
    service: Option<Service>,
}

impl TestStore {
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
            authorities: None,
            bucket: "claims".to_owned(),
            region: "local".to_owned(),
            access_key_id: "name".to_owned(),
            secret_access_key: "word".to_owned(),
            spool: home.path().join("spool"),
        };
        let store = ClaimStore::s3_within(settings, limits).await.unwrap();
        Self { store, home, service: Some(service) }
    }

    /// The number of stored bodies, and of files in the folder.
    async fn counts(&self) -> (usize, usize) {
        let files = files(self.home.path()).len();
        match &self.service {
            Some(service) => (service.contents.lock().await.objects.len(), files),
            None => (files, files),
        }
    }

    /// Changes a byte of every stored body, or of the digests of its pieces.
    async fn damage_byte(&self, is_of_pieces: bool, index: usize) {
        let concerns = |name: &str| name.ends_with(".pieces") == is_of_pieces;
        match &self.service {
            Some(service) => {
                let mut contents = service.contents.lock().await;
                let stored = contents.objects.iter_mut().filter(|(name, _)| concerns(name));
                stored.for_each(|(_, object)| object[index] ^= 1);
            }
            None => files(self.home.path())
                .into_iter()
                .filter(|it| concerns(&it.display().to_string()))
                .for_each(|file| {
                    let mut bytes = fs::read(&file).unwrap();
                    bytes[index] ^= 1;
                    fs::write(file, bytes).unwrap();
                }),
        }
    }

    /// Removes the stored digests of pieces.
    async fn remove_pieces(&self) {
        match &self.service {
            Some(service) => {
                service.contents.lock().await.objects.retain(|name, _| !name.ends_with(".pieces"));
            }
            None => {
                let all = files(self.home.path()).into_iter();
                all.filter(|it| it.extension().is_some())
                    .for_each(|it| fs::remove_file(it).unwrap());
            }
        }
    }

    /// Replaces the content of every stored body.
    async fn damage(&self, content: &[u8]) {
        match &self.service {
            Some(service) => {
                for object in service.contents.lock().await.objects.values_mut() {
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

/// Bytes that depend on their position.
fn content(count: usize) -> Bytes {
    (0..count).map(|index| (index ^ (index >> 8) ^ (index >> 16)).to_le_bytes()[0]).collect()
}

async fn read(mut reader: Reader) -> Result<Bytes, ClaimError> {
    let mut all = Vec::new();
    while let Some(chunk) = reader.next().await? {
        assert!(!chunk.is_empty());
        all.extend_from_slice(&chunk);
    }
    Ok(all.into())
}

async fn committed_bytes_are_read_unchanged(test: TestStore) {
    for count in [0, 1, 262_143, 262_144, 262_145, 20_000_000] {
        let content = content(count);
        let mut spool = test.store.spool().await.unwrap();
        for chunk in content.chunks(65_521) {
            spool.write(content.slice_ref(chunk)).await.unwrap();
        }
        let claim = test.store.commit(spool).await.unwrap();
        assert_eq!(claim, Claim::from_content(&content));
        assert!(test.store.exists(&claim).await.unwrap());
        let found = read(test.store.open(&claim, 0).await.unwrap()).await.unwrap();
        assert!(found == content, "{count} bytes came back changed");
    }
    if let Some(service) = &test.service {
        assert_eq!(service.contents.lock().await.parts, 3, "the large one goes up in parts");
    }
}

async fn reading_begins_at_any_offset(test: TestStore) {
    let content = content(600_000);
    let claim = test.store.put(content.clone()).await.unwrap();
    for offset in [1, 262_144, 599_999, 600_000] {
        let reader = test.store.open(&claim, offset).await.unwrap();
        let begin = usize::try_from(offset).unwrap();
        assert!(read(reader).await.unwrap() == content[begin..], "from {offset}");
    }
    let beyond = test.store.open(&claim, 600_001).await;
    assert!(matches!(beyond, Err(ClaimError::Beyond { .. })), "{beyond:?}");
    let too_large = test.store.open(&claim, 0).await.unwrap().read_all(599_999).await;
    assert!(too_large.is_err());
    let all = test.store.open(&claim, 0).await.unwrap().read_all(600_000).await;
    assert!(all.unwrap() == content);
}

async fn a_spool_that_is_dropped_leaves_nothing(test: TestStore) {
    let mut spool = test.store.spool().await.unwrap();
    spool.write(content(3_000_000)).await.unwrap();
    // The file has no name yet, so a crash at this moment leaves no file either.
    assert_eq!(test.counts().await, (0, 0));
    drop(spool);
    assert_eq!(test.counts().await, (0, 0));
}

async fn a_spool_is_read_back_while_it_grows(test: TestStore) {
    let content = content(900_000);
    let mut spool = test.store.spool().await.unwrap();
    spool.write(content.slice(..400_000)).await.unwrap();
    assert_eq!(spool.len(), 400_000);
    assert!(read(spool.read(0).await.unwrap()).await.unwrap() == content[..400_000]);
    spool.write(content.slice(400_000..)).await.unwrap();
    assert!(read(spool.read(399_999).await.unwrap()).await.unwrap() == content[399_999..]);
    assert_eq!(spool.claim().await.unwrap(), Claim::from_content(&content));
    assert_eq!(test.store.commit(spool).await.unwrap(), Claim::from_content(&content));
}

async fn the_same_content_is_stored_once(test: TestStore) {
    let content = content(1_000_000);
    let puts = (0..8).map(|_| test.store.put(content.clone()));
    for claim in futures::future::join_all(puts).await {
        assert_eq!(claim.unwrap(), Claim::from_content(&content));
    }
    assert_eq!(test.counts().await.0, 1);
}

async fn missing_and_damaged_bytes_are_different_errors(test: TestStore) {
    let bytes = content(10);
    let claim = Claim::from_content(&bytes);
    let missing = test.store.open(&claim, 0).await;
    assert!(matches!(missing, Err(ClaimError::Missing { .. })), "{missing:?}");
    assert!(!test.store.exists(&claim).await.unwrap());

    test.store.put(bytes).await.unwrap();
    test.damage(&content(9)).await;
    assert!(!test.store.exists(&claim).await.unwrap());
    let damaged = test.store.open(&claim, 0).await;
    assert!(matches!(damaged, Err(ClaimError::Damaged { .. })), "{damaged:?}");
}

async fn changed_content_is_detected_before_the_last_chunk(test: TestStore) {
    let bytes = content(600_000);
    let claim = test.store.put(bytes.clone()).await.unwrap();
    let mut changed = bytes.to_vec();
    changed[300_000] ^= 1;
    test.damage(&changed).await;
    let found = read(test.store.open(&claim, 0).await.unwrap()).await;
    assert!(matches!(found, Err(ClaimError::Damaged { .. })), "{found:?}");
}

async fn a_partial_copy_is_replaced(test: TestStore) {
    let bytes = content(1_000);
    let claim = test.store.put(bytes.clone()).await.unwrap();
    test.damage(b"half").await;
    assert_eq!(test.store.put(bytes.clone()).await.unwrap(), claim);
    assert!(read(test.store.open(&claim, 0).await.unwrap()).await.unwrap() == bytes);
    assert_eq!(test.counts().await.0, 1);
}

/// Reads until the end or an error: the bytes that were returned, and whether there was an error.
async fn read_until_error(mut reader: Reader) -> (Vec<u8>, bool) {
    let mut all = Vec::new();
    loop {
        match reader.next().await {
            Ok(Some(chunk)) => all.extend_from_slice(&chunk),
            Ok(None) => return (all, false),
            Err(ClaimError::Damaged { .. }) => return (all, true),
            Err(error) => panic!("{error}"),
        }
    }
}

async fn no_damaged_byte_is_read_from_any_offset(test: TestStore) {
    const MIB: usize = 1 << 20;
    let bytes = content(5 * MIB / 2);
    let claim = test.store.put(bytes.clone()).await.unwrap();
    let damaged_at = MIB + 300_000;
    test.damage_byte(false, damaged_at).await;
    for offset in [0, 1, MIB - 1, MIB, MIB + 1, damaged_at - 1, damaged_at, damaged_at + 1] {
        let from = u64::try_from(offset).unwrap();
        let (read, is_damaged) =
            read_until_error(test.store.open(&claim, from).await.unwrap()).await;
        assert!(is_damaged, "from {offset}");
        // Whole pieces before the damage are given out, and nothing of the damaged one.
        assert!(read == bytes[offset..MIB.max(offset)], "from {offset}: {}", read.len());
    }
    let behind = test.store.open(&claim, 2 << 20).await.unwrap();
    assert!(read(behind).await.unwrap() == bytes[2 * MIB..], "another piece is not damaged");
    let small = content(700_000);
    let claim = test.store.put(small.clone()).await.unwrap();
    test.damage_byte(false, 5).await;
    let (read, is_damaged) =
        read_until_error(test.store.open(&claim, 600_000).await.unwrap()).await;
    assert!(is_damaged && read.is_empty(), "{}", read.len());
}

async fn digests_of_pieces_that_are_lost_or_damaged_are_computed_anew(test: TestStore) {
    let bytes = content(3_000_000);
    let claim = test.store.put(bytes.clone()).await.unwrap();
    let stored = test.counts().await.0;
    for loss in 0..2 {
        if loss == 0 {
            test.remove_pieces().await
        } else {
            test.damage_byte(true, 40).await
        }
        for offset in [0, 1_500_000, 2_000_000] {
            let reader = test.store.open(&claim, offset).await.unwrap();
            let begin = usize::try_from(offset).unwrap();
            assert!(read(reader).await.unwrap() == bytes[begin..], "from {offset}");
        }
        assert_eq!(test.counts().await.0, stored, "they are stored again");
    }
    test.remove_pieces().await;
    test.damage_byte(false, 0).await;
    let damaged = test.store.open(&claim, 2_500_000).await;
    assert!(matches!(damaged, Err(ClaimError::Damaged { .. })), "{damaged:?}");
}

#[tokio::test]
async fn a_file_of_the_right_size_and_other_content_is_replaced() {
    let test = TestStore::folder().await;
    let bytes = content(600_000);
    let claim = test.store.put(bytes.clone()).await.unwrap();
    let mut changed = bytes.to_vec();
    changed[599_999] ^= 1;
    test.damage(&changed).await;
    let before = test.store.open(&claim, 1).await.unwrap();
    assert_eq!(test.store.put(bytes.clone()).await.unwrap(), claim);
    assert!(read(test.store.open(&claim, 0).await.unwrap()).await.unwrap() == bytes);
    // A reader that opened the old file continues with it, and finds the damage.
    assert!(matches!(read(before).await, Err(ClaimError::Damaged { .. })));
    assert_eq!(test.counts().await.0, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_may_take_long_while_it_makes_progress() {
    let limits = Limits { quiet_ms_max: 400, ..Limits::default() };
    let test = TestStore::objects_within(limits).await;
    let bytes = content(60_000);
    let claim = test.store.put(bytes.clone()).await.unwrap();
    test.service.as_ref().unwrap().contents.lock().await.pause = Some(Duration::from_millis(100));
    let begun = Instant::now();
    assert!(read(test.store.open(&claim, 0).await.unwrap()).await.unwrap() == bytes);
    assert!(begun.elapsed() > Duration::from_millis(400), "it was not slow");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_service_is_a_retryable_error() {
    let limits = Limits { quiet_ms_max: 100, call_ms_max: 1_000, ..Limits::default() };
    let test = TestStore::objects_within(limits).await;
    let claim = test.store.put(content(60_000)).await.unwrap();
    test.service.as_ref().unwrap().contents.lock().await.pause = Some(Duration::from_secs(3_600));
    let begun = Instant::now();
    let stuck = read(test.store.open(&claim, 0).await.unwrap()).await;
    assert!(stuck.unwrap_err().is_retryable());
    test.service.as_ref().unwrap().contents.lock().await.is_silent = true;
    assert!(test.store.put(content(100)).await.unwrap_err().is_retryable());
    assert!(test.store.exists(&claim).await.unwrap_err().is_retryable());
    assert!(test.store.open(&claim, 0).await.unwrap_err().is_retryable());
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_whose_caller_goes_away_in_any_call_is_aborted() {
    let test = TestStore::objects().await;
    let contents = &test.service.as_ref().unwrap().contents;
    let mut spool = test.store.spool().await.unwrap();
    spool.write_last(content(20_000_000)).await.unwrap();
    contents.lock().await.delay = Some(Duration::from_millis(40));
    for number in 0..16 {
        let step = Duration::from_millis(25 * number);
        drop(tokio::time::timeout(step, test.store.commit_or_keep(&mut spool)).await);
    }
    assert!(contents.lock().await.begun > 8, "most were under way");
    let limit = Instant::now() + Duration::from_secs(10);
    while !contents.lock().await.uploads.is_empty() {
        assert!(Instant::now() < limit, "uploads stay open");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    contents.lock().await.delay = None;
    test.store.commit_or_keep(&mut spool).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_upload_carries_its_digest() {
    let test = TestStore::objects().await;
    test.store.put(content(10)).await.unwrap();
    test.store.put(content(9_000_000)).await.unwrap();
    let contents = test.service.as_ref().unwrap().contents.lock().await;
    let expected = "one upload, two parts, and the digests of the pieces";
    assert_eq!((contents.puts, contents.digests), (4, 4), "{expected}");
}

/// Runs the steps in a runtime of their own.
fn block_on(steps: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(steps);
}

#[test]
fn a_full_disk_keeps_what_was_written_and_takes_the_rest_once_there_is_space() {
    const TEST: &str =
        "claims::a_full_disk_keeps_what_was_written_and_takes_the_rest_once_there_is_space";
    let Some(disk) = SmallDisk::enter(TEST) else { return };
    block_on(async {
        let store = ClaimStore::folder(disk.folder().join("claims")).await.unwrap();
        let content = content(4 << 20);
        let (first, second) = (content.slice(..1_000_000), content.slice(1_000_000..));
        let mut spool = store.spool().await.unwrap();
        spool.write(first.slice(..999_000)).await.unwrap();
        // Below the size of a buffer: it is in memory when the disk becomes full.
        spool.write(first.slice(999_000..)).await.unwrap();
        disk.fill(1 << 20);
        for _ in 0..3 {
            let full = spool.write(second.clone()).await.unwrap_err();
            assert_eq!(full.storage_failure(), Some(StorageFailure::Full), "{full:?}");
            assert_eq!(spool.len(), 1_000_000);
        }
        disk.free();
        spool.write(second).await.unwrap();
        assert_eq!(store.commit_or_keep(&mut spool).await.unwrap(), Claim::from_content(&content));
        // A repeat, as after an answer that was lost.
        assert_eq!(store.commit_or_keep(&mut spool).await.unwrap(), Claim::from_content(&content));
        let sealed = spool.write(Bytes::from_static(b"more")).await.unwrap_err();
        assert!(matches!(sealed, ClaimError::Incomplete), "{sealed:?}");
        let claim = Claim::from_content(&content);
        assert!(read(store.open(&claim, 0).await.unwrap()).await.unwrap() == content);
    });
}

#[test]
fn what_a_full_disk_holds_can_be_read() {
    let Some(disk) = SmallDisk::enter("claims::what_a_full_disk_holds_can_be_read") else { return };
    block_on(async {
        let store = ClaimStore::folder(disk.folder().join("claims")).await.unwrap();
        let content = content(700_000);
        let claim = store.put(content.clone()).await.unwrap();
        disk.fill(0);
        assert!(read(store.open(&claim, 0).await.unwrap()).await.unwrap() == content);
        let full = store.put(Bytes::from(vec![1; 400_000])).await.unwrap_err();
        assert_eq!(full.storage_failure(), Some(StorageFailure::Full), "{full:?}");
    });
}
