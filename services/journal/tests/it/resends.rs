//! Resend: an operator's copies of what was taken, refused or withdrawn.

use proto::fault::v1::Fault;
use proto::journal::v1::command_request::Action;
use proto::journal::v1::*;
use proto::message::v1::*;

use crate::environment::*;
use crate::on_both;

on_both!(
    a_copy_has_an_id_of_its_own_and_names_the_first,
    what_may_still_arrive_is_not_sent_again,
    a_copy_for_another_agency_needs_no_end,
    a_repeat_of_what_a_copy_brought_does_not_go_out_again,
);

async fn resend(env: &mut Environment, id: &str, to: &[&str]) -> Result<Envelope, Fault> {
    let request = ResendRequest {
        message_id: id.to_owned(),
        recipients: to.iter().map(|it| (*it).to_owned()).collect(),
        reason: "lost by the agency".to_owned(),
        actor: "lan".to_owned(),
    };
    let response = env.journal.resend(request).await;
    response
        .map(|it| it.into_inner().copy.unwrap())
        .map_err(|status| Fault::from_status(&status).unwrap())
}

/// Accepts an item whose recipients are the applications' organisations, and settles it at each.
async fn settled(
    env: &mut Environment,
    item: &Acceptance,
    answers: &[(&str, settlement::Answer)],
) -> (String, Vec<String>) {
    let id = env.accept_one(item.clone()).await.message_id;
    let ids = settle(env, &id, answers).await;
    (id, ids)
}

async fn settle(
    env: &mut Environment,
    id: &str,
    answers: &[(&str, settlement::Answer)],
) -> Vec<String> {
    let applications: Vec<&str> = answers.iter().map(|(it, _)| *it).collect();
    let mut entry = routing(id, &applications);
    for (derived, application) in entry.derived.iter_mut().zip(&applications) {
        let organisation = application.trim_end_matches("-app").to_owned();
        let envelope = derived.message.as_mut().unwrap().envelope.as_mut().unwrap();
        envelope.recipients = vec![organisation];
    }
    let derived = derived_ids(&entry);
    env.record(vec![entry]).await;
    for ((application, answer), id) in answers.iter().zip(&derived) {
        let session = env.open(application, ReceiverClass::Repeatable).await;
        let lease = env.deliver(&session, id).await;
        env.end(&session, id, lease, answer.clone()).await;
    }
    derived
}

async fn a_copy_has_an_id_of_its_own_and_names_the_first(mut env: Environment) {
    let item = item();
    let answers = [("b-app", taken()), ("c-app", refused())];
    let (first, derived) = settled(&mut env, &item, &answers).await;
    env.published_so_far();
    for number in 1..3 {
        env.advance(1);
        let copy = resend(&mut env, &first, &[]).await.unwrap();
        let root: bus::MessageId = first.parse().unwrap();
        assert_eq!(copy.id, root.derive(&format!("copy.{number}")).to_string());
        assert_eq!((&copy.copy_of, copy.sequence), (&first, number + 1));
        assert_eq!(copy.recipients, ["b", "c"]);
        let (channel, id, message) = env.next_published_message().await;
        assert_eq!((channel.as_str(), &id), ("intake.0", &copy.id));
        assert_eq!(message.attributes.get("copyof"), Some(&first));
        let journey = env.journey(&first).await;
        assert_eq!(journey.copies.len(), usize::try_from(number).unwrap());
        let facts = |id: &str, journey: &JourneyResponse| -> Vec<String> {
            let hops = journey.hops.iter().filter(|it| it.message_id == id);
            let facts = hops.filter_map(|it| it.fact.clone());
            facts.filter(|it| it.step() == Step::Resent).map(|it| it.detail).collect()
        };
        let of_first = facts(&first, &journey).pop().unwrap();
        assert!(of_first.starts_with("lan: lost by the agency"), "{of_first}");
        assert!(of_first.contains(&copy.id) && of_first.contains("b, c"), "{of_first}");
        let journey = env.journey(&copy.id).await;
        assert_eq!(ids_of(&journey.copies)[0], first, "a copy shows the first");
        assert!(facts(&copy.id, &journey)[0].contains(&first));
        let get = GetRequest { message_id: copy.id.clone(), part: 1 };
        let native = env.journal.get(get).await.unwrap().into_inner();
        assert_eq!(native.body, item.native, "with the bytes as submitted");
        settle(&mut env, &copy.id, &[("b-app", taken()), ("c-app", taken())]).await;
    }
    // A derived id is one recipient's.
    let copy = resend(&mut env, &derived[1], &[]).await.unwrap();
    assert_eq!(copy.recipients, ["c"]);
    let unknown = resend(&mut env, "0198c0de-0000-7000-8000-000000000001", &[]).await;
    assert_eq!(unknown.unwrap_err().code, "LT-JNL-005");
}

