//! Facts: a row holds what one commit tells, and each message knows where it is told of.

use std::collections::HashMap;

use bytes::Buf as _;
use prost::Message as _;
use prost::encoding::{decode_varint, encode_varint};
use proto::journal::v1::{Entry, RecordRequest};
use proto::message::v1::Fact;

use crate::database::{Database, DatabaseError, Row};

/// Positions of rows of facts, ascending.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Positions(Vec<i64>);

/// Positions that a message knows at most. Of more, the first few and the last are known; the facts
/// of the others are in the journal all the same.
pub(crate) const POSITIONS_MAX: usize = 512;

/// How many of the first are known for ever: how it came, and where it went.
const FIRST: usize = 16;

impl Positions {
    /// Adds the newest.
    pub(crate) fn push(&mut self, position: i64) {
        if self.0.last() == Some(&position) {
            return;
        }
        if self.0.len() >= POSITIONS_MAX {
            self.0.remove(FIRST);
        }
        self.0.push(position);
    }

    /// True when some may have been forgotten.
    pub(crate) fn is_full(&self) -> bool {
        self.0.len() >= POSITIONS_MAX
    }

    /// How far each is from the one before, as varints.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len() * 3);
        let mut last = 0;
        for position in &self.0 {
            encode_varint(u64::try_from(position - last).unwrap_or_default(), &mut bytes);
            last = *position;
        }
        bytes
    }

    /// Takes them from their bytes.
    pub(crate) fn decode(mut bytes: &[u8]) -> Self {
        let (mut positions, mut last) = (Vec::new(), 0_i64);
        while bytes.has_remaining() {
            let Ok(step) = decode_varint(&mut bytes) else { break };
            last = last.saturating_add(i64::try_from(step).unwrap_or(i64::MAX));
            positions.push(last);
        }
        Self(positions)
    }
}

/// Bytes of a row, about: whoever reads of one of its messages reads of all of them, and PostgreSQL
/// puts what is larger than a page aside, and compresses it.
const ROW_BYTES: usize = 6_000;

/// What is told of messages, in rows: of each message one entry a row.
pub(crate) fn rows(facts: impl Iterator<Item = (String, Fact)>) -> Vec<RecordRequest> {
    let (mut rows, mut size) = (Vec::new(), 0);
    let mut row = RecordRequest::default();
    let mut places: HashMap<String, usize> = HashMap::new();
    for (id, fact) in facts {
        size += fact.encoded_len();
        let known = places.get(&id).and_then(|it| row.entries.get_mut(*it));
        if let Some(entry) = known {
            entry.facts.push(fact);
            continue;
        }
        size += id.len();
        if size >= ROW_BYTES {
            rows.push(std::mem::take(&mut row));
            places.clear();
            size = 0;
        }
        places.insert(id.clone(), row.entries.len());
        row.entries.push(Entry { message_id: id, facts: vec![fact], ..Entry::default() });
    }
    rows.push(row);
    rows.retain(|it| !it.entries.is_empty());
    rows
}

const AT: &str = "SELECT entries FROM fact WHERE position = $1";

/// The positions of several messages, each once, in the order written.
pub(crate) fn merged<'a>(of: impl IntoIterator<Item = &'a Positions>) -> Vec<i64> {
    let mut positions: Vec<i64> = of.into_iter().flat_map(|it| &it.0).copied().collect();
    positions.sort_unstable();
    positions.dedup();
    positions
}

/// What is told at positions, in their order; other messages are told of there, too.
pub(crate) async fn read(
    database: &mut Database,
    positions: Vec<i64>,
) -> Result<Vec<Entry>, DatabaseError> {
    let sets = positions.into_iter().map(|it| vec![it.into()]).collect();
    let found = database.query_many(AT, sets).await?;
    Ok(found.into_iter().flatten().flat_map(entries).collect())
}

fn entries(mut row: Row) -> Vec<Entry> {
    RecordRequest::decode(row.bytes().as_slice()).unwrap_or_default().entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_come_back_as_they_were() {
        let mut positions = Positions::default();
        for it in [1, 2, 2, 300, 70_000, i64::MAX] {
            positions.push(it);
        }
        assert_eq!(positions.0, [1, 2, 300, 70_000, i64::MAX]);
        assert_eq!(Positions::decode(&positions.encode()), positions);
        assert_eq!(Positions::decode(&[]), Positions::default());
        assert_eq!(Positions::decode(&[5, 0xff]), Positions(vec![5]), "cut short");
    }

    #[test]
    fn of_many_positions_the_first_and_the_last_are_known() {
        let mut positions = Positions::default();
        (0..5_000).for_each(|it| positions.push(it));
        assert!(positions.is_full());
        assert_eq!(positions.0.len(), POSITIONS_MAX);
        assert_eq!(positions.0[..FIRST], (0..16).collect::<Vec<_>>());
        assert_eq!(positions.0.last(), Some(&4_999));
    }

    #[test]
    fn a_row_tells_of_each_message_once_and_of_not_too_many() {
        let fact = |detail: &str| Fact { detail: detail.to_owned(), ..Fact::default() };
        let one = [("a", "1"), ("b", "2"), ("a", "3")];
        let found = rows(one.into_iter().map(|(id, it)| (id.to_owned(), fact(it))));
        let [row] = found.as_slice() else { panic!("{found:?}") };
        let told = |it: &Entry| it.facts.iter().map(|it| it.detail.clone()).collect::<String>();
        let told: Vec<_> =
            row.entries.iter().map(|it| (it.message_id.as_str(), told(it))).collect();
        assert_eq!(told, [("a", "13".to_owned()), ("b", "2".to_owned())]);
        let many = rows((0..600).map(|it| (format!("{it:036}"), fact(&"x".repeat(62)))));
        assert_eq!(many.iter().map(|it| it.entries.len()).sum::<usize>(), 600);
        assert!(many.iter().all(|it| it.encoded_len() < 8_000), "a row fits its page");
        assert!(many.iter().rev().skip(1).all(|it| it.encoded_len() > 5_000), "and fills it");
        assert_eq!(rows(std::iter::empty()), []);
    }
}
