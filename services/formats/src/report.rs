//! Loss report: compares a message with what a receiver reads, in one walk over both.

use std::borrow::Cow;
use std::collections::HashMap;

use proto::message::v1::{Loss, loss};

use crate::model::{DynMessage, FieldSchema, Value};
use crate::path_map::{MappingTraits, PathMap, PathMapCursor, PathMapping};

/// Lost, changed and added values by their canonical paths.
///
/// Items keep the index that they have in the message: a lost item does not shift the items after
/// it, and added items follow the last one.
pub(crate) fn compare(
    message: &DynMessage<'_>,
    read: &DynMessage<'_>,
    path_map: &PathMap,
) -> Vec<Loss> {
    let mut diff = DiffBuilder { path_map, losses: Vec::new(), added: Vec::new() };
    diff.compare_messages(Some(message), Some(read), None);
    diff.losses.append(&mut diff.added);
    diff.losses
}

/// Path to a value as a linked list on the stack; formatted only where a value differs.
#[derive(Clone, Copy)]
struct ValuePath<'w> {
    within: Option<&'w ValuePath<'w>>,
    field: &'w FieldSchema,
    index: Option<usize>,
}

impl ValuePath<'_> {
    fn format(&self) -> String {
        let mut text = String::with_capacity(64);
        self.append_to(&mut text);
        text
    }

    /// The position of the value in the path map.
    fn cursor<'p>(&self, path_map: &'p PathMap) -> PathMapCursor<'p> {
        let within = self.within.map_or_else(|| path_map.root(), |it| it.cursor(path_map));
        within.enter(self.field)
    }

    fn traits(&self, path_map: &PathMap) -> MappingTraits {
        path_map.mapping_at(self.cursor(path_map)).map(|it| it.traits).unwrap_or_default()
    }

    /// True for a value in the second or a later item of a list of which one item is mapped.
    fn is_after_single_item(&self, path_map: &PathMap) -> bool {
        let list = self.outermost_list().filter(|it| it.index > Some(0));
        list.is_some_and(|it| it.cursor(path_map).has_only_single_item_mapped())
    }

    /// The outermost list item that contains the value.
    fn outermost_list(&self) -> Option<&ValuePath<'_>> {
        self.within.and_then(ValuePath::outermost_list).or(self.index.map(|_| self))
    }

    fn append_to(&self, text: &mut String) {
        if let Some(within) = self.within {
            within.append_to(text);
            text.push('.');
        }
        text.push_str(&self.field.name);
        if let Some(index) = self.index {
            text.push_str(&format!("[{index}]"));
        }
    }
}

struct DiffBuilder<'p> {
    path_map: &'p PathMap,
    /// Lost and changed values, in the order of the message.
    losses: Vec<Loss>,
    /// Added values, in the order of what was read.
    added: Vec<Loss>,
}

