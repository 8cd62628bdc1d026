//! Delivery reports: written in the commit of the refusal or the death, once, in order, and never
//! about a report.

use proto::canonical::v1::delivery_report::Outcome as Reported;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::command_request::Action;
use proto::journal::v1::entry::Disposition;
use proto::journal::v1::{DeadLetter, Entry, FindRequest};
use proto::message::v1::{MessageType, ReceiverClass, State};

use crate::environment::*;
use crate::on_both;

on_both!(
    a_refusal_is_reported_once_with_the_receivers_reason,
    a_dead_letter_is_reported_and_its_late_arrival_too,
    a_message_that_died_before_routing_is_reported,
    what_never_arrived_is_reported_as_arrived_when_it_has_a_receiver_at_last,
    there_is_no_report_about_a_report,
    reports_are_shown_with_their_message_and_found_on_their_own,
    reports_survive_a_restart,
);

fn dead(id: &str, fault: Fault) -> Entry {
    let disposition = Some(Disposition::Dead(DeadLetter { fault: Some(fault) }));
    Entry { message_id: id.to_owned(), disposition, ..Entry::default() }
}

/// A message that is accepted, routed to `b-app`, and refused there.
async fn refused_by_b(env: &mut Environment) -> (String, String) {
    let parent = env.accept_one(item()).await.message_id;
    env.record(vec![routing(&parent, &["b-app"])]).await;
    let id = derived_ids(&routing(&parent, &["b-app"])).remove(0);
    let session = env.open("b-app", ReceiverClass::Repeatable).await;
    let lease = env.deliver(&session, &id).await;
    env.end(&session, &id, lease, refused()).await;
    env.end(&session, &id, lease, refused()).await;
    (parent, id)
}

async fn a_refusal_is_reported_once_with_the_receivers_reason(mut env: Environment) {
    let (parent, id) = refused_by_b(&mut env).await;
    assert_eq!(env.state(&id).await, State::Refused);
    let (_, report) = env.next_report().await;
    assert_eq!(report.outcome(), Reported::Refused);
    assert_eq!((&report.message_id, report.application.as_str()), (&parent, "a-app"));
    assert_eq!(report.recipient_application, "b-app");
    let sent = env.summary(&parent).await;
    let index = sent.index.unwrap();
    assert_eq!((&report.number, &report.subject), (&index.number, &index.subject));
    assert_eq!((&report.key, &report.document_id), (&sent.key, &index.document_id));
    let detail = env.summary(&id).await.detail;
    assert!(!detail.is_empty());
    assert_eq!(report.reason, detail);
    assert!(report.text_vi.contains(&detail) && report.text_en.contains(&detail), "{report:?}");
    assert_eq!(report.code, "LT-JNL-016");
    assert_eq!(env.reports_in_a_while().await, [""; 0], "once, although it was answered twice");
}

async fn a_dead_letter_is_reported_and_its_late_arrival_too(mut env: Environment) {
    let parent = env.accept_one(item()).await.message_id;
    env.record(vec![routing(&parent, &["b-app"])]).await;
    let id = derived_ids(&routing(&parent, &["b-app"])).remove(0);
    let entry = dead(&id, Fault::new(&code::LT_SYS_001));
    env.record(vec![entry.clone()]).await;
    env.record(vec![entry]).await;
    let (first, report) = env.next_report().await;
    assert_eq!(report.outcome(), Reported::Undeliverable);
    assert_eq!(report.code, "LT-SYS-001");
    assert!(!report.text_vi.is_empty() && !report.remedy_vi.is_empty(), "{report:?}");
    assert!(env.command(Action::Redrive, &id).await);
    let session = env.open("b-app", ReceiverClass::Repeatable).await;
    let lease = env.deliver(&session, &id).await;
    env.end(&session, &id, lease, taken()).await;
    let (second, report) = env.next_report().await;
    assert_ne!(first, second);
    assert_eq!(report.outcome(), Reported::Delivered, "the last word is true");
    let reports = env.journey(&parent).await.reports;
    let sequences = reports.iter().filter_map(|it| Some(it.envelope.as_ref()?.sequence));
    assert_eq!(sequences.collect::<Vec<_>>(), [1, 2], "in order");
}

