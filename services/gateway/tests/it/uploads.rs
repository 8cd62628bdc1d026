//! Uploads: resumed at their offset, checked when they are complete, and bounded.

use std::time::Duration;

use proto::exchange::v1::submit_request::Body as SubmittedBody;

use crate::environment::{Environment, code_of};
use crate::waiting::wait_for;

#[tokio::test]
async fn an_upload_continues_only_at_the_offset_it_has_reached() {
    let environment = Environment::new().await;
    let whole = b"0123456789";
    let first = environment.put("p", 0, &whole[..4], whole).await.unwrap();
    assert_eq!((first.received, first.complete), (4, false));
    let progress = environment.put("p", 0, b"", whole).await.unwrap();
    assert_eq!((progress.received, progress.complete), (4, false));
    let wrong = environment.put("p", 2, &whole[2..], whole).await.unwrap_err();
    assert_eq!((wrong.code.as_str(), wrong.params["expected"].as_str()), ("LT-EX-003", "4"));
    let other = environment.put("p", 4, &whole[4..], b"another one").await;
    assert_eq!(code_of(other), "LT-EX-005");
    let last = environment.put("p", 4, &whole[4..], whole).await.unwrap();
    assert_eq!((last.received, last.complete), (10, true));
    assert_eq!(
        environment.committed_files(),
        0,
        "an upload is not in the claim store before an item is accepted"
    );
}

#[tokio::test]
async fn an_unknown_upload_starts_again_at_offset_zero() {
    let environment = Environment::new().await;
    let unknown = environment.put("p", 5, b"56789", b"0123456789").await.unwrap_err();
    assert_eq!((unknown.code.as_str(), unknown.params["expected"].as_str()), ("LT-EX-004", "0"));
}

#[tokio::test]
async fn bytes_that_differ_from_the_declaration_are_refused() {
    let environment = Environment::new().await;
    assert_eq!(code_of(environment.put("p", 0, b"0123456780", b"0123456789").await), "LT-EX-007");
    assert_eq!(code_of(environment.put("p", 5, b"56789", b"0123456789").await), "LT-EX-004");
    assert_eq!(code_of(environment.put("q", 0, b"too long", b"short").await), "LT-EX-006");
    assert_eq!(code_of(environment.put("a/b", 0, b"x", b"x").await), "LT-EX-011");
    let chunk = vec![0; (1 << 20) + 1];
    assert_eq!(code_of(environment.put("r", 0, &chunk, &chunk).await), "LT-EX-011");
}

#[tokio::test]
async fn a_file_that_could_not_be_committed_is_committed_by_the_next_submit() {
    let environment = Environment::new().await;
    let file = b"a scanned page";
    environment.put("p", 0, file, file).await.unwrap();
    // A file in the place of the folder makes the commit fail.
    let name: String = bus::Claim::from_content(file).sha256_hex().chars().take(2).collect();
    let folder = environment.claims_folder.path().join(name);
    std::fs::remove_dir(&folder).unwrap();
    std::fs::write(&folder, b"not a folder").unwrap();
    let submit =
        async || environment.submit_with("k", SubmittedBody::Inline("x".into()), &["p"]).await;
    assert_eq!(code_of(submit().await), "LT-STO-002");
    std::fs::remove_file(&folder).unwrap();
    std::fs::create_dir(&folder).unwrap();
    submit().await.unwrap();
    assert!(environment.claims.open(&bus::Claim::from_content(file), 0).await.is_ok());
}

#[tokio::test]
async fn uploads_are_bounded_and_expire() {
    let environment = Environment::with(|it| {
        it.parts_max = 2;
        it.part_bytes_max = 50;
        it.spool_bytes_max = 60;
    })
    .await;
    assert_eq!(code_of(environment.put("p", 0, b"", &[0; 51]).await), "LT-EX-010");
    environment.put("p", 0, b"x", &[b'x'; 40]).await.unwrap();
    assert_eq!(code_of(environment.put("q", 0, b"x", &[b'x'; 40]).await), "LT-EX-008");
    environment.put("q", 0, b"x", &[b'x'; 10]).await.unwrap();
    assert_eq!(code_of(environment.put("r", 0, b"x", b"x").await), "LT-EX-008");
    environment.clock.advance(Duration::from_secs(2 * 3_600));
    wait_for(async || environment.put("r", 0, b"x", b"x").await.ok()).await;
    assert_eq!(code_of(environment.put("p", 1, b"x", &[b'x'; 40]).await), "LT-EX-004");
}
