//! The exchange contract: who calls, in which session, and what is answered.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use proto::exchange::v1::exchange_server::Exchange;
use proto::exchange::v1::settle_request::Answer as Given;
use proto::exchange::v1::{
    Delivery, GetPartRequest, HelloRequest, HelloResponse, Limits, LookupRequest, LookupResponse,
    PartChunk, PutPartRequest, PutPartResponse, ReceiveRequest, SettleRequest, SettleResponse,
    SubmitRequest, SubmitResponse, TrackRequest, TrackResponse,
};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::ended::Outcome;
use proto::journal::v1::ending::Answer;
use proto::journal::v1::{Ending, OpenRequest, RefusedAnswer, TakenAnswer, UnavailableAnswer};
use proto::registry::v1::{Application, ReceiverClass};
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::fault::{internal, of};
use crate::gateway::Gateway;
use crate::parts::field;
use crate::session::Session;
use crate::submit::{opened, submit};
use crate::track::track;

/// Version of the protocol that is spoken here.
const PROTOCOL: u32 = 1;
/// Largest chunk, bytes.
pub(crate) const CHUNK: u32 = 1024 * 1024;

/// The vendor-facing service; clones share it.
#[derive(Clone, Debug)]
pub struct Service {
    pub(crate) gateway: Gateway,
}

impl Service {
    /// Whose token came with a call.
    pub(crate) fn caller(&self, authorization: Option<&str>) -> Result<Arc<Application>, Fault> {
        let token = authorization
            .and_then(|it| it.strip_prefix("Bearer "))
            .ok_or_else(|| Fault::new(&code::LT_GW_006))?;
        let found = self.gateway.registered.now().application(token.trim());
        let application = found.ok_or_else(|| Fault::new(&code::LT_GW_006))?;
        if application.disabled {
            return Err(Fault::new(&code::LT_GW_007).param("application", &application.id));
        }
        Ok(application)
    }

    fn authenticate<T>(&self, request: &Request<T>) -> Result<Arc<Application>, Fault> {
        self.caller(request.metadata().get("authorization").and_then(|it| it.to_str().ok()))
    }

    /// The session of that id, if it is this application's.
    pub(crate) async fn session(
        &self,
        application: &Application,
        id: &str,
    ) -> Result<Arc<Session>, Fault> {
        let found = self.gateway.sessions.get(id).await;
        let session = found
            .filter(|it| it.application.id == application.id && !it.closed.is_cancelled())
            .ok_or_else(|| Fault::new(&code::LT_JNL_004))?;
        session.seen(self.gateway.clock.now_us());
        Ok(session)
    }

    pub(crate) async fn greet(
        &self,
        application: Arc<Application>,
        request: HelloRequest,
    ) -> Result<HelloResponse, Fault> {
        agree(&application, &request)?;
        let open = OpenRequest {
            application: application.id.clone(),
            adapter: request.adapter.clone(),
            receiver_class: application.receiver_class,
            lease_ms: application.lease_ms,
        };
        let opened = self.gateway.journal.clone().open(open).await;
        let session = opened.map_err(|it| of("journal", &it))?.into_inner().session;
        let now = self.gateway.clock.now_us();
        let added = Session::new(session.clone(), request.adapter, application.clone(), now);
        self.gateway.sessions.add(Arc::new(added)).await;
        let config = &self.gateway.config;
        Ok(HelloResponse {
            protocol_version: PROTOCOL,
            session,
            application: application.id.clone(),
            organisation: application.organisation.clone(),
            organisation_name: self.gateway.registered.now().name(&application.organisation),
            limits: Some(Limits {
                chunk_bytes_max: CHUNK,
                body_inline_bytes_max: CHUNK,
                body_bytes_max: config.body_bytes_max,
                part_bytes_max: config.part_bytes_max,
                attachments_max: u32::try_from(config.attachments_max).unwrap_or(u32::MAX),
                in_hand_max: application.in_hand_max,
                lease_ms: application.lease_ms,
            }),
            server_version: env!("CARGO_PKG_VERSION").to_owned(),
        })
    }

    pub(crate) async fn put(
        &self,
        application: &Application,
        request: PutPartRequest,
    ) -> Result<PutPartResponse, Fault> {
        let gateway = &self.gateway;
        let parts = (&gateway.config, &gateway.claims, gateway.clock.now_us());
        gateway.parts.put(&application.id, request, parts).await
    }

