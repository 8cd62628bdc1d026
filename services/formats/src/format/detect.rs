//! Tells a format from native content.

use crate::canonical_json;
use crate::format::Format;
use crate::grammar::Syntax;
use crate::scan;
use crate::tree::{NodeName, Tree};

impl Format {
    /// True when native content has the nodes that the description detects the format by.
    pub(crate) fn detects(&self, tree: &Tree<'_>) -> bool {
        if matches!(self.syntax, Syntax::CanonicalJson) {
            return canonical_json::detects(tree);
        }
        if !self.is_detectable() {
            return false;
        }
        let records = self.find_records(tree);
        let whole = records.iter().find(|it| tree.defect_of(**it).is_none());
        let Some(record) = whole.or(records.first()).copied() else { return false };
        self.detect.iter().all(|it| {
            // An element in which nothing stands says no more than a missing one; a JSON key with an
            // empty text still tells the format.
            let is_said = |path: &Vec<NodeName>| {
                tree.find_said(record, path).is_some_and(|it| tree.says_something(it))
            };
            let exists = |path: &Vec<NodeName>| {
                is_said(path) || !self.syntax.is_xml() && tree.find_first(record, path).is_some()
            };
            it.has.as_ref().is_none_or(exists) && !it.lacks.as_ref().is_some_and(is_said)
        })
    }

    /// False for a description that every text of its syntax would fit: it is only ever named.
    pub(crate) fn is_detectable(&self) -> bool {
        let is_open = match &self.syntax {
            Syntax::Json { .. } => self.records.is_empty(),
            Syntax::Csv(_) | Syntax::Fields(_) => true,
            Syntax::Xml { .. } | Syntax::CanonicalJson => false,
        };
        !self.is_named_only && (!is_open || self.detect.iter().any(|it| it.has.is_some()))
    }

    /// True when the format detects native bytes by itself, whatever other formats there are.
    pub fn detects_native(&self, native: &[u8]) -> bool {
        let text = scan::decode_text(native, self.syntax.charset());
        text.is_ok_and(|it| self.scan(&it.text).is_ok_and(|it| self.detects(&it)))
    }
}
