//! Loading descriptions beside the shipped ones, and detection among them.

use super::*;
use crate::MemoryBlobs;

/// A JSON format that is detected by these keys.
fn description(name: &str, detect: &str) -> String {
    format!(
        "format: {name}\nversion: 1\ntitle: Thư\ncarries: Document\n\
         syntax: {{kind: json, records: \"\"}}\ndetect: [{detect}]\n\
         fields:\n  - {{at: subject_line, to: subject}}\n"
    )
}

fn file(name: &str, detect: &str) -> DescriptionFile {
    DescriptionFile { file: format!("{name}.yaml"), text: description(name, detect) }
}

/// The codes of the mistakes of these files, with the name of each format.
fn codes(files: &[DescriptionFile]) -> Vec<(String, String)> {
    let (_, mistakes) = FormatRegistry::shipped().unwrap().with(files);
    mistakes.into_iter().map(|it| (it.format, it.fault.code)).collect()
}

#[test]
fn a_loaded_format_stands_beside_the_shipped_ones() {
    let shipped = FormatRegistry::shipped().unwrap();
    let (registry, mistakes) = shipped.with(&[file("memo", "{has: letter}")]);
    assert_eq!(mistakes, []);
    assert_eq!(registry.all().len(), shipped.all().len() + 1);
    let source = |name: &str| registry.sources().find(|(it, _)| it.name() == name).unwrap().1;
    assert_eq!(*source("memo"), FormatSource::File("memo.yaml".to_owned()));
    assert_eq!(*source("edxml.document"), FormatSource::Shipped);
    let native = br#"{"letter": 1, "subject_line": "b"}"#;
    let mut sink = MemoryBlobs::default();
    assert_eq!(registry.decode("auto", native, &[], &mut sink).unwrap().0.name(), "memo");
    let (without, _) = registry.with(&[]);
    assert!(without.get("memo").is_none());
}

#[test]
fn a_description_that_did_not_change_is_not_compiled_again() {
    let (first, _) = FormatRegistry::shipped().unwrap().with(&[file("a", "{has: a}")]);
    let (second, _) = first.with(&[file("b", "{has: b}"), file("a", "{has: a}")]);
    let same = |name| std::ptr::eq(first.get(name).unwrap(), second.get(name).unwrap());
    assert!(same("a") && same("edxml.document"));
}

#[test]
fn each_mistake_is_reported_for_its_file_and_the_others_are_loaded() {
    let broken = DescriptionFile { file: "x.yaml".to_owned(), text: "format: [".to_owned() };
    let found = codes(&[
        broken,
        file("edxml.status", "{has: a}"),
        file("memo", "{has: letter}"),
        file("memo", "{has: other}"),
        file("same", "{has: ./letter}"),
    ]);
    let expected = [
        ("", "LT-FMT-020"),
        ("edxml.status", "LT-FMT-021"),
        ("memo", "LT-FMT-022"),
        ("same", "LT-FMT-023"),
    ];
    let found: Vec<_> = found.iter().map(|(name, code)| (name.as_str(), code.as_str())).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_file_with_a_mistake_keeps_the_format_that_was_loaded_of_it() {
    let (first, _) = FormatRegistry::shipped().unwrap().with(&[file("a", "{has: a}")]);
    let broken = DescriptionFile { text: "format: [".to_owned(), ..file("a", "") };
    let (second, mistakes) = first.with(&[broken]);
    assert_eq!((mistakes.len(), second.get("a").is_some()), (1, true));
}

#[test]
fn a_format_with_further_conditions_is_detected_first_and_a_doubt_is_refused() {
    let shipped = FormatRegistry::shipped().unwrap();
    let files = [
        file("any", "{has: letter}"),
        file("special", "{has: letter}, {has: letter/seal}"),
        file("plain", "{has: letter}, {lacks: letter/number}"),
        file("named", ""),
    ];
    let (registry, mistakes) = shipped.with(&files);
    assert_eq!(mistakes, []);
    let detect = |native: &str| {
        let chosen = registry.choose("auto", native.as_bytes());
        chosen.map_or_else(|it| it.code, |it| it.name().to_owned())
    };
    assert_eq!(detect(r#"{"letter": {"number": "1"}}"#), "any");
    assert_eq!(detect(r#"{"letter": {"number": "1", "seal": "x"}}"#), "special");
    assert_eq!(detect(r#"{"letter": {"date": "1"}}"#), "plain");
    assert_eq!(detect(r#"{"letter": {"seal": "x"}}"#), "LT-FMT-024", "special or plain");
    assert_eq!(detect(r#"{"nothing": 1}"#), "LT-MAP-018", "one without conditions is only named");
    let portal = r#"{"Value": {"Data": [{"TrichYeu": "a", "KyHieu": "b"}]}}"#;
    assert_eq!(detect(portal), "ioffice.portal");
    let (registry, _) = shipped.with(&[DescriptionFile {
        file: "dialect.yaml".to_owned(),
        text: description("dialect", "{has: TrichYeu}, {has: KyHieu}, {has: CoQuan}")
            .replace("records: \"\"", "records: Value/Data"),
    }]);
    let dialect = r#"{"Value": {"Data": [{"TrichYeu": "a", "KyHieu": "b", "CoQuan": "c"}]}}"#;
    assert_eq!(registry.choose("auto", dialect.as_bytes()).unwrap().name(), "dialect");
    assert_eq!(registry.choose("auto", portal.as_bytes()).unwrap().name(), "ioffice.portal");
}

#[test]
fn the_shipped_formats_are_detected_in_their_own_order() {
    let shipped = FormatRegistry::shipped().unwrap();
    let (again, _) = shipped.with(&[]);
    let names = |of: &FormatRegistry| of.all().map(|it| it.name().to_owned()).collect::<Vec<_>>();
    assert_eq!(names(&shipped), names(&again));
}
