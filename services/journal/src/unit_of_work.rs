//! The unit of work of one transaction: rows that calls need, facts to insert, messages to publish
//! after the commit.

mod advance;
mod copies;
mod flush;
mod note;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use proto::journal::v1::Refusal;
use proto::message::v1::{Fact, State, Step};

use crate::database::Database;
use crate::database::error::{Corrupt, DatabaseError};
use crate::database::row::Parameters;
use crate::delivery_row::{COLUMNS, DeliveryRow};
use crate::lease::LeaseEvent;
use crate::new_message::NewRows;
use crate::pauses::Pauses;
use crate::refusals::Refusals;
use crate::row_cache::RowCache;
use crate::session::{self, Session};
use crate::transitions::{Event, Transition, transition};

/// The component that the journal's own facts name.
pub(crate) const COMPONENT: &str = "journal";

/// Rows and facts of one transaction. Nothing is written before [`UnitOfWork::flush`].
#[derive(Debug)]
pub(crate) struct UnitOfWork<'a> {
    pub(crate) database: &'a mut Database,
    /// One time for the whole transaction.
    pub(crate) now: i64,
    rows: HashMap<String, DeliveryRow>,
    /// Sessions by id; none: there is no such session.
    sessions: HashMap<String, Option<Result<Session, Corrupt>>>,
    changed: Vec<String>,
    facts: Vec<(String, Fact)>,
    /// New messages, and the ids of all that were added in this transaction.
    new: Vec<NewRows>,
    new_ids: HashSet<String>,
    aliases: Vec<Parameters>,
    digest_aliases: Vec<Parameters>,
    refusals: Refusals,
    content_updates: Vec<Parameters>,
    /// Ids of messages that reached a state which their senders may have to be told.
    outcomes: Vec<String>,
    /// Ids of messages to publish after the commit.
    publishes: Vec<String>,
    altered_copies: u64,
    cache: &'a mut RowCache,
    /// The sweeper's watermark once this is committed, and the one that was stored.
    pub(crate) watermark: i64,
    stored_watermark: Option<i64>,
    /// The newest position of facts.
    position: i64,
    /// The pauses in force once this is committed.
    pub(crate) pauses: Arc<Pauses>,
}

impl<'a> UnitOfWork<'a> {
    pub(crate) fn new(database: &'a mut Database, now: i64, cache: &'a mut RowCache) -> Self {
        Self {
            database,
            now,
            watermark: cache.watermark,
            stored_watermark: None,
            position: cache.position,
            pauses: cache.pauses.clone(),
            cache,
            rows: HashMap::new(),
            sessions: HashMap::new(),
            new: Vec::new(),
            new_ids: HashSet::new(),
            aliases: Vec::new(),
            digest_aliases: Vec::new(),
            refusals: Refusals::default(),
            changed: Vec::new(),
            facts: Vec::new(),
            content_updates: Vec::new(),
            outcomes: Vec::new(),
            publishes: Vec::new(),
            altered_copies: 0,
        }
    }

    /// Loads rows by their ids, from the cache or the database.
    pub(crate) async fn load(
        &mut self,
        ids: impl Iterator<Item = &str>,
    ) -> Result<(), DatabaseError> {
        let mut missing = Vec::new();
        for id in ids {
            if self.rows.contains_key(id) {
                continue;
            }
            match self.cache.take(id) {
                Some(row) => drop(self.rows.insert(id.to_owned(), row)),
                None => missing.push(id),
            }
        }
        missing.sort_unstable();
        missing.dedup();
        if missing.is_empty() {
            return Ok(());
        }
        let sql = format!(
            "SELECT {COLUMNS} FROM delivery_state \
             WHERE row_id = (SELECT row_id FROM message_row WHERE id = $1)"
        );
        let sets = missing.iter().map(|it| vec![(*it).into()]).collect();
        self.flush().await?;
        let found = self.database.query_many(&sql, sets).await?;
        for (id, rows) in missing.into_iter().zip(found) {
            for mut row in rows {
                self.insert_loaded(DeliveryRow::read(&mut row)?.belongs_to(id));
            }
        }
        Ok(())
    }

