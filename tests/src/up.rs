//! The real binary as a process of its own, with its own folder and ports.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tls::ClientTls;

use crate::guarded::Guarded;

/// An agency of a test's registry.
#[derive(Clone, Copy, Debug)]
pub struct Agency {
    /// Directory key; its application is `<key>-app`, its token `<key>-token`.
    pub key: &'static str,
    /// Its organisation code.
    pub code: &'static str,
    /// The format it takes documents in.
    pub takes: &'static str,
}

/// The program, built once per test run with the allocator of production builds.
///
/// # Panics
///
/// It does not build.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let here = std::env::current_exe().unwrap();
        let target = here.ancestors().find(|it| it.ends_with("debug") || it.ends_with("release"));
        let target = target.unwrap().to_owned();
        let mut build = Command::new(env!("CARGO"));
        // The arguments of `tests/run`: other ones would compile the dependencies once more.
        build.args(["build", "--quiet", "--workspace", "--bins"]);
        if target.ends_with("release") {
            build.arg("--release");
        }
        if cfg!(feature = "jemalloc") {
            build.args(["--features", "lienthong/jemalloc"]);
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        assert!(build.current_dir(root).status().unwrap().success(), "the program does not build");
        target.join("lienthong")
    })
}

/// Writes a registry in which every agency may send to every other one.
///
/// # Panics
///
/// The folder cannot be written.
pub fn write_registry(folder: &Path, agencies: &[Agency]) {
    let mut text = String::from("organisations:\n");
    for it in agencies {
        text.push_str(&format!(
            "  - {{key: {0}, name: \"Cơ quan {0}\", codes: [\"{1}\"]}}\n",
            it.key, it.code
        ));
    }
    text.push_str(
        "rights:\n  - {from: \"*\", to: \"*\", types: [document, status]}\napplications:\n",
    );
    for it in agencies {
        let token = Sha256::digest(format!("{}-token", it.key));
        let hash: String = token.iter().map(|it| format!("{it:02x}")).collect();
        text.push_str(&format!(
            "  - id: {0}-app\n    organisation: {0}\n    gives: [edxml.document, edxml.status, ioffice.portal, canonical.json]\n    takes: {{document: {1}, status: edxml.status}}\n    in_hand_max: 256\n    token_sha256: [\"{hash}\"]\n",
            it.key, it.takes
        ));
    }
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("registry.yaml"), text).unwrap();
}

/// A port on which no process listens: for addresses that must be unreachable.
///
/// # Panics
///
/// There is none.
pub fn unused_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A running `lienthong up`; it is killed when this is dropped or this process ends.
#[derive(Debug)]
pub struct Up {
    folder: PathBuf,
    /// Ports of the servers [`SERVERS`]; 0 before the first start, which takes free ones.
    ports: [u16; 3],
    extra: Vec<(String, String)>,
    running: Option<Guarded>,
}

/// The servers of `lienthong up`, as its log names them.
const SERVERS: [&str; 3] = ["vendors", "internal", "ops"];

impl Up {
    /// Starts it on a folder that holds a registry, and waits until it is ready.
    ///
    /// # Panics
    ///
    /// It does not become ready within a minute.
    pub fn start(folder: &Path, extra: &[(&str, &str)]) -> Self {
        let extra = extra.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let (folder, extra) = (folder.to_owned(), extra.collect());
        let mut up = Self { folder, ports: [0; 3], extra, running: None };
        up.restart();
        up
    }

    /// Starts it again on the same folder and ports.
    ///
    /// # Panics
    ///
    /// It does not become ready within a minute.
    pub fn restart(&mut self) {
        let at = |port: u16| format!("127.0.0.1:{port}");
        let mut command = Command::new(program());
        command
            .args(["up", "--data"])
            .arg(&self.folder)
            .args(["--listen", &at(self.ports[0])])
            .args(["--internal", &at(self.ports[1])])
            .args(["--ops", &at(self.ports[2])])
            .envs(self.extra.clone());
        let log = self.folder.join("log");
        let mut running = Guarded::spawn(&command, &log);
        self.ports = SERVERS.map(|server| wait_for_port("up", server, (&mut running, &log)));
        wait_until_ready("up", (self.ports[2], None), (&mut running, &log));
        self.running = Some(running);
    }

