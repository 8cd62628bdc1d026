//! The entries of a window in `Record` calls of bounded size: one call when the bodies are small.

use prost::Message as _;
use proto::journal::v1::Entry;

/// Bytes of one call, below the 4 MiB that a gRPC server accepts by default.
pub(crate) const CALL_BYTES_MAX: usize = 3 * 1024 * 1024;

/// Divides entries into calls, in their order.
///
/// An entry that is too large for one call is divided as well: first its derived messages, one per
/// call, and last its disposition. A failure in between leaves the message without a disposition,
/// so it is routed again and the derived messages meet their own rows.
pub(crate) fn divide_into_calls(entries: Vec<Entry>, bytes_max: usize) -> Vec<Vec<Entry>> {
    let mut calls: Vec<Vec<Entry>> = Vec::new();
    let mut size = usize::MAX;
    for entry in entries.into_iter().flat_map(|it| divide_entry(it, bytes_max)) {
        let entry_size = entry.encoded_len();
        size = size.saturating_add(entry_size);
        if size > bytes_max || calls.is_empty() {
            calls.push(Vec::new());
            size = entry_size;
        }
        if let Some(call) = calls.last_mut() {
            call.push(entry);
        }
    }
    calls
}

fn divide_entry(mut entry: Entry, bytes_max: usize) -> Vec<Entry> {
    if entry.encoded_len() <= bytes_max {
        return vec![entry];
    }
    let derived = std::mem::take(&mut entry.derived);
    // Each part names the copy: nothing may be derived from one that was altered.
    let part = |derived| Entry {
        message_id: entry.message_id.clone(),
        derived,
        copy_digest: entry.copy_digest.clone(),
        ..Entry::default()
    };
    let mut parts: Vec<Entry> = derived.into_iter().map(|it| part(vec![it])).collect();
    parts.push(entry);
    parts
}

#[cfg(test)]
mod tests {
    use proto::journal::v1::{Body, Derived, Message, body::Place, entry::Disposition};

    use super::*;

    fn entry(id: &str, copies: usize, bytes: usize) -> Entry {
        let body = Some(Body { place: Some(Place::Inline(vec![7; bytes].into())) });
        let message = Some(Message { body, ..Message::default() });
        Entry {
            message_id: id.into(),
            derived: vec![Derived { message, ..Derived::default() }; copies],
            disposition: Some(Disposition::Routed(true)),
            copy_digest: "digest".into(),
            ..Entry::default()
        }
    }

    fn encoded_len(call: &[Entry]) -> usize {
        call.iter().map(Entry::encoded_len).sum()
    }

    #[test]
    fn small_windows_are_one_call_and_large_ones_are_divided_in_order() {
        assert!(divide_into_calls(Vec::new(), 1_000).is_empty());
        let small: Vec<_> = (0..5).map(|it| entry(&it.to_string(), 1, 50)).collect();
        assert_eq!(divide_into_calls(small.clone(), 10_000).len(), 1);
        let calls = divide_into_calls(small.clone(), 200);
        assert!(calls.len() > 1);
        assert!(calls.iter().all(|it| encoded_len(it) <= 200));
        assert_eq!(calls.concat(), small);
    }

    #[test]
    fn an_entry_that_is_too_large_has_its_disposition_in_the_last_call() {
        let entries = divide_into_calls(vec![entry("a", 3, 400)], 500).concat();
        let has_disposition: Vec<_> = entries.iter().map(|it| it.disposition.is_some()).collect();
        assert_eq!(has_disposition, [false, false, false, true]);
        assert!(entries.iter().all(|it| it.copy_digest == "digest"), "each part is of that copy");
        let copies: usize = entries.iter().map(|it| it.derived.len()).sum();
        assert_eq!(copies, 3);
    }
}
