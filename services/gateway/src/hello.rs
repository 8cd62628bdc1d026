//! The greeting: whether the adapter is the one the registry knows, and its session.

use proto::exchange::v1::{HelloRequest, HelloResponse, Limits};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::OpenRequest;
use proto::message::v1::ReceiverClass;
use proto::registry::v1::Application;

use crate::directory::Caller;
use crate::fault::away;
use crate::gateway::Gateway;
use crate::parts::field;

/// Version of the protocol that is spoken here.
const PROTOCOL: u32 = 1;
/// Largest chunk, and largest body in a call, bytes.
pub(crate) const CHUNK: u32 = 1024 * 1024;

/// Opens a session; an older one of the same adapter ends, and gives back what it has.
pub(crate) async fn greet(
    gateway: &Gateway,
    caller: Caller,
    request: HelloRequest,
) -> Result<HelloResponse, Fault> {
    let application = caller.application.clone();
    agree(&application, &request)?;
    if gateway.draining.is_cancelled() {
        return Err(away("gateway"));
    }
    for older in gateway.sessions.remove_adapter(&application.id, &request.adapter) {
        gateway.give_back(&older).await;
    }
    let most = gateway.config.sessions_max;
    if gateway.sessions.count(&application.id) >= most {
        return Err(Fault::new(&code::LT_GW_010).param("most", most.to_string()));
    }
    let open = OpenRequest {
        application: application.id.clone(),
        adapter: request.adapter.clone(),
        receiver_class: application.receiver_class,
        lease_ms: application.lease_ms,
    };
    let id = gateway.within(gateway.journal.clone().open(open)).await?.session;
    let names = (id.clone(), request.adapter);
    gateway.sessions.open(names, caller, gateway.clock.now_us());
    let config = &gateway.config;
    Ok(HelloResponse {
        protocol_version: PROTOCOL,
        session: id,
        application: application.id.clone(),
        organisation: application.organisation.clone(),
        organisation_name: gateway.registered.now().name(&application.organisation),
        limits: Some(Limits {
            chunk_bytes_max: CHUNK,
            body_inline_bytes_max: CHUNK,
            body_bytes_max: config.body_bytes_max,
            part_bytes_max: config.part_bytes_max,
            attachments_max: u32::try_from(config.attachments_max).unwrap_or(u32::MAX),
            in_hand_max: application.in_hand_max.max(1),
            lease_ms: application.lease_ms,
            session_idle_ms: config.session_idle_ms_max,
            stream_gap_ms: config.stream_gap_ms_max,
        }),
        server_version: env!("CARGO_PKG_VERSION").to_owned(),
    })
}

/// Whether the adapter is the one the registry knows, in one clear sentence each.
fn agree(application: &Application, request: &HelloRequest) -> Result<(), Fault> {
    if !request.protocol_versions.is_empty() && !request.protocol_versions.contains(&PROTOCOL) {
        let theirs: Vec<_> = request.protocol_versions.iter().map(ToString::to_string).collect();
        return Err(Fault::new(&code::LT_EX_001)
            .param("theirs", theirs.join(", "))
            .param("ours", PROTOCOL.to_string()));
    }
    if !(1..=100).contains(&request.adapter.len()) {
        return Err(field(
            "adapter",
            "cần tên bộ nối, 1-100 byte",
            "must name the adapter, 1 to 100 bytes",
        ));
    }
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
    let lacking = application.takes.iter().find(|it| !takes(&it.format));
    if let Some(lacking) = lacking.filter(|_| !request.takes.is_empty()) {
        return mismatch("takes", &request.takes.join(", "), &lacking.format);
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

    fn said(change: impl FnOnce(&mut HelloRequest)) -> Result<(), (String, String)> {
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
        agree(&application, &request).map_err(|it| (it.code.clone(), it.title(Lang::En)))
    }

    #[test]
    fn a_mismatch_is_one_clear_sentence() {
        assert_eq!(said(|_| {}), Ok(()));
        let differs = |what: &str, theirs: &str, ours: &str| {
            let words = "The adapter says that its";
            Err((
                "LT-EX-002".to_owned(),
                format!("{words} {what} is {theirs}, the registry says {ours}."),
            ))
        };
        let text = |it: &str| vec![it.to_owned()];
        assert_eq!(
            said(|it| it.protocol_versions = vec![2, 3]),
            Err((
                "LT-EX-001".to_owned(),
                "The adapter speaks protocol 2, 3, the bus speaks 1.".to_owned()
            ))
        );
        assert_eq!(
            said(|it| it.application = "b-app".to_owned()),
            differs("application", "b-app", "a-app")
        );
        assert_eq!(said(|it| it.gives = text("pdf")), differs("gives", "pdf", "ioffice"));
        assert_eq!(said(|it| it.takes = text("pdf")), differs("takes", "pdf", "edxml"));
        assert_eq!(
            said(|it| it.receiver_class = ReceiverClass::Neither.into()),
            differs("receiver_class", "NEITHER", "ASKABLE")
        );
        assert_eq!(said(|it| it.adapter.clear()).unwrap_err().0, "LT-EX-011");
    }
}
