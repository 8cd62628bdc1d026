//! A fake gateway that fails in the ways a test asks for. Tests that need no failure use the real
//! gateway.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proto::exchange::v1::exchange_server::{Exchange, ExchangeServer};
use proto::exchange::v1::settled::Outcome;
use proto::exchange::v1::submit_request::Body;
use proto::exchange::v1::submitted::Outcome as SubmitOutcome;
use proto::exchange::v1::{
    Delivery, GetPartRequest, HelloRequest, HelloResponse, ItemFault, LookupRequest,
    LookupResponse, PartChunk, PutPartRequest, PutPartResponse, ReceiveRequest, SettleBatchRequest,
    SettleBatchResponse, SettleRequest, SettleResponse, Settled, SubmitBatchRequest,
    SubmitBatchResponse, SubmitRequest, SubmitResponse, Submitted, TrackRequest, TrackResponse,
};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::message::v1::Receipt;
use sdk::Connection;
use tokio::net::TcpListener;
use tokio::sync::{Barrier, mpsc, watch};
use tokio::task::JoinSet;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::transport::Server;
use tonic::{Request, Response, Status};

/// Time limit of every wait.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);
/// Size of one chunk of a download, bytes.
const CHUNK_BYTES: usize = 1024 * 1024;

/// An upload in progress.
#[derive(Debug, Default)]
pub(crate) struct Upload {
    bytes: Vec<u8>,
    size: u64,
}

/// An accepted item.
#[derive(Debug)]
pub(crate) struct AcceptedItem {
    pub(crate) key: String,
    pub(crate) body: Vec<u8>,
    pub(crate) files: Vec<Vec<u8>>,
}

/// What the gateway has received, and the failures it will cause.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) uploads: HashMap<String, Upload>,
    /// Names of all uploads, in the order of their first chunks.
    pub(crate) upload_names: Vec<String>,
    pub(crate) submits: usize,
    /// Number of items of each batch.
    pub(crate) batches: Vec<usize>,
    pub(crate) items: Vec<AcceptedItem>,
    pub(crate) settles: Vec<SettleRequest>,
    /// Offsets of all GetPart calls.
    pub(crate) download_offsets: Vec<u64>,
    /// Bytes of attachments by their id.
    pub(crate) files: HashMap<String, Bytes>,
    /// Number of submits before which all uploads are lost.
    pub(crate) submits_losing_uploads: usize,
    /// Errors of the next PutPart calls; `None`: the call succeeds.
    pub(crate) put_failures: VecDeque<Option<Status>>,
    /// Errors of the next items and answers, in calls of their own or in batches.
    pub(crate) submit_failures: VecDeque<Status>,
    pub(crate) settle_failures: VecDeque<Status>,
    /// Errors of the next SubmitBatch or SettleBatch calls as a whole.
    pub(crate) batch_failures: VecDeque<Status>,
    /// Number of chunks after which each of the next downloads breaks.
    pub(crate) cuts: VecDeque<usize>,
    pub(crate) get_failures: VecDeque<Status>,
    /// A file that is truncated when the first chunk of an upload arrives.
    pub(crate) truncates: Option<PathBuf>,
    /// Sender of the open stream of deliveries.
    pub(crate) deliveries: Option<mpsc::Sender<Result<Delivery, Status>>>,
}

/// The fake gateway. Clones share the state.
#[derive(Clone, Debug)]
pub(crate) struct FakeGateway {
    state: watch::Sender<State>,
    /// Submits wait for each other at this barrier.
    submit_barrier: Arc<Option<Barrier>>,
}

/// A listening gateway. It stops when it is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) gateway: FakeGateway,
    pub(crate) connection: Connection,
    _serving: JoinSet<()>,
}

impl FakeGateway {
    pub(crate) fn new(state: State) -> Self {
        Self { state: watch::Sender::new(state), submit_barrier: Arc::new(None) }
    }

    /// Makes this number of submits wait for each other.
    pub(crate) fn with_submit_barrier(self, submits: usize) -> Self {
        Self { submit_barrier: Arc::new(Some(Barrier::new(submits))), ..self }
    }

