//! The converters of a description, each with both directions.

use std::borrow::Cow;
use std::sync::Arc;

use crate::convert::calendar::{DateForms, read_date, read_moment, write_date, write_moment};
use crate::convert::code::{CodeScope, code_of_value, non_empty, read_code};
use crate::convert::digits::{integer_digits, read_as};
use crate::convert::error::{ConvertError, Converted, new_message};
use crate::convert::pattern::Pattern;
use crate::convert::text::normalize_text;
use crate::grammar::CodeList;
use crate::model::{FieldSchema, FieldType, Value};

/// Converts a native text to a canonical value and back.
#[derive(Clone, Debug)]
pub(crate) enum Converter {
    /// A text, NFC and trimmed.
    Text,
    /// An unsigned integer; 0 is absent.
    Integer,
    /// A boolean: the words for true and false.
    YesNo(String, String),
    /// A date.
    Date(DateForms),
    /// A point in time; without a zone it is in Vietnam's.
    Time(DateForms),
    /// A code of a list.
    Code(Arc<CodeList>),
    /// An organisation code; its scheme follows from its form.
    OrgId,
    /// A media type, in lower case.
    MediaType,
    /// The media type of a file as it lies in the body: that of a ZIP where it is wrapped in one.
    PackedType,
    /// Several texts with this separator.
    List(String),
    /// A text that is read with or without this prefix and written with it.
    Affix(String),
    /// Several fields of a message in one text.
    Pattern(Arc<Pattern>),
    /// The value of an `Extra`.
    Extra,
    /// The reference of a file that was uploaded beside the body.
    Fetch,
    /// Base64 of a file, or of a ZIP that wraps one file.
    Content,
}

impl Converter {
    /// The value of a text. Files are no texts: the record reader decodes them.
    pub(crate) fn read<'t>(
        &'t self,
        text: &'t str,
        field: &FieldSchema,
        scope: CodeScope<'t>,
    ) -> Result<Converted<'t>, ConvertError> {
        let as_written = text;
        let text = normalize_text(text)?;
        let value = match self {
            Self::Text if field.field_type == FieldType::Text => Value::Text(text),
            Self::Text => return Err(ConvertError::new("không phải chữ", "is no text")),
            Self::Integer => return read_integer(&text, field),
            Self::YesNo(yes, no) => {
                let matches = |it: &str| text.eq_ignore_ascii_case(it);
                match (matches(yes), matches(no)) {
                    (true, _) => Value::Bool(true),
                    (_, true) => Value::Bool(false),
                    _ => {
                        let (vi, en) = ("không phải có hoặc không", "is neither yes nor no");
                        return Err(ConvertError::new(vi, en));
                    }
                }
            }
            Self::Date(forms) => return read_date(&text, forms, field),
            Self::Time(forms) => read_moment(&text, forms, field)?,
            Self::Code(list) => return read_code(text, (list, scope), field),
            Self::OrgId => read_organisation_id(as_written, field)?,
            Self::MediaType | Self::PackedType => Value::Text(to_lowercase(text)),
            Self::List(separator) => Value::List(split_items(text, separator)),
            Self::Affix(prefix) => Value::Text(strip_prefix(text, prefix)),
            Self::Pattern(pattern) => pattern.read(text, field)?,
            Self::Extra => message_with_text("value", text, field)?,
            Self::Fetch | Self::Content => {
                return Err(ConvertError::new("tệp không có ở đây", "the file is not here"));
            }
        };
        Ok(value.into())
    }

    /// True for a list of which an item holds the separator: it would be read as two.
    pub(crate) fn joins_separator(&self, value: &Value<'_>) -> bool {
        let (Self::List(separator), Some(items)) = (self, value.as_list()) else { return false };
        let mark = if separator.trim().is_empty() { separator } else { separator.trim() };
        items.iter().filter_map(Value::as_text).any(|it| it.contains(mark))
    }

    /// The code list; none for another converter.
    pub(crate) fn code_list(&self) -> Option<&CodeList> {
        if let Self::Code(list) = self { Some(list) } else { None }
    }

    /// True when a value is the one that every code outside the list is read as.
    pub(crate) fn is_unlisted_value(&self, value: &Value<'_>, field: &FieldSchema) -> bool {
        let other = self.code_list().and_then(|it| it.other.as_deref());
        let (Some(other), Some(schema)) = (other, field.enum_schema()) else { return false };
        let number = schema.number(other);
        number.is_some() && value.as_enum() == number
    }

    /// The text of a point in time, seconds since 1970; none for another converter.
    pub(crate) fn write_seconds(&self, seconds: i64) -> Option<String> {
        let Self::Time(forms) = self else { return None };
        forms.write_seconds(seconds)
    }

    /// The text of a value; none when this converter has no text for it.
    pub(crate) fn write<'w>(
        &'w self,
        value: &'w Value<'_>,
        field: &FieldSchema,
        scope: CodeScope<'w>,
    ) -> Option<Cow<'w, str>> {
        match self {
            Self::Text | Self::MediaType | Self::PackedType | Self::Fetch => plain_text(value),
            Self::Integer => plain_text(value).filter(|it| it != "0"),
            Self::YesNo(yes, no) => {
                let Value::Bool(is_true) = value else { return None };
                Some(Cow::Borrowed(if *is_true { yes } else { no }))
            }
            Self::Date(forms) => write_date(value.as_message()?, forms).map(Cow::Owned),
            Self::Time(forms) => write_moment(value.as_message()?, forms).map(Cow::Owned),
            Self::Code(list) => match value.as_enum() {
                Some(number) => list.native(field.enum_schema()?.value_name(number)?),
                None => code_of_value(value, list, scope),
            }
            .map(Cow::Borrowed),
            Self::List(separator) => {
                let items: Option<Vec<_>> = value.as_list()?.iter().map(Value::as_text).collect();
                Some(items?.join(separator)).filter(|it| !it.is_empty()).map(Cow::Owned)
            }
            Self::Affix(prefix) => {
                let text = plain_text(value).filter(|it| !it.is_empty())?;
                Some(Cow::Owned(format!("{prefix}{text}")))
            }
            Self::Pattern(pattern) => pattern.write(value.as_message()?),
            Self::OrgId | Self::Extra => non_empty(value.as_message()?, "value").map(Cow::Borrowed),
            Self::Content => None,
        }
    }
}

