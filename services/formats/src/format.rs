//! One published format, ready to run in both directions.

use prost::Message as _;
use prost_reflect::DynamicMessage;
use proto::canonical::v1::{Canonical, Leftover, Leftovers, canonical::Body, leftover::Why};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::MessageType;
use proto::mapping::v1::{DeclaredAttachment, Finding, Loss, loss};
use sha2::{Digest as _, Sha256};

use crate::content::{BlobSink, BlobSource, Named, sniff};
use crate::grammar::{Description, Detect, Others, Syntax};
use crate::limits::{LEFTOVER_BYTES_MAX, LEFTOVERS_MAX, RECORDS_MAX};
use crate::plan::{Line, native, resolve};
use crate::read::{Files, Reading};
use crate::tree::Tree;
use crate::write::Writing;
use crate::{canonical_json, path, scan, write};

/// What a written message may know besides its content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// A time that is the same however often it is written, microseconds since 1970 UTC.
    pub now_us: i64,
}

/// One record of native bytes, read.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// The canonical message.
    pub canonical: Canonical,
    /// What was odd and did not stop the reading.
    pub findings: Vec<Finding>,
}

/// One format: reads and writes by the same lines. Immutable and shared.
#[derive(Debug)]
pub struct Format {
    pub(crate) name: String,
    version: u32,
    title: String,
    hash: String,
    carries: Vec<MessageType>,
    pub(crate) syntax: Syntax,
    detect: Vec<Detect>,
    others: Others,
    empty: Vec<String>,
    write_empty: Option<String>,
    lines: Vec<Line>,
    /// Canonical path without selectors, native path.
    places: Vec<(String, String)>,
}

