//! Content-based router: from the recipients of an envelope to the applications that take the type.

use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::Envelope;
use proto::message::v1::MessageType;
use registry_client::{Directory, ReceivingApplication};

/// The destination of one copy, or the reason why no copy can be made.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Route {
    /// Directory key of the receiving organisation.
    pub(crate) organisation: String,
    /// The application; empty when the organisation has none at all.
    pub(crate) application: String,
    /// Name of the format that the application takes, or the fault that holds this copy back.
    pub(crate) format: Result<String, Fault>,
    /// The fields that the application accepts to lose.
    pub(crate) accepts_losses: Vec<String>,
}

/// The routes to these organisations. An organisation that cannot receive now has a route with a
/// fault, so it does not hold back the copies for the others.
pub(crate) fn find_routes(
    directory: &Directory,
    recipients: &[String],
    message_type: MessageType,
) -> Vec<Route> {
    let routes = |it: &String| routes_to(directory, it, message_type);
    recipients.iter().flat_map(routes).collect()
}

/// Holds back the copies of a message that was sent again to agencies to which its sender may not
/// send: such a message was not checked when it was submitted, because an operator may have chosen
/// another recipient.
pub(crate) fn deny_copies(
    routes: Vec<Route>,
    (envelope, directory, day): (&Envelope, &Directory, &str),
) -> Vec<Route> {
    let message_type = envelope.r#type();
    let is_denied = |it: &Route| {
        !envelope.copy_of.is_empty()
            && !directory.permits(&envelope.sender, &it.organisation, message_type, day)
    };
    let denied = |it: Route| {
        let fault = Fault::new(&code::LT_MAP_207)
            .param("sender", &envelope.sender)
            .param("type", message_type.as_str())
            .param("recipient", &it.organisation);
        Route { format: Err(fault), ..it }
    };
    routes.into_iter().map(|it| if is_denied(&it) { denied(it) } else { it }).collect()
}

fn routes_to(directory: &Directory, organisation: &str, message_type: MessageType) -> Vec<Route> {
    let receiving = directory.receiving_applications(organisation, message_type);
    if !receiving.is_empty() {
        let route = |it: &ReceivingApplication<'_>| Route {
            organisation: organisation.to_owned(),
            application: it.application.id.clone(),
            format: Ok(it.format.to_owned()),
            accepts_losses: it.application.accepts_losses.clone(),
        };
        return receiving.iter().map(route).collect();
    }
    let fault = match directory.organisation(organisation) {
        None => Fault::new(&code::LT_MAP_204).param("code", organisation),
        Some(_) => Fault::new(&code::LT_MAP_208)
            .param("recipient", organisation)
            .param("type", message_type.as_str()),
    };
    // A copy's id is derived from its application. The organisation's first application is assumed
    // to take the type once it is enabled again, so the copy made then has the id of the one that
    // waits now, and is recognized as the same.
    let mut idle = directory.applications().iter().filter(|it| it.organisation == organisation);
    let application = idle.next().map(|it| it.id.clone()).unwrap_or_default();
    vec![Route {
        organisation: organisation.to_owned(),
        application,
        format: Err(fault),
        accepts_losses: Vec::new(),
    }]
}

#[cfg(test)]
mod tests {
    use proto::message::v1::Organisation;
    use proto::registry::v1::{Application, Right, Snapshot, Takes};

    use super::*;

    fn application(id: &str, organisation: &str, takes: &[(MessageType, &str)]) -> Application {
        let takes = takes.iter().map(|(message_type, format)| Takes {
            r#type: (*message_type).into(),
            format: (*format).into(),
        });
        Application {
            id: id.into(),
            organisation: organisation.into(),
            takes: takes.collect(),
            ..Application::default()
        }
    }

    #[test]
    fn every_application_that_takes_the_type_gets_a_copy_and_no_recipient_is_left_out() {
        let organisation = |key: &str| Organisation { key: key.into(), ..Organisation::default() };
        let directory = Directory::new(Snapshot {
            organisations: ["a", "b", "c"].map(organisation).into(),
            applications: vec![
                application("a-1", "a", &[(MessageType::Document, "x")]),
                application("a-2", "a", &[(MessageType::Document, "y")]),
                application("b-1", "b", &[(MessageType::Status, "z")]),
            ],
            ..Snapshot::default()
        });
        let recipients = ["a", "b", "c", "d"].map(str::to_owned);
        let routes: Vec<_> = find_routes(&directory, &recipients, MessageType::Document)
            .into_iter()
            .map(|it| (it.organisation, it.application, it.format.map_err(|it| it.code)))
            .collect();
        let route = |organisation: &str, application: &str, format: Result<&str, &str>| {
            let format = format.map(str::to_owned).map_err(str::to_owned);
            (organisation.to_owned(), application.to_owned(), format)
        };
        assert_eq!(
            routes,
            [
                route("a", "a-1", Ok("x")),
                route("a", "a-2", Ok("y")),
                route("b", "b-1", Err("LT-MAP-208")),
                route("c", "", Err("LT-MAP-208")),
                route("d", "", Err("LT-MAP-204")),
            ]
        );
    }

    #[test]
    fn a_copy_goes_only_where_its_sender_may_send() {
        let right = Right {
            from: "a".into(),
            to: "b".into(),
            types: vec![MessageType::Document.into()],
            ..Right::default()
        };
        let directory = Directory::new(Snapshot {
            revision: "1".into(),
            applications: ["b", "c"]
                .map(|it| application(it, it, &[(MessageType::Document, "x")]))
                .into(),
            rights: vec![right],
            ..Snapshot::default()
        });
        let codes = |copy_of: &str| {
            let envelope = Envelope {
                sender: "a".into(),
                r#type: MessageType::Document.into(),
                copy_of: copy_of.into(),
                ..Envelope::default()
            };
            let recipients = ["b", "c"].map(str::to_owned);
            let routes = find_routes(&directory, &recipients, MessageType::Document);
            deny_copies(routes, (&envelope, &directory, "2026-11-29"))
                .into_iter()
                .map(|it| it.format.map_err(|it| it.code))
                .collect::<Vec<_>>()
        };
        assert_eq!(codes(""), [Ok("x".to_owned()), Ok("x".to_owned())], "checked when submitted");
        assert_eq!(codes("first"), [Ok("x".to_owned()), Err("LT-MAP-207".to_owned())]);
    }
}
