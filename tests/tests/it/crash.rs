//! A kill in the middle of traffic loses no message and delivers none twice.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use adapter_sample::{SampleAdapter, SampleApplication};
use lienthong_tests::up::{Agency, Up, write_registry};
use sdk::{
    Application, CollectError, Connection, DeliverError, Delivery, Description, File, Item,
    SubmitHandle, Taken,
};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const MESSAGES: usize = 200;
/// Messages taken before the kill.
const TAKEN: usize = 50;
/// Messages at the end whose files are so large that their upload is in progress at the kill.
const LARGE: usize = 8;
const LARGE_BYTES: usize = 3 << 20;

/// More permits than any test needs.
pub(crate) const UNLIMITED: usize = 1_000_000;

/// An application that takes as many messages as it has permits, and blocks in `deliver` then.
pub(crate) struct GatedApplication {
    sample: SampleAdapter,
    may_pass: Semaphore,
}

impl Application for GatedApplication {
    fn describe(&self) -> Description {
        self.sample.describe()
    }

    async fn deliver(&self, delivery: Delivery) -> Result<Taken, DeliverError> {
        self.may_pass.acquire().await.unwrap().forget();
        self.sample.deliver(delivery).await
    }

    async fn collect(
        &self,
        submit_handle: SubmitHandle,
        shutdown: CancellationToken,
    ) -> Result<(), CollectError> {
        self.sample.collect(submit_handle, shutdown).await
    }
}

pub(crate) fn gated_application(
    key: &str,
    application: &SampleApplication,
    may_pass: usize,
) -> Arc<GatedApplication> {
    let sample = SampleAdapter::new(format!("{key}-app"), "test".to_owned(), application.clone());
    Arc::new(GatedApplication { sample, may_pass: Semaphore::new(may_pass) })
}

