//! Environment variables: selection by prefix, and the setting that each one names.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::error::ConfigError;
use super::keys::{PREFIX, defaults_by_key};

/// Prefix of a variable whose first underscores do not come in pairs.
const NEAR_PREFIX: &str = "LIENTHONG_";

/// Selects the variables with the prefix, those with a single underscore included.
pub(super) fn select_variables(
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> Result<BTreeMap<String, String>, ConfigError> {
    let mut found = BTreeMap::new();
    for (name, value) in variables {
        let Ok(name) = name.into_string() else { continue };
        if !name.starts_with(NEAR_PREFIX) {
            continue;
        }
        match value.into_string() {
            Ok(value) => drop(found.insert(name, value)),
            Err(_) if key_of(&name).is_none() => {}
            Err(_) => {
                let (key, reason) = (name.clone(), "its bytes are not UTF-8".to_owned());
                return Err(ConfigError::Value { key, origin: name, reason });
            }
        }
    }
    Ok(found)
}

/// Section and key of a variable: `gateway` and `body_bytes_max` for
/// `LIENTHONG__GATEWAY__BODY_BYTES_MAX`. `None` for a variable without the prefix.
pub(super) fn key_of(variable: &str) -> Option<(String, String)> {
    let name = variable.strip_prefix(PREFIX)?.to_ascii_lowercase();
    let (section, key) = name.split_once("__").unwrap_or((&name, ""));
    Some((section.to_owned(), key.replace("__", ".")))
}

/// Rejects a variable that would name a setting if its underscores came in pairs. Other variables
/// are accepted: Kubernetes sets `LIENTHONG_SERVICE_HOST` for a service named `lienthong`.
pub(super) fn check_underscores(
    variable: &str,
    sections: &[(&str, &str)],
) -> Result<(), ConfigError> {
    let flat = |it: &str| it.to_ascii_lowercase().replace('.', "_").replace("__", "_");
    let meant = sections.iter().find_map(|(section, defaults)| {
        let is_meant =
            |key: &String| flat(&format!("{NEAR_PREFIX}{section}_{key}")) == flat(variable);
        let key = defaults_by_key(defaults).into_keys().find(is_meant)?;
        Some(format!("{PREFIX}{section}__{}", key.replace('.', "__")).to_ascii_uppercase())
    });
    match meant {
        None => Ok(()),
        Some(meant) => Err(ConfigError::Unknown {
            key: variable.to_owned(),
            origin: "environment".to_owned(),
            suggestion: Some(meant),
        }),
    }
}
