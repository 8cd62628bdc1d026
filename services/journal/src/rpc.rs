//! The calls of the contract, handed to the writer or to a reader.

use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::journal_server::Journal;
use proto::journal::v1::publish_again_request::To;
use proto::journal::v1::{
    AcceptRequest, AcceptResponse, BeginRequest, BeginResponse, CloseRequest, CloseResponse,
    CommandRequest, CommandResponse, EndRequest, EndResponse, FindRefusalsRequest,
    FindRefusalsResponse, FindRequest, FindResponse, GetRequest, GetResponse, JourneyRequest,
    JourneyResponse, OpenRequest, OpenResponse, PausesRequest, PausesResponse, PublishAgainRequest,
    PublishAgainResponse, RecordRequest, RecordResponse, RenewRequest, RenewResponse,
    ResendRequest, ResendResponse,
};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::altered_copies::ReceivedCopy;
use crate::begin::BeginCall;
use crate::call::Call;
use crate::new_message::NAME_BYTES_MAX;
use crate::publish_again::{ChannelKind, Lost};
use crate::readers::ReadCall;
use crate::server::Service;

/// One above the highest number of a lease: JSON clients read the numbers below it exactly.
const LEASE_END: i64 = 1 << 53;

#[tonic::async_trait]
impl Journal for Service {
    async fn accept(
        &self,
        request: Request<AcceptRequest>,
    ) -> Result<Response<AcceptResponse>, Status> {
        let items = request.into_inner().items;
        let outcomes = self.call(|reply| Call::Accept(items, reply)).await?;
        Ok(Response::new(AcceptResponse { outcomes }))
    }

    async fn record(
        &self,
        request: Request<RecordRequest>,
    ) -> Result<Response<RecordResponse>, Status> {
        let RecordRequest { entries, refusals, actions } = request.into_inner();
        if !actions.is_empty() {
            self.call(|reply| Call::Note(actions, reply)).await?;
        }
        let recorded = self.call(|reply| Call::Record(entries, refusals, reply)).await?;
        Ok(Response::new(recorded))
    }

    async fn open(&self, request: Request<OpenRequest>) -> Result<Response<OpenResponse>, Status> {
        let session = Uuid::now_v7().to_string();
        let request = request.into_inner();
        let names = [("application", &request.application), ("adapter", &request.adapter)];
        for (part, name) in names {
            if name.is_empty() || name.len() > NAME_BYTES_MAX {
                return Err(Fault::new(&code::LT_JNL_006).param("part", part).into());
            }
        }
        let given_back = self.call(|reply| Call::Open(session.clone(), request, reply)).await?;
        Ok(Response::new(OpenResponse { session, given_back }))
    }

    async fn close(
        &self,
        request: Request<CloseRequest>,
    ) -> Result<Response<CloseResponse>, Status> {
        let session = request.into_inner().session;
        let given_back = self.call(|reply| Call::Close(session, reply)).await?;
        Ok(Response::new(CloseResponse { given_back }))
    }

    async fn renew(
        &self,
        request: Request<RenewRequest>,
    ) -> Result<Response<RenewResponse>, Status> {
        let sessions = request.into_inner().sessions;
        let unknown = self.call(|reply| Call::Renew(sessions, reply)).await?;
        let stalled_channels = self.queues()?.stalled.names();
        Ok(Response::new(RenewResponse { unknown, stalled_channels }))
    }

    async fn pauses(&self, _: Request<PausesRequest>) -> Result<Response<PausesResponse>, Status> {
        let pauses = self.read(ReadCall::Pauses).await?;
        let stalled_channels = self.queues()?.stalled.names();
        Ok(Response::new(PausesResponse { pauses, stalled_channels }))
    }

