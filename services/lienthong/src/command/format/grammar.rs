//! `format explain` and `format schema`: the grammar of descriptions.

use std::collections::BTreeMap;

use formats::grammar_page::{
    CanonicalField, EntryKind, GrammarEntry, MESSAGES, canonical_fields, grammar_entries,
};
use proto::fault::code;
use proto::fault::v1::Fault;
use serde_json::{Value, json};

use crate::output::Output;
use crate::table::Row;

/// Prints the whole grammar, the entries of one name, or the canonical fields.
pub(super) fn explain_grammar(output: Output, topic: Option<&str>) -> Result<(), Fault> {
    match topic {
        None => print_grammar(output),
        Some("fields") => print_fields(output, &MESSAGES, &|_| true),
        Some(message) if MESSAGES.contains(&message) => print_fields(output, &[message], &|_| true),
        Some(topic) => print_topic(output, topic)?,
    }
    Ok(())
}

/// Prints the JSON Schema of descriptions.
pub(super) fn print_schema(output: Output) {
    output.print_json(&formats::grammar_schema());
}

/// A group of entries, and its heading in both languages.
const GROUPS: [(&str, &str, &str); 7] = [
    ("file", "Khóa của mô tả", "Keys of a description"),
    ("rule", "Khóa của một dòng trong `fields`", "Keys of a rule in `fields`"),
    ("list", "Khóa của một danh mục trong `lists`", "Keys of a list in `lists`"),
    ("detect", "Khóa của một điều kiện trong `detect`", "Keys of a condition in `detect`"),
    (
        "syntax",
        "Cú pháp (`kind` trong `syntax`) và tùy chọn",
        "Syntaxes (`kind` in `syntax`) and options",
    ),
    ("converter", "Bộ đổi (`as`)", "Converters (`as`)"),
    ("profile", "Khóa của hồ sơ đối tác (`of`)", "Keys of a partner's profile (`of`)"),
];

fn group_of(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::FileKey => "file",
        EntryKind::RuleKey => "rule",
        EntryKind::ListKey => "list",
        EntryKind::DetectKey => "detect",
        EntryKind::Syntax | EntryKind::SyntaxKey(_) => "syntax",
        EntryKind::Converter => "converter",
        EntryKind::ProfileKey => "profile",
    }
}

fn print_grammar(output: Output) {
    let entries = grammar_entries();
    if output.json {
        output.print_json(&entries.iter().map(entry_json).collect());
        return;
    }
    for (group, vi, en) in GROUPS {
        output.print_line("");
        output.print_line(output.localize(vi, en));
        let rows: Vec<Row> = entries
            .iter()
            .filter(|it| group_of(it.kind) == group)
            .map(|it| {
                let meaning = output.localize(it.meaning.vi, it.meaning.en).to_owned();
                Row::from(vec![entry_name(it), it.values.clone(), meaning])
            })
            .collect();
        let headings = [
            output.localize("Tên", "Name"),
            output.localize("Giá trị", "Values"),
            output.localize("Nghĩa", "Meaning"),
        ];
        output.print_table(&headings, &rows);
    }
    output.print_line("");
    output.print_note(output.localize(
        "Ví dụ của từng mục: lienthong format explain TÊN; mọi trường chuẩn: lienthong format explain fields",
        "An example of each: lienthong format explain NAME; every canonical field: lienthong format explain fields",
    ));
}

/// The name with the syntax of an option in front; a star marks what a description must have.
fn entry_name(entry: &GrammarEntry) -> String {
    let name = match entry.kind {
        EntryKind::SyntaxKey(kind) => format!("{kind}: {}", entry.name),
        EntryKind::FileKey
        | EntryKind::RuleKey
        | EntryKind::ListKey
        | EntryKind::DetectKey
        | EntryKind::Converter
        | EntryKind::Syntax
        | EntryKind::ProfileKey => entry.name.to_owned(),
    };
    if entry.is_required { format!("{name} *") } else { name }
}

