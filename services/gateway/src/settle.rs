//! What an application did with a delivery, and the files of one it has in hand.

use chassis::trace::{About, Operation, failed, message_span};
use futures::future::join_all;
use proto::exchange::v1::settle_request::Answer as Given;
use proto::exchange::v1::settled::Outcome as Settling;
use proto::exchange::v1::{
    GetPartRequest, SettleBatchRequest, SettleBatchResponse, SettleRequest, SettleResponse, Settled,
};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::ended::Outcome;
use proto::journal::v1::settlement::Answer;
use proto::journal::v1::{RefusedAnswer, Settlement, TakenAnswer, UnavailableAnswer};
use proto::registry::v1::Application;
use tracing::{Instrument as _, Span};

use crate::batch::{counted, worded};
use crate::body::opened;
use crate::fault::internal;
use crate::gateway::Gateway;
use crate::parts::field;
use crate::session::{LeaseOwner, Session};

/// Closes a lease with the adapter's answer. The answer of a session that has ended goes to the
/// journal all the same, which records it as late: what the application did is not lost.
pub(crate) async fn answer(
    gateway: &Gateway,
    application: &Application,
    request: SettleRequest,
) -> Result<SettleResponse, Fault> {
    let answer = given(request.answer)?;
    let session = gateway.sessions.get(&request.session);
    if session.as_ref().is_some_and(|it| it.application.id != application.id) {
        return Err(Fault::new(&code::LT_JNL_004));
    }
    let (id, lease) = (request.message_id, request.lease);
    let held = match &session {
        Some(session) => {
            session.touch(gateway.clock.now_us());
            session.in_flight(&id)
        }
        None => None,
    };
    let span = held.map_or_else(Span::none, |held| {
        let about = About {
            destination: &application.id,
            message_id: &id,
            conversation: &held.conversation,
            traceparent: &held.traceparent,
        };
        message_span(Operation::Settle, about)
    });
    let ending = Settlement { message_id: id.clone(), lease, answer: Some(answer) };
    let owner = LeaseOwner { application: application.id.clone(), session: request.session };
    let ended = gateway.settle(owner, ending).instrument(span.clone()).await;
    let ended = ended.inspect_err(|fault| failed(&span, &fault.code))?;
    if let Some(session) = session {
        // Whatever the journal says, this lease is over.
        session.forget(&id, lease);
    }
    gateway.metrics.settle(ended.outcome().as_str_name());
    let fault = |page| Err(Fault::new(page).param("id", &id));
    match ended.outcome() {
        Outcome::Closed => Ok(SettleResponse { repeat: false, state: ended.state }),
        Outcome::Repeated => Ok(SettleResponse { repeat: true, state: ended.state }),
        Outcome::LeaseLost => fault(&code::LT_EX_012),
        Outcome::Contradicted => fault(&code::LT_EX_013),
        Outcome::NotKnown | Outcome::Unspecified => fault(&code::LT_EX_014),
    }
}

/// Closes leases with several answers, each as if it had come by itself.
pub(crate) async fn answers(
    gateway: &Gateway,
    application: &Application,
    request: SettleBatchRequest,
) -> Result<SettleBatchResponse, Fault> {
    let each = counted(request.items)?.into_iter().map(async |item| {
        let outcome = answer(gateway, application, item).await;
        let refused = |fault| Settling::Refused(worded(fault));
        Settled { outcome: Some(outcome.map_or_else(refused, Settling::Settled)) }
    });
    Ok(SettleBatchResponse { results: join_all(each).await })
}

fn given(answer: Option<Given>) -> Result<Answer, Fault> {
    match answer {
        Some(Given::Taken(it)) => {
            Ok(Answer::Taken(TakenAnswer { reference: cut(it.reference, 200) }))
        }
        Some(Given::Refused(it)) if it.reason.trim().is_empty() => {
            Err(field("refused.reason", "cần lý do", "must say why"))
        }
        Some(Given::Refused(it)) => {
            Ok(Answer::Refused(RefusedAnswer { reason: cut(it.reason, 1_000) }))
        }
        Some(Given::Unavailable(it)) => Ok(Answer::Unavailable(UnavailableAnswer {
            reason: cut(it.reason, 1_000),
            retry_after_ms: it.retry_after_ms,
        })),
        None => Err(field("answer", "thiếu câu trả lời", "the answer is missing")),
    }
}

fn cut(text: String, most: usize) -> String {
    if text.chars().count() <= most { text } else { text.chars().take(most).collect() }
}

/// Opens the body or a file of a delivery that this session has in hand.
pub(crate) async fn part(
    gateway: &Gateway,
    session: &Session,
    request: &GetPartRequest,
) -> Result<bus::claim::Reader, Fault> {
    let missing = || Fault::new(&code::LT_EX_014).param("id", &request.message_id);
    let held = session.in_flight(&request.message_id).ok_or_else(missing)?;
    let claim = if request.attachment.is_empty() {
        held.body
    } else {
        let found = held.attachments.into_iter().find(|it| it.id == request.attachment);
        found.and_then(|it| it.claim)
    };
    let claim = claim
        .as_ref()
        .and_then(opened)
        .ok_or_else(|| Fault::new(&code::LT_EX_015).param("attachment", &request.attachment))?;
    if request.offset > claim.size {
        return Err(field("offset", "vượt quá kích thước tệp", "is beyond the file's end"));
    }
    let reader = gateway.claims.open(&claim, request.offset).await;
    reader.map_err(|error| internal(&error))
}
