//! Encodes canonical messages to native bytes, and reports the losses.

use std::borrow::Cow;
use std::collections::HashSet;

use prost::Message as _;
use proto::canonical::v1::{Canonical, canonical::Body};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::message::v1::{Loss, MessageType};

use crate::content::{BlobSource, NullSink, UnpackBudget};
use crate::convert::{normalize_text, writable_text};
use crate::file::{WrittenFile, digest_of_blob, make_names_plain};
use crate::format::decode::complete_attachments;
use crate::format::{EncodeContext, Format, internal_fault};
use crate::grammar::Syntax;
use crate::model::{DynMessage, Value, decode};
use crate::read::{FileSource, RecordReader};
use crate::report::compare;
use crate::tree::{ItemBindings, Tree};
use crate::unmapped::{self, WrittenTree, leftovers_of, lost_leftovers};
use crate::write::charset::{limit_to_charset, transcode};
use crate::write::{FileWriter, RecordWriter, TraceHop, append_trace};
use crate::{canonical_json, write};

impl Format {
    /// Encodes a message. The losses, applied to the message, give exactly what the receiver will
    /// read.
    ///
    /// # Errors
    ///
    /// The format requires a value that the message lacks, or a file cannot be read.
    pub fn encode(
        &self,
        canonical: &Canonical,
        context: EncodeContext,
        source: &dyn BlobSource,
        out: &mut Vec<u8>,
    ) -> Result<Vec<Loss>, Fault> {
        if !self.is_written() {
            return Err(Fault::new(&code::LT_MAP_081).param("format", &self.name));
        }
        if matches!(self.syntax, Syntax::CanonicalJson) {
            out.extend_from_slice(canonical_json::write(canonical)?.as_bytes());
            return Ok(Vec::new());
        }
        let EncodeContext { now_us, organisation } = context;
        let now_s = now_us.div_euclid(1_000_000);
        let bytes = self.encode_body(canonical)?;
        let message = self.decode_body(&bytes)?;
        // The written message may have other attachment ids and further hops; the losses are
        // relative to the given message.
        let distinct = with_distinct_ids(canonical).map(|it| self.encode_body(&it)).transpose()?;
        let distinct = distinct.as_deref().map(|it| self.decode_body(it)).transpose()?;
        let written = distinct.as_ref().unwrap_or(&message);
        let hop = TraceHop { organisation: &organisation, now_s };
        let extended = append_trace(&self.rules, written, hop);
        let has_leftovers = !leftovers_of(canonical).is_empty();
        let mut tree = Tree::new(self.syntax.root());
        let mut writer = self.new_writer(&mut tree, (canonical, &message), now_s);
        writer.inactive_lists = has_leftovers.then(Vec::new);
        writer.write_record(&self.rules, 0, extended.as_ref().unwrap_or(written));
        writer.check_violations()?;
        let RecordWriter { mut files, bindings, defaulted, inactive_lists, .. } = writer;
        if has_leftovers {
            let written = WrittenTree {
                tree: &mut tree,
                bindings: &bindings,
                defaulted: &defaulted,
                inactive_lists: inactive_lists.as_deref().unwrap_or_default(),
            };
            unmapped::restore_leftovers(written, canonical, self.identity());
        }
        self.check_content(&tree)?;
        let charset = self.syntax.charset();
        if let Some(charset) = charset {
            limit_to_charset(&mut tree, charset);
        }
        let begin = out.len();
        let written = self.write_tree(&tree, (&mut files, source), out);
        if let Some(charset) = charset {
            transcode(out, begin, charset);
        }
        let losses = written.and_then(|()| self.find_losses(&tree, files, (canonical, &message)));
        if losses.is_err() {
            out.truncate(begin);
        }
        losses
    }

    /// Refuses a message of which a flat record would hold nothing: no reader would see a record.
    fn check_content(&self, tree: &Tree<'_>) -> Result<(), Fault> {
        if !self.syntax.is_flat() || tree.says_something(0) {
            return Ok(());
        }
        let paths = self.names.join(", ");
        Err(Fault::new(&code::LT_MAP_012).param("paths", &paths).violation(
            paths,
            "văn bản không có thông tin nào mà định dạng đích có chỗ cho",
            "the document has nothing that the target format has a place for",
        ))
    }

    /// The protobuf bytes of the body, of a type that the format carries.
    fn encode_body(&self, canonical: &Canonical) -> Result<Vec<u8>, Fault> {
        match (&canonical.body, self.carries.first()) {
            (Some(Body::Document(it)), Some(MessageType::Document)) => Ok(it.encode_to_vec()),
            (Some(Body::Status(it)), Some(MessageType::Status)) => Ok(it.encode_to_vec()),
            (Some(Body::DeliveryReport(it)), Some(MessageType::DeliveryReport)) => {
                Ok(it.encode_to_vec())
            }
            _ => Err(Fault::new(&code::LT_MAP_015).param("format", &self.name)),
        }
    }

    /// What a message lacks to be written, with canonical paths; none for a message that can be, or
    /// that the format cannot carry for another reason. Files are not looked at.
    pub fn find_missing(&self, canonical: &Canonical) -> Option<Fault> {
        if !self.is_written() || !self.has_rules() {
            return None;
        }
        let bytes = self.encode_body(canonical).ok()?;
        let message = self.decode_body(&bytes).ok()?;
        let hop = TraceHop { organisation: "", now_s: 0 };
        let extended = append_trace(&self.rules, &message, hop);
        let mut tree = Tree::new(self.syntax.root());
        let mut writer = self.new_writer(&mut tree, (canonical, &message), 0);
        writer.write_record(&self.rules, 0, extended.as_ref().unwrap_or(&message));
        writer.check_violations().err()
    }

