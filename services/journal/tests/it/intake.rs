//! Accept and Record: receipts, repeats, conflicts, derived messages, dispositions.

use bus::Publish as _;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::accept_outcome::Outcome;
use proto::journal::v1::command_request::Action;
use proto::journal::v1::entry::Disposition;
use proto::journal::v1::*;
use proto::message::v1::*;

use crate::environment::*;
use crate::on_both;

on_both!(
    the_same_content_gets_the_first_receipt_under_any_key,
    the_same_key_with_other_content_is_a_conflict,
    items_without_a_key_never_conflict,
    sequence_numbers_of_a_conversation_are_in_order,
    concurrent_calls_get_each_sequence_number_once,
    an_invalid_item_is_refused_alone,
    recording_twice_changes_nothing,
    an_unknown_message_is_named_and_the_others_are_recorded,
    a_derived_message_without_a_body_is_made_again_from_its_parent,
    a_parked_message_is_published_again_until_it_is_dead,
    an_urgent_message_is_tried_again_sooner,
    a_dead_letter_waits_for_an_operator,
    an_unpublished_message_is_published_with_growing_pauses,
    after_a_restart_messages_on_their_way_are_published,
    an_undeliverable_message_is_recorded_and_published_again,
    special_characters_in_keys_and_searches_are_literal,
    very_long_texts_are_cut_or_refused,
    a_restarted_journal_reads_the_same_rows,
    the_key_of_a_repeat_identifies_the_message_too,
    nothing_is_derived_from_a_withdrawn_message,
    names_that_the_databases_compare_differently_are_refused,
    an_unrouted_message_is_replaced_once_its_organisation_has_an_application,
    a_second_journal_cannot_open_the_database,
);

async fn the_same_content_gets_the_first_receipt_under_any_key(mut env: Environment) {
    let first = item();
    let mut again = first.clone();
    again.key = "another key".to_owned();
    again.message.as_mut().unwrap().envelope.as_mut().unwrap().id =
        uuid::Uuid::new_v4().to_string();
    let receipt = env.accept_one(first.clone()).await;
    assert!(!receipt.repeat && receipt.accepted_at_us > 0 && receipt.sequence == 1);
    assert_eq!(receipt.attachments, first.attachments);
    env.advance(5);
    let expected = Receipt { repeat: true, ..receipt.clone() };
    assert_eq!(env.accept_one(first.clone()).await, expected);
    assert_eq!(env.accept_one(again.clone()).await, expected);
    let within_one_call = env.accept(vec![again, first]).await;
    assert_eq!(within_one_call, vec![Outcome::Receipt(expected); 2]);
    let steps = env.steps(&receipt.message_id).await;
    assert_eq!(steps[..3], [Step::Submitted, Step::Normalized, Step::Accepted]);
    assert_eq!(steps[3..], [Step::Repeated; 4]);
}

async fn the_same_key_with_other_content_is_a_conflict(mut env: Environment) {
    let first = item();
    let mut other = item();
    other.key.clone_from(&first.key);
    let (in_one_call, mut third) = (other.clone(), item());
    let outcomes = env.accept(vec![first.clone(), in_one_call]).await;
    assert!(matches!(outcomes[0], Outcome::Receipt(_)));
    let Outcome::Refused(fault) = &outcomes[1] else { panic!("{outcomes:?}") };
    assert_eq!(fault.code, "LT-JNL-001");
    third.key = first.key;
    let outcomes = env.accept(vec![third, item()]).await;
    assert!(matches!(&outcomes[0], Outcome::Refused(fault) if fault.code == "LT-JNL-001"));
    assert!(matches!(outcomes[1], Outcome::Receipt(_)), "the other item is accepted");
    assert_eq!(env.find_ids("").await.len(), 2, "a conflict stores no message");
}

async fn items_without_a_key_never_conflict(mut env: Environment) {
    let keyless = || Acceptance { key: String::new(), ..item() };
    let outcomes = env.accept(vec![keyless(), keyless()]).await;
    assert!(outcomes.iter().all(|it| matches!(it, Outcome::Receipt(_))), "{outcomes:?}");
}

