//! One group of calls being worked on: rows in hand, facts to write, messages to drive.

use std::collections::{HashMap, HashSet};

use prost::Message as _;
use proto::journal::v1::RecordRequest;
use proto::message::v1::{Fact, State, Step};

use crate::database::{Batch, Database, DatabaseError, Row, Value};
use crate::deliver::{Session, read_session};
use crate::facts;
use crate::memory::{Memory, WRITE_MARK};
use crate::stored::{
    COLUMNS, INSERT_ADDRESSED, INSERT_ALIAS, INSERT_FACT, INSERT_KEPT, INSERT_REFUSAL,
    INSERT_STANDING, New, REWRITE, Stored, UPDATE,
};

/// Who writes facts of its own accord.
pub(crate) const COMPONENT: &str = "journal";

/// A message's id, and its envelope, body and receipt.
pub(crate) type Rewrite = (String, Vec<u8>, Vec<u8>, Vec<u8>);

/// Rows and facts of one transaction. Nothing is written before [`Desk::flush`].
#[derive(Debug)]
pub(crate) struct Desk<'a> {
    pub(crate) database: &'a mut Database,
    /// The time of the whole group.
    pub(crate) now: i64,
    rows: HashMap<String, Stored>,
    /// Sessions by id; none: it was looked for and is not there.
    pub(crate) sessions: HashMap<String, Option<Session>>,
    changed: Vec<String>,
    facts: Vec<(String, Fact)>,
    /// New messages, and the ids of all there were in this transaction.
    fresh: Vec<New>,
    fresh_ids: HashSet<String>,
    /// Further keys of messages: source, key, id.
    pub(crate) aliases: Vec<Vec<Value>>,
    /// Parameters of what was not taken over.
    pub(crate) refusals: Vec<Vec<Value>>,
    /// Derived messages that get a body at last: id, envelope, body, receipt.
    pub(crate) rewrites: Vec<Rewrite>,
    /// Messages to publish once the group is committed.
    drives: Vec<String>,
    memory: &'a mut Memory,
    /// How far the sweeper is when this is committed, and what is written down of it.
    pub(crate) swept: i64,
    mark: Option<i64>,
    /// The newest position of facts.
    position: i64,
}

impl<'a> Desk<'a> {
    pub(crate) fn new(database: &'a mut Database, now: i64, memory: &'a mut Memory) -> Self {
        Self {
            database,
            now,
            swept: memory.swept,
            mark: None,
            position: memory.position,
            memory,
            rows: HashMap::new(),
            sessions: HashMap::new(),
            fresh: Vec::new(),
            fresh_ids: HashSet::new(),
            aliases: Vec::new(),
            refusals: Vec::new(),
            changed: Vec::new(),
            facts: Vec::new(),
            rewrites: Vec::new(),
            drives: Vec::new(),
        }
    }

    /// Brings rows to hand, those that are not yet.
    pub(crate) async fn load(
        &mut self,
        ids: impl Iterator<Item = &str>,
    ) -> Result<(), DatabaseError> {
        let mut wanted = Vec::new();
        for id in ids {
            if self.rows.contains_key(id) {
                continue;
            }
            match self.memory.take(id) {
                Some(row) => drop(self.rows.insert(id.to_owned(), row)),
                None => wanted.push(id),
            }
        }
        wanted.sort_unstable();
        wanted.dedup();
        if wanted.is_empty() {
            return Ok(());
        }
        let sql = format!(
            "SELECT {COLUMNS} FROM standing WHERE slot = (SELECT slot FROM kept WHERE id = $1)"
        );
        let sets = wanted.into_iter().map(|it| vec![it.into()]).collect();
        self.flush().await?;
        let found = self.database.query_many(&sql, sets).await?;
        self.keep(found);
        Ok(())
    }

    /// Brings the rows a query finds to hand, and says which they are. What is in hand already
    /// stays as it is there, because it is newer.
    pub(crate) async fn find(
        &mut self,
        condition: &str,
        sets: Vec<Vec<Value>>,
    ) -> Result<Vec<String>, DatabaseError> {
        if sets.is_empty() {
            return Ok(Vec::new());
        }
        self.flush().await?;
        let sql = format!("SELECT {COLUMNS} FROM standing WHERE {condition}");
        let found = self.database.query_many(&sql, sets).await?;
        Ok(self.keep(found))
    }

