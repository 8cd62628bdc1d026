//! The one binary: every role, every command. Thin: the work is in the rooms it starts.

mod cli;
mod command;
mod screen;
mod settings;
mod system;
mod view;

use std::process::ExitCode;

use chassis::config::{Layers, is_vietnamese};
use clap::{CommandFactory as _, Parser as _};
use proto::fault::Lang;

use crate::cli::{Cli, Command};
use crate::screen::{Ending, Screen};

/// Messages are taken apart on one thread and let go on another, which the system's own allocator
/// is slow at: it cost a third of the processor time of a loaded role.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let lang = match cli.screen.lang {
        Some(lang) => lang.into(),
        None if is_vietnamese() => Lang::Vi,
        None => Lang::En,
    };
    let screen = Screen { json: cli.screen.json, lang };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return screen.error(&error.into()).into(),
    };
    let outcome = runtime.block_on(run(screen, cli));
    // Blocking work that is left over (a read of a terminal, a slow disk) is not waited for.
    runtime.shutdown_background();
    outcome.unwrap_or_else(|error| screen.error(&error)).into()
}

async fn run(screen: Screen, cli: Cli) -> anyhow::Result<Ending> {
    let file = cli.screen.config;
    let layers = || Layers::read(file.as_deref());
    match cli.command {
        Command::Demo(arguments) => Box::pin(command::demo::run(screen, &arguments)).await,
        Command::Up(arguments) => Box::pin(command::up::up(screen, layers()?, arguments)).await,
        Command::Serve { role } => Box::pin(command::up::serve(layers()?, role)).await,
        Command::Send(arguments) => command::send::run(screen, arguments).await,
        Command::Find(arguments) => command::find::find(screen, arguments).await,
        Command::Trace { what, link } => command::find::trace(screen, what, &link).await,
        Command::Format(command) => command::format::run(screen, command),
        Command::Registry(command) => command::registry::run(screen, command),
        Command::Config(command) => command::settings::run(screen, &layers()?, &command),
        Command::Doctor(link) => command::doctor::run(screen, layers(), &link).await,
        Command::Explain { code, .. } => Ok(command::explain::run(screen, code.as_deref())),
        Command::Completion { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "lienthong", &mut script);
            screen.bytes(&script);
            Ok(Ending::Done)
        }
    }
}
