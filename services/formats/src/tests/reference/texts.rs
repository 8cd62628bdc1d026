//! Converters of the reference interpreter. Dates and times are the engine's own: their forms are
//! tried one by one elsewhere, and a second calendar would prove nothing of the walk over a record.

use std::collections::BTreeMap;
use std::sync::Arc;

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, Value};
use secrecy_marks::means_no_secrecy;
use unicode_normalization::UnicodeNormalization as _;

use super::paths::text as text_of;
use crate::convert::{CodeScope, parse_converter};
use crate::grammar::{CodeList, FieldRule};
use crate::model;

/// A value, and the code of what the sender is told of it; true where the value says less than its
/// text.
#[derive(Debug)]
pub(super) struct Converted {
    pub(super) value: Value,
    pub(super) note: Option<(&'static str, bool)>,
}

/// Why a text is no value.
#[derive(Debug)]
pub(super) enum Unconverted {
    /// With the code of the finding.
    Unreadable(String),
    Secret,
}

/// A converter as its rule writes it.
#[derive(Clone, Copy)]
pub(super) struct Converter<'d> {
    rule: &'d FieldRule,
    lists: &'d BTreeMap<String, CodeList>,
}

const UNREADABLE: &str = "LT-MAP-020";

fn unreadable<T>() -> Result<T, Unconverted> {
    Err(Unconverted::Unreadable(UNREADABLE.to_owned()))
}

fn plain(value: Value) -> Converted {
    Converted { value, note: None }
}

impl<'d> Converter<'d> {
    pub(super) fn new(rule: &'d FieldRule, lists: &'d BTreeMap<String, CodeList>) -> Self {
        Self { rule, lists }
    }

    fn spec(&self) -> (&'d str, &'d str) {
        let spec = self.rule.converter.as_deref().unwrap_or("text");
        spec.split_once(' ').unwrap_or((spec, ""))
    }

    /// Name of the converter; `pattern` for a template.
    pub(super) fn name(&self) -> &'d str {
        if self.rule.pattern.is_some() { "pattern" } else { self.spec().0 }
    }

    /// The code list; none for another converter.
    pub(super) fn list(&self) -> Option<&'d CodeList> {
        (self.name() == "code").then(|| &self.lists[self.spec().1.trim()])
    }

    /// True where people read the text, false for an identifier, none for another value.
    pub(super) fn is_prose(&self, field: &FieldDescriptor) -> Option<bool> {
        match self.name() {
            "text" | "list" | "affix" => Some(!IDENTIFIERS.contains(&field.name())),
            "code" | "extra" => Some(true),
            "pattern" => Some(false),
            _ => None,
        }
    }

    /// The value of a text for a field.
    pub(super) fn read(
        &self,
        as_written: &str,
        field: &FieldDescriptor,
    ) -> Result<Converted, Unconverted> {
        let text = normal(as_written)?;
        let (name, arguments) = self.spec();
        Ok(match self.name() {
            "pattern" => plain(self.split(&text, field)?),
            "text" => plain(Value::String(text)),
            "whole" => return whole(&text, field),
            "yes-no" => {
                let (yes, no) = arguments.split_once(' ').unwrap();
                let is = |it: &str| text.eq_ignore_ascii_case(it.trim());
                plain(match () {
                    () if is(yes) => Value::Bool(true),
                    () if is(no) => Value::Bool(false),
                    () => return unreadable(),
                })
            }
            "date" | "time" => return day_or_time(&format!("{name} {arguments}"), &text, field),
            "code" => return code(&text, self.list().unwrap(), field),
            "org-id" if as_written.len() > 100 => return unreadable(),
            "org-id" => plain(with_texts(
                field,
                &[("scheme", proto::scheme::scheme_of(as_written)), ("value", as_written)],
            )),
            "media-type" | "packed-type" => plain(Value::String(text.to_lowercase())),
            "list" => {
                let mark = if arguments.trim().is_empty() { arguments } else { arguments.trim() };
                let items = text.split(mark).map(str::trim).filter(|it| !it.is_empty());
                plain(Value::List(items.map(|it| Value::String(it.to_owned())).collect()))
            }
            "affix" => {
                let begins = text.get(..arguments.len());
                let has_it = begins.is_some_and(|it| it.eq_ignore_ascii_case(arguments));
                let rest = if has_it { text.split_at(arguments.len()).1 } else { &text };
                plain(Value::String(rest.to_owned()))
            }
            "extra" => plain(with_texts(field, &[("value", &text)])),
            // The description compiles, so that there is no other.
            _ => return unreadable(),
        })
    }

    /// The parts of a text by the alternative of a template that fits.
    fn split(&self, text: &str, field: &FieldDescriptor) -> Result<Value, Unconverted> {
        let template = self.rule.pattern.as_deref().unwrap();
        let whole = self.rule.whole.as_deref();
        let alternatives = template.split(" | ").map(str::trim);
        let found =
            alternatives.filter_map(|it| match_template(it, text, &self.rule.classes)).next();
        let mut parts = found.filter(|_| self.rule.split != Some(false)).unwrap_or_default();
        if parts.is_empty() && whole.is_none() {
            return unreadable();
        }
        parts.extend(whole.map(|it| (it.to_owned(), text.to_owned())));
        let parts: Vec<_> = parts.iter().map(|(name, it)| (name.as_str(), it.as_str())).collect();
        Ok(with_texts(field, &parts))
    }
}

