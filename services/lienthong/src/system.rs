//! Starting roles: together in one process, or one of them beside the others.
//!
//! ```text
//! stands from the first start to the stop:  health pages, registry, internal door, copies
//! starts anew when anything fails:          broker, database, mapping, gateway, adapters
//! ```
//!
//! A start opens everything anew: the broker's connections, the database. When any part of it
//! fails the start fails, and the chassis starts again. What stands is what others ask while that
//! happens: how this process is, who is registered, what the journal has.
//!
//! A stop goes from the front to the back: first what takes work in and works on it, then the
//! journal, which keeps what the front says at its end, then the pages that tell how it goes.

mod doors;
mod parts;
mod surroundings;

use std::time::Duration;

use bus::{Bus, ClaimStore};
use chassis::guard::Guard;
use chassis::health::{self, Health};
use chassis::telemetry::Telemetry;
use chassis::upstream::Network;
use chassis::{Clock, Upstream, supervise};
use proto::mapping::v1::mapping_server::MappingServer;
use proto::registry::v1::registry_server::RegistryServer;
use registry_client::RegistryFollower;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::service::interceptor::InterceptedService;

pub(crate) use self::doors::Doors;
use self::doors::door;
use self::parts::{Group, Parts};
pub(crate) use self::surroundings::{bus_settings, claim_store};
use self::surroundings::{channels, connect, probing};
use crate::cli::Role;
use crate::settings::Settings;

/// Largest message between roles.
const INTERNAL_BYTES_MAX: usize = 128 << 20;

/// The condition that says whether a start is through.
const START: &str = "start";

/// What every start has, beside its settings.
#[derive(Clone, Debug)]
pub(crate) struct Start {
    pub(crate) settings: Settings,
    pub(crate) token: String,
    pub(crate) health: Health,
    pub(crate) telemetry: Telemetry,
}

impl Start {
    /// How long open work may go on after the stop.
    fn limit(&self) -> Duration {
        Duration::from_millis(self.settings.listen.stop_ms_max)
    }
}

/// What outlives a start: whoever asks it meanwhile is answered from what is known.
#[derive(Clone, Debug)]
struct Standing {
    registry: registry::Service,
    journal: journal::Service,
    /// Mapping's copy of the registry.
    registered: RegistryFollower,
    /// The gateway's copy of the registry.
    admitted: RegistryFollower,
    /// Cancelled once the last call that came in by the internal door is answered.
    answered: CancellationToken,
}

impl Standing {
    fn new(start: &Start) -> Self {
        // A format that does not compile ends mapping with its reason; here nobody is known then.
        let shelf = formats::FormatRegistry::shipped();
        let formats = shelf.iter().flat_map(|it| it.all()).map(|it| it.name().to_owned());
        Self {
            registry: registry::Service::new().knowing(formats),
            journal: journal::Service::new(&start.settings.journal),
            registered: RegistryFollower::new("mapping.registry"),
            admitted: RegistryFollower::new("gateway.registry"),
            answered: CancellationToken::new(),
        }
    }
}

/// What a start is made of.
type House<'a> = (&'a Start, &'a Doors, &'a Standing);

/// Runs one role, or all of them, until `shutdown`; starts again whatever fails.
pub(crate) async fn run(
    name: &'static str,
    role: Option<Role>,
    (start, doors): (&Start, &Doors),
    shutdown: &CancellationToken,
) {
    let standing = Standing::new(start);
    let mut standing_parts = stand(role, (start, doors, &standing), shutdown);
    supervise(name, shutdown, || begin(role, (start, doors, &standing), shutdown)).await;
    standing_parts.end(Instant::now() + start.limit()).await;
}

/// Runs every role until `shutdown`, once.
///
/// # Errors
///
/// Any role failed.
pub(crate) async fn run_all(
    start: &Start,
    doors: &Doors,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let standing = Standing::new(start);
    let mut standing_parts = stand(None, (start, doors, &standing), &shutdown);
    let outcome = begin(None, (start, doors, &standing), &shutdown).await;
    standing_parts.end(Instant::now() + start.limit()).await;
    outcome
}

