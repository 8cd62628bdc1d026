//! What writing did to a message: values that are lost, changed or added.

use std::borrow::Cow;
use std::collections::HashMap;

use proto::message::v1::{Loss, loss};

use crate::format::places::{How, Place, Places, Seen};
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

    /// What the description knows of it.
    fn seen<'p>(&self, places: &'p Places) -> Seen<'p> {
        let within = self.within.map_or_else(|| places.root(), |it| it.seen(places));
        within.enter(self.field)
    }

    fn how(&self, places: &Places) -> How {
        places.of(self.seen(places)).map(|it| it.how).unwrap_or_default()
    }

    /// True for what is in a second item of a list of which one item has a place.
    fn is_behind_the_one(&self, places: &Places) -> bool {
        let list = self.first_list().filter(|it| it.number > Some(0));
        list.is_some_and(|it| it.seen(places).holds_the_one())
    }

    /// The outermost list it is in.
    fn first_list(&self) -> Option<&Way<'_>> {
        self.within.and_then(Way::first_list).or(self.number.map(|_| self))
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
        let reason = why_lost(way, self.places);
        self.losses.push(told(loss::Kind::Lost, way.path(), reason, String::new()));
    }

    fn added(&mut self, way: &Way<'_>, value: String) {
        let reason = why_added(way.how(self.places));
        self.added.push(told(loss::Kind::Added, way.path(), reason, value));
    }

    fn records(
        &mut self,
        was: Option<&Record<'_>>,
        is: Option<&Record<'_>>,
        within: Option<&Way<'_>>,
    ) {
        let Some(shape) = was.or(is).map(|it| it.shape) else { return };
        let (mut old, mut new) = (was.map_or(&[][..], Record::set_values), &[][..]);
        if let Some(is) = is {
            new = is.set_values();
        }
        loop {
            let places = [old, new].map(|it| it.first().map(|(place, _)| *place));
            let Some(first) = places.into_iter().flatten().min() else { return };
            let (was, is) = (taken(&mut old, first), taken(&mut new, first));
            let field = shape.fields.get(usize::from(first)).filter(|it| it.is_told);
            let Some(field) = field else { continue };
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
                    let [before, after] = [was, is].map(|it| text(way.field, it));
                    let reason = why_changed(way.how(self.places), &before, &after);
                    self.losses.push(told(loss::Kind::Changed, way.path(), reason, after));
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

/// What is said in a field, if it is the next one.
fn taken<'v, 'a>(from: &mut &'v [(u16, Value<'a>)], place: u16) -> Option<&'v Value<'a>> {
    let ((_, value), rest) = from.split_first().filter(|((it, _), _)| *it == place)?;
    *from = rest;
    Some(value).filter(|it| !it.is_default())
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

fn why_lost(way: &Way<'_>, places: &Places) -> &'static str {
    if way.is_behind_the_one(places) {
        return "first-only";
    }
    let Some(Place { how, .. }) = places.of(way.seen(places)) else { return "no-place" };
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

fn why_changed(how: How, was: &str, is: &str) -> &'static str {
    if how.is_time {
        "precision"
    } else if was.starts_with(is) {
        "cut"
    } else {
        "spelling"
    }
}

fn why_added(how: How) -> &'static str {
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
