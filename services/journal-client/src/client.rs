//! The typed client: every call of the journal's contract, within one time limit.

use std::time::Duration;

use bytes::Bytes;
use chassis::Upstream;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::journal_client::JournalClient as GeneratedClient;
use proto::journal::v1::publish_again_request::To;
use proto::journal::v1::{
    AcceptOutcome, AcceptRequest, Acceptance, BeginRequest, Begun, CloseRequest, CommandRequest,
    CommandResponse, EndRequest, Ended, Entry, FindRefusalsRequest, FindRefusalsResponse,
    FindRequest, FindResponse, GetRequest, GetResponse, JourneyRequest, JourneyResponse,
    OpenRequest, OpenResponse, PausesRequest, PausesResponse, PublishAgainRequest, RecordRequest,
    RecordResponse, Refusal, RenewRequest, RenewResponse, ResendRequest, ResendResponse,
};
use tonic::{Response, Status};

/// Largest message of a call, in both directions: a batch of bodies that all are inline.
const MESSAGE_BYTES_MAX: usize = 128 << 20;

/// A client of the journal. Clones share its upstream.
///
/// Every method fails with the status that the journal answered, and with `UNAVAILABLE` and the
/// code `LT-SYS-002` when there is no answer within the time limit. [`to_fault`] turns a status
/// into the fault to answer with.
#[derive(Clone, Debug)]
pub struct JournalClient {
    client: GeneratedClient<Upstream>,
    time_limit: Duration,
}

impl JournalClient {
    /// A client over an upstream, which may follow several addresses of one journal.
    pub fn new(upstream: Upstream, time_limit: Duration) -> Self {
        let client = GeneratedClient::new(upstream)
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        Self { client, time_limit }
    }

    /// Stores items before their senders get a receipt; one outcome per item, in their order.
    ///
    /// # Errors
    ///
    /// See the type.
    pub async fn accept(&self, items: Vec<Acceptance>) -> Result<Vec<AcceptOutcome>, Status> {
        let mut client = self.client.clone();
        Ok(self.within(client.accept(AcceptRequest { items })).await?.outcomes)
    }

    /// Records facts, dispositions and derived messages, and refusals that belong to no message.
    ///
    /// # Errors
    ///
    /// See the type.
    pub async fn record(
        &self,
        entries: Vec<Entry>,
        refusals: Vec<Refusal>,
    ) -> Result<RecordResponse, Status> {
        let mut client = self.client.clone();
        self.within(client.record(RecordRequest { entries, refusals, actions: Vec::new() })).await
    }

    /// Opens a session of an application's adapter, to which deliveries can be leased.
    ///
    /// # Errors
    ///
    /// See the type.
    pub async fn open(&self, request: OpenRequest) -> Result<OpenResponse, Status> {
        self.within(self.client.clone().open(request)).await
    }

    /// Closes a session; the number of deliveries that are delivered again.
    ///
    /// # Errors
    ///
    /// See the type.
    pub async fn close(&self, session: String) -> Result<u32, Status> {
        let mut client = self.client.clone();
        Ok(self.within(client.close(CloseRequest { session })).await?.given_back)
    }

    /// Says which sessions a gateway holds. The answer: those that it must end, and the channels that
    /// make no progress.
    ///
    /// # Errors
    ///
    /// See the type.
    pub async fn renew(&self, sessions: Vec<String>) -> Result<RenewResponse, Status> {
        let mut client = self.client.clone();
        self.within(client.renew(RenewRequest { sessions })).await
    }

    /// Reads the pauses in force, and the channels that make no progress.
    ///
    /// # Errors
    ///
    /// See the type.
    pub async fn pauses(&self) -> Result<PausesResponse, Status> {
        let mut client = self.client.clone();
        self.within(client.pauses(PausesRequest {})).await
    }

