//! Looks up organisations by code or name, with what the caller may send to them.

use proto::exchange::v1::{LookupRequest, LookupResponse};
use proto::registry::v1::Application;
use registry_client::day_in_vietnam;

use crate::gateway::Gateway;

/// Organisations of a response when the request has no limit, and the highest limit.
const COUNT_DEFAULT: usize = 20;
const COUNT_MAX: u32 = 100;

pub(crate) fn lookup(
    gateway: &Gateway,
    application: &Application,
    request: &LookupRequest,
) -> LookupResponse {
    let count_max = match request.limit {
        0 => COUNT_DEFAULT,
        limit => usize::try_from(limit.min(COUNT_MAX)).unwrap_or(COUNT_DEFAULT),
    };
    let today = day_in_vietnam(gateway.clock.now_us());
    let directory = gateway.registry.directory();
    let organisations =
        directory.search(&application.organisation, &request.text, &today, count_max);
    LookupResponse { organisations }
}
