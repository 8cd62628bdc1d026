//! Delivery reports on their way to the application that submitted the reported message.

use proto::canonical::v1::{Canonical, DeliveryReport, canonical::Body};
use proto::message::v1::MessageType;
use registry_client::Directory;
use secrecy_marks::find_in_text;

use crate::route::Route;

/// What a report says instead of a reason with a secrecy mark.
const WITHHELD: [&str; 2] = [
    "Nơi nhận đã từ chối. Lý do không được chuyển vì có thể chứa dấu chỉ độ mật; hãy hỏi nơi nhận.",
    "The receiver refused it. Its reason is withheld because it may bear a secrecy mark; ask the \
     receiver.",
];

/// The delivery report in a message; none when it is something else.
pub(crate) fn report_of(canonical: &Canonical) -> Option<&DeliveryReport> {
    match &canonical.body {
        Some(Body::DeliveryReport(report)) => Some(report),
        Some(Body::Document(_) | Body::Status(_) | Body::Receipt(_)) | None => None,
    }
}

/// The route of a report: to the application that submitted the reported message, whether it is
/// enabled now or later, and needing no right. An application that does not take reports has none;
/// it sees the same words in Track.
pub(crate) fn report_routes(directory: &Directory, report: &DeliveryReport) -> Vec<Route> {
    let of_report = directory.applications().iter().filter(|it| it.id == report.application);
    let takes = of_report.filter_map(|application| {
        let takes = application.takes.iter().find(|it| it.r#type() == MessageType::DeliveryReport);
        Some((application, takes?))
    });
    let routes = takes.map(|(application, takes)| Route {
        organisation: application.organisation.clone(),
        application: application.id.clone(),
        format: Ok(takes.format.clone()),
        accepts_losses: application.accepts_losses.clone(),
    });
    routes.collect()
}

/// Completes a report with what the journal does not know: the official names of the receivers. A
/// reason that a receiver wrote with a secrecy mark in it is taken out.
pub(crate) fn complete_report(canonical: &mut Canonical, directory: &Directory) {
    let Some(Body::DeliveryReport(report)) = &mut canonical.body else { return };
    let name = |key: &str| match directory.organisation_name(key) {
        name if name.is_empty() => key.to_owned(),
        name => name,
    };
    let names: Vec<String> = report.recipient.split(',').map(name).collect();
    report.recipient_name = names.join("; ");
    if find_in_text(&report.reason).is_some() {
        report.reason.clear();
        [report.text_vi, report.text_en] = WITHHELD.map(str::to_owned);
    }
}

#[cfg(test)]
mod tests {
    use proto::message::v1::Organisation;
    use proto::registry::v1::{Application, Snapshot, Takes};

    use super::*;

    fn directory() -> Directory {
        let takes = |message_type: MessageType, format: &str| Takes {
            r#type: message_type.into(),
            format: format.into(),
        };
        let application = |id: &str, takes: Vec<Takes>| Application {
            id: id.into(),
            organisation: "a".into(),
            takes,
            ..Application::default()
        };
        let document = || takes(MessageType::Document, "edxml.document");
        let report = || takes(MessageType::DeliveryReport, "delivery.report");
        Directory::new(Snapshot {
            organisations: vec![Organisation {
                key: "b".into(),
                name: "Cơ quan B".into(),
                ..Organisation::default()
            }],
            applications: vec![
                application("a-1", vec![document(), report()]),
                application("a-2", vec![document(), report()]),
                application("a-3", vec![document()]),
            ],
            ..Snapshot::default()
        })
    }

    #[test]
    fn a_report_goes_to_the_submitting_application_alone_and_only_if_it_takes_it() {
        let routes = |application: &str| {
            let report = DeliveryReport { application: application.into(), ..Default::default() };
            report_routes(&directory(), &report)
        };
        let [route] = &routes("a-1")[..] else { panic!("{:?}", routes("a-1")) };
        assert_eq!((route.application.as_str(), route.organisation.as_str()), ("a-1", "a"));
        assert_eq!(route.format.as_deref(), Ok("delivery.report"));
        assert_eq!(routes("a-3"), [], "it takes none");
        assert_eq!(routes("gone"), [], "nobody");
    }

    #[test]
    fn a_report_names_the_receivers_and_withholds_a_reason_with_a_secrecy_mark() {
        let complete = |reason: &str| {
            let report = DeliveryReport {
                recipient: "b,c".into(),
                reason: reason.into(),
                text_vi: reason.into(),
                ..Default::default()
            };
            let mut canonical =
                Canonical { origin: None, body: Some(Body::DeliveryReport(report)) };
            complete_report(&mut canonical, &directory());
            report_of(&canonical).cloned().unwrap()
        };
        let plain = complete("Thiếu phụ lục 2");
        assert_eq!(plain.recipient_name, "Cơ quan B; c");
        assert_eq!(plain.reason, "Thiếu phụ lục 2");
        let marked = complete("Độ mật: Tuyệt mật");
        assert_eq!((marked.reason.as_str(), marked.text_vi.as_str()), ("", WITHHELD[0]));
    }
}
