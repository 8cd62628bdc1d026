//! Services that live from the first start to the shutdown of a process.

use chassis::health;
use proto::registry::v1::registry_server::RegistryServer;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use crate::cli::Role;
use crate::system::context::Context;
use crate::system::shutdown_order::TaskGroup;

/// Starts health, registry and the internal listener. After `shutdown` the registry and the
/// internal listener stop; health is served until the group itself is stopped, so that an operator
/// can watch a stop to its end.
pub(super) fn start_long_lived(context: Context<'_>, shutdown: &CancellationToken) -> TaskGroup {
    let dependencies = context.dependencies;
    let mut group = TaskGroup::new(CancellationToken::new());
    let routes = health::routes(dependencies.health.clone(), dependencies.telemetry.clone());
    let ops = context.listeners.serve_ops(routes, &dependencies.health);
    group.spawn_supervised("health listener", ops);
    let mut answering = TaskGroup::new(CancellationToken::new());
    start_answering(context, &mut answering);
    let (shutdown, stop) = (shutdown.clone(), group.token());
    let answered = context.long_lived.internal_calls_answered.clone();
    let limit = dependencies.stop_limit();
    group.spawn(async move {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = stop.cancelled() => {}
        }
        answering.stop(Instant::now() + limit).await;
        answered.cancel();
        stop.cancelled().await;
        Ok(())
    });
    group
}

/// Starts what answers calls of other processes also while this one starts again.
fn start_answering(context: Context<'_>, group: &mut TaskGroup) {
    let Context { dependencies, long_lived, .. } = context;
    let mut routes = Routes::default();
    if context.has_role(Role::Registry) {
        let service = long_lived.registry.clone();
        routes = routes.add_service(RegistryServer::new(service.clone()));
        let (config, health) =
            (dependencies.settings.registry.clone(), dependencies.health.clone());
        health.unwell("registry", "its folder was not read yet");
        group.spawn_supervised("registry", move |stop| {
            registry::run(config.clone(), service.clone(), health.clone(), stop)
        });
    }
    if context.has_role(Role::Journal) {
        routes = routes.add_service(long_lived.journal.server());
    }
    match context.role {
        None | Some(Role::Registry | Role::Journal) => {
            let routes = dependencies.guard().protect(routes.into_axum_router());
            let internal = context.listeners.serve_internal(routes, &dependencies.health);
            group.spawn_supervised("internal listener", internal);
        }
        Some(Role::Mapping | Role::Gateway | Role::AdapterFolder) => {}
    }
}
