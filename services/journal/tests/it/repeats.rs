//! Repeats: what is compared, what the answer says, and what goes out again.

use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::accept_outcome::Outcome;
use proto::journal::v1::command_request::Action;
use proto::journal::v1::entry::Disposition;
use proto::journal::v1::*;
use proto::message::v1::*;
use uuid::Uuid;

use crate::environment::*;
use crate::on_both;

on_both!(
    the_same_submission_with_another_content_digest_is_a_repeat,
    what_a_repeat_said_is_known_from_then_on,
    the_same_bytes_said_to_be_another_format_are_compared_by_content,
    a_known_item_is_answered_without_its_content,
    a_known_key_is_compared_by_its_outline_when_the_bytes_are_gone,
    what_ended_without_arriving_goes_out_again,
    concurrent_repeats_make_one_message,
    what_one_recipient_took_does_not_go_out_again,
    a_message_in_doubt_does_not_go_out_again,
    a_dead_letter_that_is_submitted_again_holds_nobody_back,
    a_submission_that_was_never_routed_goes_out_again,
    a_document_id_with_other_content_is_a_finding,
);

/// The same item after a change of the registry: what was said is equal, its content is not.
fn with_other_content(item: &Acceptance) -> Acceptance {
    let mut other = item.clone();
    other.content_digest = Uuid::new_v4().as_bytes().repeat(2).into();
    let envelope = other.message.as_mut().unwrap().envelope.as_mut().unwrap();
    envelope.id = Uuid::new_v4().to_string();
    envelope.recipients = vec!["another".to_owned()];
    other
}

/// The same content said in other bytes.
fn said_otherwise(item: &Acceptance) -> Acceptance {
    let submission_digest = Uuid::new_v4().as_bytes().repeat(2).into();
    Acceptance { submission_digest, ..item.clone() }
}

/// A question for an item of which the content is not known.
fn question(item: &Acceptance) -> Acceptance {
    let envelope = item.message.as_ref().unwrap().envelope.clone().unwrap();
    let (source, sender) = (envelope.source, envelope.sender);
    let envelope = Some(Envelope { source, sender, ..Envelope::default() });
    Acceptance {
        message: Some(Message { envelope, body: None }),
        key: item.key.clone(),
        submission_digest: item.submission_digest.clone(),
        outline_digest: item.outline_digest.clone(),
        submitted_format: item.submitted_format.clone(),
        known_only: true,
        ..Acceptance::default()
    }
}

fn under(key: &str, item: &Acceptance) -> Acceptance {
    Acceptance { key: key.to_owned(), ..item.clone() }
}

async fn the_answer(env: &mut Environment, item: Acceptance) -> AcceptOutcome {
    let request = AcceptRequest { items: vec![item] };
    env.journal.accept(request).await.unwrap().into_inner().outcomes.remove(0)
}

fn states(answer: &AcceptOutcome) -> Vec<(String, State)> {
    answer.recipients.iter().map(|it| (it.application.clone(), it.state())).collect()
}

/// Accepts an item and lets each application give an answer: the receipt.
async fn settled(
    env: &mut Environment,
    item: &Acceptance,
    answers: &[(&str, settlement::Answer)],
) -> Receipt {
    let receipt = env.accept_one(item.clone()).await;
    settle_all(env, &receipt.message_id, answers).await;
    receipt
}

async fn settle_all(env: &mut Environment, id: &str, answers: &[(&str, settlement::Answer)]) {
    let applications: Vec<&str> = answers.iter().map(|(it, _)| *it).collect();
    let entry = routing(id, &applications);
    let derived = derived_ids(&entry);
    env.record(vec![entry]).await;
    for ((application, answer), id) in answers.iter().zip(&derived) {
        let session = env.open(application, ReceiverClass::Repeatable).await;
        let lease = env.deliver(&session, id).await;
        env.end(&session, id, lease, answer.clone()).await;
    }
}

async fn the_same_submission_with_another_content_digest_is_a_repeat(mut env: Environment) {
    for key in ["k1", ""] {
        let first = under(key, &item());
        let receipt = env.accept_one(first.clone()).await;
        let expected = Receipt { repeat: true, ..receipt };
        let changed = with_other_content(&first);
        assert_eq!(env.accept_one(changed.clone()).await, expected, "{key}");
        assert_eq!(env.accept_one(under(&format!("{key}+"), &changed)).await, expected);
        let within_one_call = env.accept(vec![with_other_content(&first), changed]).await;
        assert_eq!(within_one_call, vec![Outcome::Receipt(expected); 2]);
    }
    assert_eq!(env.find_ids("").await.len(), 2, "no second document");
}

