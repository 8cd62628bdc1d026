//! One role goes away and comes back: the others go on with what they know.

use std::time::Duration;

use adapter_sample::Mailroom;
use lienthong_tests::roles::Roles;
use lienthong_tests::up::{Agency, page, write_registry};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::crash::{MANY, connect, counter, item};
use crate::{cluster, node};

#[tokio::test(flavor = "multi_thread")]
async fn without_the_registry_documents_go_on_crossing() {
    let folder = tempfile::tempdir().unwrap();
    let agencies = [
        Agency { key: "mot", code: "A99.1", takes: "ioffice.portal" },
        Agency { key: "hai", code: "A99.2", takes: "ioffice.portal" },
    ];
    write_registry(&folder.path().join("registry"), &agencies);
    let path = folder.path().to_owned();
    let starting = tokio::task::spawn_blocking(move || {
        let (node, database) = (node::Node::start(1), cluster::database());
        let roles = Roles::start(&path, (&node.url(0), &database), &[]);
        (node, roles)
    });
    let (_node, mut roles) = starting.await.unwrap();
    let (mut working, stop) = (JoinSet::new(), CancellationToken::new());
    let (sender, receiver) = (Mailroom::new(), Mailroom::new());
    connect((roles.gateway(), "mot"), &counter("mot", &sender, MANY), (&mut working, &stop));
    connect((roles.gateway(), "hai"), &counter("hai", &receiver, MANY), (&mut working, &stop));
    let limit = Duration::from_secs(30);
    let cross = async |number: usize| {
        let sent = tokio::time::timeout(limit, sender.send(item(number))).await;
        sent.unwrap().unwrap();
        let mut inbox = receiver.watch();
        let arrived = inbox.wait_for(|it| it.len() == number + 1);
        drop(tokio::time::timeout(limit, arrived).await.unwrap().unwrap());
    };
    cross(0).await;
    roles.kill("registry");
    // Long enough for the break to be noticed by everybody: a new start would have begun.
    tokio::time::sleep(Duration::from_secs(2)).await;
    for role in ["journal", "mapping", "gateway"] {
        let words = page(roles.ops_port(role), "/readyz").unwrap();
        assert!(words.starts_with("HTTP/1.1 200"), "{role}: {words}");
    }
    cross(1).await;
    let roles = tokio::task::spawn_blocking(move || {
        roles.again("registry");
        roles
    });
    let _roles = roles.await.unwrap();
    cross(2).await;
    stop.cancel();
    working.shutdown().await;
}
