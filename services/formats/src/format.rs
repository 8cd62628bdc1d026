//! A compiled format: reads and writes by one plan.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;
use proto::canonical::v1::{Canonical, canonical::Body};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::message::v1::{Finding, MessageType};
use sha2::{Digest as _, Sha256};

use crate::content::Packing;
use crate::convert::CodeListSet;
use crate::diagnostic::{Defect, SourceMistake, SourcePosition};
use crate::document_day::DayRule;
use crate::grammar::{Description, Direction, Syntax, UnmappedPolicy};
use crate::grammar_check::check_grammar;
use crate::model::{DynMessage, MessageSchema, encode, message_schema};
use crate::path_map::{MappedPaths, PathMap, map_rules};
use crate::plan::{Rule, native_names, parse_native_path, resolve};
use crate::rule_check::check_rules;
use crate::scan;
use crate::tree::{NodeName, Tree};
use crate::unmapped::FormatIdentity;
use crate::write::json::JsonFrame;
use crate::yaml_tree::{SourceMap, parse_yaml, syntax_error};

mod code_lists;
mod decode;
mod detect;
mod detect_rule;
mod encode;
mod names;

use detect_rule::DetectRule;
use names::check_names;

/// What a format writes that the message does not contain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EncodeContext {
    /// Time of the conversion, microseconds since 1970 UTC. The caller gives the same time for
    /// every attempt, so that a repeated conversion gives the same bytes.
    pub now_us: i64,
    /// Code of the organisation that writes, for the trace of formats that have one; empty: no hop
    /// is added.
    pub organisation: String,
}

/// One record of a native item: a message, or refused by itself.
#[derive(Clone, Debug)]
pub struct DecodedRecord {
    /// Where the record stands in the item: its path with its index, such as `data[2]`, or the line
    /// at which it begins, such as `line 3`; empty when the item is the record.
    pub place: String,
    /// The message, or the fault of this record alone, with the sender's own field.
    pub outcome: Result<DecodedMessage, Fault>,
}

/// The messages of records none of which is refused.
///
/// # Errors
///
/// The fault of the first record that is.
pub(crate) fn messages_of(records: Vec<DecodedRecord>) -> Result<Vec<DecodedMessage>, Fault> {
    records.into_iter().map(|it| it.outcome).collect()
}

/// The message of a record.
#[derive(Clone, Debug)]
pub struct DecodedMessage {
    /// The canonical message.
    pub canonical: Canonical,
    /// Deviations that did not refuse the record.
    pub findings: Vec<Finding>,
}

/// A format: reads and writes by the same rules. Immutable, so it can be shared.
#[derive(Clone, Debug)]
pub struct Format {
    pub(crate) name: String,
    version: u32,
    title: String,
    hash: String,
    digest: Bytes,
    /// Type of the messages that the rules map.
    pub(crate) schema: &'static MessageSchema,
    carries: Vec<MessageType>,
    pub(crate) syntax: Syntax,
    pub(crate) detect: Vec<DetectRule>,
    /// The format is never detected.
    is_named_only: bool,
    /// Native path of the records.
    pub(crate) records: Vec<NodeName>,
    /// Names of the nodes of a flat record, in the order of the rules.
    names: Vec<String>,
    unmapped: UnmappedPolicy,
    described_losses: BTreeMap<String, String>,
    direction: Direction,
    dialect: Option<String>,
    empty: Vec<String>,
    write_empty: Option<String>,
    packing: Packing,
    frame: JsonFrame,
    pub(crate) rules: Vec<Rule>,
    pub(crate) path_map: PathMap,
    /// Native paths of repeated nodes.
    lists: Vec<String>,
    /// Those among them whose records complete the items of another list rule.
    second_records: Vec<String>,
    /// A list of the description takes its rows from the registry.
    binds_code_lists: bool,
    day_rule: Option<DayRule>,
    /// The registry's lists; empty for a format that is bound to none.
    code_lists: Arc<CodeListSet>,
}

impl Format {
    /// Compiles a description.
    ///
    /// # Errors
    ///
    /// Every mistake, in the order of the file.
    pub fn compile(description: &str) -> Result<Self, Vec<SourceMistake>> {
        let (format, mistakes) = Self::check(description);
        format.ok_or(mistakes)
    }

