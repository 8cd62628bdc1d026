//! Decodes native bytes to canonical messages.

use proto::canonical::v1::{Canonical, Leftovers, canonical::Body};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::mapping::v1::DeclaredAttachment;
use proto::message::v1::Finding;
use sha2::{Digest as _, Sha256};

use crate::canonical_json;
use crate::content::{BlobSink, UnpackBudget};
use crate::file::{attachments_mut, make_names_plain, unreferenced_file};
use crate::format::{DecodedMessage, DecodedRecord, Format, messages_of};
use crate::grammar::{Syntax, UnmappedPolicy};
use crate::limits::{FINDINGS_MAX, RECORDS_MAX};
use crate::model::DynMessage;
use crate::plan::{Rule, parse_native_path};
use crate::read::{FileSource, RecordReader};
use crate::scan::csv::is_formula;
use crate::scan::{NativeText, decode_text, refuse_html};
use crate::tree::Tree;
use crate::unmapped::{self, CollectedRecord};

impl Format {
    /// Decodes native bytes of which every record is a message. The sink receives the files that
    /// the body contains, in their order; `declared` lists those that were uploaded beside it.
    ///
    /// # Errors
    ///
    /// The first reason to refuse the item or one of its records, with the sender's own field.
    pub fn decode(
        &self,
        native: &[u8],
        declared: &[DeclaredAttachment],
        sink: &mut dyn BlobSink,
    ) -> Result<Vec<DecodedMessage>, Fault> {
        messages_of(self.decode_records(native, declared, sink)?)
    }

    /// Decodes native bytes; each record is a message, or is refused by itself.
    ///
    /// # Errors
    ///
    /// The first reason to refuse the item as a whole: its text is not of the syntax, exceeds a
    /// bound, bears a secrecy mark anywhere, or what is needed to read it fails at present.
    pub fn decode_records(
        &self,
        native: &[u8],
        declared: &[DeclaredAttachment],
        sink: &mut dyn BlobSink,
    ) -> Result<Vec<DecodedRecord>, Fault> {
        let NativeText { text, finding } = decode_text(native, self.syntax.charset())?;
        let decoded = match self.syntax.is_canonical() {
            true => self.decode_canonical(&text, (native, declared), sink),
            false => self.decode_tree(&self.scan(&text)?, (native, declared), sink),
        };
        Ok(with_finding(decoded?, finding.as_ref()))
    }

    fn decode_canonical(
        &self,
        text: &str,
        (native, declared): (&[u8], &[DeclaredAttachment]),
        sink: &mut dyn BlobSink,
    ) -> Result<Vec<DecodedRecord>, Fault> {
        refuse_html(text)?;
        let (mut canonical, findings) = canonical_json::read(text, declared, sink)?;
        self.set_origin(&mut canonical, native);
        let outcome = Ok(DecodedMessage { canonical, findings });
        Ok(vec![DecodedRecord { place: String::new(), outcome }])
    }

    /// Decodes native bytes whose tree was scanned to detect the format.
    pub(crate) fn decode_scanned(
        &self,
        tree: &Tree<'_>,
        text: &NativeText<'_>,
        (native, declared): (&[u8], &[DeclaredAttachment]),
        sink: &mut dyn BlobSink,
    ) -> Result<Vec<DecodedRecord>, Fault> {
        let decoded = match self.syntax.is_canonical() {
            true => self.decode_canonical(&text.text, (native, declared), sink),
            false => self.decode_tree(tree, (native, declared), sink),
        };
        Ok(with_finding(decoded?, text.finding.as_ref()))
    }

