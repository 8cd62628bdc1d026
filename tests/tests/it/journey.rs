//! Documents are delivered and statuses come back on every combination of broker and database.

use std::io::BufRead as _;
use std::process::{Command, Stdio};

use lienthong_tests::up::{Agency, Up, program, write_registry};
use serde_json::{Value, json};

use crate::{cluster, node};

fn demo(arguments: &[&str]) {
    let output = Command::new(program())
        .args(["demo", "--json", "--documents", "12"])
        .args(arguments)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let report: Value = serde_json::from_str(&text).unwrap_or_else(|error| {
        panic!("{error}: {text}\n{}", String::from_utf8_lossy(&output.stderr))
    });
    assert!(output.status.success(), "{report:#}");
    for (name, count) in [("lost", 0), ("duplicated", 0), ("repeats_answered", 2), ("refused", 4)] {
        assert_eq!(report[name], count, "{name}");
    }
    assert_eq!(report["unexpected"], 0);
    assert_eq!(
        report["refused_codes"],
        json!(["LT-MAP-001", "LT-MAP-210", "LT-JNL-001", "LT-MAP-204"])
    );
    assert_eq!(report["delivered"], 19);
    assert_eq!(report["statuses_returned"], 19);
    assert_eq!(report["attachments_identical"], 7);
    let hops: Vec<_> = report["journeys"][0]["hops"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["step"].as_str().unwrap().to_owned())
        .collect();
    let senders: Vec<_> = report["journeys"].as_array().unwrap().iter().collect();
    assert_eq!(senders.len(), 3, "from edXML, from iOffice, and the recall");
    let statuses = senders[2]["statuses"].as_array().unwrap();
    assert!(statuses.iter().any(|it| it["status"] == "15"), "the recall was agreed to");
    for step in ["submitted", "normalized", "accepted", "translated", "routed", "begun", "taken"] {
        assert!(hops.contains(&step.to_owned()), "{step} is not among {hops:?}");
    }
}

#[test]
fn in_memory_with_sqlite() {
    demo(&[]);
}

#[test]
fn in_memory_with_postgresql_and_again_on_the_same_database() {
    let database = cluster::database();
    demo(&["--database", &database]);
    demo(&["--database", &database]);
}

#[test]
fn over_rabbitmq_with_sqlite_and_with_postgresql() {
    let node = node::Node::start(2);
    demo(&["--broker", &node.url(0)]);
    demo(&["--broker", &node.url(1), "--database", &cluster::database()]);
    demo(&["--broker", &node.url(0)]);

    let folder = tempfile::tempdir().unwrap();
    let agencies = [Agency { key: "mot", code: "A99.1", takes: "ioffice.portal" }];
    write_registry(&folder.path().join("registry"), &agencies);
    let _up = Up::start(folder.path(), &[("LIENTHONG__BUS__URL", &node.url(0))]);
    let refused =
        Command::new(program()).args(["demo", "--json", "--broker", &node.url(0)]).output();
    let refused = refused.unwrap();
    let answer: Value = serde_json::from_slice(&refused.stdout).unwrap();
    assert_eq!(refused.status.code(), Some(7), "{answer:#}");
    assert_eq!(answer["error"]["code"], "LT-CLI-011", "a broker that is in use is left alone");
}

#[test]
fn an_interrupted_demonstration_stops_and_leaves_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = Command::new(program())
        .args(["demo", "--documents", "10000"])
        .env("TMPDIR", folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = std::io::BufReader::new(demo.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "{line}");
    let pid = demo.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    assert_eq!(demo.wait().unwrap().code(), Some(130));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
