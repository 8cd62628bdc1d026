//! A claim store behind an encrypted link.

use bus::ClaimStore;
use bus::claim::S3;
use tls::authority::{Authority, CertificateRequest};
use tls::{ServerTls, ServerTlsSettings, TlsVersions};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::s3::Service;

/// Encrypts the object store: the address in front of it, and the certificate of its authority.
async fn encrypt(service: &Service, folder: &std::path::Path) -> (String, String, JoinSet<()>) {
    let authority = Authority::open_or_create(folder, "test").unwrap();
    let (file, hosts) = ("objects".to_owned(), vec!["127.0.0.1".to_owned()]);
    let request = CertificateRequest { file, identity: None, hosts, days: 30 };
    let server = ServerTls::new(ServerTlsSettings {
        key_pair: authority.issue(&request).unwrap(),
        client_authorities: None,
        versions: TlsVersions::Tls13,
    })
    .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("https://{}", listener.local_addr().unwrap());
    let target = service.endpoint.replace("http://", "");
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut links = JoinSet::new();
        while let Ok((stream, _peer)) = listener.accept().await {
            links.spawn(relay(server.clone(), stream, target.clone()));
        }
    });
    (endpoint, std::fs::read_to_string(authority.certificate_file()).unwrap(), tasks)
}

/// Passes the content of an encrypted connection on in plain text.
async fn relay(server: ServerTls, stream: TcpStream, target: String) {
    let Ok(mut far) = server.accept(stream).await else { return };
    let mut near = TcpStream::connect(target).await.unwrap();
    drop(copy_bidirectional(&mut far, &mut near).await);
}

#[tokio::test]
async fn a_claim_is_stored_and_read_over_an_encrypted_link() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start().await;
    let (endpoint, authority, _tasks) = encrypt(&service, folder.path()).await;
    let store = |authorities: Option<String>| {
        let settings = S3 {
            endpoint: endpoint.clone(),
            authorities,
            bucket: "tinh".to_owned(),
            region: "us-east-1".to_owned(),
            access_key_id: "user".to_owned(),
            secret_access_key: "secret".to_owned(),
            spool: folder.path().join("spool"),
        };
        let limits = bus::claim::Limits { call_ms_max: 1_000, ..bus::claim::Limits::default() };
        ClaimStore::s3_within(settings, limits)
    };
    let trusting = store(Some(authority)).await.unwrap();
    let claim = trusting.put("nội dung".into()).await.unwrap();
    let read = trusting.open(&claim, 0).await.unwrap().next().await.unwrap().unwrap();
    assert_eq!(read, "nội dung".as_bytes());
    // The authority of the store is not one that browsers trust.
    let stranger = store(None).await.unwrap();
    stranger.open(&claim, 0).await.unwrap_err();
}
