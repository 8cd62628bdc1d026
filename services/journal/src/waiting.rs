//! Adds to messages of a list what each waits for: the adapter that has it, or a pause.

use std::collections::HashMap;

use proto::journal::v1::Summary;
use proto::message::v1::State;

use crate::database::Database;
use crate::database::error::DatabaseError;
use crate::delivery_row::sql_list;
use crate::pauses::Pauses;

/// States in which a pause holds a message.
const WAITING: [State; 4] = [State::Accepted, State::Queued, State::Held, State::Parked];

/// Adds the adapters and the pauses that messages wait for.
pub(crate) async fn add_reasons(
    database: &mut Database,
    messages: &mut [Summary],
    partitions: u16,
) -> Result<(), DatabaseError> {
    add_adapters(database, messages).await?;
    let pauses = Pauses::read(database, partitions).await?;
    if pauses.all.is_empty() {
        return Ok(());
    }
    for message in messages {
        let Some(envelope) = message.envelope.as_ref() else { continue };
        let organisation = envelope.recipients.first().map_or("", String::as_str);
        let pause = if !WAITING.contains(&message.state()) {
            None
        } else if envelope.parent.is_empty() {
            pauses.of_intake(&envelope.conversation)
        } else {
            pauses.of_delivery(&envelope.application, organisation)
        };
        message.paused = pause.cloned();
        if message.paused.is_none() && message.state() == State::Routed {
            message.paused = pause_of_derived(database, message, &pauses).await?;
        }
    }
    Ok(())
}

async fn add_adapters(
    database: &mut Database,
    messages: &mut [Summary],
) -> Result<(), DatabaseError> {
    let sessions: Vec<_> =
        messages.iter().filter(|it| !it.session.is_empty()).map(|it| it.session.clone()).collect();
    if sessions.is_empty() {
        return Ok(());
    }
    let sets = sessions.iter().map(|it| vec![it.as_str().into()]).collect();
    let found = database.query_many("SELECT adapter FROM session WHERE id = $1", sets).await?;
    let adapters: HashMap<_, _> = sessions
        .iter()
        .zip(found)
        .filter_map(|(id, rows)| Some((id, rows.into_iter().next()?.text("adapter").ok()?)))
        .collect();
    for message in messages {
        message.adapter = adapters.get(&message.session).cloned().unwrap_or_default();
    }
    Ok(())
}

/// The pause that one of the messages derived from a routed one waits for.
async fn pause_of_derived(
    database: &mut Database,
    message: &Summary,
    pauses: &Pauses,
) -> Result<Option<proto::operate::v1::Pause>, DatabaseError> {
    let Some(envelope) = &message.envelope else { return Ok(None) };
    let sql = format!(
        "SELECT application, recipients FROM delivery_state WHERE conversation = $1 \
         AND sequence = $2 AND parent = $3 AND state IN ({})",
        sql_list(&WAITING)
    );
    let sequence = i64::try_from(envelope.sequence).unwrap_or(i64::MAX);
    let family =
        vec![envelope.conversation.as_str().into(), sequence.into(), envelope.id.as_str().into()];
    for mut row in database.query(&sql, family).await? {
        if let (Ok(application), Ok(recipients)) = (row.text("application"), row.text("recipients"))
            && let Some(pause) = pauses.of_delivery(&application, &recipients)
        {
            return Ok(Some(pause.clone()));
        }
    }
    Ok(None)
}
