//! The queues and exchanges: one service declares them, the others compare them.

use lapin::{
    ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions},
    types::{AMQPValue, FieldTable},
};

use super::connection::RabbitMq;
use crate::{
    channel::Channel,
    error::{BrokerError, TopologyDifference, TopologyError},
};

/// The exchange of broadcasts.
pub(super) const CONTROL: &str = "lienthong.control";
const INTAKE: &str = "lienthong.intake";
const DELIVERY: &str = "lienthong.delivery";
/// The exchange of unroutable and dead-lettered messages.
const UNDELIVERABLE: &str = "lienthong.stranded";

/// The delivery limit. It is high because the journal counts the attempts; it only stops a message
/// that ends its receiver at every delivery. Without a limit a returned message would go to the end
/// of its queue and lose its order.
const DELIVERIES_MAX: i32 = 1_000;

/// The delivery limit of the undeliverable queue, practically none: beyond it the broker would drop
/// the message, because that queue has no dead-letter exchange.
const UNDELIVERABLE_DELIVERIES_MAX: i32 = 1_000_000_000;

/// Time to live of a probe, so that probes of processes that ended do not pile up.
const PROBE_MS: i32 = 60_000;

/// AMQP's reply code of a missing queue or exchange.
const NOT_FOUND: u16 = 404;
/// AMQP's reply code of a declaration with other arguments.
const PRECONDITION_FAILED: u16 = 406;

