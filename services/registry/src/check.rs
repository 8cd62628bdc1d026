//! The checks that need the whole folder, and the snapshot of a folder without mistakes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use prost::Message as _;
use proto::fault::code;
use proto::registry::v1::{Organisation, OrganisationCode, Snapshot};
use sha2::{Digest as _, Sha256};

use crate::code::fits;
use crate::mistake::{Mistake, Place};
use crate::read::{Found, file};

/// Reads every `.yaml` file of a folder, its folders included.
///
/// # Errors
///
/// Every mistake in every file, by file and line.
pub fn check(folder: &Path) -> Result<Snapshot, Vec<Mistake>> {
    let mut texts = Vec::new();
    if let Err(error) = collect(folder, "", &mut texts) {
        let place = Place { file: folder.display().to_string(), line: 0 };
        let mistake = Mistake::new(&place, &code::LT_REG_012).param("message", error.to_string());
        return Err(vec![mistake]);
    }
    texts.sort();
    let mut found = Found::default();
    for (name, text) in &texts {
        file(name, text, &mut found);
    }
    whole(&mut found);
    if found.mistakes.is_empty() {
        return Ok(snapshot(found));
    }
    found.mistakes.sort_by(|left, right| (&left.file, left.line).cmp(&(&right.file, right.line)));
    Err(found.mistakes)
}

fn collect(folder: &Path, within: &str, into: &mut Vec<(String, String)>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name =
            path.file_name().map_or_else(String::new, |it| it.to_string_lossy().into_owned());
        if name.starts_with('.') {
            continue;
        }
        let name = format!("{within}{name}");
        if path.is_dir() {
            collect(&path, &format!("{name}/"), into)?;
        } else if path.extension().is_some_and(|it| it == "yaml" || it == "yml") {
            into.push((name, fs::read_to_string(&path)?));
        }
    }
    Ok(())
}

/// What tells that a folder changed: each file's name, size and time of change. Unreadable
/// places are passed over; [`check`] tells about them.
pub(crate) fn stamp(folder: &Path) -> Vec<(PathBuf, u64, Option<SystemTime>)> {
    let mut stamps = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            match fs::metadata(&path) {
                Ok(found) if found.is_dir() => folders.push(path),
                Ok(found) => stamps.push((path, found.len(), found.modified().ok())),
                Err(_unreadable) => stamps.push((path, 0, None)),
            }
        }
    }
    stamps.sort();
    stamps
}

fn snapshot(found: Found) -> Snapshot {
    let mut snapshot = Snapshot {
        revision: String::new(),
        organisations: found.organisations.into_iter().map(|(_, it)| it).collect(),
        applications: found.applications.into_iter().map(|(_, it)| it).collect(),
        rights: found.rights.into_iter().map(|(_, it)| it).collect(),
        code_lists: found.code_lists.into_iter().map(|(_, it)| it).collect(),
    };
    let digest = Sha256::digest(snapshot.encode_to_vec());
    snapshot.revision = digest.iter().map(|it| format!("{it:02x}")).collect();
    snapshot
}

fn whole(found: &mut Found) {
    let mut mistakes = Vec::new();
    unique(
        "organisation",
        found.organisations.iter().map(|(at, it)| (at, it.key.as_str())),
        &mut mistakes,
    );
    unique(
        "application",
        found.applications.iter().map(|(at, it)| (at, it.id.as_str())),
        &mut mistakes,
    );
    unique(
        "code_list",
        found.code_lists.iter().map(|(at, it)| (at, it.name.as_str())),
        &mut mistakes,
    );
    unique(
        "token_sha256",
        found
            .applications
            .iter()
            .flat_map(|(at, it)| it.token_sha256.iter().map(move |hash| (at, hash.as_str()))),
        &mut mistakes,
    );
    codes(&found.organisations, &mut mistakes);
    references(found, &mut mistakes);
    succession(&found.organisations, &mut mistakes);
    applications(found, &mut mistakes);
    found.mistakes.append(&mut mistakes);
}

