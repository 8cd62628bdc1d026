//! What the clients saw, and what of it breaks a promise. It shares no code with the bus: it knows
//! receipts, effects and times, and nothing of formats, channels or the journal.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

/// A receipt that a sender got.
#[derive(Clone, Debug)]
pub(crate) struct Accepted {
    /// The text that identifies the item in its own content.
    pub(crate) token: String,
    pub(crate) sender: &'static str,
    /// The document that the item belongs to, and its place among the items about it.
    pub(crate) conversation: String,
    pub(crate) ordinal: u32,
    /// The agency that must get it.
    pub(crate) receiver: String,
    /// Digest of what must arrive.
    pub(crate) digest: u64,
    pub(crate) at: Instant,
}

/// A delivery whose answer the bus confirmed.
#[derive(Clone, Debug)]
pub(crate) struct Effect {
    pub(crate) receiver: String,
    pub(crate) message_id: String,
    pub(crate) token: String,
    /// Digest of what arrived.
    pub(crate) digest: u64,
    pub(crate) at: Instant,
}

/// A time in which something was broken on purpose.
#[derive(Clone, Debug)]
pub(crate) struct FaultTime {
    pub(crate) name: &'static str,
    pub(crate) from: Instant,
    /// When it was healed from outside.
    pub(crate) until: Instant,
    /// How long after that documents flowed again; none: not by themselves.
    pub(crate) recovery: Option<Duration>,
}

/// Broken promises, each with the items that show it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Violations {
    pub(crate) lost: Vec<String>,
    pub(crate) twice: Vec<String>,
    pub(crate) out_of_order: Vec<String>,
    pub(crate) changed: Vec<String>,
    pub(crate) unexpected: Vec<String>,
}

/// Everything that the clients saw.
#[derive(Debug, Default)]
pub(crate) struct History {
    accepted: HashMap<String, Accepted>,
    /// Time and sender of each receipt, in the order seen.
    receipts: Vec<(Instant, &'static str)>,
    /// Tokens of receipts without an effect, and of effects whose receipt was not seen yet.
    waiting: HashMap<String, Instant>,
    early: HashSet<String>,
    /// Times at which a sender got an error instead of a receipt.
    failures: Vec<Instant>,
    /// Effects in the order seen, by receiver.
    effects: HashMap<String, Vec<Effect>>,
    /// Ids that were offered again after the bus had confirmed their answer.
    offered_again: Vec<String>,
    faults: Vec<FaultTime>,
}

impl History {
    pub(crate) fn accept(&mut self, accepted: Accepted) {
        self.receipts.push((accepted.at, accepted.sender));
        if !self.early.remove(&accepted.token) {
            self.waiting.insert(accepted.token.clone(), accepted.at);
        }
        self.accepted.insert(accepted.token.clone(), accepted);
    }

    pub(crate) fn effect(&mut self, effect: Effect) {
        if self.waiting.remove(&effect.token).is_none() {
            self.early.insert(effect.token.clone());
        }
        self.effects.entry(effect.receiver.clone()).or_default().push(effect);
    }

    pub(crate) fn offer_again(&mut self, message_id: String) {
        self.offered_again.push(message_id);
    }

    pub(crate) fn fail(&mut self, at: Instant) {
        self.failures.push(at);
    }

    pub(crate) fn fault(&mut self, fault: FaultTime) {
        self.faults.push(fault);
    }

    pub(crate) fn faults(&self) -> &[FaultTime] {
        &self.faults
    }

    /// Time and sender of each receipt.
    pub(crate) fn receipts(&self) -> &[(Instant, &'static str)] {
        &self.receipts
    }

    /// Times at which a sender got an error instead of a receipt.
    pub(crate) fn failures(&self) -> &[Instant] {
        &self.failures
    }

    /// Every effect.
    pub(crate) fn effects(&self) -> impl Iterator<Item = &Effect> {
        self.effects.values().flatten()
    }

    /// The latest effects of each receiver, the latest first, back to a moment.
    pub(crate) fn effects_since(&self, from: Instant) -> impl Iterator<Item = &Effect> {
        let is_later = move |it: &&Effect| it.at >= from;
        self.effects.values().flat_map(move |it| it.iter().rev().take_while(is_later))
    }

    /// The receipt of a token.
    pub(crate) fn accepted(&self, token: &str) -> Option<&Accepted> {
        self.accepted.get(token)
    }

    /// When those were accepted that have had no effect yet.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = Instant> {
        self.waiting.values().copied()
    }

    /// Accepted items that have had no effect yet.
    pub(crate) fn missing(&self) -> Vec<&Accepted> {
        let arrived: HashSet<(&str, &str)> = self
            .effects
            .iter()
            .flat_map(|(receiver, all)| all.iter().map(|it| (receiver.as_str(), it.token.as_str())))
            .collect();
        let all = self.accepted.values();
        all.filter(|it| !arrived.contains(&(it.receiver.as_str(), it.token.as_str()))).collect()
    }