    /// A writer that has written nothing.
    fn new_writer<'t, 'w>(
        &'w self,
        tree: &'t mut Tree<'w>,
        (canonical, message): (&'w Canonical, &DynMessage<'_>),
        now_s: i64,
    ) -> RecordWriter<'t, 'w> {
        RecordWriter {
            tree,
            write_empty: self.write_empty.as_deref(),
            files: Vec::new(),
            codes: self.codes_of(message),
            packing: self.packing,
            violations: Vec::new(),
            now_s,
            unread: unmapped::unread_paths(canonical, self.identity()),
            fields: if let Syntax::Fields(it) = &self.syntax { Some(it) } else { None },
            bindings: ItemBindings::default(),
            defaulted: Vec::new(),
            inactive_lists: None,
        }
    }

    /// The message that the rules of the plan map.
    fn decode_body<'b>(&self, bytes: &'b [u8]) -> Result<DynMessage<'b>, Fault> {
        decode(self.schema, bytes).ok_or_else(|| internal_fault("canonical"))
    }

    fn write_tree(
        &self,
        tree: &Tree<'_>,
        (files, source): (&mut [WrittenFile], &dyn BlobSource),
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        let mut files = FileWriter { files, packing: self.packing, source };
        match &self.syntax {
            Syntax::Xml { namespace, prefix, declared_at, .. } => {
                out.reserve(4_096);
                let naming = write::xml::XmlNaming { namespace, prefix, declared_at };
                write::xml::write(tree, naming, files, out)
            }
            Syntax::Json { .. } => {
                out.reserve(2_048);
                out.extend_from_slice(self.frame.before.as_bytes());
                write::json::write_value(tree, 0, &mut files, out)?;
                out.extend_from_slice(self.frame.after.as_bytes());
                Ok(())
            }
            Syntax::Csv(it) => {
                write::csv::write(tree, it, &self.names, out);
                Ok(())
            }
            Syntax::Fields(it) => {
                write::fields::write(tree, it, out);
                Ok(())
            }
            Syntax::CanonicalJson => Ok(()),
        }
    }

    /// Reads the written tree back and compares the result with the message.
    fn find_losses(
        &self,
        tree: &Tree<'_>,
        mut files: Vec<WrittenFile>,
        (canonical, message): (&Canonical, &DynMessage<'_>),
    ) -> Result<Vec<Loss>, Fault> {
        collect_referenced_files(message, &mut files);
        let mut read_back = DynMessage::new(self.schema);
        let source = FileSource::Written(&files);
        let mut reader = RecordReader::new(tree, source, self.reading(), self.codes_of(message));
        reader.read_record(&self.rules, 0, &mut read_back)?;
        if !reader.violations.is_empty() {
            let paths: Vec<_> = reader.violations.iter().map(|it| it.field.as_str()).collect();
            let mut fault = Fault::new(&code::LT_MAP_012).param("paths", paths.join(", "));
            fault.violations = reader.violations;
            return Err(fault);
        }
        if let Some(fault) = reader.fault {
            return Err(fault);
        }
        // Without attachments there is nothing to complete, and the second conversion is saved.
        let mut losses = if read_back.get_by_name("attachments").is_none() {
            compare(message, &read_back, &self.path_map)
        } else {
            let mut completed = self.to_canonical(&read_back)?;
            complete_attachments(&mut completed, None);
            make_names_plain(&mut completed, |_index| String::new());
            let budget = &mut UnpackBudget::per_item();
            reader.decode_files(&mut completed, &mut NullSink, budget, &|_index| String::new())?;
            let bytes = self.encode_body(&completed)?;
            compare(message, &self.decode_body(&bytes)?, &self.path_map)
        };
        if !leftovers_of(canonical).is_empty() {
            let (written, _) = self.collect_unmapped(&reader, 0);
            losses.extend(lost_leftovers(canonical, written.as_ref(), self.identity()));
        }
        Ok(losses)
    }
}

/// The message with distinct attachment ids, as a reader will see them; none when they are
/// distinct.
fn with_distinct_ids(canonical: &Canonical) -> Option<Canonical> {
    let Some(Body::Document(document)) = &canonical.body else { return None };
    let read_id = |id: &str| {
        let text = writable_text(Cow::Borrowed(id)).unwrap_or_default();
        normalize_text(&text).map(Cow::into_owned).unwrap_or_default()
    };
    let mut seen = HashSet::new();
    let mut ids: Vec<String> = document.attachments.iter().map(|it| read_id(&it.id)).collect();
    let is_distinct = |it: &String| !it.is_empty() && seen.insert(it.clone());
    if ids.iter().all(is_distinct) {
        return None;
    }
    let existing: HashSet<String> = ids.iter().cloned().collect();
    let mut free = (1..).map(|it: usize| it.to_string()).filter(|it| !existing.contains(it));
    let mut used = HashSet::new();
    for id in &mut ids {
        if id.is_empty() || used.contains(id) {
            *id = free.next().unwrap_or_default();
        }
        used.insert(id.clone());
    }
    let mut document = document.clone();
    for (attachment, id) in document.attachments.iter_mut().zip(ids) {
        attachment.id = id;
    }
    Some(Canonical { origin: None, body: Some(Body::Document(document)) })
}

/// Adds the files of the message's attachments, for formats that refer to files by digest.
fn collect_referenced_files(message: &DynMessage<'_>, into: &mut Vec<WrittenFile>) {
    let attachments = message.get_by_name("attachments").and_then(Value::as_list);
    for item in attachments.unwrap_or_default() {
        let content = item.as_message().and_then(|it| it.get_by_name("content")?.as_message());
        into.extend(content.and_then(digest_of_blob).map(|digest| WrittenFile {
            digest,
            name: String::new(),
            media_type: String::new(),
            traits: None,
        }));
    }
}
