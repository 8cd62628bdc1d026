//! Checks of the connections to broker, database, stores and other roles.

use bus::Bus;
use chassis::config::Layers;
use chassis::upstream::Network;
use chassis::{Upstream, health};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::FindRequest;
use proto::operate::v1::StatusRequest;
use tls::{ClientTls, TlsError};
use tokio::net::TcpStream;

use crate::client_settings::ClientSettings;
use crate::command::doctor::check::{Check, within_limit};
use crate::command::doctor::formats_state::check_formats_state;
use crate::command::doctor::readiness::check_readiness;
use crate::command::registry::state::{find_fault, inspect};
use crate::endpoint_check::{Address, printed_addresses};
use crate::journal_access::{InternalEndpoint, client_tls, connect_journal, connect_operate};
use crate::output::Output;
use crate::pause_view::pause_words;
use crate::settings::{self, Settings};
use crate::system::encryption::Encryption;
use crate::system::infrastructure::{bus_settings, open_claim_store};

/// The body that is written to the claim store and read from it. It is always the same, so the store
/// holds it once.
const PROBE: &[u8] = b"lienthong doctor\n";

/// Checks every connection that the settings name.
pub(super) async fn check_all(
    output: Output,
    (settings, layers): (&Settings, &Layers),
    client: &ClientSettings,
) -> Vec<Check> {
    let mut checks = check_broker(output, settings).await;
    checks.push(check_database(output, settings).await);
    checks.push(check_claim_store(output, settings).await);
    checks.extend(check_roles(output, (settings, layers), client).await);
    checks.push(check_readiness(output, settings).await);
    checks.push(check_trace_collector(output, settings).await);
    checks
}

