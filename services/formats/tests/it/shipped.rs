//! The shipped formats as a set: what is shipped is what lies in the folder, every format has cases,
//! and detection tells all of them apart.

use std::collections::BTreeSet;
use std::fs;

use formats::cases::run_case;
use formats::{EncodeContext, MemoryBlobs};

use crate::cases::{formats, load, name, sorted};
use crate::registry;

#[test]
fn every_folder_of_a_format_is_shipped() {
    let shipped: BTreeSet<String> = registry().all().map(|it| it.name().to_owned()).collect();
    let folders: BTreeSet<String> = sorted(&formats()).iter().map(|it| name(it)).collect();
    assert_eq!(shipped, folders);
}

#[test]
fn every_format_has_cases_that_are_read_and_cases_that_are_refused() {
    for folder in sorted(&formats()) {
        let cases: Vec<_> = sorted(&folder.join("cases")).iter().map(|it| load(it)).collect();
        let refused = cases.iter().filter(|it| it.class.trim() == "refused").count();
        assert!(refused > 0 && cases.len() > refused, "{}", folder.display());
    }
}

/// A content that two formats detect would be read by whichever stands first.
#[test]
fn each_case_is_detected_as_its_own_format_or_as_none() {
    let registry = registry();
    for folder in sorted(&formats()) {
        let mut detected = 0;
        for case in sorted(&folder.join("cases")) {
            let native = load(&case).native;
            let own = name(&folder);
            match registry.choose("auto", &native) {
                Ok(format) => {
                    assert_eq!(format.name(), own, "{}", case.display());
                    detected += 1;
                }
                // Content that is damaged, or has the namespace of nobody.
                Err(fault) => {
                    assert_eq!(load(&case).class.trim(), "refused", "{}: {fault}", case.display());
                }
            }
            for other in registry.all().filter(|it| it.name() != own) {
                assert!(
                    !other.detects_native(&native),
                    "{} is also {}",
                    case.display(),
                    other.name()
                );
            }
        }
        assert!(detected > 0, "{}", folder.display());
    }
}

/// A dialect that is only read says which it is, and no message is written in it.
#[test]
fn a_format_that_is_only_read_names_its_dialect_and_writes_nothing() {
    let registry = registry();
    let mut count = 0;
    for format in registry.all().filter(|it| !it.is_written()) {
        for case in sorted(&formats().join(format.name()).join("cases")) {
            let case = load(&case);
            let outcome = run_case(format, &case);
            if outcome.class == "refused" {
                continue;
            }
            let names_dialect = outcome.outcome.contains("LT-MAP-080");
            assert_eq!(names_dialect, format.name().starts_with("edxml."), "{}", case.name);
            let mut files = MemoryBlobs::default();
            let read = format.decode(&case.native, &[], &mut files).unwrap().remove(0).canonical;
            let mut native = Vec::new();
            let fault = format.encode(&read, EncodeContext::default(), &files, &mut native);
            assert_eq!(fault.unwrap_err().code, "LT-MAP-081");
            assert!(native.is_empty());
            count += 1;
        }
    }
    assert!(count > 10, "{count} cases");
}

#[test]
fn every_format_says_what_it_is_and_has_its_own_title() {
    let registry = registry();
    let titles: BTreeSet<&str> = registry.all().map(formats::Format::title).collect();
    assert_eq!(titles.len(), registry.all().len());
    for folder in sorted(&formats()) {
        let description = fs::read_to_string(folder.join("description.yaml")).unwrap();
        assert!(description.starts_with("# "), "{}: says what it is", folder.display());
    }
}

#[test]
fn the_page_of_a_format_shows_the_template_of_a_split_text() {
    let registry = registry();
    let places = registry.get("ioffice.portal").unwrap().inventory().places;
    let place = places.iter().find(|it| it.native == "VanBanDuocTraLoi/SoKyHieu").unwrap();
    assert_eq!(place.converter, "pattern {number}/{notation}");
}
