//! Driving: publishes what the journal lets go, under the same names.

use bus::{Body, Bus, Channel, Claim, Message, MessageId, Publish as _, Publisher};
use prost::Message as _;
use proto::journal::v1::{Body as StoredBody, Envelope, body::Place};
use tokio::sync::mpsc;

use crate::database::{Database, DatabaseError, Row};

/// Publishes messages by their ids until nobody sends any more. What cannot be published stays a
/// row with a deadline, so nothing is lost by going on.
pub(crate) async fn drive(
    database: &mut Database,
    bus: &Bus,
    publisher: &Publisher,
    due: &mut mpsc::Receiver<Vec<String>>,
) -> Result<(), DatabaseError> {
    while let Some(mut ids) = due.recv().await {
        while let (true, Ok(more)) = (ids.len() < 256, due.try_recv()) {
            ids.extend(more);
        }
        let batch = load(database, bus, ids).await?;
        let ids: Vec<MessageId> = batch.iter().map(|(_, it)| it.id).collect();
        for (id, outcome) in ids.iter().zip(publisher.publish(batch).await) {
            if let Err(error) = outcome {
                tracing::warn!(messaging.message.id = %id, %error, "message was not driven");
            }
        }
    }
    Ok(())
}

async fn load(
    database: &mut Database,
    bus: &Bus,
    ids: Vec<String>,
) -> Result<Vec<(Channel, Message)>, DatabaseError> {
    // A derived message without a body is made anew from its parent.
    let sql = "SELECT m.envelope, m.body, CAST(LENGTH(m.body) AS BIGINT), \
               COALESCE(p.envelope, m.envelope), COALESCE(p.body, m.body) \
               FROM message m LEFT JOIN message p ON p.id = m.parent WHERE m.id = $1";
    let sets = ids.into_iter().map(|it| vec![it.into()]).collect();
    let found = database.query_many(sql, sets).await?;
    Ok(found.into_iter().flatten().filter_map(|row| addressed(row, bus)).collect())
}

fn addressed(mut row: Row, bus: &Bus) -> Option<(Channel, Message)> {
    let (mut envelope, mut body, size) = (row.bytes(), row.bytes(), row.number());
    if size == 0 {
        envelope = row.bytes();
        body = row.bytes();
    }
    let envelope = Envelope::decode(envelope.as_slice()).ok()?;
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
