//! The claim store's disk is full: calls that need space are to be repeated, and nothing is lost.

use std::time::Duration;

use bus::Body;
use chassis::disk::{DiskConfig, DiskLevel};
use chassis::health::Health;
use proto::exchange::v1::submit_request::Body as SubmittedBody;
use proto::exchange::v1::{GetPartRequest, settle_request};
use proto::fault::v1::{Fault, Reason};
use tokio_util::sync::CancellationToken;

use crate::environment::{Environment, request, taken};
use crate::small_disk::SmallDisk;
use crate::waiting::{timed, wait_for};

const MIB: usize = 1 << 20;

/// A refusal that tells the caller to repeat the same call later.
fn assert_full<T: std::fmt::Debug>(result: Result<T, Fault>) {
    let fault = result.unwrap_err();
    assert_eq!((fault.code.as_str(), fault.reason()), ("LT-STO-001", Reason::Exhausted));
    assert_eq!(fault.entry().unwrap().http, 507);
    assert_eq!(fault.wait(), Some(Duration::from_secs(5)));
    assert!(!fault.params.contains_key("expected"), "it must not name an offset: {fault:?}");
}

fn block_on(steps: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(steps);
}

#[test]
fn an_upload_goes_on_at_its_offset_once_the_full_disk_has_space() {
    const TEST: &str = "full_disk::an_upload_goes_on_at_its_offset_once_the_full_disk_has_space";
    let Some(disk) = SmallDisk::enter(TEST) else { return };
    block_on(async {
        let environment = Environment::with_claims_in(disk.folder(), |_| {}).await;
        let whole: Vec<u8> = (0..4 * MIB).map(|it| (it % 251) as u8).collect();
        let put = async |chunk: usize| {
            let data = &whole[chunk * MIB..(chunk + 1) * MIB];
            environment.put("p", chunk * MIB, data, &whole).await
        };
        put(0).await.unwrap();
        put(1).await.unwrap();
        disk.fill(MIB as u64 / 2);
        for _ in 0..3 {
            assert_full(put(2).await);
            let progress = environment.put("p", 2 * MIB, b"", &whole).await.unwrap();
            assert_eq!((progress.received, progress.complete), (2 * MIB as u64, false));
        }
        disk.free();
        put(2).await.unwrap();
        assert!(put(3).await.unwrap().complete);
        let body = SubmittedBody::Inline("x".into());
        environment.submit_with("k", body, &["p"]).await.unwrap();
        assert!(environment.claims.exists(&bus::Claim::from_content(&whole)).await.unwrap());
    });
}

#[test]
fn a_file_inside_a_packet_and_a_large_body_are_refused_while_the_disk_is_full() {
    const TEST: &str =
        "full_disk::a_file_inside_a_packet_and_a_large_body_are_refused_while_the_disk_is_full";
    let Some(disk) = SmallDisk::enter(TEST) else { return };
    if disk.is_limited {
        println!("no small disk can be mounted here, and a limit would reach the journal as well");
        return;
    }
    block_on(async {
        let environment = Environment::with_claims_in(disk.folder(), |_| {}).await;
        let packet = [b"packed:".as_slice(), &[7; 300_000]].concat();
        let large = vec![b'b'; 400_000];
        disk.fill(64 * 1024);
        for _ in 0..2 {
            assert_full(environment.submit("packet", &packet).await);
            assert_full(environment.submit("large", &large).await);
        }
        // It needs no space in the claim store.
        environment.submit("small", b"a small document").await.unwrap();
        disk.free();
        for (key, body) in [("packet", &packet), ("large", &large)] {
            let receipt = environment.submit(key, body).await.unwrap().receipt.unwrap();
            assert!(!receipt.repeat, "nothing of the refused submits may remain");
        }
    });
}

#[test]
fn files_are_delivered_and_settled_while_the_disk_is_full() {
    const TEST: &str = "full_disk::files_are_delivered_and_settled_while_the_disk_is_full";
    let Some(disk) = SmallDisk::enter(TEST) else { return };
    if disk.is_limited {
        println!("no small disk can be mounted here, and a limit would reach the journal as well");
        return;
    }
    block_on(async {
        let mut environment = Environment::with_claims_in(disk.folder(), |_| {}).await;
        let file = vec![9; 700_000];
        let id = environment.publish_delivery("m1", Body::Inline("native".into()), &[&file]).await;
        disk.fill(0);
        let session = environment.open_session("adapter").await;
        let mut stream = environment.receive(&session, 1).await;
        let delivery = timed(stream.message()).await.unwrap().unwrap();
        let part = GetPartRequest {
            session: session.clone(),
            message_id: id.clone(),
            attachment: "0".to_owned(),
            offset: 0,
        };
        let mut chunks = environment.client.get_part(request(part)).await.unwrap().into_inner();
        let mut read = Vec::new();
        while let Some(chunk) = chunks.message().await.unwrap() {
            read.extend_from_slice(&chunk.data);
        }
        assert!(read == file);
        let answer: settle_request::Answer = taken();
        environment.settle(&session, (&id, delivery.lease), answer).await.unwrap();
    });
}

#[tokio::test]
async fn a_disk_with_little_space_takes_no_documents_and_finishes_what_is_held() {
    let mut environment = Environment::new().await;
    let id = environment.publish_delivery("m1", Body::Inline("native".into()), &[b"file"]).await;
    let whole = vec![5; 2 * MIB];
    environment.put("p", 0, &whole[..MIB], &whole).await.unwrap();
    let (disk, health) = (environment.disk.clone(), Health::new());
    let mut config: DiskConfig = toml::from_str(chassis::disk::DEFAULTS).unwrap();
    (config.critical_bytes, config.critical_percent) = (u64::MAX, 100);
    let folder = ("claims", environment.claims_folder.path().to_owned());
    let stop = CancellationToken::new();
    environment.running.spawn(disk.clone().watch(folder, config, health.clone(), stop.clone()));
    wait_for(async || (disk.level() == DiskLevel::Critical).then_some(())).await;
    assert!(health.failures()[0].starts_with("disk.claims: "), "{:?}", health.failures());
    assert_full(environment.submit("document", b"a document").await);
    assert_full(environment.put("p", MIB, &whole[MIB..], &whole).await);
    let progress = environment.put("p", MIB, b"", &whole).await.unwrap();
    assert_eq!(progress.received, MIB as u64);
    // What is held goes on.
    environment.submit("status", b"status: arrived").await.unwrap();
    let session = environment.open_session("adapter").await;
    let mut stream = environment.receive(&session, 1).await;
    let delivery = timed(stream.message()).await.unwrap().unwrap();
    environment.settle(&session, (&id, delivery.lease), taken()).await.unwrap();
    stop.cancel();
}

#[tokio::test]
async fn a_stored_file_that_is_missing_is_named_as_such() {
    let mut environment = Environment::new().await;
    let file = b"a scanned page";
    let id = environment.publish_delivery("m1", Body::Inline("native".into()), &[file]).await;
    let name = bus::Claim::from_content(file).sha256_hex();
    let folder: String = name.chars().take(2).collect();
    std::fs::remove_file(environment.claims_folder.path().join(folder).join(name)).unwrap();
    let session = environment.open_session("adapter").await;
    let mut stream = environment.receive(&session, 1).await;
    timed(stream.message()).await.unwrap();
    let attachment = "0".to_owned();
    let part = GetPartRequest { session, message_id: id, attachment, offset: 0 };
    let missing = environment.client.get_part(request(part)).await.unwrap_err();
    assert_eq!(Fault::from_status(&missing).unwrap().code, "LT-STO-003");
}
