//! What writing did to a message: values that are lost, changed or added.

use std::borrow::Cow;
use std::collections::HashMap;

use proto::mapping::v1::{Loss, loss};

use crate::format::places::{Place, Places};
use crate::record::{Field, Record, Value};

/// Lost, changed and added leaves by their canonical paths; leftovers are not the receiver's.
/// Items of what is read bear the numbers they had in the message: an item that is missing takes
/// no number from the ones behind it, and what came in stands behind the last.
pub(crate) fn difference(message: &Record<'_>, read: &Record<'_>, places: &Places) -> Vec<Loss> {
    let mut found = Found { places, losses: Vec::new(), added: Vec::new() };
    found.records(Some(message), Some(read), None);
    found.losses.append(&mut found.added);
    found.losses
}

/// The way to a value; spelled out only where something differs.
#[derive(Clone, Copy)]
struct Way<'w> {
    within: Option<&'w Way<'w>>,
    field: &'w Field,
    number: Option<usize>,
}

impl Way<'_> {
    fn path(&self) -> String {
        let mut path = String::with_capacity(64);
        self.spell(&mut path);
        path
    }

    fn spell(&self, path: &mut String) {
        if let Some(within) = self.within {
            within.spell(path);
            path.push('.');
        }
        path.push_str(&self.field.name);
        if let Some(number) = self.number {
            path.push_str(&format!("[{number}]"));
        }
    }
}

struct Found<'p> {
    places: &'p Places,
    /// Lost and changed values, in the order of the message.
    losses: Vec<Loss>,
    /// Added ones, in the order of what is read.
    added: Vec<Loss>,
}

impl Found<'_> {
    fn lost(&mut self, way: &Way<'_>) {
        let path = way.path();
        let reason = why_lost(&path, self.places);
        self.losses.push(told(loss::Kind::Lost, path, reason, String::new()));
    }

    fn added(&mut self, way: &Way<'_>, value: String) {
        let path = way.path();
        let reason = why_added(&path, self.places);
        self.added.push(told(loss::Kind::Added, path, reason, value));
    }

    fn records(
        &mut self,
        was: Option<&Record<'_>>,
        is: Option<&Record<'_>>,
        within: Option<&Way<'_>>,
    ) {
        let mut old = was.into_iter().flat_map(Record::fields).peekable();
        let mut new = is.into_iter().flat_map(Record::fields).peekable();
        loop {
            let places = [old.peek().map(|(it, _)| it.place), new.peek().map(|(it, _)| it.place)];
            let Some(first) = places.into_iter().flatten().min() else { return };
            let was = old.next_if(|(it, _)| it.place == first);
            let is = new.next_if(|(it, _)| it.place == first);
            let Some((field, _)) = was.or(is).filter(|(it, _)| it.is_told) else { continue };
            let (was, is) = (was.map(|(_, it)| it), is.map(|(_, it)| it));
            let way = Way { within, field, number: None };
            if field.is_list {
                self.lists(was, is, way);
            } else {
                self.values(was, is, &way);
            }
        }
    }

    fn lists(&mut self, was: Option<&Value<'_>>, is: Option<&Value<'_>>, way: Way<'_>) {
        let old = was.and_then(Value::as_list).unwrap_or_default();
        let new = is.and_then(Value::as_list).unwrap_or_default();
        let numbered = |number: usize| Way { number: Some(number), ..way };
        if old.is_empty() || new.is_empty() || old.len() == new.len() {
            for number in 0..old.len().max(new.len()) {
                self.values(old.get(number), new.get(number), &numbered(number));
            }
            return;
        }
        let mut coming = numbers(old, new).into_iter().zip(new).peekable();
        for (number, item) in old.iter().enumerate() {
            let is = coming.next_if(|(it, _)| *it == number).map(|(_, it)| it);
            self.values(Some(item), is, &numbered(number));
        }
        for (number, item) in coming {
            self.values(None, Some(item), &numbered(number));
        }
    }

    fn values(&mut self, was: Option<&Value<'_>>, is: Option<&Value<'_>>, way: &Way<'_>) {
        let messages = [was, is].map(|it| it.and_then(Value::as_message));
        if let [None, None] = messages {
            match (was, is) {
                (Some(was), Some(is)) if was != is => {
                    let (path, text) = (way.path(), text(way.field, is));
                    let before = self::text(way.field, was);
                    let reason = why_changed((&path, &before), &text, self.places);
                    self.losses.push(told(loss::Kind::Changed, path, reason, text));
                }
                (Some(_), None) => self.lost(way),
                (None, Some(is)) => self.added(way, text(way.field, is)),
                (Some(_), Some(_)) | (None, None) => {}
            }
            return;
        }
        // A message that says nothing is a leaf.
        match messages.map(|it| it.map(Record::is_blank)) {
            [Some(true), Some(true)] => return,
            [Some(true), _] => self.lost(way),
            [_, Some(true)] => self.added(way, String::new()),
            _ => {}
        }
        let [was, is] = messages;
        self.records(was, is, Some(way));
    }
}

