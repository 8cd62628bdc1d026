//! Write-through cache of the single writer. It may be dropped at any time.

use std::collections::HashMap;
use std::sync::Arc;

use proto::message::v1::State;

use crate::database::Database;
use crate::database::error::DatabaseError;
use crate::delivery_row::{DeliveryRow, number_of};
use crate::last_progress::LastProgress;
use crate::pauses::Pauses;

/// Rows of one generation; there are two. A row takes about 1 kB.
const ROWS_MAX: usize = 8_192;

/// How far the stored watermark may lag behind the sweeper, microseconds.
const WATERMARK_LAG: i64 = 10_000_000;

/// What the writer need not read from the database, because only the writer writes it.
#[derive(Debug)]
pub(crate) struct RowCache {
    /// Two-generation cache of rows on their way, as committed: when `current` is full it replaces
    /// `previous`, so memory is bounded by twice [`ROWS_MAX`] and rows in use stay cached.
    current: HashMap<String, DeliveryRow>,
    previous: HashMap<String, DeliveryRow>,
    /// False when no message is held. Then ending a message needs no search for the ones it
    /// blocked.
    pub(crate) may_hold: bool,
    /// The sweeper's watermark: `sweep_at` of every row that it must still read is greater.
    pub(crate) watermark: i64,
    /// The watermark in the database, which the rows are above as well.
    stored_watermark: i64,
    /// The greatest row id, and the greatest position of facts.
    pub(crate) row_id: i64,
    pub(crate) position: i64,
    /// The pauses in force.
    pub(crate) pauses: Arc<Pauses>,
    pub(crate) last_progress: LastProgress,
    /// Altered copies that were noticed and not counted yet.
    pub(crate) altered_copies: u64,
}

const HELD: &str = "SELECT id FROM delivery_state WHERE sweep_at > $1 AND state = $2 LIMIT 1";

/// Stores the watermark.
pub(crate) const UPDATE_WATERMARK: &str = "UPDATE sweep_watermark SET at = $1";

/// Reads the stored watermark.
pub(crate) const SELECT_WATERMARK: &str = "SELECT at AS number FROM sweep_watermark";

/// Where [`SELECT_WATERMARK`] reads.
pub(crate) const WATERMARK_COLUMN: (&str, &str) = ("sweep_watermark", "at");

impl RowCache {
    /// An empty cache: whether any message is held is not known yet.
    pub(crate) async fn open(database: &mut Database) -> Result<Self, DatabaseError> {
        let watermark = database.query_number(SELECT_WATERMARK, WATERMARK_COLUMN).await?;
        let row_ids = "SELECT COALESCE(MAX(row_id), 0) AS number FROM delivery_state";
        let row_id = database.query_number(row_ids, ("delivery_state", "row_id")).await?;
        let positions = "SELECT COALESCE(MAX(position), 0) AS number FROM fact";
        let position = database.query_number(positions, ("fact", "position")).await?;
        Ok(Self {
            current: HashMap::new(),
            previous: HashMap::new(),
            may_hold: true,
            watermark,
            stored_watermark: watermark,
            row_id,
            position,
            pauses: Arc::default(),
            last_progress: LastProgress::default(),
            altered_copies: 0,
        })
    }

    /// Takes a row out of the cache.
    pub(crate) fn take(&mut self, id: &str) -> Option<DeliveryRow> {
        let current = self.current.remove(id);
        let previous = self.previous.remove(id);
        current.or(previous)
    }

    /// Forgets all rows, because they were changed in the database.
    pub(crate) fn forget_rows(&mut self) {
        self.current.clear();
        self.previous.clear();
    }

    /// Caches committed rows whose next step will come soon.
    pub(crate) fn insert(&mut self, rows: impl Iterator<Item = DeliveryRow>) {
        let moving = rows.filter(|it| it.is_moving() && it.corrupt.is_none());
        self.current.extend(moving.map(|row| (row.id.clone(), row)));
        if self.current.len() >= ROWS_MAX {
            self.previous = std::mem::take(&mut self.current);
        }
    }

    /// Looks whether any message is still held.
    pub(crate) async fn refresh_may_hold(
        &mut self,
        database: &mut Database,
    ) -> Result<(), DatabaseError> {
        if self.may_hold {
            let held = vec![self.watermark.into(), number_of(State::Held).into()];
            self.may_hold = !database.query(HELD, held).await?.is_empty();
        }
        Ok(())
    }

    /// Whether the watermark is to be stored: now and then, because storing it beside other rows
    /// costs little; at once when the sweeper went back.
    pub(crate) fn is_watermark_due(&self, watermark: i64) -> bool {
        watermark < self.stored_watermark || watermark - self.stored_watermark >= WATERMARK_LAG
    }

    /// Notes the watermark that was committed.
    pub(crate) fn watermark_stored(&mut self, watermark: i64) {
        self.stored_watermark = watermark;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery_row::INSERT;

    fn row(id: &str, state: State) -> DeliveryRow {
        let mut row = DeliveryRow { id: id.to_owned(), state, due_at: 9, ..DeliveryRow::default() };
        row.schedule(0);
        row
    }

    #[tokio::test]
    async fn held_messages_are_looked_for_after_a_start() {
        let (mut database, _directory) = Database::empty().await;
        let rows = [row("queued", State::Queued), row("taken", State::Taken)];
        let sets =
            (1..).zip(rows).map(|(row_id, it)| DeliveryRow { row_id, ..it }.insertion()).collect();
        database.query_many(INSERT, sets).await.unwrap();
        let mut cache = RowCache::open(&mut database).await.unwrap();
        assert!(cache.may_hold, "not known yet");
        cache.refresh_may_hold(&mut database).await.unwrap();
        assert!(!cache.may_hold);
        let held = DeliveryRow { row_id: 3, ..row("held", State::Held) }.insertion();
        database.query(INSERT, held).await.unwrap();
        let mut after = RowCache::open(&mut database).await.unwrap();
        after.refresh_may_hold(&mut database).await.unwrap();
        assert!(after.may_hold);
        assert_eq!(after.row_id, 3, "the row ids go on");
    }

    #[tokio::test]
    async fn only_the_newest_form_of_a_moving_row_is_cached() {
        let (mut database, _directory) = Database::empty().await;
        let mut cache = RowCache::open(&mut database).await.unwrap();
        cache.insert([row("a", State::Queued), row("b", State::Taken)].into_iter());
        assert_eq!(cache.take("b"), None);
        cache.insert((0..ROWS_MAX).map(|it| row(&it.to_string(), State::Queued)));
        // The first "a" is in the previous generation by now.
        cache.insert([row("a", State::InHand)].into_iter());
        assert_eq!(cache.take("a"), Some(row("a", State::InHand)));
        assert_eq!(cache.take("a"), None, "a row that is taken is in no generation");
        cache.insert((0..=ROWS_MAX).map(|it| row(&format!("{it} more"), State::Queued)));
        assert_eq!(cache.take("1"), None, "rows of two generations ago are dropped");
    }
}
