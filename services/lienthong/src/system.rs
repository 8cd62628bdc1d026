//! Starting roles: together in one process, or one of them beside the others.
//!
//! A start opens everything anew: the broker's connections, the database, the copies of the
//! registry. When any role fails the start fails, and the chassis starts again.

mod doors;

use anyhow::Context as _;
use axum::Router;
use bus::claim::S3;
use bus::{Bus, ClaimStore};
use chassis::guard::Guard;
use chassis::health::{self, Health};
use chassis::telemetry::Telemetry;
use chassis::upstream::Network;
use chassis::{Clock, Upstream};
use proto::journal::v1::journal_server::JournalServer;
use proto::mapping::v1::mapping_server::MappingServer;
use proto::registry::v1::WatchRequest;
use proto::registry::v1::registry_client::RegistryClient;
use proto::registry::v1::registry_server::RegistryServer;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::service::interceptor::InterceptedService;

pub(crate) use self::doors::Doors;
use self::doors::door;
use crate::cli::Role;
use crate::settings::Settings;

/// Largest message between roles.
const INTERNAL_BYTES_MAX: usize = 128 << 20;

/// What one start has, beside its settings.
#[derive(Clone, Debug)]
pub(crate) struct Start {
    pub(crate) settings: Settings,
    pub(crate) token: String,
    pub(crate) health: Health,
    pub(crate) telemetry: Telemetry,
}

type Working = JoinSet<anyhow::Result<()>>;

/// Runs every role until `shutdown`.
///
/// # Errors
///
/// Any role failed.
pub(crate) async fn run_all(
    start: &Start,
    doors: &Doors,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let stop = shutdown.child_token();
    let _stopped = stop.clone().drop_guard();
    let mut working = Working::new();
    let (bus, claims) = surroundings(start).await?;
    let registry = start_registry(start, &mut working, &stop);
    let local_registry = Upstream::local(RegistryServer::new(registry.clone()));
    let journal = start_journal(start, &bus, &mut working, &stop);
    let local_journal = Upstream::local(sized_journal(journal.clone()));
    working.spawn(channels(bus.clone(), local_registry.clone(), stop.clone()));
    let mapping =
        mapping::Service::new(start.settings.mapping, mapping::Registered::new(), Clock::System)?;
    let parts = mapping::Parts {
        bus: bus.clone(),
        claims: claims.clone(),
        journal: local_journal.clone(),
        registry: local_registry.clone(),
        service: mapping.clone(),
        health: start.health.clone(),
    };
    working.spawn(mapping::run(start.settings.mapping, parts, stop.clone()));
    let surroundings = gateway::Surroundings {
        bus,
        claims,
        journal: local_journal,
        mapping: Upstream::local(sized_mapping(mapping)),
    };
    let pages = start_gateway(start, surroundings, local_registry, (&mut working, &stop));
    door(start, doors.vendors_listener(), pages, (&mut working, &stop))?;
    let guard = Guard::new(&start.token);
    let internal =
        tonic::service::Routes::new(InterceptedService::new(sized_journal(journal), guard.clone()))
            .add_service(InterceptedService::new(RegistryServer::new(registry), guard));
    let internal_pages = internal.into_axum_router();
    door(start, doors.internal_listener(), internal_pages, (&mut working, &stop))?;
    ops(start, doors, &mut working, &stop)?;
    ended(working, &stop).await
}

