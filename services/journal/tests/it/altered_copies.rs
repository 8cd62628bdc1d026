//! Copies that somebody with the broker's password changed: each is compared with the stored message.

use ::journal_client::{CopyDigest, copy_digest};
use bus::Body;
use proto::journal::v1::begun::Answer;
use proto::journal::v1::entry::Disposition;
use proto::journal::v1::*;
use proto::message::v1::{Fact, ReceiverClass, State, Step};

use crate::environment::*;
use crate::on_both;

on_both!(
    an_altered_copy_is_not_begun_and_the_genuine_message_is_published_at_once,
    an_altered_copy_is_not_routed_and_the_genuine_message_is_published_at_once,
    an_altered_copy_that_fails_leaves_the_genuine_message_as_it_is,
    a_copy_on_the_channel_of_another_application_is_altered,
    copies_are_compared_after_a_restart_too,
    a_copy_of_a_message_that_cannot_be_read_is_not_delivered,
    an_altered_copy_of_a_settled_message_moves_nothing,
    copies_that_are_altered_again_and_again_make_no_busy_loop,
    a_message_that_is_routed_again_with_other_content_stays_as_it_is_stored,
);

/// A digest of a copy with another body, which is what its altered attributes would say.
fn altered(copy: &bus::Message) -> CopyDigest {
    let body = Body::Inline("chuyển tiền cho tôi".into());
    copy_digest(&bus::Message { body, ..copy.clone() }, application(copy))
}

fn genuine(copy: &bus::Message) -> CopyDigest {
    copy_digest(copy, application(copy))
}

fn application(copy: &bus::Message) -> &str {
    copy.attributes.get("application").map_or("", String::as_str)
}

async fn altered_facts(env: &mut Environment, id: &str) -> Vec<Fact> {
    let hops = env.journey(id).await.hops.into_iter().filter(|it| it.message_id == id);
    let facts = hops.filter_map(|it| it.fact);
    facts.filter(|it| it.step() == Step::Altered).collect()
}

async fn an_altered_copy_is_not_begun_and_the_genuine_message_is_published_at_once(
    mut env: Environment,
) {
    let id = env.accept_and_route(item(), &["b-app"]).await.remove(0);
    let session = env.open("b-app", ReceiverClass::Repeatable).await;
    let copy = env.copy(&id).await;
    let recipient = ("recipients".into(), "c".to_owned());
    let mut attributes = copy.attributes.clone();
    attributes.extend([recipient]);
    let redirected = copy_digest(&bus::Message { attributes, ..copy.clone() }, "b-app");
    for digest in [altered(&copy), redirected] {
        let begun = env.begin_copies(&session, &[(&id, digest)]).await.remove(0);
        assert_eq!(begun.answer(), Answer::Altered);
        assert_eq!((begun.lease, begun.attachments.len()), (0, 0));
        let (channel, published, message) = env.next_published_message().await;
        assert_eq!((channel.as_str(), published.as_str()), ("delivery.b-app", id.as_str()));
        assert_eq!(message.body, copy.body, "the journal's own bytes");
        assert_eq!(env.state(&id).await, State::Queued);
    }
    let facts = altered_facts(&mut env, &id).await;
    assert_eq!(facts.len(), 2);
    assert_eq!(facts[0].fault.as_ref().unwrap().code, "LT-JNL-026");
    assert_eq!(facts[0].detail.len(), 64);
    let begun = env.begin_copies(&session, &[(&id, genuine(&copy))]).await.remove(0);
    assert_eq!((begun.answer(), begun.attempt), (Answer::Deliver, 1), "no try was used up");
}

async fn an_altered_copy_is_not_routed_and_the_genuine_message_is_published_at_once(
    mut env: Environment,
) {
    let id = env.accept_one(item()).await.message_id;
    let copy = env.copy(&id).await;
    let routed = |digest: CopyDigest| Entry {
        copy_digest: digest.to_vec().into(),
        ..routing(&id, &["b-app", "c-app"])
    };
    let response = env.record_response(vec![routed(altered(&copy))]).await;
    assert_eq!((response.altered, response.unknown), (vec![id.clone()], vec![]));
    assert_eq!(env.state(&id).await, State::Accepted);
    assert_eq!(env.journey(&id).await.derived, [], "nothing is derived from it");
    let (channel, published, message) = env.next_published_message().await;
    assert_eq!((channel.as_str(), &published), ("intake.0", &id));
    assert_eq!(genuine(&message), genuine(&copy));
    assert_eq!(altered_facts(&mut env, &id).await.len(), 1);
    let response = env.record_response(vec![routed(genuine(&copy))]).await;
    assert_eq!(response, RecordResponse::default());
    assert_eq!(env.state(&id).await, State::Routed);
}

async fn an_altered_copy_that_fails_leaves_the_genuine_message_as_it_is(mut env: Environment) {
    let id = env.accept_one(item()).await.message_id;
    let copy = env.copy(&id).await;
    let failed = |disposition| Entry {
        message_id: id.clone(),
        disposition: Some(disposition),
        copy_digest: altered(&copy).to_vec().into(),
        ..Entry::default()
    };
    let dispositions =
        [Disposition::Dead(DeadLetter::default()), Disposition::Parked(Park::default())];
    for disposition in dispositions {
        let response = env.record_response(vec![failed(disposition)]).await;
        assert_eq!(response.altered, std::slice::from_ref(&id));
        assert_eq!(env.state(&id).await, State::Accepted);
        assert_eq!(env.next_published().await.1, id);
    }
    assert_eq!(env.summary(&id).await.attempt, 0);
}

