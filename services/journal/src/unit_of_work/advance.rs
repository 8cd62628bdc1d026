//! Applies the state machines of the lease and of the retry schedule to loaded rows.

use proto::message::v1::State;

use super::UnitOfWork;
use crate::delivery_row::DeliveryRow;
use crate::lease::{LeaseEffect, LeaseEvent};
use crate::retry_schedule::{NextStep, Schedule, ScheduleEvent};

impl UnitOfWork<'_> {
    /// Applies an event to the lease of a message. After [`LeaseEffect::Settled`] or
    /// [`LeaseEffect::GivenBack`] the caller moves the message to its next state.
    pub(crate) fn advance_lease(&mut self, id: &str, event: LeaseEvent<'_>) -> LeaseEffect {
        let Some(row) = self.row(id) else { return LeaseEffect::Nothing };
        let before = row.lease();
        let (after, effect) = before.clone().after(event, self.now);
        if after != before {
            self.change(id, |row| row.set_lease(after));
        }
        effect
    }

    /// Applies an event to the schedule of a message, and returns what is to be done with it.
    pub(crate) fn advance_schedule(&mut self, id: &str, event: ScheduleEvent) -> NextStep {
        let schedule = self.row(id).map(DeliveryRow::retry_schedule).unwrap_or_default();
        let (after, step) = schedule.after(event, self.now);
        self.change(id, |row| row.set_schedule(after));
        step
    }

    /// Publishes a message to its channel once the transaction is committed: what
    /// [`NextStep::Publish`] asks for.
    pub(crate) fn publish_until(&mut self, id: &str, deadline: i64) {
        let Some(row) = self.row(id) else { return };
        let state = if row.is_derived() { State::Queued } else { State::Accepted };
        self.set_state(id, state, deadline);
        self.publishes.push(id.to_owned());
    }

    /// Publishes a message of which no word came.
    pub(crate) fn publish(&mut self, id: &str) {
        self.publish_after(id, ScheduleEvent::Due);
    }

    /// Publishes a message after an event that always leads to a publish.
    pub(crate) fn publish_after(&mut self, id: &str, event: ScheduleEvent) {
        if let NextStep::Publish { deadline } = self.advance_schedule(id, event) {
            self.publish_until(id, deadline);
        }
    }
}

impl DeliveryRow {
    fn retry_schedule(&self) -> Schedule {
        Schedule {
            tries: self.tries,
            attempt: self.attempt,
            publishes: self.publishes,
            urgency: u32::try_from(self.urgency).unwrap_or_default(),
        }
    }

    /// Takes back a publish that failed.
    pub(crate) fn take_back_publish(&mut self) {
        let schedule = self.retry_schedule().unpublished();
        self.set_schedule(schedule);
    }

    fn set_schedule(&mut self, schedule: Schedule) {
        self.tries = schedule.tries;
        self.attempt = schedule.attempt;
        self.publishes = schedule.publishes;
    }
}