impl Role {
    /// Its name, as it is given on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Mapping => "mapping",
            Self::Journal => "journal",
            Self::Registry => "registry",
            Self::AdapterFolder => "adapter-folder",
        }
    }
}

/// True when a process with this role does the work of that one.
fn does(role: Option<Role>, of: Role) -> bool {
    role.is_none_or(|it| it == of)
}

/// Begins what stands from the first start to the stop: the registry, the door by which roles and
/// operators come in, and longest of all the pages that tell how this process is.
fn stand(role: Option<Role>, house: House<'_>, shutdown: &CancellationToken) -> Group {
    let (start, doors, standing) = house;
    start.health.unwell(START, "starting");
    let mut telling = Group::new(CancellationToken::new());
    let pages = health::pages(start.health.clone(), start.telemetry.clone());
    telling.always("health pages", door(start, doors.ops_listener(), pages));
    // The registry may go at once: everybody who asks it has a copy.
    let mut answering = Group::new(CancellationToken::new());
    answer(role, house, &mut answering);
    let (stop, told) = (shutdown.clone(), telling.token());
    let (answered, limit) = (standing.answered.clone(), start.limit());
    telling.spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = told.cancelled() => {}
        }
        answering.end(Instant::now() + limit).await;
        answered.cancel();
        told.cancelled().await;
        Ok(())
    });
    telling
}

/// Begins what answers calls from elsewhere, whatever starts again behind it.
fn answer(role: Option<Role>, (start, doors, standing): House<'_>, group: &mut Group) {
    let guard = Guard::new(&start.token);
    let mut routes = Routes::default();
    if does(role, Role::Registry) {
        let (config, health) = (start.settings.registry.clone(), start.health.clone());
        let service = standing.registry.clone();
        health.unwell("registry", "its folder was not read yet");
        routes = routes.add_service(InterceptedService::new(
            RegistryServer::new(service.clone()),
            guard.clone(),
        ));
        group.always("registry", move |stop| {
            registry::run(config.clone(), service.clone(), health.clone(), stop)
        });
    }
    if does(role, Role::Journal) {
        routes = routes.add_service(InterceptedService::new(standing.journal.server(), guard));
    }
    match role {
        None | Some(Role::Registry | Role::Journal) => {
            let pages = routes.into_axum_router();
            group.always("internal door", door(start, doors.internal_listener(), pages));
        }
        Some(Role::Mapping | Role::Gateway | Role::AdapterFolder) => {}
    }
}

/// One start, from its beginning to its end; readiness tells which of both it is at.
async fn begin(
    role: Option<Role>,
    house: House<'_>,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    let (start, _, standing) = house;
    start.health.unwell(START, "starting");
    let mut parts = Parts::new(shutdown);
    let begun = tokio::select! {
        () = shutdown.cancelled() => Ok(()),
        begun = begin_parts(role, house, &mut parts) => begun,
    };
    let outcome = match begun {
        Ok(()) => {
            start.health.well(START);
            parts.ended(shutdown, &standing.answered, start.limit()).await
        }
        Err(error) => Err(error),
    };
    let why = outcome.as_ref().err().map_or_else(|| "ended".to_owned(), |it| format!("{it:#}"));
    start.health.unwell(START, why);
    outcome
}

async fn begin_parts(
    role: Option<Role>,
    house: House<'_>,
    parts: &mut Parts,
) -> anyhow::Result<()> {
    match role {
        // All of it stands already.
        Some(Role::Registry) => Ok(()),
        Some(Role::AdapterFolder) => {
            let (config, stop) = (house.0.settings.adapter_folder.clone(), parts.front.token());
            parts.front.spawn(adapter_folder::run(config, house.0.health.clone(), stop));
            Ok(())
        }
        None | Some(Role::Journal | Role::Mapping | Role::Gateway) => {
            road(role, house, parts).await
        }
    }
}

