//! The production shape names roles, settings and ports that the program has.

use std::collections::BTreeMap;
use std::path::Path;

use lienthong_tests::up::program;
use serde::Deserialize;

#[derive(Deserialize)]
struct Compose {
    services: BTreeMap<String, Service>,
}

#[derive(Deserialize)]
struct Service {
    #[serde(default)]
    command: Vec<String>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    healthcheck: Option<serde_json::Value>,
    #[serde(default)]
    depends_on: BTreeMap<String, serde_json::Value>,
}

#[test]
fn every_role_s_command_and_settings_are_the_program_s() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let text = std::fs::read_to_string(root.join("docker-compose.yml")).unwrap();
    let compose: Compose = serde_saphyr::from_str(&text).unwrap();
    let help = std::process::Command::new(program()).args(["serve", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let mut roles = 0;
    for (name, service) in &compose.services {
        assert!(service.healthcheck.is_some(), "{name} has no health check");
        for of in service.depends_on.keys() {
            assert!(compose.services.contains_key(of), "{name} waits for {of}, which is not there");
        }
        let [first, role, ..] = service.command.as_slice() else { continue };
        if first != "serve" {
            continue;
        }
        roles += 1;
        assert!(help.contains(role.as_str()), "{name}: there is no role {role}");
        let shown = std::process::Command::new(program())
            .args(["config", "show", "--origin"])
            .envs(&service.environment)
            .output()
            .unwrap();
        let words = String::from_utf8_lossy(&shown.stderr).into_owned();
        assert!(shown.status.success(), "{name}: {words}");
        let shown = String::from_utf8(shown.stdout).unwrap();
        for variable in service.environment.keys().filter(|it| it.starts_with("LIENTHONG__")) {
            assert!(shown.contains(variable.as_str()), "{name}: {variable} sets nothing");
        }
    }
    assert_eq!(roles, 4, "gateway, mapping, journal and registry each have a service");
}
