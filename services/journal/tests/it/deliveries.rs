//! Begin and End: leases, order within a conversation, and the answers that settle a delivery.

use proto::fault::v1::Fault;
use proto::journal::v1::begun::Answer;
use proto::journal::v1::command_request::Action;
use proto::journal::v1::ended::Outcome;
use proto::journal::v1::settlement::Answer as Settled;
use proto::journal::v1::*;
use proto::message::v1::*;

use crate::environment::*;
use crate::on_both;

on_both!(
    a_message_is_delivered_once_and_settled_once,
    a_held_message_is_released_in_the_commit_that_settles_the_earlier_one,
    within_one_window_the_later_message_is_held,
    a_held_message_holds_no_other_conversation_or_application,
    an_earlier_message_that_is_not_routed_yet_holds_the_later_one,
    a_dead_letter_holds_later_messages_until_it_is_withdrawn,
    an_unavailable_application_is_tried_by_the_schedule_until_the_message_is_dead,
    an_application_is_tried_at_the_time_it_requests,
    an_unsent_message_is_published_again_and_counts_as_no_try,
    a_new_session_of_an_adapter_closes_the_older_one,
    a_closed_session_gives_back_its_messages_and_late_answers_change_nothing,
    an_askable_receiver_is_asked_before_a_second_delivery,
    a_receiver_that_can_do_neither_leaves_an_interrupted_delivery_in_doubt,
    an_expired_lease_gives_the_message_back,
    a_receiver_that_never_answers_gets_a_bounded_number_of_tries,
    an_answer_with_another_lease_changes_nothing,
    a_session_begins_only_messages_of_its_application,
    begin_needs_an_open_session,
    begin_needs_a_lease_that_json_clients_can_read,
    many_concurrent_sessions_deliver_a_message_once,
    a_message_for_an_application_without_a_channel_is_a_dead_letter,
    a_withdrawn_message_is_not_delivered,
    a_settlement_counts_before_its_session_is_closed,
    a_begin_whose_caller_went_away_takes_no_message,
    messages_of_a_lost_begin_are_given_back,
    a_begin_that_is_undone_in_its_group_leases_nothing,
    another_application_cannot_settle,
    a_late_answer_is_noted_once,
    a_message_derived_before_its_parent_was_routed_is_known_when_recorded_again,
    statuses_of_a_document_are_all_kept_and_in_the_order_in_which_they_occurred,
    short_requested_waits_use_up_no_tries,
);

const REPEATABLE: ReceiverClass = ReceiverClass::Repeatable;

async fn a_message_is_delivered_once_and_settled_once(mut env: Environment) {
    let id = env.accept_and_route(item(), &["b-app"]).await.remove(0);
    let session = env.open("b-app", REPEATABLE).await;
    let begun = env.begin(&session, &[&id, &id, "17"]).await;
    assert_eq!(begun[0].answer(), Answer::Deliver);
    assert_eq!((begun[0].attempt, begun[0].ask_first), (1, false));
    assert_eq!(begun[0].attachments.len(), 1);
    assert!(begun[0].index.as_ref().unwrap().number.ends_with("/CV"), "{:?}", begun[0].index);
    assert_eq!(begun[0].lease_until_us, env.clock.now_us() + 60_000_000);
    assert_eq!(begun[1].answer(), Answer::InHandElsewhere);
    assert_eq!(begun[2].answer(), Answer::Unknown);
    let ended = env.end(&session, &id, begun[0].lease, taken()).await;
    assert_eq!((ended.outcome(), ended.state()), (Outcome::Closed, State::Taken));
    let ended = env.end(&session, &id, begun[0].lease, taken()).await;
    assert_eq!(ended.outcome(), Outcome::Repeated);
    let ended = env.end(&session, &id, begun[0].lease, refused()).await;
    assert_eq!((ended.outcome(), ended.state()), (Outcome::Contradicted, State::Taken));
    let done = env.begin(&session, &[&id]).await.remove(0);
    assert_eq!(done.answer(), Answer::AlreadyDone);
    assert_eq!((done.state(), done.detail.as_str()), (State::Taken, "ref-1"));
    let steps = env.steps(&id).await;
    assert_eq!(steps, [Step::Translated, Step::Begun, Step::Taken, Step::LateAnswer]);
}