async fn what_a_repeat_said_is_known_from_then_on(mut env: Environment) {
    let first = item();
    let receipt = env.accept_one(first.clone()).await;
    let again = said_otherwise(&under("", &first));
    assert!(env.accept_one(again.clone()).await.repeat, "by its content");
    let mut env = env.restart().await;
    // The registry changed since then.
    let later = env.accept_one(with_other_content(&again)).await;
    assert_eq!(later.message_id, receipt.message_id, "by what was said the second time");
    assert_eq!(env.find_ids("").await.len(), 1);
}

async fn the_same_bytes_said_to_be_another_format_are_compared_by_content(mut env: Environment) {
    let first = under("", &item());
    let receipt = env.accept_one(first.clone()).await;
    let said = |format: &str| {
        let mut item = with_other_content(&first);
        item.submitted_format = format.to_owned();
        let envelope = item.message.as_mut().unwrap().envelope.as_mut().unwrap();
        if format != "auto" {
            envelope.format = format.to_owned();
        }
        item
    };
    assert_eq!(env.accept_one(said("auto")).await.message_id, receipt.message_id);
    assert_eq!(env.accept_one(said("edxml.document")).await.message_id, receipt.message_id);
    let other = env.accept_one(said("json.document")).await;
    assert!(!other.repeat, "it is read as something else");
    let again = env.accept_one(said("json.document")).await;
    assert_eq!((again.repeat, again.message_id), (true, other.message_id));
}

async fn a_known_item_is_answered_without_its_content(mut env: Environment) {
    let first = item();
    let asked = the_answer(&mut env, question(&first)).await;
    assert_eq!(asked.outcome, Some(Outcome::Unknown(true)), "nothing is known yet");
    let receipt = env.accept_one(first.clone()).await;
    let expected = Some(Outcome::Receipt(Receipt { repeat: true, ..receipt.clone() }));
    for key in [first.key.as_str(), "a new key", ""] {
        let asked = the_answer(&mut env, question(&under(key, &first))).await;
        assert_eq!(asked.outcome, expected, "{key}");
    }
    let request = FindRequest {
        application: "a-app".to_owned(),
        key: "a new key".to_owned(),
        ..FindRequest::default()
    };
    assert_eq!(ids(&env.find(request).await), [receipt.message_id], "the new key finds it");
    let mut other = question(&under(&first.key, &item()));
    other.outline_digest = first.outline_digest.clone();
    let asked = the_answer(&mut env, other.clone()).await;
    assert_eq!(asked.outcome, Some(Outcome::Unknown(true)), "its content may be the same");
    let content_digest = Uuid::new_v4().as_bytes().repeat(2).into();
    let asked = the_answer(&mut env, Acceptance { content_digest, ..other }).await;
    assert!(matches!(asked.outcome, Some(Outcome::Refused(it)) if it.code == "LT-JNL-001"));
    assert_eq!(env.find_ids("").await.len(), 1, "a question stores nothing");
}

async fn a_known_key_is_compared_by_its_outline_when_the_bytes_are_gone(mut env: Environment) {
    let first = item();
    let receipt = env.accept_one(first.clone()).await;
    let gone =
        |item: &Acceptance| Acceptance { submission_digest: bytes::Bytes::new(), ..question(item) };
    let asked = the_answer(&mut env, gone(&first)).await;
    assert_eq!(asked.outcome, Some(Outcome::Receipt(Receipt { repeat: true, ..receipt })));
    let other = under(&first.key, &item());
    let asked = the_answer(&mut env, gone(&other)).await;
    assert_eq!(asked.outcome, Some(Outcome::Unknown(true)), "another body or other files");
    let asked = the_answer(&mut env, gone(&under("", &first))).await;
    assert_eq!(asked.outcome, Some(Outcome::Unknown(true)), "an outline alone identifies nothing");
}

