//! Canonical messages into native bytes, and the report of what that did to them.

use std::collections::HashSet;

use prost::Message as _;
use prost_reflect::DynamicMessage;
use proto::canonical::v1::{Canonical, canonical::Body};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::MessageType;
use proto::mapping::v1::Loss;

use super::reading::finish;
use super::{Context, Format, broken};
use crate::content::{BlobSource, Budget, Nowhere};
use crate::convert::clean;
use crate::grammar::Syntax;
use crate::read::{Files, Reading};
use crate::report::difference;
use crate::tree::Tree;
use crate::write::{Writing, Written, writable};
use crate::{canonical_json, leftovers, write};

impl Format {
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
        let Context { now_us, organisation } = context;
        let message = self.filled(canonical)?;
        let distinct = distinct_ids(canonical);
        let root = match &self.syntax {
            Syntax::Xml { root, .. } => root.clone(),
            Syntax::Json { .. } | Syntax::CanonicalJson => String::new(),
        };
        let mut tree = Tree::new(root);
        let mut writing = Writing {
            tree: &mut tree,
            write_empty: self.write_empty.as_deref(),
            files: Vec::new(),
            refused: Vec::new(),
            now_s: now_us.div_euclid(1_000_000),
            organisation: &organisation,
        };
        match &distinct {
            Some(distinct) => writing.record(&self.lines, 0, &self.filled(distinct)?),
            None => writing.record(&self.lines, 0, &message),
        }
        writing.refusal()?;
        let mut files = writing.files;
        leftovers::put_back(&mut tree, canonical, self.owner());
        let begin = out.len();
        let losses = self
            .bytes(&tree, (&mut files, source), out)
            .and_then(|()| self.losses(&mut tree, files, &message));
        if losses.is_err() {
            out.truncate(begin);
        }
        losses
    }

    /// The body as the plan's lines see it.
    fn filled(&self, canonical: &Canonical) -> Result<DynamicMessage, Fault> {
        let mut message = self.message()?;
        let bytes = match (&canonical.body, self.carries.first()) {
            (Some(Body::Document(it)), Some(MessageType::Document)) => it.encode_to_vec(),
            (Some(Body::Status(it)), Some(MessageType::Status)) => it.encode_to_vec(),
            _ => return Err(Fault::new(&code::LT_MAP_015).param("format", &self.name)),
        };
        message.merge(bytes.as_slice()).map_err(|_error| broken("canonical"))?;
        Ok(message)
    }

    fn bytes(
        &self,
        tree: &Tree<'_>,
        files: (&mut [Written], &dyn BlobSource),
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        match &self.syntax {
            Syntax::Xml { namespace, prefix, declared_at, .. } => {
                let names = write::xml::Names { namespace, prefix, declared_at };
                write::xml::write(tree, names, files, out)
            }
            Syntax::Json { .. } => {
                out.extend_from_slice(self.frame.before.as_bytes());
                write::json::write(tree, 0, out);
                out.extend_from_slice(self.frame.behind.as_bytes());
                Ok(())
            }
            Syntax::CanonicalJson => Ok(()),
        }
    }

    /// What reading the written tree gives, against what was to be written.
    fn losses(
        &self,
        tree: &mut Tree<'static>,
        mut files: Vec<Written>,
        message: &DynamicMessage,
    ) -> Result<Vec<Loss>, Fault> {
        collect_files(message, &mut files);
        let mut back = self.message()?;
        let mut reading = Reading::new(tree, Files::Known(&files), &self.empty);
        reading.record(&self.lines, 0, &mut back)?;
        if !reading.violations.is_empty() {
            let paths: Vec<_> = reading.violations.iter().map(|it| it.field.as_str()).collect();
            let mut fault = Fault::new(&code::LT_MAP_012).param("paths", paths.join(", "));
            fault.violations = reading.violations;
            return Err(fault);
        }
        if let Some(fault) = reading.fault {
            return Err(fault);
        }
        // Only files are told apart by more than what the lines read.
        if !back.has_field_by_name("attachments") {
            return Ok(difference(message, &back, &self.places));
        }
        let mut canonical = self.canonical(&back)?;
        finish(&mut canonical, None);
        reading.open(&mut canonical, &mut Nowhere, &mut Budget::item())?;
        Ok(difference(message, &self.filled(&canonical)?, &self.places))
    }
}

/// The same message with ids that tell its files apart; none when they do already.
fn distinct_ids(canonical: &Canonical) -> Option<Canonical> {
    let Some(Body::Document(document)) = &canonical.body else { return None };
    let read =
        |id: &str| writable(id.to_owned()).and_then(|it| clean(&it).ok()).unwrap_or_default();
    let mut taken = HashSet::new();
    let mut all: Vec<String> = document.attachments.iter().map(|it| read(&it.id)).collect();
    let is_distinct = |it: &String| !it.is_empty() && taken.insert(it.clone());
    if all.iter().filter(|it| it.is_empty()).count() == 0 && all.iter().all(is_distinct) {
        return None;
    }
    let known: HashSet<String> = all.iter().cloned().collect();
    let mut free = (1..).map(|it: usize| it.to_string()).filter(|it| !known.contains(it));
    let mut given = HashSet::new();
    for id in &mut all {
        if id.is_empty() || given.contains(id) {
            *id = free.next().unwrap_or_default();
        }
        given.insert(id.clone());
    }
    let mut document = document.clone();
    for (attachment, id) in document.attachments.iter_mut().zip(all) {
        attachment.id = id;
    }
    Some(Canonical { origin: None, body: Some(Body::Document(document)) })
}

fn collect_files(message: &DynamicMessage, into: &mut Vec<Written>) {
    let Some(list) = message.get_field_by_name("attachments") else { return };
    for item in list.as_list().unwrap_or_default() {
        let content = item.as_message().and_then(|it| it.get_field_by_name("content"));
        let named = content.and_then(|it| write::file(it.as_message()?));
        into.extend(named.map(|named| Written { named, ending: String::new(), head: Vec::new() }));
    }
}
