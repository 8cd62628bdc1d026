//! Accept and Record: receipts, repeats, conflicts, what follows, what cannot go on.

use bus::Publish as _;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::accept_outcome::Outcome;
use proto::journal::v1::command_request::Action;
use proto::journal::v1::entry::Disposition;
use proto::journal::v1::*;
use proto::message::v1::*;

use crate::on_both;
use crate::stage::*;

on_both!(
    the_same_content_gets_the_first_receipt_whatever_its_key,
    the_same_key_with_other_content_is_a_conflict,
    items_without_a_key_never_conflict,
    places_in_a_conversation_are_given_in_order,
    many_calls_at_once_give_each_place_once,
    an_item_that_is_no_message_is_refused_alone,
    what_is_recorded_twice_stands_once,
    an_unknown_message_is_named_and_the_others_are_written,
    what_could_not_be_derived_is_made_again_from_its_parent,
    what_mapping_parks_comes_back_until_it_is_dead,
    what_is_urgent_comes_back_sooner,
    a_buried_message_waits_for_an_operator,
    what_was_never_published_is_driven_with_growing_pauses,
    after_a_restart_what_was_on_its_way_is_driven,
    what_is_stranded_is_recorded_and_driven_again,
    odd_characters_break_nothing,
    endless_texts_break_nothing,
    a_second_journal_finds_the_same_rows,
    a_key_of_a_repeat_is_a_key,
    what_was_withdrawn_before_it_was_routed_goes_nowhere,
    names_that_the_databases_see_differently_are_refused,
    an_organisation_that_gets_its_application_later_is_reached,
    a_second_journal_waits_for_the_first,
);

async fn the_same_content_gets_the_first_receipt_whatever_its_key(mut stage: Stage) {
    let first = item();
    let mut again = first.clone();
    again.key = "another key".to_owned();
    again.message.as_mut().unwrap().envelope.as_mut().unwrap().id =
        uuid::Uuid::new_v4().to_string();
    let receipt = stage.receipt(first.clone()).await;
    assert!(!receipt.repeat && receipt.accepted_at_us > 0 && receipt.sequence == 1);
    assert_eq!(receipt.attachments, first.attachments);
    stage.pass(5);
    let expected = Receipt { repeat: true, ..receipt.clone() };
    assert_eq!(stage.receipt(first.clone()).await, expected);
    assert_eq!(stage.receipt(again.clone()).await, expected);
    let within_one_call = stage.accept(vec![again, first]).await;
    assert_eq!(within_one_call, vec![Outcome::Receipt(expected); 2]);
    let steps = stage.steps(&receipt.message_id).await;
    assert_eq!(steps[..3], [Step::Submitted, Step::Normalized, Step::Accepted]);
    assert_eq!(steps[3..], [Step::Repeated; 4]);
}

async fn the_same_key_with_other_content_is_a_conflict(mut stage: Stage) {
    let first = item();
    let mut other = item();
    other.key.clone_from(&first.key);
    let (in_one_call, mut third) = (other.clone(), item());
    let outcomes = stage.accept(vec![first.clone(), in_one_call]).await;
    assert!(matches!(outcomes[0], Outcome::Receipt(_)));
    let Outcome::Refused(fault) = &outcomes[1] else { panic!("{outcomes:?}") };
    assert_eq!(fault.code, "LT-JNL-001");
    third.key = first.key;
    let outcomes = stage.accept(vec![third, item()]).await;
    assert!(matches!(&outcomes[0], Outcome::Refused(fault) if fault.code == "LT-JNL-001"));
    assert!(matches!(outcomes[1], Outcome::Receipt(_)), "its neighbour is taken");
    assert_eq!(stage.found("").await.len(), 2, "nothing of a conflict is kept");
}

async fn items_without_a_key_never_conflict(mut stage: Stage) {
    let keyless = || Acceptance { key: String::new(), ..item() };
    let outcomes = stage.accept(vec![keyless(), keyless()]).await;
    assert!(outcomes.iter().all(|it| matches!(it, Outcome::Receipt(_))), "{outcomes:?}");
}

