//! The links to everything else: one look at each.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::Context as _;
use bus::Bus;
use chassis::config::Layers;
use chassis::upstream::Network;
use chassis::{Upstream, health};
use proto::journal::v1::FindRequest;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Finding, within};
use crate::cli::Link;
use crate::command::find::journal;
use crate::screen::Screen;
use crate::settings::{self, Settings};
use crate::system::{bus_settings, claim_store};

/// What is written to the store of bodies and read from it; the same each time, so it is one.
const PROBE: &[u8] = b"lienthong doctor\n";

/// Looks at every link that the settings name.
pub(super) async fn all(
    screen: Screen,
    (settings, layers): (&Settings, &Layers),
    link: &Link,
) -> Vec<Finding> {
    let mut findings = broker(screen, settings).await;
    findings.push(database(screen, settings).await);
    findings.push(store(screen, settings).await);
    findings.extend(services(screen, (settings, layers), link).await);
    findings.push(ready(screen, settings).await);
    findings.push(traces(screen, settings).await);
    findings
}

async fn broker(screen: Screen, settings: &Settings) -> Vec<Finding> {
    let looking = async {
        let bus = match bus_settings(settings, "doctor")? {
            it if it.url.is_empty() => Bus::embedded(it),
            it => Bus::connect(it).await?,
        };
        let compared = bus
            .compare_topology()
            .await
            .map_err(|error| format!("{:#}", anyhow::Error::new(error)));
        let probed = if compared.is_ok() { Some(bus.probe().await) } else { None };
        anyhow::Ok((bus, compared, probed))
    };
    let looked = within(screen, looking).await;
    let (reached, topology) = match looked {
        Err(error) => (
            Err(error),
            Err(screen.say("không tới được RabbitMQ", "RabbitMQ is not reached").to_owned()),
        ),
        Ok((Bus::Embedded(_), ..)) => {
            let words = screen.say("trong bộ nhớ của tiến trình", "in the process's memory");
            (Ok(words.to_owned()), Ok(words.to_owned()))
        }
        Ok((Bus::RabbitMq(_), compared, probed)) => (
            match probed {
                Some(Ok(took)) => Ok(format!("{} ms", took.as_millis())),
                Some(Err(error)) => Err(format!("{:#}", anyhow::Error::new(error))),
                None => Ok(screen.say("kết nối được", "connected").to_owned()),
            },
            compared.map(|()| screen.say("đúng như cần", "as they must be").to_owned()),
        ),
    };
    vec![
        Finding {
            id: "broker",
            what: screen.say("RabbitMQ", "RabbitMQ"),
            outcome: reached,
            remedy: screen
                .say(
                    "Kiểm tra bus.url, bus.password_file và RabbitMQ có đang chạy không.",
                    "Check bus.url, bus.password_file, and whether RabbitMQ runs.",
                )
                .to_owned(),
        },
        Finding {
            id: "topology",
            what: screen.say("Hàng đợi trên RabbitMQ", "Queues on RabbitMQ"),
            outcome: topology,
            remedy: screen
                .say(
                    "Khởi động `lienthong serve mapping` một lần: vai trò này tạo hàng đợi. Hàng đợi khác cấu hình thì đổi bus.partitions về như cũ.",
                    "Start `lienthong serve mapping` once: it makes them. Where they differ, set bus.partitions back.",
                )
                .to_owned(),
        },
    ]
}

async fn database(screen: Screen, settings: &Settings) -> Finding {
    let config = &settings.journal;
    let is_file = !config.database.contains("://");
    let outcome = if is_file && !std::path::Path::new(&config.database).exists() {
        Ok(screen.say("sẽ được tạo khi chạy lần đầu", "will be made by the first start").to_owned())
    } else {
        let kind = if is_file { "SQLite" } else { "PostgreSQL" };
        within(screen, journal::reach(config)).await.map(|()| kind.to_owned())
    };
    Finding {
        id: "database",
        what: screen.say("Cơ sở dữ liệu của kho", "The journal's database"),
        outcome,
        remedy: screen
            .say(
                "Kiểm tra journal.database, journal.password_file và PostgreSQL có đang chạy không.",
                "Check journal.database, journal.password_file, and whether PostgreSQL runs.",
            )
            .to_owned(),
    }
}

