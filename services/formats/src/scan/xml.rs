//! Scans XML to a tree with local names. Document types and custom entities are refused, so nothing
//! is fetched or expanded.

use std::borrow::Cow;

use proto::fault::code;
use proto::fault::v1::Fault;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::limits::{DEPTH_MAX, NODES_MAX};
use crate::tree::{NodeKind, Tree};

/// Scans XML. The root must have this name, and this namespace or none.
///
/// # Errors
///
/// The XML is malformed, has another root or namespace, a document type, or exceeds a bound.
pub(crate) fn scan<'a>(text: &'a str, root: &str, namespace: &str) -> Result<Tree<'a>, Fault> {
    let mut reader = Reader::from_str(text);
    let mut tree: Option<Tree<'a>> = None;
    let mut open: Vec<usize> = Vec::with_capacity(16);
    let mut ended = false;
    let expected = (root, namespace);
    loop {
        let at = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
        let event = reader.read_event().map_err(|error| malformed(&reader, &error.to_string()))?;
        match event {
            Event::Start(start) if !ended => {
                let name = local_name_at(text, at, start.name().as_ref());
                open_element(&reader, &mut tree, &mut open, (&start, name, expected))?;
            }
            Event::Empty(start) if !ended => {
                let name = local_name_at(text, at, start.name().as_ref());
                open_element(&reader, &mut tree, &mut open, (&start, name, expected))?;
                open.pop();
                ended = open.is_empty();
            }
            Event::Start(_) | Event::Empty(_) => {
                return Err(malformed(&reader, "something follows the root element"));
            }
            Event::End(_) => {
                open.pop();
                ended = open.is_empty();
            }
            Event::Text(it) => {
                let raw = it.into_inner();
                append_text(&mut tree, &open, raw);
            }
            Event::CData(it) => {
                let raw = it.into_inner();
                append_text(&mut tree, &open, raw);
            }
            Event::GeneralRef(it) => {
                let name = it.into_inner();
                append_text(&mut tree, &open, Cow::Owned(resolve_entity(&name, &reader)?));
            }
            Event::DocType(_) => return Err(Fault::new(&code::LT_MAP_003)),
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) => {}
            Event::Eof => break,
        }
    }
    if !open.is_empty() || tree.is_none() {
        return Err(malformed(&reader, "the end is missing"));
    }
    tree.ok_or_else(|| malformed(&reader, "there is no element"))
}

fn open_element<'a>(
    reader: &Reader<&'a [u8]>,
    tree: &mut Option<Tree<'a>>,
    open: &mut Vec<usize>,
    (start, name, (root, namespace)): (&BytesStart<'_>, Cow<'a, str>, (&str, &str)),
) -> Result<(), Fault> {
    let node_id = match tree {
        None => {
            if name != root {
                return Err(Fault::new(&code::LT_MAP_004)
                    .param("root", name)
                    .param("expected", root));
            }
            check_namespace(start, namespace)?;
            *tree = Some(Tree::new(name));
            0
        }
        Some(tree) => {
            let parent = open.last().copied().unwrap_or_default();
            if open.len() >= DEPTH_MAX || tree.nodes.len() >= NODES_MAX {
                return Err(Fault::new(&code::LT_MAP_005));
            }
            tree.add_child(parent, name)
        }
    };
    open.push(node_id);
    if start.attributes_raw().trim_ascii().is_empty() {
        return Ok(());
    }
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| malformed(reader, &error.to_string()))?;
        let name = attribute.key.as_ref();
        let ignored = ["xmlns", "xml:", "xsi:", "xlink:"];
        if ignored.iter().any(|it| name.starts_with(it)) {
            continue;
        }
        let name = local_name(name);
        if let Some(tree) = tree {
            if tree.nodes.len() >= NODES_MAX {
                return Err(Fault::new(&code::LT_MAP_005));
            }
            let attribute_id = tree.add_child(node_id, format!("@{name}"));
            let value = quick_xml::escape::unescape(&attribute.value);
            let value = value.map_err(|error| malformed(reader, &error.to_string()))?;
            tree.nodes[attribute_id].text = Cow::Owned(value.into_owned());
        }
    }
    Ok(())
}

fn check_namespace(start: &BytesStart<'_>, namespace: &str) -> Result<(), Fault> {
    // A prefixed root declares its namespace under that prefix.
    let qualified = start.name();
    let declaration = match qualified.as_ref().split_once(':') {
        Some((prefix, _)) => format!("xmlns:{prefix}"),
        None => "xmlns".to_owned(),
    };
    let declared = start.attributes().flatten().find(|it| it.key.as_ref() == declaration);
    let declared = declared.map(|it| it.value.clone().into_owned());
    match declared {
        Some(declared) if declared != namespace && !namespace.is_empty() => {
            Err(Fault::new(&code::LT_MAP_006)
                .param("namespace", declared)
                .param("expected", namespace))
        }
        _ => Ok(()),
    }
}

/// The local name of the element whose `<` is at a byte position; borrowed from the text, because
/// the reader's name lives only as long as the event.
fn local_name_at<'a>(text: &'a str, at: usize, name: &str) -> Cow<'a, str> {
    let raw = text.get(at.saturating_add(1)..).and_then(|it| it.get(..name.len()));
    match raw.filter(|it| *it == name) {
        Some(raw) => Cow::Borrowed(local_name(raw)),
        None => Cow::Owned(local_name(name).to_owned()),
    }
}

fn local_name(name: &str) -> &str {
    let prefix = name.bytes().rposition(|it| it == b':').map_or(0, |it| it + 1);
    name.get(prefix..).unwrap_or_default()
}

fn append_text<'a>(tree: &mut Option<Tree<'a>>, open: &[usize], text: Cow<'a, str>) {
    if let (Some(tree), Some(node_id)) = (tree, open.last()) {
        let node = &mut tree.nodes[*node_id];
        if node.text.is_empty() {
            node.text = text;
        } else if node.kind == NodeKind::Text || !text.trim().is_empty() {
            node.text.to_mut().push_str(&text);
        }
    }
}

/// The character of a predefined entity or a character reference; others are refused.
fn resolve_entity(name: &str, reader: &Reader<&[u8]>) -> Result<String, Fault> {
    let character = match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        number => number.strip_prefix('#').and_then(|it| {
            let digits = it.strip_prefix('x').map(|it| u32::from_str_radix(it, 16));
            digits.unwrap_or_else(|| it.parse()).ok().and_then(char::from_u32)
        }),
    };
    let character = character.ok_or_else(|| Fault::new(&code::LT_MAP_003).param("entity", name))?;
    if character < ' ' && !['\n', '\r', '\t'].contains(&character) {
        return Err(malformed(reader, "a control character"));
    }
    Ok(character.to_string())
}

fn malformed(reader: &Reader<&[u8]>, detail: &str) -> Fault {
    let at = reader.error_position().max(reader.buffer_position());
    Fault::new(&code::LT_MAP_001).param("at", at.to_string()).detail(detail).violation(
        format!("byte {at}"),
        "XML không đúng cú pháp hoặc bị cắt cụt",
        "the XML is malformed or cut off",
    )
}
