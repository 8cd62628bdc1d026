//! To whom a message goes, and that the document says so too.

use proto::canonical::v1::recipient::{Delta, Role};
use proto::canonical::v1::{Canonical, Recipient, canonical::Body};
use proto::fault::v1::Fault;
use proto::fault::{Code, code};
use proto::message::v1::MessageType;

use super::{Asked, ended, first_code, written};
use crate::directory::{Answer, Directory};

/// One recipient as somebody wrote it.
struct Named {
    code: String,
    path: String,
}

/// Directory keys of everybody it goes to, each able and allowed to receive it. All that is wrong
/// is told at once, under the code of the first.
pub(super) fn resolve(
    canonical: &Canonical,
    kind: MessageType,
    asked: &Asked<'_>,
) -> Result<Vec<String>, Fault> {
    let named = named(canonical, asked);
    let mut keys: Vec<String> = Vec::new();
    let mut refused: Option<Fault> = None;
    for it in &named {
        match recipient(&it.code, kind, asked) {
            Ok(key) if keys.contains(&key) => {}
            Ok(key) => keys.push(key),
            Err(fault) => {
                let words =
                    (fault.title(proto::fault::Lang::Vi), fault.title(proto::fault::Lang::En));
                let first = refused.take().unwrap_or(fault);
                refused = Some(first.violation(&it.path, words.0, words.1));
            }
        }
    }
    match refused {
        Some(fault) => Err(fault),
        None if keys.is_empty() => {
            let path = if kind == MessageType::Status { "addressee" } else { "recipients" };
            Err(Fault::new(&code::LT_MAP_209).violation(
                (asked.place)(path),
                "Chưa nêu cơ quan nhận nào có mã.",
                "No receiving organisation with a code is named.",
            ))
        }
        None => Ok(keys),
    }
}

/// Those the call names, else those the message names; whoever has no code only informs people.
fn named(canonical: &Canonical, asked: &Asked<'_>) -> Vec<Named> {
    if !asked.recipients.is_empty() {
        let each = asked.recipients.iter().enumerate();
        return each
            .map(|(place, code)| Named { code: code.clone(), path: format!("recipients[{place}]") })
            .collect();
    }
    match &canonical.body {
        Some(Body::Document(document)) => document
            .recipients
            .iter()
            .enumerate()
            .filter(|(_, it)| is_addressed(it))
            .filter_map(|(place, it)| {
                let path = format!("recipients[{place}].organisation.ids[0].value");
                let code = first_code(it.organisation.as_ref())?;
                Some(Named { code, path: (asked.place)(&path) })
            })
            .collect(),
        Some(Body::Status(status)) => first_code(status.addressee.as_ref())
            .map(|code| Named { code, path: (asked.place)("addressee.ids[0].value") })
            .into_iter()
            .collect(),
        Some(Body::Receipt(_)) | None => Vec::new(),
    }
}

fn recipient(code: &str, kind: MessageType, asked: &Asked<'_>) -> Result<String, Fault> {
    let directory = asked.directory;
    let fault = |page: Code| Fault::new(page).param("code", code);
    let key = match directory.find(code, asked.day) {
        Answer::Known(it) => &it.key,
        Answer::Unknown => return Err(fault(&code::LT_MAP_204)),
        Answer::Ambiguous(owners) => {
            return Err(fault(&code::LT_MAP_205).param("owners", owners.join(", ")));
        }
        Answer::Ended(it) => return Err(ended(it, &code::LT_MAP_206).param("code", code)),
        Answer::Expired(it) => {
            let now = it.codes.first().map_or("", |it| it.value.as_str());
            return Err(fault(&code::LT_MAP_220).param("owner", &it.key).param("now", now));
        }
    };
    if !directory.permits(asked.sender, key, kind, asked.day) {
        return Err(fault(&code::LT_MAP_207)
            .param("sender", asked.sender)
            .param("recipient", key)
            .param("type", kind.as_str()));
    }
    if directory.receivers(key, kind).is_empty() {
        let fault = fault(&code::LT_MAP_208).param("recipient", key);
        return Err(fault.param("type", kind.as_str()));
    }
    Ok(key.clone())
}

/// An update lists whom it adds and whom it takes away: who was taken away gets nothing, and who is
/// only in that list is no receiver of this packet.
fn is_addressed(recipient: &Recipient) -> bool {
    match recipient.delta() {
        Delta::Unspecified => true,
        Delta::Added => recipient.role() != Role::Unspecified,
        Delta::Removed => false,
    }
}

/// Writes into the message whom it goes to: receivers that the call named and the message does
/// not, and that a receiver of no other role is a main one. Parties must be recognised before.
pub(super) fn complete(canonical: &mut Canonical, keys: &[String], directory: &Directory) {
    match &mut canonical.body {
        Some(Body::Document(document)) => {
            // Whoever has no code only informs people, and stays as it was.
            for it in document.recipients.iter_mut().filter(|it| is_addressed(it)) {
                if it.role() == Role::Unspecified && first_code(it.organisation.as_ref()).is_some()
                {
                    it.set_role(Role::Main);
                }
            }
            for key in keys {
                let is_it = |it: &Recipient| {
                    let organisation = it.organisation.as_ref();
                    is_addressed(it) && organisation.is_some_and(|it| it.directory_key == *key)
                };
                if !document.recipients.iter().any(is_it) {
                    document.recipients.extend(directory.organisation(key).map(|it| Recipient {
                        organisation: Some(written(it)),
                        role: Role::Main.into(),
                        ..Recipient::default()
                    }));
                }
            }
        }
        Some(Body::Status(status)) => {
            if let ([key], None) = (keys, first_code(status.addressee.as_ref())) {
                status.addressee = directory.organisation(key).map(written);
            }
        }
        Some(Body::Receipt(_)) | None => {}
    }
}
