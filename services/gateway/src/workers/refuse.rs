//! Records refusals in the journal, where operators look for them. The same item that is refused
//! again while its refusal waits raises the count of that one.

use std::collections::HashMap;
use std::time::Duration;

use journal_client::JournalClient;
use parking_lot::Mutex;
use proto::journal::v1::Refusal;
use tokio::sync::Notify;

/// Refusals of one call to the journal.
const CALL_MAX: usize = 256;
/// The pause between two calls, in which a loop of one item becomes one refusal.
const PAUSE: Duration = Duration::from_millis(100);
/// The pause after a call that failed.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// What makes two refusals the same one: application, code, and the item by its key, its number or
/// its bytes.
type Identity = (String, String, Vec<u8>);

/// Refusals that are not recorded yet.
#[derive(Debug)]
pub(crate) struct PendingRefusals {
    waiting: Mutex<HashMap<Identity, Refusal>>,
    /// Held while refusals are being recorded, so that a stop waits for them.
    recording: tokio::sync::Mutex<()>,
    added: Notify,
    rows_max: usize,
}

impl PendingRefusals {
    /// Room for `rows_max` refusals.
    pub(crate) fn new(rows_max: usize) -> Self {
        Self {
            waiting: Mutex::default(),
            recording: tokio::sync::Mutex::default(),
            added: Notify::new(),
            rows_max: rows_max.max(1),
        }
    }

    /// Adds a refusal, to be recorded later. When too many wait, those of one application and code
    /// are counted together, without naming the items. False: not even that is possible.
    pub(crate) fn add(&self, refusal: Refusal) -> bool {
        let mut waiting = self.waiting.lock();
        let mut identity = identity(&refusal);
        let mut refusal = refusal;
        if waiting.len() >= self.rows_max && !waiting.contains_key(&identity) {
            identity.2.clear();
            refusal = Refusal {
                key: String::new(),
                number: String::new(),
                native_sha256: bytes::Bytes::new(),
                fields: Vec::new(),
                ..refusal
            };
            if waiting.len() >= 2 * self.rows_max && !waiting.contains_key(&identity) {
                return false;
            }
        }
        merge(&mut waiting, identity, refusal);
        self.added.notify_one();
        true
    }

    /// Records refusals as they come; never ends.
    pub(crate) async fn run(&self, journal: &JournalClient) {
        loop {
            self.added.notified().await;
            let is_recorded = self.record_all(journal).await;
            if !is_recorded {
                self.added.notify_one();
            }
            tokio::time::sleep(if is_recorded { PAUSE } else { RETRY_PAUSE }).await;
        }
    }

    /// Records the refusals that wait. False: some wait again, because the journal does not answer.
    pub(crate) async fn record_all(&self, journal: &JournalClient) -> bool {
        let _recording = self.recording.lock().await;
        loop {
            let batch = self.take();
            if batch.is_empty() {
                return true;
            }
            let refusals = batch.iter().map(|(_, it)| it.clone()).collect();
            let Err(status) = journal.record(Vec::new(), refusals).await else { continue };
            let count = batch.len();
            tracing::warn!(count, error = status.message(), "refusals were not recorded");
            self.return_all(batch);
            return false;
        }
    }

    fn return_all(&self, batch: Vec<(Identity, Refusal)>) {
        let mut waiting = self.waiting.lock();
        for (identity, refusal) in batch {
            merge(&mut waiting, identity, refusal);
        }
    }

    fn take(&self) -> Vec<(Identity, Refusal)> {
        let mut waiting = self.waiting.lock();
        let identities: Vec<_> = waiting.keys().take(CALL_MAX).cloned().collect();
        identities.into_iter().filter_map(|it| waiting.remove_entry(&it)).collect()
    }
}

fn identity(of: &Refusal) -> Identity {
    let code = of.fault.as_ref().map_or_else(String::new, |it| it.code.clone());
    let names = [of.key.as_bytes(), of.number.as_bytes(), &of.native_sha256];
    let item = names.into_iter().find(|it| !it.is_empty()).unwrap_or_default();
    (of.application.clone(), code, item.to_vec())
}

fn merge(waiting: &mut HashMap<Identity, Refusal>, identity: Identity, refusal: Refusal) {
    let first = |it: &Refusal| if it.first_at_us == 0 { it.at_us } else { it.first_at_us };
    let count = refusal.count.max(1);
    match waiting.get_mut(&identity) {
        Some(known) => {
            known.count += count;
            known.first_at_us = first(known).min(first(&refusal));
            known.at_us = known.at_us.max(refusal.at_us);
        }
        None => drop(waiting.insert(identity, Refusal { count, ..refusal })),
    }
}

#[cfg(test)]
mod tests {
    use proto::fault::v1::Fault;

    use super::*;

    fn refusal(application: &str, key: &str, at_us: i64) -> Refusal {
        Refusal {
            application: application.to_owned(),
            key: key.to_owned(),
            at_us,
            fault: Some(Fault { code: "LT-MAP-205".to_owned(), ..Fault::default() }),
            ..Refusal::default()
        }
    }

    #[test]
    fn a_loop_of_one_item_waits_as_one_refusal_with_its_count() {
        let pending = PendingRefusals::new(10);
        assert!((1..=1_000).all(|at_us| pending.add(refusal("a", "k", at_us))));
        let batch = pending.take();
        let [(_, one)] = batch.as_slice() else { panic!("{batch:?}") };
        assert_eq!((one.count, one.first_at_us, one.at_us), (1_000, 1, 1_000));
    }

    #[test]
    fn what_waits_is_bounded_and_still_counted() {
        let pending = PendingRefusals::new(10);
        for number in 0..1_000 {
            assert!(pending.add(refusal("a", &format!("k{number}"), number)));
        }
        let mut batch = Vec::new();
        while let taken = pending.take()
            && !taken.is_empty()
        {
            batch.extend(taken);
        }
        assert_eq!(batch.len(), 11, "ten items, and one row for all others");
        assert_eq!(batch.iter().map(|(_, it)| it.count).sum::<u64>(), 1_000);
        let nameless = batch.iter().find(|(_, it)| it.key.is_empty()).unwrap();
        assert_eq!(nameless.1.count, 990);
    }
}
