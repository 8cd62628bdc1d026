//! The other roles go on while one role is down and after it came back.

use std::time::Duration;

use adapter_sample::SampleApplication;
use lienthong_tests::roles::Roles;
use lienthong_tests::up::{Agency, http_get, write_registry};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::crash::{UNLIMITED, connect, gated_application, item};
use crate::{cluster, node};

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_delivered_while_the_registry_is_down() {
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
    let (sender, receiver) = (SampleApplication::new(), SampleApplication::new());
    connect(
        (roles.gateway(), "mot"),
        &gated_application("mot", &sender, UNLIMITED),
        (&mut working, &stop),
    );
    connect(
        (roles.gateway(), "hai"),
        &gated_application("hai", &receiver, UNLIMITED),
        (&mut working, &stop),
    );
    let limit = Duration::from_secs(30);
    let deliver = async |number: usize| {
        let sent = tokio::time::timeout(limit, sender.send(item(number))).await;
        sent.unwrap().unwrap();
        let mut inbox = receiver.watch();
        let arrived = inbox.wait_for(|it| it.len() == number + 1);
        drop(tokio::time::timeout(limit, arrived).await.unwrap().unwrap());
    };
    deliver(0).await;
    roles.kill("registry");
    // Long enough for every role to notice the broken watch and to have restarted, if it did.
    tokio::time::sleep(Duration::from_secs(2)).await;
    for role in ["journal", "mapping", "gateway"] {
        let words = http_get(roles.ops_port(role), "/readyz").unwrap();
        assert!(words.starts_with("HTTP/1.1 200"), "{role}: {words}");
    }
    deliver(1).await;
    let roles = tokio::task::spawn_blocking(move || {
        roles.restart("registry");
        roles
    });
    let _roles = roles.await.unwrap();
    deliver(2).await;
    stop.cancel();
    working.shutdown().await;
}
