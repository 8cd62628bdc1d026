//! A reader of packets that shares no code with the engine: it lists every leaf of a body.

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _};

use roxmltree::{Document, Error, Node};
use sha2::{Digest as _, Sha256};

/// The namespace of edXML, which paths leave out.
const EDXML: &str = "http://www.mic.gov.vn/TBT/QCVN_102_2016";

/// A text of an element or an attribute, a comment or a processing instruction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Leaf {
    /// Names from the root, each with its number among the equal ones in which something stands.
    /// A file's records have its `ContentId` in place of the number, because their order is free.
    pub(super) path: String,
    pub(super) text: String,
    pub(super) file: Option<File>,
}

/// The file in the text of a leaf.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct File {
    /// Digest of the bytes as the library of the national axis takes them: unwrapped where the
    /// content type is `application/zip` and the name does not end in `.zip`.
    pub(super) by_library: String,
    /// Digest of the only entry of a ZIP.
    pub(super) entry: Option<String>,
    /// True when that library unwraps.
    pub(super) is_wrapped: bool,
}

/// Every leaf of a packet, or what is wrong with it.
pub(super) fn leaves_of_xml(native: &[u8]) -> Result<BTreeMap<String, Leaf>, String> {
    let mut text = decode(native);
    loop {
        match Document::parse(&text) {
            Ok(document) => {
                let mut leaves = BTreeMap::new();
                for node in document.root().children() {
                    let path = step(node, "0");
                    list(node, path, &mut leaves);
                }
                return Ok(leaves);
            }
            // A prefix that nothing binds gets a namespace of its own.
            Err(Error::UnknownNamespace(prefix, _)) => {
                let is_name =
                    |it: &usize| text.get(*it..).unwrap().starts_with(char::is_alphabetic);
                let begin = text.match_indices('<').map(|it| it.0 + 1).find(is_name);
                let begin = begin.ok_or("no root")?;
                let length = text.get(begin..).unwrap().find([' ', '\n', '\r', '\t', '>', '/']);
                let at = begin + length.ok_or("no root")?;
                text.insert_str(at, &format!(" xmlns:{prefix}=\"unbound:{prefix}\""));
            }
            Err(other) => return Err(other.to_string()),
        }
    }
}

/// The text of bytes: by their byte order mark, the declared encoding, or as UTF-8.
pub(super) fn decode(native: &[u8]) -> String {
    let head: String = native.iter().take(120).map(|it| char::from(*it)).collect();
    let declared = head.split_once("encoding=").map(|it| it.1.get(1..).unwrap_or_default());
    let label = declared.and_then(|it| it.split(['"', '\'']).next()).unwrap_or("utf-8");
    let is_utf8 = std::str::from_utf8(native).is_ok_and(|it| !it.contains('\0'));
    let encoding = match native {
        [b'<', 0, ..] => encoding_rs::UTF_16LE,
        [0, b'<', ..] => encoding_rs::UTF_16BE,
        // The declaration is wrong when bytes are UTF-8 and no accident.
        _ if is_utf8 => encoding_rs::UTF_8,
        _ => encoding_rs::Encoding::for_label(label.as_bytes()).unwrap_or(encoding_rs::UTF_8),
    };
    encoding.decode(native).0.into_owned()
}

/// The last step of a node's path: its name in its namespace, and its number.
fn step(node: Node<'_, '_>, number: &str) -> String {
    if node.is_comment() {
        return format!("comment()[{number}]");
    }
    if let Some(it) = node.pi() {
        return format!("?{}[{number}]", it.target);
    }
    let name = node.tag_name();
    format!("{}[{number}]", named(name.namespace(), name.name()))
}

fn named(namespace: Option<&str>, name: &str) -> String {
    match namespace {
        Some(EDXML) => name.to_owned(),
        other => format!("{{{}}}{name}", other.unwrap_or_default()),
    }
}

/// True for a node in which nothing stands.
fn is_blank(node: Node<'_, '_>) -> bool {
    if node.is_text() {
        return node.text().unwrap_or_default().trim().is_empty();
    }
    node.is_element()
        && node.attributes().all(|it| it.value().trim().is_empty())
        && node.children().all(is_blank)
}

fn child_text<'d>(node: Node<'d, '_>, name: &str) -> &'d str {
    let child = node.children().find(|it| it.tag_name().name() == name);
    child.and_then(|it| it.text()).unwrap_or_default().trim()
}