async fn sequence_numbers_of_a_conversation_are_in_order(mut env: Environment) {
    let items = vec![item_of("one"), item_of("two"), item_of("one")];
    let mut sequences = Vec::new();
    for outcome in env.accept(items).await {
        let Outcome::Receipt(receipt) = outcome else { panic!("{outcome:?}") };
        sequences.push((receipt.conversation, receipt.sequence));
    }
    let next = env.accept_one(item_of("one")).await;
    sequences.push((next.conversation, next.sequence));
    let expected = [("one", 1), ("two", 1), ("one", 2), ("one", 3)];
    assert_eq!(sequences, expected.map(|(it, place)| (it.to_owned(), place)));
    let request = GetRequest { message_id: next.message_id, part: 2 };
    let stored = env.journal.get(request).await.unwrap().into_inner();
    assert_eq!(stored.envelope.unwrap().sequence, 3);
    assert_eq!(stored.body, Some(inline("canonical")));
}

async fn concurrent_calls_get_each_sequence_number_once(env: Environment) {
    let calls = (0..40).map(|_| {
        let mut journal = env.journal.clone();
        async move {
            let request = AcceptRequest { items: vec![item_of("busy"), item_of("busy")] };
            journal.accept(request).await.unwrap().into_inner().outcomes
        }
    });
    let mut sequences: Vec<u64> = futures::future::join_all(calls)
        .await
        .into_iter()
        .flatten()
        .map(|it| match it.outcome {
            Some(Outcome::Receipt(receipt)) => receipt.sequence,
            Some(Outcome::Refused(_) | Outcome::Unknown(_)) | None => 0,
        })
        .collect();
    sequences.sort_unstable();
    assert_eq!(sequences, (1..=80).collect::<Vec<u64>>());
}

async fn an_invalid_item_is_refused_alone(mut env: Environment) {
    let mut without_id = item();
    without_id.message.as_mut().unwrap().envelope.as_mut().unwrap().id = "17".to_owned();
    let mut without_body = item();
    without_body.message.as_mut().unwrap().body = None;
    let without_digest = Acceptance { content_digest: bytes::Bytes::new(), ..item() };
    let empty = Acceptance::default();
    let outcomes = env.accept(vec![without_id, without_body, without_digest, empty, item()]).await;
    for outcome in &outcomes[..4] {
        assert!(matches!(outcome, Outcome::Refused(it) if it.code == "LT-JNL-006"), "{outcome:?}");
    }
    assert!(matches!(outcomes[4], Outcome::Receipt(_)));
}

async fn recording_twice_changes_nothing(mut env: Environment) {
    let receipt = env.accept_one(item()).await;
    let entry = routing(&receipt.message_id, &["b-app", "c-app"]);
    env.record(vec![entry.clone()]).await;
    let once = env.journey(&receipt.message_id).await;
    env.record(vec![entry.clone(), entry]).await;
    assert_eq!(env.journey(&receipt.message_id).await, once);
    assert_eq!(once.derived.len(), 2);
    assert_eq!(once.message.unwrap().state(), State::Routed);
    let parked = env.accept_one(item()).await.message_id;
    let park = parking(&parked, Fault::new(&code::LT_SYS_002));
    env.record(vec![park.clone()]).await;
    let once = env.journey(&parked).await;
    env.record(vec![park]).await;
    assert_eq!(env.journey(&parked).await, once, "recording it again counts as no try");
}

fn parking(id: &str, fault: Fault) -> Entry {
    let facts = vec![Fact { fault: Some(fault.clone()), ..fact(Step::Unavailable) }];
    let disposition = Some(Disposition::Parked(Park { fault: Some(fault) }));
    Entry { message_id: id.to_owned(), facts, disposition, ..Entry::default() }
}

async fn an_unknown_message_is_named_and_the_others_are_recorded(mut env: Environment) {
    let known = env.accept_one(item()).await.message_id;
    let unknown = uuid::Uuid::new_v4().to_string();
    let entries = vec![routing(&unknown, &["b-app"]), routing(&known, &["b-app"])];
    assert_eq!(env.record(entries).await, std::slice::from_ref(&unknown));
    assert_eq!(env.state(&known).await, State::Routed);
    let missing = env.journal.journey(JourneyRequest { message_id: unknown }).await.unwrap_err();
    assert_eq!(missing.code(), tonic::Code::NotFound);
}

