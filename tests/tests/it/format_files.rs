//! Commands on formats that work on files: profiles, drafts, and attachments beside a body.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lienthong_tests::up::program;
use serde_json::{Value, json};

/// Runs a command with `--json`: its exit code and its value.
fn run(folder: &Path, arguments: &[&str]) -> (i32, Value) {
    let output =
        Command::new(program()).args(arguments).arg("--json").current_dir(folder).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let value = serde_json::from_str(&text).unwrap_or_else(|error| {
        panic!("{arguments:?}: {error}: {text}{}", String::from_utf8_lossy(&output.stderr))
    });
    (output.status.code().unwrap(), value)
}

#[test]
fn a_profile_is_checked_shown_and_tested_like_a_format() {
    let folder = tempfile::tempdir().unwrap();
    let profile = "of: ioffice.portal\nformat: ioffice.xa\nversion: 1\ntitle: iOffice của xã\n\
                   lists: {urgency: {\"9\": NORMAL}}\nplaces: {TrichYeu: {max: 9}}\n";
    let path = folder.path().join("ioffice.xa/description.yaml");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, profile).unwrap();
    let (exit, checked) = run(folder.path(), &["format", "check", "ioffice.xa"]);
    assert_eq!((exit, &checked["base"]), (0, &json!("ioffice.portal")), "{checked:#}");
    let cases = checked["base_cases"].as_array().unwrap();
    let plain = cases.iter().find(|it| it["name"] == "plain").unwrap();
    assert!(cases.len() > 10, "{checked:#}");
    assert_eq!(plain["differences"], json!(["CHANGED subject"]), "{plain}");
    assert!(cases.iter().all(|it| it["failures"] == json!([])), "{checked:#}");
    let (exit, page) = run(folder.path(), &["format", "show", "ioffice.xa"]);
    assert_eq!((exit, &page["format"]["name"]), (0, &json!("ioffice.xa")));
    let places = page["places"].as_array().unwrap();
    assert!(places.iter().any(|it| it["native"] == "TrichYeu" && it["max"] == 9), "{page:#}");
    let (exit, coverage) = run(folder.path(), &["format", "coverage", "--with", "ioffice.xa"]);
    assert_eq!((exit, &coverage["Document"]["subject"]["ioffice.xa"]), (0, &json!("whole")));
    let (exit, tested) = run(folder.path(), &["format", "test", "ioffice.xa"]);
    assert_eq!((exit, &tested["formats"][0]["failed"]), (0, &json!([])), "{tested:#}");
    assert_eq!(tested["formats"][0]["cases"].as_u64(), u64::try_from(cases.len()).ok());

    fs::write(&path, profile.replace("TrichYeu: {max", "TrichYue: {max")).unwrap();
    let (exit, checked) = run(folder.path(), &["format", "check", "ioffice.xa"]);
    let mistake = &checked["mistakes"][0];
    assert_eq!((exit, &mistake["code"], &mistake["line"]), (3, &json!("LT-FMT-070"), &json!(6)));
    assert!(
        mistake["text_en"].as_str().unwrap().ends_with("did you mean `TrichYeu`?"),
        "{mistake}"
    );
    let (exit, refused) = run(folder.path(), &["format", "show", "ioffice.xa"]);
    assert_eq!((exit, &refused["error"]["code"]), (3, &json!("LT-FMT-020")), "{refused:#}");
}

#[test]
fn a_draft_of_a_sample_passes_the_check_and_overwrites_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let sample = json!({ "SoKyHieu": "45/CV", "TrichYeu": "Họp", "NgayBanHanh": "20/11/2026",
        "La": "x", "Tep": [{ "Ten": "a.pdf", "DuongDan": "a.pdf" }] });
    fs::write(folder.path().join("vb.json"), sample.to_string()).unwrap();
    fs::write(folder.path().join("a.pdf"), "%PDF-1.4 x").unwrap();
    let new = ["format", "new", "xa.vb", "--from", "vb.json", "--folder", "formats"];
    let (exit, drafted) = run(folder.path(), &new);
    assert_eq!((exit, &drafted["class"]), (0, &json!("same")), "{drafted:#}");
    assert_eq!((&drafted["proposed"], &drafted["open"]), (&json!(5), &json!(1)), "{drafted:#}");
    let (exit, checked) = run(folder.path(), &["format", "check", "formats/xa.vb"]);
    assert_eq!((exit, &checked["mistakes"]), (0, &json!([])), "{checked:#}");
    let (exit, again) = run(folder.path(), &new);
    assert_eq!((exit, &again["error"]["code"]), (7, &json!("LT-FMT-072")), "{again:#}");
    let (exit, refused) = run(folder.path(), &["format", "new", "../x", "--from", "vb.json"]);
    assert_eq!((exit, &refused["error"]["code"]), (2, &json!("LT-CLI-003")), "{refused:#}");
}

