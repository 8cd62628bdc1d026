//! Limits of a server: how many connections, how large, and how long.

use serde::Deserialize;

/// Defaults of the section `server`, with their descriptions.
pub const DEFAULTS: &str = include_str!("../../server.default.toml");

/// The section `server`: limits of each address that a process listens on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerLimits {
    /// Connections with an authenticated call, all owners together.
    pub connections_max: usize,
    /// Authenticated connections of one owner.
    pub owner_connections_max: usize,
    /// Connections without an authenticated call yet.
    pub unauthenticated_max: usize,
    /// Connections of one peer address.
    pub address_connections_max: usize,
    /// Concurrent streams of one HTTP/2 connection.
    pub streams_max: u32,
    /// Size of the headers of one request, bytes.
    pub header_bytes_max: u32,
    /// Time of the handshake of a connection, milliseconds.
    pub handshake_ms_max: u64,
    /// Time of an unauthenticated connection without a request in progress, and of the headers of a
    /// request, milliseconds.
    pub first_request_ms_max: u64,
    /// Time of an authenticated connection without a request in progress, milliseconds.
    pub idle_ms_max: u64,
    /// Time that the peer may leave a response unread, milliseconds.
    pub unread_ms_max: u64,
    /// Time of open requests after the shutdown, milliseconds.
    pub drain_ms_max: u64,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connections_max: 2_000,
            owner_connections_max: 500,
            unauthenticated_max: 500,
            address_connections_max: 1_000,
            streams_max: 1_024,
            header_bytes_max: 64 * 1024,
            handshake_ms_max: 10_000,
            first_request_ms_max: 15_000,
            idle_ms_max: 120_000,
            unread_ms_max: 120_000,
            drain_ms_max: 10_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_described_defaults_are_the_ones_of_a_server_without_settings() {
        let described: ServerLimits = toml::from_str(DEFAULTS).unwrap();
        assert_eq!(described, ServerLimits::default());
    }
}
