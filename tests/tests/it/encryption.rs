//! Every link is encrypted, each role makes only the calls that it may, and plain text stays on the
//! machine.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use adapter_sample::{SampleAdapter, SampleApplication};
use lienthong_tests::roles::Roles;
use lienthong_tests::up::{Agency, Up, get, http_get, program, write_registry};
use proto::journal::v1::journal_client::JournalClient;
use proto::journal::v1::{AcceptRequest, CommandRequest, FindRequest};
use sdk::{Connection, Item, SubmitError};
use serde_json::{Value, json};
use tls::{
    ClientTls, ClientTlsSettings, Connector, KeyPairFiles, ServerTls, ServerTlsSettings,
    TlsVersions,
};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinSet, spawn_blocking};
use tokio_util::sync::CancellationToken;
use tonic::transport::Endpoint;
use tonic::{Code, Request, Status};

use crate::telemetry::{Collector, collect};
use crate::{cluster, node};

const AGENCIES: [Agency; 2] = [
    Agency { key: "mot", code: "A99.1", takes: "ioffice.portal" },
    Agency { key: "hai", code: "A99.2", takes: "ioffice.portal" },
];

/// Creates a cluster that takes encrypted TCP connections only: port, certificate and key are
/// arguments.
const ENCRYPTED_SCRIPT: &str = r#"
set -e
umask 077
directory=$(mktemp -d -t lienthong-journal-XXXXXX)
trap '"$0/pg_ctl" -D "$directory/data" -m immediate stop >/dev/null 2>&1 || true; rm -rf "$directory"' EXIT
"$0/initdb" -D "$directory/data" -A trust -U postgres -E UTF8 --locale=C.UTF-8 --no-sync >/dev/null
printf '%s' "$2" >"$directory/data/server.crt"
printf '%s' "$3" >"$directory/data/server.key"
printf 'local all all trust\nhostssl all all 127.0.0.1/32 trust\n' >"$directory/data/pg_hba.conf"
"$0/pg_ctl" -D "$directory/data" -l "$directory/log" -w -o "-c listen_addresses=127.0.0.1 -c port=$1 -c ssl=on -c ssl_min_protocol_version=TLSv1.3 -c unix_socket_directories='$directory'" start >/dev/null
echo "$directory"
cat >/dev/null
"#;

/// A cluster that takes encrypted connections only; removed when it is dropped.
struct EncryptedCluster {
    /// The address of its database.
    address: String,
    _cluster: cluster::Cluster,
}

/// Starts a cluster that shows this certificate. Connections are made with `sslmode=verify-full`.
fn start_database(certificate: &Path, key: &Path) -> EncryptedCluster {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    drop(listener);
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    let cluster = cluster::start_script(ENCRYPTED_SCRIPT, &[&port, &read(certificate), &read(key)]);
    let address = format!("postgres://postgres@127.0.0.1:{port}/postgres?sslmode=verify-full");
    EncryptedCluster { address, _cluster: cluster }
}

