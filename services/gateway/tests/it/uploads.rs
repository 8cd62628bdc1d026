//! Uploads: resumed where they are, checked when they are whole, bounded.

use std::time::Duration;

use proto::exchange::v1::submit_request::Body as Given;

use crate::stage::{Stage, code_of, eventually};

#[tokio::test]
async fn an_upload_goes_on_where_it_is_and_nowhere_else() {
    let stage = Stage::new().await;
    let whole = b"0123456789";
    let first = stage.put("p", 0, &whole[..4], whole).await.unwrap();
    assert_eq!((first.received, first.complete), (4, false));
    let asked = stage.put("p", 0, b"", whole).await.unwrap();
    assert_eq!((asked.received, asked.complete), (4, false));
    let wrong = stage.put("p", 2, &whole[2..], whole).await.unwrap_err();
    assert_eq!((wrong.code.as_str(), wrong.params["expected"].as_str()), ("LT-EX-003", "4"));
    let other = stage.put("p", 4, &whole[4..], b"another one").await;
    assert_eq!(code_of(other), "LT-EX-005");
    let last = stage.put("p", 4, &whole[4..], whole).await.unwrap();
    assert_eq!((last.received, last.complete), (10, true));
    assert_eq!(stage.kept(), 0, "nothing has a name before an item is accepted");
}

#[tokio::test]
async fn an_upload_that_is_not_here_begins_again() {
    let stage = Stage::new().await;
    let unknown = stage.put("p", 5, b"56789", b"0123456789").await.unwrap_err();
    assert_eq!((unknown.code.as_str(), unknown.params["expected"].as_str()), ("LT-EX-004", "0"));
}

#[tokio::test]
async fn bytes_that_are_not_the_declared_ones_are_dropped() {
    let stage = Stage::new().await;
    assert_eq!(code_of(stage.put("p", 0, b"0123456780", b"0123456789").await), "LT-EX-007");
    assert_eq!(code_of(stage.put("p", 5, b"56789", b"0123456789").await), "LT-EX-004");
    assert_eq!(code_of(stage.put("q", 0, b"too long", b"short").await), "LT-EX-006");
    assert_eq!(code_of(stage.put("a/b", 0, b"x", b"x").await), "LT-EX-011");
    let chunk = vec![0; (1 << 20) + 1];
    assert_eq!(code_of(stage.put("r", 0, &chunk, &chunk).await), "LT-EX-011");
}

#[tokio::test]
async fn a_file_that_could_not_be_kept_is_asked_for_again_before_there_is_a_receipt() {
    let stage = Stage::new().await;
    let file = b"a scanned page";
    stage.put("p", 0, file, file).await.unwrap();
    // The folder that the file belongs into is no folder for a while.
    let name: String = bus::Claim::from_content(file).sha256_hex().chars().take(2).collect();
    let folder = stage.folder.path().join(name);
    std::fs::remove_dir(&folder).unwrap();
    std::fs::write(&folder, b"in the way").unwrap();
    let submit = async || stage.submit_with("k", Given::Inline("x".into()), &["p"]).await;
    assert_eq!(code_of(submit().await), "LT-SYS-001");
    std::fs::remove_file(&folder).unwrap();
    std::fs::create_dir(&folder).unwrap();
    let again = submit().await.unwrap_err();
    assert_eq!((again.code.as_str(), again.violations.len()), ("LT-EX-004", 1));
    assert_eq!(again.violations[0].field, "attachments[0].part");
    stage.put("p", 0, file, file).await.unwrap();
    submit().await.unwrap();
    assert!(stage.claims.open(&bus::Claim::from_content(file), 0).await.is_ok());
}

#[tokio::test]
async fn uploads_are_bounded_and_forgotten_when_nobody_comes_back() {
    let stage = Stage::with(|it| {
        it.parts_max = 2;
        it.part_bytes_max = 50;
        it.spool_bytes_max = 60;
    })
    .await;
    assert_eq!(code_of(stage.put("p", 0, b"", &[0; 51]).await), "LT-EX-010");
    stage.put("p", 0, b"x", &[b'x'; 40]).await.unwrap();
    assert_eq!(code_of(stage.put("q", 0, b"x", &[b'x'; 40]).await), "LT-EX-008");
    stage.put("q", 0, b"x", &[b'x'; 10]).await.unwrap();
    assert_eq!(code_of(stage.put("r", 0, b"x", b"x").await), "LT-EX-008");
    stage.clock.advance(Duration::from_secs(2 * 3_600));
    eventually(async || stage.put("r", 0, b"x", b"x").await.ok()).await;
    assert_eq!(code_of(stage.put("p", 1, b"x", &[b'x'; 40]).await), "LT-EX-004");
}
