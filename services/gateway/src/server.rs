//! The exchange contract: who calls, in which session, and what is answered.

use std::pin::Pin;
use std::sync::Arc;

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
use tonic::{Request, Response, Status};

use crate::context::Sent;
use crate::directory::Caller;
use crate::fault::{away, internal};
use crate::gateway::Gateway;
use crate::hello::greet;
use crate::receive::stream;
use crate::session::Session;
use crate::settle::{answer, answers, part};
use crate::submit::{submit, submit_all};
use crate::track::track;

/// The vendor-facing service; clones share it.
#[derive(Clone, Debug)]
pub struct Service {
    pub(crate) gateway: Arc<Gateway>,
}

impl Service {
    /// The session of that id, if it is this application's.
    pub(crate) async fn session(
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

    /// The session of that id, for whoever wants deliveries.
    pub(crate) async fn receiver(
        &self,
        application: &Application,
        id: &str,
        in_hand_max: u32,
    ) -> Result<Arc<Session>, Fault> {
        if self.gateway.draining.is_cancelled() {
            return Err(away("gateway"));
        }
        let session = self.session(application, id).await?;
        session.lower_in_flight_max(in_hand_max);
        Ok(session)
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

    pub(crate) fn look_up(
        &self,
        application: &Application,
        request: &LookupRequest,
    ) -> LookupResponse {
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

/// Who calls, as [`admit`](crate::admit::admit) found out.
fn caller<T>(request: &Request<T>) -> Result<Caller, Fault> {
    request.extensions().get::<Caller>().cloned().ok_or_else(|| Fault::new(&code::LT_GW_006))
}

type Streaming<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;
type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Exchange for Service {
    type ReceiveStream = Streaming<Delivery>;
    type GetPartStream = Streaming<PartChunk>;

    async fn hello(&self, request: Request<HelloRequest>) -> Answer<HelloResponse> {
        let caller = caller(&request)?;
        Ok(Response::new(greet(&self.gateway, caller, request.into_inner()).await?))
    }

    async fn put_part(&self, request: Request<PutPartRequest>) -> Answer<PutPartResponse> {
        let application = caller(&request)?.application;
        Ok(Response::new(self.put(&application, request.into_inner()).await?))
    }

    async fn submit(&self, request: Request<SubmitRequest>) -> Answer<SubmitResponse> {
        let application = caller(&request)?.application;
        let (headers, _, item) = request.into_parts();
        let sent = Sent::with(&item, |name| headers.get(name).and_then(|it| it.to_str().ok()));
        Ok(Response::new(submit(&self.gateway, &application, (item, sent)).await?))
    }

    async fn submit_batch(
        &self,
        request: Request<SubmitBatchRequest>,
    ) -> Answer<SubmitBatchResponse> {
        let application = caller(&request)?.application;
        let request = request.into_inner();
        Ok(Response::new(submit_all(&self.gateway, &application, request).await?))
    }

    async fn receive(&self, request: Request<ReceiveRequest>) -> Answer<Self::ReceiveStream> {
        let application = caller(&request)?.application;
        let request = request.into_inner();
        let session = self.receiver(&application, &request.session, request.in_hand_max).await?;
        Ok(Response::new(Box::pin(stream(&self.gateway, session)?)))
    }

    async fn get_part(&self, request: Request<GetPartRequest>) -> Answer<Self::GetPartStream> {
        let application = caller(&request)?.application;
        let request = request.into_inner();
        let session = self.session(&application, &request.session).await?;
        let reader = part(&self.gateway, &session, &request).await?;
        let mut offset = request.offset;
        let chunks = reader.into_stream().map(move |piece| match piece {
            Ok(data) => {
                let chunk = PartChunk { offset, data };
                offset += u64::try_from(chunk.data.len()).unwrap_or_default();
                Ok(chunk)
            }
            Err(error) => Err(internal(&error).into()),
        });
        Ok(Response::new(Box::pin(chunks)))
    }

    async fn settle(&self, request: Request<SettleRequest>) -> Answer<SettleResponse> {
        let application = caller(&request)?.application;
        let request = request.into_inner();
        Ok(Response::new(answer(&self.gateway, &application, request).await?))
    }

    async fn settle_batch(
        &self,
        request: Request<SettleBatchRequest>,
    ) -> Answer<SettleBatchResponse> {
        let application = caller(&request)?.application;
        let request = request.into_inner();
        Ok(Response::new(answers(&self.gateway, &application, request).await?))
    }

    async fn track(&self, request: Request<TrackRequest>) -> Answer<TrackResponse> {
        let application = caller(&request)?.application;
        Ok(Response::new(track(&self.gateway, &application, request.into_inner()).await?))
    }

    async fn lookup(&self, request: Request<LookupRequest>) -> Answer<LookupResponse> {
        let application = caller(&request)?.application;
        Ok(Response::new(self.look_up(&application, &request.into_inner())))
    }
}

#[cfg(test)]
mod tests {
    use super::day;

    #[test]
    fn a_day_begins_at_midnight_in_vietnam() {
        let seconds = |it: i64| day(it * 1_000_000);
        assert_eq!(seconds(0), "1970-01-01");
        assert_eq!(seconds(1_709_139_600 - 1), "2024-02-28");
        assert_eq!(seconds(1_709_139_600), "2024-02-29");
        assert_eq!(seconds(1_735_664_400), "2025-01-01");
    }
}
