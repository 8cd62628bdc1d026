//! Canonical paths over the published descriptors: `relations[kind=ANSWERS].target.id`.

use prost_reflect::{DynamicMessage, FieldDescriptor, MessageDescriptor, Value};

/// Which items of a list a step means.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Chosen {
    /// `[0]`: the first.
    First,
    /// `[kind=ANSWERS]`: those with this enum value; a new item gets it.
    Equals(String, i32),
    /// `[delta]`: those in which this field is present.
    Has(String),
    /// `[owner.name]`: the extra of this owner and name.
    Extra(String, String),
}

/// A field on a path.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Step {
    pub(super) field: FieldDescriptor,
    pub(super) chosen: Option<Chosen>,
}

/// Steps from a message to a value.
pub(super) type Path = Vec<Step>;

/// The steps of a path that begins at a message.
pub(super) fn parse(text: &str, from: &MessageDescriptor) -> Path {
    let (mut path, mut message, mut rest) = (Path::new(), Some(from.clone()), text);
    while !rest.is_empty() {
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let field = message.take().unwrap().get_field_by_name(name).unwrap();
        message = field.kind().as_message().cloned();
        rest = after;
        let mut chosen = None;
        if let Some((inside, after)) = rest.strip_prefix('[').and_then(|it| it.split_once(']')) {
            chosen = Some(parse_chosen(inside, &field));
            rest = after;
        }
        rest = rest.strip_prefix('.').unwrap_or(rest);
        path.push(Step { field, chosen });
    }
    path
}

fn parse_chosen(text: &str, field: &FieldDescriptor) -> Chosen {
    if text == "0" {
        return Chosen::First;
    }
    if field.name() == "extras" {
        let (owner, name) = text.split_once('.').unwrap();
        return Chosen::Extra(owner.to_owned(), name.to_owned());
    }
    let Some((name, value)) = text.split_once('=') else { return Chosen::Has(text.to_owned()) };
    let kind = field.kind();
    let kind = kind.as_message().unwrap().get_field_by_name(name).unwrap().kind();
    Chosen::Equals(
        name.to_owned(),
        kind.as_enum().unwrap().get_value_by_name(value).unwrap().number(),
    )
}

/// The type of the message at the end of a path; the message it begins at for an empty one.
pub(super) fn message_type(path: &[Step], from: &MessageDescriptor) -> Option<MessageDescriptor> {
    path.last().map_or_else(|| Some(from.clone()), |it| it.field.kind().as_message().cloned())
}

/// True for an item that a step means.
pub(super) fn is_chosen(chosen: Option<&Chosen>, item: &Value) -> bool {
    let Some(item) = item.as_message() else { return chosen.is_none() };
    match chosen {
        None | Some(Chosen::First) => true,
        Some(Chosen::Equals(name, number)) => {
            item.get_field_by_name(name).unwrap().as_enum_number() == Some(*number)
        }
        Some(Chosen::Has(name)) => item.has_field_by_name(name),
        Some(Chosen::Extra(owner, name)) => {
            text(item, "owner") == *owner && text(item, "name") == *name
        }
    }
}

/// The text of a field.
pub(super) fn text(message: &DynamicMessage, name: &str) -> String {
    let value = message.get_field_by_name(name);
    value.and_then(|it| it.as_str().map(str::to_owned)).unwrap_or_default()
}

/// A new item that a step means.
pub(super) fn new_item(chosen: Option<&Chosen>, of: &MessageDescriptor) -> DynamicMessage {
    let mut item = DynamicMessage::new(of.clone());
    match chosen {
        Some(Chosen::Equals(name, number)) => {
            item.set_field_by_name(name, Value::EnumNumber(*number));
        }
        Some(Chosen::Extra(owner, name)) => {
            for (field, text) in [("owner", owner.as_str()), ("name", name), ("type", "text")] {
                item.set_field_by_name(field, Value::String(text.to_owned()));
            }
        }
        Some(Chosen::First | Chosen::Has(_)) | None => {}
    }
    item
}