    /// Compiles a description and reports every mistake in it, in the order of the file. There is no
    /// format where there is a mistake.
    pub fn check(description: &str) -> (Option<Self>, Vec<SourceMistake>) {
        let root = match parse_yaml(description) {
            Ok(root) => root,
            Err(error) => return (None, vec![yaml_mistake(error)]),
        };
        let mut mistakes = check_grammar(&root);
        let format = match serde_saphyr::from_str::<Description>(description) {
            Ok(parsed) => Self::build(description, parsed, &SourceMap::new(&root), &mut mistakes),
            Err(error) => {
                if mistakes.is_empty() {
                    mistakes.push(yaml_mistake(syntax_error(&error)));
                }
                None
            }
        };
        mistakes.sort_by_key(|it| it.position);
        (format.filter(|_| mistakes.is_empty()), mistakes)
    }

    fn build(
        description: &str,
        parsed: Description,
        source: &SourceMap,
        mistakes: &mut Vec<SourceMistake>,
    ) -> Option<Self> {
        let (message, carries) = carried_message(&parsed.carries)?;
        let schema = message_schema(message)?;
        let (rules, rule_mistakes) = resolve(&parsed, schema, source);
        mistakes.extend(rule_mistakes);
        let frame = match &parsed.syntax {
            Syntax::Json { records, around, count } => JsonFrame::parse(around, records, count)
                .unwrap_or_else(|defects| {
                    let position = source.path(&["syntax", "around"]);
                    let mistake = |it| SourceMistake::new(position, "around", it);
                    mistakes.extend(defects.into_iter().map(mistake));
                    JsonFrame::default()
                }),
            Syntax::Xml { .. } | Syntax::Csv(_) | Syntax::Fields(_) | Syntax::CanonicalJson => {
                JsonFrame::default()
            }
        };
        let records = parse_native_path(parsed.syntax.records(), false);
        let MappedPaths { mappings, lists, second_records, .. } = map_rules(&rules);
        mistakes.extend(check_names(&parsed.syntax, source));
        mistakes.extend(check_rules(&rules, &parsed, source));
        let names = native_names(&rules);
        let hash = Sha256::digest(description.as_bytes());
        let is_flat = parsed.syntax.is_flat();
        Some(Self {
            name: parsed.format,
            version: parsed.version,
            title: parsed.title,
            digest: Bytes::copy_from_slice(&hash),
            hash: hex::encode(hash),
            carries,
            schema,
            syntax: parsed.syntax,
            is_named_only: parsed.named,
            detect: parsed.detect.iter().map(|it| DetectRule::new(it, is_flat)).collect(),
            records,
            names,
            unmapped: parsed.others,
            described_losses: parsed.loss,
            direction: parsed.direction,
            dialect: parsed.dialect,
            empty: parsed.empty,
            write_empty: parsed.write_empty,
            packing: Packing {
                form: parsed.file_form,
                is_told: rules.iter().any(Rule::tells_packing),
            },
            frame,
            binds_code_lists: parsed.lists.values().any(|it| it.registered.is_some()),
            day_rule: DayRule::find(&rules),
            code_lists: Arc::default(),
            rules,
            path_map: PathMap::new(mappings, schema),
            lists,
            second_records,
        })
    }

    /// Name, unique in a registry.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Version of the description.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// SHA-256 of the description, lower-case hex.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Name for people, Vietnamese.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Types of messages the format carries.
    pub fn carries(&self) -> &[MessageType] {
        &self.carries
    }

