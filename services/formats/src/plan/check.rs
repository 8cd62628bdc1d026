//! Type checks of a rule when a description is compiled, so that no message meets an impossible
//! rule.

use std::collections::BTreeMap;

use crate::canonical_path::{CanonicalPath, PathSegment};
use crate::convert::Converter;
use crate::diagnostic::{BilingualText, suggest};
use crate::grammar::{CodeList, FieldRule, TooLong};
use crate::model::{EnumSchema, FieldSchema, FieldType};
use crate::plan::rule::LeafRule;

/// The number of an enum value.
pub(super) fn enum_number(schema: &EnumSchema, value: &str) -> Result<i32, BilingualText> {
    schema.number(value).ok_or_else(|| {
        let known: Vec<_> = schema.values.iter().map(|(_, it)| it.as_str()).collect();
        let (suggestion, of) = (suggest(value, &known), &schema.name);
        BilingualText::new(
            format!("`{value}` không thuộc {of}{}", suggestion.vi),
            format!("`{value}` is no {of}{}", suggestion.en),
        )
    })
}

/// Checks that every code list is invertible, and that a gate permits one of its codes.
pub(super) fn check_lists(lists: &BTreeMap<String, CodeList>, mistakes: &mut Vec<String>) {
    for (name, list) in lists {
        let mut codes = BTreeMap::new();
        for (native, canonical) in &list.rows {
            if let Some(other) = codes.insert(canonical, native) {
                mistakes.push(format!(
                    "lists/{name}: `{other}` và `{native}` cùng là `{canonical}` / \
                     `{other}` and `{native}` both mean `{canonical}`"
                ));
            }
        }
        if let Some(gate) = list.gate.as_ref().filter(|it| !codes.contains_key(it)) {
            mistakes.push(format!(
                "lists/{name}: không mã nào là `{gate}` / no code means `{gate}`, which alone may pass"
            ));
        }
    }
}

/// Every mistake in a leaf rule.
pub(super) fn check_leaf(leaf: &LeafRule) -> Vec<BilingualText> {
    let mut mistakes = Vec::new();
    let (Some(last), Some((_, parents))) = (leaf.to.last(), leaf.to.split_last()) else {
        return mistakes;
    };
    for segment in parents.iter().filter(|it| it.field.is_list && it.selector.is_none()) {
        mistakes.push(needs_selector(segment.field));
    }
    let is_item = last.selector.is_some();
    mistakes.extend(check_type(&leaf.converter, last.field, is_item).err());
    if let Some(other) = leaf.fallback.as_ref().and_then(|it| it.last()) {
        mistakes.extend(check_type(&leaf.converter, other.field, other.selector.is_some()).err());
    }
    if let (Some(default), Some(schema)) = (&leaf.read_default, last.field.enum_schema()) {
        mistakes.extend(enum_number(schema, default).err());
    } else if leaf.read_default.is_some() {
        mistakes.push(BilingualText::new(
            "`read-default` chỉ dùng cho enum",
            "a `read-default` needs an enum",
        ));
    }
    let is_text =
        |it: &CanonicalPath| it.last().is_some_and(|it| it.field.field_type == FieldType::Text);
    let other = leaf.converter.code_list().and_then(|it| it.other.as_ref());
    if other.is_some() != leaf.unlisted.as_ref().is_some_and(is_text) {
        mistakes.push(BilingualText::new(
            "`other` của danh mục và `unlisted` của dòng (một trường chữ) đi cùng nhau",
            "a list's `other` and a line's `unlisted` (a text field) go together",
        ));
    }
    mistakes
}

/// Checks that `max` cuts no text that identifies something: a cut number, code or address is that of
/// something else.
pub(super) fn check_length(
    converter: &Converter,
    target: Option<&PathSegment>,
    rule: &FieldRule,
) -> Option<BilingualText> {
    let field = target?.field;
    let Some(max) = rule.max else {
        let is_without_max = rule.too_long != TooLong::default();
        return is_without_max
            .then(|| BilingualText::new("`too-long` cần `max`", "`too-long` needs a `max`"));
    };
    if rule.too_long != TooLong::Cut {
        return None;
    }
    let may_be_cut = match converter {
        Converter::Text | Converter::List(_) | Converter::Affix(_) => field.is_descriptive,
        // The name of a code without a row is descriptive, the code of a row is not.
        Converter::Code(list) => list.rows.keys().all(|it| it.chars().count() <= max),
        Converter::Integer
        | Converter::YesNo(..)
        | Converter::Date(_)
        | Converter::Time(_)
        | Converter::OrgId
        | Converter::MediaType
        | Converter::FullNumber
        | Converter::Extra
        | Converter::Fetch
        | Converter::Content
        | Converter::PackedType => false,
    };
    let name = &field.name;
    (!may_be_cut).then(|| {
        BilingualText::new(
            format!("`{name}` định danh, không được cắt; ghi `too-long: carry` hoặc `refuse`"),
            format!("`{name}` identifies and is never cut; say `too-long: carry` or `refuse`"),
        )
    })
}

fn needs_selector(field: &FieldSchema) -> BilingualText {
    let name = &field.name;
    BilingualText::new(
        format!("`{name}` là danh sách; cần nêu phần tử nào"),
        format!("`{name}` is a list; say which item"),
    )
}

/// Checks that the field holds what the converter gives. `is_item`: the path selects an item.
pub(super) fn check_type(
    converter: &Converter,
    field: &FieldSchema,
    is_item: bool,
) -> Result<(), BilingualText> {
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
        Converter::FullNumber => holds_message("DocumentNumber"),
        Converter::List(_) => field_type == FieldType::Text && field.is_list && !is_item,
        Converter::Extra => holds_message("Extra"),
        Converter::Content => holds_message("Blob"),
    };
    let name = &field.name;
    let mismatch = || {
        BilingualText::new(
            format!("bộ đổi không hợp với kiểu của `{name}`"),
            format!("the converter does not fit the type of `{name}`"),
        )
    };
    if fits { Ok(()) } else { Err(mismatch()) }
}

/// Checks that the canonical values of a list are values of the field.
fn check_code_list(list: &CodeList, field: &FieldSchema) -> Result<(), BilingualText> {
    if let Some(schema) = field.enum_schema() {
        return list
            .rows
            .values()
            .chain(&list.other)
            .try_for_each(|it| enum_number(schema, it).map(drop));
    }
    if field.message_schema().is_some_and(|it| it.name == "Code") && list.other.is_none() {
        return Ok(());
    }
    let name = &field.name;
    Err(BilingualText::new(format!("`{name}` không giữ mã"), format!("`{name}` holds no code")))
}
