//! Copies that differ from the stored message: somebody with the broker's password changed them.
//!
//! A copy is compared by its digest with the journal's own bytes, where it asks to be delivered or
//! routed. An altered copy changes nothing but the journey: it uses up no try of the genuine message,
//! which is published again.

use std::collections::HashMap;

use bytes::Bytes;
use journal_client::CopyDigest;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::{Body, Envelope};
use proto::message::v1::{Fact, Step};

use crate::database::error::{Corrupt, DatabaseError};
use crate::database::row::Row;
use crate::genuine_copy::genuine_digest;
use crate::new_message::TABLE;
use crate::transitions::{Event, Transition};
use crate::unit_of_work::UnitOfWork;

/// Altered copies of one message after which the genuine one is published at once, and after which
/// each has a fact of its own. More only delay it by [`LATER_WAIT`], so that somebody who answers
/// every copy with an altered one gets neither a busy loop nor an endless journey.
const AT_ONCE_MAX: u32 = 8;

/// How long a message waits whose copies are altered again and again, microseconds.
const LATER_WAIT: i64 = 5_000_000;

/// A copy that a role received.
#[derive(Clone, Debug)]
pub(crate) struct ReceivedCopy {
    pub(crate) message_id: String,
    /// Its digest; empty: it is not compared.
    pub(crate) digest: Bytes,
}

/// A message's id and the digest of a copy of it.
pub(crate) type CopyRef<'a> = (&'a str, &'a [u8]);

/// A digest of a copy that is computed later.
pub(crate) const UNKNOWN_DIGEST: &[u8] = &[0];

impl ReceivedCopy {
    pub(crate) fn as_ref(&self) -> CopyRef<'_> {
        (&self.message_id, &self.digest)
    }
}

/// What a comparison says about a copy.
#[derive(Debug)]
pub(crate) enum CopyCheck {
    Genuine,
    Altered,
    /// The stored message is damaged.
    Unreadable(Corrupt),
}

/// The stored messages of a group's copies, where they were read from the database.
#[derive(Debug, Default)]
pub(crate) struct CopyChecks(HashMap<String, Result<Option<CopyDigest>, Corrupt>>);

const SELECT: &str = "SELECT envelope, body FROM message_row WHERE id = $1";

impl CopyChecks {
    /// Reads what the copies are compared with. It costs a query only for messages that are not in
    /// the cache, as after a restart.
    pub(crate) async fn load(
        unit: &mut UnitOfWork<'_>,
        copies: Vec<CopyRef<'_>>,
    ) -> Result<Self, DatabaseError> {
        let missing = missing_digests(unit, copies);
        if missing.is_empty() {
            return Ok(Self::default());
        }
        unit.flush().await?;
        let sets = missing.iter().map(|it| vec![(*it).into()]).collect();
        let found = unit.database.query_many(SELECT, sets).await?;
        let mut checks = HashMap::with_capacity(missing.len());
        for (id, rows) in missing.into_iter().zip(found) {
            let read = read_digest(id, rows);
            if let Ok(Some(digest)) = read {
                unit.note_copy_digest(id, digest);
            }
            checks.insert(id.to_owned(), read);
        }
        Ok(Self(checks))
    }

    /// Compares a copy with its stored message. A copy without a digest, or of an unknown or damaged
    /// row, is not compared: nothing is decided on it.
    pub(crate) fn compare(&self, unit: &UnitOfWork<'_>, (id, digest): CopyRef<'_>) -> CopyCheck {
        let Some(row) = unit.row(id).filter(|it| it.corrupt.is_none()) else {
            return CopyCheck::Genuine;
        };
        let stored = match (row.copy_digest, self.0.get(id)) {
            (Some(stored), _) => Some(stored),
            (None, Some(Err(corrupt))) => return CopyCheck::Unreadable(corrupt.clone()),
            // A message without a body was never published.
            (None, Some(Ok(_)) | None) => None,
        };
        let is_genuine = digest.is_empty() || stored.is_some_and(|it| it == digest);
        if is_genuine { CopyCheck::Genuine } else { CopyCheck::Altered }
    }
}

/// Ids of the messages that the copies belong to and whose digests are not cached.
fn missing_digests<'a>(unit: &UnitOfWork<'_>, copies: Vec<CopyRef<'a>>) -> Vec<&'a str> {
    let is_missing =
        |id: &str| unit.row(id).is_some_and(|it| it.copy_digest.is_none() && it.corrupt.is_none());
    let compared = copies.into_iter().filter(|(_, digest)| !digest.is_empty()).map(|(id, _)| id);
    let mut missing: Vec<&str> = compared.filter(|id| is_missing(id)).collect();
    missing.sort_unstable();
    missing.dedup();
    missing
}

fn read_digest(id: &str, rows: Vec<Row>) -> Result<Option<CopyDigest>, Corrupt> {
    let corrupt = |column| Corrupt::new(TABLE, id, column);
    let mut row = rows.into_iter().next().ok_or_else(|| corrupt("id"))?;
    let envelope: Envelope = row.message("envelope").map_err(|it| corrupt(it.column))?;
    if envelope.id != id {
        return Err(corrupt("envelope"));
    }
    let body: Body = row.message("body").map_err(|it| corrupt(it.column))?;
    Ok(genuine_digest(&envelope, body))
}

/// Raises the alarm about an altered copy, and publishes the genuine message where it was on a
/// channel.
pub(crate) fn drop_altered_copy(unit: &mut UnitOfWork<'_>, (id, digest): CopyRef<'_>) {
    let digest = hex::encode(digest);
    tracing::error!(messaging.message.id = id, digest, "altered copy was dropped");
    let earlier = unit.count_altered_copy(id);
    if earlier < AT_ONCE_MAX {
        let fault = Some(Fault::new(&code::LT_JNL_026).param("id", id));
        let fact = Fact { fault, detail: digest, ..unit.own_fact(id, Step::Altered) };
        unit.fact(id, fact);
    }
    let publishes = unit.row(id).map_or(0, |it| it.publishes);
    let allowed = unit.allowed(id, Event::CopyAltered);
    if allowed != Some(Transition::Publish) || unit.is_paused(id) {
        return;
    }
    if earlier < AT_ONCE_MAX {
        unit.publish(id);
        // Its schedule goes on as if the altered copy had not come.
        unit.change(id, |it| it.publishes = publishes);
    } else {
        unit.delay(id, unit.now + LATER_WAIT);
    }
}
