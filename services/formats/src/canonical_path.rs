//! Canonical paths: field names from a message to a value, with selectors for items of lists.

use std::borrow::Cow;

use proto::fault::code;

use crate::diagnostic::{Defect, suggest_or_list};
use crate::model::{DynMessage, FieldSchema, MessageSchema, Value};

/// Selects items of a repeated field.
#[derive(Clone, Debug)]
pub(crate) enum Selector {
    /// The first item.
    First,
    /// Items whose enum field has this value; a new item gets it.
    Equals(&'static FieldSchema, i32),
    /// Items in which this field is present.
    Has(&'static FieldSchema),
    /// The `Extra` of this owner and name.
    Extra(String, String),
}

/// A field name with its selector.
#[derive(Clone, Debug)]
pub(crate) struct PathSegment {
    pub(crate) field: &'static FieldSchema,
    pub(crate) selector: Option<Selector>,
}

/// Segments from a message to a value.
pub(crate) type CanonicalPath = Vec<PathSegment>;

/// Parses a path that starts at a message type.
pub(crate) fn parse_path(
    text: &str,
    from: &'static MessageSchema,
) -> Result<CanonicalPath, Defect> {
    let mut path = Vec::new();
    let mut message = Some(from);
    for segment in split_segments(text) {
        let (name, selector_text) = match segment.split_once('[') {
            Some((name, rest)) => (name, Some(rest.trim_end_matches(']'))),
            None => (segment, None),
        };
        let within = message.take().ok_or_else(|| {
            Defect::new(
                &code::LT_FMT_005,
                format!("trước `{name}` là một giá trị, bên trong không có gì"),
                format!("nothing is inside a value before `{name}`"),
            )
        })?;
        let field = within.field(name).ok_or_else(|| unknown_field(name, within))?;
        message = field.message_schema();
        let selector = selector_text.map(|it| parse_selector(it, field)).transpose()?;
        if selector.is_some() && !field.is_list {
            return Err(Defect::new(
                &code::LT_FMT_005,
                format!("`{name}` là trường đơn, không có phần tử"),
                format!("`{name}` is a single field and has no items"),
            ));
        }
        path.push(PathSegment { field, selector });
    }
    Ok(path)
}

/// Splits at the dots outside brackets: the name in an extra's selector contains one.
fn split_segments(text: &str) -> Vec<&str> {
    let mut segments = Vec::new();
    let (mut begin, mut depth) = (0, 0);
    for (at, letter) in text.char_indices() {
        match letter {
            '[' => depth += 1,
            ']' => depth -= 1,
            '.' if depth == 0 => {
                segments.extend(text.get(begin..at));
                begin = at + 1;
            }
            _ => {}
        }
    }
    segments.extend(text.get(begin..).filter(|it| !it.is_empty()));
    segments
}

/// A canonical path without its selectors.
pub(crate) fn strip_selectors(path: &str) -> String {
    let mut depth = 0;
    let is_outside = |it: &char| {
        match it {
            '[' => depth += 1,
            ']' => {
                depth -= 1;
                return false;
            }
            _ => {}
        }
        depth == 0
    };
    path.chars().filter(is_outside).collect()
}

fn unknown_field(name: &str, within: &MessageSchema) -> Defect {
    let names: Vec<_> = within.fields.iter().map(|it| it.name.as_str()).collect();
    let (hint, of) = (suggest_or_list(name, &names, ("có", "it has")), &within.name);
    Defect::new(
        &code::LT_FMT_005,
        format!("{of} không có trường `{name}`{}", hint.vi),
        format!("{of} has no field `{name}`{}", hint.en),
    )
}

fn parse_selector(text: &str, field: &FieldSchema) -> Result<Selector, Defect> {
    if text == "0" {
        return Ok(Selector::First);
    }
    let Some(item) = field.message_schema() else {
        let name = &field.name;
        return Err(Defect::new(
            &code::LT_FMT_005,
            format!("phần tử của `{name}` không có trường"),
            format!("items of `{name}` have no fields"),
        ));
    };
    if field.name == "extras" {
        let malformed =
            || Defect::new(&code::LT_FMT_005, "extra phải là chủ.tên", "an extra is owner.name");
        let (owner, name) = text.split_once('.').ok_or_else(malformed)?;
        return Ok(Selector::Extra(owner.to_owned(), name.to_owned()));
    }
    let (name, value) = text.split_once('=').map_or((text, None), |(name, it)| (name, Some(it)));
    let item_field = item.field(name).ok_or_else(|| unknown_field(name, item))?;
    let Some(value) = value else { return Ok(Selector::Has(item_field)) };
    let Some(schema) = item_field.enum_schema() else {
        return Err(Defect::new(
            &code::LT_FMT_005,
            format!("`{name}` không phải enum"),
            format!("`{name}` is no enum"),
        ));
    };
    let number = schema.number(value).ok_or_else(|| {
        let all: Vec<_> = schema.values.iter().map(|(_, it)| it.as_str()).collect();
        let (hint, of) = (suggest_or_list(value, &all, ("có", "there are")), &schema.name);
        Defect::new(
            &code::LT_FMT_005,
            format!("`{value}` không thuộc {of}{}", hint.vi),
            format!("`{value}` is no value of {of}{}", hint.en),
        )
    })?;
    Ok(Selector::Equals(item_field, number))
}

/// True for an item that the selector selects; without a selector every item is selected.
pub(crate) fn selects(selector: Option<&Selector>, item: &Value<'_>) -> bool {
    let Some(message) = item.as_message() else { return selector.is_none() };
    match selector {
        None | Some(Selector::First) => true,
        Some(Selector::Equals(field, number)) => {
            message.get(field).and_then(Value::as_enum).unwrap_or_default() == *number
        }
        Some(Selector::Has(field)) => message.get(field).is_some(),
        Some(Selector::Extra(owner, name)) => {
            message.text("owner") == owner && message.text("name") == name
        }
    }
}

/// A new item that the selector selects.
pub(crate) fn new_item<'p>(
    selector: Option<&'p Selector>,
    item: &'static MessageSchema,
) -> DynMessage<'p> {
    let mut message = DynMessage::new(item);
    match selector {
        Some(Selector::Equals(field, number)) => message.set(field, Value::Enum(*number)),
        Some(Selector::Extra(owner, name)) => {
            message.set_by_name("owner", Value::Text(Cow::Borrowed(owner)));
            message.set_by_name("name", Value::Text(Cow::Borrowed(name)));
            message.set_by_name("type", Value::Text(Cow::Borrowed("text")));
        }
        Some(Selector::First | Selector::Has(_)) | None => {}
    }
    message
}

