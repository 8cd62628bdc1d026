//! Checks that need the entries of all files: unique names, references, validity, successions.

use std::collections::{BTreeMap, BTreeSet};

use name_folding::{fold_code, is_invisible, spell_out_invisible};
use proto::envelope::BUS;
use proto::fault::code;
use proto::message::v1::Organisation;
use proto::registry::v1::{Application, CodeList};
use proto::scheme::fits;

use crate::format_engine::KnownFormats;
use crate::mistake::{EntryPositions, Mistake, Position};
use crate::parse::ParsedFolder;

/// Adds the mistakes of all checks.
pub(crate) fn check_consistency(parsed: &mut ParsedFolder, formats: Option<&KnownFormats>) {
    let mut mistakes = Vec::new();
    check_unique_names(parsed, &mut mistakes);
    check_codes(&parsed.organisations, &mut mistakes);
    check_references(parsed, &mut mistakes);
    check_successions(&parsed.organisations, &mut mistakes);
    for (positions, it) in &parsed.applications {
        check_formats(positions, it, formats, &mut mistakes);
    }
    for (positions, it) in &parsed.code_lists {
        check_rows(positions, it, &mut mistakes);
    }
    check_meanings(&parsed.code_lists, &mut mistakes);
    parsed.mistakes.append(&mut mistakes);
}

fn check_unique_names(parsed: &ParsedFolder, mistakes: &mut Vec<Mistake>) {
    let keys = parsed.organisations.iter().map(|(at, it)| (at.at("key"), it.key.as_str()));
    check_unique("organisation", keys, mistakes);
    let ids = parsed.applications.iter().map(|(at, it)| (at.at("id"), it.id.as_str()));
    check_unique("application", ids, mistakes);
    let names = parsed.code_lists.iter().map(|(at, it)| (at.at("name"), it.name.as_str()));
    check_unique("code_list", names, mistakes);
    let digests = parsed.applications.iter().flat_map(|(at, it)| {
        let digests = it.token_sha256.iter().enumerate();
        digests.map(|(row, digest)| (at.at(&format!("token_sha256[{row}]")), digest.as_str()))
    });
    check_unique("token_sha256", digests, mistakes);
}

fn check_unique<'a>(
    what: &str,
    names: impl Iterator<Item = (Position, &'a str)>,
    mistakes: &mut Vec<Mistake>,
) {
    let mut first_by_name: BTreeMap<&str, Position> = BTreeMap::new();
    for (position, name) in names.filter(|(_, name)| !name.is_empty()) {
        if name == BUS {
            // The bus is the sender of the messages that it writes itself.
            let mistake = Mistake::new(&position, &code::LT_REG_005).param("what", what);
            mistakes.push(mistake.param("value", name).param("first", "trục (the bus)"));
        } else if let Some(first) = first_by_name.get(name) {
            let first = format!("{}:{}", first.file, first.line);
            mistakes.push(
                Mistake::new(&position, &code::LT_REG_005)
                    .param("what", what)
                    .param("value", name)
                    .param("first", first),
            );
        } else {
            first_by_name.insert(name, position);
        }
    }
}

/// First and last day of validity; an empty end is open.
type Period<'a> = (&'a str, &'a str);

