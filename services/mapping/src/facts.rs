//! Facts that this service records in the journal.

use proto::message::v1::{Fact, Step};

/// The name under which the journal shows this service's facts.
const COMPONENT: &str = "mapping";

/// A fact of this service, without details.
pub(crate) fn new_fact(step: Step, at_us: i64) -> Fact {
    Fact {
        step: step.into(),
        at_us,
        component: COMPONENT.to_owned(),
        attempt: 1,
        ..Fact::default()
    }
}
