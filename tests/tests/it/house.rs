//! The rules of the house. Each failure prints all offenders and one sentence of why.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Files that git tracks, or would.
fn tracked() -> Vec<String> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let files: Vec<_> =
        text.lines().filter(|it| root().join(it).exists()).map(ToOwned::to_owned).collect();
    assert!(files.len() > 100, "git tracks {} files only", files.len());
    files
}

fn sources() -> Vec<(String, String)> {
    tracked()
        .into_iter()
        .filter(|it| it.ends_with(".rs"))
        .map(|it| (it.clone(), std::fs::read_to_string(root().join(it)).unwrap()))
        .collect()
}

fn none(offenders: &[String], why: &str) {
    assert!(offenders.is_empty(), "{why}\n{}", offenders.join("\n"));
}

/// Who may use whom (the plan, section 4). Tests may use everybody.
const ALLOWED: &[(&str, &[&str])] = &[
    ("lienthong-proto", &[]),
    ("lienthong-bus", &[]),
    ("lienthong-formats", &["lienthong-proto"]),
    ("lienthong-chassis", &[]),
    ("lienthong-sdk", &["lienthong-proto"]),
    ("lienthong-adapter-sample", &["lienthong-proto", "lienthong-sdk", "lienthong-chassis"]),
    ("lienthong-adapter-folder", &["lienthong-proto", "lienthong-sdk", "lienthong-chassis"]),
    ("lienthong-gateway", &["lienthong-proto", "lienthong-bus", "lienthong-chassis"]),
    (
        "lienthong-mapping",
        &["lienthong-proto", "lienthong-bus", "lienthong-chassis", "lienthong-formats"],
    ),
    ("lienthong-journal", &["lienthong-proto", "lienthong-bus", "lienthong-chassis"]),
    ("lienthong-registry", &["lienthong-proto", "lienthong-chassis"]),
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
fn rooms_use_only_the_rooms_they_may() {
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
        for of in package["dependencies"].as_array().unwrap() {
            let of = of["name"].as_str().unwrap();
            if of.starts_with("lienthong") && !may.contains(&of) {
                offenders.push(format!("{name} uses {of}"));
            }
        }
    }
    none(&offenders, "data flows one way; a new arrow is a decision and changes the table");
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
fn a_licence_is_free_when_one_choice_is_in_all_its_parts() {
    for free in ["MIT", "MIT OR GPL-3.0", "Apache-2.0 WITH LLVM-exception OR MIT", "MIT/Apache-2.0"]
    {
        assert!(is_free(free), "{free}");
    }
    for other in ["none", "GPL-3.0", "GPL-3.0 AND MIT", "SSPL-1.0"] {
        assert!(!is_free(other), "{other}");
    }
}

#[test]
fn dependencies_are_licensed_from_registries_and_speak_tls_one_way() {
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
            offenders.push(format!("{name} comes from elsewhere"));
        }
    }
    // What is in the lock file may be an optional part nobody builds; the tree is what is built.
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
    none(&offenders, "a dependency is free to use, from a registry, and TLS has one provider");
}

#[test]
fn every_file_says_first_what_it_is() {
    let offenders: Vec<_> = sources()
        .into_iter()
        .filter(|(_, text)| !text.starts_with("//! "))
        .map(|(name, _)| name)
        .collect();
    none(&offenders, "the first line of a file is `//! ` and says what it is");
}

fn is_test(name: &str) -> bool {
    name.contains("/tests/") || name.ends_with("/tests.rs") || name.starts_with("tests/")
}

/// Files that may be longer than a file should be, each with its reason.
const LONG: &[(&str, usize)] = &[];

#[test]
fn no_file_is_longer_than_a_reader_can_hold() {
    let mut offenders = Vec::new();
    for (name, text) in sources() {
        if is_test(&name) {
            continue;
        }
        let code = text.split("#[cfg(test)]").next().unwrap_or_default().lines().count();
        let most = LONG.iter().find(|(it, _)| *it == name).map_or(400, |(_, most)| *most);
        if code > most {
            offenders.push(format!("{name}: {code} lines, at most {most}"));
        }
    }
    none(&offenders, "ask whether two things live here, and cut where the least has to pass");
}

#[test]
fn no_file_is_named_after_nothing() {
    let names = ["util", "utils", "helper", "helpers", "common", "misc", "manager", "mod"];
    let offenders: Vec<_> = sources()
        .into_iter()
        .map(|(name, _)| name)
        .filter(|it| names.contains(&Path::new(it).file_stem().unwrap().to_str().unwrap()))
        .collect();
    none(&offenders, "a name that admits anything gets everything");
}

