//! Find, Journey, Get: searches, journeys and bodies.

use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::*;
use proto::message::v1::*;
use unicode_normalization::UnicodeNormalization as _;

use crate::environment::*;
use crate::on_both;

on_both!(
    a_number_is_found_in_any_spelling,
    words_of_number_signer_issuer_and_file_are_found_in_any_order,
    a_beginning_of_an_id_finds_its_message,
    the_code_of_a_fault_finds_what_it_keeps_back,
    words_of_the_subject_are_found_in_any_spelling_and_order,
    ids_and_traces_are_found,
    organisation_application_state_type_and_day_filter_the_search,
    pages_contain_every_message_once,
    a_journey_has_all_facts_in_order,
    a_long_journey_has_its_first_and_last_facts,
    a_repeat_is_found_once,
    bodies_are_stored_unchanged,
);

fn indexed(number: &str, subject: &str) -> Acceptance {
    let (number, subject) = (number.to_owned(), subject.to_owned());
    let document_id = format!("DOC.{}", number.len());
    Acceptance { index: Some(Index { number, subject, document_id, ..Index::default() }), ..item() }
}

async fn a_number_is_found_in_any_spelling(mut env: Environment) {
    let state = env.accept_one(indexed("7816/VPCP-TTĐT", "")).await.message_id;
    let party = env.accept_one(indexed("45-CV/TU", "")).await.message_id;
    let nfd: String = "7816/vpcp-ttđt".nfd().collect();
    for text in [
        "7816/VPCP-TTĐT",
        "7816/vpcp-ttđt",
        "7816/VPCP-TTDT",
        "7816 vpcp ttdt",
        &nfd,
        "7816",
        "07816/VPCP",
        "vpcp 7816",
        "VPCP",
    ] {
        assert_eq!(env.find_ids(text).await, std::slice::from_ref(&state), "{text}");
    }
    for text in ["45-CV/TU", "45/CV/TU", "45 cv tu", "45-cv", "045-CV/TU", "cv tu 45", "TU 0045"] {
        assert_eq!(env.find_ids(text).await, std::slice::from_ref(&party), "{text}");
    }
    for text in ["816/VPCP", "46-CV/TU"] {
        assert!(env.find_ids(text).await.is_empty(), "{text}");
    }
}

async fn words_of_number_signer_issuer_and_file_are_found_in_any_order(mut env: Environment) {
    let index = Index {
        number: "045/CV".to_owned(),
        subject: "Báo cáo quý III".to_owned(),
        issuer: "Sở Nội vụ".to_owned(),
        signers: vec!["Nguyễn Văn Đức".to_owned()],
        file_names: vec!["Tờ-trình_2026.pdf".to_owned()],
        ..Index::default()
    };
    let id = env.accept_one(Acceptance { index: Some(index), ..item() }).await.message_id;
    env.accept_one(indexed("46/CV", "Báo cáo quý IV của Sở Nội vụ")).await;
    for text in [
        "45/CV",
        "045/CV",
        "cv 45",
        "duc nguyen van",
        "to trinh",
        "TRÌNH 2026 pdf",
        "quý 45 nội vụ",
        "nội vụ đức",
    ] {
        assert_eq!(env.find_ids(text).await, std::slice::from_ref(&id), "{text}");
    }
    assert!(env.find_ids("45/CV duc lut").await.is_empty(), "every word must be there");
    env.accept_one(indexed("45/CV-UB", "")).await;
    let request = FindRequest { number: "45 cv".to_owned(), ..FindRequest::default() };
    assert_eq!(ids(&env.find(request).await), [id], "the whole number");
}

async fn a_beginning_of_an_id_finds_its_message(mut env: Environment) {
    let derived = env.accept_and_route(item(), &["b-app"]).await.remove(0);
    let all = env.find(FindRequest { derived: true, ..FindRequest::default() }).await;
    let envelopes: Vec<_> = all.messages.iter().filter_map(|it| it.envelope.clone()).collect();
    let parent = envelopes.iter().find(|it| it.id == derived).unwrap().parent.clone();
    let beginning = |id: &str, digits: usize| id.chars().take(digits).collect::<String>();
    for id in [&parent, &derived] {
        for text in [
            beginning(id, 6),
            beginning(id, 8).to_uppercase(),
            beginning(id, 15),
            id.replace('-', ""),
        ] {
            assert_eq!(env.find_ids(&text).await, std::slice::from_ref(&parent), "{text}");
        }
        let request =
            FindRequest { text: beginning(id, 10), derived: true, ..FindRequest::default() };
        assert_eq!(ids(&env.find(request).await), std::slice::from_ref(id));
    }
    assert!(env.find_ids(&beginning(&parent, 5)).await.is_empty(), "five digits may be a number");
    assert!(env.find_ids("…").await.is_empty(), "a text without letters finds nothing");
}

