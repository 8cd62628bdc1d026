//! How operators' commands reach the journal and the registry.

use std::time::Duration;

use chassis::Upstream;
use chassis::upstream::Network;
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

/// A client of the journal behind the internal address.
pub(crate) fn connect_journal(link: &Link) -> anyhow::Result<JournalClient> {
    Ok(JournalClient::new(connect_internal(link)?, CALL_LIMIT))
}

/// A client of the registry behind the internal address.
pub(crate) fn connect_registry(link: &Link) -> anyhow::Result<RegistryClient> {
    Ok(RegistryClient::new(connect_internal(link)?).max_decoding_message_size(REGISTRY_BYTES_MAX))
}

fn connect_internal(link: &Link) -> anyhow::Result<Upstream> {
    let file = link.internal_token_file.clone().unwrap_or_else(|| link.data.join("internal.token"));
    let token = chassis::secret::read(&file)?;
    let network = Network {
        token: Some(token),
        tls: Some(client_tls(&link.certificates)?),
        is_plaintext_allowed: link.certificates.plaintext,
        ..Network::new(&link.internal)
    };
    Ok(Upstream::network(&network)?)
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