async fn a_held_message_is_released_in_the_commit_that_settles_the_earlier_one(
    mut env: Environment,
) {
    let first = env.accept_and_route(item_of("doc"), &["b-app"]).await.remove(0);
    let second = env.accept_and_route(item_of("doc"), &["b-app"]).await.remove(0);
    let third = env.accept_and_route(item_of("doc"), &["b-app"]).await.remove(0);
    let session = env.open("b-app", REPEATABLE).await;
    assert_eq!(env.answers(&session, &[&third, &second]).await, [Answer::Hold, Answer::Hold]);
    let lease = env.deliver(&session, &first).await;
    assert_eq!(env.answers(&session, &[&second]).await, [Answer::Hold]);
    let held = env.summary(&second).await;
    assert_eq!((held.state(), held.behind), (State::Held, first.clone()));
    assert_eq!(env.published_in_a_while().await, Vec::<String>::new());
    env.end(&session, &first, lease, refused()).await;
    assert_eq!(env.state(&second).await, State::Queued, "released in the same commit");
    assert_eq!(env.next_published().await, ("delivery.b-app".to_owned(), second.clone()));
    assert_eq!(env.state(&third).await, State::Held);
    let lease = env.deliver(&session, &second).await;
    env.end(&session, &second, lease, taken()).await;
    assert_eq!(env.next_published().await.1, third);
    env.deliver(&session, &third).await;
    let steps = env.steps(&second).await;
    assert_eq!(steps[1..], [Step::Held, Step::Released, Step::Begun, Step::Taken]);
}

async fn within_one_window_the_later_message_is_held(mut env: Environment) {
    let first = env.accept_and_route(item_of("doc"), &["b-app"]).await.remove(0);
    let second = env.accept_and_route(item_of("doc"), &["b-app"]).await.remove(0);
    let session = env.open("b-app", REPEATABLE).await;
    let answers = env.answers(&session, &[&first, &second]).await;
    assert_eq!(answers, [Answer::Deliver, Answer::Hold]);
}

async fn a_held_message_holds_no_other_conversation_or_application(mut env: Environment) {
    let ids = env.accept_and_route(item_of("doc"), &["b-app", "c-app"]).await;
    let later = env.accept_and_route(item_of("doc"), &["b-app", "c-app"]).await;
    let other = env.accept_and_route(item(), &["b-app"]).await.remove(0);
    let (b, c) = (env.open("b-app", REPEATABLE).await, env.open("c-app", REPEATABLE).await);
    env.deliver(&b, &ids[0]).await;
    assert_eq!(env.answers(&b, &[&later[0], &other]).await, [Answer::Hold, Answer::Deliver]);
    let lease = env.deliver(&c, &ids[1]).await;
    env.end(&c, &ids[1], lease, taken()).await;
    env.deliver(&c, &later[1]).await;
}

async fn an_earlier_message_that_is_not_routed_yet_holds_the_later_one(mut env: Environment) {
    let first = env.accept_one(item_of("doc")).await.message_id;
    let second = env.accept_and_route(item_of("doc"), &["b-app"]).await.remove(0);
    let session = env.open("b-app", REPEATABLE).await;
    assert_eq!(env.answers(&session, &[&second]).await, [Answer::Hold]);
    assert_eq!(env.summary(&second).await.behind, first);
    // It was routed to another application only, so it blocks nothing any more.
    env.record(vec![routing(&first, &["c-app"])]).await;
    assert_eq!(env.next_published().await, ("delivery.b-app".to_owned(), second.clone()));
    env.deliver(&session, &second).await;
    let to_c = env.accept_one(with(|it| {
        it.conversation = "doc2".to_owned();
        it.recipients = vec!["c".to_owned()];
    }));
    to_c.await;
    let to_b = env.accept_and_route(item_of("doc2"), &["b-app"]).await.remove(0);
    env.deliver(&session, &to_b).await;
}

