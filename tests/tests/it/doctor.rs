//! `doctor` on a healthy system, and on one with broken links and settings.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use lienthong_tests::up::{Agency, Up, program, unused_port, write_registry};
use serde_json::Value;

/// Runs `doctor`: its checks by id, and its exit code.
fn run_doctor(
    folder: &Path,
    up: &Up,
    variables: &[(&str, String)],
) -> (BTreeMap<String, Value>, i32) {
    let output = Command::new(program())
        .args(["doctor", "--json", "--data"])
        .arg(folder)
        .args(["--internal", &up.internal()])
        .env("LIENTHONG__LISTEN__OPS", format!("127.0.0.1:{}", up.ops_port()))
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let report: Value =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let checks = report["checks"].as_array().unwrap().iter();
    let by_id = checks.map(|it| (it["id"].as_str().unwrap().to_owned(), it.clone())).collect();
    (by_id, output.status.code().unwrap())
}

#[test]
fn every_link_is_checked_and_every_failed_check_has_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let agencies = [Agency { key: "mot", code: "A99.1", takes: "ioffice.portal" }];
    write_registry(&folder.path().join("registry"), &agencies);
    let up = Up::start(folder.path(), &[]);

    let (found, code) = run_doctor(folder.path(), &up, &[]);
    let ids: Vec<_> = found.keys().map(String::as_str).collect();
    let expected = [
        "broker",
        "bus.url",
        "catalogue",
        "claims",
        "claims.endpoint",
        "configuration",
        "data_folder",
        "database",
        "database_folder",
        "formats",
        "formats_folder",
        "formats_state",
        "internal",
        "journal",
        "journal.database",
        "listen.internal",
        "listen.ops",
        "listen.vendors",
        "otlp",
        "pauses",
        "readyz",
        "registry_folder",
        "registry_state",
        "telemetry.otlp_endpoint",
        "topology",
    ];
    assert_eq!(ids, expected);
    for (id, it) in &found {
        assert_eq!(it["ok"], true, "{id}: {it}");
    }
    assert_eq!(code, 0);

    let unreachable = |scheme: &str| format!("{scheme}://127.0.0.1:{}", unused_port());
    let variables = [
        ("LIENTHONG__BUS__URL", unreachable("amqp")),
        ("LIENTHONG__TELEMETRY__OTLP_ENDPOINT", unreachable("http")),
        ("LIENTHONG__UPSTREAM__JOURNAL", up.internal()),
        ("LIENTHONG__UPSTREAM__MAPPING", unreachable("http")),
        ("LIENTHONG__UPSTREAM__REGISTRY", up.internal()),
    ];
    let (found, code) = run_doctor(folder.path(), &up, &variables);
    assert_eq!(code, 8, "some checks passed");
    let bad: Vec<_> =
        found.iter().filter(|(_, it)| it["ok"] == false).map(|(id, _)| id.as_str()).collect();
    assert_eq!(bad, ["broker", "otlp", "topology", "upstream.mapping"]);
    for id in bad {
        assert!(!found[id]["remedy"].as_str().unwrap().is_empty(), "{id}");
    }

    let (found, _) =
        run_doctor(folder.path(), &up, &[("LIENTHONG__BUS__PARTITIONS", "0".to_owned())]);
    let detail = found["configuration"]["detail"].as_str().unwrap();
    assert!(detail.starts_with("LT-CFG-005: LIENTHONG__BUS__PARTITIONS"), "{detail}");
}