/// Runs one role until `shutdown`.
///
/// # Errors
///
/// It failed.
pub(crate) async fn run_role(
    role: Role,
    start: &Start,
    doors: &Doors,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let stop = shutdown.child_token();
    let _stopped = stop.clone().drop_guard();
    let mut working = Working::new();
    let guard = Guard::new(&start.token);
    match role {
        Role::Registry => {
            let service = RegistryServer::new(start_registry(start, &mut working, &stop));
            let routes = tonic::service::Routes::new(InterceptedService::new(service, guard));
            let internal = doors.internal_listener();
            door(start, internal, routes.into_axum_router(), (&mut working, &stop))?;
        }
        Role::Journal => {
            let (bus, _claims) = surroundings(start).await?;
            bus.compare().await?;
            let service = sized_journal(start_journal(start, &bus, &mut working, &stop));
            let routes = tonic::service::Routes::new(InterceptedService::new(service, guard));
            let internal = doors.internal_listener();
            door(start, internal, routes.into_axum_router(), (&mut working, &stop))?;
        }
        Role::Mapping => serve_mapping(start, doors, (&mut working, &stop), guard).await?,
        Role::Gateway => {
            let (bus, claims) = surroundings(start).await?;
            bus.compare().await?;
            let surroundings = gateway::Surroundings {
                bus,
                claims,
                journal: upstream(start, &start.settings.upstream.journal)?,
                mapping: upstream(start, &start.settings.upstream.mapping)?,
            };
            let registry = upstream(start, &start.settings.upstream.registry)?;
            let pages = start_gateway(start, surroundings, registry, (&mut working, &stop));
            door(start, doors.vendors_listener(), pages, (&mut working, &stop))?;
        }
        Role::AdapterFolder => {
            let config = start.settings.adapter_folder.clone();
            working.spawn(adapter_folder::run(config, start.health.clone(), stop.clone()));
        }
    }
    ops(start, doors, &mut working, &stop)?;
    ended(working, &stop).await
}

async fn serve_mapping(
    start: &Start,
    doors: &Doors,
    (working, stop): (&mut Working, &CancellationToken),
    guard: Guard,
) -> anyhow::Result<()> {
    let (bus, claims) = surroundings(start).await?;
    let registry = upstream(start, &start.settings.upstream.registry)?;
    // Mapping writes to applications' channels, so it is the one that owns the topology.
    bus.declare().await?;
    working.spawn(channels(bus.clone(), registry.clone(), stop.clone()));
    let config = start.settings.mapping;
    let service = mapping::Service::new(config, mapping::Registered::new(), Clock::System)?;
    let routes =
        tonic::service::Routes::new(InterceptedService::new(sized_mapping(service.clone()), guard));
    let parts = mapping::Parts {
        bus,
        claims,
        journal: upstream(start, &start.settings.upstream.journal)?,
        registry,
        service,
        health: start.health.clone(),
    };
    working.spawn(mapping::run(config, parts, stop.clone()));
    let internal = doors.internal_listener();
    door(start, internal, routes.into_axum_router(), (working, stop))?;
    Ok(())
}

fn sized_journal(service: journal::Service) -> JournalServer<journal::Service> {
    JournalServer::new(service)
        .max_decoding_message_size(INTERNAL_BYTES_MAX)
        .max_encoding_message_size(INTERNAL_BYTES_MAX)
}

fn sized_mapping(service: mapping::Service) -> MappingServer<mapping::Service> {
    MappingServer::new(service)
        .max_decoding_message_size(INTERNAL_BYTES_MAX)
        .max_encoding_message_size(INTERNAL_BYTES_MAX)
}

fn upstream(start: &Start, uri: &str) -> anyhow::Result<Upstream> {
    Ok(Upstream::network(&Network::new(uri).token(&start.token))?)
}

fn start_registry(
    start: &Start,
    working: &mut Working,
    stop: &CancellationToken,
) -> registry::Service {
    let service = registry::Service::new();
    let config = start.settings.registry.clone();
    working.spawn(registry::run(config, service.clone(), start.health.clone(), stop.clone()));
    service
}

fn start_journal(
    start: &Start,
    bus: &Bus,
    working: &mut Working,
    stop: &CancellationToken,
) -> journal::Service {
    let config = start.settings.journal.clone();
    let service = journal::Service::new(&config);
    let stands = (Clock::System, start.health.clone());
    working.spawn(journal::run(config, (service.clone(), bus.clone()), stands, stop.clone()));
    service
}

