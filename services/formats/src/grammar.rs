//! Grammar of a format description (YAML): one file for both directions. The table in `constructs`
//! names the same keys; unknown ones are refused by the check that is made from it.

use std::collections::BTreeMap;

mod one_or_many;
mod syntax;

pub(crate) use one_or_many::OneOrMany;
pub(crate) use syntax::{CsvSyntax, FieldsSyntax, Syntax};

use serde::Deserialize;
use serde_saphyr::Spanned;

/// A description file. What a description must have is checked by the table, so that a missing key
/// does not hide the other mistakes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Description {
    /// Name of the format.
    #[serde(default)]
    pub(crate) format: String,
    #[serde(default)]
    pub(crate) version: u32,
    /// Name for people, Vietnamese.
    #[serde(default)]
    pub(crate) title: String,
    /// Message type: `Document`, `Status` or `Canonical`.
    #[serde(default)]
    pub(crate) carries: String,
    /// The directions in which the format is used.
    #[serde(default)]
    pub(crate) direction: Direction,
    /// Name of the dialect; every message that is read reports it.
    pub(crate) dialect: Option<String>,
    #[serde(default)]
    pub(crate) others: UnmappedPolicy,
    /// Native texts that mean an absent value.
    #[serde(default = "empty_text")]
    pub(crate) empty: Vec<String>,
    /// Text that is written for an absent value; none: the node is omitted.
    pub(crate) write_empty: Option<String>,
    pub(crate) syntax: Syntax,
    /// How the files inside a written body lie in it.
    #[serde(default)]
    pub(crate) file_form: FileForm,
    /// The format is used only where its name is given, and never detected.
    #[serde(default)]
    pub(crate) named: bool,
    /// All of these hold for content in this format.
    #[serde(default)]
    pub(crate) detect: Vec<DetectCondition>,
    /// Code lists by name, for `as: code`.
    #[serde(default)]
    pub(crate) lists: BTreeMap<String, CodeList>,
    /// Rules that several places use, by name.
    #[serde(default)]
    pub(crate) parts: BTreeMap<String, Vec<SpannedRule>>,
    #[serde(default)]
    pub(crate) fields: Vec<SpannedRule>,
    /// What the format cannot carry, in words for people, by loss reason.
    #[serde(default)]
    pub(crate) loss: BTreeMap<String, String>,
}

fn empty_text() -> Vec<String> {
    vec![String::new()]
}

/// The directions in which a format is used.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Direction {
    /// It is read and written.
    #[default]
    Both,
    /// It is read; a message for it is refused.
    Read,
}

/// How a written file lies in a body.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FileForm {
    /// As it is, with its own media type.
    #[default]
    Raw,
    /// In a ZIP with one entry, as the library of the national axis writes it. A file named `.zip`
    /// stays as it is.
    Zip,
}

/// What happens to native texts that no rule maps.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum UnmappedPolicy {
    /// They become leftovers and are written back into the same format.
    #[default]
    Keep,
    /// They are dropped.
    Report,
}

/// A native path that a record of the format has, or lacks.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct DetectCondition {
    pub(crate) has: Option<String>,
    pub(crate) lacks: Option<String>,
}

/// What a text of the format is in the rows of the registry.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum CodeKey {
    Code,
    Name,
}

/// Native codes and their canonical values.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct CodeList {
    /// Name of the canonical list, for fields of the type `Code`.
    pub(crate) list: Option<String>,
    /// Name of the list of the registry whose rows follow those of the description.
    pub(crate) registered: Option<String>,
    /// What a text of the format is in the rows of the registry.
    pub(crate) by: Option<CodeKey>,
    /// Canonical value by native code.
    #[serde(default)]
    pub(crate) rows: BTreeMap<String, String>,
    /// Further native codes that are read and never written.
    #[serde(default)]
    pub(crate) also: BTreeMap<String, String>,
    /// The native code that is written for a canonical value without one; reported as a change.
    #[serde(default)]
    pub(crate) near: BTreeMap<String, String>,
    /// Texts outside the rows are read as names.
    #[serde(default)]
    pub(crate) open: bool,
    /// The enum value of codes outside the rows; the field in the rule's `unlisted` carries the
    /// code.
    pub(crate) other: Option<String>,
    /// The only permitted value; any other is a secrecy mark and refuses the item.
    pub(crate) gate: Option<String>,
}

impl CodeList {
    /// True when the texts of the format are the names of the registry's rows.
    pub(crate) fn is_by_name(&self) -> bool {
        self.by == Some(CodeKey::Name)
    }

