//! The one binary: it starts every role and has every command.

mod cli;
mod command;
mod data_folder;
mod document_lookup;
mod exit_status;
mod exposed_links;
mod fault;
mod journal_access;
mod labels;
mod message_json;
mod message_view;
mod output;
mod settings;
mod system;
mod table;
mod text_format;
mod token;

use std::process::ExitCode;

use chassis::config::{Layers, is_vietnamese};
use clap::{CommandFactory as _, Parser as _, ValueEnum as _};
use proto::fault::v1::Fault;
use proto::fault::{Lang, code};
use proto::journal::v1::command_request::Action;
use serde_json::json;

use crate::cli::{Cli, Command, Language};
use crate::exit_status::ExitStatus;
use crate::output::Output;

/// Messages are decoded on one thread and freed on another, which is slow with the allocator of
/// the C library. A server is built with the feature `jemalloc`, which reuses the memory that was
/// freed last and is still in the processor's cache: a loaded role takes a fifth less CPU time.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;
#[cfg(not(feature = "jemalloc"))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return print_usage(&error),
    };
    let output = Output { json: cli.output.json, lang: choose_language(cli.output.lang) };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return output.print_error(&error.into()).into(),
    };
    let outcome = runtime.block_on(run(output, cli));
    // Blocking calls that still run (a read of a terminal, a slow disk) would delay the exit.
    runtime.shutdown_background();
    outcome.unwrap_or_else(|error| output.print_error(&error)).into()
}

/// The language of the option, else that of the locale.
fn choose_language(option: Option<Language>) -> Lang {
    match option {
        Some(lang) => lang.into(),
        None if is_vietnamese() => Lang::Vi,
        None => Lang::En,
    }
}

/// Prints help on stdout, and a mistake on the command line as a fault. The options for language and
/// form are searched for in the raw arguments, because a command line with a mistake is not parsed.
fn print_usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // Help that cannot be printed leaves nowhere to report that.
        drop(error.print());
        return ExitStatus::Done.into();
    }
    let arguments: Vec<_> =
        std::env::args_os().map(|it| it.to_string_lossy().into_owned()).collect();
    let option = arguments.windows(2).find(|it| it.first().is_some_and(|it| it == "--lang"));
    let lang = option
        .and_then(|it| it.get(1))
        .map(String::as_str)
        .or_else(|| arguments.iter().find_map(|it| it.strip_prefix("--lang=")));
    let lang = lang.and_then(|it| Language::from_str(it, true).ok());
    let json = arguments.iter().any(|it| it == "--json");
    let output = Output { json, lang: choose_language(lang) };
    let detail = error.render().to_string();
    let detail = detail.trim().trim_start_matches("error: ").to_owned();
    output.print_fault(&Fault::new(&code::LT_CLI_003).detail(detail));
    ExitStatus::Usage.into()
}

async fn run(output: Output, cli: Cli) -> anyhow::Result<ExitStatus> {
    let file = cli.output.config;
    let layers = || Layers::read(file.as_deref());
    match cli.command {
        Command::Demo(arguments) => Box::pin(command::demo::run(output, &arguments)).await,
        Command::Up(arguments) => Box::pin(command::up::up(output, layers()?, arguments)).await,
        Command::Serve { role } => Box::pin(command::up::serve(layers()?, role)).await,
        Command::Send(arguments) => command::send::run(output, arguments).await,
        Command::Find(arguments) => command::find::find(output, arguments).await,
        Command::Trace { what, link } => command::trace::run(output, &what, &link).await,
        Command::Redrive(it) => command::operator_action::run(output, Action::Redrive, &it).await,
        Command::Release(it) => command::operator_action::run(output, Action::Release, &it).await,
        Command::Withdraw(it) => command::operator_action::run(output, Action::Withdraw, &it).await,
        Command::Confirm(it) => command::operator_action::run(output, Action::Confirm, &it).await,
        Command::Certificates(command) => command::certificates::run(output, command),
        Command::Format(command) => command::format::run(output, command),
        Command::Registry(command) => command::registry::run(output, command).await,
        Command::Config(command) => command::config::run(output, &layers()?, &command),
        Command::Doctor(link) => command::doctor::run(output, layers(), &link).await,
        Command::Explain { code, .. } => Ok(command::explain::run(output, code.as_deref())),
        Command::Completion { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "lienthong", &mut script);
            if output.json {
                let script = String::from_utf8_lossy(&script);
                output.print_json(&json!({ "shell": shell.to_string(), "script": script }));
            } else {
                output.print_bytes(&script);
            }
            Ok(ExitStatus::Done)
        }
    }
}
