//! `doctor` on a healthy system, and on one with broken links and settings.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use lienthong_tests::up::{Agency, Up, http_get, program, unused_port, write_registry};
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

#[test]
fn a_broken_description_is_shown_and_counted_until_it_is_mended() {
    let folder = tempfile::tempdir().unwrap();
    let agencies = [Agency { key: "mot", code: "A99.1", takes: "ioffice.portal" }];
    write_registry(&folder.path().join("registry"), &agencies);
    let path = folder.path().join("formats/xa.thu/description.yaml");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let good = "format: xa.thu\nversion: 1\ntitle: Thư của xã\ncarries: Document\n\
                syntax: {kind: json, records: \"\"}\ndetect: [{has: thu_xa}]\n\
                fields: [{at: thu_xa, to: subject, need: both}]\n";
    std::fs::write(&path, good.replace("to: subject", "to: subjekt")).unwrap();
    let up = Up::start(folder.path(), &[]);
    let counted = |expected: &str| {
        let metrics = http_get(up.ops_port(), "/metrics").unwrap_or_default();
        let mut lines = metrics.lines().filter(|it| it.starts_with("lienthong_registry_mistakes{"));
        lines.any(|it| it.contains("folder=\"formats\"") && it.ends_with(expected))
    };
    let wait = |what: &str, is_there: &dyn Fn() -> bool| {
        let limit = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while !is_there() {
            assert!(std::time::Instant::now() < limit, "{what}");
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
    };
    wait("the mistake is not counted", &|| counted(" 1"));
    let (found, code) = run_doctor(folder.path(), &up, &[]);
    assert_eq!(code, 8, "some checks passed");
    for id in ["formats_state", "formats_folder"] {
        let detail = found[id]["detail"].as_str().unwrap();
        assert_eq!(found[id]["ok"], false, "{id}: {detail}");
        let has = |it: &str| assert!(detail.contains(it), "{id}: {detail}");
        ["xa.thu/description.yaml", "LT-FMT-020", "7:27", "subject"].iter().for_each(|it| has(it));
        assert!(!found[id]["remedy"].as_str().unwrap().is_empty(), "{id}");
    }
    std::fs::write(&path, good).unwrap();
    wait("the mended description is not in force", &|| counted(" 0"));
    let (found, _) = run_doctor(folder.path(), &up, &[]);
    assert_eq!(found["formats_state"]["ok"], true, "{}", found["formats_state"]);
    assert!(found["formats_state"]["detail"].as_str().unwrap().ends_with(", xa.thu v1"));
}