    pub(crate) async fn answer(
        &self,
        application: &Application,
        request: SettleRequest,
    ) -> Result<SettleResponse, Fault> {
        let session = self.session(application, &request.session).await?;
        let answer = match request.answer {
            Some(Given::Taken(it)) => {
                Answer::Taken(TakenAnswer { reference: cut(it.reference, 200) })
            }
            Some(Given::Refused(it)) if it.reason.trim().is_empty() => {
                return Err(field("refused.reason", "cần lý do", "must say why"));
            }
            Some(Given::Refused(it)) => {
                Answer::Refused(RefusedAnswer { reason: cut(it.reason, 1_000) })
            }
            Some(Given::Unavailable(it)) => Answer::Unavailable(UnavailableAnswer {
                reason: cut(it.reason, 1_000),
                retry_after_ms: it.retry_after_ms,
            }),
            None => return Err(field("answer", "thiếu câu trả lời", "the answer is missing")),
        };
        let id = request.message_id;
        let ending =
            Ending { message_id: id.clone(), lease: request.lease, answer: Some(answer) };
        let ended = self.gateway.settle(&session.id, ending).await?;
        if ended.outcome() != Outcome::NotKnown {
            session.let_go(&id).await;
        }
        let fault = |page| Err(Fault::new(page).param("id", &id));
        match ended.outcome() {
            Outcome::Closed => Ok(SettleResponse { repeat: false, state: ended.state }),
            Outcome::Repeated => Ok(SettleResponse { repeat: true, state: ended.state }),
            Outcome::LeaseLost => fault(&code::LT_EX_012),
            Outcome::Contradicted => fault(&code::LT_EX_013),
            Outcome::NotKnown | Outcome::Unspecified => fault(&code::LT_EX_014),
        }
    }

    pub(crate) async fn part(
        &self,
        application: &Application,
        request: &GetPartRequest,
    ) -> Result<bus::claim::Reader, Fault> {
        let session = self.session(application, &request.session).await?;
        let missing = || Fault::new(&code::LT_EX_014).param("id", &request.message_id);
        let held = session.held(&request.message_id).await.ok_or_else(missing)?;
        let claim = if request.attachment.is_empty() {
            held.body
        } else {
            let found = held.attachments.into_iter().find(|it| it.id == request.attachment);
            found.and_then(|it| it.claim)
        };
        let claim = claim.as_ref().and_then(opened).ok_or_else(|| {
            Fault::new(&code::LT_EX_015).param("attachment", &request.attachment)
        })?;
        if request.offset > claim.size {
            return Err(field("offset", "vượt quá kích thước tệp", "is beyond the file's end"));
        }
        let reader = self.gateway.claims.open(&claim, request.offset).await;
        reader.map_err(|error| internal(&error))
    }
}

fn cut(text: String, most: usize) -> String {
    if text.chars().count() <= most { text } else { text.chars().take(most).collect() }
}

/// Whether the adapter is the one the registry knows, in one clear sentence each.
fn agree(application: &Application, request: &HelloRequest) -> Result<(), Fault> {
    if !request.protocol_versions.is_empty() && !request.protocol_versions.contains(&PROTOCOL) {
        let theirs: Vec<_> = request.protocol_versions.iter().map(ToString::to_string).collect();
        return Err(Fault::new(&code::LT_EX_001)
            .param("theirs", theirs.join(", "))
            .param("ours", PROTOCOL.to_string()));
    }
    if !(1..=100).contains(&request.adapter.len()) {
        return Err(field("adapter", "cần tên bộ nối, 1-100 byte", "must name the adapter, 1 to 100 bytes"));
    }
    let mismatch = |what: &str, theirs: &str, ours: &str| {
        Err(Fault::new(&code::LT_EX_002)
            .param("what", what)
            .param("theirs", theirs)
            .param("ours", ours))
    };
    if !request.application.is_empty() && request.application != application.id {
        return mismatch("application", &request.application, &application.id);
    }
    if let Some(extra) = request.gives.iter().find(|it| !application.gives.contains(it)) {
        return mismatch("gives", extra, &application.gives.join(", "));
    }
    let takes = |format: &str| request.takes.iter().any(|it| it == format);
    if let Some(lacking) = application.takes.iter().find(|it| !takes(&it.format)) {
        if !request.takes.is_empty() {
            return mismatch("takes", &request.takes.join(", "), &lacking.format);
        }
    }
    let class = request.receiver_class();
    if class != ReceiverClass::Unspecified && class != application.receiver_class() {
        let ours = application.receiver_class().as_str_name();
        return mismatch("receiver_class", class.as_str_name(), ours);
    }
    Ok(())
}

