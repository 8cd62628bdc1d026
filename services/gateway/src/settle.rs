//! Settles deliveries with the answer of the application.

use chassis::trace::{Operation, SpanMessage, message_span, set_failed};
use futures::future::join_all;
use proto::exchange::v1::settle_request::Answer as AdapterAnswer;
use proto::exchange::v1::settled::Outcome as ItemOutcome;
use proto::exchange::v1::{
    SettleBatchRequest, SettleBatchResponse, SettleRequest, SettleResponse, Settled,
};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::ended::Outcome;
use proto::journal::v1::settlement::Answer;
use proto::journal::v1::{RefusedAnswer, Settlement, TakenAnswer, UnavailableAnswer};
use proto::registry::v1::Application;
use tracing::{Instrument as _, Span};

use crate::batch_call::{check_items, item_fault};
use crate::fault::invalid_field;
use crate::gateway::Gateway;
use crate::session::LeaseOwner;

/// Longest reference and reason that are recorded, characters.
const REFERENCE_CHARS_MAX: usize = 200;
const REASON_CHARS_MAX: usize = 1_000;

/// Settles a lease. The answer of a session that has ended goes to the journal too, which records
/// it as late, so that an operator sees what the application did.
pub(crate) async fn settle(
    gateway: &Gateway,
    application: &Application,
    request: SettleRequest,
) -> Result<SettleResponse, Fault> {
    let answer = check_answer(request.answer)?;
    let session = gateway.sessions.get(&request.session);
    if session.as_ref().is_some_and(|it| it.application.id != application.id) {
        return Err(Fault::new(&code::LT_JNL_004));
    }
    let (id, lease) = (request.message_id, request.lease);
    let in_flight = session.as_ref().and_then(|session| {
        session.touch(gateway.clock.now_us());
        session.in_flight(&id)
    });
    let span = in_flight.map_or_else(Span::none, |in_flight| {
        let about = SpanMessage {
            destination: &application.id,
            message_id: &id,
            conversation: &in_flight.conversation,
            traceparent: &in_flight.traceparent,
        };
        message_span(Operation::Settle, about)
    });
    let settlement = Settlement { message_id: id.clone(), lease, answer: Some(answer) };
    let owner = LeaseOwner { application: application.id.clone(), session: request.session };
    let ended = gateway.workers.settle(owner, settlement).instrument(span.clone()).await;
    let ended = ended.inspect_err(|fault| set_failed(&span, &fault.code))?;
    if let Some(session) = session {
        // Each outcome means that the session does not hold this lease any more.
        session.forget(&id, lease);
    }
    gateway.metrics.count_settle(ended.outcome().as_str_name());
    let fault = |entry| Err(Fault::new(entry).param("id", &id));
    match ended.outcome() {
        Outcome::Closed => Ok(SettleResponse { repeat: false, state: ended.state }),
        Outcome::Repeated => Ok(SettleResponse { repeat: true, state: ended.state }),
        Outcome::LeaseLost => fault(&code::LT_EX_012),
        Outcome::Contradicted => fault(&code::LT_EX_013),
        Outcome::NotKnown | Outcome::Unspecified => fault(&code::LT_EX_014),
    }
}

/// Settles several leases; each succeeds or fails as if it had come alone.
pub(crate) async fn settle_batch(
    gateway: &Gateway,
    application: &Application,
    request: SettleBatchRequest,
) -> Result<SettleBatchResponse, Fault> {
    let settles = check_items(request.items)?.into_iter().map(async |item| {
        let outcome = settle(gateway, application, item).await;
        let refused = |fault| ItemOutcome::Refused(item_fault(fault));
        Settled { outcome: Some(outcome.map_or_else(refused, ItemOutcome::Settled)) }
    });
    let results = join_all(settles).await;
    let is_refused = |it: &&Settled| matches!(it.outcome, Some(ItemOutcome::Refused(_)));
    let refused_count = results.iter().filter(is_refused).count();
    gateway.failure_rate.note(&application.id, refused_count);
    Ok(SettleBatchResponse { results })
}

/// The answer as the journal takes it.
fn check_answer(answer: Option<AdapterAnswer>) -> Result<Answer, Fault> {
    match answer {
        Some(AdapterAnswer::Taken(it)) => {
            let reference = truncate(it.reference, REFERENCE_CHARS_MAX);
            Ok(Answer::Taken(TakenAnswer { reference }))
        }
        Some(AdapterAnswer::Refused(it)) if it.reason.trim().is_empty() => {
            Err(invalid_field("refused.reason", "cần lý do", "must say why"))
        }
        Some(AdapterAnswer::Refused(it)) => {
            Ok(Answer::Refused(RefusedAnswer { reason: truncate(it.reason, REASON_CHARS_MAX) }))
        }
        Some(AdapterAnswer::Unavailable(it)) => Ok(Answer::Unavailable(UnavailableAnswer {
            reason: truncate(it.reason, REASON_CHARS_MAX),
            retry_after_ms: it.retry_after_ms,
        })),
        None => Err(invalid_field("answer", "thiếu câu trả lời", "the answer is missing")),
    }
}

fn truncate(text: String, chars_max: usize) -> String {
    if text.chars().count() <= chars_max { text } else { text.chars().take(chars_max).collect() }
}
