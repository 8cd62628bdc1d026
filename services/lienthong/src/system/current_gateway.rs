//! The gateway of the present start, for calls that come between starts as well.

use std::sync::Arc;

use parking_lot::Mutex;

/// The gateway of the present start; none between two starts.
#[derive(Clone, Debug, Default)]
pub(super) struct CurrentGateway(Arc<Mutex<Option<gateway::Service>>>);

impl CurrentGateway {
    /// Replaces the gateway of the start before.
    pub(super) fn set(&self, service: gateway::Service) {
        *self.0.lock() = Some(service);
    }

    /// The gateway of the present start.
    pub(super) fn get(&self) -> Option<gateway::Service> {
        self.0.lock().clone()
    }
}
