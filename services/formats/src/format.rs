//! One published format, ready to run in both directions.

use bytes::Bytes;
use prost::Message as _;
use proto::canonical::v1::{Canonical, canonical::Body};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::message::v1::{Finding, MessageType};
use sha2::{Digest as _, Sha256};

use crate::grammar::{Description, Detect, Others, Syntax};
use crate::leftovers::{Owner, is_xml_name};
use crate::plan::{Line, native, resolve};
use crate::record::{Record, Shape, encode, shape};
use crate::tree::{Name, Tree};
use crate::write::json::Frame;
use crate::{canonical_json, mistake, scan};
use places::{Place, Places};

pub(crate) mod places;
pub(crate) mod reading;
mod writing;

/// What a written message may know besides its content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EncodeContext {
    /// A time that is the same however often it is written, microseconds since 1970 UTC.
    pub now_us: i64,
    /// Code of the organisation that writes, for a format that keeps a trace; empty: it adds none.
    pub organisation: String,
}

/// One record of native bytes, read.
#[derive(Clone, Debug)]
pub struct DecodedMessage {
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
    digest: Bytes,
    /// The message its lines are about.
    shape: &'static Shape,
    carries: Vec<MessageType>,
    pub(crate) syntax: Syntax,
    detect: Vec<Detection>,
    /// Where its records stand.
    records: Vec<Name>,
    others: Others,
    empty: Vec<String>,
    write_empty: Option<String>,
    frame: Frame,
    lines: Vec<Line>,
    places: Places,
    /// Native paths of repeated places.
    lists: Vec<String>,
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
            "Document" => ("Document", vec![MessageType::Document]),
            "Status" => ("Status", vec![MessageType::Status]),
            // Its lines, of which it has none, would be about a document.
            "Canonical" => ("Document", vec![MessageType::Document, MessageType::Status]),
            other => {
                return Err(vec![format!(
                    "carries: không có loại nội dung `{other}` / there is no canonical message `{other}`"
                )]);
            }
        };
        let shape = shape(message).ok_or_else(|| vec![format!("the contracts lack {message}")])?;
        let lines = resolve(&parsed, shape)?;
        let (frame, records) = match &parsed.syntax {
            Syntax::Json { records, around, count } => {
                (Frame::parse(around, records, count)?, native(records))
            }
            Syntax::Xml { .. } | Syntax::CanonicalJson => (Frame::default(), Vec::new()),
        };
        let (places, lists) = places::list(&lines);
        check_names(&parsed.syntax, &places)?;
        let hash = Sha256::digest(description.as_bytes());
        Ok(Self {
            name: parsed.format,
            version: parsed.version,
            title: parsed.title,
            digest: Bytes::copy_from_slice(&hash),
            hash: hash.iter().map(|it| format!("{it:02x}")).collect(),
            carries,
            shape,
            syntax: parsed.syntax,
            detect: parsed.detect.iter().map(Detection::new).collect(),
            records,
            others: parsed.others,
            empty: parsed.empty,
            write_empty: parsed.write_empty,
            frame,
            lines,
            places: Places::new(places, shape),
            lists,
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
    pub fn native_path(&self, canonical: &str) -> String {
        self.places.find(canonical).map_or_else(|| canonical.to_owned(), |it| it.native.clone())
    }

    /// Whether a tree of native content looks like this format.
    pub(crate) fn detects(&self, tree: &Tree<'_>) -> bool {
        if matches!(self.syntax, Syntax::CanonicalJson) {
            return canonical_json::detects(tree);
        }
        let Some(record) = tree.first(0, &self.records) else { return false };
        self.detect.iter().all(|it| {
            let is_there = |path: &Vec<Name>| tree.first(record, path).is_some();
            it.has.as_ref().is_none_or(is_there) && !it.lacks.as_ref().is_some_and(is_there)
        })
    }

    pub(crate) fn scan<'a>(&self, text: &'a str) -> Result<Tree<'a>, Fault> {
        match &self.syntax {
            Syntax::Xml { root, namespace, .. } => scan::xml::scan(text, root, namespace),
            Syntax::Json { .. } | Syntax::CanonicalJson => scan::json::scan(text),
        }
    }

    fn canonical(&self, message: &Record<'_>) -> Result<Canonical, Fault> {
        let bytes = encode(message);
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
        let is_xml = matches!(self.syntax, Syntax::Xml { .. });
        Owner { name: &self.name, version: self.version, is_xml, lists: &self.lists }
    }
}

/// A place that is there, or is not.
#[derive(Debug)]
struct Detection {
    has: Option<Vec<Name>>,
    lacks: Option<Vec<Name>>,
}

impl Detection {
    fn new(of: &Detect) -> Self {
        let [has, lacks] = [&of.has, &of.lacks].map(|it| it.as_deref().map(native));
        Self { has, lacks }
    }
}

fn broken(part: &str) -> Fault {
    Fault::new(&code::LT_SYS_002).param("part", "formats").detail(part)
}

/// Places have names that the syntax allows.
fn check_names(syntax: &Syntax, places: &[Place]) -> Result<(), Vec<String>> {
    if !matches!(syntax, Syntax::Xml { .. }) {
        return Ok(());
    }
    let is_name = |it: &str| it == "." || is_xml_name(it.strip_prefix('@').unwrap_or(it));
    let wrong = places.iter().filter(|it| !it.native.split('/').all(is_name));
    let words = |it: &Place| format!("`{}` không phải tên XML / is no XML name", it.native);
    let wrong: Vec<_> = wrong.filter(|it| !it.native.is_empty()).map(words).collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}
