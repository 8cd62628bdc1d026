//! A power cut in the middle loses nothing and repeats nothing.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use adapter_sample::{Mailroom, Sample};
use lienthong_tests::up::{Agency, Up, write_registry};
use sdk::{Connection, Item};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const MESSAGES: usize = 200;

/// An adapter that is started again whenever its link breaks.
pub(crate) fn connect(
    (gateway, key): (String, &str),
    mailroom: &Mailroom,
    (working, stop): (&mut JoinSet<()>, &CancellationToken),
) {
    let connection = Connection { gateway, token: format!("{key}-token") };
    let sample = Arc::new(Sample::new(format!("{key}-app"), "test".to_owned(), mailroom.clone()));
    let stop = stop.clone();
    working.spawn(async move {
        while !stop.is_cancelled() {
            let served = sdk::serve(sample.clone(), &connection, stop.clone()).await;
            if served.is_err() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    });
}

pub(crate) fn item(number: usize) -> Item {
    let body = serde_json::json!({ "Code": 0, "Value": { "Total": 1, "Data": [{
        "Guid": format!("guid-{number}"), "SoHieu": number.to_string(), "KyHieu": "BC-VP",
        "TrichYeu": format!("Báo cáo {number}"), "NgayBanHanh": "20/11/2026", "DoMat": "0",
        "DonViNhanVanBanNgoaDonVi": [{ "MaDonVi": "A99.2" }], "Attachments": [],
    }] } });
    Item {
        key: format!("k{number}"),
        format: "ioffice.portal".to_owned(),
        body: body.to_string().into(),
        ..Item::default()
    }
}

/// Whatever the cut did to the answer, the same item is submitted until it has one.
async fn insist(sender: Mailroom, number: usize) {
    while sender.send(item(number)).await.is_err() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
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
    connect((up.gateway(), "mot"), &sender, (&mut working, &stop));
    connect((up.gateway(), "hai"), &receiver, (&mut working, &stop));
    let mut sending = JoinSet::new();
    for number in 0..MESSAGES {
        sending.spawn(insist(sender.clone(), number));
    }
    let mut inbox = receiver.watch();
    inbox.wait_for(|it| it.len() >= MESSAGES / 4).await.unwrap();
    up.kill();
    up.again();
    let limit = Duration::from_secs(90);
    tokio::time::timeout(limit, async { while sending.join_next().await.is_some() {} })
        .await
        .unwrap();
    let arrived = inbox.wait_for(|it| {
        it.iter().map(|it| it.index.document_id.clone()).collect::<HashSet<_>>().len() == MESSAGES
    });
    drop(tokio::time::timeout(limit, arrived).await.unwrap_or_else(|_| {
        panic!("{} of {MESSAGES} arrived", receiver.inbox().len());
    }));
    assert_eq!(receiver.inbox().len(), MESSAGES, "each document came under one id only");
    stop.cancel();
    while working.join_next().await.is_some() {}
}
