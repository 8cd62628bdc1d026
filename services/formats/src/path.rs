//! Canonical paths: fields found by name, and which item of a list is meant.

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};

use crate::mistake::{Words, nearest};

/// Which item of a repeated field.
#[derive(Clone, Debug)]
pub(crate) enum Selector {
    /// The first one.
    First,
    /// Those whose enum has this value; set when one is made.
    Equals(FieldDescriptor, i32),
    /// Those that have this field.
    Has(FieldDescriptor),
    /// The extra of this owner and name.
    Extra(String, String),
}

/// One step of a path.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) field: FieldDescriptor,
    pub(crate) selector: Option<Selector>,
}

/// Steps from a message to a value.
pub(crate) type Path = Vec<Segment>;

/// Reads a path in a message.
pub(crate) fn parse(text: &str, from: &MessageDescriptor) -> Result<Path, Words> {
    let mut path = Vec::new();
    let mut message = Some(from.clone());
    for step in steps(text) {
        let (name, chosen) = match step.split_once('[') {
            Some((name, rest)) => (name, Some(rest.trim_end_matches(']'))),
            None => (step, None),
        };
        let within = message.take().ok_or_else(|| {
            Words::new(
                format!("trước `{name}` là một giá trị, bên trong không có gì"),
                format!("nothing is inside a value before `{name}`"),
            )
        })?;
        let field = within.get_field_by_name(name).ok_or_else(|| unknown(name, &within))?;
        if let Kind::Message(inner) = field.kind() {
            message = Some(inner);
        }
        let selector = chosen.map(|it| selector(it, &field)).transpose()?;
        if selector.is_some() && !field.is_list() {
            return Err(Words::new(
                format!("`{name}` là trường đơn, không có phần tử"),
                format!("`{name}` is a single field and has no items"),
            ));
        }
        path.push(Segment { field, selector });
    }
    Ok(path)
}

fn steps(text: &str) -> Vec<&str> {
    let mut steps = Vec::new();
    let (mut begin, mut depth) = (0, 0);
    for (place, letter) in text.char_indices() {
        match letter {
            '[' => depth += 1,
            ']' => depth -= 1,
            '.' if depth == 0 => {
                steps.extend(text.get(begin..place));
                begin = place + 1;
            }
            _ => {}
        }
    }
    steps.extend(text.get(begin..).filter(|it| !it.is_empty()));
    steps
}

fn unknown(name: &str, within: &MessageDescriptor) -> Words {
    let names: Vec<_> = within.fields().map(|it| it.name().to_owned()).collect();
    let (meant, of) = (nearest(name, &names), within.name());
    let known = names.join(", ");
    Words::new(
        format!("{of} không có trường `{name}`{}; có {known}", meant.vi),
        format!("{of} has no field `{name}`{}; it has {known}", meant.en),
    )
}

fn selector(text: &str, field: &FieldDescriptor) -> Result<Selector, Words> {
    if text == "0" {
        return Ok(Selector::First);
    }
    let Kind::Message(item) = field.kind() else {
        let name = field.name();
        return Err(Words::new(
            format!("phần tử của `{name}` không có trường"),
            format!("items of `{name}` have no fields"),
        ));
    };
    if field.name() == "extras" {
        let wrong = || Words::new("extra phải là chủ.tên", "an extra is owner.name");
        let (owner, name) = text.split_once('.').ok_or_else(wrong)?;
        return Ok(Selector::Extra(owner.to_owned(), name.to_owned()));
    }
    let (name, value) = text.split_once('=').map_or((text, None), |(name, it)| (name, Some(it)));
    let of = item.get_field_by_name(name).ok_or_else(|| unknown(name, &item))?;
    let Some(value) = value else { return Ok(Selector::Has(of)) };
    let Kind::Enum(names) = of.kind() else {
        return Err(Words::new(
            format!("`{name}` không phải enum"),
            format!("`{name}` is no enum"),
        ));
    };
    let number = names.get_value_by_name(value).ok_or_else(|| {
        let all: Vec<_> = names.values().map(|it| it.name().to_owned()).collect();
        let meant = nearest(value, &all);
        Words::new(
            format!("`{value}` không thuộc {}{}", names.name(), meant.vi),
            format!("`{value}` is no value of {}{}", names.name(), meant.en),
        )
    })?;
    Ok(Selector::Equals(of, number.number()))
}

/// True for an item that the selector means.
pub(crate) fn admits(selector: Option<&Selector>, item: &Value) -> bool {
    let Some(message) = item.as_message() else { return selector.is_none() };
    match selector {
        None | Some(Selector::First) => true,
        Some(Selector::Equals(field, number)) => {
            message.get_field(field).as_enum_number() == Some(*number)
        }
        Some(Selector::Has(field)) => message.has_field(field),
        Some(Selector::Extra(owner, name)) => {
            let is = |field: &str, value: &str| {
                message.get_field_by_name(field).is_some_and(|it| it.as_str() == Some(value))
            };
            is("owner", owner) && is("name", name)
        }
    }
}

/// A new item that the selector means.
pub(crate) fn fresh(selector: Option<&Selector>, item: &MessageDescriptor) -> DynamicMessage {
    let mut message = DynamicMessage::new(item.clone());
    match selector {
        Some(Selector::Equals(field, number)) => {
            message.set_field(field, Value::EnumNumber(*number));
        }
        Some(Selector::Extra(owner, name)) => {
            message.set_field_by_name("owner", Value::String(owner.clone()));
            message.set_field_by_name("name", Value::String(name.clone()));
            message.set_field_by_name("type", Value::String("text".to_owned()));
        }
        Some(Selector::First | Selector::Has(_)) | None => {}
    }
    message
}

