//! The rules of a plan. Canonical paths begin at the record's message, or at the list item inside
//! a [`ListRule`].

use crate::canonical_path::CanonicalPath;
use crate::convert::Converter;
use crate::diagnostic::SourcePosition;
use crate::grammar::{Requirement, TooLong};
use crate::plan::condition::Condition;
use crate::tree::NodeName;

/// Maps a native node to a canonical value.
#[derive(Clone, Debug)]
pub(crate) struct LeafRule {
    /// Where the rule begins in the description.
    pub(crate) position: SourcePosition,
    /// The converter as the description writes it.
    pub(crate) spec: String,
    pub(crate) at: Vec<NodeName>,
    pub(crate) to: CanonicalPath,
    /// The canonical path as the description writes it, from the record's message.
    pub(crate) name: String,
    pub(crate) converter: Converter,
    pub(crate) need: Option<Requirement>,
    /// Characters the native format permits.
    pub(crate) max: Option<usize>,
    /// What the writer does with a text beyond `max`.
    pub(crate) too_long: TooLong,
    pub(crate) empty: Vec<String>,
    pub(crate) read_default: Option<String>,
    pub(crate) write_default: Option<String>,
    /// Canonical path that is written when `to` is absent.
    pub(crate) fallback: Option<CanonicalPath>,
    /// Canonical path of the text field that carries a code outside the list.
    pub(crate) unlisted: Option<CanonicalPath>,
    /// JSON: a number, `true` or `false` is written without quotes.
    pub(crate) is_literal: bool,
    /// Without the value the item means another thing.
    pub(crate) decides: bool,
    /// Canonical path of the value that is read for a missing node.
    pub(crate) substitute: Option<CanonicalPath>,
    /// A missing value is a finding.
    pub(crate) is_expected: bool,
    /// XML: the element is prefixed although an ancestor is not.
    pub(crate) declares_prefix: bool,
}

impl LeafRule {
    /// A missing node has a value.
    pub(crate) fn has_default(&self) -> bool {
        self.read_default.is_some()
    }
}

/// Groups rules below a native node, a canonical message, or both.
#[derive(Clone, Debug)]
pub(crate) struct GroupRule {
    pub(crate) at: Vec<NodeName>,
    pub(crate) name: String,
    /// The group maps to a canonical message of its own.
    pub(crate) is_message: bool,
    pub(crate) need: Option<Requirement>,
    /// Without the group the item means another thing.
    pub(crate) decides: bool,
    /// The group applies when all of these hold.
    pub(crate) when: Vec<Condition>,
    /// A rule inside reads a secrecy mark.
    pub(crate) has_gate: bool,
    pub(crate) rules: Vec<Rule>,
}

/// Maps repeated native nodes to the items of a canonical list.
#[derive(Clone, Debug)]
pub(crate) struct ListRule {
    /// Where the rule begins in the description.
    pub(crate) position: SourcePosition,
    /// For items that are texts: the converter as the description writes it.
    pub(crate) spec: String,
    pub(crate) at: Vec<NodeName>,
    pub(crate) to: CanonicalPath,
    pub(crate) name: String,
    /// Canonical path of the list without the selector: rules of one list share their keys.
    pub(crate) list: String,
    pub(crate) need: Option<Requirement>,
    /// For items that are texts: the converter and the characters the native format permits.
    pub(crate) text: Option<(Converter, Option<usize>)>,
    /// Path inside an item of the key that joins native records to one item.
    pub(crate) key: Option<CanonicalPath>,
    /// Every record needs a counterpart in the other rule of the list.
    pub(crate) is_paired: bool,
    /// The records contain the bytes of files.
    pub(crate) holds_files: bool,
    /// The writer appends an item (the trace).
    pub(crate) is_appended: bool,
    /// XML: the elements are written without the namespace prefix.
    pub(crate) is_unprefixed: bool,
    /// A rule inside reads a secrecy mark.
    pub(crate) has_gate: bool,
    pub(crate) rules: Vec<Rule>,
}

/// Writes a constant text.
#[derive(Clone, Debug)]
pub(crate) struct ConstantRule {
    pub(crate) at: Vec<NodeName>,
    pub(crate) text: String,
    /// Another text that is read is a finding.
    pub(crate) is_checked: bool,
}