async fn a_derived_message_without_a_body_is_made_again_from_its_parent(mut env: Environment) {
    let parent = env.accept_one(item()).await.message_id;
    let mut entry = routing(&parent, &["b-app", "c-app"]);
    let unrouted = derived_ids(&entry).remove(1);
    entry.derived[1].message.as_mut().unwrap().body = None;
    entry.derived[1].facts.clear();
    entry.derived[1].fault = Some(Fault::new(&code::LT_SYS_002));
    env.record(vec![entry]).await;
    assert_eq!(env.state(&unrouted).await, State::Parked);
    env.advance(11);
    assert_eq!(env.next_published().await, ("intake.0".to_owned(), parent.clone()));
    env.record(vec![routing(&parent, &["b-app", "c-app"])]).await;
    assert_eq!(env.state(&unrouted).await, State::Queued);
    let request = GetRequest { message_id: unrouted.clone(), part: 2 };
    let stored = env.journal.get(request).await.unwrap().into_inner();
    assert_eq!(stored.body, Some(inline("translated")));
    let steps = env.steps(&unrouted).await;
    assert_eq!(steps, [Step::Parked, Step::DrivenAgain, Step::Translated]);
    // It has a body now, so it is published instead of its parent.
    env.advance(31);
    let mut published = [env.next_published().await, env.next_published().await];
    published.sort();
    assert_eq!(published[1], ("delivery.c-app".to_owned(), unrouted));
    assert_eq!(published[0].0, "delivery.b-app");
}

async fn a_parked_message_is_published_again_until_it_is_dead(mut env: Environment) {
    let id = env.accept_one(item()).await.message_id;
    for (tries, seconds) in [10, 60, 600, 3_600, 21_600].into_iter().enumerate() {
        let mut entry = parking(&id, Fault::new(&code::LT_SYS_002));
        entry.facts[0].attempt = u32::try_from(tries).unwrap();
        env.record(vec![entry]).await;
        let summary = env.summary(&id).await;
        assert_eq!(summary.state(), State::Parked);
        assert_eq!(summary.due_us, env.clock.now_us() + seconds * 1_000_000);
        env.clock.advance(std::time::Duration::from_secs(seconds.unsigned_abs()));
        assert_eq!(env.next_published().await, ("intake.0".to_owned(), id.clone()));
    }
    let mut last = parking(&id, Fault::new(&code::LT_SYS_002));
    last.facts[0].attempt = 99;
    env.record(vec![last]).await;
    assert_eq!(env.state(&id).await, State::Dead);
}

async fn an_urgent_message_is_tried_again_sooner(mut env: Environment) {
    let id = env.accept_one(with(|it| it.urgency = 4)).await.message_id;
    env.record(vec![parking(&id, Fault::new(&code::LT_SYS_002))]).await;
    let due = env.summary(&id).await.due_us - env.clock.now_us();
    assert_eq!(due, 2_500_000);
}

async fn a_dead_letter_waits_for_an_operator(mut env: Environment) {
    let id = env.accept_one(item()).await.message_id;
    let disposition =
        Some(Disposition::Dead(DeadLetter { fault: Some(Fault::new(&code::LT_SYS_001)) }));
    let entry = Entry { message_id: id.clone(), disposition, ..Entry::default() };
    env.record(vec![entry]).await;
    let summary = env.summary(&id).await;
    assert_eq!(
        (summary.state(), summary.fault.unwrap().code.as_str()),
        (State::Dead, "LT-SYS-001")
    );
    env.advance(100_000);
    assert_eq!(env.published_in_a_while().await, Vec::<String>::new());
    assert!(!env.command(Action::Confirm, &id).await, "only a message in doubt can be confirmed");
    assert!(env.command(Action::Redrive, &id).await);
    assert_eq!(env.next_published().await, ("intake.0".to_owned(), id.clone()));
    assert_eq!(env.state(&id).await, State::Accepted);
    let journey = env.journey(&id).await;
    let facts = journey.hops.iter().filter_map(|it| it.fact.as_ref());
    assert!(facts.clone().any(|it| it.detail.contains("lan") && it.detail.contains("said so")));
    assert_eq!(env.published_so_far(), Vec::<String>::new());
}