    /// Compares effects with receipts. Call it once nothing more is on its way.
    pub(crate) fn violations(&self) -> Violations {
        let mut found = Violations {
            lost: self.missing().into_iter().map(|it| it.token.clone()).collect(),
            twice: self.offered_again.clone(),
            ..Violations::default()
        };
        for (receiver, effects) in &self.effects {
            self.check_receiver(receiver, effects, &mut found);
        }
        for list in [&mut found.lost, &mut found.twice, &mut found.unexpected] {
            list.sort_unstable();
        }
        found
    }

    fn check_receiver(&self, receiver: &str, effects: &[Effect], found: &mut Violations) {
        let mut ids: HashMap<&str, &str> = HashMap::new();
        let mut last: HashMap<&str, u32> = HashMap::new();
        for effect in effects {
            let Some(accepted) = self.accepted.get(&effect.token) else {
                found.unexpected.push(effect.token.clone());
                continue;
            };
            if accepted.receiver != receiver {
                found.unexpected.push(effect.token.clone());
                continue;
            }
            if ids.insert(&effect.token, &effect.message_id).is_some() {
                found.twice.push(effect.token.clone());
                continue;
            }
            if effect.digest != accepted.digest {
                found.changed.push(effect.token.clone());
            }
            let before = last.insert(&accepted.conversation, accepted.ordinal);
            if before.is_some_and(|it| it > accepted.ordinal) {
                found.out_of_order.push(effect.token.clone());
            }
        }
    }

    /// How long each item waited although nothing was broken any more: from its receipt, or from the
    /// end of the fault when that is later, to its effect.
    pub(crate) fn waits(&self) -> impl Iterator<Item = Duration> {
        self.effects().filter_map(|effect| {
            let accepted = self.accepted.get(&effect.token)?;
            // A fault counts when it was healed between the receipt and the effect, and an effect
            // during a fault waited for nothing.
            let during = |it: &&FaultTime| it.from <= effect.at && it.until > accepted.at;
            let last = self.faults.iter().filter(during).map(|it| it.until).max();
            Some(effect.at.saturating_duration_since(last.unwrap_or(accepted.at).max(accepted.at)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(token: &str, conversation: &str, ordinal: u32, at: Instant) -> Accepted {
        Accepted {
            token: token.to_owned(),
            sender: "a",
            conversation: conversation.to_owned(),
            ordinal,
            receiver: "b".to_owned(),
            digest: 7,
            at,
        }
    }

    fn effect(token: &str, message_id: &str, at: Instant) -> Effect {
        Effect {
            receiver: "b".to_owned(),
            message_id: message_id.to_owned(),
            token: token.to_owned(),
            digest: 7,
            at,
        }
    }

    /// A history in which two items about one document arrived as they should.
    fn history(at: Instant) -> History {
        let mut history = History::default();
        for ordinal in 1..=2 {
            let token = format!("t{ordinal}");
            history.accept(accepted(&token, "c", ordinal, at));
            history.effect(effect(&token, &format!("m{ordinal}"), at));
        }
        history
    }

    #[test]
    fn each_broken_promise_is_found_by_its_name() {
        let now = Instant::now();
        assert_eq!(history(now).violations(), Violations::default());
        let broken = |change: &dyn Fn(&mut History)| {
            let mut history = history(now);
            change(&mut history);
            history.violations()
        };
        let lost = broken(&|it| it.accept(accepted("t3", "c", 3, now)));
        assert_eq!(lost, Violations { lost: vec!["t3".to_owned()], ..Violations::default() });
        let twice = broken(&|it| it.effect(effect("t1", "m9", now)));
        assert_eq!(twice, Violations { twice: vec!["t1".to_owned()], ..Violations::default() });
        let twice = broken(&|it| it.offer_again("m1".to_owned()));
        assert_eq!(twice, Violations { twice: vec!["m1".to_owned()], ..Violations::default() });
        let unexpected = broken(&|it| it.effect(effect("t9", "m9", now)));
        assert_eq!(
            unexpected,
            Violations { unexpected: vec!["t9".to_owned()], ..Violations::default() }
        );
        let changed = broken(&|it| {
            it.accept(accepted("t3", "d", 1, now));
            it.effect(Effect { digest: 8, ..effect("t3", "m3", now) });
        });
        assert_eq!(changed, Violations { changed: vec!["t3".to_owned()], ..Violations::default() });
        let order = broken(&|it| {
            it.accept(accepted("t4", "d", 2, now));
            it.accept(accepted("t3", "d", 1, now));
            it.effect(effect("t4", "m4", now));
            it.effect(effect("t3", "m3", now));
        });
        assert_eq!(
            order,
            Violations { out_of_order: vec!["t3".to_owned()], ..Violations::default() }
        );
    }

    #[test]
    fn a_wait_is_counted_from_the_end_of_the_fault_that_caused_it() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut history = History::default();
        history.accept(accepted("t1", "c", 1, at(10)));
        history.effect(effect("t1", "m1", at(25)));
        history.accept(accepted("t2", "c", 2, at(30)));
        history.effect(effect("t2", "m2", at(31)));
        history.fault(FaultTime {
            name: "kill-mapping",
            from: at(5),
            until: at(20),
            recovery: None,
        });
        let found: Vec<_> = history.waits().map(|it| it.as_secs()).collect();
        assert_eq!(found, [5, 1]);
    }
}