async fn a_dead_letter_holds_later_messages_until_it_is_withdrawn(mut env: Environment) {
    let first = env.accept_and_route(item_of("doc"), &["b-app"]).await.remove(0);
    let second = env.accept_and_route(item_of("doc"), &["b-app"]).await.remove(0);
    let disposition = Some(entry::Disposition::Dead(DeadLetter::default()));
    env.record(vec![Entry { message_id: first.clone(), disposition, ..Entry::default() }]).await;
    let session = env.open("b-app", REPEATABLE).await;
    assert_eq!(env.answers(&session, &[&second, &first]).await, [Answer::Hold, Answer::Hold]);
    env.advance(90_000);
    let published = env.published_in_a_while().await;
    assert_eq!(published, std::slice::from_ref(&second), "the first waits for an operator");
    assert_eq!(env.answers(&session, &[&second]).await, [Answer::Hold]);
    assert!(env.command(Action::Withdraw, &first).await);
    assert_eq!(env.next_published().await.1, second);
    env.deliver(&session, &second).await;
    assert!(!env.command(Action::Withdraw, &first).await, "it is withdrawn already");
}

async fn an_unavailable_application_is_tried_by_the_schedule_until_the_message_is_dead(
    mut env: Environment,
) {
    let id = env.accept_and_route(item(), &["b-app"]).await.remove(0);
    let session = env.open("b-app", REPEATABLE).await;
    for (place, seconds) in [10, 60, 600, 3_600, 21_600].into_iter().enumerate() {
        let begun = env.begin(&session, &[&id]).await.remove(0);
        assert_eq!(usize::try_from(begun.attempt).unwrap(), place + 1, "{begun:?}");
        let ended = env.end(&session, &id, begun.lease, unavailable(0)).await;
        assert_eq!((ended.outcome(), ended.state()), (Outcome::Closed, State::Parked));
        assert_eq!(env.answers(&session, &[&id]).await, [Answer::Hold]);
        let ended = env.end(&session, &id, begun.lease, unavailable(0)).await;
        assert_eq!(ended.outcome(), Outcome::Repeated);
        env.advance(seconds - 1);
        assert_eq!(env.published_in_a_while().await, Vec::<String>::new());
        env.advance(1);
        assert_eq!(env.next_published().await, ("delivery.b-app".to_owned(), id.clone()));
    }
    let lease = env.deliver(&session, &id).await;
    env.end(&session, &id, lease, unavailable(0)).await;
    assert_eq!(env.state(&id).await, State::Dead);
    assert!(env.command(Action::Redrive, &id).await);
    env.next_published().await;
    let lease = env.deliver(&session, &id).await;
    let ended = env.end(&session, &id, lease, unavailable(0)).await;
    assert_eq!(ended.state(), State::Parked, "a redrive restarts the schedule");
}

async fn an_application_is_tried_at_the_time_it_requests(mut env: Environment) {
    let id = env.accept_and_route(item(), &["b-app"]).await.remove(0);
    let session = env.open("b-app", REPEATABLE).await;
    let lease = env.deliver(&session, &id).await;
    env.end(&session, &id, lease, unavailable(90_000)).await;
    let summary = env.summary(&id).await;
    assert_eq!(summary.due_us, env.clock.now_us() + 90_000_000);
    assert_eq!(summary.fault.unwrap().code, "LT-JNL-003");
    assert!(env.command(Action::Release, &id).await, "an operator releases it early");
    assert_eq!(env.next_published().await.1, id);
}

