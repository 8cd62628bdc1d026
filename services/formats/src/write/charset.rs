//! Writes plain text in a charset from before Unicode.

use std::borrow::Cow;

use legacy_text::Charset;

use crate::tree::Tree;

/// Replaces the characters that the charset lacks in all texts of a tree, so that reading the tree
/// back shows what the receiver will read.
pub(crate) fn limit_to_charset(tree: &mut Tree<'_>, charset: Charset) {
    for node in tree.nodes.iter_mut().filter(|it| !it.text.is_ascii()) {
        let encoded = charset.encode(&node.text);
        if encoded.lost.is_empty() {
            continue;
        }
        if let Ok(text) = charset.decode(&encoded.bytes) {
            node.text = Cow::Owned(text);
        }
    }
}

/// Turns what was written in UTF-8 from an index on into the charset.
pub(crate) fn transcode(out: &mut Vec<u8>, begin: usize, charset: Charset) {
    let text = out.get(begin..).map(String::from_utf8_lossy).unwrap_or_default();
    let encoded = charset.encode(&text);
    out.truncate(begin);
    out.extend_from_slice(&encoded.bytes);
}