fn ids_of(messages: &[Summary]) -> Vec<String> {
    messages.iter().map(|it| it.envelope.as_ref().unwrap().id.clone()).collect()
}

async fn what_may_still_arrive_is_not_sent_again(mut env: Environment) {
    let accepted = env.accept_one(item()).await.message_id;
    let fault = resend(&mut env, &accepted, &[]).await.unwrap_err();
    assert_eq!((fault.code.as_str(), fault.params["state"].as_str()), ("LT-JNL-014", "accepted"));
    let id = env.accept_one(item()).await.message_id;
    let mut entry = routing(&id, &["b-app"]);
    entry.derived[0].message.as_mut().unwrap().envelope.as_mut().unwrap().recipients =
        vec!["b".to_owned()];
    let queued = derived_ids(&entry).remove(0);
    env.record(vec![entry]).await;
    let fault = resend(&mut env, &id, &[]).await.unwrap_err();
    assert_eq!(fault.params.get("id"), Some(&queued));
    assert_eq!(fault.params["state"], "queued");
    let fault = resend(&mut env, &queued, &[]).await.unwrap_err();
    assert_eq!(fault.code, "LT-JNL-014");
    assert!(env.command(Action::Withdraw, &queued).await);
    let copy = resend(&mut env, &id, &["b"]).await.unwrap();
    let fault = resend(&mut env, &id, &["b"]).await.unwrap_err();
    assert_eq!(fault.code, "LT-JNL-015", "the answer of the first run was lost");
    assert_eq!(fault.params.get("id"), Some(&copy.id));
    resend(&mut env, &id, &["z"]).await.expect("to another agency");
}

async fn a_copy_for_another_agency_needs_no_end(mut env: Environment) {
    let (id, _) = settled(&mut env, &item(), &[("b-app", taken())]).await;
    let mut env = env.restart().await;
    let copy = resend(&mut env, &id, &["c"]).await.unwrap();
    assert_eq!((copy.recipients.as_slice(), &copy.copy_of), (["c".to_owned()].as_slice(), &id));
    settle(&mut env, &copy.id, &[("c-app", refused())]).await;
    // A copy of a copy names the first as well.
    let second = resend(&mut env, &copy.id, &[]).await.unwrap();
    assert_eq!(second.copy_of, id);
    assert_ne!(second.id, copy.id);
}

async fn a_repeat_of_what_a_copy_brought_does_not_go_out_again(mut env: Environment) {
    let first = item();
    let (id, _) = settled(&mut env, &first, &[("b-app", refused())]).await;
    let copy = resend(&mut env, &id, &["b"]).await.unwrap();
    let answer = env.accept_one(first.clone()).await;
    assert_eq!((answer.repeat, &answer.message_id), (true, &id), "its copy is on its way");
    settle(&mut env, &copy.id, &[("b-app", taken())]).await;
    let request = AcceptRequest { items: vec![first] };
    let outcome = env.journal.accept(request).await.unwrap().into_inner().outcomes.remove(0);
    let states: Vec<State> = outcome.recipients.iter().map(RecipientState::state).collect();
    assert_eq!(states, [State::Refused, State::Taken], "the first, and its copy");
}
