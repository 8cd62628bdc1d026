//! What can be told about a line before any message comes: types that fit, values that exist.

use std::collections::BTreeMap;

use super::Leaf;
use crate::convert::Converter;
use crate::grammar::List;
use crate::mistake::{Words, nearest};
use crate::record::{Field, Kind, Names};

/// The number of an enum's value.
pub(super) fn number(names: &Names, value: &str) -> Result<i32, Words> {
    names.number(value).ok_or_else(|| {
        let known: Vec<_> = names.values.iter().map(|(_, it)| it.as_str()).collect();
        let (meant, of) = (nearest(value, &known), &names.name);
        Words::new(
            format!("`{value}` không thuộc {of}{}", meant.vi),
            format!("`{value}` is no {of}{}", meant.en),
        )
    })
}

/// Lists can be read backwards, and a gate lets something through.
pub(super) fn lists(lists: &BTreeMap<String, List>, mistakes: &mut Vec<String>) {
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

/// Everything that is wrong with a leaf.
pub(super) fn leaf(leaf: &Leaf) -> Vec<Words> {
    let mut wrong = Vec::new();
    let (Some(last), Some((_, way))) = (leaf.to.last(), leaf.to.split_last()) else {
        return wrong;
    };
    for step in way.iter().filter(|it| it.field.is_list && it.selector.is_none()) {
        wrong.push(needs_selector(step.field));
    }
    let is_item = last.selector.is_some();
    wrong.extend(fits(&leaf.converter, last.field, is_item).err());
    if let Some(other) = leaf.otherwise.as_ref().and_then(|it| it.last()) {
        wrong.extend(fits(&leaf.converter, other.field, other.selector.is_some()).err());
    }
    if let (Some(default), Some(names)) = (&leaf.read_default, last.field.names()) {
        wrong.extend(number(names, default).err());
    } else if leaf.read_default.is_some() {
        wrong
            .push(Words::new("`read-default` chỉ dùng cho enum", "a `read-default` needs an enum"));
    }
    let is_text = |it: &super::Path| it.last().is_some_and(|it| it.field.kind == Kind::Text);
    let other = leaf.converter.list().and_then(|it| it.other.as_ref());
    if other.is_some() != leaf.unlisted.as_ref().is_some_and(is_text) {
        wrong.push(Words::new(
            "`other` của danh mục và `unlisted` của dòng (một trường chữ) đi cùng nhau",
            "a list's `other` and a line's `unlisted` (a text field) go together",
        ));
    }
    wrong
}

fn needs_selector(field: &Field) -> Words {
    let name = &field.name;
    Words::new(
        format!("`{name}` là danh sách; cần nêu phần tử nào"),
        format!("`{name}` is a list; say which item"),
    )
}

/// A converter gives what the field holds.
pub(super) fn fits(converter: &Converter, field: &Field, is_item: bool) -> Result<(), Words> {
    let kind = field.kind;
    let holds = |name: &str| field.shape().is_some_and(|it| it.name == name);
    let is_many = matches!(converter, Converter::List(_));
    if field.is_list && !is_item && !is_many {
        return Err(needs_selector(field));
    }
    let fits = match converter {
        Converter::Text | Converter::MediaType | Converter::Affix(_) | Converter::Fetch => {
            kind == Kind::Text
        }
        Converter::Whole => kind == Kind::Uint32 || kind == Kind::Uint64,
        Converter::YesNo(..) => kind == Kind::Bool,
        Converter::Date(_) => holds("Date"),
        Converter::Time(_) => holds("Moment"),
        Converter::Code(list) => return coded(list, field),
        Converter::OrgId => holds("OrganisationId"),
        Converter::FullNumber => holds("DocumentNumber"),
        Converter::List(_) => kind == Kind::Text && field.is_list && !is_item,
        Converter::Extra => holds("Extra"),
        Converter::Content => holds("Blob"),
    };
    let name = &field.name;
    let wrong = || {
        Words::new(
            format!("bộ đổi không hợp với kiểu của `{name}`"),
            format!("the converter does not fit the type of `{name}`"),
        )
    };
    if fits { Ok(()) } else { Err(wrong()) }
}

/// Rows name values that the field can have.
fn coded(list: &List, field: &Field) -> Result<(), Words> {
    if let Some(names) = field.names() {
        return list
            .rows
            .values()
            .chain(&list.other)
            .try_for_each(|it| number(names, it).map(drop));
    }
    if field.shape().is_some_and(|it| it.name == "Code") && list.other.is_none() {
        return Ok(());
    }
    let name = &field.name;
    Err(Words::new(format!("`{name}` không giữ mã"), format!("`{name}` holds no code")))
}
