//! The registry as a message asks it: whose code is this, who may send, who takes.

use std::collections::HashMap;

use name_folding::fold_code;
use proto::message::v1::{MessageType, Organisation};
use proto::registry::v1::{Application, Right, Snapshot};

/// An index over one state of the registry.
#[derive(Debug, Default)]
pub struct Directory {
    revision: String,
    organisations: Vec<Organisation>,
    keys: HashMap<String, usize>,
    codes: HashMap<String, Vec<Alias>>,
    applications: Vec<Application>,
    rights: Vec<Right>,
}

#[derive(Debug)]
struct Alias {
    owner: usize,
    from: String,
    to: String,
}

/// Whose a code is.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer<'a> {
    /// This organisation's, which can be written to.
    Known(&'a Organisation),
    /// Nobody's.
    Unknown,
    /// Of several at the same time.
    Ambiguous(Vec<&'a str>),
    /// It was this organisation's, which now has another code.
    Expired(&'a Organisation),
    /// Of an organisation that is no more, or not yet.
    Ended(&'a Organisation),
}

/// One application and the format it takes a type in.
#[derive(Clone, Debug, PartialEq)]
pub struct Receiver<'a> {
    /// The application.
    pub application: &'a Application,
    /// Name of the format.
    pub format: &'a str,
}

impl Directory {
    /// Indexes a state.
    pub fn new(snapshot: Snapshot) -> Self {
        let mut keys = HashMap::new();
        let mut codes: HashMap<String, Vec<Alias>> = HashMap::new();
        for (owner, it) in snapshot.organisations.iter().enumerate() {
            keys.insert(it.key.clone(), owner);
            for code in &it.codes {
                let (from, to) = (code.valid_from.clone(), code.valid_to.clone());
                codes.entry(fold_code(&code.value)).or_default().push(Alias { owner, from, to });
            }
        }
        Self {
            revision: snapshot.revision,
            organisations: snapshot.organisations,
            keys,
            codes,
            applications: snapshot.applications,
            rights: snapshot.rights,
        }
    }

    /// Which state this is; empty: none was read yet.
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// Every application.
    pub fn applications(&self) -> &[Application] {
        &self.applications
    }

    /// The organisation of a directory key.
    pub fn organisation(&self, key: &str) -> Option<&Organisation> {
        self.keys.get(key).and_then(|it| self.organisations.get(*it))
    }

    /// Whose a code, of whatever scheme, or a directory key is on a day (`yyyy-mm-dd`).
    pub fn find(&self, code: &str, day: &str) -> Answer<'_> {
        let folded = fold_code(code);
        let aliases = self.codes.get(&folded).map_or(&[][..], Vec::as_slice);
        let mut owners: Vec<usize> =
            aliases.iter().filter(|it| covers(&it.from, &it.to, day)).map(|it| it.owner).collect();
        if aliases.is_empty() {
            owners.extend(self.keys.get(code.trim()));
        }
        owners.sort_unstable();
        owners.dedup();
        match owners[..] {
            [] => aliases
                .last()
                .and_then(|it| self.organisations.get(it.owner))
                .map_or(Answer::Unknown, Answer::Expired),
            [owner] => self.state(owner, day),
            _ => Answer::Ambiguous(
                owners
                    .iter()
                    .filter_map(|it| self.organisations.get(*it))
                    .map(|it| it.key.as_str())
                    .collect(),
            ),
        }
    }

    fn state(&self, owner: usize, day: &str) -> Answer<'_> {
        match self.organisations.get(owner) {
            None => Answer::Unknown,
            Some(it) if covers(&it.valid_from, &it.valid_to, day) => Answer::Known(it),
            Some(it) => Answer::Ended(it),
        }
    }

    /// True when a right allows it on a day. Default deny.
    pub fn permits(&self, from: &str, to: &str, kind: MessageType, day: &str) -> bool {
        self.rights.iter().any(|it| {
            (it.from == "*" || it.from == from)
                && (it.to == "*" || it.to == to)
                && it.types.contains(&i32::from(kind))
                && covers(&it.valid_from, &it.valid_to, day)
        })
    }

    /// The applications of an organisation that take a type, disabled ones left out.
    pub fn receivers(&self, organisation: &str, kind: MessageType) -> Vec<Receiver<'_>> {
        self.applications
            .iter()
            .filter(|it| it.organisation == organisation && !it.disabled)
            .filter_map(|application| {
                let takes = application.takes.iter().find(|it| it.r#type() == kind)?;
                Some(Receiver { application, format: &takes.format })
            })
            .collect()
    }
}

/// Days in the form `yyyy-mm-dd` order as texts; empty ends are open.
fn covers(from: &str, to: &str, day: &str) -> bool {
    (from.is_empty() || from <= day) && (to.is_empty() || day <= to)
}

#[cfg(test)]
#[path = "directory/tests.rs"]
mod tests;
