//! Scans XML to a tree: a name of the packet's namespace or of none is the local one, another one is
//! `{namespace}name`. Document types and custom entities are refused, so nothing
//! is fetched or expanded.

use std::borrow::Cow;

use proto::fault::code;
use proto::fault::v1::Fault;
use quick_xml::Reader;
use quick_xml::events::{BytesDecl, BytesStart, Event};
use secrecy_marks::find_in_text;

use crate::limits::{DEPTH_MAX, NODES_MAX, nodes_max};
use crate::scan::declared_encoding::DeclaredEncoding;
use crate::scan::namespaces::{NameScope, Namespaces};
use crate::tree::Tree;

/// Scans XML. The root must have this name, and this namespace or none.
///
/// # Errors
///
/// The XML is malformed, has another root or namespace, a document type, or exceeds a bound.
pub(crate) fn scan<'a>(text: &'a str, root: &str, namespace: &str) -> Result<Tree<'a>, Fault> {
    let mut reader = Reader::from_str(text);
    let mut tree: Option<Tree<'a>> = None;
    let mut open: Vec<usize> = Vec::with_capacity(16);
    let (mut ended, mut texts) = (false, TextPieces::default());
    let mut names = Namespaces::new(namespace);
    loop {
        let at = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
        let event = reader.read_event().map_err(|error| malformed_event(&reader, &error))?;
        match event {
            Event::Start(start) if !ended => {
                texts = TextPieces::default();
                let name = local_name_at(text, at, start.name().as_ref());
                open_element(&reader, (&mut tree, &mut open), (&start, name, root), &mut names)?;
            }
            Event::Empty(start) if !ended => {
                texts = TextPieces::default();
                let name = local_name_at(text, at, start.name().as_ref());
                open_element(&reader, (&mut tree, &mut open), (&start, name, root), &mut names)?;
                names.leave();
                open.pop();
                ended = open.is_empty();
            }
            Event::End(_) => {
                texts = TextPieces::default();
                names.leave();
                open.pop();
                ended = open.is_empty();
            }
            Event::Text(it) => {
                let raw = it.into_inner();
                check_outside(&raw, at, (&open, ended))?;
                let is_content = !raw.trim().is_empty();
                texts.append((&mut tree, &open), raw, is_content);
            }
            Event::CData(it) => {
                let raw = it.into_inner();
                // CDATA is content even when it holds nothing but white space.
                check_outside("<![CDATA[", at, (&open, ended))?;
                texts.append((&mut tree, &open), raw, true);
            }
            Event::GeneralRef(it) => {
                let name = it.into_inner();
                check_outside(&name, at, (&open, ended))?;
                let text = resolve_entity(&name, (tree.as_ref(), &open))?;
                texts.append((&mut tree, &open), Cow::Owned(text), true);
            }
            Event::DocType(_) => return Err(document_type(at)),
            Event::Decl(declaration) if tree.is_none() => check_declaration(&declaration)?,
            Event::Start(_) | Event::Empty(_) | Event::Decl(_) => return Err(second_root(&reader)),
            Event::Comment(it) => keep_marked(&mut tree, &open, &it.into_inner()),
            Event::PI(it) => keep_marked(&mut tree, &open, &it.into_inner()),
            Event::Eof => break,
        }
    }
    if !open.is_empty() || tree.is_none() {
        return Err(malformed(&reader, "the end is missing"));
    }
    tree.ok_or_else(|| malformed(&reader, "there is no element"))
}

/// Refuses text before or behind the root element: only white space, comments and processing
/// instructions may stand there (XML 1.0, 2.1), and what else does would be dropped in silence.
fn check_outside(text: &str, at: usize, (open, ended): (&[usize], bool)) -> Result<(), Fault> {
    if !open.is_empty() {
        return Ok(());
    }
    let is_space = |it: char| matches!(it, ' ' | '\t' | '\r' | '\n');
    let Some((offset, found)) = text.char_indices().find(|(_, it)| !is_space(*it)) else {
        return Ok(());
    };
    let number = format!("U+{:04X}", u32::from(found));
    let (vi, en) = if ended {
        ("có nội dung sau thẻ gốc", "something follows the root element")
    } else {
        ("có nội dung trước thẻ gốc", "something stands before the root element")
    };
    Err(malformed_at(at + offset, en, &format!("{vi} ({number})"), &format!("{en} ({number})")))
}

