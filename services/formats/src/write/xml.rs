//! A tree as XML, with the prefix spelled out as the national packet's readers expect it.

use proto::fault::v1::Fault;

use super::Written;
use crate::content::{BlobSource, encode};
use crate::tree::Tree;

/// How names are written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) prefix: &'a str,
    pub(crate) declared_at: &'a str,
}

/// Writes a tree; files are read from the source as they are met.
pub(crate) fn write(
    tree: &Tree<'_>,
    names: Names<'_>,
    (files, source): (&mut [Written], &dyn BlobSource),
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    out.extend_from_slice(b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let mut writer = Writer { tree, names, files, source, out };
    writer.element(0, 0)
}

struct Writer<'w, 't> {
    tree: &'w Tree<'t>,
    names: Names<'w>,
    files: &'w mut [Written],
    source: &'w dyn BlobSource,
    out: &'w mut Vec<u8>,
}

impl Writer<'_, '_> {
    fn push(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn name(&mut self, place: usize) {
        let tree = self.tree;
        let node = &tree.nodes[place];
        if place != 0 && (!node.bare || node.declares) {
            self.push(self.names.prefix);
            self.push(":");
        }
        self.push(&node.name);
    }

    fn indent(&mut self, depth: usize) {
        self.out.extend(std::iter::repeat_n(b' ', 2 * depth));
    }

    fn element(&mut self, place: usize, depth: usize) -> Result<(), Fault> {
        let tree = self.tree;
        let node = &tree.nodes[place];
        let is_attribute = |it: &usize| tree.nodes[*it].name.starts_with('@');
        self.indent(depth);
        self.push("<");
        self.name(place);
        self.declarations(place);
        for attribute in tree.children(place).filter(is_attribute) {
            let node = &tree.nodes[attribute];
            self.push(" ");
            self.push(node.name.trim_start_matches('@'));
            self.push("=\"");
            self.escaped(&node.text);
            self.push("\"");
        }
        self.push(">");
        let mut parts = tree.children(place).filter(|it| !is_attribute(it)).peekable();
        if let Some(file) = node.file {
            self.file(file)?;
        } else if parts.peek().is_none() {
            self.escaped(&node.text);
        } else {
            self.push("\n");
            for part in parts {
                self.element(part, depth + 1)?;
            }
            self.indent(depth);
        }
        self.push("</");
        self.name(place);
        self.push(">\n");
        Ok(())
    }

    fn declarations(&mut self, place: usize) {
        let node = &self.tree.nodes[place];
        let Names { namespace, prefix, declared_at } = self.names;
        if place == 0 {
            [" xmlns=\"", namespace, "\""].iter().for_each(|it| self.push(it));
        }
        if node.name == declared_at || (node.declares && node.bare) {
            [" xmlns:", prefix, "=\"", namespace, "\""].iter().for_each(|it| self.push(it));
        }
    }

    fn escaped(&mut self, text: &str) {
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

    fn file(&mut self, file: usize) -> Result<(), Fault> {
        let Some(written) = self.files.get_mut(file) else { return Ok(()) };
        written.head = encode(written.named, &written.ending, self.source, self.out)?;
        Ok(())
    }
}
