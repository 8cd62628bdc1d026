//! The files of the repository, and the Rust files among them as syntax trees.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The root of the repository.
pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Paths that git tracks or would track, relative to the root, with `/`.
pub(super) fn tracked() -> Vec<String> {
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

/// Every Rust file: its path and its text.
pub(super) fn sources() -> Vec<(String, String)> {
    tracked()
        .into_iter()
        .filter(|it| it.ends_with(".rs"))
        .map(|it| (it.clone(), std::fs::read_to_string(root().join(it)).unwrap()))
        .collect()
}

/// Every Rust file as a syntax tree.
pub(super) fn parsed() -> Vec<(String, syn::File)> {
    sources().into_iter().map(|(name, text)| (name, syn::parse_file(&text).unwrap())).collect()
}

/// Fails with all offenders and the reason for the rule.
pub(super) fn assert_none(offenders: &[String], why: &str) {
    assert!(offenders.is_empty(), "{why}\n{}", offenders.join("\n"));
}

/// True for a file that holds tests or belongs to the test crate.
pub(super) fn is_test(name: &str) -> bool {
    name.contains("/tests/") || name.ends_with("/tests.rs") || name.starts_with("tests/")
}

/// True when an item is compiled for tests only.
pub(super) fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|it| {
        it.path().is_ident("cfg")
            && it.meta.require_list().is_ok_and(|list| list.tokens.to_string() == "test")
    })
}
