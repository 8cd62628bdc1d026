//! Applies the rules of a plan to a message and builds the tree to write.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashSet;

use proto::fault::code;
use proto::fault::v1::Fault;

use crate::canonical_path::{find_list, find_value, selects};
use crate::content::Packing;
use crate::convert::{CodeScope, Converter, writable_text};
use crate::diagnostic::BilingualText;
use crate::file::WrittenFile;
use crate::grammar::{FieldsSyntax, Requirement, TooLong};
use crate::model::{DynMessage, Value};
use crate::path_map::{lists_in, native_path};
use crate::plan::{ConstantRule, GroupRule, LeafRule, ListRule, Rule};
use crate::scan::json;
use crate::tree::{ItemBindings, NodeKind, NodeName, Tree};
use crate::write::field_text::{FieldText, is_longer, text_of, truncate};
use crate::write::fields::writable_value;

/// A native path below another one whose nodes are created when something inside is written, so
/// that groups without content leave no empty elements.
#[derive(Debug)]
pub(super) struct LazyNode<'s, 'w> {
    parent: Option<&'s LazyNode<'s, 'w>>,
    at: &'w [NodeName],
    /// The node, once it exists.
    node_id: Cell<Option<usize>>,
}

impl LazyNode<'_, '_> {
    /// The native path from the record's node.
    fn native_path(&self) -> String {
        let within = self.parent.map(LazyNode::native_path).unwrap_or_default();
        native_path(&within, self.at)
    }
}

/// Writes one record.
pub(crate) struct RecordWriter<'t, 'w> {
    pub(crate) tree: &'t mut Tree<'w>,
    /// Text of absent values, for formats whose readers expect every node.
    pub(crate) write_empty: Option<&'w str>,
    pub(crate) files: Vec<WrittenFile>,
    /// The registry's lists, and the day of the message.
    pub(crate) codes: CodeScope<'w>,
    pub(crate) packing: Packing,
    /// Values the format requires and cannot write, by canonical path.
    pub(crate) violations: Vec<(String, BilingualText)>,
    /// Seconds since 1970, for `write-default: now`.
    pub(crate) now_s: i64,
    /// Canonical paths of values whose native texts could not be read. They are not absent, so
    /// nothing else is written in their place.
    pub(crate) unread: HashSet<&'w str>,
    /// The syntax, when it cannot hold every text.
    pub(crate) fields: Option<&'w FieldsSyntax>,
    /// Which records stand for which items.
    pub(crate) bindings: ItemBindings,
    /// Nodes whose text is the default for an absent value.
    pub(crate) defaulted: Vec<usize>,
    /// Native paths of the lists whose condition does not hold; none when nobody asks.
    pub(crate) inactive_lists: Option<Vec<String>>,
}

/// A message and its index in its list.
type ListItem<'w> = (&'w DynMessage<'w>, usize);

