//! Facts that a unit of work adds to the journeys of its messages.

use proto::fault::v1::Fault;
use proto::message::v1::{Fact, Step};

use super::{COMPONENT, UnitOfWork};

impl UnitOfWork<'_> {
    /// Adds a fact of a message.
    pub(crate) fn fact(&mut self, id: &str, fact: Fact) {
        self.facts.push((id.to_owned(), fact));
    }

    /// Adds a fact of the journal's own, with a detail.
    pub(crate) fn step(&mut self, id: &str, step: Step, detail: &str) {
        self.fact(id, Fact { detail: detail.to_owned(), ..self.own_fact(id, step) });
    }

    /// Adds a fact of the journal's own with its cause.
    pub(crate) fn step_because(&mut self, id: &str, step: Step, cause: Fault) {
        self.fact(id, Fact { fault: Some(cause), ..self.own_fact(id, step) });
    }

    /// A fact of the journal's own.
    pub(crate) fn own_fact(&self, id: &str, step: Step) -> Fact {
        let attempt = self.rows.get(id).map_or(0, |it| it.attempt);
        Fact {
            step: step.into(),
            at_us: self.now,
            component: COMPONENT.to_owned(),
            attempt: u32::try_from(attempt).unwrap_or_default(),
            ..Fact::default()
        }
    }

    /// True when the message has a fact of the same step, component, attempt and detail, among
    /// those read from the database or those added here.
    pub(crate) fn has_fact(&self, read: &[(String, Fact)], id: &str, fact: &Fact) -> bool {
        let is_same = |(of, it): &&(String, Fact)| {
            of == id
                && it.step == fact.step
                && it.attempt == fact.attempt
                && it.component == fact.component
                && it.detail == fact.detail
        };
        read.iter().find(is_same).or_else(|| self.facts.iter().find(is_same)).is_some()
    }
}
