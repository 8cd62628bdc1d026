//! Publishes messages that are due, under the ids they have.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use bus::{Bus, Channel, Message, Publish as _, PublishError, Publisher};
use journal_client::{InvalidJournalMessage, to_bus_message};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::entry::Disposition;
use proto::journal::v1::{Body, DeadLetter, Entry, Envelope};
use tokio::sync::mpsc;

use crate::call::WriterHandle;
use crate::database::Database;
use crate::database::error::{Corrupt, DatabaseError};
use crate::database::row::{Row, Unreadable};
use crate::delivery_row;
use crate::metrics::Metrics;
use crate::new_message::TABLE;

/// Messages of one batch.
const WINDOW: usize = 256;

/// How long a message waits whose channel is full.
pub(crate) const CHANNEL_FULL_WAIT: Duration = Duration::from_secs(5);

/// How long a message waits whose application has no channel yet: in one process the channels are
/// declared anew at each start, once the registry has named the applications.
const NO_CHANNEL_WAIT: Duration = Duration::from_secs(5);

/// How long a message waits whose publish was not confirmed in time. Its channel may have it.
const UNKNOWN_WAIT: Duration = Duration::from_secs(30);

/// Publishes messages by their ids.
#[derive(Debug)]
pub(crate) struct DuePublisher {
    pub(crate) bus: Bus,
    pub(crate) publisher: Publisher,
    pub(crate) writer: WriterHandle,
    pub(crate) metrics: Metrics,
}

impl DuePublisher {
    /// Publishes until the writer ends. A message that cannot be published now stays a row with a
    /// deadline, so the sweeper finds it again.
    pub(crate) async fn run(
        &self,
        mut database: Database,
        due: &mut mpsc::Receiver<Vec<String>>,
    ) -> Result<(), DatabaseError> {
        while let Some(mut ids) = due.recv().await {
            while ids.len() < WINDOW
                && let Ok(more) = due.try_recv()
            {
                ids.extend(more);
            }
            let mut refusing = HashMap::new();
            for window in ids.chunks(WINDOW) {
                let DueWindow { due, dead_letters } =
                    load(&mut database, &self.bus, window).await?;
                self.store_dead_letters(dead_letters).await;
                self.publish(due, &mut refusing).await;
            }
        }
        Ok(())
    }

    /// Publishes, except to channels that refused a message before: a full channel must not take
    /// the time of all others.
    async fn publish(&self, due: Vec<DueMessage>, refusing: &mut HashMap<Channel, Duration>) {
        let (waiting, publishable): (Vec<_>, Vec<_>) =
            due.into_iter().partition(|it| refusing.contains_key(&it.channel));
        let wait_of = |it: DueMessage| {
            let wait = refusing.get(&it.channel).copied().unwrap_or(CHANNEL_FULL_WAIT);
            (it.row_message, wait)
        };
        let mut postponed: Vec<_> = waiting.into_iter().map(wait_of).collect();
        let mut dead_letters = Vec::new();
        let (names, messages): (Vec<_>, Vec<_>) = publishable
            .into_iter()
            .map(|it| ((it.row_message, it.channel.clone()), (it.channel, it.message)))
            .unzip();
        let outcomes = self.publisher.publish(messages).await;
        for ((id, channel), outcome) in names.into_iter().zip(outcomes) {
            let Err(error) = outcome else {
                self.metrics.published("published");
                continue;
            };
            self.metrics.published("failed");
            tracing::warn!(messaging.message.id = id, %error, "message was not published");
            let wait = match &error {
                PublishError::Refused { .. } | PublishError::NotSent { .. } => CHANNEL_FULL_WAIT,
                PublishError::Unroutable { .. } => NO_CHANNEL_WAIT,
                PublishError::Unknown { .. } => UNKNOWN_WAIT,
                PublishError::Invalid(_) => {
                    dead_letters.push((id, fault_of(&error)));
                    continue;
                }
            };
            refusing.insert(channel, wait);
            postponed.push((id, wait));
        }
        self.store_dead_letters(dead_letters).await;
        if !postponed.is_empty()
            && let Err(error) = self.writer.postpone(postponed).await
        {
            tracing::warn!(%error, "messages that were not published wait for their deadline");
        }
    }

    /// Makes messages dead letters that no transport can carry, or that cannot be read.
    async fn store_dead_letters(&self, dead_letters: Vec<(String, Fault)>) {
        let entry = |(message_id, fault)| {
            let disposition = Some(Disposition::Dead(DeadLetter { fault: Some(fault) }));
            Entry { message_id, disposition, ..Entry::default() }
        };
        let entries: Vec<Entry> = dead_letters.into_iter().map(entry).collect();
        if !entries.is_empty()
            && let Err(error) = self.writer.record(entries, Vec::new()).await
        {
            tracing::warn!(%error, "messages that cannot be carried are not dead letters yet");
        }
    }
}

fn fault_of(error: &PublishError) -> Fault {
    let mut fault = proto::fault::find(error.code()).map(Fault::new).unwrap_or_default();
    error.code().clone_into(&mut fault.code);
    fault.detail = error.to_string();
    fault
}

