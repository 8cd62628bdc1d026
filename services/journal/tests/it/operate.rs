//! Pauses, progress and stored sessions, as operators see them.

use journal::Service;
use proto::journal::v1::RenewRequest;
use proto::journal::v1::begun::Answer;
use proto::message::v1::{ReceiverClass, State};
use proto::operate::v1::pause_target::Kind;
use proto::operate::v1::{ChannelProgress, PauseRequest, PauseTarget, ResumeRequest};

use crate::environment::*;
use crate::on_both;

on_both!(
    a_paused_application_gets_nothing_and_everything_once_it_is_resumed,
    progress_counts_what_waits_by_channel,
    a_stored_session_has_its_adapter_and_what_it_has_in_hand,
    sessions_are_renewed_together_and_the_closed_ones_are_named,
);

fn target(kind: Kind, name: &str) -> Option<PauseTarget> {
    Some(PauseTarget { kind: kind.into(), name: name.to_owned() })
}

async fn pause(service: &Service, target: Option<PauseTarget>) -> bool {
    let request = PauseRequest { target, reason: "upgrade".to_owned(), actor: "hoa".to_owned() };
    service.pause(request).await.unwrap().repeat
}

async fn resume(service: &Service, target: Option<PauseTarget>) -> bool {
    let request = ResumeRequest { target, ..ResumeRequest::default() };
    service.resume(request).await.is_ok()
}

async fn a_paused_application_gets_nothing_and_everything_once_it_is_resumed(mut env: Environment) {
    for target in [target(Kind::Application, "b-app"), target(Kind::Channel, "delivery.b-app")] {
        let conversation = target.as_ref().unwrap().name.clone();
        let id = env.accept_and_route(item_of(&conversation), &["b-app"]).await.remove(0);
        let session = env.open("b-app", ReceiverClass::Repeatable).await;
        assert!(!pause(&env.service, target.clone()).await);
        assert!(pause(&env.service, target.clone()).await, "it replaces the first");
        assert_eq!(env.answers(&session, &[&id]).await, [Answer::Hold]);
        let summary = env.summary(&id).await;
        assert_eq!((summary.state(), summary.attempt), (State::Queued, 0));
        assert_eq!(summary.paused.unwrap().actor, "hoa");
        env.published_so_far();
        env.advance(31);
        assert_eq!(env.published_in_a_while().await, Vec::<String>::new(), "it is paused");
        assert!(resume(&env.service, target.clone()).await);
        assert!(!resume(&env.service, target).await, "it is not paused any more");
        assert_eq!(env.next_published().await.1, id);
        let lease = env.deliver(&session, &id).await;
        let summary = env.summary(&id).await;
        assert_eq!((summary.adapter.as_str(), summary.session), ("adapter", session.clone()));
        assert!(summary.lease_until_us > 0 && summary.paused.is_none());
        env.end(&session, &id, lease, taken()).await;
    }
}

async fn progress_counts_what_waits_by_channel(mut env: Environment) {
    let ids = [
        env.accept_and_route(item_of("one"), &["b-app"]).await.remove(0),
        env.accept_and_route(item_of("two"), &["b-app"]).await.remove(0),
    ];
    env.accept_one(item_of("three")).await;
    let session = env.open("b-app", ReceiverClass::Repeatable).await;
    let lease = env.deliver(&session, &ids[0]).await;
    pause(&env.service, target(Kind::Channel, "intake")).await;
    let counts = |it: &ChannelProgress| (it.waiting, it.in_flight, it.paused, it.oldest_us > 0);
    let progress = env.service.read_progress().await.unwrap();
    let delivery = progress.channels.iter().find(|it| it.application == "b-app").unwrap();
    assert_eq!(counts(delivery), (1, 1, false, true));
    let intake: Vec<_> =
        progress.channels.iter().filter(|it| it.waiting > 0 && it.application.is_empty()).collect();
    assert_eq!(intake.iter().map(|it| counts(it)).collect::<Vec<_>>(), [(1, 0, true, true)]);
    assert_eq!(progress.unfinished, 3);
    env.end(&session, &ids[0], lease, taken()).await;
    let progress = env.service.read_progress().await.unwrap();
    let delivery = progress.channels.iter().find(|it| it.application == "b-app").unwrap();
    assert_eq!(counts(delivery), (1, 0, false, true));
    assert!(delivery.last_progress_us > 0);
}

async fn a_stored_session_has_its_adapter_and_what_it_has_in_hand(mut env: Environment) {
    let id = env.accept_and_route(item(), &["b-app"]).await.remove(0);
    let session = env.open_as("b-app", "vanthu-1", ReceiverClass::Repeatable).await.session;
    env.deliver(&session, &id).await;
    let stored = env.service.read_sessions().await.unwrap();
    let of = (stored[0].id.as_str(), stored[0].adapter.as_str(), stored[0].in_flight);
    assert_eq!((stored.len(), of), (1, (session.as_str(), "vanthu-1", 1)));
    assert!(stored[0].lease_until_us > 0 && stored[0].stored);
    assert_eq!(env.service.close_session(session).await.unwrap(), 1, "it is given back");
    assert_eq!(env.service.read_sessions().await.unwrap(), []);
    assert_eq!(env.state(&id).await, State::Queued);
}

async fn sessions_are_renewed_together_and_the_closed_ones_are_named(mut env: Environment) {
    let mut sessions = Vec::new();
    for application in ["a-app", "b-app", "c-app"] {
        sessions.push(env.open(application, ReceiverClass::Repeatable).await);
    }
    sessions.insert(1, "unknown".to_owned());
    for _ in 0..2 {
        let renewed = env.journal.renew(RenewRequest { sessions: sessions.clone() }).await.unwrap();
        assert_eq!(renewed.into_inner().unknown, ["unknown"]);
    }
}