async fn the_code_of_a_fault_finds_what_it_keeps_back(mut env: Environment) {
    let id = env.accept_one(item()).await.message_id;
    let fault = Some(Fault::new(&code::LT_MAP_001));
    let disposition = Some(entry::Disposition::Dead(DeadLetter { fault }));
    env.record(vec![Entry { message_id: id.clone(), disposition, ..Entry::default() }]).await;
    env.accept_one(item()).await;
    let mut find = async |code: &str, states: Vec<i32>| {
        let request = FindRequest { code: code.to_owned(), states, ..FindRequest::default() };
        ids(&env.find(request).await)
    };
    assert_eq!(find("LT-MAP-001", Vec::new()).await, std::slice::from_ref(&id));
    assert_eq!(find("LT-MAP-001", vec![State::Dead.into()]).await, std::slice::from_ref(&id));
    assert!(find("LT-MAP-001", vec![State::Taken.into()]).await.is_empty());
    assert!(find("LT-MAP-002", Vec::new()).await.is_empty());
}

async fn words_of_the_subject_are_found_in_any_spelling_and_order(mut env: Environment) {
    let subject = "Về việc phòng, chống lụt bão đợt 2 (huyện Đức Thọ)";
    let flood = env.accept_one(indexed("1/CV", subject)).await.message_id;
    env.accept_one(indexed("2/CV", "Về việc chuyển đổi số")).await;
    for text in [
        "lụt bão",
        "LUT BAO",
        "bao lut",
        "duc tho",
        "phòng chống",
        "đức th",
        &subject.nfd().collect::<String>(),
    ] {
        assert_eq!(env.find_ids(text).await, std::slice::from_ref(&flood), "{text}");
    }
    assert_eq!(env.find_ids("ve viec").await.len(), 2);
    assert!(env.find_ids("lut dong dat").await.is_empty(), "every word must be there");
}

async fn ids_and_traces_are_found(mut env: Environment) {
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let traced = with(|it| it.traceparent = format!("00-{trace}-00f067aa0ba902b7-01"));
    let id = env.accept_one(traced).await.message_id;
    let other = env.accept_one(indexed("123456/UBND", "")).await.message_id;
    assert_eq!(env.find_ids(trace).await, std::slice::from_ref(&id));
    assert_eq!(env.find_ids(&id).await, std::slice::from_ref(&id));
    assert_eq!(env.find_ids(&id.to_uppercase()).await, [id]);
    assert_eq!(env.find_ids("doc.11").await, [other]);
}

