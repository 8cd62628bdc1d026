//! What every call of the gateway shares: its dependencies, its bounds and its open state.

use std::time::Duration;

use bus::{ClaimStore, CurrentBus};
use chassis::disk::{DiskLevel, DiskSpace};
use chassis::{Clock, Upstream};
use journal_client::JournalClient;
use proto::fault::v1::Fault;
use proto::mapping::v1::mapping_client::MappingClient;
use registry_client::RegistryFollower;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::active_tokens::ActiveTokens;
use crate::config::Config;
use crate::failure_rate::FailureRate;
use crate::fault::{disk_full, is_of_storage};
use crate::lease_numbers::LeaseNumbers;
use crate::limits::MAPPING_RESPONSE_BYTES_MAX;
use crate::memory::MemoryBudget;
use crate::metrics::Metrics;
use crate::sessions::Sessions;
use crate::shared_bound::SharedBound;
use crate::submit_permits::SubmitPermits;
use crate::uploads::Uploads;
use crate::workers::Workers;

/// The services and stores that a gateway uses.
#[derive(Clone, Debug)]
pub struct GatewayDependencies {
    /// The message channels.
    pub bus: CurrentBus,
    /// The store of bodies and files.
    pub claims: ClaimStore,
    /// The space of the store's folder; nothing new is taken while it is critical.
    pub disk: DiskSpace,
    /// The journal.
    pub journal: Upstream,
    /// The mapping service.
    pub mapping: Upstream,
    /// The copy of the registry. A gateway that is started again in the same process gets the same
    /// copy, so that callers are authenticated although the registry does not answer.
    pub registry: RegistryFollower,
}

/// State that all calls share.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) config: Config,
    /// Name of this instance in the facts that it writes.
    pub(crate) component: String,
    /// Name of this process among all gateways.
    pub(crate) instance: String,
    pub(crate) clock: Clock,
    pub(crate) bus: CurrentBus,
    pub(crate) claims: ClaimStore,
    pub(crate) disk: DiskSpace,
    pub(crate) registry: RegistryFollower,
    pub(crate) sessions: Sessions,
    pub(crate) lease_numbers: LeaseNumbers,
    pub(crate) uploads: Uploads,
    pub(crate) metrics: Metrics,
    pub(crate) journal: JournalClient,
    pub(crate) mapping: MappingClient<Upstream>,
    pub(crate) workers: Workers,
    pub(crate) memory: MemoryBudget,
    pub(crate) submit_permits: SubmitPermits,
    /// Calls in progress.
    pub(crate) open_calls: SharedBound,
    pub(crate) failure_rate: FailureRate,
    pub(crate) active_tokens: ActiveTokens,
    /// Submits in progress and sessions being closed; a stop waits for them.
    pub(crate) open_work: TaskTracker,
    /// Cancelled when the process is stopping and no more deliveries are sent.
    pub(crate) draining: CancellationToken,
    /// Cancelled when every delivery in flight was settled or the time limit of a stop is over.
    pub(crate) drained: CancellationToken,
}

impl Gateway {
    pub(crate) fn new(
        config: Config,
        dependencies: GatewayDependencies,
        clock: Clock,
        component: String,
    ) -> Self {
        let time_limit = Duration::from_millis(config.upstream_ms_max);
        Self {
            component,
            instance: chassis::instance(),
            clock,
            bus: dependencies.bus,
            claims: dependencies.claims,
            disk: dependencies.disk,
            registry: dependencies.registry,
            sessions: Sessions::default(),
            lease_numbers: LeaseNumbers::default(),
            uploads: Uploads::default(),
            metrics: Metrics::new(),
            journal: JournalClient::new(dependencies.journal, time_limit),
            mapping: MappingClient::new(dependencies.mapping)
                .max_decoding_message_size(MAPPING_RESPONSE_BYTES_MAX),
            workers: Workers::new(config.calls_max, time_limit),
            memory: MemoryBudget::new(config.bodies_bytes_max, config.application_bodies_bytes_max),
            submit_permits: SubmitPermits::new(
                config.calls_max,
                config.submits_max,
                config.submits_active_max,
            ),
            open_calls: SharedBound::new(
                "cuộc gọi cùng lúc (calls at a time)",
                config.open_calls_max,
                config.application_open_calls_max,
            ),
            failure_rate: FailureRate::new(
                config.refusals_burst_max,
                config.refusals_per_second_max,
            ),
            active_tokens: ActiveTokens::default(),
            open_work: TaskTracker::new(),
            draining: CancellationToken::new(),
            drained: CancellationToken::new(),
            config,
        }
    }

    /// Refuses what needs space while the claim store's disk has hardly any, so that what was
    /// accepted can be finished.
    pub(crate) fn check_disk(&self) -> Result<(), Fault> {
        if self.disk.level() < DiskLevel::Critical {
            return Ok(());
        }
        Err(disk_full(&self.disk.reason()))
    }

    /// Reports the outcome of a call to the watch of the disk, when the claim store failed in it.
    pub(crate) fn watch_outcome<T>(&self, outcome: Result<T, Fault>) -> Result<T, Fault> {
        outcome.inspect_err(|fault| {
            let is_folder = matches!(self.claims, ClaimStore::Folder(_));
            if is_folder && is_of_storage(fault) && self.disk.level() < DiskLevel::Critical {
                self.disk.report_failure(&fault.code);
            }
        })
    }

    /// How long another service may take to answer.
    pub(crate) fn time_limit(&self) -> Duration {
        Duration::from_millis(self.config.upstream_ms_max)
    }
}
