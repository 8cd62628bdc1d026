//! Processor time and memory of processes as the kernel counts them, and percentiles of times.

use std::fs;
use std::time::Duration;

/// Processes that are measured together.
#[derive(Clone, Debug)]
pub struct ProcessGroup {
    /// Its name in a report.
    pub name: String,
    /// Id of the first process. Its descendants count with it, unless it is this program, whose
    /// descendants are measured in groups of their own.
    pub root: u32,
}

impl ProcessGroup {
    fn members(&self) -> Vec<u32> {
        if self.root == std::process::id() { vec![self.root] } else { process_tree(self.root) }
    }
}

/// Processor time of a group since each of its processes began, with that of those which ended.
pub fn processor_time(group: &ProcessGroup) -> Duration {
    // USER_HZ, which Linux fixes at 100 for what it shows to programs.
    const TICK_MS: u64 = 10;
    // Children of this program that ended were counted in their own groups.
    let with_ended = group.root != std::process::id();
    let ticks: u64 = group.members().into_iter().filter_map(|it| ticks(it, with_ended)).sum();
    Duration::from_millis(ticks * TICK_MS)
}

/// Resets the peak of resident memory of each process of a group, where the kernel permits it.
pub fn reset_peak(group: &ProcessGroup) {
    for id in group.members() {
        // Without the permission the peak counts from the start of the process.
        drop(fs::write(format!("/proc/{id}/clear_refs"), "5"));
    }
}

/// Processor time of the whole machine, in ticks since it started.
#[derive(Clone, Copy, Debug)]
pub struct ProcessorTimes {
    busy: u64,
    idle: u64,
    disk: u64,
}

/// Shares of processor time, each 0 to 1.
#[derive(Clone, Copy, Debug)]
pub struct Shares {
    /// Not idle, for any process.
    pub busy: f64,
    /// Idle while a process waited for a disk (iowait).
    pub disk: f64,
}

impl ProcessorTimes {
    /// The counters of `/proc/stat`; zeros where it cannot be read.
    pub fn now() -> Self {
        let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
        let first = stat.lines().next().unwrap_or_default();
        let fields: Vec<u64> =
            first.split_whitespace().skip(1).filter_map(|it| it.parse().ok()).collect();
        let field = |index: usize| fields.get(index).copied().unwrap_or_default();
        // user, nice, system, idle, iowait, irq, softirq, steal
        let busy = [0, 1, 2, 5, 6, 7].map(field).iter().sum();
        Self { busy, idle: field(3), disk: field(4) }
    }

    /// The shares between an earlier reading and this one.
    pub fn since(self, then: Self) -> Shares {
        let (busy, idle) = (self.busy - then.busy, self.idle - then.idle);
        let disk = self.disk.saturating_sub(then.disk);
        let all = (busy + idle + disk).max(1) as f64;
        Shares { busy: busy as f64 / all, disk: disk as f64 / all }
    }
}

/// The largest peak of resident memory among the processes of a group, bytes.
pub fn peak_bytes(group: &ProcessGroup) -> u64 {
    let peak = |id: u32| {
        let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
        let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:"))?;
        line.trim().trim_end_matches(" kB").parse::<u64>().ok()
    };
    group.members().into_iter().filter_map(peak).max().unwrap_or_default() * 1_024
}

/// A process and all its descendants.
pub fn process_tree(root: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|it| it.ok()?.file_name().to_string_lossy().parse().ok())
        .filter_map(|id| Some((id, fields(id)?.get(1)?.parse().ok()?)))
        .collect();
    let mut process_tree = vec![root];
    let mut next = 0;
    while let Some(parent) = process_tree.get(next).copied() {
        process_tree.extend(parents.iter().filter(|it| it.1 == parent).map(|it| it.0));
        next += 1;
    }
    process_tree
}

/// The first descendant of this process with this name.
pub fn descendant(name: &str) -> Option<u32> {
    process_tree(std::process::id())
        .into_iter()
        .find(|id| fs::read_to_string(format!("/proc/{id}/comm")).is_ok_and(|it| it.trim() == name))
}

/// `utime` and `stime`; with `with_ended` also `cutime` and `cstime`, of children that were waited for.
fn ticks(id: u32, with_ended: bool) -> Option<u64> {
    let fields = fields(id)?;
    let last = if with_ended { 14 } else { 12 };
    fields.get(11..=last)?.iter().map(|it| it.parse::<u64>().ok()).sum()
}

/// The fields of `/proc/<id>/stat` after the name, which may hold spaces: state, parent, …
fn fields(id: u32) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    Some(rest.split_whitespace().map(ToOwned::to_owned).collect())
}

/// The nearest-rank percentile: the time that `share` (0 to 1) of all times do not exceed.
pub fn percentile(times: &mut [Duration], share: f64) -> Duration {
    times.sort_unstable();
    let rank = (times.len() as f64 * share).ceil() as usize;
    times.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_nearest_rank() {
        let mut times: Vec<_> = (1..=200).rev().map(Duration::from_millis).collect();
        assert_eq!(percentile(&mut times, 0.5), Duration::from_millis(100));
        assert_eq!(percentile(&mut times, 0.99), Duration::from_millis(198));
        assert_eq!(percentile(&mut times, 1.0), Duration::from_millis(200));
        assert_eq!(percentile(&mut [], 0.5), Duration::ZERO);
    }

    #[test]
    fn a_busy_process_spends_processor_time() {
        let own = ProcessGroup { name: String::new(), root: std::process::id() };
        let (before, machine) = (processor_time(&own), ProcessorTimes::now());
        let begun = std::time::Instant::now();
        while processor_time(&own) < before + Duration::from_millis(50) {
            assert!(begun.elapsed() < Duration::from_secs(60), "no time is counted");
        }
        let shares = ProcessorTimes::now().since(machine);
        assert!(shares.busy > 0.0 && shares.busy + shares.disk <= 1.0, "{shares:?}");
    }

    #[test]
    fn a_family_holds_what_a_process_started() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        assert!(process_tree(std::process::id()).contains(&child.id()));
        let group = ProcessGroup { name: String::new(), root: child.id() };
        assert!(peak_bytes(&group) > 0);
        reset_peak(&group);
        assert!(peak_bytes(&group) > 0, "a reset peak is the present size");
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
