//! Levels by the numbers of a disk, failures of writes, and the reserve.

use super::*;

fn config() -> DiskConfig {
    toml::from_str(DEFAULTS).unwrap()
}

const GIB: u64 = 1 << 30;

#[test]
fn the_smaller_of_bytes_and_percent_counts() {
    let usage = |free_bytes, total_bytes| DiskUsage {
        free_bytes,
        total_bytes,
        free_inodes: 1_000,
        total_inodes: 1_000,
    };
    for (free, total, expected) in [
        (11 * GIB, 10_000 * GIB, DiskLevel::Enough),
        (9 * GIB, 10_000 * GIB, DiskLevel::Warning),
        (GIB - 1, 10_000 * GIB, DiskLevel::Critical),
        (5 * GIB, 10 * GIB, DiskLevel::Enough),
        (GIB / 2, 10 * GIB, DiskLevel::Warning),
        (GIB / 5, 10 * GIB, DiskLevel::Critical),
        (0, 10 * GIB, DiskLevel::Critical),
    ] {
        assert_eq!(usage(free, total).level(&config()), expected, "{free} of {total}");
    }
}

#[test]
fn inodes_count_where_the_file_system_counts_them() {
    let usage = |free_inodes, total_inodes| DiskUsage {
        free_bytes: 100 * GIB,
        total_bytes: 200 * GIB,
        free_inodes,
        total_inodes,
    };
    assert_eq!(usage(0, 0).level(&config()), DiskLevel::Enough);
    assert_eq!(usage(40, 1_000).level(&config()), DiskLevel::Warning);
    assert_eq!(usage(9, 1_000).level(&config()), DiskLevel::Critical);
}

#[tokio::test]
async fn a_failed_write_is_critical_until_a_probe_succeeds() {
    let folder = tempfile::tempdir().unwrap();
    let (disk, health) = (DiskSpace::new(), Health::new());
    disk.report_failure("nobody watches");
    assert_eq!(disk.level(), DiskLevel::Enough);
    let shutdown = CancellationToken::new();
    let config = DiskConfig { poll_ms: 100, critical_bytes: 0, ..config() };
    let watched = ("test", folder.path().to_owned());
    let watching = disk.clone().watch(watched, config, health.clone(), shutdown.clone());
    let steps = async {
        let mut states = disk.state.subscribe();
        tokio::time::sleep(Duration::from_millis(50)).await;
        disk.report_failure("no space");
        assert_eq!(disk.level(), DiskLevel::Critical);
        states.wait_for(|it| it.0 != DiskLevel::Critical).await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(health.is_ready(), "{:?}", health.failures());
        std::fs::remove_dir(folder.path()).unwrap();
        states.wait_for(|it| it.0 == DiskLevel::Critical).await.unwrap();
        assert!(health.failures()[0].starts_with("disk.test: "), "{:?}", health.failures());
        shutdown.cancel();
    };
    let limit = Duration::from_secs(20);
    tokio::time::timeout(limit, async { tokio::join!(watching, steps) }).await.unwrap();
}

#[test]
fn a_reserve_takes_its_space_and_gives_it_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reserve");
    let mut reserve = ReserveFile::new(path.clone(), 1 << 20);
    assert!(!reserve.is_held());
    reserve.take().unwrap();
    reserve.take().unwrap();
    assert_eq!((reserve.is_held(), path.metadata().unwrap().len()), (true, 1 << 20));
    assert!(reserve.release() && !reserve.release() && !path.exists());
    reserve.take().unwrap();
    assert!(ReserveFile::new(path.clone(), 1 << 20).is_held(), "an earlier process has left it");
    reserve.release();
    let mut none = ReserveFile::new(path.clone(), 0);
    assert!(none.is_held() && none.take().is_ok() && !none.release() && !path.exists());
}
