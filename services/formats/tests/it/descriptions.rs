//! Descriptions that do not compile; every mistake is reported.

use formats::cases::{Case, CaseOutcome, run_case, untouched};

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
        (
            "",
            "{at: X, to: subject, as: txet}",
            "there is no converter `txet`; did you mean `text`?",
        ),
        (
            "",
            "{at: X, to: subject, as: zzzzzz}",
            "there is no converter `zzzzzz`; there are text, ",
        ),
        ("", "{at: X, to: subjekt}", "`subjekt`; có phải `subject`? / Document has no field"),
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

/// Rules with the keys that every description needs, in its first five lines.
fn with_head(rules: &str) -> String {
    format!(
        "format: x\nversion: 1\ntitle: X\ncarries: Document\nsyntax: {{kind: json, records: a}}\n{rules}"
    )
}

/// What only several rules together get wrong, each at the key or value that is wrong.
#[test]
fn rules_that_contradict_each_other_do_not_compile() {
    for (rules, expected) in [
        (
            "fields:\n  - {at: A, to: subject}\n  - {at: B, to: subject}\n",
            "8:17: LT-FMT-010: B: `subject` is filled from `A` in line 7 already",
        ),
        (
            "fields:\n  - {at: A, to: number, pattern: \"{number}/{notation}\"}\n  - {at: B, to: number.number}\n",
            "8:17: LT-FMT-010: B: `number.number` is filled from `A` in line 7 already",
        ),
        (
            "fields:\n  - {at: A, to: subject}\n  - {at: A, to: summary}\n",
            "8:10: LT-FMT-011: A: `A` is mapped to `subject` and to `summary`",
        ),
        (
            "fields:\n  - at: G\n    fields:\n      - {at: A, to: subject}\n      - {at: A, const: x}\n",
            "9:14: LT-FMT-011: G/A: `G/A` is mapped to `subject` and to `const`",
        ),
        (
            "fields:\n  - {at: A, to: subject, need: read}\n",
            "7:32: LT-FMT-012: A: `A` is needed when reading, and may be missing when writing",
        ),
        (
            "empty: [\"\", \"0\"]\nlists: {u: {rows: {\"0\": NORMAL}}}\nfields:\n  - {at: A, to: urgency, as: code u}\n",
            "6:8: LT-FMT-013: empty: `0` means absent, and is a code of `A` too",
        ),
        (
            "fields:\n  - {at: A, to: directive, as: yes-no x y, empty: [y]}\n",
            "7:51: LT-FMT-013: A: `y` means absent, and is a code of `A` too",
        ),
        (
            "lists: {s: {list: secrecy, rows: {\"0\": none}}}\nfields:\n  - {at: A, to: secrecy, as: code s}\n",
            "8:30: LT-FMT-014: A: this place holds secrecy, and its list has no `gate`",
        ),
    ] {
        let mistakes = mistakes_of(&with_head(rules));
        assert!(mistakes.iter().any(|it| it == expected), "{expected}\n{mistakes:#?}");
    }
}

/// A kind of change with two of its values, and its rule.
const CHANGE: &str = "lists:\n  k: {rows: {\"1\": REVOKE, \"2\": UPDATE}}\nfields:\n  - {at: K, to: change.kind, as: code k}\n";

#[test]
fn rules_that_can_never_apply_do_not_compile() {
    let change = CHANGE;
    for (rules, expected) in [
        (
            "fields:\n  - to: change\n    when: {change.kind: UPDATE}\n    fields:\n      - {at: A, to: reason}\n",
            "8:11: LT-FMT-015: A: `change.kind: UPDATE`: the format does not read `change.kind`, so the condition never holds",
        ),
        (
            &format!(
                "{change}  - to: change\n    when: {{change.kind: REPLACE}}\n    fields:\n      - {{at: A, to: reason}}\n"
            ),
            "11:11: LT-FMT-015: A: `change.kind: REPLACE`: no code of `K` means `REPLACE`",
        ),
        (
            "lists: {u: {rows: {\" 0\": NORMAL}}}\nfields:\n  - {at: A, to: urgency, as: code u}\n",
            "6:26: LT-FMT-008: lists/u: the code ` 0` is never read: it has white space around it, or is not composed (NFC)",
        ),
        (
            "fields:\n  - each: F\n    to: attachments\n    match: id\n    fields:\n      - {at: A, to: file_name}\n",
            "9:12: LT-FMT-018: F: no rule inside fills `id`, the key of `match`",
        ),
        (
            "fields:\n  - {at: A, to: subject, as: text x}\n",
            "7:30: LT-FMT-006: A: `text` takes no argument; leave out `x`",
        ),
        (
            "fields:\n  - {at: A, to: sender, use: cq}\nparts: {co-quan: []}\n",
            "7:30: LT-FMT-009: A: there is no part `cq`",
        ),
    ] {
        let mistakes = mistakes_of(&with_head(rules));
        assert!(mistakes.iter().any(|it| it == expected), "{expected}\n{mistakes:#?}");
    }
}