/// A rule of a plan.
#[derive(Clone, Debug)]
pub(crate) enum Rule {
    Leaf(LeafRule),
    Group(GroupRule),
    List(ListRule),
    Constant(ConstantRule),
    /// Applies to reading only.
    ReadOnly(Box<Rule>),
}

impl Rule {
    /// True when the rule or one inside it reads a secrecy mark.
    pub(crate) fn has_gate(&self) -> bool {
        match self {
            Self::Leaf(it) => it.converter.code_list().is_some_and(|it| it.gate.is_some()),
            Self::Group(it) => it.has_gate,
            Self::List(it) => it.has_gate,
            Self::ReadOnly(it) => it.has_gate(),
            Self::Constant(..) => false,
        }
    }

    /// True when the rule or one inside it says whether a file is in a ZIP.
    pub(crate) fn tells_packing(&self) -> bool {
        match self {
            Self::Leaf(it) => matches!(it.converter, Converter::PackedType),
            Self::Group(it) => it.rules.iter().any(Self::tells_packing),
            Self::List(it) => it.rules.iter().any(Self::tells_packing),
            Self::ReadOnly(_) | Self::Constant(..) => false,
        }
    }

    /// The rule, applied only when the conditions hold.
    pub(super) fn with_conditions(self, when: Vec<Condition>) -> Self {
        match self {
            _ if when.is_empty() => self,
            Self::Group(group) => Self::Group(GroupRule { when, ..group }),
            Self::Leaf(_) | Self::List(_) | Self::Constant(_) | Self::ReadOnly(_) => {
                let (has_gate, rules) = (self.has_gate(), vec![self]);
                let (at, name, need) = (Vec::new(), String::new(), None);
                Self::Group(GroupRule {
                    at,
                    name,
                    is_message: false,
                    need,
                    decides: false,
                    when,
                    has_gate,
                    rules,
                })
            }
        }
    }

    /// True when the rule or one inside it maps the bytes of a file.
    pub(crate) fn holds_file(&self) -> bool {
        match self {
            Self::Leaf(it) => matches!(it.converter, Converter::Content),
            Self::Group(it) => it.rules.iter().any(Self::holds_file),
            Self::ReadOnly(it) => it.holds_file(),
            Self::List(_) | Self::Constant(..) => false,
        }
    }
}

/// Node names of a native path; `@` begins the name of an attribute. In a flat syntax the path is
/// one name, in which these characters have no meaning.
pub(crate) fn parse_native_path(text: &str, is_flat: bool) -> Vec<NodeName> {
    if is_flat {
        return (!text.is_empty()).then(|| NodeName::new(text)).into_iter().collect();
    }
    let separated = text.replace('@', "/@");
    separated.split('/').filter(|it| !it.is_empty()).map(NodeName::new).collect()
}

/// The first name of every native path in the rules, in their order and without repetition: the
/// columns or fields of a flat record. Rules that are read only come last.
pub(crate) fn native_names(rules: &[Rule]) -> Vec<String> {
    let (mut names, mut read_only) = (Vec::new(), Vec::new());
    collect_names(rules, &mut names, &mut read_only);
    for it in read_only {
        if !names.contains(&it) {
            names.push(it);
        }
    }
    names
}

fn collect_names(rules: &[Rule], names: &mut Vec<String>, read_only: &mut Vec<String>) {
    for rule in rules {
        let at = match rule {
            Rule::Leaf(it) => &it.at,
            Rule::List(it) => &it.at,
            Rule::Constant(it) => &it.at,
            Rule::Group(it) if it.at.is_empty() => {
                collect_names(&it.rules, names, read_only);
                continue;
            }
            Rule::Group(it) => &it.at,
            Rule::ReadOnly(it) => {
                let mut inner = Vec::new();
                collect_names(std::slice::from_ref(it), &mut inner, &mut Vec::new());
                read_only.append(&mut inner);
                continue;
            }
        };
        let Some(name) = at.first().filter(|it| !it.is_self) else { continue };
        if !names.contains(&name.text) {
            names.push(name.text.clone());
        }
    }
}