/// The value at the end of a path; none where it is absent. A default counts as absent.
pub(super) fn find(message: &DynamicMessage, path: &[Step]) -> Option<Value> {
    let (first, rest) = path.split_first()?;
    if !message.has_field(&first.field) {
        return None;
    }
    let value = message.get_field(&first.field).into_owned();
    let value = match value.as_list() {
        Some(items) if first.chosen.is_some() || !rest.is_empty() => {
            items.iter().find(|it| is_chosen(first.chosen.as_ref(), it))?.clone()
        }
        _ => value,
    };
    if rest.is_empty() { Some(value) } else { find(value.as_message()?, rest) }
}

/// The items of the list at the end of a path, whatever its last step chooses.
pub(super) fn items(message: &DynamicMessage, path: &[Step]) -> Vec<Value> {
    let (last, parents) = path.split_last().unwrap();
    let parent = match parents {
        [] => Some(message.clone()),
        _ => find(message, parents).and_then(|it| it.as_message().cloned()),
    };
    let list = parent.map(|it| it.get_field(&last.field).into_owned());
    list.and_then(|it| it.as_list().map(<[Value]>::to_vec)).unwrap_or_default()
}

/// Changes the message at the end of a path; missing messages and items are created.
pub(super) fn change(
    message: &mut DynamicMessage,
    path: &[Step],
    with: &mut dyn FnMut(&mut DynamicMessage),
) {
    let Some((first, rest)) = path.split_first() else { return with(message) };
    if !first.field.is_list() {
        let mut inner = message.get_field(&first.field).as_message().unwrap().clone();
        change(&mut inner, rest, with);
        return message.set_field(&first.field, Value::Message(inner));
    }
    let mut items = message.get_field(&first.field).as_list().unwrap().to_vec();
    let chosen = first.chosen.as_ref();
    let of = first.field.kind().as_message().unwrap().clone();
    let index = items.iter().position(|it| is_chosen(chosen, it)).unwrap_or_else(|| {
        items.push(Value::Message(new_item(chosen, &of)));
        items.len() - 1
    });
    change(items[index].as_message_mut().unwrap(), rest, with);
    message.set_field(&first.field, Value::List(items));
}

/// Sets the value at the end of a path; missing messages and items are created.
pub(super) fn set(message: &mut DynamicMessage, path: &[Step], value: &Value) {
    let (last, parents) = path.split_last().unwrap();
    match (&last.chosen, value) {
        // One item of a list: what is there is replaced.
        (Some(_), Value::Message(new)) => {
            change(message, path, &mut |it| *it = new.clone());
        }
        _ => change(message, parents, &mut |it| it.set_field(&last.field, value.clone())),
    }
}

/// Appends an item to the list at the end of a path.
pub(super) fn push(message: &mut DynamicMessage, path: &[Step], value: &Value) {
    let (last, parents) = path.split_last().unwrap();
    change(message, parents, &mut |it| {
        it.get_field_mut(&last.field).as_list_mut().unwrap().push(value.clone());
    });
}

/// Adds the values of another message; values that are present stay.
pub(super) fn complete(message: &mut DynamicMessage, other: &DynamicMessage) {
    for (field, value) in other.fields() {
        if !message.has_field(&field) {
            message.set_field(&field, value.clone());
        } else if let (Value::Message(inner), Value::Message(other)) =
            (message.get_field_mut(&field), value)
        {
            complete(inner, other);
        }
    }
}

/// True where two values of one field differ; messages, where a field that both have does.
pub(super) fn differ(value: &Value, other: &Value) -> bool {
    let (Some(message), Some(other)) = (value.as_message(), other.as_message()) else {
        return value != other;
    };
    let is_different = |(field, value): (FieldDescriptor, &Value)| {
        message.has_field(&field) && differ(&message.get_field(&field), value)
    };
    other.fields().any(is_different)
}