    /// Loads the rows that a query finds, and returns their ids. A row that is loaded already stays
    /// as it is, because it is newer than the table.
    pub(crate) async fn find(
        &mut self,
        condition: &str,
        sets: Vec<Parameters>,
    ) -> Result<Vec<String>, DatabaseError> {
        if sets.is_empty() {
            return Ok(Vec::new());
        }
        self.flush().await?;
        let sql = format!("SELECT {COLUMNS} FROM delivery_state WHERE {condition}");
        let found = self.database.query_many(&sql, sets).await?;
        let mut ids = Vec::new();
        for mut row in found.into_iter().flatten() {
            let mut row = DeliveryRow::read(&mut row)?;
            if row.id.is_empty() {
                // Its id is the damaged column; any name will do, because it only becomes dead.
                row.id = format!("row_id {}", row.row_id);
            }
            ids.push(row.id.clone());
            self.insert_loaded(row);
        }
        Ok(ids)
    }

    fn insert_loaded(&mut self, row: DeliveryRow) {
        let id = row.id.clone();
        if self.rows.contains_key(&id) {
            return;
        }
        let row = self.cache.take(&id).unwrap_or(row);
        let damage = row.corrupt.clone().filter(|_| !row.is_known_corrupt());
        self.rows.insert(id.clone(), row);
        if let Some(corrupt) = damage {
            self.damaged(&id, &corrupt);
        }
    }

    /// Makes a message a dead letter because one of its columns cannot be read.
    pub(crate) fn damaged(&mut self, id: &str, corrupt: &Corrupt) {
        corrupt.log();
        if let Some(Transition::To(state)) = self.allowed(id, Event::Damaged) {
            self.set_state(id, state, 0);
            let fault = corrupt.fault();
            self.change(id, |row| row.fault = Some(fault.clone()));
            self.fact(id, Fact { fault: Some(fault), ..self.own_fact(id, Step::Dead) });
        }
    }

    /// Loads sessions by their ids.
    pub(crate) async fn load_sessions(
        &mut self,
        ids: impl Iterator<Item = &str>,
    ) -> Result<(), DatabaseError> {
        let mut missing: Vec<&str> = ids.filter(|it| !self.sessions.contains_key(*it)).collect();
        missing.sort_unstable();
        missing.dedup();
        let sets = missing.iter().map(|it| vec![(*it).into()]).collect();
        let found = self.database.query_many(session::SELECT, sets).await?;
        for (id, rows) in missing.into_iter().zip(found) {
            let session = rows.into_iter().next().map(|mut it| Session::read(&mut it, id));
            if let Some(Err(corrupt)) = &session {
                corrupt.log();
            }
            self.sessions.insert(id.to_owned(), session);
        }
        Ok(())
    }

    /// A loaded session that is open and readable.
    pub(crate) fn session(&self, id: &str) -> Option<Session> {
        self.session_row(id)?.as_ref().ok().cloned()
    }

    /// A loaded session that is open; an error where its row is damaged.
    pub(crate) fn session_row(&self, id: &str) -> Option<&Result<Session, Corrupt>> {
        self.sessions.get(id)?.as_ref()
    }

    /// Drops loaded sessions after one was opened or closed.
    pub(crate) fn forget_sessions(&mut self) {
        self.sessions.clear();
    }

    /// A loaded row.
    pub(crate) fn row(&self, id: &str) -> Option<&DeliveryRow> {
        self.rows.get(id)
    }

    /// Where an event leads for a loaded message; none: nowhere. A message with a damaged row can
    /// only become dead or be withdrawn, because other steps would decide on empty columns.
    pub(crate) fn allowed(&self, id: &str, event: Event) -> Option<Transition> {
        use proto::journal::v1::command_request::Action;
        let row = self.rows.get(id)?;
        let is_safe = matches!(event, Event::Damaged | Event::Command(Action::Withdraw));
        if row.corrupt.is_some() && !is_safe {
            return None;
        }
        transition(row.state, event)
    }

    /// Adds a new message.
    pub(crate) fn add(&mut self, new: NewRows) {
        self.note_outcome(&new.delivery.id, new.delivery.state);
        self.new_ids.insert(new.delivery.id.clone());
        self.rows.insert(new.delivery.id.clone(), new.delivery.clone());
        self.new.push(new);
    }

    /// The row id of the next new message.
    pub(crate) fn next_row_id(&mut self) -> i64 {
        self.cache.row_id += 1;
        self.cache.row_id
    }