    /// Has published again what this role published lately and of which no word came since, because it
    /// has started or has a new connection to the broker.
    ///
    /// # Errors
    ///
    /// See the type.
    pub async fn publish_again(&self, to: To) -> Result<(), Status> {
        let mut client = self.client.clone();
        self.within(client.publish_again(PublishAgainRequest { to: to.into() })).await.map(drop)
    }

    /// Leases messages to a session under the number `lease`, which the session has never used before;
    /// one answer per id, in their order. `copies` are the ids of the
    /// copies that came from the application's channel, and their digests
    /// ([`copy_digest`](crate::copy_digest)).
    ///
    /// # Errors
    ///
    /// See the type.
    pub async fn begin(
        &self,
        session: String,
        lease: u64,
        copies: Vec<(String, [u8; 32])>,
    ) -> Result<Vec<Begun>, Status> {
        let mut client = self.client.clone();
        let digest = |it: [u8; 32]| Bytes::copy_from_slice(&it);
        let (message_ids, copy_digests) =
            copies.into_iter().map(|(id, copy)| (id, digest(copy))).unzip();
        let request = BeginRequest { session, message_ids, copy_digests, lease };
        Ok(self.within(client.begin(request)).await?.messages)
    }

    /// Closes leases with the answers of the adapter; one outcome per settlement, in their order.
    ///
    /// # Errors
    ///
    /// See the type.
    pub async fn end(&self, request: EndRequest) -> Result<Vec<Ended>, Status> {
        Ok(self.within(self.client.clone().end(request)).await?.messages)
    }

    /// Searches messages.
    ///
    /// # Errors
    ///
    /// See the type.
    pub async fn find(&self, request: FindRequest) -> Result<FindResponse, Status> {
        self.within(self.client.clone().find(request)).await
    }

    /// Searches items that were refused before they became messages.
    ///
    /// # Errors
    ///
    /// See the type.
    pub async fn find_refusals(
        &self,
        request: FindRefusalsRequest,
    ) -> Result<FindRefusalsResponse, Status> {
        self.within(self.client.clone().find_refusals(request)).await
    }

    /// Reads the facts of a message and of those derived from it.
    ///
    /// # Errors
    ///
    /// See the type.
    pub async fn journey(&self, request: JourneyRequest) -> Result<JourneyResponse, Status> {
        self.within(self.client.clone().journey(request)).await
    }

    /// Reads one message as it is stored.
    ///
    /// # Errors
    ///
    /// See the type.
    pub async fn get(&self, request: GetRequest) -> Result<GetResponse, Status> {
        self.within(self.client.clone().get(request)).await
    }

    /// Carries out an operator's command on messages.
    ///
    /// # Errors
    ///
    /// See the type.
    pub async fn command(&self, request: CommandRequest) -> Result<CommandResponse, Status> {
        self.within(self.client.clone().command(request)).await
    }

    /// Sends a message again as a copy, on behalf of an operator.
    ///
    /// # Errors
    ///
    /// See the type.
    pub async fn resend(&self, request: ResendRequest) -> Result<ResendResponse, Status> {
        self.within(self.client.clone().resend(request)).await
    }

    async fn within<T>(
        &self,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Status> {
        match tokio::time::timeout(self.time_limit, call).await {
            Ok(answer) => answer.map(Response::into_inner),
            Err(_elapsed) => {
                Err(unavailable(format!("no answer in {} ms", self.time_limit.as_millis())).into())
            }
        }
    }
}

/// What a failed call means for our own caller: the journal's own fault, or else that the journal
/// is unavailable for now (`LT-SYS-002`), as when the connection broke.
pub fn to_fault(status: &Status) -> Fault {
    Fault::from_status(status).unwrap_or_else(|| {
        tracing::warn!(error = status.message(), "journal did not answer");
        unavailable(status.message())
    })
}

fn unavailable(detail: impl Into<String>) -> Fault {
    Fault::new(&code::LT_SYS_002)
        .param("part", "journal")
        .retry_after(Duration::from_secs(1))
        .detail(detail)
}
