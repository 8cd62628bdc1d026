//! The canonical model's messages and fields, compiled from the contracts once.

use std::collections::HashMap;
use std::sync::OnceLock;

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind as Described, MessageDescriptor};

/// A message of the model.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) name: String,
    /// By their numbers, the smallest first.
    pub(crate) fields: Vec<Field>,
    /// The place of a field's number, and one; 0: there is no such field.
    numbers: Vec<u16>,
}

/// A field of a message.
#[derive(Debug)]
pub(crate) struct Field {
    /// Where it stands in its message.
    pub(crate) place: u16,
    pub(crate) name: String,
    pub(crate) number: u32,
    pub(crate) kind: Kind,
    pub(crate) is_list: bool,
    /// Leftovers and what the registry says are no receiver's.
    pub(crate) is_told: bool,
}

/// What a field, or an item of it, holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Bytes,
    Bool,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Enum(usize),
    Message(usize),
    /// The model has none of these.
    Other,
}

/// The names of an enum's values.
#[derive(Debug)]
pub(crate) struct Names {
    pub(crate) name: String,
    pub(crate) values: Vec<(i32, String)>,
}

impl Names {
    /// The number of a name.
    pub(crate) fn number(&self, name: &str) -> Option<i32> {
        self.values.iter().find(|(_, it)| it == name).map(|(number, _)| *number)
    }

    /// The name of a number.
    pub(crate) fn name(&self, number: i32) -> Option<&str> {
        self.values.iter().find(|(it, _)| *it == number).map(|(_, name)| name.as_str())
    }
}

#[derive(Debug, Default)]
struct Model {
    shapes: Vec<Shape>,
    enums: Vec<Names>,
}

static MODEL: OnceLock<Model> = OnceLock::new();

fn model() -> &'static Model {
    MODEL.get_or_init(|| {
        let mut learning = Learning::default();
        for name in ["Document", "Status"] {
            let name = format!("lienthong.canonical.v1.{name}");
            if let Some(it) = proto::descriptors().get_message_by_name(&name) {
                learning.message(&it);
            }
        }
        learning.model
    })
}

/// A message of the model by its name.
pub(crate) fn shape(name: &str) -> Option<&'static Shape> {
    model().shapes.iter().find(|it| it.name == name)
}

impl Shape {
    /// A field by its name.
    pub(crate) fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|it| it.name == name)
    }

    /// A field by its number.
    pub(crate) fn numbered(&self, number: u64) -> Option<&Field> {
        let place = *self.numbers.get(usize::try_from(number).ok()?)?;
        self.fields.get(usize::from(place).checked_sub(1)?)
    }
}

impl Field {
    /// The message it holds.
    pub(crate) fn shape(&self) -> Option<&'static Shape> {
        let Kind::Message(id) = self.kind else { return None };
        model().shapes.get(id)
    }

    /// The values it can have, for an enum.
    pub(crate) fn names(&self) -> Option<&'static Names> {
        let Kind::Enum(id) = self.kind else { return None };
        model().enums.get(id)
    }
}

/// Messages that are known already, by their full names.
#[derive(Default)]
struct Learning {
    model: Model,
    messages: HashMap<String, usize>,
    enums: HashMap<String, usize>,
}

impl Learning {
    fn message(&mut self, of: &MessageDescriptor) -> usize {
        if let Some(id) = self.messages.get(of.full_name()) {
            return *id;
        }
        let id = self.model.shapes.len();
        self.messages.insert(of.full_name().to_owned(), id);
        let name = of.name().to_owned();
        self.model.shapes.push(Shape { name, fields: Vec::new(), numbers: Vec::new() });
        let mut all: Vec<_> = of.fields().collect();
        all.sort_by_key(FieldDescriptor::number);
        let fields: Vec<Field> = (0_u16..).zip(&all).map(|(at, it)| self.field(at, it)).collect();
        let numbers = 0..=fields.last().map_or(0, |it| it.number);
        let place = |number: u32| fields.iter().find(|it| it.number == number);
        let numbers = numbers.map(|it| place(it).map_or(0, |it| it.place + 1)).collect();
        if let Some(shape) = self.model.shapes.get_mut(id) {
            (shape.fields, shape.numbers) = (fields, numbers);
        }
        id
    }

    fn field(&mut self, place: u16, of: &FieldDescriptor) -> Field {
        let kind = match of.kind() {
            Described::String => Kind::Text,
            Described::Bytes => Kind::Bytes,
            Described::Bool => Kind::Bool,
            Described::Int32 => Kind::Int32,
            Described::Int64 => Kind::Int64,
            Described::Uint32 => Kind::Uint32,
            Described::Uint64 => Kind::Uint64,
            Described::Enum(it) => Kind::Enum(self.names(&it)),
            Described::Message(it) if !of.is_map() => Kind::Message(self.message(&it)),
            Described::Message(_)
            | Described::Double
            | Described::Float
            | Described::Sint32
            | Described::Sint64
            | Described::Fixed32
            | Described::Fixed64
            | Described::Sfixed32
            | Described::Sfixed64 => Kind::Other,
        };
        Field {
            place,
            name: of.name().to_owned(),
            number: of.number(),
            kind,
            is_list: of.is_list(),
            is_told: !["leftovers", "directory_key"].contains(&of.name()),
        }
    }

    fn names(&mut self, of: &EnumDescriptor) -> usize {
        if let Some(id) = self.enums.get(of.full_name()) {
            return *id;
        }
        let id = self.model.enums.len();
        self.enums.insert(of.full_name().to_owned(), id);
        let values = of.values().map(|it| (it.number(), it.name().to_owned())).collect();
        self.model.enums.push(Names { name: of.name().to_owned(), values });
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the records cannot hold must not come into the model unseen.
    #[test]
    fn every_field_of_the_model_is_of_a_kind_that_records_hold() {
        let all = || model().shapes.iter().flat_map(|it| &it.fields);
        assert!(all().count() > 100);
        for it in all() {
            assert_ne!(it.kind, Kind::Other, "{}", it.name);
            let is_plain = matches!(it.kind, Kind::Text | Kind::Bytes | Kind::Message(_));
            assert!(!it.is_list || is_plain, "{}: lists of numbers may be packed", it.name);
        }
        for message in ["Document", "Status"] {
            let name = format!("lienthong.canonical.v1.{message}");
            let of = proto::descriptors().get_message_by_name(&name).unwrap();
            assert_eq!(of.oneofs().count(), 0, "{message}");
            let shape = shape(message).unwrap();
            assert_eq!(of.fields().count(), shape.fields.len());
            for field in of.fields() {
                let it = shape.numbered(field.number().into()).unwrap();
                assert_eq!((it.name.as_str(), it.is_list), (field.name(), field.is_list()));
            }
            assert!(shape.numbered(0).is_none() && shape.numbered(9_999).is_none());
        }
    }
}
