//! Organisations and applications as people name them: by key, code, id or a part of the name.

use std::collections::BTreeSet;

use chassis::Clock;
use name_folding::{fold_code, fold_name};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::message::v1::Organisation;
use proto::registry::v1::{ExportRequest, Snapshot};
use registry_client::{CodeOwner, Directory, day_in_vietnam};
use strsim::levenshtein;

use crate::client_settings::ClientSettings;
use crate::fault::fault_from_status;
use crate::journal_access::connect_registry;

/// Nearest names that an error lists.
const NEAR_MAX: usize = 3;

/// The registry in force of the running system.
pub(crate) async fn export_registry(client: &ClientSettings) -> anyhow::Result<Snapshot> {
    let answer = connect_registry(client).await?.export(ExportRequest {}).await;
    let answer = answer.map_err(|it| fault_from_status(&it, "registry"))?;
    Ok(answer.into_inner().snapshot.unwrap_or_default())
}

/// Today in Vietnam, on which validity is decided.
pub(crate) fn today() -> String {
    day_in_vietnam(Clock::System.now_us())
}

/// The key of the one organisation that a text names.
pub(crate) fn resolve_organisation(snapshot: &Snapshot, text: &str) -> Result<String, Fault> {
    let directory = Directory::new(snapshot.clone());
    if let Some(found) = directory.organisation(text.trim()) {
        return Ok(found.key.clone());
    }
    match directory.resolve_code(text, &today()) {
        CodeOwner::InForce(it) | CodeOwner::NotInForce(it) | CodeOwner::CodeExpired(it) => {
            return Ok(it.key.clone());
        }
        CodeOwner::Ambiguous(_) | CodeOwner::Unknown => {}
    }
    let found = directory.search("", text, &today(), NEAR_MAX + 1);
    let found: Vec<Organisation> = found.into_iter().filter_map(|it| it.organisation).collect();
    match found.as_slice() {
        [only] => Ok(only.key.clone()),
        [] => Err(unknown_organisation(text, &nearest_organisations(snapshot, text))),
        several => {
            let keys: Vec<String> = several.iter().map(|it| it.key.clone()).collect();
            Err(unknown_organisation(text, &keys))
        }
    }
}

/// Checks that an application is registered, or was.
pub(crate) fn check_application(snapshot: &Snapshot, text: &str) -> Result<(), Fault> {
    let ids: Vec<&str> = snapshot.applications.iter().map(|it| it.id.as_str()).collect();
    if ids.contains(&text) {
        return Ok(());
    }
    let near = nearest(text, ids.iter().map(|it| (*it, *it)));
    Err(Fault::new(&code::LT_CLI_029).param("text", text).param("near", listed(&near)))
}

/// The keys of the organisations whose key, code or name is nearest to a text.
pub(crate) fn nearest_organisations(snapshot: &Snapshot, text: &str) -> Vec<String> {
    let spellings = snapshot.organisations.iter().flat_map(|it| {
        let codes = it.codes.iter().map(|it| it.value.as_str());
        [it.key.as_str(), it.name.as_str()]
            .into_iter()
            .chain(codes)
            .map(|spelt| (spelt, it.key.as_str()))
    });
    nearest(text, spellings)
}

fn unknown_organisation(text: &str, near: &[String]) -> Fault {
    Fault::new(&code::LT_CLI_028).param("text", text).param("near", listed(near))
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "–".to_owned() } else { names.join(", ") }
}

/// The names of the spellings that differ from a text in the fewest letters.
fn nearest<'a>(text: &str, spellings: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<String> {
    let (folded, code) = (fold_name(text.trim()), fold_code(text));
    let distance = |spelt: &str| {
        levenshtein(&fold_name(spelt), &folded).min(levenshtein(&fold_code(spelt), &code))
    };
    let mut ranked: Vec<(usize, &str)> = spellings
        .map(|(spelt, name)| (distance(spelt), spelt.chars().count(), name))
        .filter(|(distance, length, _)| *distance <= 2.max(length / 2))
        .map(|(distance, _, name)| (distance, name))
        .collect();
    ranked.sort_unstable();
    let mut seen = BTreeSet::new();
    let names = ranked.into_iter().map(|(_, name)| name).filter(|it| seen.insert(*it));
    names.take(NEAR_MAX).map(ToOwned::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use proto::message::v1::OrganisationCode;
    use proto::registry::v1::Application;

    use super::*;

    fn snapshot() -> Snapshot {
        let organisation = |key: &str, name: &str, code: &str| Organisation {
            key: key.to_owned(),
            name: name.to_owned(),
            codes: vec![OrganisationCode { value: code.to_owned(), ..OrganisationCode::default() }],
            ..Organisation::default()
        };
        Snapshot {
            organisations: vec![
                organisation("so-noi-vu", "Sở Nội vụ", "A99.1"),
                organisation("so-tai-chinh", "Sở Tài chính", "000.00.02.A99"),
            ],
            applications: vec![Application {
                id: "so-noi-vu-vanban".to_owned(),
                ..Application::default()
            }],
            ..Snapshot::default()
        }
    }

    #[test]
    fn an_organisation_is_named_by_key_code_or_a_part_of_its_name() {
        for text in ["so-noi-vu", "A99.1", " a99.1 ", "nội vụ", "NOI VU"] {
            assert_eq!(
                resolve_organisation(&snapshot(), text).as_deref(),
                Ok("so-noi-vu"),
                "{text}"
            );
        }
    }

    #[test]
    fn an_unknown_name_is_an_error_with_the_nearest() {
        for (text, near) in [
            ("so-noi-vuu", "so-noi-vu"),
            ("A99.9", "so-noi-vu"),
            ("Sở Tài chánh", "so-tai-chinh"),
            ("sở", "so-noi-vu, so-tai-chinh"),
            ("xyz", "–"),
        ] {
            let fault = resolve_organisation(&snapshot(), text).unwrap_err();
            assert_eq!(
                (fault.code.as_str(), fault.params["near"].as_str()),
                ("LT-CLI-028", near),
                "{text}"
            );
        }
        assert_eq!(check_application(&snapshot(), "so-noi-vu-vanban"), Ok(()));
        let fault = check_application(&snapshot(), "so-noi-vu-vanbna").unwrap_err();
        assert_eq!(fault.params["near"], "so-noi-vu-vanban");
    }
}
