//! Canonical messages into native bytes, and the report of what that did to them.

use prost::Message as _;
use prost_reflect::DynamicMessage;
use proto::canonical::v1::{Canonical, canonical::Body};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::MessageType;
use proto::mapping::v1::Loss;

use super::reading::finish;
use super::{Context, Format, broken};
use crate::content::{BlobSource, Named};
use crate::grammar::Syntax;
use crate::read::{Files, Reading};
use crate::report::difference;
use crate::tree::Tree;
use crate::write::Writing;
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
        let mut message = self.message()?;
        let bytes = match (&canonical.body, self.carries.first()) {
            (Some(Body::Document(it)), Some(MessageType::Document)) => it.encode_to_vec(),
            (Some(Body::Status(it)), Some(MessageType::Status)) => it.encode_to_vec(),
            _ => return Err(Fault::new(&code::LT_MAP_015).param("format", &self.name)),
        };
        message.merge(bytes.as_slice()).map_err(|_error| broken("canonical"))?;
        let root = match &self.syntax {
            Syntax::Xml { root, .. } => root.clone(),
            Syntax::Json { .. } | Syntax::CanonicalJson => String::new(),
        };
        let mut tree = Tree::new(root);
        let mut writing = Writing {
            tree: &mut tree,
            write_empty: self.write_empty.as_deref(),
            files: Vec::new(),
            missing: Vec::new(),
            now_s: context.now_us.div_euclid(1_000_000),
        };
        writing.record(&self.lines, 0, &message);
        writing.refusal()?;
        let files = writing.files;
        leftovers::put_back(&mut tree, canonical, self.owner());
        let losses = self.losses(&mut tree, &files, &message)?;
        self.bytes(&tree, (&files, source), out)?;
        Ok(losses)
    }

    fn bytes(
        &self,
        tree: &Tree<'_>,
        files: (&[Named], &dyn BlobSource),
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        match &self.syntax {
            Syntax::Xml { namespace, prefix, declared_at, .. } => {
                let names = write::xml::Names { namespace, prefix, declared_at };
                write::xml::write(tree, names, files, out)
            }
            Syntax::Json { records, around, count } => {
                let record = write::json::value(tree, 0);
                let mut whole: serde_json::Value =
                    serde_json::from_str(around).unwrap_or_else(|_| serde_json::json!({}));
                let pointer = |path: &str| format!("/{path}");
                if let Some(list) = whole.pointer_mut(&pointer(records)) {
                    *list = serde_json::Value::Array(vec![record]);
                }
                if let Some(number) = whole.pointer_mut(&pointer(count)) {
                    *number = 1.into();
                }
                out.extend_from_slice(whole.to_string().as_bytes());
                Ok(())
            }
            Syntax::CanonicalJson => Ok(()),
        }
    }

    /// What reading the written tree gives, against what was to be written.
    fn losses(
        &self,
        tree: &mut Tree<'static>,
        files: &[Named],
        message: &DynamicMessage,
    ) -> Result<Vec<Loss>, Fault> {
        let mut known = files.to_vec();
        collect_files(message, &mut known);
        let mut back = self.message()?;
        let mut reading = Reading {
            tree,
            files: Files::Known(&known),
            empty: &self.empty,
            findings: Vec::new(),
            violations: Vec::new(),
            invalid: Vec::new(),
            used: Vec::new(),
            count: 0,
        };
        reading.lines(&self.lines, Some(0), &[], &mut back)?;
        if !reading.violations.is_empty() {
            let paths: Vec<_> = reading.violations.iter().map(|it| it.field.as_str()).collect();
            let mut fault = Fault::new(&code::LT_MAP_012).param("paths", paths.join(", "));
            fault.violations = reading.violations;
            return Err(fault);
        }
        let canonical = {
            let mut canonical = self.canonical(&back)?;
            finish(&mut canonical, None);
            canonical
        };
        let mut read = self.message()?;
        let bytes = match &canonical.body {
            Some(Body::Document(it)) => it.encode_to_vec(),
            Some(Body::Status(it)) => it.encode_to_vec(),
            Some(Body::Receipt(_)) | None => Vec::new(),
        };
        read.merge(bytes.as_slice()).map_err(|_error| broken("canonical"))?;
        Ok(difference(message, &read))
    }
}

fn collect_files(message: &DynamicMessage, into: &mut Vec<Named>) {
    let Some(list) = message.get_field_by_name("attachments") else { return };
    for item in list.as_list().unwrap_or_default() {
        let content = item.as_message().and_then(|it| it.get_field_by_name("content"));
        into.extend(content.and_then(|it| write::file(it.as_message()?)));
    }
}