async fn an_unsent_message_is_published_again_and_counts_as_no_try(mut env: Environment) {
    let id = env.accept_and_route(item(), &["b-app"]).await.remove(0);
    let session = env.open("b-app", ReceiverClass::Neither).await;
    let lease = env.deliver(&session, &id).await;
    let ended = env.end(&session, &id, lease, Settled::Unsent(true)).await;
    assert_eq!((ended.outcome(), ended.state()), (Outcome::Closed, State::Queued));
    assert_eq!(env.next_published().await.1, id);
    assert_eq!(env.begin(&session, &[&id]).await[0].attempt, 1);
}

async fn a_new_session_of_an_adapter_closes_the_older_one(mut env: Environment) {
    let id = env.accept_and_route(item(), &["b-app"]).await.remove(0);
    let old = env.open("b-app", REPEATABLE).await;
    let lease = env.deliver(&old, &id).await;
    let second_adapter = env.open_as("b-app", "second adapter", REPEATABLE).await;
    assert_eq!(second_adapter.given_back, 0);
    let new = env.open_as("b-app", "adapter", REPEATABLE).await;
    assert_eq!(new.given_back, 1);
    assert_eq!(env.next_published().await, ("delivery.b-app".to_owned(), id.clone()));
    let begun = env.begin(&new.session, &[&id]).await.remove(0);
    assert_eq!((begun.answer(), begun.attempt), (Answer::Deliver, 2));
    assert!(begun.lease > lease, "leases grow");
    let late = env.end(&old, &id, lease, taken()).await;
    assert_eq!((late.outcome(), late.state()), (Outcome::LeaseLost, State::InHand));
    let ended = env.end(&new.session, &id, begun.lease, taken()).await;
    assert_eq!(ended.outcome(), Outcome::Closed);
    assert!(env.steps(&id).await.contains(&Step::LateAnswer));
}

async fn a_closed_session_gives_back_its_messages_and_late_answers_change_nothing(
    mut env: Environment,
) {
    let id = env.accept_and_route(item(), &["b-app"]).await.remove(0);
    let session = env.open("b-app", REPEATABLE).await;
    let lease = env.deliver(&session, &id).await;
    let closed = env.journal.close(CloseRequest { session: session.clone() }).await.unwrap();
    assert_eq!(closed.into_inner().given_back, 1);
    assert_eq!(env.next_published().await.1, id);
    let late = env.end(&session, &id, lease, taken()).await;
    assert_eq!((late.outcome(), late.state()), (Outcome::LeaseLost, State::Queued));
}

async fn an_askable_receiver_is_asked_before_a_second_delivery(mut env: Environment) {
    let id = env.accept_and_route(item(), &["b-app"]).await.remove(0);
    let session = env.open("b-app", ReceiverClass::Askable).await;
    let first = env.begin(&session, &[&id]).await.remove(0);
    assert!(!first.ask_first);
    let session = env.open("b-app", ReceiverClass::Askable).await;
    let second = env.begin(&session, &[&id]).await.remove(0);
    assert!(second.ask_first);
}

async fn a_receiver_that_can_do_neither_leaves_an_interrupted_delivery_in_doubt(
    mut env: Environment,
) {
    let id = env.accept_and_route(item_of("doc"), &["b-app"]).await.remove(0);
    let behind = env.accept_and_route(item_of("doc"), &["b-app"]).await.remove(0);
    let session = env.open("b-app", ReceiverClass::Neither).await;
    let lease = env.deliver(&session, &id).await;
    let session = env.open("b-app", ReceiverClass::Neither).await;
    assert_eq!(env.state(&id).await, State::InDoubt);
    let answers = env.answers(&session, &[&id, &behind]).await;
    assert_eq!(answers, [Answer::Hold, Answer::Hold]);
    env.advance(1_000_000);
    assert!(!env.published_in_a_while().await.contains(&id), "it waits for an operator");
    let late = env.end(&session, &id, lease, taken()).await;
    assert_eq!((late.outcome(), late.state()), (Outcome::LeaseLost, State::InDoubt));
    assert!(env.command(Action::Confirm, &id).await);
    assert_eq!(env.state(&id).await, State::Taken);
    env.wait_for_state(&behind, State::Queued).await;
    env.deliver(&session, &behind).await;
}