/// A message to be published for the sake of a row: the row's own, or the parent of a derived one
/// that has no body yet.
#[derive(Debug)]
struct DueMessage {
    row_message: String,
    channel: Channel,
    message: Message,
}

/// What became of a window of ids.
#[derive(Debug, Default)]
struct DueWindow {
    due: Vec<DueMessage>,
    dead_letters: Vec<(String, Fault)>,
}

impl DueWindow {
    fn push(&mut self, id: &str, outcome: Result<DueMessage, Fault>) {
        match outcome {
            Ok(due) => self.due.push(due),
            Err(fault) => self.dead_letters.push((id.to_owned(), fault)),
        }
    }
}

const SELECT: &str = "SELECT s.tries AS tries, s.body_size AS body_size, m.parent AS parent, \
     m.envelope AS envelope, m.body AS body FROM message_row m \
     JOIN delivery_state s ON s.row_id = m.row_id WHERE m.id = $1";

const SELECT_PARENT: &str = "SELECT envelope, body FROM message_row WHERE id = $1";

/// The columns of [`SELECT`] that decide what is published.
#[derive(Debug)]
struct Progress {
    tries: i64,
    body_size: i64,
    parent: String,
}

fn progress(row: &mut Row, id: &str) -> Result<Progress, Corrupt> {
    let of_state = |it: Unreadable| it.in_row(delivery_row::TABLE, id);
    Ok(Progress {
        tries: row.number("tries").map_err(of_state)?,
        body_size: row.number("body_size").map_err(of_state)?,
        parent: row.text("parent").map_err(|it| it.in_row(TABLE, id))?,
    })
}

async fn load(
    database: &mut Database,
    bus: &Bus,
    ids: &[String],
) -> Result<DueWindow, DatabaseError> {
    let mut seen = HashSet::new();
    let ids: Vec<&String> = ids.iter().filter(|it| seen.insert(it.as_str())).collect();
    let sets = ids.iter().map(|it| vec![it.as_str().into()]).collect();
    let found = database.query_many(SELECT, sets).await?;
    let mut window = DueWindow::default();
    let mut bodiless = Vec::new();
    for (id, rows) in ids.into_iter().zip(found) {
        let Some(mut row) = rows.into_iter().next() else {
            window.push(id, Err(logged(&Corrupt::new(TABLE, id, "row_id"))));
            continue;
        };
        match progress(&mut row, id) {
            Ok(it) if it.body_size == 0 && !it.parent.is_empty() => bodiless.push((id, it)),
            Ok(it) => window.push(id, read_message(bus, id, &it, (id, &mut row))),
            Err(corrupt) => window.push(id, Err(logged(&corrupt))),
        }
    }
    load_parents(database, bus, bodiless, &mut window).await?;
    Ok(window)
}

/// Publishes the parents of derived messages without a body: routing a parent once makes all of its
/// derived messages again.
async fn load_parents(
    database: &mut Database,
    bus: &Bus,
    bodiless: Vec<(&String, Progress)>,
    window: &mut DueWindow,
) -> Result<(), DatabaseError> {
    let sets = bodiless.iter().map(|(_, it)| vec![it.parent.as_str().into()]).collect();
    let parents = database.query_many(SELECT_PARENT, sets).await?;
    let mut published = HashSet::new();
    for ((id, progress), rows) in bodiless.into_iter().zip(parents) {
        if published.contains(&progress.parent) {
            continue;
        }
        let outcome = match rows.into_iter().next() {
            Some(mut row) => read_message(bus, id, &progress, (&progress.parent, &mut row)),
            None => Err(logged(&Corrupt::new(TABLE, id, "parent"))),
        };
        if outcome.is_ok() {
            published.insert(progress.parent.clone());
        }
        window.push(id, outcome);
    }
    Ok(())
}

fn logged(corrupt: &Corrupt) -> Fault {
    corrupt.log();
    corrupt.fault()
}

/// Reads the message with id `key` to be published for the sake of the message `id`.
fn read_message(
    bus: &Bus,
    id: &str,
    progress: &Progress,
    (key, row): (&str, &mut Row),
) -> Result<DueMessage, Fault> {
    let corrupt = |column| logged(&Corrupt::new(TABLE, key, column));
    let mut envelope: Envelope = row.message("envelope").map_err(|it| corrupt(it.column))?;
    if envelope.id != key {
        return Err(corrupt("envelope"));
    }
    envelope.attempt = u32::try_from(progress.tries + 1).unwrap_or_default();
    let body: Body = row.message("body").map_err(|it| corrupt(it.column))?;
    let message = to_bus_message(&envelope, Some(body)).map_err(|error| match error {
        InvalidJournalMessage::Id { .. } => corrupt("envelope"),
        InvalidJournalMessage::NoBody | InvalidJournalMessage::Digest { .. } => corrupt("body"),
    })?;
    let channel = if envelope.application.is_empty() {
        bus.intake(&envelope.conversation)
    } else {
        let no_channel = |_| Fault::new(&code::LT_JNL_006).param("part", "application");
        Channel::delivery(&envelope.application).map_err(no_channel)?
    };
    Ok(DueMessage { row_message: id.to_owned(), channel, message })
}
