//! The pages of the grammar for the person who writes a description, made from the tables that the
//! engine parses descriptions by.

use crate::constructs::{
    Construct, DETECT_KEYS, FILE_KEYS, LIST_KEYS, PROFILE_KEYS, RULE_KEYS, SYNTAXES, ValueShape,
    profile_place_keys, profile_syntax_keys,
};
use crate::convert::CONVERTERS;
use crate::diagnostic::Wording;
use crate::format::Format;
use crate::model::{FieldSchema, FieldType, MessageSchema, message_schema};
use crate::plan::Rule;

/// What an entry of the grammar is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryKind {
    /// A key at the top of a description.
    FileKey,
    /// A key of a rule.
    RuleKey,
    /// A key of a code list.
    ListKey,
    /// A key of a condition in `detect`.
    DetectKey,
    /// A value of `as`.
    Converter,
    /// A value of `kind` in `syntax`.
    Syntax,
    /// An option of a syntax.
    SyntaxKey(&'static str),
    /// A key at the top of a profile.
    ProfileKey,
}

/// A construct or a converter.
#[derive(Clone, Debug)]
pub struct GrammarEntry {
    /// What it is.
    pub kind: EntryKind,
    /// The name as it is written.
    pub name: &'static str,
    /// What stands behind the name: the arguments of a converter, or the values of a key.
    pub values: String,
    /// A description without it is refused.
    pub is_required: bool,
    /// What it does.
    pub meaning: Wording,
    /// For a converter: the type of the canonical field.
    pub gives: String,
    /// A whole description that uses it and compiles.
    pub example: String,
}

/// A field of a canonical message, for `to`.
#[derive(Clone, Debug)]
pub struct CanonicalField {
    /// The path from the message.
    pub path: String,
    /// The type, as a converter or a rule sees it.
    pub field_type: String,
    /// The values of an enum.
    pub values: Vec<String>,
    /// It is a list: the path needs a selector, or the rule an `each`.
    pub is_list: bool,
}

/// Every construct and converter, in the order in which a description has them.
pub fn grammar_entries() -> Vec<GrammarEntry> {
    let mut entries = Vec::new();
    let mut add_keys = |kind: EntryKind, keys: &'static [Construct]| {
        entries.extend(keys.iter().map(|it| key_entry(kind, it)));
    };
    add_keys(EntryKind::FileKey, FILE_KEYS);
    add_keys(EntryKind::RuleKey, RULE_KEYS);
    add_keys(EntryKind::ListKey, LIST_KEYS);
    add_keys(EntryKind::DetectKey, DETECT_KEYS);
    for syntax in SYNTAXES {
        add_keys(EntryKind::SyntaxKey(syntax.kind), syntax.keys);
    }
    entries.extend(SYNTAXES.iter().map(|it| GrammarEntry {
        kind: EntryKind::Syntax,
        name: it.kind,
        values: it.keys.iter().map(|it| it.key).collect::<Vec<_>>().join(", "),
        is_required: false,
        meaning: it.meaning,
        gives: String::new(),
        example: complete_example(it.example),
    }));
    entries.extend(CONVERTERS.iter().map(|it| {
        let example = complete_example(it.example);
        GrammarEntry {
            kind: EntryKind::Converter,
            name: it.name,
            values: it.arguments.to_owned(),
            is_required: false,
            meaning: it.meaning,
            gives: given_type(&example),
            example,
        }
    }));
    entries.extend(PROFILE_KEYS.iter().map(|it| GrammarEntry {
        example: complete_profile(it.example),
        ..key_entry(EntryKind::ProfileKey, it)
    }));
    entries
}

fn key_entry(kind: EntryKind, construct: &'static Construct) -> GrammarEntry {
    GrammarEntry {
        kind,
        name: construct.key,
        values: shape_words(construct.shape),
        is_required: construct.is_required,
        meaning: construct.meaning,
        gives: String::new(),
        example: complete_example(construct.example),
    }
}