/// Begins the parts of the road that this process is.
async fn road(role: Option<Role>, house: House<'_>, parts: &mut Parts) -> anyhow::Result<()> {
    let (start, doors, standing) = house;
    let upstreams = &start.settings.upstream;
    let bus = connect(start, role).await?;
    // Mapping writes to applications' channels, so it is the one that owns the topology.
    if does(role, Role::Mapping) {
        bus.declare_topology().await?;
    } else {
        bus.compare_topology().await?;
    }
    parts.back.spawn(probing(bus.clone(), start.health.clone(), parts.back.token()));
    let journal = if does(role, Role::Journal) {
        start_journal(house, &bus, &mut parts.back);
        Upstream::local(standing.journal.server())
    } else {
        upstream(start, &upstreams.journal)?
    };
    if role == Some(Role::Journal) {
        return Ok(());
    }
    let claims = claim_store(&start.settings.claims).await?;
    let registry = if does(role, Role::Registry) {
        Upstream::local(RegistryServer::new(standing.registry.clone()))
    } else {
        upstream(start, &upstreams.registry)?
    };
    let stands = (bus.clone(), claims.clone(), journal.clone(), registry.clone());
    let mapping = if does(role, Role::Mapping) {
        let service = start_mapping(house, stands, &mut parts.front)?;
        if role == Some(Role::Mapping) {
            let guarded =
                InterceptedService::new(sized_mapping(service.clone()), Guard::new(&start.token));
            let pages = Routes::new(guarded).into_axum_router();
            parts.front.always("internal door", door(start, doors.internal_listener(), pages));
        }
        Upstream::local(sized_mapping(service))
    } else {
        upstream(start, &upstreams.mapping)?
    };
    if does(role, Role::Gateway) {
        let follower = standing.admitted.clone();
        let dependencies =
            gateway::GatewayDependencies { bus, claims, journal, mapping, registry: follower };
        start_gateway(house, dependencies, registry, &mut parts.front);
    }
    Ok(())
}

fn sized_mapping(service: mapping::Service) -> MappingServer<mapping::Service> {
    MappingServer::new(service)
        .max_decoding_message_size(INTERNAL_BYTES_MAX)
        .max_encoding_message_size(INTERNAL_BYTES_MAX)
}

fn upstream(start: &Start, uri: &str) -> anyhow::Result<Upstream> {
    Ok(Upstream::network(&Network::new(uri).token(&start.token))?)
}

fn start_journal((start, _, standing): House<'_>, bus: &Bus, group: &mut Group) {
    let config = start.settings.journal.clone();
    start.health.unwell("journal", "its database was not opened yet");
    let stands = (Clock::System, start.health.clone());
    let parts = (standing.journal.clone(), bus.clone());
    group.spawn(journal::run(config, parts, stands, group.token()));
}

fn start_mapping(
    (start, _, standing): House<'_>,
    (bus, claims, journal, registry): (Bus, ClaimStore, Upstream, Upstream),
    group: &mut Group,
) -> anyhow::Result<mapping::Service> {
    let config = start.settings.mapping;
    let registered = standing.registered.clone();
    let service = mapping::Service::new(config, registered, Clock::System)?;
    let (declared, watched) = (bus.clone(), registry.clone());
    group.always("applications' channels", move |stop| {
        channels(declared.clone(), watched.clone(), stop)
    });
    let health = start.health.clone();
    let parts = mapping::MappingDependencies {
        bus,
        claims,
        journal,
        registry,
        service: service.clone(),
        health,
    };
    group.spawn(mapping::run(config, parts, group.token()));
    Ok(service)
}

fn start_gateway(
    (start, doors, _): House<'_>,
    dependencies: gateway::GatewayDependencies,
    registry: Upstream,
    group: &mut Group,
) {
    let config = start.settings.gateway.clone();
    let service = gateway::Service::new(config, dependencies, Clock::System, "gateway".to_owned());
    let (pages, left) = (service.routes(), service.drained());
    group.spawn(gateway::run(service, registry, start.health.clone(), group.token()));
    // Until the gateway has left, answers still come in by the door; an open door is no part that
    // ended by itself.
    let mut open = door(start, doors.vendors_listener(), pages);
    group.always("vendors' door", move |stop| {
        let closed = open(left.clone());
        async move {
            closed.await?;
            stop.cancelled().await;
            Ok(())
        }
    });
}
