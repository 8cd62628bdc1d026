//! The rules of a plan as one list, each with everything around it: its whole native and canonical
//! path, its conditions and its lists.

use crate::canonical_path::strip_selectors;
use crate::convert::Converter;
use crate::diagnostic::SourcePosition;
use crate::plan::{Condition, LeafRule, ListRule, Rule};
use crate::tree::{NodeName, join_names};

/// A rule of a format with everything around it resolved.
#[derive(Clone, Debug)]
pub(crate) struct FlatRule<'r> {
    /// Native path from the record.
    pub(crate) native: String,
    /// Canonical path from the message, with selectors.
    pub(crate) canonical: String,
    pub(crate) kind: FlatKind<'r>,
    /// Every `when` around the rule.
    pub(crate) conditions: Vec<&'r Condition>,
    pub(crate) is_read_only: bool,
    /// The lists around the rule, outermost first.
    pub(crate) lists: Vec<&'r ListRule>,
}

/// What a flat rule maps.
#[derive(Clone, Copy, Debug)]
pub(crate) enum FlatKind<'r> {
    Leaf(&'r LeafRule),
    List(&'r ListRule),
    Constant,
}

impl FlatRule<'_> {
    /// Where the rule begins in the description.
    pub(crate) fn position(&self) -> SourcePosition {
        match self.kind {
            FlatKind::Leaf(it) => it.position,
            FlatKind::List(it) => it.position,
            FlatKind::Constant => SourcePosition::default(),
        }
    }

    /// The leaf; none for another rule.
    pub(crate) fn leaf(&self) -> Option<&LeafRule> {
        if let FlatKind::Leaf(it) = self.kind { Some(it) } else { None }
    }

    /// The converter of a value or of a list of texts.
    pub(crate) fn converter(&self) -> Option<&Converter> {
        match self.kind {
            FlatKind::Leaf(it) => Some(&it.converter),
            FlatKind::List(it) => it.text.as_ref().map(|(it, _)| it),
            FlatKind::Constant => None,
        }
    }

    /// The canonical path without selectors.
    pub(crate) fn path(&self) -> String {
        strip_selectors(&self.canonical)
    }

    /// True when both rules can apply to one record.
    pub(crate) fn can_meet(&self, other: &Self) -> bool {
        let excludes = |one: &&Condition| other.conditions.iter().any(|two| one.excludes(two));
        !self.conditions.iter().any(excludes)
    }
}

/// The rules of a plan with everything around them resolved, in the order of the description.
pub(crate) fn flatten(rules: &[Rule]) -> Vec<FlatRule<'_>> {
    let mut flat = Vec::new();
    let around = Around {
        native: String::new(),
        conditions: Vec::new(),
        lists: Vec::new(),
        is_read_only: false,
    };
    flatten_into(rules, &around, &mut flat);
    flat
}

#[derive(Clone)]
struct Around<'r> {
    native: String,
    conditions: Vec<&'r Condition>,
    lists: Vec<&'r ListRule>,
    is_read_only: bool,
}

impl<'r> Around<'r> {
    fn native_of(&self, at: &[NodeName]) -> String {
        let at = join_names(at);
        let names =
            [self.native.as_str(), &at].into_iter().filter(|it| !it.is_empty() && *it != ".");
        names.collect::<Vec<_>>().join("/")
    }

    fn flat(&self, at: &[NodeName], canonical: &str, kind: FlatKind<'r>) -> FlatRule<'r> {
        FlatRule {
            native: self.native_of(at),
            canonical: canonical.to_owned(),
            kind,
            conditions: self.conditions.clone(),
            is_read_only: self.is_read_only,
            lists: self.lists.clone(),
        }
    }
}

fn flatten_into<'r>(rules: &'r [Rule], around: &Around<'r>, into: &mut Vec<FlatRule<'r>>) {
    for rule in rules {
        match rule {
            Rule::Leaf(it) => into.push(around.flat(&it.at, &it.name, FlatKind::Leaf(it))),
            Rule::Constant(it) => into.push(around.flat(&it.at, "", FlatKind::Constant)),
            Rule::Group(it) => {
                let mut inner = around.clone();
                inner.native = around.native_of(&it.at);
                inner.conditions.extend(&it.when);
                flatten_into(&it.rules, &inner, into);
            }
            Rule::List(it) => {
                into.push(around.flat(&it.at, &it.name, FlatKind::List(it)));
                let mut inner = around.clone();
                inner.native = around.native_of(&it.at);
                inner.lists.push(it);
                flatten_into(&it.rules, &inner, into);
            }
            Rule::ReadOnly(it) => {
                let inner = Around { is_read_only: true, ..around.clone() };
                flatten_into(std::slice::from_ref(it), &inner, into);
            }
        }
    }
}