async fn an_unpublished_message_is_published_with_growing_pauses(mut env: Environment) {
    let id = env.accept_one(item()).await.message_id;
    env.advance(29);
    let mut published = 0;
    for seconds in [1, 600, 1_200, 2_400] {
        env.advance(seconds - 1);
        assert_eq!(env.published_in_a_while().await, Vec::<String>::new());
        env.advance(1);
        let (channel, found, message) = env.next_published_message().await;
        assert_eq!((channel.as_str(), &found), ("intake.0", &id));
        assert_eq!(message.attributes.get("sequence").map(String::as_str), Some("1"));
        published += 1;
    }
    assert_eq!(published, 4);
}

async fn after_a_restart_messages_on_their_way_are_published(mut env: Environment) {
    let accepted = env.accept_one(item()).await.message_id;
    let queued = env.accept_and_route(item(), &["b-app"]).await.remove(0);
    let in_hand = env.accept_and_route(item(), &["c-app"]).await.remove(0);
    let done = env.accept_and_route(item(), &["b-app"]).await.remove(0);
    let session = env.open("c-app", ReceiverClass::Repeatable).await;
    env.deliver(&session, &in_hand).await;
    let other = env.open("b-app", ReceiverClass::Repeatable).await;
    let lease = env.deliver(&other, &done).await;
    env.end(&other, &done, lease, taken()).await;
    let mut env = env.restart().await;
    let mut published = Vec::new();
    for _ in 0..3 {
        published.push(env.next_published().await.1);
    }
    published.sort();
    let mut expected = vec![accepted, queued, in_hand];
    expected.sort();
    assert_eq!(published, expected);
}

async fn an_undeliverable_message_is_recorded_and_published_again(mut env: Environment) {
    let id = env.accept_one(item()).await.message_id;
    let message = env.copy(&id).await;
    let altered = bus::Message { conversation: "another".to_owned(), ..message.clone() };
    let publisher = env.bus.publisher().await.unwrap();
    let publish = async |message| {
        let outcomes = publisher.publish(vec![(bus::Channel::undeliverable(), message)]).await;
        assert!(outcomes.iter().all(Result::is_ok));
    };
    publish(altered).await;
    assert_eq!(env.next_published().await.1, id, "an altered copy parks nothing");
    publish(message).await;
    env.wait_for_state(&id, State::Parked).await;
    assert_eq!(env.summary(&id).await.fault.unwrap().code, "LT-JNL-007");
    env.advance(11);
    assert_eq!(env.next_published().await.1, id);
}

async fn special_characters_in_keys_and_searches_are_literal(mut env: Environment) {
    let mut special = item();
    special.key = "ab'\"%_".to_owned();
    special.index =
        Some(Index { subject: "x\0y".to_owned(), number: "%_".to_owned(), ..Index::default() });
    let receipt = env.accept_one(special.clone()).await;
    assert!(env.accept_one(special).await.repeat);
    for text in ["%", "_", "\0", "' OR 1=1 --", "\"", "*", ":*", "a & b", "NEAR("] {
        let found = env.find_ids(text).await;
        assert!(found.is_empty() || found == [receipt.message_id.clone()], "{text:?}: {found:?}");
    }
    let session = env.open("b-app", ReceiverClass::Repeatable).await;
    let answers = env.answers(&session, &["\0", "", "\u{10FFFF}"]).await;
    assert_eq!(answers, [begun::Answer::Unknown; 3]);
}

