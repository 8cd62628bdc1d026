//! Variables of the environment: which are ours, and what they set.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::error::ConfigError;
use super::{PREFIX, leaves};

/// What they begin with when somebody forgot that the underscores come in pairs.
const NEAR_PREFIX: &str = "LIENTHONG_";

/// The variables that begin as ours do.
pub(super) fn ours(
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
                let (key, reason) = (name.clone(), "its bytes are no UTF-8".to_owned());
                return Err(ConfigError::Value { key, origin: name, reason });
            }
        }
    }
    Ok(found)
}

/// `LIENTHONG__GATEWAY__BODY_BYTES_MAX` is `gateway`, `body_bytes_max`; others are not ours.
pub(super) fn key_of(variable: &str) -> Option<(String, String)> {
    let name = variable.strip_prefix(PREFIX)?.to_ascii_lowercase();
    let (section, key) = name.split_once("__").unwrap_or((&name, ""));
    Some((section.to_owned(), key.replace("__", ".")))
}

/// Refuses a variable that would be a setting of ours if its underscores came in pairs. Any other
/// belongs to somebody else, as those that Kubernetes makes for a service of our name.
pub(super) fn near_miss(variable: &str, sections: &[(&str, &str)]) -> Result<(), ConfigError> {
    let flat = |it: &str| it.to_ascii_lowercase().replace('.', "_").replace("__", "_");
    let meant = sections.iter().find_map(|(section, defaults)| {
        let is_meant =
            |key: &String| flat(&format!("{NEAR_PREFIX}{section}_{key}")) == flat(variable);
        let key = leaves(defaults).into_keys().find(is_meant)?;
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
