//! Profiles: the small differences of one partner from a format.
//!
//! A profile names its base and may change rows of lists, texts for absent values, options of the
//! syntax and of files, and at a place its `max`, `need`, `const`, `write-default` and `empty`. It
//! can neither add nor remove places. It stands for a whole description, so that everything that
//! follows a description by its hash follows a profile as well.

use proto::fault::code;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::constructs::{FILE_KEYS, LIST_KEYS, RULE_KEYS, SYNTAXES, ValueShape};
use crate::diagnostic::{Defect, SourceMistake, suggest, suggest_or_list};
use crate::grammar_check::check_profile_grammar;
use crate::yaml_tree::{SourceMap, YamlNode, parse_yaml, syntax_error};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
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

/// A profile with its base.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpandedProfile {
    /// Name of the base.
    pub base: String,
    /// The description that the profile stands for.
    pub description: String,
}

/// A profile with the description that it stands for, its base being among `descriptions`; none for
/// a text that is no profile.
///
/// # Errors
///
/// Every mistake of the profile; or its base is not there.
pub fn expand_profile<'d>(
    text: &str,
    descriptions: impl Iterator<Item = &'d str>,
) -> Option<Result<ExpandedProfile, Vec<SourceMistake>>> {
    let root = parse_yaml(text).ok()?;
    root.get("of")?;
    Some(expand((text, &root), descriptions))
}

fn expand<'d>(
    (text, root): (&str, &YamlNode),
    descriptions: impl Iterator<Item = &'d str>,
) -> Result<ExpandedProfile, Vec<SourceMistake>> {
    let mut mistakes = check_profile_grammar(root);
    mistakes.sort_by_key(|it| it.position);
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let profile: Profile = serde_saphyr::from_str(text).map_err(|error| {
        let (position, words) = syntax_error(&error);
        let defect = Defect::new(&code::LT_FMT_001, words.clone(), words);
        vec![SourceMistake::new(position, "", defect)]
    })?;
    let mut changes = Changes { source: SourceMap::new(root), mistakes: Vec::new() };
    let bases = descriptions.filter_map(|it| serde_saphyr::from_str::<Map<_, _>>(it).ok());
    let bases: Vec<Map<String, Value>> = bases.filter(|it| !it.contains_key("of")).collect();
    let Some(mut description) = bases.iter().find(|it| name_of(it) == profile.of).cloned() else {
        changes.report_unknown_base(&profile.of, &bases);
        return Err(changes.mistakes);
    };
    description.values_mut().for_each(restore_switches);
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
    changes.change_syntax(&mut description, &profile);
    changes.change_lists(&mut description, &profile);
    changes.change_places(&mut description, &profile);
    if changes.mistakes.is_empty() {
        let description = Value::Object(description).to_string();
        return Ok(ExpandedProfile { base: profile.of, description });
    }
    changes.mistakes.sort_by_key(|it| it.position);
    Err(changes.mistakes)
}

fn name_of(description: &Map<String, Value>) -> &str {
    description.get("format").and_then(Value::as_str).unwrap_or_default()
}

