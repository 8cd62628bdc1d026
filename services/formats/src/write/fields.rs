//! Writes a record as text with named fields.

use std::borrow::Cow;

use crate::grammar::FieldsSyntax;
use crate::scan::fields::lines;
use crate::tree::Tree;

/// Writes the fields below the root in their order. A leftover whose name or text the syntax cannot
/// hold is not written.
pub(crate) fn write(tree: &Tree<'_>, syntax: &FieldsSyntax, out: &mut Vec<u8>) {
    let mut is_first = true;
    for child in tree.children(0) {
        let node = &tree.nodes[child];
        let text = writable_value(&node.text, &node.name, syntax);
        let Some(text) = text.filter(|_| syntax.permits_name(&node.name)) else { continue };
        if !std::mem::take(&mut is_first) {
            out.extend_from_slice(syntax.between.as_bytes());
        }
        for it in [&syntax.open_of(&node.name), text.as_ref(), &syntax.close_of(&node.name)] {
            out.extend_from_slice(it.as_bytes());
        }
    }
    if syntax.close.is_empty() && !is_first {
        out.extend_from_slice(syntax.between.as_bytes());
    }
}

/// The text as the syntax can hold it; none for one that would end before its end.
pub(crate) fn writable_value<'t>(
    text: &'t str,
    name: &str,
    syntax: &FieldsSyntax,
) -> Option<Cow<'t, str>> {
    let close = syntax.close_of(name);
    if !close.is_empty() {
        let is_whole = [text, close.as_str()].concat().find(&close) == Some(text.len());
        return is_whole.then_some(Cow::Borrowed(text));
    }
    if !text.contains(['\n', '\r']) {
        return Some(Cow::Borrowed(text));
    }
    let lines: Vec<&str> = lines(text).collect();
    syntax.line_break.as_ref().map(|it| Cow::Owned(lines.join(it)))
}
