//! The cases shipped beside the descriptions, and failing cases.

use std::fs;
use std::path::{Path, PathBuf};

use formats::Format;
use formats::cases::{Case, check_cases, run_case, untouched};

pub(crate) fn formats() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../mapping/formats")
}

pub(crate) fn sorted(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|it| it.unwrap().path()).collect();
    paths.sort();
    paths
}

pub(crate) fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

fn native(case: &Path) -> PathBuf {
    let is_native = |it: &PathBuf| it.file_stem().is_some_and(|it| it == "native");
    sorted(case).into_iter().find(is_native).unwrap()
}

pub(crate) fn load(folder: &Path) -> Case {
    let text = |name: &str| fs::read_to_string(folder.join(name));
    Case {
        name: name(folder),
        class: text("class").unwrap(),
        native: fs::read(native(folder)).unwrap(),
        canonical: text("canonical.json").ok(),
        outcome: text("outcome").unwrap_or_default(),
        files: sorted(&folder.join("files"))
            .iter()
            .map(|it| (name(it), fs::read(it).unwrap()))
            .collect(),
    }
}

/// With `UPDATE_EXPECT=1` the expected files are updated, except the classes.
#[test]
fn every_shipped_case_has_the_result_of_its_class() {
    let mut classes = std::collections::BTreeMap::<String, usize>::new();
    for folder in sorted(&formats()) {
        let description = fs::read_to_string(folder.join("description.yaml")).unwrap();
        let format = &Format::compile(&description).unwrap();
        for case in sorted(&folder.join("cases")) {
            let actual = run_case(format, &load(&case));
            let expect = |file: &str, actual: &str| {
                expect_test::expect_file![case.join(file)].assert_eq(actual);
            };
            expect("outcome", &actual.outcome);
            if let Some(canonical) = &actual.canonical {
                expect("canonical.json", canonical);
            }
            if load(&case).class.trim() == "exact" {
                expect_test::expect_file![native(&case)]
                    .assert_eq(&String::from_utf8(actual.native).unwrap());
            }
        }
        let cases: Vec<_> = sorted(&folder.join("cases")).iter().map(|it| load(it)).collect();
        let failures = check_cases(&description, &cases);
        assert!(failures.is_empty(), "{}: {failures:#?}", folder.display());
        for it in &cases {
            *classes.entry(it.class.trim().to_owned()).or_default() += 1;
        }
    }
    assert_eq!(classes.len(), 4, "every class has a case: {classes:?}");
}

/// `format check` refuses a description of which a part was never tried; so do we.
#[test]
fn every_part_of_a_shipped_format_has_a_case() {
    let mut missing = Vec::new();
    for folder in sorted(&formats()) {
        let description = fs::read_to_string(folder.join("description.yaml")).unwrap();
        let format = Format::compile(&description).unwrap();
        let cases = sorted(&folder.join("cases"));
        let run = |it: &PathBuf| {
            let case = load(it);
            let outcome = run_case(&format, &case);
            (case, outcome)
        };
        let cases: Vec<_> = cases.iter().map(run).collect();
        let found = untouched(&format, &description, &cases);
        missing.extend(found.iter().map(|it| format!("{} {it}", format.name())));
    }
    assert!(missing.is_empty(), "{} parts:\n{}", missing.len(), missing.join("\n"));
}

#[test]
fn a_case_with_another_result_is_a_failure() {
    let folder = formats().join("edxml.document");
    let description = fs::read_to_string(folder.join("description.yaml")).unwrap();
    let good = load(&folder.join("cases/new"));
    let texts = |case: Case| -> Vec<String> {
        check_cases(&description, &[case]).into_iter().map(|it| it.text).collect()
    };
    assert!(texts(good.clone()).is_empty());
    let class = texts(Case { class: "exact".into(), ..good.clone() });
    assert!(class.len() == 1 && class[0].contains("should be `same`"), "{class:?}");
    let changed = good.canonical.clone().unwrap().replacen("A99.2", "A99.3", 1);
    let canonical = texts(Case { canonical: Some(changed), ..good.clone() });
    assert!(canonical.len() == 1 && canonical[0].contains("A99.3"), "{canonical:?}");
    let refused = texts(Case { native: b"<a".to_vec(), ..good });
    assert!(refused.iter().any(|it| it.contains("should be `refused`")), "{refused:?}");
    let failures = check_cases("format: x", &[]);
    assert!(!failures.is_empty() && failures.iter().all(|it| it.case.is_empty()), "{failures:?}");
}
