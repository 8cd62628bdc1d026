//! Hello: compares an adapter's declaration with the registry, and opens its session.

use std::net::IpAddr;
use std::sync::Arc;

use journal_client::to_fault;
use proto::exchange::v1::{HelloRequest, HelloResponse, Limits};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::OpenRequest;
use proto::message::v1::ReceiverClass;
use proto::registry::v1::Application;
use registry_client::Caller;

use crate::check_item::check_text;
use crate::fault::{invalid_field, unavailable};
use crate::gateway::Gateway;
use crate::limits::{BATCH_BYTES_MAX, BATCH_ITEMS_MAX, CHUNK_BYTES_MAX};
use crate::session::AdapterInfo;

/// Version of the exchange protocol.
const PROTOCOL_VERSION: u32 = 1;

/// Longest name of an adapter, bytes.
const ADAPTER_BYTES_MAX: usize = 100;

/// Opens a session. An older session of the same adapter ends, because an adapter that connects
/// again has lost its stream.
pub(crate) async fn open_session(
    gateway: &Arc<Gateway>,
    caller: Caller,
    (request, address): (HelloRequest, Option<IpAddr>),
) -> Result<HelloResponse, Fault> {
    let application = caller.application.clone();
    check_declaration(&application, &request)?;
    if gateway.draining.is_cancelled() {
        return Err(unavailable("gateway"));
    }
    for older in gateway.sessions.remove_adapter(&application.id, &request.adapter) {
        gateway.end_session(&older).await;
    }
    let sessions_max = gateway.config.sessions_max;
    let opening = gateway.sessions.start_opening(&application.id, sessions_max);
    let opening = opening
        .ok_or_else(|| Fault::new(&code::LT_GW_010).param("most", sessions_max.to_string()))?;
    let open = OpenRequest {
        application: application.id.clone(),
        adapter: request.adapter.clone(),
        receiver_class: application.receiver_class,
        lease_ms: application.lease_ms,
        gateway: gateway.instance.clone(),
        adapter_version: request.adapter_version.clone(),
        address: address.map(|it| it.to_string()).unwrap_or_default(),
    };
    let adapter = AdapterInfo {
        name: request.adapter,
        version: request.adapter_version,
        address: open.address.clone(),
    };
    let opened = gateway.journal.open(open).await;
    let id = opened.map_err(|status| to_fault(&status))?.session;
    gateway.sessions.open((id.clone(), adapter), caller, gateway.clock.now_us());
    drop(opening);
    Ok(HelloResponse {
        protocol_version: PROTOCOL_VERSION,
        session: id,
        application: application.id.clone(),
        organisation: application.organisation.clone(),
        organisation_name: gateway
            .registry
            .directory()
            .organisation_name(&application.organisation),
        limits: Some(limits(gateway, &application)),
        server_version: env!("CARGO_PKG_VERSION").to_owned(),
    })
}

fn limits(gateway: &Gateway, application: &Application) -> Limits {
    let config = &gateway.config;
    Limits {
        chunk_bytes_max: CHUNK_BYTES_MAX,
        body_inline_bytes_max: CHUNK_BYTES_MAX,
        body_bytes_max: config.body_bytes_max,
        part_bytes_max: config.part_bytes_max,
        attachments_max: u32::try_from(config.attachments_max).unwrap_or(u32::MAX),
        in_hand_max: application.in_hand_max.max(1),
        lease_ms: application.lease_ms,
        session_idle_ms: config.session_idle_ms_max,
        stream_gap_ms: config.stream_gap_ms_max,
        batch_items_max: BATCH_ITEMS_MAX,
        batch_bytes_max: BATCH_BYTES_MAX,
    }
}

