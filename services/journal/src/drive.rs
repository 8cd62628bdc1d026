//! Driving: publishes what the journal lets go, under the same names.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use bus::{Body, Bus, Channel, Claim, Message, Publish as _, PublishError, Publisher};
use prost::Message as _;
use proto::fault::v1::Fault;
use proto::journal::v1::body::Place;
use proto::journal::v1::entry::Disposition;
use proto::journal::v1::{Body as StoredBody, DeadLetter, Entry, Envelope};
use proto::message::v1::State;
use tokio::sync::mpsc;

use crate::database::{Database, DatabaseError};
use crate::desk::Desk;
use crate::metrics::Metrics;
use crate::server::Service;
use crate::stored::Stored;

/// Messages of one batch.
const WINDOW: usize = 256;

/// How long a message is left alone whose channel would not take it.
pub(crate) const FULL: Duration = Duration::from_secs(5);

/// How long a message is left alone whose application has no channel yet: in one process the
/// channels are made anew at each start, as soon as the registry has said who is there.
const MISSING: Duration = Duration::from_secs(5);

/// How long a message is left alone of which nobody knows whether its channel took it.
const UNKNOWN: Duration = Duration::from_secs(30);

/// Publishes messages by their ids.
#[derive(Debug)]
pub(crate) struct Drive {
    pub(crate) bus: Bus,
    pub(crate) publisher: Publisher,
    pub(crate) service: Service,
    pub(crate) metrics: Metrics,
}

impl Drive {
    /// Works until nobody sends any more. What cannot be published now stays a row with a
    /// deadline, so nothing is lost by going on.
    pub(crate) async fn run(
        &self,
        mut database: Database,
        mut due: mpsc::Receiver<Vec<String>>,
    ) -> Result<(), DatabaseError> {
        while let Some(mut ids) = due.recv().await {
            while ids.len() < WINDOW
                && let Ok(more) = due.try_recv()
            {
                ids.extend(more);
            }
            let mut refusing = HashMap::new();
            for window in ids.chunks(WINDOW) {
                let batch = load(&mut database, &self.bus, window).await?;
                self.publish(batch, &mut refusing).await;
            }
        }
        Ok(())
    }

    /// Publishes, but not to channels that refused: one that is full is not to take the time of
    /// all the others.
    async fn publish(&self, batch: Vec<Due>, refusing: &mut HashMap<Channel, Duration>) {
        let (waits, goes): (Vec<_>, Vec<_>) =
            batch.into_iter().partition(|it| refusing.contains_key(&it.channel));
        let pause = |it: Due| (it.row, refusing.get(&it.channel).copied().unwrap_or(FULL));
        let mut back: Vec<_> = waits.into_iter().map(pause).collect();
        let mut hopeless = Vec::new();
        let (about, messages): (Vec<_>, Vec<_>) = goes
            .into_iter()
            .map(|it| ((it.row, it.channel.clone()), (it.channel, it.message)))
            .unzip();
        for ((row, channel), outcome) in
            about.into_iter().zip(self.publisher.publish(messages).await)
        {
            let Err(error) = outcome else {
                self.metrics.driven("published");
                continue;
            };
            self.metrics.driven("failed");
            tracing::warn!(messaging.message.id = row, %error, "message was not driven");
            let pause = match &error {
                PublishError::Refused { .. } | PublishError::NotSent { .. } => FULL,
                PublishError::Unroutable { .. } => MISSING,
                PublishError::Unknown { .. } => UNKNOWN,
                PublishError::Invalid(_) => {
                    hopeless.push(dead(row, &error));
                    continue;
                }
            };
            refusing.insert(channel, pause);
            back.push((row, pause));
        }
        if !hopeless.is_empty()
            && let Err(error) = self.service.write(hopeless, Vec::new()).await
        {
            tracing::warn!(%error, "messages that cannot be carried were not buried yet");
        }
        if !back.is_empty()
            && let Err(error) = self.service.not_driven(back).await
        {
            tracing::warn!(%error, "messages that were not driven wait for their deadline");
        }
    }
}