/// Runs an adapter, and starts it again whenever its connection breaks.
pub(crate) fn connect(
    (gateway, key): (String, &str),
    application: &Arc<GatedApplication>,
    (working, stop): (&mut JoinSet<()>, &CancellationToken),
) {
    let connection = Connection::new(gateway, format!("{key}-token"));
    let (application, stop) = (application.clone(), stop.clone());
    working.spawn(async move {
        while !stop.is_cancelled() {
            let served = sdk::serve(application.clone(), &connection, stop.clone()).await;
            if served.is_err() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    });
}

/// Every third message has an attachment; the last ones have a large one.
fn file(number: usize) -> Option<Vec<u8>> {
    let bytes = |len: usize| (0..len).map(|it| ((it + number) % 251) as u8).collect();
    match number {
        _ if number >= MESSAGES - LARGE => Some(bytes(LARGE_BYTES)),
        _ if number.is_multiple_of(3) => Some(bytes(3_000)),
        _ => None,
    }
}

pub(crate) fn item(number: usize) -> Item {
    let file = file(number);
    let listed = file
        .iter()
        .map(|_| serde_json::json!({ "Id": "1", "FileName": "Phụ lục.pdf", "FilePath": "a.pdf" }));
    let body = serde_json::json!({ "Code": 0, "Value": { "Total": 1, "Data": [{
        "Guid": format!("guid-{number}"), "SoHieu": number.to_string(), "KyHieu": "BC-VP",
        "TrichYeu": format!("Báo cáo {number}"), "NgayBanHanh": "20/11/2026", "DoMat": "0",
        "DonViNhanVanBanNgoaDonVi": [{ "MaDonVi": "A99.2" }],
        "Attachments": listed.collect::<Vec<_>>(),
    }] } });
    let files = file.into_iter().map(|bytes| File {
        reference: "a.pdf".to_owned(),
        name: "a.pdf".to_owned(),
        media_type: String::new(),
        content: bytes.into(),
    });
    Item {
        key: format!("k{number}"),
        format: "ioffice.portal".to_owned(),
        body: body.to_string().into(),
        files: files.collect(),
        ..Item::default()
    }
}

/// Submits the same item until a receipt comes back: the kill may have lost the first answer.
async fn submit_until_receipt(sender: SampleApplication, number: usize) -> (String, String) {
    let item = item(number);
    loop {
        match sender.send(item.clone()).await {
            Ok(receipt) => return (format!("guid-{number}"), receipt.message_id),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn within<T>(what: &str, waiting: impl Future<Output = T>) -> T {
    let outcome = tokio::time::timeout(Duration::from_secs(240), waiting).await;
    outcome.unwrap_or_else(|_| panic!("{what} took too long"))
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_submitted_around_a_kill_are_delivered_once() {
    let folder = tempfile::tempdir().unwrap();
    let agencies = [
        Agency { key: "mot", code: "A99.1", takes: "ioffice.portal" },
        Agency { key: "hai", code: "A99.2", takes: "ioffice.portal" },
    ];
    write_registry(&folder.path().join("registry"), &agencies);
    let mut up = Up::start(folder.path(), &[]);
    let (mut working, stop) = (JoinSet::new(), CancellationToken::new());
    let (sender, receiver) = (SampleApplication::new(), SampleApplication::new());
    let gated_receiver = gated_application("hai", &receiver, TAKEN);
    connect((up.gateway(), "mot"), &gated_application("mot", &sender, 0), (&mut working, &stop));
    connect((up.gateway(), "hai"), &gated_receiver, (&mut working, &stop));
    let mut sending = JoinSet::new();
    for number in 0..MESSAGES / 2 {
        sending.spawn(submit_until_receipt(sender.clone(), number));
    }
    let mut inbox = receiver.watch();
    drop(within("taking the first", inbox.wait_for(|it| it.len() >= TAKEN)).await.unwrap());
    for number in MESSAGES / 2..MESSAGES {
        sending.spawn(submit_until_receipt(sender.clone(), number));
    }
    let mut receipts = BTreeMap::new();
    while receipts.len() <= MESSAGES / 2 {
        let receipt = within("submitting", sending.join_next()).await.unwrap().unwrap();
        assert!(receipts.insert(receipt.0, receipt.1).is_none());
    }
    up.kill();
    while let Some(receipt) = sending.try_join_next() {
        receipts.extend([receipt.unwrap()]);
    }
    assert!(!sending.is_empty(), "nothing was being submitted at the kill");
    let taken = receiver.inbox().len();
    assert!((TAKEN..MESSAGES).contains(&taken), "{taken} of {MESSAGES} were taken at the kill");

    up.restart();
    gated_receiver.may_pass.add_permits(MESSAGES * 100);
    while let Some(receipt) = within("submitting after the kill", sending.join_next()).await {
        receipts.extend([receipt.unwrap()]);
    }
    assert_eq!(receipts.len(), MESSAGES);
    let all = inbox.wait_for(|it| {
        it.iter().map(|it| &it.index.document_id).collect::<HashSet<_>>().len() == MESSAGES
    });
    drop(within("delivering the rest", all).await.unwrap());
    let inbox = receiver.inbox();
    assert_eq!(inbox.len(), MESSAGES, "each document came under one id only");
    for ids in [
        receipts.into_values().collect::<HashSet<_>>(),
        inbox.iter().map(|it| it.message_id.clone()).collect(),
    ] {
        assert_eq!(ids.len(), MESSAGES, "no two have one id");
    }
    for number in 0..MESSAGES {
        let guid = format!("guid-{number}");
        let it = inbox.iter().find(|it| it.index.document_id == guid).unwrap();
        let files: Vec<_> = it.files.iter().map(|(_, _, bytes)| bytes.clone()).collect();
        assert!(files == Vec::from_iter(file(number)), "the files of {guid} differ");
    }
    stop.cancel();
    within("stopping", async { while working.join_next().await.is_some() {} }).await;
}
