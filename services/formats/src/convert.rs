//! The closed set of converters: each text form and its canonical value, both ways side by side.

use std::borrow::Cow;
use std::sync::Arc;

pub(crate) use calendar::is_day as is_real;
use calendar::{Form, date, day_text, moment, moment_text};
pub(crate) use clean::clean;

use crate::grammar::List;
use crate::mistake::{Words, nearest};
use crate::record::{Field, Kind, Record, Value};

mod calendar;
mod clean;

/// How a text becomes a value, and back.
#[derive(Clone, Debug)]
pub(crate) enum Converter {
    /// NFC, trimmed.
    Text,
    /// A whole number; 0 is absent.
    Whole,
    /// Two words for true and false.
    YesNo(String, String),
    /// A day in any of these forms; the first one is written.
    Date(Vec<Form>),
    /// A moment in Vietnam's time.
    Time(Form),
    /// A row of a list.
    Code(Arc<List>),
    /// An organisation's code; its scheme follows from its form.
    OrgId,
    /// Lower case.
    MediaType,
    /// Several texts with a separator.
    List(String),
    /// With or without a prefix; written with it.
    Affix(String),
    /// A document's number in one text, as printed.
    FullNumber,
    /// A named, typed extra.
    Extra,
    /// A reference to a file that was uploaded beside the body.
    Fetch,
    /// Base64 of a file, or of a ZIP with one file in it.
    Content,
}

/// The text cannot be read as this.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub(crate) vi: &'static str,
    pub(crate) en: &'static str,
    /// A secrecy mark stood there.
    pub(crate) is_secret: bool,
}

fn unreadable(vi: &'static str, en: &'static str) -> Unreadable {
    Unreadable { vi, en, is_secret: false }
}

impl Converter {
    /// Reads the words of a description.
    pub(crate) fn parse(
        words: &str,
        list: impl Fn(&str) -> Option<Arc<List>>,
    ) -> Result<Self, Words> {
        let (name, rest) = words.split_once(' ').unwrap_or((words, ""));
        Ok(match name {
            "text" => Self::Text,
            "whole" => Self::Whole,
            "yes-no" => {
                let (yes, no) = rest
                    .split_once(' ')
                    .ok_or_else(|| Words::new("yes-no cần hai từ", "yes-no needs two words"))?;
                Self::YesNo(yes.to_owned(), no.to_owned())
            }
            "date" => {
                let forms = rest.split('|').map(|it| Form::parse(it.trim(), "yMd"));
                Self::Date(forms.collect::<Result<_, _>>()?)
            }
            "time" => Self::Time(Form::parse(rest, "yMdHm")?),
            "code" => Self::Code(list(rest).ok_or_else(|| {
                Words::new(
                    format!("không có danh mục `{rest}`"),
                    format!("there is no list `{rest}`"),
                )
            })?),
            "org-id" => Self::OrgId,
            "media-type" => Self::MediaType,
            "list" if !rest.is_empty() => Self::List(rest.to_owned()),
            "affix" if !rest.is_empty() => Self::Affix(rest.to_owned()),
            "full-number" => Self::FullNumber,
            "extra" => Self::Extra,
            "fetch" => Self::Fetch,
            "content" => Self::Content,
            _ => return Err(no_converter(words, name)),
        })
    }

