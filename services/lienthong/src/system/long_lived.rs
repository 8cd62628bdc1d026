//! Services that live from the first start to the shutdown of a process.

use chassis::{Upstream, health};
use proto::operate::v1::operate_server::OperateServer;
use proto::registry::v1::registry_administration_server::RegistryAdministrationServer;
use proto::registry::v1::registry_server::RegistryServer;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use crate::cli::Role;
use crate::system::context::Context;
use crate::system::disks::watch_disks;
use crate::system::operate::OperateService;
use crate::system::shutdown_order::TaskGroup;

/// Path of the calls to mapping.
const MAPPING_PATH: &str = "/lienthong.mapping.v1.Mapping/{*call}";

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
    watch_disks(context, &mut group);
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

/// The journal, which keeps operators' actions, and its store of formats.
fn journal_of(context: Context<'_>) -> anyhow::Result<(Upstream, Upstream)> {
    let Context { dependencies, long_lived, .. } = context;
    if context.has_role(Role::Journal) {
        let journal = &long_lived.journal;
        return Ok((Upstream::local(journal.server()), Upstream::local(journal.format_server())));
    }
    let journal = dependencies.upstream(dependencies.settings.upstream.journal.reveal())?;
    Ok((journal.clone(), journal))
}

/// Starts what answers calls of other processes also while this one starts again.
fn start_answering(context: Context<'_>, group: &mut TaskGroup) {
    let Context { dependencies, long_lived, .. } = context;
    let mut routes = Routes::default();
    if context.has_role(Role::Registry) {
        let service = match journal_of(context) {
            Ok((journal, formats)) => {
                long_lived.registry.clone().with_journal(journal).with_format_store(formats)
            }
            Err(error) => {
                let error = format!("{error:#}");
                tracing::warn!(error, "the registry's changes and formats are not kept");
                long_lived.registry.clone()
            }
        };
        routes = routes
            .add_service(RegistryServer::new(service.clone()))
            .add_service(RegistryAdministrationServer::new(service.clone()));
        let (config, health) =
            (dependencies.settings.registry.clone(), dependencies.health.clone());
        health.unwell("registry", "its folder was not read yet");
        group.spawn_supervised("registry", move |stop| {
            registry::run(config.clone(), service.clone(), health.clone(), stop)
        });
    }
    if context.has_role(Role::Journal) {
        let journal = &long_lived.journal;
        routes = routes.add_service(journal.server()).add_service(journal.format_server());
    }
    if !context.listeners.has_internal() {
        return;
    }
    routes = routes.add_service(OperateServer::new(OperateService::new(context)));
    let mut routes = routes.into_axum_router();
    if context.role == Some(Role::Mapping) {
        routes = long_lived.mapping_routes.serve_under(MAPPING_PATH, routes);
    }
    let routes = dependencies.guard().protect(routes);
    let internal = context.listeners.serve_internal(routes, &dependencies.health);
    group.spawn_supervised("internal listener", internal);
}
