//! How long after a fault was healed documents flow again, as the clients saw it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::history::History;

/// A document that took longer than this had waited for something.
const DELAY_MAX: Duration = Duration::from_secs(1);
/// How long receipts are given again before what came of them is judged.
const JUDGED_RECEIPTS: Duration = Duration::from_secs(1);

/// How long after `healed` every sender had a receipt again, and everything had arrived that was
/// accepted until a second after that; none while that is not so.
pub(crate) fn recovery(
    history: &History,
    senders: usize,
    (healed, now): (Instant, Instant),
) -> Option<Duration> {
    let mut first: HashMap<&str, Instant> = HashMap::new();
    // The latest first, so that the earliest of each sender is left.
    for (at, sender) in history.receipts().iter().rev().take_while(|it| it.0 >= healed) {
        first.insert(sender, *at);
    }
    let receipts = first.values().max().copied().filter(|_| first.len() == senders)?;
    let judged = receipts + JUDGED_RECEIPTS;
    if now < judged || history.waiting().any(|it| it <= judged) {
        return None;
    }
    let has_waited = |it: &&crate::history::Effect| {
        let accepted = history.accepted(&it.token);
        accepted.is_some_and(|accepted| {
            accepted.at <= judged && it.at.saturating_duration_since(accepted.at) > DELAY_MAX
        })
    };
    let last = history.effects_since(healed).filter(has_waited).map(|it| it.at).max();
    Some(last.unwrap_or(receipts).max(receipts).saturating_duration_since(healed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Accepted, Effect};

    #[test]
    fn it_is_over_when_each_sender_has_receipts_and_what_waited_has_arrived() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut history = History::default();
        let accept = |history: &mut History, token: &str, sender, at| {
            let (token, receiver) = (token.to_owned(), "r".to_owned());
            let conversation = token.clone();
            let ordinal = 1;
            history.accept(Accepted {
                token,
                sender,
                conversation,
                ordinal,
                receiver,
                digest: 0,
                at,
            });
        };
        let effect = |history: &mut History, token: &str, at| {
            let (token, receiver) = (token.to_owned(), "r".to_owned());
            let message_id = token.clone();
            history.effect(Effect { receiver, message_id, token, digest: 0, at });
        };
        let found = |history: &History| recovery(history, 2, (at(10), at(60)));
        accept(&mut history, "before", "a", at(5));
        accept(&mut history, "after-a", "a", at(12));
        effect(&mut history, "after-a", at(12));
        assert_eq!(found(&history), None, "a sender has no receipt");
        accept(&mut history, "after-b", "b", at(14));
        effect(&mut history, "after-b", at(14));
        assert_eq!(found(&history), None, "a document waits");
        accept(&mut history, "later", "b", at(30));
        effect(&mut history, "later", at(50));
        effect(&mut history, "before", at(21));
        assert_eq!(found(&history), Some(Duration::from_secs(11)));
        assert_eq!(recovery(&history, 2, (at(10), at(14))), None, "too early to tell");
        assert_eq!(recovery(&history, 2, (at(22), at(60))), None, "no receipt since");
    }
}
