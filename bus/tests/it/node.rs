//! A private RabbitMQ node for tests: its own ports, name, cookie and folder, on the loopback only.
//!
//! The node is killed and its folder removed when [`Node`] is dropped, and also when the test
//! process ends in any other way: a shell waits for the end of a pipe and kills it. So a node may be
//! in a `static` that is never dropped. It uses only the standard library, because other crates
//! include this file.

use std::{
    fs,
    io::Write,
    net::TcpListener,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread::sleep,
    time::{Duration, Instant},
};

/// The longest a node may take to start on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(120);

/// Where packages install the server; the script in `PATH` would change the user first.
const SERVER: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";
const CONTROL: &str = "/usr/lib/rabbitmq/bin/rabbitmqctl";

/// The line of the server when it is ready.
const READY: &str = "Server startup complete";

/// A running node.
#[derive(Debug)]
pub(crate) struct Node {
    home: PathBuf,
    port: u16,
    epmd_port: u16,
    distribution_port: u16,
    /// The scheme of its addresses, and what its configuration says of its listeners.
    scheme: &'static str,
    listeners: String,
    // Fields are dropped in this order: the server ends before its folder is removed.
    server: Option<Guarded>,
    epmd: Option<Guarded>,
}

impl Node {
    /// Starts a node with the virtual hosts `v0`, `v1`, … and waits until it is ready.
    pub(crate) fn start(virtual_hosts: u16) -> Self {
        Self::start_listening(virtual_hosts, ("amqp", "listeners.tcp.1 = 127.0.0.1:{port}"))
    }

    /// Starts a node whose configuration has these lines about its listeners, with `{port}` for the
    /// port.
    pub(crate) fn start_listening(
        virtual_hosts: u16,
        (scheme, listeners): (&'static str, &str),
    ) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        assert!(Path::new(SERVER).exists(), "rabbitmq-server is missing; `tests/run` installs it");
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let home = std::env::temp_dir().join(format!("broker-{}-{count}", std::process::id()));
        fs::create_dir_all(&home).unwrap();
        let [port, epmd_port, distribution_port] = free_ports();
        let listeners = listeners.replace("{port}", &port.to_string());
        let (server, epmd) = (None, None);
        let mut node =
            Self { home, port, epmd_port, distribution_port, scheme, listeners, server, epmd };
        node.configure(virtual_hosts);
        let mut epmd = node.command("epmd");
        epmd.args(["-port", &epmd_port.to_string(), "-address", "127.0.0.1"]);
        node.epmd = Some(Guarded::spawn(&epmd, &node.home, Some(&node.home)));
        node.restart();
        node
    }

    /// The URL of a virtual host.
    pub(crate) fn url(&self, virtual_host: u16) -> String {
        let scheme = self.scheme;
        format!("{scheme}://guest:guest@127.0.0.1:{}/v{virtual_host}", self.port)
    }

    /// Kills the server with SIGKILL. Unlike a power cut this keeps the page cache.
    pub(crate) fn kill(&mut self) {
        self.server = None;
    }

    /// Starts the server again with the same data.
    pub(crate) fn restart(&mut self) {
        self.kill();
        let log = self.home.join("server.log");
        fs::write(&log, "").unwrap();
        let server = self.command(SERVER);
        self.server = Some(Guarded::spawn(&server, &self.home, None));
        let until = Instant::now() + START_LIMIT;
        while !fs::read_to_string(&log).unwrap_or_default().contains(READY) {
            let said = fs::read_to_string(&log).unwrap_or_default();
            assert!(Instant::now() < until, "the node did not start:\n{said}");
            sleep(Duration::from_millis(50));
        }
    }

    /// Deletes everything that the killed server held.
    pub(crate) fn delete_data(&self) {
        fs::remove_dir_all(self.home.join("data")).unwrap();
    }

