//! Constructs of the description language, each in both directions.

use formats::{EncodeContext, Format, MemoryBlobs};
use proto::canonical::v1::{Canonical, Document, canonical::Body};
use proto::fault::v1::Fault;
use proto::message::v1::Finding;

use crate::document;

/// A JSON format with these rules and lists.
fn compile(rules: &str) -> Result<Format, Vec<String>> {
    let head =
        "format: t\nversion: 1\ntitle: t\ncarries: Document\nsyntax: {kind: json, records: ''}\n";
    Format::compile(&format!("{head}{rules}"))
        .map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect())
}

fn format(rules: &str) -> Format {
    compile(rules).unwrap_or_else(|it| panic!("{it:#?}"))
}

fn mistakes(rules: &str) -> String {
    compile(rules).err().unwrap().join("\n")
}

fn decode(format: &Format, native: &str) -> Result<(Document, Vec<Finding>), Fault> {
    let mut decoded = format.decode(native.as_bytes(), &[], &mut MemoryBlobs::default())?;
    let decoded = decoded.remove(0);
    Ok((document(&decoded.canonical).clone(), decoded.findings))
}

/// What is written, with the losses as `KIND path value`.
fn encode(format: &Format, document: Document) -> Result<(String, Vec<String>), Fault> {
    let canonical = Canonical { origin: None, body: Some(Body::Document(document)) };
    let mut native = Vec::new();
    let files = MemoryBlobs::default();
    let losses = format.encode(&canonical, EncodeContext::default(), &files, &mut native)?;
    let losses = losses
        .iter()
        .map(|it| format!("{} {} {}", it.kind().as_str_name(), it.path, it.value))
        .collect();
    Ok((String::from_utf8(native).unwrap(), losses))
}