async fn places_in_a_conversation_are_given_in_order(mut stage: Stage) {
    let items = vec![item_of("one"), item_of("two"), item_of("one")];
    let mut places = Vec::new();
    for outcome in stage.accept(items).await {
        let Outcome::Receipt(receipt) = outcome else { panic!("{outcome:?}") };
        places.push((receipt.conversation, receipt.sequence));
    }
    let next = stage.receipt(item_of("one")).await;
    places.push((next.conversation, next.sequence));
    let expected = [("one", 1), ("two", 1), ("one", 2), ("one", 3)];
    assert_eq!(places, expected.map(|(it, place)| (it.to_owned(), place)));
    let request = GetRequest { message_id: next.message_id, part: 2 };
    let kept = stage.journal.get(request).await.unwrap().into_inner();
    assert_eq!(kept.envelope.unwrap().sequence, 3);
    assert_eq!(kept.body, Some(inline("canonical")));
}

async fn many_calls_at_once_give_each_place_once(stage: Stage) {
    let calls = (0..40).map(|_| {
        let mut journal = stage.journal.clone();
        async move {
            let request = AcceptRequest { items: vec![item_of("busy"), item_of("busy")] };
            journal.accept(request).await.unwrap().into_inner().outcomes
        }
    });
    let mut places: Vec<u64> = futures::future::join_all(calls)
        .await
        .into_iter()
        .flatten()
        .map(|it| match it.outcome {
            Some(Outcome::Receipt(receipt)) => receipt.sequence,
            Some(Outcome::Refused(_)) | None => 0,
        })
        .collect();
    places.sort_unstable();
    assert_eq!(places, (1..=80).collect::<Vec<u64>>());
}

async fn an_item_that_is_no_message_is_refused_alone(mut stage: Stage) {
    let mut nameless = item();
    nameless.message.as_mut().unwrap().envelope.as_mut().unwrap().id = "17".to_owned();
    let mut bodiless = item();
    bodiless.message.as_mut().unwrap().body = None;
    let undigested = Acceptance { content_digest: bytes::Bytes::new(), ..item() };
    let empty = Acceptance::default();
    let outcomes = stage.accept(vec![nameless, bodiless, undigested, empty, item()]).await;
    for outcome in &outcomes[..4] {
        assert!(matches!(outcome, Outcome::Refused(it) if it.code == "LT-JNL-006"), "{outcome:?}");
    }
    assert!(matches!(outcomes[4], Outcome::Receipt(_)));
}

async fn what_is_recorded_twice_stands_once(mut stage: Stage) {
    let receipt = stage.receipt(item()).await;
    let entry = routing(&receipt.message_id, &["b-app", "c-app"]);
    stage.record(vec![entry.clone()]).await;
    let once = stage.journey(&receipt.message_id).await;
    stage.record(vec![entry.clone(), entry]).await;
    assert_eq!(stage.journey(&receipt.message_id).await, once);
    assert_eq!(once.derived.len(), 2);
    assert_eq!(once.message.unwrap().state(), State::Routed);
    let parked = stage.receipt(item()).await.message_id;
    let park = parking(&parked, Fault::new(&code::LT_SYS_002));
    stage.record(vec![park.clone()]).await;
    let once = stage.journey(&parked).await;
    stage.record(vec![park]).await;
    assert_eq!(stage.journey(&parked).await, once, "a repeated park is no second try");
}

fn parking(id: &str, fault: Fault) -> Entry {
    let facts = vec![Fact { fault: Some(fault.clone()), ..fact(Step::Unavailable) }];
    let fate = Some(Disposition::Parked(Park { fault: Some(fault) }));
    Entry { message_id: id.to_owned(), facts, derived: Vec::new(), disposition: fate }
}

