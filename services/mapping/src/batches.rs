//! A window's records in calls of a bounded size: one call, as long as bodies are small.

use prost::Message as _;
use proto::journal::v1::{Entry, RecordRequest};

/// Bytes of one call, under the 4 MiB that a gRPC server takes unless it is told otherwise.
pub(crate) const CALL_BYTES_MAX: usize = 3 * 1024 * 1024;

/// The calls, in order. An entry that is too large alone gives its derived messages first and its
/// fate last, so a call that fails in between leaves a message that is routed again.
pub(crate) fn calls(entries: Vec<Entry>, bytes_max: usize) -> Vec<RecordRequest> {
    let mut calls: Vec<RecordRequest> = Vec::new();
    let mut size = usize::MAX;
    for entry in entries.into_iter().flat_map(|it| parts(it, bytes_max)) {
        let more = entry.encoded_len();
        size = size.saturating_add(more);
        if size > bytes_max || calls.is_empty() {
            calls.push(RecordRequest::default());
            size = more;
        }
        if let Some(call) = calls.last_mut() {
            call.entries.push(entry);
        }
    }
    calls
}

fn parts(mut entry: Entry, bytes_max: usize) -> Vec<Entry> {
    if entry.encoded_len() <= bytes_max {
        return vec![entry];
    }
    let derived = std::mem::take(&mut entry.derived);
    let part =
        |derived| Entry { message_id: entry.message_id.clone(), derived, ..Entry::default() };
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
            ..Entry::default()
        }
    }

    #[test]
    fn small_windows_are_one_call_and_large_ones_are_cut_in_order() {
        assert!(calls(Vec::new(), 1_000).is_empty());
        let small: Vec<_> = (0..5).map(|it| entry(&it.to_string(), 1, 50)).collect();
        assert_eq!(calls(small.clone(), 10_000).len(), 1);
        let cut = calls(small.clone(), 200);
        assert!(cut.len() > 1);
        assert!(cut.iter().all(|it| it.encoded_len() <= 200 + 16));
        let together: Vec<_> = cut.into_iter().flat_map(|it| it.entries).collect();
        assert_eq!(together, small);
    }

    #[test]
    fn an_entry_that_is_too_large_gives_its_fate_last() {
        let cut = calls(vec![entry("a", 3, 400)], 500);
        let fates: Vec<_> =
            cut.iter().flat_map(|it| &it.entries).map(|it| it.disposition.is_some()).collect();
        assert_eq!(fates, [false, false, false, true]);
        let copies: usize = cut.iter().flat_map(|it| &it.entries).map(|it| it.derived.len()).sum();
        assert_eq!(copies, 3);
    }
}
