//! A layer in front of the real gateway: it records what an adapter calls, and fails in the ways a
//! test asks for.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use proto::exchange::v1::exchange_client::ExchangeClient;
use proto::exchange::v1::exchange_server::Exchange;
use proto::exchange::v1::settled::Outcome as SettleOutcome;
use proto::exchange::v1::submit_request::Body;
use proto::exchange::v1::submitted::Outcome as SubmitOutcome;
use proto::exchange::v1::{
    Delivery, GetPartRequest, HelloRequest, HelloResponse, ItemFault, LookupRequest,
    LookupResponse, PartChunk, PutPartRequest, PutPartResponse, ReceiveRequest, SettleBatchRequest,
    SettleBatchResponse, SettleRequest, SettleResponse, Settled, SubmitBatchRequest,
    SubmitBatchResponse, SubmitRequest, SubmitResponse, Submitted, TrackRequest, TrackResponse,
};
use proto::fault::v1::Fault;
use tokio::sync::{Barrier, mpsc, watch};
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Request, Response, Status, Streaming};

use crate::waiting::timed;

/// What an adapter has called, and the failures that the layer will cause.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Names of all uploads, in the order of their first chunks.
    pub(crate) upload_names: Vec<String>,
    pub(crate) submits: usize,
    /// Number of items of each batch.
    pub(crate) batches: Vec<usize>,
    pub(crate) settles: Vec<SettleRequest>,
    /// Offsets of all GetPart calls.
    pub(crate) download_offsets: Vec<u64>,
    /// Sessions that the gateway has opened.
    pub(crate) sessions: Vec<String>,
    /// What the gateway has delivered.
    pub(crate) deliveries: Vec<Delivery>,
    /// Number of submits before which the gateway has lost the uploads.
    pub(crate) submits_losing_uploads: usize,
    /// Errors of the next PutPart calls; `None`: the call succeeds.
    pub(crate) put_failures: VecDeque<Option<Status>>,
    /// Errors of the next items and answers, in calls of their own or in batches.
    pub(crate) submit_failures: VecDeque<Status>,
    pub(crate) settle_failures: VecDeque<Status>,
    /// Errors of the next SubmitBatch or SettleBatch calls as a whole.
    pub(crate) batch_failures: VecDeque<Status>,
    /// Number of the next Submit or SettleBatch calls whose responses are lost after the gateway has
    /// handled them.
    pub(crate) lost_responses: usize,
    /// Number of bytes after which each of the next downloads breaks.
    pub(crate) cuts: VecDeque<u64>,
    pub(crate) get_failures: VecDeque<Status>,
    /// Whether the first byte of each chunk of a download is changed.
    pub(crate) damages_downloads: bool,
    /// A file that is truncated when the first chunk of an upload arrives.
    pub(crate) truncates: Option<PathBuf>,
    /// How often the stream of deliveries was broken.
    pub(crate) breaks: usize,
}

type TonicResult<T> = Result<Response<T>, Status>;

/// The layer. Clones share the state.
#[derive(Clone, Debug)]
pub(crate) struct FaultLayer {
    state: watch::Sender<State>,
    gateway: ExchangeClient<Channel>,
    /// Submits wait for each other at this barrier.
    submit_barrier: Arc<Option<Barrier>>,
    /// One task for each stream of deliveries.
    streams: Arc<tokio::sync::Mutex<JoinSet<()>>>,
}

impl FaultLayer {
    pub(crate) fn new(state: State, gateway: ExchangeClient<Channel>, submits: usize) -> Self {
        let submit_barrier = Arc::new((submits > 1).then(|| Barrier::new(submits)));
        Self { state: watch::Sender::new(state), gateway, submit_barrier, streams: Arc::default() }
    }

    pub(crate) fn with<T>(&self, use_state: impl FnOnce(&mut State) -> T) -> T {
        let mut result = None;
        self.state.send_modify(|state| result = Some(use_state(state)));
        result.unwrap()
    }

    /// Waits until the state fulfils a condition.
    pub(crate) async fn wait_until(&self, condition: impl FnMut(&State) -> bool) {
        let mut states = self.state.subscribe();
        drop(timed(states.wait_for(condition)).await.unwrap());
    }

    /// Breaks the stream of deliveries.
    pub(crate) fn break_stream(&self) {
        self.with(|state| state.breaks += 1);
    }

