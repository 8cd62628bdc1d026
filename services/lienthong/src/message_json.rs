//! Messages and journeys as JSON, for programs.

use journal_client::failure;
use proto::journal::v1::{JourneyResponse, Summary};
use serde_json::{Value, json};

use crate::fault::fault_json;
use crate::pause_view::pause_json;
use crate::text_format::rfc3339;

/// A message of a list.
pub(crate) fn message_json(of: &Summary) -> Value {
    let envelope = of.envelope.clone().unwrap_or_default();
    let index = of.index.clone().unwrap_or_default();
    json!({
        "id": envelope.id,
        "type": envelope.r#type().as_str(),
        "conversation": envelope.conversation,
        "source": envelope.source,
        "sender": envelope.sender,
        "recipients": envelope.recipients,
        "application": envelope.application,
        "number": index.number,
        "document_id": index.document_id,
        "subject": index.subject,
        "status": index.status,
        "state": of.state().as_str_name().to_ascii_lowercase(),
        "accepted_at": rfc3339(envelope.accepted_at_us),
        "changed_at": rfc3339(of.changed_at_us),
        "due_at": if of.due_us == 0 { Value::Null } else { rfc3339(of.due_us).into() },
        "recipients_total": of.recipients_total,
        "recipients_taken": of.recipients_taken,
        "recipients_failed": of.recipients_failed,
        "detail": of.detail,
        "behind": of.behind,
        "adapter": of.adapter,
        "session": of.session,
        "lease_until":
            if of.lease_until_us == 0 { Value::Null } else { rfc3339(of.lease_until_us).into() },
        "paused": of.paused.as_ref().map(pause_json),
        "copy_of": envelope.copy_of,
        "fault": of.fault.as_ref().map(fault_json),
        "failure": failure(of).as_ref().map(fault_json),
    })
}

/// A journey: the message, its derived messages, the facts of all of them, and the statuses.
pub(crate) fn journey_json(journey: &JourneyResponse) -> Value {
    let hops: Vec<_> = journey
        .hops
        .iter()
        .map(|hop| {
            let fact = hop.fact.clone().unwrap_or_default();
            json!({
                "message_id": hop.message_id,
                "application": hop.application,
                "step": fact.step().as_str_name().trim_start_matches("STEP_").to_ascii_lowercase(),
                "at": rfc3339(fact.at_us),
                "component": fact.component,
                "attempt": fact.attempt,
                "format": fact.format,
                "format_version": fact.format_version,
                "format_hash": fact.format_hash,
                "duration_us": fact.duration_us,
                "detail": fact.detail,
                "adapter": fact.adapter,
                "session": fact.session,
                "fault": fact.fault.as_ref().map(fault_json),
                "losses": fact.losses.iter().map(|it| json!({
                    "kind": it.kind().as_str_name().to_ascii_lowercase(),
                    "path": it.path,
                    "reason": it.reason,
                    "value": it.value,
                })).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({
        "message": journey.message.as_ref().map(message_json),
        "derived": journey.derived.iter().map(message_json).collect::<Vec<_>>(),
        "hops": hops,
        "reports": journey.reports.iter().map(message_json).collect::<Vec<_>>(),
        "copies": journey.copies.iter().map(message_json).collect::<Vec<_>>(),
        "statuses": journey.statuses.iter().map(message_json).collect::<Vec<_>>(),
    })
}
