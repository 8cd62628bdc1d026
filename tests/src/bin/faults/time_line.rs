//! What happened in which second, as text: where a failure began.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::history::History;

/// Seconds in which every rate is at least this part of the usual one are left out.
const CALM_PART: f64 = 0.6;

/// What happened in one second.
#[derive(Clone, Debug, Default)]
struct Second {
    receipts: u32,
    failures: u32,
    arrivals: u32,
    marks: Vec<String>,
}

/// One line for each second in which something began, ended, or went slower than `rate`.
pub(crate) fn time_line(history: &History, started: Instant, rate: f64) -> String {
    let second = |at: Instant| at.saturating_duration_since(started).as_secs();
    let mut seconds: BTreeMap<u64, Second> = BTreeMap::new();
    for (at, _) in history.receipts() {
        seconds.entry(second(*at)).or_default().receipts += 1;
    }
    for at in history.failures() {
        seconds.entry(second(*at)).or_default().failures += 1;
    }
    for it in history.effects() {
        seconds.entry(second(it.at)).or_default().arrivals += 1;
    }
    for it in history.faults() {
        let mark = |at: Instant, text: String| (second(at), text);
        let ended = match it.recovery {
            Some(time) => {
                format!("{} ends, flows again after {:.1} s", it.name, time.as_secs_f64())
            }
            None => format!("{} ends, nothing flows by itself", it.name),
        };
        for (at, text) in [mark(it.from, format!("{} begins", it.name)), mark(it.until, ended)] {
            seconds.entry(at).or_default().marks.push(text);
        }
    }
    let last = seconds.keys().last().copied().unwrap_or_default();
    let mut text = String::from("second  receipts  errors  arrivals\n");
    for number in 0..=last {
        let it = seconds.get(&number).cloned().unwrap_or_default();
        let slow = f64::from(it.receipts.min(it.arrivals)) < CALM_PART * rate;
        if slow || it.failures > 0 || !it.marks.is_empty() {
            let (receipts, failures, arrivals) = (it.receipts, it.failures, it.arrivals);
            let marks = it.marks.join("; ");
            let line = format!("{number:6}  {receipts:8}  {failures:6}  {arrivals:8}  {marks}");
            text.push_str(line.trim_end());
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::history::FaultTime;

    #[test]
    fn calm_seconds_are_left_out() {
        let started = Instant::now();
        let at = |millis| started + Duration::from_millis(millis);
        let mut history = History::default();
        history.fail(at(3_500));
        history.fault(FaultTime {
            name: "kill-mapping",
            from: at(1_200),
            until: at(3_100),
            recovery: Some(Duration::from_millis(900)),
        });
        let text = time_line(&history, started, 0.0);
        let lines: Vec<_> = text.lines().skip(1).map(str::trim_start).collect();
        assert_eq!(
            lines,
            [
                "1         0       0         0  kill-mapping begins",
                "3         0       1         0  kill-mapping ends, flows again after 0.9 s",
            ]
        );
    }
}
