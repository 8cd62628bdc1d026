//! Schemas of the canonical model's messages, built once from the contracts' descriptors.

use std::collections::HashMap;
use std::sync::OnceLock;

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind as ProtoType, MessageDescriptor};

/// Name and fields of a message type.
#[derive(Debug)]
pub(crate) struct MessageSchema {
    pub(crate) name: String,
    /// Ascending by number.
    pub(crate) fields: Vec<FieldSchema>,
    /// By field number: the field's index plus one; 0 for a number without a field.
    index_by_number: Vec<u16>,
}

/// Name, number and type of a field.
#[derive(Debug)]
pub(crate) struct FieldSchema {
    /// Index in [`MessageSchema::fields`].
    pub(crate) index: u16,
    pub(crate) name: String,
    pub(crate) number: u32,
    pub(crate) field_type: FieldType,
    pub(crate) is_list: bool,
    /// Loss reports and rules cover the field. False for leftovers and for the directory key, which
    /// the mapping service fills in; neither reaches a receiver.
    pub(crate) is_reported: bool,
    /// A shortened value still says the same, only less. Every other text identifies something, and
    /// shortened it would identify something else.
    pub(crate) is_descriptive: bool,
}

/// Names of the text fields that describe. A field that is not listed identifies, so that a new
/// field is never cut because nobody thought of it.
const DESCRIPTIVE: [&str; 30] = [
    "address",
    "annex_titles",
    "authority",
    "basis",
    "description",
    "detail",
    "ends_when",
    "full_name",
    "keywords",
    "message",
    "name",
    "note",
    "parent_name",
    "place",
    "places",
    "position",
    "reason",
    "recipient_name",
    "register",
    "remedy_en",
    "remedy_vi",
    "scope",
    "subject",
    "summary",
    "text",
    "text_en",
    "text_vi",
    "title",
    "typist_mark",
    "unit",
];

/// Type of a singular field, or of the items of a repeated one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldType {
    Text,
    Bytes,
    Bool,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Enum(usize),
    Message(usize),
    /// A protobuf type that no field of the model has.
    Other,
}

/// Name and values of an enum type.
#[derive(Debug)]
pub(crate) struct EnumSchema {
    pub(crate) name: String,
    pub(crate) values: Vec<(i32, String)>,
}

impl EnumSchema {
    /// The number of the value of this name.
    pub(crate) fn number(&self, name: &str) -> Option<i32> {
        self.values.iter().find(|(_, it)| it == name).map(|(number, _)| *number)
    }

    /// The name of the value of this number.
    pub(crate) fn value_name(&self, number: i32) -> Option<&str> {
        self.values.iter().find(|(it, _)| *it == number).map(|(_, name)| name.as_str())
    }
}

#[derive(Debug, Default)]
struct Model {
    messages: Vec<MessageSchema>,
    enums: Vec<EnumSchema>,
}

static MODEL: OnceLock<Model> = OnceLock::new();

fn model() -> &'static Model {
    MODEL.get_or_init(|| {
        let mut builder = SchemaBuilder::default();
        for name in ["Document", "Status", "DeliveryReport"] {
            let name = format!("lienthong.canonical.v1.{name}");
            if let Some(it) = proto::descriptors().get_message_by_name(&name) {
                builder.add_message(&it);
            }
        }
        builder.model
    })
}

/// The schema of the message type of this name.
pub(crate) fn message_schema(name: &str) -> Option<&'static MessageSchema> {
    model().messages.iter().find(|it| it.name == name)
}

impl MessageSchema {
    /// The field of this name.
    pub(crate) fn field(&self, name: &str) -> Option<&FieldSchema> {
        self.fields.iter().find(|it| it.name == name)
    }

    /// The field of this number.
    pub(crate) fn field_by_number(&self, number: u64) -> Option<&FieldSchema> {
        let index = *self.index_by_number.get(usize::try_from(number).ok()?)?;
        self.fields.get(usize::from(index).checked_sub(1)?)
    }
}

impl FieldSchema {
    /// The schema of its messages; none for another type.
    pub(crate) fn message_schema(&self) -> Option<&'static MessageSchema> {
        let FieldType::Message(id) = self.field_type else { return None };
        model().messages.get(id)
    }

    /// The schema of its enum; none for another type.
    pub(crate) fn enum_schema(&self) -> Option<&'static EnumSchema> {
        let FieldType::Enum(id) = self.field_type else { return None };
        model().enums.get(id)
    }
}

/// Collects message and enum types by full name, so that recursive types terminate.
#[derive(Default)]
struct SchemaBuilder {
    model: Model,
    messages: HashMap<String, usize>,
    enums: HashMap<String, usize>,
}