async fn very_long_texts_are_cut_or_refused(mut env: Environment) {
    // Random text, so that no compression makes it fit an index page.
    let long_text: String =
        (0..40_000).map(|_| uuid::Uuid::new_v4().simple().to_string()).collect();
    let number = format!("77/CV-{long_text}");
    let subject = format!("báo cáo {long_text}");
    let index = Index { number, subject, document_id: long_text.clone(), ..Index::default() };
    let receipt = env.accept_one(Acceptance { index: Some(index), ..item() }).await;
    assert_eq!(env.find_ids("77/CV").await, std::slice::from_ref(&receipt.message_id));
    assert_eq!(env.find_ids("bao cao").await, std::slice::from_ref(&receipt.message_id));
    // Words that are too long are neither indexed nor searched.
    let one: String = long_text.chars().take(3_000).collect();
    let [long, whole] = [&one, &long_text].map(|it| format!("bao cao {it}"));
    assert_eq!(env.find_ids(&long).await, std::slice::from_ref(&receipt.message_id));
    assert_eq!(env.find_ids(&whole).await, [receipt.message_id]);
    assert!(env.find_ids(&one).await.is_empty());
    let outcomes = env.accept(vec![Acceptance { key: long_text.clone(), ..item() }, item()]).await;
    assert!(matches!(&outcomes[0], Outcome::Refused(it) if it.code == "LT-JNL-006"));
    assert!(matches!(outcomes[1], Outcome::Receipt(_)), "the other item is accepted");
    let request = OpenRequest {
        application: long_text.clone(),
        adapter: long_text,
        ..OpenRequest::default()
    };
    assert!(env.journal.open(request).await.is_err());
}

async fn a_second_journal_cannot_open_the_database(mut env: Environment) {
    // A journal that answered holds the lock.
    let item = item();
    let first = env.accept_one(item.clone()).await;
    match tokio::time::timeout(std::time::Duration::from_secs(1), env.run_second_journal()).await {
        // On a server it is a standby. A file has none: the second fails until the first ends.
        Err(_waiting) => assert!(env.database.starts_with("postgres")),
        Ok(ended) => {
            let refused = ended.unwrap_err();
            assert!(format!("{refused:#}").contains("another journal"), "{refused:#}");
        }
    }
    let again = env.accept_one(item).await;
    assert!(
        again.repeat && again.message_id == first.message_id,
        "the first journal continues: {again:?}"
    );
}

async fn the_key_of_a_repeat_identifies_the_message_too(mut env: Environment) {
    let first = item();
    let receipt = env.accept_one(first.clone()).await;
    let again = Acceptance { key: "second".to_owned(), ..first.clone() };
    let third = Acceptance { key: "third".to_owned(), ..first };
    // Within one call, and in separate calls.
    let other = Acceptance { key: "third".to_owned(), ..item() };
    let outcomes = env.accept(vec![again.clone(), again.clone(), third, other.clone()]).await;
    assert!(matches!(&outcomes[2], Outcome::Receipt(it) if it.repeat), "{outcomes:?}");
    assert!(matches!(&outcomes[3], Outcome::Refused(it) if it.code == "LT-JNL-001"));
    assert!(env.accept_one(again).await.repeat);
    let outcomes = env.accept(vec![Acceptance { key: "second".to_owned(), ..item() }, other]).await;
    for outcome in &outcomes {
        let Outcome::Refused(fault) = outcome else { panic!("{outcome:?}") };
        assert_eq!(fault.code, "LT-JNL-001");
        assert_eq!(fault.params.get("first"), Some(&receipt.message_id));
    }
    for key in ["second", "third"] {
        let (application, key) = ("a-app".to_owned(), key.to_owned());
        let request = FindRequest { application, key, ..FindRequest::default() };
        assert_eq!(ids(&env.find(request).await), [receipt.message_id.as_str()]);
    }
}

async fn nothing_is_derived_from_a_withdrawn_message(mut env: Environment) {
    let id = env.accept_one(item()).await.message_id;
    let other = env.accept_one(item()).await.message_id;
    assert!(env.command(Action::Withdraw, &id).await);
    let entries = vec![routing(&id, &["b-app", "c-app"]), routing(&other, &["b-app"])];
    let derived = derived_ids(&entries[0]);
    let response = env.record_response(entries).await;
    assert_eq!((response.unknown, response.ended), (Vec::new(), derived));
    let journey = env.journey(&id).await;
    assert_eq!(journey.derived, Vec::new());
    assert_eq!(journey.message.unwrap().state(), State::Withdrawn);
    // A derived message that was withdrawn by itself.
    let copy = derived_ids(&routing(&other, &["b-app"])).remove(0);
    assert!(env.command(Action::Withdraw, &copy).await);
    let response = env.record_response(vec![routing(&other, &["b-app", "c-app"])]).await;
    assert_eq!(response.ended, [copy]);
}

