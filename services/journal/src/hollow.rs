//! Derived messages for an organisation that had no application: once it has one, they are over.

use std::collections::HashMap;

use proto::journal::v1::Entry;
use proto::journal::v1::entry::Disposition;
use proto::message::v1::{State, Step};

use crate::database::DatabaseError;
use crate::desk::Desk;
use crate::record::Records;

/// Ids of messages without an application, by their parents.
pub(crate) type Hollow = HashMap<String, Vec<String>>;

/// Brings to hand what waits for an application, of parents that are routed once more.
pub(crate) async fn of_parents_routed_again(
    desk: &mut Desk<'_>,
    calls: &[Records],
) -> Result<Hollow, DatabaseError> {
    let entries = calls.iter().flat_map(|(entries, _)| entries);
    let again = entries.filter(|it| {
        let is_routed = desk.get(&it.message_id).is_some_and(|it| it.state == State::Routed);
        is_routed && matches!(it.disposition, Some(Disposition::Routed(_)))
    });
    let again = again.filter_map(|it| desk.get(&it.message_id));
    let sets = again
        .map(|it| vec![it.conversation.as_str().into(), it.sequence.into(), it.id.as_str().into()]);
    let sets: Vec<_> = sets.collect();
    let condition = "conversation = $1 AND application = '' AND sequence = $2 AND parent = $3";
    let mut hollow = Hollow::new();
    for id in desk.find(condition, sets).await? {
        if let Some(row) = desk.get(&id) {
            hollow.entry(row.parent.clone()).or_default().push(id);
        }
    }
    Ok(hollow)
}

/// Ends those whose organisation now has a copy that goes to an application: their ids.
pub(crate) fn replace(desk: &mut Desk<'_>, hollow: &Hollow, entry: &Entry) -> Vec<String> {
    let mut replaced = Vec::new();
    for id in hollow.get(&entry.message_id).into_iter().flatten() {
        let Some(row) = desk.get(id).filter(|it| !it.is_ended()).cloned() else { continue };
        let copies = entry.derived.iter().filter_map(|it| it.message.as_ref()?.envelope.as_ref());
        let mut whole = copies.filter(|it| !it.application.is_empty());
        let organisation =
            |it: &&proto::journal::v1::Envelope| it.recipients.contains(&row.recipients);
        let Some(copy) = whole.find(organisation) else { continue };
        desk.step(id, Step::Withdrawn, &format!("replaced by {}", copy.id));
        desk.to(id, State::Withdrawn, 0);
        replaced.push(id.clone());
    }
    replaced
}
