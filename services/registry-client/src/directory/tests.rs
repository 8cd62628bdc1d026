//! Owners of codes, rights, receiving applications, tokens and search.

use proto::registry::v1::Takes;
use sha2::{Digest as _, Sha256};

use super::*;

const DAY: &str = "2026-11-24";

fn code(value: &str, from: &str, to: &str) -> OrganisationCode {
    OrganisationCode {
        scheme: "qd20".into(),
        value: value.into(),
        valid_from: from.into(),
        valid_to: to.into(),
    }
}

fn organisation(key: &str, name: &str, codes: Vec<OrganisationCode>) -> Organisation {
    Organisation { key: key.into(), name: name.into(), codes, ..Organisation::default() }
}

fn directory() -> Directory {
    let ended = Organisation {
        valid_to: "2025-06-30".into(),
        successor: "xa-moi".into(),
        ..organisation("xa-cu", "", vec![code("H38.9", "", "")])
    };
    let takes = Takes { r#type: MessageType::Document.into(), format: "edxml.document".into() };
    let application = |id: &str, token: &str, disabled| Application {
        id: id.into(),
        organisation: "tinhuy".into(),
        takes: vec![takes.clone()],
        token_sha256: vec![hex::encode(Sha256::digest(token))],
        disabled,
        ..Application::default()
    };
    Directory::new(Snapshot {
        revision: "1".into(),
        organisations: vec![
            organisation(
                "tinhuy",
                "",
                vec![code("A99.1", "", ""), code("000.00.01.A99", "", "2022-01-01")],
            ),
            organisation("xa-moi", "", vec![code("H38.10", "2025-07-01", ""), code("X", "", "")]),
            organisation("khac", "", vec![code("x", "", "")]),
            ended,
        ],
        applications: vec![
            application("tinhuy-ioffice", "one", false),
            application("tinhuy-cu", "two", true),
        ],
        rights: vec![Right {
            from: "*".into(),
            to: "tinhuy".into(),
            types: vec![MessageType::Document.into()],
            valid_from: "2026-01-01".into(),
            valid_to: "2026-12-31".into(),
        }],
        ..Snapshot::default()
    })
}

/// The variant, and the key or the successor, by which a test recognizes the organisation.
fn variant<'a>(owner: &CodeOwner<'a>) -> (&'static str, &'a str) {
    match owner {
        CodeOwner::InForce(it) => ("in force", it.key.as_str()),
        CodeOwner::Unknown => ("unknown", ""),
        CodeOwner::Ambiguous(_) => ("ambiguous", ""),
        CodeOwner::CodeExpired(it) => ("code expired", it.key.as_str()),
        CodeOwner::NotInForce(it) => ("not in force", it.successor.as_str()),
    }
}

#[test]
fn a_code_has_an_owner_on_a_day() {
    let directory = directory();
    for (code, day, expected) in [
        ("A99.1", DAY, ("in force", "tinhuy")),
        (" a99.1 ", DAY, ("in force", "tinhuy")),
        ("tinhuy", DAY, ("in force", "tinhuy")),
        ("000.00.01.A99", DAY, ("code expired", "tinhuy")),
        ("000.00.01.A99", "2021-12-31", ("in force", "tinhuy")),
        ("H38.9", DAY, ("not in force", "xa-moi")),
        ("H38.9", "2025-06-30", ("in force", "xa-cu")),
        ("H38.10", "2025-06-30", ("code expired", "xa-moi")),
        ("X", DAY, ("ambiguous", "")),
        ("H99", DAY, ("unknown", "")),
        ("", DAY, ("unknown", "")),
    ] {
        let owner = directory.resolve_code(code, day);
        assert_eq!(variant(&owner), expected, "{code} on {day}");
    }
}

#[test]
fn what_no_right_allows_is_denied() {
    let directory = directory();
    let permits = |to, message_type, day| directory.permits("xa-moi", to, message_type, day);
    assert!(permits("tinhuy", MessageType::Document, DAY));
    assert!(!permits("tinhuy", MessageType::Status, DAY));
    assert!(!permits("xa-moi", MessageType::Document, DAY));
    assert!(!permits("tinhuy", MessageType::Document, "2027-01-01"));
    assert!(!Directory::default().permits("a", "b", MessageType::Document, DAY));
}

