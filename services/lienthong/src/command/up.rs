//! `up` and `serve`: roles until a signal.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use chassis::config::Layers;
use chassis::health::Health;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::cli::{Role, Up};
use crate::screen::{Ending, Screen};
use crate::settings::Settings;
use crate::system::{self, Doors, Start};

/// The file of the internal token in a data folder.
const TOKEN_FILE: &str = "internal.token";

/// Runs every role in this process until a signal.
pub(crate) async fn up(screen: Screen, layers: Layers, arguments: Up) -> anyhow::Result<Ending> {
    let data = &arguments.data;
    fs::create_dir_all(data)
        .with_context(|| format!("the data folder {} cannot be made", data.display()))?;
    let settings = Settings::read(&layered(layers, &arguments))?;
    // What is not there yet is made in the data folder, and nowhere else.
    let registry = data.join("registry");
    let made = settings.registry.folder == registry && !registry.exists();
    if made {
        example(data, &registry)?;
    }
    let file = &settings.listen.internal_token_file;
    let token = if *file == data.join(TOKEN_FILE) {
        internal_token(file)?
    } else {
        chassis::secret::read(file)?.reveal().to_owned()
    };
    let doors = Doors::open(&settings, None)?;
    greet(screen, &doors, (data, made))?;
    run("up", None, (settings, token), &doors).await
}

/// What the data folder and the flags say, below and above everything else.
pub(crate) fn layered(layers: Layers, arguments: &Up) -> Layers {
    let mut layers = in_folder(layers, &arguments.data);
    let address = |it: Option<SocketAddr>| it.map(|it| it.to_string());
    for (key, said) in [
        ("registry.folder", arguments.registry.as_ref().map(|it| it.display().to_string())),
        ("listen.vendors", address(arguments.listen)),
        ("listen.internal", address(arguments.internal)),
        ("listen.ops", address(arguments.ops)),
        ("journal.database", arguments.database.clone()),
        ("bus.url", arguments.broker.clone()),
    ] {
        if let Some(said) = said {
            layers = layers.flag(key, said);
        }
    }
    layers
}

/// Where things are in a data folder, for whoever says nothing else.
pub(crate) fn in_folder(layers: Layers, data: &Path) -> Layers {
    let path = |name: &str| data.join(name).display().to_string();
    layers
        .base("registry.folder", path("registry"))
        .base("claims.folder", path("claims"))
        .base("journal.database", path("journal.sqlite"))
        .base("listen.internal_token_file", path(TOKEN_FILE))
}

/// Runs one role in this process until a signal.
pub(crate) async fn serve(layers: Layers, role: Role) -> anyhow::Result<Ending> {
    let settings = Settings::read(&layers)?;
    // An adapter is outside: it knows its application's token, never the one of internal calls.
    let token = if role == Role::AdapterFolder {
        String::new()
    } else {
        chassis::secret::read(&settings.listen.internal_token_file)?.reveal().to_owned()
    };
    let doors = Doors::open(&settings, Some(role))?;
    run(role.name(), Some(role), (settings, token), &doors).await
}

async fn run(
    name: &'static str,
    role: Option<Role>,
    (settings, token): (Settings, String),
    doors: &Doors,
) -> anyhow::Result<Ending> {
    let telemetry = chassis::telemetry::init(name, &settings.telemetry)?;
    let health = Health::new();
    let shutdown = chassis::shutdown_signal()?;
    let start = Start { settings, token, health: health.clone(), telemetry: telemetry.clone() };
    let draining = async {
        shutdown.cancelled().await;
        health.drain();
    };
    tokio::join!(system::run(name, role, (&start, doors), &shutdown), draining);
    // Exporters are flushed from a thread of their own, because they wait.
    tokio::task::spawn_blocking(move || telemetry.flush()).await?;
    Ok(Ending::Done)
}

fn greet(screen: Screen, doors: &Doors, (data, made): (&Path, bool)) -> anyhow::Result<()> {
    let (vendors, internal, ops) = (doors.vendors()?, doors.internal()?, doors.ops()?);
    screen.note(&format!(
        "{} http://{vendors}\n{} http://{internal}\n{} http://{ops}/readyz",
        screen.say("Nhà cung cấp:  ", "Vendors:  "),
        screen.say("Vận hành:      ", "Operators:"),
        screen.say("Tình trạng:    ", "Health:   "),
    ));
    if made {
        screen.note(&format!(
            "{} {}\n{} lienthong send {} --token-file {}",
            screen.say("Đã tạo sổ đăng ký mẫu trong", "An example registry was made in"),
            data.join("registry").display(),
            screen.say("Thử:", "Try:"),
            screen.say("TỆP", "FILE"),
            data.join("tokens/coquan-a.token").display(),
        ));
    }
    Ok(())
}

/// The token of internal calls; made on the first start, readable by its owner only.
pub(crate) fn internal_token(path: &Path) -> anyhow::Result<String> {
    if !path.exists() {
        secret_file(path, &fresh_token())?;
    }
    Ok(chassis::secret::read(path)?.reveal().to_owned())
}

/// A token nobody can guess: 244 random bits.
pub(crate) fn fresh_token() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

/// What the registry keeps of a token.
pub(crate) fn token_hash(token: &str) -> String {
    Sha256::digest(token.as_bytes()).iter().map(|it| format!("{it:02x}")).collect()
}

fn secret_file(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("{} cannot be written", path.display()))?;
    writeln!(file, "{text}")?;
    Ok(())
}

/// Two agencies to begin with, so that the first document can be sent at once.
fn example(data: &Path, registry: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(registry)?;
    fs::create_dir_all(data.join("tokens"))?;
    let mut text = String::from(
        "# Sổ đăng ký mẫu: hai cơ quan, mỗi cơ quan một ứng dụng. Sửa tệp này rồi chạy\n\
         # `lienthong registry check`; thay đổi có hiệu lực ngay, không cần khởi động lại.\n\
         organisations:\n  \
         - {key: coquan-a, name: Cơ quan A, codes: [\"A99.1\", \"000.00.01.A99\"]}\n  \
         - {key: coquan-b, name: Cơ quan B, codes: [\"A99.2\", \"000.00.02.A99\"]}\n\
         rights:\n  - {from: \"*\", to: \"*\", types: [document, status]}\n\
         applications:\n",
    );
    for (key, format) in [("coquan-a", "edxml.document"), ("coquan-b", "ioffice.portal")] {
        let token = fresh_token();
        secret_file(&data.join(format!("tokens/{key}.token")), &token)?;
        text.push_str(&format!(
            "  - id: {key}-vanban\n    organisation: {key}\n    \
             gives: [edxml.document, edxml.status, ioffice.portal, canonical.json]\n    \
             takes: {{document: {format}, status: edxml.status}}\n    \
             token_sha256: [\"{}\"]\n",
            token_hash(&token)
        ));
    }
    fs::write(registry.join("registry.yaml"), text)?;
    Ok(())
}
