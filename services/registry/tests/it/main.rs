//! The registry reports every mistake at once, and serves the last snapshot without one.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod bare_codes;
mod code_lists;
mod emptied;
mod formats;

use std::fs;
use std::time::Duration;

use chassis::Upstream;
use chassis::health::Health;
use proto::registry::v1::WatchRequest;
use proto::registry::v1::registry_client::RegistryClient;
use proto::registry::v1::registry_server::RegistryServer;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

const GOOD: &str = r#"
organisations:
  - key: tinhuy
    name: Văn phòng Tỉnh ủy
    codes: ["A99.1", "000.00.01.A99"]
  - key: mttq
    name: Ủy ban MTTQ
    codes:
      - {scheme: qd20, value: "A99.2", from: "2020-07-22"}
applications:
  - id: tinhuy-vanban
    organisation: tinhuy
    gives: [edxml.document]
    takes: {document: edxml.document, status: edxml.status}
    receiver_class: askable
    lease_seconds: 60
rights:
  - {from: "*", to: "*", types: [document, status]}
"#;

fn folder(text: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("all.yaml"), text).unwrap();
    folder
}

/// Follows a folder, and stores nothing.
fn config(folder: &TempDir) -> registry::Config {
    let (folder, state_file) = (folder.path().to_owned(), "".into());
    registry::Config { folder, poll_ms: 10, state_file }
}

/// Code and line of each mistake in a folder with this file.
fn mistakes(text: &str) -> Vec<(String, u64)> {
    let folder = folder(text);
    registry::check(folder.path(), None)
        .unwrap_err()
        .into_iter()
        .map(|it| (it.fault.code.trim_start_matches("LT-REG-").to_owned(), it.line))
        .collect()
}

#[test]
fn a_folder_without_mistakes_becomes_a_snapshot() {
    let folder = folder(GOOD);
    let snapshot = registry::check(folder.path(), None).unwrap();
    assert_eq!(snapshot.organisations[0].codes[1].scheme, "qcvn102");
    assert_eq!(snapshot.applications[0].lease_ms, 60_000);
    assert_eq!(snapshot.applications[0].takes.len(), 2);
    assert_eq!(snapshot.revision.len(), 64);
}

#[test]
fn the_name_of_the_bus_is_nobodys_and_its_reports_may_be_taken() {
    let takes = GOOD.replace("status: edxml.status}", "delivery_report: delivery.report}");
    assert_eq!(
        registry::check(folder(&takes).path(), None).unwrap().applications[0].takes.len(),
        2
    );
    let named = GOOD.replace("key: mttq", "key: lienthong");
    assert_eq!(mistakes(&named), [("005".to_owned(), 6)]);
    let named = GOOD.replace("id: tinhuy-vanban", "id: lienthong");
    assert_eq!(mistakes(&named), [("005".to_owned(), 11)]);
}

#[test]
fn every_mistake_is_reported_at_once_with_its_line() {
    let found = mistakes(
        r#"organisations:
  - key: tinhuy
    name: A
    colour: red
    codes: ["A99.1"]
  - key: Tinh Uy
    name: B
    from: "2025-02-30"
    codes: ["A99.1", {scheme: qd20, value: "zzz"}]
  - key: tinhuy
    codes: []
    successor: nobody
applications:
  - id: x
    organisation: nowhere
    receiver_class: perhaps
    takes: {letter: a}
rights:
  - {from: tinhuy, to: "*", types: [document], valid_from: "2025-02-01", valid_to: "2025-01-01"}
"#,
    );
    let expected = [
        ("002", 4),
        ("004", 6),
        ("008", 8),
        ("007", 9),
        ("014", 9),
        ("003", 10),
        ("005", 10),
        ("006", 12),
        ("006", 15),
        ("013", 16),
        ("013", 17),
        ("009", 19),
    ];
    for (code, line) in expected {
        assert!(found.contains(&(code.to_owned(), line)), "{code} at {line} is not in {found:?}");
    }
    assert_eq!(found.len(), expected.len(), "{found:?}");
}

