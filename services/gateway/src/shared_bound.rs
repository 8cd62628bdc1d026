//! Bounds that applications share: how much of something all of them may hold, and one of them.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use proto::fault::v1::Fault;

use crate::fault::{overloaded, share_used_up};

/// Something that is held for a while: bytes of memory, calls in progress. Clones share the bound.
///
/// One application gets at most its share, and never more than it leaves to the others (dynamic
/// thresholds, Choudhury and Hahne 1998): several greedy applications together cannot use up
/// everything either, so a newcomer always gets something.
#[derive(Clone, Debug)]
pub(crate) struct SharedBound(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// The name of what is held, in Vietnamese and English, for the fault.
    what: &'static str,
    max: u64,
    share_max: u64,
    held: Mutex<Amounts>,
}

#[derive(Debug, Default)]
struct Amounts {
    total: u64,
    /// Only authenticated callers hold something, so the registry bounds how many there are.
    by_application: HashMap<String, u64>,
}

/// What one application holds until it is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    bound: SharedBound,
    application: String,
    amount: u64,
}

impl SharedBound {
    /// All applications together hold at most `max`, one of them at most `share_max`.
    pub(crate) fn new(what: &'static str, max: u64, share_max: u64) -> Self {
        let held = Mutex::default();
        Self(Arc::new(Inner { what, max, share_max, held }))
    }

    /// Holds an amount for an application.
    ///
    /// # Errors
    ///
    /// The application's share is used up, or the whole; waiting for it would let calls pile up.
    pub(crate) fn hold(&self, application: &str, amount: u64) -> Result<Held, Fault> {
        let mut held = Held { bound: self.clone(), application: application.to_owned(), amount: 0 };
        held.grow(amount)?;
        Ok(held)
    }

    #[cfg(test)]
    pub(crate) fn held(&self) -> u64 {
        self.0.held.lock().total
    }

    fn add(&self, application: &str, more: u64) -> Result<(), Fault> {
        let bound = &*self.0;
        let mut held = bound.held.lock();
        let own = held.by_application.get(application).copied().unwrap_or_default();
        let Some(left) = (bound.max.saturating_sub(held.total)).checked_sub(more) else {
            return Err(overloaded());
        };
        if own.saturating_add(more) > bound.share_max || own > left {
            return Err(share_used_up(bound.what));
        }
        held.total += more;
        match held.by_application.get_mut(application) {
            Some(own) => *own += more,
            None => drop(held.by_application.insert(application.to_owned(), more)),
        }
        Ok(())
    }
}

impl Held {
    /// Holds more.
    ///
    /// # Errors
    ///
    /// The application's share is used up, or the whole. What was held before stays held.
    pub(crate) fn grow(&mut self, more: u64) -> Result<(), Fault> {
        self.bound.add(&self.application, more)?;
        self.amount += more;
        Ok(())
    }
}

#[cfg(test)]
impl Held {
    pub(crate) fn amount(&self) -> u64 {
        self.amount
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut held = self.bound.0.held.lock();
        held.total = held.total.saturating_sub(self.amount);
        if let Some(own) = held.by_application.get_mut(&self.application) {
            *own = own.saturating_sub(self.amount);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(outcome: Result<Held, Fault>) -> Result<Held, String> {
        outcome.map_err(|it| it.code)
    }

    #[test]
    fn what_is_held_is_counted_exactly_and_returned_with_its_holder() {
        let bound = SharedBound::new("bytes", 100, 60);
        let mut held = code(bound.hold("a", 40)).unwrap();
        held.grow(20).unwrap();
        assert_eq!(held.grow(1).unwrap_err().code, "LT-GW-012");
        assert_eq!(code(bound.hold("a", 1)).unwrap_err(), "LT-GW-012", "its share is used up");
        let other = code(bound.hold("b", 40)).unwrap();
        assert_eq!(code(bound.hold("c", 1)).unwrap_err(), "LT-GW-004", "all is used up");
        drop((held, other));
        let held = bound.0.held.lock();
        assert_eq!((held.total, held.by_application["a"]), (0, 0));
    }

    #[test]
    fn greedy_applications_together_leave_something_to_a_newcomer() {
        let bound = SharedBound::new("bytes", 1_000, 400);
        let mut greedy = Vec::new();
        for _ in 0..1_000 {
            for application in ["a", "b", "c", "d", "e"] {
                greedy.extend(bound.hold(application, 1));
            }
        }
        let free = 1_000 - bound.0.held.lock().total;
        assert!((160..=170).contains(&free), "each of six has a sixth: {free}");
        code(bound.hold("f", 80)).unwrap();
    }
}