impl SchemaBuilder {
    fn add_message(&mut self, descriptor: &MessageDescriptor) -> usize {
        if let Some(id) = self.messages.get(descriptor.full_name()) {
            return *id;
        }
        let id = self.model.messages.len();
        self.messages.insert(descriptor.full_name().to_owned(), id);
        let name = descriptor.name().to_owned();
        self.model.messages.push(MessageSchema {
            name,
            fields: Vec::new(),
            index_by_number: Vec::new(),
        });
        let mut all: Vec<_> = descriptor.fields().collect();
        all.sort_by_key(FieldDescriptor::number);
        let fields: Vec<FieldSchema> =
            (0_u16..).zip(&all).map(|(index, it)| self.field_schema(index, it)).collect();
        let numbers = 0..=fields.last().map_or(0, |it| it.number);
        let with_number = |number: u32| fields.iter().find(|it| it.number == number);
        let indexes = numbers.map(|it| with_number(it).map_or(0, |it| it.index + 1)).collect();
        if let Some(schema) = self.model.messages.get_mut(id) {
            (schema.fields, schema.index_by_number) = (fields, indexes);
        }
        id
    }

    fn field_schema(&mut self, index: u16, descriptor: &FieldDescriptor) -> FieldSchema {
        let field_type = match descriptor.kind() {
            ProtoType::String => FieldType::Text,
            ProtoType::Bytes => FieldType::Bytes,
            ProtoType::Bool => FieldType::Bool,
            ProtoType::Int32 => FieldType::Int32,
            ProtoType::Int64 => FieldType::Int64,
            ProtoType::Uint32 => FieldType::Uint32,
            ProtoType::Uint64 => FieldType::Uint64,
            ProtoType::Enum(it) => FieldType::Enum(self.add_enum(&it)),
            ProtoType::Message(it) if !descriptor.is_map() => {
                FieldType::Message(self.add_message(&it))
            }
            ProtoType::Message(_)
            | ProtoType::Double
            | ProtoType::Float
            | ProtoType::Sint32
            | ProtoType::Sint64
            | ProtoType::Fixed32
            | ProtoType::Fixed64
            | ProtoType::Sfixed32
            | ProtoType::Sfixed64 => FieldType::Other,
        };
        FieldSchema {
            index,
            name: descriptor.name().to_owned(),
            number: descriptor.number(),
            field_type,
            is_list: descriptor.is_list(),
            is_reported: !["leftovers", "directory_key"].contains(&descriptor.name()),
            is_descriptive: descriptor.parent_message().name() != "Extra"
                && DESCRIPTIVE.contains(&descriptor.name()),
        }
    }

    fn add_enum(&mut self, descriptor: &EnumDescriptor) -> usize {
        if let Some(id) = self.enums.get(descriptor.full_name()) {
            return *id;
        }
        let id = self.model.enums.len();
        self.enums.insert(descriptor.full_name().to_owned(), id);
        let values = descriptor.values().map(|it| (it.number(), it.name().to_owned())).collect();
        self.model.enums.push(EnumSchema { name: descriptor.name().to_owned(), values });
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of every descriptive field one exists, and of an extra nobody knows what it means.
    #[test]
    fn descriptive_fields_are_texts_of_the_model() {
        let all = || model().messages.iter().flat_map(|it| &it.fields);
        for name in DESCRIPTIVE {
            let mut fields = all().filter(|it| it.name == name && it.is_descriptive);
            assert!(fields.any(|it| it.field_type == FieldType::Text), "{name}");
        }
        let extra = message_schema("Extra").unwrap();
        assert!(extra.fields.iter().all(|it| !it.is_descriptive));
        for (message, field) in [
            ("Document", "id"),
            ("DocumentNumber", "number"),
            ("DocumentNumber", "notation"),
            ("DocumentNumber", "printed"),
            ("DocumentRef", "id"),
            ("OrganisationId", "value"),
            ("Organisation", "email"),
            ("Organisation", "phone"),
            ("Attachment", "id"),
            ("Attachment", "file_name"),
            ("Code", "code"),
        ] {
            let field = message_schema(message).unwrap().field(field).unwrap();
            assert!(!field.is_descriptive, "{message}.{}", field.name);
        }
    }

    /// A contract change that uses a type `DynMessage` cannot hold must fail here.
    #[test]
    fn every_field_of_the_model_has_a_supported_type() {
        let all = || model().messages.iter().flat_map(|it| &it.fields);
        assert!(all().count() > 100);
        for it in all() {
            assert_ne!(it.field_type, FieldType::Other, "{}", it.name);
            let is_plain =
                matches!(it.field_type, FieldType::Text | FieldType::Bytes | FieldType::Message(_));
            assert!(!it.is_list || is_plain, "{}: lists of numbers may be packed", it.name);
        }
        for message in ["Document", "Status", "DeliveryReport"] {
            let name = format!("lienthong.canonical.v1.{message}");
            let descriptor = proto::descriptors().get_message_by_name(&name).unwrap();
            assert_eq!(descriptor.oneofs().count(), 0, "{message}");
            let schema = message_schema(message).unwrap();
            assert_eq!(descriptor.fields().count(), schema.fields.len());
            for field in descriptor.fields() {
                let it = schema.field_by_number(field.number().into()).unwrap();
                assert_eq!((it.name.as_str(), it.is_list), (field.name(), field.is_list()));
            }
            assert!(schema.field_by_number(0).is_none() && schema.field_by_number(9_999).is_none());
        }
    }
}
