//! The files of a message, as the envelope's side names them.

use bus::Claim as Stored;
use bytes::Bytes;
use proto::canonical::v1::{Attachment as Canonical, canonical::Body};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::mapping::v1::{DeclaredAttachment, NormalizedAttachment};
use proto::message::v1::{Attachment, Claim};

use crate::blobs::Found;

/// The files of a canonical message; those without content are left out.
pub(crate) fn of(canonical: &proto::canonical::v1::Canonical) -> Vec<Attachment> {
    listed(canonical).iter().filter_map(attachment).collect()
}

fn listed(canonical: &proto::canonical::v1::Canonical) -> &[Canonical] {
    match &canonical.body {
        Some(Body::Document(it)) => &it.attachments,
        Some(Body::Status(it)) => &it.attachments,
        Some(Body::Receipt(_)) | None => &[],
    }
}

fn attachment(from: &Canonical) -> Option<Attachment> {
    let claim = stored(from)?;
    Some(Attachment {
        id: from.id.clone(),
        file_name: from.file_name.clone(),
        media_type: from.media_type.clone(),
        claim: Some(Claim { sha256: Bytes::copy_from_slice(&claim.sha256), size: claim.size }),
    })
}

/// Where a file's bytes are, by content.
pub(crate) fn stored(from: &Canonical) -> Option<Stored> {
    let blob = from.content.as_ref()?;
    Stored::from_reference(&blob.r#ref, blob.size)
}

/// Each file of a read message with where its bytes are now: found in the body, or uploaded.
pub(crate) fn sources(
    canonical: &proto::canonical::v1::Canonical,
    found: &Found,
    declared: &[DeclaredAttachment],
) -> Result<Vec<NormalizedAttachment>, Fault> {
    let source = |from: &Canonical| {
        let attachment = attachment(from)?;
        let claim = stored(from)?;
        let blob = found.place(&claim);
        let uploaded = declared.iter().find(|it| {
            it.claim.as_ref().is_some_and(|it| *it.sha256 == claim.sha256 && it.size == claim.size)
        });
        let reference = uploaded.filter(|_| blob.is_none()).map(|it| it.reference.clone());
        if blob.is_none() && reference.is_none() {
            let lost = Fault::new(&code::LT_MAP_218).param("claim", claim.to_string());
            return Some(Err(lost));
        }
        Some(Ok(NormalizedAttachment {
            attachment: Some(attachment),
            blob,
            reference: reference.unwrap_or_default(),
        }))
    };
    listed(canonical).iter().filter_map(source).collect()
}
