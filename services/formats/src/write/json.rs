//! Writes a tree as JSON: containers become objects, items of one name a list, in document order.

use proto::fault::code;
use proto::fault::v1::Fault;

use crate::diagnostic::Defect;
use crate::tree::{NodeKind, ROOT_LIST, Tree};
use crate::write::content::FileWriter;

/// Constant JSON around the records of a written body.
#[derive(Clone, Debug, Default)]
pub(crate) struct JsonFrame {
    pub(crate) before: String,
    pub(crate) after: String,
}

/// Placeholder of the record in a frame; a control character, so that no JSON of a description
/// contains it unescaped.
const RECORD: &str = "\u{1}";

impl JsonFrame {
    /// Parses the frame of a description. `records` is the path of the record list in `around`,
    /// `count` that of the number of records.
    ///
    /// # Errors
    ///
    /// `around` is no JSON or lacks one of the paths.
    pub(crate) fn parse(around: &str, records: &str, count: &str) -> Result<Self, Vec<Defect>> {
        if around.is_empty() && records.is_empty() {
            // The body is the record itself.
            return Ok(Self::default());
        }
        let mut frame = serde_json::Value::Array(vec![RECORD.into()]);
        if around.is_empty() {
            for name in records.rsplit('/').filter(|it| !it.is_empty() && *it != ROOT_LIST) {
                frame = serde_json::json!({ name: frame });
            }
        } else {
            let list = frame;
            frame = serde_json::from_str(around).map_err(|error| {
                vec![Defect::new(
                    &code::LT_FMT_004,
                    format!("`around` không phải JSON: {error}"),
                    format!("`around` is no JSON: {error}"),
                )]
            })?;
            let values = [(records, list), (count, 1.into())];
            let missing: Vec<_> = values
                .into_iter()
                .filter(|(path, _)| !path.is_empty())
                .filter_map(|(path, value)| match frame.pointer_mut(&format!("/{path}")) {
                    Some(placeholder) => {
                        *placeholder = value;
                        None
                    }
                    None => Some(Defect::new(
                        &code::LT_FMT_019,
                        format!("`around` không có chỗ `{path}`"),
                        format!("`around` has no place `{path}`"),
                    )),
                })
                .collect();
            if !missing.is_empty() {
                return Err(missing);
            }
        }
        let text = frame.to_string();
        let around = text.split_once(&serde_json::Value::from(RECORD).to_string());
        let (before, after) = around.unwrap_or_default();
        Ok(Self { before: before.to_owned(), after: after.to_owned() })
    }
}

/// Writes the value of a node.
///
/// # Errors
///
/// A file cannot be read.
pub(crate) fn write_value(
    tree: &Tree<'_>,
    node_id: usize,
    files: &mut FileWriter<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let node = &tree.nodes[node_id];
    if let Some(file_index) = node.file_index {
        out.push(b'"');
        files.write(file_index, out)?;
        out.push(b'"');
        return Ok(());
    }
    if tree.is_leaf(node_id) && node_id != 0 {
        if node.is_literal {
            out.extend_from_slice(node.text.as_bytes());
        } else {
            write_string(&node.text, out);
        }
        return Ok(());
    }
    out.push(b'{');
    for child in tree.children(node_id) {
        let node = &tree.nodes[child];
        // Only items share a name; the first one writes the whole list.
        if node.kind == NodeKind::Item
            && tree.children_named(node_id, &node.name).next() != Some(child)
        {
            continue;
        }
        if out.last() != Some(&b'{') {
            out.push(b',');
        }
        write_string(&node.name, out);
        out.push(b':');
        match node.kind {
            NodeKind::EmptyList => out.extend_from_slice(b"[]"),
            NodeKind::Item => write_list(tree, (node_id, &node.name), files, out)?,
            NodeKind::Text | NodeKind::Container => write_value(tree, child, files, out)?,
        }
    }
    out.push(b'}');
    Ok(())
}

fn write_list(
    tree: &Tree<'_>,
    (parent, name): (usize, &str),
    files: &mut FileWriter<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    out.push(b'[');
    for item in tree.children_named(parent, name) {
        if out.last() != Some(&b'[') {
            out.push(b',');
        }
        write_value(tree, item, files, out)?;
    }
    out.push(b']');
    Ok(())
}

/// Writes a JSON string. Serialising a text to a vector cannot fail.
fn write_string(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).unwrap_or_default();
}