/// Runs the program: its output.
fn run(arguments: &[&str]) -> Output {
    Command::new(program()).args(arguments).output().unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

/// Makes the certificates of an installation with the program itself.
fn make_certificates(folder: &Path, days: u32) {
    let (folder, days) = (folder.display().to_string(), days.to_string());
    let arguments = ["certificates", "dev", &folder, "--operator", "an.nguyen", "--json", "--days"];
    let output = Command::new(program())
        .args(arguments)
        .arg(days)
        .args(["--application", "mot-app", "--application", "hai-app"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The broker, which asks for certificates, and the database, which takes encrypted links only.
fn start_infrastructure(certificates: &Path) -> (node::Node, EncryptedCluster) {
    let path = |name: &str| certificates.join(name).display().to_string();
    let listeners = format!(
        "listeners.tcp = none\nlisteners.ssl.1 = 127.0.0.1:{{port}}\n\
         ssl_options.cacertfile = {}\nssl_options.certfile = {}\nssl_options.keyfile = {}\n\
         ssl_options.verify = verify_peer\nssl_options.fail_if_no_peer_cert = true",
        path("authority.crt"),
        path("broker.crt"),
        path("broker.key")
    );
    let node = node::Node::start_listening(1, ("amqps", &listeners));
    let (certificate, key) = (certificates.join("database.crt"), certificates.join("database.key"));
    (node, start_database(&certificate, &key))
}

#[test]
fn the_demonstration_runs_with_every_link_encrypted() {
    let certificates = tempfile::tempdir().unwrap();
    make_certificates(certificates.path(), 30);
    let (node, database) = start_infrastructure(certificates.path());
    let (broker, folder) = (node.url(0), certificates.path().display().to_string());
    let (certificates, documents) = (["--certificates", &folder], ["--documents", "4"]);
    let links = ["--broker", &broker, "--database", &database.address];
    let arguments = [&["demo", "--json"][..], &certificates, &links, &documents].concat();
    let output = run(&arguments);
    let report = json(&output);
    assert!(output.status.success(), "{report:#}");
    assert_eq!((&report["lost"], &report["duplicated"]), (&json!(0), &json!(0)));
    // The broker refuses what is not encrypted, so the same run fails without the certificates.
    let plain = run(&[&["demo", "--json"][..], &links, &documents].concat());
    assert!(!plain.status.success(), "{}", json(&plain));
}

/// An installation of processes with certificates, and an encrypted collector of traces.
struct Installation {
    _folder: tempfile::TempDir,
    certificates: PathBuf,
    collector: Collector,
    collector_address: String,
    roles: Roles,
    infrastructure: (node::Node, EncryptedCluster),
    _serving: (JoinSet<()>, JoinSet<()>),
}

impl Installation {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (root, certificates) = (folder.path().to_owned(), folder.path().join("certificates"));
        write_registry(&root.join("registry"), &AGENCIES);
        make_certificates(&certificates, 30);
        let collector = Collector::default();
        let (plain, serving) = collect(collector.clone()).await;
        let (address, encrypting) = encrypt(&plain, &certificates).await;
        let path = certificates.clone();
        let collector_address = address.clone();
        let starting = spawn_blocking(move || {
            let (node, database) = start_infrastructure(&path);
            let authority = path.join("authority.crt").display().to_string();
            let extra = [
                ("LIENTHONG__TELEMETRY__OTLP_ENDPOINT", address.as_str()),
                ("LIENTHONG__TELEMETRY__OTLP_AUTHORITIES_FILE", authority.as_str()),
                ("LIENTHONG__TLS__VENDORS_AUTHORITIES_FILE", authority.as_str()),
                ("OTEL_BSP_SCHEDULE_DELAY", "100"),
            ];
            let stands = (node.url(0), database.address.clone());
            let roles =
                Roles::start_encrypted(&root, (&stands.0, &stands.1), (path.as_path(), &extra));
            (roles, (node, database))
        });
        let (roles, infrastructure) = starting.await.unwrap();
        Self {
            _folder: folder,
            certificates,
            collector,
            roles,
            infrastructure,
            collector_address,
            _serving: (serving, encrypting),
        }
    }

    fn authority(&self) -> PathBuf {
        self.certificates.join("authority.crt")
    }

    fn key_pair(&self, owner: &str) -> KeyPairFiles {
        KeyPairFiles {
            certificates: self.certificates.join(format!("{owner}.crt")),
            key: self.certificates.join(format!("{owner}.key")),
        }
    }

    fn tls(&self, owner: Option<&str>) -> ClientTls {
        let key_pair = owner.map(|it| self.key_pair(it));
        ClientTls::new(ClientTlsSettings { authorities: Some(self.authority()), key_pair }).unwrap()
    }

    /// A connection for the application of this agency.
    fn connection(&self, key: &str) -> Connection {
        Connection::new(self.roles.gateway(), format!("{key}-token"))
            .authorities_file(self.authority())
    }

    /// The command line's arguments for an operator with this certificate.
    fn operator_arguments(&self, owner: &str) -> Vec<String> {
        let pair = self.key_pair(owner);
        let path = |it: &Path| it.display().to_string();
        let internal = self.roles.internal();
        let (token, authority) = (path(&self.roles.token_file()), path(&self.authority()));
        let (certificates, key) = (path(&pair.certificates), path(&pair.key));
        [
            ("--internal", internal),
            ("--internal-token-file", token),
            ("--authorities-file", authority),
            ("--certificates-file", certificates),
            ("--key-file", key),
        ]
        .into_iter()
        .flat_map(|(name, value)| [name.to_owned(), value])
        .collect()
    }

    fn operate(&self, owner: &str, command: &[&str]) -> Output {
        let link = self.operator_arguments(owner);
        Command::new(program()).args(command).args(link).arg("--json").output().unwrap()
    }
}

/// Encrypts a server that speaks plain text: the address in front of it.
async fn encrypt(plain: &str, certificates: &Path) -> (String, JoinSet<()>) {
    let (certificate, key) =
        (certificates.join("collector.crt"), certificates.join("collector.key"));
    let server = ServerTls::new(ServerTlsSettings {
        key_pair: KeyPairFiles { certificates: certificate, key },
        client_authorities: None,
        versions: TlsVersions::Tls13,
    })
    .unwrap();
    let (listener, target) =
        (TcpListener::bind("127.0.0.1:0").await.unwrap(), plain.replace("http://", ""));
    let address = format!("https://{}", listener.local_addr().unwrap());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut links = JoinSet::new();
        while let Ok((stream, _peer)) = listener.accept().await {
            links.spawn(relay(server.clone(), stream, target.clone()));
        }
    });
    (address, tasks)
}

/// Passes the content of an encrypted connection on in plain text.
async fn relay(server: ServerTls, stream: TcpStream, target: String) {
    let Ok(mut far) = server.accept(stream).await else { return };
    let mut near = TcpStream::connect(target).await.unwrap();
    drop(copy_bidirectional(&mut far, &mut near).await);
}

fn item(number: u32) -> Item {
    let body = json!({ "Code": 0, "Value": { "Total": 1, "Data": [{
        "Guid": format!("guid-{number}"), "SoHieu": number.to_string(), "KyHieu": "BC-VP",
        "TrichYeu": "Báo cáo quý", "NgayBanHanh": "20/11/2026", "DoMat": "0",
        "DonViNhanVanBanNgoaDonVi": [{ "MaDonVi": "A99.2" }], "Attachments": [],
    }] } });
    let (format, body) = ("ioffice.portal".to_owned(), body.to_string().into());
    Item { key: number.to_string(), format, body, ..Item::default() }
}

/// Calls of the journal with this certificate and the internal token.
async fn call_journal(installation: &Installation, owner: &str) -> [Result<(), Status>; 3] {
    let endpoint = Endpoint::from_shared(installation.roles.internal()).unwrap();
    let connector = Connector::new(installation.tls(Some(owner)));
    let mut client = JournalClient::new(endpoint.connect_with_connector_lazy(connector));
    let token = std::fs::read_to_string(installation.roles.token_file()).unwrap();
    let header: tonic::metadata::MetadataValue<_> =
        format!("Bearer {}", token.trim()).parse().unwrap();
    fn with<T>(
        message: T,
        header: &tonic::metadata::MetadataValue<tonic::metadata::Ascii>,
    ) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", header.clone());
        request
    }
    let accepted = client.accept(with(AcceptRequest::default(), &header)).await.map(drop);
    let found = client.find(with(FindRequest { limit: 1, ..FindRequest::default() }, &header));
    let found = found.await.map(drop);
    let commanded = client.command(with(CommandRequest::default(), &header)).await.map(drop);
    [accepted, found, commanded]
}

