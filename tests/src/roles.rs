//! The roles of the real binary as processes of their own, as in production.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use tls::{ClientTls, ClientTlsSettings};

use crate::guarded::Guarded;
use crate::up::{http_get, program, wait_for_port, wait_until_ready};

/// Roles in the order they are started.
const ROLES: [&str; 4] = ["journal", "registry", "mapping", "gateway"];

/// A second journal on the same database.
const STANDBY: &str = "standby";

/// One role: the command that starts it, the ports it took, and its process.
#[derive(Debug)]
struct RoleProcess {
    role: &'static str,
    command: Command,
    /// Port of the server that other roles or vendors connect to.
    port: u16,
    ops: u16,
    /// Port on which it answers operators.
    operated: u16,
    log: PathBuf,
    /// Certificates of its health pages, when they are encrypted.
    tls: Option<ClientTls>,
    running: Option<Guarded>,
}

impl RoleProcess {
    /// Starts a role on free ports. A restart then takes the same ones.
    fn start(
        role: &'static str,
        mut command: Command,
        (folder, tls): (&Path, Option<&ClientTls>),
    ) -> Self {
        let tls = tls.cloned();
        let log = folder.join(format!("{role}.log"));
        let mut running = Guarded::spawn(&command, &log);
        let (server, variable) = match role {
            "gateway" => ("vendors", "LIENTHONG__LISTEN__VENDORS"),
            _ => ("internal", "LIENTHONG__LISTEN__INTERNAL"),
        };
        let port = wait_for_port(role, server, (&mut running, &log));
        let operated = wait_for_port(role, "internal", (&mut running, &log));
        let ops = wait_for_port(role, "ops", (&mut running, &log));
        command.env("LIENTHONG__LISTEN__INTERNAL", at(operated));
        command.env(variable, at(port)).env("LIENTHONG__LISTEN__OPS", at(ops));
        Self { role, command, port, ops, operated, log, tls, running: Some(running) }
    }

    /// Starts the process unless it runs, and waits until it is ready.
    fn run(&mut self) {
        let running = self.running.get_or_insert_with(|| Guarded::spawn(&self.command, &self.log));
        wait_until_ready(self.role, (self.ops, self.tls.as_ref()), (running, &self.log));
    }
}

/// One process each for registry, journal, mapping and gateway; killed when dropped, and when this
/// process ends.
#[derive(Debug)]
pub struct Roles {
    folder: PathBuf,
    scheme: &'static str,
    all: Vec<RoleProcess>,
}

impl Roles {
    /// Starts them on a folder that holds a registry, with this broker, database and environment,
    /// and waits until all are ready.
    ///
    /// # Panics
    ///
    /// One ends or does not become ready within a minute.
    pub fn start(folder: &Path, stands: (&str, &str), extra: &[(&str, &str)]) -> Self {
        Self::start_roles(folder, stands, (&ROLES, extra, None))
    }

    /// Starts them with the certificates of a folder that `certificates dev` made, so that they
    /// encrypt every link.
    ///
    /// # Panics
    ///
    /// One ends or does not become ready within a minute.
    pub fn start_encrypted(
        folder: &Path,
        stands: (&str, &str),
        (certificates, extra): (&Path, &[(&str, &str)]),
    ) -> Self {
        Self::start_roles(folder, stands, (&ROLES, extra, Some(certificates)))
    }

    /// Starts them with a second journal on the same database, the role `standby`. The others know
    /// both addresses.
    ///
    /// # Panics
    ///
    /// One ends, or one that is no standby does not become ready within a minute.
    pub fn start_with_standby(folder: &Path, stands: (&str, &str)) -> Self {
        let roles = ["journal", STANDBY, "registry", "mapping", "gateway"];
        Self::start_roles(folder, stands, (&roles, &[], None))
    }