#[test]
fn conditions_selectors_and_keys_keep_places_apart() {
    let change = CHANGE;
    for rules in [
        &format!(
            "{change}  - to: change\n    when: {{change.kind: REVOKE}}\n    fields: [{{at: A, to: reason}}]\n  - to: change\n    when: {{change.kind: UPDATE}}\n    fields: [{{at: B, to: reason}}]\n"
        ),
        "fields:\n  - {each: A, to: \"recipients[role=MAIN]\", fields: [{at: N, to: organisation.name}]}\n  - {each: B, to: \"recipients[role=COPY]\", fields: [{at: N, to: organisation.name}]}\n",
        "fields:\n  - {at: A, to: subject}\n  - {at: B, to: subject, read-only: yes}\n",
        "fields:\n  - {each: A, to: attachments, match: id, fields: [{at: I, to: id}, {at: N, to: file_name}]}\n  - {each: B, to: attachments, match: id, fields: [{at: I, to: id}, {at: N, to: file_name}]}\n",
    ] {
        assert_eq!(mistakes_of(&with_head(rules)), [""; 0], "{rules}");
    }
}

/// The description and the native text of the page, as a newcomer copies them.
#[test]
fn the_page_on_writing_a_format_shows_one_that_works() {
    let page = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../mapping/writing-a-format.md");
    let page = std::fs::read_to_string(page).unwrap();
    let block = |before: &str| {
        let rest = page.split_once(before).unwrap().1;
        rest.split_once("```").unwrap().0.to_owned()
    };
    let description = block("```yaml\n");
    let native = block("native.txt`:\n\n```\n");
    assert_eq!(mistakes_of(&description), [""; 0]);
    let format = Format::compile(&description).unwrap();
    let case = Case { native: native.into_bytes(), ..Case::default() };
    let outcome = run_case(&format, &case);
    assert_eq!((outcome.class, outcome.outcome.as_str()), ("same", ""));
    let warnings = untouched(&format, &description, &[(case, outcome)]);
    let texts: Vec<_> = warnings.iter().map(|it| it.text_en.as_str()).collect();
    assert_eq!(texts, ["no case reads or writes the code `thường`"], "the page says so");
}

#[test]
fn what_no_case_touches_is_named_in_each_direction() {
    let description = with_head(
        "lists:\n  u: {rows: {\"0\": NORMAL, \"1\": URGENT}}\nfields:\n  \
         - {at: A, to: subject}\n  - {at: B, to: issued, as: date dd/MM/yyyy | yyyy-MM-dd}\n  \
         - {at: C, to: urgency, as: code u}\n  - {at: D, to: note}\n  \
         - {at: E, to: subject, read-only: yes}\n",
    );
    let format = Format::compile(&description).unwrap();
    let native = br#"{"a":[{"A":"x","B":"2026-11-20","C":"1"}]}"#;
    let case = Case { native: native.to_vec(), ..Case::default() };
    let outcome: CaseOutcome = run_case(&format, &case);
    let found = untouched(&format, &description, &[(case, outcome)]);
    let line = |it: &SourceMistake| {
        let SourcePosition { line, column } = it.position;
        format!("{line}:{column} {}", it.text_en)
    };
    assert!(found.iter().all(|it| it.code.code == "LT-FMT-016"));
    assert_eq!(
        found.iter().map(line).collect::<Vec<_>>(),
        [
            "10:29 no case reads the form `dd/MM/yyyy`",
            "7:19 no case reads or writes the code `0`",
            "12:10 no case reads or writes `D`",
            "13:10 no case reads `E`",
        ]
    );
}