fn print_topic(output: Output, topic: &str) -> Result<(), Fault> {
    let entries = grammar_entries();
    let found: Vec<_> = entries.iter().filter(|it| it.name == topic).collect();
    if found.is_empty() {
        let is_meant = |it: &CanonicalField| is_named(it, topic);
        let messages = MESSAGES.map(|it| (it, canonical_fields(it).iter().any(is_meant)));
        let messages: Vec<_> = messages.iter().filter(|it| it.1).map(|it| it.0).collect();
        if !messages.is_empty() {
            print_fields(output, &messages, &is_meant);
            return Ok(());
        }
        let names: Vec<_> = entries.iter().map(|it| it.name).chain(["fields"]).collect();
        return Err(unknown_topic(topic, &names));
    }
    if output.json {
        output.print_json(&found.into_iter().map(entry_json).collect());
        return Ok(());
    }
    for it in found {
        let heading = GROUPS.iter().find(|(group, ..)| *group == group_of(it.kind));
        let heading = heading.map(|(_, vi, en)| output.localize(vi, en)).unwrap_or_default();
        output.print_line(&format!("{} {}  ({heading})", entry_name(it), it.values));
        output.print_line(&format!("  {}", it.meaning.vi));
        output.print_line(&format!("  {}", it.meaning.en));
        if !it.gives.is_empty() {
            let field = output.localize("kiểu của trường chuẩn", "type of the canonical field");
            output.print_line(&format!("  {field}: {}", it.gives));
        }
        it.example.lines().for_each(|line| output.print_line(&format!("    {line}")));
        output.print_line("");
    }
    Ok(())
}

fn unknown_topic(topic: &str, names: &[&str]) -> Fault {
    let (vi, en) = match formats::nearest(topic, names) {
        Some(it) => (format!("; có phải `{it}`?"), format!("; did you mean `{it}`?")),
        None => (String::new(), String::new()),
    };
    Fault::new(&code::LT_FMT_002).violation(
        topic,
        format!("ngữ pháp không có `{topic}`{vi}"),
        format!("the grammar has no `{topic}`{en}"),
    )
}

/// True for a field whose type or path is the topic, and for the fields below it.
fn is_named(field: &CanonicalField, topic: &str) -> bool {
    let plain = |it: &str| it.replace("[]", "");
    let (path, topic) = (plain(&field.path), plain(topic));
    // Between points, a name is never found inside another one.
    let is_on_path = format!(".{path}.").contains(&format!(".{topic}."));
    is_on_path || plain(&field.field_type) == topic
}

/// The converters that fill a type; text needs none.
fn converters_by_type() -> BTreeMap<String, Vec<&'static str>> {
    let mut all = BTreeMap::<String, Vec<_>>::new();
    let is_of_a_type = |it: &GrammarEntry| {
        it.kind == EntryKind::Converter && !it.gives.is_empty() && it.gives != "text"
    };
    for it in grammar_entries().into_iter().filter(is_of_a_type) {
        all.entry(it.gives.replace("[]", "")).or_default().push(it.name);
    }
    all
}

fn print_fields(output: Output, messages: &[&str], is_meant: &dyn Fn(&CanonicalField) -> bool) {
    let fields = |message: &str| canonical_fields(message).into_iter().filter(|it| is_meant(it));
    if output.json {
        let all: serde_json::Map<String, Value> = messages
            .iter()
            .map(|it| ((*it).to_owned(), fields(it).map(|it| field_json(&it)).collect()))
            .collect();
        output.print_json(&Value::Object(all));
        return;
    }
    let converters = converters_by_type();
    for message in messages {
        output.print_line("");
        output.print_line(message);
        let rows: Vec<Row> = fields(message)
            .map(|it| {
                let of_type = converters.get(it.field_type.trim_end_matches("[]"));
                let as_cell = of_type.map(|it| it.join(", ")).unwrap_or_default();
                let field_type = if it.values.is_empty() {
                    it.field_type
                } else {
                    format!("{}: {}", it.field_type, it.values.join(" "))
                };
                Row::from(vec![it.path, as_cell, field_type])
            })
            .collect();
        let headings = [
            output.localize("Trường", "Field"),
            output.localize("Bộ đổi", "Converter"),
            output.localize("Kiểu", "Type"),
        ];
        output.print_table(&headings, &rows);
    }
    output.print_note(output.localize(
        "[] là danh sách: dùng `each`, hoặc [0] phần tử đầu, hoặc [trường=GIÁ_TRỊ].",
        "[] is a list: use `each`, or [0] for the first item, or [field=VALUE].",
    ));
}

fn field_json(field: &CanonicalField) -> Value {
    json!({
        "path": field.path,
        "type": field.field_type,
        "values": field.values,
        "list": field.is_list,
    })
}

fn entry_json(entry: &GrammarEntry) -> Value {
    let syntax = if let EntryKind::SyntaxKey(kind) = entry.kind { Some(kind) } else { None };
    json!({
        "group": group_of(entry.kind),
        "syntax": syntax,
        "name": entry.name,
        "values": entry.values,
        "required": entry.is_required,
        "meaning_vi": entry.meaning.vi,
        "meaning_en": entry.meaning.en,
        "gives": entry.gives,
        "example": entry.example,
    })
}