    /// The value a text stands for. Files are read by whoever holds their bytes.
    pub(crate) fn read<'t>(
        &'t self,
        text: &'t str,
        field: &Field,
    ) -> Result<Value<'t>, Unreadable> {
        let text = clean(text)?;
        match self {
            Self::Text if field.kind == Kind::Text => Ok(Value::Text(text)),
            Self::Text => Err(unreadable("không phải chữ", "is no text")),
            Self::Whole => whole(&text, field),
            Self::YesNo(yes, no) => {
                let is = |it: &str| text.eq_ignore_ascii_case(it);
                match (is(yes), is(no)) {
                    (true, _) => Ok(Value::Bool(true)),
                    (_, true) => Ok(Value::Bool(false)),
                    _ => Err(unreadable("không phải có hoặc không", "is neither yes nor no")),
                }
            }
            Self::Date(forms) => date(&text, forms, field),
            Self::Time(form) => moment(&text, form, field),
            Self::Code(list) => coded(text, list, field),
            Self::OrgId => organisation_id(text, field),
            Self::MediaType => Ok(Value::Text(lower(text))),
            Self::List(separator) => Ok(Value::List(listed(text, separator))),
            Self::Affix(prefix) => Ok(Value::Text(without(text, prefix))),
            Self::FullNumber => with("printed", text, field),
            Self::Extra => with("value", text, field),
            Self::Fetch | Self::Content => {
                Err(unreadable("tệp không có ở đây", "the file is not here"))
            }
        }
    }

    /// The list of a converter that has one.
    pub(crate) fn list(&self) -> Option<&List> {
        if let Self::Code(list) = self { Some(list) } else { None }
    }

    /// True when a value stands for the codes that are in no row.
    pub(crate) fn is_other(&self, value: &Value<'_>, field: &Field) -> bool {
        let other = self.list().and_then(|it| it.other.as_deref());
        let (Some(other), Some(names)) = (other, field.names()) else { return false };
        let number = names.number(other);
        number.is_some() && value.as_enum() == number
    }

    /// A moment of seconds since 1970 as text; none for what writes no moments.
    pub(crate) fn moment(&self, seconds: i64) -> Option<String> {
        let Self::Time(form) = self else { return None };
        Some(form.at(seconds))
    }

    /// The text a value of a field is written as; none when it has none here.
    pub(crate) fn write<'w>(&'w self, value: &'w Value<'_>, field: &Field) -> Option<Cow<'w, str>> {
        match self {
            Self::Text | Self::MediaType | Self::Fetch => plain(value),
            Self::Whole => plain(value).filter(|it| it != "0"),
            Self::YesNo(yes, no) => {
                let Value::Bool(is_so) = value else { return None };
                Some(Cow::Borrowed(if *is_so { yes } else { no }))
            }
            Self::Date(forms) => day_text(value.as_message()?, forms.first()?).map(Cow::Owned),
            Self::Time(form) => moment_text(value.as_message()?, form).map(Cow::Owned),
            Self::Code(list) => match value.as_enum() {
                Some(number) => list.native(field.names()?.name(number)?),
                None => uncoded(value, list),
            }
            .map(Cow::Borrowed),
            Self::List(separator) => {
                let items: Option<Vec<_>> = value.as_list()?.iter().map(Value::as_text).collect();
                Some(items?.join(separator)).filter(|it| !it.is_empty()).map(Cow::Owned)
            }
            Self::Affix(prefix) => {
                let text = plain(value).filter(|it| !it.is_empty())?;
                Some(Cow::Owned(format!("{prefix}{text}")))
            }
            Self::FullNumber => full_number(value.as_message()?),
            Self::OrgId | Self::Extra => part(value.as_message()?, "value").map(Cow::Borrowed),
            Self::Content => None,
        }
    }
}

/// Names of converters, as a description writes them.
const NAMES: [&str; 14] = [
    "text",
    "whole",
    "yes-no",
    "date",
    "time",
    "code",
    "org-id",
    "media-type",
    "list",
    "affix",
    "full-number",
    "extra",
    "fetch",
    "content",
];

fn no_converter(words: &str, name: &str) -> Words {
    let meant = nearest(name, &NAMES);
    Words::new(
        format!("không có bộ đổi `{words}`{}", meant.vi),
        format!("there is no converter `{words}`{}", meant.en),
    )
}

fn lower(text: Cow<'_, str>) -> Cow<'_, str> {
    let is_low = text.bytes().all(|it| it.is_ascii() && !it.is_ascii_uppercase());
    if is_low { text } else { Cow::Owned(text.to_lowercase()) }
}

fn without<'t>(text: Cow<'t, str>, prefix: &str) -> Cow<'t, str> {
    match &text {
        Cow::Borrowed(it) => Cow::Borrowed(it.strip_prefix(prefix).unwrap_or(it)),
        Cow::Owned(it) => {
            it.strip_prefix(prefix).map(|it| Cow::Owned(it.to_owned())).unwrap_or(text)
        }
    }
}