    /// The next failure of a submit, else its request as the gateway gets it.
    fn check_submit(&self, mut request: SubmitRequest) -> Result<SubmitRequest, Status> {
        self.with(|state| {
            state.submits += 1;
            if state.submits_losing_uploads > 0 {
                state.submits_losing_uploads -= 1;
                name_lost_uploads(&mut request);
            }
            state.submit_failures.pop_front().map_or(Ok(request), Err)
        })
    }

    async fn settle_items(
        &self,
        request: Request<SettleBatchRequest>,
    ) -> TonicResult<SettleBatchResponse> {
        if let Some(failure) = self.with(|state| state.batch_failures.pop_front()) {
            return Err(failure);
        }
        let (metadata, _, SettleBatchRequest { items }) = request.into_parts();
        let refuse = |it| Settled { outcome: Some(SettleOutcome::Refused(it)) };
        let check = |it| self.with(|state| state.settle_failures.pop_front()).map_or(Ok(it), Err);
        let (failed, items) = split(items, check, refuse)?;
        let mut results = Vec::new();
        if !items.is_empty() {
            let request = with_token(metadata, SettleBatchRequest { items });
            results = self.gateway.clone().settle_batch(request).await?.into_inner().results;
        }
        self.respond(SettleBatchResponse { results: merge(failed, results) })
    }

    /// The response, unless it is to be lost.
    fn respond<T>(&self, response: T) -> TonicResult<T> {
        let is_lost = self.with(|state| {
            let is_lost = state.lost_responses > 0;
            state.lost_responses = state.lost_responses.saturating_sub(1);
            is_lost
        });
        if is_lost {
            return Err(Status::unavailable("the response was lost"));
        }
        Ok(Response::new(response))
    }
}

/// Forwards deliveries until either side ends the stream or the test breaks it.
async fn forward(
    state: watch::Sender<State>,
    mut deliveries: Streaming<Delivery>,
    sender: mpsc::Sender<Result<Delivery, Status>>,
) {
    let mut states = state.subscribe();
    let breaks = states.borrow_and_update().breaks;
    loop {
        let delivery = tokio::select! {
            delivery = deliveries.message() => delivery,
            broken = states.wait_for(|it| it.breaks > breaks) => {
                drop(broken.unwrap());
                Err(Status::unavailable("the link broke"))
            }
            () = sender.closed() => return,
        };
        let Some(delivery) = delivery.transpose() else { return };
        let sent = delivery.clone();
        if sender.send(delivery).await.is_err() {
            return;
        }
        let Ok(sent) = sent else { return };
        state.send_modify(|state| state.deliveries.push(sent));
    }
}

/// Names uploads that the gateway does not have, as if it had lost those of the request.
fn name_lost_uploads(request: &mut SubmitRequest) {
    let attachments = request.attachments.iter_mut().map(|it| &mut it.part);
    let body = match &mut request.body {
        Some(Body::Part(part)) => Some(part),
        Some(Body::Inline(_)) | None => None,
    };
    attachments.chain(body).for_each(|it| it.push_str("-lost"));
}

fn to_item_fault(status: Status) -> Result<ItemFault, Status> {
    let fault = Fault::from_status(&status).ok_or(status)?;
    Ok(ItemFault { fault: Some(fault), ..ItemFault::default() })
}

/// Splits items into outcomes of failures, with `None` for each item that goes on to the gateway,
/// and these items.
fn split<T, O>(
    items: Vec<T>,
    mut check: impl FnMut(T) -> Result<T, Status>,
    refuse: impl Fn(ItemFault) -> O,
) -> Result<(Vec<Option<O>>, Vec<T>), Status> {
    let (mut failed, mut forwarded) = (Vec::new(), Vec::new());
    for item in items {
        match check(item) {
            Ok(item) => {
                forwarded.push(item);
                failed.push(None);
            }
            Err(status) => failed.push(Some(refuse(to_item_fault(status)?))),
        }
    }
    Ok((failed, forwarded))
}

/// The outcomes of all items, from those of failures and those of the gateway.
fn merge<O>(failed: Vec<Option<O>>, forwarded: Vec<O>) -> Vec<O> {
    let mut forwarded = forwarded.into_iter();
    failed.into_iter().map(|it| it.or_else(|| forwarded.next()).unwrap()).collect()
}

/// A request with the token of another one.
fn with_token<T>(metadata: tonic::metadata::MetadataMap, message: T) -> Request<T> {
    Request::from_parts(metadata, tonic::Extensions::default(), message)
}