/// NFC, trimmed, with line feeds alone; other control characters are unreadable.
fn normal(text: &str) -> Result<String, Unconverted> {
    let text = text.trim();
    if text.chars().any(|it| it.is_control() && !"\n\r\t".contains(it)) {
        return unreadable();
    }
    let text: String = text.nfc().collect();
    Ok(text.replace("\r\n", "\n").replace('\r', "\n"))
}

/// A message of the field's type with texts in it.
fn with_texts(field: &FieldDescriptor, texts: &[(&str, &str)]) -> Value {
    let mut message = DynamicMessage::new(field.kind().as_message().unwrap().clone());
    for (name, text) in texts {
        message.set_field_by_name(name, Value::String((*text).to_owned()));
    }
    Value::Message(message)
}

/// The digits of a number that may have a fraction of one or two zeros, or full-width digits.
fn digits(text: &str) -> Option<String> {
    let fraction = [".0", ".00", ",0", ",00"].into_iter().find_map(|it| text.strip_suffix(it));
    let text = fraction.unwrap_or(text);
    if text.is_empty() {
        return None;
    }
    let wide: Vec<char> = ('\u{ff10}'..='\u{ff19}').collect();
    let digit = |it: char| match wide.iter().position(|wide| *wide == it) {
        Some(index) => char::from_digit(u32::try_from(index).unwrap(), 10),
        None => Some(it).filter(char::is_ascii_digit),
    };
    let digits: Option<String> = text.chars().map(digit).collect();
    digits.filter(|it| it.len() <= 18)
}

fn whole(text: &str, field: &FieldDescriptor) -> Result<Converted, Unconverted> {
    let Some(digits) = digits(text) else { return unreadable() };
    let number: u64 = digits.parse().unwrap();
    let value = if field.kind() == Kind::Uint64 {
        Value::U64(number)
    } else if let Ok(it) = u32::try_from(number) {
        Value::U32(it)
    } else {
        return unreadable();
    };
    Ok(Converted { value, note: (digits != text).then_some(("LT-MAP-050", false)) })
}

fn day_or_time(spec: &str, text: &str, field: &FieldDescriptor) -> Result<Converted, Unconverted> {
    let converter = parse_converter(spec, &BTreeMap::<String, Arc<CodeList>>::new()).unwrap();
    let schema = model::message_schema(field.parent_message().name()).unwrap();
    match converter.read(text, schema.field(field.name()).unwrap(), CodeScope::none()) {
        Ok(read) => {
            let bytes = model::encode(read.value.as_message().unwrap());
            let of = field.kind().as_message().unwrap().clone();
            let value = Value::Message(DynamicMessage::decode(of, bytes.as_slice()).unwrap());
            let note = read.note.map(|it| (it.code, it.is_partial));
            Ok(Converted { value, note })
        }
        Err(error) => Err(Unconverted::Unreadable(error.code.to_owned())),
    }
}

