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
    let mistakes = Format::compile(text).unwrap_err();
    assert_eq!(mistakes.len(), 3, "{mistakes:#?}");
    assert!(mistakes[0].starts_with("8:5: A: "), "line and column: {}", mistakes[0]);
    assert!(mistakes[0].contains("did you mean `subject`?"), "{}", mistakes[0]);
    assert!(mistakes[1].starts_with("9:5: B: "), "{}", mistakes[1]);
    let key = text.replace("subjekt", "subject").replace("as: date", "az: date");
    let mistakes = Format::compile(&key).unwrap_err();
    assert!(
        mistakes[0].starts_with("9:") && mistakes[0].contains("did you mean `as`?"),
        "{mistakes:?}"
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
        Format::compile(&text).map(|_| ()).map_err(|it| it.join("\n"))
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