    fn keep(&mut self, found: Vec<Vec<Row>>) -> Vec<String> {
        let mut ids = Vec::new();
        for mut row in found.into_iter().flatten() {
            let stored = Stored::read(&mut row);
            ids.push(stored.id.clone());
            let memory = &mut self.memory;
            let place = self.rows.entry(stored.id.clone());
            place.or_insert_with_key(|id| memory.take(id).unwrap_or(stored));
        }
        ids
    }

    /// Brings sessions to hand.
    pub(crate) async fn load_sessions(
        &mut self,
        ids: impl Iterator<Item = &str>,
    ) -> Result<(), DatabaseError> {
        let mut wanted: Vec<&str> = ids.filter(|it| !self.sessions.contains_key(*it)).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let sql = "SELECT id, application, receiver_class, lease_ms FROM session WHERE id = $1";
        let sets = wanted.iter().map(|it| vec![(*it).into()]).collect();
        let found = self.database.query_many(sql, sets).await?;
        for (id, rows) in wanted.into_iter().zip(found) {
            let session = rows.into_iter().next().map(read_session);
            self.sessions.insert(id.to_owned(), session);
        }
        Ok(())
    }

    /// A session in hand that is open.
    pub(crate) fn session(&self, id: &str) -> Option<Session> {
        self.sessions.get(id).cloned().flatten()
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Stored> {
        self.rows.get(id)
    }

    /// Notes a new message.
    pub(crate) fn add(&mut self, new: New) {
        self.fresh_ids.insert(new.row.id.clone());
        self.rows.insert(new.row.id.clone(), new.row.clone());
        self.fresh.push(new);
    }

    /// A number for the row of a new message.
    pub(crate) fn slot(&mut self) -> i64 {
        self.memory.slot += 1;
        self.memory.slot
    }

    /// True for a message that is new in this transaction.
    pub(crate) fn is_fresh(&self, id: &str) -> bool {
        self.fresh_ids.contains(id)
    }

    /// Changes a row in hand, and notes when.
    pub(crate) fn change(&mut self, id: &str, change: impl FnOnce(&mut Stored)) {
        let now = self.now;
        if let Some(row) = self.rows.get_mut(id) {
            change(row);
            row.changed_at = now;
            self.changed.push(id.to_owned());
        }
    }

    /// Notes that something was derived from a message in hand.
    pub(crate) fn has_children(&mut self, id: &str) {
        if let Some(row) = self.rows.get_mut(id) {
            row.is_childless = false;
        }
    }

    /// Lets the time at which the sweeper looks at a row be found anew.
    pub(crate) fn look_later(&mut self, id: &str) {
        if let Some(row) = self.rows.get_mut(id) {
            row.sweep_at = 0;
            self.changed.push(id.to_owned());
        }
    }

    /// Moves a row to a state without a lease, to be looked at again at `next_at` (0: never).
    pub(crate) fn to(&mut self, id: &str, state: State, next_at: i64) {
        self.change(id, |row| {
            row.state = state;
            row.next_at = next_at;
            // The lease's number stays: the next one is above it.
            row.session.clear();
            if state != State::Held {
                row.behind.clear();
            }
        });
    }

    /// Holds a message behind another one, to be looked at again at `next_at`.
    pub(crate) fn hold(&mut self, id: &str, next_at: i64) {
        self.memory.may_hold = true;
        self.to(id, State::Held, next_at);
    }

    /// Whether any message may be held.
    pub(crate) fn holds_any(&self) -> bool {
        self.memory.may_hold
    }

    /// What was worked on is committed: rows on their way are kept in mind. With the messages that
    /// are to be published now.
    pub(crate) fn committed(self) -> Vec<String> {
        let Self { memory, rows, swept, mark, drives, position, .. } = self;
        (memory.swept, memory.position) = (swept, position);
        memory.keep(rows.into_values());
        if let Some(mark) = mark {
            memory.marked(mark);
        }
        drives
    }

    /// Sends a message on its way again, once the group is committed.
    pub(crate) fn drive(&mut self, id: &str) {
        let now = self.now;
        let Some(row) = self.rows.get(id) else { return };
        let state = if row.is_derived() { State::Queued } else { State::Accepted };
        let deadline = crate::plan::deadline(now, row.driven + 1);
        self.to(id, state, deadline);
        self.change(id, |row| row.driven += 1);
        self.drives.push(id.to_owned());
    }

    /// Notes a fact of a message in hand.
    pub(crate) fn fact(&mut self, id: &str, fact: Fact) {
        self.facts.push((id.to_owned(), fact));
    }

    /// Notes a step of our own, with a few words.
    pub(crate) fn step(&mut self, id: &str, step: Step, detail: &str) {
        let attempt = self.rows.get(id).map_or(0, |it| it.attempt);
        let fact = Fact {
            step: step.into(),
            at_us: self.now,
            component: COMPONENT.to_owned(),
            attempt: u32::try_from(attempt).unwrap_or_default(),
            detail: detail.to_owned(),
            ..Fact::default()
        };
        self.fact(id, fact);
    }

    /// True when this message has a fact of the same step, component, attempt and words: what is
    /// noted here and what was read from the database.
    pub(crate) fn knows(&self, known: &[(String, Fact)], id: &str, fact: &Fact) -> bool {
        let same = |(of, it): &&(String, Fact)| {
            of == id
                && it.step == fact.step
                && it.attempt == fact.attempt
                && it.component == fact.component
                && it.detail == fact.detail
        };
        known.iter().find(same).or_else(|| self.facts.iter().find(same)).is_some()
    }

    /// Writes everything noted so far into the open transaction.
    pub(crate) async fn flush(&mut self) -> Result<(), DatabaseError> {
        let facts = self.flush_facts();
        let (mut kept, mut standing, mut subjects) = (Vec::new(), Vec::new(), Vec::new());
        let mut addressed = Vec::new();
        for new in self.fresh.drain(..) {
            if let Some(row) = self.rows.get_mut(&new.row.id) {
                row.schedule(self.swept);
                standing.push(row.insertion());
                row.is_written = true;
            }
            if !new.subject.is_empty() {
                subjects.push(vec![new.subject.into(), new.row.id.into()]);
            }
            kept.push(new.kept);
            addressed.extend(new.addressed);
        }
        let refusals = std::mem::take(&mut self.refusals);
        let aliases = std::mem::take(&mut self.aliases);
        self.changed.sort_unstable();
        self.changed.dedup();
        let mut updates = Vec::with_capacity(self.changed.len());
        for id in self.changed.drain(..) {
            if let Some(row) = self.rows.get_mut(&id) {
                row.schedule(self.swept);
                updates.push(row.progress());
            }
        }
        let rewrites = self.rewrites.drain(..).map(|(id, envelope, body, receipt)| {
            vec![id.into(), envelope.into(), body.into(), receipt.into()]
        });
        let rewrites: Vec<_> = rewrites.collect();
        let steps: [Batch<'_>; 9] = [
            (INSERT_KEPT, &kept),
            (INSERT_STANDING, &standing),
            (INSERT_ADDRESSED, &addressed),
            (self.database.insert_subject(), &subjects),
            (INSERT_ALIAS, &aliases),
            (INSERT_REFUSAL, &refusals),
            (UPDATE, &updates),
            (REWRITE, &rewrites),
            (INSERT_FACT, &facts),
        ];
        let mut steps: Vec<_> = steps.into_iter().filter(|(_, sets)| !sets.is_empty()).collect();
        let mark = [vec![self.swept.into()]];
        if !steps.is_empty() && self.memory.is_mark_due(self.swept) {
            self.mark = Some(self.swept);
            steps.push((WRITE_MARK, &mark));
        }
        self.database.run_all(&steps).await?;
        Ok(())
    }

    /// Rows of the facts noted so far; their messages know where they are.
    fn flush_facts(&mut self) -> Vec<Vec<Value>> {
        let rows = facts::rows(self.facts.drain(..));
        let mut values = Vec::with_capacity(rows.len());
        for row in rows {
            self.position += 1;
            self.changed.extend(told_at(&mut self.rows, &row, self.position));
            values.push(vec![self.position.into(), row.encode_to_vec().into()]);
        }
        values
    }
}

/// Lets the messages of a row of facts know where it is; with those that are to be updated for it.
/// A new one is inserted with it.
fn told_at(
    rows: &mut HashMap<String, Stored>,
    told: &RecordRequest,
    position: i64,
) -> impl Iterator<Item = String> {
    told.entries.iter().filter_map(move |entry| {
        let row = rows.get_mut(&entry.message_id)?;
        row.told_at.push(position);
        row.is_written.then(|| row.id.clone())
    })
}
