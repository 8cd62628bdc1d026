//! `docker-compose.yml` names only roles, settings, ports, secrets and files that exist.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use lienthong_tests::up::program;
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&std::fs::read_to_string(root().join(path)).unwrap()).unwrap()
}

/// The texts of a list; empty for any other value.
fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(|it| it.as_str().unwrap().to_owned()).collect()
}

fn services(compose: &Value) -> impl Iterator<Item = (&String, &Value)> {
    compose["services"].as_object().unwrap().iter()
}

fn environment(service: &Value) -> BTreeMap<String, String> {
    let of = service["environment"].as_object().into_iter().flatten();
    of.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect()
}

/// The roles that `serve --help` lists.
fn roles() -> BTreeSet<String> {
    let help = Command::new(program()).args(["serve", "--help", "--lang", "en"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let (_, listed) = help.split_once("<ROLE>  ").unwrap();
    let (_, listed) = listed.split_once(": ").unwrap();
    listed.split_once(']').unwrap().0.split(", ").map(str::to_owned).collect()
}

/// Secrets that a service is granted: name and path in the container.
fn granted(service: &Value) -> Vec<(String, String)> {
    let of = service["secrets"].as_array().into_iter().flatten();
    of.map(|it| match it.as_str() {
        Some(name) => (name.to_owned(), format!("/run/secrets/{name}")),
        None => (it["source"].as_str().unwrap().into(), it["target"].as_str().unwrap().into()),
    })
    .collect()
}

#[test]
fn every_command_and_setting_is_one_the_program_knows() {
    let (compose, known) = (yaml("docker-compose.yml"), roles());
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), "a-secret\n").unwrap();
    let mut served = BTreeSet::new();
    for (name, service) in services(&compose) {
        let command = texts(&service["command"]);
        let [first, role] = command.as_slice() else { continue };
        if first != "serve" {
            continue;
        }
        assert!(known.contains(role), "{name}: there is no role {role} in {known:?}");
        assert_eq!(name, role, "upstreams name a role by its service");
        served.insert(role.clone());
        let environment = environment(service);
        // `/run/secrets` exists in a container only.
        let here = |value: &String| match value.starts_with("/run/secrets/") {
            true => secret.path().display().to_string(),
            false => value.clone(),
        };
        let shown = Command::new(program())
            .args(["config", "show", "--origin"])
            .envs(environment.iter().map(|(name, value)| (name, here(value))))
            .output()
            .unwrap();
        let words = String::from_utf8_lossy(&shown.stderr).into_owned();
        assert!(shown.status.success(), "{name}: {words}");
        let shown = String::from_utf8(shown.stdout).unwrap();
        for variable in environment.keys() {
            let is_set = shown.lines().any(|it| it.ends_with(&format!("({variable})")));
            assert!(is_set, "{name}: {variable} sets nothing");
        }
        let own = |kind: &str| format!("/run/secrets/{role}.{kind}");
        for (setting, kind) in [("CERTIFICATES_FILE", "crt"), ("KEY_FILE", "key")] {
            assert_eq!(environment[&format!("LIENTHONG__TLS__{setting}")], own(kind));
        }
        for (variable, value) in &environment {
            let is_plain = ["http://", "amqp://"].iter().any(|it| value.starts_with(it));
            assert!(!is_plain, "{name}: {variable} is not encrypted");
        }
        let role = environment.get("LIENTHONG__LISTEN__INTERNAL").unwrap();
        for other in ["JOURNAL", "MAPPING", "REGISTRY"] {
            let uri = &environment[&format!("LIENTHONG__UPSTREAM__{other}")];
            let port = role.rsplit(':').next().unwrap();
            assert_eq!(*uri, format!("https://{}:{port}", other.to_lowercase()));
        }
    }
    let needed = ["gateway", "journal", "mapping", "registry"].map(ToOwned::to_owned);
    assert_eq!(served, BTreeSet::from(needed));
    let all: BTreeSet<_> = services(&compose).map(|(name, _)| name.as_str()).collect();
    for name in ["broker", "database", "objects", "collector", "jaeger", "prometheus", "grafana"] {
        assert!(all.contains(name), "there is no {name}");
    }
}