async fn an_unknown_message_is_named_and_the_others_are_written(mut stage: Stage) {
    let known = stage.receipt(item()).await.message_id;
    let nobody = uuid::Uuid::new_v4().to_string();
    let entries = vec![routing(&nobody, &["b-app"]), routing(&known, &["b-app"])];
    assert_eq!(stage.record(entries).await, std::slice::from_ref(&nobody));
    assert_eq!(stage.state(&known).await, State::Routed);
    let missing = stage.journal.journey(JourneyRequest { message_id: nobody }).await.unwrap_err();
    assert_eq!(missing.code(), tonic::Code::NotFound);
}

async fn what_could_not_be_derived_is_made_again_from_its_parent(mut stage: Stage) {
    let parent = stage.receipt(item()).await.message_id;
    let mut entry = routing(&parent, &["b-app", "c-app"]);
    let hollow = derived_ids(&entry).remove(1);
    entry.derived[1].message.as_mut().unwrap().body = None;
    entry.derived[1].facts.clear();
    entry.derived[1].fault = Some(Fault::new(&code::LT_SYS_002));
    stage.record(vec![entry]).await;
    assert_eq!(stage.state(&hollow).await, State::Parked);
    stage.pass(11);
    assert_eq!(stage.driven().await, ("intake.0".to_owned(), parent.clone()));
    stage.record(vec![routing(&parent, &["b-app", "c-app"])]).await;
    assert_eq!(stage.state(&hollow).await, State::Queued);
    let request = GetRequest { message_id: hollow.clone(), part: 2 };
    let kept = stage.journal.get(request).await.unwrap().into_inner();
    assert_eq!(kept.body, Some(inline("translated")));
    let steps = stage.steps(&hollow).await;
    assert_eq!(steps, [Step::Parked, Step::DrivenAgain, Step::Translated]);
    // It is whole now, so it is driven itself, and its parent no more.
    stage.pass(31);
    let mut driven = [stage.driven().await, stage.driven().await];
    driven.sort();
    assert_eq!(driven[1], ("delivery.c-app".to_owned(), hollow));
    assert_eq!(driven[0].0, "delivery.b-app");
}

async fn what_mapping_parks_comes_back_until_it_is_dead(mut stage: Stage) {
    let id = stage.receipt(item()).await.message_id;
    for (tries, seconds) in [10, 60, 600, 3_600, 21_600].into_iter().enumerate() {
        let mut entry = parking(&id, Fault::new(&code::LT_SYS_002));
        entry.facts[0].attempt = u32::try_from(tries).unwrap();
        stage.record(vec![entry]).await;
        let summary = stage.summary(&id).await;
        assert_eq!(summary.state(), State::Parked);
        assert_eq!(summary.due_us, stage.clock.now_us() + seconds * 1_000_000);
        stage.clock.advance(std::time::Duration::from_secs(seconds.unsigned_abs()));
        assert_eq!(stage.driven().await, ("intake.0".to_owned(), id.clone()));
    }
    let mut last = parking(&id, Fault::new(&code::LT_SYS_002));
    last.facts[0].attempt = 99;
    stage.record(vec![last]).await;
    assert_eq!(stage.state(&id).await, State::Dead);
}

async fn what_is_urgent_comes_back_sooner(mut stage: Stage) {
    let id = stage.receipt(with(|it| it.urgency = 4)).await.message_id;
    stage.record(vec![parking(&id, Fault::new(&code::LT_SYS_002))]).await;
    let due = stage.summary(&id).await.due_us - stage.clock.now_us();
    assert_eq!(due, 2_500_000);
}

