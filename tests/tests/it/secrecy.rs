//! Nothing of a refused secret item stays: not its key, its words, its file names or its files.

use std::path::Path;
use std::time::Duration;

use lienthong_tests::up::{Agency, Up, write_registry};
use sdk::{Connection, File, Item, SubmitError};
use serde_json::json;

const AGENCIES: [Agency; 2] = [
    Agency { key: "mot", code: "A99.1", takes: "ioffice.portal" },
    Agency { key: "hai", code: "A99.2", takes: "ioffice.portal" },
];

/// Texts that are planted in secret items: in the key, the subject, a file's name and its content.
const PLANTED: [&str; 4] = ["plantedkey", "plantedsubject", "plantedname", "plantedcontent"];

fn item(number: usize, subject: &str, file_name: &str, extra: (&str, &str)) -> Item {
    let reference = format!("/u/{file_name}");
    let mut document = json!({
        "Guid": format!("g-{number}"), "SoHieu": number.to_string(), "KyHieu": "BC-VP",
        "TrichYeu": subject, "NgayBanHanh": "20/11/2026", "DoMat": "0", "MaDinhDanh": "A99.1",
        "DonViNhanVanBanNgoaDonVi": [{ "MaDonVi": "A99.2" }],
        "Attachments": [{ "Id": "1", "FileName": file_name, "FilePath": reference }],
    });
    document[extra.0] = json!(extra.1);
    let body = json!({ "Code": 0, "Value": { "Total": 1, "Data": [document] } });
    let file = File {
        reference,
        name: file_name.to_owned(),
        media_type: String::new(),
        content: format!("plantedcontent{number}").into_bytes().into(),
    };
    Item {
        format: "ioffice.portal".to_owned(),
        body: body.to_string().into(),
        key: format!("plantedkey-{number}"),
        files: vec![file],
        ..Item::default()
    }
}

/// Secret items: a mark in a field, in the subject in several forms, in a file's name.
fn secret_items() -> Vec<Item> {
    let name = "plantedname.pdf";
    let subject = "plantedsubject";
    vec![
        item(1, subject, name, ("DoMat", "2")),
        item(2, "TUYỆT MẬT: plantedsubject", name, ("", "")),
        item(3, "M\u{200b}ẬT: plantedsubject", name, ("", "")),
        item(4, "TUYÖT MËT - plantedsubject", name, ("", "")),
        item(5, "T U Y Ệ T  M Ậ T - plantedsubject", name, ("", "")),
        item(6, "BÁO CÁO PLANTEDSUBJECT MẬT", name, ("", "")),
        item(7, subject, "plantedname (MẬT).pdf", ("", "")),
        item(8, subject, name, ("MucMat", "B")),
        item(9, subject, name, ("GhiChuRieng", "Độ mật: A")),
    ]
}

/// The files below a folder in whose name or content a planted text stands.
fn files_with_planted_texts(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut found = Vec::new();
    for path in entries.map(|it| it.unwrap().path()) {
        if path.is_dir() {
            found.extend(files_with_planted_texts(&path));
            continue;
        }
        let name = path.display().to_string();
        let content = std::fs::read(&path).unwrap_or_default().to_ascii_lowercase();
        for planted in PLANTED {
            let is_inside = content.windows(planted.len()).any(|it| it == planted.as_bytes());
            if is_inside || name.contains(planted) {
                found.push(format!("{name}: {planted}"));
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_refused_secret_item_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    write_registry(&folder.path().join("registry"), &AGENCIES);
    let mut up = Up::start(folder.path(), &[("LIENTHONG__TELEMETRY__LEVEL", "debug")]);
    let connection = Connection::new(up.gateway(), "mot-token");
    let submit_handle = connection.submit_handle().unwrap();
    for item in secret_items() {
        match submit_handle.submit(&item).await {
            Err(SubmitError::Refused(fault) | SubmitError::NotAdmitted(fault)) => {
                assert!(["LT-MAP-007", "LT-MAP-210"].contains(&&*fault.code), "{fault:?}");
                assert!(!format!("{fault:?}").to_lowercase().contains("planted"), "{fault:?}");
            }
            other => panic!("{} is not refused: {other:?}", item.key),
        }
    }
    // An ordinary item after them is stored, so the search below would find the others too.
    let mut plain = item(20, "Luật Bảo vệ bí mật nhà nước", "a.pdf", ("", ""));
    plain.key = "khoa-thuong".to_owned();
    plain.files[0].content = b"an ordinary file".to_vec().into();
    submit_handle.submit(&plain).await.unwrap();
    // Refusals are recorded behind the answer.
    tokio::time::sleep(Duration::from_secs(2)).await;
    up.kill();
    let stored = std::fs::read_dir(folder.path()).unwrap().count();
    assert!(stored > 1, "the system has stored something");
    assert_eq!(files_with_planted_texts(folder.path()), [""; 0], "something is stored");
}
