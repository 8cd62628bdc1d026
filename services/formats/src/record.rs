//! Messages of the canonical model as the engine holds them: fields by their places in the
//! schema, texts borrowed from wherever they stand.

use std::borrow::Cow;

mod schema;
mod wire;

pub(crate) use schema::{Field, Kind, Names, Shape, shape};
pub(crate) use wire::{decode, encode};

/// What a field holds.
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
    Message(Record<'a>),
    List(Vec<Value<'a>>),
}

impl<'a> Value<'a> {
    /// Its text.
    pub(crate) fn as_text(&self) -> Option<&str> {
        if let Self::Text(it) = self { Some(it) } else { None }
    }

    /// Its message.
    pub(crate) fn as_message(&self) -> Option<&Record<'a>> {
        if let Self::Message(it) = self { Some(it) } else { None }
    }

    /// Its message, to change.
    pub(crate) fn as_message_mut(&mut self) -> Option<&mut Record<'a>> {
        if let Self::Message(it) = self { Some(it) } else { None }
    }

    /// Its items.
    pub(crate) fn as_list(&self) -> Option<&[Value<'a>]> {
        if let Self::List(it) = self { Some(it) } else { None }
    }

    /// The number of its enum value.
    pub(crate) fn as_enum(&self) -> Option<i32> {
        if let Self::Enum(it) = self { Some(*it) } else { None }
    }

    /// Its number, where that has no sign.
    pub(crate) fn as_size(&self) -> Option<u64> {
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

    /// True for what is not said: protobuf does not tell it from a field that is absent.
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

    /// True for what an item of a field, or the field itself, may hold.
    pub(crate) fn fits(&self, kind: Kind) -> bool {
        match self {
            Self::Text(_) => kind == Kind::Text,
            Self::Bytes(_) => kind == Kind::Bytes,
            Self::Bool(_) => kind == Kind::Bool,
            Self::I32(_) => kind == Kind::Int32,
            Self::I64(_) => kind == Kind::Int64,
            Self::U32(_) => kind == Kind::Uint32,
            Self::U64(_) => kind == Kind::Uint64,
            Self::Enum(_) => matches!(kind, Kind::Enum(_)),
            Self::Message(_) => matches!(kind, Kind::Message(_)),
            Self::List(_) => false,
        }
    }
}

/// A message: what was set, by the places of its fields.
#[derive(Clone, Debug)]
pub(crate) struct Record<'a> {
    pub(crate) shape: &'static Shape,
    values: Vec<(u16, Value<'a>)>,
}

impl PartialEq for Record<'_> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.shape, other.shape) && self.values == other.values
    }
}

impl<'a> Record<'a> {
    /// Nothing is said yet.
    pub(crate) fn new(shape: &'static Shape) -> Self {
        Self { shape, values: Vec::new() }
    }

    /// What is said of a field; none when it is absent.
    pub(crate) fn get(&self, field: &Field) -> Option<&Value<'a>> {
        let place = self.place(field.place).ok()?;
        self.values.get(place).map(|(_, it)| it).filter(|it| !it.is_default())
    }

    /// The same by the field's name.
    pub(crate) fn named(&self, name: &str) -> Option<&Value<'a>> {
        self.get(self.shape.field(name)?)
    }

    /// The text of a field; empty when it is absent.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.named(name).and_then(Value::as_text).unwrap_or_default()
    }

    /// Every field that is said, in the order of their numbers.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&'static Field, &Value<'a>)> {
        let fields = &self.shape.fields;
        self.values
            .iter()
            .filter(|(_, it)| !it.is_default())
            .filter_map(|(place, it)| Some((fields.get(usize::from(*place))?, it)))
    }

    /// Everything that was set, defaults too, by the places of the fields.
    pub(crate) fn set_values(&self) -> &[(u16, Value<'a>)] {
        &self.values
    }

    /// True when no field is said.
    pub(crate) fn is_blank(&self) -> bool {
        self.values.iter().all(|(_, it)| it.is_default())
    }

    /// Says a field.
    pub(crate) fn set(&mut self, field: &Field, value: Value<'a>) {
        match self.place(field.place) {
            Ok(place) => {
                if let Some((_, it)) = self.values.get_mut(place) {
                    *it = value;
                }
            }
            Err(place) => self.insert(place, field, value),
        }
    }

    /// Says a field by its name.
    pub(crate) fn set_named(&mut self, name: &str, value: Value<'a>) {
        if let Some(field) = self.shape.field(name) {
            self.set(field, value);
        }
    }

    /// The message in a field, made where it is missing.
    pub(crate) fn message(&mut self, field: &Field) -> Option<&mut Record<'a>> {
        let shape = field.shape()?;
        self.entry(field, || Value::Message(Record::new(shape)))?.as_message_mut()
    }

    /// The list in a field, made where it is missing.
    pub(crate) fn list(&mut self, field: &Field) -> Option<&mut Vec<Value<'a>>> {
        let list = self.entry(field, || Value::List(Vec::new()))?;
        if let Value::List(items) = list { Some(items) } else { None }
    }

    fn entry(
        &mut self,
        field: &Field,
        missing: impl FnOnce() -> Value<'a>,
    ) -> Option<&mut Value<'a>> {
        let place = match self.place(field.place) {
            Ok(place) => place,
            Err(place) => {
                self.insert(place, field, missing());
                place
            }
        };
        self.values.get_mut(place).map(|(_, it)| it)
    }

    fn insert(&mut self, place: usize, field: &Field, value: Value<'a>) {
        if self.values.capacity() == 0 {
            self.values.reserve_exact(self.shape.fields.len().div_ceil(2).max(4));
        }
        self.values.insert(place, (field.place, value));
    }

    /// Where a field is, or would be.
    fn place(&self, place: u16) -> Result<usize, usize> {
        match self.values.last() {
            Some((last, _)) if *last < place => Err(self.values.len()),
            _ => self.values.binary_search_by_key(&place, |(it, _)| *it),
        }
    }
}
