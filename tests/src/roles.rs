//! The roles of the real binary as processes of their own, as in production.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::up::{free_port, page, program};

/// Roles in the order they are started.
const ROLES: [&str; 4] = ["registry", "journal", "mapping", "gateway"];

/// One process each for registry, journal, mapping and gateway; killed when dropped.
#[derive(Debug)]
pub struct Roles {
    folder: PathBuf,
    running: Vec<(&'static str, Child)>,
    gateway: u16,
    internal: u16,
}

impl Roles {
    /// Starts them on a folder that holds a registry, on this broker and database and with these
    /// variables, and waits until all are ready.
    ///
    /// # Panics
    ///
    /// One does not become ready within a minute.
    pub fn start(folder: &Path, (broker, database): (&str, &str), extra: &[(&str, &str)]) -> Self {
        let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let ports = ROLES.map(|role| (role, free_port(), free_port()));
        let gateway = free_port();
        std::fs::write(folder.join("internal.token"), "internal-token-of-a-test\n").unwrap();
        let address = |of: &str| {
            let port = ports.iter().find(|it| it.0 == of).map_or(0, |it| it.1);
            format!("http://{}", at(port))
        };
        let mut running = Vec::new();
        for (role, internal, ops) in ports {
            let log = std::fs::File::create(folder.join(format!("{role}.log"))).unwrap();
            let child = Command::new(program())
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
                .envs(extra.iter().copied())
                .stdin(Stdio::null())
                .stdout(log.try_clone().unwrap())
                .stderr(log)
                .spawn()
                .unwrap();
            running.push((role, child));
        }
        let internal = ports.iter().find(|it| it.0 == "journal").map_or(0, |it| it.1);
        let roles = Self { folder: folder.to_owned(), running, gateway, internal };
        let limit = Instant::now() + Duration::from_secs(60);
        for (role, _, ops) in ports {
            while !page(ops, "/readyz").is_some_and(|it| it.starts_with("HTTP/1.1 200")) {
                let log = std::fs::read_to_string(folder.join(format!("{role}.log")));
                let why = page(ops, "/readyz").unwrap_or_default();
                let log = log.unwrap_or_default();
                assert!(
                    Instant::now() < limit,
                    "{role} is not ready within a minute\n{why}\n{log}"
                );
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        roles
    }

    /// Where vendors come in.
    pub fn gateway(&self) -> String {
        format!("http://127.0.0.1:{}", self.gateway)
    }

    /// Where the journal answers operators' commands.
    pub fn internal(&self) -> String {
        format!("http://127.0.0.1:{}", self.internal)
    }

    /// File with the token of operators' commands.
    pub fn token_file(&self) -> PathBuf {
        self.folder.join("internal.token")
    }

    /// The processes: role and id.
    pub fn processes(&self) -> Vec<(&'static str, u32)> {
        self.running.iter().map(|(role, child)| (*role, child.id())).collect()
    }
}

impl Drop for Roles {
    fn drop(&mut self) {
        for (_, child) in &mut self.running {
            // One that ended by itself is gone already.
            drop(child.kill());
            drop(child.wait());
        }
    }
}