async fn what_ended_without_arriving_goes_out_again(mut env: Environment) {
    let first = item();
    let receipt = settled(&mut env, &first, &[("b-app", refused())]).await;
    let mut earlier = receipt.clone();
    // Under its own key, a new one, and none; each of them ends refused as well.
    for (number, key) in [first.key.as_str(), "another", "", first.key.as_str()].iter().enumerate()
    {
        env.advance(1);
        let question = question(&under(key, &first));
        let asked = the_answer(&mut env, question).await;
        assert_eq!(asked.outcome, Some(Outcome::Unknown(true)), "{key}: it goes out again");
        let again = env.accept_one(with_other_content(&under(key, &first))).await;
        assert!(!again.repeat && again.message_id != earlier.message_id, "{again:?}");
        assert_eq!(again.copy_of, receipt.message_id);
        assert_eq!(again.sequence, receipt.sequence + u64::try_from(number).unwrap() + 1);
        let root: bus::MessageId = receipt.message_id.parse().unwrap();
        let derived = root.derive(&format!("again.{}", number + 1)).to_string();
        assert_eq!(again.message_id, derived, "derived from the first and a counter");
        let repeat = env.accept_one(first.clone()).await;
        assert_eq!(repeat, Receipt { repeat: true, ..again.clone() }, "it is on its way");
        assert!(env.steps(&earlier.message_id).await.contains(&Step::Resubmitted));
        settle_all(&mut env, &again.message_id, &[("b-app", refused())]).await;
        earlier = again;
    }
    let request = FindRequest {
        application: "a-app".to_owned(),
        key: "another".to_owned(),
        ..FindRequest::default()
    };
    let found = ids(&env.find(request).await);
    assert_eq!((found.len(), &found[0]), (5, &earlier.message_id), "the newest comes first");
    let journey = env.journey(&receipt.message_id).await;
    assert_eq!(journey.copies.len(), 4);
    assert!(
        journey
            .copies
            .iter()
            .all(|it| { it.envelope.as_ref().is_some_and(|it| it.copy_of == receipt.message_id) })
    );
    let mut env = env.restart().await;
    assert!(!env.accept_one(first).await.repeat, "after a restart too");
}