/// A content id without its prefix, in whatever case.
pub(super) fn without_prefix(id: &str) -> &str {
    let is_prefixed = id.get(..4).is_some_and(|it| it.eq_ignore_ascii_case("cid:"));
    if is_prefixed { id.get(4..).unwrap() } else { id }
}

/// The identity of a record in free order, which stands for its number: of a file, and of a receiver
/// of a change.
fn key(node: Node<'_, '_>) -> Option<String> {
    if node.tag_name().name() == "Receiver" {
        return Some(child_text(node, "OrganId").to_owned()).filter(|it| !it.is_empty());
    }
    let is_record = ["Attachment", "Reference"].contains(&node.tag_name().name());
    let id = is_record.then(|| child_text(node, "ContentId"))?;
    let id = without_prefix(id);
    (!id.is_empty()).then(|| id.to_owned())
}

fn list(node: Node<'_, '_>, path: String, leaves: &mut BTreeMap<String, Leaf>) {
    let mut push = |path: String, text: &str, file| {
        let leaf = Leaf { path: path.clone(), text: text.to_owned(), file };
        let before = leaves.insert(path, leaf);
        assert_eq!(before, None, "two leaves in one place");
    };
    if !node.is_element() {
        let text = node.pi().map_or(node.text(), |it| it.value);
        return push(path, text.unwrap_or_default(), None);
    }
    for it in node.attributes() {
        let name = it.namespace().map_or(it.name().to_owned(), |of| named(Some(of), it.name()));
        push(format!("{path}/@{name}"), it.value(), None);
    }
    let text: String = node.children().filter(Node::is_text).filter_map(|it| it.text()).collect();
    let is_parent = node.children().any(|it| it.is_element());
    if !is_parent {
        let is_file = ["ContentTransferEncoded", "AttachmentData"];
        let file = is_file.contains(&node.tag_name().name()).then(|| file_of(node, &text));
        push(path.clone(), &text, file);
    } else if !text.trim().is_empty() {
        push(format!("{path}/text()"), &text, None);
    }
    let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
    for child in node.children().filter(|it| !it.is_text()) {
        let is_counted = !is_blank(child);
        let kind = if is_counted { step(child, "") } else { step(child, "blank") };
        let number = numbers.entry(kind).or_default();
        let number_text = match key(child) {
            Some(key) => key,
            None if is_counted => number.to_string(),
            None => format!("blank {number}"),
        };
        *number += 1;
        list(child, format!("{path}/{}", step(child, &number_text)), leaves);
    }
}

fn file_of(node: Node<'_, '_>, text: &str) -> File {
    let bytes = from_base64(text);
    let record = node.parent().unwrap();
    let (name, of) = (child_text(record, "AttachmentName"), child_text(record, "ContentType"));
    let entry = only_entry(&bytes);
    let is_wrapped = of == "application/zip" && !name.ends_with(".zip") && entry.is_some();
    let by_library = if is_wrapped { entry.as_deref().unwrap() } else { &bytes };
    let digest = |it: &[u8]| hex::encode(Sha256::digest(it));
    File { by_library: digest(by_library), entry: entry.as_deref().map(digest), is_wrapped }
}

/// The bytes of base64 in every form that partners write.
fn from_base64(text: &str) -> Vec<u8> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let text = text.trim();
    let text = match text.split_once(";base64,") {
        Some((head, rest)) if head.starts_with("data:") => rest,
        _ => text,
    };
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for letter in text.bytes().filter(|it| !it.is_ascii_whitespace() && *it != b'=') {
        let letter = if letter == b'-' { b'+' } else { letter };
        let letter = if letter == b'_' { b'/' } else { letter };
        let value = LETTERS.iter().position(|it| *it == letter).unwrap();
        bits = (bits << 6) | u32::try_from(value).unwrap();
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((bits >> count) & 0xff).unwrap());
        }
    }
    bytes
}

/// The only file of a ZIP, beside what an operating system adds.
fn only_entry(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).ok()?;
    let is_file = |it: &str| !it.ends_with('/') && !it.starts_with("__MACOSX");
    let names: Vec<String> = archive.file_names().map(|it| it.unwrap().into_owned()).collect();
    let names: Vec<_> = names.iter().filter(|it| is_file(it)).collect();
    let [name] = names.as_slice() else { return None };
    let mut content = Vec::new();
    archive.by_name(name).ok()?.read_to_end(&mut content).ok()?;
    Some(content)
}