/// What is seen of the value at the end of a path; none when it is absent. Copies nothing.
pub(crate) fn find<T>(
    message: &DynamicMessage,
    path: &[Segment],
    see: impl FnOnce(&Value) -> T,
) -> Option<T> {
    let (first, rest) = path.split_first()?;
    if !message.has_field(&first.field) {
        return None;
    }
    let held = message.get_field(&first.field);
    let value: &Value = if first.field.is_list() && (first.selector.is_some() || !rest.is_empty()) {
        held.as_list()?.iter().find(|it| admits(first.selector.as_ref(), it))?
    } else {
        &held
    };
    if rest.is_empty() { Some(see(value)) } else { find(value.as_message()?, rest, see) }
}

/// The value at the end of a path; none when it is absent.
pub(crate) fn get(message: &DynamicMessage, path: &[Segment]) -> Option<Value> {
    find(message, path, Value::clone)
}

/// The list at the end of a path, whichever items are meant, made where it is missing.
pub(crate) fn list_mut<'m>(
    message: &'m mut DynamicMessage,
    path: &[Segment],
) -> Option<&'m mut Vec<Value>> {
    let (first, rest) = path.split_first()?;
    let value = message.get_field_mut(&first.field);
    if rest.is_empty() {
        return value.as_list_mut();
    }
    let inside = if first.field.is_list() {
        let Kind::Message(inner) = first.field.kind() else { return None };
        let (selector, items) = (first.selector.as_ref(), value.as_list_mut()?);
        let place = items.iter().position(|it| admits(selector, it)).unwrap_or_else(|| {
            items.push(Value::Message(fresh(selector, &inner)));
            items.len() - 1
        });
        items.get_mut(place)?.as_message_mut()
    } else {
        value.as_message_mut()
    };
    list_mut(inside?, rest)
}

/// Sets the value at the end of a path, making what is on the way.
pub(crate) fn set(message: &mut DynamicMessage, path: &[Segment], value: Value) {
    let Some((first, rest)) = path.split_first() else { return };
    if rest.is_empty() && first.selector.is_none() {
        // What does not fit is caught when a description is compiled.
        if value.is_valid_for_field(&first.field) {
            message.set_field(&first.field, value);
        }
        return;
    }
    let Kind::Message(inner) = first.field.kind() else { return };
    if !first.field.is_list() {
        if let Some(inside) = message.get_field_mut(&first.field).as_message_mut() {
            set(inside, rest, value);
        }
        return;
    }
    let selector = first.selector.as_ref();
    let Some(items) = message.get_field_mut(&first.field).as_list_mut() else { return };
    let place = items.iter().position(|it| admits(selector, it)).unwrap_or_else(|| {
        items.push(Value::Message(fresh(selector, &inner)));
        items.len() - 1
    });
    if rest.is_empty() {
        if value.is_valid(&first.field.kind()) {
            items[place] = value;
        }
    } else if let Some(inside) = items[place].as_message_mut() {
        set(inside, rest, value);
    }
}

/// Every value of a message by its path, texts and numbers as text.
pub(crate) fn leaves(message: &DynamicMessage) -> Vec<(String, String)> {
    let mut found = Vec::new();
    collect(message, "", &mut found);
    found
}

fn collect(message: &DynamicMessage, within: &str, into: &mut Vec<(String, String)>) {
    for (field, value) in message.fields() {
        let name = if within.is_empty() {
            field.name().to_owned()
        } else {
            format!("{within}.{}", field.name())
        };
        let Some(items) = value.as_list() else {
            leaf(&field, value, name, into);
            continue;
        };
        for (place, item) in items.iter().enumerate() {
            leaf(&field, item, format!("{name}[{place}]"), into);
        }
    }
}

pub(crate) fn leaf(
    field: &FieldDescriptor,
    value: &Value,
    name: String,
    into: &mut Vec<(String, String)>,
) {
    let text = match value {
        Value::Message(message) => {
            let before = into.len();
            collect(message, &name, into);
            if into.len() == before {
                into.push((name, String::new()));
            }
            return;
        }
        Value::EnumNumber(number) => {
            let named = field.kind().as_enum().and_then(|it| it.get_value(*number));
            named.map_or_else(|| number.to_string(), |it| it.name().to_owned())
        }
        Value::String(text) => text.clone(),
        Value::Bytes(bytes) => bytes.iter().map(|it| format!("{it:02x}")).collect(),
        Value::Bool(flag) => flag.to_string(),
        Value::I32(number) => number.to_string(),
        Value::I64(number) => number.to_string(),
        Value::U32(number) => number.to_string(),
        Value::U64(number) => number.to_string(),
        Value::F32(_) | Value::F64(_) | Value::List(_) | Value::Map(_) => String::new(),
    };
    into.push((name, text));
}

/// The descriptor of the message a path leads to, or of its items.
pub(crate) fn target(path: &[Segment], from: &MessageDescriptor) -> Option<MessageDescriptor> {
    match path.last() {
        None => Some(from.clone()),
        Some(last) => last.field.kind().as_message().cloned(),
    }
}