    /// True for a message that was added in this transaction.
    pub(crate) fn is_new(&self, id: &str) -> bool {
        self.new_ids.contains(id)
    }

    /// Adds a further key of a message.
    pub(crate) fn add_alias(&mut self, source: &str, key: &str, id: &str) {
        self.aliases.push(vec![source.into(), key.into(), id.into()]);
    }

    /// Adds a further digest of a message.
    pub(crate) fn add_digest_alias(&mut self, sender: &str, digest: &str, id: &str) {
        self.digest_aliases.push(vec![sender.into(), digest.into(), id.into()]);
    }

    /// Adds a refused item.
    pub(crate) fn add_refusal(&mut self, refusal: &Refusal) {
        self.refusals.add(refusal);
    }

    /// Replaces the content of a message that had no body: id, envelope, body, receipt.
    pub(crate) fn update_content(&mut self, content: Parameters) {
        self.content_updates.push(content);
    }

    /// Changes a loaded row.
    pub(crate) fn change(&mut self, id: &str, change: impl FnOnce(&mut DeliveryRow)) {
        let now = self.now;
        if let Some(row) = self.rows.get_mut(id) {
            change(row);
            row.changed_at = now;
            self.changed.push(id.to_owned());
        }
    }

    /// Notes that messages were derived from a loaded one.
    pub(crate) fn note_children(&mut self, id: &str) {
        if let Some(row) = self.rows.get_mut(id) {
            row.is_childless = false;
        }
    }

    /// Lets the time at which the sweeper reads a row be computed anew.
    pub(crate) fn reschedule(&mut self, id: &str) {
        if let Some(row) = self.rows.get_mut(id) {
            row.sweep_at = 0;
            self.changed.push(id.to_owned());
        }
    }

    /// Lets the next step of a message be due later, without a change of it.
    pub(crate) fn delay(&mut self, id: &str, due_at: i64) {
        if let Some(row) = self.rows.get_mut(id) {
            row.due_at = due_at;
        }
        self.reschedule(id);
    }

    /// True while a pause holds a loaded message.
    pub(crate) fn is_paused(&self, id: &str) -> bool {
        self.rows.get(id).is_some_and(|it| self.pauses.of_row(it).is_some())
    }

    /// Moves a message to a state without a lease; its next step is due at `due_at` (0: never).
    pub(crate) fn set_state(&mut self, id: &str, state: State, due_at: i64) {
        self.cache.may_hold |= state == State::Held;
        self.note_outcome(id, state);
        let is_end = matches!(state, State::Taken | State::Refused | State::Withdrawn);
        self.advance_lease(id, if is_end { LeaseEvent::Finished } else { LeaseEvent::Revoked });
        self.change(id, |row| {
            row.state = state;
            row.due_at = due_at;
            if state != State::Held {
                row.blocked_by.clear();
            }
        });
    }

    /// Notes a message whose sender may have to be told: it was refused, became a dead letter, or was
    /// taken after its sender had been told of a failure.
    fn note_outcome(&mut self, id: &str, state: State) {
        let was_reported = || self.rows.get(id).is_some_and(|it| it.reports > 0);
        if matches!(state, State::Refused | State::Dead) || state == State::Taken && was_reported()
        {
            self.outcomes.push(id.to_owned());
        }
    }

    /// Takes the ids of the messages whose senders may have to be told, each once.
    pub(crate) fn take_outcomes(&mut self) -> Vec<String> {
        let mut seen = HashSet::new();
        let mut outcomes = std::mem::take(&mut self.outcomes);
        outcomes.retain(|it| seen.insert(it.clone()));
        outcomes
    }

    /// False when no message is held.
    pub(crate) fn may_hold(&self) -> bool {
        self.cache.may_hold
    }

    /// Ends the unit after its commit: caches its rows, and returns the ids to publish.
    pub(crate) fn committed(self) -> Vec<String> {
        let Self { cache, rows, watermark, stored_watermark, publishes, position, .. } = self;
        let altered_copies = self.altered_copies;
        (cache.watermark, cache.position) = (watermark, position);
        cache.altered_copies += altered_copies;
        cache.last_progress.note(rows.values(), (self.now, self.pauses.partitions));
        cache.pauses = self.pauses;
        cache.insert(rows.into_values());
        if let Some(stored) = stored_watermark {
            cache.watermark_stored(stored);
        }
        publishes
    }
}
