//! Checks how each link is encrypted, and until when its certificate is valid.

use std::net::SocketAddr;
use std::path::Path;

use chassis::Clock;
use tls::{Certificate, ClientTls, ClientTlsSettings, read_certificates};
use tokio::net::TcpStream;

use crate::command::doctor::check::{Check, within_limit};
use crate::exposed_links::exposed_links;
use crate::output::Output;
use crate::settings::Settings;
use crate::system::encryption::named;
use crate::text_format::{local_time, microseconds};

/// A certificate that ends sooner than this must be renewed now.
const RENEW_WITHIN_DAYS: i64 = 7;

const DAY_US: i64 = 24 * 3_600 * 1_000_000;

/// How a link is encrypted.
enum Encryption {
    /// It is not used.
    Unused,
    /// It stays in this process or on this machine.
    Local,
    /// Plain text, which a setting allows.
    Plaintext,
    /// Encrypted, with this certificate of the serving end.
    Encrypted(Box<Certificate>),
}

/// Checks every link that the settings name.
pub(super) async fn check_all(output: Output, settings: &Settings) -> Vec<Check> {
    let mut checks = vec![
        check_listener(output, settings, "listen.vendors"),
        check_listener(output, settings, "listen.internal"),
        check_listener(output, settings, "listen.ops"),
        check_database(output, settings).await,
    ];
    let (bus, claims, telemetry) = (&settings.bus, &settings.claims, &settings.telemetry);
    let claims_url = if claims.bucket.is_empty() { "" } else { claims.endpoint.as_str() };
    for (key, url, authorities) in [
        ("bus.url", bus.url.reveal(), &bus.authorities_file),
        ("claims.endpoint", claims_url, &claims.authorities_file),
        (
            "telemetry.otlp_endpoint",
            telemetry.otlp_endpoint.reveal(),
            &telemetry.otlp_authorities_file,
        ),
    ] {
        let asking = server_certificate(url, authorities);
        let shown = within_limit(output, asking).await;
        checks.push(link_check(output, settings, key, shown));
    }
    checks
}

/// A listener shows the certificate of a file.
fn check_listener(output: Output, settings: &Settings, key: &'static str) -> Check {
    let (tls, listen) = (&settings.tls, &settings.listen);
    let vendors_own = named(&tls.vendors_certificates_file).filter(|_| key == "listen.vendors");
    let file = vendors_own.or_else(|| named(&tls.certificates_file));
    let address: SocketAddr = match key {
        "listen.vendors" => listen.vendors,
        "listen.internal" => listen.internal,
        _ => listen.ops,
    };
    let shown = match file {
        Some(file) => read_first(&file).map(|it| Encryption::Encrypted(Box::new(it))),
        None if address.ip().to_canonical().is_loopback() => Ok(Encryption::Local),
        None => Ok(Encryption::Plaintext),
    };
    link_check(output, settings, key, shown)
}

fn read_first(file: &Path) -> Result<Certificate, String> {
    let all = read_certificates(file).map_err(|error| error.to_string())?;
    let parsed = all.first().and_then(|it| Certificate::parse(it));
    parsed.ok_or_else(|| file.display().to_string())
}

async fn check_database(output: Output, settings: &Settings) -> Check {
    let asking = async {
        let shown = journal::server_certificate(&settings.journal).await?;
        let exposed = settings.journal.is_exposed()?;
        Ok::<_, journal::DatabaseError>(match shown {
            Some(it) => Encryption::Encrypted(Box::new(it)),
            None if exposed => Encryption::Plaintext,
            None => Encryption::Local,
        })
    };
    let shown = within_limit(output, asking).await;
    link_check(output, settings, "journal.database", shown)
}

/// How a link to a server is encrypted, by a handshake with it.
async fn server_certificate(url: &str, authorities: &Path) -> anyhow::Result<Encryption> {
    let Ok(parsed) = url::Url::parse(url) else { return Ok(Encryption::Unused) };
    let port = match parsed.scheme() {
        "https" => 443,
        "amqps" => 5_671,
        _ if tls::is_exposed(url) => return Ok(Encryption::Plaintext),
        _ => return Ok(Encryption::Local),
    };
    let host = parsed.host_str().unwrap_or_default();
    let tls =
        ClientTls::new(ClientTlsSettings { authorities: named(authorities), key_pair: None })?;
    let address = (host.trim_matches(['[', ']']), parsed.port().unwrap_or(port));
    let stream = TcpStream::connect(address).await?;
    let shown = tls.server_certificate(host, stream).await?;
    let shown = shown.ok_or_else(|| anyhow::anyhow!("the server shows no certificate"))?;
    Ok(Encryption::Encrypted(Box::new(shown)))
}

fn link_check(
    output: Output,
    settings: &Settings,
    key: &'static str,
    shown: Result<Encryption, String>,
) -> Check {
    let exposed = exposed_links(settings, None).into_iter().find(|it| it.key == key);
    let outcome = shown.and_then(|it| match it {
        Encryption::Unused => Ok(output.localize("không dùng", "not used").to_owned()),
        Encryption::Local => Ok(output
            .localize("không mã hóa, không ra khỏi máy này", "plain text, stays on this machine")
            .to_owned()),
        Encryption::Plaintext => {
            let address = exposed.map(|it| it.address).unwrap_or_default();
            let text = output.localize("KHÔNG MÃ HÓA", "NOT ENCRYPTED");
            let by = output.localize("do listen.plaintext", "by listen.plaintext");
            if settings.listen.plaintext {
                Ok(format!("{text} ({by}) {address}"))
            } else {
                Err(format!("{text} {address}"))
            }
        }
        Encryption::Encrypted(certificate) => validity(output, &certificate),
    });
    Check {
        id: key,
        title: output.localize("Mã hóa", "Encryption"),
        outcome: outcome
            .map(|detail| format!("{key}: {detail}"))
            .map_err(|detail| format!("{key}: {detail}")),
        remedy: output
            .localize(
                "Đặt chứng thư trong mục [tls] và tệp nơi cấp của kết nối; gia hạn trước khi hết hạn, không cần khởi động lại.",
                "Set certificates in [tls] and the link's authorities_file; renew before the end, no restart is needed.",
            )
            .to_owned(),
    }
}

/// Until when a certificate is valid; an error when that is soon.
fn validity(output: Output, certificate: &Certificate) -> Result<String, String> {
    let end = microseconds(certificate.not_after);
    let days = (end - Clock::System.now_us()) / DAY_US;
    let text = format!(
        "TLS, {} {} ({} {days} {})",
        output.localize("chứng thư đến", "certificate until"),
        local_time(end),
        output.localize("còn", "in"),
        output.localize("ngày", "days"),
    );
    if days < RENEW_WITHIN_DAYS { Err(text) } else { Ok(text) }
}
