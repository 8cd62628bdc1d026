//! The JSON Schema of descriptions, judged by a validator that knows nothing of the engine.

use boon::{Compiler, SchemaIndex, Schemas};
use formats::grammar_page::{EntryKind, grammar_entries};
use formats::{Format, FormatRegistry, expand_profile, grammar_schema};
use serde_json::Value;

struct Schema(Schemas, SchemaIndex);

impl Schema {
    /// Compiling checks the schema against the meta-schema of its draft.
    fn new() -> Self {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.add_resource("description.json", grammar_schema()).unwrap();
        let index = compiler.compile("description.json", &mut schemas);
        Self(schemas, index.unwrap_or_else(|it| panic!("{it:#}")))
    }

    fn check(&self, description: &str) -> Result<(), String> {
        let value: Value = serde_saphyr::from_str(description).unwrap();
        self.0.validate(&value, self.1).map_err(|it| format!("{it:#}"))
    }
}

#[test]
fn every_shipped_description_and_every_example_is_of_the_schema() {
    let schema = Schema::new();
    for text in FormatRegistry::shipped_texts() {
        schema.check(text).unwrap_or_else(|it| panic!("{it}\n{text}"));
    }
    let entries = grammar_entries();
    assert!(entries.iter().any(|it| it.kind == EntryKind::ProfileKey));
    for it in entries {
        schema.check(&it.example).unwrap_or_else(|error| panic!("{error}\n{}", it.example));
    }
}

const DESCRIPTION: &str = "format: x\nversion: 1\ntitle: X\ncarries: Document\n\
    syntax: {kind: json, records: \"\"}\ndetect: [{has: A}]\n\
    lists: {u: {rows: {\"1\": URGENT}}}\nfields: [{at: A, to: urgency, as: code u, need: both}]\n";
const PROFILE: &str = "of: ioffice.portal\nformat: x\nversion: 1\ntitle: X\n\
    lists: {urgency: {\"9\": NORMAL}}\nplaces: {TrichYeu: {max: 9}}\n";

#[test]
fn what_the_engine_refuses_for_its_form_is_not_of_the_schema() {
    let schema = Schema::new();
    schema.check(DESCRIPTION).unwrap();
    schema.check(PROFILE).unwrap();
    for (base, good, broken) in [
        (DESCRIPTION, "title: X\n", ""),
        (DESCRIPTION, "title:", "titel:"),
        (DESCRIPTION, "version: 1", "version: one"),
        (DESCRIPTION, "version: 1", "version: -1"),
        (DESCRIPTION, "carries: Document", "carries: Dokument"),
        (DESCRIPTION, "kind: json", "kind: jsom"),
        (DESCRIPTION, "kind: json, records: \"\"", "kind: json"),
        (DESCRIPTION, "records: \"\"", "records: \"\", root: a"),
        (DESCRIPTION, "{has: A}", "{have: A}"),
        (DESCRIPTION, "rows: {", "row: {"),
        (DESCRIPTION, "rows: {\"1\": URGENT}", "rows: [URGENT]"),
        (DESCRIPTION, "to: urgency", "too: urgency"),
        (DESCRIPTION, "as: code u", "as: kode u"),
        (DESCRIPTION, "as: code u", "as: code"),
        (DESCRIPTION, "need: both", "need: always"),
        (DESCRIPTION, "need: both", "max: many"),
        (DESCRIPTION, "fields: [{at: A, to: urgency, as: code u, need: both}]", "fields: {at: A}"),
        (PROFILE, "title: X\n", ""),
        (PROFILE, "max: 9", "to: id"),
        (PROFILE, "\"9\": NORMAL", "rows: {\"9\": NORMAL}"),
        (PROFILE, "places:", "fields:"),
    ] {
        let text = base.replace(good, broken);
        assert_ne!(text, base, "{broken}");
        assert!(schema.check(&text).is_err(), "{broken} is of the schema");
        let is_refused = match expand_profile(&text, FormatRegistry::shipped_texts()) {
            Some(profile) => profile.is_err(),
            None => Format::check(&text).0.is_none(),
        };
        assert!(is_refused, "{broken} is not refused");
    }
}
