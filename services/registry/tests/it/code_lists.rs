//! Code lists: each mistake in them has its file and line, and a change reaches watchers.

use std::fs;

use chassis::Upstream;
use chassis::health::Health;
use proto::registry::v1::WatchRequest;
use proto::registry::v1::registry_client::RegistryClient;
use proto::registry::v1::registry_server::RegistryServer;
use tokio_util::sync::CancellationToken;

use crate::{GOOD, config, folder, mistakes};

const LISTS: &str = r#"code_lists:
  - name: document-type
    version: "1"
    rows:
      - {code: cong-van, vi: Công văn}
      - {code: to-trinh, vi: Tờ trình, to: "2025-12-31"}
  - name: types-of-one
    version: "1"
    of: document-type
    rows:
      - {code: "3", vi: CV, means: cong-van, to: "2025-12-31"}
      - {code: "3", vi: TTr, means: to-trinh, from: "2026-01-01"}
"#;

#[test]
fn codes_of_an_application_are_read_with_what_they_mean() {
    let folder = folder(LISTS);
    let snapshot = registry::check(folder.path(), None).unwrap();
    let list = &snapshot.code_lists[1];
    assert_eq!((list.name.as_str(), list.of.as_str()), ("types-of-one", "document-type"));
    let means: Vec<_> = list.rows.iter().map(|it| it.means.as_str()).collect();
    assert_eq!(means, ["cong-van", "to-trinh"]);
}

#[test]
fn each_mistake_in_a_list_has_its_line() {
    for (from, to, expected) in [
        ("of: document-type", "of: document-typ", ("030", 9)),
        ("of: document-type", "of: types-of-one", ("030", 9)),
        ("means: to-trinh", "means: to-trin", ("033", 12)),
        (", means: to-trinh", "", ("032", 12)),
        ("vi: Công văn}", "vi: Công văn, means: x}", ("031", 5)),
        ("from: \"2026-01-01\"", "from: \"2025-12-31\"", ("016", 12)),
        ("from: \"2026-01-01\"", "from: \"2026-13-01\"", ("008", 12)),
        (", to: \"2025-12-31\"}\n  - name", ", to: \"x\"}\n  - name", ("008", 6)),
        ("name: types-of-one", "name: document-type", ("005", 7)),
        ("code: \"3\", vi: CV", "code: 3, vi: CV", ("018", 11)),
        ("vi: CV, ", "", ("003", 11)),
        ("vi: CV", "ten: CV, vi: CV", ("002", 11)),
    ] {
        assert!(LISTS.contains(from), "{from}");
        let found = mistakes(&LISTS.replacen(from, to, 1));
        let (code, line) = expected;
        assert!(found.contains(&(code.to_owned(), line)), "{from} → {to}: {found:?}");
    }
    let misspelt = folder(&LISTS.replace("means: to-trinh", "means: to-trin"));
    let found = registry::check(misspelt.path(), None).unwrap_err();
    assert_eq!(found[0].fault.params["nearest"], "to-trinh");
    let unknown = folder(&LISTS.replace("of: document-type", "of: document-typ"));
    let found = registry::check(unknown.path(), None).unwrap_err();
    assert_eq!(found[0].fault.params["known"], "document-type");
}

#[tokio::test]
async fn a_change_of_a_list_reaches_watchers_and_one_with_a_mistake_does_not() {
    let folder = folder(GOOD);
    fs::write(folder.path().join("lists.yaml"), LISTS).unwrap();
    let service = registry::Service::new();
    let (health, shutdown) = (Health::new(), CancellationToken::new());
    let mut running = tokio::task::JoinSet::new();
    running.spawn(registry::run(config(&folder), service.clone(), health, shutdown.clone()));
    let mut client = RegistryClient::new(Upstream::local(RegistryServer::new(service.clone())));
    let mut watch = client.watch(WatchRequest::default()).await.unwrap().into_inner();
    let first = watch.message().await.unwrap().unwrap();
    assert_eq!(first.code_lists.len(), 2);
    fs::write(folder.path().join("lists.yaml"), LISTS.replace("means: to-trinh", "means: x"))
        .unwrap();
    while service.mistakes().is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!(service.mistakes()[0].line, 12);
    fs::write(folder.path().join("lists.yaml"), LISTS.replace("vi: TTr", "vi: Trình")).unwrap();
    let changed = watch.message().await.unwrap().unwrap();
    assert_eq!(changed.code_lists[1].rows[1].name_vi, "Trình");
    assert_ne!(changed.revision, first.revision);
    shutdown.cancel();
    running.join_next().await.unwrap().unwrap().unwrap();
}
