//! Asks the journal whether it has an item already, and words the answer of a repeat.

use proto::exchange::v1::submit_request::Body as SubmittedBody;
use proto::exchange::v1::{Progress, SubmitRequest, SubmitResponse};
use proto::fault::v1::Fault;
use proto::fault::{Lang, code};
use proto::journal::v1::accept_outcome::Outcome;
use proto::journal::v1::{AcceptOutcome, Acceptance, Envelope, Message, RecipientState, Summary};
use proto::message::v1::{Finding, State};
use proto::registry::v1::Application;
use sha2::{Digest as _, Sha256};

use crate::fault::unavailable;
use crate::gateway::Gateway;
use crate::refusals::SECRECY_CODES;
use crate::submission::{Sha256Bytes, SubmissionDigests, digest_submission};
use crate::track::delivery_progress;

/// Turns the refusal of an item into its first receipt, when it was accepted before: its uploads are
/// gone, or a changed registry or description refuses it now. Nothing was said anew, so nothing may
/// be decided anew. A mark of secrecy that is found now is refused all the same.
pub(crate) async fn recognise(
    gateway: &Gateway,
    (application, request): (&Application, &SubmitRequest),
    fault: Fault,
) -> Result<SubmitResponse, Fault> {
    let is_upload_gone =
        [code::LT_EX_004.code, code::LT_EX_009.code].contains(&fault.code.as_str());
    if !is_upload_gone && !is_refused_for_good(&fault) {
        return Err(fault);
    }
    let digests = known_digests(gateway, application, request).await;
    if request.key.is_empty() && digests.submission.is_none() {
        return Err(fault);
    }
    ask(gateway, (application, request), (digests, &[])).await?.ok_or(fault)
}

/// Turns the refusal of a record of a body into its first receipt, as [`recognise`] does for an item.
pub(crate) async fn recognise_record(
    gateway: &Gateway,
    (application, request): (&Application, &SubmitRequest),
    digests: SubmissionDigests,
    fault: Fault,
) -> Result<SubmitResponse, Fault> {
    if !is_refused_for_good(&fault) {
        return Err(fault);
    }
    ask(gateway, (application, request), (digests, &[])).await?.ok_or(fault)
}

/// True for a refusal by mapping that is no mark of secrecy.
fn is_refused_for_good(fault: &Fault) -> bool {
    fault.code.starts_with("LT-MAP-")
        && !fault.is_retryable()
        && !SECRECY_CODES.contains(&fault.code.as_str())
}

/// The digests of a request as far as the bytes of its uploads are known: they are still here, or
/// were declared.
async fn known_digests(
    gateway: &Gateway,
    application: &Application,
    request: &SubmitRequest,
) -> SubmissionDigests {
    let find = async |part: &str, declared: &[u8]| -> Option<Sha256Bytes> {
        match declared.try_into() {
            Ok(declared) => Some(declared),
            Err(_undeclared) => {
                gateway.uploads.claim(&application.id, part).await.ok().map(|it| it.sha256)
            }
        }
    };
    let body = match &request.body {
        Some(SubmittedBody::Inline(bytes)) => Some(Sha256::digest(bytes).into()),
        Some(SubmittedBody::Part(part)) => find(part, &request.body_sha256).await,
        None => None,
    };
    let mut files = Vec::with_capacity(request.attachments.len());
    for it in &request.attachments {
        files.push(find(&it.part, &it.sha256).await);
    }
    digest_submission((&application.organisation, request), body, &files)
}

/// The answer of a repeat; none when the item is new, or is to go out again.
///
/// # Errors
///
/// The key belongs to other content, or the journal does not answer.
pub(crate) async fn ask(
    gateway: &Gateway,
    (application, request): (&Application, &SubmitRequest),
    (digests, content_digest): (SubmissionDigests, &[u8]),
) -> Result<Option<SubmitResponse>, Fault> {
    let envelope = Envelope {
        source: application.id.clone(),
        sender: application.organisation.clone(),
        ..Envelope::default()
    };
    let question = Acceptance {
        message: Some(Message { envelope: Some(envelope), body: None }),
        key: request.key.clone(),
        content_digest: content_digest.to_vec().into(),
        submission_digest: submission_digest(digests),
        outline_digest: digests.outline.to_vec().into(),
        submitted_format: request.format.clone(),
        known_only: true,
        ..Acceptance::default()
    };
    let outcome = gateway.workers.accept(question, None).await?;
    match outcome.outcome {
        Some(Outcome::Unknown(_)) => Ok(None),
        Some(Outcome::Refused(fault)) => Err(fault),
        Some(Outcome::Receipt(_)) => {
            let mut response = to_response(gateway, outcome, Vec::new());
            if digests.submission.is_none() {
                response.findings.push(to_finding(&Fault::new(&code::LT_EX_019), None));
            }
            Ok(Some(response))
        }
        None => Err(unavailable("journal")),
    }
}

