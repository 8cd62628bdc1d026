//! Lists of descriptions that are bound to the registry's: from one application's codes to another's
//! through the canonical ones, by the day of the document.

use formats::{CodeListSet, DescriptionFile, FormatRegistry, MemoryBlobs};
use proto::canonical::v1::{Canonical, Code};
use proto::message::v1::{Finding, Loss};
use proto::registry::v1::{CodeList, CodeRow};

use crate::document;

/// A row: code, name, what it means, first and last day.
type Row<'r> = [&'r str; 5];

fn list(name: &str, of: &str, rows: &[Row<'_>]) -> CodeList {
    let row = |it: &Row<'_>| {
        let [code, name_vi, means, valid_from, valid_to] = it.map(str::to_owned);
        CodeRow { code, name_vi, means, valid_from, valid_to, ..CodeRow::default() }
    };
    let (name, of) = (name.to_owned(), of.to_owned());
    CodeList { name, of, rows: rows.iter().map(row).collect(), ..CodeList::default() }
}

/// Types of documents, and the codes of two applications for them. `one` gave its code `3` another
/// meaning in 2026.
fn lists() -> Vec<CodeList> {
    vec![
        list(
            "document-type",
            "",
            &[
                ["cong-van", "Công văn", "", "", ""],
                ["quyet-dinh", "Quyết định", "", "", ""],
                ["to-trinh", "Tờ trình", "", "", "2020-12-31"],
            ],
        ),
        list(
            "types-of-one",
            "document-type",
            &[
                ["3", "CV", "cong-van", "", "2025-12-31"],
                ["3", "QĐ", "quyet-dinh", "2026-01-01", ""],
                ["7", "CV", "cong-van", "2026-01-01", ""],
                ["8", "TTr", "to-trinh", "", "2024-12-31"],
            ],
        ),
        list(
            "types-of-two",
            "document-type",
            &[["A", "CV", "cong-van", "", ""], ["B", "QĐ", "quyet-dinh", "", ""]],
        ),
    ]
}

/// The day of the document stands behind its type.
fn description(name: &str, list: &str) -> DescriptionFile {
    let text = format!(
        "format: {name}\nversion: 1\ntitle: T\ncarries: Document\n\
         syntax: {{kind: json, records: \"\"}}\nnamed: yes\nlists: {{type: {list}}}\nfields:\n  \
         - {{at: Loai, to: type, as: code type}}\n  - {{at: Ngay, to: issued, as: date yyyy-MM-dd}}\n"
    );
    DescriptionFile { file: format!("{name}.yaml"), text }
}

fn registry(lists: &[CodeList]) -> FormatRegistry {
    let files = [
        description("one", "{registered: types-of-one, open: yes}"),
        description("two", "{registered: types-of-two, open: yes}"),
        description("names", "{registered: document-type, by: name, open: yes}"),
        description("closed", "{registered: types-of-two}"),
        description(
            "own",
            "{list: document-type, registered: document-type, rows: {C: cong-van, T: to-trinh}}",
        ),
    ];
    let (registry, mistakes) = FormatRegistry::shipped().unwrap().with(&files);
    assert_eq!(mistakes, [], "the descriptions compile");
    registry.with_code_lists(CodeListSet::new(lists))
}

fn decode(registry: &FormatRegistry, format: &str, native: &str) -> (Canonical, Vec<Finding>) {
    let read = registry.decode(format, native.as_bytes(), &[], &mut MemoryBlobs::default());
    let message = read.unwrap().1.remove(0);
    (message.canonical, message.findings)
}

fn encode(registry: &FormatRegistry, format: &str, canonical: &Canonical) -> (String, Vec<Loss>) {
    let (format, mut native) = (registry.get(format).unwrap(), Vec::new());
    let files = MemoryBlobs::default();
    let losses = format.encode(canonical, Default::default(), &files, &mut native).unwrap();
    (String::from_utf8(native).unwrap(), losses)
}

