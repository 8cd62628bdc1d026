//! Codes without quotes: YAML reads a number, a day or a truth value, and the code is not the same.

use std::path::Path;

use crate::folder;

/// Code, line and value of each mistake in a text.
fn found(text: &str) -> Vec<(String, u64, String)> {
    let checked = registry::check(folder(text).path(), None);
    let mistakes = checked.err().unwrap_or_default();
    let value = |it: &registry::Mistake| it.fault.params.get("value").cloned().unwrap_or_default();
    mistakes.iter().map(|it| (it.fault.code.clone(), it.line, value(it))).collect()
}

fn quotes(line: u64, value: &str) -> (String, u64, String) {
    ("LT-REG-018".to_owned(), line, value.to_owned())
}

const BARE: [&str; 27] = [
    "020100107370",
    "1.10",
    "1_000",
    "1e5",
    "1E+5",
    "0x1F",
    "0o17",
    "+5",
    "-1",
    "yes",
    "No",
    "on",
    "off",
    "y",
    "n",
    "true",
    "False",
    "null",
    "~",
    "12:30",
    "25/12/2025",
    "25-12-2025",
    "2025-12-25",
    ".inf",
    "1,5",
    "00.00.01",
    "99999999999999999999999",
];

#[test]
fn a_bare_code_must_stand_in_quotes_wherever_it_stands() {
    for bare in BARE.into_iter().filter(|it| *it != "1,5") {
        let text = format!("organisations:\n  - {{key: a, name: A, codes: [{bare}]}}\n");
        assert_eq!(found(&text), [quotes(2, bare)], "{text}");
    }
    for bare in BARE {
        let text = format!(
            "organisations:\n  - key: a\n    name: A\n    codes:\n      - {bare}\n      - value: \
             {bare}\n"
        );
        assert_eq!(found(&text), [quotes(5, bare), quotes(6, bare)], "{text}");
        let list = format!(
            "code_lists:\n  - name: list\n    version: \"1\"\n    rows:\n      - code: {bare}\n        \
             vi: Một\n"
        );
        assert_eq!(found(&list), [quotes(5, bare)], "{list}");
    }
}

#[test]
fn every_field_of_a_code_is_treated_alike() {
    let text = "organisations:\n  - key: 0123\n    name: A\n  - {key: b, name: B, parent: 0123}\n\
                applications:\n  - id: 1e5\n    organisation: no\n    gives: [1.5]\n    \
                takes: {document: 2.0}\n    token_sha256: [12345678]\nrights:\n  \
                - {from: 0123, to: yes, types: [document]}\n";
    let lines: Vec<_> = found(text)
        .into_iter()
        .filter(|(code, ..)| code == "LT-REG-018")
        .map(|(_, line, value)| (line, value))
        .collect();
    let expected = [
        (2, "0123"),
        (4, "0123"),
        (6, "1e5"),
        (7, "no"),
        (8, "1.5"),
        (9, "2.0"),
        (10, "12345678"),
        (12, "0123"),
        (12, "yes"),
    ];
    assert_eq!(lines, expected.map(|(line, value)| (line, value.to_owned())));
}

#[test]
fn what_is_a_text_for_every_reader_passes() {
    for code in [
        "\"020100107370\"",
        "'1.10'",
        "\"yes\"",
        "!!str 020100107370",
        "A99.1",
        "000.00.01.A99",
        "\"null\"",
        "vxp.saas.03",
    ] {
        let text = format!("organisations:\n  - {{key: a, name: A, codes: [{code}]}}\n");
        assert_eq!(found(&text), [], "{text}");
    }
    let anchored = "organisations:\n  - {key: a, name: A, codes: [&code \"0201\"]}\n\
                    code_lists:\n  - name: list\n    version: \"1\"\n    rows:\n      \
                    - {code: *code, vi: Một}\n";
    assert_eq!(found(anchored), []);
    let bare = anchored.replace("\"0201\"", "0201");
    assert_eq!(found(&bare), [quotes(2, "0201"), quotes(7, "0201")]);
    let days = "organisations:\n  - {key: a, name: A, from: 2021-01-01, parent: ~, codes: []}\n";
    assert_eq!(found(days), []);
}

#[test]
fn the_shared_cases_have_the_value_given_there() {
    let cases =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/cases/Y01-yaml-bare-codes");
    if !cases.is_dir() {
        println!("{} is not here; the project's own inputs are tried alone", cases.display());
        return;
    }
    for (case, bare) in [
        ("a-leading-zero", Some("020100107370")),
        ("b-float", Some("1.10")),
        ("d-quoted", None),
        ("f-underscore", Some("1_000")),
        ("g-both", Some("020100107370")),
    ] {
        let checked = registry::check(&cases.join(case), None);
        let Some(bare) = bare else {
            assert!(checked.is_ok(), "{case}");
            continue;
        };
        let mistakes = checked.unwrap_err();
        let first = &mistakes[0];
        assert_eq!((first.file.as_str(), first.line), ("registry.yaml", 2), "{case}");
        assert_eq!(first.fault.code, "LT-REG-018", "{case}");
        let params = (first.fault.params["key"].as_str(), first.fault.params["value"].as_str());
        assert_eq!(params, ("codes", bare), "{case}");
        assert_eq!(mistakes.len(), 1, "{case}");
    }
}
