//! A private PostgreSQL server that can be killed and started again.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use lienthong_tests::guarded::Guarded;

/// The longest a server may take to start.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A server with one database, in a folder of its own, reached through a socket in that folder.
#[derive(Debug)]
pub(crate) struct Database {
    folder: tempfile::TempDir,
    programs: PathBuf,
    running: Option<Guarded>,
}

impl Database {
    /// Creates the server and starts it.
    pub(crate) fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("faults-postgres-").tempdir().unwrap();
        let mut database = Self { folder, programs: programs(), running: None };
        let owner = database.folder.path();
        // PostgreSQL refuses to run as root.
        if is_root() {
            run(Command::new("chown").arg("postgres").arg(owner));
        }
        let mut init = as_owner(&database.programs.join("initdb"));
        init.arg("-D").arg(owner.join("data"));
        run(init.args(["-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync"]));
        database.restart();
        database
    }

    /// The address of its database.
    pub(crate) fn url(&self) -> String {
        let folder = self.folder.path().display().to_string().replace('/', "%2F");
        format!("postgres://postgres@{folder}/postgres")
    }

    /// Kills it without a chance to shut down.
    pub(crate) fn kill(&mut self) {
        self.running = None;
    }

    /// Stops or continues the server's process (`STOP`, `CONT`).
    pub(crate) fn signal(&self, name: &str) {
        if let Some(running) = &self.running {
            running.signal(name);
        }
    }

    /// Starts it on the same data, and waits until it takes connections. Processes of the killed
    /// one may still hold its memory, so the start is repeated.
    pub(crate) fn restart(&mut self) {
        let limit = Instant::now() + START_LIMIT;
        while !self.is_ready() {
            assert!(Instant::now() < limit, "PostgreSQL did not start");
            if self.running.as_mut().is_none_or(|it| it.ended().is_some()) {
                self.running = Some(self.spawn());
            }
            sleep(Duration::from_millis(100));
        }
    }

    fn spawn(&self) -> Guarded {
        let folder = self.folder.path();
        let mut server = as_owner(&self.programs.join("postgres"));
        server.arg("-D").arg(folder.join("data"));
        server.args(["-c", "listen_addresses=", "-c", "shared_buffers=256MB"]);
        server.arg("-c").arg(format!("unix_socket_directories={}", folder.display()));
        Guarded::spawn(&server, &folder.join("log"))
    }

    fn is_ready(&self) -> bool {
        let mut ask = Command::new(self.programs.join("pg_isready"));
        let answer = ask.arg("-q").arg("-h").arg(self.folder.path()).status().unwrap();
        answer.success() && self.running.is_some()
    }
}

fn as_owner(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
    command
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout.trim_ascii() == b"0"
}

/// The newest installed version's programs.
fn programs() -> PathBuf {
    let versions = Path::new("/usr/lib/postgresql").read_dir().into_iter().flatten();
    let folders = versions.filter_map(|it| Some(it.ok()?.path().join("bin")));
    let newest = folders.filter(|it| it.join("initdb").exists()).max();
    newest.unwrap_or_else(|| panic!("PostgreSQL is missing; `tests/run install` installs it"))
}
