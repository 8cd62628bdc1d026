//! One start of the roles that depend on the broker or on other roles.

use bus::{ClaimStore, CurrentBus};
use chassis::{Clock, Upstream};
use proto::mapping::v1::mapping_server::MappingServer;
use proto::registry::v1::registry_server::RegistryServer;
use tonic::service::Routes;

use crate::cli::Role;
use crate::system::channels::declare_application_channels;
use crate::system::context::Context;
use crate::system::infrastructure::{current_bus, keep_connected, open_claim_store, probe_broker};
use crate::system::shutdown_order::{ShutdownOrder, TaskGroup};

/// Largest message between roles: a batch of messages with inline bodies.
const INTERNAL_BYTES_MAX: usize = 128 << 20;

/// What mapping and the gateway are started with.
#[derive(Clone)]
struct Shared {
    bus: CurrentBus,
    claims: ClaimStore,
    journal: Upstream,
    format_store: Upstream,
    registry: Upstream,
}

/// Starts the roles of this process.
///
/// # Errors
///
/// The broker or the claim store cannot be reached, or differs from what is configured.
pub(super) async fn start_roles(
    context: Context<'_>,
    order: &mut ShutdownOrder,
) -> anyhow::Result<()> {
    match context.role {
        // The registry is long-lived and already started.
        Some(Role::Registry) => Ok(()),
        Some(Role::AdapterFolder) => {
            let dependencies = context.dependencies;
            let config = dependencies.settings.adapter_folder.clone();
            let (health, stop) = (dependencies.health.clone(), order.processing.token());
            order.processing.spawn(adapter_folder::run(config, health, stop));
            Ok(())
        }
        None | Some(Role::Journal | Role::Mapping | Role::Gateway) => {
            start_messaging(context, order).await
        }
    }
}

/// Starts the roles that use the bus.
async fn start_messaging(context: Context<'_>, order: &mut ShutdownOrder) -> anyhow::Result<()> {
    let Context { dependencies, long_lived, .. } = context;
    let bus = current_bus(&dependencies.settings, context.role.map_or("up", Role::name))?;
    let storage = &mut order.storage;
    // One role owns the topology: mapping, because it publishes to the applications' channels.
    let owns_topology = context.has_role(Role::Mapping);
    let (connected, health) = (bus.clone(), dependencies.health.clone());
    storage.spawn_supervised("broker connection", move |stop| {
        keep_connected(connected.clone(), owns_topology, health.clone(), stop)
    });
    storage.spawn(probe_broker(bus.clone(), dependencies.health.clone(), storage.token()));
    let upstreams = &dependencies.settings.upstream;
    let (journal, format_store) = if context.has_role(Role::Journal) {
        start_journal(context, &bus, storage);
        let journal = &long_lived.journal;
        (Upstream::local(journal.server()), Upstream::local(journal.format_server()))
    } else {
        let journal = dependencies.upstream(upstreams.journal.reveal())?;
        (journal.clone(), journal)
    };
    if context.role == Some(Role::Journal) {
        return Ok(());
    }
    let registry = if context.has_role(Role::Registry) {
        Upstream::local(RegistryServer::new(long_lived.registry.clone()))
    } else {
        dependencies.upstream(upstreams.registry.reveal())?
    };
    let claims = open_claim_store(&dependencies.settings.claims).await?;
    let shared = Shared { bus, claims, journal, format_store, registry };
    let mapping = if context.has_role(Role::Mapping) {
        let service = start_mapping(context, shared.clone(), &mut order.processing)?;
        if context.role == Some(Role::Mapping) {
            serve_mapping(context, service.clone());
        }
        Upstream::local(mapping_server(service))
    } else {
        dependencies.upstream(upstreams.mapping.reveal())?
    };
    if context.has_role(Role::Gateway) {
        start_gateway(context, shared, mapping, &mut order.processing);
    }
    Ok(())
}

fn start_journal(context: Context<'_>, bus: &CurrentBus, group: &mut TaskGroup) {
    let Context { dependencies, long_lived, .. } = context;
    let config = dependencies.settings.journal.clone();
    dependencies.health.unwell("journal", "its database was not opened yet");
    let clock_and_health = (Clock::System, dependencies.health.clone());
    let parts = (long_lived.journal.clone(), bus.clone());
    group.spawn(journal::run(config, parts, clock_and_health, group.token()));
}

fn start_mapping(
    context: Context<'_>,
    shared: Shared,
    group: &mut TaskGroup,
) -> anyhow::Result<mapping::Service> {
    let Context { dependencies, long_lived, .. } = context;
    let config = dependencies.settings.mapping;
    let follower = long_lived.mapping_registry.clone();
    let service = mapping::Service::new(config, follower.clone(), Clock::System)?;
    let bus = shared.bus.clone();
    let stop = group.token();
    group.spawn(async move {
        let declare = |bus| declare_application_channels(bus, follower.clone(), stop.clone());
        bus.run("topology", &stop, declare).await;
        Ok(())
    });
    let Shared { bus, claims, journal, format_store, registry } = shared;
    let mapping = mapping::MappingDependencies {
        bus,
        claims,
        journal,
        format_store,
        registry,
        service: service.clone(),
        health: dependencies.health.clone(),
    };
    group.spawn(mapping::run(config, mapping, group.token()));
    Ok(service)
}

/// Serves mapping to gateways in other processes.
fn serve_mapping(context: Context<'_>, service: mapping::Service) {
    let routes = Routes::new(mapping_server(service)).into_axum_router();
    context.long_lived.mapping_routes.set(routes);
}

fn mapping_server(service: mapping::Service) -> MappingServer<mapping::Service> {
    MappingServer::new(service)
        .max_decoding_message_size(INTERNAL_BYTES_MAX)
        .max_encoding_message_size(INTERNAL_BYTES_MAX)
}

fn start_gateway(context: Context<'_>, shared: Shared, mapping: Upstream, group: &mut TaskGroup) {
    let Context { dependencies, listeners, long_lived, .. } = context;
    let config = dependencies.settings.gateway.clone();
    let Shared { bus, claims, journal, registry, .. } = shared;
    let follower = long_lived.gateway_registry.clone();
    let service = gateway::Service::new(
        config,
        gateway::GatewayDependencies {
            bus,
            claims,
            disk: long_lived.claims_disk.clone(),
            journal,
            mapping,
            registry: follower,
        },
        Clock::System,
        "gateway".to_owned(),
    );
    long_lived.gateway.set(service.clone());
    let (routes, drained) = (service.routes(), service.drained());
    let health = dependencies.health.clone();
    group.spawn(gateway::run(service, registry, health, group.token()));
    // The listener is served until the gateway has drained and not only until the stop, because
    // adapters settle their deliveries through it in between. It ends without failure then.
    let mut serve_vendors = listeners.serve_vendors(routes, &dependencies.health);
    group.spawn_supervised("vendors listener", move |stop| {
        let serving = serve_vendors(drained.clone());
        async move {
            serving.await?;
            stop.cancelled().await;
            Ok(())
        }
    });
}
