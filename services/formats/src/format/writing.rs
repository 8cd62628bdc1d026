//! Canonical messages into native bytes, and the report of what that did to them.

use std::borrow::Cow;
use std::collections::HashSet;

use prost::Message as _;
use proto::canonical::v1::{Canonical, canonical::Body};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::message::v1::{Loss, MessageType};

use super::reading::finish;
use super::{EncodeContext, Format, broken};
use crate::content::{BlobSource, Budget, Nowhere};
use crate::convert::clean;
use crate::grammar::Syntax;
use crate::read::{Files, Reading};
use crate::record::{Record, Value, decode};
use crate::report::difference;
use crate::tree::Tree;
use crate::write::{Hop, Writing, Written, append, writable};
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
        context: EncodeContext,
        source: &dyn BlobSource,
        out: &mut Vec<u8>,
    ) -> Result<Vec<Loss>, Fault> {
        if matches!(self.syntax, Syntax::CanonicalJson) {
            out.extend_from_slice(canonical_json::write(canonical)?.as_bytes());
            return Ok(Vec::new());
        }
        let EncodeContext { now_us, organisation } = context;
        let now_s = now_us.div_euclid(1_000_000);
        let bytes = self.body(canonical)?;
        let message = self.filled(&bytes)?;
        // What is written may have other ids, and hops that the message has not.
        let distinct = distinct_ids(canonical).map(|it| self.body(&it)).transpose()?;
        let distinct = distinct.as_deref().map(|it| self.filled(it)).transpose()?;
        let written = distinct.as_ref().unwrap_or(&message);
        let longer = append(&self.lines, written, Hop { organisation: &organisation, now_s });
        let root = match &self.syntax {
            Syntax::Xml { root, .. } => root.as_str(),
            Syntax::Json { .. } | Syntax::CanonicalJson => "",
        };
        let mut tree = Tree::new(root);
        let mut writing = Writing {
            tree: &mut tree,
            write_empty: self.write_empty.as_deref(),
            files: Vec::new(),
            refused: Vec::new(),
            now_s,
        };
        writing.record(&self.lines, 0, longer.as_ref().unwrap_or(written));
        writing.refusal()?;
        let mut files = writing.files;
        leftovers::put_back(&mut tree, canonical, self.owner());
        let begin = out.len();
        let losses = self
            .bytes(&tree, (&mut files, source), out)
            .and_then(|()| self.losses(&tree, files, &message));
        if losses.is_err() {
            out.truncate(begin);
        }
        losses
    }

    /// The bytes of the body, if it is one that the format carries.
    fn body(&self, canonical: &Canonical) -> Result<Vec<u8>, Fault> {
        match (&canonical.body, self.carries.first()) {
            (Some(Body::Document(it)), Some(MessageType::Document)) => Ok(it.encode_to_vec()),
            (Some(Body::Status(it)), Some(MessageType::Status)) => Ok(it.encode_to_vec()),
            _ => Err(Fault::new(&code::LT_MAP_015).param("format", &self.name)),
        }
    }

    /// The body as the plan's lines see it.
    fn filled<'b>(&self, bytes: &'b [u8]) -> Result<Record<'b>, Fault> {
        decode(self.shape, bytes).ok_or_else(|| broken("canonical"))
    }

    fn bytes(
        &self,
        tree: &Tree<'_>,
        files: (&mut [Written], &dyn BlobSource),
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        match &self.syntax {
            Syntax::Xml { namespace, prefix, declared_at, .. } => {
                out.reserve(4_096);
                let names = write::xml::Names { namespace, prefix, declared_at };
                write::xml::write(tree, names, files, out)
            }
            Syntax::Json { .. } => {
                out.reserve(2_048);
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
        tree: &Tree<'_>,
        mut files: Vec<Written>,
        message: &Record<'_>,
    ) -> Result<Vec<Loss>, Fault> {
        collect_files(message, &mut files);
        let mut back = Record::new(self.shape);
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
        if back.named("attachments").is_none() {
            return Ok(difference(message, &back, &self.places));
        }
        let mut canonical = self.canonical(&back)?;
        finish(&mut canonical, None);
        reading.open(&mut canonical, &mut Nowhere, &mut Budget::item())?;
        let bytes = self.body(&canonical)?;
        Ok(difference(message, &self.filled(&bytes)?, &self.places))
    }
}

/// The same message with ids that tell its files apart; none when they do already.
fn distinct_ids(canonical: &Canonical) -> Option<Canonical> {
    let Some(Body::Document(document)) = &canonical.body else { return None };
    let read = |id: &str| {
        let text = writable(Cow::Borrowed(id)).unwrap_or_default();
        clean(&text).map(Cow::into_owned).unwrap_or_default()
    };
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

fn collect_files(message: &Record<'_>, into: &mut Vec<Written>) {
    let attachments = message.named("attachments").and_then(Value::as_list).unwrap_or_default();
    for item in attachments {
        let content = item.as_message().and_then(|it| it.named("content")?.as_message());
        let named = content.and_then(write::file);
        into.extend(named.map(|named| Written { named, ending: String::new(), head: Vec::new() }));
    }
}