#[test]
fn the_top_level_is_the_fixed_one_and_the_map_names_every_room() {
    let fixed = [
        "Cargo.toml",
        "Cargo.lock",
        "LICENSE",
        "README.md",
        "docker-compose.yml",
        "proto",
        "services",
        "bus",
        "tests",
    ];
    let mut offenders = Vec::new();
    let tracked = tracked();
    let top: BTreeSet<&str> = tracked.iter().map(|it| it.split('/').next().unwrap()).collect();
    for name in &top {
        if !name.starts_with('.') && !fixed.contains(name) {
            offenders.push(format!("{name} is not of the fixed top level"));
        }
    }
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let mapped: BTreeSet<&str> =
        readme.lines().filter_map(|it| it.strip_prefix("| `")?.split('`').next()).collect();
    let rooms: BTreeSet<&str> =
        tracked.iter().filter_map(|it| it.strip_suffix("/Cargo.toml")).collect();
    offenders.extend(rooms.difference(&mapped).map(|it| format!("{it} is not on the map")));
    offenders.extend(mapped.difference(&rooms).map(|it| format!("{it} is on the map only")));
    none(&offenders, "README's map matches the tree");
}

#[test]
fn every_crate_has_the_house_s_lints() {
    let offenders: Vec<_> = tracked()
        .into_iter()
        .filter(|it| it.ends_with("/Cargo.toml") && it != "proto/Cargo.toml")
        .filter(|it| {
            let text = std::fs::read_to_string(root().join(it)).unwrap();
            !text.contains("[lints]\nworkspace = true")
        })
        .collect();
    none(&offenders, "every crate says `[lints] workspace = true`; generated code alone does not");
}

#[test]
fn log_messages_begin_small_and_end_without_a_full_stop() {
    let mut offenders = Vec::new();
    for (name, text) in sources() {
        for (number, line) in text.lines().enumerate() {
            let is_log = ["error", "warn", "info", "debug", "trace"]
                .iter()
                .any(|it| line.trim_start().starts_with(&format!("tracing::{it}!(")));
            let Some(message) =
                line.rsplit('"').nth(1).filter(|_| is_log && line.ends_with("\");"))
            else {
                continue;
            };
            let is_wrong = message.chars().next().is_some_and(char::is_uppercase)
                || message.ends_with('.')
                || message.contains('{');
            if is_wrong {
                offenders.push(format!("{name}:{}: {message}", number + 1));
            }
        }
    }
    none(&offenders, "a log message is lowercase, without a full stop, and what varies is a field");
}

#[test]
fn every_code_has_its_page_and_every_page_its_code() {
    let pages: BTreeSet<String> =
        proto::fault::catalogue().iter().map(|it| it.code.to_owned()).collect();
    let mut named = BTreeSet::new();
    for (name, text) in sources() {
        // A test that names a code does not give it to anybody.
        let text = if is_test(&name) { "" } else { text.split("#[cfg(test)]").next().unwrap() };
        for rest in text.match_indices("LT").filter_map(|(at, _)| text.get(at..)) {
            let code: String = rest
                .chars()
                .take_while(|it| {
                    it.is_ascii_uppercase() || it.is_ascii_digit() || ['-', '_'].contains(it)
                })
                .collect();
            let code = code.replace('_', "-");
            let parts: Vec<&str> = code.split('-').collect();
            if parts.len() == 3
                && parts[2].len() == 3
                && parts[2].bytes().all(|it| it.is_ascii_digit())
            {
                named.insert(code);
            }
        }
    }
    let mut offenders: Vec<_> =
        named.difference(&pages).map(|it| format!("{it} has no page")).collect();
    offenders.extend(pages.difference(&named).map(|it| format!("{it} is never given")));
    none(&offenders, "what a user may see has a code with a page, and no page is dead");
}

#[test]
fn nothing_of_the_workshop_is_in_the_product() {
    let mut offenders = Vec::new();
    let words = [["/wo", "rk/"].concat(), [".lib", "rary"].concat()];
    for name in tracked() {
        let Ok(text) = std::fs::read_to_string(root().join(&name)) else { continue };
        offenders
            .extend(words.iter().filter(|it| text.contains(*it)).map(|it| format!("{name}: {it}")));
    }
    none(&offenders, "paths of a machine do not belong here");
}