fn second_root(reader: &Reader<&[u8]>) -> Fault {
    let at = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
    malformed_at(
        at,
        "something follows the root element",
        "có thẻ hoặc khai báo thứ hai sau thẻ gốc",
        "a second element or declaration follows the root element",
    )
}

/// Refuses a declared encoding that nobody knows: the text would be read by a guess. Known ones pass
/// here: the bytes were read by them, or were Unicode for sure.
fn check_declaration(declaration: &BytesDecl<'_>) -> Result<(), Fault> {
    let declared = match declaration.encoding() {
        None => return Ok(()),
        Some(Ok(declared)) => declared,
        Some(Err(_)) => Cow::Borrowed("?"),
    };
    if DeclaredEncoding::from_name(&declared).is_some() {
        return Ok(());
    }
    let name: String = declared.chars().take(ENCODING_CHARS_MAX).collect();
    let name = name_folding::spell_out(&name);
    Err(Fault::new(&code::LT_MAP_023).param("encoding", &name).violation(
        "encoding",
        format!("không có bảng mã `{name}`"),
        format!("there is no encoding `{name}`"),
    ))
}

/// Letters of a declared encoding that an error quotes.
const ENCODING_CHARS_MAX: usize = 40;

fn open_element<'a>(
    reader: &Reader<&'a [u8]>,
    (tree, open): (&mut Option<Tree<'a>>, &mut Vec<usize>),
    (start, name, root): (&BytesStart<'_>, Cow<'a, str>, &str),
    names: &mut Namespaces<'_>,
) -> Result<(), Fault> {
    names.enter(start);
    let scope = names.of_element(start.name().as_ref());
    let node_id = match tree {
        None => {
            if name != root {
                return Err(Fault::new(&code::LT_MAP_004)
                    .param("root", name)
                    .param("expected", root));
            }
            if let NameScope::Foreign(namespace) = scope {
                return Err(Fault::new(&code::LT_MAP_006)
                    .param("namespace", namespace)
                    .param("expected", names.packet()));
            }
            *tree = Some(Tree::new(name));
            0
        }
        Some(tree) => {
            let parent = open.last().copied().unwrap_or_default();
            if open.len() >= DEPTH_MAX {
                return Err(beyond("độ sâu", "depth", DEPTH_MAX));
            }
            check_node_count(tree, reader)?;
            match scope {
                NameScope::Foreign(namespace) => tree.add_child(parent, qualify(namespace, &name)),
                NameScope::Packet | NameScope::Markup => tree.add_child(parent, name),
            }
        }
    };
    open.push(node_id);
    if start.attributes_raw().trim_ascii().is_empty() {
        return Ok(());
    }
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| malformed(reader, &error.to_string()))?;
        let key = attribute.key.as_ref();
        if key == "xmlns" || key.starts_with("xmlns:") {
            continue;
        }
        let name = match names.of_attribute(key) {
            NameScope::Packet => Cow::Borrowed(local_name(key)),
            NameScope::Markup => continue,
            NameScope::Foreign(namespace) => Cow::Owned(qualify(namespace, local_name(key))),
        };
        if let Some(tree) = tree {
            check_node_count(tree, reader)?;
            let attribute_id = tree.add_child(node_id, format!("@{name}"));
            let value = with_spaces(&attribute.value);
            let value = quick_xml::escape::unescape(&value);
            let value = value.map_err(|error| malformed(reader, &error.to_string()))?;
            tree.nodes[attribute_id].text = Cow::Owned(value.into_owned());
        }
    }
    Ok(())
}

/// The raw value of an attribute with a space for each line break and tab, as every reader of XML
/// sees it (XML 1.0, 3.3.3). Those that are written as references stay.
fn with_spaces(raw: &str) -> Cow<'_, str> {
    if raw.contains(['\t', '\n', '\r']) {
        Cow::Owned(raw.replace("\r\n", " ").replace(['\t', '\n', '\r'], " "))
    } else {
        Cow::Borrowed(raw)
    }
}

/// The name of a node of another namespace.
fn qualify(namespace: &str, name: &str) -> String {
    format!("{{{namespace}}}{name}")
}

fn check_node_count(tree: &Tree<'_>, reader: &Reader<&[u8]>) -> Result<(), Fault> {
    let at = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
    let (count, max) = (tree.nodes.len(), nodes_max(at));
    if count < max {
        return Ok(());
    }
    let is_element = |it: &&[u8]| it[0] == b'<' && (it[1].is_ascii_alphabetic() || it[1] == b'_');
    let count = count + reader.get_ref().windows(2).filter(is_element).count();
    Err(Fault::new(&code::LT_MAP_005).violation(
        "body",
        format!("có khoảng {count} thẻ và thuộc tính, nhiều nhất {max}"),
        format!("has about {count} elements and attributes, at most {max}"),
    ))
}

