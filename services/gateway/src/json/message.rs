//! Converts a JSON tree to a message of the contract (protobuf's JSON mapping), and reports every
//! wrong field by its path.

use std::borrow::Cow;
use std::collections::HashMap;

use prost_reflect::{
    DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, Value,
};
use proto::fault::v1::FieldViolation;

use super::value::JsonValue;
use crate::names::suggest;

/// Converts an object to a message.
///
/// # Errors
///
/// The wrong fields, in the order in which they stand in the JSON.
pub(super) fn to_message(
    descriptor: &MessageDescriptor,
    value: &JsonValue<'_>,
) -> Result<DynamicMessage, Vec<FieldViolation>> {
    let mut converter = Converter { violations: Vec::new() };
    let message = converter.message("", descriptor, value);
    if converter.violations.is_empty()
        && let Some(message) = message
    {
        return Ok(message);
    }
    Err(converter.violations)
}

/// What a conversion has refused so far.
struct Converter {
    violations: Vec<FieldViolation>,
}

impl Converter {
    fn refuse(&mut self, field: &str, vi: impl Into<String>, en: impl Into<String>) {
        let field = if field.is_empty() { "body" } else { field }.to_owned();
        let (description_vi, description_en) = (vi.into(), en.into());
        self.violations.push(FieldViolation { field, description_vi, description_en });
    }

    fn message(
        &mut self,
        path: &str,
        descriptor: &MessageDescriptor,
        value: &JsonValue<'_>,
    ) -> Option<DynamicMessage> {
        let JsonValue::Object(members) = value else {
            self.refuse_kind(path, value, ("một đối tượng `{…}`", "an object `{…}`"));
            return None;
        };
        let mut message = DynamicMessage::new(descriptor.clone());
        // The name under which each field of the contract stood first.
        let mut seen: HashMap<u32, &str> = HashMap::new();
        for (name, value) in members {
            let known = descriptor.get_field_by_name(name);
            let Some(field) = known.or_else(|| descriptor.get_field_by_json_name(name)) else {
                self.refuse_unknown(path, descriptor, name);
                continue;
            };
            let path = join(path, field.name());
            if let Some(first) = seen.insert(field.number(), name) {
                self.refuse(
                    &path,
                    format!("có hai lần (`{first}` và `{name}`)"),
                    format!("stands twice (`{first}` and `{name}`)"),
                );
                continue;
            }
            // `null` is how many serialisers write that nothing was said.
            if *value != JsonValue::Null {
                self.set_field(&mut message, (&path, &field), value);
            }
        }
        Some(message)
    }

    /// An unknown field is refused as in `canonical.json`: passed over, a misspelled `recipients`
    /// would send the item to somebody else.
    fn refuse_unknown(&mut self, path: &str, descriptor: &MessageDescriptor, name: &str) {
        let known: Vec<String> = descriptor.fields().map(|it| it.name().to_owned()).collect();
        let hint = suggest(name, &known);
        let name: String = name.chars().take(NAME_CHARS_MAX).collect();
        let (vi, en) = (
            format!("không có trường này trong {}{}", descriptor.name(), hint.0),
            format!("{} has no such field{}", descriptor.name(), hint.1),
        );
        self.refuse(&join(path, &name_folding::spell_out_invisible(&name)), vi, en);
    }