    fn start_roles(
        folder: &Path,
        (broker, database): (&str, &str),
        (roles, extra, certificates): (&[&'static str], &[(&str, &str)], Option<&Path>),
    ) -> Self {
        std::fs::write(folder.join("internal.token"), "internal-token-of-a-test\n").unwrap();
        let mut all: Vec<RoleProcess> = Vec::new();
        let scheme = if certificates.is_some() { "https" } else { "http" };
        let authorities = certificates.map(|it| it.join("authority.crt"));
        let settings = ClientTlsSettings { authorities: authorities.clone(), key_pair: None };
        let tls = authorities.as_ref().map(|_| ClientTls::new(settings).unwrap());
        for role in roles.iter().copied() {
            let mut command = Command::new(program());
            command
                .args(["serve", if role == STANDBY { "journal" } else { role }])
                .env("LIENTHONG__LISTEN__INTERNAL", at(0))
                .env("LIENTHONG__LISTEN__VENDORS", at(0))
                .env("LIENTHONG__LISTEN__OPS", at(0))
                .env("LIENTHONG__LISTEN__INTERNAL_TOKEN_FILE", folder.join("internal.token"))
                .env("LIENTHONG__REGISTRY__FOLDER", folder.join("registry"))
                .env("LIENTHONG__FORMATS__FOLDER", folder.join("formats"))
                .env("LIENTHONG__CLAIMS__FOLDER", folder.join("claims"))
                .env("LIENTHONG__JOURNAL__DATABASE", database)
                .env("LIENTHONG__BUS__URL", broker);
            // A role calls only roles that are started before it.
            for upstream in all.iter().filter(|it| it.role != STANDBY) {
                let variable = format!("LIENTHONG__UPSTREAM__{}", upstream.role.to_uppercase());
                command.env(variable, addresses(scheme, &all, upstream.role));
            }
            command.envs(certificates.map(|it| tls_variables(it, role)).unwrap_or_default());
            command.envs(extra.iter().copied());
            all.push(RoleProcess::start(role, command, (folder, tls.as_ref())));
        }
        // Either of two journals may hold the database, so their readiness is that of the mapping,
        // which declares the channels that they wait for.
        let has_standby = roles.contains(&STANDBY);
        let is_waited_for =
            |it: &&mut RoleProcess| !has_standby || (it.role != STANDBY && it.role != "journal");
        all.iter_mut().filter(is_waited_for).for_each(RoleProcess::run);
        Self { folder: folder.to_owned(), scheme, all }
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
        self.all.iter_mut().filter(|it| it.role == role).for_each(RoleProcess::run);
    }

    /// Starts a killed role again without waiting for anything.
    ///
    /// # Panics
    ///
    /// There is no shell.
    pub fn start_again(&mut self, role: &str) {
        for it in self.all.iter_mut().filter(|it| it.role == role) {
            it.running = Some(Guarded::spawn(&it.command, &it.log));
        }
    }

    /// Roles whose process ended by itself.
    pub fn ended(&mut self) -> Vec<&'static str> {
        let has_ended = |it: &mut RoleProcess| {
            it.running.as_mut().is_some_and(|running| running.ended().is_some()).then_some(it.role)
        };
        self.all.iter_mut().filter_map(has_ended).collect()
    }

    /// Starts a killed journal again while another one serves, and waits until it listens.
    ///
    /// # Panics
    ///
    /// It ends or does not listen within a minute.
    pub fn restart_as_standby(&mut self, role: &str) {
        for it in self.all.iter_mut().filter(|it| it.role == role) {
            let mut running = Guarded::spawn(&it.command, &it.log);
            wait_for_port(it.role, "internal", (&mut running, &it.log));
            it.running = Some(running);
        }
    }

    /// The journal that serves, of the two.
    pub fn serving_journal(&self) -> &'static str {
        let is_ready = |role: &str| {
            http_get(self.ops_port(role), "/readyz")
                .is_some_and(|it| it.starts_with("HTTP/1.1 200"))
        };
        if is_ready(STANDBY) { STANDBY } else { "journal" }
    }

    /// Sends a signal, such as `STOP`, to a role.
    pub fn signal(&self, role: &str, name: &str) {
        let running = self.all.iter().filter(|it| it.role == role);
        running.filter_map(|it| it.running.as_ref()).for_each(|it| it.signal(name));
    }

    /// URL of the gateway for vendors.
    pub fn gateway(&self) -> String {
        format!("{}://{}", self.scheme, at(self.port("gateway")))
    }

    /// URL on which the journal answers operators' commands; with a standby both URLs.
    pub fn internal(&self) -> String {
        addresses(self.scheme, &self.all, "journal")
    }

    /// URLs on which the roles answer operators.
    pub fn operated_addresses(&self) -> String {
        let url = |it: &RoleProcess| format!("{}://{}", self.scheme, at(it.operated));
        self.all.iter().map(url).collect::<Vec<_>>().join(",")
    }

    /// Port of the server of a role that other roles or vendors connect to.
    pub fn port(&self, role: &str) -> u16 {
        self.all.iter().find(|it| it.role == role).map_or(0, |it| it.port)
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

/// The variables that make a role encrypt its links with the certificates of a folder.
fn tls_variables(certificates: &Path, role: &str) -> Vec<(String, PathBuf)> {
    let own = |kind: &str| certificates.join(format!("{role}.{kind}"));
    let authority = certificates.join("authority.crt");
    [
        ("TLS__CERTIFICATES_FILE", own("crt")),
        ("TLS__KEY_FILE", own("key")),
        ("TLS__AUTHORITIES_FILE", authority.clone()),
        ("BUS__CERTIFICATES_FILE", own("crt")),
        ("BUS__KEY_FILE", own("key")),
        ("BUS__AUTHORITIES_FILE", authority.clone()),
        ("JOURNAL__AUTHORITIES_FILE", authority),
    ]
    .map(|(name, file)| (format!("LIENTHONG__{name}"), file))
    .into()
}

/// An address on the loopback; port 0 takes a free one.
fn at(port: u16) -> String {
    SocketAddr::from(([127, 0, 0, 1], port)).to_string()
}

/// The URL of a role, and of its standby after it.
fn addresses(scheme: &str, all: &[RoleProcess], role: &str) -> String {
    let has_role = |it: &&RoleProcess| it.role == role || (role == "journal" && it.role == STANDBY);
    let urls: Vec<_> =
        all.iter().filter(has_role).map(|it| format!("{scheme}://{}", at(it.port))).collect();
    urls.join(",")
}