    /// The canonical value of a native code.
    pub(crate) fn canonical(&self, native: &str) -> Option<&str> {
        self.rows.get(native).or_else(|| self.also.get(native)).map(String::as_str)
    }

    /// The native code of a canonical one.
    pub(crate) fn native(&self, canonical: &str) -> Option<&str> {
        let row = self.rows.iter().find(|(_, it)| *it == canonical).map(|(native, _)| native);
        row.or_else(|| self.near.get(canonical)).map(String::as_str)
    }
}

/// The directions in which a value is required.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Requirement {
    Read,
    Write,
    Both,
}

/// What the writer does with a text that is longer than the native format permits.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TooLong {
    /// It is cut, and the loss is reported. Only for descriptive texts.
    #[default]
    Cut,
    /// It is written whole.
    Carry,
    /// The message is refused.
    Refuse,
}

/// A rule with its line and column in the file.
pub(crate) type SpannedRule = Spanned<FieldRule>;

/// A rule: a native path, the canonical field it maps to, and how the text is converted.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct FieldRule {
    /// Native path of a node.
    pub(crate) at: Option<String>,
    /// Native path of repeated nodes.
    pub(crate) each: Option<String>,
    /// Canonical path.
    pub(crate) to: Option<String>,
    /// Converter with its arguments; `text` when absent.
    #[serde(rename = "as")]
    pub(crate) converter: Option<String>,
    /// Name of the part whose rules apply inside.
    #[serde(rename = "use")]
    pub(crate) part: Option<String>,
    pub(crate) need: Option<Requirement>,
    /// Characters the native format permits.
    pub(crate) max: Option<usize>,
    /// What the writer does with a text beyond `max`.
    #[serde(default)]
    pub(crate) too_long: TooLong,
    /// Further native texts that mean an absent value.
    #[serde(default)]
    pub(crate) empty: Vec<String>,
    /// Value of a missing node: an enum's value, else a native text.
    pub(crate) read_default: Option<String>,
    /// Native text of an absent value: `index`, `now`, or a literal.
    pub(crate) write_default: Option<String>,
    /// Canonical path that is written when `to` is absent.
    #[serde(rename = "else")]
    pub(crate) otherwise: Option<String>,
    /// Template that splits one text into fields of the message `to`: `{number}/{notation}`; `" | "`
    /// separates alternatives.
    pub(crate) pattern: Option<String>,
    /// The characters of a part of the template, as ranges: `0-9 a-z`.
    #[serde(default, rename = "where")]
    pub(crate) classes: BTreeMap<String, String>,
    /// The field that keeps the text of a template as it stood.
    pub(crate) whole: Option<String>,
    /// No: reading keeps only the whole text.
    pub(crate) split: Option<bool>,
    /// JSON: a number, `true` or `false` is written without quotes.
    #[serde(default)]
    pub(crate) literal: bool,
    /// Text that is written below an existing parent; another one that is read is a finding.
    #[serde(rename = "const")]
    pub(crate) constant: Option<String>,
    /// The constant is only written: other texts are read without a finding.
    #[serde(default)]
    pub(crate) unchecked: bool,
    /// Canonical values with which the rule applies; `has` and `lacks` name paths instead.
    #[serde(default)]
    pub(crate) when: BTreeMap<String, OneOrMany>,
    /// Path inside an item of the key that joins native records.
    #[serde(rename = "match")]
    pub(crate) key: Option<String>,
    /// Every record needs a counterpart with the same key in the other `each` of the list.
    #[serde(default)]
    pub(crate) pair: bool,
    /// Canonical path of the text field that carries a code outside the list.
    pub(crate) unlisted: Option<String>,
    /// Without the value the item means another thing: a misspelt or misplaced node is read, with a
    /// finding, or refused.
    #[serde(default)]
    pub(crate) decides: bool,
    /// Canonical path of the value that is read for a missing node, when there is exactly one.
    pub(crate) read_else: Option<String>,
    /// A missing value is a finding.
    #[serde(default)]
    pub(crate) expect: bool,
    /// The rule applies to reading only.
    #[serde(default)]
    pub(crate) read_only: bool,
    /// The writer appends a hop for its own organisation.
    #[serde(default)]
    pub(crate) append: bool,
    /// XML: the elements and their descendants have no prefix.
    #[serde(default)]
    pub(crate) bare: bool,
    /// XML: the element has the prefix although an ancestor is `bare`.
    #[serde(default)]
    pub(crate) own_prefix: bool,
    /// The rules inside.
    #[serde(default)]
    pub(crate) fields: Vec<SpannedRule>,
}
