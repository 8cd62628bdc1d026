//! Submits an item: normalize it, store its files, accept it in the journal, publish it to intake. A
//! repeat gets the first receipt, although its uploads are gone or it would be refused by now. A body
//! of several records is as many messages.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use chassis::trace;
use futures::future::join_all;
use proto::exchange::v1::submit_request::Body as SubmittedBody;
use proto::exchange::v1::submitted::Outcome as ItemOutcome;
use proto::exchange::v1::{
    SubmitBatchRequest, SubmitBatchResponse, SubmitRequest, SubmitResponse, Submitted,
};
use proto::fault::v1::Fault;
use proto::mapping::v1::{DeclaredAttachment, NormalizeItem};
use proto::registry::v1::Application;
use tracing::Instrument as _;

use crate::accept_message::{Submission, SubmittedMessage, accept_message, store_message};
use crate::attachments::declared_attachments;
use crate::batch_call::{check_bodies, check_items, item_fault};
use crate::body::{NativeBody, read_native_body};
use crate::check_item::check_item;
use crate::gateway::Gateway;
use crate::known_item::recognise;
use crate::memory::MemoryPermit;
use crate::refusals::{SubmittedItem, note_refused_call, note_refused_item};
use crate::submission::{SubmissionDigests, digest_submission};
use crate::submit_records::submit_records;
use crate::trace_context::TraceContext;
use crate::workers::{NativeItem, NormalizedItem};

/// Where an item came from: the trace of its call, and the memory of the call when an inline body
/// is a part of it.
pub(crate) type Origin = (TraceContext, Option<MemoryPermit>);

/// Submits an item. A refusal leaves nothing but its code.
pub(crate) async fn submit(
    gateway: &Arc<Gateway>,
    application: &Application,
    (request, origin): (SubmitRequest, Origin),
) -> Result<SubmitResponse, Fault> {
    let _open_work = gateway.open_work.token();
    let mut item = SubmittedItem::new(&request);
    let parts = named_parts(&request);
    let started = Instant::now();
    // While an item is asked for, its inline body is in memory as a part of its call.
    let call_memory = origin.1.clone();
    let result =
        gateway.watch_outcome(process(gateway, application, (&request, origin), &mut item).await);
    let result = match result {
        Err(fault) => recognise(gateway, (application, &request), fault).await,
        accepted => accepted,
    };
    drop(call_memory);
    let outcome = match &result {
        Ok(response) if response.receipt.as_ref().is_some_and(|it| it.repeat) => "repeat",
        Ok(_) => "accepted",
        Err(fault) => &fault.code,
    };
    gateway.metrics.count_submit(outcome, started.elapsed());
    match &result {
        // The same item may be submitted again with the same uploads.
        Err(fault) if fault.is_retryable() => return result,
        Err(fault) => {
            note_refused_item(gateway, application, item, fault);
            if fault.code.starts_with("LT-EX-") {
                // The caller corrects the call and may use the same uploads.
                return result;
            }
        }
        Ok(_) => {}
    }
    gateway.uploads.remove_used(&application.id, &parts);
    result
}

/// Submits several items; each succeeds or fails as if it had come alone.
pub(crate) async fn submit_batch(
    gateway: &Arc<Gateway>,
    application: &Application,
    request: SubmitBatchRequest,
    memory: Option<MemoryPermit>,
) -> Result<SubmitBatchResponse, Fault> {
    let items = check_bodies(&request.items).and_then(|()| check_items(request.items));
    let items = items.inspect_err(|fault| note_refused_call(gateway, application, fault))?;
    let submits = items.into_iter().map(async |item| {
        let span = trace::item_span(&item.traceparent);
        let context = TraceContext::from_request(&item, |_| None);
        let origin = (context, memory.clone());
        let outcome = submit(gateway, application, (item, origin)).instrument(span).await;
        let refused = |fault| ItemOutcome::Refused(item_fault(fault));
        Submitted { outcome: Some(outcome.map_or_else(refused, ItemOutcome::Submitted)) }
    });
    let results = join_all(submits).await;
    let is_refused = |it: &&Submitted| matches!(it.outcome, Some(ItemOutcome::Refused(_)));
    let refused_count = results.iter().filter(is_refused).count();
    gateway.failure_rate.note(&application.id, refused_count);
    Ok(SubmitBatchResponse { results })
}

/// The uploads that an item names.
fn named_parts(request: &SubmitRequest) -> Vec<String> {
    let body = match &request.body {
        Some(SubmittedBody::Part(part)) => Some(part),
        Some(SubmittedBody::Inline(_)) | None => None,
    };
    body.into_iter().chain(request.attachments.iter().map(|it| &it.part)).cloned().collect()
}

async fn process(
    gateway: &Arc<Gateway>,
    application: &Application,
    (request, (context, call_memory)): (&SubmitRequest, Origin),
    refused: &mut SubmittedItem,
) -> Result<SubmitResponse, Fault> {
    let started = Instant::now();
    let submitted_us = gateway.clock.now_us();
    check_item(request, gateway.config.attachments_max)?;
    let _submit_permit = gateway.submit_permits.acquire(&application.id).await?;
    let native = read_native_body(gateway, application, request, call_memory).await?;
    refused.note_body(&native.sha256);
    let item = NormalizeItem {
        source: application.id.clone(),
        sender: application.organisation.clone(),
        format: request.format.clone(),
        native_size: native.bytes.len() as u64,
        attachments: declared_attachments(gateway, application, request).await?,
        recipients: request.recipients.clone(),
    };
    let digests = digests_of(application, request, (&native, &item));
    let permit = native.permit.clone();
    let native_item = NativeItem { item, bytes: native.bytes.clone(), permit: permit.clone() };
    let normalized = gateway.workers.normalize(native_item).await.map_err(|it| {
        refused.note_read(it.read);
        it.fault
    })?;
    let submission = Submission { application, context, native, submitted_us, started };
    let NormalizedItem { mut records, mut files } = normalized;
    let record = match records.pop() {
        Some(record) if records.is_empty() => record,
        last => {
            records.extend(last);
            refused.note_read(None);
            let item = NormalizedItem { records, files };
            return submit_records(gateway, &submission, (request, digests), item).await;
        }
    };
    let normalized = record.outcome.map_err(|it| it.fault)?;
    refused.note_normalized(&normalized);
    let message = SubmittedMessage { request: Cow::Borrowed(request), digests, normalized };
    let stored = store_message(gateway, &submission, message, &mut files).await?;
    accept_message(gateway, &submission, stored, None).await
}

/// The digests of an item whose bytes are all here.
fn digests_of(
    application: &Application,
    request: &SubmitRequest,
    (native, item): (&NativeBody, &NormalizeItem),
) -> SubmissionDigests {
    let sha256 = |it: &DeclaredAttachment| it.claim.as_ref()?.sha256.as_ref().try_into().ok();
    let files: Vec<_> = item.attachments.iter().map(sha256).collect();
    digest_submission((&application.organisation, request), Some(native.sha256), &files)
}
