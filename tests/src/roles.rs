//! The roles of the real binary as processes of their own, as in production.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::guarded::Guarded;
use crate::up::{free_port, program, wait_until_ready};

/// Roles in the order they are started.
const ROLES: [&str; 4] = ["registry", "journal", "mapping", "gateway"];

/// RoleProcess role: how it is started, and where it tells how it is.
#[derive(Debug)]
struct RoleProcess {
    role: &'static str,
    command: Command,
    ops: u16,
    running: Option<Guarded>,
}

/// RoleProcess process each for registry, journal, mapping and gateway; killed when dropped, and when this
/// process ends.
#[derive(Debug)]
pub struct Roles {
    folder: PathBuf,
    all: Vec<RoleProcess>,
    gateway: u16,
    internal: u16,
}

impl Roles {
    /// Starts them on a folder that holds a registry, with this broker, database and environment,
    /// and waits until all are ready.
    ///
    /// # Panics
    ///
    /// RoleProcess ends or does not become ready within a minute.
    pub fn start(folder: &Path, (broker, database): (&str, &str), extra: &[(&str, &str)]) -> Self {
        let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let ports = ROLES.map(|role| (role, free_port(), free_port()));
        let gateway = free_port();
        std::fs::write(folder.join("internal.token"), "internal-token-of-a-test\n").unwrap();
        let internal_of = |of: &str| ports.iter().find(|it| it.0 == of).map_or(0, |it| it.1);
        let address = |of: &str| format!("http://{}", at(internal_of(of)));
        let all = ports.map(|(role, internal, ops)| {
            let mut command = Command::new(program());
            command
                .args(["serve", role])
                .env("LIENTHONG__LISTEN__INTERNAL", at(internal).to_string())
                .env("LIENTHONG__LISTEN__VENDORS", at(gateway).to_string())
                .env("LIENTHONG__LISTEN__OPS", at(ops).to_string())
                .env("LIENTHONG__LISTEN__INTERNAL_TOKEN_FILE", folder.join("internal.token"))
                .env("LIENTHONG__REGISTRY__FOLDER", folder.join("registry"))
                .env("LIENTHONG__CLAIMS__FOLDER", folder.join("claims"))
                .env("LIENTHONG__JOURNAL__DATABASE", database)
                .env("LIENTHONG__BUS__URL", broker)
                .env("LIENTHONG__UPSTREAM__JOURNAL", address("journal"))
                .env("LIENTHONG__UPSTREAM__MAPPING", address("mapping"))
                .env("LIENTHONG__UPSTREAM__REGISTRY", address("registry"))
                .envs(extra.iter().copied());
            RoleProcess { role, command, ops, running: None }
        });
        let internal = internal_of("journal");
        let mut roles = Self { folder: folder.to_owned(), all: all.into(), gateway, internal };
        for it in &mut roles.all {
            it.running = Some(Guarded::spawn(&it.command, &log(folder, it.role)));
        }
        for it in &mut roles.all {
            let Some(running) = &mut it.running else { continue };
            wait_until_ready(it.role, it.ops, (running, &log(folder, it.role)));
        }
        roles
    }

    /// Kills a role without a chance to shut down, as a power cut would.
    pub fn kill(&mut self, role: &str) {
        for it in self.all.iter_mut().filter(|it| it.role == role) {
            it.running = None;
        }
    }

    /// Starts a killed role again, and waits until it is ready.
    ///
    /// # Panics
    ///
    /// It ends or does not become ready within a minute.
    pub fn restart(&mut self, role: &str) {
        for it in self.all.iter_mut().filter(|it| it.role == role) {
            let log = log(&self.folder, it.role);
            let running = it.running.insert(Guarded::spawn(&it.command, &log));
            wait_until_ready(it.role, it.ops, (running, &log));
        }
    }

    /// URL of the gateway for vendors.
    pub fn gateway(&self) -> String {
        format!("http://127.0.0.1:{}", self.gateway)
    }

    /// URL on which the journal answers operators' commands.
    pub fn internal(&self) -> String {
        format!("http://127.0.0.1:{}", self.internal)
    }

    /// File with the token that operators' commands present.
    pub fn token_file(&self) -> PathBuf {
        self.folder.join("internal.token")
    }

    /// Role and process id of each running process.
    pub fn processes(&self) -> Vec<(&'static str, u32)> {
        let id = |it: &RoleProcess| Some((it.role, it.running.as_ref()?.id()));
        self.all.iter().filter_map(id).collect()
    }

    /// Port of a role's health pages.
    pub fn ops_port(&self, role: &str) -> u16 {
        self.all.iter().find(|it| it.role == role).map_or(0, |it| it.ops)
    }
}

/// The file that receives a role's log.
fn log(folder: &Path, role: &str) -> PathBuf {
    folder.join(format!("{role}.log"))
}