fn told(kind: loss::Kind, path: String, reason: &str, value: String) -> Loss {
    Loss { kind: kind.into(), path, reason: reason.to_owned(), value }
}

/// A value as people and programs read it.
fn text(field: &Field, value: &Value<'_>) -> String {
    match value {
        Value::Enum(number) => {
            let named = field.names().and_then(|it| it.name(*number));
            named.map_or_else(|| number.to_string(), ToOwned::to_owned)
        }
        Value::Text(text) => text.clone().into_owned(),
        Value::Bytes(bytes) => bytes.iter().map(|it| format!("{it:02x}")).collect(),
        Value::Bool(flag) => flag.to_string(),
        Value::I32(number) => number.to_string(),
        Value::I64(number) => number.to_string(),
        Value::U32(number) => number.to_string(),
        Value::U64(number) => number.to_string(),
        Value::Message(_) | Value::List(_) => String::new(),
    }
}

fn why_lost(path: &str, places: &Places) -> &'static str {
    if places.is_behind_the_one(path) {
        return "first-only";
    }
    let Some(Place { how, .. }) = places.find(path) else { return "no-place" };
    if how.is_code {
        "no-code"
    } else if how.is_conditional {
        "condition"
    } else if how.is_selected {
        "not-admitted"
    } else {
        "no-place"
    }
}

fn why_changed((path, was): (&str, &str), is: &str, places: &Places) -> &'static str {
    let how = places.find(path).map(|it| it.how).unwrap_or_default();
    if how.is_time {
        "precision"
    } else if was.starts_with(is) {
        "cut"
    } else {
        "spelling"
    }
}

fn why_added(path: &str, places: &Places) -> &'static str {
    let how = places.find(path).map(|it| it.how).unwrap_or_default();
    if how.is_appended {
        "context"
    } else if how.is_derived {
        "derived"
    } else {
        "default"
    }
}

/// Which item of the old list each item of the new one is, in growing order. When their order or
/// their keys do not tell, they are taken one by one.
fn numbers(old: &[Value<'_>], new: &[Value<'_>]) -> Vec<usize> {
    let plain = || (0..new.len()).collect();
    let mut places: HashMap<Cow<'_, str>, Vec<usize>> = HashMap::new();
    for (place, it) in old.iter().enumerate() {
        places.entry(key(it)).or_default().push(place);
    }
    let (mut next, mut added, mut found) = (0, 0, Vec::new());
    for it in new {
        let known = places.get(&key(it)).map_or(&[][..], Vec::as_slice);
        match known.get(known.partition_point(|it| *it < next)) {
            Some(_) if added > 0 => return plain(),
            Some(place) => {
                found.push(*place);
                next = place + 1;
            }
            None => {
                found.push(old.len() + added);
                added += 1;
            }
        }
    }
    found
}

/// What tells one item of a list from the others.
fn key<'v>(item: &'v Value<'_>) -> Cow<'v, str> {
    let Some(message) = item.as_message() else {
        return Cow::Borrowed(item.as_text().unwrap_or_default());
    };
    let (owner, name) = (message.text("owner"), message.text("name"));
    if !owner.is_empty() && !name.is_empty() {
        return Cow::Owned(format!("{owner}.{name}"));
    }
    let known: [&[&str]; 5] = [
        &["id"],
        &["organisation", "ids", "value"],
        &["ids", "value"],
        &["target", "id"],
        &["full_name"],
    ];
    if let Some(it) = known.iter().find_map(|it| said(message, it)) {
        return Cow::Borrowed(it);
    }
    let mut all = String::new();
    spell(message, None, &mut all);
    Cow::Owned(all)
}

/// The text at the end of names, of the first item of each list.
fn said<'m>(message: &'m Record<'_>, names: &[&str]) -> Option<&'m str> {
    let (first, rest) = names.split_first()?;
    let value = message.named(first)?;
    let value = value.as_list().map_or(Some(value), <[_]>::first)?;
    if rest.is_empty() { value.as_text() } else { said(value.as_message()?, rest) }
}

/// Everything that a message says.
fn spell(message: &Record<'_>, within: Option<&Way<'_>>, into: &mut String) {
    for (field, value) in message.fields() {
        let items = value.as_list().unwrap_or(std::slice::from_ref(value));
        for (number, item) in items.iter().enumerate() {
            let way = Way { within, field, number: field.is_list.then_some(number) };
            way.spell(into);
            into.push_str(&format!("={}\n", text(field, item)));
            if let Some(inner) = item.as_message() {
                spell(inner, Some(&way), into);
            }
        }
    }
}
