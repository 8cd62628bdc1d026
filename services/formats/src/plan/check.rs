//! Type checks of a rule when a description is compiled, so that no message meets an impossible
//! rule.

use std::collections::BTreeMap;

use proto::fault::code;

use crate::canonical_path::{CanonicalPath, PathSegment};
use crate::convert::{CodeScope, Converter};
use crate::diagnostic::Defect;
use crate::grammar::{CodeList, FieldRule, TooLong};
use crate::model::{FieldSchema, FieldType};
use crate::plan::enum_value::enum_number;
use crate::plan::rule::LeafRule;

/// What is wrong with a code list, each with the key that it is about: whether it is invertible,
/// and whether a gate permits one of its codes.
pub(super) fn check_list(list: &CodeList) -> Vec<(ListKey<'_>, Defect)> {
    let mut defects = Vec::new();
    let mut codes = BTreeMap::new();
    for (native, canonical) in &list.rows {
        if let Some(other) = codes.insert(canonical, native) {
            let defect = Defect::new(
                &code::LT_FMT_008,
                format!("`{other}` và `{native}` cùng là `{canonical}`"),
                format!("`{other}` and `{native}` both mean `{canonical}`"),
            );
            defects.push((ListKey::Row(native), defect));
        }
    }
    let unknown = list.near.iter().filter(|(canonical, native)| {
        codes.contains_key(canonical) || !list.rows.contains_key(*native)
    });
    defects.extend(unknown.map(|(canonical, native)| {
        let defect = Defect::new(
            &code::LT_FMT_008,
            format!("`near` `{canonical}: {native}` cần một mã của `rows`, cho giá trị chưa có mã"),
            format!(
                "`near` `{canonical}: {native}` needs a code of `rows`, for a value without one"
            ),
        );
        (ListKey::Key("near"), defect)
    }));
    let repeated = list.also.keys().filter(|it| list.rows.contains_key(*it));
    defects.extend(repeated.map(|it| {
        let defect = Defect::new(
            &code::LT_FMT_008,
            format!("`{it}` có cả trong `rows` và `also`"),
            format!("`{it}` is in `rows` and in `also`"),
        );
        (ListKey::Key("also"), defect)
    }));
    if let Some(defect) = registered_defect(list) {
        defects.push(defect);
    }
    if let Some(gate) = list.gate.as_ref().filter(|it| !codes.contains_key(it)) {
        let defect = Defect::new(
            &code::LT_FMT_008,
            format!("không mã nào là `{gate}`, giá trị duy nhất được phép"),
            format!("no code means `{gate}`, which alone may pass"),
        );
        defects.push((ListKey::Key("gate"), defect));
    }
    defects
}

/// What the rows of the registry may be bound to: they change while the bus runs, so no decision of
/// the bus itself may rest on them.
fn registered_defect(list: &CodeList) -> Option<(ListKey<'static>, Defect)> {
    let defect = |vi: &str, en: &str| Defect::new(&code::LT_FMT_065, vi, en);
    if list.registered.is_none() {
        let needed = defect("`by` cần `registered`", "`by` needs a `registered`");
        return list.by.is_some().then_some((ListKey::Key("by"), needed));
    }
    let is_closed_by_code = list.gate.is_some() || list.other.is_some();
    is_closed_by_code.then(|| {
        let (vi, en) = (
            "`registered` không đi cùng `gate` hay `other`",
            "`registered` goes with neither `gate` nor `other`",
        );
        (ListKey::Key("registered"), defect(vi, en))
    })
}

