//! The certificate that the database server shows.

use std::time::Duration;

use tls::{Certificate, ClientTls};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_postgres::config::Host;

use super::address::DatabaseAddress;
use super::error::DatabaseError;

/// Asks the server for encryption: the message SSLRequest of PostgreSQL's protocol, section 53.2.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// The server's answer when it will encrypt.
const WILL_ENCRYPT: u8 = b'S';

/// Time limit of the conversation.
const LIMIT: Duration = Duration::from_secs(5);

/// The certificate of an encrypted link to the database; none for a file and for plain text.
///
/// # Errors
///
/// The server cannot be reached, does not encrypt, or its certificate is not valid.
pub(crate) async fn server_certificate(
    address: &DatabaseAddress,
) -> Result<Option<Certificate>, DatabaseError> {
    if !address.is_server() {
        return Ok(None);
    }
    let server = address.server()?;
    let host = server.config.get_hosts().first();
    let (true, Some(Host::Tcp(host))) = (server.is_encrypted, host) else { return Ok(None) };
    let port = server.config.get_ports().first().copied().unwrap_or(5_432);
    let tls = ClientTls::new(address.tls.clone())?;
    let asking = async {
        let mut stream = TcpStream::connect((host.as_str(), port)).await?;
        stream.write_all(&SSL_REQUEST).await?;
        if stream.read_u8().await? != WILL_ENCRYPT {
            return Err(std::io::Error::other("the server does not encrypt"));
        }
        tls.server_certificate(host, stream).await
    };
    let asked = tokio::time::timeout(LIMIT, asking).await;
    let asked = asked.unwrap_or_else(|elapsed| Err(elapsed.into()));
    asked.map_err(|source| DatabaseError::Handshake { source })
}
