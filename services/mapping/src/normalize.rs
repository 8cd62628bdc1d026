//! The decision at the door: may this be sent, by whom, to whom, and what is it called.
//!
//! Pure: the same reading, the same registry and the same day give the same answer.

use prost::Message as _;
use proto::canonical::v1::{Canonical, Organisation, OrganisationId, canonical::Body};
use proto::fault::v1::Fault;
use proto::fault::{Code, code};
use proto::journal::v1::MessageType;
use proto::mapping::v1::{Finding, Normalized};
use proto::registry::v1::Organisation as Registered;

use crate::directory::{Answer, Directory};
use crate::secrecy::{self, Mark};
use crate::{identity, parties};

/// What a format made of native bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reading {
    /// The canonical message.
    pub(crate) canonical: Canonical,
    /// The format's name.
    pub(crate) format: String,
    /// Its version.
    pub(crate) version: u32,
    /// Hash of its meaning, lower-case hex.
    pub(crate) hash: String,
    /// SHA-256 of the native bytes.
    pub(crate) native_sha256: Vec<u8>,
    /// What was odd.
    pub(crate) findings: Vec<Finding>,
}

/// Who submits, and what surrounds the decision.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// Directory key of the organisation it is authenticated as.
    pub(crate) sender: &'a str,
    /// Codes that stand instead of the recipients in the message; none: those count.
    pub(crate) recipients: &'a [String],
    /// The registry.
    pub(crate) directory: &'a Directory,
    /// Today, `yyyy-mm-dd`.
    pub(crate) day: &'a str,
    /// The sender's own path of a canonical path.
    pub(crate) place: &'a dyn Fn(&str) -> String,
}

/// Decides. Attachments are added by whoever holds their bytes.
pub(crate) fn normalize(reading: Reading, asked: &Asked<'_>) -> Result<Normalized, Fault> {
    let Reading { mut canonical, format, version, hash, native_sha256, mut findings } = reading;
    if let Some(mark) = secrecy::marked(&canonical) {
        return Err(secret(mark, asked));
    }
    let Some(kind) = identity::kind(&canonical) else {
        return Err(Fault::new(&code::LT_MAP_215));
    };
    own(&mut canonical, asked, &mut findings)?;
    let recipients = recipients(&canonical, kind, asked)?;
    parties::recognise(&mut canonical, asked.directory, asked.day);
    if let Some(Body::Document(document)) = &mut canonical.body {
        // Whoever submits is the sender, by whichever of its codes it is named.
        document.sender.get_or_insert_default().directory_key = asked.sender.to_owned();
    }
    let content_digest = identity::content_digest(&canonical, asked.sender, kind, &recipients);
    let conversation =
        identity::conversation(&canonical, asked.sender, &recipients, &native_sha256);
    Ok(Normalized {
        conversation: conversation.hyphenated().to_string(),
        content_digest: content_digest.to_vec().into(),
        r#type: kind.into(),
        urgency: identity::urgency(&canonical),
        index: Some(identity::index(&canonical)),
        occurred_at_us: identity::occurred_at_us(&canonical),
        canonical: canonical.encode_to_vec().into(),
        format,
        format_version: version,
        format_hash: hash,
        recipients,
        attachments: Vec::new(),
        findings,
    })
}

/// A refusal that names the place and not a word of what stands there.
fn secret(mark: Mark, asked: &Asked<'_>) -> Fault {
    let place = match mark {
        Mark::Canonical(path) => (asked.place)(&path),
        Mark::Native(place) => place,
    };
    Fault::new(&code::LT_MAP_210).violation(
        place,
        "Có dấu chỉ độ mật; văn bản mật không được gửi qua trục này.",
        "It bears a secrecy mark; secret documents are not sent on this road.",
    )
}

/// The sender in the message must be the organisation that was authenticated.
fn own(
    canonical: &mut Canonical,
    asked: &Asked<'_>,
    findings: &mut Vec<Finding>,
) -> Result<(), Fault> {
    let (said, path) = match &mut canonical.body {
        Some(Body::Document(it)) => (&mut it.sender, "sender.ids[0].value"),
        Some(Body::Status(it)) => (&mut it.reporter, "reporter.ids[0].value"),
        Some(Body::Receipt(_)) | None => return Ok(()),
    };
    let ids: Vec<&str> = said.iter().flat_map(|it| &it.ids).map(|it| it.value.as_str()).collect();
    if ids.iter().all(|it| it.is_empty()) {
        *said = asked.directory.organisation(asked.sender).map(written);
        findings.push(Finding {
            code: "LT-MAP-222".to_owned(),
            field: (asked.place)(path),
            text_vi: "Không nêu mã cơ quan gửi; lấy cơ quan của ứng dụng.".to_owned(),
            text_en: "No sender code is given; the application's organisation is taken.".to_owned(),
        });
        return Ok(());
    }
    for id in ids.into_iter().filter(|it| !it.is_empty()) {
        let wrong = match asked.directory.find(id, asked.day) {
            Answer::Known(it) | Answer::Expired(it) if it.key == asked.sender => continue,
            Answer::Ended(it) if it.key == asked.sender => ended(it, &code::LT_MAP_206),
            Answer::Known(it) | Answer::Expired(it) | Answer::Ended(it) => {
                Fault::new(&code::LT_MAP_202).param("owner", &it.key)
            }
            Answer::Unknown => Fault::new(&code::LT_MAP_201),
            Answer::Ambiguous(owners) => {
                Fault::new(&code::LT_MAP_203).param("owners", owners.join(", "))
            }
        };
        return Err(wrong.param("code", id).param("sender", asked.sender).violation(
            (asked.place)(path),
            format!("Mã cơ quan gửi `{id}` không phải của cơ quan đang gửi."),
            format!("The sender code `{id}` is not of the organisation that sends."),
        ));
    }
    Ok(())
}

/// The organisation as it writes itself.
fn written(registered: &Registered) -> Organisation {
    Organisation {
        ids: registered
            .codes
            .iter()
            .take(1)
            .map(|it| OrganisationId {
                scheme: it.scheme.clone(),
                value: it.value.clone(),
                ..OrganisationId::default()
            })
            .collect(),
        name: registered.name.clone(),
        directory_key: registered.key.clone(),
        ..Organisation::default()
    }
}

/// One recipient as somebody wrote it.
struct Named {
    code: String,
    path: String,
}

/// Directory keys of everybody it goes to, each able and allowed to receive it. All that is wrong
/// is told at once, under the code of the first.
fn recipients(
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

fn first_code(organisation: Option<&Organisation>) -> Option<String> {
    organisation?.ids.iter().map(|it| &it.value).find(|it| !it.is_empty()).cloned()
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
            .param("type", kind.word()));
    }
    if directory.receivers(key, kind).is_empty() {
        let fault = fault(&code::LT_MAP_208).param("recipient", key);
        return Err(fault.param("type", kind.word()));
    }
    Ok(key.clone())
}

fn ended(organisation: &Registered, page: Code) -> Fault {
    let successor = match organisation.successor.as_str() {
        "" => "-",
        successor => successor,
    };
    Fault::new(page).param("organisation", &organisation.key).param("successor", successor)
}

#[cfg(test)]
#[path = "normalize/tests.rs"]
mod tests;
