//! No secret is printed: not in a log at level `debug`, not by `config show`, not in an error.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use lienthong_tests::guarded::Guarded;
use lienthong_tests::up::{
    Agency, Up, http_get, program, unused_port, wait_for_port, write_registry,
};

use crate::{cluster, node};

/// Every planted secret contains this text, so that one search finds them all.
const MARK: &str = "PlantedSecret";

const AGENCIES: [Agency; 2] = [
    Agency { key: "mot", code: "A99.1", takes: "edxml.document" },
    Agency { key: "hai", code: "A99.2", takes: "ioffice.portal" },
];

fn planted(place: &str) -> String {
    format!("{MARK}-{place}")
}

/// Fails when a text that a user or a log collector can see has a planted secret.
fn assert_clean(what: &str, text: &str) {
    let lines: Vec<_> = text.lines().filter(|it| it.contains(MARK)).collect();
    assert!(lines.is_empty(), "{what} prints a secret:\n{}", lines.join("\n"));
}

/// Writes a file that holds a planted secret, and returns its path.
fn secret_file(folder: &Path, place: &str) -> String {
    let path = folder.join(format!("{place}.secret"));
    std::fs::write(&path, format!("{}\n", planted(place))).unwrap();
    path.display().to_string()
}

/// A secret in every setting that may hold one, in the setting itself or in the file it names. All
/// addresses lead to closed ports.
fn settings_with_secrets(folder: &Path) -> Vec<(&'static str, String)> {
    let file = |place| secret_file(folder, place);
    let url = |scheme: &str, place: &str, path: &str| {
        format!("{scheme}://bus:{}@127.0.0.1:{}{path}", planted(place), unused_port())
    };
    vec![
        ("LIENTHONG__BUS__URL", url("amqp", "broker-url", "/%2f")),
        ("LIENTHONG__JOURNAL__DATABASE", url("postgres", "database-url", "/lienthong")),
        ("LIENTHONG__TELEMETRY__OTLP_ENDPOINT", url("http", "otlp-url", "")),
        ("LIENTHONG__UPSTREAM__JOURNAL", url("http", "journal-url", "")),
        ("LIENTHONG__UPSTREAM__MAPPING", url("http", "mapping-url", "")),
        ("LIENTHONG__UPSTREAM__REGISTRY", url("http", "registry-url", "")),
        ("LIENTHONG__CLAIMS__BUCKET", "lienthong".to_owned()),
        ("LIENTHONG__CLAIMS__ENDPOINT", format!("http://127.0.0.1:{}", unused_port())),
        ("LIENTHONG__CLAIMS__ACCESS_KEY_FILE", file("access-key")),
        ("LIENTHONG__CLAIMS__SECRET_KEY_FILE", file("secret-key")),
        ("LIENTHONG__CLAIMS__FOLDER", folder.join("claims").display().to_string()),
        ("LIENTHONG__ADAPTER_FOLDER__FOLDER", folder.join("exchange").display().to_string()),
        ("LIENTHONG__LISTEN__INTERNAL_TOKEN_FILE", file("internal-token")),
        ("LIENTHONG__ADAPTER_FOLDER__TOKEN_FILE", file("adapter-token")),
        ("LIENTHONG__TELEMETRY__LEVEL", "debug".to_owned()),
    ]
}

/// Runs the program to its end and returns everything it printed.
fn output(folder: &Path, arguments: &[&str], variables: &[(&str, String)]) -> String {
    let output = Command::new(program())
        .args(arguments)
        .current_dir(folder)
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let texts = [output.stdout, output.stderr];
    texts.map(|it| String::from_utf8_lossy(&it).into_owned()).join("\n")
}

/// The settings whose passwords are in files beside their URLs, as the documentation recommends.
fn with_password_files(
    folder: &Path,
    mut variables: Vec<(&'static str, String)>,
) -> Vec<(&'static str, String)> {
    variables.push(("LIENTHONG__BUS__PASSWORD_FILE", secret_file(folder, "broker-password")));
    variables.push(("LIENTHONG__JOURNAL__PASSWORD_FILE", secret_file(folder, "database-password")));
    variables
}

#[test]
fn the_configuration_is_shown_without_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let in_urls = settings_with_secrets(folder.path());
    let in_files = with_password_files(folder.path(), in_urls.clone());
    for variables in [in_urls, in_files] {
        for arguments in [
            &["config", "show"][..],
            &["config", "show", "--origin"],
            &["config", "show", "--json"],
            &["config", "show", "--origin", "--json"],
        ] {
            let text = output(folder.path(), arguments, &variables);
            assert_clean(&arguments.join(" "), &text);
            assert!(text.contains("amqp://bus:***@127.0.0.1"), "{text}");
            assert!(text.contains("postgres://bus:***@127.0.0.1"), "{text}");
        }
    }
}