/// The value at the end of a path; none when it is absent.
pub(crate) fn find_value<'r, 'a>(
    message: &'r DynMessage<'a>,
    path: &[PathSegment],
) -> Option<&'r Value<'a>> {
    let (first, rest) = path.split_first()?;
    let value = message.get(first.field)?;
    let value = if first.field.is_list && (first.selector.is_some() || !rest.is_empty()) {
        value.as_list()?.iter().find(|it| selects(first.selector.as_ref(), it))?
    } else {
        value
    };
    if rest.is_empty() { Some(value) } else { find_value(value.as_message()?, rest) }
}

/// All items of the list at the end of a path; the selector of the last segment does not apply.
pub(crate) fn find_list<'r, 'a>(
    message: &'r DynMessage<'a>,
    path: &[PathSegment],
) -> &'r [Value<'a>] {
    let Some((last, parents)) = path.split_last() else { return &[] };
    let parent = if parents.is_empty() {
        Some(message)
    } else {
        find_value(message, parents).and_then(Value::as_message)
    };
    parent.and_then(|it| it.get(last.field)?.as_list()).unwrap_or_default()
}

/// The list at the end of a path; missing messages and the list are created.
pub(crate) fn find_list_mut<'m, 'a>(
    message: &'m mut DynMessage<'a>,
    path: &'a [PathSegment],
) -> Option<&'m mut Vec<Value<'a>>> {
    let (first, rest) = path.split_first()?;
    if rest.is_empty() {
        return message.list_mut(first.field);
    }
    find_list_mut(message_at(message, first)?, rest)
}

/// Sets the value at the end of a path; missing messages and items are created. A value of another
/// type is ignored: `plan/check.rs` rejects such a rule when the description is compiled.
pub(crate) fn set_value<'a>(
    message: &mut DynMessage<'a>,
    path: &'a [PathSegment],
    value: Value<'a>,
) {
    let Some((first, rest)) = path.split_first() else { return };
    if !rest.is_empty() {
        if let Some(inner) = message_at(message, first) {
            set_value(inner, rest, value);
        }
    } else if first.selector.is_none() {
        let fits = match value.as_list() {
            Some(items) => {
                first.field.is_list && items.iter().all(|it| it.fits(first.field.field_type))
            }
            None => !first.field.is_list && value.fits(first.field.field_type),
        };
        if fits {
            message.set(first.field, value);
        }
    } else if value.fits(first.field.field_type)
        && let Some(item) = item_at(message, first)
    {
        *item = value;
    }
}

/// The message that a segment refers to, created when it is missing.
pub(crate) fn message_at<'m, 'a>(
    message: &'m mut DynMessage<'a>,
    segment: &'a PathSegment,
) -> Option<&'m mut DynMessage<'a>> {
    if segment.field.is_list {
        item_at(message, segment)?.as_message_mut()
    } else {
        message.message_mut(segment.field)
    }
}

/// The item that a segment selects, created when it is missing.
fn item_at<'m, 'a>(
    message: &'m mut DynMessage<'a>,
    segment: &'a PathSegment,
) -> Option<&'m mut Value<'a>> {
    let (selector, schema) = (segment.selector.as_ref(), segment.field.message_schema()?);
    let items = message.list_mut(segment.field)?;
    let index = items.iter().position(|it| selects(selector, it)).unwrap_or_else(|| {
        items.push(Value::Message(new_item(selector, schema)));
        items.len() - 1
    });
    items.get_mut(index)
}

/// The message type at the end of a path, or that of the items of a list; none for other values.
pub(crate) fn target_schema(
    path: &[PathSegment],
    from: &'static MessageSchema,
) -> Option<&'static MessageSchema> {
    match path.last() {
        None => Some(from),
        Some(last) => last.field.message_schema(),
    }
}
