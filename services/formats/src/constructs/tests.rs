//! Tests that the table names exactly the keys that a description is parsed to.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};

use super::*;
use crate::grammar::{CodeList, Description, DetectCondition, FieldRule};

/// Answers the question for a struct with the names of its fields.
struct FieldNames;

/// The names of a struct's fields, as an error.
#[derive(Debug)]
struct Names(Vec<&'static str>);

impl fmt::Display for Names {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.0)
    }
}

impl std::error::Error for Names {}

impl de::Error for Names {
    fn custom<T: fmt::Display>(message: T) -> Self {
        panic!("no struct: {message}")
    }
}

impl<'de> Deserializer<'de> for FieldNames {
    type Error = Names;

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Names> {
        Err(Names(Vec::new()))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Names> {
        Err(Names(fields.to_vec()))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

fn assert_same_keys<'de, T: Deserialize<'de>>(keys: &[Construct]) {
    let mut fields = T::deserialize(FieldNames).map(|_| ()).unwrap_err().0;
    let mut keys: Vec<_> = keys.iter().map(|it| it.key).collect();
    fields.sort_unstable();
    keys.sort_unstable();
    assert_eq!(keys, fields, "{}", std::any::type_name::<T>());
}

#[test]
fn the_table_names_every_key_that_is_parsed_and_no_other() {
    assert_same_keys::<Description>(FILE_KEYS);
    assert_same_keys::<DetectCondition>(DETECT_KEYS);
    assert_same_keys::<CodeList>(LIST_KEYS);
    assert_same_keys::<FieldRule>(RULE_KEYS);
}