fn body(code: &str, day: &str) -> String {
    format!(r#"{{"Loai":"{code}","Ngay":"{day}"}}"#)
}

fn type_of(canonical: &Canonical) -> (String, String, String) {
    let Code { list, code, name } = document(canonical).r#type.clone().unwrap_or_default();
    (list, code, name)
}

fn codes(findings: &[Finding]) -> Vec<(&str, &str)> {
    findings.iter().map(|it| (it.code.as_str(), it.field.as_str())).collect()
}

#[test]
fn a_code_of_one_application_becomes_that_of_another_by_the_day_of_the_document() {
    let registry = registry(&lists());
    for (day, native, canonical, other) in [
        ("2025-06-01", "3", "cong-van", "A"),
        ("2026-06-01", "3", "quyet-dinh", "B"),
        ("2026-06-01", "7", "cong-van", "A"),
    ] {
        let (message, findings) = decode(&registry, "one", &body(native, day));
        let expected = ("document-type".into(), canonical.into(), String::new());
        assert_eq!((type_of(&message), codes(&findings)), (expected, vec![]), "{day} {native}");
        let (written, losses) = encode(&registry, "two", &message);
        assert_eq!((written, losses), (body(other, day), vec![]));
        let (message, _) = decode(&registry, "two", &body(other, day));
        assert_eq!(encode(&registry, "one", &message), (body(native, day), vec![]), "and back");
    }
}

#[test]
fn a_code_of_another_time_is_taken_with_a_finding_that_says_when_it_was_valid() {
    let registry = registry(&lists());
    let native = body("8", "2026-06-01");
    let (message, findings) = decode(&registry, "one", &native);
    assert_eq!(type_of(&message).1, "to-trinh");
    assert_eq!(codes(&findings), [("LT-MAP-240", "Loai")]);
    let text = &findings[0].text_vi;
    assert!(text.contains("đến 2024-12-31") && text.contains("ngày 2026-06-01"), "{text}");
    assert_eq!(encode(&registry, "one", &message), (native, vec![]), "nothing else means it");
    let (_, findings) = decode(&registry, "own", &body("T", "2021-01-01"));
    assert_eq!(codes(&findings), [("LT-MAP-240", "Loai")], "a row of the description");
    assert_eq!(decode(&registry, "own", &body("T", "2020-12-31")).1, []);
}

#[test]
fn a_code_of_no_row_is_kept_as_it_stands_or_not_taken_where_the_list_is_closed() {
    let registry = registry(&lists());
    let native = body("9", "2026-06-01");
    let (message, findings) = decode(&registry, "one", &native);
    assert_eq!(type_of(&message), (String::new(), String::new(), "9".into()));
    assert_eq!(codes(&findings), [("LT-MAP-051", "Loai")]);
    assert_eq!(encode(&registry, "one", &message), (native.clone(), vec![]));
    let (message, findings) = decode(&registry, "closed", &native);
    assert_eq!(document(&message).r#type, None);
    assert_eq!(codes(&findings), [("LT-MAP-020", "Loai")]);
    let (written, _) = encode(&registry, "closed", &message);
    assert!(written.contains(r#""Loai":"9""#), "the text itself stays: {written}");
}

#[test]
fn names_become_codes_and_stay_in_the_words_of_the_sender() {
    let registry = registry(&lists());
    let (message, findings) = decode(&registry, "names", &body("CÔNG VĂN", "2026-06-01"));
    let expected = ("document-type".into(), "cong-van".into(), "CÔNG VĂN".into());
    assert_eq!((type_of(&message), findings), (expected, vec![]));
    assert_eq!(encode(&registry, "names", &message).0, body("CÔNG VĂN", "2026-06-01"));
    assert_eq!(encode(&registry, "two", &message).0, body("A", "2026-06-01"));
    let (message, _) = decode(&registry, "one", &body("7", "2026-06-01"));
    assert_eq!(encode(&registry, "names", &message).0, body("Công văn", "2026-06-01"));
    let (message, findings) = decode(&registry, "names", &body("Sớ", "2026-06-01"));
    assert_eq!(type_of(&message), (String::new(), String::new(), "Sớ".into()));
    assert_eq!(codes(&findings), [("LT-MAP-051", "Loai")]);
}

/// A document that is converted again after its lists have changed is still of its own day.
#[test]
fn a_change_of_a_list_from_a_day_on_leaves_earlier_documents_as_they_were() {
    let before = registry(&lists());
    let mut changed = lists();
    for it in changed[2].rows.iter_mut() {
        it.valid_to = "2026-06-30".to_owned();
    }
    let new = list("", "", &[["C", "CV", "cong-van", "2026-07-01", ""]]);
    changed[2].rows.extend(new.rows);
    let after = registry(&changed);
    let (old, _) = decode(&before, "one", &body("7", "2026-06-01"));
    let (again, _) = decode(&after, "one", &body("7", "2026-06-01"));
    assert_eq!(document(&old), document(&again));
    assert_eq!(encode(&before, "two", &old).0, encode(&after, "two", &old).0);
    let (new, _) = decode(&after, "one", &body("7", "2026-07-01"));
    assert_eq!(encode(&after, "two", &new).0, body("C", "2026-07-01"));
}

#[test]
fn the_version_of_the_lists_is_recorded_where_they_are_used() {
    let set = CodeListSet::new(&lists());
    let hash_of = |registry: &FormatRegistry, format: &str, native: &str| {
        let origin = decode(registry, format, native).0.origin.unwrap();
        hex::encode(origin.lists_hash)
    };
    let with_lists = registry(&lists());
    assert_eq!(hash_of(&with_lists, "one", &body("3", "2026-06-01")), set.hash());
    assert_eq!(set.hash().len(), 64);
    let portal = r#"{"Value":{"Data":[{"Guid":"1","SoHieu":"4","KyHieu":"CV","TrichYeu":"V/v","DoMat":"0",
        "NgayBanHanh":"20/11/2026","DonViNhanVanBanNgoaDonVi":[{"MaDonVi":"A99.2"}]}]}}"#;
    assert_eq!(hash_of(&registry(&[]), "one", &body("3", "2026-06-01")), "");
    assert_eq!(hash_of(&registry(&[]), "ioffice.portal", portal), "");
}

/// Formats that are in use stay as they are when lists that they do not use change.
#[test]
fn without_the_list_in_the_registry_a_format_is_as_without_a_registry() {
    let registry = registry(&[]);
    let (message, findings) = decode(&registry, "names", &body("Công văn", "2026-06-01"));
    assert_eq!(type_of(&message), (String::new(), String::new(), "Công văn".into()));
    assert_eq!(findings, []);
}
