//! One snapshot of the registry, indexed for the questions that are asked for every message.

use std::collections::HashMap;
use std::sync::Arc;

use name_folding::{fold_code, fold_name};
use prost::Message as _;
use proto::exchange::v1::LookedUp;
use proto::message::v1::{MessageType, Organisation, OrganisationCode};
use proto::registry::v1::{Application, CodeList, FormatDescription, Right, Snapshot};
use sha2::{Digest as _, Sha256};

use crate::day::{covers, day_in_vietnam};
use crate::token::TokenDigest;

/// A right's `from` or `to` that stands for every organisation.
const ANY: &str = "*";

/// An immutable index over one snapshot of the registry.
///
/// Days are `yyyy-mm-dd`, see [`day_in_vietnam`](crate::day_in_vietnam).
#[derive(Debug, Default)]
pub struct Directory {
    revision: String,
    organisations: Vec<Organisation>,
    /// Names as [`fold_name`] folds them, in the order of `organisations`.
    folded_names: Vec<String>,
    index_by_key: HashMap<String, usize>,
    periods_by_code: HashMap<String, Vec<CodePeriod>>,
    applications: Vec<Arc<Application>>,
    index_by_token: HashMap<TokenDigest, usize>,
    rights: Vec<Right>,
    formats: Vec<FormatDescription>,
    code_lists: Vec<CodeList>,
    formats_digest: [u8; 32],
}

/// The period in which a code belongs to an organisation.
#[derive(Debug)]
struct CodePeriod {
    organisation: usize,
    valid_from: String,
    valid_to: String,
}

/// An authenticated application.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The application.
    pub application: Arc<Application>,
    /// The digest of the token that authenticated it.
    pub token: TokenDigest,
}