/// Takes back drives that came to nothing: they do not count, and their messages are due soon.
pub(crate) async fn not_driven(
    desk: &mut Desk<'_>,
    ids: &[(String, Duration)],
) -> Result<(), DatabaseError> {
    desk.load(ids.iter().map(|(id, _)| id.as_str())).await?;
    for (id, pause) in ids {
        let next_at = desk.now + i64::try_from(pause.as_micros()).unwrap_or_default();
        let is_on_its_way = |it: &Stored| matches!(it.state, State::Accepted | State::Queued);
        if desk.get(id).is_some_and(is_on_its_way) {
            desk.change(id, |row| {
                row.driven = (row.driven - 1).max(0);
                row.next_at = row.next_at.min(next_at);
            });
        }
    }
    Ok(())
}

/// No transport can carry it, so it waits for an operator.
fn dead(id: String, error: &PublishError) -> Entry {
    let mut fault = proto::fault::find(error.code()).map(Fault::new).unwrap_or_default();
    error.code().clone_into(&mut fault.code);
    fault.detail = error.to_string();
    Entry {
        message_id: id,
        disposition: Some(Disposition::Dead(DeadLetter { fault: Some(fault) })),
        ..Entry::default()
    }
}

/// A message that is to be published, for the sake of a row: itself, or the parent of a derived
/// one that has no body yet.
#[derive(Debug)]
struct Due {
    row: String,
    channel: Channel,
    message: Message,
}

const OWN: &str = "SELECT s.tries, k.parent, k.envelope, k.body FROM kept k \
     JOIN standing s ON s.slot = k.slot WHERE k.id = $1";

const PARENT: &str = "SELECT envelope, body FROM kept WHERE id = $1";

async fn load(
    database: &mut Database,
    bus: &Bus,
    ids: &[String],
) -> Result<Vec<Due>, DatabaseError> {
    let mut seen = HashSet::new();
    let ids: Vec<&String> = ids.iter().filter(|it| seen.insert(it.as_str())).collect();
    let sets = ids.iter().map(|it| vec![it.as_str().into()]).collect();
    let found = database.query_many(OWN, sets).await?;
    let (mut due, mut hollow) = (Vec::new(), Vec::new());
    for (id, mut row) in
        ids.into_iter().zip(found).filter_map(|(id, it)| Some((id, it.into_iter().next()?)))
    {
        let (tries, parent) = (row.number(), row.text());
        let (envelope, body) = (row.bytes(), row.bytes());
        if body.is_empty() {
            hollow.push((id, tries, parent));
        } else {
            due.extend(addressed(bus, id, tries, (&envelope, &body)));
        }
    }
    let sets = hollow.iter().map(|(_, _, parent)| vec![parent.as_str().into()]).collect();
    let parents = database.query_many(PARENT, sets).await?;
    let mut routed = HashSet::new();
    for ((id, tries, parent), rows) in hollow.into_iter().zip(parents) {
        // Routing it once makes all of its derived messages anew.
        if let Some(mut row) = rows.into_iter().next()
            && routed.insert(parent)
        {
            due.extend(addressed(bus, id, tries, (&row.bytes(), &row.bytes())));
        }
    }
    Ok(due)
}

fn addressed(bus: &Bus, row: &str, tries: i64, (envelope, body): (&[u8], &[u8])) -> Option<Due> {
    let mut envelope = Envelope::decode(envelope).ok()?;
    envelope.attempt = u32::try_from(tries + 1).unwrap_or_default();
    let body = StoredBody::decode(body).ok()?;
    let channel = if envelope.application.is_empty() {
        bus.intake(&envelope.conversation)
    } else {
        Channel::delivery(&envelope.application).ok()?
    };
    Some(Due { row: row.to_owned(), channel, message: sealed(&envelope, body)? })
}

/// A stored message as the bus carries it.
fn sealed(envelope: &Envelope, body: StoredBody) -> Option<Message> {
    let body = match body.place? {
        Place::Inline(bytes) => Body::Inline(bytes),
        Place::Claim(claim) => {
            Body::Claim(Claim { sha256: claim.sha256.as_ref().try_into().ok()?, size: claim.size })
        }
    };
    Some(Message {
        id: envelope.id.parse().ok()?,
        conversation: envelope.conversation.clone(),
        attributes: envelope.attributes(),
        body,
    })
}