async fn a_message_that_died_before_routing_is_reported(mut env: Environment) {
    let parent = env.accept_one(item()).await.message_id;
    env.record(vec![dead(&parent, Fault::new(&code::LT_MAP_217))]).await;
    let (_, report) = env.next_report().await;
    assert_eq!((report.outcome(), &report.message_id), (Reported::Undeliverable, &parent));
    assert_eq!(report.recipient_application, "");
    env.command(Action::Redrive, &parent).await;
    env.record(vec![routing(&parent, &["b-app"])]).await;
    let id = derived_ids(&routing(&parent, &["b-app"])).remove(0);
    let session = env.open("b-app", ReceiverClass::Repeatable).await;
    let lease = env.deliver(&session, &id).await;
    env.end(&session, &id, lease, taken()).await;
    let (_, report) = env.next_report().await;
    assert_eq!(report.outcome(), Reported::Delivered);
    assert_eq!(report.recipient_application, "b-app");
}

async fn what_never_arrived_is_reported_as_arrived_when_it_has_a_receiver_at_last(
    mut env: Environment,
) {
    let parent = env.accept_one(item()).await.message_id;
    let mut unrouted = routing(&parent, &["b-app"]);
    let fault = Fault::new(&code::LT_MAP_208);
    for it in &mut unrouted.derived {
        it.fault = Some(fault.clone());
        let envelope = it.message.as_mut().unwrap().envelope.as_mut().unwrap();
        envelope.application.clear();
        envelope.id = "0198c0de-0000-5000-8000-0000000000aa".to_owned();
        it.message.as_mut().unwrap().body = None;
    }
    env.record(vec![unrouted]).await;
    assert_eq!(env.next_report().await.1.code, "LT-MAP-208");
    env.record(vec![routing(&parent, &["b-app"])]).await;
    let id = derived_ids(&routing(&parent, &["b-app"])).remove(0);
    let session = env.open("b-app", ReceiverClass::Repeatable).await;
    let lease = env.deliver(&session, &id).await;
    env.end(&session, &id, lease, taken()).await;
    assert_eq!(env.next_report().await.1.outcome(), Reported::Delivered);
}

async fn there_is_no_report_about_a_report(mut env: Environment) {
    refused_by_b(&mut env).await;
    let (report, _) = env.next_report().await;
    env.record(vec![dead(&report, Fault::new(&code::LT_MAP_217))]).await;
    assert_eq!(env.state(&report).await, State::Dead);
    env.command(Action::Redrive, &report).await;
    env.record(vec![routing(&report, &["c-app"])]).await;
    let id = derived_ids(&routing(&report, &["c-app"])).remove(0);
    let session = env.open("c-app", ReceiverClass::Repeatable).await;
    let lease = env.deliver(&session, &id).await;
    env.end(&session, &id, lease, refused()).await;
    assert_eq!(env.state(&id).await, State::Refused);
    let reports = env.reports_in_a_while().await;
    assert!(reports.iter().all(|it| *it == report), "{reports:?}");
}

async fn reports_are_shown_with_their_message_and_found_on_their_own(mut env: Environment) {
    let (parent, _) = refused_by_b(&mut env).await;
    let (report, _) = env.next_report().await;
    let shown = env.journey(&parent).await.reports;
    let ids = |all: &[proto::journal::v1::Summary]| -> Vec<String> {
        all.iter().filter_map(|it| Some(it.envelope.as_ref()?.id.clone())).collect()
    };
    assert_eq!(ids(&shown), [report.as_str()]);
    let number = shown[0].index.clone().unwrap().number;
    assert_eq!(env.find_ids(&number).await, [parent.as_str()], "a number finds the document");
    assert_eq!(env.find_ids(&report).await, [report.as_str()]);
    let all = env.find(FindRequest::default()).await;
    assert_eq!(ids(&all.messages), [parent]);
    let r#type = MessageType::DeliveryReport.into();
    let reports = env.find(FindRequest { r#type, ..FindRequest::default() }).await;
    assert_eq!(ids(&reports.messages), [report]);
}

async fn reports_survive_a_restart(mut env: Environment) {
    let (parent, id) = refused_by_b(&mut env).await;
    let (report, _) = env.next_report().await;
    let mut env = env.restart().await;
    assert_eq!(env.state(&id).await, State::Refused);
    let (again, _) = env.next_report().await;
    assert_eq!(again, report, "published again, under the same id");
    assert_eq!(env.journey(&parent).await.reports.len(), 1);
}
