//! The state of reading one record, and access to native texts.

use proto::fault::v1::{Fault, FieldViolation};
use proto::mapping::v1::DeclaredAttachment;
use proto::message::v1::Finding;

use crate::absent::{Absence, absence_of};
use crate::canonical_path::{CanonicalPath, PathSegment};
use crate::convert::CodeScope;
use crate::file::WrittenFile;
use crate::grammar::Requirement;
use crate::read::join::Join;
use crate::tree::{ItemBindings, NodeName, Tree};

/// Where the bytes of files are.
#[derive(Clone, Copy)]
pub(crate) enum FileSource<'s> {
    /// In the tree as base64, or uploaded beside the body and declared.
    Received(&'s [DeclaredAttachment]),
    /// The tree was just written by this format; its nodes refer to these files by index.
    Written(&'s [WrittenFile]),
}

/// The node that rules are read at, or the native path at which it is missing.
#[derive(Clone, Copy)]
pub(crate) enum Location<'l> {
    Present(usize),
    Absent(&'l Location<'l>, &'l [NodeName]),
}

/// Nodes, and the canonical paths that they were read to.
pub(super) type Trail<'t> = Vec<(usize, &'t [PathSegment])>;

/// Reads one record of a tree.
pub(crate) struct RecordReader<'t> {
    pub(crate) tree: &'t Tree<'t>,
    pub(crate) files: FileSource<'t>,
    /// Texts that the format writes for an absent value.
    pub(crate) empty: &'t [String],
    /// The registry's lists, and the day of the record.
    pub(crate) codes: CodeScope<'t>,
    /// The format may wrap a file in a ZIP.
    pub(crate) may_wrap: bool,
    /// The tree was XML.
    is_xml: bool,
    pub(crate) findings: Vec<Finding>,
    pub(crate) violations: Vec<FieldViolation>,
    /// The first fault of a file. It is returned only after the sink has admitted the item.
    pub(crate) fault: Option<Fault>,
    /// Nodes whose text no converter could read, with the canonical path.
    pub(crate) unreadable: Vec<(usize, &'t str)>,
    /// Nodes with a second, differing value for a field that was read before.
    pub(crate) others: Vec<usize>,
    /// Nodes whose text says explicitly what an absent value means, or more than its value, with the
    /// canonical path.
    pub(crate) spellings: Vec<(usize, &'t str)>,
    /// The node of the record.
    pub(super) record: usize,
    /// Canonical paths of decisive values that have their default.
    pub(super) decided_by_default: Vec<&'t CanonicalPath>,
    /// Which records stand for which items.
    pub(crate) bindings: ItemBindings,
    /// Nodes that were read into the current item of a list that is joined by a key.
    pub(super) trail: Option<Trail<'t>>,
    /// Texts of the record that name an upload, each with the reference of the upload.
    pub(crate) referenced: Vec<(&'t str, &'t str)>,
    /// Lists whose records are joined by a key.
    pub(super) joins: Vec<Join<'t>>,
    /// Attachment records so far; the two halves of a paired attachment count one each, another
    /// attachment counts two.
    pub(super) half_attachments: usize,
}

impl<'t> RecordReader<'t> {
    /// A reader that has read nothing.
    pub(crate) fn new(
        tree: &'t Tree<'t>,
        files: FileSource<'t>,
        (empty, is_xml): (&'t [String], bool),
        codes: CodeScope<'t>,
    ) -> Self {
        Self {
            tree,
            files,
            empty,
            codes,
            may_wrap: true,
            is_xml,
            findings: Vec::new(),
            violations: Vec::new(),
            fault: None,
            unreadable: Vec::new(),
            others: Vec::new(),
            spellings: Vec::new(),
            record: 0,
            decided_by_default: Vec::new(),
            bindings: ItemBindings::default(),
            trail: None,
            referenced: Vec::new(),
            joins: Vec::new(),
            half_attachments: 0,
        }
    }

    /// The first node at the end of a path in which something stands, marked as mapped.
    pub(super) fn find_node(&self, from: Location<'_>, at: &[NodeName]) -> Option<usize> {
        let Location::Present(from) = from else { return None };
        let node_id = self.tree.find_said(from, at)?;
        self.tree.nodes[node_id].is_mapped.set(true);
        Some(node_id)
    }

    /// The node at the end of a path and its text; none when the node is missing or empty.
    pub(super) fn read_text(
        &mut self,
        from: Location<'_>,
        at: &[NodeName],
        empty: &[String],
    ) -> Option<(usize, &'t str)> {
        let node_id = self.find_node(from, at)?;
        let node = &self.tree.nodes[node_id];
        node.is_read.set(true);
        let text = node.text.trim();
        match self.absence_of(text, empty) {
            Absence::Value => Some((node_id, text)),
            Absence::Declared => None,
            Absence::Word => {
                self.report_word(node_id, text);
                None
            }
        }
    }

    /// The text of a code, which is carried as it was written: around it, only the white space with
    /// which XML is indented is no part of it. A no-break space is, and so is a blank inside the
    /// quotes of JSON; the code is then refused as one that nobody has, and never trimmed into one.
    pub(super) fn code_text(&self, node_id: usize) -> &'t str {
        let text = self.tree.nodes[node_id].text.as_ref();
        if self.is_xml { text.trim_matches([' ', '\t', '\r', '\n']) } else { text }
    }

    /// True when a text inside the node was not read, or not understood.
    pub(super) fn has_leftover(&self, node_id: usize) -> bool {
        let node = &self.tree.nodes[node_id];
        let is_unread = !node.is_read.get() || self.unreadable.iter().any(|(it, _)| *it == node_id);
        (is_unread && !node.text.trim().is_empty())
            || self.tree.children(node_id).any(|it| self.has_leftover(it))
    }

    /// How a text stands for an absent value. `empty` are the texts of the rule.
    pub(super) fn absence_of(&self, text: &str, empty: &[String]) -> Absence {
        absence_of(text, empty.iter().chain(self.empty))
    }

    /// True for a text that stands for an absent value.
    pub(super) fn is_empty_text(&self, text: &str, empty: &[String]) -> bool {
        self.absence_of(text, empty) != Absence::Value
    }

    /// True when a value is required here. A requirement on senders (`need: read`) does not apply
    /// to content that was just written.
    pub(super) fn is_required(&self, need: Option<Requirement>) -> bool {
        match need {
            Some(Requirement::Both) => true,
            Some(Requirement::Read) => matches!(self.files, FileSource::Received(_)),
            Some(Requirement::Write) | None => false,
        }
    }
}
