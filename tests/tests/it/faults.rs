//! A short run of the fault rig: what it breaks heals by itself, and nothing is lost, told twice, out
//! of order or changed. Other faults and longer runs: `tests/faults.md`.

use std::process::Command;

use serde_json::Value;

/// Faults of the short run. Each heals within the rig's limit of 30 s.
const FAULTS: &str = "kill-mapping,kill-gateway,stop-gateway,flap-journal,flap-database,flap-broker,\
                      delete-broker,close-connections,delete-exchanges,delete-intake,\
                      delete-delivery,purge-delivery,alter-body";

#[test]
fn what_is_broken_from_outside_heals_by_itself_and_keeps_every_promise() {
    let mut run = Command::new(env!("CARGO_BIN_EXE_faults"));
    run.args(["--faults", FAULTS, "--rounds", "1", "--longest-seconds", "2"]);
    run.args(["--seed", "13", "--rate", "20", "--json"]);
    let output = run.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{words}");
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["faults"], FAULTS.split(',').count(), "{report:#}");
    for figure in ["lost", "twice", "out_of_order", "changed", "unexpected", "orphaned_consumers"] {
        assert_eq!(report[figure], 0, "{figure}: {report:#}");
    }
    assert!(report["receipts"].as_u64().is_some_and(|it| it > 100), "{report:#}");
    assert!(report["worst_stall_s"].as_f64().is_some_and(|it| it <= 30.0), "{report:#}");
    let recovery = report["recovery"].as_object().unwrap();
    for fault in FAULTS.split(',') {
        assert!(recovery.contains_key(fault), "{fault}: {report:#}");
    }
}
