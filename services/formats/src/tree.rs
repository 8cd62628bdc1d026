//! Syntax tree of native content, the same for XML and JSON: named nodes with texts, borrowed from
//! the input. All nodes lie in one vector and refer to each other by index.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell};

use proto::fault::v1::Fault;

mod binding;
mod name;

pub(crate) use binding::{CanonicalItem, ItemBindings};
pub(crate) use name::{NodeName, join_names};
use name::{filter_bit, fingerprint};

/// Name of the items of a list that is the whole content, and in a description the path of its
/// records.
pub(crate) const ROOT_LIST: &str = "[]";

/// What a node is in the syntaxes that distinguish texts, objects and lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum NodeKind {
    /// A text, or an element with text only.
    #[default]
    Text,
    /// An object, or an element with children.
    Container,
    /// One item of a list.
    Item,
    /// A list without items.
    EmptyList,
}

/// An element, attribute, object member or list item.
#[derive(Clone, Debug, Default)]
pub(crate) struct Node<'a> {
    /// An attribute's name begins with `@`.
    pub(crate) name: Cow<'a, str>,
    fingerprint: u64,
    pub(crate) text: Cow<'a, str>,
    pub(crate) kind: NodeKind,
    pub(crate) parent: usize,
    /// First child, last child and next sibling; 0: none, since the root is no one's child.
    first_child: usize,
    last_child: usize,
    next_sibling: usize,
    /// Bloom filter of the children's names: most look-ups of an absent name end here.
    child_filter: u64,
    /// A rule of the description names this node.
    pub(crate) is_mapped: Cell<bool>,
    /// A rule read the text.
    pub(crate) is_read: Cell<bool>,
    /// The text in Unicode, when it was read from an old charset.
    pub(crate) unicode: OnceCell<String>,
    /// XML: written without the namespace prefix, descendants included.
    pub(crate) is_unprefixed: bool,
    /// XML: written with the prefix and its declaration, although an ancestor is unprefixed.
    pub(crate) declares_prefix: bool,
    /// JSON: the text is a number or a truth value, which stands without quotation marks.
    pub(crate) is_literal: bool,
    /// Index of the file whose bytes are the content.
    pub(crate) file_index: Option<usize>,
}

/// A tree of nodes; node 0 is the root.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree<'a> {
    pub(crate) nodes: Vec<Node<'a>>,
    /// Records that the text of the syntax breaks, with what is wrong, in document order.
    pub(crate) defects: Vec<(usize, Fault)>,
}

impl<'a> Tree<'a> {
    /// A tree of the root only.
    pub(crate) fn new(name: impl Into<Cow<'a, str>>) -> Self {
        let mut nodes = Vec::with_capacity(64);
        let name = name.into();
        let fingerprint = fingerprint(&name);
        nodes.push(Node { name, fingerprint, kind: NodeKind::Container, ..Node::default() });
        Self { nodes, defects: Vec::new() }
    }

    /// What is wrong with a record whose text is not as the syntax requires.
    pub(crate) fn defect_of(&self, record: usize) -> Option<&Fault> {
        let index = self.defects.binary_search_by_key(&record, |(it, _)| *it).ok()?;
        self.defects.get(index).map(|(_, fault)| fault)
    }

    /// Appends a child.
    pub(crate) fn add_child(&mut self, parent: usize, name: impl Into<Cow<'a, str>>) -> usize {
        let name = name.into();
        let fingerprint = fingerprint(&name);
        self.append_child(parent, name, fingerprint)
    }

    /// Appends a child named by a description, whose fingerprint is known.
    pub(crate) fn add_child_named(&mut self, parent: usize, name: &'a NodeName) -> usize {
        self.append_child(parent, Cow::Borrowed(&name.text), name.fingerprint)
    }

    fn append_child(&mut self, parent: usize, name: Cow<'a, str>, fingerprint: u64) -> usize {
        let node_id = self.nodes.len();
        let is_unprefixed = self.nodes[parent].is_unprefixed;
        self.nodes.push(Node { name, fingerprint, parent, is_unprefixed, ..Node::default() });
        self.nodes[parent].child_filter |= filter_bit(fingerprint);
        match std::mem::replace(&mut self.nodes[parent].last_child, node_id) {
            0 => self.nodes[parent].first_child = node_id,
            sibling => self.nodes[sibling].next_sibling = node_id,
        }
        self.nodes[parent].kind = match self.nodes[parent].kind {
            it @ (NodeKind::Item | NodeKind::EmptyList) => it,
            NodeKind::Text | NodeKind::Container => NodeKind::Container,
        };
        node_id
    }

    /// Children in document order.
    pub(crate) fn children(&self, parent: usize) -> impl Iterator<Item = usize> + use<'_, 'a> {
        let existing = |it: usize| (it != 0).then_some(it);
        let first = self.nodes.get(parent).map_or(0, |it| it.first_child);
        std::iter::successors(existing(first), move |it| {
            existing(self.nodes.get(*it).map_or(0, |it| it.next_sibling))
        })
    }

    /// True for a node without children.
    pub(crate) fn is_leaf(&self, node_id: usize) -> bool {
        self.nodes[node_id].first_child == 0
    }