async fn organisation_application_state_type_and_day_filter_the_search(mut env: Environment) {
    let early = env.accept_one(item()).await;
    env.advance(3_600);
    let status = env.accept_one(with(|it| {
        it.r#type = MessageType::Status.into();
        it.source = "b-app".to_owned();
        it.sender = "b".to_owned();
        it.recipients = vec!["a".to_owned()];
    }));
    let status = status.await;
    let derived = env.accept_and_route(item(), &["b-app"]).await.remove(0);
    let base = FindRequest::default();
    let mut count = async |request: FindRequest| ids(&env.find(request).await).len();
    assert_eq!(count(base.clone()).await, 3);
    assert_eq!(count(FindRequest { derived: true, ..base.clone() }).await, 4);
    assert_eq!(count(FindRequest { organisation: "c".to_owned(), ..base.clone() }).await, 2);
    assert_eq!(count(FindRequest { organisation: "a".to_owned(), ..base.clone() }).await, 3);
    assert_eq!(count(FindRequest { organisation: "%".to_owned(), ..base.clone() }).await, 0);
    assert_eq!(count(FindRequest { r#type: 2, ..base.clone() }).await, 1);
    assert_eq!(count(FindRequest { to_us: status.accepted_at_us, ..base.clone() }).await, 1);
    assert_eq!(count(FindRequest { from_us: status.accepted_at_us, ..base.clone() }).await, 2);
    let states = vec![State::Queued.into()];
    let queued = FindRequest { states, derived: true, ..base.clone() };
    assert!(ids(&env.find(queued).await).contains(&derived));
    let states = vec![State::Accepted.into()];
    let accepted = ids(&env.find(FindRequest { states, ..base.clone() }).await);
    assert_eq!(accepted, [status.message_id.clone(), early.message_id]);
    let application = FindRequest { application: "b-app".to_owned(), ..base.clone() };
    let found = ids(&env.find(application.clone()).await);
    assert_eq!(found.len(), 2, "sent by it and addressed to it: {found:?}");
    assert!(found.contains(&status.message_id));
    let found = ids(&env.find(FindRequest { derived: true, ..application }).await);
    assert!(found.len() == 2 && found.contains(&derived), "{found:?}");
    let taken = FindRequest { states: vec![State::Taken.into()], ..base };
    assert!(ids(&env.find(taken).await).is_empty());
}

async fn pages_contain_every_message_once(mut env: Environment) {
    let mut expected = Vec::new();
    for _ in 0..3 {
        let items = (0..5).map(|_| indexed("9/CV", "báo cáo quý")).collect();
        for outcome in env.accept(items).await {
            let accept_outcome::Outcome::Receipt(receipt) = outcome else { panic!() };
            expected.push(receipt.message_id);
        }
        env.advance(1);
    }
    let filters = [("", ""), ("bao cao", ""), ("9/cv", ""), ("", "b"), ("9/cv", "b"), ("", "a")];
    for (text, organisation) in filters {
        let mut found = Vec::new();
        let mut cursor = String::new();
        loop {
            let (text, organisation) = (text.to_owned(), organisation.to_owned());
            let request =
                FindRequest { text, organisation, limit: 4, cursor, ..FindRequest::default() };
            let page = env.find(request).await;
            assert!(page.messages.len() <= 4);
            found.extend(ids(&page));
            cursor = page.next;
            if cursor.is_empty() {
                break;
            }
        }
        assert_eq!(found.len(), 15, "{text:?}");
        let times: Vec<_> =
            found.iter().map(|it| expected.iter().position(|id| id == it).unwrap() / 5).collect();
        assert!(times.is_sorted_by(|one, next| one >= next), "newest first: {times:?}");
        found.sort();
        found.dedup();
        assert_eq!(found.len(), 15, "{text:?}");
    }
    let beyond =
        FindRequest { limit: 1_000_000, cursor: "invalid".to_owned(), ..FindRequest::default() };
    assert!(env.find(beyond).await.messages.len() <= 500);
}

async fn a_journey_has_all_facts_in_order(mut env: Environment) {
    let parent = env.accept_one(item_of("doc")).await.message_id;
    env.record(vec![routing(&parent, &["b-app", "c-app"])]).await;
    let id = derived_ids(&routing(&parent, &["b-app"])).remove(0);
    let session = env.open("b-app", ReceiverClass::Repeatable).await;
    let lease = env.deliver(&session, &id).await;
    env.end(&session, &id, lease, taken()).await;
    let answer = with(|it| {
        it.conversation = "doc".to_owned();
        it.r#type = MessageType::Status.into();
        it.recipients = vec!["a".to_owned()];
    });
    let status = env.accept_one(answer).await;
    assert_eq!(status.sequence, 2);
    let journey = env.journey(&parent).await;
    assert_eq!(
        journey,
        env.journey(&id).await,
        "the id of a derived message finds the same journey"
    );
    let message = journey.message.unwrap();
    assert_eq!((message.recipients_total, message.recipients_taken), (2, 1));
    assert_eq!(journey.derived.len(), 2);
    assert_eq!(
        ids(&FindResponse { messages: journey.statuses, next: String::new() }),
        [status.message_id]
    );
    let own: Vec<Step> = journey
        .hops
        .iter()
        .filter(|it| it.message_id == id)
        .map(|it| it.fact.clone().unwrap().step())
        .collect();
    assert_eq!(own, [Step::Translated, Step::Begun, Step::Taken]);
    assert!(journey.hops.iter().all(|it| it.message_id == parent || !it.application.is_empty()));
    let steps: Vec<Step> = journey.hops.iter().map(|it| it.fact.clone().unwrap().step()).collect();
    assert_eq!(
        steps,
        [
            Step::Submitted,
            Step::Normalized,
            Step::Accepted,
            Step::Routed,
            Step::Translated,
            Step::Translated,
            Step::Begun,
            Step::Taken
        ],
        "in the order written"
    );
    assert!(!journey.truncated);
}

async fn a_long_journey_has_its_first_and_last_facts(mut env: Environment) {
    let first = item();
    let id = env.accept_one(first.clone()).await.message_id;
    for round in 0..520 {
        let again = Acceptance { key: format!("again {round}"), ..first.clone() };
        assert!(env.accept_one(again).await.repeat);
    }
    let journey = env.journey(&id).await;
    assert!(journey.truncated);
    let facts: Vec<Fact> = journey.hops.into_iter().filter_map(|it| it.fact).collect();
    assert_eq!(facts[0].step(), Step::Submitted);
    assert_eq!(facts.last().unwrap().detail, "again 519");
    let repeats = facts.iter().filter(|it| it.step() == Step::Repeated).count();
    assert_eq!(repeats, 511, "one position holds the first facts");
}

async fn a_repeat_is_found_once(mut env: Environment) {
    let first = item();
    env.accept_one(first.clone()).await;
    env.accept_one(first).await;
    assert_eq!(env.find_ids("").await.len(), 1);
}

async fn bodies_are_stored_unchanged(mut env: Environment) {
    let parent = env.accept_one(item()).await.message_id;
    env.record(vec![routing(&parent, &["b-app"])]).await;
    let derived = derived_ids(&routing(&parent, &["b-app"])).remove(0);
    for (id, part, expected) in
        [(&parent, 1, "native"), (&parent, 2, "canonical"), (&derived, 2, "translated")]
    {
        let request = GetRequest { message_id: id.clone(), part };
        let stored = env.journal.get(request).await.unwrap().into_inner();
        assert_eq!(stored.body, Some(inline(expected)));
        assert_eq!(&stored.envelope.unwrap().id, id);
    }
}
