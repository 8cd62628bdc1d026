//! What the starts of one process have in common.

use std::sync::Arc;
use std::time::Duration;

use chassis::Upstream;
use chassis::disk::DiskSpace;
use chassis::guard::Guard;
use chassis::health::Health;
use chassis::secret::Secret;
use chassis::telemetry::Telemetry;
use chassis::upstream::Network;
use registry::FormatSources;
use registry_client::RegistryFollower;
use tokio_util::sync::CancellationToken;

use crate::cli::Role;
use crate::format_engine::ProductFormats;
use crate::settings::Settings;
use crate::system::access::ACCESS;
use crate::system::current_gateway::CurrentGateway;
use crate::system::current_routes::CurrentRoutes;
use crate::system::encryption::Encryption;
use crate::system::listeners::Listeners;

/// What a process is started with.
#[derive(Clone, Debug)]
pub(crate) struct SystemDependencies {
    pub(crate) settings: Settings,
    /// The certificates of this process.
    pub(crate) encryption: Encryption,
    /// The token of calls between roles.
    pub(crate) internal_token: Secret,
    pub(crate) health: Health,
    pub(crate) telemetry: Telemetry,
}

impl SystemDependencies {
    /// How long open work may go on after a shutdown.
    pub(super) fn stop_limit(&self) -> Duration {
        Duration::from_millis(self.settings.listen.stop_ms_max)
    }

    /// Admits calls that carry the internal token, and where links are encrypted only those that
    /// the caller's certificate permits.
    pub(super) fn guard(&self) -> Guard {
        let guard = Guard::new(&self.internal_token);
        if self.encryption.internal.is_some() { guard.access(ACCESS) } else { guard }
    }

    /// A role in another process.
    pub(super) fn upstream(&self, uri: &str) -> anyhow::Result<Upstream> {
        let network = Network {
            token: Some(self.internal_token.clone()),
            tls: self.encryption.client.clone(),
            is_plaintext_allowed: self.settings.listen.plaintext,
            ..Network::new(uri)
        };
        Ok(Upstream::network(&network)?)
    }
}

/// Services and state that survive a failed start, so that callers are answered while the process
/// starts again.
#[derive(Clone, Debug)]
pub(super) struct LongLived {
    pub(super) registry: registry::Service,
    pub(super) journal: journal::Service,
    /// The space of the claim store's folder, or of its spool's.
    pub(super) claims_disk: DiskSpace,
    /// Mapping's copy of the registry.
    pub(super) mapping_registry: RegistryFollower,
    /// The gateway's copy of the registry.
    pub(super) gateway_registry: RegistryFollower,
    /// The gateway of the present start.
    pub(super) gateway: CurrentGateway,
    /// Mapping of the present start, for gateways in other processes.
    pub(super) mapping_routes: CurrentRoutes,
    /// Cancelled when the last call over the internal listener is answered.
    pub(super) internal_calls_answered: CancellationToken,
}

impl LongLived {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            registry: registry_service(settings),
            journal: journal::Service::new(&settings.journal),
            claims_disk: DiskSpace::new(),
            mapping_registry: RegistryFollower::new("mapping.registry"),
            gateway_registry: RegistryFollower::new("gateway.registry"),
            gateway: CurrentGateway::default(),
            mapping_routes: CurrentRoutes::default(),
            internal_calls_answered: CancellationToken::new(),
        }
    }
}

/// The registry, which loads the formats of its folder. Shipped formats with mistakes stop mapping,
/// which reports them; the registry then loads none.
fn registry_service(settings: &Settings) -> registry::Service {
    let service = registry::Service::new();
    match ProductFormats::new() {
        Ok(engine) => service.with_formats(FormatSources {
            config: settings.formats.clone(),
            engine: Arc::new(engine),
            store: None,
        }),
        Err(error) => {
            let error = format!("{error:#}");
            tracing::error!(error, "no format is loaded");
            service
        }
    }
}

/// What a start works with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context<'a> {
    /// The role of the process; none: all of them.
    pub(super) role: Option<Role>,
    pub(super) dependencies: &'a SystemDependencies,
    pub(super) listeners: &'a Listeners,
    pub(super) long_lived: &'a LongLived,
}

impl Context<'_> {
    /// True when this process has the role.
    pub(super) fn has_role(&self, role: Role) -> bool {
        self.role.is_none_or(|it| it == role)
    }
}