fn start_gateway(
    start: &Start,
    surroundings: gateway::Surroundings,
    registry: Upstream,
    (working, stop): (&mut Working, &CancellationToken),
) -> Router {
    let config = start.settings.gateway.clone();
    let service = gateway::Service::new(config, surroundings, Clock::System, "gateway".to_owned());
    let pages = service.pages();
    working.spawn(gateway::run(service, registry, start.health.clone(), stop.clone()));
    pages
}

fn ops(
    start: &Start,
    doors: &Doors,
    working: &mut Working,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let pages = health::pages(start.health.clone(), start.telemetry.clone());
    door(start, Ok(doors.ops_listener()), pages, (working, stop))
}

async fn surroundings(start: &Start) -> anyhow::Result<(Bus, ClaimStore)> {
    let said = &start.settings.bus;
    let certificates = match said.certificates_file.as_str() {
        "" => None,
        path => Some(std::fs::read_to_string(path).context("the certificates cannot be read")?),
    };
    let settings = bus::Settings {
        url: said.url.clone(),
        certificates,
        partitions: said.partitions,
        window: said.window,
        ..bus::Settings::default()
    };
    let bus = if settings.url.is_empty() {
        Bus::embedded(settings)
    } else {
        let bus = Bus::connect(settings).await?;
        // On the very first start nobody has made the probe's channel yet; a broker that fails
        // otherwise fails again right after, with better words.
        if let Err(error) = bus.probe().await {
            tracing::info!(%error, "the broker's channels are not there yet");
        }
        bus
    };
    Ok((bus, claim_store(start).await?))
}

async fn claim_store(start: &Start) -> anyhow::Result<ClaimStore> {
    let said = &start.settings.claims;
    if said.bucket.is_empty() {
        std::fs::create_dir_all(&said.folder)
            .with_context(|| format!("the folder {} cannot be made", said.folder.display()))?;
        return Ok(ClaimStore::folder(&said.folder).await?);
    }
    let secret = |path: &str| chassis::secret::read(std::path::Path::new(path));
    let settings = S3 {
        bucket: said.bucket.clone(),
        endpoint: said.endpoint.clone(),
        region: said.region.clone(),
        access_key_id: secret(&said.access_key_file)?.reveal().to_owned(),
        secret_access_key: secret(&said.secret_key_file)?.reveal().to_owned(),
        spool: said.folder.clone(),
    };
    std::fs::create_dir_all(&said.folder)?;
    Ok(ClaimStore::s3(settings).await?)
}

/// Makes a channel for each application as the registry names them.
async fn channels(bus: Bus, registry: Upstream, stop: CancellationToken) -> anyhow::Result<()> {
    bus.declare().await?;
    let mut client = RegistryClient::new(registry).max_decoding_message_size(INTERNAL_BYTES_MAX);
    let watching = async {
        let mut states = client.watch(WatchRequest::default()).await?.into_inner();
        while let Some(state) = states.message().await? {
            for application in state.applications {
                bus.declare_delivery(&application.id).await?;
            }
        }
        anyhow::bail!("the registry ended its watch")
    };
    tokio::select! {
        () = stop.cancelled() => Ok(()),
        outcome = watching => outcome,
    }
}

/// Waits for the end of everything: the first failure ends the start, a stop lets all finish.
async fn ended(mut working: Working, stop: &CancellationToken) -> anyhow::Result<()> {
    let mut failure = None;
    while let Some(ended) = working.join_next().await {
        let outcome = ended.context("a role broke down").and_then(|it| it);
        if let Err(error) = outcome {
            if failure.is_none() && !stop.is_cancelled() {
                failure = Some(error);
                stop.cancel();
            }
        } else if !stop.is_cancelled() {
            failure.get_or_insert_with(|| anyhow::anyhow!("a role ended by itself"));
            stop.cancel();
        }
    }
    failure.map_or(Ok(()), Err)
}
