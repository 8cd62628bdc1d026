//! The files of an item: what was declared, what was read, and their names in the store.

use bus::claim::Spool;
use proto::exchange::v1::SubmitRequest;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::mapping::v1::{DeclaredAttachment, Normalized};
use proto::message::v1::{Attachment, Claim};
use proto::registry::v1::Application;

use crate::body::{opened, stored, unready};
use crate::fault::internal;
use crate::gateway::Gateway;
use crate::parts::field;

/// The files that an item names, each a finished upload.
pub(crate) async fn declared(
    gateway: &Gateway,
    application: &Application,
    request: &SubmitRequest,
) -> Result<Vec<DeclaredAttachment>, Fault> {
    let mut declared: Vec<DeclaredAttachment> = Vec::with_capacity(request.attachments.len());
    for (place, it) in request.attachments.iter().enumerate() {
        if declared.iter().any(|other| other.reference == it.reference) {
            return Err(field(
                &format!("attachments[{place}].reference"),
                "hai tệp có cùng reference",
                "two files have the same reference",
            ));
        }
        let claim = gateway.parts.claim(&application.id, &it.part).await;
        let claim = claim.map_err(|fault| unready(fault, format!("attachments[{place}].part")))?;
        declared.push(DeclaredAttachment {
            reference: it.reference.clone(),
            file_name: it.file_name.clone(),
            media_type: it.media_type.clone(),
            claim: Some(stored(&claim)),
        });
    }
    Ok(declared)
}

/// Gives every file its name in the store, durably; none before all of them are as was said.
pub(crate) async fn safe(
    gateway: &Gateway,
    application: &Application,
    request: &SubmitRequest,
    (normalized, mut blobs): (&Normalized, Vec<Option<Spool>>),
) -> Result<Vec<Attachment>, Fault> {
    let mut spools = Vec::new();
    let mut uploads = Vec::new();
    let mut attachments = Vec::with_capacity(normalized.attachments.len());
    for it in &normalized.attachments {
        let attachment = it.attachment.clone().unwrap_or_default();
        let other = || Fault::new(&code::LT_GW_003).param("name", &attachment.file_name);
        if let Some(number) = it.blob {
            let place = usize::try_from(number).unwrap_or(usize::MAX);
            // A file that stands twice in a packet is one file here.
            let Some(mut spool) = blobs.get_mut(place).and_then(Option::take) else {
                attachments.push(attachment);
                continue;
            };
            let is_same = holds(&mut spool, attachment.claim.as_ref()).await?;
            spools.push(is_same.then_some(spool).ok_or_else(other)?);
        } else {
            let mut given = request.attachments.iter().enumerate();
            let found = given.find(|(_, given)| given.reference == it.reference);
            let (place, declared) = found.ok_or_else(other)?;
            uploads.push((place, declared.part.as_str()));
        }
        attachments.push(attachment);
    }
    for spool in spools {
        gateway.claims.commit(spool).await.map_err(|error| internal(&error))?;
    }
    for (place, part) in uploads {
        let kept = gateway.parts.keep(&application.id, part, &gateway.claims).await;
        kept.map_err(|fault| match fault.params.contains_key("part") {
            true => unready(fault, format!("attachments[{place}].part")),
            false => fault,
        })?;
    }
    Ok(attachments)
}

/// True when the spool holds what was said.
async fn holds(spool: &mut Spool, said: Option<&Claim>) -> Result<bool, Fault> {
    let claim = spool.claim().await.map_err(|error| internal(&error))?;
    Ok(said.and_then(opened) == Some(claim))
}
