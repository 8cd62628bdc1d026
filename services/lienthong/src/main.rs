//! The one binary: every role, every command. Thin: the work is in the rooms it starts.

mod cli;
mod command;
mod fault;
mod screen;
mod settings;
mod system;
mod table;
mod view;

use std::process::ExitCode;

use chassis::config::{Layers, is_vietnamese};
use clap::{CommandFactory as _, Parser as _, ValueEnum as _};
use proto::fault::v1::Fault;
use proto::fault::{Lang, code};
use proto::journal::v1::command_request::Action;
use serde_json::json;

use crate::cli::{Cli, Command, Language};
use crate::screen::{Ending, Screen};

/// Messages are taken apart on one thread and let go on another, which the system's own allocator
/// is slow at. A server is built with the feature `jemalloc`, which gives the memory that was let
/// go last, still in the processor's cache: a loaded role takes a fifth less processor time.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;
#[cfg(not(feature = "jemalloc"))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let screen = Screen { json: cli.screen.json, lang: language(cli.screen.lang) };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return screen.error(&error.into()).into(),
    };
    let outcome = runtime.block_on(run(screen, cli));
    // Blocking work that is left over (a read of a terminal, a slow disk) is not waited for.
    runtime.shutdown_background();
    outcome.unwrap_or_else(|error| screen.error(&error)).into()
}

fn language(asked: Option<Language>) -> Lang {
    match asked {
        Some(lang) => lang.into(),
        None if is_vietnamese() => Lang::Vi,
        None => Lang::En,
    }
}

/// Help goes where it was asked for; a wrong call is told like every other fault.
fn usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // Nobody is left to tell when help cannot be printed.
        drop(error.print());
        return Ending::Done.into();
    }
    let words: Vec<_> = std::env::args_os().map(|it| it.to_string_lossy().into_owned()).collect();
    let said = words.windows(2).find(|it| it.first().is_some_and(|it| it == "--lang"));
    let lang = said
        .and_then(|it| it.get(1))
        .map(String::as_str)
        .or_else(|| words.iter().find_map(|it| it.strip_prefix("--lang=")));
    let lang = lang.and_then(|it| Language::from_str(it, true).ok());
    let json = words.iter().any(|it| it == "--json");
    let screen = Screen { json, lang: language(lang) };
    let detail = error.render().to_string();
    let detail = detail.trim().trim_start_matches("error: ").to_owned();
    screen.fault(&Fault::new(&code::LT_CLI_003).detail(detail));
    Ending::Usage.into()
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
        Command::Trace { what, link } => command::trace::run(screen, &what, &link).await,
        Command::Redrive(it) => command::act::run(screen, Action::Redrive, &it).await,
        Command::Release(it) => command::act::run(screen, Action::Release, &it).await,
        Command::Withdraw(it) => command::act::run(screen, Action::Withdraw, &it).await,
        Command::Confirm(it) => command::act::run(screen, Action::Confirm, &it).await,
        Command::Format(command) => command::format::run(screen, command),
        Command::Registry(command) => command::registry::run(screen, command),
        Command::Config(command) => command::settings::run(screen, &layers()?, &command),
        Command::Doctor(link) => command::doctor::run(screen, layers(), &link).await,
        Command::Explain { code, .. } => Ok(command::explain::run(screen, code.as_deref())),
        Command::Completion { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "lienthong", &mut script);
            if screen.json {
                let script = String::from_utf8_lossy(&script);
                screen.value(&json!({ "shell": shell.to_string(), "script": script }));
            } else {
                screen.bytes(&script);
            }
            Ok(Ending::Done)
        }
    }
}
