//! Random events for the tests of the state machines. A test runs many seeds; a failing one is
//! printed with its events, and `LIENTHONG_SEED=<seed> cargo test -p <crate> <test>`
//! replays it alone.

/// Random numbers that a seed repeats with every version of the dependencies (SplitMix64).
#[derive(Debug)]
pub(crate) struct Random {
    seed: u64,
    state: u64,
    events: Vec<String>,
}

/// The seeds of a test: `count` of them, or the one that is replayed.
#[expect(clippy::disallowed_methods, reason = "a seed is for one run of a test, no configuration")]
pub(crate) fn seeds(count: u64) -> Vec<u64> {
    let replayed = std::env::var("LIENTHONG_SEED").ok();
    let replayed = replayed.map(|it| it.parse().expect("LIENTHONG_SEED is a number"));
    replayed.map_or_else(|| (1..=count).collect(), |it| vec![it])
}

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, state: seed, events: Vec::new() }
    }

    /// A number from 0 to below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut it = self.state;
        it = (it ^ (it >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        it = (it ^ (it >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((it ^ (it >> 31)) % bound as u64).unwrap()
    }

    /// True once in `bound` times.
    pub(crate) fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }

    /// Notes what happened, for the time line of a failure.
    pub(crate) fn note(&mut self, event: String) {
        self.events.push(event);
    }
}

impl Drop for Random {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let last = self.events.len().saturating_sub(60);
            let events = self.events[last..].join("\n  ");
            let all = self.events.len();
            eprintln!("LIENTHONG_SEED={} fails; the last of {all} events:\n  {events}", self.seed);
        }
    }
}
