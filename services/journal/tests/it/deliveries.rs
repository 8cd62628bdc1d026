//! Begin and End: who has a message, who waits for whom, whose answer counts.

use proto::journal::v1::begun::Answer;
use proto::journal::v1::command_request::Action;
use proto::journal::v1::ended::Outcome;
use proto::journal::v1::settlement::Answer as Given;
use proto::journal::v1::*;
use proto::message::v1::*;

use crate::on_both;
use crate::stage::*;

on_both!(
    a_message_is_handed_over_once_and_answered_once,
    a_later_message_waits_for_the_earlier_and_goes_in_the_commit_that_ends_it,
    one_window_holds_what_comes_later_in_it,
    others_pass_whoever_waits,
    an_earlier_message_that_is_not_yet_routed_holds_the_later,
    a_dead_letter_holds_those_behind_it_until_withdrawn,
    an_unavailable_application_is_tried_by_the_schedule_and_then_it_is_dead,
    an_application_that_names_a_time_is_tried_then,
    what_was_never_handed_over_goes_again_and_is_no_try,
    a_new_session_of_an_adapter_takes_the_messages_from_the_old,
    a_closed_session_gives_back_and_its_late_answer_changes_nothing,
    an_askable_receiver_is_asked_first,
    with_neither_an_interrupted_delivery_is_in_doubt,
    a_lease_that_is_over_gives_the_message_back,
    a_receiver_that_never_answers_is_not_tried_for_ever,
    an_answer_with_anothers_lease_changes_nothing,
    a_session_sees_only_its_applications_messages,
    nobody_begins_without_a_session,
    many_sessions_at_once_hand_a_message_over_once,
    an_application_that_has_no_channel_is_a_dead_letter,
    a_withdrawn_message_is_not_delivered,
    an_answer_counts_before_its_session_closes,
    a_begin_that_nobody_waits_for_takes_nothing,
    what_a_lost_begin_gave_is_given_back,
    another_application_cannot_answer,
    a_late_answer_is_noted_once,
    what_was_derived_before_its_parent_was_routed_is_known_when_it_comes_again,
    an_application_that_asks_for_a_moment_is_not_given_up,
);

const REPEATABLE: ReceiverClass = ReceiverClass::Repeatable;

async fn a_message_is_handed_over_once_and_answered_once(mut stage: Stage) {
    let id = stage.routed(item(), &["b-app"]).await.remove(0);
    let session = stage.open("b-app", REPEATABLE).await;
    let begun = stage.begin(&session, &[&id, &id, "17"]).await;
    assert_eq!(begun[0].answer(), Answer::Deliver);
    assert_eq!((begun[0].attempt, begun[0].ask_first), (1, false));
    assert_eq!(begun[0].attachments.len(), 1);
    assert!(begun[0].index.as_ref().unwrap().number.ends_with("/CV"), "{:?}", begun[0].index);
    assert_eq!(begun[0].lease_until_us, stage.clock.now_us() + 60_000_000);
    assert_eq!(begun[1].answer(), Answer::InHandElsewhere);
    assert_eq!(begun[2].answer(), Answer::Unknown);
    let ended = stage.end(&session, &id, begun[0].lease, taken()).await;
    assert_eq!((ended.outcome(), ended.state()), (Outcome::Closed, State::Taken));
    let ended = stage.end(&session, &id, begun[0].lease, taken()).await;
    assert_eq!(ended.outcome(), Outcome::Repeated);
    let ended = stage.end(&session, &id, begun[0].lease, refused()).await;
    assert_eq!((ended.outcome(), ended.state()), (Outcome::Contradicted, State::Taken));
    let done = stage.begin(&session, &[&id]).await.remove(0);
    assert_eq!(done.answer(), Answer::AlreadyDone);
    assert_eq!((done.state(), done.detail.as_str()), (State::Taken, "ref-1"));
    let steps = stage.steps(&id).await;
    assert_eq!(steps, [Step::Translated, Step::Begun, Step::Taken, Step::LateAnswer]);
}

