//! Values, parameters, and rows whose columns are read by name and type.

use std::sync::Arc;

use prost::Message;

use crate::database::error::Corrupt;

/// A value of a column or a parameter.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// TEXT.
    Text(String),
    /// BIGINT.
    Number(i64),
    /// BLOB, BYTEA.
    Bytes(Vec<u8>),
    /// NULL. No column is nullable, so only an outer join yields it.
    Null,
    /// A value of a type that no column has, or text that is not UTF-8. SQLite stores either in
    /// any column.
    Foreign,
}

impl Value {
    pub(crate) fn as_text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Number(_) | Self::Bytes(_) | Self::Null | Self::Foreign => "",
        }
    }

    pub(crate) fn as_number(&self) -> i64 {
        match self {
            Self::Number(number) => *number,
            Self::Text(_) | Self::Bytes(_) | Self::Null | Self::Foreign => 0,
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Text(_) | Self::Number(_) | Self::Null | Self::Foreign => &[],
        }
    }

    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            Self::Number(_) | Self::Null | Self::Foreign => 8,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<String> for Value {
    /// PostgreSQL stores no NUL in a text, and one such text must not fail a whole group.
    fn from(text: String) -> Self {
        Self::Text(if text.contains('\0') { text.replace('\0', "") } else { text })
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

/// The parameters of one execution of a statement.
pub(crate) type Parameters = Vec<Value>;

/// A statement and the parameters of each of its executions.
pub(crate) type Batch<'a> = (&'a str, &'a [Parameters]);

/// A column that has another type, or that does not decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable {
    pub(crate) column: &'static str,
}

impl Unreadable {
    pub(crate) fn in_row(self, table: &'static str, key: impl Into<String>) -> Corrupt {
        Corrupt::new(table, key, self.column)
    }
}

/// A row that a statement returned. Each column is taken once, by its name.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    names: Arc<[String]>,
    values: Vec<Value>,
    /// Where the search for the next name begins: columns are mostly read in their order.
    next: usize,
}

impl Row {
    pub(crate) fn new(names: &Arc<[String]>, values: Vec<Value>) -> Self {
        Self { names: Arc::clone(names), values, next: 0 }
    }

    fn take(&mut self, column: &'static str) -> Value {
        let count = self.names.len();
        let indices = (self.next..count).chain(0..self.next.min(count));
        let found = indices.into_iter().find(|it| self.names[*it] == column);
        debug_assert!(found.is_some(), "the statement has no column `{column}`");
        let Some(index) = found else { return Value::Foreign };
        self.next = index + 1;
        self.values.get_mut(index).map_or(Value::Foreign, |it| std::mem::replace(it, Value::Null))
    }

    pub(crate) fn text(&mut self, column: &'static str) -> Result<String, Unreadable> {
        match self.take(column) {
            Value::Text(text) => Ok(text),
            Value::Number(_) | Value::Bytes(_) | Value::Null | Value::Foreign => {
                Err(Unreadable { column })
            }
        }
    }

    pub(crate) fn number(&mut self, column: &'static str) -> Result<i64, Unreadable> {
        match self.take(column) {
            Value::Number(number) => Ok(number),
            Value::Text(_) | Value::Bytes(_) | Value::Null | Value::Foreign => {
                Err(Unreadable { column })
            }
        }
    }

    pub(crate) fn bytes(&mut self, column: &'static str) -> Result<Vec<u8>, Unreadable> {
        match self.take(column) {
            Value::Bytes(bytes) => Ok(bytes),
            Value::Text(_) | Value::Number(_) | Value::Null | Value::Foreign => {
                Err(Unreadable { column })
            }
        }
    }

    /// An encoded contract message.
    pub(crate) fn message<M: Message + Default>(
        &mut self,
        column: &'static str,
    ) -> Result<M, Unreadable> {
        let bytes = self.bytes(column)?;
        M::decode(bytes.as_slice()).map_err(|_undecodable| Unreadable { column })
    }

    /// The number of an enumeration's value. Zero says "not set", which the journal never writes
    /// for a state or a class that it later decides on.
    pub(crate) fn enumeration<E: TryFrom<i32>>(
        &mut self,
        column: &'static str,
    ) -> Result<E, Unreadable> {
        let number = self.number(column)?;
        let known = i32::try_from(number).ok().and_then(|it| E::try_from(it).ok());
        known.ok_or(Unreadable { column })
    }

    /// True where an outer join found no row; the column is not taken.
    pub(crate) fn is_null(&self, column: &str) -> bool {
        let found = self.names.iter().position(|it| it == column);
        found.and_then(|it| self.values.get(it)).is_none_or(|it| *it == Value::Null)
    }
}

#[cfg(test)]
mod tests {
    use proto::message::v1::{Receipt, State};

    use super::*;

    fn row() -> Row {
        let names = ["id", "state", "receipt", "parent"].map(str::to_owned);
        let values = vec!["a".into(), 99.into(), vec![0xff].into(), Value::Null];
        Row::new(&Arc::from(names), values)
    }

    #[test]
    fn a_column_of_another_type_or_value_is_unreadable_and_never_empty() {
        assert_eq!(row().text("id"), Ok("a".to_owned()));
        assert_eq!(row().number("id"), Err(Unreadable { column: "id" }));
        assert_eq!(row().bytes("id"), Err(Unreadable { column: "id" }));
        assert_eq!(row().text("state"), Err(Unreadable { column: "state" }));
        assert_eq!(row().enumeration::<State>("state"), Err(Unreadable { column: "state" }));
        assert_eq!(row().message::<Receipt>("receipt"), Err(Unreadable { column: "receipt" }));
        assert_eq!(row().text("parent"), Err(Unreadable { column: "parent" }));
        assert!(row().is_null("parent") && !row().is_null("id"));
    }

    #[test]
    fn columns_are_read_by_name_in_any_order() {
        let mut row = row();
        assert_eq!(row.number("state"), Ok(99));
        assert_eq!(row.text("id"), Ok("a".to_owned()));
        assert_eq!(row.bytes("receipt"), Ok(vec![0xff]));
    }
}
