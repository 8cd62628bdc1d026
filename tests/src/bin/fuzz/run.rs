//! Runs one target: inputs, bounds, findings.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::path::PathBuf;
use std::process::abort;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lienthong_tests::measure::{ProcessGroup, peak_bytes};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::corpus::{keep, seeds};
use crate::mutate::Mutator;
use crate::target::Target;

/// The file with the input that is being read, for a process that ends.
pub(crate) const CURRENT: &str = "current";
/// More processor time than this for one input is a finding, however busy the machine is. A debug build
/// is some twenty times slower.
const INPUT_LASTS_MAX: Duration =
    if cfg!(debug_assertions) { Duration::from_secs(20) } else { Duration::from_secs(2) };
/// After this much processor time the process ends, and the input is a finding.
const HANGS: Duration = Duration::from_secs(60);
/// After this the process ends although it takes no processor time.
const STANDS_STILL: Duration = Duration::from_secs(600);
/// More memory than this for a target is a finding.
const PEAK_BYTES_MAX: u64 = 1 << 30;
/// Inputs that are changed further.
const CORPUS_MAX: usize = 4_096;
/// Findings after which a run ends: more would be the same again.
const FINDINGS_MAX: usize = 10;

/// Characters of a problem in the report for people.
const PROBLEM_CHARS_MAX: usize = 300;

/// What a run is.
pub(crate) struct Run {
    pub(crate) target: &'static Target,
    pub(crate) seed: u64,
    pub(crate) lasts: Duration,
    pub(crate) inputs_max: u64,
    pub(crate) keep: bool,
    pub(crate) found: PathBuf,
}

/// An input that no parser may answer so, and where it lies.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) problem: String,
    pub(crate) input: PathBuf,
}

/// What a run found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    target: String,
    inputs: u64,
    seeds: u64,
    outcomes: u64,
    seconds: f64,
    slowest_ms: f64,
    peak_mib: f64,
    pub(crate) findings: Vec<Finding>,
}

impl Report {
    pub(crate) fn of_finding(target: &str, finding: Finding) -> Self {
        Self { target: target.to_owned(), findings: vec![finding], ..Self::default() }
    }

    pub(crate) fn to_json(&self) -> Value {
        let finding = |it: &Finding| json!({ "problem": it.problem, "input": it.input });
        json!({
            "target": self.target,
            "inputs": self.inputs,
            "seeds": self.seeds,
            "outcomes": self.outcomes,
            "seconds": self.seconds,
            "slowest_ms": self.slowest_ms,
            "peak_mib": self.peak_mib,
            "findings": self.findings.iter().map(finding).collect::<Vec<_>>(),
        })
    }

    pub(crate) fn of(json: &Value) -> Self {
        let count = |it: &str| json[it].as_u64().unwrap_or_default();
        let figure = |it: &str| json[it].as_f64().unwrap_or_default();
        let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
        let finding = |it: &Value| Finding {
            problem: text(&it["problem"]),
            input: text(&it["input"]).into(),
        };
        Self {
            target: text(&json["target"]),
            inputs: count("inputs"),
            seeds: count("seeds"),
            outcomes: count("outcomes"),
            seconds: figure("seconds"),
            slowest_ms: figure("slowest_ms"),
            peak_mib: figure("peak_mib"),
            findings: json["findings"].as_array().into_iter().flatten().map(finding).collect(),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<14} {:>9} inputs in {:>4.0} s, {:>4} seeds, {:>5} outcomes, slowest {:>7.1} ms, \
             peak {:>4.0} MiB, {} findings",
            self.target,
            self.inputs,
            self.seconds,
            self.seeds,
            self.outcomes,
            self.slowest_ms,
            self.peak_mib,
            self.findings.len()
        )?;
        let replay = |it: &Finding| {
            let (target, input) = (&self.target, it.input.display());
            let problem: String = it.problem.chars().take(PROBLEM_CHARS_MAX).collect();
            format!("\n  {problem}\n    --target {target} --input {input}")
        };
        self.findings.iter().try_for_each(|it| f.write_str(&replay(it)))
    }
}

