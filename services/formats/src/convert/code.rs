//! Codes: from the rows of a description, or of the registry's list that it is bound to.

use std::borrow::Cow;

use secrecy_marks::means_no_secrecy;

use crate::convert::code_list_set::{CodeListSet, FoundRow, ListRows, NO_LISTS};
use crate::convert::day::Day;
use crate::convert::digits::{integer_digits, read_as, row_of_digits};
use crate::convert::error::{ConvertError, Converted, ReadNote, new_message};
use crate::grammar::CodeList;
use crate::model::{DynMessage, FieldSchema, Value};

/// The registry's lists, and the day of the document whose codes are converted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CodeScope<'s> {
    pub(crate) lists: &'s CodeListSet,
    /// None: it is not known, and every row counts.
    pub(crate) day: Option<Day>,
}

impl<'s> CodeScope<'s> {
    /// Without lists of a registry.
    pub(crate) fn none() -> Self {
        Self { lists: &NO_LISTS, day: None }
    }

    /// The rows of the registry that a list is bound to; none for another list.
    fn rows_of(&self, list: &CodeList) -> Option<&'s ListRows> {
        self.lists.get(list.registered.as_deref()?)
    }
}

/// The canonical code of a native text.
#[derive(Default)]
struct FoundCode<'t> {
    /// None: the text is no code of the list.
    code: Option<&'t str>,
    note: Option<ReadNote>,
}

pub(super) fn read_code<'t>(
    text: Cow<'t, str>,
    (list, scope): (&'t CodeList, CodeScope<'t>),
    field: &FieldSchema,
) -> Result<Converted<'t>, ConvertError> {
    let FoundCode { code, note } = find_code(&text, list, scope);
    if let Some(permitted) = &list.gate
        && code != Some(permitted.as_str())
    {
        let error = ConvertError::new("có độ mật", "bears a secrecy mark");
        return Err(ConvertError { is_secret: true, ..error });
    }
    let not_listed = || ConvertError::new("mã không có trong danh sách", "is no code of the list");
    if let Some(schema) = field.enum_schema() {
        let row = code.or(list.other.as_deref());
        let number = row.and_then(|it| schema.number(it)).ok_or_else(not_listed)?;
        return Ok(Converted { value: Value::Enum(number), note });
    }
    let mut message = new_message(field).map_err(|_other| not_listed())?;
    match code {
        Some(code) => {
            let rows = scope.rows_of(list).map(|it| it.canonical.as_str());
            let name = list.list.as_deref().or(rows).unwrap_or_default();
            message.set_by_name("code", Value::Text(Cow::Borrowed(code)));
            message.set_by_name("list", Value::Text(Cow::Borrowed(name)));
            if list.is_by_name() {
                // What the sender wrote stays, in the sender's spelling.
                message.set_by_name("name", Value::Text(text));
            }
        }
        None if list.open => message.set_by_name("name", Value::Text(text)),
        None => return Err(not_listed()),
    }
    Ok(Converted { value: Value::Message(message), note })
}

/// Finds a text in the rows of the description, and then in those of the registry.
fn find_code<'t>(text: &str, list: &'t CodeList, scope: CodeScope<'t>) -> FoundCode<'t> {
    let rows = scope.rows_of(list);
    let says_none = || list.gate.as_deref().filter(|_| means_no_secrecy(text));
    if let Some(code) = list.canonical(text).or_else(says_none) {
        let registered = rows.filter(|it| !it.is_native);
        let found = registered.and_then(|it| it.find_meaning(code, scope.day));
        return FoundCode { code: Some(code), note: found.and_then(|it| validity_note(it, scope)) };
    }
    let by_digits = || row_of_digits(text, &list.rows).filter(|_| list.gate.is_none());
    if let Some((native, code)) = by_digits() {
        return FoundCode { code: Some(code), note: Some(read_as(native)) };
    }
    if let Some(found) = rows.and_then(|it| it.find(text, list.is_by_name(), scope.day)) {
        let note = validity_note(found, scope);
        return FoundCode { code: Some(&found.row.meaning), note };
    }
    let by_digits = rows.filter(|_| !list.is_by_name());
    if let Some((native, found)) = by_digits.and_then(|it| it.find_digits(text, scope.day)) {
        let note = validity_note(found, scope).unwrap_or_else(|| read_as(native));
        return FoundCode { code: Some(&found.row.meaning), note: Some(note) };
    }
    FoundCode { code: None, note: unlisted_note(text, list, rows.is_some()) }
}

/// The finding about a code that is not valid on the day of the document.
fn validity_note(found: FoundRow<'_>, scope: CodeScope<'_>) -> Option<ReadNote> {
    let day = scope.day.filter(|_| !found.is_valid)?;
    let (vi, en) = found.row.validity();
    Some(ReadNote {
        code: "LT-MAP-240",
        vi: Cow::Owned(format!("có hiệu lực {vi}, văn bản ghi ngày {day}; vẫn nhận")),
        en: Cow::Owned(format!("is valid {en}, and the document is of {day}; taken all the same")),
        is_partial: false,
    })
}

/// The finding about a code without a row. In an open list without codes of its own, or beside a
/// name, nothing is missing.
fn unlisted_note(text: &str, list: &CodeList, is_registered: bool) -> Option<ReadNote> {
    let is_code = list.other.is_some()
        || is_registered
        || !list.rows.is_empty() && integer_digits(text).is_some();
    is_code.then_some(ReadNote {
        code: "LT-MAP-051",
        vi: Cow::Borrowed("không có trong danh mục; mang đi nguyên văn"),
        en: Cow::Borrowed("is in no row of the list; carried as it stands"),
        is_partial: false,
    })
}

/// The native text of a value; none when the list has none for it.
pub(super) fn code_of_value<'w>(
    value: &'w Value<'_>,
    list: &'w CodeList,
    scope: CodeScope<'w>,
) -> Option<&'w str> {
    if let Some(name) = value.as_text() {
        return list.native(name);
    }
    let message = value.as_message()?;
    // A name could be read as another code where the texts of the format are codes.
    let name = non_empty(message, "name").filter(|_| list.open);
    let Some(code) = non_empty(message, "code") else { return name };
    let rows = scope.rows_of(list);
    let is_own_name = |name: &&str| {
        let found = rows.and_then(|it| it.find(name, true, scope.day));
        found.is_some_and(|it| it.row.meaning == code)
    };
    if let Some(name) = name.filter(|it| list.is_by_name() && is_own_name(it)) {
        return Some(name);
    }
    list.native(code)
        .or_else(|| rows?.native(code, list.is_by_name(), scope.day))
        .or_else(|| name.filter(|_| list.rows.is_empty() && (list.is_by_name() || rows.is_none())))
}

pub(super) fn non_empty<'m>(message: &'m DynMessage<'_>, name: &str) -> Option<&'m str> {
    Some(message.text(name)).filter(|it| !it.is_empty())
}