async fn names_that_the_databases_compare_differently_are_refused(mut env: Environment) {
    let plain = Acceptance { key: "x".to_owned(), ..item() };
    let parts: [(&str, Acceptance); 6] = [
        ("key", Acceptance { key: "x\0".to_owned(), ..item() }),
        ("source", with(|it| it.source = "a\0".to_owned())),
        ("sender", with(|it| it.sender = "a\n".to_owned())),
        ("recipients", with(|it| it.recipients.push("\u{7f}".to_owned()))),
        ("conversation", with(|it| it.conversation = "c\u{1}".to_owned())),
        ("conversation", with(|it| it.conversation = "c".repeat(256))),
    ];
    let items = parts.iter().map(|it| it.1.clone()).chain([plain]).collect();
    let mut outcomes = env.accept(items).await;
    assert!(matches!(outcomes.pop(), Some(Outcome::Receipt(_))));
    for ((part, _), outcome) in parts.iter().zip(outcomes) {
        let Outcome::Refused(fault) = outcome else { panic!("{part}: {outcome:?}") };
        assert_eq!(fault.code, "LT-JNL-006");
        assert_eq!(fault.params.get("part").map(String::as_str), Some(*part));
    }
}

async fn an_unrouted_message_is_replaced_once_its_organisation_has_an_application(
    mut env: Environment,
) {
    let parent = env.accept_one(item_of("doc")).await.message_id;
    let mut entry = routing(&parent, &["b-app", "c-app"]);
    let without_application = &mut entry.derived[0];
    without_application.fault = Some(Fault::new(&code::LT_SYS_001));
    let message = without_application.message.as_mut().unwrap();
    message.body = None;
    let envelope = message.envelope.as_mut().unwrap();
    envelope.application.clear();
    envelope.id = uuid::Uuid::new_v4().to_string();
    let unrouted = envelope.id.clone();
    env.record(vec![entry]).await;
    assert_eq!(env.state(&unrouted).await, State::Dead);
    let later = env.accept_and_route(item_of("doc"), &["b-app"]).await.remove(0);
    let session = env.open("b-app", ReceiverClass::Repeatable).await;
    assert_eq!(env.answers(&session, &[&later]).await, [begun::Answer::Hold]);
    // The organisation has an application now, and an operator redrives the dead letter.
    assert!(env.command(Action::Redrive, &unrouted).await);
    assert_eq!(env.next_published().await, ("intake.0".to_owned(), parent.clone()));
    env.record(vec![routing(&parent, &["b-app", "c-app"])]).await;
    let copy = derived_ids(&routing(&parent, &["b-app"])).remove(0);
    assert_eq!(env.state(&unrouted).await, State::Withdrawn);
    let facts = env.journey(&parent).await.hops.into_iter().filter_map(|it| it.fact);
    assert!(
        facts
            .into_iter()
            .any(|it| it.fault.as_ref().is_some_and(|it| it.params.get("id") == Some(&copy)))
    );
    assert_eq!(env.next_published().await.1, later, "the replaced message blocks nothing");
    assert_eq!(
        env.answers(&session, &[&later]).await,
        [begun::Answer::Hold],
        "the new message is ahead of it"
    );
    let lease = env.deliver(&session, &copy).await;
    env.end(&session, &copy, lease, taken()).await;
    assert_eq!(env.next_published().await.1, later);
    env.deliver(&session, &later).await;
}

async fn a_restarted_journal_reads_the_same_rows(mut env: Environment) {
    let first = env.accept_one(item_of("long")).await;
    let mut env = env.restart().await;
    assert_eq!(env.accept_one(item_of("long")).await.sequence, 2);
    assert_eq!(env.summary(&first.message_id).await.state(), State::Accepted);
}
