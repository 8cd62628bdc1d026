//! Items that were refused at the door are found, and a loop of one item is one row.

use proto::fault::v1::Fault;
use proto::journal::v1::{FindRefusalsRequest, RecordRequest, Refusal};
use proto::message::v1::MessageType;

use crate::environment::*;
use crate::on_both;

on_both!(
    a_refused_item_is_found_by_everything_it_is_known_by,
    a_loop_of_one_item_is_one_row_with_its_count,
    refused_items_come_in_pages_the_last_first,
    an_application_pushes_out_only_its_own_oldest,
);

fn refused(application: &str, key: &str, number: &str) -> Refusal {
    Refusal {
        application: application.to_owned(),
        organisation: format!("of-{application}"),
        key: key.to_owned(),
        number: number.to_owned(),
        at_us: START_US,
        fault: Some(Fault { code: "LT-MAP-204".to_owned(), ..Fault::default() }),
        r#type: MessageType::Document.into(),
        format: "edxml.document".to_owned(),
        fields: vec!["To/OrganId".to_owned()],
        ..Refusal::default()
    }
}

async fn record(env: &mut Environment, refusals: Vec<Refusal>) {
    let request = RecordRequest { refusals, ..RecordRequest::default() };
    env.journal.record(request).await.unwrap();
}

async fn find(env: &mut Environment, request: FindRefusalsRequest) -> Vec<Refusal> {
    env.journal.find_refusals(request).await.unwrap().into_inner().refusals
}

async fn a_refused_item_is_found_by_everything_it_is_known_by(mut env: Environment) {
    let other = Refusal {
        fault: Some(Fault { code: "LT-MAP-014".to_owned(), ..Fault::default() }),
        at_us: START_US + 10,
        ..refused("b-app", "other", "99/QĐ")
    };
    record(&mut env, vec![refused("a-app", "cv-7", "07/CV-UBND"), other]).await;
    let any = FindRefusalsRequest::default;
    let name = |it: &str| it.to_owned();
    let requests = [
        FindRefusalsRequest { application: name("a-app"), ..any() },
        FindRefusalsRequest { organisation: name("of-a-app"), ..any() },
        FindRefusalsRequest { key: name("cv-7"), ..any() },
        FindRefusalsRequest { number: name("07/CV-UBND"), ..any() },
        FindRefusalsRequest { number: name("7 cv ubnd"), ..any() },
        FindRefusalsRequest { number: name("7/CV"), ..any() },
        FindRefusalsRequest { text: name("cv-7"), ..any() },
        FindRefusalsRequest { text: name("7-cv-ubnd"), ..any() },
        FindRefusalsRequest { code: name("LT-MAP-204"), ..any() },
        FindRefusalsRequest { to_us: START_US + 5, ..any() },
    ];
    for request in requests {
        let found = find(&mut env, request.clone()).await;
        let [one] = found.as_slice() else { panic!("{request:?} found {found:?}") };
        assert_eq!((one.key.as_str(), one.number.as_str()), ("cv-7", "07/CV-UBND"));
        assert_eq!((one.r#type(), one.format.as_str()), (MessageType::Document, "edxml.document"));
        assert_eq!((one.count, &one.fields[..]), (1, &["To/OrganId".to_owned()][..]));
        assert_eq!((one.first_at_us, one.at_us), (START_US, START_US));
    }
    let later = FindRefusalsRequest { from_us: START_US + 5, ..any() };
    assert_eq!(find(&mut env, later).await[0].key, "other");
    assert_eq!(find(&mut env, any()).await.len(), 2);
}

async fn a_loop_of_one_item_is_one_row_with_its_count(mut env: Environment) {
    for round in 0..5 {
        let again = |it: i64| Refusal {
            at_us: START_US + round * 1_000 + it,
            ..refused("a-app", "k", "1/A")
        };
        record(&mut env, (0..20).map(again).collect()).await;
    }
    let found = find(&mut env, FindRefusalsRequest::default()).await;
    let [one] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((one.count, one.first_at_us, one.at_us), (100, START_US, START_US + 4_019));
    let another_code = Fault { code: "LT-MAP-014".to_owned(), ..Fault::default() };
    let another = Refusal { fault: Some(another_code), ..refused("a-app", "k", "1/A") };
    record(&mut env, vec![another]).await;
    assert_eq!(find(&mut env, FindRefusalsRequest::default()).await.len(), 2, "another reason");
}

async fn refused_items_come_in_pages_the_last_first(mut env: Environment) {
    let all = (0..7).map(|it: i64| Refusal {
        at_us: START_US + it / 2,
        ..refused("a-app", &format!("k{it}"), "")
    });
    record(&mut env, all.collect()).await;
    let mut cursor = String::new();
    let mut times = Vec::new();
    let mut keys = std::collections::BTreeSet::new();
    loop {
        let request = FindRefusalsRequest { limit: 3, cursor, ..FindRefusalsRequest::default() };
        let page = env.journal.find_refusals(request).await.unwrap().into_inner();
        times.extend(page.refusals.iter().map(|it| it.at_us - START_US));
        keys.extend(page.refusals.into_iter().map(|it| it.key));
        cursor = page.next;
        if cursor.is_empty() {
            break;
        }
    }
    assert_eq!(times, [3, 2, 2, 1, 1, 0, 0]);
    assert_eq!(keys.len(), 7);
}

async fn an_application_pushes_out_only_its_own_oldest(mut env: Environment) {
    record(&mut env, vec![refused("quiet", "first", "")]).await;
    for from in (0..5_400).step_by(900) {
        let each =
            |it: i64| Refusal { at_us: START_US + it, ..refused("loud", &format!("k{it}"), "") };
        record(&mut env, (from..from + 900).map(each).collect()).await;
    }
    let of = |application: &str| FindRefusalsRequest {
        application: application.to_owned(),
        limit: 500,
        ..FindRefusalsRequest::default()
    };
    assert_eq!(find(&mut env, of("quiet")).await.len(), 1);
    let oldest = |key: &str| FindRefusalsRequest { key: key.to_owned(), ..of("loud") };
    assert_eq!(find(&mut env, oldest("k399")).await.len(), 0, "pushed out");
    assert_eq!(find(&mut env, oldest("k400")).await.len(), 1);
    assert_eq!(find(&mut env, oldest("k5399")).await.len(), 1);
}