type Streaming<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Exchange for Service {
    type ReceiveStream = Streaming<Delivery>;
    type GetPartStream = Streaming<PartChunk>;

    async fn hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloResponse>, Status> {
        let application = self.authenticate(&request)?;
        Ok(Response::new(self.greet(application, request.into_inner()).await?))
    }

    async fn put_part(&self, request: Request<PutPartRequest>) -> Result<Response<PutPartResponse>, Status> {
        let application = self.authenticate(&request)?;
        Ok(Response::new(self.put(&application, request.into_inner()).await?))
    }

    async fn submit(&self, request: Request<SubmitRequest>) -> Result<Response<SubmitResponse>, Status> {
        let application = self.authenticate(&request)?;
        Ok(Response::new(submit(&self.gateway, &application, request.into_inner()).await?))
    }

    async fn receive(&self, request: Request<ReceiveRequest>) -> Result<Response<Self::ReceiveStream>, Status> {
        let application = self.authenticate(&request)?;
        let session = self.session(&application, &request.into_inner().session).await?;
        let mut outlet = session.outlet().ok_or_else(|| Fault::new(&code::LT_EX_016))?;
        let (deliveries, stream) = mpsc::channel(1);
        let gateway = self.gateway.clone();
        // Whoever holds the stream's end keeps this going; a stream that is dropped ends it.
        self.gateway.streams.spawn(async move {
            loop {
                let delivery = tokio::select! {
                    () = session.closed.cancelled() => {
                        drop(deliveries.send(Err(Fault::new(&code::LT_JNL_004).into())).await);
                        return;
                    }
                    () = deliveries.closed() => break,
                    delivery = outlet.recv() => delivery,
                };
                let Some(delivery) = delivery else { break };
                if deliveries.send(Ok(delivery)).await.is_err() {
                    break;
                }
            }
            gateway.close(&session.id).await;
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }

    async fn get_part(&self, request: Request<GetPartRequest>) -> Result<Response<Self::GetPartStream>, Status> {
        let application = self.authenticate(&request)?;
        let request = request.into_inner();
        let reader = self.part(&application, &request).await?;
        let mut offset = request.offset;
        let chunks = tokio_stream::StreamExt::map(reader.into_stream(), move |piece| match piece {
            Ok(data) => {
                let chunk = PartChunk { offset, data };
                offset += u64::try_from(chunk.data.len()).unwrap_or_default();
                Ok(chunk)
            }
            Err(error) => Err(internal(&error).into()),
        });
        Ok(Response::new(Box::pin(chunks)))
    }

    async fn settle(&self, request: Request<SettleRequest>) -> Result<Response<SettleResponse>, Status> {
        let application = self.authenticate(&request)?;
        Ok(Response::new(self.answer(&application, request.into_inner()).await?))
    }

    async fn track(&self, request: Request<TrackRequest>) -> Result<Response<TrackResponse>, Status> {
        let application = self.authenticate(&request)?;
        Ok(Response::new(track(&self.gateway, &application, request.into_inner()).await?))
    }

    async fn lookup(&self, request: Request<LookupRequest>) -> Result<Response<LookupResponse>, Status> {
        let application = self.authenticate(&request)?;
        Ok(Response::new(self.look_up(&application, &request.into_inner())))
    }
}

impl Service {
    pub(crate) fn look_up(&self, application: &Application, request: &LookupRequest) -> LookupResponse {
        let most = match request.limit {
            0 => 20,
            asked => usize::try_from(asked.min(100)).unwrap_or(20),
        };
        let today = day(self.gateway.clock.now_us());
        let directory = self.gateway.registered.now();
        let organisations =
            directory.lookup(&application.organisation, &request.text, &today, most);
        LookupResponse { organisations }
    }
}

/// The day in Vietnam, `yyyy-mm-dd` (civil-from-days arithmetic of the Gregorian calendar).
fn day(at_us: i64) -> String {
    let since_1970 = (at_us / 1_000_000 + 7 * 3_600).div_euclid(86_400);
    let shifted = since_1970 + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Takes deliveries for a caller that cannot keep a stream: waits for the first one at most so
/// long, and takes what else is there.
pub(crate) async fn poll(
    session: &Session,
    most: usize,
    wait: Duration,
) -> Result<Vec<Delivery>, Fault> {
    let mut outlet = session.outlet().ok_or_else(|| Fault::new(&code::LT_EX_016))?;
    let first = tokio::select! {
        () = session.closed.cancelled() => return Err(Fault::new(&code::LT_JNL_004)),
        first = tokio::time::timeout(wait, outlet.recv()) => first.ok().flatten(),
    };
    let mut deliveries: Vec<Delivery> = first.into_iter().collect();
    while let (true, Ok(next)) = (!deliveries.is_empty() && deliveries.len() < most, outlet.try_recv())
    {
        deliveries.push(next);
    }
    Ok(deliveries)
}