#[test]
fn search_and_permission_agree_about_a_right_s_first_and_last_day() {
    let directory = directory();
    for (day, is_allowed) in
        [("2025-12-31", false), ("2026-01-01", true), ("2026-12-31", true), ("2027-01-01", false)]
    {
        let permitted = directory.permits("khac", "tinhuy", MessageType::Document, day);
        let found = directory.search("khac", "tinhuy", day, 10);
        let may_send: Vec<i32> = found.into_iter().flat_map(|it| it.may_send).collect();
        assert_eq!((permitted, !may_send.is_empty()), (is_allowed, is_allowed), "{day}");
    }
}

#[test]
fn only_applications_that_take_the_type_and_are_enabled_receive() {
    let directory = directory();
    let found = directory.receiving_applications("tinhuy", MessageType::Document);
    assert_eq!(
        found.iter().map(|it| it.application.id.as_str()).collect::<Vec<_>>(),
        ["tinhuy-ioffice"]
    );
    assert!(directory.receiving_applications("tinhuy", MessageType::Status).is_empty());
    assert!(directory.receiving_applications("xa-moi", MessageType::Document).is_empty());
}

#[test]
fn an_application_is_recognized_by_its_token_also_when_it_is_disabled() {
    let directory = directory();
    for (token, id, is_disabled) in [("one", "tinhuy-ioffice", false), ("two", "tinhuy-cu", true)] {
        let caller = directory.authenticate(token).unwrap();
        assert_eq!(caller.application.id, id);
        let application = directory.application_of(&caller.token).unwrap();
        assert_eq!((application.id.as_str(), application.disabled), (id, is_disabled));
    }
    assert!(directory.authenticate("three").is_none());
    assert!(directory.application_of(&TokenDigest::of_token("three")).is_none());
}

#[test]
fn an_organisation_is_in_force_within_its_period_of_validity_while_it_is_listed() {
    let directory = directory();
    const DAY_US: i64 = 86_400_000_000;
    // 2025-06-30 begins in Vietnam at 17:00 UTC of the day before.
    let last_day_us = 1_751_216_400_000_000;
    assert!(directory.is_in_force("tinhuy", 0) && directory.is_in_force("xa-cu", last_day_us));
    assert!(!directory.is_in_force("xa-cu", last_day_us + DAY_US));
    assert!(!directory.is_in_force("không-có", last_day_us));
}

/// Keys found in a directory of names, each with how many types may be sent there.
fn found(text: &str) -> Vec<(String, usize)> {
    let with_code = |key: &str, name: &str, valid_to: &str| Organisation {
        valid_to: valid_to.to_owned(),
        ..organisation(key, name, vec![code(&format!("{key}.H57"), "", "")])
    };
    let right = Right {
        from: "a".to_owned(),
        to: "*".to_owned(),
        types: vec![MessageType::Document.into()],
        ..Right::default()
    };
    let directory = Directory::new(Snapshot {
        revision: "1".to_owned(),
        organisations: vec![
            with_code("a", "Ban Dân vận", ""),
            with_code("b", "Đảng ủy xã Đông Hà", ""),
            with_code("c", "Đảng ủy cũ", "2026-06-30"),
        ],
        rights: vec![right],
        ..Snapshot::default()
    });
    let key = |it: LookedUp| (it.organisation.unwrap().key, it.may_send.len());
    directory.search("a", text, "2026-07-01", 10).into_iter().map(key).collect()
}

#[test]
fn names_are_found_in_any_spelling_and_codes_whole() {
    let b = vec![("b".to_owned(), 1)];
    assert_eq!(found("dang uy xa dong"), b);
    assert_eq!(found("ĐẢNG ỦY XÃ"), b);
    assert_eq!(found("B.h57"), b);
    assert_eq!(found("H57"), []);
}

#[test]
fn nothing_may_be_sent_to_an_organisation_that_is_not_in_force() {
    assert_eq!(found("đảng ủy"), [("b".to_owned(), 1), ("c".to_owned(), 0)]);
}
