//! How operators' commands reach the journal and the registry.

use std::time::Duration;

use chassis::Upstream;
use chassis::upstream::Network;
use journal_client::JournalClient;
use proto::exchange::v1::HelloRequest;
use proto::exchange::v1::exchange_client::ExchangeClient;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::FindRequest;
use proto::journal::v1::format_store_client::FormatStoreClient;
use proto::operate::v1::StatusRequest;
use proto::operate::v1::operate_client::OperateClient;
use proto::registry::v1::InspectRequest;
use proto::registry::v1::registry_administration_client::RegistryAdministrationClient;
use tls::{ClientTls, ClientTlsSettings, KeyPairFiles, TlsError};
use tonic::{Code, Status};

use crate::cli::LinkCertificates;
use crate::client_settings::ClientSettings;
use crate::endpoint_check::{Address, printed_addresses};
use crate::fault::{WRONG_CERTIFICATE, fault_from_status, status_chain};

/// Operators' calls to the registry.
pub(crate) type RegistryClient = RegistryAdministrationClient<Upstream>;

/// The largest answer of the registry: every organisation of a province may be lost at once.
const REGISTRY_BYTES_MAX: usize = 64 << 20;

/// The longest that a server may take to answer the first call. A slower one is called all the same;
/// the limit is for servers that are not ours and never answer.
const PROBE_LIMIT: Duration = Duration::from_millis(1_500);

/// What a person changes to mend an internal address, and that of the gateway.
const INTERNAL_SETTING: &str = "--internal (client.internal)";
const GATEWAY_SETTING: &str = "--gateway (client.gateway)";

/// A client of the journal behind the internal addresses.
pub(crate) async fn connect_journal(client: &ClientSettings) -> anyhow::Result<JournalClient> {
    let time_limit = Duration::from_millis(client.call_ms_max);
    Ok(JournalClient::new(connect_service(client, Service::Journal).await?, time_limit))
}

/// A client of the journal's store of format descriptions.
pub(crate) async fn connect_format_store(
    client: &ClientSettings,
) -> anyhow::Result<FormatStoreClient<Upstream>> {
    Ok(FormatStoreClient::new(connect_service(client, Service::Journal).await?))
}

/// A client of operate/v1 where the journal serves, which keeps the pauses.
pub(crate) async fn connect_operate(
    client: &ClientSettings,
) -> anyhow::Result<OperateClient<Upstream>> {
    Ok(OperateClient::new(connect_service(client, Service::Journal).await?))
}

/// A client of the registry behind the internal addresses.
pub(crate) async fn connect_registry(client: &ClientSettings) -> anyhow::Result<RegistryClient> {
    let internal = connect_service(client, Service::Registry).await?;
    Ok(RegistryClient::new(internal).max_decoding_message_size(REGISTRY_BYTES_MAX))
}

/// A connection to the gateway as the application whose token the settings name.
pub(crate) async fn connect_gateway(client: &ClientSettings) -> anyhow::Result<sdk::Connection> {
    if client.token_file.as_os_str().is_empty() {
        return Err(Fault::new(&code::LT_CLI_015).into());
    }
    let token = chassis::secret::read_token(&client.token_file)?;
    let certificates = client.certificates();
    let address = Address::parse(client.gateway.trim(), GATEWAY_SETTING)?;
    let network = Network::new(address.text())
        .tls(client_tls(&certificates)?)
        .allow_plaintext(certificates.plaintext);
    let upstream = Upstream::network(&network)?;
    address.check_reachable().await?;
    let probe = HelloRequest::default();
    let mut exchange = ExchangeClient::new(upstream.clone());
    if let Err(status) = within_probe_limit(exchange.hello(probe)).await {
        explain_failure(&address, &status).await?;
        // A gateway says with a code who is not let in; the guard of internal calls has none.
        if status.code() == Code::Unauthenticated && Fault::from_status(&status).is_none() {
            return Err(address.fault(&code::LT_CLI_026).into());
        }
        if status.code() == Code::Unimplemented {
            return Err(address.fault(&code::LT_CLI_021).into());
        }
    }
    Ok(sdk::Connection::new(address.text(), token.reveal())
        .authorities_file(certificates.authorities_file.unwrap_or_default())
        .certificate(
            certificates.certificates_file.unwrap_or_default(),
            certificates.key_file.unwrap_or_default(),
        )
        .allow_plaintext(certificates.plaintext))
}

/// One internal address, for commands that ask every role.
pub(crate) struct InternalEndpoint {
    /// The address as the settings name it, with its scheme.
    pub(crate) address: Address,
    /// The transport; nothing is connected before the first call.
    pub(crate) upstream: Upstream,
}

impl InternalEndpoint {
    /// The fault of a call to this address that failed: the true cause where the address is wrong,
    /// else that of the status.
    pub(crate) async fn fault(&self, status: &Status, part: &str) -> Fault {
        match explain_failure(&self.address, status).await {
            Err(fault) => fault,
            Ok(()) => fault_from_status(status, part),
        }
    }
}