    /// Listens on a port that the operating system chooses.
    pub(crate) async fn run(self) -> Running {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gateway = format!("http://{}", listener.local_addr().unwrap());
        let server = Server::builder().add_service(ExchangeServer::new(self.clone()));
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            server.serve_with_incoming(TcpListenerStream::new(listener)).await.unwrap();
        });
        let connection = Connection { gateway, token: "token".to_owned() };
        Running { gateway: self, connection, _serving: serving }
    }

    pub(crate) fn with<T>(&self, use_state: impl FnOnce(&mut State) -> T) -> T {
        let mut result = None;
        self.state.send_modify(|state| result = Some(use_state(state)));
        result.unwrap()
    }

    /// Waits until the state fulfils a condition.
    pub(crate) async fn wait_until(&self, condition: impl FnMut(&State) -> bool) {
        let mut states = self.state.subscribe();
        let waiting = states.wait_for(condition);
        drop(
            tokio::time::timeout(LIMIT, waiting)
                .await
                .expect("the condition is not fulfilled in time")
                .unwrap(),
        );
    }

    /// Delivers a message once an adapter has opened the stream.
    pub(crate) async fn deliver(&self, delivery: Delivery) {
        self.send(Ok(delivery)).await;
    }

    /// Breaks the stream of deliveries.
    pub(crate) async fn break_stream(&self) {
        self.send(Err(Status::unavailable("the link broke"))).await;
        self.with(|state| state.deliveries = None);
    }

    async fn send(&self, delivery: Result<Delivery, Status>) {
        self.wait_until(|state| state.deliveries.is_some()).await;
        let deliveries = self.with(|state| state.deliveries.clone()).unwrap();
        deliveries.send(delivery).await.unwrap();
    }
}

impl State {
    fn put(&mut self, request: PutPartRequest) -> Result<PutPartResponse, Status> {
        if let Some(Some(failure)) = self.put_failures.pop_front() {
            return Err(failure);
        }
        if !self.uploads.contains_key(&request.part) {
            if request.offset > 0 {
                return Err(unknown_upload(&request.part));
            }
            self.upload_names.push(request.part.clone());
        }
        let upload = self.uploads.entry(request.part.clone()).or_default();
        upload.size = request.size;
        let received = upload.bytes.len() as u64;
        if !request.data.is_empty() && request.offset != received {
            let fault = Fault::new(&code::LT_EX_003).param("expected", received.to_string());
            return Err(fault.into());
        }
        upload.bytes.extend_from_slice(&request.data);
        if let Some(path) = self.truncates.take() {
            std::fs::File::options().write(true).open(path).unwrap().set_len(10).unwrap();
        }
        let received = upload.bytes.len() as u64;
        Ok(PutPartResponse { part: request.part, received, complete: received == request.size })
    }

    fn submit(&mut self, request: SubmitRequest) -> Result<SubmitResponse, Status> {
        self.submits += 1;
        if self.submits_losing_uploads > 0 {
            self.submits_losing_uploads -= 1;
            self.uploads.clear();
        }
        if let Some(failure) = self.submit_failures.pop_front() {
            return Err(failure);
        }
        let parts: Vec<_> = request.attachments.iter().map(|it| it.part.clone()).collect();
        let files = parts.iter().map(|it| self.complete_upload(it)).collect::<Result<_, _>>()?;
        let body = match &request.body {
            Some(Body::Inline(bytes)) => bytes.to_vec(),
            Some(Body::Part(part)) => self.complete_upload(part)?,
            None => Vec::new(),
        };
        for part in parts {
            self.uploads.remove(&part);
        }
        let message_id = format!("m-{}", request.key);
        self.items.push(AcceptedItem { key: request.key, body, files });
        let receipt = Receipt { message_id, ..Receipt::default() };
        Ok(SubmitResponse { receipt: Some(receipt), findings: Vec::new() })
    }

    fn complete_upload(&self, part: &str) -> Result<Vec<u8>, Status> {
        let upload = self.uploads.get(part).ok_or_else(|| unknown_upload(part))?;
        if upload.bytes.len() as u64 != upload.size {
            return Err(Fault::new(&code::LT_EX_009).param("part", part).into());
        }
        Ok(upload.bytes.clone())
    }

    fn open(&mut self, request: &GetPartRequest) -> Result<Vec<Result<PartChunk, Status>>, Status> {
        self.download_offsets.push(request.offset);
        if let Some(failure) = self.get_failures.pop_front() {
            return Err(failure);
        }
        let bytes = self.files[&request.attachment].slice(request.offset as usize..);
        let chunks = bytes.chunks(CHUNK_BYTES).enumerate().map(|(number, it)| {
            let offset = request.offset + (number * CHUNK_BYTES) as u64;
            Ok(PartChunk { offset, data: bytes.slice_ref(it) })
        });
        let Some(chunks_max) = self.cuts.pop_front() else { return Ok(chunks.collect()) };
        let broken = std::iter::once(Err(Status::unavailable("the link broke")));
        Ok(chunks.take(chunks_max).chain(broken).collect())
    }
}