#[test]
fn an_error_about_a_setting_does_not_quote_its_secret() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("amqp://bus:{}@host", planted("misplaced-url"));
    let malformed = folder.path().join("malformed.toml");
    std::fs::write(&malformed, format!("[bus]\nurl = \"{url}\nwindow = 1\n")).unwrap();
    let malformed = malformed.display().to_string();
    let no_user = format!("postgres://host/x?password={}", planted("query"));
    let password_file = secret_file(folder.path(), "password");
    for (arguments, variables) in [
        (&["config", "show"][..], vec![("LIENTHONG__BUS__WINDOW", url.clone())]),
        (&["config", "show"], vec![("LIENTHONG__BUS__UR", url.clone())]),
        (&["--config", &malformed, "config", "show"], vec![]),
        (
            &["config", "show"],
            vec![
                ("LIENTHONG__JOURNAL__DATABASE", no_user),
                ("LIENTHONG__JOURNAL__PASSWORD_FILE", password_file),
            ],
        ),
    ] {
        let text = output(folder.path(), arguments, &variables);
        assert!(text.contains("LT-CFG-"), "{arguments:?}: {text}");
        assert_clean(&arguments.join(" "), &text);
        let json = [arguments, &["--json"]].concat();
        assert_clean("json", &output(folder.path(), &json, &variables));
    }
}

#[test]
fn failing_connections_are_reported_without_secrets() {
    let folder = tempfile::tempdir().unwrap();
    write_registry(&folder.path().join("registry"), &AGENCIES);
    let variables = with_password_files(folder.path(), settings_with_secrets(folder.path()));
    assert_clean("doctor", &output(folder.path(), &["doctor"], &variables));
    assert_clean("doctor --json", &output(folder.path(), &["doctor", "--json"], &variables));
    for role in ["registry", "journal", "mapping", "gateway", "adapter-folder"] {
        let mut command = Command::new(program());
        command.args(["serve", role]);
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        for name in ["OPS", "VENDORS", "INTERNAL"] {
            command.env(format!("LIENTHONG__LISTEN__{name}"), "127.0.0.1:0");
        }
        command.env("LIENTHONG__REGISTRY__FOLDER", folder.path().join("registry"));
        let log = folder.path().join(format!("{role}.log"));
        let mut running = Guarded::spawn(&command, &log);
        let ops = wait_for_port(role, "ops", (&mut running, &log));
        let limit = Instant::now() + Duration::from_secs(60);
        let read = || std::fs::read_to_string(&log).unwrap_or_default();
        // The registry needs no connection; every other role reports that it failed.
        let is_reported = || role == "registry" || read().contains("service failed");
        while http_get(ops, "/readyz").is_none() && role != "adapter-folder" || !is_reported() {
            assert!(Instant::now() < limit, "{role}: {}", read());
            std::thread::sleep(Duration::from_millis(50));
        }
        let health = http_get(ops, "/readyz").unwrap_or_default();
        assert_clean(role, &format!("{health}\n{}", read()));
        drop(running);
    }
}

#[test]
fn a_command_prints_no_password_of_an_address() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("app.token");
    std::fs::write(&token, "token\n").unwrap();
    let token = token.display().to_string();
    std::fs::write(folder.path().join("item.json"), "{}").unwrap();
    let addresses = [
        format!("http://bus:{}@127.0.0.1:{}", planted("closed"), unused_port()),
        format!("bus:{}@127.0.0.1:{}", planted("no-scheme"), unused_port()),
        format!("http://bus:{}@192.0.2.1:7401", planted("plain-text")),
        format!("http://bus:{}@:x", planted("no-host")),
        format!("ftp://bus:{}@127.0.0.1:1", planted("scheme")),
        format!("http://bus:{}/x@127.0.0.1:1", planted("unencoded")),
    ];
    for address in &addresses {
        let operate = ["--internal", address, "--internal-token-file", &token];
        for command in [&["find"][..], &["status"], &["sessions"], &["trace", "1"], &["doctor"]] {
            let arguments = [command, &operate].concat();
            let text = output(folder.path(), &arguments, &[]);
            assert!(text.contains("LT-C"), "{arguments:?}: {text}");
            assert_clean(&arguments.join(" "), &text);
            let json = [&arguments[..], &["--json"]].concat();
            assert_clean("json", &output(folder.path(), &json, &[]));
        }
        let send = ["send", "item.json", "--gateway", address, "--token-file", &token];
        let text = output(folder.path(), &send, &[]);
        assert!(text.contains("LT-C"), "{text}");
        assert_clean("send", &text);
    }
}