async fn a_buried_message_waits_for_an_operator(mut stage: Stage) {
    let id = stage.receipt(item()).await.message_id;
    let fate = Some(Disposition::Dead(DeadLetter { fault: Some(Fault::new(&code::LT_SYS_001)) }));
    let entry = Entry { message_id: id.clone(), disposition: fate, ..Entry::default() };
    stage.record(vec![entry]).await;
    let summary = stage.summary(&id).await;
    assert_eq!(
        (summary.state(), summary.fault.unwrap().code.as_str()),
        (State::Dead, "LT-SYS-001")
    );
    stage.pass(100_000);
    assert_eq!(stage.driven_in_a_while().await, Vec::<String>::new());
    assert!(!stage.command(Action::Confirm, &id).await, "only what is in doubt is confirmed");
    assert!(stage.command(Action::Redrive, &id).await);
    assert_eq!(stage.driven().await, ("intake.0".to_owned(), id.clone()));
    assert_eq!(stage.state(&id).await, State::Accepted);
    let journey = stage.journey(&id).await;
    let told = journey.hops.iter().filter_map(|it| it.fact.as_ref());
    assert!(told.clone().any(|it| it.detail.contains("lan") && it.detail.contains("said so")));
    assert_eq!(stage.driven_so_far(), Vec::<String>::new());
}

async fn what_was_never_published_is_driven_with_growing_pauses(mut stage: Stage) {
    let id = stage.receipt(item()).await.message_id;
    stage.pass(29);
    let mut driven = 0;
    for seconds in [1, 600, 1_200, 2_400] {
        stage.pass(seconds - 1);
        assert_eq!(stage.driven_in_a_while().await, Vec::<String>::new());
        stage.pass(1);
        let (channel, found, message) = stage.driven_message().await;
        assert_eq!((channel.as_str(), &found), ("intake.0", &id));
        assert_eq!(message.attributes.get("sequence").map(String::as_str), Some("1"));
        driven += 1;
    }
    assert_eq!(driven, 4);
}

async fn after_a_restart_what_was_on_its_way_is_driven(mut stage: Stage) {
    let accepted = stage.receipt(item()).await.message_id;
    let queued = stage.routed(item(), &["b-app"]).await.remove(0);
    let in_hand = stage.routed(item(), &["c-app"]).await.remove(0);
    let done = stage.routed(item(), &["b-app"]).await.remove(0);
    let session = stage.open("c-app", ReceiverClass::Repeatable).await;
    stage.deliver(&session, &in_hand).await;
    let other = stage.open("b-app", ReceiverClass::Repeatable).await;
    let lease = stage.deliver(&other, &done).await;
    stage.end(&other, &done, lease, taken()).await;
    let mut stage = stage.restart().await;
    let mut driven = Vec::new();
    for _ in 0..3 {
        driven.push(stage.driven().await.1);
    }
    driven.sort();
    let mut expected = vec![accepted, queued, in_hand];
    expected.sort();
    assert_eq!(driven, expected);
}

async fn what_is_stranded_is_recorded_and_driven_again(mut stage: Stage) {
    let id = stage.receipt(item()).await.message_id;
    let message = bus::Message {
        id: id.parse().unwrap(),
        conversation: String::new(),
        attributes: bus::Attributes::new(),
        body: bus::Body::Inline(bytes::Bytes::new()),
    };
    let publisher = stage.bus.publisher().await.unwrap();
    let outcomes = publisher.publish(vec![(bus::Channel::undeliverable(), message)]).await;
    assert!(outcomes.iter().all(Result::is_ok));
    stage.until(&id, State::Parked).await;
    assert_eq!(stage.summary(&id).await.fault.unwrap().code, "LT-JNL-007");
    stage.pass(11);
    assert_eq!(stage.driven().await.1, id);
}

async fn odd_characters_break_nothing(mut stage: Stage) {
    let mut odd = item();
    odd.key = "ab'\"%_".to_owned();
    odd.index =
        Some(Index { subject: "x\0y".to_owned(), number: "%_".to_owned(), ..Index::default() });
    let receipt = stage.receipt(odd.clone()).await;
    assert!(stage.receipt(odd).await.repeat);
    for text in ["%", "_", "\0", "' OR 1=1 --", "\"", "*", ":*", "a & b", "NEAR("] {
        let found = stage.found(text).await;
        assert!(found.is_empty() || found == [receipt.message_id.clone()], "{text:?}: {found:?}");
    }
    let session = stage.open("b-app", ReceiverClass::Repeatable).await;
    let answers = stage.answers(&session, &["\0", "", "\u{10FFFF}"]).await;
    assert_eq!(answers, [begun::Answer::Unknown; 3]);
}

