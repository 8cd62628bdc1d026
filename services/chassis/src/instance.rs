//! The name of this process among those of an installation.

/// Name of the machine and id of the process, `vm1:4711`: what an operator needs to find it.
pub fn instance() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = if host.trim().is_empty() { "localhost" } else { host.trim() };
    format!("{host}:{}", std::process::id())
}
