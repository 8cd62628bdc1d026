//! Tests the links of a process by using them now.

use std::time::Duration;

use anyhow::Context as _;
use bus::Bus;
use chassis::health;
use chassis::secret::redact;
use futures::future::{BoxFuture, join_all};
use proto::fault::v1::Fault;
use proto::fault::{Lang, code};
use proto::operate::v1::{ConnectionTest, Text};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::cli::Role;
use crate::fault::{error_line, fault_from_status};
use crate::settings::Settings;
use crate::system::context::SystemDependencies;
use crate::system::infrastructure::{bus_settings, open_claim_store};

/// The longest that one test may take.
const TEST_LIMIT: Duration = Duration::from_secs(10);

/// The body that is written to the claim store and read from it. It is always the same, so the store
/// holds it once.
const PROBE: &[u8] = b"lienthong connection test\n";

/// A link to be tested: the setting that names it, the address of its other end, and the test.
struct Link<'a> {
    setting: &'static str,
    address: String,
    remedy: (&'static str, &'static str),
    test: BoxFuture<'a, anyhow::Result<()>>,
}

/// Tests every link of the roles of this process, all at the same time.
pub(super) async fn test_connections(
    role: Option<Role>,
    dependencies: &SystemDependencies,
) -> Vec<ConnectionTest> {
    let links = links(role, dependencies);
    join_all(links.into_iter().map(run_test)).await
}

async fn run_test(link: Link<'_>) -> ConnectionTest {
    let begun = Instant::now();
    let outcome = match timeout(TEST_LIMIT, link.test).await {
        Ok(outcome) => {
            outcome.map_err(|error| [Lang::Vi, Lang::En].map(|lang| error_line(&error, lang)))
        }
        Err(_elapsed) => {
            Err(["không trả lời trong 10 giây", "no answer in 10 s"].map(str::to_owned))
        }
    };
    let latency_us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
    let (detail, remedy) = match &outcome {
        Ok(()) => (text("dùng được", "works"), None),
        Err([vi, en]) => {
            let vi = format!("không dùng được: {vi}");
            let detail = Text { vi, en: format!("does not work: {en}") };
            (detail, Some(text(link.remedy.0, link.remedy.1)))
        }
    };
    ConnectionTest {
        link: link.setting.to_owned(),
        address: link.address,
        ok: outcome.is_ok(),
        latency_us,
        detail: Some(detail),
        remedy,
    }
}

fn text(vi: &str, en: &str) -> Text {
    Text { vi: vi.to_owned(), en: en.to_owned() }
}

fn links<'a>(role: Option<Role>, dependencies: &'a SystemDependencies) -> Vec<Link<'a>> {
    let settings = &dependencies.settings;
    let has = |roles: &[Role]| role.is_none_or(|it| roles.contains(&it));
    let mut links = Vec::new();
    if has(&[Role::Gateway, Role::Mapping, Role::Journal]) {
        links.push(broker(settings));
    }
    if has(&[Role::Journal]) {
        links.push(database(settings));
    }
    if has(&[Role::Gateway, Role::Mapping]) {
        links.push(claim_store(settings));
    }
    let upstream = &settings.upstream;
    for (setting, url, roles) in [
        (
            "upstream.journal",
            &upstream.journal,
            &[Role::Gateway, Role::Mapping, Role::Registry][..],
        ),
        ("upstream.mapping", &upstream.mapping, &[Role::Gateway][..]),
        ("upstream.registry", &upstream.registry, &[Role::Gateway, Role::Mapping][..]),
    ] {
        // A process that runs every role calls them without a link.
        if role.is_some_and(|it| roles.contains(&it)) {
            links.push(other_role(dependencies, setting, url.reveal()));
        }
    }
    if role == Some(Role::AdapterFolder) {
        let remedy = (
            "Kiểm tra adapter_folder.gateway và cửa vào có đang chạy không.",
            "Check adapter_folder.gateway, and whether the gateway runs.",
        );
        links.push(reachable("adapter_folder.gateway", &settings.adapter_folder.gateway, remedy));
    }
    let collector = settings.telemetry.otlp_endpoint.reveal();
    if !collector.is_empty() {
        let remedy = (
            "Kiểm tra telemetry.otlp_endpoint; để trống nếu không dùng.",
            "Check telemetry.otlp_endpoint; leave it empty if there is none.",
        );
        links.push(reachable("telemetry.otlp_endpoint", collector, remedy));
    }
    links
}

