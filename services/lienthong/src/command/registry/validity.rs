//! How the days of validity are printed.

/// First and last day of validity; empty when it is unlimited.
pub(super) fn validity(from: &str, to: &str) -> String {
    if from.is_empty() && to.is_empty() { String::new() } else { format!("{from}–{to}") }
}