async fn a_later_message_waits_for_the_earlier_and_goes_in_the_commit_that_ends_it(
    mut stage: Stage,
) {
    let first = stage.routed(item_of("doc"), &["b-app"]).await.remove(0);
    let second = stage.routed(item_of("doc"), &["b-app"]).await.remove(0);
    let third = stage.routed(item_of("doc"), &["b-app"]).await.remove(0);
    let session = stage.open("b-app", REPEATABLE).await;
    assert_eq!(stage.answers(&session, &[&third, &second]).await, [Answer::Hold, Answer::Hold]);
    let lease = stage.deliver(&session, &first).await;
    assert_eq!(stage.answers(&session, &[&second]).await, [Answer::Hold]);
    let held = stage.summary(&second).await;
    assert_eq!((held.state(), held.behind), (State::Held, first.clone()));
    assert_eq!(stage.driven_in_a_while().await, Vec::<String>::new());
    stage.end(&session, &first, lease, refused()).await;
    assert_eq!(stage.state(&second).await, State::Queued, "released in the same commit");
    assert_eq!(stage.driven().await, ("delivery.b-app".to_owned(), second.clone()));
    assert_eq!(stage.state(&third).await, State::Held);
    let lease = stage.deliver(&session, &second).await;
    stage.end(&session, &second, lease, taken()).await;
    assert_eq!(stage.driven().await.1, third);
    stage.deliver(&session, &third).await;
    let steps = stage.steps(&second).await;
    assert_eq!(steps[1..], [Step::Held, Step::Released, Step::Begun, Step::Taken]);
}

async fn one_window_holds_what_comes_later_in_it(mut stage: Stage) {
    let first = stage.routed(item_of("doc"), &["b-app"]).await.remove(0);
    let second = stage.routed(item_of("doc"), &["b-app"]).await.remove(0);
    let session = stage.open("b-app", REPEATABLE).await;
    let answers = stage.answers(&session, &[&first, &second]).await;
    assert_eq!(answers, [Answer::Deliver, Answer::Hold]);
}

async fn others_pass_whoever_waits(mut stage: Stage) {
    let ids = stage.routed(item_of("doc"), &["b-app", "c-app"]).await;
    let later = stage.routed(item_of("doc"), &["b-app", "c-app"]).await;
    let other = stage.routed(item(), &["b-app"]).await.remove(0);
    let (b, c) = (stage.open("b-app", REPEATABLE).await, stage.open("c-app", REPEATABLE).await);
    stage.deliver(&b, &ids[0]).await;
    assert_eq!(stage.answers(&b, &[&later[0], &other]).await, [Answer::Hold, Answer::Deliver]);
    let lease = stage.deliver(&c, &ids[1]).await;
    stage.end(&c, &ids[1], lease, taken()).await;
    stage.deliver(&c, &later[1]).await;
}

async fn an_earlier_message_that_is_not_yet_routed_holds_the_later(mut stage: Stage) {
    let first = stage.receipt(item_of("doc")).await.message_id;
    let second = stage.routed(item_of("doc"), &["b-app"]).await.remove(0);
    let session = stage.open("b-app", REPEATABLE).await;
    assert_eq!(stage.answers(&session, &[&second]).await, [Answer::Hold]);
    assert_eq!(stage.summary(&second).await.behind, first);
    // It went to somebody else only, so nobody is in the way any more.
    stage.record(vec![routing(&first, &["c-app"])]).await;
    assert_eq!(stage.driven().await, ("delivery.b-app".to_owned(), second.clone()));
    stage.deliver(&session, &second).await;
    let to_c = stage.receipt(with(|it| {
        it.conversation = "doc2".to_owned();
        it.recipients = vec!["c".to_owned()];
    }));
    to_c.await;
    let to_b = stage.routed(item_of("doc2"), &["b-app"]).await.remove(0);
    stage.deliver(&session, &to_b).await;
}

