//! Profiles: the small differences of one partner from a format.
//!
//! A profile names its base and may change rows of lists, texts for absent values, options of the
//! syntax and of files, and at a place its `max`, `need`, `const`, `write-default` and `empty`. It
//! can neither add nor remove places. It stands for a whole description, so that everything that
//! follows a description by its hash follows a profile as well.

use proto::fault::code;
use proto::fault::v1::Fault;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::diagnostic::suggest;

/// Keys of the syntax that a profile may change.
const SYNTAX_KEYS: [&str; 8] =
    ["prefix", "declared-at", "around", "separator", "quote", "bom", "between", "line-break"];
/// Keys of a place that a profile may change.
const PLACE_KEYS: [&str; 6] = ["max", "too-long", "need", "const", "write-default", "empty"];
/// Keys whose words YAML 1.1 took for truth values.
const SWITCHES: [&str; 13] = [
    "pair",
    "open",
    "append",
    "bare",
    "own-prefix",
    "read-only",
    "split",
    "unchecked",
    "literal",
    "header",
    "bom",
    "blank-line",
    "named",
];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Profile {
    /// Name of the base.
    of: String,
    format: String,
    version: u32,
    title: String,
    empty: Option<Value>,
    write_empty: Option<Value>,
    file_form: Option<Value>,
    #[serde(default)]
    syntax: Map<String, Value>,
    /// Rows by the name of the list.
    #[serde(default)]
    lists: std::collections::BTreeMap<String, Map<String, Value>>,
    /// Changes by native path.
    #[serde(default)]
    places: std::collections::BTreeMap<String, Map<String, Value>>,
}

/// The description that a profile stands for, with its base among `descriptions`; none for a text
/// that is no profile.
///
/// # Errors
///
/// The profile has mistakes, or its base is not there.
pub fn expand_profile<'d>(
    text: &str,
    descriptions: impl Iterator<Item = &'d str>,
) -> Option<Result<String, Fault>> {
    let keys: Map<String, Value> = serde_saphyr::from_str(text).ok()?;
    keys.contains_key("of").then(|| expand(text, descriptions))
}

fn expand<'d>(text: &str, descriptions: impl Iterator<Item = &'d str>) -> Result<String, Fault> {
    let profile: Profile =
        serde_saphyr::from_str(text).map_err(|it| mistake("", &it.to_string(), &it.to_string()))?;
    let bases = descriptions.filter_map(|it| serde_saphyr::from_str::<Map<_, _>>(it).ok());
    let mut bases = bases.filter(|it: &Map<String, Value>| !it.contains_key("of"));
    let named =
        |it: &Map<String, Value>| it.get("format").and_then(Value::as_str) == Some(&profile.of);
    let base = bases.find(named).ok_or_else(|| {
        let of = &profile.of;
        mistake("of", &format!("không có định dạng `{of}`"), &format!("there is no format `{of}`"))
    })?;
    let mut root = Value::Object(base);
    restore_switches(&mut root);
    let Value::Object(description) = &mut root else { return Err(mistake("of", "", "")) };
    for (key, value) in [
        ("format", Some(Value::from(profile.format.as_str()))),
        ("version", Some(profile.version.into())),
        ("title", Some(Value::from(profile.title.as_str()))),
        // Nothing in an item tells the partner, so a profile is only ever named.
        ("named", Some(true.into())),
        ("empty", profile.empty.clone()),
        ("write-empty", profile.write_empty.clone()),
        ("file-form", profile.file_form.clone()),
    ] {
        description.extend(value.map(|it| (key.to_owned(), it)));
    }
    change_syntax(description, &profile)?;
    change_lists(description, &profile)?;
    change_places(description, &profile)?;
    Ok(root.to_string())
}

fn mistake(field: &str, vi: &str, en: &str) -> Fault {
    Fault::new(&code::LT_FMT_020).violation(field, vi, en)
}

