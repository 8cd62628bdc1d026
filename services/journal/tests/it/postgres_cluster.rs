//! A private PostgreSQL, made for one test run from the installed programs and gone with it.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Makes a cluster, says where it is, and removes it when its input ends: when this process is
/// gone, however it went. PostgreSQL refuses to run as root.
const SCRIPT: &str = r#"
set -e
place=$(mktemp -d -t lienthong-journal-XXXXXX)
trap '"$0/pg_ctl" -D "$place/data" -m immediate stop >/dev/null 2>&1 || true; rm -rf "$place"' EXIT
"$0/initdb" -D "$place/data" -A trust -U postgres -E UTF8 --locale=C.UTF-8 --no-sync >/dev/null
"$0/pg_ctl" -D "$place/data" -l "$place/log" -w -o "-c listen_addresses='' -c unix_socket_directories='$place' -c shared_buffers=512MB" start >/dev/null
echo "$place"
cat >/dev/null
"#;

struct Cluster {
    place: String,
    _input: ChildStdin,
    _script: Child,
}

/// A new, empty database: its address.
///
/// # Panics
///
/// PostgreSQL is not installed or does not start.
pub(crate) fn database() -> String {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let place = &CLUSTER.get_or_init(start).place;
    let name = format!("journal{}", NUMBER.fetch_add(1, Ordering::SeqCst));
    let created = Command::new(programs().join("createdb"))
        .args(["-h", place, "-U", "postgres", &name])
        .status()
        .unwrap();
    assert!(created.success(), "createdb failed");
    format!("postgres://postgres@{}/{name}", place.replace('/', "%2F"))
}

fn start() -> Cluster {
    let programs = programs();
    let mut command = Command::new("runuser");
    command.args(["-u", "postgres", "--", "sh", "-c", SCRIPT]).arg(&programs);
    if !is_root() {
        command = Command::new("sh");
        command.args(["-c", SCRIPT]).arg(&programs);
    }
    // A process group of its own: Ctrl-C in a terminal reaches us, and we the script.
    let mut script = command
        .process_group(0)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a shell for PostgreSQL; `tests/run` installs what is missing");
    let mut place = String::new();
    BufReader::new(script.stdout.take().unwrap()).read_line(&mut place).unwrap();
    let place = place.trim().to_owned();
    assert!(!place.is_empty(), "PostgreSQL did not start; `tests/run` installs what is missing");
    Cluster { place, _input: script.stdin.take().unwrap(), _script: script }
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