/// The organisation that a code belongs to on a day.
#[derive(Clone, Debug, PartialEq)]
pub enum CodeOwner<'a> {
    /// An organisation in force: messages may be addressed to it.
    InForce(&'a Organisation),
    /// No organisation has or had the code.
    Unknown,
    /// Several organisations have the code on that day; their keys.
    Ambiguous(Vec<&'a str>),
    /// The code is no longer valid; the organisation has another one now.
    CodeExpired(&'a Organisation),
    /// The organisation does not exist any more, or not yet.
    NotInForce(&'a Organisation),
}

/// An application that takes messages of a type, and the format it takes them in.
#[derive(Clone, Debug, PartialEq)]
pub struct ReceivingApplication<'a> {
    /// The application.
    pub application: &'a Application,
    /// Name of the format.
    pub format: &'a str,
}

impl Directory {
    /// Indexes a snapshot. Of two organisations with one key the last counts; the registry refuses
    /// such a snapshot.
    pub fn new(snapshot: Snapshot) -> Self {
        let mut index_by_key = HashMap::new();
        let mut periods_by_code: HashMap<String, Vec<CodePeriod>> = HashMap::new();
        for (index, organisation) in snapshot.organisations.iter().enumerate() {
            index_by_key.insert(organisation.key.clone(), index);
            for code in &organisation.codes {
                let period = CodePeriod {
                    organisation: index,
                    valid_from: code.valid_from.clone(),
                    valid_to: code.valid_to.clone(),
                };
                periods_by_code.entry(fold_code(&code.value)).or_default().push(period);
            }
        }
        let mut index_by_token = HashMap::new();
        for (index, application) in snapshot.applications.iter().enumerate() {
            let digests =
                application.token_sha256.iter().filter_map(|it| TokenDigest::from_hex(it));
            index_by_token.extend(digests.map(|it| (it, index)));
        }
        Self {
            revision: snapshot.revision,
            folded_names: snapshot.organisations.iter().map(|it| fold_name(&it.name)).collect(),
            organisations: snapshot.organisations,
            index_by_key,
            periods_by_code,
            applications: snapshot.applications.into_iter().map(Arc::new).collect(),
            index_by_token,
            rights: snapshot.rights,
            formats_digest: formats_digest(&snapshot.formats, &snapshot.code_lists),
            code_lists: snapshot.code_lists,
            formats: snapshot.formats,
        }
    }

    /// The snapshot's revision; empty before the first snapshot.
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// True before the first snapshot. Nothing is allowed then.
    pub fn is_empty(&self) -> bool {
        self.revision.is_empty()
    }

    /// The formats beside those that are shipped with the product.
    pub fn formats(&self) -> &[FormatDescription] {
        &self.formats
    }

    /// The code lists, which formats are bound to by name.
    pub fn code_lists(&self) -> &[CodeList] {
        &self.code_lists
    }

    /// Equal for equal formats with equal code lists.
    pub fn formats_digest(&self) -> [u8; 32] {
        self.formats_digest
    }

    /// Every application, disabled ones included.
    pub fn applications(&self) -> &[Arc<Application>] {
        &self.applications
    }

    /// True when an application of this id is listed, also when it is disabled.
    pub fn has_application(&self, id: &str) -> bool {
        self.applications.iter().any(|it| it.id == id)
    }

    /// The application that a token belongs to, also when it is disabled: the caller then answers
    /// so, instead of that the token is unknown.
    pub fn authenticate(&self, token: &str) -> Option<Caller> {
        let token = TokenDigest::of_token(token);
        let index = *self.index_by_token.get(&token)?;
        let application = Arc::clone(self.applications.get(index)?);
        Some(Caller { application, token })
    }

    /// The application that the token of this digest belongs to, also when it is disabled.
    pub fn application_of(&self, token: &TokenDigest) -> Option<&Arc<Application>> {
        self.index_by_token.get(token).and_then(|it| self.applications.get(*it))
    }

    /// True when the organisation of a directory key is listed and in force at a moment.
    pub fn is_in_force(&self, organisation: &str, at_us: i64) -> bool {
        self.organisation(organisation).is_some_and(|it| {
            // The day is only needed for a bounded period.
            (it.valid_from.is_empty() && it.valid_to.is_empty())
                || is_organisation_in_force(it, &day_in_vietnam(at_us))
        })
    }

    /// The organisation of a directory key.
    pub fn organisation(&self, key: &str) -> Option<&Organisation> {
        self.index_by_key.get(key).and_then(|it| self.organisations.get(*it))
    }

    /// The name of an organisation; empty for an unknown key.
    pub fn organisation_name(&self, key: &str) -> String {
        self.organisation(key).map_or_else(String::new, |it| it.name.clone())
    }

    /// The owner of a code, of whatever scheme, or of a directory key on a day.
    ///
    /// Codes are matched in any case, keys exactly. A code that some organisation has or had hides
    /// a key of the same spelling.
    pub fn resolve_code(&self, code: &str, day: &str) -> CodeOwner<'_> {
        let periods = self.periods_by_code.get(&fold_code(code)).map_or(&[][..], Vec::as_slice);
        let covering = periods.iter().filter(|it| covers(&it.valid_from, &it.valid_to, day));
        let mut owners: Vec<usize> = covering.map(|it| it.organisation).collect();
        if periods.is_empty() {
            owners.extend(self.index_by_key.get(code.trim()));
        }
        owners.sort_unstable();
        owners.dedup();
        match owners[..] {
            [] => periods
                .last()
                .and_then(|it| self.organisations.get(it.organisation))
                .map_or(CodeOwner::Unknown, CodeOwner::CodeExpired),
            [owner] => self.organisations.get(owner).map_or(CodeOwner::Unknown, |it| {
                if is_organisation_in_force(it, day) {
                    CodeOwner::InForce(it)
                } else {
                    CodeOwner::NotInForce(it)
                }
            }),
            _ => {
                let owners = owners.iter().filter_map(|it| self.organisations.get(*it));
                CodeOwner::Ambiguous(owners.map(|it| it.key.as_str()).collect())
            }
        }
    }

    /// True when a right in force on the day allows the type from one organisation to the other.
    /// What no right allows is denied.
    pub fn permits(&self, from: &str, to: &str, message_type: MessageType, day: &str) -> bool {
        let message_type = i32::from(message_type);
        self.rights_in_force(from, to, day).any(|it| it.types.contains(&message_type))
    }

    /// The applications of an organisation that take a type, disabled ones left out.
    pub fn receiving_applications(
        &self,
        organisation: &str,
        message_type: MessageType,
    ) -> Vec<ReceivingApplication<'_>> {
        self.applications
            .iter()
            .filter(|it| it.organisation == organisation && !it.disabled)
            .filter_map(|application| {
                let takes = application.takes.iter().find(|it| it.r#type() == message_type)?;
                Some(ReceivingApplication { application, format: &takes.format })
            })
            .collect()
    }

    /// Organisations whose key or code is the text, or whose name contains it in any spelling,
    /// ordered by key, each with the types that `from` may send to it on the day.
    ///
    /// Codes are found whether they are valid on the day or not: a person who searches by an old
    /// code is looking for the organisation. Nothing may be sent to one that is not in force.
    pub fn search(&self, from: &str, text: &str, day: &str, limit: usize) -> Vec<LookedUp> {
        let text = text.trim();
        let (code, words) = (fold_code(text), fold_name(text));
        let has_code = |it: &OrganisationCode| fold_code(&it.value) == code;
        let mut found: Vec<&Organisation> = self
            .organisations
            .iter()
            .zip(&self.folded_names)
            .filter(|(it, name)| {
                it.key.eq_ignore_ascii_case(text)
                    || name.contains(&words)
                    || it.codes.iter().any(has_code)
            })
            .map(|(it, _)| it)
            .collect();
        found.sort_by(|left, right| left.key.cmp(&right.key));
        found.truncate(limit);
        let looked_up = |it: &Organisation| LookedUp {
            may_send: self.permitted_types(from, it, day),
            organisation: Some(it.clone()),
        };
        found.into_iter().map(looked_up).collect()
    }

    fn permitted_types(&self, from: &str, to: &Organisation, day: &str) -> Vec<i32> {
        if !is_organisation_in_force(to, day) {
            return Vec::new();
        }
        let mut types: Vec<i32> = self
            .rights_in_force(from, &to.key, day)
            .flat_map(|it| it.types.iter().copied())
            .filter(|it| *it != i32::from(MessageType::Unspecified))
            .collect();
        types.sort_unstable();
        types.dedup();
        types
    }

    fn rights_in_force(&self, from: &str, to: &str, day: &str) -> impl Iterator<Item = &Right> {
        self.rights.iter().filter(move |it| {
            (it.from == ANY || it.from == from)
                && (it.to == ANY || it.to == to)
                && covers(&it.valid_from, &it.valid_to, day)
        })
    }
}

fn formats_digest(formats: &[FormatDescription], code_lists: &[CodeList]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for it in formats {
        digest.update(format!("{}\n{}\n{}\n", it.hash, it.name, it.file));
    }
    for it in code_lists {
        digest.update(it.encode_length_delimited_to_vec());
    }
    digest.finalize().into()
}

fn is_organisation_in_force(organisation: &Organisation, day: &str) -> bool {
    covers(&organisation.valid_from, &organisation.valid_to, day)
}

#[cfg(test)]
#[path = "directory/tests.rs"]
mod tests;