fn listed<'t>(text: Cow<'t, str>, separator: &str) -> Vec<Value<'t>> {
    fn parts<'p>(text: &'p str, separator: &str) -> impl Iterator<Item = &'p str> {
        text.split(separator).map(str::trim).filter(|it| !it.is_empty())
    }
    match text {
        Cow::Borrowed(it) => parts(it, separator).map(|it| Value::Text(it.into())).collect(),
        Cow::Owned(it) => {
            parts(&it, separator).map(|it| Value::Text(it.to_owned().into())).collect()
        }
    }
}

fn whole<'t>(text: &str, field: &Field) -> Result<Value<'t>, Unreadable> {
    let wrong = || unreadable("không phải số nguyên", "is no whole number");
    let is_number = (1..=18).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_digit());
    if !is_number {
        return Err(wrong());
    }
    let number: u64 = text.parse().map_err(|_error| wrong())?;
    if field.kind == Kind::Uint64 {
        return Ok(Value::U64(number));
    }
    let narrow = u32::try_from(number).ok().filter(|_| field.kind == Kind::Uint32);
    narrow.map(Value::U32).ok_or_else(wrong)
}

fn plain<'w>(value: &'w Value<'_>) -> Option<Cow<'w, str>> {
    if let Value::Text(it) = value {
        return Some(Cow::Borrowed(it));
    }
    value.as_size().map(|it| Cow::Owned(it.to_string()))
}

/// A new message of the kind that a field holds.
fn message<'t>(field: &Field) -> Result<Record<'t>, Unreadable> {
    field.shape().map(Record::new).ok_or_else(|| unreadable("không phải phần", "is no message"))
}

/// A message with one text in it.
fn with<'t>(name: &str, text: Cow<'t, str>, field: &Field) -> Result<Value<'t>, Unreadable> {
    let mut message = message(field)?;
    message.set_named(name, Value::Text(text));
    Ok(Value::Message(message))
}

fn part<'m>(message: &'m Record<'_>, name: &str) -> Option<&'m str> {
    Some(message.text(name)).filter(|it| !it.is_empty())
}

fn full_number<'m>(number: &'m Record<'_>) -> Option<Cow<'m, str>> {
    if let Some(printed) = part(number, "printed") {
        return Some(Cow::Borrowed(printed));
    }
    let (first, second) = (part(number, "number")?, part(number, "notation")?);
    Some(Cow::Owned(format!("{first}/{second}")))
}

fn coded<'t>(text: Cow<'t, str>, list: &'t List, field: &Field) -> Result<Value<'t>, Unreadable> {
    let row = list.rows.get(text.as_ref()).map(String::as_str);
    if let Some(allowed) = &list.gate
        && row != Some(allowed.as_str())
    {
        return Err(Unreadable {
            is_secret: true,
            ..unreadable("có độ mật", "bears a secrecy mark")
        });
    }
    let wrong = || unreadable("mã không có trong danh sách", "is no code of the list");
    if let Some(names) = field.names() {
        let row = row.or(list.other.as_deref());
        return row.and_then(|it| names.number(it)).map(Value::Enum).ok_or_else(wrong);
    }
    let mut code = message(field).map_err(|_other| wrong())?;
    match row {
        Some(row) => {
            code.set_named("code", Value::Text(Cow::Borrowed(row)));
            let name = list.list.as_deref().unwrap_or_default();
            code.set_named("list", Value::Text(Cow::Borrowed(name)));
        }
        None if list.open => code.set_named("name", Value::Text(text)),
        None => return Err(wrong()),
    }
    Ok(Value::Message(code))
}

fn uncoded<'w>(value: &'w Value<'_>, list: &'w List) -> Option<&'w str> {
    if let Some(name) = value.as_text() {
        return list.native(name);
    }
    let code = value.as_message()?;
    match part(code, "code") {
        Some(code) => list.native(code),
        None => part(code, "name").filter(|_| list.open),
    }
}

fn organisation_id<'t>(text: Cow<'t, str>, field: &Field) -> Result<Value<'t>, Unreadable> {
    if text.len() > 100 {
        return Err(unreadable("mã cơ quan quá dài", "is too long for an organisation's code"));
    }
    let mut id = message(field)?;
    id.set_named("scheme", Value::Text(Cow::Borrowed(proto::scheme::scheme_of(&text))));
    id.set_named("value", Value::Text(text));
    Ok(Value::Message(id))
}