    /// Kills it without a chance to shut down, as a power cut would.
    pub fn kill(&mut self) {
        self.running = None;
    }

    /// Sends it a signal, `TERM` or another.
    ///
    /// # Panics
    ///
    /// There is no program for that.
    pub fn signal(&self, name: &str) {
        if let Some(running) = &self.running {
            running.signal(name);
        }
    }

    /// Exit status, if it ended by itself; none while it runs.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.running.as_mut()?.ended()
    }

    /// URL of the gateway for vendors.
    pub fn gateway(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports[0])
    }

    /// URL on which operators' commands are answered.
    pub fn internal(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports[1])
    }

    /// File with the token that operators' commands present.
    pub fn token_file(&self) -> PathBuf {
        self.folder.join("internal.token")
    }

    /// Waits until gateway and mapping have each read the registry so many times since the log
    /// began.
    ///
    /// # Panics
    ///
    /// They do not within 30 s.
    pub fn wait_for_registry(&self, reads: usize) {
        let limit = Instant::now() + Duration::from_secs(30);
        let has_read = |service: &str, log: &str| {
            let line = format!("\"registry read\",\"service\":\"{service}.registry\"");
            log.matches(&line).count() >= reads
        };
        loop {
            let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            if ["gateway", "mapping"].into_iter().all(|it| has_read(it, &log)) {
                return;
            }
            assert!(Instant::now() < limit, "the registry's change is not in force:\n{log}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.running.as_ref().map_or(0, Guarded::id)
    }

    /// Port of the health pages.
    pub fn ops_port(&self) -> u16 {
        self.ports[2]
    }

    /// Runs a command of the program; gives its standard output and exit code.
    ///
    /// # Panics
    ///
    /// It cannot be run.
    pub fn command(&self, arguments: &[&str]) -> (String, i32) {
        let output = Command::new(program()).args(arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (text, output.status.code().unwrap_or(-1))
    }
}

/// Waits until a process logs that one of its servers listens, and gives the port.
///
/// # Panics
///
/// The process ends before, or does not listen within a minute.
pub fn wait_for_port(what: &str, server: &str, (running, log): (&mut Guarded, &Path)) -> u16 {
    wait_for(what, "does not listen", (running, log), || {
        let text = std::fs::read_to_string(log).unwrap_or_default();
        let mut lines = text.lines().filter_map(|it| serde_json::from_str::<Value>(it).ok());
        let of_server = |it: &Value| it["message"] == "listening" && it["server"] == server;
        let address = lines.rfind(of_server)?["address"].as_str()?.to_owned();
        address.rsplit(':').next()?.parse().ok()
    })
}

/// Waits until `/readyz` of a process answers 200.
///
/// # Panics
///
/// The process ends before, or is not ready within a minute.
pub(crate) fn wait_until_ready(
    what: &str,
    (ops, tls): (u16, Option<&ClientTls>),
    (running, log): (&mut Guarded, &Path),
) {
    let is_ready = || get(ops, tls, "/readyz").is_some_and(|it| it.starts_with("HTTP/1.1 200"));
    wait_for(what, "is not ready", (running, log), || is_ready().then_some(()));
}

fn wait_for<T>(
    what: &str,
    otherwise: &str,
    (running, log): (&mut Guarded, &Path),
    mut found: impl FnMut() -> Option<T>,
) -> T {
    let limit = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = found() {
            return found;
        }
        let ended = running.ended();
        let text = || std::fs::read_to_string(log).unwrap_or_default();
        assert!(ended.is_none(), "{what} ended: {ended:?}\n{}", text());
        assert!(Instant::now() < limit, "{what} {otherwise} within a minute\n{}", text());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The whole response to a GET over HTTP/1.1; none while no process answers.
pub fn http_get(port: u16, path: &str) -> Option<String> {
    get(port, None, path)
}

/// The whole response to a GET over HTTP/1.1, over TLS with these certificates; none while no
/// process answers.
pub fn get(port: u16, tls: Option<&ClientTls>, path: &str) -> Option<String> {
    let stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let Some(tls) = tls else { return exchange(stream, path) };
    let name = ServerName::try_from("127.0.0.1").ok()?;
    let connection = ClientConnection::new(tls.config(), name).ok()?;
    exchange(StreamOwned::new(connection, stream), path)
}

fn exchange(mut stream: impl Read + Write, path: &str) -> Option<String> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}