fn code(outcome: &Result<(), Status>) -> Code {
    outcome.as_ref().map_or_else(Status::code, |()| Code::Ok)
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_encrypt_every_link_and_allow_each_role_its_own_calls() {
    let installation = Installation::start().await;
    check_delivery(&installation).await;
    check_access(&installation).await;
    check_vendors(&installation).await;
    let installation = Arc::new(installation);
    let checked = installation.clone();
    let checking = spawn_blocking(move || {
        check_operators(&checked);
        check_doctor(&checked);
    });
    checking.await.unwrap();
    check_http(&installation);
    check_plaintext(&installation);
    installation.collector.until_exported_by("lienthong-journal").await;
    check_renewal(&installation).await;
}

/// A document is delivered over encrypted links.
async fn check_delivery(installation: &Installation) {
    let (inbox, stop) = (SampleApplication::new(), CancellationToken::new());
    let sample = SampleAdapter::new("hai-app".to_owned(), "test".to_owned(), inbox.clone());
    let (receiver, stopping) = (installation.connection("hai"), stop.clone());
    let mut working = JoinSet::new();
    working.spawn(async move { sdk::serve(Arc::new(sample), &receiver, stopping).await.unwrap() });
    let submit_handle = installation.connection("mot").submit_handle().unwrap();
    submit_handle.submit(&item(1)).await.unwrap();
    let mut arrived = inbox.watch();
    arrived.wait_for(|it| it.len() == 1).await.unwrap();
    stop.cancel();
    working.shutdown().await;
}

/// The table of access holds for real processes.
async fn check_access(installation: &Installation) {
    for (owner, expected) in [
        ("gateway", [Code::Ok, Code::Ok, Code::PermissionDenied]),
        ("mapping", [Code::PermissionDenied; 3]),
        ("operator-an.nguyen", [Code::PermissionDenied, Code::Ok, Code::Ok]),
        ("application-mot-app", [Code::PermissionDenied; 3]),
        ("broker", [Code::PermissionDenied; 3]),
    ] {
        let outcomes = call_journal(installation, owner).await;
        assert_eq!(outcomes.each_ref().map(code), expected, "{owner}: {outcomes:?}");
    }
}

/// A vendor's certificate must be that of the token's application.
async fn check_vendors(installation: &Installation) {
    let with = |owner: &str| {
        let pair = installation.key_pair(owner);
        installation.connection("mot").certificate(pair.certificates, pair.key)
    };
    with("application-mot-app").submit_handle().unwrap().submit(&item(2)).await.unwrap();
    for owner in ["application-hai-app", "mapping", "operator-an.nguyen"] {
        let refused = with(owner).submit_handle().unwrap().submit(&item(3)).await.unwrap_err();
        let SubmitError::NotAdmitted(fault) = refused else { panic!("{owner}: {refused:?}") };
        assert_eq!(fault.code, "LT-GW-030");
    }
    // Without the authorities of this installation its server is a stranger.
    let stranger = Connection::new(installation.roles.gateway(), "mot-token");
    let refused = stranger.submit_handle().unwrap().submit(&item(3)).await.unwrap_err();
    assert!(matches!(refused, SubmitError::Unavailable(_)), "{refused:?}");
}

/// Operators' commands work with a certificate, which names the actor.
fn check_operators(installation: &Installation) {
    let found = json(&installation.operate("operator-an.nguyen", &["find", "2-BC-VP"]));
    let id = found["messages"][0]["id"].as_str().unwrap_or_else(|| panic!("{found:#}")).to_owned();
    let command = ["withdraw", id.as_str(), "--reason", "thử", "--actor", "người khác"];
    let denied = installation.operate("gateway", &command);
    assert_eq!(denied.status.code(), Some(5), "{}", json(&denied));
    let journey = |owner| installation.operate(owner, &["trace", &id]);
    installation.operate("operator-an.nguyen", &command);
    // Without the authorities of the server a command says which file is needed.
    let (internal, token) = (installation.roles.internal(), installation.roles.token_file());
    let token = token.display().to_string();
    let link = ["--internal", &internal, "--internal-token-file", &token];
    let untrusted = run(&[&["find", "--json"][..], &link].concat());
    assert_eq!(json(&untrusted)["error"]["code"], "LT-CFG-008", "{}", json(&untrusted));
    let text = String::from_utf8(journey("operator-an.nguyen").stdout).unwrap();
    assert!(text.contains("an.nguyen") && !text.contains("người khác"), "{text}");
}

/// The doctor names each link with the end of its certificate.
fn check_doctor(installation: &Installation) {
    let (node, database) = &installation.infrastructure;
    let pair = installation.key_pair("journal");
    let output = Command::new(program())
        .args(["doctor", "--json", "--lang", "en"])
        .args(installation.operator_arguments("operator-an.nguyen"))
        .env("LIENTHONG__TLS__CERTIFICATES_FILE", &pair.certificates)
        .env("LIENTHONG__TLS__KEY_FILE", &pair.key)
        .env("LIENTHONG__BUS__CERTIFICATES_FILE", &pair.certificates)
        .env("LIENTHONG__BUS__KEY_FILE", &pair.key)
        .envs(["TLS", "BUS", "JOURNAL"].map(|section| {
            (format!("LIENTHONG__{section}__AUTHORITIES_FILE"), installation.authority())
        }))
        .env("LIENTHONG__TELEMETRY__OTLP_AUTHORITIES_FILE", installation.authority())
        .env("LIENTHONG__TELEMETRY__OTLP_ENDPOINT", &installation.collector_address)
        .env("LIENTHONG__BUS__URL", node.url(0))
        .env("LIENTHONG__JOURNAL__DATABASE", &database.address)
        .output()
        .unwrap();
    let report = json(&output);
    let checks = report["checks"].as_array().unwrap();
    for link in [
        "listen.vendors",
        "listen.internal",
        "listen.ops",
        "journal.database",
        "bus.url",
        "telemetry.otlp_endpoint",
    ] {
        let check = checks.iter().find(|it| it["id"] == link).unwrap();
        let detail = check["detail"].as_str().unwrap();
        assert!(detail.contains("TLS, certificate until"), "{link}: {detail}");
        assert_eq!(check["ok"], true, "{link}: {detail}");
    }
    for reached in ["broker", "database", "internal", "journal"] {
        let check = checks.iter().find(|it| it["id"] == reached).unwrap();
        assert_eq!(check["ok"], true, "{reached}: {check}");
    }
}

/// The vendors' port speaks HTTP beside gRPC, encrypted as well.
fn check_http(installation: &Installation) {
    let (port, tls) = (installation.roles.port("gateway"), installation.tls(None));
    let answer = get(port, Some(&tls), "/v1/lookup").unwrap();
    assert!(answer.starts_with("HTTP/1.1 401") && answer.contains("LT-GW-006"), "{answer}");
}

/// The ports answer nothing in plain text.
fn check_plaintext(installation: &Installation) {
    for role in ["journal", "mapping", "registry", "gateway"] {
        for port in [installation.roles.ops_port(role), installation.roles.port(role)] {
            let answer = http_get(port, "/readyz").unwrap_or_default();
            assert!(!answer.starts_with("HTTP/1.1 200"), "{role}: {answer}");
        }
    }
}

/// The end of the certificate that the gateway shows to vendors, days from now.
async fn shown_end(installation: &Installation) -> std::time::SystemTime {
    let stream = TcpStream::connect(("127.0.0.1", installation.roles.port("gateway"))).await;
    let tls = installation.tls(None);
    tls.server_certificate("localhost", stream.unwrap()).await.unwrap().unwrap().not_after
}

/// A renewed certificate is shown without a restart.
async fn check_renewal(installation: &Installation) {
    let before = shown_end(installation).await;
    make_certificates(&installation.certificates, 60);
    tokio::time::sleep(std::time::Duration::from_millis(1_200)).await;
    assert!(shown_end(installation).await > before);
}

#[test]
fn plain_text_to_other_machines_is_refused_unless_a_setting_allows_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().display().to_string();
    let refused = run(&["up", "--data", &data, "--listen", "0.0.0.0:0", "--json"]);
    assert_eq!(refused.status.code(), Some(3), "{refused:?}");
    let fault = json(&refused);
    assert_eq!(fault["error"]["code"], "LT-CFG-007", "{fault:#}");
    let token = folder.path().join("token");
    std::fs::write(&token, "a-token\n").unwrap();
    let (token, file) =
        (token.display().to_string(), folder.path().join("f").display().to_string());
    std::fs::write(&file, "x").unwrap();
    let send =
        ["send", &file, "--token-file", &token, "--gateway", "http://192.0.2.1:7400", "--json"];
    let fault = json(&run(&send));
    assert_eq!(fault["error"]["code"], "LT-CLI-027", "{fault:#}");
}

#[test]
fn the_log_names_the_links_that_a_setting_leaves_unencrypted() {
    let folder = tempfile::tempdir().unwrap();
    write_registry(&folder.path().join("registry"), &AGENCIES);
    let up = Up::start(
        folder.path(),
        &[
            ("LIENTHONG__LISTEN__PLAINTEXT", "true"),
            ("LIENTHONG__TELEMETRY__OTLP_ENDPOINT", "http://192.0.2.1:4317"),
        ],
    );
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(log.contains("link is not encrypted"), "{log}");
    assert!(log.contains("telemetry.otlp_endpoint"), "{log}");
    drop(up);
}