/// Checks the broker with a probe, and its topology against the settings.
async fn check_broker(output: Output, settings: &Settings) -> Vec<Check> {
    let connecting = async {
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
    let (reached, topology) = match within_limit(output, connecting).await {
        Err(error) => (
            Err(error),
            Err(output.localize("không tới được RabbitMQ", "RabbitMQ is not reached").to_owned()),
        ),
        Ok((Bus::Embedded(_), ..)) => {
            let in_memory =
                output.localize("trong bộ nhớ của tiến trình", "in the process's memory");
            (Ok(in_memory.to_owned()), Ok(in_memory.to_owned()))
        }
        Ok((Bus::RabbitMq(_), compared, probed)) => (
            match probed {
                Some(Ok(duration)) => Ok(format!("{} ms", duration.as_millis())),
                Some(Err(error)) => Err(format!("{:#}", anyhow::Error::new(error))),
                None => Ok(output.localize("kết nối được", "connected").to_owned()),
            },
            compared.map(|()| output.localize("đúng như cần", "as they must be").to_owned()),
        ),
    };
    vec![
        Check {
            id: "broker",
            title: output.localize("RabbitMQ", "RabbitMQ"),
            outcome: reached,
            remedy: output
                .localize(
                    "Kiểm tra bus.url, bus.password_file và RabbitMQ có đang chạy không.",
                    "Check bus.url, bus.password_file, and whether RabbitMQ runs.",
                )
                .to_owned(),
        },
        Check {
            id: "topology",
            title: output.localize("Hàng đợi trên RabbitMQ", "Queues on RabbitMQ"),
            outcome: topology,
            remedy: output
                .localize(
                    "Khởi động `lienthong serve mapping` một lần: vai trò này tạo hàng đợi. Hàng đợi khác cấu hình thì đổi bus.partitions về như cũ.",
                    "Start `lienthong serve mapping` once: it makes them. Where they differ, set bus.partitions back.",
                )
                .to_owned(),
        },
    ]
}

async fn check_database(output: Output, settings: &Settings) -> Check {
    let config = &settings.journal;
    let is_file = !config.database.reveal().contains("://");
    let outcome = if is_file && !std::path::Path::new(config.database.reveal()).exists() {
        Ok(output
            .localize("sẽ được tạo khi chạy lần đầu", "will be made by the first start")
            .to_owned())
    } else {
        let kind = if is_file { "SQLite" } else { "PostgreSQL" };
        within_limit(output, journal::reach(config)).await.map(|()| kind.to_owned())
    };
    Check {
        id: "database",
        title: output.localize("Cơ sở dữ liệu của kho", "The journal's database"),
        outcome,
        remedy: output
            .localize(
                "Kiểm tra journal.database, journal.password_file và PostgreSQL có đang chạy không.",
                "Check journal.database, journal.password_file, and whether PostgreSQL runs.",
            )
            .to_owned(),
    }
}

async fn check_claim_store(output: Output, settings: &Settings) -> Check {
    let section = &settings.claims;
    let writing = async {
        let store = open_claim_store(section).await?;
        let claim = store.put(PROBE.into()).await?;
        let mut reader = store.open(&claim, 0).await?;
        let read = reader.next().await?.unwrap_or_default();
        anyhow::ensure!(read == PROBE, "the bytes that were read are not those that were written");
        anyhow::Ok(())
    };
    let outcome = if section.bucket.is_empty() && !section.folder.is_dir() {
        Ok(output
            .localize("sẽ được tạo khi chạy lần đầu", "will be made by the first start")
            .to_owned())
    } else {
        let location = if section.bucket.is_empty() {
            section.folder.display().to_string()
        } else {
            format!("{}/{}", section.endpoint, section.bucket)
        };
        within_limit(output, writing).await.map(|()| location)
    };
    Check {
        id: "claims",
        title: output.localize("Kho tệp lớn", "Store of large bodies"),
        outcome,
        remedy: output
            .localize(
                "Kiểm tra claims.folder, hoặc claims.bucket, claims.endpoint và hai tệp khóa; bucket phải có sẵn.",
                "Check claims.folder, or claims.bucket, claims.endpoint and the two key files; the bucket must exist.",
            )
            .to_owned(),
    }
}

/// Checks the roles that `upstream` names; when it names none, the process of `up`.
async fn check_roles(
    output: Output,
    (settings, layers): (&Settings, &Layers),
    client: &ClientSettings,
) -> Vec<Check> {
    let upstreams = &settings.upstream;
    let roles = [
        ("journal", "upstream.journal", upstreams.journal.reveal()),
        ("mapping", "upstream.mapping", upstreams.mapping.reveal()),
        ("registry", "upstream.registry", upstreams.registry.reveal()),
    ];
    let is_named = |key: &str| settings::origin(layers, "upstream", key) != "default";
    let mut checks = Vec::new();
    if roles.iter().any(|(role, ..)| is_named(role)) {
        for (_, id, uri) in roles {
            checks.push(check_role(output, (id, uri), (settings, client)).await);
        }
    } else {
        checks.push(check_role(output, ("internal", &client.internal), (settings, client)).await);
        let asking = async {
            let request = FindRequest { limit: 1, ..FindRequest::default() };
            connect_journal(client).await?.find(request).await?;
            anyhow::Ok(())
        };
        checks.push(Check {
            id: "journal",
            title: output.localize("Kho thông điệp", "Journal"),
            outcome: within_limit(output, asking)
                .await
                .map(|()| printed_addresses(&client.internal)),
            remedy: output
                .localize(
                    "Chạy `lienthong up`, hoặc nêu --internal và --internal-token-file.",
                    "Run `lienthong up`, or name --internal and --internal-token-file.",
                )
                .to_owned(),
        });
        checks.push(check_registry_state(output, client).await);
        checks.push(check_formats_state(output, within_limit(output, inspect(client)).await));
        checks.push(check_pauses(output, client).await);
    }
    checks
}

/// Names what is paused: nothing fails while it waits, and an operator must not forget it.
async fn check_pauses(output: Output, client: &ClientSettings) -> Check {
    let asking = async {
        let status = connect_operate(client).await?.status(StatusRequest {}).await?;
        anyhow::Ok(status.into_inner().pauses)
    };
    let pauses = within_limit(output, asking).await.map(|pauses| {
        let words: Vec<_> = pauses.iter().map(|it| pause_words(output, it)).collect();
        let none = output.localize("không có", "nothing");
        if words.is_empty() { none.to_owned() } else { words.join("; ") }
    });
    Check {
        id: "pauses",
        title: output.localize("Đang tạm dừng", "Paused"),
        outcome: pauses,
        remedy: "lienthong status".to_owned(),
    }
}

/// Checks that the running registry has its folder in force.
async fn check_registry_state(output: Output, client: &ClientSettings) -> Check {
    let outcome = within_limit(output, inspect(client)).await;
    let fault = outcome.as_ref().ok().and_then(|state| find_fault(output, state));
    let remedy = match &fault {
        Some(fault) => fault.remedy(output.lang),
        None => "lienthong registry status".to_owned(),
    };
    Check {
        id: "registry_state",
        title: output.localize("Sổ đăng ký đang có hiệu lực", "Registry in force"),
        outcome: match (outcome, fault) {
            (Err(error), _) => Err(error),
            (Ok(_), Some(fault)) => Err(format!("{}: {}", fault.code, fault.title(output.lang))),
            (Ok(state), None) if !state.not_stored.is_empty() => Err(state.not_stored),
            (Ok(state), None) => Ok(format!(
                "{} {}, {} {}",
                state.organisations,
                output.localize("cơ quan", "organisations"),
                state.applications,
                output.localize("ứng dụng", "applications"),
            )),
        },
        remedy,
    }
}

/// The certificates of the command line; where it names none, those of the settings.
fn role_tls(settings: &Settings, client: &ClientSettings) -> Result<ClientTls, TlsError> {
    let own = Encryption::new(&settings.tls)?.client;
    let certificates = client.certificates();
    match own.filter(|_| certificates.authorities_file.is_none()) {
        Some(own) => Ok(own),
        None => client_tls(&certificates),
    }
}

async fn check_role(
    output: Output,
    (id, uri): (&'static str, &str),
    (settings, client): (&Settings, &ClientSettings),
) -> Check {
    let asking = async {
        // Of several addresses one serves; the others are its standbys, which are not ready.
        let not_ready = || Fault::new(&code::LT_SYS_002).param("part", id);
        let mut failure = not_ready();
        let tls = role_tls(settings, client)?;
        for uri in uri.split(',') {
            let address = Address::parse(uri.trim(), id)?;
            let network = Network::new(address.text())
                .tls(tls.clone())
                .allow_plaintext(settings.listen.plaintext || client.certificates().plaintext);
            let upstream = Upstream::network(&network)?;
            let endpoint = InternalEndpoint { address, upstream };
            match health::check_serving(endpoint.upstream.clone()).await {
                Ok(true) => return Ok(()),
                Ok(false) => failure = not_ready(),
                Err(status) => failure = endpoint.fault(&status, id).await,
            }
        }
        Err(anyhow::Error::new(failure))
    };
    let printed = printed_addresses(uri);
    Check {
        id,
        title: output.localize("Dịch vụ", "Service"),
        outcome: within_limit(output, asking)
            .await
            .map(|()| printed.clone())
            .map_err(|error| format!("{printed}: {error}")),
        remedy: format!(
            "{} {id}",
            output.localize(
                "Khởi động dịch vụ ở địa chỉ này, hoặc sửa thiết lập:",
                "Start the service at this address, or mend the setting:"
            )
        ),
    }
}

async fn check_trace_collector(output: Output, settings: &Settings) -> Check {
    let endpoint = settings.telemetry.otlp_endpoint.reveal();
    let reaching = async {
        let address = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest);
        TcpStream::connect(address.trim_end_matches('/')).await?;
        anyhow::Ok(settings.telemetry.otlp_endpoint.to_string())
    };
    Check {
        id: "otlp",
        title: output.localize("Nơi nhận vết (OTLP)", "Collector of traces (OTLP)"),
        outcome: if endpoint.is_empty() {
            Ok(output.localize("không dùng", "not used").to_owned())
        } else {
            within_limit(output, reaching).await
        },
        remedy: output
            .localize(
                "Kiểm tra telemetry.otlp_endpoint; để trống nếu không dùng.",
                "Check telemetry.otlp_endpoint; leave it empty if there is none.",
            )
            .to_owned(),
    }
}
