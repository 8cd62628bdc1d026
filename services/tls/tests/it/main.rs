//! Encrypted connections between real ends.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use tls::authority::{Authority, CertificateRequest};
use tls::{
    Certificate, ClientCertificates, ClientTls, ClientTlsSettings, Identity, KeyPairFiles,
    ServerTls, ServerTlsSettings, TlsError, TlsVersions, read_certificates,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

/// The files of a test.
struct Files {
    folder: TempDir,
    authority: Authority,
}

impl Files {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let authority = Authority::open_or_create(folder.path(), "tinh").unwrap();
        Self { folder, authority }
    }

    fn issue(&self, file: &str, identity: Option<Identity>, days: u32) -> KeyPairFiles {
        let (file, hosts) = (file.to_owned(), vec!["localhost".to_owned(), "::1".to_owned()]);
        self.authority.issue(&CertificateRequest { file, identity, hosts, days }).unwrap()
    }

    /// A server that asks for certificates of this authority.
    fn server(&self, required: ClientCertificates) -> ServerTls {
        ServerTls::new(ServerTlsSettings {
            key_pair: self.issue("server", Some(Identity::Role("journal".to_owned())), 30),
            client_authorities: Some((self.authority.certificate_file(), required)),
            versions: TlsVersions::Tls13,
        })
        .unwrap()
    }

    fn client(&self, key_pair: Option<KeyPairFiles>) -> ClientTls {
        let authorities = Some(self.authority.certificate_file());
        ClientTls::new(ClientTlsSettings { authorities, key_pair }).unwrap()
    }
}

/// Connects both ends and sends a byte each way; what each end learns of the other.
async fn connect(
    server: &ServerTls,
    client: &ClientTls,
    host: &str,
) -> std::io::Result<Option<Certificate>> {
    let (near, far) = duplex(64 * 1024);
    let serving = async {
        let mut stream = server.accept(far).await?;
        let shown = ServerTls::client_certificate(&stream);
        let byte = stream.read_u8().await?;
        stream.write_u8(byte).await?;
        stream.flush().await?;
        Ok::<_, std::io::Error>(shown)
    };
    let calling = async {
        let mut stream = client.connect(host, near).await?;
        stream.write_u8(7).await?;
        stream.flush().await?;
        // With TLS 1.3 a refused certificate is learnt with the first answer.
        stream.read_u8().await
    };
    let (shown, answer) = tokio::join!(serving, calling);
    let shown = shown?;
    assert_eq!(answer?, 7);
    Ok(shown)
}

#[tokio::test]
async fn both_ends_show_who_they_are() {
    let files = Files::new();
    let server = files.server(ClientCertificates::Required);
    let operator = Identity::Operator("an.nguyen".to_owned());
    let client = files.client(Some(files.issue("operator", Some(operator.clone()), 30)));
    for host in ["localhost", "::1", "[::1]"] {
        let shown = connect(&server, &client, host).await.unwrap().unwrap();
        assert_eq!(shown.identity(), Some(operator.clone()));
        assert_eq!(shown.subject, "CN=operator");
    }
}

#[tokio::test]
async fn a_stranger_is_refused_and_an_optional_certificate_may_be_left_out() {
    let (files, strangers) = (Files::new(), Files::new());
    let role = Some(Identity::Role("mapping".to_owned()));
    let forged = strangers.issue("mapping", role, 30);
    let required = files.server(ClientCertificates::Required);
    connect(&required, &files.client(None), "localhost").await.unwrap_err();
    connect(&required, &files.client(Some(forged.clone())), "localhost").await.unwrap_err();
    let optional = files.server(ClientCertificates::Optional);
    assert_eq!(connect(&optional, &files.client(None), "localhost").await.unwrap(), None);
    connect(&optional, &files.client(Some(forged)), "localhost").await.unwrap_err();
    // The client does not trust the server's authority, or the name is another.
    connect(&optional, &strangers.client(None), "localhost").await.unwrap_err();
    connect(&optional, &files.client(None), "example.com").await.unwrap_err();
}

#[tokio::test]
async fn an_expired_certificate_is_refused_by_both_ends() {
    let files = Files::new();
    let expired = files.issue("expired", None, 0);
    let server = files.server(ClientCertificates::Required);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    connect(&server, &files.client(Some(expired.clone())), "localhost").await.unwrap_err();
    let (client_authorities, versions) = (None, TlsVersions::Tls13);
    let settings = ServerTlsSettings { key_pair: expired, client_authorities, versions };
    let server = ServerTls::new(settings).unwrap();
    connect(&server, &files.client(None), "localhost").await.unwrap_err();
}

/// The end of the certificate that a server shows.
async fn shown_end(server: &ServerTls, client: &ClientTls) -> std::time::SystemTime {
    let (near, far) = duplex(64 * 1024);
    let (served, shown) =
        tokio::join!(server.accept(far), client.server_certificate("localhost", near));
    drop(served);
    shown.unwrap().unwrap().not_after
}

#[tokio::test]
async fn changed_files_are_used_without_a_restart_and_unusable_ones_are_not() {
    let files = Files::new();
    let server = files.server(ClientCertificates::Optional);
    let client = files.client(None);
    let first = shown_end(&server, &client).await;
    let renewed = files.issue("server", Some(Identity::Role("journal".to_owned())), 60);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let second = shown_end(&server, &client).await;
    assert!(second > first);
    std::fs::write(&renewed.key, "half a ke").unwrap();
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(shown_end(&server, &client).await, second);
}

#[tokio::test]
async fn a_client_shows_a_renewed_certificate_with_its_next_connection() {
    let files = Files::new();
    let server = files.server(ClientCertificates::Required);
    let identity = || Some(Identity::Role("gateway".to_owned()));
    let client = files.client(Some(files.issue("gateway", identity(), 30)));
    let first = connect(&server, &client, "localhost").await.unwrap().unwrap().not_after;
    files.issue("gateway", identity(), 60);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let second = connect(&server, &client, "localhost").await.unwrap().unwrap().not_after;
    assert!(second > first);
}

#[test]
fn the_error_about_a_file_names_it() {
    let files = Files::new();
    let pair = files.issue("a", None, 30);
    let other = files.issue("b", None, 30);
    let text = |error: TlsError| {
        let source = std::error::Error::source(&error).map(ToString::to_string);
        format!("{error}: {}", source.unwrap_or_default())
    };
    let server = |certificates: &Path, key: &Path| {
        ServerTls::new(ServerTlsSettings {
            key_pair: KeyPairFiles::new(certificates, key).unwrap().unwrap(),
            client_authorities: None,
            versions: TlsVersions::Tls12AndTls13,
        })
        .map(drop)
    };
    server(&pair.certificates, &pair.key).unwrap();
    let missing = files.folder.path().join("missing.crt");
    let error = text(server(&missing, &pair.key).unwrap_err());
    assert!(error.contains("missing.crt"), "{error}");
    let error = text(server(&pair.key, &pair.key).unwrap_err());
    assert!(error.contains("a.key") && error.contains("no certificate"), "{error}");
    let error = text(server(&pair.certificates, &pair.certificates).unwrap_err());
    assert!(error.contains("a.crt") && error.contains("no private key"), "{error}");
    let error = text(server(&pair.certificates, &other.key).unwrap_err());
    assert!(error.contains("a.crt"), "{error}");
    assert!(KeyPairFiles::new(&pair.certificates, Path::new("")).is_err());
    assert_eq!(read_certificates(&pair.certificates).unwrap().len(), 1);
}