impl DiffBuilder<'_> {
    fn report_lost(&mut self, path: &ValuePath<'_>) {
        let reason = lost_reason(path, self.path_map);
        self.losses.push(new_loss(loss::Kind::Lost, path.format(), reason, String::new()));
    }

    fn report_added(&mut self, path: &ValuePath<'_>, value: String) {
        let reason = added_reason(path.traits(self.path_map));
        self.added.push(new_loss(loss::Kind::Added, path.format(), reason, value));
    }

    /// Walks the fields of both messages in schema order.
    fn compare_messages(
        &mut self,
        old: Option<&DynMessage<'_>>,
        new: Option<&DynMessage<'_>>,
        within: Option<&ValuePath<'_>>,
    ) {
        let Some(schema) = old.or(new).map(|it| it.schema) else { return };
        let (mut old_values, mut new_values) = (&[][..], &[][..]);
        if let Some(old) = old {
            old_values = old.indexed_values();
        }
        if let Some(new) = new {
            new_values = new.indexed_values();
        }
        loop {
            let next = [old_values, new_values].map(|it| it.first().map(|(index, _)| *index));
            let Some(index) = next.into_iter().flatten().min() else { return };
            let old = take_field(&mut old_values, index);
            let new = take_field(&mut new_values, index);
            let field = schema.fields.get(usize::from(index)).filter(|it| it.is_reported);
            let Some(field) = field else { continue };
            let path = ValuePath { within, field, index: None };
            if field.is_list {
                self.compare_lists(old, new, path);
            } else {
                self.compare_values(old, new, &path);
            }
        }
    }

    fn compare_lists(
        &mut self,
        old: Option<&Value<'_>>,
        new: Option<&Value<'_>>,
        path: ValuePath<'_>,
    ) {
        let old = old.and_then(Value::as_list).unwrap_or_default();
        let new = new.and_then(Value::as_list).unwrap_or_default();
        let item_path = |index: usize| ValuePath { index: Some(index), ..path };
        if old.is_empty() || new.is_empty() || old.len() == new.len() {
            for index in 0..old.len().max(new.len()) {
                self.compare_values(old.get(index), new.get(index), &item_path(index));
            }
            return;
        }
        let mut matched = match_items(old, new).into_iter().zip(new).peekable();
        for (index, item) in old.iter().enumerate() {
            let counterpart = matched.next_if(|(it, _)| *it == index).map(|(_, it)| it);
            self.compare_values(Some(item), counterpart, &item_path(index));
        }
        for (index, item) in matched {
            self.compare_values(None, Some(item), &item_path(index));
        }
    }

    fn compare_values(
        &mut self,
        old: Option<&Value<'_>>,
        new: Option<&Value<'_>>,
        path: &ValuePath<'_>,
    ) {
        let messages = [old, new].map(|it| it.and_then(Value::as_message));
        if let [None, None] = messages {
            match (old, new) {
                (Some(old), Some(new)) if old != new => {
                    let [before, after] = [old, new].map(|it| value_text(path.field, it));
                    let reason = changed_reason(path.traits(self.path_map), &before, &after);
                    self.losses.push(new_loss(loss::Kind::Changed, path.format(), reason, after));
                }
                (Some(_), None) => self.report_lost(path),
                (None, Some(new)) => self.report_added(path, value_text(path.field, new)),
                (Some(_), Some(_)) | (None, None) => {}
            }
            return;
        }
        // A message without fields is reported itself, because nothing inside can be.
        match messages.map(|it| it.map(DynMessage::is_empty)) {
            [Some(true), Some(true)] => return,
            [Some(true), _] => self.report_lost(path),
            [_, Some(true)] => self.report_added(path, String::new()),
            _ => {}
        }
        let [old, new] = messages;
        self.compare_messages(old, new, Some(path));
    }
}

/// Takes the first value when it is that of the field; none for another field or a default.
fn take_field<'v, 'a>(
    from: &mut &'v [(u16, Value<'a>)],
    field_index: u16,
) -> Option<&'v Value<'a>> {
    let ((_, value), rest) = from.split_first().filter(|((it, _), _)| *it == field_index)?;
    *from = rest;
    Some(value).filter(|it| !it.is_default())
}

fn new_loss(kind: loss::Kind, path: String, reason: &str, value: String) -> Loss {
    Loss { kind: kind.into(), path, reason: reason.to_owned(), value }
}

/// The text of a value in a report.
fn value_text(field: &FieldSchema, value: &Value<'_>) -> String {
    match value {
        Value::Enum(number) => {
            let name = field.enum_schema().and_then(|it| it.value_name(*number));
            name.map_or_else(|| number.to_string(), ToOwned::to_owned)
        }
        Value::Text(text) => text.clone().into_owned(),
        Value::Bytes(bytes) => hex::encode(bytes),
        Value::Bool(flag) => flag.to_string(),
        Value::I32(number) => number.to_string(),
        Value::I64(number) => number.to_string(),
        Value::U32(number) => number.to_string(),
        Value::U64(number) => number.to_string(),
        Value::Message(_) | Value::List(_) => String::new(),
    }
}