/// Every internal address of the settings, in their order. A command asks them all and shows those
/// that do not answer.
pub(crate) fn internal_endpoints(client: &ClientSettings) -> anyhow::Result<Vec<InternalEndpoint>> {
    let token = chassis::secret::read_token(&client.internal_token_file())?;
    let certificates = client.certificates();
    let tls = client_tls(&certificates)?;
    client
        .internal_addresses()
        .map(|text| {
            let address = Address::parse(text, INTERNAL_SETTING)?;
            let network = Network::new(address.text())
                .token(token.clone())
                .tls(tls.clone())
                .allow_plaintext(certificates.plaintext);
            let upstream = Upstream::network(&network)?;
            Ok(InternalEndpoint { address, upstream })
        })
        .collect()
}

/// A service of an internal address.
#[derive(Clone, Copy, Debug)]
enum Service {
    Journal,
    Registry,
}

impl Service {
    fn name(self) -> &'static str {
        match self {
            Self::Journal => "journal",
            Self::Registry => "registry",
        }
    }

    /// A call that changes nothing and succeeds where this service serves.
    async fn probe(self, upstream: Upstream) -> Result<(), Status> {
        match self {
            Self::Journal => {
                // The probe has a limit of its own, which is no failure.
                let journal = JournalClient::new(upstream, 2 * PROBE_LIMIT);
                let request =
                    FindRequest { conversation: "-".to_owned(), ..FindRequest::default() };
                journal.find(request).await.map(drop)
            }
            Self::Registry => {
                let mut registry =
                    RegistryClient::new(upstream).max_decoding_message_size(REGISTRY_BYTES_MAX);
                registry.inspect(InspectRequest {}).await.map(drop)
            }
        }
    }
}

/// The internal address at which the service serves: of several, standbys and other roles are passed
/// over. When none serves, the fault is that of the first.
async fn connect_service(client: &ClientSettings, service: Service) -> anyhow::Result<Upstream> {
    let endpoints = internal_endpoints(client)?;
    let mut failure = None;
    for it in &endpoints {
        // Boxed, because every command holds this future.
        match Box::pin(check_service(it, service)).await {
            Ok(()) => return Ok(it.upstream.clone()),
            Err(fault) if failure.is_none() => failure = Some(fault),
            Err(fault) => {
                failure = failure.map(|first: Fault| {
                    let also = format!("{}: {}", it.address.printed(), fault.code);
                    let detail = [first.detail.as_str(), &also].join("; ");
                    first.detail(detail.trim_start_matches("; "))
                });
            }
        }
    }
    let none =
        || Fault::new(&code::LT_CLI_006).param("address", printed_addresses(&client.internal));
    Err(failure.unwrap_or_else(none).into())
}

async fn check_service(endpoint: &InternalEndpoint, service: Service) -> Result<(), Fault> {
    let InternalEndpoint { address, upstream } = endpoint;
    address.check_reachable().await?;
    let Err(status) = within_probe_limit(service.probe(upstream.clone())).await else {
        return Ok(());
    };
    explain_failure(address, &status).await?;
    // It speaks as it should and is slow: the command's own call has a longer limit.
    if status.code() == Code::DeadlineExceeded {
        return Ok(());
    }
    let is_unknown_call = matches!(status.code(), Code::Unimplemented | Code::Internal);
    if !is_unknown_call || Fault::from_status(&status).is_some() {
        return Err(fault_from_status(&status, service.name()));
    }
    // The gateway answers an unknown call, and one without its token, with HTTP and JSON.
    Err(if serves_vendors(ExchangeClient::new(upstream.clone())).await {
        address.fault(&code::LT_CLI_024)
    } else if is_a_role(upstream.clone()).await {
        address.fault(&code::LT_CLI_025).param("part", service.name())
    } else {
        address.fault(&code::LT_CLI_021)
    })
}

/// True for an internal address: every role answers operators there.
async fn is_a_role(upstream: Upstream) -> bool {
    let mut operate = OperateClient::new(upstream);
    within_probe_limit(operate.status(StatusRequest {})).await.is_ok()
}

async fn serves_vendors(mut exchange: ExchangeClient<Upstream>) -> bool {
    let answer = within_probe_limit(exchange.hello(HelloRequest::default())).await;
    answer.map_or_else(|status| status.code() != Code::Unimplemented, |_| true)
}

/// Finds why the address itself is wrong, for a failure that only the transport reports.
async fn explain_failure(address: &Address, status: &Status) -> Result<(), Fault> {
    let is_of_transport = Fault::from_status(status).is_none()
        && !status_chain(status).contains(WRONG_CERTIFICATE)
        && matches!(
            status.code(),
            Code::Unavailable
                | Code::DeadlineExceeded
                | Code::Cancelled
                | Code::Unknown
                | Code::Internal
                | Code::Unimplemented
        );
    match is_of_transport {
        true => address.find_wrong_protocol().await.map_or(Ok(()), Err),
        false => Ok(()),
    }
}

async fn within_probe_limit<T>(call: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    let late = |_| Err(Status::deadline_exceeded("no answer to the first call"));
    tokio::time::timeout(PROBE_LIMIT, call).await.unwrap_or_else(late)
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
