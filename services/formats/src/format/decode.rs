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
use crate::format::{DecodedMessage, Format};
use crate::grammar::{Syntax, UnmappedPolicy};
use crate::limits::{FINDINGS_MAX, RECORDS_MAX};
use crate::model::DynMessage;
use crate::plan::parse_native_path;
use crate::read::{FileSource, RecordReader};
use crate::scan::csv::is_formula;
use crate::scan::{NativeText, decode_text, refuse_html};
use crate::tree::Tree;
use crate::unmapped::{self, CollectedRecord};

impl Format {
    /// Decodes native bytes; each record is a message. The sink receives the files that the body
    /// contains, in their order; `declared` lists those that were uploaded beside it.
    ///
    /// # Errors
    ///
    /// The first reason to refuse the item, with the sender's own field.
    pub fn decode(
        &self,
        native: &[u8],
        declared: &[DeclaredAttachment],
        sink: &mut dyn BlobSink,
    ) -> Result<Vec<DecodedMessage>, Fault> {
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
    ) -> Result<Vec<DecodedMessage>, Fault> {
        refuse_html(text)?;
        let (mut canonical, findings) = canonical_json::read(text, declared, sink)?;
        self.set_origin(&mut canonical, native);
        Ok(vec![DecodedMessage { canonical, findings }])
    }

    /// Decodes native bytes whose tree was scanned to detect the format.
    pub(crate) fn decode_scanned(
        &self,
        tree: &Tree<'_>,
        text: &NativeText<'_>,
        (native, declared): (&[u8], &[DeclaredAttachment]),
        sink: &mut dyn BlobSink,
    ) -> Result<Vec<DecodedMessage>, Fault> {
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
    ) -> Result<Vec<DecodedMessage>, Fault> {
        let records = self.find_records(tree);
        if records.len() > RECORDS_MAX {
            let count = records.len();
            return Err(Fault::new(&code::LT_MAP_005).violation(
                "body",
                format!("có {count} văn bản, nhiều nhất {RECORDS_MAX}"),
                format!("holds {count} documents, at most {RECORDS_MAX}"),
            ));
        }
        if records.is_empty() {
            if self.syntax.is_xml() {
                return Err(Fault::new(&code::LT_MAP_009));
            }
            return Err(Fault::new(&code::LT_MAP_009).violation(
                self.syntax.records(),
                "không có văn bản nào",
                "holds no document",
            ));
        }
        // Secrecy marks of all records come first: a refused item leaves no other trace.
        for record in &records {
            self.new_reader(tree, declared).check_secrecy(&self.rules, *record)?;
        }
        unmapped::check_outside(tree, &records)?;
        let (budget, count) = (UnpackBudget::per_item(), records.len());
        let mut item = ItemState { declared, sink, referenced: Vec::new(), budget };
        let mut decoded = Vec::new();
        for record in records {
            decoded.push(self.decode_record(tree, record, &mut item)?);
        }
        if let Some(first) = decoded.first_mut() {
            first.findings.extend(self.count_finding(tree, count));
        }
        if let Some(extra) = declared.iter().find(|it| !item.referenced.contains(&it.reference)) {
            return Err(unreferenced_file(extra));
        }
        for it in &mut decoded {
            self.set_origin(&mut it.canonical, native);
        }
        Ok(decoded)
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
        let mut reader = RecordReader::new(tree, FileSource::Received(declared), self.reading());
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
            ..Default::default()
        });
    }

    /// Decodes a record. Violations are returned, and files decoded, only after the sink has
    /// admitted the message.
    fn decode_record(
        &self,
        tree: &Tree<'_>,
        record: usize,
        item: &mut ItemState<'_>,
    ) -> Result<DecodedMessage, Fault> {
        let mut message = DynMessage::new(self.schema);
        let mut reader = self.new_reader(tree, item.declared);
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
        item.sink.admit(&canonical)?;
        if !violations.is_empty() {
            let mut fault = Fault::new(&code::LT_MAP_014);
            fault.violations = violations;
            return Err(fault);
        }
        if let Some(fault) = fault {
            return Err(fault);
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

/// The messages, each with a finding about the whole item.
fn with_finding(
    mut decoded: Vec<DecodedMessage>,
    finding: Option<&Finding>,
) -> Vec<DecodedMessage> {
    for it in &mut decoded {
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
