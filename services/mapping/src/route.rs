//! Envelope recipients to applications: pure, one entry for each copy that has to be made.

use proto::fault::code;
use proto::fault::v1::Fault;
use proto::message::v1::MessageType;

use crate::directory::{Directory, Receiver};

/// One copy to make, or why it cannot be made.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Way {
    /// Directory key of the receiving organisation.
    pub(crate) organisation: String,
    /// The application; empty when the organisation has none at all.
    pub(crate) application: String,
    /// Name of the format it takes, or what keeps this recipient's copy back.
    pub(crate) format: Result<String, Fault>,
    /// What its copies may lose.
    pub(crate) accepts_losses: Vec<String>,
}

/// Every copy of a message for these organisations. One that cannot receive now is told apart and
/// keeps nobody else back.
pub(crate) fn route(directory: &Directory, recipients: &[String], kind: MessageType) -> Vec<Way> {
    recipients.iter().flat_map(|organisation| ways(directory, organisation, kind)).collect()
}

fn ways(directory: &Directory, organisation: &str, kind: MessageType) -> Vec<Way> {
    let receivers = directory.receivers(organisation, kind);
    if !receivers.is_empty() {
        let way = |it: &Receiver<'_>| Way {
            organisation: organisation.to_owned(),
            application: it.application.id.clone(),
            format: Ok(it.format.to_owned()),
            accepts_losses: it.application.accepts_losses.clone(),
        };
        return receivers.iter().map(way).collect();
    }
    let fault = match directory.organisation(organisation) {
        None => Fault::new(&code::LT_MAP_204).param("code", organisation),
        Some(_) => Fault::new(&code::LT_MAP_208)
            .param("recipient", organisation)
            .param("type", kind.as_str()),
    };
    // Named after the application that will most likely take it again, so that the copy made
    // then has the name of the one that waits.
    let mut idle = directory.applications().iter().filter(|it| it.organisation == organisation);
    let application = idle.next().map(|it| it.id.clone()).unwrap_or_default();
    vec![Way {
        organisation: organisation.to_owned(),
        application,
        format: Err(fault),
        accepts_losses: Vec::new(),
    }]
}

#[cfg(test)]
mod tests {
    use proto::registry::v1::{Application, Snapshot, Takes};

    use proto::message::v1::Organisation;

    use super::*;

    #[test]
    fn every_application_that_takes_the_type_gets_a_copy_and_nobody_is_left_out() {
        let application =
            |id: &str, organisation: &str, takes: &[(MessageType, &str)]| Application {
                id: id.into(),
                organisation: organisation.into(),
                takes: takes
                    .iter()
                    .map(|(kind, format)| Takes {
                        r#type: (*kind).into(),
                        format: (*format).into(),
                    })
                    .collect(),
                ..Application::default()
            };
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
        let ways: Vec<_> = route(&directory, &recipients, MessageType::Document)
            .into_iter()
            .map(|it| (it.organisation, it.application, it.format.map_err(|it| it.code)))
            .collect();
        let way = |organisation: &str, application: &str, format: Result<&str, &str>| {
            let format = format.map(str::to_owned).map_err(str::to_owned);
            (organisation.to_owned(), application.to_owned(), format)
        };
        assert_eq!(
            ways,
            [
                way("a", "a-1", Ok("x")),
                way("a", "a-2", Ok("y")),
                way("b", "b-1", Err("LT-MAP-208")),
                way("c", "", Err("LT-MAP-208")),
                way("d", "", Err("LT-MAP-204")),
            ]
        );
    }
}
