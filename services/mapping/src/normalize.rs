//! The decision at the door: may this be sent, by whom, to whom, and what is it called.
//!
//! Pure: the same reading, the same registry and the same day give the same answer.

use prost::Message as _;
use proto::canonical::v1::{Canonical, Organisation, OrganisationId, canonical::Body};
use proto::fault::v1::Fault;
use proto::fault::{Code, code};
use proto::mapping::v1::Normalized;
use proto::message::v1::{Finding, Organisation as Registered};

use crate::directory::{Answer, Directory};
use crate::secrecy::{self, Mark};
use crate::{identity, parties};

mod acceptance;
mod recipients;

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
    acceptance::check(&canonical, &findings, asked.place)?;
    own(&mut canonical, asked, &mut findings)?;
    let recipients = recipients::resolve(&canonical, kind, asked)?;
    parties::recognise(&mut canonical, asked.directory, asked.day);
    recipients::complete(&mut canonical, &recipients, asked.directory);
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

/// The sender in the message must be the organisation that was authenticated. Where a format has
/// no place for the sender, the issuer is who the receiver will see, so the issuer must be it.
fn own(
    canonical: &mut Canonical,
    asked: &Asked<'_>,
    findings: &mut Vec<Finding>,
) -> Result<(), Fault> {
    let (sender, issuer, path) = match &mut canonical.body {
        Some(Body::Document(it)) => (&mut it.sender, it.issuer.as_ref(), "sender.ids[0].value"),
        Some(Body::Status(it)) => (&mut it.reporter, None, "reporter.ids[0].value"),
        Some(Body::Receipt(_)) | None => return Ok(()),
    };
    if first_code(sender.as_ref()).is_some() {
        return claimed(sender.as_ref(), path, asked);
    }
    if first_code(issuer).is_some() {
        claimed(issuer, "issuer.ids[0].value", asked)?;
    } else {
        findings.push(Finding {
            code: "LT-MAP-222".to_owned(),
            field: (asked.place)(path),
            text_vi: "Không nêu mã cơ quan gửi; lấy cơ quan của ứng dụng.".to_owned(),
            text_en: "No sender code is given; the application's organisation is taken.".to_owned(),
        });
    }
    *sender = asked.directory.organisation(asked.sender).map(written);
    Ok(())
}

/// Every code of an organisation that a message comes from must be the sender's.
fn claimed(said: Option<&Organisation>, path: &str, asked: &Asked<'_>) -> Result<(), Fault> {
    let ids = said.into_iter().flat_map(|it| &it.ids).map(|it| it.value.as_str());
    for id in ids.filter(|it| !it.is_empty()) {
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

fn first_code(organisation: Option<&Organisation>) -> Option<String> {
    organisation?.ids.iter().map(|it| &it.value).find(|it| !it.is_empty()).cloned()
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
