//! Facts: a row of `fact` holds the facts of one commit, and each message stores the positions of
//! the rows that hold its own.

use std::collections::HashMap;

use bytes::Buf as _;
use prost::Message as _;
use prost::encoding::{decode_varint, encode_varint};
use proto::journal::v1::{Entry, RecordRequest};
use proto::message::v1::Fact;

use crate::database::Database;
use crate::database::error::{Corrupt, DatabaseError};
use crate::database::row::Row;

/// Inserts a row of facts.
pub(crate) const INSERT: &str = "INSERT INTO fact (position, entries) VALUES ($1, $2)";

const SELECT: &str = "SELECT entries FROM fact WHERE position = $1";

/// Positions of rows of facts, ascending.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct FactPositions(Vec<i64>);

/// The most positions that a message stores. Of more, the first few and the last stay; the rows in
/// between remain in `fact`.
pub(crate) const POSITIONS_MAX: usize = 512;

/// How many of the first positions always stay: where the message came from and was routed to.
const FIRST_MAX: usize = 16;

impl FactPositions {
    /// Adds the newest position.
    pub(crate) fn push(&mut self, position: i64) {
        if self.0.last() == Some(&position) {
            return;
        }
        if self.0.len() >= POSITIONS_MAX {
            self.0.remove(FIRST_MAX);
        }
        self.0.push(position);
    }

    /// True when positions may have been dropped.
    pub(crate) fn is_full(&self) -> bool {
        self.0.len() >= POSITIONS_MAX
    }

    /// The distances between neighbours, as varints.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len() * 3);
        let mut last = 0;
        for position in &self.0 {
            encode_varint(u64::try_from(position - last).unwrap_or_default(), &mut bytes);
            last = *position;
        }
        bytes
    }

    /// Reads [`FactPositions::encode`]; none when the bytes are damaged.
    pub(crate) fn decode(mut bytes: &[u8]) -> Option<Self> {
        let (mut positions, mut last) = (Vec::new(), 0_i64);
        while bytes.has_remaining() {
            let distance = decode_varint(&mut bytes).ok()?;
            last = last.checked_add(i64::try_from(distance).ok()?)?;
            positions.push(last);
        }
        Some(Self(positions))
    }
}

/// Approximate size of a row. Reading one message's facts reads the whole row, and PostgreSQL moves
/// what is larger than a page out of line and compresses it.
const ROW_BYTES: usize = 6_000;

/// Groups facts into rows, each with one entry per message.
pub(crate) fn rows(facts: impl Iterator<Item = (String, Fact)>) -> Vec<RecordRequest> {
    let (mut rows, mut size) = (Vec::new(), 0);
    let mut row = RecordRequest::default();
    let mut indices: HashMap<String, usize> = HashMap::new();
    for (id, fact) in facts {
        size += fact.encoded_len();
        let known = indices.get(&id).and_then(|it| row.entries.get_mut(*it));
        if let Some(entry) = known {
            entry.facts.push(fact);
            continue;
        }
        size += id.len();
        if size >= ROW_BYTES {
            rows.push(std::mem::take(&mut row));
            indices.clear();
            size = 0;
        }
        indices.insert(id.clone(), row.entries.len());
        row.entries.push(Entry { message_id: id, facts: vec![fact], ..Entry::default() });
    }
    rows.push(row);
    rows.retain(|it| !it.entries.is_empty());
    rows
}

/// The positions of several messages, each once, in the order written.
pub(crate) fn merged<'a>(of: impl IntoIterator<Item = &'a FactPositions>) -> Vec<i64> {
    let mut positions: Vec<i64> = of.into_iter().flat_map(|it| &it.0).copied().collect();
    positions.sort_unstable();
    positions.dedup();
    positions
}

/// What rows of facts hold.
#[derive(Debug, Default)]
pub(crate) struct ReadFacts {
    /// In the order written. Rows are shared, so there are entries of other messages among them.
    pub(crate) entries: Vec<Entry>,
    /// True when a row is missing or damaged: there were more facts than these.
    pub(crate) is_incomplete: bool,
}

/// Reads the rows at positions, in their order.
pub(crate) async fn read(
    database: &mut Database,
    positions: Vec<i64>,
) -> Result<ReadFacts, DatabaseError> {
    let sets = positions.iter().map(|it| vec![(*it).into()]).collect();
    let found = database.query_many(SELECT, sets).await?;
    let mut facts = ReadFacts::default();
    for (position, rows) in positions.into_iter().zip(found) {
        match entries(rows, position) {
            Ok(entries) => facts.entries.extend(entries),
            Err(corrupt) => {
                corrupt.log();
                facts.is_incomplete = true;
            }
        }
    }
    Ok(facts)
}

fn entries(rows: Vec<Row>, position: i64) -> Result<Vec<Entry>, Corrupt> {
    let corrupt = |column| Corrupt::new("fact", position.to_string(), column);
    let mut row = rows.into_iter().next().ok_or_else(|| corrupt("position"))?;
    let request = row.message::<RecordRequest>("entries").map_err(|it| corrupt(it.column))?;
    Ok(request.entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_come_back_as_they_were() {
        let mut positions = FactPositions::default();
        for it in [1, 2, 2, 300, 70_000, i64::MAX] {
            positions.push(it);
        }
        assert_eq!(positions.0, [1, 2, 300, 70_000, i64::MAX]);
        assert_eq!(FactPositions::decode(&positions.encode()), Some(positions));
        assert_eq!(FactPositions::decode(&[]), Some(FactPositions::default()));
        assert_eq!(FactPositions::decode(&[5, 0xff]), None, "cut short");
    }

    #[test]
    fn of_many_positions_the_first_and_the_last_are_stored() {
        let mut positions = FactPositions::default();
        (0..5_000).for_each(|it| positions.push(it));
        assert!(positions.is_full());
        assert_eq!(positions.0.len(), POSITIONS_MAX);
        assert_eq!(positions.0[..FIRST_MAX], (0..16).collect::<Vec<_>>());
        assert_eq!(positions.0.last(), Some(&4_999));
    }

    #[test]
    fn a_row_has_one_entry_per_message_and_fits_its_page() {
        let fact = |detail: &str| Fact { detail: detail.to_owned(), ..Fact::default() };
        let one = [("a", "1"), ("b", "2"), ("a", "3")];
        let found = rows(one.into_iter().map(|(id, it)| (id.to_owned(), fact(it))));
        let [row] = found.as_slice() else { panic!("{found:?}") };
        let details = |it: &Entry| it.facts.iter().map(|it| it.detail.clone()).collect::<String>();
        let details: Vec<_> =
            row.entries.iter().map(|it| (it.message_id.as_str(), details(it))).collect();
        assert_eq!(details, [("a", "13".to_owned()), ("b", "2".to_owned())]);
        let many = rows((0..600).map(|it| (format!("{it:036}"), fact(&"x".repeat(62)))));
        assert_eq!(many.iter().map(|it| it.entries.len()).sum::<usize>(), 600);
        assert!(many.iter().all(|it| it.encoded_len() < 8_000), "a row fits its page");
        assert!(many.iter().rev().skip(1).all(|it| it.encoded_len() > 5_000), "and fills it");
        assert_eq!(rows(std::iter::empty()), []);
    }
}
