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

    fn element(&mut self, place: usize, depth: usize) -> Result<(), Fault> {
        let node = &self.tree.nodes[place];
        let is_prefixed = place != 0 && (!node.bare || node.declares);
        let name = if is_prefixed {
            format!("{}:{}", self.names.prefix, node.name)
        } else {
            node.name.clone().into_owned()
        };
        let indent = "  ".repeat(depth);
        self.push(&indent);
        self.push("<");
        self.push(&name);
        self.declarations(place);
        let (attributes, parts): (Vec<usize>, Vec<usize>) =
            self.tree.children(place).partition(|it| self.tree.nodes[*it].name.starts_with('@'));
        for attribute in attributes {
            let node = &self.tree.nodes[attribute];
            let (name, value) = (node.name.trim_start_matches('@'), escaped(&node.text));
            self.push(&format!(" {name}=\"{value}\""));
        }
        self.push(">");
        if let Some(file) = node.file {
            self.file(file)?;
        } else if parts.is_empty() {
            self.push(&escaped(&node.text));
        } else {
            self.push("\n");
            for part in parts {
                self.element(part, depth + 1)?;
            }
            self.push(&indent);
        }
        self.push(&format!("</{name}>\n"));
        Ok(())
    }

    fn declarations(&mut self, place: usize) {
        let node = &self.tree.nodes[place];
        let Names { namespace, prefix, declared_at } = self.names;
        if place == 0 {
            self.push(&format!(" xmlns=\"{namespace}\""));
        }
        if node.name == declared_at || (node.declares && node.bare) {
            self.push(&format!(" xmlns:{prefix}=\"{namespace}\""));
        }
    }

    fn file(&mut self, file: usize) -> Result<(), Fault> {
        let Some(written) = self.files.get_mut(file) else { return Ok(()) };
        written.head = encode(written.named, &written.ending, self.source, self.out)?;
        Ok(())
    }
}

fn escaped(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => written.push_str("&amp;"),
            '<' => written.push_str("&lt;"),
            '>' => written.push_str("&gt;"),
            '"' => written.push_str("&quot;"),
            other => written.push(other),
        }
    }
    written
}
