//! Canonical paths: fields found by name, and which item of a list is meant.

use std::borrow::Cow;

use crate::mistake::{Words, nearest};
use crate::record::{Field, Record, Shape, Value};

/// Which item of a repeated field.
#[derive(Clone, Debug)]
pub(crate) enum Selector {
    /// The first one.
    First,
    /// Those whose enum has this value; set when one is made.
    Equals(&'static Field, i32),
    /// Those that have this field.
    Has(&'static Field),
    /// The extra of this owner and name.
    Extra(String, String),
}

/// One step of a path.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) field: &'static Field,
    pub(crate) selector: Option<Selector>,
}

/// Steps from a message to a value.
pub(crate) type Path = Vec<Segment>;

/// Reads a path in a message.
pub(crate) fn parse(text: &str, from: &'static Shape) -> Result<Path, Words> {
    let mut path = Vec::new();
    let mut message = Some(from);
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
        let field = within.field(name).ok_or_else(|| unknown(name, within))?;
        message = field.shape();
        let selector = chosen.map(|it| selector(it, field)).transpose()?;
        if selector.is_some() && !field.is_list {
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

fn unknown(name: &str, within: &Shape) -> Words {
    let names: Vec<_> = within.fields.iter().map(|it| it.name.as_str()).collect();
    let (meant, of) = (nearest(name, &names), &within.name);
    let known = names.join(", ");
    Words::new(
        format!("{of} không có trường `{name}`{}; có {known}", meant.vi),
        format!("{of} has no field `{name}`{}; it has {known}", meant.en),
    )
}

fn selector(text: &str, field: &Field) -> Result<Selector, Words> {
    if text == "0" {
        return Ok(Selector::First);
    }
    let Some(item) = field.shape() else {
        let name = &field.name;
        return Err(Words::new(
            format!("phần tử của `{name}` không có trường"),
            format!("items of `{name}` have no fields"),
        ));
    };
    if field.name == "extras" {
        let wrong = || Words::new("extra phải là chủ.tên", "an extra is owner.name");
        let (owner, name) = text.split_once('.').ok_or_else(wrong)?;
        return Ok(Selector::Extra(owner.to_owned(), name.to_owned()));
    }
    let (name, value) = text.split_once('=').map_or((text, None), |(name, it)| (name, Some(it)));
    let of = item.field(name).ok_or_else(|| unknown(name, item))?;
    let Some(value) = value else { return Ok(Selector::Has(of)) };
    let Some(names) = of.names() else {
        return Err(Words::new(
            format!("`{name}` không phải enum"),
            format!("`{name}` is no enum"),
        ));
    };
    let number = names.number(value).ok_or_else(|| {
        let all: Vec<_> = names.values.iter().map(|(_, it)| it.as_str()).collect();
        let (meant, of) = (nearest(value, &all), &names.name);
        Words::new(
            format!("`{value}` không thuộc {of}{}", meant.vi),
            format!("`{value}` is no value of {of}{}", meant.en),
        )
    })?;
    Ok(Selector::Equals(of, number))
}

/// True for an item that the selector means.
pub(crate) fn admits(selector: Option<&Selector>, item: &Value<'_>) -> bool {
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

/// A new item that the selector means.
pub(crate) fn fresh<'p>(selector: Option<&'p Selector>, item: &'static Shape) -> Record<'p> {
    let mut message = Record::new(item);
    match selector {
        Some(Selector::Equals(field, number)) => message.set(field, Value::Enum(*number)),
        Some(Selector::Extra(owner, name)) => {
            message.set_named("owner", Value::Text(Cow::Borrowed(owner)));
            message.set_named("name", Value::Text(Cow::Borrowed(name)));
            message.set_named("type", Value::Text(Cow::Borrowed("text")));
        }
        Some(Selector::First | Selector::Has(_)) | None => {}
    }
    message
}

/// The value at the end of a path; none when it is absent.
pub(crate) fn find<'r, 'a>(message: &'r Record<'a>, path: &[Segment]) -> Option<&'r Value<'a>> {
    let (first, rest) = path.split_first()?;
    let held = message.get(first.field)?;
    let value = if first.field.is_list && (first.selector.is_some() || !rest.is_empty()) {
        held.as_list()?.iter().find(|it| admits(first.selector.as_ref(), it))?
    } else {
        held
    };
    if rest.is_empty() { Some(value) } else { find(value.as_message()?, rest) }
}

/// The list at the end of a path, whichever items are meant.
pub(crate) fn list<'r, 'a>(message: &'r Record<'a>, path: &[Segment]) -> &'r [Value<'a>] {
    let Some((last, way)) = path.split_last() else { return &[] };
    let holder =
        if way.is_empty() { Some(message) } else { find(message, way).and_then(Value::as_message) };
    holder.and_then(|it| it.get(last.field)?.as_list()).unwrap_or_default()
}

/// The same list, made where it is missing.
pub(crate) fn list_mut<'m, 'a>(
    message: &'m mut Record<'a>,
    path: &'a [Segment],
) -> Option<&'m mut Vec<Value<'a>>> {
    let (first, rest) = path.split_first()?;
    if rest.is_empty() {
        return message.list(first.field);
    }
    list_mut(inside(message, first)?, rest)
}

/// Sets the value at the end of a path, making what is on the way. What does not fit is caught
/// when a description is compiled.
pub(crate) fn set<'a>(message: &mut Record<'a>, path: &'a [Segment], value: Value<'a>) {
    let Some((first, rest)) = path.split_first() else { return };
    if !rest.is_empty() {
        if let Some(inside) = inside(message, first) {
            set(inside, rest, value);
        }
    } else if first.selector.is_none() {
        let is_fit = match value.as_list() {
            Some(items) => first.field.is_list && items.iter().all(|it| it.fits(first.field.kind)),
            None => !first.field.is_list && value.fits(first.field.kind),
        };
        if is_fit {
            message.set(first.field, value);
        }
    } else if value.fits(first.field.kind)
        && let Some(item) = item(message, first)
    {
        *item = value;
    }
}

/// The message that a step of a path leads to, made where it is missing.
pub(crate) fn inside<'m, 'a>(
    message: &'m mut Record<'a>,
    step: &'a Segment,
) -> Option<&'m mut Record<'a>> {
    if step.field.is_list {
        item(message, step)?.as_message_mut()
    } else {
        message.message(step.field)
    }
}

/// The item that a step means, made where it is missing.
fn item<'m, 'a>(message: &'m mut Record<'a>, step: &'a Segment) -> Option<&'m mut Value<'a>> {
    let (selector, shape) = (step.selector.as_ref(), step.field.shape()?);
    let items = message.list(step.field)?;
    let place = items.iter().position(|it| admits(selector, it)).unwrap_or_else(|| {
        items.push(Value::Message(fresh(selector, shape)));
        items.len() - 1
    });
    items.get_mut(place)
}

/// The message a path leads to, or that of its items.
pub(crate) fn target(path: &[Segment], from: &'static Shape) -> Option<&'static Shape> {
    match path.last() {
        None => Some(from),
        Some(last) => last.field.shape(),
    }
}