async fn an_expired_lease_gives_the_message_back(mut env: Environment) {
    let id = env.accept_and_route(item(), &["b-app"]).await.remove(0);
    let doubtful = env.accept_and_route(item(), &["c-app"]).await.remove(0);
    let session = env.open("b-app", REPEATABLE).await;
    let lease = env.deliver(&session, &id).await;
    let other = env.open("c-app", ReceiverClass::Neither).await;
    env.deliver(&other, &doubtful).await;
    env.advance(59);
    assert_eq!(env.published_in_a_while().await, Vec::<String>::new());
    assert_eq!(env.state(&id).await, State::InHand);
    env.advance(2);
    assert_eq!(env.next_published().await, ("delivery.b-app".to_owned(), id.clone()));
    env.wait_for_state(&doubtful, State::InDoubt).await;
    let late = env.end(&session, &id, lease, taken()).await;
    assert_eq!(late.outcome(), Outcome::LeaseLost);
}

async fn a_receiver_that_never_answers_gets_a_bounded_number_of_tries(mut env: Environment) {
    let id = env.accept_and_route(item(), &["b-app"]).await.remove(0);
    let session = env.open("b-app", REPEATABLE).await;
    for _ in 0..20 {
        env.deliver(&session, &id).await;
        env.advance(61);
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
        while env.state(&id).await == State::InHand {
            assert!(tokio::time::Instant::now() < deadline);
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        let state = env.state(&id).await;
        if state == State::Dead {
            return;
        }
        if state == State::Parked {
            env.advance(21_601);
            env.wait_for_state(&id, State::Queued).await;
        }
    }
    panic!("it was not dead after twenty tries");
}

async fn an_answer_with_another_lease_changes_nothing(mut env: Environment) {
    let id = env.accept_and_route(item(), &["b-app"]).await.remove(0);
    let untouched = env.accept_and_route(item(), &["b-app"]).await.remove(0);
    let session = env.open("b-app", REPEATABLE).await;
    let other = env.open_as("b-app", "other", REPEATABLE).await.session;
    let lease = env.deliver(&session, &id).await;
    for (session, lease) in [(&other, lease), (&session, lease + 1)] {
        let ended = env.end(session, &id, lease, taken()).await;
        assert_eq!((ended.outcome(), ended.state()), (Outcome::LeaseLost, State::InHand));
    }
    let not_delivered = env.end(&session, &untouched, lease, taken()).await;
    assert_eq!(not_delivered.outcome(), Outcome::NotKnown);
    let unknown = env.end(&session, "17", lease, taken()).await;
    assert_eq!(unknown.outcome(), Outcome::NotKnown);
    assert_eq!(env.end(&session, &id, lease, taken()).await.outcome(), Outcome::Closed);
}

async fn a_session_begins_only_messages_of_its_application(mut env: Environment) {
    let parent = env.accept_one(item()).await.message_id;
    env.record(vec![routing(&parent, &["b-app", "c-app"])]).await;
    let ids = derived_ids(&routing(&parent, &["b-app", "c-app"]));
    let session = env.open("b-app", REPEATABLE).await;
    let answers = env.answers(&session, &[&ids[0], &ids[1], &parent]).await;
    assert_eq!(answers, [Answer::Deliver, Answer::Unknown, Answer::Unknown]);
}

async fn begin_needs_an_open_session(mut env: Environment) {
    let id = env.accept_and_route(item(), &["b-app"]).await.remove(0);
    let request = env.begin_request("gone", &[&id]);
    let status = env.journal.begin(request).await.unwrap_err();
    let fault = Fault::from_status(&status).unwrap();
    assert_eq!(fault.code, "LT-JNL-004");
}

async fn begin_needs_a_lease_that_json_clients_can_read(mut env: Environment) {
    let id = env.accept_and_route(item(), &["b-app"]).await.remove(0);
    let session = env.open("b-app", REPEATABLE).await;
    for lease in [0, 1 << 53, u64::MAX] {
        let request = BeginRequest { lease, ..env.begin_request(&session, &[&id]) };
        let status = env.journal.begin(request).await.unwrap_err();
        let fault = Fault::from_status(&status).unwrap();
        assert_eq!((fault.code.as_str(), fault.params["part"].as_str()), ("LT-JNL-006", "lease"));
    }
    let request = BeginRequest { lease: (1 << 53) - 1, ..env.begin_request(&session, &[&id, &id]) };
    let begun = env.journal.begin(request.clone()).await.unwrap().into_inner().messages;
    assert_eq!((begun[0].answer(), begun[0].lease), (Answer::Deliver, request.lease));
    assert_eq!(begun[1].answer(), Answer::InHandElsewhere, "a second copy in one window");
    let again = env.journal.begin(request).await.unwrap().into_inner().messages;
    assert_eq!(again[0].answer(), Answer::InHandElsewhere);
}

async fn many_concurrent_sessions_deliver_a_message_once(mut env: Environment) {
    let id = env.accept_and_route(item(), &["b-app"]).await.remove(0);
    let mut sessions = Vec::new();
    for adapter in 0..20 {
        let name = format!("adapter {adapter}");
        sessions.push(env.open_as("b-app", &name, REPEATABLE).await.session);
    }
    let calls = sessions.into_iter().map(|session| {
        // Sessions of different gateways may use the same number.
        let request = BeginRequest { lease: 7, ..env.begin_request(&session, &[&id]) };
        let mut journal = env.journal.clone();
        async move { journal.begin(request).await.unwrap().into_inner().messages[0].answer() }
    });
    let answers = futures::future::join_all(calls).await;
    let delivered = answers.iter().filter(|it| **it == Answer::Deliver).count();
    let elsewhere = answers.iter().filter(|it| **it == Answer::InHandElsewhere).count();
    assert_eq!((delivered, elsewhere), (1, 19));
}

async fn a_message_for_an_application_without_a_channel_is_a_dead_letter(mut env: Environment) {
    let ids = env.accept_and_route(item(), &["văn phòng", "b-app"]).await;
    assert_eq!(env.state(&ids[0]).await, State::Dead);
    assert_eq!(env.state(&ids[1]).await, State::Queued);
}

async fn a_withdrawn_message_is_not_delivered(mut env: Environment) {
    let id = env.accept_and_route(item(), &["b-app"]).await.remove(0);
    assert!(env.command(Action::Withdraw, &id).await);
    let session = env.open("b-app", REPEATABLE).await;
    let begun = env.begin(&session, &[&id]).await.remove(0);
    assert_eq!((begun.answer(), begun.state()), (Answer::AlreadyDone, State::Withdrawn));
}

async fn a_settlement_counts_before_its_session_is_closed(mut env: Environment) {
    let id = env.accept_and_route(item(), &["b-app"]).await.remove(0);
    let session = env.open("b-app", ReceiverClass::Neither).await;
    let lease = env.deliver(&session, &id).await;
    let request = env.end_request(&session, &id, lease, taken());
    let (mut one, mut other) = (env.journal.clone(), env.journal.clone());
    // Both calls are queued before the writer takes either.
    let (ended, closed) =
        futures::join!(one.end(request), other.close(CloseRequest { session: session.clone() }));
    let ended = ended.unwrap().into_inner().messages.remove(0);
    assert_eq!((ended.outcome(), ended.state()), (Outcome::Closed, State::Taken));
    assert_eq!(closed.unwrap().into_inner().given_back, 0);
}

async fn a_begin_whose_caller_went_away_takes_no_message(mut env: Environment) {
    let id = env.accept_and_route(item(), &["b-app"]).await.remove(0);
    let session = env.open("b-app", REPEATABLE).await;
    let request = env.begin_request(&session, &[&id]);
    let mut journal = env.journal.clone();
    let mut call = Box::pin(journal.begin(request));
    assert!(futures::poll!(call.as_mut()).is_pending());
    drop(call);
    let begun = env.begin(&session, &[&id]).await.remove(0);
    assert_eq!((begun.answer(), begun.attempt), (Answer::Deliver, 1));
}

async fn messages_of_a_lost_begin_are_given_back(mut env: Environment) {
    let id = env.accept_and_route(item(), &["b-app"]).await.remove(0);
    let session = env.open("b-app", ReceiverClass::Neither).await;
    let second_adapter = env.open_as("b-app", "beside", ReceiverClass::Neither).await.session;
    let lost = env.deliver(&session, &id).await;
    let ended = env.end(&second_adapter, &id, lost, Settled::Unsent(true)).await;
    assert_eq!((ended.outcome(), ended.state()), (Outcome::LeaseLost, State::InHand));
    // The undo comes after a copy was held already, and publishes the message for the next Begin.
    assert_eq!(env.answers(&session, &[&id]).await, [Answer::InHandElsewhere]);
    let ended = env.end(&session, &id, lost, Settled::Unsent(true)).await;
    assert_eq!((ended.outcome(), ended.state()), (Outcome::Closed, State::Queued));
    assert_eq!(env.next_published().await.1, id);
    assert_eq!(env.begin(&session, &[&id]).await[0].attempt, 1, "it does not count as a try");
    // A repeat of the undo does not take the lease under which the message is delivered now.
    let ended = env.end(&session, &id, lost, Settled::Unsent(true)).await;
    assert_eq!((ended.outcome(), ended.state()), (Outcome::LeaseLost, State::InHand));
}

async fn a_begin_that_is_undone_in_its_group_leases_nothing(mut env: Environment) {
    let id = env.accept_and_route(item(), &["b-app"]).await.remove(0);
    let session = env.open("b-app", ReceiverClass::Neither).await;
    for is_undo_first in [false, true] {
        let (lost, next) =
            (env.begin_request(&session, &[&id]), env.begin_request(&session, &[&id]));
        let (undo, next_lease) =
            (env.end_request(&session, &id, lost.lease, Settled::Unsent(true)), next.lease);
        let (mut first, mut second, mut third) =
            (env.journal.clone(), env.journal.clone(), env.journal.clone());
        // All calls are queued before the writer takes the first.
        let (lost, ended, begun) = if is_undo_first {
            let (ended, begun, lost) =
                futures::join!(first.end(undo), second.begin(next), third.begin(lost));
            (lost, ended, begun)
        } else {
            futures::join!(first.begin(lost), second.end(undo), third.begin(next))
        };
        let fault = Fault::from_status(&lost.unwrap_err()).unwrap();
        assert!(fault.is_retryable(), "{fault:?}");
        assert_eq!(ended.unwrap().into_inner().messages[0].outcome(), Outcome::LeaseLost);
        let begun = begun.unwrap().into_inner().messages.remove(0);
        assert_eq!((begun.answer(), begun.lease), (Answer::Deliver, next_lease));
        assert_eq!(begun.attempt, 1, "a Begin that was undone is no try");
        let ended = env.end(&session, &id, next_lease, Settled::Unsent(true)).await;
        assert_eq!(ended.outcome(), Outcome::Closed);
    }
}

async fn another_application_cannot_settle(mut env: Environment) {
    let id = env.accept_and_route(item(), &["b-app"]).await.remove(0);
    let session = env.open("b-app", REPEATABLE).await;
    let lease = env.deliver(&session, &id).await;
    let before = env.steps(&id).await;
    let request = env.end_request(&session, &id, lease, taken());
    for application in ["c-app", ""] {
        let request = EndRequest { application: application.to_owned(), ..request.clone() };
        let ended = env.journal.end(request).await.unwrap().into_inner().messages.remove(0);
        assert_eq!((ended.outcome(), ended.state()), (Outcome::NotKnown, State::Unspecified));
    }
    assert_eq!(env.steps(&id).await, before);
    assert_eq!(env.end(&session, &id, lease, taken()).await.outcome(), Outcome::Closed);
}

async fn a_late_answer_is_noted_once(mut env: Environment) {
    let id = env.accept_and_route(item(), &["b-app"]).await.remove(0);
    let session = env.open("b-app", REPEATABLE).await;
    let lease = env.deliver(&session, &id).await;
    env.journal.close(CloseRequest { session: session.clone() }).await.unwrap();
    for _ in 0..3 {
        let late = env.end(&session, &id, lease, taken()).await;
        assert_eq!(late.outcome(), Outcome::LeaseLost);
    }
    // The session need not exist.
    let unknown = EndRequest {
        session: "unknown".to_owned(),
        ..env.end_request(&session, &id, lease, refused())
    };
    let late = env.journal.end(unknown).await.unwrap().into_inner().messages.remove(0);
    assert_eq!(late.outcome(), Outcome::LeaseLost);
    let late_answers =
        env.steps(&id).await.into_iter().filter(|it| *it == Step::LateAnswer).count();
    assert_eq!(late_answers, 2, "one for each answer");
}

async fn short_requested_waits_use_up_no_tries(mut env: Environment) {
    let id = env.accept_and_route(item(), &["b-app"]).await.remove(0);
    let session = env.open("b-app", REPEATABLE).await;
    for _ in 0..20 {
        let lease = env.deliver(&session, &id).await;
        let ended = env.end(&session, &id, lease, unavailable(1_000)).await;
        assert_eq!(ended.state(), State::Parked);
        env.advance(1);
        assert_eq!(env.next_published().await.1, id);
    }
    let lease = env.deliver(&session, &id).await;
    env.end(&session, &id, lease, unavailable(0)).await;
    let due = env.summary(&id).await.due_us - env.clock.now_us();
    assert_eq!(due, 10_000_000, "the schedule is at its first step");
}

async fn a_message_derived_before_its_parent_was_routed_is_known_when_recorded_again(
    mut env: Environment,
) {
    let parent = env.accept_one(item()).await.message_id;
    let routing = routing(&parent, &["b-app"]);
    env.record(vec![Entry { disposition: None, ..routing.clone() }]).await;
    let id = derived_ids(&routing).remove(0);
    let session = env.open("b-app", ReceiverClass::Repeatable).await;
    let lease = env.deliver(&session, &id).await;
    env.end(&session, &id, lease, taken()).await;
    let response = env.record_response(vec![routing]).await;
    assert_eq!((response.unknown, response.ended), (Vec::<String>::new(), vec![id.clone()]));
    let journey = env.journey(&parent).await;
    assert_eq!(journey.derived.len(), 1);
    assert_eq!(journey.derived[0].state(), State::Taken);
    assert_eq!(journey.message.unwrap().state(), State::Routed);
}

/// Statuses overtake each other on their way, and some say no time (cases Q01).
async fn statuses_of_a_document_are_all_kept_and_in_the_order_in_which_they_occurred(
    mut env: Environment,
) {
    let conversation = "5f0c9e1a-7d3b-4f57-9d5e-0f3a1c2b4d6e";
    let document = env.accept_one(item_of(conversation)).await;
    let now = env.clock.now_us();
    let mut ids = Vec::new();
    for occurred_at_us in [now + 3_000_000, now + 1_000_000, 0, now + 2_000_000, now + 1_000_000] {
        let status = with(|it| {
            conversation.clone_into(&mut it.conversation);
            it.r#type = MessageType::Status.into();
            it.sender = "b".to_owned();
            it.source = "b-app".to_owned();
            it.occurred_at_us = occurred_at_us;
        });
        ids.push(env.accept_one(status).await.message_id);
    }
    let journey = env.journey(&document.message_id).await;
    let found: Vec<_> =
        journey.statuses.iter().map(|it| it.envelope.as_ref().unwrap().id.clone()).collect();
    let expected: Vec<_> = [2, 1, 4, 3, 0].map(|it: usize| ids[it].clone()).into();
    assert_eq!(found, expected);
}
