//! Message normalizer: decides whether a decoded item may be sent, by whom and to whom.
//!
//! Pure: the same item, the same registry and the same day give the same result.

use prost::Message as _;
use proto::canonical::v1::canonical::Body;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::mapping::v1::Normalized;

use crate::codec::DecodedItem;
use crate::parties::resolve_parties;
use crate::secrecy::secrecy_refusal;
use crate::{identity, search_index};

mod context;
mod doubts;
mod recipient_formats;
mod recipients;
mod required_fields;
mod sender;
mod spelling;

pub(crate) use self::context::NormalizeContext;
pub(crate) use self::recipients::complete as complete_recipients;

/// Normalizes an item. The caller adds the attachments, because it holds their bytes.
///
/// Checks run in this order: secrecy, type, required fields, sender, recipients, what their formats
/// need. Secrecy comes first, so that no other refusal quotes a secret document.
pub(crate) fn normalize(
    item: DecodedItem,
    context: &NormalizeContext<'_>,
) -> Result<Normalized, Fault> {
    let DecodedItem { mut canonical, format, version, hash, native_identity, mut findings } = item;
    if let Some(fault) = secrecy_refusal(&canonical, context.native_path) {
        return Err(fault);
    }
    let Some(message_type) = identity::message_type(&canonical) else {
        let is_report = matches!(canonical.body, Some(Body::DeliveryReport(_)));
        let code = if is_report { &code::LT_MAP_230 } else { &code::LT_MAP_215 };
        return Err(Fault::new(code));
    };
    required_fields::check(&canonical, &findings, context.native_path)?;
    spelling::check_ids(&canonical, context.native_path)?;
    sender::check_or_complete(&mut canonical, context, &mut findings)?;
    let recipients = recipients::resolve(&canonical, message_type, context, &mut findings)?;
    resolve_parties(&mut canonical, context.directory, context.day);
    recipients::complete(&mut canonical, &recipients, context.directory);
    if let Some(Body::Document(document)) = &mut canonical.body {
        // The sender may be named by an expired code, which `resolve_parties` resolves as well, or
        // by none; the authenticated organisation holds in every case.
        document.sender.get_or_insert_default().directory_key = context.sender.to_owned();
    }
    recipient_formats::check(&canonical, (message_type, &recipients), context, &mut findings)?;
    findings.extend(doubts::find(&canonical, context));
    let sender = context.sender;
    let content_digest = identity::content_digest(&canonical, sender, message_type, &recipients);
    let conversation = identity::conversation_id(&canonical, sender, &recipients, &native_identity);
    Ok(Normalized {
        conversation: conversation.hyphenated().to_string(),
        content_digest: content_digest.to_vec().into(),
        r#type: message_type.into(),
        urgency: search_index::urgency(&canonical),
        index: Some(search_index::build_index(&canonical)),
        occurred_at_us: search_index::occurred_at_us(&canonical),
        canonical: canonical.encode_to_vec().into(),
        format,
        format_version: version,
        format_hash: hash,
        recipients,
        attachments: Vec::new(),
        findings,
    })
}

#[cfg(test)]
#[path = "normalize/tests.rs"]
mod tests;
