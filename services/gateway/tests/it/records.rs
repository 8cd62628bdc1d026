//! Bodies of several records: each is a message of its own, or refused by itself.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use proto::exchange::v1::submit_request::Body as SubmittedBody;
use proto::exchange::v1::submitted_record::Outcome;
use proto::exchange::v1::*;
use proto::journal::v1::FindRefusalsRequest;
use proto::journal::v1::journal_server::Journal as _;

use crate::environment::{Environment, request};

/// Of each record its place, and the id of its message or the code of its refusal.
fn outcomes(response: &SubmitResponse) -> Vec<(String, Result<String, String>)> {
    let outcome = |it: &SubmittedRecord| {
        let outcome = match it.outcome.clone().unwrap() {
            Outcome::Submitted(it) => Ok(it.receipt.unwrap().message_id),
            Outcome::Refused(it) => Err(it.fault.unwrap().code),
        };
        (it.place.clone(), outcome)
    };
    response.records.iter().map(outcome).collect()
}

#[tokio::test]
async fn the_good_records_of_a_body_are_accepted_once_and_the_bad_one_is_named() {
    let environment = Environment::new().await;
    let body = b"records:one\nbad two\nthree";
    let first = environment.submit("k", body).await.unwrap();
    let [one, two, three] = &outcomes(&first)[..] else { panic!("{first:?}") };
    assert_eq!(two, &("line 2".to_owned(), Err("LT-MAP-014".to_owned())));
    assert_eq!((one.0.as_str(), three.0.as_str()), ("line 1", "line 3"));
    assert_ne!(one.1, three.1);
    assert_eq!(Ok(first.receipt.clone().unwrap().message_id), one.1);
    let [finding] = &first.findings[..] else { panic!("{:?}", first.findings) };
    assert_eq!((finding.code.as_str(), finding.field.as_str()), ("LT-MAP-232", "line 2/Ngay"));
    assert!(finding.text_vi.contains("LT-MAP-014") && finding.text_en.contains("wrong"));
    assert_eq!(environment.journal.message_count().await, 2);

    // The answer was lost: the same messages, and nothing new.
    let again = environment.submit("k", body).await.unwrap();
    assert_eq!(outcomes(&again), outcomes(&first));
    assert!(again.receipt.unwrap().repeat);
    // A changed registry forbids all by now: what was accepted keeps its receipts.
    environment.mapping.forbids.store(true, Ordering::SeqCst);
    let forbidden = environment.submit("k", body).await.unwrap();
    assert_eq!(outcomes(&forbidden), outcomes(&first));
    environment.mapping.forbids.store(false, Ordering::SeqCst);
    // The bad record was corrected: it alone is new.
    let corrected = environment.submit("k", b"records:one\ntwo\nthree").await.unwrap();
    let corrected = outcomes(&corrected);
    assert_eq!((&corrected[0], &corrected[2]), (one, three));
    assert!(corrected[1].1.is_ok());
    assert_eq!(environment.journal.message_count().await, 3);
    // A record with other content under its key is a conflict, and no other record is.
    let conflict = environment.submit("k", b"records:other\ntwo\nthree").await.unwrap();
    assert_eq!(outcomes(&conflict)[0].1, Err("LT-JNL-001".to_owned()));
    assert_eq!(outcomes(&conflict)[1..], corrected[1..]);
    assert_eq!(environment.journal.message_count().await, 3);
}

#[tokio::test]
async fn a_body_of_which_no_record_is_accepted_is_refused_and_each_record_is_on_record() {
    let environment = Environment::new().await;
    let fault = environment.submit("", b"records:bad one\nbad two").await.unwrap_err();
    assert_eq!(fault.code, "LT-MAP-231");
    let fields: Vec<_> = fault.violations.iter().map(|it| it.field.as_str()).collect();
    assert_eq!(fields, ["line 1/Ngay", "line 2/Ngay"]);
    assert!(fault.violations[0].description_en.contains("LT-MAP-014"));
    assert_eq!(environment.journal.message_count().await, 0);
    let find = FindRefusalsRequest { limit: 10, ..FindRefusalsRequest::default() };
    let mut fields = Vec::new();
    for _ in 0..100 {
        let found = environment.journal.recording.find_refusals(request(find.clone())).await;
        let refusals = found.unwrap().into_inner().refusals;
        fields = refusals.into_iter().flat_map(|it| it.fields).collect();
        fields.sort();
        fields.dedup();
        if fields.len() >= 2 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(fields, ["line 1/Ngay", "line 2/Ngay"]);
}

#[tokio::test]
async fn records_of_one_body_may_share_a_file_and_a_large_body() {
    let environment = Environment::new().await;
    environment.put("scan", 0, b"%PDF", b"%PDF").await.unwrap();
    let inline = Bytes::from([&b"records:one\ntwo "[..], &vec![b'x'; 200_000]].concat());
    let response =
        environment.submit_with("", SubmittedBody::Inline(inline), &["scan"]).await.unwrap();
    assert_eq!(response.records.len(), 2);
    for it in response.records {
        let Some(Outcome::Submitted(it)) = it.outcome else { panic!("{it:?}") };
        assert_eq!(it.receipt.unwrap().attachments.len(), 1);
    }
    assert_eq!(environment.committed_files(), 2, "the file, and the body of both");
}