/// A code follows its scheme and belongs to one organisation at a time. Codes are compared as
/// `registry-client` resolves them, in any case.
fn check_codes(organisations: &[(EntryPositions, Organisation)], mistakes: &mut Vec<Mistake>) {
    let mut owners: BTreeMap<String, Vec<(&str, Period<'_>)>> = BTreeMap::new();
    for (positions, organisation) in organisations {
        let period = (organisation.valid_from.as_str(), organisation.valid_to.as_str());
        check_period(&positions.at("to"), period, mistakes);
        // A code without a value was reported when it was read.
        let codes = organisation.codes.iter().enumerate().filter(|(_, it)| !it.value.is_empty());
        for (row, it) in codes {
            let position = positions.at(&format!("codes[{row}]"));
            // A code with an invisible character would refuse everybody who writes it rightly.
            if !fits(&it.scheme, &it.value) || it.value.chars().any(is_invisible) {
                let mistake = Mistake::new(&position, &code::LT_REG_007);
                let shown = spell_out_invisible(&it.value);
                mistakes.push(mistake.param("code", shown).param("scheme", &it.scheme));
            }
            let period = (it.valid_from.as_str(), it.valid_to.as_str());
            check_period(&position, period, mistakes);
            let others = owners.entry(fold_code(&it.value)).or_default();
            if let Some((other, _)) = others.iter().find(|(_, other)| do_overlap(*other, period)) {
                mistakes.push(
                    Mistake::new(&position, &code::LT_REG_014)
                        .param("code", &it.value)
                        .param("first", *other)
                        .param("second", &organisation.key),
                );
            }
            others.push((&organisation.key, period));
        }
    }
}

fn do_overlap(left: Period<'_>, right: Period<'_>) -> bool {
    let is_before = |end: &str, begin: &str| !end.is_empty() && !begin.is_empty() && end < begin;
    !is_before(left.1, right.0) && !is_before(right.1, left.0)
}

fn check_period(position: &Position, (from, to): Period<'_>, mistakes: &mut Vec<Mistake>) {
    if !from.is_empty() && !to.is_empty() && to < from {
        let mistake = Mistake::new(position, &code::LT_REG_009);
        mistakes.push(mistake.param("from", from).param("to", to));
    }
}

/// Every key that an entry refers to is the key of an organisation; a right may name `*`.
fn check_references(parsed: &ParsedFolder, mistakes: &mut Vec<Mistake>) {
    let keys: BTreeSet<&str> = parsed.organisations.iter().map(|(_, it)| it.key.as_str()).collect();
    let mut references: Vec<(&EntryPositions, &str, &str)> = Vec::new();
    for (positions, it) in &parsed.organisations {
        references.push((positions, "parent", &it.parent));
        references.push((positions, "predecessor", &it.predecessor));
        references.push((positions, "successor", &it.successor));
    }
    for (positions, it) in &parsed.applications {
        references.push((positions, "organisation", &it.organisation));
    }
    for (positions, it) in &parsed.rights {
        check_period(&positions.at("valid_to"), (&it.valid_from, &it.valid_to), mistakes);
        references.push((positions, "from", &it.from));
        references.push((positions, "to", &it.to));
    }
    for (positions, path, value) in references {
        let is_any = value == "*" && ["from", "to"].contains(&path);
        if !value.is_empty() && !is_any && !keys.contains(value) {
            let mistake = Mistake::new(&positions.at(path), &code::LT_REG_006);
            mistakes.push(mistake.param("key", path).param("value", value));
        }
    }
}

/// A key that links an organisation to another, and how its value is read.
type Link = (&'static str, fn(&Organisation) -> &str);

/// No chain of parents, predecessors or successors returns to where it began.
fn check_successions(
    organisations: &[(EntryPositions, Organisation)],
    mistakes: &mut Vec<Mistake>,
) {
    let links: [Link; 3] = [
        ("parent", |it| &it.parent),
        ("predecessor", |it| &it.predecessor),
        ("successor", |it| &it.successor),
    ];
    for (path, link) in links {
        let next: BTreeMap<&str, &str> =
            organisations.iter().map(|(_, it)| (it.key.as_str(), link(it))).collect();
        for (positions, organisation) in organisations {
            let key = organisation.key.as_str();
            let mut chain = std::iter::successors(Some(key), |it| next.get(it).copied()).skip(1);
            if !key.is_empty() && chain.by_ref().take(organisations.len()).any(|it| it == key) {
                let mistake = Mistake::new(&positions.at(path), &code::LT_REG_010);
                mistakes.push(mistake.param("key", key));
            }
        }
    }
}

/// An application takes a type in one format only, and every format that it names exists.
fn check_formats(
    positions: &EntryPositions,
    application: &Application,
    formats: Option<&KnownFormats>,
    mistakes: &mut Vec<Mistake>,
) {
    let mut types = BTreeSet::new();
    let mut named: Vec<(String, &str)> = Vec::new();
    for takes in &application.takes {
        let word = takes.r#type().as_str();
        let path = format!("takes.{word}");
        if !types.insert(takes.r#type) {
            let mistake = Mistake::new(&positions.at(&path), &code::LT_REG_011);
            mistakes.push(mistake.param("id", &application.id).param("type", word));
        }
        named.push((path, &takes.format));
    }
    let gives = application.gives.iter().enumerate();
    named.extend(gives.map(|(row, it)| (format!("gives[{row}]"), it.as_str())));
    let Some(known) = formats else { return };
    for (path, format) in named.iter().filter(|(_, it)| !known.names.iter().any(|of| of == it)) {
        let position = positions.at(path);
        mistakes.push(unknown_format(&position, format, known));
    }
}

fn unknown_format(position: &Position, format: &str, known: &KnownFormats) -> Mistake {
    if let Some((_, file)) = known.unloaded.iter().find(|(name, _)| name == format) {
        let mistake = Mistake::new(position, &code::LT_REG_022);
        return mistake.param("format", format).param("file", file);
    }
    let distance = |it: &&String| strsim::levenshtein(it, format);
    let nearest = known.names.iter().min_by_key(distance).map_or("–", String::as_str);
    Mistake::new(position, &code::LT_REG_017)
        .param("format", format)
        .param("nearest", nearest)
        .param("known", known.names.join(", "))
}

/// A code stands in a list once at a time.
fn check_rows(positions: &EntryPositions, list: &CodeList, mistakes: &mut Vec<Mistake>) {
    let mut rows_by_code: BTreeMap<&str, Vec<(Position, Period<'_>)>> = BTreeMap::new();
    for (row, it) in list.rows.iter().enumerate() {
        let position = positions.at(&format!("rows[{row}]"));
        let period = (it.valid_from.as_str(), it.valid_to.as_str());
        check_period(&position, period, mistakes);
        let others = rows_by_code.entry(&it.code).or_default();
        if let Some((first, _)) = others.iter().find(|(_, other)| do_overlap(*other, period))
            && !it.code.is_empty()
        {
            mistakes.push(
                Mistake::new(&position, &code::LT_REG_016)
                    .param("code", &it.code)
                    .param("list", &list.name)
                    .param("first", format!("{}:{}", first.file, first.line)),
            );
        }
        others.push((position, period));
    }
}

/// What the codes of an application mean is a code of the list that they are of, which has canonical
/// codes itself.
fn check_meanings(lists: &[(EntryPositions, CodeList)], mistakes: &mut Vec<Mistake>) {
    let canonical: BTreeMap<&str, BTreeSet<&str>> = lists
        .iter()
        .filter(|(_, it)| it.of.is_empty())
        .map(|(_, it)| (it.name.as_str(), it.rows.iter().map(|it| it.code.as_str()).collect()))
        .collect();
    for (positions, list) in lists {
        let codes = canonical.get(list.of.as_str());
        if !list.of.is_empty() && codes.is_none() {
            let known: Vec<&str> = canonical.keys().copied().collect();
            let mistake = Mistake::new(&positions.at("of"), &code::LT_REG_030);
            let mistake = mistake.param("list", &list.name).param("of", &list.of);
            mistakes.push(mistake.param("known", or_none(&known.join(", "))));
            continue;
        }
        for (row, it) in list.rows.iter().enumerate() {
            let position = positions.at(&format!("rows[{row}].means"));
            let mistake = |code| {
                let mistake = Mistake::new(&position, code).param("list", &list.name);
                mistake.param("code", &it.code)
            };
            match codes {
                None if !it.means.is_empty() => mistakes.push(mistake(&code::LT_REG_031)),
                Some(_) if it.means.is_empty() => mistakes.push(mistake(&code::LT_REG_032)),
                Some(codes) if !codes.contains(it.means.as_str()) => {
                    let distance = |known: &&&str| strsim::levenshtein(known, &it.means);
                    let nearest = codes.iter().min_by_key(distance).copied().unwrap_or_default();
                    let mistake = mistake(&code::LT_REG_033).param("means", &it.means);
                    mistakes.push(mistake.param("of", &list.of).param("nearest", or_none(nearest)));
                }
                None | Some(_) => {}
            }
        }
    }
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "–" } else { text }
}
