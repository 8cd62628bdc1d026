//! Messages that somebody with the broker's password takes out, changes and puts back: no application
//! gets them, and the genuine ones arrive at once.

use std::time::Duration;

use adapter_sample::{ReceivedMessage, SampleApplication};
use futures::StreamExt as _;
use futures::stream::select_all;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicPublishOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use lienthong_tests::roles::Roles;
use lienthong_tests::up::{Agency, write_registry};
use proto::journal::v1::ResendRequest;
use proto::journal::v1::journal_client::JournalClient;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::transport::Endpoint;

use crate::crash::{UNLIMITED, connect, gated_application, item};
use crate::{cluster, node};

pub(crate) const QUEUE: &str = "delivery.hai-app";

/// Partitions of intake, as configured by default.
pub(crate) const PARTITIONS: usize = 8;

/// The longest wait for a step. The genuine messages must not wait for a retry schedule.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(30);

pub(crate) async fn open_channel(url: &str) -> (Connection, Channel) {
    let connection = Connection::connect(url, ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    (connection, channel)
}

type TakenMessage = (BasicProperties, Vec<u8>);

/// Takes the next `count` messages out of queues that nobody else receives from, each with the name of
/// its queue.
#[expect(clippy::disallowed_methods, reason = "somebody who does not go through the bus")]
async fn take_next(
    connection: &Connection,
    queues: &[String],
    count: usize,
) -> Vec<(String, TakenMessage)> {
    let channel = connection.create_channel().await.unwrap();
    let mut consumers = Vec::new();
    for queue in queues {
        let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
        let consuming = channel.basic_consume(queue.as_str().into(), "".into(), options, arguments);
        let consumer = consuming.await.unwrap();
        consumers.push(consumer.map(|taken| (queue.clone(), taken.unwrap())));
    }
    let mut deliveries = select_all(consumers);
    let mut all = Vec::new();
    while all.len() < count {
        let next = tokio::time::timeout(WAIT_MAX, deliveries.next()).await;
        let (queue, taken) = next.unwrap().unwrap();
        taken.acker.ack(BasicAckOptions::default()).await.unwrap();
        all.push((queue, (taken.properties, taken.data)));
    }
    channel.close(200, "done".into()).await.unwrap();
    all
}

#[expect(clippy::disallowed_methods, reason = "somebody who does not go through the bus")]
async fn put(channel: &Channel, queue: &str, (properties, bytes): TakenMessage) {
    let (exchange, queue) = (ShortString::from(""), ShortString::from(queue));
    let options = BasicPublishOptions::default();
    channel.basic_publish(exchange, queue, options, &bytes, properties).await.unwrap();
}

/// Replaces a text by one of the same length, so that the event stays readable.
fn replace(bytes: &mut [u8], from: &str, to: &str) {
    assert_eq!(from.len(), to.len());
    let windows = bytes.windows(from.len()).enumerate();
    let places: Vec<usize> =
        windows.filter(|(_, it)| *it == from.as_bytes()).map(|(index, _)| index).collect();
    assert!(!places.is_empty(), "there is no {from}");
    for place in places {
        bytes[place..place + to.len()].copy_from_slice(to.as_bytes());
    }
}

pub(crate) struct Stand {
    pub(crate) node: node::Node,
    pub(crate) roles: Roles,
    _folder: tempfile::TempDir,
}

pub(crate) async fn start() -> Stand {
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
    let (node, roles) = starting.await.unwrap();
    Stand { node, roles, _folder: folder }
}

/// Two applications, and what keeps them connected.
pub(crate) struct Applications {
    pub(crate) sender: SampleApplication,
    pub(crate) receiver: SampleApplication,
    working: JoinSet<()>,
    stopping: CancellationToken,
}

impl Applications {
    pub(crate) fn new() -> Self {
        Self {
            sender: SampleApplication::new(),
            receiver: SampleApplication::new(),
            working: JoinSet::new(),
            stopping: CancellationToken::new(),
        }
    }

    pub(crate) fn connect_sender(&mut self, stand: &Stand) {
        let from = gated_application("mot", &self.sender, UNLIMITED);
        connect((stand.roles.gateway(), "mot"), &from, (&mut self.working, &self.stopping));
    }

    pub(crate) fn connect_receiver(&mut self, stand: &Stand) {
        let to = gated_application("hai", &self.receiver, UNLIMITED);
        connect((stand.roles.gateway(), "hai"), &to, (&mut self.working, &self.stopping));
    }

    pub(crate) async fn stop(mut self) {
        self.stopping.cancel();
        self.working.shutdown().await;
    }
}

/// The subjects of the received documents: exactly those that were sent, in any order.
pub(crate) async fn assert_received(receiver: &SampleApplication, count: usize) {
    let mut inbox = receiver.watch();
    let arrived = inbox.wait_for(|it| it.len() >= count);
    drop(tokio::time::timeout(WAIT_MAX, arrived).await.unwrap().unwrap());
    // Long enough for a copy too many.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut texts: Vec<String> =
        receiver.inbox().iter().map(|it| String::from_utf8_lossy(&it.body).into_owned()).collect();
    texts.sort_unstable();
    assert_eq!(texts.len(), count, "{texts:#?}");
    for number in 0..count {
        let subject = format!("\"Báo cáo {number}\"");
        assert_eq!(texts.iter().filter(|it| it.contains(&subject)).count(), 1, "{texts:#?}");
    }
    assert!(!texts.iter().any(|it| it.contains("Bao")), "{texts:#?}");
}

/// Sends a document again, as an operator does.
async fn resend(roles: &Roles, message_id: String) {
    let endpoint = Endpoint::from_shared(roles.internal()).unwrap();
    let mut journal = JournalClient::new(endpoint.connect_lazy());
    let token = std::fs::read_to_string(roles.token_file()).unwrap();
    let reason = "cơ quan làm mất".to_owned();
    let message = ResendRequest { message_id, reason, ..ResendRequest::default() };
    let mut request = tonic::Request::new(message);
    let header = format!("Bearer {}", token.trim()).parse().unwrap();
    request.metadata_mut().insert("authorization", header);
    journal.resend(request).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_gets_the_genuine_documents_whatever_was_done_to_its_channel() {
    let stand = start().await;
    let mut applications = Applications::new();
    applications.connect_sender(&stand);
    for number in 0..4 {
        tokio::time::timeout(WAIT_MAX, applications.sender.send(item(number)))
            .await
            .unwrap()
            .unwrap();
    }
    let (connection, channel) = open_channel(&stand.node.url(0)).await;
    let taken = take_next(&connection, &[QUEUE.to_owned()], 4).await;
    let taken: Vec<_> = taken.into_iter().map(|(_, message)| message).collect();
    // The body; the sender; a new message under a new id beside the genuine one; no event at all.
    let [mut body, mut header, genuine, mut broken] = <[_; 4]>::try_from(taken).unwrap();
    replace(&mut body.1, "Báo cáo", "Bao  cao ");
    replace(&mut header.1, "mot", "hai");
    let mut foreign = genuine.clone();
    let id = genuine.0.message_id().clone().unwrap().to_string();
    let foreign_id = format!("00000000{}", id.split_at(8).1);
    replace(&mut foreign.1, &id, &foreign_id);
    foreign.0 = foreign.0.with_message_id(foreign_id.into());
    broken.1.truncate(20);
    for message in [body, header, foreign, genuine, broken] {
        put(&channel, QUEUE, message).await;
    }
    applications.connect_receiver(&stand);
    assert_received(&applications.receiver, 4).await;
    assert!(applications.receiver.inbox().iter().all(|it| it.sender == "mot"));
    applications.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_altered_in_intake_is_not_routed() {
    let mut stand = start().await;
    let mut applications = Applications::new();
    applications.connect_sender(&stand);
    applications.connect_receiver(&stand);
    let receipt =
        tokio::time::timeout(WAIT_MAX, applications.sender.send(item(0))).await.unwrap().unwrap();
    assert_received(&applications.receiver, 1).await;
    // A copy that nobody routes yet, because mapping is down.
    stand.roles.kill("mapping");
    resend(&stand.roles, receipt.message_id).await;
    let partitions: Vec<String> = (0..PARTITIONS).map(|it| format!("intake.{it}")).collect();
    let (connection, channel) = open_channel(&stand.node.url(0)).await;
    let (queue, genuine) = take_next(&connection, &partitions, 1).await.remove(0);
    let mut altered = genuine.clone();
    replace(&mut altered.1, "Báo cáo", "Bao  cao ");
    let mut broken = genuine;
    broken.1.truncate(20);
    put(&channel, &queue, broken).await;
    put(&channel, &queue, altered).await;
    let restarting = tokio::task::spawn_blocking(move || {
        stand.roles.restart("mapping");
        stand
    });
    let _stand = restarting.await.unwrap();
    let genuine =
        |it: &ReceivedMessage| String::from_utf8_lossy(&it.body).contains("\"Báo cáo 0\"");
    let mut inbox = applications.receiver.watch();
    let arrived = inbox.wait_for(|it| it.len() >= 2);
    drop(tokio::time::timeout(WAIT_MAX, arrived).await.unwrap().unwrap());
    tokio::time::sleep(Duration::from_secs(2)).await;
    let received = applications.receiver.inbox();
    assert_eq!(received.len(), 2, "{received:#?}");
    assert!(received.iter().all(genuine), "{received:#?}");
    applications.stop().await;
}
