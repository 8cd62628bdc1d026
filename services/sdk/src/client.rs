//! The generated client of the gateway, with the application's token on every call.

use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

/// The gateway's client.
pub(crate) type Client = proto::exchange::v1::exchange_client::ExchangeClient<
    InterceptedService<Channel, TokenInterceptor>,
>;

/// Sets the `authorization` header of every call. The value is marked as sensitive, so that no
/// layer of the transport logs it.
#[derive(Clone, Debug)]
pub(crate) struct TokenInterceptor(MetadataValue<Ascii>);

impl TokenInterceptor {
    pub(crate) fn new(mut authorization: MetadataValue<Ascii>) -> Self {
        authorization.set_sensitive(true);
        Self(authorization)
    }
}

impl Interceptor for TokenInterceptor {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}
