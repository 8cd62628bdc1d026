//! Files of a record: where their bytes are, and what is told of them.

use std::borrow::Cow;

use proto::canonical::v1::{Attachment, Blob, Canonical, Digest, canonical::Body};
use proto::fault::code;
use proto::fault::v1::Fault;

use super::place::{blob, made, reference};
use super::{Files, From, Reading};
use crate::content::{BlobDigest, BlobSink, Budget, Opened, by_content, decode};
use crate::path::{Segment, find};
use crate::plan::Leaf;
use crate::record::{Record, Value};
use crate::write::Written;

/// Stands in a reference until the file is opened; behind it the place of its bytes.
const STILL_CLOSED: &str = "place:";

impl<'t> Reading<'t> {
    /// Remembers where the bytes of a file stand. They are opened when the item may pass.
    pub(super) fn content(&mut self, leaf: &'t Leaf, from: From<'_>, message: &mut Record<'t>) {
        let place = self.first(from, &leaf.at).filter(|it| {
            let node = &self.tree.nodes[*it];
            node.file.is_some() || !node.text.trim().is_empty()
        });
        let Some(place) = place else {
            self.missing(from, &leaf.at);
            return;
        };
        self.tree.nodes[place].read.set(true);
        if let Some(blob) = made(message, &leaf.to) {
            blob.set_named("ref", Value::Text(Cow::Owned(format!("{STILL_CLOSED}{place}"))));
        }
    }

    /// Takes a file that came along; what is wrong with it is told later.
    pub(super) fn fetch(
        &mut self,
        (place, text): (usize, &str),
        to: &'t [Segment],
        message: &mut Record<'t>,
    ) {
        // `content.ref` is set with all that is known of the file.
        let content = to.get(..to.len().saturating_sub(1)).unwrap_or_default();
        let named = match self.files {
            Files::Known(files) => {
                files.iter().find(|it| reference(&it.named) == text).map(|it| it.named)
            }
            Files::Found(declared) => {
                declared.iter().find(|it| it.reference == text).and_then(|it| {
                    let claim = it.claim.as_ref()?;
                    Some(BlobDigest {
                        sha256: claim.sha256.as_ref().try_into().ok()?,
                        size: claim.size,
                    })
                })
            }
        };
        let field = self.tree.path(place);
        let Some(named) = named else {
            let fault = Fault::new(&code::LT_MAP_008).param("name", text).violation(
                field,
                "tệp được nêu nhưng không gửi kèm",
                "the file is named but did not come along",
            );
            self.fault.get_or_insert(fault);
            return;
        };
        self.used.push(text.to_owned());
        let size = find(message, content).and_then(|it| it.as_message()?.named("size"));
        if let Some(Value::U64(said)) = size
            && *said != named.size
        {
            let fault = other_size((text, field), *said, named.size);
            self.fault.get_or_insert(fault);
        }
        blob(message, content, named);
    }

    /// Opens the files whose bytes stand in the tree, in the order of their attachments.
    ///
    /// # Errors
    ///
    /// One is damaged, too large, or not of the size that was said.
    pub(crate) fn open(
        &self,
        canonical: &mut Canonical,
        sink: &mut dyn BlobSink,
        budget: &mut Budget,
    ) -> Result<(), Fault> {
        for attachment in attachments(canonical) {
            let reference = attachment.content.as_ref().map_or("", |it| &it.r#ref);
            let place = reference.strip_prefix(STILL_CLOSED).and_then(|it| it.parse().ok());
            let Some(place) = place.filter(|it: &usize| *it < self.tree.nodes.len()) else {
                continue;
            };
            let opened = match self.files {
                Files::Known(files) => self.known(place, files),
                Files::Found(_) => Some(self.opened((place, attachment), budget, sink)?),
            };
            let Some(opened) = opened else { continue };
            if let Some(known) = by_content(&opened.head, &attachment.file_name) {
                known.clone_into(&mut attachment.media_type);
            }
            attachment.content = Some(content_of(&opened.named));
        }
        Ok(())
    }

    fn known(&self, place: usize, files: &[Written]) -> Option<Opened> {
        let file = files.get(self.tree.nodes[place].file?)?;
        Some(Opened { named: file.named, head: file.head.clone(), packed: 0 })
    }

    fn opened(
        &self,
        (place, attachment): (usize, &Attachment),
        budget: &mut Budget,
        sink: &mut dyn BlobSink,
    ) -> Result<Opened, Fault> {
        let field = self.tree.path(place);
        let name = &attachment.file_name;
        let label = if name.is_empty() { &field } else { name };
        let opened = decode(&self.tree.nodes[place].text, label, budget, sink)?;
        // Some say the size of the file, some that of the ZIP it is in.
        let said = attachment.content.as_ref().map_or(0, |it| it.size);
        let is_other = said > 0 && said != opened.named.size && said != opened.packed;
        if is_other {
            Err(other_size((label, field.clone()), said, opened.named.size))
        } else {
            Ok(opened)
        }
    }
}

fn other_size((name, field): (&str, String), said: u64, is: u64) -> Fault {
    Fault::new(&code::LT_MAP_011).param("name", name).violation(
        field,
        format!("ghi {said} byte, tệp có {is} byte"),
        format!("says {said} bytes, the file has {is}"),
    )
}

pub(crate) fn attachments(canonical: &mut Canonical) -> &mut [Attachment] {
    match &mut canonical.body {
        Some(Body::Document(it)) => &mut it.attachments,
        Some(Body::Status(it)) => &mut it.attachments,
        Some(Body::Receipt(_)) | None => &mut [],
    }
}

/// What is kept of a file.
pub(crate) fn content_of(named: &BlobDigest) -> Blob {
    let digest = Digest { algorithm: "sha256".to_owned(), value: named.sha256.to_vec().into() };
    Blob { r#ref: reference(named), size: named.size, digests: vec![digest] }
}
