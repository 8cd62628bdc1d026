//! Finds the agency that a person names by its code, its key in the registry or its whole name.

use name_folding::fold_name;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::message::v1::Organisation;
use proto::registry::v1::ExportRequest;
use registry_client::{CodeOwner, Directory};

use crate::client_settings::ClientSettings;
use crate::fault::fault_from_status;
use crate::journal_access::connect_registry;

/// Most agencies that a fault lists.
const CANDIDATES_MAX: usize = 8;

/// The registry in force.
pub(crate) async fn read_directory(client: &ClientSettings) -> anyhow::Result<Directory> {
    let exported = connect_registry(client).await?.export(ExportRequest {}).await;
    let exported = exported.map_err(|status| fault_from_status(&status, "registry"))?.into_inner();
    Ok(Directory::new(exported.snapshot.unwrap_or_default()))
}

/// The key of the one agency that a text names on a day. A part of a name names none, because what
/// is sent to the wrong agency cannot be taken back; the fault lists those that are similar.
pub(crate) fn find_agency(directory: &Directory, text: &str, day: &str) -> Result<String, Fault> {
    match directory.resolve_code(text, day) {
        CodeOwner::InForce(found) => return Ok(found.key.clone()),
        CodeOwner::Ambiguous(keys) => {
            let owners = keys.iter().filter_map(|it| directory.organisation(it));
            return Err(candidates_fault(text, &owners.cloned().collect::<Vec<_>>()));
        }
        CodeOwner::CodeExpired(found) | CodeOwner::NotInForce(found) => {
            let successor = if found.successor.is_empty() { "-" } else { &found.successor };
            return Err(Fault::new(&code::LT_MAP_206)
                .param("organisation", &found.key)
                .param("successor", successor));
        }
        CodeOwner::Unknown => {}
    }
    let similar = similar_agencies(directory, text, day);
    let name = fold_name(text);
    let named: Vec<&Organisation> =
        similar.iter().filter(|it| fold_name(&it.name) == name).collect();
    match named.as_slice() {
        [only] => find_agency(directory, &only.key, day),
        _ => Err(candidates_fault(text, &similar)),
    }
}

/// Agencies whose name contains the text, or else the most of its longer words.
fn similar_agencies(directory: &Directory, text: &str, day: &str) -> Vec<Organisation> {
    let search = |text: &str| {
        let found = directory.search("", text, day, CANDIDATES_MAX).into_iter();
        found.filter_map(|it| it.organisation).collect::<Vec<_>>()
    };
    let whole = search(text);
    if !whole.is_empty() {
        return whole;
    }
    let mut words: Vec<&str> = text.split_whitespace().filter(|it| it.len() > 2).collect();
    words.sort_by_key(|it| std::cmp::Reverse(it.len()));
    words.iter().map(|it| search(it)).find(|it| !it.is_empty()).unwrap_or_default()
}

fn candidates_fault(text: &str, candidates: &[Organisation]) -> Fault {
    let shown = |it: &Organisation| {
        let code = it.codes.first().map_or(it.key.as_str(), |it| it.value.as_str());
        format!("{} ({code})", it.name)
    };
    let list: Vec<String> = candidates.iter().take(CANDIDATES_MAX).map(shown).collect();
    let list = if list.is_empty() { "-".to_owned() } else { list.join("; ") };
    Fault::new(&code::LT_CLI_031).param("text", text).param("candidates", list)
}

#[cfg(test)]
mod tests {
    use proto::message::v1::OrganisationCode;
    use proto::registry::v1::Snapshot;

    use super::*;

    fn directory() -> Directory {
        let organisation = |key: &str, name: &str, codes: &[&str]| Organisation {
            key: key.to_owned(),
            name: name.to_owned(),
            codes: codes
                .iter()
                .map(|it| OrganisationCode {
                    value: (*it).to_owned(),
                    ..OrganisationCode::default()
                })
                .collect(),
            ..Organisation::default()
        };
        Directory::new(Snapshot {
            revision: "1".to_owned(),
            organisations: vec![
                organisation("tinhuy", "Tỉnh ủy", &["A99.1", "A99"]),
                organisation("vp", "Văn phòng Tỉnh ủy", &["A99.2"]),
                organisation("mttq", "Ủy ban Mặt trận Tổ quốc", &["A99.3", "A99"]),
            ],
            ..Snapshot::default()
        })
    }

    #[test]
    fn an_agency_is_named_by_its_code_its_key_or_its_whole_name() {
        let find = |text: &str| find_agency(&directory(), text, "2026-11-29").unwrap();
        for (text, key) in
            [("a99.2", "vp"), ("mttq", "mttq"), ("tinh uy", "tinhuy"), ("Văn phòng Tỉnh ủy", "vp")]
        {
            assert_eq!(find(text), key, "{text}");
        }
    }

    #[test]
    fn a_text_that_names_none_or_several_is_refused_with_candidates() {
        for (text, candidates) in [
            ("A99", "Ủy ban Mặt trận Tổ quốc (A99.3); Tỉnh ủy (A99.1)"),
            ("mat tran", "Ủy ban Mặt trận Tổ quốc (A99.3)"),
            ("phòng nào", "Văn phòng Tỉnh ủy (A99.2)"),
            ("zzz", "-"),
        ] {
            let fault = find_agency(&directory(), text, "2026-11-29").unwrap_err();
            assert_eq!(fault.code, "LT-CLI-031");
            let mut found: Vec<&str> = fault.params["candidates"].split("; ").collect();
            let mut expected: Vec<&str> = candidates.split("; ").collect();
            found.sort_unstable();
            expected.sort_unstable();
            assert_eq!(found, expected, "{text}");
        }
    }
}
