//! Where the caller's own messages are, and what the receiving agencies said they did.

use proto::exchange::v1::track_request::By;
use proto::exchange::v1::{BusinessStatus, Progress, TrackRequest, TrackResponse, Tracked};
use proto::fault::v1::Fault;
use proto::journal::v1::{FindRequest, JourneyRequest, Summary};
use proto::message::v1::Receipt;
use proto::registry::v1::Application;

use crate::gateway::Gateway;
use crate::parts::field;

/// Messages of one answer.
const TOLD_MAX: usize = 20;
/// Messages looked through: those that came to the organisation are left out afterwards.
const FOUND_MAX: u32 = 100;

/// Follows messages by id, key or number. Those of other organisations are as if they were not.
pub(crate) async fn track(
    gateway: &Gateway,
    application: &Application,
    request: TrackRequest,
) -> Result<TrackResponse, Fault> {
    let find = FindRequest {
        limit: FOUND_MAX,
        organisation: application.organisation.clone(),
        ..FindRequest::default()
    };
    let id = match &request.by {
        Some(By::MessageId(id)) => Some(id.trim().to_lowercase()),
        Some(By::Number(_) | By::Key(_)) | None => None,
    };
    let find = match request.by {
        Some(By::MessageId(text) | By::Number(text)) if !text.trim().is_empty() => {
            FindRequest { text, ..find }
        }
        Some(By::Key(key)) if !key.is_empty() => {
            FindRequest { key, application: application.id.clone(), ..find }
        }
        Some(By::MessageId(_) | By::Number(_) | By::Key(_)) | None => {
            return Err(field(
                "by",
                "cần message_id, key hoặc number",
                "needs message_id, key or number",
            ));
        }
    };
    let found = gateway.within(gateway.journal.clone().find(find)).await?;
    let own = found.messages.into_iter().filter(|it| {
        it.envelope.as_ref().is_some_and(|it| {
            // Words of a subject may hold what is some other message's id.
            it.sender == application.organisation && id.as_ref().is_none_or(|id| it.id == *id)
        })
    });
    let mut messages = Vec::new();
    for summary in own.take(TOLD_MAX) {
        messages.push(one(gateway, summary).await?);
    }
    Ok(TrackResponse { messages })
}

async fn one(gateway: &Gateway, summary: Summary) -> Result<Tracked, Fault> {
    let envelope = summary.envelope.clone().unwrap_or_default();
    let request = JourneyRequest { message_id: envelope.id.clone() };
    let journey = gateway.within(gateway.journal.clone().journey(request)).await?;
    let directory = gateway.registered.now();
    let recipients = journey
        .derived
        .iter()
        .map(|it| {
            let to = it.envelope.clone().unwrap_or_default();
            let organisation = to.recipients.first().cloned().unwrap_or_default();
            let statuses = journey.statuses.iter().filter_map(|it| said_by(&organisation, it));
            Progress {
                organisation_name: directory.name(&organisation),
                statuses: statuses.collect(),
                organisation,
                application: to.application,
                state: it.state,
                changed_at_us: it.changed_at_us,
                detail: it.detail.clone(),
                attempt: it.attempt,
            }
        })
        .collect();
    Ok(Tracked {
        receipt: Some(Receipt {
            message_id: envelope.id,
            conversation: envelope.conversation,
            accepted_at_us: envelope.accepted_at_us,
            sequence: envelope.sequence,
            repeat: false,
            native_sha256: summary.native_sha256,
            attachments: summary.attachments,
            r#type: envelope.r#type,
            recipients: envelope.recipients,
        }),
        state: summary.state,
        index: summary.index,
        recipients,
    })
}

fn said_by(organisation: &str, status: &Summary) -> Option<BusinessStatus> {
    let envelope = status.envelope.as_ref()?;
    let index = status.index.clone().unwrap_or_default();
    (envelope.sender == organisation).then(|| BusinessStatus {
        code: index.status,
        text: index.status_text,
        organisation: envelope.sender.clone(),
        at_us: if envelope.occurred_at_us > 0 {
            envelope.occurred_at_us
        } else {
            envelope.accepted_at_us
        },
    })
}