impl<'w> RecordWriter<'_, 'w> {
    /// Writes a message below a node.
    pub(crate) fn write_record(
        &mut self,
        rules: &'w [Rule],
        node_id: usize,
        message: &'w DynMessage<'w>,
    ) {
        let parent = LazyNode { parent: None, at: &[], node_id: Cell::new(Some(node_id)) };
        self.write_rules(rules, &parent, (message, 0));
    }

    /// Fails when the format requires a value that could not be written.
    ///
    /// # Errors
    ///
    /// The violations, each with the canonical path of the value.
    pub(crate) fn check_violations(&self) -> Result<(), Fault> {
        if self.violations.is_empty() {
            return Ok(());
        }
        let paths: Vec<&str> = self.violations.iter().map(|(path, _)| path.as_str()).collect();
        let fault = Fault::new(&code::LT_MAP_012).param("paths", paths.join(", "));
        Err(self
            .violations
            .iter()
            .fold(fault, |fault, (path, text)| fault.violation(path, &text.vi, &text.en)))
    }

    pub(super) fn report_missing(&mut self, name: &str) {
        let text =
            BilingualText::new("định dạng đích bắt buộc phải có", "the target format needs it");
        self.violations.push((name.to_owned(), text));
    }

    fn report_too_long(&mut self, leaf: &LeafRule, text: &str) {
        let (count, max) = (text.chars().count(), leaf.max.unwrap_or_default());
        let text = BilingualText::new(
            format!("dài {count} ký tự, định dạng đích cho phép {max}, và không được cắt"),
            format!("has {count} characters, the target permits {max}, and it is never cut"),
        );
        self.violations.push((leaf.name.clone(), text));
    }

    fn write_rules(&mut self, rules: &'w [Rule], parent: &LazyNode<'_, 'w>, item: ListItem<'w>) {
        for rule in rules {
            match rule {
                Rule::Leaf(leaf) => self.write_leaf(leaf, parent, item),
                Rule::Group(group) => self.write_group(group, parent, item),
                Rule::List(list) => self.write_list(list, parent, item.0),
                Rule::Constant(it) => self.write_constant(it, parent),
                Rule::ReadOnly(_) => {}
            }
        }
    }

    /// Writes a constant text below a node that exists: constants alone create no node.
    fn write_constant(&mut self, rule: &'w ConstantRule, parent: &LazyNode<'_, 'w>) {
        let Some((name, parents)) = rule.at.split_last() else { return };
        let parent = self.existing_node(parent).and_then(|it| self.tree.find_first(it, parents));
        if let Some(parent) = parent {
            let node_id = self.tree.find_or_create(parent, std::slice::from_ref(name));
            self.tree.nodes[node_id].text = Cow::Borrowed(&rule.text);
        }
    }

    fn write_group(&mut self, group: &'w GroupRule, parent: &LazyNode<'_, 'w>, item: ListItem<'w>) {
        if !group.when.iter().all(|it| it.holds(item.0)) {
            if let Some(lists) = &mut self.inactive_lists {
                lists.extend(lists_in(group, &parent.native_path()));
            }
            return;
        }
        let inner = LazyNode { parent: Some(parent), at: &group.at, node_id: Cell::new(None) };
        let is_required = matches!(group.need, Some(Requirement::Write | Requirement::Both));
        if is_required && !group.is_message {
            self.create_node(&inner);
        }
        self.write_rules(&group.rules, &inner, item);
        if is_required && self.existing_node(&inner).is_none() {
            self.report_missing(&group.name);
        }
    }

    /// The node of a native path; none while it does not exist.
    fn existing_node(&self, path: &LazyNode<'_, 'w>) -> Option<usize> {
        if let Some(node_id) = path.node_id.get() {
            return Some(node_id);
        }
        let node_id = self.tree.find_first(self.existing_node(path.parent?)?, path.at)?;
        path.node_id.set(Some(node_id));
        Some(node_id)
    }

    fn create_node(&mut self, path: &LazyNode<'_, 'w>) -> usize {
        if let Some(node_id) = path.node_id.get() {
            return node_id;
        }
        let parent = path.parent.map_or(0, |it| self.create_node(it));
        let node_id = self.tree.find_or_create(parent, path.at);
        path.node_id.set(Some(node_id));
        node_id
    }

    pub(super) fn create_child(&mut self, parent: &LazyNode<'_, 'w>, at: &'w [NodeName]) -> usize {
        let parent = self.create_node(parent);
        self.tree.find_or_create(parent, at)
    }

    fn write_leaf(
        &mut self,
        leaf: &'w LeafRule,
        parent: &LazyNode<'_, 'w>,
        (message, index): ListItem<'w>,
    ) {
        if matches!(leaf.converter, Converter::Content) {
            return self.write_content(leaf, parent, message);
        }
        if matches!(leaf.converter, Converter::PackedType) {
            return self.write_packed_type(leaf, parent, message);
        }
        let is_required = matches!(leaf.need, Some(Requirement::Write | Requirement::Both));
        let field_text = text_of(message, &leaf.to, (leaf, self.codes));
        // Without the code, a reader would take the default for the value.
        let code_matters =
            is_required || leaf.read_default.is_some() || leaf.write_default.is_some();
        if matches!(field_text, FieldText::NoCode) && code_matters {
            let (vi, en) = ("định dạng đích không có mã cho giá trị này", "the target has no code");
            self.violations.push((leaf.name.clone(), BilingualText::new(vi, en)));
            return;
        }
        if matches!(field_text, FieldText::Unseparable) {
            let vi = "một mục chứa ký tự ngăn cách các mục của định dạng đích";
            let en = "an item holds the separator of the target format";
            self.violations.push((leaf.name.clone(), BilingualText::new(vi, en)));
            return;
        }
        let may_substitute = !self.unread.contains(leaf.name.as_str());
        let codes = self.codes;
        let fallback = leaf.fallback.as_ref().filter(|_| may_substitute);
        let text = field_text.text().or_else(|| text_of(message, fallback?, (leaf, codes)).text());
        let is_default = text.is_none();
        let default = || if may_substitute { self.default_text(leaf, index) } else { None };
        match text.or_else(default) {
            Some(text) if leaf.too_long == TooLong::Refuse && is_longer(&text, leaf.max) => {
                self.report_too_long(leaf, &text);
            }
            Some(text) => {
                let max = leaf.max.filter(|_| leaf.too_long == TooLong::Cut);
                let text = truncate(text, max);
                let Some(text) = self.fit_text(text, (&leaf.at, &leaf.name)) else { return };
                let node_id = self.create_child(parent, &leaf.at);
                self.tree.nodes[node_id].is_literal = leaf.is_literal && json::is_literal(&text);
                self.tree.nodes[node_id].text = text;
                self.tree.nodes[node_id].declares_prefix = leaf.declares_prefix;
                if is_default {
                    self.defaulted.push(node_id);
                }
            }
            None if is_required && self.requirement_applies(leaf, parent, message) => {
                self.report_missing(&leaf.name)
            }
            None => {
                if let Some(empty) = self.write_empty {
                    let node_id = self.create_child(parent, &leaf.at);
                    let is_null = empty == "null" || json::is_literal(empty);
                    self.tree.nodes[node_id].is_literal = leaf.is_literal && is_null;
                    self.tree.nodes[node_id].text = Cow::Borrowed(empty);
                }
            }
        }
    }

    /// The text as the syntax can hold it. One that it cannot is a violation.
    fn fit_text(
        &mut self,
        text: Cow<'w, str>,
        (at, canonical): (&[NodeName], &str),
    ) -> Option<Cow<'w, str>> {
        let (Some(syntax), Some(name)) = (self.fields, at.last()) else { return Some(text) };
        match writable_value(&text, &name.text, syntax) {
            Some(Cow::Borrowed(_)) => Some(text),
            Some(Cow::Owned(it)) => Some(Cow::Owned(it)),
            None => {
                let text = BilingualText::new(
                    "có ký tự phân cách mà định dạng đích dùng để kết thúc giá trị",
                    "holds the delimiter that ends a value in the target format",
                );
                self.violations.push((canonical.to_owned(), text));
                None
            }
        }
    }

    fn default_text(&self, leaf: &'w LeafRule, index: usize) -> Option<Cow<'w, str>> {
        let default = leaf.write_default.as_deref()?;
        let converter = &leaf.converter;
        let field = leaf.to.last()?.field;
        let convert = |text: Cow<'_, str>| {
            converter
                .write(&Value::Text(text), field, self.codes)
                .map(|it| Cow::Owned(it.into_owned()))
        };
        match default {
            "index" => convert(Cow::Owned((index + 1).to_string())),
            "now" => converter.write_seconds(self.now_s).map(Cow::Owned),
            _ if converter.code_list().is_some() => convert(Cow::Borrowed(default)),
            _ => Some(Cow::Borrowed(default)),
        }
    }

    /// A requirement on a list item, such as the signer's name, applies only when the item or its
    /// native node exists.
    fn requirement_applies(
        &self,
        leaf: &LeafRule,
        parent: &LazyNode<'_, 'w>,
        message: &DynMessage<'_>,
    ) -> bool {
        let parents = leaf.to.get(..leaf.to.len().saturating_sub(1)).unwrap_or_default();
        let is_optional = parents.iter().any(|it| it.selector.is_some());
        !is_optional
            || find_value(message, parents).is_some()
            || self.existing_node(parent).is_some()
    }

    fn write_list(
        &mut self,
        rule: &'w ListRule,
        parent: &LazyNode<'_, 'w>,
        message: &'w DynMessage<'w>,
    ) {
        let Some(last) = rule.to.last() else { return };
        let selector = last.selector.as_ref();
        let is_selected = |it: &Value<'_>| rule.text.is_some() || selects(selector, it);
        let mut count = 0;
        let items = find_list(message, &rule.to).iter().enumerate();
        for (index, item) in items.filter(|(_, it)| is_selected(it)) {
            if let Some(node_id) = self.write_item(rule, parent, (item, count)) {
                self.bindings.bind(node_id, (&last.field.name, index));
            }
            count += 1;
        }
        if count == 0 {
            self.write_empty_list(rule, parent);
        }
    }

    fn write_empty_list(&mut self, rule: &'w ListRule, parent: &LazyNode<'_, 'w>) {
        if matches!(rule.need, Some(Requirement::Write | Requirement::Both)) {
            self.report_missing(&rule.name);
        }
        if self.write_empty.is_some() {
            let node_id = self.create_child(parent, &rule.at);
            self.tree.nodes[node_id].kind = NodeKind::EmptyList;
        }
    }

    fn write_item(
        &mut self,
        rule: &'w ListRule,
        parent: &LazyNode<'_, 'w>,
        (item, index): (&'w Value<'w>, usize),
    ) -> Option<usize> {
        let ((name, parents), last) = (rule.at.split_last()?, rule.to.last()?);
        let text = match &rule.text {
            Some((converter, max)) => {
                let text = converter.write(item, last.field, self.codes).and_then(writable_text)?;
                Some(self.fit_text(truncate(text, *max), (&rule.at, &rule.name))?)
            }
            None => None,
        };
        let parent = self.create_child(parent, parents);
        if rule.is_unprefixed {
            self.tree.nodes[parent].is_unprefixed = true;
        }
        let node_id = self.tree.add_child_named(parent, name);
        self.tree.nodes[node_id].kind = NodeKind::Item;
        match (text, item.as_message()) {
            (Some(text), _) => self.tree.nodes[node_id].text = text,
            (None, Some(message)) => {
                let parent = LazyNode { parent: None, at: &[], node_id: Cell::new(Some(node_id)) };
                self.write_rules(&rule.rules, &parent, (message, index));
            }
            (None, None) => {}
        }
        Some(node_id)
    }
}