    fn decode_tree(
        &self,
        tree: &Tree<'_>,
        (native, declared): (&[u8], &[DeclaredAttachment]),
        sink: &mut dyn BlobSink,
    ) -> Result<Vec<DecodedRecord>, Fault> {
        let nodes = self.record_nodes(tree);
        let places = record_places(tree, &nodes);
        let (records, places): (Vec<usize>, Vec<String>) =
            nodes.into_iter().zip(places).filter(|it| self.is_record(tree, it.0)).unzip();
        self.check_record_count(records.len())?;
        self.check_secrecy(tree, &records, declared)?;
        let (referenced, budget) = (Vec::new(), UnpackBudget::per_item());
        let mut item = ItemState { declared, sink, referenced, budget };
        let mut decoded = Vec::with_capacity(records.len());
        for (index, place) in places.into_iter().enumerate() {
            let outcome = match self.decode_record(tree, (index, records[index]), &mut item) {
                Ok(message) => Ok(message),
                Err(RecordFailure::Record(fault)) => Err(fault),
                Err(RecordFailure::Item(fault)) => return Err(fault),
            };
            decoded.push(DecodedRecord { place, outcome });
        }
        // A record that was refused may have named what no other one names.
        let is_complete = decoded.iter().all(|it| it.outcome.is_ok());
        let mut extra = declared.iter().filter(|it| !item.referenced.contains(&it.reference));
        if let Some(extra) = extra.next().filter(|_| is_complete) {
            return Err(unreferenced_file(extra));
        }
        let mut count_finding = self.count_finding(tree, records.len());
        for message in decoded.iter_mut().filter_map(|it| it.outcome.as_mut().ok()) {
            message.findings.extend(count_finding.take());
            self.set_origin(&mut message.canonical, native);
        }
        Ok(decoded)
    }

    /// Refuses the item for a secrecy mark in any of its records or outside them, because its bytes
    /// would be stored with every record that is accepted. This comes first: a refused item leaves
    /// no other trace.
    fn check_secrecy(
        &self,
        tree: &Tree<'_>,
        records: &[usize],
        declared: &[DeclaredAttachment],
    ) -> Result<(), Fault> {
        let (broken, readable): (Vec<usize>, Vec<usize>) =
            records.iter().partition(|it| tree.defect_of(**it).is_some());
        let first_defect = broken.first().and_then(|it| tree.defect_of(*it));
        // Which cell of such a row is the secrecy mark cannot be told.
        if let Some(fault) = first_defect.filter(|_| self.rules.iter().any(Rule::has_gate)) {
            return Err(fault.clone());
        }
        for record in &readable {
            self.new_reader(tree, declared).check_secrecy(&self.rules, *record)?;
        }
        unmapped::check_outside(tree, &readable)
    }

    fn check_record_count(&self, count: usize) -> Result<(), Fault> {
        if count > RECORDS_MAX {
            return Err(Fault::new(&code::LT_MAP_005).violation(
                "body",
                format!("có {count} văn bản, nhiều nhất {RECORDS_MAX}"),
                format!("holds {count} documents, at most {RECORDS_MAX}"),
            ));
        }
        if count > 0 {
            return Ok(());
        }
        if self.syntax.is_xml() {
            return Err(Fault::new(&code::LT_MAP_009));
        }
        Err(Fault::new(&code::LT_MAP_009).violation(
            self.syntax.records(),
            "không có văn bản nào",
            "holds no document",
        ))
    }

    /// A finding when the body says that there are more or fewer records than it holds: it is a
    /// page of a longer list, and the rest would be missed in silence.
    fn count_finding(&self, tree: &Tree<'_>, count: usize) -> Option<Finding> {
        let Syntax::Json { count: path, .. } = &self.syntax else { return None };
        let node_id = tree.find_first(0, &parse_native_path(path, false)).filter(|it| *it != 0)?;
        let said = tree.nodes[node_id].text.trim();
        let differs = said.parse::<usize>().is_ok_and(|it| it != count);
        differs.then(|| Finding {
            code: "LT-MAP-033".to_owned(),
            field: tree.path(node_id),
            text_vi: format!("Ghi có {said} mục, ở đây có {count}; phần còn lại không có ở đây."),
            text_en: format!("Says there are {said} records, {count} are here."),
        })
    }

