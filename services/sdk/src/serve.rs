//! The life of an adapter: hello, collect and receive side by side, answer, goodbye.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use proto::exchange::v1::settle_request::Answer;
use proto::exchange::v1::{
    Delivery as Handed, HelloRequest, HelloResponse, ReceiveRequest, Refused, SettleRequest,
    Taken as TakenAnswer, Unavailable,
};
use proto::fault::v1::Fault;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Endpoint;
use tonic::{Request, Status};

use crate::{Application, Client, DeliverError, Delivery, Outlet};

/// Protocol versions this SDK speaks.
const VERSIONS: [u32; 1] = [1];
/// How often an answer is given again when the gateway does not hear it.
const SETTLES: u32 = 5;
/// How long a delivery may still take after the stop.
const DRAIN: Duration = Duration::from_secs(20);

/// Where the gateway is and who is calling.
#[derive(Clone, Debug)]
pub struct Connection {
    /// `http://host:port`.
    pub gateway: String,
    /// The application's token.
    pub token: String,
}

/// Puts the token on every call.
#[derive(Clone, Debug)]
pub struct Token(MetadataValue<Ascii>);

impl Interceptor for Token {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

/// Why an adapter stopped.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address or the token cannot be used.
    #[error("the gateway's address or the token cannot be used")]
    Address(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The gateway does not want this adapter as it is.
    #[error("the gateway refused the adapter")]
    Refused(#[source] Fault),
    /// The link broke.
    #[error("the link to the gateway broke")]
    Link(#[source] Status),
    /// The application cannot be collected from.
    #[error("collecting failed")]
    Collect(#[from] crate::CollectError),
    /// A delivery broke down.
    #[error("a delivery broke down")]
    Broken(#[from] tokio::task::JoinError),
}

fn link(status: Status) -> ServeError {
    match Fault::from_status(&status) {
        Some(fault) if !fault.may_pass() => ServeError::Refused(fault),
        _ => ServeError::Link(status),
    }
}

impl Connection {
    /// A client of the gateway; the connection opens with the first call.
    fn client(&self) -> Result<Client, ServeError> {
        let endpoint = Endpoint::from_shared(self.gateway.clone())
            .map_err(|error| ServeError::Address(error.into()))?
            .connect_timeout(Duration::from_secs(5))
            .http2_keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(10))
            .tcp_nodelay(true);
        let mut token: MetadataValue<Ascii> = format!("Bearer {}", self.token).parse().map_err(
            |error: tonic::metadata::errors::InvalidMetadataValue| {
                ServeError::Address(error.into())
            },
        )?;
        token.set_sensitive(true);
        let client = Client::new(InterceptedService::new(endpoint.connect_lazy(), Token(token)));
        Ok(client.max_decoding_message_size(8 << 20).max_encoding_message_size(8 << 20))
    }

    /// A way out without receiving anything, for one-off submits.
    ///
    /// # Errors
    ///
    /// The address or the token cannot be used.
    pub fn outlet(&self) -> Result<Outlet, ServeError> {
        Ok(Outlet { client: self.client()? })
    }
}

/// Connects an application until `shutdown`.
///
/// # Errors
///
/// The gateway refuses the adapter, the link breaks, or collecting fails. Start it again: what was
/// in hand is brought again under the same ids.
pub async fn serve<A: Application>(
    application: Arc<A>,
    connection: &Connection,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let mut client = connection.client()?;
    let hello = client.hello(greeting(&*application)).await.map_err(link)?.into_inner();
    tracing::info!(
        application = hello.application,
        organisation = hello.organisation,
        "adapter connected"
    );
    let stop = shutdown.child_token();
    let collecting = application.collect(Outlet { client: client.clone() }, stop.clone());
    let receiving = receive(application.clone(), client, hello, stop.clone());
    tokio::select! {
        outcome = async { tokio::try_join!(async { collecting.await.map_err(ServeError::from) }, receiving) } => {
            outcome.map(|_| ())
        }
    }
}

fn greeting(application: &impl Application) -> HelloRequest {
    let it = application.describe();
    HelloRequest {
        protocol_versions: VERSIONS.to_vec(),
        adapter: it.adapter,
        adapter_version: it.version,
        application: it.application,
        application_version: String::new(),
        gives: it.gives,
        takes: it.takes,
        receiver_class: it.receiver_class.into(),
    }
}

/// Deliveries by conversation: the first of each is being worked on, the others wait behind it.
#[derive(Debug, Default)]
struct Lines(HashMap<String, VecDeque<Handed>>);

impl Lines {
    /// Puts one in line; it comes back when it is its turn at once.
    fn join(&mut self, handed: Handed) -> Option<Handed> {
        match self.0.get_mut(&handed.conversation) {
            Some(line) => {
                line.push_back(handed);
                None
            }
            None => {
                self.0.insert(handed.conversation.clone(), VecDeque::new());
                Some(handed)
            }
        }
    }

    /// The next of a conversation whose first is done.
    fn next(&mut self, conversation: &str) -> Option<Handed> {
        let next = self.0.get_mut(conversation).and_then(VecDeque::pop_front);
        if next.is_none() {
            self.0.remove(conversation);
        }
        next
    }
}

async fn receive<A: Application>(
    application: Arc<A>,
    mut client: Client,
    hello: HelloResponse,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let request = ReceiveRequest { session: hello.session.clone(), in_hand_max: 0 };
    let mut deliveries = client.receive(request).await.map_err(link)?.into_inner();
    let mut lines = Lines::default();
    let mut working: JoinSet<Result<String, ServeError>> = JoinSet::new();
    let start = |handed: Handed| {
        let delivery = Delivery { handed, session: hello.session.clone(), client: client.clone() };
        one(application.clone(), delivery)
    };
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            Some(done) = working.join_next(), if !working.is_empty() => {
                if let Some(next) = lines.next(&done??) {
                    working.spawn(start(next));
                }
            }
            handed = deliveries.message() => {
                let ended = || ServeError::Link(Status::unavailable("the gateway ended the stream"));
                let handed = handed.map_err(link)?.ok_or_else(ended)?;
                if let Some(first) = lines.join(handed) {
                    working.spawn(start(first));
                }
            }
        }
    }
    // What is being worked on is finished and answered; what waits goes back with the session.
    let finish = async { while working.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN, finish).await.is_err() {
        tracing::warn!("deliveries were cut off");
    }
    Ok(())
}

/// Delivers one message and answers for it; gives back its conversation.
async fn one<A: Application>(
    application: Arc<A>,
    delivery: Delivery,
) -> Result<String, ServeError> {
    let conversation = delivery.handed.conversation.clone();
    let mut client = delivery.client.clone();
    let request = SettleRequest {
        session: delivery.session.clone(),
        message_id: delivery.handed.message_id.clone(),
        lease: delivery.handed.lease,
        answer: None,
    };
    let answer = match ask(&*application, &delivery).await {
        Ok(Some(taken)) => Ok(taken),
        Ok(None) => application.deliver(delivery).await,
        Err(error) => Err(error),
    };
    let request = SettleRequest { answer: Some(answered(answer)), ..request };
    let mut pause = Duration::from_millis(100);
    for _ in 0..SETTLES {
        match client.settle(request.clone()).await {
            Ok(_) => return Ok(conversation),
            // The bus decided otherwise meanwhile, and says so in the journal.
            Err(status) if Fault::from_status(&status).is_some_and(|it| !it.may_pass()) => {
                tracing::warn!(error = %status.message(), "answer was not taken");
                return Ok(conversation);
            }
            Err(status) => {
                tracing::debug!(error = %status.message(), "answer is given again");
                tokio::time::sleep(pause).await;
                pause *= 3;
            }
        }
    }
    Err(ServeError::Link(Status::unavailable("an answer could not be given")))
}

async fn ask(
    application: &impl Application,
    delivery: &Delivery,
) -> Result<Option<crate::Taken>, DeliverError> {
    if !delivery.handed.ask_first {
        return Ok(None);
    }
    application.has(delivery.message_id()).await
}

fn answered(answer: Result<crate::Taken, DeliverError>) -> Answer {
    match answer {
        Ok(taken) => Answer::Taken(TakenAnswer { reference: taken.reference }),
        Err(DeliverError::Refused { reason }) => Answer::Refused(Refused { reason }),
        Err(DeliverError::Unavailable { source }) => {
            let reason = source.to_string();
            Answer::Unavailable(Unavailable { reason, retry_after_ms: 0 })
        }
    }
}
