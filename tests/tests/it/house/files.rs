//! Rules over file names, file lengths, the top level, and texts of any language.

use std::collections::BTreeSet;
use std::path::Path;

use super::tree::{assert_none, is_test, root, sources, tracked};

#[test]
fn every_file_says_first_what_it_is() {
    let offenders: Vec<_> = sources()
        .into_iter()
        .filter(|(_, text)| !text.starts_with("//! "))
        .map(|(name, _)| name)
        .collect();
    assert_none(&offenders, "the first line of a file is `//! ` and says what it is");
}

/// Files that may be longer than the rule says, each with its reason.
const LONG: &[(&str, usize)] = &[];

#[test]
fn no_file_is_longer_than_400_lines_without_its_tests() {
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
    assert_none(
        &offenders,
        "ask whether two things live here, and cut where the least has to pass",
    );
}

#[test]
fn no_file_has_a_name_that_admits_anything() {
    let names = ["util", "utils", "helper", "helpers", "common", "misc", "manager", "mod"];
    let offenders: Vec<_> = sources()
        .into_iter()
        .map(|(name, _)| name)
        .filter(|it| names.contains(&Path::new(it).file_stem().unwrap().to_str().unwrap()))
        .collect();
    assert_none(&offenders, "a name that admits anything gets everything");
}

#[test]
fn the_top_level_is_the_fixed_one_and_the_map_names_every_crate() {
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
    let map = readme.split("\n## ").find(|it| it.starts_with("The map")).unwrap_or_default();
    let mapped: BTreeSet<&str> =
        map.lines().filter_map(|it| it.strip_prefix("| `")?.split('`').next()).collect();
    let crates: BTreeSet<&str> =
        tracked.iter().filter_map(|it| it.strip_suffix("/Cargo.toml")).collect();
    offenders.extend(crates.difference(&mapped).map(|it| format!("{it} is not on the map")));
    offenders.extend(mapped.difference(&crates).map(|it| format!("{it} is on the map only")));
    assert_none(&offenders, "README's map matches the tree");
}

#[test]
fn the_readme_is_a_landing_page() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let lines = readme.lines().count();
    assert!(lines <= 300, "{lines} lines: a longer text lies beside what it describes");
}

#[test]
fn every_promise_of_the_readme_names_a_test_that_exists() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let promises = readme.split("\n## ").find(|it| it.starts_with("The promises"));
    let rows: Vec<_> =
        promises.unwrap().lines().filter(|it| it.starts_with("| ")).skip(1).collect();
    assert!(rows.len() > 10, "{rows:?}");
    let code: String = sources().into_iter().map(|(_, text)| text).collect();
    let mut offenders = Vec::new();
    for row in rows {
        let names: Vec<_> =
            row.split('`').skip(1).step_by(2).filter(|it| it.contains('_')).collect();
        if names.is_empty() && !row.contains("rig") {
            offenders.push(format!("no test: {row}"));
        }
        let is_missing = |it: &&&str| !code.contains(&format!("fn {it}("));
        offenders.extend(names.iter().filter(is_missing).map(|it| format!("no test {it}")));
    }
    assert_none(&offenders, "a promise without a test that tries to break it is a wish");
}

#[test]
fn every_crate_has_the_workspace_lints() {
    let offenders: Vec<_> = tracked()
        .into_iter()
        .filter(|it| it.ends_with("/Cargo.toml") && it != "proto/Cargo.toml")
        .filter(|it| {
            let text = std::fs::read_to_string(root().join(it)).unwrap();
            !text.contains("[lints]\nworkspace = true")
        })
        .collect();
    assert_none(
        &offenders,
        "every crate says `[lints] workspace = true`; generated code alone does not",
    );
}

#[test]
fn no_file_names_the_machine_it_was_written_on() {
    let mut offenders = Vec::new();
    let words = [["/wo", "rk/"].concat(), [".lib", "rary"].concat()];
    for name in tracked() {
        let Ok(text) = std::fs::read_to_string(root().join(&name)) else { continue };
        offenders
            .extend(words.iter().filter(|it| text.contains(*it)).map(|it| format!("{name}: {it}")));
    }
    assert_none(&offenders, "paths of a machine do not belong in the product");
}

#[test]
fn every_error_code_has_an_entry_and_every_entry_is_used() {
    let entries: BTreeSet<String> =
        proto::fault::catalog().iter().map(|it| it.code.to_owned()).collect();
    let mut named = BTreeSet::new();
    for (name, text) in sources() {
        // A test that names a code does not give it to a user.
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
        named.difference(&entries).map(|it| format!("{it} has no entry")).collect();
    offenders.extend(entries.difference(&named).map(|it| format!("{it} is never given")));
    assert_none(&offenders, "a code that a user may see has an entry, and no entry is dead");
}