#[test]
fn published_ports_and_health_checks_match_the_listen_addresses() {
    let compose = yaml("docker-compose.yml");
    let gateway = &compose["services"]["gateway"];
    let port =
        |variable: &str| environment(gateway)[variable].rsplit(':').next().unwrap().to_owned();
    let (vendors, ops) = (port("LIENTHONG__LISTEN__VENDORS"), port("LIENTHONG__LISTEN__OPS"));
    assert_eq!(texts(&gateway["ports"]), [format!("{vendors}:{vendors}")]);
    let page = format!("https://127.0.0.1:{ops}/readyz");
    let mut targets = Vec::new();
    for (name, service) in services(&compose) {
        if service["command"][0] == "serve" {
            assert!(texts(&service["healthcheck"]["test"]).contains(&page), "{name}");
            targets.push(format!("{name}:{ops}"));
        }
    }
    let prometheus = yaml("services/lienthong/deploy/prometheus.yaml");
    let jobs = prometheus["scrape_configs"].as_array().unwrap();
    let lienthong = jobs.iter().find(|it| it["job_name"] == "lienthong").unwrap();
    let mut scraped = texts(&lienthong["static_configs"][0]["targets"]);
    scraped.sort();
    targets.sort();
    assert_eq!(scraped, targets);
    for job in jobs {
        for target in texts(&job["static_configs"][0]["targets"]) {
            let host = target.split(':').next().unwrap();
            assert!(!compose["services"][host].is_null(), "{target} is no service");
        }
    }
    let docker = std::fs::read_to_string(root().join("services/lienthong/Dockerfile")).unwrap();
    let exposed = docker.lines().find_map(|it| it.strip_prefix("EXPOSE ")).unwrap();
    for listen in ["VENDORS", "INTERNAL", "OPS"] {
        let port = port(&format!("LIENTHONG__LISTEN__{listen}"));
        assert!(exposed.split(' ').any(|it| it == port), "{port} is not exposed");
    }
}

#[test]
fn secrets_are_declared_granted_and_prepared_and_no_password_stands_in_the_file() {
    let compose = yaml("docker-compose.yml");
    let text = std::fs::read_to_string(root().join("docker-compose.yml")).unwrap();
    let preparation: String = text.lines().take_while(|it| it.starts_with('#')).collect();
    let declared = compose["secrets"].as_object().unwrap();
    for (name, secret) in declared {
        assert_eq!(secret["file"], format!("secrets/{name}"));
        assert!(preparation.contains(name.as_str()), "nothing says how {name} is made");
    }
    for (name, service) in services(&compose) {
        let granted = granted(service);
        for (secret, _) in &granted {
            assert!(declared.contains_key(secret), "{name}: {secret} is not declared");
        }
        let used = service.to_string();
        for path in used.split("/run/secrets/").skip(1) {
            let is_of_name = |it: &char| it.is_ascii_alphanumeric() || ['.', '_'].contains(it);
            let secret: String = path.chars().take_while(is_of_name).collect();
            assert!(granted.iter().any(|it| it.0 == secret), "{name} is not granted {secret}");
        }
        for (variable, value) in environment(service) {
            let is_secret =
                ["PASSWORD", "SECRET", "ACCESS_KEY"].iter().any(|it| variable.contains(it));
            assert!(!is_secret || value.starts_with("/run/secrets/"), "{name}: {variable}");
        }
        let file = service["env_file"].as_str().unwrap_or_default();
        assert!(preparation.contains(file), "nothing says how {file} is made");
    }
    for ignored in [".gitignore", ".dockerignore"] {
        let text = std::fs::read_to_string(root().join(ignored)).unwrap();
        let names: Vec<_> = text.lines().map(|it| it.trim_matches('/')).collect();
        for name in ["secrets", "lienthong-data", "target"] {
            assert!(names.contains(&name), "{name} is not in {ignored}");
        }
    }
}

