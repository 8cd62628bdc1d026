//! A private PostgreSQL cluster for one test run, created with the installed programs and removed
//! at its end.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Creates a cluster, prints its directory, and removes it when its standard input is closed, which
/// happens however this process ends. PostgreSQL refuses to run as root.
const SCRIPT: &str = r#"
set -e
directory=$(mktemp -d -t lienthong-journal-XXXXXX)
trap '"$0/pg_ctl" -D "$directory/data" -m immediate stop >/dev/null 2>&1 || true; rm -rf "$directory"' EXIT
"$0/initdb" -D "$directory/data" -A trust -U postgres -E UTF8 --locale=C.UTF-8 --no-sync >/dev/null
"$0/pg_ctl" -D "$directory/data" -l "$directory/log" -w -o "-c listen_addresses='' -c unix_socket_directories='$directory' -c shared_buffers=512MB" start >/dev/null
echo "$directory"
cat >/dev/null
"#;

/// A running cluster; it ends when this is dropped.
pub(crate) struct Cluster {
    directory: String,
    _input: ChildStdin,
    _script: Child,
}

/// Creates an empty database: its address.
///
/// # Panics
///
/// PostgreSQL is not installed or does not start.
pub(crate) fn database() -> String {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let directory = &CLUSTER.get_or_init(start).directory;
    let name = format!("journal{}", NUMBER.fetch_add(1, Ordering::SeqCst));
    let created = Command::new(programs().join("createdb"))
        .args(["-h", directory, "-U", "postgres", &name])
        .status()
        .unwrap();
    assert!(created.success(), "createdb failed");
    format!("postgres://postgres@{}/{name}", directory.replace('/', "%2F"))
}

fn start() -> Cluster {
    start_script(SCRIPT, &[])
}

/// Runs a script that creates a cluster as [`SCRIPT`] does; these are its further arguments.
pub(crate) fn start_script(script: &str, arguments: &[&str]) -> Cluster {
    let programs = programs();
    let mut command = Command::new("runuser");
    command.args(["-u", "postgres", "--", "sh", "-c", script]).arg(&programs).args(arguments);
    if !is_root() {
        command = Command::new("sh");
        command.args(["-c", script]).arg(&programs).args(arguments);
    }
    // A process group of its own: Ctrl-C in a terminal ends this process, which then ends the
    // script.
    let mut script = command
        .process_group(0)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a shell for PostgreSQL; `tests/run` installs what is missing");
    let mut directory = String::new();
    BufReader::new(script.stdout.take().unwrap()).read_line(&mut directory).unwrap();
    let directory = directory.trim().to_owned();
    assert!(
        !directory.is_empty(),
        "PostgreSQL did not start; `tests/run` installs what is missing"
    );
    Cluster { directory, _input: script.stdin.take().unwrap(), _script: script }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout.trim_ascii() == b"0"
}

/// The newest installed version's programs.
fn programs() -> PathBuf {
    let versions = Path::new("/usr/lib/postgresql").read_dir().into_iter().flatten();
    let mut found: Vec<PathBuf> = versions
        .filter_map(|it| Some(it.ok()?.path().join("bin")))
        .filter(|it| it.join("initdb").exists())
        .collect();
    found.sort();
    found.pop().expect("PostgreSQL is not installed; `tests/run` installs it")
}
