//! The routes of a service: gRPC and HTTP/JSON on one port, behind authentication.

use axum::Router;
use axum::middleware::from_fn_with_state;
use proto::exchange::v1::exchange_server::ExchangeServer;
use proto::fault::v1::Fault;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::ServiceExt as _;

use crate::admit::{GRPC_PATH, admit};
use crate::fault::from_grpc_layer;
use crate::http_json::http_routes;
use crate::limits::{GRPC_REQUEST_BYTES_MAX, GRPC_RESPONSE_BYTES_MAX};
use crate::server::Service;

impl Service {
    /// gRPC and HTTP/JSON, to be served on one port.
    pub fn routes(&self) -> Router {
        let exchange = ExchangeServer::new(self.clone())
            .max_decoding_message_size(GRPC_REQUEST_BYTES_MAX)
            .max_encoding_message_size(GRPC_RESPONSE_BYTES_MAX)
            .map_request(|request: axum::extract::Request| request.map(Body::new))
            .map_response(add_fault);
        http_routes(self.clone())
            .route_service(&format!("{GRPC_PATH}{{*method}}"), exchange)
            .layer(from_fn_with_state(self.clone(), admit))
    }

    /// Cancelled after a stop, once every delivery in flight was settled or waited for. Serve
    /// [`routes`](Self::routes) until then: a listener that closes at the stop would shut out the
    /// settlements that the stop waits for.
    pub fn drained(&self) -> CancellationToken {
        self.gateway.drained.clone()
    }
}

/// Adds a fault to a status of tonic itself, so that every refusal has a code.
fn add_fault(response: http::Response<Body>) -> http::Response<Body> {
    let status = Status::from_header_map(response.headers());
    match status.filter(|it| it.code() != Code::Ok && Fault::from_status(it).is_none()) {
        Some(status) => Status::from(from_grpc_layer(&status, GRPC_REQUEST_BYTES_MAX)).into_http(),
        None => response,
    }
}
