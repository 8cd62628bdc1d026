//! Resend: an operator sends a submitted message again, as a copy with an id of its own.

use std::sync::Arc;

use prost::Message as _;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::{Envelope, ResendRequest, ResendResponse};
use proto::message::v1::{Index, Receipt, State, Step};

use crate::database::error::{Corrupt, DatabaseError};
use crate::database::row::{Row, Unreadable};
use crate::delivery_row::{DeliveryInfo, DeliveryRow};
use crate::family::{self, Family};
use crate::new_message::{Digests, NewMessage, NewRows, TABLE};
use crate::retry_schedule::publish_deadline;
use crate::unit_of_work::UnitOfWork;

const CONTENT: &str = "SELECT envelope, search_index, receipt, body, native FROM message_row \
     WHERE id = $1";

/// The last sequence number of a conversation.
const LAST_SEQUENCE: &str = "SELECT COALESCE(MAX(sequence), 0) AS number FROM delivery_state \
     WHERE conversation = $1 AND application = ''";

/// The stored content of a submitted message. The bodies are copied as they are.
struct Content {
    envelope: Envelope,
    index: Index,
    receipt: Receipt,
    body: Vec<u8>,
    native: Vec<u8>,
}

/// The copy to be made.
struct NewCopy {
    content: Content,
    envelope: Envelope,
    row_id: i64,
    now: i64,
}

/// Sends a message again. The inner error says why it cannot be sent again now.
pub(crate) async fn resend(
    unit: &mut UnitOfWork<'_>,
    request: &ResendRequest,
) -> Result<Result<ResendResponse, Fault>, DatabaseError> {
    let id = request.message_id.as_str();
    unit.load([id].into_iter()).await?;
    let unknown = || Fault::new(&code::LT_JNL_005).param("id", id);
    let Some(named) = unit.row(id).cloned() else { return Ok(Err(unknown())) };
    let submitted = if named.is_derived() { named.parent.clone() } else { named.id.clone() };
    let content = match read_content(unit, &submitted).await? {
        None => return Ok(Err(unknown())),
        Some(Err(corrupt)) => return Ok(Err(corrupt.fault())),
        Some(Ok(content)) => content,
    };
    let recipients = match request.recipients.as_slice() {
        [] if named.is_derived() => vec![named.recipients.clone()],
        [] => content.envelope.recipients.clone(),
        given => given.to_vec(),
    };
    let first = Some(content.envelope.copy_of.clone()).filter(|it| !it.is_empty());
    let first = first.unwrap_or_else(|| submitted.clone());
    let mut families = family::load(unit, vec![first.clone()]).await?;
    let family = match families.remove(&first) {
        Some(Ok(family)) => family,
        Some(Err(corrupt)) => return Ok(Err(corrupt.fault())),
        None => return Ok(Err(unknown())),
    };
    if let Some(fault) = not_now(unit, &family, (&submitted, &recipients)) {
        return Ok(Err(fault));
    }
    let Some(copy) = copy_id(&family) else {
        return Ok(Err(Corrupt::new(TABLE, &first, "id").fault()));
    };
    let envelope = Envelope {
        id: copy,
        recipients,
        copy_of: first,
        sequence: next_sequence(unit, &content.envelope.conversation).await?,
        accepted_at_us: unit.now,
        attempt: 0,
        ..content.envelope.clone()
    };
    note(unit, request, (&submitted, &envelope));
    let copy =
        NewCopy { content, envelope: envelope.clone(), row_id: unit.next_row_id(), now: unit.now };
    unit.add(copy.into_rows());
    unit.publish(&envelope.id);
    Ok(Ok(ResendResponse { copy: Some(envelope) }))
}

