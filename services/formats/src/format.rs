//! One published format, ready to run in both directions.

use prost::Message as _;
use prost_reflect::DynamicMessage;
use proto::canonical::v1::{Canonical, Leftovers, canonical::Body};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::MessageType;
use proto::mapping::v1::{DeclaredAttachment, Finding, Loss};
use sha2::{Digest as _, Sha256};

use crate::content::{BlobSink, BlobSource, Named, sniff};
use crate::grammar::{Description, Detect, Others, Syntax};
use crate::leftovers::Owner;
use crate::limits::RECORDS_MAX;
use crate::plan::{Line, native, resolve};
use crate::read::{Files, Reading};
use crate::report::difference;
use crate::tree::Tree;
use crate::write::Writing;
use crate::{canonical_json, leftovers, mistake, scan, write};

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
    digest: [u8; 32],
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
    /// Everything that is wrong with it: line and column, then Vietnamese, then English. What is
    /// not of the grammar hides the rest.
    pub fn compile(description: &str) -> Result<Self, Vec<String>> {
        let parsed: Description =
            serde_saphyr::from_str(description).map_err(|error| vec![mistake::of_yaml(&error)])?;
        let (message, carries) = match parsed.carries.as_str() {
            "Document" => ("lienthong.canonical.v1.Document", vec![MessageType::Document]),
            "Status" => ("lienthong.canonical.v1.Status", vec![MessageType::Status]),
            "Canonical" => (
                "lienthong.canonical.v1.Canonical",
                vec![MessageType::Document, MessageType::Status],
            ),
            other => {
                return Err(vec![format!(
                    "carries: không có loại nội dung `{other}` / there is no canonical message `{other}`"
                )]);
            }
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
            digest: hash.into(),
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
            let Syntax::Json { records, .. } = &self.syntax else {
                return Err(Fault::new(&code::LT_MAP_009));
            };
            return Err(Fault::new(&code::LT_MAP_009).violation(
                records,
                "không có văn bản nào",
                "holds no document",
            ));
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
            format_hash: self.digest.to_vec().into(),
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

    pub(crate) fn message(&self) -> Result<DynamicMessage, Fault> {
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

    fn owner(&self) -> Owner<'_> {
        Owner { name: &self.name, version: self.version }
    }

    fn leftovers(
        &self,
        tree: &mut Tree<'_>,
        record: usize,
        invalid: &[usize],
    ) -> Option<Leftovers> {
        if self.others != Others::Keep {
            return None;
        }
        let ignored: &[String] = match &self.syntax {
            Syntax::Xml { ignore, .. } => ignore,
            Syntax::Json { .. } | Syntax::CanonicalJson => &[],
        };
        leftovers::collect(tree, record, (invalid, ignored), self.owner())
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
        message.merge(bytes.as_slice()).map_err(|_error| broken("canonical"))?;
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
        leftovers::put_back(&mut tree, canonical, self.owner());
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
        if !reading.violations.is_empty() {
            let paths: Vec<_> = reading.violations.iter().map(|it| it.field.as_str()).collect();
            let mut fault = Fault::new(&code::LT_MAP_012).param("paths", paths.join(", "));
            fault.violations = reading.violations;
            return Err(fault);
        }
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
        read.merge(bytes.as_slice()).map_err(|_error| broken("canonical"))?;
        Ok(difference(message, &read))
    }
}

fn broken(part: &str) -> Fault {
    Fault::new(&code::LT_SYS_002).param("part", "formats").detail(part)
}

fn utf8(native: &[u8]) -> Result<&str, Fault> {
    let native = native.strip_prefix(b"\xef\xbb\xbf").unwrap_or(native);
    simdutf8::basic::from_utf8(native).map_err(|_error| Fault::new(&code::LT_MAP_016))
}

fn collect_files(message: &DynamicMessage, into: &mut Vec<Named>) {
    let Some(list) = message.get_field_by_name("attachments") else { return };
    for item in list.as_list().unwrap_or_default() {
        let content = item.as_message().and_then(|it| it.get_field_by_name("content"));
        into.extend(content.and_then(|it| write::file(it.as_message()?)));
    }
}

/// Files get ids and types where the source gave none that can be used.
fn finish(canonical: &mut Canonical, leftovers: Option<Leftovers>) {
    let (attachments, all) = match &mut canonical.body {
        Some(Body::Document(it)) => (&mut it.attachments, &mut it.leftovers),
        Some(Body::Status(it)) => (&mut it.attachments, &mut it.leftovers),
        Some(Body::Receipt(_)) | None => return,
    };
    all.extend(leftovers);
    let mut taken = std::collections::HashSet::new();
    for (place, it) in attachments.iter_mut().enumerate() {
        // An id given here may be one that stands further on; that one then gets another.
        let mut number = place + 1;
        while it.id.is_empty() || taken.contains(&it.id) {
            it.id = number.to_string();
            number += 1;
        }
        taken.insert(it.id.clone());
        let known = sniff(&it.file_name);
        if known != "application/octet-stream" || it.media_type.is_empty() {
            known.clone_into(&mut it.media_type);
        }
    }
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
        [within, &at]
            .iter()
            .filter(|it| !it.is_empty() && **it != ".")
            .copied()
            .collect::<Vec<_>>()
            .join("/")
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
