//! Cases that are shipped beside the descriptions: what is read, and what writing it back gives.
//!
//! Each folder holds `native.*`, `canonical.json` (what reading gives) and `class`:
//!
//! - `exact`: written back, it has the very same bytes;
//! - `same`: written back and read again, it is the same message and nothing is reported;
//! - `report`: the report of writing it back stands in `outcome`;
//! - `refused`: the code and the violations stand in `outcome`; there is no `canonical.json`.
//!
//! Findings stand in `outcome` too. Files named by a portal lie in `files`.

use std::fs;
use std::path::{Path, PathBuf};

use formats::{BlobSink as _, Context, Format};
use proto::journal::v1::Claim;
use proto::mapping::v1::DeclaredAttachment;
use sha2::{Digest as _, Sha256};

use crate::{Files, shelf};

fn folders() -> Vec<(String, PathBuf)> {
    let formats = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../mapping/formats");
    let mut found = Vec::new();
    for format in fs::read_dir(formats).unwrap().map(|it| it.unwrap()) {
        let name = format.file_name().to_string_lossy().into_owned();
        let Ok(cases) = fs::read_dir(format.path().join("cases")) else { continue };
        found.extend(cases.map(|it| (name.clone(), it.unwrap().path())));
    }
    found.sort();
    found
}

fn place(case: &Path) -> PathBuf {
    let mut all = fs::read_dir(case).unwrap().map(|it| it.unwrap().path());
    all.find(|it| it.file_stem().is_some_and(|it| it == "native")).unwrap()
}

fn native(case: &Path) -> Vec<u8> {
    fs::read(place(case)).unwrap()
}

fn declared(case: &Path, into: &mut Files) -> Vec<DeclaredAttachment> {
    let Ok(files) = fs::read_dir(case.join("files")) else { return Vec::new() };
    let files = files.map(|it| it.unwrap().path());
    files
        .map(|it| {
            let bytes = fs::read(&it).unwrap();
            into.write(&bytes).unwrap();
            into.finish().unwrap();
            let name = it.file_name().unwrap().to_string_lossy().into_owned();
            let claim =
                Claim { sha256: Sha256::digest(&bytes).to_vec().into(), size: bytes.len() as u64 };
            DeclaredAttachment {
                reference: name.clone(),
                file_name: name,
                claim: Some(claim),
                ..Default::default()
            }
        })
        .collect()
}

fn agree(file: &Path, is: &str) {
    expect_test::expect_file![file].assert_eq(is);
}

fn refused(format: &Format, case: &Path) {
    let mut files = Files::default();
    let declared = declared(case, &mut files);
    let fault = format.decode(&native(case), &declared, &mut files).unwrap_err();
    let mut outcome = format!("{}\n", fault.code);
    for it in &fault.violations {
        outcome += &format!("{}: {} / {}\n", it.field, it.description_vi, it.description_en);
    }
    agree(&case.join("outcome"), &outcome);
}

fn kept(format: &Format, case: &Path, class: &str) {
    let shelf = shelf();
    let mut files = Files::default();
    let declared = declared(case, &mut files);
    let native = native(case);
    let mut decoded = format.decode(&native, &declared, &mut files).unwrap().remove(0);
    decoded.canonical.origin = None;
    let mut shown = Vec::new();
    let json = shelf.get("canonical.json").unwrap();
    json.encode(&decoded.canonical, Context::default(), &files, &mut shown).unwrap();
    agree(&case.join("canonical.json"), &(String::from_utf8(shown).unwrap() + "\n"));

    let mut written = Vec::new();
    let report =
        format.encode(&decoded.canonical, Context::default(), &files, &mut written).unwrap();
    let mut outcome: String = decoded
        .findings
        .iter()
        .map(|it| format!("{} {}: {}\n", it.code, it.field, it.text_en))
        .collect();
    for it in &report {
        outcome +=
            &format!("{} {} {} {:?}\n", it.kind().as_str_name(), it.path, it.reason, it.value);
    }
    agree(&case.join("outcome"), &outcome);
    assert_eq!(report.is_empty(), class != "report", "{report:#?}");
    if class == "exact" {
        agree(&place(case), &String::from_utf8(written).unwrap());
    } else if class == "same" {
        // What is written names files by their digests.
        let mut declared = declared;
        for it in &mut declared {
            let digest = &it.claim.as_ref().unwrap().sha256;
            let hex: String = digest.iter().map(|it| format!("{it:02x}")).collect();
            it.reference = format!("sha256:{hex}");
        }
        let mut again = format.decode(&written, &declared, &mut files).unwrap().remove(0);
        again.canonical.origin = None;
        assert_eq!(decoded.canonical, again.canonical);
    }
}

#[test]
fn every_case_reads_and_writes_as_its_class_says() {
    let shelf = shelf();
    let mut classes = std::collections::BTreeMap::<String, usize>::new();
    for (format, case) in folders() {
        let class = fs::read_to_string(case.join("class")).unwrap().trim().to_owned();
        let format = shelf.get(&format).unwrap();
        match class.as_str() {
            "refused" => refused(format, &case),
            "exact" | "same" | "report" => kept(format, &case, &class),
            other => panic!("{}: there is no class {other}", case.display()),
        }
        *classes.entry(class).or_default() += 1;
    }
    assert_eq!(classes.len(), 4, "every class has a case: {classes:?}");
}