async fn concurrent_repeats_make_one_message(mut env: Environment) {
    let first = item();
    settled(&mut env, &first, &[("b-app", refused())]).await;
    let calls = (0..8).map(|number| {
        let mut journal = env.journal.clone();
        let items = vec![under(&format!("key {number}"), &first), under("", &first)];
        async move { journal.accept(AcceptRequest { items }).await.unwrap().into_inner().outcomes }
    });
    let outcomes = futures::future::join_all(calls).await.into_iter().flatten();
    let receipts: Vec<Receipt> = outcomes
        .map(|it| match it.outcome {
            Some(Outcome::Receipt(receipt)) => receipt,
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(receipts.iter().all(|it| it.message_id == receipts[0].message_id));
    assert_eq!(receipts.iter().filter(|it| !it.repeat).count(), 1);
    assert_eq!(env.find_ids("").await.len(), 2);
}

async fn what_one_recipient_took_does_not_go_out_again(mut env: Environment) {
    let first = item();
    let answers = [("b-app", taken()), ("c-app", refused())];
    let receipt = settled(&mut env, &first, &answers).await;
    let answer = the_answer(&mut env, first).await;
    let expected = Receipt { repeat: true, ..receipt };
    assert_eq!(answer.outcome, Some(Outcome::Receipt(expected)));
    assert_eq!(
        states(&answer),
        [("b-app".to_owned(), State::Taken), ("c-app".to_owned(), State::Refused)]
    );
    assert!(!answer.recipients[1].detail.is_empty(), "why it was refused");
    let waiting = item();
    env.accept_one(waiting.clone()).await;
    let answer = the_answer(&mut env, waiting).await;
    let organisations: Vec<&str> = answer.recipients.iter().map(|it| &*it.organisation).collect();
    assert_eq!(organisations, ["b", "c"], "before it is routed");
    assert!(answer.recipients.iter().all(|it| it.state() == State::Accepted));
}

async fn a_message_in_doubt_does_not_go_out_again(mut env: Environment) {
    let first = item();
    let ids = env.accept_and_route(first.clone(), &["b-app"]).await;
    let session = env.open("b-app", ReceiverClass::Neither).await;
    env.deliver(&session, &ids[0]).await;
    env.journal.close(CloseRequest { session }).await.unwrap();
    assert_eq!(env.state(&ids[0]).await, State::InDoubt);
    let answer = the_answer(&mut env, first).await;
    assert!(matches!(&answer.outcome, Some(Outcome::Receipt(it)) if it.repeat), "{answer:?}");
    assert_eq!(states(&answer), [("b-app".to_owned(), State::InDoubt)]);
}

/// Makes the derived message of an item a dead letter: its id.
async fn dead(env: &mut Environment, item: &Acceptance) -> String {
    let id = env.accept_and_route(item.clone(), &["b-app"]).await.remove(0);
    let fault = Some(Fault::new(&code::LT_MAP_217));
    let disposition = Some(Disposition::Dead(DeadLetter { fault }));
    env.record(vec![Entry { message_id: id.clone(), disposition, ..Entry::default() }]).await;
    id
}

async fn a_dead_letter_that_is_submitted_again_holds_nobody_back(mut env: Environment) {
    let first = item_of("conversation");
    let dead = dead(&mut env, &first).await;
    let later = env.accept_and_route(item_of("conversation"), &["b-app"]).await.remove(0);
    let session = env.open("b-app", ReceiverClass::Repeatable).await;
    assert_eq!(env.answers(&session, &[&later]).await, [begun::Answer::Hold]);
    let again = env.accept_one(said_otherwise(&first)).await;
    assert!(!again.repeat && again.sequence == 3, "{again:?}");
    assert_eq!(env.state(&dead).await, State::Withdrawn, "in the same commit");
    let journey = env.journey(&dead).await;
    let withdrawn = journey.hops.iter().filter_map(|it| it.fact.as_ref());
    let withdrawn = withdrawn.filter(|it| it.step() == Step::Withdrawn).collect::<Vec<_>>();
    assert!(
        withdrawn[0]
            .fault
            .as_ref()
            .is_some_and(|it| it.params.get("id") == Some(&again.message_id)),
        "{withdrawn:?}"
    );
    assert!(!env.command(Action::Redrive, &dead).await, "nobody redrives it as well");
    env.wait_for_state(&later, State::Queued).await;
}

async fn a_submission_that_was_never_routed_goes_out_again(mut env: Environment) {
    for action in [None, Some(Action::Withdraw)] {
        let first = item();
        let receipt = env.accept_one(first.clone()).await;
        let message_id = receipt.message_id.clone();
        match action {
            Some(action) => assert!(env.command(action, &message_id).await),
            None => {
                let fault = Some(Fault::new(&code::LT_MAP_217));
                let disposition = Some(Disposition::Dead(DeadLetter { fault }));
                env.record(vec![Entry { message_id, disposition, ..Entry::default() }]).await;
            }
        }
        let again = env.accept_one(first).await;
        assert_eq!((again.repeat, &again.copy_of), (false, &receipt.message_id));
        assert_eq!(env.state(&receipt.message_id).await, State::Withdrawn);
    }
}

async fn a_document_id_with_other_content_is_a_finding(mut env: Environment) {
    let document = |number: &str, id: &str| {
        let index =
            Index { number: number.to_owned(), document_id: id.to_owned(), ..Index::default() };
        Acceptance { index: Some(index), ..item() }
    };
    let first = document("101/CV", "A99.1,2026/11/20,101/CV");
    env.accept_one(first.clone()).await;
    for _ in 0..2 {
        let answer = the_answer(&mut env, document("101/CV", "A99.1,2026/11/20,101/CV")).await;
        let finding = &answer.findings[0];
        assert_eq!(finding.code, "LT-JNL-012");
        for text in [&finding.text_vi, &finding.text_en] {
            assert!(text.contains("101/CV"), "{text}");
        }
        let Some(Outcome::Receipt(later)) = answer.outcome else { panic!("it is accepted") };
        assert!(!later.repeat);
        let journey = env.journey(&later.message_id).await;
        let facts = journey.hops.iter().filter_map(|it| it.fact.as_ref());
        let accepted = facts.filter(|it| it.step() == Step::Accepted).collect::<Vec<_>>();
        assert_eq!(accepted[0].findings, answer.findings, "as a fact too");
    }
    let answer = the_answer(&mut env, first).await;
    assert_eq!(answer.findings, Vec::new(), "a repeat is no other content");
    let answer = the_answer(&mut env, document("102/CV", "A99.1,2026/11/20,102/CV")).await;
    assert_eq!(answer.findings, Vec::new());
    let mut of_another = document("101/CV", "A99.1,2026/11/20,101/CV");
    of_another.message.as_mut().unwrap().envelope.as_mut().unwrap().sender = "z".to_owned();
    assert_eq!(the_answer(&mut env, of_another).await.findings, Vec::new());
    let mut status = document("101/CV", "A99.1,2026/11/20,101/CV");
    status.message.as_mut().unwrap().envelope.as_mut().unwrap().set_type(MessageType::Status);
    assert_eq!(the_answer(&mut env, status).await.findings, Vec::new(), "it is about the document");
    let together = vec![document("7/CV", "7"), document("7/CV", "7")];
    let request = AcceptRequest { items: together };
    let outcomes = env.journal.accept(request).await.unwrap().into_inner().outcomes;
    assert_eq!(outcomes.iter().map(|it| it.findings.len()).collect::<Vec<_>>(), [0, 1]);
}