#[test]
fn dependencies_become_ready_and_mounted_files_exist() {
    let compose = yaml("docker-compose.yml");
    let volumes = compose["volumes"].as_object().unwrap();
    let docker = std::fs::read_to_string(root().join("services/lienthong/Dockerfile")).unwrap();
    for (name, service) in services(&compose) {
        let image = service["image"].as_str().unwrap();
        let is_ours = image == "lienthong" && service["build"]["dockerfile"].is_string();
        let tag = image.rsplit(':').next().unwrap();
        assert!(
            is_ours || tag.chars().any(|it| it.is_ascii_digit()),
            "{name}: {image} has no version"
        );
        let is_one_shot = service["healthcheck"]["disable"] == true;
        assert!(
            is_one_shot || service["healthcheck"]["test"].is_array(),
            "{name} has no health check"
        );
        for (of, how) in service["depends_on"].as_object().into_iter().flatten() {
            let awaited = &compose["services"][of];
            assert!(!awaited.is_null(), "{name} waits for {of}, which is not there");
            let is_one_shot = awaited["healthcheck"]["disable"] == true;
            let expected =
                if is_one_shot { "service_completed_successfully" } else { "service_healthy" };
            assert_eq!(how["condition"], expected, "{name} waits for {of}");
        }
        for mount in texts(&service["volumes"]) {
            let (from, to) = mount.split_once(':').unwrap();
            if let Some(path) = from.strip_prefix("./") {
                // The folders of the registry and of formats are the operator's own.
                assert!(
                    ["registry", "formats"].contains(&path) || root().join(path).exists(),
                    "{name}: {path}"
                );
            } else {
                assert!(volumes.contains_key(from), "{name}: there is no volume {from}");
            }
            // A new volume takes its owner from the folder in the image, and the program is not root.
            let is_made =
                |it: &&str| docker.contains(&format!("-o lienthong -g lienthong -m 700 {it}"));
            assert!(
                !is_ours || from.starts_with("./") || is_made(&to),
                "{name}: {to} belongs to root"
            );
        }
    }
    for copied in ["services/lienthong/Dockerfile", "Cargo.lock"] {
        assert!(root().join(copied).exists(), "{copied}");
    }
    assert!(docker.contains("target/release/lienthong /usr/local/bin/lienthong"));
}

#[test]
fn the_broker_s_bounds_and_the_dashboards_are_well_formed() {
    let at = |name: &str| root().join("services/lienthong/deploy").join(name);
    let json = |name: &str| -> Value {
        serde_json::from_slice(&std::fs::read(at(name)).unwrap()).unwrap()
    };
    let policy = &json("rabbitmq.json")["policies"][0];
    assert_eq!(policy["pattern"], "^(intake|delivery)\\.");
    assert_eq!(policy["definition"]["overflow"], "reject-publish", "nothing accepted is shed");
    for bound in ["max-length", "max-length-bytes"] {
        assert!(policy["definition"][bound].as_u64().unwrap() > 0);
    }
    let sources = yaml("services/lienthong/deploy/grafana/datasources.yaml");
    let known: Vec<_> =
        sources["datasources"].as_array().unwrap().iter().map(|it| it["uid"].clone()).collect();
    let board = json("grafana/lienthong.json");
    for panel in board["panels"].as_array().unwrap() {
        assert!(known.contains(&panel["datasource"]["uid"]), "{}", panel["title"]);
        assert!(!panel["targets"][0]["expr"].as_str().unwrap().is_empty(), "{}", panel["title"]);
    }
    let alerts = yaml("services/lienthong/deploy/alerts.yaml");
    for rule in alerts["groups"][0]["rules"].as_array().unwrap() {
        assert!(rule["expr"].is_string() && rule["annotations"]["summary"].is_string(), "{rule}");
    }
    let collector = yaml("services/lienthong/deploy/otel.yaml");
    for (name, pipeline) in collector["service"]["pipelines"].as_object().unwrap() {
        for exporter in texts(&pipeline["exporters"]) {
            assert!(!collector["exporters"][&exporter].is_null(), "{name}: {exporter}");
        }
    }
}