fn unknown_upload(part: &str) -> Status {
    Fault::new(&code::LT_EX_004).param("part", part).param("expected", "0").into()
}

fn to_item_fault(status: Status) -> Result<ItemFault, Status> {
    let fault = Fault::from_status(&status).ok_or(status)?;
    Ok(ItemFault { fault: Some(fault), ..ItemFault::default() })
}

type TonicResult<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Exchange for FakeGateway {
    type ReceiveStream = ReceiverStream<Result<Delivery, Status>>;
    type GetPartStream = tokio_stream::Iter<std::vec::IntoIter<Result<PartChunk, Status>>>;

    async fn hello(&self, request: Request<HelloRequest>) -> TonicResult<HelloResponse> {
        assert_eq!(request.metadata().get("authorization").unwrap(), "Bearer token");
        Ok(Response::new(HelloResponse { session: "s".to_owned(), ..HelloResponse::default() }))
    }

    async fn put_part(&self, request: Request<PutPartRequest>) -> TonicResult<PutPartResponse> {
        self.with(|state| state.put(request.into_inner())).map(Response::new)
    }

    async fn submit(&self, request: Request<SubmitRequest>) -> TonicResult<SubmitResponse> {
        if let Some(barrier) = &*self.submit_barrier {
            barrier.wait().await;
        }
        self.with(|state| state.submit(request.into_inner())).map(Response::new)
    }

    async fn submit_batch(
        &self,
        request: Request<SubmitBatchRequest>,
    ) -> TonicResult<SubmitBatchResponse> {
        let items = request.into_inner().items;
        self.with(|state| state.batches.push(items.len()));
        if let Some(failure) = self.with(|state| state.batch_failures.pop_front()) {
            return Err(failure);
        }
        let mut results = Vec::new();
        for item in items {
            let outcome = match self.with(|state| state.submit(item)) {
                Ok(response) => SubmitOutcome::Submitted(response),
                Err(status) => SubmitOutcome::Refused(to_item_fault(status)?),
            };
            results.push(Submitted { outcome: Some(outcome) });
        }
        Ok(Response::new(SubmitBatchResponse { results }))
    }

    async fn receive(&self, _request: Request<ReceiveRequest>) -> TonicResult<Self::ReceiveStream> {
        let (sender, deliveries) = mpsc::channel(64);
        self.with(|state| state.deliveries = Some(sender));
        Ok(Response::new(ReceiverStream::new(deliveries)))
    }

    async fn get_part(&self, request: Request<GetPartRequest>) -> TonicResult<Self::GetPartStream> {
        let chunks = self.with(|state| state.open(&request.into_inner()))?;
        Ok(Response::new(tokio_stream::iter(chunks)))
    }

    async fn settle(&self, _request: Request<SettleRequest>) -> TonicResult<SettleResponse> {
        Err(Status::unimplemented("settle"))
    }

    async fn settle_batch(
        &self,
        request: Request<SettleBatchRequest>,
    ) -> TonicResult<SettleBatchResponse> {
        let items = request.into_inner().items;
        if let Some(failure) = self.with(|state| state.batch_failures.pop_front()) {
            self.with(|state| state.settles.extend(items));
            return Err(failure);
        }
        let mut results = Vec::new();
        for item in items {
            let failure = self.with(|state| {
                state.settles.push(item);
                state.settle_failures.pop_front()
            });
            let outcome = match failure {
                None => Outcome::Settled(SettleResponse::default()),
                Some(status) => Outcome::Refused(to_item_fault(status)?),
            };
            results.push(Settled { outcome: Some(outcome) });
        }
        Ok(Response::new(SettleBatchResponse { results }))
    }

    async fn track(&self, _request: Request<TrackRequest>) -> TonicResult<TrackResponse> {
        Err(Status::unimplemented("track"))
    }

    async fn lookup(&self, _request: Request<LookupRequest>) -> TonicResult<LookupResponse> {
        Err(Status::unimplemented("lookup"))
    }
}
