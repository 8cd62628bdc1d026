//! A JSON Schema of descriptions for editors, made from the tables of constructs and converters.

use serde_json::{Map, Value, json};

use crate::constructs::{
    Construct, DETECT_KEYS, FILE_KEYS, LIST_KEYS, PROFILE_KEYS, RULE_KEYS, SYNTAXES, ValueShape,
    profile_place_keys, profile_syntax_keys,
};
use crate::convert::CONVERTERS;

/// The JSON Schema (draft 2020-12) of a description, and of a profile, which has `of`.
pub fn grammar_schema() -> Value {
    let syntaxes: Vec<Value> = SYNTAXES
        .iter()
        .map(|it| {
            let mut syntax = map_schema(it.keys);
            set(
                &mut syntax,
                "properties",
                "kind",
                json!({ "const": it.kind, "description": it.meaning.vi }),
            );
            if let Some(required) = syntax.get_mut("required").and_then(Value::as_array_mut) {
                required.push(json!("kind"));
            }
            syntax
        })
        .collect();
    let mut rule = map_schema(RULE_KEYS);
    set(&mut rule, "properties", "as", converter_schema());
    let definitions = json!({
        "description": map_schema(FILE_KEYS),
        "profile": map_schema(PROFILE_KEYS),
        "rule": rule,
        "rules": { "type": "array", "items": { "$ref": "#/$defs/rule" } },
        "list": map_schema(LIST_KEYS),
        "detect": map_schema(DETECT_KEYS),
        "syntax": { "oneOf": syntaxes },
        "partnerSyntax": map_schema(&profile_syntax_keys()),
        "partnerPlace": map_schema(&profile_place_keys()),
        // YAML reads a code without quotes as a number; the engine takes it as it stands.
        "text": { "type": ["string", "number", "boolean"] },
        "texts": { "type": "object", "additionalProperties": { "$ref": "#/$defs/text" } },
    });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Mô tả định dạng / Format description",
        "type": "object",
        "if": { "required": ["of"] },
        "then": { "$ref": "#/$defs/profile" },
        "else": { "$ref": "#/$defs/description" },
        "$defs": definitions,
    })
}

fn map_schema(keys: &[Construct]) -> Value {
    let properties: Map<String, Value> = keys
        .iter()
        .map(|it| {
            let mut value = shape_schema(it.shape);
            if let Some(schema) = value.as_object_mut() {
                let description = format!("{}\n{}", it.meaning.vi, it.meaning.en);
                schema.insert("description".to_owned(), json!(description));
            }
            (it.key.to_owned(), value)
        })
        .collect();
    let required: Vec<&str> = keys.iter().filter(|it| it.is_required).map(|it| it.key).collect();
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn shape_schema(shape: ValueShape) -> Value {
    let text = json!({ "$ref": "#/$defs/text" });
    let texts = json!({ "type": "array", "items": text });
    match shape {
        ValueShape::Text => text,
        ValueShape::Whole => json!({ "type": "integer", "minimum": 0 }),
        // A reader of YAML 1.2 sees `yes` as a text.
        ValueShape::Boolean => json!({ "enum": [true, false, "yes", "no"] }),
        ValueShape::Word(words) => json!({ "enum": words }),
        ValueShape::Texts => texts,
        ValueShape::TextOrTexts => json!({ "anyOf": [text, texts] }),
        ValueShape::TextMap => json!({ "$ref": "#/$defs/texts" }),
        ValueShape::TextsMap => {
            json!({ "type": "object", "additionalProperties": { "anyOf": [text, texts] } })
        }
        ValueShape::Syntax => json!({ "$ref": "#/$defs/syntax" }),
        ValueShape::DetectConditions => {
            json!({ "type": "array", "items": { "$ref": "#/$defs/detect" } })
        }
        ValueShape::Lists => {
            json!({ "type": "object", "additionalProperties": { "$ref": "#/$defs/list" } })
        }
        ValueShape::Rules => json!({ "$ref": "#/$defs/rules" }),
        ValueShape::Parts => {
            json!({ "type": "object", "additionalProperties": { "$ref": "#/$defs/rules" } })
        }
        ValueShape::PartnerSyntax => json!({ "$ref": "#/$defs/partnerSyntax" }),
        ValueShape::PartnerLists => {
            json!({ "type": "object", "additionalProperties": { "$ref": "#/$defs/texts" } })
        }
        ValueShape::PartnerPlaces => {
            json!({ "type": "object", "additionalProperties": { "$ref": "#/$defs/partnerPlace" } })
        }
    }
}

/// `as`: the name of a converter, with arguments where it takes some.
fn converter_schema() -> Value {
    let forms: Vec<Value> = CONVERTERS
        .iter()
        .map(|it| {
            let description = format!("{}\n{}", it.meaning.vi, it.meaning.en);
            if it.arguments.is_empty() {
                json!({ "const": it.name, "description": description })
            } else {
                json!({ "pattern": format!("^{} .+", it.name), "description": description })
            }
        })
        .collect();
    json!({ "type": "string", "anyOf": forms })
}

fn set(schema: &mut Value, section: &str, key: &str, value: Value) {
    if let Some(it) = schema.get_mut(section).and_then(Value::as_object_mut) {
        it.insert(key.to_owned(), value);
    }
}
