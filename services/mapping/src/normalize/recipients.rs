//! The recipients of a message: resolved in the registry, and written into the message itself.

use name_folding::spell_out;
use proto::canonical::v1::recipient::{Delta, Role};
use proto::canonical::v1::{Canonical, Recipient, canonical::Body};
use proto::fault::v1::Fault;
use proto::fault::{Code, Lang, code};
use proto::message::v1::{Finding, MessageType};
use registry_client::{CodeOwner, Directory};

use super::context::{NormalizeContext, first_code, not_in_force, to_canonical};
use super::spelling::{check_spelling, explain_unknown};

/// A recipient's code and the path at which the sender wrote it.
struct RecipientCode {
    code: String,
    path: String,
}

/// Directory keys of all recipients, each of which exists, takes the type and may be written to by
/// the sender. Every violation is reported at once, under the code of the first. An organisation that
/// stands twice gets one copy, with a finding.
pub(super) fn resolve(
    canonical: &Canonical,
    message_type: MessageType,
    context: &NormalizeContext<'_>,
    findings: &mut Vec<Finding>,
) -> Result<Vec<String>, Fault> {
    let mut keys: Vec<String> = Vec::new();
    let mut refusal: Option<Fault> = None;
    for it in &recipient_codes(canonical, context) {
        match resolve_one(&it.code, message_type, context) {
            Ok(key) if keys.contains(&key) => findings.push(named_twice(it, &key)),
            Ok(key) => keys.push(key),
            Err(mut fault) => {
                // A fault without a text of its own says all in its title.
                let own = fault.violations.pop().map(|it| (it.description_vi, it.description_en));
                let (vi, en) =
                    own.unwrap_or_else(|| (fault.title(Lang::Vi), fault.title(Lang::En)));
                let first = refusal.take().unwrap_or(fault);
                refusal = Some(first.violation(&it.path, vi, en));
            }
        }
    }
    match refusal {
        Some(fault) => Err(fault),
        None if keys.is_empty() => {
            let path = if message_type == MessageType::Status { "addressee" } else { "recipients" };
            Err(Fault::new(&code::LT_MAP_209).violation(
                (context.native_path)(path),
                "Chưa nêu cơ quan nhận nào có mã.",
                "No receiving organisation with a code is named.",
            ))
        }
        None => Ok(keys),
    }
}

fn named_twice(recipient: &RecipientCode, key: &str) -> Finding {
    let code = spell_out(&recipient.code);
    Finding {
        code: "LT-MAP-227".to_owned(),
        field: recipient.path.clone(),
        text_vi: format!("`{code}` là {key}, đã nêu ở trên; cơ quan này nhận một bản."),
        text_en: format!("`{code}` is {key}, which stands above; it gets one copy."),
    }
}

/// The codes that the call gives, or else those in the message. A recipient without a code is left
/// out: it informs human readers only.
fn recipient_codes(canonical: &Canonical, context: &NormalizeContext<'_>) -> Vec<RecipientCode> {
    if !context.recipients.is_empty() {
        let codes = context.recipients.iter().enumerate();
        return codes
            .map(|(index, code)| RecipientCode {
                code: code.clone(),
                path: format!("recipients[{index}]"),
            })
            .collect();
    }
    match &canonical.body {
        Some(Body::Document(document)) => document
            .recipients
            .iter()
            .enumerate()
            .filter(|(_, it)| is_addressed(it))
            .filter_map(|(index, it)| {
                let path = format!("recipients[{index}].organisation.ids[0].value");
                let code = first_code(it.organisation.as_ref())?;
                Some(RecipientCode { code, path: (context.native_path)(&path) })
            })
            .collect(),
        Some(Body::Status(status)) => first_code(status.addressee.as_ref())
            .map(|code| RecipientCode {
                code,
                path: (context.native_path)("addressee.ids[0].value"),
            })
            .into_iter()
            .collect(),
        Some(Body::Receipt(_) | Body::DeliveryReport(_)) | None => Vec::new(),
    }
}

fn resolve_one(
    code: &str,
    message_type: MessageType,
    context: &NormalizeContext<'_>,
) -> Result<String, Fault> {
    let directory = context.directory;
    let fault = |entry: Code| Fault::new(entry).param("code", spell_out(code));
    let owner = match directory.resolve_code(code, context.day) {
        CodeOwner::InForce(it) => it,
        CodeOwner::Unknown => {
            let explained = explain_unknown(code, directory, context.day);
            return Err(explained.unwrap_or_else(|| fault(&code::LT_MAP_204)));
        }
        CodeOwner::Ambiguous(owners) => {
            return Err(fault(&code::LT_MAP_205).param("owners", owners.join(", ")));
        }
        CodeOwner::NotInForce(it) => {
            return Err(not_in_force(it, &code::LT_MAP_206).param("code", spell_out(code)));
        }
        CodeOwner::CodeExpired(it) => {
            let current = it.codes.first().map_or("", |it| it.value.as_str());
            return Err(fault(&code::LT_MAP_220).param("owner", &it.key).param("now", current));
        }
    };
    check_spelling(code, owner)?;
    let key = &owner.key;
    if key == context.sender {
        return Err(fault(&code::LT_MAP_226));
    }
    if !directory.permits(context.sender, key, message_type, context.day) {
        return Err(fault(&code::LT_MAP_207)
            .param("sender", context.sender)
            .param("recipient", key)
            .param("type", message_type.as_str()));
    }
    if directory.receiving_applications(key, message_type).is_empty() {
        let fault = fault(&code::LT_MAP_208).param("recipient", key);
        return Err(fault.param("type", message_type.as_str()));
    }
    Ok(key.clone())
}

/// An update lists the recipients that it adds and removes. Removed ones get nothing, and one that
/// is listed without a role is not a recipient of this packet.
fn is_addressed(recipient: &Recipient) -> bool {
    match recipient.delta() {
        Delta::Unspecified => true,
        Delta::Added => recipient.role() != Role::Unspecified,
        Delta::Removed => false,
    }
}

/// Completes the recipients in the message: adds those that the call named and the message does
/// not, and gives the main role to those that have none. `resolve_parties` must have run, because
/// recipients are compared by directory key.
pub(crate) fn complete(canonical: &mut Canonical, keys: &[String], directory: &Directory) {
    match &mut canonical.body {
        Some(Body::Document(document)) => {
            for it in document.recipients.iter_mut().filter(|it| is_addressed(it)) {
                if it.role() == Role::Unspecified && first_code(it.organisation.as_ref()).is_some()
                {
                    it.set_role(Role::Main);
                }
            }
            for key in keys {
                let is_named = |it: &Recipient| {
                    let organisation = it.organisation.as_ref();
                    is_addressed(it) && organisation.is_some_and(|it| it.directory_key == *key)
                };
                if !document.recipients.iter().any(is_named) {
                    document.recipients.extend(directory.organisation(key).map(|it| Recipient {
                        organisation: Some(to_canonical(it)),
                        role: Role::Main.into(),
                        ..Recipient::default()
                    }));
                }
            }
        }
        Some(Body::Status(status)) => {
            if let ([key], None) = (keys, first_code(status.addressee.as_ref())) {
                status.addressee = directory.organisation(key).map(to_canonical);
            }
        }
        Some(Body::Receipt(_) | Body::DeliveryReport(_)) | None => {}
    }
}
