//! How operators' commands reach the journal and the registry.

use std::time::Duration;

use chassis::upstream::Network;
use chassis::{Upstream, health};
use journal_client::JournalClient;
use proto::fault::v1::Fault;
use proto::registry::v1::registry_administration_client::RegistryAdministrationClient;
use tls::{ClientTls, ClientTlsSettings, KeyPairFiles, TlsError};
use tonic::Status;

use crate::cli::{Link, LinkCertificates};
use crate::fault::fault_from_status;

/// Operators' calls to the registry.
pub(crate) type RegistryClient = RegistryAdministrationClient<Upstream>;

/// The largest answer of the registry: every organisation of a province may be lost at once.
const REGISTRY_BYTES_MAX: usize = 64 << 20;

/// The longest that one call to the journal may take.
const CALL_LIMIT: Duration = Duration::from_secs(30);

/// The longest that one of several addresses may take to say whether it serves.
const SERVING_LIMIT: Duration = Duration::from_secs(2);

/// A client of the journal behind the internal address.
pub(crate) async fn connect_journal(link: &Link) -> anyhow::Result<JournalClient> {
    Ok(JournalClient::new(connect_internal(link).await?, CALL_LIMIT))
}

/// A client of the registry behind the internal address.
pub(crate) async fn connect_registry(link: &Link) -> anyhow::Result<RegistryClient> {
    let internal = connect_internal(link).await?;
    Ok(RegistryClient::new(internal).max_decoding_message_size(REGISTRY_BYTES_MAX))
}

async fn connect_internal(link: &Link) -> anyhow::Result<Upstream> {
    let file = link.internal_token_file.clone().unwrap_or_else(|| link.data.join("internal.token"));
    let token = chassis::secret::read(&file)?;
    let tls = client_tls(&link.certificates)?;
    let network = |url: &str| Network {
        token: Some(token.clone()),
        tls: Some(tls.clone()),
        is_plaintext_allowed: link.certificates.plaintext,
        ..Network::new(url)
    };
    let addresses: Vec<_> = link.internal.split(',').map(str::trim).collect();
    // A command makes one call, so it must not be the one that finds out which address serves.
    for address in addresses.iter().filter(|_| addresses.len() > 1) {
        let upstream = Upstream::network(&network(address))?;
        let asked = tokio::time::timeout(SERVING_LIMIT, health::check_serving(upstream.clone()));
        if matches!(asked.await, Ok(Ok(true))) {
            return Ok(upstream);
        }
    }
    Ok(Upstream::network(&network(&link.internal))?)
}

/// The certificates that a command names.
pub(crate) fn client_tls(certificates: &LinkCertificates) -> Result<ClientTls, TlsError> {
    let LinkCertificates { authorities_file, certificates_file, key_file, .. } = certificates;
    let pair = certificates_file.clone().zip(key_file.clone());
    let key_pair = pair.map(|(certificates, key)| KeyPairFiles { certificates, key });
    ClientTls::new(ClientTlsSettings { authorities: authorities_file.clone(), key_pair })
}

/// The fault of a call to the journal that failed.
pub(crate) fn journal_fault(status: &Status) -> Fault {
    fault_from_status(status, "journal")
}