fn to_lowercase(text: Cow<'_, str>) -> Cow<'_, str> {
    let is_lowercase = text.bytes().all(|it| it.is_ascii() && !it.is_ascii_uppercase());
    if is_lowercase { text } else { Cow::Owned(text.to_lowercase()) }
}

/// A text without a prefix, which senders write in any case (`CID:1`).
fn strip_prefix<'t>(text: Cow<'t, str>, prefix: &str) -> Cow<'t, str> {
    let begin = text.get(..prefix.len());
    if !begin.is_some_and(|it| it.eq_ignore_ascii_case(prefix)) {
        return text;
    }
    match text {
        Cow::Borrowed(it) => Cow::Borrowed(it.get(prefix.len()..).unwrap_or_default()),
        Cow::Owned(it) => Cow::Owned(it.get(prefix.len()..).unwrap_or_default().to_owned()),
    }
}

fn split_items<'t>(text: Cow<'t, str>, separator: &str) -> Vec<Value<'t>> {
    fn items<'p>(text: &'p str, separator: &str) -> impl Iterator<Item = &'p str> {
        let mark = if separator.trim().is_empty() { separator } else { separator.trim() };
        text.split(mark).map(str::trim).filter(|it| !it.is_empty())
    }
    match text {
        Cow::Borrowed(it) => items(it, separator).map(|it| Value::Text(it.into())).collect(),
        Cow::Owned(it) => {
            items(&it, separator).map(|it| Value::Text(it.to_owned().into())).collect()
        }
    }
}

fn read_integer<'t>(text: &str, field: &FieldSchema) -> Result<Converted<'t>, ConvertError> {
    let not_integer = || ConvertError::new("không phải số nguyên", "is no whole number");
    let digits = integer_digits(text).ok_or_else(not_integer)?;
    let note = (digits != text).then(|| read_as(&digits));
    let number: u64 = digits.parse().map_err(|_error| not_integer())?;
    let value = if field.field_type == FieldType::Uint64 {
        Value::U64(number)
    } else {
        let number = u32::try_from(number).ok().filter(|_| field.field_type == FieldType::Uint32);
        number.map(Value::U32).ok_or_else(not_integer)?
    };
    Ok(Converted { value, note })
}

fn plain_text<'w>(value: &'w Value<'_>) -> Option<Cow<'w, str>> {
    if let Value::Text(it) = value {
        return Some(Cow::Borrowed(it));
    }
    value.as_unsigned().map(|it| Cow::Owned(it.to_string()))
}

/// A message of the field's type with one text field set.
fn message_with_text<'t>(
    name: &str,
    text: Cow<'t, str>,
    field: &FieldSchema,
) -> Result<Value<'t>, ConvertError> {
    let mut message = new_message(field)?;
    message.set_by_name(name, Value::Text(text));
    Ok(Value::Message(message))
}

/// Bytes of the longest organisation code; Decision 20/2020 permits 35 characters.
const ORGANISATION_CODE_BYTES_MAX: usize = 100;

/// A code is carried as it was written: composed or trimmed it could become that of somebody else.
fn read_organisation_id<'t>(text: &'t str, field: &FieldSchema) -> Result<Value<'t>, ConvertError> {
    if text.len() > ORGANISATION_CODE_BYTES_MAX {
        return Err(ConvertError::new(
            "mã cơ quan quá dài",
            "is too long for an organisation's code",
        ));
    }
    let mut id = new_message(field)?;
    id.set_by_name("scheme", Value::Text(Cow::Borrowed(proto::scheme::scheme_of(text))));
    id.set_by_name("value", Value::Text(Cow::Borrowed(text)));
    Ok(Value::Message(id))
}
