//! How operators' commands reach the journal and the registry.

use std::time::Duration;

use chassis::upstream::Network;
use chassis::{Upstream, health};
use journal_client::JournalClient;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::registry::v1::registry_administration_client::RegistryAdministrationClient;
use tls::{ClientTls, ClientTlsSettings, KeyPairFiles, TlsError};
use tonic::Status;

use crate::cli::LinkCertificates;
use crate::client_settings::ClientSettings;
use crate::fault::fault_from_status;

/// Operators' calls to the registry.
pub(crate) type RegistryClient = RegistryAdministrationClient<Upstream>;

/// The largest answer of the registry: every organisation of a province may be lost at once.
const REGISTRY_BYTES_MAX: usize = 64 << 20;

/// The longest that one of several addresses may take to say whether it serves.
const SERVING_LIMIT: Duration = Duration::from_secs(2);

/// A client of the journal behind the internal address.
pub(crate) async fn connect_journal(client: &ClientSettings) -> anyhow::Result<JournalClient> {
    let time_limit = Duration::from_millis(client.call_ms_max);
    Ok(JournalClient::new(connect_internal(client).await?, time_limit))
}

/// A client of the registry behind the internal address.
pub(crate) async fn connect_registry(client: &ClientSettings) -> anyhow::Result<RegistryClient> {
    let internal = connect_internal(client).await?;
    Ok(RegistryClient::new(internal).max_decoding_message_size(REGISTRY_BYTES_MAX))
}

/// A connection to the gateway as the application whose token the settings name.
pub(crate) fn connect_gateway(client: &ClientSettings) -> anyhow::Result<sdk::Connection> {
    if client.token_file.as_os_str().is_empty() {
        return Err(Fault::new(&code::LT_CLI_015).into());
    }
    let token = chassis::secret::read(&client.token_file)?;
    let certificates = client.certificates();
    Ok(sdk::Connection::new(client.gateway.clone(), token.reveal())
        .authorities_file(certificates.authorities_file.unwrap_or_default())
        .certificate(
            certificates.certificates_file.unwrap_or_default(),
            certificates.key_file.unwrap_or_default(),
        )
        .allow_plaintext(certificates.plaintext))
}

/// One internal address, for commands that ask every role.
pub(crate) struct InternalEndpoint {
    /// The address as the settings name it.
    pub(crate) address: String,
    /// The transport; nothing is connected before the first call.
    pub(crate) upstream: Upstream,
}

/// Every internal address of the settings, in their order. A command asks them all and shows those
/// that do not answer.
pub(crate) fn internal_endpoints(client: &ClientSettings) -> anyhow::Result<Vec<InternalEndpoint>> {
    let token = chassis::secret::read(&client.internal_token_file())?;
    let certificates = client.certificates();
    let tls = client_tls(&certificates)?;
    client
        .internal_addresses()
        .map(|address| {
            let network = Network::new(address)
                .token(token.clone())
                .tls(tls.clone())
                .allow_plaintext(certificates.plaintext);
            Ok(InternalEndpoint {
                address: address.to_owned(),
                upstream: Upstream::network(&network)?,
            })
        })
        .collect()
}

/// The internal address whose journal serves; the first one when none says that it does, so that the
/// call to it reports why.
async fn connect_internal(client: &ClientSettings) -> anyhow::Result<Upstream> {
    let endpoints = internal_endpoints(client)?;
    // A command makes one call, so it must not be the one that finds out which address serves.
    for it in endpoints.iter().filter(|_| endpoints.len() > 1) {
        let asked = tokio::time::timeout(SERVING_LIMIT, health::check_serving(it.upstream.clone()));
        if matches!(asked.await, Ok(Ok(true))) {
            return Ok(it.upstream.clone());
        }
    }
    let first = endpoints.into_iter().next();
    Ok(first.ok_or_else(|| Fault::new(&code::LT_CLI_006).param("address", ""))?.upstream)
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