#[test]
fn a_mistake_in_a_row_has_the_line_of_the_row() {
    let found = mistakes(
        r#"organisations:
  - key: a
    name: A
    codes:
      - "A99.1"
      - "A99.2"
  - key: b
    name: B
    codes:
      - "A99.3"
      - {scheme: local, value: "a99.2"}
applications:
  - id: x
    organisation: a
    accepts_losses:
      - change
      - secrecy
    token_sha256:
      - "abc"
rights:
  - from: a
    to: nobody
    types:
      - document
      - letter
code_lists:
  - name: degrees
    version: "1"
    rows:
      - {code: "1", vi: Một, to: "2025-06-30"}
      - {code: "1", vi: Một, from: "2025-07-01"}
      - {code: "1", vi: Một, from: "2025-12-01"}
      - {code: "2", vi: Hai, from: "2025-12-01", to: "2025-01-01"}
"#,
    );
    let expected =
        [("014", 11), ("013", 17), ("004", 19), ("006", 22), ("013", 25), ("016", 32), ("009", 33)];
    assert_eq!(found, expected.map(|(code, line)| (code.to_owned(), line)));
}

/// Everybody who writes such a code as it looks would be refused.
#[test]
fn a_code_with_an_invisible_character_is_a_mistake() {
    for hidden in ["\u{200b}", "\u{feff}", "\u{ad}"] {
        let code =
            format!("  - {{key: a, name: A, codes: [{{scheme: local, value: \"A9{hidden}\"}}]}}");
        assert_eq!(mistakes(&format!("organisations:\n{code}\n")), [("007".to_owned(), 2)]);
    }
}

#[test]
fn unknown_formats_are_mistakes_with_their_line() {
    let text = GOOD.replace("status: edxml.status", "status: edxml.statu");
    let text = text.replace("gives: [edxml.document]", "gives: [edxml.document, portal]");
    let folder = folder(&text);
    assert!(registry::check(folder.path(), None).is_ok());
    let known = registry::KnownFormats {
        names: ["edxml.document", "edxml.status"].map(str::to_owned).to_vec(),
        unloaded: vec![("portal".to_owned(), "portal.yaml".to_owned())],
    };
    assert!(registry::check(self::folder(GOOD).path(), Some(&known)).is_ok());
    let found = registry::check(folder.path(), Some(&known)).unwrap_err();
    let found: Vec<_> = found.iter().map(|it| (it.fault.code.as_str(), it.line)).collect();
    assert_eq!(found, [("LT-REG-022", 13), ("LT-REG-017", 14)]);
    let found = registry::check(folder.path(), Some(&known)).unwrap_err();
    assert_eq!(found[0].fault.params["file"], "portal.yaml");
    assert_eq!(found[1].fault.params["nearest"], "edxml.status");
}

