//! Tracks the caller's own messages, and the statuses that the receiving organisations sent back.

use journal_client::{failure, to_fault};
use proto::exchange::v1::track_request::By;
use proto::exchange::v1::{BusinessStatus, Progress, TrackRequest, TrackResponse, Tracked};
use proto::fault::Lang;
use proto::fault::v1::Fault;
use proto::journal::v1::{FindRequest, JourneyRequest, JourneyResponse, Summary};
use proto::message::v1::Receipt;
use proto::registry::v1::Application;

use crate::fault::invalid_field;
use crate::gateway::Gateway;

/// Messages of one response.
const MESSAGES_MAX: usize = 20;
/// Messages found before those that the organisation only received are filtered out.
const CANDIDATES_MAX: u32 = 100;

/// Finds messages by id, key or number. The messages of other organisations are not found.
pub(crate) async fn track(
    gateway: &Gateway,
    application: &Application,
    request: TrackRequest,
) -> Result<TrackResponse, Fault> {
    let id = match &request.by {
        Some(By::MessageId(id)) => Some(id.trim().to_lowercase()),
        Some(By::Number(_) | By::Key(_)) | None => None,
    };
    let find = find_request(application, request)?;
    let found = gateway.journal.find(find).await.map_err(|status| to_fault(&status))?;
    let own = found.messages.into_iter().filter(|it| {
        it.envelope.as_ref().is_some_and(|it| {
            // The journal also searches subjects, whose words may be the id of another message.
            it.sender == application.organisation && id.as_ref().is_none_or(|id| it.id == *id)
        })
    });
    let mut messages = Vec::new();
    for summary in own.take(MESSAGES_MAX) {
        messages.push(track_message(gateway, summary).await?);
    }
    Ok(TrackResponse { messages })
}

fn find_request(application: &Application, request: TrackRequest) -> Result<FindRequest, Fault> {
    let find = FindRequest {
        limit: CANDIDATES_MAX,
        organisation: application.organisation.clone(),
        ..FindRequest::default()
    };
    match request.by {
        Some(By::MessageId(text) | By::Number(text)) if !text.trim().is_empty() => {
            Ok(FindRequest { text, ..find })
        }
        Some(By::Key(key)) if !key.is_empty() => {
            Ok(FindRequest { key, application: application.id.clone(), ..find })
        }
        Some(By::MessageId(_) | By::Number(_) | By::Key(_)) | None => Err(invalid_field(
            "by",
            "cần message_id, key hoặc number",
            "needs message_id, key or number",
        )),
    }
}

async fn track_message(gateway: &Gateway, summary: Summary) -> Result<Tracked, Fault> {
    let words = Words::of(&summary);
    let envelope = summary.envelope.unwrap_or_default();
    let request = JourneyRequest { message_id: envelope.id.clone() };
    let journey = gateway.journal.journey(request).await.map_err(|status| to_fault(&status))?;
    let recipients = journey.derived.iter().map(|it| progress(gateway, it, &journey)).collect();
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
            copy_of: envelope.copy_of,
        }),
        state: summary.state,
        index: summary.index,
        recipients,
        reason_vi: words.reason[0].clone(),
        reason_en: words.reason[1].clone(),
        remedy_vi: words.remedy[0].clone(),
        remedy_en: words.remedy[1].clone(),
        code: words.code,
    })
}

/// How far a message is at one recipient, and what the recipient's organisation answered.
fn progress(gateway: &Gateway, derived: &Summary, journey: &JourneyResponse) -> Progress {
    let progress = delivery_progress(gateway, derived);
    let statuses = journey.statuses.iter();
    let statuses = statuses.filter_map(|it| status_from(&progress.organisation, it)).collect();
    Progress { statuses, ..progress }
}

/// How far a message is at one recipient, in words, without what the organisation answered.
pub(crate) fn delivery_progress(gateway: &Gateway, derived: &Summary) -> Progress {
    let envelope = derived.envelope.clone().unwrap_or_default();
    let organisation = envelope.recipients.into_iter().next().unwrap_or_default();
    let words = Words::of(derived);
    Progress {
        organisation_name: gateway.registry.directory().organisation_name(&organisation),
        statuses: Vec::new(),
        organisation,
        application: envelope.application,
        state: derived.state,
        changed_at_us: derived.changed_at_us,
        detail: derived.detail.clone(),
        attempt: derived.attempt,
        reason_vi: words.reason[0].clone(),
        reason_en: words.reason[1].clone(),
        remedy_vi: words.remedy[0].clone(),
        remedy_en: words.remedy[1].clone(),
        code: words.code,
        due_us: derived.due_us,
    }
}

/// Why a message did not arrive, or not yet: Vietnamese and English; empty where nothing failed.
#[derive(Default)]
struct Words {
    reason: [String; 2],
    remedy: [String; 2],
    code: String,
}

impl Words {
    fn of(summary: &Summary) -> Self {
        let Some(fault) = failure(summary) else { return Self::default() };
        let languages = [Lang::Vi, Lang::En];
        Self {
            reason: languages.map(|it| fault.title(it)),
            remedy: languages.map(|it| fault.remedy(it)),
            code: fault.code,
        }
    }
}

/// The business status in a status message, if this organisation sent it.
fn status_from(organisation: &str, status: &Summary) -> Option<BusinessStatus> {
    let envelope = status.envelope.as_ref()?;
    let index = status.index.clone().unwrap_or_default();
    (envelope.sender == organisation).then(|| BusinessStatus {
        code: index.status,
        text: index.status_text,
        organisation: envelope.sender.clone(),
        at_us: envelope.happened_at_us(),
    })
}
