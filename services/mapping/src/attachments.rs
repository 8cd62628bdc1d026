//! The attachments of a canonical message, as envelopes and the journal list them.

use bus::Claim;
use journal_client::to_journal_claim;
use proto::canonical::v1::{Attachment as CanonicalAttachment, Canonical, canonical::Body};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::mapping::v1::{DeclaredAttachment, NormalizedAttachment};
use proto::message::v1::Attachment;

use crate::files::ExtractedFiles;

/// The attachments of a message; those without content are left out.
pub(crate) fn list_attachments(canonical: &Canonical) -> Vec<Attachment> {
    canonical_attachments(canonical).iter().filter_map(to_attachment).collect()
}

fn canonical_attachments(canonical: &Canonical) -> &[CanonicalAttachment] {
    match &canonical.body {
        Some(Body::Document(it)) => &it.attachments,
        Some(Body::Status(it)) => &it.attachments,
        Some(Body::Receipt(_) | Body::DeliveryReport(_)) | None => &[],
    }
}

fn to_attachment(from: &CanonicalAttachment) -> Option<Attachment> {
    Some(Attachment {
        id: from.id.clone(),
        file_name: from.file_name.clone(),
        media_type: from.media_type.clone(),
        claim: Some(to_journal_claim(&claim_of(from)?)),
    })
}

/// The claim of an attachment's content.
fn claim_of(from: &CanonicalAttachment) -> Option<Claim> {
    let blob = from.content.as_ref()?;
    Claim::from_reference(&blob.r#ref, blob.size)
}

/// The attachments of a decoded message, each with the source of its bytes: the file extracted from
/// the body, or else the upload that the caller declared with the same digest.
///
/// Fails when an attachment has neither, so that a message is accepted with all of its attachments
/// or not at all.
pub(crate) fn locate_sources(
    canonical: &Canonical,
    extracted: &ExtractedFiles,
    declared: &[DeclaredAttachment],
) -> Result<Vec<NormalizedAttachment>, Fault> {
    let locate = |from: &CanonicalAttachment| {
        let attachment = to_attachment(from)?;
        let claim = claim_of(from)?;
        let blob = extracted.index_of(&claim);
        let uploaded = declared.iter().find(|it| {
            it.claim.as_ref().is_some_and(|it| *it.sha256 == claim.sha256 && it.size == claim.size)
        });
        let reference = uploaded.filter(|_| blob.is_none()).map(|it| it.reference.clone());
        if blob.is_none() && reference.is_none() {
            let missing = Fault::new(&code::LT_MAP_218).param("claim", claim.to_string());
            return Some(Err(missing));
        }
        Some(Ok(NormalizedAttachment {
            attachment: Some(attachment),
            blob,
            reference: reference.unwrap_or_default(),
        }))
    };
    canonical_attachments(canonical).iter().filter_map(locate).collect()
}
