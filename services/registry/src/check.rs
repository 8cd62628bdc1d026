//! The checks that need the whole folder, and the snapshot of a folder without mistakes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use name_folding::fold_code;
use prost::Message as _;
use proto::fault::code;
use proto::message::v1::Organisation;
use proto::registry::v1::{Application, CodeList, Snapshot};
use sha2::{Digest as _, Sha256};

use crate::code::fits;
use crate::folder::texts;
use crate::mistake::{Mistake, Place, Places};
use crate::read::{Found, file};

/// Reads every `.yaml` file of a folder, its folders included. With `formats`, every format that
/// an application gives or takes must be one of them.
///
/// # Errors
///
/// Every mistake in every file, by file and line.
pub fn check(folder: &Path, formats: Option<&[String]>) -> Result<Snapshot, Vec<Mistake>> {
    let mut found = Found::default();
    for (name, text) in texts(folder, &mut found.mistakes) {
        file(&name, &text, &mut found);
    }
    whole(&mut found, formats);
    if found.mistakes.is_empty() {
        return Ok(snapshot(found));
    }
    found.mistakes.sort_by(|left, right| (&left.file, left.line).cmp(&(&right.file, right.line)));
    Err(found.mistakes)
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

fn whole(found: &mut Found, formats: Option<&[String]>) {
    let mut mistakes = Vec::new();
    let keys = found.organisations.iter().map(|(at, it)| (at.at("key"), it.key.as_str()));
    unique("organisation", keys, &mut mistakes);
    let ids = found.applications.iter().map(|(at, it)| (at.at("id"), it.id.as_str()));
    unique("application", ids, &mut mistakes);
    let names = found.code_lists.iter().map(|(at, it)| (at.at("name"), it.name.as_str()));
    unique("code_list", names, &mut mistakes);
    let tokens = found.applications.iter().flat_map(|(at, it)| {
        let hashes = it.token_sha256.iter().enumerate();
        hashes.map(|(row, hash)| (at.at(&format!("token_sha256[{row}]")), hash.as_str()))
    });
    unique("token_sha256", tokens, &mut mistakes);
    codes(&found.organisations, &mut mistakes);
    references(found, &mut mistakes);
    succession(&found.organisations, &mut mistakes);
    for (at, it) in &found.applications {
        application(at, it, formats, &mut mistakes);
    }
    for (at, it) in &found.code_lists {
        rows(at, it, &mut mistakes);
    }
    found.mistakes.append(&mut mistakes);
}

fn unique<'a>(
    what: &str,
    names: impl Iterator<Item = (Place, &'a str)>,
    mistakes: &mut Vec<Mistake>,
) {
    let mut seen: BTreeMap<&str, Place> = BTreeMap::new();
    for (at, name) in names.filter(|(_, name)| !name.is_empty()) {
        if let Some(first) = seen.get(name) {
            let first = format!("{}:{}", first.file, first.line);
            mistakes.push(
                Mistake::new(&at, &code::LT_REG_005)
                    .param("what", what)
                    .param("value", name)
                    .param("first", first),
            );
        } else {
            seen.insert(name, at);
        }
    }
}

/// First and last day, each empty when it is open.
type Period<'a> = (&'a str, &'a str);

/// Whoever looks a code up does so in capitals, so a code is the same in any case.
fn codes(organisations: &[(Places, Organisation)], mistakes: &mut Vec<Mistake>) {
    let mut owners: BTreeMap<String, Vec<(&str, Period<'_>)>> = BTreeMap::new();
    for (at, organisation) in organisations {
        period(&at.at("to"), (&organisation.valid_from, &organisation.valid_to), mistakes);
        for (row, it) in organisation.codes.iter().enumerate() {
            let at = at.at(&format!("codes[{row}]"));
            if !fits(&it.scheme, &it.value) {
                let mistake = Mistake::new(&at, &code::LT_REG_007);
                mistakes.push(mistake.param("code", &it.value).param("scheme", &it.scheme));
            }
            let valid = (it.valid_from.as_str(), it.valid_to.as_str());
            period(&at, valid, mistakes);
            let before = owners.entry(fold_code(&it.value)).or_default();
            if let Some((other, _)) = before.iter().find(|(_, other)| overlap(*other, valid)) {
                mistakes.push(
                    Mistake::new(&at, &code::LT_REG_014)
                        .param("code", &it.value)
                        .param("first", *other)
                        .param("second", &organisation.key),
                );
            }
            before.push((&organisation.key, valid));
        }
    }
}

fn overlap(left: Period<'_>, right: Period<'_>) -> bool {
    let before = |end: &str, begin: &str| !end.is_empty() && !begin.is_empty() && end < begin;
    !before(left.1, right.0) && !before(right.1, left.0)
}

fn period(at: &Place, (from, to): Period<'_>, mistakes: &mut Vec<Mistake>) {
    if !from.is_empty() && !to.is_empty() && to < from {
        mistakes.push(Mistake::new(at, &code::LT_REG_009).param("from", from).param("to", to));
    }
}

fn references(found: &Found, mistakes: &mut Vec<Mistake>) {
    let known: BTreeSet<&str> = found.organisations.iter().map(|(_, it)| it.key.as_str()).collect();
    let mut named: Vec<(&Places, &str, &str)> = Vec::new();
    for (at, it) in &found.organisations {
        named.push((at, "parent", &it.parent));
        named.push((at, "predecessor", &it.predecessor));
        named.push((at, "successor", &it.successor));
    }
    for (at, it) in &found.applications {
        named.push((at, "organisation", &it.organisation));
    }
    for (at, it) in &found.rights {
        period(&at.at("valid_to"), (&it.valid_from, &it.valid_to), mistakes);
        named.push((at, "from", &it.from));
        named.push((at, "to", &it.to));
    }
    for (at, key, value) in named {
        let is_any = value == "*" && ["from", "to"].contains(&key);
        if !value.is_empty() && !is_any && !known.contains(value) {
            let mistake = Mistake::new(&at.at(key), &code::LT_REG_006);
            mistakes.push(mistake.param("key", key).param("value", value));
        }
    }
}

/// One kind of link from an organisation to another: its key, and whom it names.
type Link = (&'static str, fn(&Organisation) -> &str);

/// Nobody may succeed himself, over however many steps.
fn succession(organisations: &[(Places, Organisation)], mistakes: &mut Vec<Mistake>) {
    let links: [Link; 3] = [
        ("parent", |it| &it.parent),
        ("predecessor", |it| &it.predecessor),
        ("successor", |it| &it.successor),
    ];
    for (name, link) in links {
        let next: BTreeMap<&str, &str> =
            organisations.iter().map(|(_, it)| (it.key.as_str(), link(it))).collect();
        for (at, organisation) in organisations {
            let key = organisation.key.as_str();
            let mut steps = std::iter::successors(Some(key), |it| next.get(it).copied()).skip(1);
            if !key.is_empty() && steps.by_ref().take(organisations.len()).any(|it| it == key) {
                let mistake = Mistake::new(&at.at(name), &code::LT_REG_010);
                mistakes.push(mistake.param("key", key));
            }
        }
    }
}

fn application(
    at: &Places,
    application: &Application,
    formats: Option<&[String]>,
    mistakes: &mut Vec<Mistake>,
) {
    let mut seen = BTreeSet::new();
    let mut named: Vec<(String, &str)> = Vec::new();
    for takes in &application.takes {
        let word = takes.r#type().as_str();
        named.push((format!("takes.{word}"), &takes.format));
        if !seen.insert(takes.r#type) {
            let mistake = Mistake::new(&at.at(&format!("takes.{word}")), &code::LT_REG_011);
            mistakes.push(mistake.param("id", &application.id).param("type", word));
        }
    }
    let gives = application.gives.iter().enumerate();
    named.extend(gives.map(|(row, it)| (format!("gives[{row}]"), it.as_str())));
    let Some(known) = formats else { return };
    for (key, format) in named.iter().filter(|(_, it)| !known.iter().any(|of| of == it)) {
        mistakes.push(
            Mistake::new(&at.at(key), &code::LT_REG_017)
                .param("format", *format)
                .param("known", known.join(", ")),
        );
    }
}

/// A code stands once in a list at a time.
fn rows(at: &Places, list: &CodeList, mistakes: &mut Vec<Mistake>) {
    let mut seen: BTreeMap<&str, Vec<(Place, Period<'_>)>> = BTreeMap::new();
    for (row, it) in list.rows.iter().enumerate() {
        let at = at.at(&format!("rows[{row}]"));
        let valid = (it.valid_from.as_str(), it.valid_to.as_str());
        period(&at, valid, mistakes);
        let before = seen.entry(&it.code).or_default();
        if let Some((first, _)) = before.iter().find(|(_, other)| overlap(*other, valid))
            && !it.code.is_empty()
        {
            mistakes.push(
                Mistake::new(&at, &code::LT_REG_016)
                    .param("code", &it.code)
                    .param("list", &list.name)
                    .param("first", format!("{}:{}", first.file, first.line)),
            );
        }
        before.push((at, valid));
    }
}
