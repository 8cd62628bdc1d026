//! Routes of a service that each start makes anew, behind a listener that lives longer.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::any;
use parking_lot::Mutex;
use proto::fault::code;
use proto::fault::v1::Fault;
use tonic::Status;
use tower::ServiceExt as _;

/// The routes of the present start; none between two starts. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct CurrentRoutes(Arc<Mutex<Option<Router>>>);

impl CurrentRoutes {
    /// Replaces the routes of the start before.
    pub(super) fn set(&self, routes: Router) {
        *self.0.lock() = Some(routes);
    }

    /// Adds the path to a router: calls go to the present routes, and are refused as retryable
    /// while there are none.
    pub(super) fn serve_under(&self, path: &str, router: Router) -> Router {
        let own = Router::new().route(path, any(call_current)).with_state(self.clone());
        router.merge(own)
    }
}

async fn call_current(State(current): State<CurrentRoutes>, request: Request) -> Response {
    let routes = current.0.lock().clone();
    match routes {
        // A router never fails.
        Some(routes) => routes.oneshot(request).await.unwrap_or_else(|never| match never {}),
        None => Status::from(Fault::new(&code::LT_SYS_002).param("part", "mapping")).into_http(),
    }
}
