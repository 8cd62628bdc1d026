//! Cases that are shipped beside the descriptions, and what the checker says of wrong ones.

use std::fs;
use std::path::{Path, PathBuf};

use formats::cases::{Case, CaseFailure, check_cases, run_case};

use crate::shelf;

fn formats() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../mapping/formats")
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<_> = entries.map(|it| it.unwrap().path()).collect();
    found.sort();
    found
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

fn native(case: &Path) -> PathBuf {
    let is_native = |it: &PathBuf| it.file_stem().is_some_and(|it| it == "native");
    sorted(case).into_iter().find(is_native).unwrap()
}

fn load(folder: &Path) -> Case {
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

/// With `UPDATE_EXPECT=1` the files are written anew; the classes are not.
#[test]
fn every_case_reads_and_writes_as_its_class_says() {
    let shelf = shelf();
    let mut classes = std::collections::BTreeMap::<String, usize>::new();
    for folder in sorted(&formats()) {
        let format = shelf.get(&name(&folder)).unwrap();
        for case in sorted(&folder.join("cases")) {
            let ran = run_case(format, &load(&case));
            let agree = |file: &str, is: &str| {
                expect_test::expect_file![case.join(file)].assert_eq(is);
            };
            agree("outcome", &ran.outcome);
            if let Some(canonical) = &ran.canonical {
                agree("canonical.json", canonical);
            }
            if load(&case).class.trim() == "exact" {
                expect_test::expect_file![native(&case)]
                    .assert_eq(&String::from_utf8(ran.native).unwrap());
            }
        }
        let cases: Vec<_> = sorted(&folder.join("cases")).iter().map(|it| load(it)).collect();
        let description = fs::read_to_string(folder.join("description.yaml")).unwrap();
        let mistakes = check_cases(&description, &cases);
        assert!(mistakes.is_empty(), "{}: {mistakes:#?}", folder.display());
        for it in &cases {
            *classes.entry(it.class.trim().to_owned()).or_default() += 1;
        }
    }
    assert_eq!(classes.len(), 4, "every class has a case: {classes:?}");
}

#[test]
fn a_case_that_does_not_hold_is_a_mistake() {
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
    let mistakes = check_cases("format: x", &[]);
    assert!(matches!(mistakes.as_slice(), [CaseFailure { case, .. }] if case.is_empty()));
}
