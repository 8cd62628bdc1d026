//! Native bytes into canonical messages.

use proto::canonical::v1::{Canonical, Leftovers, canonical::Body};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::mapping::v1::DeclaredAttachment;
use sha2::{Digest as _, Sha256};

use super::{Decoded, Format};
use crate::content::{BlobSink, sniff};
use crate::grammar::{Others, Syntax};
use crate::limits::RECORDS_MAX;
use crate::read::{Files, Reading};
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
}

fn utf8(native: &[u8]) -> Result<&str, Fault> {
    let native = native.strip_prefix(b"\xef\xbb\xbf").unwrap_or(native);
    simdutf8::basic::from_utf8(native).map_err(|_error| Fault::new(&code::LT_MAP_016))
}

/// Files get ids and types where the source gave none that can be used.
pub(super) fn finish(canonical: &mut Canonical, leftovers: Option<Leftovers>) {
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