    /// True for a node in which anything stands: a text, an attribute or a file, at any depth.
    pub(crate) fn says_something(&self, node_id: usize) -> bool {
        let node = &self.nodes[node_id];
        node.file_index.is_some()
            || !node.text.trim().is_empty()
            || self.children(node_id).any(|it| self.says_something(it))
    }

    /// Children of this name in document order.
    pub(crate) fn children_named(&self, parent: usize, name: &str) -> impl Iterator<Item = usize> {
        self.children_matching(parent, name, fingerprint(name))
    }

    fn children_matching(
        &self,
        parent: usize,
        name: &str,
        fingerprint: u64,
    ) -> impl Iterator<Item = usize> {
        let bit = filter_bit(fingerprint);
        let may_exist = self.nodes.get(parent).is_some_and(|it| it.child_filter & bit != 0);
        let children = may_exist.then(|| self.children(parent)).into_iter().flatten();
        children.filter(move |it| {
            let node = &self.nodes[*it];
            node.fingerprint == fingerprint && node.name == name
        })
    }

    /// Every node at the end of a path, in document order.
    pub(crate) fn find_all(&self, from: usize, path: &[NodeName]) -> Vec<usize> {
        let mut found = Vec::new();
        self.collect_matches(from, path, &mut found);
        found
    }

    fn collect_matches(&self, from: usize, path: &[NodeName], into: &mut Vec<usize>) {
        match path.split_first() {
            Some((name, rest)) if name.is_self => self.collect_matches(from, rest, into),
            Some((name, rest)) => {
                self.children_matching(from, &name.text, name.fingerprint)
                    .for_each(|it| self.collect_matches(it, rest, into));
            }
            // The node of an empty list stands for no item.
            None => into.extend((self.nodes[from].kind != NodeKind::EmptyList).then_some(from)),
        }
    }

    /// The first node at the end of a path.
    pub(crate) fn find_first(&self, from: usize, path: &[NodeName]) -> Option<usize> {
        let mut node_id = from;
        for name in path.iter().filter(|it| !it.is_self) {
            node_id = self.children_matching(node_id, &name.text, name.fingerprint).next()?;
        }
        Some(node_id)
    }

    /// The node that a path means: at every step, of several nodes of one name, the first in which
    /// something stands, else the first. An empty node says no more than a missing one.
    pub(crate) fn find_said(&self, from: usize, path: &[NodeName]) -> Option<usize> {
        let mut node_id = from;
        for name in path.iter().filter(|it| !it.is_self) {
            let mut named = self.children_matching(node_id, &name.text, name.fingerprint);
            let first = named.next()?;
            let is_said = self.says_something(first);
            let said = if is_said { None } else { named.find(|it| self.says_something(*it)) };
            node_id = said.unwrap_or(first);
        }
        Some(node_id)
    }

    /// The first node at the end of a path; missing nodes are created.
    pub(crate) fn find_or_create(&mut self, from: usize, path: &'a [NodeName]) -> usize {
        let mut node_id = from;
        for name in path.iter().filter(|it| !it.is_self) {
            let found = self.children_matching(node_id, &name.text, name.fingerprint).next();
            node_id = found.unwrap_or_else(|| self.add_child_named(node_id, name));
        }
        node_id
    }

    /// Path of a node from the root, for messages to people; a repeated name carries its index.
    pub(crate) fn path(&self, node_id: usize) -> String {
        self.path_from(0, node_id)
    }

    /// Path of the list that a node is an item of: that of the node without its index.
    pub(crate) fn list_path(&self, node_id: usize) -> String {
        let path = self.path(node_id);
        match path.rsplit_once('[') {
            Some((list, _)) => list.to_owned(),
            None => path,
        }
    }

    /// Path of a node from one of its ancestors.
    pub(crate) fn path_from(&self, ancestor: usize, mut node_id: usize) -> String {
        let mut names = Vec::new();
        while node_id != 0 && node_id != ancestor {
            let node = &self.nodes[node_id];
            let same_name: Vec<usize> =
                self.children_matching(node.parent, &node.name, node.fingerprint).collect();
            let index = same_name.iter().position(|it| *it == node_id).unwrap_or_default();
            let is_root_list = node.kind == NodeKind::Item && node.name == ROOT_LIST;
            let name = if is_root_list { Cow::Borrowed("") } else { escape_name(&node.name) };
            names.push(if same_name.len() > 1 || node.kind == NodeKind::Item {
                format!("{name}[{index}]")
            } else {
                name.into_owned()
            });
            node_id = node.parent;
        }
        names.reverse();
        names.join("/")
    }

    /// Marks a node and its descendants as read.
    pub(crate) fn mark_read(&self, node_id: usize) {
        self.nodes[node_id].is_mapped.set(true);
        self.nodes[node_id].is_read.set(true);
        self.children(node_id).for_each(|it| self.mark_read(it));
    }
}

/// Escapes the characters that structure a path, as JSON Pointer (RFC 6901) does.
pub(crate) fn escape_name<'n>(name: &'n str) -> Cow<'n, str> {
    if name.contains(['~', '/', '[']) {
        Cow::Owned(name.replace('~', "~0").replace('/', "~1").replace('[', "~2"))
    } else {
        Cow::Borrowed(name)
    }
}

/// Reverses [`escape_name`].
pub(crate) fn unescape_name(name: &str) -> String {
    name.replace("~2", "[").replace("~1", "/").replace("~0", "~")
}