    /// Runs `rabbitmqctl` and returns its output.
    pub(crate) fn control(&self, arguments: &[&str]) -> String {
        let output = self.command(CONTROL).arg("-q").args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "rabbitmqctl {arguments:?} failed: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn configure(&self, virtual_hosts: u16) {
        let names: Vec<String> = (0..virtual_hosts).map(|number| format!("v{number}")).collect();
        let hosts: Vec<String> =
            names.iter().map(|name| format!(r#"{{"name":"{name}"}}"#)).collect();
        let rights: Vec<String> = names
            .iter()
            .map(|name| {
                format!(
                    r#"{{"user":"guest","vhost":"{name}","configure":".*","write":".*","read":".*"}}"#
                )
            })
            .collect();
        let definitions = format!(
            r#"{{"users":[{{"name":"guest","password":"guest","tags":"administrator"}}],
                "vhosts":[{}],"permissions":[{}]}}"#,
            hosts.join(","),
            rights.join(",")
        );
        let listeners = &self.listeners;
        let configuration = format!(
            "{listeners}\nload_definitions = {}\nlog.console = true\n\
             log.file = false\nraft.wal_max_size_bytes = 33554432\n\
             disk_free_limit.absolute = 100MB\n",
            self.home.join("definitions.json").display(),
        );
        for (name, content) in [
            ("definitions.json", definitions.as_str()),
            ("rabbitmq.conf", &configuration),
            ("enabled_plugins", "[].\n"),
            ("env.conf", ""),
        ] {
            fs::write(self.home.join(name), content).unwrap();
        }
    }

    fn command(&self, program: &str) -> Command {
        let file = |name: &str| self.home.join(name);
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", &self.home)
            .env("LANG", "C.UTF-8")
            .env("ERL_EPMD_PORT", self.epmd_port.to_string())
            .env("RABBITMQ_NODENAME", format!("broker{}@localhost", self.port))
            .env("RABBITMQ_DIST_PORT", self.distribution_port.to_string())
            .env("RABBITMQ_CONFIG_FILE", file("rabbitmq.conf"))
            .env("RABBITMQ_CONF_ENV_FILE", file("env.conf"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", file("enabled_plugins"))
            .env("RABBITMQ_MNESIA_BASE", file("data"))
            .env("RABBITMQ_LOG_BASE", file("log"))
            .env("RABBITMQ_PID_FILE", file("pid"))
            // The script then replaces itself by the server, so killing the process kills the server.
            .env("RABBITMQ_ALLOW_INPUT", "1")
            .env("RABBITMQ_SERVER_START_ARGS", "-noinput")
            .env(
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "-start_epmd false -kernel inet_dist_use_interface {127,0,0,1}",
            );
        command
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.server = None;
        self.epmd = None;
    }
}

/// A program under a shell that kills it when the shell's input is closed.
#[derive(Debug)]
struct Guarded(Child);

impl Guarded {
    /// The shell deletes the folder `remove` after the program ended.
    fn spawn(command: &Command, home: &Path, remove: Option<&Path>) -> Self {
        let script = r#"log=$1; remove=$2; shift 2
            "$@" >>"$log" 2>&1 </dev/null &
            child=$!
            read -r line
            kill -9 "$child"; wait "$child"
            [ -z "$remove" ] || rm -rf "$remove""#;
        let mut shell = Command::new("/bin/sh");
        shell.env_clear().args(["-c", script, "guard"]);
        shell.arg(home.join("server.log")).arg(remove.unwrap_or(Path::new("")));
        shell.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            shell.env(name, value.unwrap_or_default());
        }
        // A process group of its own, so that Ctrl-C in a terminal reaches only this process, which
        // then closes the shell's input.
        shell.process_group(0).current_dir(home).stdin(Stdio::piped());
        shell.stdout(Stdio::null()).stderr(Stdio::null());
        Self(shell.spawn().unwrap())
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        if let Some(mut input) = self.0.stdin.take() {
            // The shell may have ended already.
            drop(input.write_all(b"end\n"));
        }
        drop(self.0.wait());
    }
}

/// Three free ports. They are bound at the same time, so that they differ.
fn free_ports() -> [u16; 3] {
    let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}
