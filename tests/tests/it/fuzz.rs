//! The fuzzer runs on every target, and none of its kept inputs is a finding.

use std::process::Command;

use serde_json::Value;

#[test]
fn every_parser_of_foreign_bytes_answers_changed_inputs_as_it_promises() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_fuzz"))
        .args(["--json", "--minutes", "0.05", "--at-once", "2", "--found"])
        .arg(folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let report: Value = serde_json::from_str(&text).unwrap_or_default();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    let targets = report["targets"].as_array().unwrap();
    assert!(targets.len() >= 13, "{report:#}");
    for it in targets {
        let [inputs, seeds, outcomes] = ["inputs", "seeds", "outcomes"].map(|key| it[key].as_u64());
        assert!(inputs >= seeds && seeds > Some(0) && outcomes > Some(0), "{it:#}");
    }
}
