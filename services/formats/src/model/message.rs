//! Dynamic messages of the canonical model: values by the index of their field in the schema,
//! texts borrowed from the input where possible.

use std::borrow::Cow;

use crate::model::schema::{FieldSchema, FieldType, MessageSchema};

/// The value of a field, or of one item of a repeated field.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Text(Cow<'a, str>),
    Bytes(Cow<'a, [u8]>),
    Bool(bool),
    I32(i32),
    I64(i64),
    U32(u32),
    U64(u64),
    Enum(i32),
    Message(DynMessage<'a>),
    List(Vec<Value<'a>>),
}

impl<'a> Value<'a> {
    /// The text; none for a value of another type.
    pub(crate) fn as_text(&self) -> Option<&str> {
        if let Self::Text(it) = self { Some(it) } else { None }
    }

    /// The message; none for a value of another type.
    pub(crate) fn as_message(&self) -> Option<&DynMessage<'a>> {
        if let Self::Message(it) = self { Some(it) } else { None }
    }

    /// The message, mutable; none for a value of another type.
    pub(crate) fn as_message_mut(&mut self) -> Option<&mut DynMessage<'a>> {
        if let Self::Message(it) = self { Some(it) } else { None }
    }

    /// The items; none for a value that is no list.
    pub(crate) fn as_list(&self) -> Option<&[Value<'a>]> {
        if let Self::List(it) = self { Some(it) } else { None }
    }

    /// The enum number; none for a value of another type.
    pub(crate) fn as_enum(&self) -> Option<i32> {
        if let Self::Enum(it) = self { Some(*it) } else { None }
    }

    /// The number; none for a value that is no unsigned integer.
    pub(crate) fn as_unsigned(&self) -> Option<u64> {
        match self {
            Self::U32(it) => Some(u64::from(*it)),
            Self::U64(it) => Some(*it),
            Self::Text(_)
            | Self::Bytes(_)
            | Self::Bool(_)
            | Self::I32(_)
            | Self::I64(_)
            | Self::Enum(_)
            | Self::Message(_)
            | Self::List(_) => None,
        }
    }

    /// True for the default of its type. Proto3 does not distinguish a default from an absent
    /// field, so a default counts as absent everywhere.
    pub(crate) fn is_default(&self) -> bool {
        match self {
            Self::Text(it) => it.is_empty(),
            Self::Bytes(it) => it.is_empty(),
            Self::Bool(it) => !it,
            Self::I32(it) | Self::Enum(it) => *it == 0,
            Self::I64(it) => *it == 0,
            Self::U32(it) => *it == 0,
            Self::U64(it) => *it == 0,
            Self::Message(_) => false,
            Self::List(it) => it.is_empty(),
        }
    }

    /// True when a singular field, or one item of a repeated field, of this type accepts the value.
    pub(crate) fn fits(&self, field_type: FieldType) -> bool {
        match self {
            Self::Text(_) => field_type == FieldType::Text,
            Self::Bytes(_) => field_type == FieldType::Bytes,
            Self::Bool(_) => field_type == FieldType::Bool,
            Self::I32(_) => field_type == FieldType::Int32,
            Self::I64(_) => field_type == FieldType::Int64,
            Self::U32(_) => field_type == FieldType::Uint32,
            Self::U64(_) => field_type == FieldType::Uint64,
            Self::Enum(_) => matches!(field_type, FieldType::Enum(_)),
            Self::Message(_) => matches!(field_type, FieldType::Message(_)),
            Self::List(_) => false,
        }
    }
}

/// A message: the values that were set, sorted by the index of their field in the schema.
#[derive(Clone, Debug)]
pub(crate) struct DynMessage<'a> {
    pub(crate) schema: &'static MessageSchema,
    values: Vec<(u16, Value<'a>)>,
}

impl PartialEq for DynMessage<'_> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.schema, other.schema) && self.values == other.values
    }
}

impl<'a> DynMessage<'a> {
    /// A message with no field set.
    pub(crate) fn new(schema: &'static MessageSchema) -> Self {
        Self { schema, values: Vec::new() }
    }

    /// The value of a field; none when it is absent or the default.
    pub(crate) fn get(&self, field: &FieldSchema) -> Option<&Value<'a>> {
        let position = self.position(field.index).ok()?;
        self.values.get(position).map(|(_, it)| it).filter(|it| !it.is_default())
    }

    /// The value of the field of this name; none when it is absent or the default.
    pub(crate) fn get_by_name(&self, name: &str) -> Option<&Value<'a>> {
        self.get(self.schema.field(name)?)
    }

    /// The text of the field of this name; empty when it is absent.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.get_by_name(name).and_then(Value::as_text).unwrap_or_default()
    }

    /// The fields that are present, in the order of their numbers.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&'static FieldSchema, &Value<'a>)> {
        let fields = &self.schema.fields;
        self.values
            .iter()
            .filter(|(_, it)| !it.is_default())
            .filter_map(|(index, it)| Some((fields.get(usize::from(*index))?, it)))
    }

    /// Every value that was set, defaults included, by the index of its field.
    pub(crate) fn indexed_values(&self) -> &[(u16, Value<'a>)] {
        &self.values
    }

    /// True when no field is present.
    pub(crate) fn is_empty(&self) -> bool {
        self.values.iter().all(|(_, it)| it.is_default())
    }

    /// Sets a field.
    pub(crate) fn set(&mut self, field: &FieldSchema, value: Value<'a>) {
        match self.position(field.index) {
            Ok(position) => {
                if let Some((_, it)) = self.values.get_mut(position) {
                    *it = value;
                }
            }
            Err(position) => self.insert(position, field, value),
        }
    }

    /// Sets the field of this name; does nothing when the schema has none.
    pub(crate) fn set_by_name(&mut self, name: &str, value: Value<'a>) {
        if let Some(field) = self.schema.field(name) {
            self.set(field, value);
        }
    }

    /// The message in a field, created when it is absent.
    pub(crate) fn message_mut(&mut self, field: &FieldSchema) -> Option<&mut DynMessage<'a>> {
        let schema = field.message_schema()?;
        self.entry(field, || Value::Message(DynMessage::new(schema)))?.as_message_mut()
    }

    /// The list in a field, created when it is absent.
    pub(crate) fn list_mut(&mut self, field: &FieldSchema) -> Option<&mut Vec<Value<'a>>> {
        let list = self.entry(field, || Value::List(Vec::new()))?;
        if let Value::List(items) = list { Some(items) } else { None }
    }

    fn entry(
        &mut self,
        field: &FieldSchema,
        missing: impl FnOnce() -> Value<'a>,
    ) -> Option<&mut Value<'a>> {
        let position = match self.position(field.index) {
            Ok(position) => position,
            Err(position) => {
                self.insert(position, field, missing());
                position
            }
        };
        self.values.get_mut(position).map(|(_, it)| it)
    }

    fn insert(&mut self, position: usize, field: &FieldSchema, value: Value<'a>) {
        if self.values.capacity() == 0 {
            self.values.reserve_exact(self.schema.fields.len().div_ceil(2).max(4));
        }
        self.values.insert(position, (field.index, value));
    }

    /// Position of a field among the values, or the position to insert it at. Readers set fields
    /// mostly in schema order, so the end is tried before the binary search.
    fn position(&self, field_index: u16) -> Result<usize, usize> {
        match self.values.last() {
            Some((last, _)) if *last < field_index => Err(self.values.len()),
            _ => self.values.binary_search_by_key(&field_index, |(it, _)| *it),
        }
    }
}
