//! Which row a code means on which day.

use super::*;

fn row(code: &str, name: &str, means: &str, (from, to): (&str, &str)) -> CodeRow {
    let [code, name, means] = [code, name, means].map(str::to_owned);
    let (valid_from, valid_to) = (from.to_owned(), to.to_owned());
    CodeRow { code, name_vi: name, means, valid_from, valid_to, ..CodeRow::default() }
}

fn list(name: &str, of: &str, rows: Vec<CodeRow>) -> CodeList {
    CodeList { name: name.to_owned(), of: of.to_owned(), rows, ..CodeList::default() }
}

/// `3` was a letter until 2025, and is a decision since 2026.
fn reused() -> CodeListSet {
    let rows = vec![
        row("3", "Công văn", "cong-van", ("", "2025-12-31")),
        row("3", "Quyết định", "quyet-dinh", ("2026-01-01", "")),
        row("7", "Công văn", "cong-van", ("2026-01-01", "")),
        row("5", "Báo cáo", "bao-cao", ("", "2024-12-31")),
    ];
    CodeListSet::new(&[list("own", "document-type", rows)])
}

#[test]
fn a_code_means_what_it_meant_on_the_day_of_the_document() {
    let set = reused();
    let rows = set.get("own").unwrap();
    let find = |text: &str, day: &str| {
        let found = rows.find(text, false, Day::parse(day))?;
        Some((found.row.meaning.as_str(), found.is_valid))
    };
    assert_eq!(find("3", "2025-12-31"), Some(("cong-van", true)));
    assert_eq!(find("3", "2026-01-01"), Some(("quyet-dinh", true)));
    assert_eq!(find("3", ""), Some(("quyet-dinh", true)), "without a day, the row without an end");
    assert_eq!(find("5", "2026-01-01"), Some(("bao-cao", false)));
    assert_eq!(find("5", ""), Some(("bao-cao", true)));
    assert_eq!(find("7", "2025-01-01"), Some(("cong-van", false)), "before it begins");
    assert_eq!(find("8", "2026-01-01"), None);
}

#[test]
fn a_meaning_has_the_code_of_the_day_and_never_one_that_means_another_thing() {
    let set = reused();
    let rows = set.get("own").unwrap();
    let native = |meaning: &str, day: &str| rows.native(meaning, false, Day::parse(day));
    assert_eq!(native("cong-van", "2025-06-01"), Some("3"));
    assert_eq!(native("cong-van", "2026-06-01"), Some("7"));
    assert_eq!(native("cong-van", ""), Some("7"));
    assert_eq!(native("quyet-dinh", "2025-06-01"), None, "`3` was a letter then");
    assert_eq!(native("bao-cao", "2026-06-01"), Some("5"), "it is still read as one");
    assert_eq!(native("to-trinh", "2026-06-01"), None);
}

#[test]
fn names_are_known_in_any_case_and_one_name_of_two_codes_is_none() {
    let rows = vec![
        row("cv", "Công văn", "", ("", "")),
        row("a", "Khác", "", ("", "")),
        row("b", "Khác", "", ("", "")),
        row("c", "Giấy mời", "", ("", "2025-12-31")),
        row("d", "Giấy mời", "", ("2026-01-01", "")),
    ];
    let set = CodeListSet::new(&[list("types", "", rows)]);
    let rows = set.get("types").unwrap();
    let find = |text: &str, day: &str| {
        rows.find(text, true, Day::parse(day)).map(|it| it.row.meaning.as_str())
    };
    assert_eq!(find("CÔNG VĂN", ""), Some("cv"));
    assert_eq!(find("Khác", ""), None);
    assert_eq!(find("Giấy mời", "2025-01-01"), Some("c"));
    assert_eq!(find("Giấy mời", "2026-01-01"), Some("d"));
    assert_eq!(rows.native("a", true, None), None, "it would be read as no code");
}

#[test]
fn codes_of_digits_are_known_with_other_zeros() {
    let rows = vec![row("01", "A", "", ("", "")), row("02", "B", "", ("", ""))];
    let set = CodeListSet::new(&[list("x", "", rows)]);
    let find = |text: &str| {
        set.get("x").unwrap().find_digits(text, None).map(|(code, it)| (code, it.row.name.as_str()))
    };
    assert_eq!(find("1"), Some(("01", "A")));
    assert_eq!(find("3"), None);
}

#[test]
fn equal_lists_have_an_equal_hash_whatever_their_order() {
    let (one, other) = (list("a", "", vec![row("1", "A", "", ("", ""))]), list("b", "", vec![]));
    let hash = |lists: &[CodeList]| CodeListSet::new(lists).hash();
    assert_eq!(hash(&[one.clone(), other.clone()]), hash(&[other.clone(), one.clone()]));
    let mut changed = one.clone();
    changed.rows[0].valid_to = "2025-12-31".to_owned();
    assert_ne!(hash(&[one, other.clone()]), hash(&[changed, other]));
    assert_eq!(hash(&[]), "");
}
