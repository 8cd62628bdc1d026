//! The queues and exchanges: declared by one owner, compared by everybody else.

use std::fmt;

use lapin::{
    ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions},
    types::{AMQPValue, FieldTable},
};

use super::{BrokerError, RabbitMq};
use crate::channel::Channel;

/// The exchange of broadcasts.
pub(super) const CONTROL: &str = "lienthong.control";
const INTAKE: &str = "lienthong.intake";
const DELIVERY: &str = "lienthong.delivery";
/// Where unroutable and dead-lettered messages fall.
const STRANDED: &str = "lienthong.stranded";

/// High, because how often a message was tried is the journal's to count. This is the net under a
/// receiver that breaks down on every start; and without any limit a message that is given back
/// goes to the end of its queue.
const DELIVERIES_MAX: i32 = 1_000;

/// As good as none: past its limit the last net would drop what it holds.
const DELIVERIES_OF_LAST_NET: i32 = 1_000_000_000;

/// A probe whose sender is gone is of no use to anybody.
const PROBE_MS: i32 = 60_000;

/// AMQP's code for "there is none".
const NOT_FOUND: u16 = 404;
/// AMQP's code for "there is one, and it is different".
const DIFFERENT: u16 = 406;

/// Something at the broker that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The queue or exchange.
    pub name: String,
    /// The argument that differs; `None` when the whole thing is missing or too many.
    pub argument: Option<String>,
    /// The broker's words, or ours.
    pub detail: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.argument {
            Some(argument) => {
                write!(formatter, "`{}`, argument `{argument}`: {}", self.name, self.detail)
            }
            None => write!(formatter, "`{}`: {}", self.name, self.detail),
        }
    }
}

/// Why the topology is not known to be right.
#[derive(Debug, thiserror::Error)]
pub enum TopologyError {
    /// These things are not as they must be. Remove them at the broker, when they and the channels
    /// behind them are empty, and let the owner declare them anew.
    #[error("not as declared: {}", Listed(differences))]
    Differs {
        /// All of them.
        differences: Vec<Difference>,
    },
    /// The broker failed, or was silent.
    #[error("the topology could not be looked at")]
    Broker(#[from] BrokerError),
}

struct Listed<'a>(&'a [Difference]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, difference) in self.0.iter().enumerate() {
            if place > 0 {
                formatter.write_str("; ")?;
            }
            difference.fmt(formatter)?;
        }
        Ok(())
    }
}

/// One thing to declare.
enum Part {
    Exchange { name: String, kind: ExchangeKind, arguments: FieldTable },
    Queue { name: String, arguments: FieldTable },
    Binding { queue: String, exchange: &'static str },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Declare,
    Compare,
}

/// Makes everything that is not there, and reports what is there and different.
pub(crate) async fn declare(bus: &RabbitMq) -> Result<(), TopologyError> {
    settle(bus, parts(bus.settings().partitions), Purpose::Declare).await
}

/// Reports what is missing or different.
pub(crate) async fn compare(bus: &RabbitMq) -> Result<(), TopologyError> {
    settle(bus, parts(bus.settings().partitions), Purpose::Compare).await
}

/// Makes the queue of one application.
pub(crate) async fn declare_delivery(
    bus: &RabbitMq,
    channel: &Channel,
) -> Result<(), TopologyError> {
    let mut found = Vec::new();
    for part in work_queue(channel, DELIVERY, false) {
        found.extend(look(bus, &part, Purpose::Declare).await?);
    }
    report(found)
}

/// How many receivers a channel has; none when it is not there.
pub(crate) async fn receivers(bus: &RabbitMq, channel: &Channel) -> Result<u32, BrokerError> {
    let link = bus.consuming_link().await?;
    let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::durable() };
    let asking = link.queue_declare(channel.name().into(), options, FieldTable::default());
    match bus.call("look at queue", asking).await {
        Ok(queue) => {
            bus.close(&link).await;
            Ok(queue.consumer_count())
        }
        Err(error) if is_missing(&error) => Ok(0),
        Err(error) => Err(error),
    }
}