/// Turns `yes` and `no` into truth values, which the printed description has no other words for.
fn restore_switches(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(restore_switches),
        Value::Object(members) => {
            for (key, it) in members {
                let switch = match it.as_str() {
                    Some("yes") => Some(true),
                    Some("no") => Some(false),
                    _ => None,
                };
                match switch.filter(|_| SWITCHES.contains(&key.as_str())) {
                    Some(switch) => *it = switch.into(),
                    None => restore_switches(it),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn change_syntax(description: &mut Map<String, Value>, profile: &Profile) -> Result<(), Fault> {
    for (key, value) in &profile.syntax {
        check_key("syntax", key, &SYNTAX_KEYS)?;
        if let Some(syntax) = description.get_mut("syntax").and_then(Value::as_object_mut) {
            syntax.insert(key.clone(), value.clone());
        }
    }
    Ok(())
}

fn check_key(within: &str, key: &str, known: &[&str]) -> Result<(), Fault> {
    if known.contains(&key) {
        return Ok(());
    }
    let (suggestion, all) = (suggest(key, known), known.join(", "));
    Err(mistake(
        within,
        &format!("hồ sơ đối tác không đổi được `{key}`{}; chỉ {all}", suggestion.vi),
        &format!("a profile cannot change `{key}`{}; only {all}", suggestion.en),
    ))
}

fn change_lists(description: &mut Map<String, Value>, profile: &Profile) -> Result<(), Fault> {
    for (name, rows) in &profile.lists {
        let list = description.get_mut("lists").and_then(|it| it.get_mut(name)?.as_object_mut());
        let Some(list) = list else {
            return Err(mistake(
                "lists",
                &format!("định dạng gốc không có danh mục `{name}`"),
                &format!("the base has no list `{name}`"),
            ));
        };
        let own = list.entry("rows").or_insert_with(|| Value::Object(Map::new()));
        let Some(own) = own.as_object_mut() else { continue };
        // A code of the partner takes the place of the base's code for the same value.
        own.retain(|_, it| !rows.values().any(|other| other == it));
        own.extend(rows.clone());
    }
    Ok(())
}

fn change_places(description: &mut Map<String, Value>, profile: &Profile) -> Result<(), Fault> {
    let parts = description.get("parts").cloned().unwrap_or_default();
    for (place, changes) in &profile.places {
        changes.keys().try_for_each(|it| check_key(place, it, &PLACE_KEYS))?;
        let rules = description.get_mut("fields").and_then(Value::as_array_mut);
        let rules = rules.map(Vec::as_mut_slice).unwrap_or_default();
        if change_rules(rules, "", (place, changes), &parts)? == 0 {
            return Err(mistake(
                place,
                "định dạng gốc không có chỗ này",
                "the base has no such place",
            ));
        }
    }
    Ok(())
}

/// Changes the rules of a place; returns how many there are.
fn change_rules(
    rules: &mut [Value],
    within: &str,
    (place, changes): (&str, &Map<String, Value>),
    parts: &Value,
) -> Result<usize, Fault> {
    let mut count = 0;
    for rule in rules.iter_mut().filter_map(Value::as_object_mut) {
        let at = rule.get("at").or_else(|| rule.get("each")).and_then(Value::as_str);
        let at = at.filter(|it| *it != ".").unwrap_or_default();
        let path = [within, at].join("/");
        let path = path.trim_matches('/').to_owned();
        let is_group = rule.contains_key("fields") || rule.contains_key("use");
        if path == place && !at.is_empty() && !is_group {
            change_rule(rule, place, changes)?;
            count += 1;
        }
        if !is_group || !(path.is_empty() || place.starts_with(&format!("{path}/"))) {
            continue;
        }
        // Only this use of a part changes, so its rules are written out here.
        let part = rule.get("use").and_then(|it| parts.get(it.as_str()?)).cloned();
        if let Some(part) = part {
            rule.remove("use");
            rule.insert("fields".to_owned(), part);
        }
        if let Some(inner) = rule.get_mut("fields").and_then(Value::as_array_mut) {
            count += change_rules(inner, &path, (place, changes), parts)?;
        }
    }
    Ok(count)
}

fn change_rule(
    rule: &mut Map<String, Value>,
    place: &str,
    changes: &Map<String, Value>,
) -> Result<(), Fault> {
    for (key, value) in changes {
        let before = rule.get(key).and_then(Value::as_str);
        let is_permitted = match key.as_str() {
            "need" => before.is_none_or(|it| value == it || value == "both"),
            "const" => before.is_some(),
            _ => true,
        };
        if !is_permitted {
            return Err(mistake(
                place,
                &format!("`{key}: {value}` nới lỏng hoặc thêm điều định dạng gốc không có"),
                &format!("`{key}: {value}` loosens the base, or adds what it does not have"),
            ));
        }
        rule.insert(key.clone(), value.clone());
    }
    Ok(())
}
