//! Native content as a plain tree that a test changes, or writes with its children in another order.

use super::random_messages::RandomMessages;
use crate::grammar::{FieldsSyntax, Syntax};
use crate::tree::{NodeKind, Tree};

/// A node of native content, without what the engine knows of it.
#[derive(Clone, Debug)]
pub(super) struct NativeNode {
    pub(super) name: String,
    pub(super) text: String,
    kind: NodeKind,
    pub(super) children: Vec<NativeNode>,
}

impl NativeNode {
    /// The content of a scanned tree; none for a syntax that this module cannot write.
    pub(super) fn of(tree: &Tree<'_>, syntax: &Syntax) -> Option<Self> {
        let is_written =
            matches!(syntax, Syntax::Xml { .. } | Syntax::Json { .. } | Syntax::Fields(_));
        is_written.then(|| Self::of_node(tree, 0))
    }

    fn of_node(tree: &Tree<'_>, node_id: usize) -> Self {
        let node = &tree.nodes[node_id];
        let children = tree.children(node_id).map(|it| Self::of_node(tree, it)).collect();
        Self { name: node.name.to_string(), text: node.text.to_string(), kind: node.kind, children }
    }

    /// A text node.
    pub(super) fn unknown(name: &str, text: &str) -> Self {
        let (name, text) = (name.to_owned(), text.to_owned());
        Self { name, text, kind: NodeKind::Text, children: Vec::new() }
    }

    /// True for an element, object or list item in which other nodes may stand.
    pub(super) fn is_container(&self) -> bool {
        !self.children.is_empty()
    }

    /// This node and all below it, parents first.
    pub(super) fn all_mut(&mut self, visit: &mut dyn FnMut(&mut Self)) {
        visit(self);
        self.children.iter_mut().for_each(|it| it.all_mut(visit));
    }

    /// Shuffles the children of every node. Nodes of one name keep their order, because a list has
    /// one.
    pub(super) fn shuffle(&mut self, random: &mut RandomMessages) {
        let mut names: Vec<String> = self.children.iter().map(|it| it.name.clone()).collect();
        for index in (1..names.len()).rev() {
            let other = random.index_below(index + 1);
            names.swap(index, other);
        }
        // The records of a text are a list, although each has a name of its own.
        if self.children.iter().any(|it| it.name.starts_with("line ")) {
            names = self.children.iter().map(|it| it.name.clone()).collect();
        }
        let mut rest = std::mem::take(&mut self.children);
        for name in names {
            let index = rest.iter().position(|it| it.name == name).unwrap();
            self.children.push(rest.remove(index));
        }
        self.children.iter_mut().for_each(|it| it.shuffle(random));
    }

    /// Changes a few nodes: removes, doubles, moves or empties them, or gives them another text.
    pub(super) fn mutate(&mut self, random: &mut RandomMessages) {
        for _ in 0..1 + random.index_below(3) {
            let mut count = 0;
            self.all_mut(&mut |_| count += 1);
            let chosen = random.index_below(count);
            let (action, text) = (random.index_below(6), random.hostile_text());
            self.change_one(chosen, (action, &text));
        }
    }

    fn change_one(&mut self, chosen: usize, (action, text): (usize, &str)) {
        let mut index = 0;
        self.all_mut(&mut |it| {
            if index == chosen {
                it.change(action, text);
            }
            index += 1;
        });
    }

    fn change(&mut self, action: usize, text: &str) {
        match (action, self.children.len()) {
            (0, 1..) => drop(self.children.remove(0)),
            (1, 1..) => {
                let first = self.children[0].clone();
                self.children.push(first);
            }
            (2, 2..) => self.children.rotate_left(1),
            (3, _) => self.children.push(Self::unknown("lạ-moi", text)),
            (4, 0) => self.text.clear(),
            (_, 0) => self.text = text.to_owned(),
            _ => {}
        }
    }

    /// The bytes of the content.
    pub(super) fn write(&self, syntax: &Syntax) -> Vec<u8> {
        let mut out = String::new();
        match syntax {
            Syntax::Xml { namespace, .. } => self.write_xml(Some(namespace), &mut out),
            Syntax::Fields(fields) => {
                let records: Vec<&Self> = if self.children.iter().any(Self::is_container) {
                    self.children.iter().collect()
                } else {
                    vec![self]
                };
                records.into_iter().for_each(|it| it.write_fields(fields, &mut out));
            }
            Syntax::Json { .. } | Syntax::CanonicalJson | Syntax::Csv(..) => {
                self.write_json(&mut out)
            }
        }
        out.into_bytes()
    }

    fn write_fields(&self, fields: &FieldsSyntax, out: &mut String) {
        for it in &self.children {
            let (open, close) = (fields.open_of(&it.name), fields.close_of(&it.name));
            *out += &format!("{open}{}{close}{}", it.text, fields.between);
        }
        *out += "\n";
    }

    fn write_xml(&self, namespace: Option<&str>, out: &mut String) {
        let escape =
            |it: &str| it.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
        *out += &format!("<{}", self.name);
        if let Some(namespace) = namespace {
            *out += &format!(" xmlns=\"{namespace}\"");
        }
        let is_attribute = |it: &&Self| it.name.starts_with('@');
        let mut seen = Vec::new();
        for it in self.children.iter().filter(is_attribute) {
            if !seen.contains(&&it.name) {
                *out += &format!(" {}=\"{}\"", it.name.trim_start_matches('@'), escape(&it.text));
            }
            seen.push(&it.name);
        }
        *out += ">";
        *out += &escape(&self.text);
        self.children.iter().filter(|it| !is_attribute(it)).for_each(|it| it.write_xml(None, out));
        *out += &format!("</{}>", self.name);
    }

    fn write_json(&self, out: &mut String) {
        if self.kind == NodeKind::EmptyList {
            *out += "[]";
            return;
        }
        if self.children.is_empty() {
            *out += &serde_json::Value::from(self.text.as_str()).to_string();
            return;
        }
        *out += "{";
        let mut seen: Vec<&str> = Vec::new();
        for it in &self.children {
            if seen.contains(&it.name.as_str()) {
                continue;
            }
            *out += if seen.is_empty() { "" } else { "," };
            *out += &serde_json::Value::from(it.name.as_str()).to_string();
            *out += ":";
            let same: Vec<&Self> =
                self.children.iter().filter(|other| other.name == it.name).collect();
            if it.kind == NodeKind::Item || same.len() > 1 {
                write_json_list(&same, out);
            } else {
                it.write_json(out);
            }
            seen.push(&it.name);
        }
        *out += "}";
    }
}

fn write_json_list(items: &[&NativeNode], out: &mut String) {
    *out += "[";
    for (index, item) in items.iter().enumerate() {
        *out += if index == 0 { "" } else { "," };
        item.write_json(out);
    }
    *out += "]";
}
