//! Native bytes into canonical messages.

use proto::canonical::v1::{Canonical, Leftovers, canonical::Body};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::mapping::v1::DeclaredAttachment;
use proto::message::v1::Finding;
use sha2::{Digest as _, Sha256};

use super::{DecodedMessage, Format};
use crate::content::{BlobSink, Budget, by_name};
use crate::grammar::{Others, Syntax};
use crate::limits::RECORDS_MAX;
use crate::read::{Files, Reading, attachments};
use crate::record::Record;
use crate::tree::Tree;
use crate::{canonical_json, leftovers};

impl Format {
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
    ) -> Result<Vec<DecodedMessage>, Fault> {
        let text = utf8(native)?;
        if matches!(self.syntax, Syntax::CanonicalJson) {
            return self.decode_canonical(text, (native, declared), sink);
        }
        self.decode_tree(&self.scan(text)?, (native, declared), sink)
    }

    fn decode_canonical(
        &self,
        text: &str,
        (native, declared): (&[u8], &[DeclaredAttachment]),
        sink: &mut dyn BlobSink,
    ) -> Result<Vec<DecodedMessage>, Fault> {
        let mut canonical = canonical_json::read(text, declared, sink)?;
        self.origin(&mut canonical, native);
        Ok(vec![DecodedMessage { canonical, findings: Vec::new() }])
    }

    /// Reads native bytes whose tree is known already.
    pub(crate) fn decode_scanned(
        &self,
        tree: &Tree<'_>,
        (native, declared): (&[u8], &[DeclaredAttachment]),
        sink: &mut dyn BlobSink,
    ) -> Result<Vec<DecodedMessage>, Fault> {
        if matches!(self.syntax, Syntax::CanonicalJson) {
            return self.decode_canonical(utf8(native)?, (native, declared), sink);
        }
        self.decode_tree(tree, (native, declared), sink)
    }

    fn decode_tree(
        &self,
        tree: &Tree<'_>,
        (native, declared): (&[u8], &[DeclaredAttachment]),
        sink: &mut dyn BlobSink,
    ) -> Result<Vec<DecodedMessage>, Fault> {
        let records = tree.all(0, &self.records);
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
        // What bears a secrecy mark is told before anything else of the item is looked at.
        for record in &records {
            self.reading(tree, declared).gate(&self.lines, *record)?;
        }
        let mut whole = Whole { declared, sink, used: Vec::new(), budget: Budget::item() };
        let mut decoded = Vec::new();
        for record in records {
            decoded.push(self.record(tree, record, &mut whole)?);
        }
        if let Some(extra) = declared.iter().find(|it| !whole.used.contains(&it.reference)) {
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

    fn reading<'r>(
        &'r self,
        tree: &'r Tree<'r>,
        declared: &'r [DeclaredAttachment],
    ) -> Reading<'r> {
        Reading::new(tree, Files::Found(declared), &self.empty)
    }

    fn origin(&self, canonical: &mut Canonical, native: &[u8]) {
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

    /// Reads a record. What is wrong with it is told only when the sink admits what it says, and
    /// only then are its files opened.
    fn record(
        &self,
        tree: &Tree<'_>,
        record: usize,
        whole: &mut Whole<'_>,
    ) -> Result<DecodedMessage, Fault> {
        let mut message = Record::new(self.shape);
        let mut reading = self.reading(tree, whole.declared);
        reading.record(&self.lines, record, &mut message)?;
        let (mut findings, invalid) = (reading.findings, reading.invalid);
        let (violations, fault) = (reading.violations, reading.fault);
        whole.used.append(&mut reading.used);
        let mut canonical = self.canonical(&message)?;
        let (leftovers, more) = self.leftovers(tree, record, &invalid);
        findings.extend(more);
        finish(&mut canonical, leftovers);
        whole.sink.admit(&canonical)?;
        if !violations.is_empty() {
            let mut fault = Fault::new(&code::LT_MAP_014);
            fault.violations = violations;
            return Err(fault);
        }
        if let Some(fault) = fault {
            return Err(fault);
        }
        self.reading(tree, whole.declared).open(&mut canonical, whole.sink, &mut whole.budget)?;
        Ok(DecodedMessage { canonical, findings })
    }

    fn leftovers(
        &self,
        tree: &Tree<'_>,
        record: usize,
        invalid: &[usize],
    ) -> (Option<Leftovers>, Vec<Finding>) {
        if self.others != Others::Keep {
            return (None, Vec::new());
        }
        let ignored: &[String] = match &self.syntax {
            Syntax::Xml { ignore, .. } => ignore,
            Syntax::Json { .. } | Syntax::CanonicalJson => &[],
        };
        leftovers::collect(tree, record, (invalid, ignored), self.owner())
    }
}

/// What the records of one item share.
struct Whole<'s> {
    declared: &'s [DeclaredAttachment],
    sink: &'s mut dyn BlobSink,
    /// Declared attachments that were named.
    used: Vec<String>,
    budget: Budget,
}

pub(crate) fn utf8(native: &[u8]) -> Result<&str, Fault> {
    let native = native.strip_prefix(b"\xef\xbb\xbf").unwrap_or(native);
    simdutf8::basic::from_utf8(native).map_err(|_error| Fault::new(&code::LT_MAP_016))
}

/// Files get ids and types where the source gave none that can be used.
pub(super) fn finish(canonical: &mut Canonical, leftovers: Option<Leftovers>) {
    let all = match &mut canonical.body {
        Some(Body::Document(it)) => &mut it.leftovers,
        Some(Body::Status(it)) => &mut it.leftovers,
        Some(Body::Receipt(_)) | None => return,
    };
    all.extend(leftovers);
    let mut taken = std::collections::HashSet::new();
    for (place, it) in attachments(canonical).iter_mut().enumerate() {
        // An id given here may be one that stands further on; that one then gets another.
        let mut number = place + 1;
        while it.id.is_empty() || taken.contains(&it.id) {
            it.id = number.to_string();
            number += 1;
        }
        taken.insert(it.id.clone());
        let known = by_name(&it.file_name);
        if let Some(known) = known.or(it.media_type.is_empty().then_some(UNTOLD)) {
            known.clone_into(&mut it.media_type);
        }
    }
}

/// The media type of a file that nothing is known of.
const UNTOLD: &str = "application/octet-stream";
