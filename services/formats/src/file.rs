//! Files of a message: what the canonical model, a declaration and a written body say of them.

use proto::canonical::v1::{Attachment, Blob, Canonical, Digest, canonical::Body};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::mapping::v1::DeclaredAttachment;

use crate::canonical_path::{PathSegment, find_value};
use crate::content::{BlobDigest, FileTraits, digest_reference};
use crate::model::{DynMessage, Value};

/// A file whose bytes a written body contains.
#[derive(Clone, Debug)]
pub(crate) struct WrittenFile {
    pub(crate) digest: BlobDigest,
    pub(crate) name: String,
    pub(crate) media_type: String,
    /// What its bytes show; none until the file is written, and for a file beside the body.
    pub(crate) traits: Option<FileTraits>,
}

/// The digest and size that a `Blob` message refers to; none when it refers to no digest.
pub(crate) fn digest_of_blob(blob: &DynMessage<'_>) -> Option<BlobDigest> {
    let mut sha256 = [0; 32];
    hex::decode_to_slice(blob.text("ref").strip_prefix("sha256:")?, &mut sha256).ok()?;
    let size = blob.get_by_name("size").and_then(Value::as_unsigned).unwrap_or_default();
    Some(BlobDigest { sha256, size })
}

/// The file name and the media type beside the field at the end of a path.
pub(crate) fn name_and_type<'m>(
    message: &'m DynMessage<'_>,
    to_field: &[PathSegment],
) -> (&'m str, &'m str) {
    let parent = to_field.get(..to_field.len().saturating_sub(1)).unwrap_or_default();
    let attachment = if parent.is_empty() {
        Some(message)
    } else {
        find_value(message, parent).and_then(Value::as_message)
    };
    attachment.map_or(("", ""), |it| (it.text("file_name"), it.text("media_type")))
}

/// The attachments of the body, mutable.
pub(crate) fn attachments_mut(canonical: &mut Canonical) -> &mut [Attachment] {
    match &mut canonical.body {
        Some(Body::Document(it)) => &mut it.attachments,
        Some(Body::Status(it)) => &mut it.attachments,
        Some(Body::Receipt(_) | Body::DeliveryReport(_)) | None => &mut [],
    }
}

/// The blob of a file as the contract has it.
pub(crate) fn blob_from_digest(digest: &BlobDigest) -> Blob {
    Blob {
        r#ref: digest_reference(&digest.sha256),
        size: digest.size,
        digests: vec![Digest {
            algorithm: "sha256".to_owned(),
            value: digest.sha256.to_vec().into(),
        }],
    }
}

/// The digest and size under which a declared attachment was uploaded; none without a valid claim.
pub(crate) fn claimed_digest(declared: &DeclaredAttachment) -> Option<BlobDigest> {
    let claim = declared.claim.as_ref()?;
    Some(BlobDigest { sha256: claim.sha256.as_ref().try_into().ok()?, size: claim.size })
}

/// The refusal of a file that was uploaded but that the body does not name.
pub(crate) fn unreferenced_file(declared: &DeclaredAttachment) -> Fault {
    Fault::new(&code::LT_MAP_013).param("name", &declared.reference).violation(
        &declared.reference,
        "tệp gửi kèm không được nêu trong nội dung",
        "the file came along but the body does not name it",
    )
}
