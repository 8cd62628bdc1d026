//! Conditions of rules: a canonical value is present, absent, or one of those that are listed.

use proto::fault::code;

use crate::canonical_path::{CanonicalPath, find_value};
use crate::diagnostic::Defect;
use crate::model::{DynMessage, FieldType, Value};
use crate::plan::enum_value::enum_number;

/// A condition on one canonical value.
#[derive(Clone, Debug)]
pub(crate) struct Condition {
    path: CanonicalPath,
    test: Test,
}

#[derive(Clone, Debug)]
enum Test {
    Present(bool),
    Enum(Vec<i32>),
    /// Texts, or codes of a `Code`.
    Text(Vec<String>),
    Bool(Vec<bool>),
}

impl Condition {
    /// The canonical path of the value.
    pub(crate) fn path(&self) -> &CanonicalPath {
        &self.path
    }

    /// A condition on the presence of a value.
    pub(super) fn presence(path: CanonicalPath, is_present: bool) -> Self {
        Self { path, test: Test::Present(is_present) }
    }

    /// A condition on a value that must be one of these.
    pub(super) fn listed(path: CanonicalPath, values: Vec<String>) -> Result<Self, Defect> {
        let Some(last) = path.last().filter(|it| !it.field.is_list || it.selector.is_some()) else {
            return Err(no_condition());
        };
        let is_code = last.field.message_schema().is_some_and(|it| it.name == "Code");
        let test = if let Some(schema) = last.field.enum_schema() {
            let numbers = values.iter().map(|it| enum_number(schema, it, &code::LT_FMT_015));
            Test::Enum(numbers.collect::<Result<_, _>>()?)
        } else if last.field.field_type == FieldType::Bool {
            let flags = values.iter().map(|it| it.parse().map_err(|_other| no_condition()));
            Test::Bool(flags.collect::<Result<_, _>>()?)
        } else if last.field.field_type == FieldType::Text || is_code {
            Test::Text(values)
        } else {
            return Err(no_condition());
        };
        Ok(Self { path, test })
    }

    /// The canonical path without selectors.
    pub(crate) fn field(&self) -> String {
        let names: Vec<_> = self.path.iter().map(|it| it.field.name.as_str()).collect();
        names.join(".")
    }

    /// The names of the enum values of which the field must have one.
    pub(crate) fn enum_values(&self) -> Vec<&str> {
        let (Test::Enum(numbers), Some(last)) = (&self.test, self.path.last()) else {
            return Vec::new();
        };
        let Some(schema) = last.field.enum_schema() else { return Vec::new() };
        numbers.iter().filter_map(|it| schema.value_name(*it)).collect()
    }

    /// The condition for people.
    pub(crate) fn text(&self) -> String {
        let field = self.field();
        match &self.test {
            Test::Present(true) => format!("has: {field}"),
            Test::Present(false) => format!("lacks: {field}"),
            Test::Enum(_) => format!("{field}: {}", self.enum_values().join(", ")),
            Test::Text(texts) => format!("{field}: {}", texts.join(", ")),
            Test::Bool(flags) => {
                let flags: Vec<_> = flags.iter().map(bool::to_string).collect();
                format!("{field}: {}", flags.join(", "))
            }
        }
    }

    /// True when no message fulfils both conditions.
    pub(crate) fn excludes(&self, other: &Self) -> bool {
        let excludes = match (&self.test, &other.test) {
            (Test::Present(one), Test::Present(two)) => one != two,
            (Test::Enum(one), Test::Enum(two)) => !one.iter().any(|it| two.contains(it)),
            (Test::Text(one), Test::Text(two)) => !one.iter().any(|it| two.contains(it)),
            (Test::Bool(one), Test::Bool(two)) => !one.iter().any(|it| two.contains(it)),
            _ => false,
        };
        let numbers = |it: &Self| it.path.iter().map(|it| it.field.number).collect::<Vec<_>>();
        excludes && numbers(self) == numbers(other)
    }

    /// True when the condition holds for a message.
    pub(crate) fn holds(&self, message: &DynMessage<'_>) -> bool {
        let value = find_value(message, &self.path);
        match &self.test {
            Test::Present(is_present) => value.is_some_and(is_said) == *is_present,
            Test::Enum(numbers) => {
                value.and_then(Value::as_enum).is_some_and(|it| numbers.contains(&it))
            }
            Test::Text(texts) => {
                let text = match value {
                    Some(Value::Message(code)) => code.text("code"),
                    other => other.and_then(Value::as_text).unwrap_or_default(),
                };
                texts.iter().any(|it| it == text)
            }
            Test::Bool(flags) => {
                let flag = matches!(value, Some(Value::Bool(true)));
                flags.contains(&flag)
            }
        }
    }
}

/// False for a list or message in which nothing is said.
fn is_said(value: &Value<'_>) -> bool {
    match value {
        Value::List(items) => !items.is_empty(),
        Value::Message(message) => message.fields().next().is_some(),
        Value::Text(_)
        | Value::Bytes(_)
        | Value::Bool(_)
        | Value::I32(_)
        | Value::I64(_)
        | Value::U32(_)
        | Value::U64(_)
        | Value::Enum(_) => true,
    }
}

fn no_condition() -> Defect {
    Defect::new(
        &code::LT_FMT_015,
        "điều kiện phải là enum, chữ, mã, hoặc `true`/`false`; hay `has`, `lacks` với đường dẫn",
        "a condition needs an enum, a text, a code, or `true`/`false`; or `has`, `lacks` with a path",
    )
}