    async fn publish_again(
        &self,
        request: Request<PublishAgainRequest>,
    ) -> Result<Response<PublishAgainResponse>, Status> {
        let lost = match request.into_inner().to() {
            To::Intake => Lost::LatelyTo(ChannelKind::Intake),
            To::Delivery => Lost::LatelyTo(ChannelKind::Delivery),
            To::Unspecified => {
                return Err(Fault::new(&code::LT_JNL_006).param("part", "to").into());
            }
        };
        self.publish_lost(lost).await?;
        Ok(Response::new(PublishAgainResponse {}))
    }

    async fn begin(
        &self,
        request: Request<BeginRequest>,
    ) -> Result<Response<BeginResponse>, Status> {
        let BeginRequest { session, message_ids, copy_digests, lease } = request.into_inner();
        let lease = i64::try_from(lease).ok().filter(|it| (1..LEASE_END).contains(it));
        let Some(lease) = lease else {
            return Err(Fault::new(&code::LT_JNL_006).param("part", "lease").into());
        };
        if !copy_digests.is_empty() && copy_digests.len() != message_ids.len() {
            return Err(Fault::new(&code::LT_JNL_006).param("part", "copy_digests").into());
        }
        let mut digests = copy_digests.into_iter();
        let copy =
            |message_id| ReceivedCopy { message_id, digest: digests.next().unwrap_or_default() };
        let copies = message_ids.into_iter().map(copy).collect();
        let call = BeginCall { session, lease, copies };
        let begun = self.call(|reply| Call::Begin(call, reply)).await?;
        let messages = begun.ok_or_else(|| Status::from(Fault::new(&code::LT_JNL_004)))?;
        Ok(Response::new(BeginResponse { messages }))
    }

    async fn end(&self, request: Request<EndRequest>) -> Result<Response<EndResponse>, Status> {
        let request = request.into_inner();
        let messages = self.call(|reply| Call::End(request, reply)).await?;
        Ok(Response::new(EndResponse { messages }))
    }

    async fn find(&self, request: Request<FindRequest>) -> Result<Response<FindResponse>, Status> {
        let request = request.into_inner();
        Ok(Response::new(self.read(|reply| ReadCall::Find(request, reply)).await?))
    }

    async fn find_refusals(
        &self,
        request: Request<FindRefusalsRequest>,
    ) -> Result<Response<FindRefusalsResponse>, Status> {
        let request = request.into_inner();
        Ok(Response::new(self.read(|reply| ReadCall::FindRefusals(request, reply)).await?))
    }

    async fn journey(
        &self,
        request: Request<JourneyRequest>,
    ) -> Result<Response<JourneyResponse>, Status> {
        let request = request.into_inner();
        let id = request.message_id.clone();
        let found = self.read(|reply| ReadCall::Journey(request, reply)).await?;
        found.map(Response::new).ok_or_else(|| Fault::new(&code::LT_JNL_005).param("id", id).into())
    }

    async fn get(&self, request: Request<GetRequest>) -> Result<Response<GetResponse>, Status> {
        let request = request.into_inner();
        let id = request.message_id.clone();
        let found = self.read(|reply| ReadCall::Get(request, reply)).await?;
        found.map(Response::new).ok_or_else(|| Fault::new(&code::LT_JNL_005).param("id", id).into())
    }

    async fn command(
        &self,
        request: Request<CommandRequest>,
    ) -> Result<Response<CommandResponse>, Status> {
        let operator = chassis::peer::operator(&request);
        let mut request = request.into_inner();
        if let Some(operator) = operator {
            request.actor = operator;
        }
        Ok(Response::new(self.call(|reply| Call::Command(request, reply)).await?))
    }

    async fn resend(
        &self,
        request: Request<ResendRequest>,
    ) -> Result<Response<ResendResponse>, Status> {
        let operator = chassis::peer::operator(&request);
        let mut request = request.into_inner();
        if let Some(operator) = operator {
            request.actor = operator;
        }
        Ok(Response::new(self.call(|reply| Call::Resend(request, reply)).await??))
    }
}