/// Removes the queue of one application with everything in it.
pub(crate) async fn remove_delivery(bus: &RabbitMq, channel: &Channel) -> Result<(), BrokerError> {
    let link = bus.consuming_link().await?;
    let removing = link.queue_delete(channel.name().into(), QueueDeleteOptions::default());
    bus.call("remove queue", removing).await?;
    bus.close(&link).await;
    Ok(())
}

async fn settle(bus: &RabbitMq, parts: Vec<Part>, purpose: Purpose) -> Result<(), TopologyError> {
    if let Some(difference) = other_number(bus).await? {
        return report(vec![difference]);
    }
    let mut found = Vec::new();
    for part in parts {
        found.extend(look(bus, &part, purpose).await?);
    }
    // A bus with more partitions was here: what lies in them would be read by nobody.
    let beyond = Channel::intake(bus.settings().partitions).name().to_owned();
    if exists(bus, &Part::Queue { name: beyond.clone(), arguments: FieldTable::default() }).await? {
        let detail = "there are more partitions than this bus has".to_owned();
        found.push(Difference { name: beyond, argument: None, detail });
    }
    report(found)
}

/// Whether `intake` was declared with another number of partitions: with another number,
/// conversations would go on in other partitions, past what still waits in the old ones.
async fn other_number(bus: &RabbitMq) -> Result<Option<Difference>, BrokerError> {
    let partitions = bus.settings().partitions;
    let intake = exchange(INTAKE, ExchangeKind::Direct, &[]);
    if !exists(bus, &intake).await? || exists(bus, &mark(partitions)).await? {
        return Ok(None);
    }
    let detail = format!("it was declared with another number of partitions than {partitions}");
    Ok(Some(Difference { name: INTAKE.to_owned(), argument: None, detail }))
}

/// Says by its name how many partitions there are, and carries nothing. The broker has no other
/// place to write a number down.
fn mark(partitions: u16) -> Part {
    exchange(&format!("{INTAKE}.partitions.{partitions}"), ExchangeKind::Fanout, &[])
}

fn report(differences: Vec<Difference>) -> Result<(), TopologyError> {
    if differences.is_empty() { Ok(()) } else { Err(TopologyError::Differs { differences }) }
}

fn parts(partitions: u16) -> Vec<Part> {
    let stranded = Channel::undeliverable().name().to_owned();
    let mut parts = vec![
        exchange(STRANDED, ExchangeKind::Fanout, &[]),
        Part::Queue {
            name: stranded.clone(),
            arguments: quorum(&[("x-delivery-limit", DELIVERIES_OF_LAST_NET.into())]),
        },
        Part::Binding { queue: stranded, exchange: STRANDED },
        // Before the exchange it speaks of, so that a start that was cut short says nothing wrong.
        mark(partitions),
        exchange(INTAKE, ExchangeKind::Direct, &[("alternate-exchange", text(STRANDED))]),
        exchange(DELIVERY, ExchangeKind::Direct, &[("alternate-exchange", text(STRANDED))]),
        // A broadcast that nobody hears is not a message that got lost: no alternate.
        exchange(CONTROL, ExchangeKind::Fanout, &[]),
        Part::Queue {
            name: Channel::probe().name().to_owned(),
            arguments: quorum(&[
                ("x-delivery-limit", DELIVERIES_MAX.into()),
                ("x-message-ttl", PROBE_MS.into()),
            ]),
        },
    ];
    for partition in 0..partitions {
        parts.extend(work_queue(&Channel::intake(partition), INTAKE, true));
    }
    parts
}

