//! Clients that vendors could have written: from the contracts alone over gRPC and HTTP in Python,
//! and over HTTP with the standard library of five languages.

use std::path::Path;
use std::process::Command;

use lienthong_tests::up::{Agency, Up, write_registry};

#[test]
fn a_python_client_made_from_the_contracts_submits_receives_settles_and_tracks() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let python = root.join("target/python/bin/python");
    assert!(python.exists(), "{} is missing; `tests/run install` makes it", python.display());
    let folder = tempfile::tempdir().unwrap();
    let agencies = [
        Agency { key: "mot", code: "A99.1", takes: "edxml.document" },
        Agency { key: "hai", code: "A99.2", takes: "ioffice.portal" },
    ];
    write_registry(&folder.path().join("registry"), &agencies);
    let up = Up::start(folder.path(), &[]);
    let work = tempfile::tempdir().unwrap();
    let output = Command::new(python)
        .arg(root.join("tests/vendor/client.py"))
        .arg(root.join("proto"))
        .arg(work.path())
        .arg(up.gateway().trim_start_matches("http://"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("passed"),
        "{text}\n{}\n{}",
        String::from_utf8_lossy(&output.stderr),
        std::fs::read_to_string(folder.path().join("log")).unwrap()
    );
}

/// The programs that run the clients in `tests/vendor`, with their arguments.
const CLIENTS: [(&str, &[&str]); 5] = [
    ("python3", &["honest_answers.py"]),
    ("node", &["honest_answers.js"]),
    ("php", &["honest_answers.php"]),
    ("go", &["run", "honest_answers.go"]),
    ("java", &["HonestAnswers.java"]),
];

#[test]
fn clients_in_five_languages_get_honest_answers() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let agencies = [
        Agency { key: "mot", code: "A99.1", takes: "edxml.document" },
        Agency { key: "hai", code: "A99.2", takes: "edxml.document" },
    ];
    write_registry(&folder.path().join("registry"), &agencies);
    let registry = folder.path().join("registry/registry.yaml");
    let text = std::fs::read_to_string(&registry).unwrap();
    let takes = "status: edxml.status, delivery_report: delivery.report}";
    std::fs::write(&registry, text.replace("status: edxml.status}", takes)).unwrap();
    let up = Up::start(folder.path(), &[]);
    for (program, arguments) in CLIENTS {
        let output = Command::new(program)
            .args(arguments)
            .arg(up.gateway())
            .current_dir(root.join("tests/vendor"))
            .output()
            .unwrap_or_else(|it| panic!("{program}: {it}; `tests/run install` installs it"));
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && text.contains("passed"),
            "{program}: {text}\n{}\n{}",
            String::from_utf8_lossy(&output.stderr),
            std::fs::read_to_string(folder.path().join("log")).unwrap()
        );
    }
}
