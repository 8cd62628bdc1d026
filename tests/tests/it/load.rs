//! The load program runs, and prints every figure that it promises.

use std::process::Command;

use serde_json::Value;

fn load(arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_load"))
        .args(["--json", "--in-flight", "256"])
        .args(arguments)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{words}");
    let report: Value = serde_json::from_str(&text).unwrap();
    for figure in ["rate", "p50_ms", "p99_ms", "seconds"] {
        assert!(report[figure].as_f64().is_some_and(|it| it > 0.0), "{figure}: {report:#}");
    }
    for figure in ["rate", "p50_ms", "p99_ms"] {
        let half = &report["half_load"][figure];
        assert!(half.as_f64().is_some_and(|it| it > 0.0), "half load {figure}: {report:#}");
    }
    assert!(report["bottleneck"].as_str().is_some_and(|it| it.contains("cores are busy")));
    assert!(!report["slowest_journey"].as_array().unwrap().is_empty(), "{report:#}");
    report
}

/// The processes that have figures of their own.
fn measured(report: &Value, figure: &str) -> Vec<String> {
    let figures = report[figure].as_object().unwrap_or_else(|| panic!("no {figure}: {report:#}"));
    assert!(figures.values().all(Value::is_f64), "{figure}: {report:#}");
    figures.keys().cloned().collect()
}

#[test]
fn in_one_process_it_measures_the_system_alone() {
    let report = load(&["--embedded", "--messages", "300"]);
    assert_eq!(report["documents"], 300);
    assert!(report["raw_rate"].is_null() && report["ratio"].is_null());
    for figure in ["cpu_ms_per_message", "peak_mib"] {
        assert_eq!(measured(&report, figure), ["lienthong", "load"], "{figure}");
    }
}

#[test]
fn over_rabbitmq_it_measures_the_system_against_the_broker_alone() {
    let report = load(&["--messages", "1000"]);
    let (rate, raw, ratio) = (&report["rate"], &report["raw_rate"], &report["ratio"]);
    let [rate, raw, ratio] = [rate, raw, ratio].map(|it| it.as_f64().unwrap());
    assert!((rate / raw - ratio).abs() < 0.01, "{report:#}");
    assert!(report["raw"]["pairs_of_queues"].as_u64().is_some_and(|it| it > 0));
    for figure in ["cpu_ms_per_message", "peak_mib"] {
        let mut names = measured(&report, figure);
        names.sort();
        let all = ["broker", "database", "gateway", "journal", "load", "mapping", "registry"];
        assert_eq!(names, all, "{figure}");
    }
}