async fn store(screen: Screen, settings: &Settings) -> Finding {
    let said = &settings.claims;
    let looking = async {
        let store = claim_store(said).await?;
        let claim = store.put(PROBE.into()).await?;
        let mut reader = store.open(&claim, 0).await?;
        let read = reader.next().await?.unwrap_or_default();
        anyhow::ensure!(read == PROBE, "what was read is not what was written");
        anyhow::Ok(())
    };
    let outcome = if said.bucket.is_empty() && !said.folder.is_dir() {
        Ok(screen.say("sẽ được tạo khi chạy lần đầu", "will be made by the first start").to_owned())
    } else {
        let place = if said.bucket.is_empty() {
            said.folder.display().to_string()
        } else {
            format!("{}/{}", said.endpoint, said.bucket)
        };
        within(screen, looking).await.map(|()| place)
    };
    Finding {
        id: "claims",
        what: screen.say("Kho tệp lớn", "Store of large bodies"),
        outcome,
        remedy: screen
            .say(
                "Kiểm tra claims.folder, hoặc claims.bucket, claims.endpoint và hai tệp khóa; bucket phải có sẵn.",
                "Check claims.folder, or claims.bucket, claims.endpoint and the two key files; the bucket must exist.",
            )
            .to_owned(),
    }
}

/// The roles beside this one where they are named; else those of `up`.
async fn services(
    screen: Screen,
    (settings, layers): (&Settings, &Layers),
    link: &Link,
) -> Vec<Finding> {
    let named = &settings.upstream;
    let of = [
        ("journal", "upstream.journal", &named.journal),
        ("mapping", "upstream.mapping", &named.mapping),
        ("registry", "upstream.registry", &named.registry),
    ];
    let is_named = |key: &str| settings::origin(layers, "upstream", key) != "default";
    let mut findings = Vec::new();
    if of.iter().any(|(role, ..)| is_named(role)) {
        for (_, id, uri) in of {
            findings.push(service(screen, (id, uri)).await);
        }
    } else {
        findings.push(service(screen, ("internal", &link.internal)).await);
        let asking = async {
            let request = FindRequest { limit: 1, ..FindRequest::default() };
            journal(link)?.find(request).await.context("the journal does not answer")?;
            anyhow::Ok(())
        };
        findings.push(Finding {
            id: "journal",
            what: screen.say("Kho thông điệp", "Journal"),
            outcome: within(screen, asking).await.map(|()| link.internal.clone()),
            remedy: screen
                .say(
                    "Chạy `lienthong up`, hoặc nêu --internal và --internal-token-file.",
                    "Run `lienthong up`, or name --internal and --internal-token-file.",
                )
                .to_owned(),
        });
    }
    findings
}

async fn service(screen: Screen, (id, uri): (&'static str, &str)) -> Finding {
    let asking = async {
        let is_serving = health::ask(Upstream::network(&Network::new(uri))?).await?;
        anyhow::ensure!(is_serving, "it is there and not ready");
        anyhow::Ok(())
    };
    Finding {
        id,
        what: screen.say("Dịch vụ", "Service"),
        outcome: within(screen, asking)
            .await
            .map(|()| uri.to_owned())
            .map_err(|error| format!("{uri}: {error}")),
        remedy: format!(
            "{} {id}",
            screen.say(
                "Khởi động dịch vụ ở địa chỉ này, hoặc sửa thiết lập:",
                "Start the service at this address, or mend the setting:"
            )
        ),
    }
}

async fn ready(screen: Screen, settings: &Settings) -> Finding {
    let mut address = settings.listen.ops;
    if address.ip().is_unspecified() {
        address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    let asking = async {
        let page = page(address).await.with_context(|| format!("http://{address}/readyz"))?;
        let (head, body) = page.split_once("\r\n\r\n").unwrap_or((&page, ""));
        let body = body.trim().replace('\n', "; ");
        anyhow::ensure!(head.starts_with("HTTP/1.1 200"), "{body}");
        anyhow::Ok(body)
    };
    Finding {
        id: "readyz",
        what: screen.say("Tiến trình trên máy này", "The process on this machine"),
        outcome: within(screen, asking).await,
        remedy: screen
            .say(
                "Chạy `lienthong up` hoặc `lienthong serve`; nếu đang chạy, xem lý do được nêu.",
                "Run `lienthong up` or `lienthong serve`; if it runs, see the reason that is given.",
            )
            .to_owned(),
    }
}

async fn page(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = "GET /readyz HTTP/1.1\r\nHost: doctor\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await?;
    let mut page = Vec::new();
    stream.take(64 * 1024).read_to_end(&mut page).await?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

async fn traces(screen: Screen, settings: &Settings) -> Finding {
    let endpoint = settings.telemetry.otlp_endpoint.as_str();
    let reaching = async {
        let address = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest);
        TcpStream::connect(address.trim_end_matches('/')).await.context("nobody listens there")?;
        anyhow::Ok(endpoint.to_owned())
    };
    Finding {
        id: "otlp",
        what: screen.say("Nơi nhận vết (OTLP)", "Collector of traces (OTLP)"),
        outcome: if endpoint.is_empty() {
            Ok(screen.say("không dùng", "not used").to_owned())
        } else {
            within(screen, reaching).await
        },
        remedy: screen
            .say(
                "Kiểm tra telemetry.otlp_endpoint; để trống nếu không dùng.",
                "Check telemetry.otlp_endpoint; leave it empty if there is none.",
            )
            .to_owned(),
    }
}