async fn a_dead_letter_holds_those_behind_it_until_withdrawn(mut stage: Stage) {
    let first = stage.routed(item_of("doc"), &["b-app"]).await.remove(0);
    let second = stage.routed(item_of("doc"), &["b-app"]).await.remove(0);
    let disposition = Some(entry::Disposition::Dead(DeadLetter::default()));
    stage.record(vec![Entry { message_id: first.clone(), disposition, ..Entry::default() }]).await;
    let session = stage.open("b-app", REPEATABLE).await;
    assert_eq!(stage.answers(&session, &[&second, &first]).await, [Answer::Hold, Answer::Hold]);
    stage.pass(90_000);
    let driven = stage.driven_in_a_while().await;
    assert_eq!(driven, std::slice::from_ref(&second), "the first waits for an operator");
    assert_eq!(stage.answers(&session, &[&second]).await, [Answer::Hold]);
    assert!(stage.command(Action::Withdraw, &first).await);
    assert_eq!(stage.driven().await.1, second);
    stage.deliver(&session, &second).await;
    assert!(!stage.command(Action::Withdraw, &first).await, "it is over");
}

async fn an_unavailable_application_is_tried_by_the_schedule_and_then_it_is_dead(mut stage: Stage) {
    let id = stage.routed(item(), &["b-app"]).await.remove(0);
    let session = stage.open("b-app", REPEATABLE).await;
    for (place, seconds) in [10, 60, 600, 3_600, 21_600].into_iter().enumerate() {
        let begun = stage.begin(&session, &[&id]).await.remove(0);
        assert_eq!(usize::try_from(begun.attempt).unwrap(), place + 1, "{begun:?}");
        let ended = stage.end(&session, &id, begun.lease, unavailable(0)).await;
        assert_eq!((ended.outcome(), ended.state()), (Outcome::Closed, State::Parked));
        assert_eq!(stage.answers(&session, &[&id]).await, [Answer::Hold]);
        let ended = stage.end(&session, &id, begun.lease, unavailable(0)).await;
        assert_eq!(ended.outcome(), Outcome::Repeated);
        stage.pass(seconds - 1);
        assert_eq!(stage.driven_in_a_while().await, Vec::<String>::new());
        stage.pass(1);
        assert_eq!(stage.driven().await, ("delivery.b-app".to_owned(), id.clone()));
    }
    let lease = stage.deliver(&session, &id).await;
    stage.end(&session, &id, lease, unavailable(0)).await;
    assert_eq!(stage.state(&id).await, State::Dead);
    assert!(stage.command(Action::Redrive, &id).await);
    stage.driven().await;
    let lease = stage.deliver(&session, &id).await;
    let ended = stage.end(&session, &id, lease, unavailable(0)).await;
    assert_eq!(ended.state(), State::Parked, "its tries begin anew");
}

async fn an_application_that_names_a_time_is_tried_then(mut stage: Stage) {
    let id = stage.routed(item(), &["b-app"]).await.remove(0);
    let session = stage.open("b-app", REPEATABLE).await;
    let lease = stage.deliver(&session, &id).await;
    stage.end(&session, &id, lease, unavailable(90_000)).await;
    let summary = stage.summary(&id).await;
    assert_eq!(summary.due_us, stage.clock.now_us() + 90_000_000);
    assert_eq!(summary.fault.unwrap().code, "LT-JNL-003");
    assert!(stage.command(Action::Release, &id).await, "an operator need not wait");
    assert_eq!(stage.driven().await.1, id);
}

async fn what_was_never_handed_over_goes_again_and_is_no_try(mut stage: Stage) {
    let id = stage.routed(item(), &["b-app"]).await.remove(0);
    let session = stage.open("b-app", ReceiverClass::Neither).await;
    let lease = stage.deliver(&session, &id).await;
    let ended = stage.end(&session, &id, lease, Given::Unsent(true)).await;
    assert_eq!((ended.outcome(), ended.state()), (Outcome::Closed, State::Queued));
    assert_eq!(stage.driven().await.1, id);
    assert_eq!(stage.begin(&session, &[&id]).await[0].attempt, 1);
}