async fn read_content(
    unit: &mut UnitOfWork<'_>,
    id: &str,
) -> Result<Option<Result<Content, Corrupt>>, DatabaseError> {
    let rows = unit.database.query(CONTENT, vec![id.into()]).await?;
    let columns = |mut row: Row| {
        Ok::<_, Unreadable>(Content {
            envelope: row.message("envelope")?,
            index: row.message("search_index")?,
            receipt: row.message("receipt")?,
            body: row.bytes("body")?,
            native: row.bytes("native")?,
        })
    };
    let content = rows.into_iter().next().map(columns);
    Ok(content.map(|it| it.map_err(|unreadable| unreadable.in_row(TABLE, id))))
}

/// Why a message cannot be sent again to these recipients now: it, or a copy of it, may still arrive
/// there by itself or by another command, and would then arrive twice.
fn not_now(
    unit: &UnitOfWork<'_>,
    family: &Family,
    (submitted, recipients): (&str, &[String]),
) -> Option<Fault> {
    let goes_to = |row: &DeliveryRow| {
        recipients.iter().any(|it| row.recipients.split(',').any(|of| of == it))
    };
    let waits = |row: &&DeliveryRow| row.corrupt.is_some() || !row.is_ended();
    let row = unit.row(submitted)?;
    let is_routed = row.state == State::Routed;
    let unrouted = Some(row).filter(|it| !is_routed && waits(it));
    let derived = family.derived_from(unit, submitted).filter(|it| goes_to(it)).find(waits);
    if let Some(waiting) = unrouted.or(derived) {
        return Some(
            Fault::new(&code::LT_JNL_014)
                .param("id", &waiting.id)
                .param("organisation", &waiting.recipients)
                .param("state", waiting.state.as_str_name().to_ascii_lowercase()),
        );
    }
    let copy = family.live_copies(unit).find(|it| it.id != row.id && goes_to(it))?;
    let (id, organisation) = (&copy.id, &copy.recipients);
    Some(Fault::new(&code::LT_JNL_015).param("id", id).param("organisation", organisation))
}

/// The id of the next copy: members are never removed, so their number serves as the counter.
fn copy_id(family: &Family) -> Option<String> {
    let first: bus::MessageId = family.first.parse().ok()?;
    Some(first.derive(&format!("copy.{}", family.len())).to_string())
}

async fn next_sequence(
    unit: &mut UnitOfWork<'_>,
    conversation: &str,
) -> Result<u64, DatabaseError> {
    // Messages that were accepted in this very transaction count.
    unit.flush().await?;
    let found = unit.database.query(LAST_SEQUENCE, vec![conversation.into()]).await?;
    let last = found.into_iter().next().and_then(|mut row| row.number("number").ok());
    Ok(u64::try_from(last.unwrap_or_default()).unwrap_or_default() + 1)
}

/// Writes who sent it again and why as facts of both messages.
fn note(unit: &mut UnitOfWork<'_>, request: &ResendRequest, (from, copy): (&str, &Envelope)) {
    let who = format!("{}: {}", request.actor, request.reason);
    let to = copy.recipients.join(", ");
    unit.step(from, Step::Resent, &format!("{who} ({to}: {})", copy.id));
    unit.step(&copy.id, Step::Resent, &format!("{who} ({from})"));
    unit.step(&copy.id, Step::Accepted, "");
}

impl NewCopy {
    fn into_rows(self) -> NewRows {
        let Self { content, envelope, row_id, now } = self;
        let receipt = Receipt {
            message_id: envelope.id.clone(),
            accepted_at_us: now,
            sequence: envelope.sequence,
            recipients: envelope.recipients.clone(),
            copy_of: envelope.copy_of.clone(),
            ..content.receipt
        };
        let info = DeliveryInfo { attachments: Vec::new(), index: content.index.clone() };
        let message = NewMessage {
            envelope: &envelope,
            body: content.body,
            native: content.native,
            receipt: receipt.encode_to_vec(),
            index: &content.index,
            // The key and the digests lead to the first message.
            key: "",
            digests: Digests::default(),
            generation: 0,
            state: State::Accepted,
            now,
            due_at: publish_deadline(now, 0),
            fault: None,
            info: Some(Arc::new(info)),
            row_id,
            reports: 0,
        };
        message.into_rows()
    }
}