impl Run {
    /// Gives inputs to the target until the time is over.
    pub(crate) fn run(&self) -> Report {
        // A panic is a finding; its words are in the report.
        set_hook(Box::new(|_| {}));
        fs::create_dir_all(&self.found).unwrap();
        let mut current = File::create(self.found.join(CURRENT)).unwrap();
        let check = (self.target.prepare)();
        let mut corpus = seeds(self.target);
        let mut mutator = Mutator::new(self.seed, self.target.words);
        let mut report = Report {
            target: self.target.name.to_owned(),
            seeds: corpus.len() as u64,
            ..Report::default()
        };
        let (mut outcomes, begin, begun) = (BTreeSet::new(), Instant::now(), watch());
        while report.findings.len() < FINDINGS_MAX {
            let index = usize::try_from(report.inputs).unwrap();
            // The seeds come first, as they are.
            let input = match corpus.get(index).filter(|_| report.inputs < report.seeds) {
                Some(seed) => seed.clone(),
                None if begin.elapsed() > self.lasts || report.inputs >= self.inputs_max => break,
                None => mutator.changed(&corpus),
            };
            current.seek(SeekFrom::Start(0)).unwrap();
            current.write_all(&input).unwrap();
            current.set_len(input.len() as u64).unwrap();
            let before = processor_time();
            begun.store(now_ms(), Ordering::Relaxed);
            let outcome = catch_unwind(AssertUnwindSafe(|| check(&input)));
            begun.store(0, Ordering::Relaxed);
            let lasted = processor_time().saturating_sub(before);
            report.inputs += 1;
            report.slowest_ms = report.slowest_ms.max(lasted.as_secs_f64() * 1_000.0);
            let outcome = outcome.unwrap_or_else(|it| Err(format!("panic: {}", words_of(&*it))));
            let outcome = outcome.and_then(|it| match lasted > INPUT_LASTS_MAX {
                true => Err(format!("took {lasted:?}: {it}")),
                false => Ok(it),
            });
            match outcome {
                Ok(it) if outcomes.insert(it.clone()) => {
                    self.note_new(&mut corpus, input, report.inputs > report.seeds)
                }
                Ok(_) => {}
                Err(problem) => report.findings.push(self.found_by(problem, &input)),
            }
        }
        let process = ProcessGroup { name: self.target.name.to_owned(), root: std::process::id() };
        let peak = peak_bytes(&process);
        if peak > PEAK_BYTES_MAX {
            report.findings.push(self.found_by(format!("{peak} bytes of memory"), &[]));
        }
        report.outcomes = outcomes.len() as u64;
        report.seconds = begin.elapsed().as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let peak_mib = peak as f64 / f64::from(1 << 20);
        report.peak_mib = peak_mib;
        report
    }

    fn note_new(&self, corpus: &mut Vec<Vec<u8>>, input: Vec<u8>, is_changed: bool) {
        if is_changed && corpus.len() < CORPUS_MAX {
            if self.keep {
                keep(self.target, &input);
            }
            corpus.push(input);
        }
    }

    fn found_by(&self, problem: String, input: &[u8]) -> Finding {
        let name = hex::encode(Sha256::digest(input));
        let path = self.found.join(name.get(..12).unwrap_or_default());
        fs::write(&path, input).unwrap();
        Finding { problem, input: path }
    }
}

/// Ends the process when one input lasts too long. The value says since when it is read, 0 for none.
fn watch() -> Arc<AtomicU64> {
    let begun = Arc::new(AtomicU64::new(0));
    let watched = Arc::clone(&begun);
    std::thread::spawn(move || {
        let (mut last, mut spent_before) = (0, Duration::ZERO);
        loop {
            std::thread::sleep(Duration::from_secs(1));
            let (since, spent) = (watched.load(Ordering::Relaxed), processor_time());
            if since != last {
                (last, spent_before) = (since, spent);
            }
            let lasted = Duration::from_millis(now_ms().saturating_sub(since));
            let is_busy = spent.saturating_sub(spent_before) > HANGS;
            if since != 0 && (is_busy || lasted > STANDS_STILL) {
                abort();
            }
        }
    });
    begun
}

/// Processor time of the main thread, which reads the inputs.
fn processor_time() -> Duration {
    let text = fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let spent = text.split(' ').next().and_then(|it| it.parse().ok());
    Duration::from_nanos(spent.unwrap_or_default())
}

/// Milliseconds since 1970; never 0.
fn now_ms() -> u64 {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX).max(1)
}

/// The words of a panic.
fn words_of(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().cloned();
    text.or_else(|| payload.downcast_ref::<&str>().map(|it| (*it).to_owned())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Check;

    /// A parser that fails on what a correct one refuses.
    fn careless() -> Check {
        Box::new(|bytes| {
            let text = String::from_utf8_lossy(bytes);
            assert!(!text.contains("]["), "two lists");
            if text.contains("{{") {
                Err("two objects".to_owned())
            } else {
                Ok(text.len().to_string())
            }
        })
    }

    #[test]
    fn a_panic_and_a_wrong_answer_are_findings_and_the_same_seed_finds_the_same() {
        let target: &'static Target =
            &Target { name: "careless", prepare: careless, cases: &[], words: &["[", "]", "{"] };
        let folder = tempfile::tempdir().unwrap();
        let run = || {
            let run = Run {
                target,
                seed: 7,
                lasts: Duration::from_secs(60),
                inputs_max: 20_000,
                keep: false,
                found: folder.path().to_owned(),
            };
            run.run().findings
        };
        let found = run();
        let problems: Vec<&str> = found.iter().map(|it| it.problem.as_str()).collect();
        for expected in ["panic: two lists", "two objects"] {
            assert!(problems.iter().any(|it| it.starts_with(expected)), "{problems:?}");
        }
        let check = careless();
        for it in &found {
            let input = fs::read(&it.input).unwrap();
            let answer = catch_unwind(AssertUnwindSafe(|| check(&input)));
            assert!(answer.is_err() || answer.is_ok_and(|it| it.is_err()), "{it:?}");
        }
        let again: Vec<_> = run().into_iter().map(|it| it.input).collect();
        assert_eq!(again, found.into_iter().map(|it| it.input).collect::<Vec<_>>());
    }
}