#[test]
fn an_unreadable_file_is_reported_beside_the_other_mistakes() {
    let folder = folder("organisations: 7\n");
    fs::create_dir(folder.path().join("more")).unwrap();
    fs::write(folder.path().join("more/latin.yaml"), b"name: \"Ti\xe9ng\"\n").unwrap();
    fs::write(folder.path().join("z.yaml"), b"\xff").unwrap();
    let found = registry::check(folder.path(), None).unwrap_err();
    let found: Vec<_> =
        found.iter().map(|it| (it.file.as_str(), it.line, it.fault.code.as_str())).collect();
    let expected = [
        ("all.yaml", 1, "LT-REG-004"),
        ("more/latin.yaml", 0, "LT-REG-015"),
        ("z.yaml", 0, "LT-REG-015"),
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_chain_of_successors_that_returns_is_a_mistake() {
    let found = mistakes(
        "organisations:\n  - {key: a, name: A, successor: b}\n  - {key: b, name: B, successor: a}\n",
    );
    assert_eq!(found, [("010".to_owned(), 2), ("010".to_owned(), 3)]);
}

#[test]
fn a_yaml_syntax_error_is_reported_with_its_line() {
    let found = mistakes("organisations:\n  - {key: a, name: A\nrights: [\n");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, "001");
    assert!(found[0].1 > 0);
}

#[test]
fn a_code_may_be_reused_in_another_period() {
    let text = r#"organisations:
  - {key: a, name: A, codes: [{value: "A99.1", to: "2025-06-30"}]}
  - {key: b, name: B, codes: [{value: "A99.1", from: "2025-07-01"}]}
"#;
    assert!(registry::check(folder(text).path(), None).is_ok());
}

#[tokio::test]
async fn a_change_reaches_watchers_and_a_mistake_changes_nothing() {
    let folder = folder(GOOD);
    let service = registry::Service::new();
    let (health, shutdown) = (Health::new(), CancellationToken::new());
    let config = config(&folder);
    let mut running = tokio::task::JoinSet::new();
    running.spawn(registry::run(config, service.clone(), health.clone(), shutdown.clone()));
    let mut client = RegistryClient::new(Upstream::local(RegistryServer::new(service.clone())));
    let mut watch = client.watch(WatchRequest::default()).await.unwrap().into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().organisations.len(), 2);

    fs::write(folder.path().join("all.yaml"), "organisations: 7").unwrap();
    let limit = tokio::time::Instant::now() + Duration::from_secs(10);
    while service.mistakes().is_empty() {
        assert!(tokio::time::Instant::now() < limit, "the mistake was not noticed");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(health.is_ready(), "the snapshot in force has no mistake");
    fs::write(folder.path().join("all.yaml"), GOOD.replace("MTTQ", "Mặt trận")).unwrap();
    let changed = watch.message().await.unwrap().unwrap();
    assert_eq!(changed.organisations[1].name, "Ủy ban Mặt trận");
    shutdown.cancel();
    running.join_next().await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_restart_serves_the_last_snapshot_although_the_folder_has_a_mistake() {
    let folder = folder(GOOD);
    let service = registry::Service::new();
    let config = config(&folder);
    let mut client = RegistryClient::new(Upstream::local(RegistryServer::new(service.clone())));
    let mut running = tokio::task::JoinSet::new();
    let start = |health: Health, shutdown: CancellationToken| {
        registry::run(config.clone(), service.clone(), health, shutdown)
    };
    let shutdown = CancellationToken::new();
    running.spawn(start(Health::new(), shutdown.clone()));
    let mut first = client.watch(WatchRequest::default()).await.unwrap().into_inner();
    let good = first.message().await.unwrap().unwrap();
    shutdown.cancel();
    running.join_next().await.unwrap().unwrap().unwrap();
    assert!(first.message().await.unwrap().is_none(), "a watch ends with its run");

    fs::write(folder.path().join("all.yaml"), "organisations: 7").unwrap();
    let (health, shutdown) = (Health::new(), CancellationToken::new());
    running.spawn(start(health.clone(), shutdown.clone()));
    let limit = tokio::time::Instant::now() + Duration::from_secs(10);
    while service.mistakes().is_empty() {
        assert!(tokio::time::Instant::now() < limit, "the mistake was not noticed");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(health.is_ready());
    let mut second = client.watch(WatchRequest::default()).await.unwrap().into_inner();
    assert_eq!(second.message().await.unwrap().unwrap(), good);
    fs::write(folder.path().join("all.yaml"), GOOD.replace("MTTQ", "Mặt trận")).unwrap();
    let changed = second.message().await.unwrap().unwrap();
    assert_eq!(changed.organisations[1].name, "Ủy ban Mặt trận");
    assert!(service.mistakes().is_empty());
    shutdown.cancel();
    running.join_next().await.unwrap().unwrap().unwrap();

    let empty = registry::Service::new();
    fs::write(folder.path().join("all.yaml"), "organisations: 7").unwrap();
    let health = Health::new();
    let refused = registry::run(config, empty, health.clone(), CancellationToken::new()).await;
    assert!(refused.is_err() && !health.is_ready(), "without a snapshot it does not start");
}

#[test]
fn a_right_without_types_a_shared_token_and_a_malformed_digest_are_mistakes() {
    let hash = "0".repeat(64);
    let found = mistakes(&format!(
        "organisations:\n  - {{key: a, name: A}}\napplications:\n  - {{id: x, organisation: a, \
         token_sha256: [\"{hash}\"]}}\n  - {{id: z, organisation: a, token_sha256: [\"{hash}\", \
         \"abc\"]}}\nrights:\n  - {{from: a, to: a}}\n"
    ));
    let expected = [("004", 5), ("005", 5), ("003", 7)].map(|(code, line)| (code.to_owned(), line));
    assert_eq!(found, expected);
}

#[test]
fn a_missing_folder_is_one_mistake() {
    let found = registry::check(std::path::Path::new("/nowhere/at/all"), None).unwrap_err();
    assert_eq!(found[0].fault.code, "LT-REG-012");
}