#[test]
fn one_text_is_split_into_fields_and_joined() {
    let format = format(
        "fields: [{at: So, to: number, pattern: '{number}/{notation} | {number}-{notation}', where: {number: 0-9}, whole: printed, need: both}]",
    );
    let (document, _) = decode(&format, r#"{"So":"45-CV/TU"}"#).unwrap();
    let number = document.number.clone().unwrap();
    assert_eq!((number.number.as_str(), number.notation.as_str()), ("45", "CV/TU"));
    assert_eq!(encode(&format, document.clone()).unwrap(), (r#"{"So":"45-CV/TU"}"#.into(), vec![]));
    let mut changed = document.clone();
    changed.number.as_mut().unwrap().number = "46".into();
    let (written, losses) = encode(&format, changed).unwrap();
    assert_eq!(written, r#"{"So":"46/CV/TU"}"#, "parts that changed win over the text as it stood");
    assert_eq!(losses, ["CHANGED number.printed 46/CV/TU"]);
    let mut unsplittable = document;
    let number = unsplittable.number.as_mut().unwrap();
    (number.number, number.printed) = ("4/5".into(), String::new());
    assert_eq!(encode(&format, unsplittable).unwrap_err().code, "LT-MAP-012");
    let text = mistakes(
        "fields: [{at: So, to: number, pattern: '{number}/{notation} | {number}-{notation}'}]",
    );
    assert!(text.contains("may accept one text"), "{text}");
    assert!(
        mistakes("fields: [{at: So, to: subject, pattern: '{number}'}]").contains("fields inside")
    );
}

#[test]
fn a_list_in_one_text_refuses_an_item_with_its_separator() {
    let format = format("fields: [{at: Noi, to: places, as: list ;}]");
    let (mut document, _) = decode(&format, r#"{"Noi":"A; B;;C"}"#).unwrap();
    assert_eq!(document.places, ["A", "B", "C"]);
    document.places.push("D; E".into());
    let fault = encode(&format, document).unwrap_err();
    assert_eq!((fault.code.as_str(), fault.violations[0].field.as_str()), ("LT-MAP-012", "places"));
}

#[test]
fn a_text_that_differs_from_a_constant_is_a_finding() {
    let format = format(
        "fields: [{at: V, const: '1.0'}, {at: W, const: w, unchecked: yes}, {at: T, to: subject}]",
    );
    let (_, findings) = decode(&format, r#"{"V":"2.0","W":"x","T":"a"}"#).unwrap();
    assert_eq!(findings.len(), 1);
    assert_eq!((findings[0].code.as_str(), findings[0].field.as_str()), ("LT-MAP-067", "V"));
    assert!(decode(&format, r#"{"V":"1.0","T":"a"}"#).unwrap().1.is_empty());
}

#[test]
fn rules_apply_by_presence_and_by_listed_values() {
    let rules = "fields: [{at: Id, to: id}, {at: Loai, to: type, as: code t}, {at: G, to: note, when: {has: id}}, \
                 {at: K, to: summary, when: {lacks: id}}, {at: P, to: place, when: {type: [cv, qd]}}]\n\
                 lists: {t: {list: x, rows: {CV: cv, QD: qd, BC: bc}}}";
    let format = format(rules);
    let native = r#"{"Id":"1","Loai":"CV","G":"g","P":"p"}"#;
    let (document, _) = decode(&format, native).unwrap();
    assert_eq!((document.note.as_str(), document.place.as_str()), ("g", "p"));
    assert_eq!(encode(&format, document).unwrap().0, native);
    let (document, _) = decode(&format, r#"{"Loai":"BC","K":"k","P":"p"}"#).unwrap();
    assert_eq!((document.summary.as_str(), document.place.as_str()), ("k", ""));
    let document = Document { summary: "k".into(), id: "1".into(), ..Document::default() };
    assert_eq!(encode(&format, document).unwrap().1, ["LOST summary "]);
    assert!(mistakes("fields: [{at: A, to: id, when: {issued: x}}]").contains("a condition needs"));
    assert!(mistakes("fields: [{at: A, to: id, when: {has: xyz}}]").contains("no field `xyz`"));
}

#[test]
fn every_type_has_defaults_in_both_directions() {
    let rules = "fields: [{at: T, to: subject}, {at: N, to: issued, as: date d/M/yyyy, read-default: 1/2/2026}, \
                 {at: P, to: pages, as: whole, read-default: '3', write-default: '3'}]";
    let format = format(rules);
    let (document, _) = decode(&format, r#"{"T":"a"}"#).unwrap();
    assert_eq!((document.issued.unwrap().day, document.pages), (1, 3));
    let (written, losses) =
        encode(&format, Document { subject: "a".into(), ..Document::default() }).unwrap();
    assert_eq!(written, r#"{"T":"a","P":"3"}"#);
    assert_eq!(
        losses,
        ["ADDED issued.year 2026", "ADDED issued.month 2", "ADDED issued.day 1", "ADDED pages 3"]
    );
    let fault = decode(&format, r#"{"T":"a","N":"hôm qua"}"#).unwrap_err();
    assert_eq!(
        fault.code, "LT-MAP-014",
        "a default is for what is absent, never for what is unreadable"
    );
    let text = mistakes(
        "fields: [{at: N, to: issued, as: date d/M/yyyy, read-default: nay}, {at: P, to: pages, as: whole, write-default: x}]",
    );
    assert!(text.contains("read-default: nay") && text.contains("write-default: x"), "{text}");
}

#[test]
fn further_codes_are_read_and_near_ones_written_with_a_report() {
    let rules = "fields: [{at: K, to: urgency, as: code k}, {at: T, to: subject}]\n\
                 lists: {k: {rows: {'0': NORMAL, '3': FLASH}, also: {N: NORMAL}, near: {FLASH_TIMED: '3'}}}";
    let format = format(rules);
    assert_eq!(decode(&format, r#"{"K":"N"}"#).unwrap().0.urgency, 1);
    let (written, losses) =
        encode(&format, Document { urgency: 5, ..Document::default() }).unwrap();
    assert_eq!(
        (written.as_str(), losses),
        (r#"{"K":"3"}"#, vec!["CHANGED urgency FLASH".to_owned()])
    );
    let list = |near: &str| {
        mistakes(&format!(
            "fields: [{{at: K, to: urgency, as: code k}}]\nlists: {{k: {{rows: {{'0': NORMAL}}, {near}}}}}"
        ))
    };
    assert!(list("near: {FLASH: '9'}").contains("`near`"));
    assert!(list("near: {NORMAL: '0'}").contains("`near`"));
    assert!(list("also: {'0': FLASH}").contains("`also`"));
    assert!(list("also: {'1': FLAHS}").contains("did you mean `FLASH`"));
}

#[test]
fn numbers_and_truth_values_are_written_as_such_where_the_format_says() {
    let format = format(
        "write-empty: 'null'\nempty: ['', 'null']\n\
         fields: [{at: P, to: pages, as: whole, literal: yes}, {at: D, to: directive, as: yes-no true false, literal: yes}, \
         {at: S, to: number.number, literal: yes}, {at: T, to: subject}]",
    );
    let native = r#"{"P":5,"D":true,"S":"0045","T":"7"}"#;
    let (document, _) = decode(&format, native).unwrap();
    assert_eq!((document.pages, document.directive), (5, true));
    assert_eq!(encode(&format, document).unwrap().0, native, "a leading zero is no JSON number");
    let absent = Document { subject: "a".into(), ..Document::default() };
    assert!(encode(&format, absent).unwrap().0.starts_with(r#"{"P":null,"#));
}
