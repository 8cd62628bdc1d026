//! Documents cross and statuses come back on every combination of channels and database.

use std::process::Command;

use lienthong_tests::up::program;
use serde_json::Value;

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
    assert_eq!(report["delivered"], 19);
    assert_eq!(report["statuses_returned"], 19);
    assert_eq!(report["attachments_identical"], 7);
    let hops: Vec<_> = report["journeys"][0]["hops"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["step"].as_str().unwrap().to_owned())
        .collect();
    for step in ["submitted", "normalized", "accepted", "translated", "routed", "begun", "taken"] {
        assert!(hops.contains(&step.to_owned()), "{step} is not among {hops:?}");
    }
}

#[test]
fn in_memory_with_sqlite() {
    demo(&[]);
}

#[test]
fn in_memory_with_postgresql() {
    demo(&["--database", &cluster::database()]);
}

#[test]
fn over_rabbitmq_with_sqlite_and_with_postgresql() {
    let node = node::Node::start(2);
    demo(&["--broker", &node.url(0)]);
    demo(&["--broker", &node.url(1), "--database", &cluster::database()]);
}
