//! Unrouted messages: derived for an organisation that had no application. Once it has one, the
//! message derived for that application replaces them.

use std::collections::HashMap;

use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::Entry;
use proto::journal::v1::entry::Disposition;
use proto::message::v1::{State, Step};

use crate::database::error::DatabaseError;
use crate::transitions::{Event, Transition};
use crate::unit_of_work::UnitOfWork;

/// Ids of unrouted messages, by their parents.
pub(crate) type Unrouted = HashMap<String, Vec<String>>;

/// Loads the unrouted messages of parents that are routed again.
pub(crate) async fn load_of_rerouted_parents(
    unit: &mut UnitOfWork<'_>,
    entries: impl Iterator<Item = &Entry>,
) -> Result<Unrouted, DatabaseError> {
    let rerouted = entries.filter_map(|it| {
        let is_routing = matches!(it.disposition, Some(Disposition::Routed(_)));
        unit.row(&it.message_id).filter(|it| is_routing && it.state == State::Routed)
    });
    let sets = rerouted
        .map(|it| vec![it.conversation.as_str().into(), it.sequence.into(), it.id.as_str().into()]);
    let sets: Vec<_> = sets.collect();
    let condition = "conversation = $1 AND application = '' AND sequence = $2 AND parent = $3";
    let mut unrouted = Unrouted::new();
    for id in unit.find(condition, sets).await? {
        if let Some(row) = unit.row(&id) {
            unrouted.entry(row.parent.clone()).or_default().push(id);
        }
    }
    Ok(unrouted)
}

/// An unrouted message that was withdrawn, and the message that replaced it.
pub(crate) struct Replaced {
    pub(crate) id: String,
    by: String,
}

/// Withdraws the unrouted messages whose organisation now has one for an application.
pub(crate) fn replace(
    unit: &mut UnitOfWork<'_>,
    unrouted: &Unrouted,
    entry: &Entry,
) -> Vec<Replaced> {
    let mut replaced = Vec::new();
    for id in unrouted.get(&entry.message_id).into_iter().flatten() {
        let Some(Transition::To(state)) = unit.allowed(id, Event::Replaced) else { continue };
        let Some(row) = unit.row(id) else { continue };
        let derived = entry.derived.iter().filter_map(|it| it.message.as_ref()?.envelope.as_ref());
        let mut routed = derived.filter(|it| !it.application.is_empty());
        let Some(replacement) = routed.find(|it| it.recipients.contains(&row.recipients)) else {
            continue;
        };
        let cause = Fault::new(&code::LT_JNL_025).param("id", &replacement.id);
        unit.step_because(id, Step::Withdrawn, cause);
        unit.set_state(id, state, 0);
        replaced.push(Replaced { id: id.clone(), by: replacement.id.clone() });
    }
    replaced
}

/// Notes in the messages that replaced unrouted ones that their sender was told of a failure, so
/// that it is also told when they arrive.
pub(crate) fn pass_on_reports(unit: &mut UnitOfWork<'_>, replaced: &[Replaced]) {
    for it in replaced {
        let was_reported = unit.row(&it.id).is_some_and(|row| row.reports > 0);
        if was_reported && unit.row(&it.by).is_some_and(|row| row.reports == 0) {
            unit.change(&it.by, |row| row.reports = 1);
        }
    }
}