    /// The syntax, as descriptions name it.
    pub fn syntax_name(&self) -> &'static str {
        match self.syntax {
            Syntax::Xml { .. } => "xml",
            Syntax::Json { .. } => "json",
            Syntax::Csv(_) => "csv",
            Syntax::Fields(_) => "fields",
            Syntax::CanonicalJson => "canonical-json",
        }
    }

    /// True for a format with rules: false for the canonical model itself.
    pub fn has_rules(&self) -> bool {
        !matches!(self.syntax, Syntax::CanonicalJson)
    }

    /// What the description itself says that the format cannot carry, by reason.
    pub fn described_losses(&self) -> &BTreeMap<String, String> {
        &self.described_losses
    }

    /// False for a format that is only read.
    pub fn is_written(&self) -> bool {
        self.direction == Direction::Both
    }

    /// The native path that a canonical path maps to, for messages to people, with the index of the
    /// item in a repeated node; the canonical path itself when the format does not map it.
    pub fn native_path(&self, canonical: &str) -> String {
        // A leftover's path ends in its native path.
        if let Some((_, native)) =
            canonical.strip_prefix("leftovers[").and_then(|it| it.split_once("]."))
        {
            return native.to_owned();
        }
        let Some(mapping) = self.path_map.find(canonical) else { return canonical.to_owned() };
        let native = &mapping.native;
        let list = self.lists.iter().find(|it| {
            native.strip_prefix(it.as_str()).is_some_and(|it| it.is_empty() || it.starts_with('/'))
        });
        let index = canonical.split_once('[').and_then(|(_, it)| it.split_once(']'));
        match (list, index) {
            (Some(list), Some((index, _))) if index.bytes().all(|it| it.is_ascii_digit()) => {
                let rest = native.get(list.len()..).unwrap_or_default();
                format!("{list}[{index}]{rest}")
            }
            _ => native.clone(),
        }
    }

    pub(crate) fn scan<'a>(&self, text: &'a str) -> Result<Tree<'a>, Fault> {
        if !self.syntax.is_flat() {
            scan::refuse_html(text)?;
        }
        match &self.syntax {
            Syntax::Xml { root, namespace, .. } => scan::xml::scan(text, root, namespace),
            Syntax::Json { .. } | Syntax::CanonicalJson => scan::json::scan(text),
            Syntax::Csv(it) => scan::csv::scan(text, it, &self.names),
            Syntax::Fields(it) => scan::fields::scan(text, it, &self.names),
        }
    }

    /// The nodes of the records. One in which nothing stands is none.
    pub(crate) fn find_records(&self, tree: &Tree<'_>) -> Vec<usize> {
        let mut records = self.record_nodes(tree);
        records.retain(|it| self.is_record(tree, *it));
        records
    }

    /// The nodes at the place of the records.
    fn record_nodes(&self, tree: &Tree<'_>) -> Vec<usize> {
        if self.syntax.is_flat() {
            tree.children(0).collect()
        } else {
            tree.find_all(0, &self.records)
        }
    }

    /// True unless nothing stands in the node. Flat syntaxes pass over empty lines themselves, and
    /// the whole content is a record in any case.
    fn is_record(&self, tree: &Tree<'_>, node_id: usize) -> bool {
        node_id == 0 || self.syntax.is_flat() || tree.says_something(node_id)
    }

    /// Converts a message of the plan to that of the contract.
    fn to_canonical(&self, message: &DynMessage<'_>) -> Result<Canonical, Fault> {
        let bytes = encode(message);
        let mismatch = |_| internal_fault("canonical");
        let body = match self.carries.first() {
            Some(MessageType::Status) => Body::Status(
                proto::canonical::v1::Status::decode(bytes.as_slice()).map_err(mismatch)?,
            ),
            Some(MessageType::DeliveryReport) => {
                let report = proto::canonical::v1::DeliveryReport::decode(bytes.as_slice());
                Body::DeliveryReport(report.map_err(mismatch)?)
            }
            _ => Body::Document(
                proto::canonical::v1::Document::decode(bytes.as_slice()).map_err(mismatch)?,
            ),
        };
        Ok(Canonical { origin: None, body: Some(body) })
    }

    /// What the reader of a record needs to know of the format: the texts that stand for an absent
    /// value, and whether white space around a text is layout.
    fn reading(&self) -> (&[String], bool) {
        (&self.empty, self.syntax.is_xml() || matches!(self.syntax, Syntax::Fields(_)))
    }

    fn identity(&self) -> FormatIdentity<'_> {
        let is_xml = self.syntax.is_xml();
        FormatIdentity {
            name: &self.name,
            version: self.version,
            is_xml,
            lists: &self.lists,
            second_records: &self.second_records,
        }
    }
}

fn internal_fault(detail: &str) -> Fault {
    Fault::new(&code::LT_SYS_002).param("part", "formats").detail(detail)
}

/// The message type that the rules map, and the types of messages, for a value of `carries`; none
/// for another word, which the check of the grammar reports.
fn carried_message(carries: &str) -> Option<(&'static str, Vec<MessageType>)> {
    Some(match carries {
        "Document" => ("Document", vec![MessageType::Document]),
        "Status" => ("Status", vec![MessageType::Status]),
        "DeliveryReport" => ("DeliveryReport", vec![MessageType::DeliveryReport]),
        // The JSON mapping has no rules; the type is not used.
        "Canonical" => (
            "Document",
            vec![MessageType::Document, MessageType::Status, MessageType::DeliveryReport],
        ),
        _ => return None,
    })
}

fn yaml_mistake((position, message): (SourcePosition, String)) -> SourceMistake {
    let defect = Defect::new(
        &code::LT_FMT_001,
        format!("không đúng YAML: {message}"),
        format!("this is not YAML: {message}"),
    );
    SourceMistake::new(position, "", defect)
}