fn broker(settings: &Settings) -> Link<'_> {
    let test = async move {
        let bus = match bus_settings(settings, "connection-test")? {
            it if it.url.is_empty() => Bus::embedded(it),
            it => Bus::connect(it).await?,
        };
        bus.probe().await?;
        Ok(())
    };
    Link {
        setting: "bus.url",
        address: redact(settings.bus.url.reveal()),
        remedy: (
            "Kiểm tra bus.url, bus.password_file và RabbitMQ có đang chạy không.",
            "Check bus.url, bus.password_file, and whether RabbitMQ runs.",
        ),
        test: Box::pin(test),
    }
}

fn database(settings: &Settings) -> Link<'_> {
    let config = &settings.journal;
    Link {
        setting: "journal.database",
        address: config.database.to_string(),
        remedy: (
            "Kiểm tra journal.database, journal.password_file và PostgreSQL có đang chạy không.",
            "Check journal.database, journal.password_file, and whether PostgreSQL runs.",
        ),
        test: Box::pin(async move { Ok(journal::reach(config).await?) }),
    }
}

fn claim_store(settings: &Settings) -> Link<'_> {
    let section = &settings.claims;
    let test = async move {
        let store = open_claim_store(section).await?;
        let claim = store.put(PROBE.into()).await?;
        let mut reader = store.open(&claim, 0).await?;
        let read = reader.next().await?.unwrap_or_default();
        anyhow::ensure!(read == PROBE, "the bytes that were read are not those that were written");
        Ok(())
    };
    let address = if section.bucket.is_empty() {
        section.folder.display().to_string()
    } else {
        format!("{}/{}", redact(&section.endpoint), section.bucket)
    };
    Link {
        setting: if section.bucket.is_empty() { "claims.folder" } else { "claims.endpoint" },
        address,
        remedy: (
            "Kiểm tra claims.folder, hoặc claims.bucket, claims.endpoint và hai tệp khóa.",
            "Check claims.folder, or claims.bucket, claims.endpoint and the two key files.",
        ),
        test: Box::pin(test),
    }
}

fn other_role<'a>(
    dependencies: &'a SystemDependencies,
    setting: &'static str,
    urls: &'a str,
) -> Link<'a> {
    let test = async move {
        // Of several addresses one serves; the others are its standbys, which are not ready.
        let not_ready = || Fault::new(&code::LT_SYS_002).param("part", setting);
        let mut failure = not_ready();
        for url in urls.split(',').map(str::trim) {
            match health::check_serving(dependencies.upstream(url)?).await {
                Ok(true) => return Ok(()),
                Ok(false) => failure = not_ready(),
                Err(status) => failure = fault_from_status(&status, setting),
            }
        }
        Err(anyhow::Error::new(failure))
    };
    Link {
        setting,
        address: urls.split(',').map(redact).collect::<Vec<_>>().join(","),
        remedy: (
            "Khởi động vai trò ở địa chỉ này, hoặc sửa thiết lập.",
            "Start the role at this address, or mend the setting.",
        ),
        test: Box::pin(test),
    }
}

fn reachable<'a>(
    setting: &'static str,
    url: &'a str,
    remedy: (&'static str, &'static str),
) -> Link<'a> {
    let test = async move {
        let parsed = url::Url::parse(url)?;
        let host = parsed.host_str().unwrap_or_default();
        let port = parsed.port_or_known_default().context("the address names no port")?;
        TcpStream::connect((host.trim_matches(['[', ']']), port)).await?;
        Ok(())
    };
    Link { setting, address: redact(url), remedy, test: Box::pin(test) }
}
