//! Driving: publishes what the journal lets go, under the same names.

use bus::{Body, Bus, Channel, Claim, Message, MessageId, Publish as _, Publisher};
use prost::Message as _;
use proto::fault::v1::Fault;
use proto::journal::v1::body::Place;
use proto::journal::v1::entry::Fate;
use proto::journal::v1::{Body as StoredBody, Bury, Entry, Envelope};
use tokio::sync::mpsc;

use crate::database::{Database, DatabaseError, Row};
use crate::metrics::Metrics;
use crate::server::Service;

/// Messages of one batch.
const WINDOW: usize = 256;

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
        database: &mut Database,
        due: &mut mpsc::Receiver<Vec<String>>,
    ) -> Result<(), DatabaseError> {
        while let Some(mut ids) = due.recv().await {
            while let (true, Ok(more)) = (ids.len() < WINDOW, due.try_recv()) {
                ids.extend(more);
            }
            for window in ids.chunks(WINDOW) {
                self.publish(database, window).await?;
            }
        }
        Ok(())
    }

    async fn publish(&self, database: &mut Database, ids: &[String]) -> Result<(), DatabaseError> {
        let batch = load(database, &self.bus, ids).await?;
        let ids: Vec<MessageId> = batch.iter().map(|(_, it)| it.id).collect();
        let mut hopeless = Vec::new();
        for (id, outcome) in ids.iter().zip(self.publisher.publish(batch).await) {
            let Err(error) = outcome else {
                self.metrics.driven("published");
                continue;
            };
            self.metrics.driven("failed");
            tracing::warn!(messaging.message.id = %id, %error, "message was not driven");
            if !error.may_pass() {
                hopeless.push(dead(*id, &error));
            }
        }
        if !hopeless.is_empty()
            && let Err(error) = self.service.write(hopeless, Vec::new()).await
        {
            tracing::warn!(%error, "messages that cannot be carried were not buried yet");
        }
        Ok(())
    }
}

/// No transport can carry it, so it waits for an operator.
fn dead(id: MessageId, error: &bus::PublishError) -> Entry {
    let mut fault = proto::fault::find(error.code()).map(Fault::new).unwrap_or_default();
    error.code().clone_into(&mut fault.code);
    fault.detail = error.to_string();
    Entry {
        message_id: id.to_string(),
        fate: Some(Fate::Dead(Bury { fault: Some(fault) })),
        ..Entry::default()
    }
}

async fn load(
    database: &mut Database,
    bus: &Bus,
    ids: &[String],
) -> Result<Vec<(Channel, Message)>, DatabaseError> {
    // A derived message without a body is made anew from its parent.
    let sql = "SELECT m.tries, m.envelope, m.body, CAST(LENGTH(m.body) AS BIGINT), \
               COALESCE(p.envelope, m.envelope), COALESCE(p.body, m.body) \
               FROM message m LEFT JOIN kept p ON p.id = m.parent WHERE m.id = $1";
    let sets = ids.iter().map(|it| vec![it.as_str().into()]).collect();
    let found = database.query_many(sql, sets).await?;
    Ok(found.into_iter().flatten().filter_map(|row| addressed(row, bus)).collect())
}

fn addressed(mut row: Row, bus: &Bus) -> Option<(Channel, Message)> {
    let tries = row.number();
    let (mut envelope, mut body, size) = (row.bytes(), row.bytes(), row.number());
    if size == 0 {
        envelope = row.bytes();
        body = row.bytes();
    }
    let mut envelope = Envelope::decode(envelope.as_slice()).ok()?;
    envelope.attempt = u32::try_from(tries + 1).unwrap_or_default();
    let body = StoredBody::decode(body.as_slice()).ok()?;
    let channel = if envelope.application.is_empty() {
        bus.intake(&envelope.conversation)
    } else {
        Channel::delivery(&envelope.application).ok()?
    };
    Some((channel, sealed(&envelope, body)?))
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