    fn new_reader<'r>(
        &'r self,
        tree: &'r Tree<'r>,
        declared: &'r [DeclaredAttachment],
    ) -> RecordReader<'r> {
        let (source, codes) = (FileSource::Received(declared), self.code_scope());
        let mut reader = RecordReader::new(tree, source, self.reading(), codes);
        reader.may_wrap = self.packing.may_wrap();
        reader
    }

    fn set_origin(&self, canonical: &mut Canonical, native: &[u8]) {
        canonical.origin = Some(proto::canonical::v1::Origin {
            format: self.name.clone(),
            format_version: self.version,
            format_hash: self.digest.clone(),
            native: Some(proto::canonical::v1::Digest {
                algorithm: "sha256".to_owned(),
                value: bytes::Bytes::copy_from_slice(&Sha256::digest(native)),
            }),
            lists_hash: self.code_lists.digest().clone(),
            ..Default::default()
        });
    }

    /// Decodes a record. Violations are returned, and files decoded, only after the sink has
    /// admitted the message.
    fn decode_record(
        &self,
        tree: &Tree<'_>,
        (index, record): (usize, usize),
        item: &mut ItemState<'_>,
    ) -> Result<DecodedMessage, RecordFailure> {
        if let Some(fault) = tree.defect_of(record) {
            return Err(RecordFailure::Record(fault.clone()));
        }
        let mut message = DynMessage::new(self.schema);
        let mut reader = self.new_reader(tree, item.declared);
        if self.binds_code_lists {
            let day = self.day_rule.as_ref();
            reader.codes.day = day.and_then(|it| it.read(tree, record, reader.codes));
        }
        reader.read_record(&self.rules, record, &mut message)?;
        item.referenced.extend(reader.referenced.iter().map(|(_, it)| (*it).to_owned()));
        let mut canonical = self.to_canonical(&message)?;
        let (leftovers, unmapped_findings) = self.collect_unmapped(&reader, record);
        let (mut findings, violations, fault) = (reader.findings, reader.violations, reader.fault);
        findings.extend(unmapped_findings);
        if matches!(self.syntax, Syntax::Csv(_)) {
            findings.extend(formula_findings(tree, record));
        }
        findings.extend(self.dialect.as_deref().map(|it| report_dialect(it, tree.path(record))));
        complete_attachments(&mut canonical, leftovers);
        findings.extend(make_names_plain(&mut canonical, |index| {
            self.native_path(&format!("attachments[{index}].file_name"))
        }));
        item.sink.admit(index, &canonical).map_err(RecordFailure::Item)?;
        if !violations.is_empty() {
            let mut fault = Fault::new(&code::LT_MAP_014);
            fault.violations = violations;
            return Err(fault.into());
        }
        if let Some(fault) = fault {
            return Err(fault.into());
        }
        let reader = self.new_reader(tree, item.declared);
        let field_of = |index| self.native_path(&format!("attachments[{index}].content.ref"));
        let (sink, budget) = (&mut *item.sink, &mut item.budget);
        findings.extend(reader.decode_files(&mut canonical, sink, budget, &field_of)?);
        Ok(DecodedMessage { canonical, findings })
    }

    /// The leftovers of a record that was read.
    pub(super) fn collect_unmapped(
        &self,
        reader: &RecordReader<'_>,
        record: usize,
    ) -> (Option<Leftovers>, Vec<Finding>) {
        if self.unmapped != UnmappedPolicy::Keep {
            return (None, Vec::new());
        }
        let read = CollectedRecord {
            record,
            unreadable: &reader.unreadable,
            others: &reader.others,
            spellings: &reader.spellings,
            bindings: &reader.bindings,
            ignored: self.syntax.ignored(),
        };
        unmapped::collect_leftovers(reader.tree, read, self.identity())
    }
}