    fn set_field(
        &mut self,
        message: &mut DynamicMessage,
        (path, field): (&str, &FieldDescriptor),
        value: &JsonValue<'_>,
    ) {
        if let Some(other) = self.other_of_oneof(message, field) {
            self.refuse(
                path,
                format!("chỉ được nêu một trong `{other}` và `{}`", field.name()),
                format!("only one of `{other}` and `{}` may be given", field.name()),
            );
            return;
        }
        if !field.is_list() {
            if let Some(value) = self.single(path, &field.kind(), value) {
                message.set_field(field, value);
            }
            return;
        }
        let JsonValue::List(items) = value else {
            let kind = ("một danh sách `[…]`, kể cả khi chỉ có một", "a list `[…]`, even of one");
            self.refuse_kind(path, value, kind);
            return;
        };
        let mut list = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            list.extend(self.single(&format!("{path}[{index}]"), &field.kind(), item));
        }
        message.set_field(field, Value::List(list));
    }

    /// The name of another field of the same oneof that is set already.
    fn other_of_oneof(&self, message: &DynamicMessage, field: &FieldDescriptor) -> Option<String> {
        let oneof = field.containing_oneof()?;
        let set = oneof.fields().find(|it| it != field && message.has_field(it))?;
        Some(set.name().to_owned())
    }

    fn single(&mut self, path: &str, kind: &Kind, value: &JsonValue<'_>) -> Option<Value> {
        match (kind, value) {
            (Kind::String, JsonValue::Text(text)) => Some(Value::String(text.clone().into_owned())),
            (Kind::String, _) => {
                self.refuse_kind(path, value, ("chữ trong ngoặc kép", "a text in quotes"));
                None
            }
            (Kind::Bytes, JsonValue::Text(text)) => match proto::base64::decode(text) {
                Ok(bytes) => Some(Value::Bytes(bytes.into())),
                Err(error) => {
                    self.refuse(path, error.vi, error.en);
                    None
                }
            },
            (Kind::Bytes, _) => {
                self.refuse_kind(path, value, ("base64 trong ngoặc kép", "base64 in quotes"));
                None
            }
            (Kind::Bool, JsonValue::Bool(value)) => Some(Value::Bool(*value)),
            (Kind::Bool, _) => {
                self.refuse_kind(path, value, ("true hoặc false", "true or false"));
                None
            }
            (Kind::Enum(names), _) => self.enum_value(path, names, value),
            (Kind::Message(descriptor), _) => {
                Some(Value::Message(self.message(path, descriptor, value)?))
            }
            (Kind::Uint32 | Kind::Fixed32, _) => {
                Some(Value::U32(self.integer(path, value, (0, u32::MAX.into()))?.try_into().ok()?))
            }
            (Kind::Uint64 | Kind::Fixed64, _) => {
                Some(Value::U64(self.integer(path, value, (0, u64::MAX.into()))?.try_into().ok()?))
            }
            (Kind::Int32 | Kind::Sint32 | Kind::Sfixed32, _) => {
                let range = (i32::MIN.into(), i32::MAX.into());
                Some(Value::I32(self.integer(path, value, range)?.try_into().ok()?))
            }
            (Kind::Int64 | Kind::Sint64 | Kind::Sfixed64, _) => {
                let range = (i64::MIN.into(), i64::MAX.into());
                Some(Value::I64(self.integer(path, value, range)?.try_into().ok()?))
            }
            // No request of the contract has such a field; a test says so.
            (Kind::Double | Kind::Float, _) => {
                self.refuse_kind(path, value, ("một kiểu khác", "of another kind"));
                None
            }
        }
    }

    /// A whole number, written as a number or, as 64-bit integers are, as a text.
    fn integer(
        &mut self,
        path: &str,
        value: &JsonValue<'_>,
        (min, max): (i128, i128),
    ) -> Option<i128> {
        let number = match value {
            JsonValue::Unsigned(it) => Some(i128::from(*it)),
            JsonValue::Signed(it) => Some(i128::from(*it)),
            JsonValue::Float(it) => whole_number(*it),
            JsonValue::Text(it) if it.bytes().all(|it| it.is_ascii_digit() || it == b'-') => {
                it.parse().ok()
            }
            JsonValue::Text(_)
            | JsonValue::Null
            | JsonValue::Bool(_)
            | JsonValue::List(_)
            | JsonValue::Object(_) => None,
        };
        let number = number.filter(|it| (min..=max).contains(it));
        if number.is_none() {
            self.refuse(
                path,
                format!("cần một số nguyên từ {min} đến {max}"),
                format!("must be a whole number from {min} to {max}"),
            );
        }
        number
    }

    fn enum_value(
        &mut self,
        path: &str,
        names: &EnumDescriptor,
        value: &JsonValue<'_>,
    ) -> Option<Value> {
        let found = match value {
            JsonValue::Text(name) => names.get_value_by_name(name),
            JsonValue::Unsigned(number) => {
                i32::try_from(*number).ok().and_then(|it| names.get_value(it))
            }
            JsonValue::Null
            | JsonValue::Bool(_)
            | JsonValue::Signed(_)
            | JsonValue::Float(_)
            | JsonValue::List(_)
            | JsonValue::Object(_) => None,
        };
        if let Some(found) = found {
            return Some(Value::EnumNumber(found.number()));
        }
        let known: Vec<String> = names.values().map(|it| it.name().to_owned()).collect();
        let hint =
            if let JsonValue::Text(name) = value { suggest(name, &known) } else { <_>::default() };
        let known = known.join(", ");
        self.refuse(
            path,
            format!("không phải giá trị của {}{}; có: {known}", names.name(), hint.0),
            format!("is no value of {}{}; there are: {known}", names.name(), hint.1),
        );
        None
    }

    fn refuse_kind(&mut self, path: &str, value: &JsonValue<'_>, (vi, en): (&str, &str)) {
        let (is_vi, is_en) = kind_of(value);
        let (vi, en) =
            (format!("cần {vi}, không phải {is_vi}"), format!("must be {en}, not {is_en}"));
        self.refuse(path, vi, en);
    }
}

/// Letters of an unknown field's name that an error quotes.
const NAME_CHARS_MAX: usize = 60;

/// The kind of a value, Vietnamese and English.
fn kind_of(value: &JsonValue<'_>) -> (&'static str, &'static str) {
    match value {
        JsonValue::Null => ("null", "null"),
        JsonValue::Bool(_) => ("true hoặc false", "true or false"),
        JsonValue::Unsigned(_) | JsonValue::Signed(_) | JsonValue::Float(_) => {
            ("một số", "a number")
        }
        JsonValue::Text(_) => ("chữ", "a text"),
        JsonValue::List(_) => ("một danh sách", "a list"),
        JsonValue::Object(_) => ("một đối tượng", "an object"),
    }
}

/// The whole number that a float stands for (`1.0`, `1e3`), within what a double holds exactly.
fn whole_number(value: f64) -> Option<i128> {
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    let is_whole = value.fract() == 0.0 && value.abs() <= EXACT_MAX;
    is_whole.then(|| format!("{value:.0}").parse().ok()).flatten()
}

fn join<'p>(path: &'p str, name: &'p str) -> Cow<'p, str> {
    if path.is_empty() { Cow::Borrowed(name) } else { Cow::Owned(format!("{path}.{name}")) }
}
