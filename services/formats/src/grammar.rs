//! A description as it is written: one file, both directions.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_saphyr::Spanned;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Description {
    pub(crate) format: String,
    pub(crate) version: u32,
    pub(crate) title: String,
    pub(crate) carries: String,
    #[serde(default)]
    pub(crate) others: Others,
    #[serde(default = "nothing")]
    pub(crate) empty: Vec<String>,
    pub(crate) write_empty: Option<String>,
    pub(crate) syntax: Syntax,
    #[serde(default)]
    pub(crate) detect: Vec<Detect>,
    #[serde(default)]
    pub(crate) lists: BTreeMap<String, List>,
    #[serde(default)]
    pub(crate) parts: BTreeMap<String, Vec<Line>>,
    #[serde(default)]
    pub(crate) fields: Vec<Line>,
    /// What the format cannot carry, in words for people.
    #[serde(default)]
    #[expect(dead_code, reason = "read by people, and checked to be words")]
    pub(crate) loss: BTreeMap<String, String>,
}

fn nothing() -> Vec<String> {
    vec![String::new()]
}

/// What becomes of places nobody named.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Others {
    /// Kept, and written back into the same format.
    #[default]
    Keep,
    /// Told, not kept.
    Report,
}

/// The syntax and its options.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", tag = "kind")]
pub(crate) enum Syntax {
    /// XML.
    Xml {
        root: String,
        namespace: String,
        prefix: String,
        #[serde(rename = "declared-at")]
        declared_at: String,
        #[serde(default)]
        ignore: Vec<String>,
    },
    /// JSON; each record is a message.
    Json {
        records: String,
        /// Members around the records, written as they are (JSON).
        #[serde(default)]
        around: String,
        /// Member that tells how many records there are.
        #[serde(default)]
        count: String,
    },
    /// The canonical model's own JSON.
    CanonicalJson,
}

impl Syntax {
    /// True when both see the same bytes as the same tree.
    pub(crate) fn scans_as(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Xml { root, namespace, .. },
                Self::Xml { root: other, namespace: there, .. },
            ) => root == other && namespace == there,
            (Self::Xml { .. }, _) | (_, Self::Xml { .. }) => false,
            (Self::Json { .. } | Self::CanonicalJson, Self::Json { .. } | Self::CanonicalJson) => {
                true
            }
        }
    }
}

/// A place that is there, or is not.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Detect {
    pub(crate) has: Option<String>,
    pub(crate) lacks: Option<String>,
}

/// Native codes and what they mean.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct List {
    /// Name of the canonical list, for values of the type Code.
    pub(crate) list: Option<String>,
    #[serde(default)]
    pub(crate) rows: BTreeMap<String, String>,
    /// Values outside the rows are taken as names.
    #[serde(default)]
    pub(crate) open: bool,
    /// The enum value that any code outside the rows is taken for; the code itself is kept where
    /// the line's `unlisted` says, and written from there.
    pub(crate) other: Option<String>,
    /// The only value that may pass; any other refuses the item.
    pub(crate) gate: Option<String>,
}

impl List {
    /// The native code of a canonical one.
    pub(crate) fn native(&self, canonical: &str) -> Option<&str> {
        self.rows.iter().find(|(_, it)| *it == canonical).map(|(native, _)| native.as_str())
    }
}

/// When something is needed.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Need {
    Read,
    Write,
    Both,
}

/// One value, or any of several.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Values {
    One(String),
    Any(Vec<String>),
}

impl Values {
    pub(crate) fn list(&self) -> Vec<String> {
        match self {
            Self::One(value) => vec![value.clone()],
            Self::Any(values) => values.clone(),
        }
    }
}

/// A line and where it stands in the file.
pub(crate) type Line = Spanned<Field>;

/// A line of the description.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Field {
    pub(crate) at: Option<String>,
    pub(crate) each: Option<String>,
    pub(crate) to: Option<String>,
    #[serde(rename = "as")]
    pub(crate) converter: Option<String>,
    #[serde(rename = "use")]
    pub(crate) part: Option<String>,
    pub(crate) need: Option<Need>,
    pub(crate) max: Option<usize>,
    #[serde(default)]
    pub(crate) empty: Vec<String>,
    pub(crate) read_default: Option<String>,
    pub(crate) write_default: Option<String>,
    #[serde(rename = "else")]
    pub(crate) otherwise: Option<String>,
    #[serde(rename = "const")]
    pub(crate) constant: Option<String>,
    #[serde(default)]
    pub(crate) when: BTreeMap<String, Values>,
    #[serde(rename = "match")]
    pub(crate) key: Option<String>,
    /// Every record must meet its counterpart of the same key in the other `each` of the list.
    #[serde(default)]
    pub(crate) pair: bool,
    /// Where a code outside its list is kept.
    pub(crate) unlisted: Option<String>,
    /// Read and never written.
    #[serde(default)]
    pub(crate) read_only: bool,
    #[serde(default)]
    pub(crate) append: bool,
    #[serde(default)]
    pub(crate) bare: bool,
    #[serde(default)]
    pub(crate) own_prefix: bool,
    #[serde(default)]
    pub(crate) fields: Vec<Line>,
}
