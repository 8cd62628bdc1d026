//! How a law is tried: for every format, on many seeds, so that one that fails is tried again by one
//! command.

use std::io::Write as _;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use proto::fault::v1::Fault;

use crate::{Format, FormatRegistry};

/// The shipped formats.
pub(in crate::tests) static SHIPPED: LazyLock<FormatRegistry> =
    LazyLock::new(|| FormatRegistry::shipped().unwrap());

/// Shipped formats with rules.
pub(in crate::tests) fn formats_with_rules() -> impl Iterator<Item = &'static Format> {
    SHIPPED.all().filter(|it| !it.syntax.is_canonical())
}

/// Refusals carry a code of reading or of formats, and say where.
pub(super) fn assert_coded(name: &str, fault: &Fault) {
    assert!(
        ["LT-MAP-", "LT-FMT-"].iter().any(|it| fault.code.starts_with(it)),
        "{name}: {fault:?}"
    );
}

/// A law that holds for every seed.
#[derive(Clone, Copy, Debug)]
pub(in crate::tests) struct Law {
    /// Name of its test.
    pub(in crate::tests) name: &'static str,
    /// How many seeds are tried for each format when nobody asks for more.
    pub(in crate::tests) usual: u64,
}

/// From how many seeds a run says how far it is.
const LONG_RUN: u64 = 5_000;
/// How often it does.
const PROGRESS_EVERY: Duration = Duration::from_secs(10);

#[expect(clippy::disallowed_methods, reason = "a longer run is asked for by its command")]
fn asked(variable: &str) -> Option<String> {
    std::env::var(variable).ok()
}

fn say(text: &str) {
    std::io::stderr().write_all(text.as_bytes()).unwrap();
}

/// Says how a seed is tried again, when it fails.
struct Replay<'r>(&'r str, &'r str, u64);

impl Drop for Replay<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self(law, format, seed) = self;
            say(&format!(
                "again: LIENTHONG_LAWS_FORMAT={format} LIENTHONG_LAWS_SEED={seed} \
                 cargo test -p lienthong-formats --lib {law}\n"
            ));
        }
    }
}

impl Law {
    /// Tries the law on seeds from 0 for each format. Returns for each how many were tried, and for
    /// how many `check` said that the law applied.
    ///
    /// `LIENTHONG_LAWS` says how many seeds, `LIENTHONG_LAWS_FORMAT` names one format, and
    /// `LIENTHONG_LAWS_SEED` one seed.
    pub(in crate::tests) fn try_each<'f>(
        self,
        formats: impl Iterator<Item = &'f Format>,
        check: impl Fn(&'f Format, u64) -> bool + Sync,
    ) -> Vec<(&'f str, u64, u64)> {
        let count = asked("LIENTHONG_LAWS").and_then(|it| it.parse().ok()).unwrap_or(self.usual);
        let (only_format, only_seed) =
            (asked("LIENTHONG_LAWS_FORMAT"), asked("LIENTHONG_LAWS_SEED"));
        let seeds = match only_seed.and_then(|it| it.parse().ok()) {
            Some(seed) => seed..seed + 1,
            None => 0..count,
        };
        let formats: Vec<_> = formats
            .filter(|it| only_format.as_ref().is_none_or(|name| name == it.name()))
            .collect();
        let try_one = |format: &'f Format| {
            let held = self.try_format(format.name(), seeds.clone(), |seed| check(format, seed));
            (format.name(), seeds.end - seeds.start, held)
        };
        // A single seed is one that failed, or of which nothing but its result is asked.
        let is_single = seeds.end - seeds.start == 1;
        let tried: Vec<_> = if count < LONG_RUN {
            formats.into_iter().map(try_one).collect()
        } else {
            std::thread::scope(|scope| {
                let running: Vec<_> =
                    formats.into_iter().map(|it| scope.spawn(move || try_one(it))).collect();
                running.into_iter().map(|it| it.join().unwrap()).collect()
            })
        };
        tried.into_iter().filter(|_| !is_single).collect()
    }

    fn try_format(
        self,
        format: &str,
        seeds: std::ops::Range<u64>,
        check: impl Fn(u64) -> bool,
    ) -> u64 {
        let (begin, mut said, mut held) = (Instant::now(), Instant::now(), 0);
        let count = seeds.end - seeds.start;
        for (done, seed) in (0..count).zip(seeds) {
            let replay = Replay(self.name, format, seed);
            held += u64::from(check(seed));
            drop(replay);
            if count >= LONG_RUN && (said.elapsed() > PROGRESS_EVERY || done + 1 == count) {
                said = Instant::now();
                let (law, seconds) = (self.name, begin.elapsed().as_secs());
                say(&format!(
                    "{law} {format}: {} of {count}, {held} held, {seconds} s\n",
                    done + 1
                ));
            }
        }
        held
    }
}