async fn endless_texts_break_nothing(mut stage: Stage) {
    // Nothing here compresses to less than an index page.
    let endless: String = (0..40_000).map(|_| uuid::Uuid::new_v4().simple().to_string()).collect();
    let number = format!("77/CV-{endless}");
    let subject = format!("báo cáo {endless}");
    let index = Index { number, subject, document_id: endless.clone(), ..Index::default() };
    let receipt = stage.receipt(Acceptance { index: Some(index), ..item() }).await;
    assert_eq!(stage.found("77/CV").await, std::slice::from_ref(&receipt.message_id));
    assert_eq!(stage.found("bao cao").await, std::slice::from_ref(&receipt.message_id));
    // What is too long for a word is none, on either side.
    let one: String = endless.chars().take(3_000).collect();
    let [long, whole] = [&one, &endless].map(|it| format!("bao cao {it}"));
    assert_eq!(stage.found(&long).await, std::slice::from_ref(&receipt.message_id));
    assert_eq!(stage.found(&whole).await, [receipt.message_id]);
    assert!(stage.found(&one).await.is_empty());
    let outcomes = stage.accept(vec![Acceptance { key: endless.clone(), ..item() }, item()]).await;
    assert!(matches!(&outcomes[0], Outcome::Refused(it) if it.code == "LT-JNL-006"));
    assert!(matches!(outcomes[1], Outcome::Receipt(_)), "its neighbour is taken");
    let request =
        OpenRequest { application: endless.clone(), adapter: endless, ..OpenRequest::default() };
    assert!(stage.journal.open(request).await.is_err());
}

async fn a_second_journal_waits_for_the_first(mut stage: Stage) {
    // What answered holds the database.
    let item = item();
    let first = stage.receipt(item.clone()).await;
    let refused = stage.second().await.unwrap_err();
    assert!(format!("{refused:#}").contains("another journal"), "{refused:#}");
    let again = stage.receipt(item).await;
    assert!(again.repeat && again.message_id == first.message_id, "the first goes on: {again:?}");
}

async fn a_key_of_a_repeat_is_a_key(mut stage: Stage) {
    let first = item();
    let receipt = stage.receipt(first.clone()).await;
    let again = Acceptance { key: "second".to_owned(), ..first.clone() };
    let third = Acceptance { key: "third".to_owned(), ..first };
    // Within one call, and in calls of their own.
    let other = Acceptance { key: "third".to_owned(), ..item() };
    let outcomes = stage.accept(vec![again.clone(), again.clone(), third, other.clone()]).await;
    assert!(matches!(&outcomes[2], Outcome::Receipt(it) if it.repeat), "{outcomes:?}");
    assert!(matches!(&outcomes[3], Outcome::Refused(it) if it.code == "LT-JNL-001"));
    assert!(stage.receipt(again).await.repeat);
    let outcomes =
        stage.accept(vec![Acceptance { key: "second".to_owned(), ..item() }, other]).await;
    for outcome in &outcomes {
        let Outcome::Refused(fault) = outcome else { panic!("{outcome:?}") };
        assert_eq!(fault.code, "LT-JNL-001");
        assert_eq!(fault.params.get("first"), Some(&receipt.message_id));
    }
    for key in ["second", "third"] {
        let (application, key) = ("a-app".to_owned(), key.to_owned());
        let request = FindRequest { application, key, ..FindRequest::default() };
        assert_eq!(ids(&stage.find(request).await), [receipt.message_id.as_str()]);
    }
}

