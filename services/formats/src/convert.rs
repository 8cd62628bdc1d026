//! The closed set of converters: each text form and its canonical value, both ways side by side.

use std::sync::Arc;

pub(crate) use calendar::is_day as is_real;
use calendar::{at_text, date, day_text, moment, moment_text};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};
use unicode_normalization::{UnicodeNormalization as _, is_nfc};

use crate::grammar::List;
use crate::mistake::{Words, nearest};

mod calendar;

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
    Date(Vec<String>),
    /// A moment in Vietnam's time.
    Time(String),
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
    pub(crate) vi: String,
    pub(crate) en: String,
    /// A secrecy mark stood there.
    pub(crate) is_secret: bool,
}

fn unreadable(vi: &str, en: &str) -> Unreadable {
    Unreadable { vi: vi.to_owned(), en: en.to_owned(), is_secret: false }
}

impl Converter {
    /// Reads the words of a description.
    pub(crate) fn parse(
        words: &str,
        list: impl Fn(&str) -> Option<Arc<List>>,
    ) -> Result<Self, Words> {
        let (name, rest) = words.split_once(' ').unwrap_or((words, ""));
        let forms = || rest.split('|').map(|it| it.trim().to_owned()).collect::<Vec<_>>();
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
                let forms = forms();
                forms.iter().try_for_each(|it| formed(it, "yMd"))?;
                Self::Date(forms)
            }
            "time" => {
                formed(rest, "yMdHm")?;
                Self::Time(rest.to_owned())
            }
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
    pub(crate) fn read(&self, text: &str, field: &FieldDescriptor) -> Result<Value, Unreadable> {
        let text = clean(text)?;
        match self {
            Self::Text => texted(text, field),
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
            Self::Code(list) => coded(&text, list, field),
            Self::OrgId => organisation_id(&text, field),
            Self::MediaType => Ok(Value::String(text.to_lowercase())),
            Self::List(separator) => Ok(Value::List(
                text.split(separator.as_str())
                    .map(str::trim)
                    .filter(|it| !it.is_empty())
                    .map(|it| Value::String(it.to_owned()))
                    .collect(),
            )),
            Self::Affix(prefix) => {
                Ok(Value::String(text.strip_prefix(prefix.as_str()).unwrap_or(&text).to_owned()))
            }
            Self::FullNumber => {
                let mut number = message(field);
                number.set_field_by_name("printed", Value::String(text));
                Ok(Value::Message(number))
            }
            Self::Extra => {
                let mut extra = message(field);
                extra.set_field_by_name("value", Value::String(text));
                Ok(Value::Message(extra))
            }
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
    pub(crate) fn is_other(&self, value: &Value, field: Option<&FieldDescriptor>) -> bool {
        let Some(list) = self.list() else { return false };
        let (Some(other), Some(Kind::Enum(names))) =
            (&list.other, field.map(FieldDescriptor::kind))
        else {
            return false;
        };
        let number = names.get_value_by_name(other).map(|it| it.number());
        number.is_some() && value.as_enum_number() == number
    }

    /// A moment of seconds since 1970 as text; none for what writes no moments.
    pub(crate) fn moment(&self, seconds: i64) -> Option<String> {
        let Self::Time(form) = self else { return None };
        Some(at_text(seconds, form))
    }

    /// The text a value is written as; none when it has none here.
    pub(crate) fn write(&self, value: &Value) -> Option<String> {
        match self {
            Self::Text | Self::MediaType | Self::Fetch => plain(value),
            Self::Whole => plain(value).filter(|it| it != "0"),
            Self::YesNo(yes, no) => Some(if value.as_bool()? { yes } else { no }.clone()),
            Self::Date(forms) => day_text(value.as_message()?, forms.first()?),
            Self::Time(form) => moment_text(value.as_message()?, form),
            Self::Code(list) => uncoded(value, list),
            Self::List(separator) => {
                let items: Option<Vec<_>> = value.as_list()?.iter().map(Value::as_str).collect();
                Some(items?.join(separator)).filter(|it| !it.is_empty())
            }
            Self::Affix(prefix) => {
                plain(value).filter(|it| !it.is_empty()).map(|it| format!("{prefix}{it}"))
            }
            Self::FullNumber => full_number(value.as_message()?),
            Self::OrgId | Self::Extra => part(value.as_message()?, "value"),
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

/// A form of days or times has all the letters that it needs.
fn formed(form: &str, needs: &str) -> Result<(), Words> {
    match needs.chars().find(|it| !form.contains(*it)) {
        None => Ok(()),
        Some(letter) => Err(Words::new(
            format!("dạng `{form}` thiếu `{letter}`"),
            format!("the form `{form}` lacks `{letter}`"),
        )),
    }
}

fn no_converter(words: &str, name: &str) -> Words {
    let meant = nearest(name, &NAMES);
    Words::new(
        format!("không có bộ đổi `{words}`{}", meant.vi),
        format!("there is no converter `{words}`{}", meant.en),
    )
}

/// NFC, trimmed, without control characters but line feed.
pub(crate) fn clean(text: &str) -> Result<String, Unreadable> {
    let text = text.trim();
    if text.chars().any(|it| it.is_control() && !['\n', '\r', '\t'].contains(&it)) {
        return Err(unreadable("có ký tự điều khiển", "holds a control character"));
    }
    let text: String = if is_nfc(text) { text.to_owned() } else { text.nfc().collect() };
    Ok(if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text })
}

fn texted(text: String, field: &FieldDescriptor) -> Result<Value, Unreadable> {
    if field.kind() == Kind::String {
        Ok(Value::String(text))
    } else {
        Err(unreadable("không phải chữ", "is no text"))
    }
}

fn whole(text: &str, field: &FieldDescriptor) -> Result<Value, Unreadable> {
    let wrong = || unreadable("không phải số nguyên", "is no whole number");
    let is_number = (1..=18).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_digit());
    if !is_number {
        return Err(wrong());
    }
    let number: u64 = text.parse().map_err(|_error| wrong())?;
    if field.kind() == Kind::Uint64 {
        return Ok(Value::U64(number));
    }
    let narrow = u32::try_from(number).ok().filter(|_| field.kind() == Kind::Uint32);
    narrow.map(Value::U32).ok_or_else(wrong)
}

fn plain(value: &Value) -> Option<String> {
    let text = value.as_str().map(ToOwned::to_owned);
    let narrow = || value.as_u32().map(|it| it.to_string());
    text.or_else(narrow).or_else(|| value.as_u64().map(|it| it.to_string()))
}

fn message(field: &FieldDescriptor) -> DynamicMessage {
    let kind = field.kind();
    let of = kind.as_message().unwrap_or_else(|| field.parent_message());
    DynamicMessage::new(MessageDescriptor::clone(of))
}

fn part(message: &DynamicMessage, name: &str) -> Option<String> {
    let value = message.get_field_by_name(name)?;
    value.as_str().filter(|it| !it.is_empty()).map(ToOwned::to_owned)
}

fn full_number(number: &DynamicMessage) -> Option<String> {
    let printed = part(number, "printed");
    printed.or_else(|| Some(format!("{}/{}", part(number, "number")?, part(number, "notation")?)))
}

fn coded(text: &str, list: &List, field: &FieldDescriptor) -> Result<Value, Unreadable> {
    let row = list.rows.get(text).map(String::as_str);
    if let Some(allowed) = &list.gate
        && row != Some(allowed.as_str())
    {
        return Err(Unreadable {
            is_secret: true,
            ..unreadable("có độ mật", "bears a secrecy mark")
        });
    }
    let wrong = || unreadable("mã không có trong danh sách", "is no code of the list");
    if let Some(names) = field.kind().as_enum() {
        let row = row.or(list.other.as_deref());
        let value = row.and_then(|it| names.get_value_by_name(it)).ok_or_else(wrong)?;
        return Ok(Value::EnumNumber(value.number()));
    }
    if field.kind().as_message().is_none() {
        return Err(wrong());
    }
    let mut code = message(field);
    match row {
        Some(row) => {
            code.set_field_by_name("code", Value::String(row.to_owned()));
            let name = list.list.clone().unwrap_or_default();
            code.set_field_by_name("list", Value::String(name));
        }
        None if list.open => code.set_field_by_name("name", Value::String(text.to_owned())),
        None => return Err(wrong()),
    }
    Ok(Value::Message(code))
}

fn uncoded(value: &Value, list: &List) -> Option<String> {
    let native = |canonical: &str| {
        list.rows.iter().find(|(_, it)| *it == canonical).map(|(native, _)| native.clone())
    };
    if let Some(name) = value.as_str() {
        return native(name);
    }
    let code = value.as_message()?;
    match part(code, "code") {
        Some(code) => native(&code),
        None => part(code, "name").filter(|_| list.open),
    }
}

fn organisation_id(text: &str, field: &FieldDescriptor) -> Result<Value, Unreadable> {
    if text.len() > 100 {
        return Err(unreadable("mã cơ quan quá dài", "is too long for an organisation's code"));
    }
    let mut id = message(field);
    let scheme = proto::scheme::scheme_of(text);
    id.set_field_by_name("scheme", Value::String(scheme.to_owned()));
    id.set_field_by_name("value", Value::String(text.to_owned()));
    Ok(Value::Message(id))
}

/// An enum's number as the name its rows use, so that [`Converter::write`] finds it.
pub(crate) fn named(value: Value, field: &FieldDescriptor) -> Value {
    match (&value, field.kind()) {
        (Value::EnumNumber(number), Kind::Enum(names)) => {
            let name = names.get_value(*number).map(|it| it.name().to_owned());
            Value::String(name.unwrap_or_default())
        }
        _ => value,
    }
}
