//! The files of an item: as the sender declared them, as mapping found them, and in the claim store.

use bus::claim::Spool;
use journal_client::{to_bus_claim, to_journal_claim};
use proto::exchange::v1::SubmitRequest;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::mapping::v1::{DeclaredAttachment, Normalized};
use proto::message::v1::{Attachment, Claim};
use proto::registry::v1::Application;

use crate::body::{check_sha256, upload_fault};
use crate::fault::{from_claim_error, invalid_field};
use crate::gateway::Gateway;

/// The files that an item declares; each must be a complete upload.
pub(crate) async fn declared_attachments(
    gateway: &Gateway,
    application: &Application,
    request: &SubmitRequest,
) -> Result<Vec<DeclaredAttachment>, Fault> {
    let mut declared: Vec<DeclaredAttachment> = Vec::with_capacity(request.attachments.len());
    for (index, it) in request.attachments.iter().enumerate() {
        if declared.iter().any(|other| other.reference == it.reference) {
            return Err(invalid_field(
                &format!("attachments[{index}].reference"),
                "hai tệp có cùng reference",
                "two files have the same reference",
            ));
        }
        let upload = gateway.uploads.claim_and_head(&application.id, &it.part).await;
        let (claim, head) =
            upload.map_err(|fault| upload_fault(fault, format!("attachments[{index}].part")))?;
        check_sha256(&it.sha256, claim.sha256, &format!("attachments[{index}].sha256"))?;
        declared.push(DeclaredAttachment {
            reference: it.reference.clone(),
            file_name: it.file_name.clone(),
            media_type: it.media_type.clone(),
            claim: Some(to_journal_claim(&claim)),
            head,
        });
    }
    Ok(declared)
}

/// Commits every file of a normalized item to the claim store. All of them are compared with what
/// was declared before the first is committed, so that a wrong file leaves none behind.
pub(crate) async fn store_attachments(
    gateway: &Gateway,
    application: &Application,
    request: &SubmitRequest,
    (normalized, found): (&Normalized, &mut [Option<Spool>]),
) -> Result<Vec<Attachment>, Fault> {
    let mut spools = Vec::new();
    let mut uploads = Vec::new();
    let mut attachments = Vec::with_capacity(normalized.attachments.len());
    for it in &normalized.attachments {
        let attachment = it.attachment.clone().unwrap_or_default();
        let mismatch = || Fault::new(&code::LT_GW_003).param("name", &attachment.file_name);
        if let Some(number) = it.blob {
            let index = usize::try_from(number).unwrap_or(usize::MAX);
            // A file that a packet holds twice has one spool, which the first one took. That one is
            // committed, or the item fails as a whole.
            let Some(mut spool) = found.get_mut(index).and_then(Option::take) else {
                attachments.push(attachment);
                continue;
            };
            let is_same = has_content(&mut spool, attachment.claim.as_ref()).await?;
            spools.push(is_same.then_some(spool).ok_or_else(mismatch)?);
        } else {
            let mut declared = request.attachments.iter().enumerate();
            let upload = declared.find(|(_, declared)| declared.reference == it.reference);
            let (index, declared) = upload.ok_or_else(mismatch)?;
            uploads.push((index, declared.part.as_str()));
        }
        attachments.push(attachment);
    }
    for spool in spools {
        gateway.claims.commit(spool).await.map_err(|error| from_claim_error(&error))?;
    }
    for (index, part) in uploads {
        let committed = gateway.uploads.commit(&application.id, part, &gateway.claims).await;
        committed.map_err(|fault| match fault.params.contains_key("part") {
            true => upload_fault(fault, format!("attachments[{index}].part")),
            false => fault,
        })?;
    }
    Ok(attachments)
}

/// True when the spool has the declared size and digest.
async fn has_content(spool: &mut Spool, declared: Option<&Claim>) -> Result<bool, Fault> {
    let claim = spool.claim().await.map_err(|error| from_claim_error(&error))?;
    Ok(declared.and_then(|it| to_bus_claim(it).ok()) == Some(claim))
}