/// The part of a code list that a mistake is about.
#[derive(Clone, Copy, Debug)]
pub(super) enum ListKey<'l> {
    Key(&'static str),
    /// The row of a native code.
    Row(&'l str),
}

/// What is wrong with a leaf rule, each with the key that it is about.
pub(super) fn check_leaf(leaf: &LeafRule) -> Vec<(&'static str, Defect)> {
    let mut defects = Vec::new();
    let (Some(last), Some((_, parents))) = (leaf.to.last(), leaf.to.split_last()) else {
        return defects;
    };
    for segment in parents.iter().filter(|it| it.field.is_list && it.selector.is_none()) {
        defects.push(("to", needs_selector(segment.field)));
    }
    let is_item = last.selector.is_some();
    let mut push =
        |key, defect: Result<(), Defect>| defects.extend(defect.err().map(|it| (key, it)));
    push("as", check_type(&leaf.converter, last.field, is_item));
    if let Some(other) = leaf.fallback.as_ref().and_then(|it| it.last()) {
        push("else", check_type(&leaf.converter, other.field, other.selector.is_some()));
    }
    push("read-default", check_read_default(leaf, last.field));
    push("write-default", check_write_default(leaf, last.field));
    let is_text =
        |it: &CanonicalPath| it.last().is_some_and(|it| it.field.field_type == FieldType::Text);
    let other = leaf.converter.code_list().and_then(|it| it.other.as_ref());
    if other.is_some() != leaf.unlisted.as_ref().is_some_and(is_text) {
        defects.push((
            "unlisted",
            Defect::new(
                &code::LT_FMT_018,
                "`other` của danh mục và `unlisted` của dòng (một trường chữ) đi cùng nhau",
                "a list's `other` and a line's `unlisted` (a text field) go together",
            ),
        ));
    }
    defects
}

/// Checks that `max` cuts no text that identifies something: a cut number, code or address is that of
/// something else.
pub(super) fn check_length(
    converter: &Converter,
    target: Option<&PathSegment>,
    rule: &FieldRule,
) -> Option<(&'static str, Defect)> {
    let field = target?.field;
    let Some(max) = rule.max else {
        let is_without_max = rule.too_long != TooLong::default();
        let needs_max =
            || Defect::new(&code::LT_FMT_018, "`too-long` cần `max`", "`too-long` needs a `max`");
        return is_without_max.then(|| ("too-long", needs_max()));
    };
    if rule.too_long != TooLong::Cut {
        return None;
    }
    let may_be_cut = match converter {
        Converter::Text | Converter::List(_) | Converter::Affix(_) => field.is_descriptive,
        // The name of a code without a row is descriptive, the code of a row is not.
        Converter::Code(list) => {
            let is_row_code = list.registered.is_some() && !list.is_by_name();
            !is_row_code && list.rows.keys().all(|it| it.chars().count() <= max)
        }
        Converter::Integer
        | Converter::YesNo(..)
        | Converter::Date(_)
        | Converter::Time(_)
        | Converter::OrgId
        | Converter::MediaType
        | Converter::Pattern(_)
        | Converter::Extra
        | Converter::Fetch
        | Converter::Content
        | Converter::PackedType => false,
    };
    let name = &field.name;
    (!may_be_cut).then(|| {
        let defect = Defect::new(
            &code::LT_FMT_018,
            format!("`{name}` định danh, không được cắt; ghi `too-long: carry` hoặc `refuse`"),
            format!("`{name}` identifies and is never cut; say `too-long: carry` or `refuse`"),
        );
        ("max", defect)
    })
}

/// Checks that a default for reading is a value of the field: an enum's value, else a native text
/// that the converter reads.
fn check_read_default(leaf: &LeafRule, field: &FieldSchema) -> Result<(), Defect> {
    let Some(default) = leaf.read_default.as_deref() else { return Ok(()) };
    match field.enum_schema() {
        Some(schema) => enum_number(schema, default, &code::LT_FMT_018).map(drop),
        None if is_native_value(leaf, field, default) => Ok(()),
        None => Err(no_default("read-default", default, field)),
    }
}

/// Checks that a default for writing is a native text that is read as a value: the code of a list is
/// named by its canonical value.
fn check_write_default(leaf: &LeafRule, field: &FieldSchema) -> Result<(), Defect> {
    let Some(default) = leaf.write_default.as_deref() else { return Ok(()) };
    let is_value = match leaf.converter.code_list() {
        Some(list) => list.native(default).is_some(),
        None => ["index", "now"].contains(&default) || is_native_value(leaf, field, default),
    };
    if is_value { Ok(()) } else { Err(no_default("write-default", default, field)) }
}

fn is_native_value(leaf: &LeafRule, field: &FieldSchema, text: &str) -> bool {
    let is_file = matches!(leaf.converter, Converter::Content | Converter::Fetch);
    !is_file && leaf.converter.read(text, field, CodeScope::none()).is_ok()
}

fn no_default(key: &str, default: &str, field: &FieldSchema) -> Defect {
    let name = &field.name;
    Defect::new(
        &code::LT_FMT_018,
        format!("`{key}: {default}` không phải giá trị của `{name}`"),
        format!("`{key}: {default}` is no value of `{name}`"),
    )
}

fn needs_selector(field: &FieldSchema) -> Defect {
    let name = &field.name;
    Defect::new(
        &code::LT_FMT_005,
        format!("`{name}` là danh sách; cần nêu phần tử nào, như `{name}[0]`, hoặc dùng `each`"),
        format!("`{name}` is a list; say which item, such as `{name}[0]`, or use `each`"),
    )
}

/// Checks that the field holds what the converter gives. `is_item`: the path selects an item.
pub(super) fn check_type(
    converter: &Converter,
    field: &FieldSchema,
    is_item: bool,
) -> Result<(), Defect> {
    let field_type = field.field_type;
    let holds_message = |name: &str| field.message_schema().is_some_and(|it| it.name == name);
    let is_many = matches!(converter, Converter::List(_));
    if field.is_list && !is_item && !is_many {
        return Err(needs_selector(field));
    }
    let fits = match converter {
        Converter::Text
        | Converter::MediaType
        | Converter::PackedType
        | Converter::Affix(_)
        | Converter::Fetch => field_type == FieldType::Text,
        Converter::Integer => field_type == FieldType::Uint32 || field_type == FieldType::Uint64,
        Converter::YesNo(..) => field_type == FieldType::Bool,
        Converter::Date(_) => holds_message("Date"),
        Converter::Time(_) => holds_message("Moment"),
        Converter::Code(list) => return check_code_list(list, field),
        Converter::OrgId => holds_message("OrganisationId"),
        // The fields of its parts were checked when the pattern was parsed.
        Converter::Pattern(_) => field.message_schema().is_some(),
        Converter::List(_) => field_type == FieldType::Text && field.is_list && !is_item,
        Converter::Extra => holds_message("Extra"),
        Converter::Content => holds_message("Blob"),
    };
    if fits { Ok(()) } else { Err(type_mismatch(field)) }
}

/// Checks that the canonical values of a list are values of the field.
fn check_code_list(list: &CodeList, field: &FieldSchema) -> Result<(), Defect> {
    if let Some(schema) = field.enum_schema() {
        if let Some(name) = &list.registered {
            let field = &field.name;
            return Err(Defect::new(
                &code::LT_FMT_065,
                format!("`{field}` là enum, không lấy mã của danh mục `{name}` trong sổ đăng ký"),
                format!("`{field}` is an enum and takes no codes of the registry's list `{name}`"),
            ));
        }
        return list
            .rows
            .values()
            .chain(list.also.values())
            .chain(list.near.keys())
            .chain(&list.other)
            .try_for_each(|it| enum_number(schema, it, &code::LT_FMT_008).map(drop));
    }
    if field.message_schema().is_some_and(|it| it.name == "Code") && list.other.is_none() {
        return Ok(());
    }
    let name = &field.name;
    Err(Defect::new(
        &code::LT_FMT_007,
        format!("`{name}` không giữ mã"),
        format!("`{name}` holds no code"),
    ))
}

/// The converter does not give what the field holds; names those that do.
fn type_mismatch(field: &FieldSchema) -> Defect {
    let name = &field.name;
    let (holds, fitting) = match field.field_type {
        FieldType::Text if field.is_list => ("text[]".to_owned(), "text, list, affix"),
        FieldType::Text => ("text".to_owned(), "text, affix, media-type, fetch"),
        FieldType::Uint32 | FieldType::Uint64 => ("number".to_owned(), "whole"),
        FieldType::Bool => ("boolean".to_owned(), "yes-no"),
        FieldType::Enum(_) => {
            (field.enum_schema().map_or_else(String::new, |it| it.name.clone()), "code")
        }
        FieldType::Message(_) => message_and_converter(field),
        FieldType::Bytes | FieldType::Int32 | FieldType::Int64 | FieldType::Other => {
            Default::default()
        }
    };
    let (vi, en) = match fitting {
        "" => (String::new(), String::new()),
        _ => (format!("; dùng được: {fitting}"), format!("; what fits: {fitting}")),
    };
    Defect::new(
        &code::LT_FMT_007,
        format!("bộ đổi không hợp với kiểu của `{name}` ({holds}){vi}"),
        format!("the converter does not fit the type of `{name}` ({holds}){en}"),
    )
}

fn message_and_converter(field: &FieldSchema) -> (String, &'static str) {
    let name = field.message_schema().map(|it| it.name.clone()).unwrap_or_default();
    let fitting = match name.as_str() {
        "Date" => "date",
        "Moment" => "time",
        "Code" => "code",
        "OrganisationId" => "org-id",
        "DocumentNumber" => "pattern",
        "Extra" => "extra",
        "Blob" => "content",
        _ => "",
    };
    (name, fitting)
}
