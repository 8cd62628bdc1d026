//! What the one writer knows by heart, so that it need not ask the database for what it wrote
//! itself. All of it can be forgotten at any time.

use std::collections::HashMap;

use crate::database::{Database, DatabaseError};
use crate::stored::Stored;

/// Rows of one generation; there are two. A row is about 1 kB.
const ROWS_MAX: usize = 8_192;

/// How far behind the sweeper its mark may be, microseconds.
const MARK_BEHIND: i64 = 10_000_000;

/// One writer's memory.
#[derive(Debug)]
pub(crate) struct Memory {
    /// Rows of messages on their way, as they are in the database: the steps of a message follow
    /// each other closely. When the young are too many they become the old, who are forgotten.
    young: HashMap<String, Stored>,
    old: HashMap<String, Stored>,
    /// Whether any message may be held behind another one. Mostly none is, and then nobody need be
    /// looked for when one ends.
    pub(crate) may_hold: bool,
    /// How far the sweeper is: every row that it is to look at lies above.
    pub(crate) swept: i64,
    /// What the database has of it: they lie above this, too.
    mark: i64,
    /// The newest row's number, and the newest position of facts.
    pub(crate) slot: i64,
    pub(crate) position: i64,
}

/// One that is held.
const HELD: &str = "SELECT id FROM standing WHERE sweep_at > $1 AND state = 4 LIMIT 1";

/// Writes how far the sweeper is.
pub(crate) const WRITE_MARK: &str = "UPDATE swept SET at = $1";

impl Memory {
    /// The memory after a start: nobody knows whether any message is held.
    pub(crate) async fn open(database: &mut Database) -> Result<Self, DatabaseError> {
        let mut number = async |sql| {
            let found = database.query(sql, Vec::new()).await?;
            Ok::<_, DatabaseError>(found.into_iter().next().map_or(0, |mut it| it.number()))
        };
        let mark = number("SELECT at FROM swept").await?;
        let slot = number("SELECT COALESCE(MAX(slot), 0) FROM standing").await?;
        let position = number("SELECT COALESCE(MAX(position), 0) FROM fact").await?;
        let (young, old) = (HashMap::new(), HashMap::new());
        Ok(Self { young, old, may_hold: true, swept: mark, mark, slot, position })
    }

    /// Takes a row out of memory.
    pub(crate) fn take(&mut self, id: &str) -> Option<Stored> {
        let young = self.young.remove(id);
        let old = self.old.remove(id);
        young.or(old)
    }

    /// Keeps the rows of messages that will soon be asked for again; they are committed.
    pub(crate) fn keep(&mut self, rows: impl Iterator<Item = Stored>) {
        self.young.extend(rows.filter(Stored::is_moving).map(|row| (row.id.clone(), row)));
        if self.young.len() >= ROWS_MAX {
            self.old = std::mem::take(&mut self.young);
        }
    }

    /// Looks again whether any message is held.
    pub(crate) async fn look(&mut self, database: &mut Database) -> Result<(), DatabaseError> {
        if self.may_hold {
            let found = database.query(HELD, vec![self.swept.into()]).await?;
            self.may_hold = !found.is_empty();
        }
        Ok(())
    }

    /// Whether the mark is to be written with the sweeper at `swept`: now and then, because writing
    /// it beside something else costs little; at once when the sweeper went back.
    pub(crate) fn is_mark_due(&self, swept: i64) -> bool {
        swept < self.mark || swept - self.mark >= MARK_BEHIND
    }

    /// Notes that a mark was committed.
    pub(crate) fn marked(&mut self, mark: i64) {
        self.mark = mark;
    }
}

#[cfg(test)]
mod tests {
    use proto::message::v1::State;

    use super::*;
    use crate::stored::INSERT_STANDING;

    fn row(id: &str, state: State) -> Stored {
        let mut row = Stored { id: id.to_owned(), state, next_at: 9, ..Stored::default() };
        row.schedule(0);
        row
    }

    #[tokio::test]
    async fn whoever_is_held_when_the_journal_starts_is_looked_for() {
        let (mut database, _folder) = Database::empty().await;
        let rows = [row("queued", State::Queued), row("taken", State::Taken)];
        let sets = (1..).zip(rows).map(|(slot, it)| Stored { slot, ..it }.insertion()).collect();
        database.query_many(INSERT_STANDING, sets).await.unwrap();
        let mut memory = Memory::open(&mut database).await.unwrap();
        assert!(memory.may_hold, "nobody has looked yet");
        memory.look(&mut database).await.unwrap();
        assert!(!memory.may_hold);
        let held = Stored { slot: 3, ..row("held", State::Held) }.insertion();
        database.query(INSERT_STANDING, held).await.unwrap();
        let mut after = Memory::open(&mut database).await.unwrap();
        after.look(&mut database).await.unwrap();
        assert!(after.may_hold);
        assert_eq!(after.slot, 3, "the numbers go on");
    }

    #[tokio::test]
    async fn of_a_row_only_the_newest_form_is_known_and_only_while_it_moves() {
        let (mut database, _folder) = Database::empty().await;
        let mut memory = Memory::open(&mut database).await.unwrap();
        memory.keep([row("a", State::Queued), row("b", State::Taken)].into_iter());
        assert_eq!(memory.take("b"), None);
        memory.keep((0..ROWS_MAX).map(|it| row(&it.to_string(), State::Queued)));
        // It is among the old by now.
        memory.keep([row("a", State::InHand)].into_iter());
        assert_eq!(memory.take("a"), Some(row("a", State::InHand)));
        assert_eq!(memory.take("a"), None, "a row that is taken is in no generation");
        memory.keep((0..=ROWS_MAX).map(|it| row(&format!("{it} more"), State::Queued)));
        assert_eq!(memory.take("1"), None, "what is old enough is forgotten");
    }
}