fn lost_reason(path: &ValuePath<'_>, path_map: &PathMap) -> &'static str {
    if path.is_after_single_item(path_map) {
        return "first-only";
    }
    let mapping = path_map.mapping_at(path.cursor(path_map));
    let Some(PathMapping { traits, .. }) = mapping else { return "no-place" };
    if traits.is_code {
        "no-code"
    } else if traits.is_conditional {
        "condition"
    } else if traits.is_selected {
        "not-admitted"
    } else {
        "no-place"
    }
}

fn changed_reason(traits: MappingTraits, old: &str, new: &str) -> &'static str {
    if traits.is_time {
        "precision"
    } else if old.starts_with(new) {
        "cut"
    } else {
        "spelling"
    }
}

fn added_reason(traits: MappingTraits) -> &'static str {
    if traits.is_appended {
        "context"
    } else if traits.is_derived {
        "derived"
    } else {
        "default"
    }
}

/// The index in the old list of each item of the new list, ascending; added items follow the last.
/// When keys or order do not give a match, items are compared by position.
fn match_items(old: &[Value<'_>], new: &[Value<'_>]) -> Vec<usize> {
    let by_position = || (0..new.len()).collect();
    let mut indexes: HashMap<Cow<'_, str>, Vec<usize>> = HashMap::new();
    for (index, it) in old.iter().enumerate() {
        indexes.entry(item_key(it)).or_default().push(index);
    }
    let (mut next, mut added, mut matched) = (0, 0, Vec::new());
    for it in new {
        let candidates = indexes.get(&item_key(it)).map_or(&[][..], Vec::as_slice);
        match candidates.get(candidates.partition_point(|it| *it < next)) {
            Some(_) if added > 0 => return by_position(),
            Some(index) => {
                matched.push(*index);
                next = index + 1;
            }
            None => {
                matched.push(old.len() + added);
                added += 1;
            }
        }
    }
    matched
}

/// Identifies an item of a list: by a field that is unique in practice, else by its whole content.
fn item_key<'v>(item: &'v Value<'_>) -> Cow<'v, str> {
    let Some(message) = item.as_message() else {
        return Cow::Borrowed(item.as_text().unwrap_or_default());
    };
    let (owner, name) = (message.text("owner"), message.text("name"));
    if !owner.is_empty() && !name.is_empty() {
        return Cow::Owned(format!("{owner}.{name}"));
    }
    let key_paths: [&[&str]; 5] = [
        &["id"],
        &["organisation", "ids", "value"],
        &["ids", "value"],
        &["target", "id"],
        &["full_name"],
    ];
    if let Some(it) = key_paths.iter().find_map(|it| text_at(message, it)) {
        return Cow::Borrowed(it);
    }
    let mut content = String::new();
    append_content(message, None, &mut content);
    Cow::Owned(content)
}

/// The text at the end of a path of field names, through the first item of each list.
fn text_at<'m>(message: &'m DynMessage<'_>, names: &[&str]) -> Option<&'m str> {
    let (first, rest) = names.split_first()?;
    let value = message.get_by_name(first)?;
    let value = value.as_list().map_or(Some(value), <[_]>::first)?;
    if rest.is_empty() { value.as_text() } else { text_at(value.as_message()?, rest) }
}

/// Appends every value of a message with its path.
fn append_content(message: &DynMessage<'_>, within: Option<&ValuePath<'_>>, text: &mut String) {
    for (field, value) in message.fields() {
        let items = value.as_list().unwrap_or(std::slice::from_ref(value));
        for (index, item) in items.iter().enumerate() {
            let path = ValuePath { within, field, index: field.is_list.then_some(index) };
            path.append_to(text);
            text.push_str(&format!("={}\n", value_text(field, item)));
            if let Some(inner) = item.as_message() {
                append_content(inner, Some(&path), text);
            }
        }
    }
}