#[test]
fn the_page_of_a_format_that_is_never_written_lists_no_losses_of_writing() {
    let folder = tempfile::tempdir().unwrap();
    let losses =
        |name: &str| run(folder.path(), &["format", "show", name]).1["known_losses"].clone();
    assert_eq!(losses("edxml.envelope"), json!([]));
    assert_ne!(losses("edxml.document"), json!([]));
}

/// A body whose file is named like this, with a file of another form of the name in its folder.
fn put(folder: &Path, body: &str, (reference, file): (&str, &str)) -> PathBuf {
    let value = json!({ "Value": { "Data": [{ "Guid": "g", "KyHieu": "CV", "TrichYeu": "Họp",
        "NgayBanHanh": "20/11/2026",
        "Attachments": [{ "FileName": "Công văn số 5.pdf", "FilePath": reference }] }] } });
    let path = folder.join(body);
    fs::write(&path, value.to_string()).unwrap();
    let files = folder.join(file);
    fs::create_dir_all(files.parent().unwrap()).unwrap();
    fs::write(files, "%PDF-1.4 x").unwrap();
    path
}

#[test]
fn a_body_is_read_with_the_files_of_its_folder_whatever_form_their_names_have() {
    const NAME: &str = "Công văn số 5.pdf";
    let decomposed = "Co\u{302}ng va\u{306}n so\u{302}\u{301} 5.pdf";
    for (body, reference, file) in [
        ("a.json", NAME, format!("a.json.files/{NAME}")),
        ("a.json", NAME, format!("a.json.files/{decomposed}")),
        ("a.json", decomposed, format!("a.json.files/{NAME}")),
        ("a.json", "/Upload/2026/Công văn số 5.pdf", format!("a.json.files/{NAME}")),
        ("a.json", "C%C3%B4ng%20v%C4%83n%20s%E1%BB%91%205.pdf", format!("a.json.files/{NAME}")),
        ("a.json", "Upload\\Công văn số 5.pdf", format!("a.json.files/{NAME}")),
        ("a.json", "CÔNG VĂN SỐ 5.PDF", format!("a.json.files/{NAME}")),
        ("thư.json", NAME, format!("thu\u{31b}.json.files/{NAME}")),
        ("a.json", NAME, NAME.to_owned()),
        ("a.json", decomposed, NAME.to_owned()),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let body = put(folder.path(), body, (reference, &file));
        let body = body.to_str().unwrap();
        let (exit, read) = run(folder.path(), &["format", "read", "auto", body]);
        let attachments = &read["attachments"];
        assert_eq!((exit, &attachments[0]["size"]), (0, &json!(10)), "{reference}: {read:#}");
        assert_eq!(attachments.as_array().unwrap().len(), 1, "{file}");
    }
}

#[test]
fn every_shared_body_with_files_beside_it_is_read() {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/cases/A01-attachment-name-forms");
    let bodies = fs::read_dir(&folder).into_iter().flatten().flatten().map(|it| it.path());
    for body in bodies.filter(|it| it.extension().is_some_and(|it| it == "json")) {
        let (exit, read) = run(&folder, &["format", "read", "auto", body.to_str().unwrap()]);
        assert_eq!((exit, &read["refusal"]), (0, &Value::Null), "{}: {read:#}", body.display());
        assert_eq!(read["attachments"].as_array().unwrap().len(), 1, "{}", body.display());
    }
}