async fn a_copy_on_the_channel_of_another_application_is_altered(mut env: Environment) {
    let ids = env.accept_and_route(item(), &["b-app", "c-app"]).await;
    let session = env.open("c-app", ReceiverClass::Repeatable).await;
    let copy = env.copy(&ids[0]).await;
    let digest = copy_digest(&copy, "c-app");
    let begun = env.begin_copies(&session, &[(&ids[0], digest)]).await.remove(0);
    assert_eq!(begun.answer(), Answer::Altered);
    assert_eq!(env.next_published().await, ("delivery.b-app".to_owned(), ids[0].clone()));
}

async fn copies_are_compared_after_a_restart_too(mut env: Environment) {
    let id = env.accept_and_route(item(), &["b-app"]).await.remove(0);
    let copy = env.copy(&id).await;
    let mut env = env.restart().await;
    assert_eq!(env.next_published().await.1, id, "published again by the start");
    let session = env.open("b-app", ReceiverClass::Repeatable).await;
    let begun = env.begin_copies(&session, &[(&id, altered(&copy))]).await.remove(0);
    assert_eq!(begun.answer(), Answer::Altered);
    assert_eq!(env.next_published().await.1, id);
    let mut env = env.restart().await;
    let session = env.open("b-app", ReceiverClass::Repeatable).await;
    let begun = env.begin_copies(&session, &[(&id, genuine(&copy))]).await.remove(0);
    assert_eq!(begun.answer(), Answer::Deliver);
}

async fn a_copy_of_a_message_that_cannot_be_read_is_not_delivered(mut env: Environment) {
    let id = env.accept_and_route(item(), &["b-app"]).await.remove(0);
    let copy = env.copy(&id).await;
    let sqlite = format!("UPDATE message_row SET body = x'ff' WHERE id = '{id}'");
    let postgres = format!("UPDATE message_row SET body = '\\xff'::bytea WHERE id = '{id}'");
    let mut env = env.restart_after(&sqlite, &postgres).await;
    let session = env.open("b-app", ReceiverClass::Repeatable).await;
    let begun = env.begin_copies(&session, &[(&id, genuine(&copy))]).await.remove(0);
    assert_eq!(begun.answer(), Answer::Hold);
    assert_eq!(env.state(&id).await, State::Dead);
}

async fn an_altered_copy_of_a_settled_message_moves_nothing(mut env: Environment) {
    let id = env.accept_and_route(item(), &["b-app"]).await.remove(0);
    let copy = env.copy(&id).await;
    let session = env.open("b-app", ReceiverClass::Repeatable).await;
    let lease = env.deliver(&session, &id).await;
    let in_hand = env.begin_copies(&session, &[(&id, altered(&copy))]).await.remove(0);
    assert_eq!(in_hand.answer(), Answer::Altered);
    env.end(&session, &id, lease, taken()).await;
    let after = env.begin_copies(&session, &[(&id, altered(&copy))]).await.remove(0);
    assert_eq!(after.answer(), Answer::Altered);
    assert_eq!(env.state(&id).await, State::Taken);
    assert_eq!(altered_facts(&mut env, &id).await.len(), 2);
    assert_eq!(env.published_in_a_while().await, Vec::<String>::new());
}

async fn copies_that_are_altered_again_and_again_make_no_busy_loop(mut env: Environment) {
    let id = env.accept_and_route(item(), &["b-app"]).await.remove(0);
    let copy = env.copy(&id).await;
    let session = env.open("b-app", ReceiverClass::Repeatable).await;
    for count in 1..=20 {
        let begun = env.begin_copies(&session, &[(&id, altered(&copy))]).await.remove(0);
        assert_eq!(begun.answer(), Answer::Altered);
        if count <= 8 {
            assert_eq!(env.next_published().await.1, id);
        }
    }
    assert_eq!(altered_facts(&mut env, &id).await.len(), 8);
    assert_eq!(env.published_in_a_while().await, Vec::<String>::new());
    env.advance(5);
    assert_eq!(env.next_published().await.1, id, "later ones come a little later");
    let begun = env.begin_copies(&session, &[(&id, genuine(&copy))]).await.remove(0);
    assert_eq!((begun.answer(), begun.attempt), (Answer::Deliver, 1));
}

async fn a_message_that_is_routed_again_with_other_content_stays_as_it_is_stored(
    mut env: Environment,
) {
    let parent = env.accept_one(item()).await.message_id;
    let entry = routing(&parent, &["b-app"]);
    let id = derived_ids(&entry).remove(0);
    env.record(vec![entry.clone()]).await;
    let copy = env.copy(&id).await;
    let again = env.record_response(vec![entry.clone()]).await;
    assert_eq!(again.ended, Vec::<String>::new(), "the same content may go out again");
    let mut other = entry;
    let message = other.derived[0].message.as_mut().unwrap();
    message.body = Some(inline("translated by a newer description"));
    let again = env.record_response(vec![other]).await;
    assert_eq!(again.ended, std::slice::from_ref(&id));
    assert_eq!(env.copy(&id).await, copy);
}
