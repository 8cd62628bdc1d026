//! The settings of commands: a file of the user's own, and named contexts.
//!
//! A context is a table `[contexts.<name>]` whose values override those of the section `client`, so
//! that one file names several systems.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::error::ConfigError;
use super::keys::{CLIENT, CONTEXTS, defaults_by_key, flatten, nearest};
use super::layers::{Layers, read_file};

/// The variable that names a context.
const CONTEXT_VARIABLE: &str = "LIENTHONG_CONTEXT";
/// The key of the section `client` that names a context.
const CONTEXT_KEY: &str = "context";

/// The file of the user who runs a command: `lienthong/config.toml` below `$XDG_CONFIG_HOME`, or
/// below `~/.config`. None for a user without a home.
pub fn user_file_path() -> Option<PathBuf> {
    user_file_below(std::env::var_os("XDG_CONFIG_HOME"), std::env::var_os("HOME"))
}

/// As the XDG base directory specification says, a relative `$XDG_CONFIG_HOME` is ignored.
fn user_file_below(config: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    let absolute = |it: OsString| Some(PathBuf::from(it)).filter(|it| it.is_absolute());
    let folder =
        config.and_then(absolute).or_else(|| Some(home.and_then(absolute)?.join(".config")))?;
    Some(folder.join("lienthong").join("config.toml"))
}

impl Layers {
    /// Chooses the context that is named: by this option, by `LIENTHONG_CONTEXT`, or by the key
    /// `context` of the section `client`, whose defaults are given.
    ///
    /// # Errors
    ///
    /// No file has a context of this name.
    pub fn named_context(self, option: Option<&str>, defaults: &str) -> Result<Self, ConfigError> {
        let variable = || self.environment.get(CONTEXT_VARIABLE).cloned();
        let key = || {
            let settings = self.effective_settings(CLIENT, defaults).ok()?;
            let key = format!("{CLIENT}.{CONTEXT_KEY}");
            settings.into_iter().find(|it| it.key == key).map(|it| it.value)
        };
        let name = option.map(ToOwned::to_owned).or_else(variable).or_else(key);
        match name.filter(|it| !it.is_empty()) {
            Some(name) => self.context(&name),
            None => Ok(self),
        }
    }

    /// Adds the file of the user who runs a command, below the file of `read`. A path without a file
    /// adds nothing.
    ///
    /// # Errors
    ///
    /// The file cannot be read or is not TOML, or holds settings that are not those of commands.
    pub fn user_file(mut self, path: &Path) -> Result<Self, ConfigError> {
        if !path.exists() {
            return Ok(self);
        }
        let table = read_file(path)?;
        if let Some(name) = table.keys().find(|it| *it != CLIENT && *it != CONTEXTS) {
            return Err(ConfigError::Unknown {
                key: name.clone(),
                origin: path.display().to_string(),
                suggestion: nearest(name, [CLIENT, CONTEXTS].into_iter()),
            });
        }
        self.user = Some((path.to_owned(), table));
        Ok(self)
    }

    /// Chooses a context.
    ///
    /// # Errors
    ///
    /// No file has a context of this name.
    pub fn context(mut self, name: &str) -> Result<Self, ConfigError> {
        let known = self.context_names();
        if !known.iter().any(|it| it == name) {
            return Err(ConfigError::Context {
                name: name.to_owned(),
                suggestion: nearest(name, known.iter().map(String::as_str)),
                known,
            });
        }
        self.context = Some(name.to_owned());
        Ok(self)
    }

    /// The names of all contexts.
    pub fn context_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .files()
            .filter_map(|(_, table)| table.get(CONTEXTS)?.as_table())
            .flat_map(|it| it.keys().cloned())
            .collect();
        names.sort();
        names.dedup();
        names
    }

    /// Checks the keys of every context, of those that are not chosen too.
    pub(super) fn check_contexts(&self, sections: &[(&str, &str)]) -> Result<(), ConfigError> {
        let Some((_, defaults)) = sections.iter().find(|(it, _)| *it == CLIENT) else {
            return Ok(());
        };
        let known: Vec<String> = defaults_by_key(defaults).into_keys().collect();
        for (path, table) in self.files() {
            if let Some(contexts) = table.get(CONTEXTS) {
                check_table(contexts, &path.display().to_string(), &known)?;
            }
        }
        Ok(())
    }

    /// The tables of all files that hold values of a section, lowest layer first, with their origins.
    pub(super) fn tables_of(&self, section: &str) -> Vec<(String, &Table)> {
        let mut tables = Vec::new();
        for (path, table) in self.files() {
            if let Some(values) = table.get(section).and_then(Value::as_table) {
                tables.push((path.display().to_string(), values));
            }
        }
        let Some(name) = self.context.as_ref().filter(|_| section == CLIENT) else {
            return tables;
        };
        for (path, table) in self.files() {
            let values = table.get(CONTEXTS).and_then(|it| it.get(name)).and_then(Value::as_table);
            if let Some(values) = values {
                tables.push((format!("{} [{CONTEXTS}.{name}]", path.display()), values));
            }
        }
        tables
    }

    fn files(&self) -> impl Iterator<Item = (&Path, &Table)> {
        let user = self.user.as_ref().map(|(path, table)| (path.as_path(), table));
        let file = self.file_path.as_ref().map(|path| (path.as_path(), &self.file));
        user.into_iter().chain(file)
    }
}