#[test]
fn a_running_system_logs_no_token_and_no_session() {
    let folder = tempfile::tempdir().unwrap();
    write_registry(&folder.path().join("registry"), &AGENCIES);
    let path = folder.path();
    std::fs::write(path.join("internal.token"), format!("{}\n", planted("internal"))).unwrap();
    let up = Up::start(path, &[("LIENTHONG__TELEMETRY__LEVEL", "debug")]);
    let token = secret_file(path, "wrong-token");
    std::fs::write(path.join("mot.token"), "mot-token\n").unwrap();
    let item = path.join("item.json");
    std::fs::write(&item, "{}").unwrap();
    let send = |token: &str| {
        let item = item.display().to_string();
        let arguments =
            ["send", &item, "--gateway", &up.gateway(), "--token-file", token, "--format", "auto"];
        output(path, &arguments, &[])
    };
    let refused = send(&token);
    assert!(refused.contains("LT-GW-006"), "{refused}");
    send(&path.join("mot.token").display().to_string());
    let wrong = secret_file(path, "wrong-internal");
    for file in [up.token_file().display().to_string(), wrong] {
        let arguments = ["find", "--internal", &up.internal(), "--internal-token-file", &file];
        assert_clean("find", &output(path, &arguments, &[]));
    }
    let log = std::fs::read_to_string(path.join("log")).unwrap();
    assert!(log.contains("\"DEBUG\""), "the log is at level debug: {log}");
    for (what, text) in [("send", &refused), ("the log", &log)] {
        assert_clean(what, text);
        assert!(!text.contains("mot-token"), "{what} prints a vendor's token: {text}");
    }
}

#[test]
fn a_wrong_password_of_the_broker_and_the_database_is_reported_without_it() {
    let folder = tempfile::tempdir().unwrap();
    write_registry(&folder.path().join("registry"), &AGENCIES);
    let (node, database) = (node::Node::start(1), cluster::database());
    let with_password = |url: &str, place: &str| {
        let (scheme, rest) = url.split_once("://").unwrap();
        let (user, host) = rest.split_once('@').unwrap();
        let user = user.split(':').next().unwrap();
        format!("{scheme}://{user}:{}@{host}", planted(place))
    };
    let broker = with_password(&node.url(0), "wrong-broker-password");
    let database = with_password(&database, "wrong-database-password");
    let variables = [
        ("LIENTHONG__BUS__URL", broker),
        ("LIENTHONG__JOURNAL__DATABASE", database),
        ("LIENTHONG__TELEMETRY__LEVEL", "debug".to_owned()),
    ];
    for arguments in [&["doctor"][..], &["doctor", "--json"]] {
        let text = output(folder.path(), arguments, &variables);
        assert!(text.contains("broker") || text.contains("RabbitMQ"), "{text}");
        assert_clean("doctor", &text);
    }
    let [broker, database] = [&variables[0].1, &variables[1].1];
    let demo = ["demo", "--broker", broker, "--database", database];
    let text = output(folder.path(), &demo, &[]);
    assert!(text.contains("LT-SYS-002"), "{text}");
    assert_clean("demo", &text);
    for role in ["journal", "mapping"] {
        let mut command = Command::new(program());
        command.args(["serve", role]);
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        let token_file = folder.path().join("internal.token");
        std::fs::write(&token_file, "token\n").unwrap();
        command.env("LIENTHONG__LISTEN__INTERNAL_TOKEN_FILE", token_file);
        command.env("LIENTHONG__CLAIMS__FOLDER", folder.path().join("claims"));
        for name in ["OPS", "VENDORS", "INTERNAL"] {
            command.env(format!("LIENTHONG__LISTEN__{name}"), "127.0.0.1:0");
        }
        let log = folder.path().join(format!("{role}.log"));
        let running = Guarded::spawn(&command, &log);
        let read = || std::fs::read_to_string(&log).unwrap_or_default();
        let limit = Instant::now() + Duration::from_secs(60);
        while !read().contains("service failed") {
            assert!(Instant::now() < limit, "{role}: {}", read());
            std::thread::sleep(Duration::from_millis(50));
        }
        assert_clean(role, &read());
        drop(running);
    }
}