/// Turns `yes` and `no` of keys that take them into truth values: in the printed description they
/// would be texts.
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
                match switch.filter(|_| is_switch(key)) {
                    Some(switch) => *it = switch.into(),
                    None => restore_switches(it),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn is_switch(key: &str) -> bool {
    let of_syntaxes = SYNTAXES.iter().flat_map(|it| it.keys);
    let mut keys = FILE_KEYS.iter().chain(LIST_KEYS).chain(RULE_KEYS).chain(of_syntaxes);
    keys.any(|it| it.key == key && matches!(it.shape, ValueShape::Boolean))
}

/// Changes a description by a profile, and collects what the profile may not change.
struct Changes {
    source: SourceMap,
    mistakes: Vec<SourceMistake>,
}

impl Changes {
    /// Reports a mistake at the value of these keys.
    fn report(&mut self, keys: &[&str], (vi, en): (String, String)) {
        let subject = keys.get(1).or(keys.first()).copied().unwrap_or_default();
        let defect = Defect::new(&code::LT_FMT_070, vi, en);
        self.mistakes.push(SourceMistake::new(self.source.path(keys), subject, defect));
    }

    fn report_unknown_base(&mut self, of: &str, bases: &[Map<String, Value>]) {
        let names: Vec<&str> = bases.iter().map(name_of).collect();
        let hint = suggest_or_list(of, &names, ("có", "there are"));
        self.report(
            &["of"],
            (
                format!("không có định dạng `{of}`{}", hint.vi),
                format!("there is no format `{of}`{}", hint.en),
            ),
        );
    }

    /// The base has an option only where its syntax has it.
    fn change_syntax(&mut self, description: &mut Map<String, Value>, profile: &Profile) {
        let Some(syntax) = description.get_mut("syntax").and_then(Value::as_object_mut) else {
            return;
        };
        let kind = syntax.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
        let entry = SYNTAXES.iter().find(|it| it.kind == kind);
        for (key, value) in &profile.syntax {
            let is_option = entry.is_some_and(|it| it.keys.iter().any(|it| it.key == key));
            if is_option {
                syntax.insert(key.clone(), value.clone());
                continue;
            }
            self.report(
                &["syntax", key],
                (
                    format!("cú pháp `{kind}` của định dạng gốc không có `{key}`"),
                    format!("`{kind}`, the syntax of the base, has no `{key}`"),
                ),
            );
        }
    }

    fn change_lists(&mut self, description: &mut Map<String, Value>, profile: &Profile) {
        let mut none = Map::new();
        let lists = description.get_mut("lists").and_then(Value::as_object_mut);
        let lists = lists.unwrap_or(&mut none);
        for (name, rows) in &profile.lists {
            let names: Vec<String> = lists.keys().cloned().collect();
            let Some(list) = lists.get_mut(name).and_then(Value::as_object_mut) else {
                let suggestion = suggest(name, &names);
                self.report(
                    &["lists", name],
                    (
                        format!("định dạng gốc không có danh mục `{name}`{}", suggestion.vi),
                        format!("the base has no list `{name}`{}", suggestion.en),
                    ),
                );
                continue;
            };
            let is_gated = list.contains_key("gate");
            let own = list.entry("rows").or_insert_with(|| Value::Object(Map::new()));
            let Some(own) = own.as_object_mut() else { continue };
            // A secrecy mark of the base must not become harmless in a profile.
            let is_changed = |it: &(&String, &Value)| own.get(it.0).is_some_and(|own| own != it.1);
            if let Some((code, _)) = rows.iter().find(is_changed).filter(|_| is_gated) {
                self.report(
                    &["lists", name, code],
                    (
                        format!("`{code}` là độ mật trong định dạng gốc, không đổi nghĩa được"),
                        format!("`{code}` is a secrecy mark of the base and keeps its meaning"),
                    ),
                );
                continue;
            }
            // A code of the partner takes the place of the base's code for the same value.
            own.retain(|_, it| !rows.values().any(|other| other == it));
            own.extend(rows.clone());
        }
    }

    fn change_places(&mut self, description: &mut Map<String, Value>, profile: &Profile) {
        let parts = description.get("parts").cloned().unwrap_or_default();
        for (place, changes) in &profile.places {
            let rules = description.get_mut("fields").and_then(Value::as_array_mut);
            let rules = rules.map(Vec::as_mut_slice).unwrap_or_default();
            let mut known = Vec::new();
            if self.change_rules(rules, "", (place, changes), (&parts, &mut known)) == 0 {
                let suggestion = suggest(place, &known);
                self.report(
                    &["places", place],
                    (
                        format!("định dạng gốc không có chỗ `{place}`{}", suggestion.vi),
                        format!("the base has no such place `{place}`{}", suggestion.en),
                    ),
                );
            }
        }
    }

    /// Changes the rules of a place, collects all places, and returns how many rules there are.
    fn change_rules(
        &mut self,
        rules: &mut [Value],
        within: &str,
        (place, changes): (&str, &Map<String, Value>),
        (parts, known): (&Value, &mut Vec<String>),
    ) -> usize {
        let mut count = 0;
        for rule in rules.iter_mut().filter_map(Value::as_object_mut) {
            let at = rule.get("at").or_else(|| rule.get("each")).and_then(Value::as_str);
            let at = at.filter(|it| *it != ".").unwrap_or_default();
            let path = [within, at].join("/");
            let path = path.trim_matches('/').to_owned();
            let is_group = rule.contains_key("fields") || rule.contains_key("use");
            if !is_group && !at.is_empty() {
                count += usize::from(path == place);
                let changes = Some(changes).filter(|_| path == place);
                changes.into_iter().for_each(|it| self.change_rule(rule, place, it));
                known.push(path);
                continue;
            }
            let is_around = path.is_empty() || place.starts_with(&format!("{path}/"));
            // Only the use of a part around the place changes, so its rules are written out here.
            let part = rule.get("use").and_then(|it| parts.get(it.as_str()?)).cloned();
            let mut elsewhere = part.clone().or_else(|| rule.get("fields").cloned());
            if let Some(part) = part.filter(|_| is_around) {
                rule.remove("use");
                rule.insert("fields".to_owned(), part);
            }
            let inner = if is_around { rule.get_mut("fields") } else { elsewhere.as_mut() };
            if let Some(inner) = inner.and_then(Value::as_array_mut) {
                count += self.change_rules(inner, &path, (place, changes), (parts, &mut *known));
            }
        }
        count
    }

    fn change_rule(
        &mut self,
        rule: &mut Map<String, Value>,
        place: &str,
        changes: &Map<String, Value>,
    ) {
        for (key, value) in changes {
            let before = rule.get(key).and_then(Value::as_str);
            let is_permitted = match key.as_str() {
                "need" => before.is_none_or(|it| value == it || value == "both"),
                "const" => before.is_some(),
                _ => true,
            };
            if is_permitted {
                rule.insert(key.clone(), value.clone());
                continue;
            }
            self.report(
                &["places", place, key],
                (
                    format!("`{key}: {value}` nới lỏng hoặc thêm điều định dạng gốc không có"),
                    format!("`{key}: {value}` loosens the base, or adds what it does not have"),
                ),
            );
        }
    }
}