/// The values that a key takes, in the notation of the grammar.
fn shape_words(shape: ValueShape) -> String {
    match shape {
        ValueShape::Text => "TEXT".to_owned(),
        ValueShape::Whole => "NUMBER".to_owned(),
        ValueShape::Boolean => "yes | no".to_owned(),
        ValueShape::Word(words) => words.join(" | "),
        ValueShape::Texts => "[TEXT, …]".to_owned(),
        ValueShape::TextOrTexts => "TEXT | [TEXT, …]".to_owned(),
        ValueShape::TextMap => "{TEXT: TEXT, …}".to_owned(),
        ValueShape::TextsMap => "{FIELD: TEXT | [TEXT, …]}".to_owned(),
        ValueShape::Syntax => "{kind: …, …}".to_owned(),
        ValueShape::DetectConditions => "[{has: PLACE}, {lacks: PLACE}, …]".to_owned(),
        ValueShape::Lists => "{NAME: {rows: …, …}, …}".to_owned(),
        ValueShape::Rules => "[RULE, …]".to_owned(),
        ValueShape::Parts => "{NAME: [RULE, …], …}".to_owned(),
        ValueShape::PartnerSyntax => option_words(&profile_syntax_keys()),
        ValueShape::PartnerLists => "{LIST: {CODE: VALUE, …}, …}".to_owned(),
        ValueShape::PartnerPlaces => {
            format!("{{PLACE: {}, …}}", option_words(&profile_place_keys()))
        }
    }
}

fn option_words(keys: &[Construct]) -> String {
    let options: Vec<_> = keys.iter().map(|it| format!("{}: …", it.key)).collect();
    format!("{{{}}}", options.join(", "))
}

/// What a profile has at least, in the order in which it is written.
const PROFILE_FRAME: [(&str, &str); 4] = [
    ("of", "of: ioffice.portal\n"),
    ("format", "format: ioffice.doi-tac\n"),
    ("version", "version: 1\n"),
    ("title", "title: iOffice của đối tác\n"),
];

/// What a description has at least, in the order in which it is written.
const FRAME: [(&str, &str); 5] = [
    ("format", "format: vi-du\n"),
    ("version", "version: 1\n"),
    ("title", "title: Ví dụ\n"),
    ("carries", "carries: Document\n"),
    ("syntax", "syntax: {kind: json, records: \"\"}\n"),
];

/// The sections with what a description needs besides.
pub fn complete_example(sections: &str) -> String {
    complete(&FRAME, sections)
}

/// The sections with what a profile needs besides.
fn complete_profile(sections: &str) -> String {
    complete(&PROFILE_FRAME, sections)
}

fn complete(frame: &[(&str, &str)], sections: &str) -> String {
    let has = |key: &str| sections.lines().any(|it| it.starts_with(&format!("{key}:")));
    let frame: String = frame.iter().filter(|(key, _)| !has(key)).map(|(_, text)| *text).collect();
    format!("{frame}{sections}")
}

/// The type of the canonical field that the last rule of a description fills.
fn given_type(description: &str) -> String {
    fn last_field(rules: &[Rule]) -> Option<&'static FieldSchema> {
        match rules.last()? {
            Rule::Leaf(it) => it.to.last().map(|it| it.field),
            Rule::Group(it) => last_field(&it.rules),
            Rule::List(it) => last_field(&it.rules),
            Rule::ReadOnly(it) => last_field(std::slice::from_ref(it)),
            Rule::Constant(_) => None,
        }
    }
    let format = Format::compile(description).ok();
    let field = format.as_ref().and_then(|it| last_field(&it.rules));
    field.map(type_name).unwrap_or_default()
}

/// The type of a field as the pages name it.
pub(crate) fn type_name(field: &FieldSchema) -> String {
    let name = match field.field_type {
        FieldType::Text => "text".to_owned(),
        FieldType::Bytes => "bytes".to_owned(),
        FieldType::Bool => "boolean".to_owned(),
        FieldType::Int32 | FieldType::Int64 | FieldType::Uint32 | FieldType::Uint64 => {
            "number".to_owned()
        }
        FieldType::Enum(_) => field.enum_schema().map_or_else(String::new, |it| it.name.clone()),
        FieldType::Message(_) => {
            field.message_schema().map_or_else(String::new, |it| it.name.clone())
        }
        FieldType::Other => String::new(),
    };
    if field.is_list { format!("{name}[]") } else { name }
}

