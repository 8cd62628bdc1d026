//! Which connection ends when there are too many.

use super::*;

const LIMITS: fn() -> ServerLimits = ServerLimits::default;

fn address(last: u8) -> IpAddr {
    [10, 0, 0, last].into()
}

fn is_evicted(open: &OpenConnection) -> bool {
    open.0.0.evicted.is_cancelled()
}

#[tokio::test(start_paused = true)]
async fn the_idlest_stranger_of_the_address_with_most_ends_for_a_newcomer() {
    let limits = ServerLimits { unauthenticated_max: 4, ..LIMITS() };
    let connections = Connections::new(limits);
    let mut flood = Vec::new();
    let honest = connections.open(address(1)).unwrap();
    for _ in 0..3 {
        tokio::time::advance(Duration::from_millis(1)).await;
        flood.push(connections.open(address(2)).unwrap());
    }
    let request = flood[0].connection().start_request();
    let second = connections.open(address(3)).unwrap();
    assert!(!is_evicted(&honest) && !is_evicted(&second), "other addresses are left alone");
    assert!(!is_evicted(&flood[0]), "a request is in progress");
    assert!(is_evicted(&flood[1]) && !is_evicted(&flood[2]));
    tokio::time::advance(Duration::from_millis(1)).await;
    drop(request);
    let third = connections.open(address(4)).unwrap();
    assert!(is_evicted(&flood[0]) && !is_evicted(&third), "it is the oldest without a request");
}

#[tokio::test(start_paused = true)]
async fn strangers_never_end_an_authenticated_connection() {
    let limits = ServerLimits { unauthenticated_max: 2, address_connections_max: 5, ..LIMITS() };
    let connections = Connections::new(limits);
    let known = connections.open(address(1)).unwrap();
    assert!(known.connection().authenticate("a"));
    let flood: Vec<_> = (0..50).map(|_| connections.open(address(1)).unwrap()).collect();
    assert!(!is_evicted(&known));
    assert_eq!(flood.iter().filter(|it| !is_evicted(it)).count(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_owner_has_a_share_and_replaces_its_own_idle_connections() {
    let limits = ServerLimits { owner_connections_max: 2, ..LIMITS() };
    let connections = Connections::new(limits);
    let open = |owner: &str| {
        let open = connections.open(address(1)).unwrap();
        (open.connection().authenticate(owner), open)
    };
    let (other, first, second) = (open("b"), open("a"), open("a"));
    assert!(other.0 && first.0 && second.0);
    let _busy = (first.1.connection().start_request(), second.1.connection().start_request());
    assert!(!open("a").0, "both are in use");
    drop(_busy.0);
    let third = open("a");
    assert!(third.0 && is_evicted(&first.1) && !is_evicted(&second.1) && !is_evicted(&other.1));
    assert!(third.1.connection().authenticate("b"), "a proxy may carry the calls of several");
}

#[tokio::test(start_paused = true)]
async fn an_address_has_a_bound_that_its_own_connections_pay_for() {
    let limits = ServerLimits { address_connections_max: 2, ..LIMITS() };
    let connections = Connections::new(limits);
    let open = || connections.open(address(1));
    let (known, stranger) = (open().unwrap(), open().unwrap());
    assert!(known.connection().authenticate("a"));
    let third = open().unwrap();
    assert!(is_evicted(&stranger) && !is_evicted(&known));
    assert!(third.connection().authenticate("a"));
    let _busy = known.connection().start_request();
    let fourth = open().unwrap();
    assert!(is_evicted(&third), "it was idle");
    assert!(fourth.connection().authenticate("a"));
    let _also = fourth.connection().start_request();
    assert!(open().is_none());
    assert!(connections.open(address(2)).is_some());
}

#[tokio::test(start_paused = true)]
async fn all_authenticated_connections_have_a_bound() {
    let limits = ServerLimits { connections_max: 3, ..LIMITS() };
    let connections = Connections::new(limits);
    let open = |owner: &str| {
        let open = connections.open(address(1)).unwrap();
        (open.connection().authenticate(owner), open)
    };
    let (first, _second, other) = (open("a"), open("a"), open("b"));
    let third = open("b");
    assert!(third.0 && is_evicted(&first.1) && !is_evicted(&other.1), "a had most");
    let _busy = [&other.1, &third.1].map(|it| it.connection().start_request());
    let newcomer = open("c");
    assert!(newcomer.0 && is_evicted(&other.1), "b has more than its part");
    let _also = newcomer.1.connection().start_request();
    let _still = _second.1.connection().start_request();
    assert!(!open("b").0, "each has one, and all are in use");
}

#[tokio::test(start_paused = true)]
async fn a_closed_connection_is_no_longer_counted() {
    let connections = Connections::new(LIMITS());
    let (one, two) = (connections.open(address(1)).unwrap(), connections.open(address(2)).unwrap());
    assert!(one.connection().authenticate("a"));
    drop((one, two));
    let open = connections.0.open.lock();
    assert!(open.by_id.is_empty() && open.by_address.is_empty() && open.by_owner.is_empty());
    assert_eq!(open.unauthenticated, 0);
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_ends_and_one_with_a_request_stays() {
    let limits = ServerLimits { first_request_ms_max: 100, idle_ms_max: 1_000, ..LIMITS() };
    let connections = Connections::new(limits);
    let open = connections.open(address(1)).unwrap();
    let wait = |ms| tokio::time::timeout(Duration::from_millis(ms), open.unused(&limits));
    assert_eq!(wait(101).await, Ok(Unused::Stranger));
    assert!(open.connection().authenticate("a"));
    wait(800).await.unwrap_err();
    let request = open.connection().start_request();
    wait(10_000).await.unwrap_err();
    drop(request);
    wait(999).await.unwrap_err();
    assert_eq!(wait(2).await, Ok(Unused::Idle));
}