/// A queue, exchange or binding.
enum TopologyItem {
    Exchange { name: String, kind: ExchangeKind, arguments: FieldTable },
    Queue { name: String, arguments: FieldTable },
    Binding { queue: String, exchange: &'static str },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Declare,
    Compare,
}

/// Declares what is missing, and reports what differs.
pub(crate) async fn declare(bus: &RabbitMq) -> Result<(), TopologyError> {
    apply(bus, list_items(bus.settings().partitions), Purpose::Declare).await
}

/// Reports what is missing or differs.
pub(crate) async fn compare(bus: &RabbitMq) -> Result<(), TopologyError> {
    apply(bus, list_items(bus.settings().partitions), Purpose::Compare).await
}

/// Declares the queue of one application.
pub(crate) async fn declare_delivery(
    bus: &RabbitMq,
    channel: &Channel,
) -> Result<(), TopologyError> {
    let mut differences = Vec::new();
    for item in channel_items(channel, DELIVERY, false) {
        differences.extend(apply_item(bus, &item, Purpose::Declare).await?);
    }
    report(differences)
}

/// The mark of a broker that was prepared before.
fn preparation_mark() -> TopologyItem {
    exchange("lienthong.prepared", ExchangeKind::Fanout, &[])
}

/// Whether the broker has the mark.
pub(crate) async fn is_marked(bus: &RabbitMq) -> Result<bool, BrokerError> {
    exists(bus, &preparation_mark()).await
}

/// Leaves the mark.
pub(crate) async fn mark(bus: &RabbitMq) -> Result<(), BrokerError> {
    declare_item(bus, &preparation_mark(), false).await
}

/// The number of consumers of a channel; 0 when the channel does not exist.
pub(crate) async fn count_consumers(bus: &RabbitMq, channel: &Channel) -> Result<u32, BrokerError> {
    Ok(inspect(bus, channel).await?.map_or(0, |(_, consumers)| consumers))
}

/// How many ready messages and consumers a channel has.
pub(crate) async fn inspect(
    bus: &RabbitMq,
    channel: &Channel,
) -> Result<Option<(u32, u32)>, BrokerError> {
    let link = bus.consuming_link().await?;
    let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::durable() };
    let inspecting = link.queue_declare(channel.name().into(), options, FieldTable::default());
    match bus.call("inspect queue", inspecting).await {
        Ok(queue) => {
            bus.close(&link).await;
            Ok(Some((queue.message_count(), queue.consumer_count())))
        }
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Deletes the queue of one application with its messages.
pub(crate) async fn remove_delivery(bus: &RabbitMq, channel: &Channel) -> Result<(), BrokerError> {
    let link = bus.consuming_link().await?;
    let removing = link.queue_delete(channel.name().into(), QueueDeleteOptions::default());
    bus.call("remove queue", removing).await?;
    bus.close(&link).await;
    Ok(())
}

async fn apply(
    bus: &RabbitMq,
    items: Vec<TopologyItem>,
    purpose: Purpose,
) -> Result<(), TopologyError> {
    if let Some(difference) = compare_partitions(bus).await? {
        return report(vec![difference]);
    }
    let mut differences = Vec::new();
    for item in items {
        differences.extend(apply_item(bus, &item, purpose).await?);
    }
    // The broker was declared with more partitions, whose messages no receiver would read.
    let beyond = Channel::intake(bus.settings().partitions).name().to_owned();
    let item = TopologyItem::Queue { name: beyond.clone(), arguments: FieldTable::default() };
    if exists(bus, &item).await? {
        let detail = "there are more partitions than this bus has".to_owned();
        differences.push(TopologyDifference { name: beyond, argument: None, detail });
    }
    report(differences)
}

/// Reports when `intake` was declared with another number of partitions. Conversations would continue
/// in other partitions and overtake the messages in the old ones.
async fn compare_partitions(bus: &RabbitMq) -> Result<Option<TopologyDifference>, BrokerError> {
    let partitions = bus.settings().partitions;
    let intake = exchange(INTAKE, ExchangeKind::Direct, &[]);
    if !exists(bus, &intake).await? || exists(bus, &partition_marker(partitions)).await? {
        return Ok(None);
    }
    let detail = format!("it was declared with another number of partitions than {partitions}");
    Ok(Some(TopologyDifference { name: INTAKE.to_owned(), argument: None, detail }))
}

/// An exchange without bindings whose name holds the number of partitions, because the broker stores
/// no other metadata.
fn partition_marker(partitions: u16) -> TopologyItem {
    exchange(&format!("{INTAKE}.partitions.{partitions}"), ExchangeKind::Fanout, &[])
}

fn report(differences: Vec<TopologyDifference>) -> Result<(), TopologyError> {
    if differences.is_empty() { Ok(()) } else { Err(TopologyError::Differs { differences }) }
}

fn list_items(partitions: u16) -> Vec<TopologyItem> {
    let undeliverable = Channel::undeliverable().name().to_owned();
    let mut items = vec![
        exchange(UNDELIVERABLE, ExchangeKind::Fanout, &[]),
        TopologyItem::Queue {
            name: undeliverable.clone(),
            arguments: quorum(&[("x-delivery-limit", UNDELIVERABLE_DELIVERIES_MAX.into())]),
        },
        TopologyItem::Binding { queue: undeliverable, exchange: UNDELIVERABLE },
        // Before the exchange, so that an interrupted declaration is not taken for another number.
        partition_marker(partitions),
        exchange(INTAKE, ExchangeKind::Direct, &[("alternate-exchange", text(UNDELIVERABLE))]),
        exchange(DELIVERY, ExchangeKind::Direct, &[("alternate-exchange", text(UNDELIVERABLE))]),
        // No alternate exchange, because a broadcast may have no listeners.
        exchange(CONTROL, ExchangeKind::Fanout, &[]),
        TopologyItem::Queue {
            name: Channel::probe().name().to_owned(),
            arguments: quorum(&[
                ("x-delivery-limit", DELIVERIES_MAX.into()),
                ("x-message-ttl", PROBE_MS.into()),
            ]),
        },
    ];
    for partition in 0..partitions {
        items.extend(channel_items(&Channel::intake(partition), INTAKE, true));
    }
    items
}

/// The queue of a channel, which dead-letters into the undeliverable exchange, and its binding.
fn channel_items(
    channel: &Channel,
    exchange: &'static str,
    single_active_consumer: bool,
) -> [TopologyItem; 2] {
    let name = channel.name().to_owned();
    let mut arguments = quorum(&[
        ("x-delivery-limit", DELIVERIES_MAX.into()),
        ("x-dead-letter-exchange", text(UNDELIVERABLE)),
        // RabbitMQ requires these two together. At-least-once dead-lettering removes a message only
        // when the undeliverable queue has it, and a queue that a policy bounds (`max-length`)
        // refuses new messages instead of dropping old ones.
        ("x-dead-letter-strategy", text("at-least-once")),
        ("x-overflow", text("reject-publish")),
    ]);
    if single_active_consumer {
        arguments.insert("x-single-active-consumer".into(), AMQPValue::Boolean(true));
    }
    [
        TopologyItem::Queue { name: name.clone(), arguments },
        TopologyItem::Binding { queue: name, exchange },
    ]
}

fn exchange(
    name: &str,
    kind: ExchangeKind,
    arguments: &[(&'static str, Argument)],
) -> TopologyItem {
    TopologyItem::Exchange { name: name.to_owned(), kind, arguments: table(arguments) }
}

fn quorum(arguments: &[(&'static str, Argument)]) -> FieldTable {
    let mut table = table(arguments);
    table.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    table
}

fn table(arguments: &[(&'static str, Argument)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, argument) in arguments {
        table.insert((*name).into(), argument.0.clone());
    }
    table
}

/// An argument of a queue or exchange.
struct Argument(AMQPValue);

impl From<i32> for Argument {
    fn from(number: i32) -> Self {
        Self(AMQPValue::LongInt(number))
    }
}

fn text(text: &str) -> Argument {
    Argument(AMQPValue::LongString(text.into()))
}

/// Declares or compares an item; the difference, if there is one. AMQP cannot read arguments, but the
/// broker refuses to declare an existing item with other arguments. So comparing means declaring an
/// item that is known to exist.
async fn apply_item(
    bus: &RabbitMq,
    item: &TopologyItem,
    purpose: Purpose,
) -> Result<Option<TopologyDifference>, BrokerError> {
    if purpose == Purpose::Compare {
        if matches!(item, TopologyItem::Binding { .. }) {
            return Ok(None);
        }
        if !exists(bus, item).await? {
            let detail = "it is missing".to_owned();
            let name = item.name().to_owned();
            return Ok(Some(TopologyDifference { name, argument: None, detail }));
        }
    }
    match declare_item(bus, item, false).await {
        Ok(()) => Ok(None),
        Err(error) => match refusal(&error) {
            Some((PRECONDITION_FAILED, text)) => {
                let argument = text.split('\'').nth(1).map(str::to_owned);
                let name = item.name().to_owned();
                Ok(Some(TopologyDifference { name, argument, detail: text }))
            }
            _ => Err(error),
        },
    }
}

async fn exists(bus: &RabbitMq, item: &TopologyItem) -> Result<bool, BrokerError> {
    match declare_item(bus, item, true).await {
        Ok(()) => Ok(true),
        Err(error) if is_missing(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Declares an item on a link of its own, because the broker closes the link when it refuses.
async fn declare_item(
    bus: &RabbitMq,
    item: &TopologyItem,
    passive: bool,
) -> Result<(), BrokerError> {
    let link = bus.consuming_link().await?;
    match item {
        TopologyItem::Exchange { name, kind, arguments } => {
            let options = ExchangeDeclareOptions {
                passive,
                durable: true,
                ..ExchangeDeclareOptions::default()
            };
            let declaring = link.exchange_declare(
                name.as_str().into(),
                kind.clone(),
                options,
                arguments.clone(),
            );
            bus.call("declare exchange", declaring).await?;
        }
        TopologyItem::Queue { name, arguments } => {
            let options = QueueDeclareOptions { passive, ..QueueDeclareOptions::durable() };
            let declaring = link.queue_declare(name.as_str().into(), options, arguments.clone());
            bus.call("declare queue", declaring).await?;
        }
        TopologyItem::Binding { queue, exchange } => {
            let binding = link.queue_bind(
                queue.as_str().into(),
                (*exchange).into(),
                queue.as_str().into(),
                QueueBindOptions::default(),
                FieldTable::default(),
            );
            bus.call("bind queue", binding).await?;
        }
    }
    bus.close(&link).await;
    Ok(())
}

/// Whether the broker refused a call because the queue or exchange does not exist.
pub(super) fn is_missing(error: &BrokerError) -> bool {
    matches!(refusal(error), Some((NOT_FOUND, _)))
}

/// AMQP's reply code and text, when the broker refused a call.
fn refusal(error: &BrokerError) -> Option<(u16, String)> {
    let BrokerError::Failed { source, .. } = error else { return None };
    let lapin::ErrorKind::ProtocolError(refused) = source.downcast_ref::<lapin::Error>()?.kind()
    else {
        return None;
    };
    Some((refused.get_id(), refused.get_message().to_string()))
}

impl TopologyItem {
    fn name(&self) -> &str {
        match self {
            Self::Exchange { name, .. } | Self::Queue { name, .. } => name,
            Self::Binding { queue, .. } => queue,
        }
    }
}