/// The fault of content beyond a bound, which is named.
fn beyond(vi: &str, en: &str, max: usize) -> Fault {
    Fault::new(&code::LT_MAP_005).violation(
        "body",
        format!("{vi} vượt giới hạn {max}"),
        format!("the {en} is beyond the bound of {max}"),
    )
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

/// Keeps a comment or an instruction with a secrecy mark as a node that no rule names, so that it is
/// refused. Others say nothing.
fn keep_marked(tree: &mut Option<Tree<'_>>, open: &[usize], text: &str) {
    if let Some(tree) = tree
        && tree.nodes.len() < NODES_MAX
        && find_in_text(text).is_some()
    {
        let node_id = tree.add_child(open.last().copied().unwrap_or_default(), "comment()");
        tree.nodes[node_id].text = Cow::Owned(text.to_owned());
    }
}

/// The pieces of a text between two tags: plain ones, references and CDATA.
#[derive(Default)]
struct TextPieces<'a> {
    /// A blank piece. It is indentation, unless content follows it.
    blank: Cow<'a, str>,
    /// A piece with content came before.
    has_content: bool,
}

impl<'a> TextPieces<'a> {
    /// Appends a piece to the open element.
    fn append(
        &mut self,
        (tree, open): (&mut Option<Tree<'a>>, &[usize]),
        piece: Cow<'a, str>,
        is_content: bool,
    ) {
        self.has_content |= is_content;
        if !self.has_content {
            self.blank = piece;
            return;
        }
        let (Some(tree), Some(node_id)) = (tree, open.last()) else { return };
        for it in [std::mem::take(&mut self.blank), piece] {
            let text = &mut tree.nodes[*node_id].text;
            if text.is_empty() {
                *text = it;
            } else {
                text.to_mut().push_str(&it);
            }
        }
    }
}

/// The character of a predefined entity or a character reference; others are refused.
fn resolve_entity(
    name: &str,
    (tree, open): (Option<&Tree<'_>>, &[usize]),
) -> Result<String, Fault> {
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
    // Characters that XML 1.0 forbids in every form (2.2).
    let is_forbidden = |it: &char| matches!(it, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}');
    let character = character.filter(|it| !is_forbidden(it));
    let character = character.ok_or_else(|| {
        let path = open.last().and_then(|it| Some(tree?.path(*it))).unwrap_or_default();
        Fault::new(&code::LT_MAP_003).param("entity", name).violation(
            path,
            format!("thực thể &{name}; không có trong XML"),
            format!("the entity &{name}; is none of XML"),
        )
    })?;
    Ok(character.to_string())
}

/// The refusal of a document type.
fn document_type(at: usize) -> Fault {
    Fault::new(&code::LT_MAP_003).violation(
        format!("byte {at}"),
        "có khai báo DOCTYPE",
        "holds a DOCTYPE declaration",
    )
}

/// The refusal of what the parser refuses. People write a bare `&` into texts.
fn malformed_event(reader: &Reader<&[u8]>, error: &quick_xml::Error) -> Fault {
    use quick_xml::errors::IllFormedError::UnclosedReference;
    if matches!(error, quick_xml::Error::IllFormed(UnclosedReference)) {
        let at = usize::try_from(reader.error_position()).unwrap_or(usize::MAX);
        let (vi, en) = ("dấu & đứng một mình; phải viết &amp;", "a bare &; it must be &amp;");
        return malformed_at(at, &error.to_string(), vi, en);
    }
    malformed(reader, &error.to_string())
}

fn malformed(reader: &Reader<&[u8]>, detail: &str) -> Fault {
    let at = reader.error_position().max(reader.buffer_position());
    let at = usize::try_from(at).unwrap_or(usize::MAX);
    let (vi, en) = ("XML không đúng cú pháp hoặc bị cắt cụt", "the XML is malformed or cut off");
    malformed_at(at, detail, vi, en)
}

fn malformed_at(at: usize, detail: &str, vi: &str, en: &str) -> Fault {
    let fault = Fault::new(&code::LT_MAP_001).param("at", at.to_string()).detail(detail);
    fault.violation(format!("byte {at}"), vi, en)
}