fn code(text: &str, list: &CodeList, field: &FieldDescriptor) -> Result<Converted, Unconverted> {
    let exact = list.rows.get(text).or_else(|| list.also.get(text)).cloned();
    let none = list.gate.clone().filter(|_| means_no_secrecy(text));
    let known = exact.or(none);
    if list.gate.is_some() && known != list.gate {
        return Err(Unconverted::Secret);
    }
    let respelled = if known.is_none() { row_of_number(text, list) } else { None };
    let is_code = list.other.is_some() || (!list.rows.is_empty() && digits(text).is_some());
    let note = match (&known, &respelled) {
        (Some(_), _) => None,
        (None, Some(_)) => Some(("LT-MAP-050", false)),
        (None, None) => is_code.then_some(("LT-MAP-051", false)),
    };
    let row = known.or(respelled);
    if let Some(names) = field.kind().as_enum() {
        let row = row.or_else(|| list.other.clone());
        let number = row.and_then(|it| names.get_value_by_name(&it).map(|it| it.number()));
        return number
            .map_or_else(unreadable, |it| Ok(Converted { value: Value::EnumNumber(it), note }));
    }
    let value = match row {
        Some(row) => {
            with_texts(field, &[("code", &row), ("list", list.list.as_deref().unwrap_or_default())])
        }
        None if list.open => with_texts(field, &[("name", text)]),
        None => return unreadable(),
    };
    Ok(Converted { value, note })
}

/// The row that a number means, where every row is a number of the same length.
fn row_of_number(text: &str, list: &CodeList) -> Option<String> {
    let length = list.rows.keys().next()?.len();
    let is_number = |it: &String| it.len() == length && it.bytes().all(|it| it.is_ascii_digit());
    let number: u64 = digits(text)?.parse().unwrap();
    if length == 0 || !list.rows.keys().all(is_number) {
        return None;
    }
    let row = list.rows.iter().find(|(it, _)| it.parse() == Ok(number));
    row.map(|(_, value)| value.clone())
}

/// The parts of a text that fits a template; a part holds only characters of its class, and never
/// the one that ends it.
fn match_template(
    template: &str,
    text: &str,
    classes: &BTreeMap<String, String>,
) -> Option<Vec<(String, String)>> {
    if template.is_empty() {
        return text.is_empty().then(Vec::new);
    }
    let Some(named) = template.strip_prefix('{') else {
        let literal = template.split('{').next().unwrap();
        let rest = text.strip_prefix(literal)?;
        return match_template(template.strip_prefix(literal)?, rest, classes);
    };
    let (name, template) = named.split_once('}').unwrap();
    let end = template.chars().next();
    let is_permitted = |it: char| {
        let class = classes.get(name).map(|it| it.split_whitespace());
        let is_in = |range: &str| {
            let ends: Vec<char> = range.chars().collect();
            (ends[0]..=ends[ends.len() - 1]).contains(&it)
        };
        Some(it) != end && class.is_none_or(|mut it| it.any(is_in))
    };
    let ends = text.char_indices().map(|(at, it)| (at + it.len_utf8(), it));
    let ends = ends.take_while(|(_, it)| is_permitted(*it)).map(|(end, _)| end);
    let splits = ends.map(|end| text.split_at(end));
    splits.filter(|(part, _)| part.trim() == *part).find_map(|(part, rest)| {
        let mut parts = match_template(template, rest, classes)?;
        parts.insert(0, (name.to_owned(), part.to_owned()));
        Some(parts)
    })
}

/// True for the value that every code outside a list is read as.
pub(super) fn is_unlisted(list: Option<&CodeList>, value: &Value, field: &FieldDescriptor) -> bool {
    let other = list.and_then(|it| it.other.as_deref());
    let kind = field.kind();
    let number = other.and_then(|it| kind.as_enum()?.get_value_by_name(it)).map(|it| it.number());
    number.is_some() && value.as_enum_number() == number
}

/// What a condition compares: a text, or the code of a `Code`.
pub(super) fn compared_text(value: &Value) -> String {
    match value.as_message() {
        Some(it) => text_of(it, "code"),
        None => value.as_str().unwrap_or_default().to_owned(),
    }
}

/// Fields whose text is never converted from an old charset, because it names something.
const IDENTIFIERS: [&str; 25] = [
    "id",
    "code",
    "number",
    "notation",
    "printed",
    "sub_number",
    "copy_number",
    "extended_number",
    "file_name",
    "email",
    "phone",
    "fax",
    "website",
    "directory_key",
    "carrier_id",
    "message_id",
    "document_id",
    "document_code",
    "remote_id",
    "given_id",
    "object_id",
    "ref",
    "key",
    "rendition_of",
    "certificate_serial",
];