impl Format {
    /// Turns a description into a plan.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, with the line where YAML itself is wrong.
    pub fn compile(description: &str) -> Result<Self, Vec<String>> {
        let parsed: Description =
            serde_saphyr::from_str(description).map_err(|error| vec![error.to_string()])?;
        let (message, carries) = match parsed.carries.as_str() {
            "Document" => ("lienthong.canonical.v1.Document", vec![MessageType::Document]),
            "Status" => ("lienthong.canonical.v1.Status", vec![MessageType::Status]),
            "Canonical" => (
                "lienthong.canonical.v1.Canonical",
                vec![MessageType::Document, MessageType::Status],
            ),
            other => return Err(vec![format!("carries: there is no canonical message `{other}`")]),
        };
        let descriptor = proto::descriptors()
            .get_message_by_name(message)
            .ok_or_else(|| vec![format!("the contracts lack {message}")])?;
        let lines = resolve(&parsed, &descriptor)?;
        let mut places = Vec::new();
        list_places(&lines, "", &mut places);
        let hash = Sha256::digest(description.as_bytes());
        Ok(Self {
            name: parsed.format,
            version: parsed.version,
            title: parsed.title,
            hash: hash.iter().map(|it| format!("{it:02x}")).collect(),
            carries,
            syntax: parsed.syntax,
            detect: parsed.detect,
            others: parsed.others,
            empty: parsed.empty,
            write_empty: parsed.write_empty,
            lines,
            places,
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Version of its description.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// SHA-256 of its description, lower-case hex.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// What people call it.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The types it can hold.
    pub fn carries(&self) -> &[MessageType] {
        &self.carries
    }

    /// The native path of a canonical one, for messages to people; the path itself if it has none.
    pub fn place(&self, canonical: &str) -> String {
        let asked = bare(canonical);
        self.places
            .iter()
            .filter(|(it, _)| asked == *it || asked.starts_with(&format!("{it}.")))
            .max_by_key(|(it, _)| it.len())
            .map_or_else(|| canonical.to_owned(), |(_, native)| native.clone())
    }

    /// Whether native bytes look like this format.
    pub fn detects(&self, text: &str) -> bool {
        if matches!(self.syntax, Syntax::CanonicalJson) {
            return canonical_json::detects(text);
        }
        let Ok(tree) = self.scan(text) else { return false };
        let Some(record) = self.records(&tree).first().copied() else { return false };
        self.detect.iter().all(|it| {
            let is_there = |path: &String| tree.first(record, &native(path)).is_some();
            it.has.as_ref().is_none_or(is_there) && !it.lacks.as_ref().is_some_and(is_there)
        })
    }

    fn scan<'a>(&self, text: &'a str) -> Result<Tree<'a>, Fault> {
        match &self.syntax {
            Syntax::Xml { root, namespace, .. } => scan::xml::scan(text, root, namespace),
            Syntax::Json { .. } | Syntax::CanonicalJson => scan::json::scan(text),
        }
    }

    fn records(&self, tree: &Tree<'_>) -> Vec<usize> {
        match &self.syntax {
            Syntax::Xml { .. } | Syntax::CanonicalJson => vec![0],
            Syntax::Json { records, .. } => tree.all(0, &native(records)),
        }
    }

    /// Reads native bytes; each record is a message. Files inside go to the sink in their order;
    /// files that were uploaded beside are named by `declared`.
    ///
    /// # Errors
    ///
    /// The first thing that makes it impossible, naming the sender's own field.
    pub fn decode(
        &self,
        native: &[u8],
        declared: &[DeclaredAttachment],
        sink: &mut dyn BlobSink,
    ) -> Result<Vec<Decoded>, Fault> {
        let text = utf8(native)?;
        if matches!(self.syntax, Syntax::CanonicalJson) {
            let mut canonical = canonical_json::read(text, declared)?;
            self.origin(&mut canonical, native);
            return Ok(vec![Decoded { canonical, findings: Vec::new() }]);
        }
        let mut tree = self.scan(text)?;
        let records = self.records(&tree);
        if records.is_empty() || records.len() > RECORDS_MAX {
            let Syntax::Json { records, .. } = &self.syntax else { return Err(Fault::new(&code::LT_MAP_009)) };
            return Err(Fault::new(&code::LT_MAP_009).violation(records, "không có văn bản nào", "holds no document"));
        }
        let mut used = Vec::new();
        let mut decoded = Vec::new();
        for record in records {
            decoded.push(self.record(&mut tree, record, (declared, &mut *sink), &mut used)?);
        }
        if let Some(extra) = declared.iter().find(|it| !used.contains(&it.reference)) {
            return Err(Fault::new(&code::LT_MAP_013).param("name", &extra.reference).violation(
                &extra.reference,
                "tệp gửi kèm không được nêu trong nội dung",
                "the file came along but the body does not name it",
            ));
        }
        for it in &mut decoded {
            self.origin(&mut it.canonical, native);
        }
        Ok(decoded)
    }

    fn origin(&self, canonical: &mut Canonical, native: &[u8]) {
        canonical.origin = Some(proto::canonical::v1::Origin {
            format: self.name.clone(),
            format_version: self.version,
            format_hash: Sha256::digest(self.hash.as_bytes()).to_vec().into(),
            native: Some(proto::canonical::v1::Digest {
                algorithm: "sha256".to_owned(),
                value: Sha256::digest(native).to_vec().into(),
            }),
            ..Default::default()
        });
    }

    fn record(
        &self,
        tree: &mut Tree<'_>,
        record: usize,
        (declared, sink): (&[DeclaredAttachment], &mut dyn BlobSink),
        used: &mut Vec<String>,
    ) -> Result<Decoded, Fault> {
        let mut reading = Reading {
            tree,
            files: Files::Found(sink, declared),
            empty: &self.empty,
            findings: Vec::new(),
            violations: Vec::new(),
            invalid: Vec::new(),
            used: Vec::new(),
            count: 0,
        };
        let mut message = self.message()?;
        reading.lines(&self.lines, Some(record), &[], &mut message)?;
        if !reading.violations.is_empty() {
            let mut fault = Fault::new(&code::LT_MAP_014);
            fault.violations = reading.violations;
            return Err(fault);
        }
        let (findings, invalid) = (reading.findings, reading.invalid);
        used.append(&mut reading.used);
        let mut canonical = self.canonical(&message)?;
        let leftovers = self.leftovers(tree, record, &invalid);
        finish(&mut canonical, leftovers);
        Ok(Decoded { canonical, findings })
    }

    fn message(&self) -> Result<DynamicMessage, Fault> {
        let name = match self.carries.first() {
            Some(MessageType::Status) => "lienthong.canonical.v1.Status",
            _ => "lienthong.canonical.v1.Document",
        };
        let descriptor = proto::descriptors().get_message_by_name(name);
        descriptor.map(DynamicMessage::new).ok_or_else(|| broken("descriptor"))
    }

    fn canonical(&self, message: &DynamicMessage) -> Result<Canonical, Fault> {
        let bytes = message.encode_to_vec();
        let unfit = |_| broken("canonical");
        let body = match self.carries.first() {
            Some(MessageType::Status) => {
                Body::Status(proto::canonical::v1::Status::decode(bytes.as_slice()).map_err(unfit)?)
            }
            _ => Body::Document(
                proto::canonical::v1::Document::decode(bytes.as_slice()).map_err(unfit)?,
            ),
        };
        Ok(Canonical { origin: None, body: Some(body) })
    }

    fn leftovers(&self, tree: &mut Tree<'_>, record: usize, invalid: &[usize]) -> Option<Leftovers> {
        if self.others != Others::Keep {
            return None;
        }
        if let Syntax::Xml { ignore, .. } = &self.syntax {
            let ignored: Vec<usize> = (0..tree.nodes.len())
                .filter(|it| ignore.iter().any(|name| tree.nodes[*it].name == name.as_str()))
                .collect();
            for place in ignored {
                tree.see_all(place);
            }
        }
        let mut items = Vec::new();
        unnamed(tree, record, invalid, &mut items);
        items.truncate(LEFTOVERS_MAX);
        let leftovers = Leftovers { format: self.name.clone(), version: self.version, items };
        (!leftovers.items.is_empty()).then_some(leftovers)
    }

    /// Writes a message. The report, applied to it, gives exactly what the receiver will read.
    ///
    /// # Errors
    ///
    /// The format needs something the message does not have, or a file cannot be read.
    pub fn encode(
        &self,
        canonical: &Canonical,
        context: Context,
        source: &dyn BlobSource,
        out: &mut Vec<u8>,
    ) -> Result<Vec<Loss>, Fault> {
        if matches!(self.syntax, Syntax::CanonicalJson) {
            out.extend_from_slice(canonical_json::write(canonical)?.as_bytes());
            return Ok(Vec::new());
        }
        let mut message = self.message()?;
        let bytes = match (&canonical.body, self.carries.first()) {
            (Some(Body::Document(it)), Some(MessageType::Document)) => it.encode_to_vec(),
            (Some(Body::Status(it)), Some(MessageType::Status)) => it.encode_to_vec(),
            _ => return Err(Fault::new(&code::LT_MAP_015).param("format", &self.name)),
        };
        message.merge(bytes.as_slice()).map_err(|_| broken("canonical"))?;
        let root = match &self.syntax {
            Syntax::Xml { root, .. } => root.clone(),
            Syntax::Json { .. } | Syntax::CanonicalJson => String::new(),
        };
        let mut tree = Tree::new(root);
        let mut writing = Writing {
            tree: &mut tree,
            write_empty: self.write_empty.as_deref(),
            files: Vec::new(),
            missing: Vec::new(),
            now_s: context.now_us.div_euclid(1_000_000),
        };
        writing.record(&self.lines, 0, &message);
        writing.refusal()?;
        let files = writing.files;
        self.put_back(&mut tree, canonical);
        let losses = self.losses(&mut tree, &files, &message)?;
        self.bytes(&tree, (&files, source), out)?;
        Ok(losses)
    }

    fn bytes(
        &self,
        tree: &Tree<'_>,
        files: (&[Named], &dyn BlobSource),
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        match &self.syntax {
            Syntax::Xml { namespace, prefix, declared_at, .. } => {
                let names = write::xml::Names { namespace, prefix, declared_at };
                write::xml::write(tree, names, files, out)
            }
            Syntax::Json { records, around, count } => {
                let record = write::json::value(tree, 0);
                let mut whole: serde_json::Value =
                    serde_json::from_str(around).unwrap_or_else(|_| serde_json::json!({}));
                let pointer = |path: &str| format!("/{path}");
                if let Some(list) = whole.pointer_mut(&pointer(records)) {
                    *list = serde_json::Value::Array(vec![record]);
                }
                if let Some(number) = whole.pointer_mut(&pointer(count)) {
                    *number = 1.into();
                }
                out.extend_from_slice(whole.to_string().as_bytes());
                Ok(())
            }
            Syntax::CanonicalJson => Ok(()),
        }
    }

    /// Leftovers of this very format go back where they were, if the place is still free.
    fn put_back(&self, tree: &mut Tree<'static>, canonical: &Canonical) {
        let all = match &canonical.body {
            Some(Body::Document(it)) => &it.leftovers,
            Some(Body::Status(it)) => &it.leftovers,
            Some(Body::Receipt(_)) | None => return,
        };
        let own = all.iter().filter(|it| it.format == self.name && it.version == self.version);
        for item in own.flat_map(|it| &it.items) {
            let Some((parent, name)) = item.at.rsplit_once('/') else {
                if tree.named(0, &item.at).next().is_none() && !item.at.contains('[') {
                    let place = tree.add(0, item.at.clone());
                    tree.nodes[place].text = item.raw.clone().into();
                }
                continue;
            };
            let Some(parent) = numbered(tree, parent) else { continue };
            let name = name.split('[').next().unwrap_or_default().to_owned();
            let found = tree.named(parent, &name).next();
            let is_free = found.is_none_or(|it| tree.nodes[it].text.is_empty() && tree.nodes[it].children.is_empty());
            if is_free {
                let place = found.unwrap_or_else(|| tree.add(parent, name));
                tree.nodes[place].text = item.raw.clone().into();
            }
        }
    }

    /// What reading the written tree gives, against what was to be written.
    fn losses(
        &self,
        tree: &mut Tree<'static>,
        files: &[Named],
        message: &DynamicMessage,
    ) -> Result<Vec<Loss>, Fault> {
        let mut known = files.to_vec();
        collect_files(message, &mut known);
        let mut back = self.message()?;
        let mut reading = Reading {
            tree,
            files: Files::Known(&known),
            empty: &self.empty,
            findings: Vec::new(),
            violations: Vec::new(),
            invalid: Vec::new(),
            used: Vec::new(),
            count: 0,
        };
        reading.lines(&self.lines, Some(0), &[], &mut back)?;
        let canonical = {
            let mut canonical = self.canonical(&back)?;
            finish(&mut canonical, None);
            canonical
        };
        let mut read = self.message()?;
        let bytes = match &canonical.body {
            Some(Body::Document(it)) => it.encode_to_vec(),
            Some(Body::Status(it)) => it.encode_to_vec(),
            Some(Body::Receipt(_)) | None => Vec::new(),
        };
        read.merge(bytes.as_slice()).map_err(|_| broken("canonical"))?;
        Ok(difference(message, &read))
    }
}

fn broken(part: &str) -> Fault {
    Fault::new(&code::LT_SYS_002).param("part", "formats").detail(part)
}

fn utf8(native: &[u8]) -> Result<&str, Fault> {
    let native = native.strip_prefix(b"\xef\xbb\xbf").unwrap_or(native);
    simdutf8::basic::from_utf8(native).map_err(|_| Fault::new(&code::LT_MAP_016))
}

fn collect_files(message: &DynamicMessage, into: &mut Vec<Named>) {
    let Some(list) = message.get_field_by_name("attachments") else { return };
    for item in list.as_list().unwrap_or_default() {
        let content = item.as_message().and_then(|it| it.get_field_by_name("content"));
        into.extend(content.and_then(|it| write::file(it.as_message()?)));
    }
}

/// Lost, changed and added leaves by their canonical paths; leftovers are not the receiver's.
fn difference(message: &DynamicMessage, read: &DynamicMessage) -> Vec<Loss> {
    let keep = |(path, _): &(String, String)| {
        !path.starts_with("leftovers") && !path.contains("directory_key")
    };
    let before: Vec<_> = path::leaves(message).into_iter().filter(keep).collect();
    let after: Vec<_> = path::leaves(read).into_iter().filter(keep).collect();
    let index = |of: &[(String, String)]| {
        of.iter().cloned().collect::<std::collections::HashMap<String, String>>()
    };
    let (was, is) = (index(&before), index(&after));
    let mut losses = Vec::new();
    let mut add = |kind: loss::Kind, path: &str, reason: &str, value: &str| {
        losses.push(Loss {
            kind: kind.into(),
            path: path.to_owned(),
            reason: reason.to_owned(),
            value: value.to_owned(),
        });
    };
    for (path, value) in &before {
        match is.get(path) {
            None => add(loss::Kind::Lost, path, "no-place", ""),
            Some(other) if other != value => {
                let reason = if value.starts_with(other.as_str()) { "cut" } else { "precision" };
                add(loss::Kind::Changed, path, reason, other);
            }
            Some(_) => {}
        }
    }
    for (path, value) in &after {
        if !was.contains_key(path) {
            add(loss::Kind::Added, path, "default", value);
        }
    }
    losses
}

/// Files get ids and types where the source gave none that can be used.
fn finish(canonical: &mut Canonical, leftovers: Option<Leftovers>) {
    let (attachments, all) = match &mut canonical.body {
        Some(Body::Document(it)) => (&mut it.attachments, &mut it.leftovers),
        Some(Body::Status(it)) => (&mut it.attachments, &mut it.leftovers),
        Some(Body::Receipt(_)) | None => return,
    };
    all.extend(leftovers);
    let mut seen = std::collections::HashSet::new();
    for (place, it) in attachments.iter_mut().enumerate() {
        if it.id.is_empty() || !seen.insert(it.id.clone()) {
            it.id = (place + 1).to_string();
            seen.insert(it.id.clone());
        }
        let known = sniff(&it.file_name);
        if known != "application/octet-stream" || it.media_type.is_empty() {
            known.clone_into(&mut it.media_type);
        }
    }
}

/// Places with a text that no line of the description named, or whose text could not be read.
fn unnamed(tree: &Tree<'_>, place: usize, invalid: &[usize], into: &mut Vec<Leftover>) {
    for child in &tree.nodes[place].children {
        let node = &tree.nodes[*child];
        let is_invalid = invalid.contains(child);
        let has_text = !node.text.trim().is_empty() && node.children.is_empty();
        if has_text && (is_invalid || !node.seen) && node.text.len() <= LEFTOVER_BYTES_MAX {
            into.push(Leftover {
                at: tree.path(*child),
                raw: node.text.trim().to_owned(),
                why: if is_invalid { Why::Invalid } else { Why::Unknown }.into(),
                of: String::new(),
            });
        }
        unnamed(tree, *child, invalid, into);
    }
}

/// The place of a path with numbers; none when any part of it is missing.
fn numbered(tree: &Tree<'_>, path: &str) -> Option<usize> {
    let mut place = 0;
    for step in path.split('/') {
        let (name, number) = match step.split_once('[') {
            Some((name, rest)) => (name, rest.trim_end_matches(']').parse().ok()?),
            None => (step, 0),
        };
        place = tree.named(place, name).nth(number)?;
    }
    Some(place)
}

fn bare(path: &str) -> String {
    let mut depth = 0;
    path.chars()
        .filter(|it| {
            match it {
                '[' => depth += 1,
                ']' => {
                    depth -= 1;
                    return false;
                }
                _ => {}
            }
            depth == 0
        })
        .collect()
}

fn list_places(lines: &[Line], within: &str, into: &mut Vec<(String, String)>) {
    let joined = |at: &[String]| {
        let at = at.join("/");
        [within, &at].iter().filter(|it| !it.is_empty() && **it != ".").copied().collect::<Vec<_>>().join("/")
    };
    for line in lines {
        match line {
            Line::Leaf(it) => into.push((bare(&it.name), joined(&it.at))),
            Line::Group(it) => list_places(&it.lines, &joined(&it.at), into),
            Line::Each(it) => {
                into.push((bare(&it.name), joined(&it.at)));
                list_places(&it.lines, &joined(&it.at), into);
            }
            Line::Constant(..) => {}
        }
    }
}
