//! Runs the roles of a process: starts, starts again after a failure, and stops.

use chassis::supervise;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::cli::Role;
use crate::system::context::{Context, LongLived, SystemDependencies};
use crate::system::listeners::Listeners;
use crate::system::long_lived::start_long_lived;
use crate::system::roles::start_roles;
use crate::system::shutdown_order::ShutdownOrder;

/// The condition in health that says whether a start has succeeded.
const START: &str = "start";

/// Runs one role, or all of them, until `shutdown`, and starts again after every failure.
pub(crate) async fn run_supervised(
    name: &'static str,
    role: Option<Role>,
    (dependencies, listeners): (&SystemDependencies, &Listeners),
    shutdown: &CancellationToken,
) {
    let long_lived = LongLived::new(&dependencies.settings);
    let context = Context { role, dependencies, listeners, long_lived: &long_lived };
    let starts = |context| supervise(name, shutdown, move || run_start(context, shutdown));
    run_with_long_lived(context, shutdown, starts).await;
}

/// Runs every role until `shutdown` or the first failure.
///
/// # Errors
///
/// A role failed.
pub(crate) async fn run_once(
    dependencies: &SystemDependencies,
    listeners: &Listeners,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let long_lived = LongLived::new(&dependencies.settings);
    let context = Context { role: None, dependencies, listeners, long_lived: &long_lived };
    run_with_long_lived(context, &shutdown, |context| run_start(context, &shutdown)).await
}

/// Runs the starts between the start and the stop of the long-lived services.
async fn run_with_long_lived<'a, S, R>(
    context: Context<'a>,
    shutdown: &CancellationToken,
    starts: S,
) -> R::Output
where
    S: FnOnce(Context<'a>) -> R,
    R: Future,
{
    context.dependencies.health.unwell(START, "starting");
    let mut group = start_long_lived(context, shutdown);
    let outcome = starts(context).await;
    group.stop(Instant::now() + context.dependencies.stop_limit()).await;
    outcome
}

/// One start and its end. The condition `start` is well only in between.
async fn run_start(context: Context<'_>, shutdown: &CancellationToken) -> anyhow::Result<()> {
    let health = &context.dependencies.health;
    health.unwell(START, "starting");
    let mut order = ShutdownOrder::new(shutdown);
    let started = tokio::select! {
        () = shutdown.cancelled() => Ok(()),
        started = start_roles(context, &mut order) => started,
    };
    let outcome = match started {
        Ok(()) => {
            health.well(START);
            let answered = &context.long_lived.internal_calls_answered;
            order.run(shutdown, answered, context.dependencies.stop_limit()).await
        }
        Err(error) => Err(error),
    };
    let reason = outcome.as_ref().err().map_or_else(|| "ended".to_owned(), |it| format!("{it:#}"));
    health.unwell(START, reason);
    outcome
}
