//! `up` and `serve`: run roles until a signal.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context as _;
use chassis::config::Layers;
use chassis::health::Health;
use chassis::secret::Secret;

use crate::cli::{Role, Up};
use crate::data_folder::{TOKEN_FILE, layer_data_folder, write_example_registry};
use crate::exit_status::ExitStatus;
use crate::exposed_links::{log_exposed_links, refuse_exposed_links};
use crate::output::Output;
use crate::settings::{self, Settings};
use crate::system::context::SystemDependencies;
use crate::system::encryption::Encryption;
use crate::system::listeners::Listeners;
use crate::system::run::run_supervised;
use crate::token::read_or_create_token;

/// Runs every role in this process until a signal.
pub(crate) async fn up(
    output: Output,
    layers: Layers,
    arguments: Up,
) -> anyhow::Result<ExitStatus> {
    let data = &arguments.data;
    fs::create_dir_all(data)
        .with_context(|| format!("the data folder {} cannot be made", data.display()))?;
    let settings = Settings::read(&layer_arguments(layers, &arguments))?;
    // A registry or a token that a setting places outside the data folder is never created.
    let registry = data.join("registry");
    let is_first_start = settings.registry.folder == registry && !registry.exists();
    if is_first_start {
        write_example_registry(data, &registry)?;
    }
    let file = &settings.listen.internal_token_file;
    let token = if *file == data.join(TOKEN_FILE) {
        read_or_create_token(file)?
    } else {
        chassis::secret::read_token(file)?
    };
    refuse_exposed_links(&settings, None)?;
    let encryption = Encryption::new(&settings.tls)?;
    let listeners = Listeners::bind(&settings, &encryption, None, false)?;
    print_addresses(output, &listeners)?;
    if is_first_start {
        print_first_steps(output, data);
    }
    run_until_signal("up", None, (settings, token, encryption), &listeners).await
}

/// Settings of the data folder below all others, and of the command line above all others.
fn layer_arguments(layers: Layers, arguments: &Up) -> Layers {
    let mut layers = layer_data_folder(layers, &arguments.data);
    let address = |it: Option<SocketAddr>| it.map(|it| it.to_string());
    let secret = |it: &Option<Secret>| it.as_ref().map(|it| it.reveal().to_owned());
    for (key, value) in [
        ("registry.folder", arguments.registry.as_ref().map(|it| it.display().to_string())),
        ("listen.vendors", address(arguments.listen)),
        ("listen.internal", address(arguments.internal)),
        ("listen.ops", address(arguments.ops)),
        ("journal.database", secret(&arguments.database)),
        ("bus.url", secret(&arguments.broker)),
    ] {
        if let Some(value) = value {
            layers = layers.flag(key, value);
        }
    }
    layers
}

/// Runs one role in this process until a signal.
pub(crate) async fn serve(layers: Layers, role: Role) -> anyhow::Result<ExitStatus> {
    let settings = Settings::read(&layers)?;
    // An adapter is a vendor: it has its application's token, and that of internal calls only where
    // an address is set at which operators reach it.
    let is_operated =
        role != Role::AdapterFolder || settings::origin(&layers, "listen", "internal") != "default";
    let token = if is_operated {
        chassis::secret::read_token(&settings.listen.internal_token_file)?
    } else {
        Secret::new("")
    };
    refuse_exposed_links(&settings, Some(role))?;
    let encryption = Encryption::new(&settings.tls)?;
    let listeners = Listeners::bind(&settings, &encryption, Some(role), is_operated)?;
    run_until_signal(role.name(), Some(role), (settings, token, encryption), &listeners).await
}

async fn run_until_signal(
    name: &'static str,
    role: Option<Role>,
    (settings, internal_token, encryption): (Settings, Secret, Encryption),
    listeners: &Listeners,
) -> anyhow::Result<ExitStatus> {
    let telemetry = chassis::telemetry::init(name, &settings.telemetry)?;
    listeners.log_addresses();
    log_exposed_links(&settings, role);
    let health = Health::new();
    let shutdown = chassis::shutdown_signal()?;
    let dependencies = SystemDependencies {
        settings,
        encryption,
        internal_token,
        health: health.clone(),
        telemetry: telemetry.clone(),
    };
    let draining = async {
        shutdown.cancelled().await;
        health.drain();
    };
    tokio::join!(run_supervised(name, role, (&dependencies, listeners), &shutdown), draining);
    // The flush blocks its thread, which must not be one of the runtime's workers.
    tokio::task::spawn_blocking(move || telemetry.flush()).await?;
    Ok(ExitStatus::Done)
}

fn print_addresses(output: Output, listeners: &Listeners) -> anyhow::Result<()> {
    let vendors = listeners.vendors_url()?;
    let (internal, ops) = (listeners.internal_url()?, listeners.ops_url()?);
    for (title, address) in [
        (output.localize("Nhà cung cấp:  ", "Vendors:  "), vendors),
        (output.localize("Vận hành:      ", "Operators:"), internal),
        (output.localize("Tình trạng:    ", "Health:   "), format!("{ops}/readyz")),
    ] {
        output.print_note(&format!("{title} {address}"));
    }
    Ok(())
}

fn print_first_steps(output: Output, data: &Path) {
    let made = output.localize("Đã tạo sổ đăng ký mẫu trong", "An example registry was made in");
    output.print_note(&format!("{made} {}", data.join("registry").display()));
    output.print_note(&format!(
        "{} lienthong send {} --token-file {}",
        output.localize("Thử:", "Try:"),
        output.localize("TỆP", "FILE"),
        data.join("tokens/coquan-a.token").display(),
    ));
}
