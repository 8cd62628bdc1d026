//! Documents go on when the journal is killed or stopped and its standby takes over.

use std::process::Command;
use std::time::Duration;

use adapter_sample::SampleApplication;
use lienthong_tests::roles::Roles;
use lienthong_tests::up::{Agency, program, write_registry};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::crash::{UNLIMITED, connect, gated_application, item};
use crate::{cluster, node};

/// The longest until a document is accepted after the journal was killed.
const TAKEOVER_MAX: Duration = Duration::from_secs(5);
/// The same after it was stopped (SIGSTOP), which can happen inside a transaction.
const TAKEOVER_OF_STOPPED_MAX: Duration = Duration::from_secs(15);
/// The longest that a document is under way.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// Sends a document until it is accepted: how long that took.
async fn send_until_accepted(sender: &SampleApplication, number: usize) -> Duration {
    let begun = Instant::now();
    while begun.elapsed() < WAIT_MAX {
        match timeout(WAIT_MAX, sender.send(item(number))).await.unwrap() {
            Ok(_receipt) => return begun.elapsed(),
            Err(_unavailable) => sleep(Duration::from_millis(50)).await,
        }
    }
    panic!("document {number} was not accepted");
}

async fn wait_for_inbox(receiver: &SampleApplication, count: usize) {
    let mut inbox = receiver.watch();
    drop(timeout(WAIT_MAX, inbox.wait_for(|it| it.len() == count)).await.unwrap().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_standby_takes_over_from_a_killed_and_from_a_stopped_journal() {
    let folder = tempfile::tempdir().unwrap();
    let agencies = [
        Agency { key: "mot", code: "A99.1", takes: "ioffice.portal" },
        Agency { key: "hai", code: "A99.2", takes: "ioffice.portal" },
    ];
    write_registry(&folder.path().join("registry"), &agencies);
    let path = folder.path().to_owned();
    let starting = tokio::task::spawn_blocking(move || {
        let (node, database) = (node::Node::start(1), cluster::database());
        let roles = Roles::start_with_standby(&path, (&node.url(0), &database));
        (node, roles)
    });
    let (_node, mut roles) = starting.await.unwrap();
    let (mut working, stop) = (JoinSet::new(), CancellationToken::new());
    let (sender, receiver) = (SampleApplication::new(), SampleApplication::new());
    for (key, application) in [("mot", &sender), ("hai", &receiver)] {
        let application = gated_application(key, application, UNLIMITED);
        connect((roles.gateway(), key), &application, (&mut working, &stop));
    }
    send_until_accepted(&sender, 0).await;
    wait_for_inbox(&receiver, 1).await;

    let first = roles.serving_journal();
    let second = if first == "journal" { "standby" } else { "journal" };
    roles.kill(first);
    let took = send_until_accepted(&sender, 1).await;
    println!("accepted {took:?} after a kill of the journal");
    assert!(took < TAKEOVER_MAX, "{took:?}");
    wait_for_inbox(&receiver, 2).await;
    let (internal, token) = (roles.internal(), roles.token_file());
    let found = tokio::task::spawn_blocking(move || {
        let mut find = Command::new(program());
        find.args(["find", "--json", "--internal", &internal, "--internal-token-file"]).arg(token);
        find.output().unwrap()
    });
    let found = found.await.unwrap();
    assert!(found.status.success(), "{found:?}");

    // The killed one comes back as the standby of its standby.
    let roles = tokio::task::spawn_blocking(move || {
        roles.restart_as_standby(first);
        roles
    });
    let roles = roles.await.unwrap();
    roles.signal(second, "STOP");
    let took = send_until_accepted(&sender, 2).await;
    println!("accepted {took:?} after a stop of the journal");
    assert!(took < TAKEOVER_OF_STOPPED_MAX, "{took:?}");
    wait_for_inbox(&receiver, 3).await;
    // It no longer has the lock when it goes on, and is a standby.
    roles.signal(second, "CONT");
    send_until_accepted(&sender, 3).await;
    wait_for_inbox(&receiver, 4).await;
    stop.cancel();
    working.shutdown().await;
}