fn unique<'a>(
    what: &str,
    names: impl Iterator<Item = (&'a Place, &'a str)>,
    mistakes: &mut Vec<Mistake>,
) {
    let mut seen: BTreeMap<&str, &Place> = BTreeMap::new();
    for (at, name) in names.filter(|(_, name)| !name.is_empty()) {
        if let Some(first) = seen.get(name) {
            let first = format!("{}:{}", first.file, first.line);
            mistakes.push(
                Mistake::new(at, &code::LT_REG_005)
                    .param("what", what)
                    .param("value", name)
                    .param("first", first),
            );
        } else {
            seen.insert(name, at);
        }
    }
}

fn codes(organisations: &[(Place, Organisation)], mistakes: &mut Vec<Mistake>) {
    let mut owners: BTreeMap<&str, Vec<(&str, &OrganisationCode)>> = BTreeMap::new();
    for (at, organisation) in organisations {
        period(at, &organisation.valid_from, &organisation.valid_to, mistakes);
        for it in &organisation.codes {
            if !fits(&it.scheme, &it.value) {
                let mistake = Mistake::new(at, &code::LT_REG_007);
                mistakes.push(mistake.param("code", &it.value).param("scheme", &it.scheme));
            }
            period(at, &it.valid_from, &it.valid_to, mistakes);
            let before = owners.entry(&it.value).or_default();
            if let Some((other, _)) = before.iter().find(|(_, other)| overlaps(other, it)) {
                mistakes.push(
                    Mistake::new(at, &code::LT_REG_014)
                        .param("code", &it.value)
                        .param("first", *other)
                        .param("second", &organisation.key),
                );
            }
            before.push((&organisation.key, it));
        }
    }
}

fn overlaps(left: &OrganisationCode, right: &OrganisationCode) -> bool {
    let before = |end: &str, begin: &str| !end.is_empty() && !begin.is_empty() && end < begin;
    !before(&left.valid_to, &right.valid_from) && !before(&right.valid_to, &left.valid_from)
}

fn period(at: &Place, from: &str, to: &str, mistakes: &mut Vec<Mistake>) {
    if !from.is_empty() && !to.is_empty() && to < from {
        mistakes.push(Mistake::new(at, &code::LT_REG_009).param("from", from).param("to", to));
    }
}

fn references(found: &Found, mistakes: &mut Vec<Mistake>) {
    let known: BTreeSet<&str> = found.organisations.iter().map(|(_, it)| it.key.as_str()).collect();
    let mut named: Vec<(&Place, &str, &str)> = Vec::new();
    for (at, it) in &found.organisations {
        named.push((at, "parent", &it.parent));
        named.push((at, "predecessor", &it.predecessor));
        named.push((at, "successor", &it.successor));
    }
    for (at, it) in &found.applications {
        named.push((at, "organisation", &it.organisation));
    }
    for (at, it) in &found.rights {
        period(at, &it.valid_from, &it.valid_to, mistakes);
        named.push((at, "from", &it.from));
        named.push((at, "to", &it.to));
    }
    for (at, key, value) in named {
        if !value.is_empty() && value != "*" && !known.contains(value) {
            let mistake = Mistake::new(at, &code::LT_REG_006);
            mistakes.push(mistake.param("key", key).param("value", value));
        }
    }
}

/// Nobody may succeed himself, over however many steps.
fn succession(organisations: &[(Place, Organisation)], mistakes: &mut Vec<Mistake>) {
    let links: [fn(&Organisation) -> &str; 3] =
        [|it| &it.parent, |it| &it.predecessor, |it| &it.successor];
    for link in links {
        let next: BTreeMap<&str, &str> =
            organisations.iter().map(|(_, it)| (it.key.as_str(), link(it))).collect();
        for (at, organisation) in organisations {
            let key = organisation.key.as_str();
            let mut steps = std::iter::successors(Some(key), |it| next.get(it).copied()).skip(1);
            if !key.is_empty() && steps.by_ref().take(organisations.len()).any(|it| it == key) {
                mistakes.push(Mistake::new(at, &code::LT_REG_010).param("key", key));
            }
        }
    }
}

fn applications(found: &Found, mistakes: &mut Vec<Mistake>) {
    for (at, it) in &found.applications {
        let mut seen = BTreeSet::new();
        for takes in &it.takes {
            if !seen.insert(takes.r#type) {
                let mistake = Mistake::new(at, &code::LT_REG_011);
                mistakes.push(mistake.param("id", &it.id).param("type", takes.r#type().word()));
            }
        }
    }
}
