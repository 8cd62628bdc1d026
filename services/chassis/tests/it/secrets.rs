//! Secrets are read from files, and neither they nor the passwords in URLs are ever printed.

use std::fs;

use chassis::secret::{self, Secret, SecretUrl};

#[test]
fn the_secret_is_the_first_line_of_its_file_and_debug_hides_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    fs::write(&path, "  chìa-khóa \nmore\n").unwrap();
    let read = secret::read(&path).unwrap();
    assert_eq!(read.reveal(), "chìa-khóa");
    assert!(!format!("{read:?}").contains("chìa"));
}

#[test]
fn the_error_about_an_empty_or_missing_file_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let missing = secret::read(&path).unwrap_err().to_string();
    assert!(missing.contains("cannot be read") && missing.contains("token"), "{missing}");
    fs::write(&path, "\n").unwrap();
    assert!(secret::read(&path).unwrap_err().to_string().contains("is empty"));
}

#[test]
fn a_url_is_printed_without_its_password() {
    for (url, printed) in [
        ("amqps://bus:bí-mật@host:5671/%2f", "amqps://bus:***@host:5671/%2f"),
        ("postgres://a:b@host/x?sslmode=require", "postgres://a:***@host/x?sslmode=require"),
        ("postgres://a@host/x?password=bí&b=1", "postgres://a@host/x?password=***&b=1"),
        // Several hosts are not a URL of RFC 3986, though PostgreSQL accepts them.
        ("postgres://a:b@h1:5432,h2:5432/x", "postgres://***"),
        // Unencoded characters in the password.
        ("amqp://u:bí@mật@host", "amqp://u:***@host"),
        ("amqp://u:12/mật@host", "amqp://***"),
        ("amqp://u:bí?mật@host", "amqp://***"),
        ("amqp://u:#mật@host", "amqp://***"),
        // Nothing to hide.
        ("amqp://bus@host:5672/%2f", "amqp://bus@host:5672/%2f"),
        ("http://127.0.0.1:4317", "http://127.0.0.1:4317"),
        ("/var/lib/lienthong/journal.sqlite", "/var/lib/lienthong/journal.sqlite"),
        ("", ""),
    ] {
        let secret = SecretUrl::new(url);
        assert_eq!(secret.to_string(), printed, "{url}");
        assert_eq!(format!("{secret:?}"), format!("SecretUrl({printed})"));
        assert_eq!(secret.reveal(), url);
    }
}

#[test]
fn a_password_is_encoded_into_the_url_of_its_user() {
    let password = Secret::new("mã/@:%");
    let with_password =
        |url: &str| SecretUrl::new(url).with_password(&password).map(|it| it.reveal().to_owned());
    for (url, expected) in [
        ("amqp://bus@host:5672/%2f", "amqp://bus:m%C3%A3%2F%40%3A%25@host:5672/%2f"),
        ("postgres://a:old@host/x", "postgres://a:m%C3%A3%2F%40%3A%25@host/x"),
        ("postgres://a@h1:5432,h2/x", "postgres://a:m%C3%A3%2F%40%3A%25@h1:5432,h2/x"),
        ("postgres://a@/x?host=/run", "postgres://a:m%C3%A3%2F%40%3A%25@/x?host=/run"),
    ] {
        assert_eq!(with_password(url).as_deref(), Some(expected));
    }
    assert_eq!(with_password("amqp://host/x@y"), None, "it names no user");
    assert_eq!(with_password("journal.sqlite"), None);
}
