//! Syntaxes of native content, with their options.

use legacy_text::Charset;
use serde::Deserialize;

use crate::grammar::one_or_many::OneOrMany;

/// Syntax of the native form, with its options.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", tag = "kind")]
pub(crate) enum Syntax {
    /// XML with one namespace.
    Xml {
        root: String,
        namespace: String,
        /// Prefix of written elements.
        prefix: String,
        /// Name of the element that declares the prefix.
        #[serde(rename = "declared-at")]
        declared_at: String,
        /// Names of elements that are neither read nor recorded as leftovers.
        #[serde(default)]
        ignore: Vec<String>,
    },
    /// JSON with a list of records; each record is a message.
    Json {
        /// Path of the list of records; empty: the body is one record.
        records: String,
        /// JSON around the records, written as it is.
        #[serde(default)]
        around: String,
        /// Path of the member that contains the number of records.
        #[serde(default)]
        count: String,
    },
    /// Delimited text; each row is a message.
    Csv(CsvSyntax),
    /// Text with one named field after another.
    Fields(FieldsSyntax),
    /// The JSON mapping of the canonical model.
    CanonicalJson,
}

/// Options of delimited text (RFC 4180).
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct CsvSyntax {
    /// The character between cells. Of several, reading takes the one that finds the most columns
    /// of the description, and writing the first.
    #[serde(default = "comma")]
    pub(crate) separator: OneOrMany,
    #[serde(default = "double_quote")]
    pub(crate) quote: String,
    /// The first row has the titles by which columns are found; without it, columns are found by
    /// their number, from 1.
    #[serde(default = "yes")]
    pub(crate) header: bool,
    /// The charset of content that is no Unicode, and of what is written; none: UTF-8.
    #[serde(default)]
    pub(crate) charset: Option<TextCharset>,
    /// A byte order mark is written, by which Excel knows UTF-8.
    #[serde(default)]
    pub(crate) bom: bool,
}

/// Options of text with named fields.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct FieldsSyntax {
    /// What stands before a value, with `{name}` for the field's name.
    pub(crate) open: String,
    /// What stands after a value, with or without `{name}`; empty: the value ends with its line.
    #[serde(default)]
    pub(crate) close: String,
    /// The charset of content that is no Unicode, and of what is written; none: UTF-8.
    #[serde(default)]
    pub(crate) charset: Option<TextCharset>,
    /// What is written between fields.
    #[serde(default = "line_feed")]
    pub(crate) between: String,
    /// What is written for a line break inside a value that ends with its line; none: such a value
    /// is refused.
    pub(crate) line_break: Option<String>,
    /// Records are separated by an empty line; else the whole text is one record.
    #[serde(default)]
    pub(crate) blank_line: bool,
}

/// A charset of plain text from before Unicode, by its name.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub(crate) struct TextCharset(pub(crate) Charset);

impl TryFrom<String> for TextCharset {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let known = Charset::ALL.map(Charset::name);
        let found = Charset::ALL.into_iter().find(|it| it.name() == name);
        let known = || {
            format!(
                "không có bảng mã `{name}` / there is no charset `{name}`: {}",
                known.join(", ")
            )
        };
        found.map(Self).ok_or_else(known)
    }
}

/// The place of the field's name in a pattern.
const NAME: &str = "{name}";

impl FieldsSyntax {
    /// The texts before and after the name in the opening of a field.
    pub(crate) fn open_parts(&self) -> (&str, &str) {
        self.open.split_once(NAME).unwrap_or((&self.open, ""))
    }

    /// The opening of a field.
    pub(crate) fn open_of(&self, name: &str) -> String {
        self.open.replace(NAME, name)
    }

    /// The end of a field's value.
    pub(crate) fn close_of(&self, name: &str) -> String {
        self.close.replace(NAME, name)
    }

    /// True when the name can be told from what stands around it.
    pub(crate) fn permits_name(&self, name: &str) -> bool {
        let (before, after) = self.open_parts();
        let is_single_line = !name.contains(['\n', '\r']);
        let is_told = |it: &str| it.trim().is_empty() || !name.contains(it.trim());
        let is_trimmed = !name.is_empty() && name.trim() == name;
        is_single_line && is_trimmed && is_told(before) && is_told(after)
    }
}

impl CsvSyntax {
    /// The characters that may separate cells; the first is written.
    pub(crate) fn separators(&self) -> Vec<u8> {
        self.separator.to_vec().iter().filter_map(|it| it.bytes().next()).collect()
    }

    /// The character around cells that contain separators.
    pub(crate) fn quote(&self) -> u8 {
        self.quote.bytes().next().unwrap_or(b'"')
    }
}

fn comma() -> OneOrMany {
    OneOrMany::One(",".to_owned())
}

fn double_quote() -> String {
    "\"".to_owned()
}

fn line_feed() -> String {
    "\n".to_owned()
}

fn yes() -> bool {
    true
}

impl Syntax {
    /// True when both syntaxes scan the same bytes to the same tree.
    pub(crate) fn has_same_scan(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Xml { root, namespace, .. },
                Self::Xml { root: other_root, namespace: other_namespace, .. },
            ) => root == other_root && namespace == other_namespace,
            (Self::Json { .. } | Self::CanonicalJson, Self::Json { .. } | Self::CanonicalJson) => {
                true
            }
            (Self::Csv(it), Self::Csv(other)) => it == other,
            (Self::Fields(it), Self::Fields(other)) => it == other,
            _ => false,
        }
    }

    /// True for the JSON mapping of the canonical model.
    pub(crate) fn is_canonical(&self) -> bool {
        matches!(self, Self::CanonicalJson)
    }

    /// True for XML.
    pub(crate) fn is_xml(&self) -> bool {
        matches!(self, Self::Xml { .. })
    }

    /// True when a record has named texts and nothing inside them, so that a native path is one
    /// name.
    pub(crate) fn is_flat(&self) -> bool {
        matches!(self, Self::Csv(_) | Self::Fields(_))
    }

    /// The charset of plain text from before Unicode.
    pub(crate) fn charset(&self) -> Option<Charset> {
        let charset = match self {
            Self::Csv(it) => it.charset,
            Self::Fields(it) => it.charset,
            Self::Xml { .. } | Self::Json { .. } | Self::CanonicalJson => None,
        };
        charset.map(|it| it.0)
    }

    /// Name of the outermost node.
    pub(crate) fn root(&self) -> &str {
        if let Self::Xml { root, .. } = self { root } else { "" }
    }

    /// Native path of the records; empty: the content is one record.
    pub(crate) fn records(&self) -> &str {
        if let Self::Json { records, .. } = self { records } else { "" }
    }

    /// Names of nodes that are neither read nor recorded as leftovers.
    pub(crate) fn ignored(&self) -> &[String] {
        if let Self::Xml { ignore, .. } = self { ignore } else { &[] }
    }

    /// True when content of this syntax may begin with a character.
    pub(crate) fn may_begin_with(&self, first: char) -> bool {
        match self {
            Self::Xml { .. } => first == '<',
            Self::Json { .. } | Self::CanonicalJson => first == '{' || first == '[',
            Self::Csv(_) => !['<', '{', '['].contains(&first),
            Self::Fields(it) => {
                let (before, _) = it.open_parts();
                before.trim_start().chars().next().is_none_or(|it| it == first)
            }
        }
    }
}
