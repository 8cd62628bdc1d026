//! The one binary: it starts every role and has every command.

mod agency;
mod cli;
mod client_settings;
mod command;
mod data_folder;
mod directory_lookup;
mod document_lookup;
mod endpoint_check;
mod exit_status;
mod exposed_links;
mod fault;
mod format_engine;
mod io_words;
mod journal_access;
mod labels;
mod loss_text;
mod message_json;
mod message_view;
mod operate_access;
mod output;
mod pause_view;
mod raw_options;
mod settings;
mod system;
mod table;
mod terminal_text;
mod text_format;
mod token;

use std::process::ExitCode;

use chassis::config::Layers;
use clap::error::ErrorKind;
use clap::{CommandFactory as _, FromArgMatches as _};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::command_request::Action;
use serde_json::json;

use crate::cli::{Cli, Command, Link, OperatorAction, localize, usage_text};
use crate::client_settings::{ClientSettings, read_layers};
use crate::exit_status::ExitStatus;
use crate::output::Output;
use crate::raw_options::RawOptions;

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
    let raw = RawOptions::read(std::env::args_os());
    let output = raw.output();
    let mut command = localize(Cli::command(), output.lang);
    if let Some(columns) = chassis::terminal::columns() {
        command = command.term_width(columns);
    }
    if output.is_plain {
        command = command.color(clap::ColorChoice::Never);
    }
    let matches = command.try_get_matches().and_then(|it| Cli::from_arg_matches(&it));
    let cli = match matches {
        Ok(cli) => cli,
        Err(error) => return print_usage(output, &error),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return output.print_error(&error.into()).into(),
    };
    let outcome = runtime.block_on(run(output, cli));
    // Blocking calls that still run (a read of a terminal, a slow disk) would delay the exit.
    runtime.shutdown_background();
    outcome.unwrap_or_else(|error| output.print_error(&error)).into()
}

/// Prints help on stdout, and a mistake on the command line as a fault.
fn print_usage(output: Output, error: &clap::Error) -> ExitCode {
    if !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        // Help that cannot be printed leaves nowhere to report that.
        drop(error.print());
        let is_asked_for = !error.use_stderr();
        return if is_asked_for { ExitStatus::Done } else { ExitStatus::Usage }.into();
    }
    output.print_fault(&Fault::new(&code::LT_CLI_003).detail(usage_text(error, output.lang)));
    ExitStatus::Usage.into()
}

async fn run(output: Output, cli: Cli) -> anyhow::Result<ExitStatus> {
    let (file, context) = (cli.output.config, cli.output.context);
    let layers = || Layers::read(file.as_deref());
    let client_layers = || read_layers(file.as_deref(), context.as_deref());
    let client = |it: &Link| anyhow::Ok(ClientSettings::of_link(client_layers()?, it)?);
    match cli.command {
        Command::Demo(arguments) => Box::pin(command::demo::run(output, &arguments)).await,
        Command::Up(arguments) => Box::pin(command::up::up(output, layers()?, arguments)).await,
        Command::Serve { role } => Box::pin(command::up::serve(layers()?, role)).await,
        Command::Send(arguments) => {
            let client = ClientSettings::of_gateway(client_layers()?, &arguments.link)?;
            command::send::run(output, &client, arguments).await
        }
        Command::Find(arguments) => {
            command::find::find(output, &client(&arguments.link)?, arguments).await
        }
        Command::Trace { what, link } => command::trace::run(output, &client(&link)?, &what).await,
        Command::Redrive(it) => act(output, client(&it.link)?, (Action::Redrive, it)).await,
        Command::Release(it) => act(output, client(&it.link)?, (Action::Release, it)).await,
        Command::Withdraw(it) => act(output, client(&it.link)?, (Action::Withdraw, it)).await,
        Command::Confirm(it) => act(output, client(&it.link)?, (Action::Confirm, it)).await,
        Command::Resend(it) => command::resend::run(output, &client(&it.link)?, &it).await,
        Command::Status(it) => command::status::run(output, &client(&it.link)?, &it).await,
        Command::Sessions(it) => {
            let link = it.end.as_ref().map_or(&it.list.link, |end| &end.arguments().link);
            command::sessions::run(output, &client(link)?, &it).await
        }
        Command::Pause(it) => command::pause::pause(output, &client(&it.link)?, &it).await,
        Command::Resume(it) => command::pause::resume(output, &client(&it.link)?, &it).await,
        Command::Certificates(command) => command::certificates::run(output, command),
        Command::Format(command) => command::format::run(output, command),
        Command::Registry(command) => command::registry::run(output, client, command).await,
        Command::Config(command) => command::config::run(output, &client_layers()?, &command),
        Command::Doctor(link) => command::doctor::run(output, client_layers(), &link).await,
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

async fn act(
    output: Output,
    client: ClientSettings,
    (action, arguments): (Action, OperatorAction),
) -> anyhow::Result<ExitStatus> {
    command::operator_action::run(output, &client, action, &arguments).await
}
