//! A small gateway over a real connection: it keeps what comes and makes the trouble a test wants.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proto::exchange::v1::exchange_server::{Exchange, ExchangeServer};
use proto::exchange::v1::settled::Outcome;
use proto::exchange::v1::submit_request::Body;
use proto::exchange::v1::submitted::Outcome as Submitting;
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

/// Nothing in these tests takes longer.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);
/// Bytes of one piece of a download.
const PIECE: usize = 1024 * 1024;

/// An upload as far as it has come.
#[derive(Debug, Default)]
pub(crate) struct Upload {
    bytes: Vec<u8>,
    size: u64,
}

/// An item that was taken over.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) key: String,
    pub(crate) body: Vec<u8>,
    pub(crate) files: Vec<Vec<u8>>,
}

/// What the gateway has, and the trouble it is to make.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) uploads: HashMap<String, Upload>,
    /// Names of all uploads that were begun, in their order.
    pub(crate) names: Vec<String>,
    pub(crate) submits: usize,
    /// How many items each call with several had.
    pub(crate) batches: Vec<usize>,
    pub(crate) items: Vec<Item>,
    pub(crate) settles: Vec<SettleRequest>,
    /// Offsets at which downloads were opened.
    pub(crate) opened: Vec<u64>,
    /// Bytes of attachments by their id.
    pub(crate) files: HashMap<String, Bytes>,
    /// Before each of so many submits all uploads are lost.
    pub(crate) loses: usize,
    /// Answers given instead of the right ones, one a call; none: the right one after all.
    pub(crate) put_trouble: VecDeque<Option<Status>>,
    pub(crate) submit_trouble: VecDeque<Status>,
    pub(crate) settle_trouble: VecDeque<Status>,
    /// The same, for calls with several answers or items.
    pub(crate) batch_trouble: VecDeque<Status>,
    /// Pieces after which a download is cut, one an opening; afterwards none is.
    pub(crate) cuts: VecDeque<usize>,
    pub(crate) open_trouble: VecDeque<Status>,
    /// A file that becomes shorter when the first piece of an upload is there.
    pub(crate) shortens: Option<PathBuf>,
    /// Where the stream of deliveries is fed.
    pub(crate) deliveries: Option<mpsc::Sender<Result<Delivery, Status>>>,
}

/// The gateway; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Gateway {
    state: watch::Sender<State>,
    /// So many submits wait for each other.
    together: Arc<Option<Barrier>>,
}

/// A gateway that listens, until it is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) gateway: Gateway,
    pub(crate) connection: Connection,
    _serving: JoinSet<()>,
}

impl Gateway {
    pub(crate) fn new(state: State) -> Self {
        Self { state: watch::Sender::new(state), together: Arc::new(None) }
    }

    pub(crate) fn together(self, submits: usize) -> Self {
        Self { together: Arc::new(Some(Barrier::new(submits))), ..self }
    }

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

    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        let mut given = None;
        self.state.send_modify(|state| given = Some(work(state)));
        given.unwrap()
    }

    /// Waits until the gateway has seen something.
    pub(crate) async fn until(&self, seen: impl FnMut(&State) -> bool) {
        let mut states = self.state.subscribe();
        let waiting = states.wait_for(seen);
        drop(tokio::time::timeout(LIMIT, waiting).await.expect("it never came to that").unwrap());
    }

    /// Hands out a delivery once an adapter receives.
    pub(crate) async fn hand(&self, delivery: Delivery) {
        self.say(Ok(delivery)).await;
    }

    /// Ends the stream of deliveries.
    pub(crate) async fn end(&self) {
        self.say(Err(Status::unavailable("the link broke"))).await;
        self.with(|state| state.deliveries = None);
    }

    async fn say(&self, word: Result<Delivery, Status>) {
        self.until(|state| state.deliveries.is_some()).await;
        let deliveries = self.with(|state| state.deliveries.clone()).unwrap();
        deliveries.send(word).await.unwrap();
    }
}

impl State {
    fn put(&mut self, request: PutPartRequest) -> Result<PutPartResponse, Status> {
        if let Some(Some(trouble)) = self.put_trouble.pop_front() {
            return Err(trouble);
        }
        if !self.uploads.contains_key(&request.part) {
            if request.offset > 0 {
                return Err(lost(&request.part));
            }
            self.names.push(request.part.clone());
        }
        let upload = self.uploads.entry(request.part.clone()).or_default();
        upload.size = request.size;
        let received = upload.bytes.len() as u64;
        if !request.data.is_empty() && request.offset != received {
            let fault = Fault::new(&code::LT_EX_003).param("expected", received.to_string());
            return Err(fault.into());
        }
        upload.bytes.extend_from_slice(&request.data);
        if let Some(path) = self.shortens.take() {
            std::fs::File::options().write(true).open(path).unwrap().set_len(10).unwrap();
        }
        let received = upload.bytes.len() as u64;
        Ok(PutPartResponse { part: request.part, received, complete: received == request.size })
    }

    fn submit(&mut self, request: SubmitRequest) -> Result<SubmitResponse, Status> {
        self.submits += 1;
        if self.loses > 0 {
            self.loses -= 1;
            self.uploads.clear();
        }
        if let Some(trouble) = self.submit_trouble.pop_front() {
            return Err(trouble);
        }
        let parts: Vec<_> = request.attachments.iter().map(|it| it.part.clone()).collect();
        let files = parts.iter().map(|it| self.whole(it)).collect::<Result<_, _>>()?;
        let body = match &request.body {
            Some(Body::Inline(bytes)) => bytes.to_vec(),
            Some(Body::Part(part)) => self.whole(part)?,
            None => Vec::new(),
        };
        for part in parts {
            self.uploads.remove(&part);
        }
        let message_id = format!("m-{}", request.key);
        self.items.push(Item { key: request.key, body, files });
        let receipt = Receipt { message_id, ..Receipt::default() };
        Ok(SubmitResponse { receipt: Some(receipt), findings: Vec::new() })
    }

