//! A client generated from the contracts alone submits, receives and settles, over gRPC and HTTP.

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