async fn what_was_withdrawn_before_it_was_routed_goes_nowhere(mut stage: Stage) {
    let id = stage.receipt(item()).await.message_id;
    let other = stage.receipt(item()).await.message_id;
    assert!(stage.command(Action::Withdraw, &id).await);
    let entries = vec![routing(&id, &["b-app", "c-app"]), routing(&other, &["b-app"])];
    let copies = derived_ids(&entries[0]);
    let told = stage.told(entries).await;
    assert_eq!((told.unknown, told.ended), (Vec::new(), copies));
    let journey = stage.journey(&id).await;
    assert_eq!(journey.derived, Vec::new());
    assert_eq!(journey.message.unwrap().state(), State::Withdrawn);
    // And a copy alone.
    let copy = derived_ids(&routing(&other, &["b-app"])).remove(0);
    assert!(stage.command(Action::Withdraw, &copy).await);
    let told = stage.told(vec![routing(&other, &["b-app", "c-app"])]).await;
    assert_eq!(told.ended, [copy]);
}

async fn names_that_the_databases_see_differently_are_refused(mut stage: Stage) {
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
    let mut outcomes = stage.accept(items).await;
    assert!(matches!(outcomes.pop(), Some(Outcome::Receipt(_))));
    for ((part, _), outcome) in parts.iter().zip(outcomes) {
        let Outcome::Refused(fault) = outcome else { panic!("{part}: {outcome:?}") };
        assert_eq!(fault.code, "LT-JNL-006");
        assert_eq!(fault.params.get("part").map(String::as_str), Some(*part));
    }
}

async fn an_organisation_that_gets_its_application_later_is_reached(mut stage: Stage) {
    let parent = stage.receipt(item_of("doc")).await.message_id;
    let mut entry = routing(&parent, &["b-app", "c-app"]);
    let nowhere = &mut entry.derived[0];
    nowhere.fault = Some(Fault::new(&code::LT_SYS_001));
    let message = nowhere.message.as_mut().unwrap();
    message.body = None;
    let envelope = message.envelope.as_mut().unwrap();
    envelope.application.clear();
    envelope.id = uuid::Uuid::new_v4().to_string();
    let hollow = envelope.id.clone();
    stage.record(vec![entry]).await;
    assert_eq!(stage.state(&hollow).await, State::Dead);
    let later = stage.routed(item_of("doc"), &["b-app"]).await.remove(0);
    let session = stage.open("b-app", ReceiverClass::Repeatable).await;
    assert_eq!(stage.answers(&session, &[&later]).await, [begun::Answer::Hold]);
    // Now the organisation has one, and an operator drives what was dead.
    assert!(stage.command(Action::Redrive, &hollow).await);
    assert_eq!(stage.driven().await, ("intake.0".to_owned(), parent.clone()));
    stage.record(vec![routing(&parent, &["b-app", "c-app"])]).await;
    let copy = derived_ids(&routing(&parent, &["b-app"])).remove(0);
    assert_eq!(stage.state(&hollow).await, State::Withdrawn);
    let told = stage.journey(&parent).await.hops.into_iter().filter_map(|it| it.fact);
    assert!(told.into_iter().any(|it| it.detail == format!("replaced by {copy}")));
    assert_eq!(stage.driven().await.1, later, "nobody waits for the hollow one any more");
    assert_eq!(
        stage.answers(&session, &[&later]).await,
        [begun::Answer::Hold],
        "the copy is first"
    );
    let lease = stage.deliver(&session, &copy).await;
    stage.end(&session, &copy, lease, taken()).await;
    assert_eq!(stage.driven().await.1, later);
    stage.deliver(&session, &later).await;
}

async fn a_second_journal_finds_the_same_rows(mut stage: Stage) {
    let first = stage.receipt(item_of("long")).await;
    let mut stage = stage.restart().await;
    assert_eq!(stage.receipt(item_of("long")).await.sequence, 2);
    assert_eq!(stage.summary(&first.message_id).await.state(), State::Accepted);
}