/// Compares the declaration with the registry. A difference is refused when the adapter connects, so
/// that it is seen at the installation and not with the first message.
fn check_declaration(application: &Application, request: &HelloRequest) -> Result<(), Fault> {
    let versions = &request.protocol_versions;
    if !versions.is_empty() && !versions.contains(&PROTOCOL_VERSION) {
        let theirs: Vec<_> = versions.iter().map(ToString::to_string).collect();
        return Err(Fault::new(&code::LT_EX_001)
            .param("theirs", theirs.join(", "))
            .param("ours", PROTOCOL_VERSION.to_string()));
    }
    if !(1..=ADAPTER_BYTES_MAX).contains(&request.adapter.len()) {
        return Err(invalid_field(
            "adapter",
            "cần tên bộ nối, 1-100 byte",
            "must name the adapter, 1 to 100 bytes",
        ));
    }
    check_text("adapter", &request.adapter, ADAPTER_BYTES_MAX)?;
    check_text("adapter_version", &request.adapter_version, ADAPTER_BYTES_MAX)?;
    let mismatch = |what: &str, theirs: &str, ours: &str| {
        Err(Fault::new(&code::LT_EX_002)
            .param("what", what)
            .param("theirs", theirs)
            .param("ours", ours))
    };
    if !request.application.is_empty() && request.application != application.id {
        return mismatch("application", &request.application, &application.id);
    }
    if let Some(extra) = request.gives.iter().find(|it| !application.gives.contains(it)) {
        return mismatch("gives", extra, &application.gives.join(", "));
    }
    let takes = |format: &str| request.takes.iter().any(|it| it == format);
    let missing = application.takes.iter().find(|it| !takes(&it.format));
    if let Some(missing) = missing.filter(|_| !request.takes.is_empty()) {
        return mismatch("takes", &request.takes.join(", "), &missing.format);
    }
    let class = request.receiver_class();
    if class != ReceiverClass::Unspecified && class != application.receiver_class() {
        let ours = application.receiver_class().as_str_name();
        return mismatch("receiver_class", class.as_str_name(), ours);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proto::fault::Lang;
    use proto::message::v1::MessageType;
    use proto::registry::v1::Takes;

    use super::*;

    /// The code and English title with which a changed declaration is refused.
    fn check(change: impl FnOnce(&mut HelloRequest)) -> Result<(), (String, String)> {
        let takes = Takes { r#type: MessageType::Document.into(), format: "edxml".to_owned() };
        let application = Application {
            id: "a-app".to_owned(),
            gives: vec!["ioffice".to_owned()],
            takes: vec![takes],
            receiver_class: ReceiverClass::Askable.into(),
            ..Application::default()
        };
        let mut request = HelloRequest {
            protocol_versions: vec![1, 2],
            adapter: "one".to_owned(),
            ..HelloRequest::default()
        };
        change(&mut request);
        check_declaration(&application, &request)
            .map_err(|it| (it.code.clone(), it.title(Lang::En)))
    }

    #[test]
    fn a_declaration_that_differs_from_the_registry_is_refused_in_one_sentence() {
        assert_eq!(check(|_| {}), Ok(()));
        let differs = |what: &str, theirs: &str, ours: &str| {
            let prefix = "The adapter says that its";
            Err((
                "LT-EX-002".to_owned(),
                format!("{prefix} {what} is {theirs}, the registry says {ours}."),
            ))
        };
        let formats = |it: &str| vec![it.to_owned()];
        assert_eq!(
            check(|it| it.protocol_versions = vec![2, 3]),
            Err((
                "LT-EX-001".to_owned(),
                "The adapter supports protocol version 2, 3, the bus supports 1.".to_owned()
            ))
        );
        assert_eq!(
            check(|it| it.application = "b-app".to_owned()),
            differs("application", "b-app", "a-app")
        );
        assert_eq!(check(|it| it.gives = formats("pdf")), differs("gives", "pdf", "ioffice"));
        assert_eq!(check(|it| it.takes = formats("pdf")), differs("takes", "pdf", "edxml"));
        assert_eq!(
            check(|it| it.receiver_class = ReceiverClass::Neither.into()),
            differs("receiver_class", "NEITHER", "ASKABLE")
        );
        assert_eq!(check(|it| it.adapter.clear()).unwrap_err().0, "LT-EX-011");
        assert_eq!(check(|it| it.adapter.push('\u{200b}')).unwrap_err().0, "LT-EX-011");
    }
}
