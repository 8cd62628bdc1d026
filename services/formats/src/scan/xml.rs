//! XML into a tree: names without prefixes, any order, nothing fetched, nothing expanded.

use std::borrow::Cow;

use proto::fault::code;
use proto::fault::v1::Fault;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::limits::{DEPTH_MAX, PLACES_MAX};
use crate::tree::{Kind, Tree};

/// Reads XML. The root must have one of these names and the namespace, or none at all.
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
                let name = spelled(text, at, start.name().as_ref());
                begin(&reader, &mut tree, &mut open, (&start, name, expected))?;
            }
            Event::Empty(start) if !ended => {
                let name = spelled(text, at, start.name().as_ref());
                begin(&reader, &mut tree, &mut open, (&start, name, expected))?;
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
                append(&mut tree, &open, raw);
            }
            Event::CData(it) => {
                let raw = it.into_inner();
                append(&mut tree, &open, raw);
            }
            Event::GeneralRef(it) => {
                let name = it.into_inner();
                append(&mut tree, &open, Cow::Owned(entity(&name, &reader)?));
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

fn begin<'a>(
    reader: &Reader<&'a [u8]>,
    tree: &mut Option<Tree<'a>>,
    open: &mut Vec<usize>,
    (start, name, (root, namespace)): (&BytesStart<'_>, Cow<'a, str>, (&str, &str)),
) -> Result<(), Fault> {
    let place = match tree {
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
            if open.len() >= DEPTH_MAX || tree.nodes.len() >= PLACES_MAX {
                return Err(Fault::new(&code::LT_MAP_005));
            }
            tree.add(parent, name)
        }
    };
    open.push(place);
    if start.attributes_raw().trim_ascii().is_empty() {
        return Ok(());
    }
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| malformed(reader, &error.to_string()))?;
        let name = attribute.key.as_ref();
        let noise = ["xmlns", "xml:", "xsi:", "xlink:"];
        if noise.iter().any(|it| name.starts_with(it)) {
            continue;
        }
        let name = local(name);
        if let Some(tree) = tree {
            if tree.nodes.len() >= PLACES_MAX {
                return Err(Fault::new(&code::LT_MAP_005));
            }
            let at = tree.add(place, format!("@{name}"));
            let value = quick_xml::escape::unescape(&attribute.value);
            let value = value.map_err(|error| malformed(reader, &error.to_string()))?;
            tree.nodes[at].text = Cow::Owned(value.into_owned());
        }
    }
    Ok(())
}

fn check_namespace(start: &BytesStart<'_>, namespace: &str) -> Result<(), Fault> {
    // A root with a prefix says its namespace under that prefix.
    let qualified = start.name();
    let declared = match qualified.as_ref().split_once(':') {
        Some((prefix, _)) => format!("xmlns:{prefix}"),
        None => "xmlns".to_owned(),
    };
    let said = start.attributes().flatten().find(|it| it.key.as_ref() == declared);
    let said = said.map(|it| it.value.clone().into_owned());
    match said {
        Some(said) if said != namespace && !namespace.is_empty() => {
            Err(Fault::new(&code::LT_MAP_006).param("namespace", said).param("expected", namespace))
        }
        _ => Ok(()),
    }
}

/// A name without its prefix, as it stands in the text behind the bracket at that place.
fn spelled<'a>(text: &'a str, at: usize, name: &str) -> Cow<'a, str> {
    let there = text.get(at.saturating_add(1)..).and_then(|it| it.get(..name.len()));
    match there.filter(|it| *it == name) {
        Some(there) => Cow::Borrowed(local(there)),
        None => Cow::Owned(local(name).to_owned()),
    }
}

fn local(name: &str) -> &str {
    let prefix = name.bytes().rposition(|it| it == b':').map_or(0, |it| it + 1);
    name.get(prefix..).unwrap_or_default()
}

fn append<'a>(tree: &mut Option<Tree<'a>>, open: &[usize], text: Cow<'a, str>) {
    if let (Some(tree), Some(place)) = (tree, open.last()) {
        let node = &mut tree.nodes[*place];
        if node.text.is_empty() {
            node.text = text;
        } else if node.kind == Kind::Text || !text.trim().is_empty() {
            node.text.to_mut().push_str(&text);
        }
    }
}

/// The five names XML has, and characters by number; no other entity is known.
fn entity(name: &str, reader: &Reader<&[u8]>) -> Result<String, Fault> {
    let known = match name {
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
    let letter = known.ok_or_else(|| Fault::new(&code::LT_MAP_003).param("entity", name))?;
    if letter < ' ' && !['\n', '\r', '\t'].contains(&letter) {
        return Err(malformed(reader, "a control character"));
    }
    Ok(letter.to_string())
}

fn malformed(reader: &Reader<&[u8]>, words: &str) -> Fault {
    let at = reader.error_position().max(reader.buffer_position());
    Fault::new(&code::LT_MAP_001).param("at", at.to_string()).detail(words).violation(
        format!("byte {at}"),
        "XML không đúng cú pháp hoặc bị cắt cụt",
        "the XML is malformed or cut off",
    )
}
