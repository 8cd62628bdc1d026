//! Bodies that come slowly, in pieces, or are too large.

use futures::stream;

use super::*;
use crate::shared_bound::SharedBound;

const LIMITS: BodyLimits = BodyLimits {
    bytes_max: 100_000,
    stall_max: Duration::from_secs(10),
    bytes_per_second_min: 1_000,
};

/// Reads a body of `count` pieces with a pause before each; its length or the code of its refusal,
/// and the bytes that were held for it.
async fn read(piece: usize, count: usize, pause_ms: u64) -> (Result<usize, String>, u64) {
    let bound = SharedBound::new("bytes", 1 << 20, 1 << 20);
    let mut held = bound.hold("a", 0).unwrap();
    let pieces = stream::iter(0..count).then(move |_| async move {
        if pause_ms > 0 {
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        }
        Ok::<_, std::convert::Infallible>(Bytes::from(vec![7; piece]))
    });
    let outcome = read_body(Body::from_stream(pieces), &mut held, LIMITS).await;
    (outcome.map(|it| it.len()).map_err(|it| it.code), held.amount())
}

#[tokio::test(start_paused = true)]
async fn a_body_of_any_size_that_comes_at_the_lowest_rate_is_read() {
    assert_eq!(read(1_000, 100, 1_000).await.0, Ok(100_000));
    assert_eq!(read(10, 1, 9_000).await.0, Ok(10));
    assert_eq!(read(0, 0, 0).await.0, Ok(0));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stalls_or_comes_byte_by_byte_is_given_up() {
    let too_slow = Err("LT-GW-011".to_owned());
    assert_eq!(read(10, 1, 10_001).await.0, too_slow, "the first byte");
    assert_eq!(read(90_000, 2, 10_001).await.0, too_slow, "a later one");
    let started = Instant::now();
    assert_eq!(read(1, 1_000, 3_000).await.0, too_slow, "a byte every three seconds");
    assert!(started.elapsed() < Duration::from_secs(11));
    let started = Instant::now();
    assert_eq!(read(0, 1_000, 100).await.0, too_slow, "nothing in many pieces");
    assert!(started.elapsed() < Duration::from_secs(11));
}

#[tokio::test]
async fn the_largest_body_is_read_and_one_byte_more_is_refused() {
    assert_eq!(read(100_000, 1, 0).await, (Ok(100_000), 100_000));
    assert_eq!(read(100_001, 1, 0).await.0, Err("LT-GW-001".to_owned()));
    assert_eq!(read(1, 100_001, 0).await.0, Err("LT-GW-001".to_owned()));
}

#[tokio::test]
async fn a_body_in_small_pieces_holds_its_bytes_and_not_its_pieces() {
    assert_eq!(read(1, 1_024, 0).await, (Ok(1_024), 1_024));
    let (outcome, held) = read(1, 5_000, 0).await;
    assert_eq!(outcome, Ok(5_000));
    assert!((5_000..10_000).contains(&held), "{held}");
}

#[tokio::test]
async fn a_body_beyond_the_share_is_refused_while_it_is_read() {
    let bound = SharedBound::new("bytes", 1 << 20, 1_000);
    let mut held = bound.hold("a", 0).unwrap();
    let outcome = read_body(Body::from(vec![7; 1_001]), &mut held, LIMITS).await;
    assert_eq!(outcome.unwrap_err().code, "LT-GW-012");
}