async fn a_new_session_of_an_adapter_takes_the_messages_from_the_old(mut stage: Stage) {
    let id = stage.routed(item(), &["b-app"]).await.remove(0);
    let old = stage.open("b-app", REPEATABLE).await;
    let lease = stage.deliver(&old, &id).await;
    let beside = stage.open_as("b-app", "second adapter", REPEATABLE).await;
    assert_eq!(beside.given_back, 0);
    let new = stage.open_as("b-app", "adapter", REPEATABLE).await;
    assert_eq!(new.given_back, 1);
    assert_eq!(stage.driven().await, ("delivery.b-app".to_owned(), id.clone()));
    let begun = stage.begin(&new.session, &[&id]).await.remove(0);
    assert_eq!((begun.answer(), begun.attempt), (Answer::Deliver, 2));
    assert!(begun.lease > lease, "a fence grows");
    let late = stage.end(&old, &id, lease, taken()).await;
    assert_eq!((late.outcome(), late.state()), (Outcome::LeaseLost, State::InHand));
    let ended = stage.end(&new.session, &id, begun.lease, taken()).await;
    assert_eq!(ended.outcome(), Outcome::Closed);
    assert!(stage.steps(&id).await.contains(&Step::LateAnswer));
}

async fn a_closed_session_gives_back_and_its_late_answer_changes_nothing(mut stage: Stage) {
    let id = stage.routed(item(), &["b-app"]).await.remove(0);
    let session = stage.open("b-app", REPEATABLE).await;
    let lease = stage.deliver(&session, &id).await;
    let closed = stage.journal.close(CloseRequest { session: session.clone() }).await.unwrap();
    assert_eq!(closed.into_inner().given_back, 1);
    assert_eq!(stage.driven().await.1, id);
    let late = stage.end(&session, &id, lease, taken()).await;
    assert_eq!((late.outcome(), late.state()), (Outcome::LeaseLost, State::Queued));
}

async fn an_askable_receiver_is_asked_first(mut stage: Stage) {
    let id = stage.routed(item(), &["b-app"]).await.remove(0);
    let session = stage.open("b-app", ReceiverClass::Askable).await;
    let first = stage.begin(&session, &[&id]).await.remove(0);
    assert!(!first.ask_first);
    let session = stage.open("b-app", ReceiverClass::Askable).await;
    let second = stage.begin(&session, &[&id]).await.remove(0);
    assert!(second.ask_first);
}

async fn with_neither_an_interrupted_delivery_is_in_doubt(mut stage: Stage) {
    let id = stage.routed(item_of("doc"), &["b-app"]).await.remove(0);
    let behind = stage.routed(item_of("doc"), &["b-app"]).await.remove(0);
    let session = stage.open("b-app", ReceiverClass::Neither).await;
    let lease = stage.deliver(&session, &id).await;
    let session = stage.open("b-app", ReceiverClass::Neither).await;
    assert_eq!(stage.state(&id).await, State::InDoubt);
    let answers = stage.answers(&session, &[&id, &behind]).await;
    assert_eq!(answers, [Answer::Hold, Answer::Hold]);
    stage.pass(1_000_000);
    assert!(!stage.driven_in_a_while().await.contains(&id), "nobody sends it by themselves");
    let late = stage.end(&session, &id, lease, taken()).await;
    assert_eq!((late.outcome(), late.state()), (Outcome::LeaseLost, State::InDoubt));
    assert!(stage.command(Action::Confirm, &id).await);
    assert_eq!(stage.state(&id).await, State::Taken);
    stage.until(&behind, State::Queued).await;
    stage.deliver(&session, &behind).await;
}

