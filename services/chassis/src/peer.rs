//! The other end of a connection.

use tls::Identity;
use tonic::Request;

/// The other end of a connection that is encrypted. The server adds it to the extensions of each
/// request of the connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// True when the peer showed a certificate, which the handshake verified.
    pub has_certificate: bool,
    /// Who that certificate names; none when it names nobody of the system.
    pub identity: Option<Identity>,
}

/// The name of the operator whose certificate the caller showed. An audited call records it and not
/// what the request says of itself.
pub fn operator<T>(request: &Request<T>) -> Option<String> {
    match &request.extensions().get::<Peer>()?.identity {
        Some(Identity::Operator(name)) => Some(name.clone()),
        _ => None,
    }
}
