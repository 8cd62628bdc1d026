//! Descriptions that do not compile; every mistake is reported.

use crate::*;

#[test]
fn every_mistake_in_a_description_is_reported_with_its_position() {
    let text = r#"
format: x
version: 1
title: X
carries: Document
syntax: {kind: json, records: a}
fields:
  - {at: A, to: subjekt}
  - {at: B, to: issued, as: date}
  - {at: C, to: "recipients[role=NOBODY]"}
"#;
    assert_eq!(
        mistakes_of(text),
        [
            "8:17: LT-FMT-005: A: Document has no field `subjekt`; did you mean `subject`?",
            "9:29: LT-FMT-006: B: a form is missing, such as dd/MM/yyyy or yyyy/MM/dd HH:mm:ss",
            "10:17: LT-FMT-005: C: `NOBODY` is no value of Role",
        ]
    );
}

/// Code and position of each mistake, and its English text up to the list of what there is.
fn mistakes_of(text: &str) -> Vec<String> {
    let line = |it: &SourceMistake| {
        let text = it.text_en.split("; it has").next().unwrap();
        let text = text.split("; there are").next().unwrap();
        let SourcePosition { line, column } = it.position;
        format!("{line}:{column}: {}: {}: {text}", it.code.code, it.subject)
    };
    Format::check(text).1.iter().map(line).collect()
}

/// Keys and values of the wrong form are found together, and with what the rules get wrong.
#[test]
fn a_mistake_in_a_key_does_not_hide_the_others() {
    let text = r#"
format: x
version: 1
titel: X
carries: Dokument
syntax: {kind: jsom, records: a}
lists:
  u: {rows: {"0": NORMAL}, opn: yes}
fields:
  - {at: A, too: subject}
  - {at: B, to: subject, max: many, need: reed}
  - {at: C, to: note, to: subject}
  - {at: D, to: note, empty: [null]}
  - [a]
"#;
    assert_eq!(
        mistakes_of(text),
        [
            "4:1: LT-FMT-002: : there is no key `titel` here; did you mean `title`?",
            "5:10: LT-FMT-004: carries: `Dokument` is none of Document, Status, DeliveryReport, Canonical; did you mean `Document`?",
            "6:16: LT-FMT-004: kind: `jsom` is none of xml, json, csv, fields, canonical-json; did you mean `json`?",
            "8:28: LT-FMT-002: lists/u: there is no key `opn` here; did you mean `open`?",
            "10:13: LT-FMT-002: A: there is no key `too` here; did you mean `to`?",
            "11:31: LT-FMT-004: max: `max` takes a whole number, here is a text",
            "11:43: LT-FMT-004: need: `reed` is none of read, write, both; did you mean `read`?",
            "12:23: LT-FMT-001: C: the key `to` stands in line 12 already",
            "13:31: LT-FMT-004: empty: YAML reads `null` as nothing; write \"null\" if it is a text",
            "14:5: LT-FMT-004: fields: `fields` takes `key: value`, here is a list",
        ]
    );
    let unknown_key = "format: x\nversion: 1\ntitle: X\ncarries: Document\nsyntax: {kind: json, records: a}\nfields:\n  - {at: A, to: subjekt, mex: 1}\n";
    assert_eq!(
        mistakes_of(unknown_key),
        [
            "7:17: LT-FMT-005: A: Document has no field `subjekt`; did you mean `subject`?",
            "7:26: LT-FMT-002: A: there is no key `mex` here; did you mean `max`?",
        ]
    );
    assert_eq!(
        mistakes_of("format: [x\n"),
        ["1:9: LT-FMT-001: : this is not YAML: unclosed bracket '['"]
    );
}

/// Wrong types, unknown enum values and ambiguous code lists are found when the description is
/// compiled, not when a message arrives.
#[test]
fn a_rule_that_cannot_work_does_not_compile() {
    let compiled = |lists: &str, line: &str| {
        let text = format!(
            "format: x\nversion: 1\ntitle: X\ncarries: Document\nsyntax: {{kind: json, records: a}}\nlists: {{{lists}}}\nfields:\n  - {line}\n"
        );
        let joined = |it: &Vec<SourceMistake>| {
            it.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        };
        Format::compile(&text).map(|_| ()).map_err(|it| joined(&it))
    };
    for (lists, line, words) in [
        ("", "{at: X, to: subject, as: yes-no a b}", "does not fit the type"),
        ("", "{at: X, to: places}", "say which item"),
        ("", "{at: X, to: recipients.their_reference}", "say which item"),
        ("", "{at: X, to: issued, as: date dd/MM}", "lacks `y`"),
        ("u: {rows: {\"1\": URGEMT}}", "{at: X, to: urgency, as: code u}", "did you mean `URGENT`"),
        (
            "u: {rows: {\"1\": URGENT, \"2\": URGENT}}",
            "{at: X, to: urgency, as: code u}",
            "both mean",
        ),
        ("u: {rows: {\"1\": URGENT}}", "{at: X, to: subject, as: code u}", "holds no code"),
        ("u: {rows: {\"1\": a}, gate: b}", "{at: X, to: secrecy, as: code u}", "no code means"),
        ("", "{at: X, to: urgency, as: code u, read-default: NORMAL}", "there is no list"),
        (
            "u: {rows: {\"1\": URGENT}}",
            "{at: X, to: urgency, as: code u, read-default: NORMEL}",
            "did you mean",
        ),
        ("", "{each: X, to: places, as: whole}", "does not fit the type"),
        ("", "{each: X, to: attachments, pair: yes, fields: [{at: A, to: id}]}", "needs a `match`"),
    ] {
        let mistakes = compiled(lists, line).unwrap_err();
        assert!(mistakes.contains(words), "{line}: {mistakes}");
    }
    assert_eq!(compiled("", "{each: X, to: places}"), Ok(()));
}
