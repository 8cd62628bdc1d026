//! Writing a unit of work into its transaction: one statement for each kind of row.

use std::collections::HashMap;

use prost::Message as _;
use proto::journal::v1::RecordRequest;

use super::UnitOfWork;
use crate::database::error::DatabaseError;
use crate::database::row::{Batch, Parameters};
use crate::delivery_row::{self, DeliveryRow};
use crate::facts;
use crate::new_message;
use crate::refusals;
use crate::row_cache::UPDATE_WATERMARK;

impl UnitOfWork<'_> {
    /// Writes everything added and changed so far into the open transaction: one statement for each
    /// kind of row, however many rows there are.
    pub(crate) async fn flush(&mut self) -> Result<(), DatabaseError> {
        let facts = self.fact_rows();
        let new = self.new_rows();
        let changes = self.changes();
        let (refusals, refusal_trims) = self.refusals.take();
        let aliases = std::mem::take(&mut self.aliases);
        let digest_aliases = std::mem::take(&mut self.digest_aliases);
        let content_updates = std::mem::take(&mut self.content_updates);
        let steps: [Batch<'_>; 13] = [
            (new_message::INSERT, &new.content),
            (delivery_row::INSERT, &new.deliveries),
            (new_message::INSERT_PARTY, &new.parties),
            (self.database.insert_subject(), &new.subjects),
            (new_message::INSERT_ALIAS, &aliases),
            (new_message::INSERT_DIGEST_ALIAS, &digest_aliases),
            (refusals::INSERT, &refusals),
            (refusals::TRIM, &refusal_trims),
            (delivery_row::UPDATE, &changes.progress),
            (delivery_row::UPDATE_CORRUPT, &changes.corrupt),
            (delivery_row::UPDATE_FACT_POSITIONS, &changes.fact_positions),
            (new_message::UPDATE_CONTENT, &content_updates),
            (facts::INSERT, &facts),
        ];
        let mut steps: Vec<_> = steps.into_iter().filter(|(_, sets)| !sets.is_empty()).collect();
        let watermark = [vec![self.watermark.into()]];
        if !steps.is_empty() && self.cache.is_watermark_due(self.watermark) {
            self.stored_watermark = Some(self.watermark);
            steps.push((UPDATE_WATERMARK, &watermark));
        }
        self.database.run_all(&steps).await?;
        Ok(())
    }

    fn new_rows(&mut self) -> Inserts {
        let mut inserts = Inserts::default();
        for new in self.new.drain(..) {
            if let Some(row) = self.rows.get_mut(&new.delivery.id) {
                row.schedule(self.watermark);
                inserts.deliveries.push(row.insertion());
                row.is_written = true;
            }
            if !new.words.is_empty() {
                inserts.subjects.push(vec![new.words.into(), new.delivery.id.into()]);
            }
            inserts.content.push(new.content);
            inserts.parties.extend(new.parties);
        }
        inserts
    }

    fn changes(&mut self) -> Updates {
        let mut updates = Updates::default();
        self.changed.sort_unstable();
        self.changed.dedup();
        for id in self.changed.drain(..) {
            let Some(row) = self.rows.get_mut(&id) else { continue };
            row.schedule(self.watermark);
            if row.corrupt.is_none() {
                updates.progress.push(row.progress());
            } else {
                updates.corrupt.push(row.corrupt_progress());
                updates.fact_positions.extend(row.corrupt_fact_positions());
            }
        }
        updates
    }

    /// Rows of the facts added so far; their messages get the positions.
    fn fact_rows(&mut self) -> Vec<Parameters> {
        let rows = facts::rows(self.facts.drain(..));
        let mut values = Vec::with_capacity(rows.len());
        for row in rows {
            self.position += 1;
            self.changed.extend(add_position(&mut self.rows, &row, self.position));
            values.push(vec![self.position.into(), row.encode_to_vec().into()]);
        }
        values
    }
}

/// Parameters of the inserts of new messages.
#[derive(Debug, Default)]
struct Inserts {
    content: Vec<Parameters>,
    deliveries: Vec<Parameters>,
    parties: Vec<Parameters>,
    subjects: Vec<Parameters>,
}

/// Parameters of the updates of changed rows.
#[derive(Debug, Default)]
struct Updates {
    progress: Vec<Parameters>,
    corrupt: Vec<Parameters>,
    fact_positions: Vec<Parameters>,
}

/// Adds a position to the messages of a row of facts; the ids of those that must be updated for it.
/// A new message is inserted with it.
fn add_position(
    rows: &mut HashMap<String, DeliveryRow>,
    facts: &RecordRequest,
    position: i64,
) -> impl Iterator<Item = String> {
    facts.entries.iter().filter_map(move |entry| {
        let row = rows.get_mut(&entry.message_id)?;
        row.fact_positions.push(position);
        row.is_written.then(|| row.id.clone())
    })
}