#[tonic::async_trait]
impl Exchange for FaultLayer {
    type ReceiveStream = ReceiverStream<Result<Delivery, Status>>;
    type GetPartStream = tokio_stream::Iter<std::vec::IntoIter<Result<PartChunk, Status>>>;

    async fn hello(&self, request: Request<HelloRequest>) -> TonicResult<HelloResponse> {
        let response = self.gateway.clone().hello(request).await?;
        let session = response.get_ref().session.clone();
        self.with(|state| state.sessions.push(session));
        Ok(response)
    }

    async fn put_part(&self, request: Request<PutPartRequest>) -> TonicResult<PutPartResponse> {
        let part = request.get_ref().part.clone();
        let failure = self.with(|state| {
            if !state.upload_names.contains(&part) {
                state.upload_names.push(part);
            }
            state.put_failures.pop_front().flatten()
        });
        if let Some(failure) = failure {
            return Err(failure);
        }
        let response = self.gateway.clone().put_part(request).await;
        if let Some(path) = self.with(|state| state.truncates.take()) {
            std::fs::File::options().write(true).open(path).unwrap().set_len(10).unwrap();
        }
        response
    }

    async fn submit(&self, request: Request<SubmitRequest>) -> TonicResult<SubmitResponse> {
        if let Some(barrier) = &*self.submit_barrier {
            barrier.wait().await;
        }
        let (metadata, _, item) = request.into_parts();
        let item = self.check_submit(item)?;
        let response = self.gateway.clone().submit(with_token(metadata, item)).await?;
        self.respond(response.into_inner())
    }

    async fn submit_batch(
        &self,
        request: Request<SubmitBatchRequest>,
    ) -> TonicResult<SubmitBatchResponse> {
        let (metadata, _, SubmitBatchRequest { items }) = request.into_parts();
        self.with(|state| state.batches.push(items.len()));
        if let Some(failure) = self.with(|state| state.batch_failures.pop_front()) {
            return Err(failure);
        }
        let refuse = |it| Submitted { outcome: Some(SubmitOutcome::Refused(it)) };
        let (failed, items) = split(items, |it| self.check_submit(it), refuse)?;
        let request = with_token(metadata, SubmitBatchRequest { items });
        let forwarded = self.gateway.clone().submit_batch(request).await?.into_inner().results;
        Ok(Response::new(SubmitBatchResponse { results: merge(failed, forwarded) }))
    }

    async fn receive(&self, request: Request<ReceiveRequest>) -> TonicResult<Self::ReceiveStream> {
        let deliveries = self.gateway.clone().receive(request).await?.into_inner();
        let (sender, receiver) = mpsc::channel(64);
        self.streams.lock().await.spawn(forward(self.state.clone(), deliveries, sender));
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn get_part(&self, request: Request<GetPartRequest>) -> TonicResult<Self::GetPartStream> {
        let offset = request.get_ref().offset;
        self.with(|state| state.download_offsets.push(offset));
        if let Some(failure) = self.with(|state| state.get_failures.pop_front()) {
            return Err(failure);
        }
        let cut = self.with(|state| state.cuts.pop_front());
        let damages = self.with(|state| state.damages_downloads);
        let mut chunks = Vec::new();
        let mut stream = self.gateway.clone().get_part(request).await?.into_inner();
        while let Some(mut chunk) = stream.message().await? {
            if cut.is_some_and(|it| chunk.offset - offset >= it) {
                chunks.push(Err(Status::unavailable("the link broke")));
                break;
            }
            if damages {
                let mut bytes = chunk.data.to_vec();
                bytes[0] ^= 1;
                chunk.data = bytes.into();
            }
            chunks.push(Ok(chunk));
        }
        Ok(Response::new(tokio_stream::iter(chunks)))
    }

    async fn settle(&self, request: Request<SettleRequest>) -> TonicResult<SettleResponse> {
        self.gateway.clone().settle(request).await
    }

    async fn settle_batch(
        &self,
        request: Request<SettleBatchRequest>,
    ) -> TonicResult<SettleBatchResponse> {
        let settles = request.get_ref().items.clone();
        let response = self.settle_items(request).await;
        // Recorded only now, so that a test that sees an answer knows that the journal has it.
        self.with(|state| state.settles.extend(settles));
        response
    }

    async fn track(&self, request: Request<TrackRequest>) -> TonicResult<TrackResponse> {
        self.gateway.clone().track(request).await
    }

    async fn lookup(&self, request: Request<LookupRequest>) -> TonicResult<LookupResponse> {
        self.gateway.clone().lookup(request).await
    }
}
