//! Who may use whom, and what the workspace may depend on.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use super::tree::{assert_none, root};

/// Which crates of ours a crate's normal dependencies may name (architecture, section 4). The
/// binary starts all of them; tests may use everybody.
const ALLOWED: &[(&str, &[&str])] = &[
    ("lienthong-proto", &[]),
    ("lienthong-bus", &[]),
    ("lienthong-name-folding", &[]),
    ("lienthong-call-batcher", &[]),
    ("lienthong-legacy-text", &[]),
    ("lienthong-secrecy-marks", &["legacy-text"]),
    ("lienthong-formats", &["proto", "legacy-text", "name-folding", "secrecy-marks"]),
    ("lienthong-tls", &[]),
    ("lienthong-chassis", &["tls"]),
    ("lienthong-sdk", &["proto", "call-batcher", "tls"]),
    ("lienthong-adapter-sample", &["proto", "sdk", "chassis"]),
    ("lienthong-adapter-folder", &["proto", "sdk", "chassis"]),
    ("lienthong-registry-client", &["proto", "chassis", "name-folding"]),
    ("lienthong-journal-client", &["proto", "bus", "chassis"]),
    (
        "lienthong-gateway",
        &[
            "proto",
            "bus",
            "chassis",
            "registry-client",
            "journal-client",
            "call-batcher",
            "name-folding",
            "tls",
        ],
    ),
    (
        "lienthong-mapping",
        &[
            "proto",
            "bus",
            "chassis",
            "formats",
            "registry-client",
            "journal-client",
            "name-folding",
            "secrecy-marks",
        ],
    ),
    // The journal takes from its own client only the conversion between its messages and the bus's.
    ("lienthong-journal", &["proto", "bus", "chassis", "journal-client", "name-folding", "tls"]),
    ("lienthong-registry", &["proto", "chassis", "name-folding"]),
    ("lienthong-sandbox", &["proto", "sdk", "chassis", "formats"]),
];

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--locked",
            "--filter-platform",
            "x86_64-unknown-linux-gnu",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn crates_use_only_the_crates_they_may() {
    let metadata = metadata();
    let allowed: BTreeMap<_, _> = ALLOWED.iter().copied().collect();
    let mut offenders = Vec::new();
    let members: BTreeSet<&str> = metadata["workspace_members"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let is_ours = members.contains(package["id"].as_str().unwrap());
        if !is_ours || ["lienthong", "lienthong-tests"].contains(&name) {
            continue;
        }
        let Some(may) = allowed.get(name) else {
            offenders.push(format!("{name} is not in the table"));
            continue;
        };
        for dependency in package["dependencies"].as_array().unwrap() {
            let used = dependency["name"].as_str().unwrap();
            // `kind` is null for a normal dependency, else `dev` or `build`.
            let is_normal = dependency["kind"].is_null();
            let room = used.strip_prefix("lienthong-").unwrap_or(used);
            if is_normal && used.starts_with("lienthong") && !may.contains(&room) {
                offenders.push(format!("{name} uses {used}"));
            }
        }
    }
    assert_none(&offenders, "data flows one way; a new arrow is a decision and changes the table");
}

/// True for a licence that allows everybody everything, or a choice that holds such a one.
fn is_free(licence: &str) -> bool {
    const LICENCES: [&str; 14] = [
        "MIT",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "ISC",
        "Zlib",
        "Unicode-3.0",
        "Unlicense",
        "CC0-1.0",
        "0BSD",
        "MIT-0",
        "CDLA-Permissive-2.0",
        "BSL-1.0",
        "MPL-2.0",
    ];
    let licence = licence.replace(['(', ')'], " ").replace('/', " OR ");
    licence.split(" OR ").any(|choice| {
        let mut all = choice.split(" AND ").map(|it| it.split(" WITH ").next().unwrap_or_default());
        all.all(|it| LICENCES.contains(&it.trim()))
    })
}

#[test]
fn a_licence_is_free_when_one_choice_is_free_in_all_its_parts() {
    for free in ["MIT", "MIT OR GPL-3.0", "Apache-2.0 WITH LLVM-exception OR MIT", "MIT/Apache-2.0"]
    {
        assert!(is_free(free), "{free}");
    }
    for other in ["none", "GPL-3.0", "GPL-3.0 AND MIT", "SSPL-1.0"] {
        assert!(!is_free(other), "{other}");
    }
}

#[test]
fn dependencies_are_free_from_registries_and_share_one_tls_provider() {
    let mut offenders = Vec::new();
    for package in metadata()["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        if name.starts_with("lienthong") {
            continue;
        }
        let licence = package["license"].as_str().unwrap_or("none");
        if !is_free(licence) {
            offenders.push(format!("{name} is licensed {licence}"));
        }
        if !package["source"].as_str().unwrap_or_default().starts_with("registry+") {
            offenders.push(format!("{name} does not come from a registry"));
        }
    }
    // The lock file also holds optional crates that nobody builds; the tree holds what is built.
    let tree = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--workspace",
            "--locked",
            "--prefix",
            "none",
            "-e",
            "normal,build",
            "--format",
            "{p}",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    let tree = String::from_utf8(tree.stdout).unwrap();
    for other in ["openssl-sys v", "native-tls v", "aws-lc-sys v"] {
        if tree.lines().any(|it| it.starts_with(other)) {
            offenders.push(format!("{other} is a second TLS provider"));
        }
    }
    assert_none(
        &offenders,
        "a dependency is free to use, from a registry, and TLS has one provider",
    );
}