/// Checks the table of all contexts of one file.
fn check_table(contexts: &Value, origin: &str, known: &[String]) -> Result<(), ConfigError> {
    let not_table = |key: String| ConfigError::Value {
        key,
        origin: origin.to_owned(),
        reason: "a context is written [contexts.name]".to_owned(),
    };
    let contexts = contexts.as_table().ok_or_else(|| not_table(CONTEXTS.to_owned()))?;
    for (name, context) in contexts {
        let context = context.as_table();
        let context = context.ok_or_else(|| not_table(format!("{CONTEXTS}.{name}")))?;
        if let Some(key) = flatten(context).into_keys().find(|it| !known.contains(it)) {
            return Err(ConfigError::Unknown {
                suggestion: nearest(&key, known.iter().map(String::as_str)),
                key: format!("{CONTEXTS}.{name}.{key}"),
                origin: origin.to_owned(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;

    use super::*;

    const DEFAULTS: &str = "context = \"\"\ninternal = \"a\"\ngateway = \"g\"\n";

    fn layers(user: &str, file: &str, variables: &[(&str, &str)]) -> Result<Layers, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let (user_path, file_path) = (folder.path().join("user"), folder.path().join("file"));
        fs::write(&user_path, user).unwrap();
        fs::write(&file_path, file).unwrap();
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect::<BTreeMap<_, _>>();
        let layers = Layers::from_parts(Some(&file_path), variables)?.user_file(&user_path)?;
        layers.check(&[(CLIENT, DEFAULTS)])?;
        Ok(layers)
    }

    fn internal(of: &Layers) -> String {
        let settings = of.effective_settings(CLIENT, DEFAULTS).unwrap();
        settings.into_iter().find(|it| it.key == "client.internal").unwrap().value
    }

    #[test]
    fn a_context_overrides_the_files_and_a_variable_overrides_the_context() {
        let user = "[client]\ninternal = \"user\"\n[contexts.tinh]\ninternal = \"tinh\"\n";
        let file = "[client]\ninternal = \"file\"\n";
        let plain = layers(user, file, &[]).unwrap();
        assert_eq!(internal(&plain.clone().named_context(None, DEFAULTS).unwrap()), "file");
        let tinh = plain.named_context(Some("tinh"), DEFAULTS).unwrap();
        assert_eq!(internal(&tinh), "tinh");
        let origin = tinh.origin(CLIENT, DEFAULTS, "internal");
        assert!(origin.ends_with("user [contexts.tinh]"), "{origin}");
        let variables = [("LIENTHONG_CONTEXT", "tinh")];
        let tinh = layers(user, file, &variables).unwrap().named_context(None, DEFAULTS).unwrap();
        assert_eq!(internal(&tinh), "tinh");
        let variables = [("LIENTHONG_CONTEXT", "tinh"), ("LIENTHONG__CLIENT__INTERNAL", "v")];
        let over = layers(user, file, &variables).unwrap().named_context(None, DEFAULTS).unwrap();
        assert_eq!(internal(&over), "v");
        let file = "[client]\ncontext = \"tinh\"\n";
        let by_key = layers(user, file, &[]).unwrap().named_context(None, DEFAULTS).unwrap();
        assert_eq!(internal(&by_key), "tinh");
    }

    #[test]
    fn an_unknown_context_or_key_names_the_nearest() {
        let user = "[contexts.tinh]\ninternal = \"x\"\n[contexts.thu]\n";
        let error = layers(user, "", &[]).unwrap().context("tinhh").unwrap_err();
        let ConfigError::Context { known, suggestion, .. } = error else { panic!("{error}") };
        assert_eq!(
            (known.as_slice(), suggestion.as_deref()),
            (["thu".to_owned(), "tinh".to_owned()].as_slice(), Some("tinh"))
        );
        for (user, key, suggested) in [
            ("[contexts.tinh]\ninternall = \"x\"\n", "contexts.tinh.internall", "internal"),
            ("[contxts.tinh]\n", "contxts", "contexts"),
            ("[client]\ngatewy = \"x\"\n", "client.gatewy", "gateway"),
        ] {
            let read = layers(user, "", &[]);
            let error = read.and_then(|it| it.effective_settings(CLIENT, DEFAULTS)).unwrap_err();
            let ConfigError::Unknown { key: named, suggestion, .. } = error else {
                panic!("{error}")
            };
            assert_eq!((named.as_str(), suggestion.as_deref()), (key, Some(suggested)));
        }
    }

    #[test]
    fn the_file_of_the_user_lies_where_xdg_says() {
        let path = |config: Option<&str>, home: Option<&str>| {
            user_file_below(config.map(Into::into), home.map(Into::into))
        };
        assert_eq!(path(Some("/x"), Some("/h")), Some("/x/lienthong/config.toml".into()));
        for ignored in [None, Some(""), Some("relative")] {
            let below_home = Some("/h/.config/lienthong/config.toml".into());
            assert_eq!(path(ignored, Some("/h")), below_home);
        }
        assert_eq!(path(None, None), None);
    }
}
