//! Secrets come from files and are shown to nobody.

use std::fs;

use chassis::secret;

#[test]
fn the_first_line_is_the_secret_and_it_does_not_show() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    fs::write(&path, "  chìa-khóa \nmore\n").unwrap();
    let read = secret::read(&path).unwrap();
    assert_eq!(read.reveal(), "chìa-khóa");
    assert!(!format!("{read:?}").contains("chìa"));
}

#[test]
fn an_empty_or_missing_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let missing = secret::read(&path).unwrap_err().to_string();
    assert!(missing.contains("cannot be read") && missing.contains("token"), "{missing}");
    fs::write(&path, "\n").unwrap();
    assert!(secret::read(&path).unwrap_err().to_string().contains("is empty"));
}