/// A queue that messages work through, with a net under it.
fn work_queue(
    channel: &Channel,
    exchange: &'static str,
    single_active_consumer: bool,
) -> [Part; 2] {
    let name = channel.name().to_owned();
    let mut arguments = quorum(&[
        ("x-delivery-limit", DELIVERIES_MAX.into()),
        ("x-dead-letter-exchange", text(STRANDED)),
        // Together: what is dead-lettered leaves its queue when `stranded` has it, not before.
        // And a queue that a policy bounds (`max-length`) refuses what is new, and drops nothing.
        ("x-dead-letter-strategy", text("at-least-once")),
        ("x-overflow", text("reject-publish")),
    ]);
    if single_active_consumer {
        arguments.insert("x-single-active-consumer".into(), AMQPValue::Boolean(true));
    }
    [Part::Queue { name: name.clone(), arguments }, Part::Binding { queue: name, exchange }]
}

fn exchange(name: &str, kind: ExchangeKind, arguments: &[(&'static str, Argument)]) -> Part {
    Part::Exchange { name: name.to_owned(), kind, arguments: table(arguments) }
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

/// A queue's or exchange's argument.
struct Argument(AMQPValue);

impl From<i32> for Argument {
    fn from(number: i32) -> Self {
        Self(AMQPValue::LongInt(number))
    }
}

fn text(text: &str) -> Argument {
    Argument(AMQPValue::LongString(text.into()))
}

/// Declares a part, and says what is wrong with it. The broker has no way to read arguments, but
/// it refuses to declare over others, so comparing is declaring what is known to exist.
async fn look(
    bus: &RabbitMq,
    part: &Part,
    purpose: Purpose,
) -> Result<Option<Difference>, BrokerError> {
    if purpose == Purpose::Compare {
        if matches!(part, Part::Binding { .. }) {
            return Ok(None);
        }
        if !exists(bus, part).await? {
            let detail = "it is missing".to_owned();
            return Ok(Some(Difference { name: part.name().to_owned(), argument: None, detail }));
        }
    }
    match attempt(bus, part, false).await {
        Ok(()) => Ok(None),
        Err(BrokerError::Failed { call, source }) => match refusal(&source) {
            Some((DIFFERENT, words)) => {
                let argument = words.split('\'').nth(1).map(str::to_owned);
                Ok(Some(Difference { name: part.name().to_owned(), argument, detail: words }))
            }
            _ => Err(BrokerError::Failed { call, source }),
        },
        Err(late) => Err(late),
    }
}

async fn exists(bus: &RabbitMq, part: &Part) -> Result<bool, BrokerError> {
    match attempt(bus, part, true).await {
        Ok(()) => Ok(true),
        Err(error) if is_missing(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Declares a part, on a link of its own: a refusal closes the link.
async fn attempt(bus: &RabbitMq, part: &Part, passive: bool) -> Result<(), BrokerError> {
    let link = bus.consuming_link().await?;
    match part {
        Part::Exchange { name, kind, arguments } => {
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
        Part::Queue { name, arguments } => {
            let options = QueueDeclareOptions { passive, ..QueueDeclareOptions::durable() };
            let declaring = link.queue_declare(name.as_str().into(), options, arguments.clone());
            bus.call("declare queue", declaring).await?;
        }
        Part::Binding { queue, exchange } => {
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

/// Whether the broker says that there is no such thing.
pub(super) fn is_missing(error: &BrokerError) -> bool {
    match error {
        BrokerError::Failed { source, .. } => {
            matches!(refusal(source), Some((NOT_FOUND, _)))
        }
        BrokerError::Late { .. } => false,
    }
}

/// The broker's code and words, when it refused.
fn refusal(error: &lapin::Error) -> Option<(u16, String)> {
    if let lapin::ErrorKind::ProtocolError(refused) = error.kind() {
        return Some((refused.get_id(), refused.get_message().to_string()));
    }
    None
}

impl Part {
    fn name(&self) -> &str {
        match self {
            Self::Exchange { name, .. } | Self::Queue { name, .. } => name,
            Self::Binding { queue, .. } => queue,
        }
    }
}