/// The digest as the journal takes it.
pub(crate) fn submission_digest(digests: SubmissionDigests) -> bytes::Bytes {
    digests.submission.map(|it| it.to_vec()).unwrap_or_default().into()
}

/// The answer to the sender of an accepted item, or of a repeat.
pub(crate) fn to_response(
    gateway: &Gateway,
    outcome: AcceptOutcome,
    mut findings: Vec<Finding>,
) -> SubmitResponse {
    let receipt = match outcome.outcome {
        Some(Outcome::Receipt(receipt)) => Some(receipt),
        Some(Outcome::Refused(_) | Outcome::Unknown(_)) | None => None,
    };
    let recipients: Vec<Progress> =
        outcome.recipients.into_iter().map(|it| to_progress(gateway, it)).collect();
    findings.extend(outcome.findings);
    findings.extend(not_everywhere(&recipients));
    SubmitResponse { receipt, findings, recipients, records: Vec::new() }
}

fn to_progress(gateway: &Gateway, state: RecipientState) -> Progress {
    let envelope = Envelope {
        recipients: vec![state.organisation],
        application: state.application,
        ..Envelope::default()
    };
    let summary = Summary {
        envelope: Some(envelope),
        state: state.state,
        changed_at_us: state.changed_at_us,
        detail: state.detail,
        attempt: state.attempt,
        fault: state.fault,
        due_us: state.due_us,
        ..Summary::default()
    };
    delivery_progress(gateway, &summary)
}

/// The finding of a repeat whose first message has failed at a recipient and arrived, or may still
/// arrive, at another: the sender must not take the receipt for an arrival.
fn not_everywhere(recipients: &[Progress]) -> Option<Finding> {
    let failed = |lang: Lang| -> Vec<String> {
        let failed = recipients.iter().filter_map(|it| {
            let state = failure_in_words(it.state(), lang)?;
            let name = if it.organisation_name.is_empty() {
                &it.organisation
            } else {
                &it.organisation_name
            };
            let detail =
                if it.detail.is_empty() { String::new() } else { format!(" ({})", it.detail) };
            Some(format!("{name} ({}): {state}{detail}", it.organisation))
        });
        failed.collect()
    };
    let fault = |lang| Fault::new(&code::LT_JNL_013).param("states", failed(lang).join("; "));
    (!failed(Lang::Vi).is_empty()).then(|| to_finding(&fault(Lang::Vi), Some(&fault(Lang::En))))
}

/// A state in which the message did not arrive, or may not have.
fn failure_in_words(state: State, lang: Lang) -> Option<&'static str> {
    let (vi, en) = match state {
        State::Refused => ("đã từ chối", "refused"),
        State::Withdrawn => ("đã rút", "withdrawn"),
        State::Dead => ("đang cách ly, chờ người vận hành", "a dead letter, waits for an operator"),
        State::InDoubt => ("chưa rõ đã nhận", "in doubt"),
        State::Unspecified
        | State::Accepted
        | State::Routed
        | State::Queued
        | State::Held
        | State::InHand
        | State::Parked
        | State::Taken => return None,
    };
    Some(match lang {
        Lang::Vi => vi,
        Lang::En => en,
    })
}

/// A finding with the texts of a code; `english` has other parameters where the words differ.
fn to_finding(fault: &Fault, english: Option<&Fault>) -> Finding {
    let (text_vi, text_en) = (fault.title(Lang::Vi), english.unwrap_or(fault).title(Lang::En));
    Finding { code: fault.code.clone(), field: String::new(), text_vi, text_en }
}
