//! Writes a tree as XML. Elements have the prefix that readers of the national packet compare with,
//! although XML namespaces make any prefix equivalent.

use proto::fault::v1::Fault;

use crate::scan::namespaces::XML_NAMESPACE;
use crate::tree::Tree;
use crate::write::content::FileWriter;

/// Namespace and prefix of the elements.
#[derive(Clone, Copy, Debug)]
pub(crate) struct XmlNaming<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) prefix: &'a str,
    /// Name of the elements that declare the prefix.
    pub(crate) declared_at: &'a str,
}

/// Writes a tree; the source provides the bytes of its files.
///
/// # Errors
///
/// A file cannot be read.
pub(crate) fn write(
    tree: &Tree<'_>,
    naming: XmlNaming<'_>,
    files: FileWriter<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    out.extend_from_slice(b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let mut writer = XmlWriter { tree, naming, files, out, is_declared: false };
    writer.write_element(0, 0)
}

/// Prefix of names of other namespaces; each element and attribute declares it for itself.
const FOREIGN_PREFIX: &str = "ns";

/// The namespace and the local name of a node of another namespace.
fn split_namespace(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix('{')?.split_once('}')
}

struct XmlWriter<'w, 't> {
    tree: &'w Tree<'t>,
    naming: XmlNaming<'w>,
    files: FileWriter<'w>,
    out: &'w mut Vec<u8>,
    /// An element around declares the prefix. Elsewhere names are in the root's default namespace,
    /// because a prefix that nothing binds is no XML of the standard.
    is_declared: bool,
}

impl XmlWriter<'_, '_> {
    fn push(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn push_name(&mut self, node_id: usize) {
        let tree = self.tree;
        let node = &tree.nodes[node_id];
        if let Some((_, local)) = split_namespace(&node.name) {
            self.push(FOREIGN_PREFIX);
            self.push(":");
            self.push(local);
            return;
        }
        if node_id != 0 && self.is_declared && (!node.is_unprefixed || node.declares_prefix) {
            self.push(self.naming.prefix);
            self.push(":");
        }
        self.push(&node.name);
    }

    fn push_indent(&mut self, depth: usize) {
        self.out.extend(std::iter::repeat_n(b' ', 2 * depth));
    }

    fn write_element(&mut self, node_id: usize, depth: usize) -> Result<(), Fault> {
        let tree = self.tree;
        let node = &tree.nodes[node_id];
        let is_attribute = |it: &usize| tree.nodes[*it].name.starts_with('@');
        let is_declared_around = self.is_declared;
        self.is_declared |= self.declares_prefix(node_id);
        self.push_indent(depth);
        self.push("<");
        self.push_name(node_id);
        self.push_declarations(node_id);
        for (index, attribute) in tree.children(node_id).filter(is_attribute).enumerate() {
            self.push_attribute(index, attribute);
        }
        self.push(">");
        let mut children = tree.children(node_id).filter(|it| !is_attribute(it)).peekable();
        if let Some(file_index) = node.file_index {
            self.files.write(file_index, self.out)?;
        } else if children.peek().is_none() {
            self.push_escaped(&node.text);
        } else {
            if !node.text.is_empty() {
                self.push_escaped(&node.text);
            }
            self.push("\n");
            for child in children {
                self.write_element(child, depth + 1)?;
            }
            self.push_indent(depth);
        }
        self.push("</");
        self.push_name(node_id);
        self.push(">\n");
        self.is_declared = is_declared_around;
        Ok(())
    }

    fn declares_prefix(&self, node_id: usize) -> bool {
        let node = &self.tree.nodes[node_id];
        node.name == self.naming.declared_at || (node.declares_prefix && node.is_unprefixed)
    }

    fn push_attribute(&mut self, index: usize, node_id: usize) {
        let tree = self.tree;
        let node = &tree.nodes[node_id];
        let name = node.name.trim_start_matches('@');
        self.push(" ");
        match split_namespace(name) {
            Some((XML_NAMESPACE, local)) => {
                self.push("xml:");
                self.push(local);
            }
            Some((namespace, local)) => {
                self.push(&format!("xmlns:{FOREIGN_PREFIX}{index}=\""));
                self.push_escaped(namespace);
                self.push(&format!("\" {FOREIGN_PREFIX}{index}:{local}"));
            }
            None => self.push(name),
        }
        self.push("=\"");
        self.push_attribute_value(&node.text);
        self.push("\"");
    }

    /// Escapes an attribute's value. Line breaks and tabs become references, because every reader of
    /// XML takes plain ones as spaces.
    fn push_attribute_value(&mut self, text: &str) {
        for piece in text.split_inclusive(['\t', '\n', '\r']) {
            self.push_escaped(piece.trim_end_matches(['\t', '\n', '\r']));
            match piece.bytes().last() {
                Some(b'\t') => self.push("&#9;"),
                Some(b'\n') => self.push("&#10;"),
                Some(b'\r') => self.push("&#13;"),
                Some(_) | None => {}
            }
        }
    }

    fn push_declarations(&mut self, node_id: usize) {
        let node = &self.tree.nodes[node_id];
        let XmlNaming { namespace, prefix, .. } = self.naming;
        if let Some((namespace, _)) = split_namespace(&node.name) {
            self.push(&format!(" xmlns:{FOREIGN_PREFIX}=\""));
            self.push_escaped(namespace);
            self.push("\"");
            return;
        }
        if node_id == 0 {
            [" xmlns=\"", namespace, "\""].iter().for_each(|it| self.push(it));
        }
        if self.declares_prefix(node_id) {
            [" xmlns:", prefix, "=\"", namespace, "\""].iter().for_each(|it| self.push(it));
        }
    }

    /// Escapes a text. quick-xml escapes the apostrophe too, which would change the bytes of packets
    /// that are written again.
    fn push_escaped(&mut self, text: &str) {
        for byte in text.bytes() {
            match byte {
                b'&' => self.push("&amp;"),
                b'<' => self.push("&lt;"),
                b'>' => self.push("&gt;"),
                b'"' => self.push("&quot;"),
                other => self.out.push(other),
            }
        }
    }
}
