//! The limit: a relay over two quorum queues with the client library alone.

use std::time::Instant;

use futures::StreamExt as _;
use futures::future::join_all;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions,
    ConfirmSelectOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Consumer};
use tokio::task::JoinSet;
use uuid::Uuid;

const WINDOW: usize = 256;
const PREFETCH: u16 = 512;
const QUEUES: [&str; 2] = ["raw.1", "raw.2"];

/// Messages a second from the first publish to the last acknowledgement, all three at work at once:
/// who publishes, who relays, who consumes. Persistent, mandatory, confirmed, in windows.
pub(crate) async fn relay(url: &str, messages: usize, bytes: usize) -> f64 {
    let publishing = connect(url).await;
    let consuming = connect(url).await;
    let setup = consuming.create_channel().await.unwrap();
    for queue in QUEUES {
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        setup.queue_declare(queue.into(), options, arguments).await.unwrap();
    }
    let (first, second) = (confirmed(&publishing).await, confirmed(&publishing).await);
    let (relayed, consumed) =
        (consumer(&consuming, QUEUES[0]).await, consumer(&consuming, QUEUES[1]).await);
    let begun = Instant::now();
    let mut working = JoinSet::new();
    working.spawn(async move {
        let body = vec![b'x'; bytes];
        for from in (0..messages).step_by(WINDOW) {
            let count = WINDOW.min(messages - from);
            publish(&first, QUEUES[0], vec![body.as_slice(); count]).await;
        }
    });
    working.spawn(windows(relayed, messages, Some(second)));
    working.spawn(windows(consumed, messages, None));
    while let Some(done) = working.join_next().await {
        done.unwrap();
    }
    let rate = messages as f64 / begun.elapsed().as_secs_f64();
    publishing.close(200, "done".into()).await.unwrap();
    consuming.close(200, "done".into()).await.unwrap();
    rate
}

async fn connect(url: &str) -> Connection {
    Connection::connect(url, ConnectionProperties::default()).await.unwrap()
}

async fn confirmed(connection: &Connection) -> Channel {
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    channel
}

async fn consumer(connection: &Connection, queue: &str) -> Consumer {
    let channel = connection.create_channel().await.unwrap();
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await.unwrap();
    let options = BasicConsumeOptions::default();
    channel.basic_consume(queue.into(), "raw".into(), options, FieldTable::default()).await.unwrap()
}

/// Takes what is ready, passes it on, and settles each window with one acknowledgement.
#[expect(clippy::disallowed_methods, reason = "this measures the client library without our bus")]
async fn windows(consumer: Consumer, messages: usize, onward: Option<Channel>) {
    let mut ready = consumer.ready_chunks(WINDOW);
    let mut count = 0;
    while count < messages {
        let window: Vec<_> = ready.next().await.unwrap().into_iter().map(Result::unwrap).collect();
        count += window.len();
        if let Some(onward) = &onward {
            publish(onward, QUEUES[1], window.iter().map(|it| it.data.as_ref()).collect()).await;
        }
        let last = &window.last().unwrap().acker;
        assert!(last.ack(BasicAckOptions { multiple: true }).await.unwrap());
    }
}

#[expect(clippy::disallowed_methods, reason = "this measures the client library without our bus")]
async fn publish(channel: &Channel, queue: &str, bodies: Vec<&[u8]>) {
    let mut confirms = Vec::with_capacity(bodies.len());
    for body in bodies {
        let properties = BasicProperties::default()
            .with_delivery_mode(2)
            .with_message_id(Uuid::now_v7().to_string().into());
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let confirm =
            channel.basic_publish("".into(), queue.into(), options, body, properties).await;
        confirms.push(confirm.unwrap());
    }
    for confirm in join_all(confirms).await {
        assert!(confirm.unwrap().is_ack());
    }
}
