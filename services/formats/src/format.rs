//! One published format, ready to run in both directions.

use prost::Message as _;
use prost_reflect::DynamicMessage;
use proto::canonical::v1::{Canonical, canonical::Body};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::MessageType;
use proto::mapping::v1::Finding;
use sha2::{Digest as _, Sha256};

use crate::grammar::{Description, Detect, Others, Syntax};
use crate::leftovers::Owner;
use crate::plan::{Line, native, resolve};
use crate::tree::Tree;
use crate::{canonical_json, mistake, scan};

mod reading;
mod writing;

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
        check_frame(&parsed.syntax)?;
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
}

/// What stands around JSON records has the places that the syntax names.
fn check_frame(syntax: &Syntax) -> Result<(), Vec<String>> {
    let Syntax::Json { records, around, count } = syntax else { return Ok(()) };
    if around.is_empty() {
        return Ok(());
    }
    let frame: serde_json::Value = serde_json::from_str(around)
        .map_err(|error| vec![format!("syntax: `around` không phải JSON / is no JSON: {error}")])?;
    let lacks = |path: &&String| !path.is_empty() && frame.pointer(&format!("/{path}")).is_none();
    let missing: Vec<_> = [records, count]
        .into_iter()
        .filter(lacks)
        .map(|it| format!("syntax: `around` không có chỗ `{it}` / has no place `{it}`"))
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(missing) }
}

fn broken(part: &str) -> Fault {
    Fault::new(&code::LT_SYS_002).param("part", "formats").detail(part)
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