async fn a_lease_that_is_over_gives_the_message_back(mut stage: Stage) {
    let id = stage.routed(item(), &["b-app"]).await.remove(0);
    let doubtful = stage.routed(item(), &["c-app"]).await.remove(0);
    let session = stage.open("b-app", REPEATABLE).await;
    let lease = stage.deliver(&session, &id).await;
    let other = stage.open("c-app", ReceiverClass::Neither).await;
    stage.deliver(&other, &doubtful).await;
    stage.pass(59);
    assert_eq!(stage.driven_in_a_while().await, Vec::<String>::new());
    assert_eq!(stage.state(&id).await, State::InHand);
    stage.pass(2);
    assert_eq!(stage.driven().await, ("delivery.b-app".to_owned(), id.clone()));
    stage.until(&doubtful, State::InDoubt).await;
    let late = stage.end(&session, &id, lease, taken()).await;
    assert_eq!(late.outcome(), Outcome::LeaseLost);
}

async fn a_receiver_that_never_answers_is_not_tried_for_ever(mut stage: Stage) {
    let id = stage.routed(item(), &["b-app"]).await.remove(0);
    let session = stage.open("b-app", REPEATABLE).await;
    for _ in 0..20 {
        stage.deliver(&session, &id).await;
        stage.pass(61);
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
        while stage.state(&id).await == State::InHand {
            assert!(tokio::time::Instant::now() < deadline);
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        let state = stage.state(&id).await;
        if state == State::Dead {
            return;
        }
        if state == State::Parked {
            stage.pass(21_601);
            stage.until(&id, State::Queued).await;
        }
    }
    panic!("it was tried twenty times");
}

async fn an_answer_with_anothers_lease_changes_nothing(mut stage: Stage) {
    let id = stage.routed(item(), &["b-app"]).await.remove(0);
    let untouched = stage.routed(item(), &["b-app"]).await.remove(0);
    let session = stage.open("b-app", REPEATABLE).await;
    let other = stage.open_as("b-app", "other", REPEATABLE).await.session;
    let lease = stage.deliver(&session, &id).await;
    for (session, lease) in [(&other, lease), (&session, lease + 1)] {
        let ended = stage.end(session, &id, lease, taken()).await;
        assert_eq!((ended.outcome(), ended.state()), (Outcome::LeaseLost, State::InHand));
    }
    let never = stage.end(&session, &untouched, lease, taken()).await;
    assert_eq!(never.outcome(), Outcome::NotKnown);
    let nobody = stage.end(&session, "17", lease, taken()).await;
    assert_eq!(nobody.outcome(), Outcome::NotKnown);
    assert_eq!(stage.end(&session, &id, lease, taken()).await.outcome(), Outcome::Closed);
}

async fn a_session_sees_only_its_applications_messages(mut stage: Stage) {
    let parent = stage.receipt(item()).await.message_id;
    stage.record(vec![routing(&parent, &["b-app", "c-app"])]).await;
    let ids = derived_ids(&routing(&parent, &["b-app", "c-app"]));
    let session = stage.open("b-app", REPEATABLE).await;
    let answers = stage.answers(&session, &[&ids[0], &ids[1], &parent]).await;
    assert_eq!(answers, [Answer::Deliver, Answer::Unknown, Answer::Unknown]);
}

async fn nobody_begins_without_a_session(mut stage: Stage) {
    let id = stage.routed(item(), &["b-app"]).await.remove(0);
    let request = BeginRequest { session: "gone".to_owned(), message_ids: vec![id] };
    let status = stage.journal.begin(request).await.unwrap_err();
    let fault = proto::fault::v1::Fault::from_status(&status).unwrap();
    assert_eq!(fault.code, "LT-JNL-004");
}

async fn many_sessions_at_once_hand_a_message_over_once(mut stage: Stage) {
    let id = stage.routed(item(), &["b-app"]).await.remove(0);
    let mut sessions = Vec::new();
    for adapter in 0..20 {
        let name = format!("adapter {adapter}");
        sessions.push(stage.open_as("b-app", &name, REPEATABLE).await.session);
    }
    let calls = sessions.into_iter().map(|session| {
        let (mut journal, id) = (stage.journal.clone(), id.clone());
        async move {
            let request = BeginRequest { session, message_ids: vec![id] };
            journal.begin(request).await.unwrap().into_inner().messages[0].answer()
        }
    });
    let answers = futures::future::join_all(calls).await;
    let delivered = answers.iter().filter(|it| **it == Answer::Deliver).count();
    let elsewhere = answers.iter().filter(|it| **it == Answer::InHandElsewhere).count();
    assert_eq!((delivered, elsewhere), (1, 19));
}

async fn an_application_that_has_no_channel_is_a_dead_letter(mut stage: Stage) {
    let ids = stage.routed(item(), &["văn phòng", "b-app"]).await;
    assert_eq!(stage.state(&ids[0]).await, State::Dead);
    assert_eq!(stage.state(&ids[1]).await, State::Queued);
}

async fn a_withdrawn_message_is_not_delivered(mut stage: Stage) {
    let id = stage.routed(item(), &["b-app"]).await.remove(0);
    assert!(stage.command(Action::Withdraw, &id).await);
    let session = stage.open("b-app", REPEATABLE).await;
    let begun = stage.begin(&session, &[&id]).await.remove(0);
    assert_eq!((begun.answer(), begun.state()), (Answer::AlreadyDone, State::Withdrawn));
}

async fn an_answer_counts_before_its_session_closes(mut stage: Stage) {
    let id = stage.routed(item(), &["b-app"]).await.remove(0);
    let session = stage.open("b-app", ReceiverClass::Neither).await;
    let lease = stage.deliver(&session, &id).await;
    let request = stage.ending(&session, &id, lease, taken());
    let (mut one, mut other) = (stage.journal.clone(), stage.journal.clone());
    // Both are there before the writer looks.
    let (ended, closed) =
        futures::join!(one.end(request), other.close(CloseRequest { session: session.clone() }));
    let ended = ended.unwrap().into_inner().messages.remove(0);
    assert_eq!((ended.outcome(), ended.state()), (Outcome::Closed, State::Taken));
    assert_eq!(closed.unwrap().into_inner().given_back, 0);
}

async fn a_begin_that_nobody_waits_for_takes_nothing(mut stage: Stage) {
    let id = stage.routed(item(), &["b-app"]).await.remove(0);
    let session = stage.open("b-app", REPEATABLE).await;
    let request = BeginRequest { session: session.clone(), message_ids: vec![id.clone()] };
    let mut journal = stage.journal.clone();
    let mut call = Box::pin(journal.begin(request));
    assert!(futures::poll!(call.as_mut()).is_pending());
    drop(call);
    let begun = stage.begin(&session, &[&id]).await.remove(0);
    assert_eq!((begun.answer(), begun.attempt), (Answer::Deliver, 1));
}

async fn what_a_lost_begin_gave_is_given_back(mut stage: Stage) {
    let id = stage.routed(item(), &["b-app"]).await.remove(0);
    let session = stage.open("b-app", ReceiverClass::Neither).await;
    let beside = stage.open_as("b-app", "beside", ReceiverClass::Neither).await.session;
    stage.deliver(&session, &id).await;
    let ended = stage.end(&beside, &id, 0, Given::Unsent(true)).await;
    assert_eq!((ended.outcome(), ended.state()), (Outcome::LeaseLost, State::InHand));
    let ended = stage.end(&session, &id, 0, Given::Unsent(true)).await;
    assert_eq!((ended.outcome(), ended.state()), (Outcome::Closed, State::Queued));
    assert_eq!(stage.driven().await.1, id);
    // The Begin itself and what takes it back may come in one group.
    let begin = BeginRequest { session: session.clone(), message_ids: vec![id.clone()] };
    let end = stage.ending(&session, &id, 0, Given::Unsent(true));
    let (mut one, mut other) = (stage.journal.clone(), stage.journal.clone());
    let (begun, ended) = futures::join!(one.begin(begin), other.end(end));
    assert_eq!(begun.unwrap().into_inner().messages[0].answer(), Answer::Deliver);
    assert_eq!(ended.unwrap().into_inner().messages[0].outcome(), Outcome::Closed);
    assert_eq!(stage.begin(&session, &[&id]).await[0].attempt, 1, "nothing of it was a try");
}

async fn another_application_cannot_answer(mut stage: Stage) {
    let id = stage.routed(item(), &["b-app"]).await.remove(0);
    let session = stage.open("b-app", REPEATABLE).await;
    let lease = stage.deliver(&session, &id).await;
    let before = stage.steps(&id).await;
    let request = stage.ending(&session, &id, lease, taken());
    for application in ["c-app", ""] {
        let request = EndRequest { application: application.to_owned(), ..request.clone() };
        let ended = stage.journal.end(request).await.unwrap().into_inner().messages.remove(0);
        assert_eq!((ended.outcome(), ended.state()), (Outcome::NotKnown, State::Unspecified));
    }
    assert_eq!(stage.steps(&id).await, before);
    assert_eq!(stage.end(&session, &id, lease, taken()).await.outcome(), Outcome::Closed);
}

async fn a_late_answer_is_noted_once(mut stage: Stage) {
    let id = stage.routed(item(), &["b-app"]).await.remove(0);
    let session = stage.open("b-app", REPEATABLE).await;
    let lease = stage.deliver(&session, &id).await;
    stage.journal.close(CloseRequest { session: session.clone() }).await.unwrap();
    for _ in 0..3 {
        let late = stage.end(&session, &id, lease, taken()).await;
        assert_eq!(late.outcome(), Outcome::LeaseLost);
    }
    // The session need not even be known.
    let unknown = EndRequest {
        session: "nobody's".to_owned(),
        ..stage.ending(&session, &id, lease, refused())
    };
    let late = stage.journal.end(unknown).await.unwrap().into_inner().messages.remove(0);
    assert_eq!(late.outcome(), Outcome::LeaseLost);
    let noted = stage.steps(&id).await.into_iter().filter(|it| *it == Step::LateAnswer).count();
    assert_eq!(noted, 2, "one for each answer");
}

async fn an_application_that_asks_for_a_moment_is_not_given_up(mut stage: Stage) {
    let id = stage.routed(item(), &["b-app"]).await.remove(0);
    let session = stage.open("b-app", REPEATABLE).await;
    for _ in 0..20 {
        let lease = stage.deliver(&session, &id).await;
        let ended = stage.end(&session, &id, lease, unavailable(1_000)).await;
        assert_eq!(ended.state(), State::Parked);
        stage.pass(1);
        assert_eq!(stage.driven().await.1, id);
    }
    let lease = stage.deliver(&session, &id).await;
    stage.end(&session, &id, lease, unavailable(0)).await;
    let due = stage.summary(&id).await.due_us - stage.clock.now_us();
    assert_eq!(due, 10_000_000, "its schedule has not begun");
}

async fn what_was_derived_before_its_parent_was_routed_is_known_when_it_comes_again(
    mut stage: Stage,
) {
    let parent = stage.receipt(item()).await.message_id;
    let routing = routing(&parent, &["b-app"]);
    stage.record(vec![Entry { disposition: None, ..routing.clone() }]).await;
    let id = derived_ids(&routing).remove(0);
    let session = stage.open("b-app", ReceiverClass::Repeatable).await;
    let lease = stage.deliver(&session, &id).await;
    stage.end(&session, &id, lease, taken()).await;
    let told = stage.told(vec![routing]).await;
    assert_eq!((told.unknown, told.ended), (Vec::<String>::new(), vec![id.clone()]));
    let journey = stage.journey(&parent).await;
    assert_eq!(journey.derived.len(), 1);
    assert_eq!(journey.derived[0].state(), State::Taken);
    assert_eq!(journey.message.unwrap().state(), State::Routed);
}
