//! Encrypted links: TLS configurations from PEM files, read again when the files change, and who a
//! certificate names.
//!
//! [`ServerTls`] accepts connections, [`ClientTls`] opens them, [`Identity`] is what a verified
//! certificate says about its owner. Both ends may show a certificate (mutual TLS, RFC 8446 section
//! 4.3.2). Files are looked at again when a connection opens, so a renewed certificate needs no
//! restart; files that cannot be used are reported and the last good ones stay in use.

#[cfg(feature = "authority")]
pub mod authority;
mod certificate;
mod client;
mod connector;
mod error;
mod identity;
mod loopback;
mod pem;
mod reload;
mod server;

pub use crate::certificate::Certificate;
pub use crate::client::{ClientTls, ClientTlsSettings};
pub use crate::connector::Connector;
pub use crate::error::TlsError;
pub use crate::identity::Identity;
pub use crate::loopback::{is_exposed, is_loopback};
pub use crate::pem::{KeyPairFiles, read_certificates};
pub use crate::server::{ClientCertificates, ServerTls, ServerTlsSettings, TlsVersions};
