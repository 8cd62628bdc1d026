//! The service of the exchange contract: finds the caller and its session, and calls the operation.

use std::pin::Pin;
use std::sync::Arc;

use chassis::Clock;
use chassis::serve::ServedConnection;
use futures::{Stream, StreamExt as _};
use proto::exchange::v1::exchange_server::Exchange;
use proto::exchange::v1::{
    Delivery, GetPartRequest, HelloRequest, HelloResponse, LookupRequest, LookupResponse,
    PartChunk, PutPartRequest, PutPartResponse, ReceiveRequest, SettleBatchRequest,
    SettleBatchResponse, SettleRequest, SettleResponse, SubmitBatchRequest, SubmitBatchResponse,
    SubmitRequest, SubmitResponse, TrackRequest, TrackResponse,
};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::registry::v1::Application;
use registry_client::Caller;
use tonic::{Request, Response, Status};

use crate::config::Config;
use crate::fault::{from_claim_error, unavailable};
use crate::gateway::{Gateway, GatewayDependencies};
use crate::get_part::open_part;
use crate::hello::open_session;
use crate::lookup::lookup;
use crate::receive::stream;
use crate::session::Session;
use crate::settle::{settle, settle_batch};
use crate::submit::{submit, submit_batch};
use crate::trace_context::TraceContext;
use crate::track::track;
use crate::uploads::UploadContext;

/// The vendor-facing service; clones share it.
#[derive(Clone, Debug)]
pub struct Service {
    pub(crate) gateway: Arc<Gateway>,
}

impl Service {
    /// A gateway. Its calls wait until [`run`](crate::run) handles them.
    pub fn new(
        config: Config,
        dependencies: GatewayDependencies,
        clock: Clock,
        component: String,
    ) -> Self {
        let gateway = Gateway::new(config, dependencies, clock, component);
        Self { gateway: Arc::new(gateway) }
    }

    /// The open session with this id, if it is the application's.
    pub(crate) fn find_session(
        &self,
        application: &Application,
        id: &str,
    ) -> Result<Arc<Session>, Fault> {
        let found = self.gateway.sessions.get(id);
        let session = found
            .filter(|it| it.application.id == application.id && !it.closed.is_cancelled())
            .ok_or_else(|| Fault::new(&code::LT_JNL_004))?;
        session.touch(self.gateway.clock.now_us());
        Ok(session)
    }

    /// The open session with this id, for a call that receives deliveries.
    pub(crate) fn find_receiving_session(
        &self,
        application: &Application,
        id: &str,
        in_hand_max: u32,
    ) -> Result<Arc<Session>, Fault> {
        if self.gateway.draining.is_cancelled() {
            return Err(unavailable("gateway"));
        }
        let session = self.find_session(application, id)?;
        session.lower_in_flight_max(in_hand_max);
        Ok(session)
    }

    /// Receives a chunk of an upload.
    pub(crate) async fn receive_part(
        &self,
        application: &Application,
        request: PutPartRequest,
    ) -> Result<PutPartResponse, Fault> {
        let gateway = &self.gateway;
        let context = UploadContext {
            config: &gateway.config,
            claims: &gateway.claims,
            memory: &gateway.memory,
            now_us: gateway.clock.now_us(),
        };
        // A request without data asks for the progress, and needs no space.
        if !request.data.is_empty() {
            gateway.check_disk()?;
        }
        let outcome = gateway.uploads.receive(&application.id, request, context).await;
        gateway.watch_outcome(outcome)
    }
}

/// The caller, as authenticated by [`admit`](crate::admit::admit).
fn caller<T>(request: &Request<T>) -> Result<Caller, Fault> {
    request.extensions().get::<Caller>().cloned().ok_or_else(|| Fault::new(&code::LT_GW_006))
}

type Streaming<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;
type RpcResult<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Exchange for Service {
    type ReceiveStream = Streaming<Delivery>;
    type GetPartStream = Streaming<PartChunk>;

    async fn hello(&self, request: Request<HelloRequest>) -> RpcResult<HelloResponse> {
        let caller = caller(&request)?;
        let address = request.extensions().get().map(ServedConnection::peer);
        let request = (request.into_inner(), address);
        Ok(Response::new(open_session(&self.gateway, caller, request).await?))
    }

    async fn put_part(&self, request: Request<PutPartRequest>) -> RpcResult<PutPartResponse> {
        let application = caller(&request)?.application;
        Ok(Response::new(self.receive_part(&application, request.into_inner()).await?))
    }

    async fn submit(&self, request: Request<SubmitRequest>) -> RpcResult<SubmitResponse> {
        let application = caller(&request)?.application;
        let (headers, extensions, item) = request.into_parts();
        let header = |name| headers.get(name).and_then(|it| it.to_str().ok());
        let context = TraceContext::from_request(&item, header);
        Ok(Response::new(
            submit(&self.gateway, &application, (item, (context, extensions.get().cloned())))
                .await?,
        ))
    }

    async fn submit_batch(
        &self,
        request: Request<SubmitBatchRequest>,
    ) -> RpcResult<SubmitBatchResponse> {
        let application = caller(&request)?.application;
        let memory = request.extensions().get().cloned();
        let request = request.into_inner();
        Ok(Response::new(submit_batch(&self.gateway, &application, request, memory).await?))
    }

    async fn receive(&self, request: Request<ReceiveRequest>) -> RpcResult<Self::ReceiveStream> {
        let application = caller(&request)?.application;
        let request = request.into_inner();
        let session =
            self.find_receiving_session(&application, &request.session, request.in_hand_max)?;
        Ok(Response::new(Box::pin(stream(&self.gateway, &session)?)))
    }

    async fn get_part(&self, request: Request<GetPartRequest>) -> RpcResult<Self::GetPartStream> {
        let application = caller(&request)?.application;
        let request = request.into_inner();
        let session = self.find_session(&application, &request.session)?;
        let reader = open_part(&self.gateway, &session, &request).await?;
        let mut offset = request.offset;
        let chunks = reader.into_stream().map(move |piece| match piece {
            Ok(data) => {
                let chunk = PartChunk { offset, data };
                offset += u64::try_from(chunk.data.len()).unwrap_or_default();
                Ok(chunk)
            }
            Err(error) => Err(from_claim_error(&error).into()),
        });
        Ok(Response::new(Box::pin(chunks)))
    }

    async fn settle(&self, request: Request<SettleRequest>) -> RpcResult<SettleResponse> {
        let application = caller(&request)?.application;
        let request = request.into_inner();
        Ok(Response::new(settle(&self.gateway, &application, request).await?))
    }

    async fn settle_batch(
        &self,
        request: Request<SettleBatchRequest>,
    ) -> RpcResult<SettleBatchResponse> {
        let application = caller(&request)?.application;
        let request = request.into_inner();
        Ok(Response::new(settle_batch(&self.gateway, &application, request).await?))
    }

    async fn track(&self, request: Request<TrackRequest>) -> RpcResult<TrackResponse> {
        let application = caller(&request)?.application;
        Ok(Response::new(track(&self.gateway, &application, request.into_inner()).await?))
    }

    async fn lookup(&self, request: Request<LookupRequest>) -> RpcResult<LookupResponse> {
        let application = caller(&request)?.application;
        Ok(Response::new(lookup(&self.gateway, &application, &request.into_inner())))
    }
}
