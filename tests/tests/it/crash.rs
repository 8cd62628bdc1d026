//! A power cut in the middle loses nothing and repeats nothing.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use adapter_sample::{Mailroom, Sample};
use lienthong_tests::up::{Agency, Up, write_registry};
use sdk::{
    Application, CollectError, Connection, DeliverError, Delivery, Description, File, Item, Outlet,
    Taken,
};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const MESSAGES: usize = 200;
/// So many are submitted and taken before anything is cut.
const TAKEN: usize = 50;
/// The last ones have files that take so long to upload that they are under way at the cut.
const LARGE: usize = 8;
const LARGE_BYTES: usize = 3 << 20;

/// More than any test sends.
pub(crate) const MANY: usize = 1_000_000;

/// A mail room that takes so many messages and then keeps the others waiting at its counter.
pub(crate) struct Counter {
    sample: Sample,
    may_pass: Semaphore,
}

impl Application for Counter {
    fn describe(&self) -> Description {
        self.sample.describe()
    }

    async fn deliver(&self, delivery: Delivery) -> Result<Taken, DeliverError> {
        self.may_pass.acquire().await.unwrap().forget();
        self.sample.deliver(delivery).await
    }

    async fn collect(
        &self,
        outlet: Outlet,
        shutdown: CancellationToken,
    ) -> Result<(), CollectError> {
        self.sample.collect(outlet, shutdown).await
    }
}

pub(crate) fn counter(key: &str, mailroom: &Mailroom, may_pass: usize) -> Arc<Counter> {
    let sample = Sample::new(format!("{key}-app"), "test".to_owned(), mailroom.clone());
    Arc::new(Counter { sample, may_pass: Semaphore::new(may_pass) })
}

/// An adapter that is started again whenever its link breaks.
pub(crate) fn connect(
    (gateway, key): (String, &str),
    counter: &Arc<Counter>,
    (working, stop): (&mut JoinSet<()>, &CancellationToken),
) {
    let connection = Connection { gateway, token: format!("{key}-token") };
    let (counter, stop) = (counter.clone(), stop.clone());
    working.spawn(async move {
        while !stop.is_cancelled() {
            let served = sdk::serve(counter.clone(), &connection, stop.clone()).await;
            if served.is_err() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    });
}

/// Every third message has a file, the last ones a large one.
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

/// Whatever the cut did to the answer, the same item is submitted until it has one.
async fn insist(sender: Mailroom, number: usize) -> (String, String) {
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
async fn what_was_submitted_around_a_kill_is_delivered_once() {
    let folder = tempfile::tempdir().unwrap();
    let agencies = [
        Agency { key: "mot", code: "A99.1", takes: "ioffice.portal" },
        Agency { key: "hai", code: "A99.2", takes: "ioffice.portal" },
    ];
    write_registry(&folder.path().join("registry"), &agencies);
    let mut up = Up::start(folder.path(), &[]);
    let (mut working, stop) = (JoinSet::new(), CancellationToken::new());
    let (sender, receiver) = (Mailroom::new(), Mailroom::new());
    let counter_two = counter("hai", &receiver, TAKEN);
    connect((up.gateway(), "mot"), &counter("mot", &sender, 0), (&mut working, &stop));
    connect((up.gateway(), "hai"), &counter_two, (&mut working, &stop));
    let mut sending = JoinSet::new();
    for number in 0..MESSAGES / 2 {
        sending.spawn(insist(sender.clone(), number));
    }
    let mut inbox = receiver.watch();
    drop(within("taking the first", inbox.wait_for(|it| it.len() >= TAKEN)).await.unwrap());
    for number in MESSAGES / 2..MESSAGES {
        sending.spawn(insist(sender.clone(), number));
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
    assert!(!sending.is_empty(), "nothing was being submitted at the cut");
    let taken = receiver.inbox().len();
    assert!((TAKEN..MESSAGES).contains(&taken), "{taken} of {MESSAGES} were taken at the cut");

    up.again();
    counter_two.may_pass.add_permits(MESSAGES * 100);
    while let Some(receipt) = within("submitting after the cut", sending.join_next()).await {
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
