//! Files of a message: what the canonical model, a declaration and a written body say of them.

use proto::canonical::v1::{Attachment, Blob, Canonical, Digest, canonical::Body};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::mapping::v1::DeclaredAttachment;
use proto::message::v1::Finding;

use crate::canonical_path::{PathSegment, find_value};
use crate::content::{
    BlobDigest, FileTraits, NameMatch, digest_reference, match_file_name, plain_file_name,
};
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
fn claimed_digest(declared: &DeclaredAttachment) -> Option<BlobDigest> {
    let claim = declared.claim.as_ref()?;
    Some(BlobDigest { sha256: claim.sha256.as_ref().try_into().ok()?, size: claim.size })
}

/// The upload that a reference of the body means.
///
/// # Errors
///
/// None fits, or several fit equally well: LT-MAP-008.
pub(crate) fn find_upload<'d>(
    declared: &'d [DeclaredAttachment],
    reference: &str,
    field: &str,
) -> Result<(&'d DeclaredAttachment, BlobDigest), Fault> {
    let fault = Fault::new(&code::LT_MAP_008).param("name", reference);
    // Nearly every reference is exact, and then no name is folded.
    let exact = declared.iter().position(|it| it.reference == reference);
    let found = exact.map_or_else(
        || {
            let names: Vec<&str> = declared.iter().map(|it| it.reference.as_str()).collect();
            match_file_name(reference, &names)
        },
        NameMatch::One,
    );
    let index = match found {
        NameMatch::One(index) => Some(index),
        NameMatch::None => None,
        NameMatch::Several => {
            return Err(fault.violation(
                field,
                "có nhiều tệp gửi kèm cùng hợp với tên này",
                "several of the files that came along fit this name",
            ));
        }
    };
    let upload = index.and_then(|it| declared.get(it));
    upload.and_then(|it| Some((it, claimed_digest(it)?))).ok_or_else(|| {
        fault.violation(
            field,
            "tệp được nêu nhưng không gửi kèm",
            "the file is named but did not come along",
        )
    })
}

/// Makes the names of the attachments plain (LT-MAP-042). `field_of` tells the sender's field of an
/// attachment's name.
pub(crate) fn make_names_plain(
    canonical: &mut Canonical,
    field_of: impl Fn(usize) -> String,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, it) in attachments_mut(canonical).iter_mut().enumerate() {
        let Some(name) = plain_file_name(&it.file_name) else { continue };
        findings.push(Finding {
            code: "LT-MAP-042".to_owned(),
            field: field_of(index),
            text_vi: format!("Tên tệp “{}” thành “{name}”.", it.file_name),
            text_en: format!("The file name \"{}\" becomes \"{name}\".", it.file_name),
        });
        it.file_name = name;
    }
    findings
}

/// The refusal of a file that was uploaded but that the body does not name.
pub(crate) fn unreferenced_file(declared: &DeclaredAttachment) -> Fault {
    Fault::new(&code::LT_MAP_013).param("name", &declared.reference).violation(
        &declared.reference,
        "tệp gửi kèm không được nêu trong nội dung",
        "the file came along but the body does not name it",
    )
}