    fn whole(&self, part: &str) -> Result<Vec<u8>, Status> {
        let upload = self.uploads.get(part).ok_or_else(|| lost(part))?;
        if upload.bytes.len() as u64 != upload.size {
            return Err(Fault::new(&code::LT_EX_009).param("part", part).into());
        }
        Ok(upload.bytes.clone())
    }

    fn open(&mut self, request: &GetPartRequest) -> Result<Vec<Result<PartChunk, Status>>, Status> {
        self.opened.push(request.offset);
        if let Some(trouble) = self.open_trouble.pop_front() {
            return Err(trouble);
        }
        let bytes = self.files[&request.attachment].slice(request.offset as usize..);
        let pieces = bytes.chunks(PIECE).enumerate().map(|(number, it)| {
            let offset = request.offset + (number * PIECE) as u64;
            Ok(PartChunk { offset, data: bytes.slice_ref(it) })
        });
        let Some(pieces_max) = self.cuts.pop_front() else { return Ok(pieces.collect()) };
        let cut = std::iter::once(Err(Status::unavailable("the link broke")));
        Ok(pieces.take(pieces_max).chain(cut).collect())
    }
}

fn lost(part: &str) -> Status {
    Fault::new(&code::LT_EX_004).param("part", part).param("expected", "0").into()
}

fn refused(status: Status) -> Result<ItemFault, Status> {
    let fault = Fault::from_status(&status).ok_or(status)?;
    Ok(ItemFault { fault: Some(fault), ..ItemFault::default() })
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Exchange for Gateway {
    type ReceiveStream = ReceiverStream<Result<Delivery, Status>>;
    type GetPartStream = tokio_stream::Iter<std::vec::IntoIter<Result<PartChunk, Status>>>;

    async fn hello(&self, request: Request<HelloRequest>) -> Answer<HelloResponse> {
        assert_eq!(request.metadata().get("authorization").unwrap(), "Bearer token");
        Ok(Response::new(HelloResponse { session: "s".to_owned(), ..HelloResponse::default() }))
    }

    async fn put_part(&self, request: Request<PutPartRequest>) -> Answer<PutPartResponse> {
        self.with(|state| state.put(request.into_inner())).map(Response::new)
    }

    async fn submit(&self, request: Request<SubmitRequest>) -> Answer<SubmitResponse> {
        if let Some(together) = &*self.together {
            together.wait().await;
        }
        self.with(|state| state.submit(request.into_inner())).map(Response::new)
    }

    async fn submit_batch(
        &self,
        request: Request<SubmitBatchRequest>,
    ) -> Answer<SubmitBatchResponse> {
        let items = request.into_inner().items;
        self.with(|state| state.batches.push(items.len()));
        if let Some(trouble) = self.with(|state| state.batch_trouble.pop_front()) {
            return Err(trouble);
        }
        let mut results = Vec::new();
        for item in items {
            let outcome = match self.with(|state| state.submit(item)) {
                Ok(response) => Submitting::Submitted(response),
                Err(status) => Submitting::Refused(refused(status)?),
            };
            results.push(Submitted { outcome: Some(outcome) });
        }
        Ok(Response::new(SubmitBatchResponse { results }))
    }

    async fn receive(&self, _request: Request<ReceiveRequest>) -> Answer<Self::ReceiveStream> {
        let (feed, deliveries) = mpsc::channel(64);
        self.with(|state| state.deliveries = Some(feed));
        Ok(Response::new(ReceiverStream::new(deliveries)))
    }

    async fn get_part(&self, request: Request<GetPartRequest>) -> Answer<Self::GetPartStream> {
        let pieces = self.with(|state| state.open(&request.into_inner()))?;
        Ok(Response::new(tokio_stream::iter(pieces)))
    }

    async fn settle(&self, _request: Request<SettleRequest>) -> Answer<SettleResponse> {
        Err(Status::unimplemented("settle"))
    }

    async fn settle_batch(
        &self,
        request: Request<SettleBatchRequest>,
    ) -> Answer<SettleBatchResponse> {
        let items = request.into_inner().items;
        if let Some(trouble) = self.with(|state| state.batch_trouble.pop_front()) {
            self.with(|state| state.settles.extend(items));
            return Err(trouble);
        }
        let mut results = Vec::new();
        for item in items {
            let trouble = self.with(|state| {
                state.settles.push(item);
                state.settle_trouble.pop_front()
            });
            let outcome = match trouble {
                None => Outcome::Settled(SettleResponse::default()),
                Some(status) => Outcome::Refused(refused(status)?),
            };
            results.push(Settled { outcome: Some(outcome) });
        }
        Ok(Response::new(SettleBatchResponse { results }))
    }

    async fn track(&self, _request: Request<TrackRequest>) -> Answer<TrackResponse> {
        Err(Status::unimplemented("track"))
    }

    async fn lookup(&self, _request: Request<LookupRequest>) -> Answer<LookupResponse> {
        Err(Status::unimplemented("lookup"))
    }
}
