//! Cases of whose a code is, who may send, who takes.

use proto::message::v1::OrganisationCode;
use proto::registry::v1::Takes;

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

fn directory() -> Directory {
    let organisation = |key: &str, codes: Vec<OrganisationCode>| Organisation {
        key: key.into(),
        codes,
        ..Organisation::default()
    };
    let ended = Organisation {
        valid_to: "2025-06-30".into(),
        successor: "xa-moi".into(),
        ..organisation("xa-cu", vec![code("H38.9", "", "")])
    };
    let takes = Takes { r#type: MessageType::Document.into(), format: "edxml.document".into() };
    let application = |id: &str, disabled| Application {
        id: id.into(),
        organisation: "tinhuy".into(),
        takes: vec![takes.clone()],
        disabled,
        ..Application::default()
    };
    Directory::new(Snapshot {
        revision: "1".into(),
        organisations: vec![
            organisation(
                "tinhuy",
                vec![code("A99.1", "", ""), code("000.00.01.A99", "", "2022-01-01")],
            ),
            organisation("xa-moi", vec![code("H38.10", "2025-07-01", ""), code("X", "", "")]),
            organisation("khac", vec![code("x", "", "")]),
            ended,
        ],
        applications: vec![application("tinhuy-ioffice", false), application("tinhuy-cu", true)],
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

fn named<'a>(answer: &Answer<'a>) -> (&'static str, &'a str) {
    match answer {
        Answer::Known(it) => ("known", it.key.as_str()),
        Answer::Unknown => ("unknown", ""),
        Answer::Ambiguous(_) => ("ambiguous", ""),
        Answer::Expired(it) => ("expired", it.key.as_str()),
        Answer::Ended(it) => ("ended", it.successor.as_str()),
    }
}

#[test]
fn a_code_has_an_owner_on_a_day() {
    let directory = directory();
    for (code, day, expected) in [
        ("A99.1", DAY, ("known", "tinhuy")),
        (" a99.1 ", DAY, ("known", "tinhuy")),
        ("tinhuy", DAY, ("known", "tinhuy")),
        ("000.00.01.A99", DAY, ("expired", "tinhuy")),
        ("000.00.01.A99", "2021-12-31", ("known", "tinhuy")),
        ("H38.9", DAY, ("ended", "xa-moi")),
        ("H38.9", "2025-06-30", ("known", "xa-cu")),
        ("H38.10", "2025-06-30", ("expired", "xa-moi")),
        ("X", DAY, ("ambiguous", "")),
        ("H99", DAY, ("unknown", "")),
        ("", DAY, ("unknown", "")),
    ] {
        let found = directory.find(code, day);
        let found = named(&found);
        assert_eq!(found, expected, "{code} on {day}");
    }
}

#[test]
fn what_no_right_allows_is_denied() {
    let directory = directory();
    let permits = |to, kind, day| directory.permits("xa-moi", to, kind, day);
    assert!(permits("tinhuy", MessageType::Document, DAY));
    assert!(!permits("tinhuy", MessageType::Status, DAY));
    assert!(!permits("xa-moi", MessageType::Document, DAY));
    assert!(!permits("tinhuy", MessageType::Document, "2027-01-01"));
    assert!(!Directory::default().permits("a", "b", MessageType::Document, DAY));
}

#[test]
fn only_applications_that_take_the_type_and_are_enabled_receive() {
    let directory = directory();
    let found = directory.receivers("tinhuy", MessageType::Document);
    assert_eq!(
        found.iter().map(|it| it.application.id.as_str()).collect::<Vec<_>>(),
        ["tinhuy-ioffice"]
    );
    assert!(directory.receivers("tinhuy", MessageType::Status).is_empty());
    assert!(directory.receivers("xa-moi", MessageType::Document).is_empty());
}