/// The canonical messages that a description may carry by rules.
pub const MESSAGES: [&str; 3] = ["Document", "Status", "DeliveryReport"];

/// Every field of a canonical message that a rule may fill; empty for an unknown message.
pub fn canonical_fields(message: &str) -> Vec<CanonicalField> {
    let mut fields = Vec::new();
    if let Some(schema) = message_schema(message) {
        collect_fields(schema, "", &mut Vec::new(), &mut fields);
    }
    fields
}

/// Messages that one converter fills; their fields are no places of their own in the pages.
const VALUES: [&str; 5] = ["Date", "Moment", "OrganisationId", "Extra", "Timestamp"];

fn collect_fields(
    schema: &'static MessageSchema,
    within: &str,
    outer: &mut Vec<&'static str>,
    into: &mut Vec<CanonicalField>,
) {
    // A type inside itself (a dossier in a dossier) is listed once.
    if outer.contains(&schema.name.as_str()) {
        return;
    }
    outer.push(&schema.name);
    for field in schema.fields.iter().filter(|it| it.is_reported) {
        let path =
            if within.is_empty() { field.name.clone() } else { format!("{within}.{}", field.name) };
        let values =
            field.enum_schema().map(|it| it.values.iter().map(|(_, name)| name.clone()).collect());
        into.push(CanonicalField {
            path: path.clone(),
            field_type: type_name(field),
            values: values.unwrap_or_default(),
            is_list: field.is_list,
        });
        let inner = field.message_schema().filter(|it| !VALUES.contains(&it.name.as_str()));
        if let Some(inner) = inner {
            let within = if field.is_list { format!("{path}[]") } else { path };
            collect_fields(inner, &within, outer, into);
        }
    }
    outer.pop();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_of_the_grammar_compiles() {
        let entries = grammar_entries();
        assert!(entries.len() > 60, "{}", entries.len());
        for it in &entries {
            if it.name == "canonical-json" {
                continue;
            }
            let shipped = crate::FormatRegistry::shipped_texts();
            let expanded = crate::expand_profile(&it.example, shipped);
            let expanded = expanded.map(|it| it.unwrap_or_else(|it| panic!("{it:#?}")));
            let is_profile = it.kind == EntryKind::ProfileKey;
            assert_eq!(expanded.is_some(), is_profile, "{}", it.name);
            let description = expanded.map_or_else(|| it.example.clone(), |it| it.description);
            let (format, mistakes) = Format::check(&description);
            let mistakes: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
            assert!(format.is_some(), "{}: {mistakes:?}\n{}", it.name, it.example);
            let is_used = it.kind != EntryKind::Converter || it.example.contains(it.name);
            assert!(is_used || it.name == "text", "{}: {}", it.name, it.example);
        }
    }

    #[test]
    fn every_converter_names_the_type_that_it_gives() {
        let entries = grammar_entries();
        let given = |name: &str| {
            let is_it = |it: &&GrammarEntry| it.kind == EntryKind::Converter && it.name == name;
            entries.iter().find(is_it).map(|it| it.gives.clone()).unwrap()
        };
        assert_eq!(given("date"), "Date");
        assert_eq!(given("whole"), "number");
        assert_eq!(given("list"), "text[]");
        assert_eq!(given("code"), "Urgency");
        for it in entries.iter().filter(|it| it.kind == EntryKind::Converter) {
            assert!(!it.gives.is_empty(), "{}", it.name);
        }
    }

    #[test]
    fn the_fields_of_every_message_are_listed_once() {
        for message in MESSAGES {
            let fields = canonical_fields(message);
            let mut paths: Vec<_> = fields.iter().map(|it| &it.path).collect();
            paths.sort();
            paths.dedup();
            assert_eq!(paths.len(), fields.len(), "{message}");
            assert!(fields.len() > 15, "{message}: {}", fields.len());
        }
        assert!(canonical_fields("Document").iter().any(|it| it.path == "recipients[].role"));
        assert!(canonical_fields("Nothing").is_empty());
    }
}
