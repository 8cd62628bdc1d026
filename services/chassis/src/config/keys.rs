//! The keys of a section: which there are, and which one a misspelt key probably means.

use std::collections::BTreeMap;

use toml::{Table, Value};

/// The section of commands, which contexts override.
pub(super) const CLIENT: &str = "client";
/// The table that holds the contexts.
pub(super) const CONTEXTS: &str = "contexts";

/// Prefix of environment variables: `LIENTHONG__<SECTION>__<KEY>`.
pub const PREFIX: &str = "LIENTHONG__";

/// Every key of a section with its default. Keys of nested tables are joined with dots.
pub(super) fn defaults_by_key(defaults: &str) -> BTreeMap<String, Value> {
    flatten(&defaults.parse::<Table>().unwrap_or_default())
}

/// The values of a table and its nested tables, by key.
pub(super) fn flatten(table: &Table) -> BTreeMap<String, Value> {
    let mut values = BTreeMap::new();
    collect(table, "", &mut values);
    values
}

fn collect(table: &Table, prefix: &str, into: &mut BTreeMap<String, Value>) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match value {
            Value::Table(inner) => collect(inner, &key, into),
            Value::String(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Datetime(_)
            | Value::Array(_) => drop(into.insert(key, value.clone())),
        }
    }
}

/// The known key with the smallest edit distance (Levenshtein) to `name`; `None` when every key
/// differs in more than a third of its characters.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    known
        .map(|it| (strsim::levenshtein(name, it), it))
        .filter(|(distance, it)| *distance <= 2.max(it.len() / 3))
        .min()
        .map(|(_, it)| it.to_owned())
}