/// Why a record is no message.
enum RecordFailure {
    /// The record is refused, and no other one.
    Record(Fault),
    /// The item is refused as a whole.
    Item(Fault),
}

impl From<Fault> for RecordFailure {
    /// A secrecy mark concerns the whole item, because its bytes are stored with every record; so
    /// does a failure that may pass, because the item then comes again as a whole.
    fn from(fault: Fault) -> Self {
        if fault.code == code::LT_MAP_007.code || fault.is_retryable() {
            Self::Item(fault)
        } else {
            Self::Record(fault)
        }
    }
}

/// The path of each record, with its index among those of its list. Built in one pass, because
/// [`Tree::path`] counts the siblings for every node.
fn record_places(tree: &Tree<'_>, records: &[usize]) -> Vec<String> {
    let [_, _, ..] = records else { return records.iter().map(|it| tree.path(*it)).collect() };
    let (mut parent, mut list, mut index) = (None, String::new(), 0);
    let place = |record: &usize| {
        let node = &tree.nodes[*record];
        if parent != Some(node.parent) {
            parent = Some(node.parent);
            (list, index) = (tree.list_path(*record), 0);
        }
        index += 1;
        match node.name.starts_with("line ") {
            true => node.name.to_string(),
            false => format!("{list}[{}]", index - 1),
        }
    };
    records.iter().map(place).collect()
}

/// The records, each message with a finding about the whole item.
fn with_finding(mut decoded: Vec<DecodedRecord>, finding: Option<&Finding>) -> Vec<DecodedRecord> {
    for it in decoded.iter_mut().filter_map(|it| it.outcome.as_mut().ok()) {
        it.findings.extend(finding.cloned());
    }
    decoded
}

/// A finding for every cell that a spreadsheet would evaluate.
fn formula_findings(tree: &Tree<'_>, record: usize) -> impl Iterator<Item = Finding> {
    let formulas = tree.children(record).filter(|it| is_formula(&tree.nodes[*it].text));
    formulas.take(FINDINGS_MAX).map(|it| Finding {
        code: "LT-MAP-066".to_owned(),
        field: tree.path(it),
        text_vi: "Ô này trông như công thức; giữ là chữ, không tính.".to_owned(),
        text_en: "The cell looks like a formula; it is kept as text and not evaluated.".to_owned(),
    })
}

/// The finding that a message is not in the form that its standard requires.
fn report_dialect(dialect: &str, field: String) -> Finding {
    Finding {
        code: "LT-MAP-080".to_owned(),
        field,
        text_vi: format!("Đọc theo dạng {dialect}; không phải dạng chuẩn."),
        text_en: format!("Read as {dialect}, which is not the standard form."),
    }
}

/// State that the records of one item share.
struct ItemState<'s> {
    declared: &'s [DeclaredAttachment],
    sink: &'s mut dyn BlobSink,
    /// References of declared attachments that records name.
    referenced: Vec<String>,
    budget: UnpackBudget,
}

/// Adds leftovers, and gives attachments an id where the source has none that can be used.
pub(super) fn complete_attachments(canonical: &mut Canonical, leftovers: Option<Leftovers>) {
    let all_leftovers = match &mut canonical.body {
        Some(Body::Document(it)) => &mut it.leftovers,
        Some(Body::Status(it)) => &mut it.leftovers,
        Some(Body::DeliveryReport(it)) => &mut it.leftovers,
        Some(Body::Receipt(_)) | None => return,
    };
    all_leftovers.extend(leftovers);
    let mut used = std::collections::HashSet::new();
    for (index, it) in attachments_mut(canonical).iter_mut().enumerate() {
        // A later attachment with an id that is assigned here gets another one.
        let mut number = index + 1;
        while it.id.is_empty() || used.contains(&it.id) {
            it.id = number.to_string();
            number += 1;
        }
        used.insert(it.id.clone());
    }
}
