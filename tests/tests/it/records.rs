//! A table of several rows on the whole road: each row is a document of its own.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use lienthong_tests::up::{Agency, Up, write_registry};
use lienthong_tests::vendor_client::VendorClient;
use serde_json::{Value, json};

const DESCRIPTION: &str = "
format: so.di
version: 1
title: Sổ văn bản đi
carries: Document
syntax: {kind: csv}
detect: [{has: Số}, {has: Trích yếu}]
fields:
  - {at: Mã, to: id}
  - {at: Số, to: number, pattern: \"{number}/{notation}\", whole: printed, need: both}
  - {at: Ngày, to: issued, as: date dd/MM/yyyy, need: both}
  - {at: Trích yếu, to: subject, need: both}
  - to: sender
    fields: [{at: Nơi gửi, to: \"ids[0]\", as: org-id}]
  - to: \"recipients[0]\"
    fields: [{at: Nơi nhận, to: \"organisation.ids[0]\", as: org-id}]
";

const TABLE: &str = "Mã,Số,Ngày,Trích yếu,Nơi gửi,Nơi nhận\n\
    a,1/CV-VP,20/11/2026,Một,A99.1,A99.2\n\
    b,2/CV-VP,31/11/2026,Hai,A99.1,A99.2\n\
    c,3/CV-VP,22/11/2026,Ba,A99.1,A99.2\n";

fn prepare(folder: &Path) {
    let agencies = [
        Agency { key: "mot", code: "A99.1", takes: "ioffice.portal" },
        Agency { key: "hai", code: "A99.2", takes: "ioffice.portal" },
    ];
    write_registry(&folder.join("registry"), &agencies);
    let path = folder.join("registry/registry.yaml");
    let text = fs::read_to_string(&path).unwrap().replace("gives: [", "gives: [so.di, ");
    fs::write(path, text).unwrap();
    fs::create_dir_all(folder.join("formats/so.di")).unwrap();
    fs::write(folder.join("formats/so.di/description.yaml"), DESCRIPTION).unwrap();
}

fn submit(sender: &VendorClient, table: &str) -> (u16, Value) {
    let inline = base64_simd::STANDARD.encode_to_string(table);
    let item = json!({ "key": "so-di-1", "format": "so.di", "inline": inline });
    sender.call("POST", "/v1/submit", &item)
}

/// Of each record its place, and the id of its message or the code and the field of its refusal.
fn outcomes(answer: &Value) -> Vec<(String, String)> {
    let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
    let outcome = |it: &Value| {
        let fault = &it["refused"]["fault"];
        let refused =
            || format!("{} {}", text(&fault["code"]), text(&fault["violations"][0]["field"]));
        let id = text(&it["submitted"]["receipt"]["message_id"]);
        (text(&it["place"]), if id.is_empty() { refused() } else { id })
    };
    answer["records"].as_array().into_iter().flatten().map(outcome).collect()
}

/// The subjects of so many deliveries, and of those that still come after them, in no particular
/// order.
fn receive_all(receiver: &VendorClient, session: &str, count: usize) -> Vec<String> {
    let (mut subjects, limit) = (Vec::new(), Instant::now() + Duration::from_secs(30));
    loop {
        let path = format!("/v1/receive?session={session}&wait_ms=2000");
        let (status, polled) = receiver.call("GET", &path, &Value::Null);
        assert_eq!(status, 200, "{polled:#}");
        let deliveries = polled["deliveries"].as_array().cloned().unwrap_or_default();
        if deliveries.is_empty() && (subjects.len() >= count || Instant::now() > limit) {
            subjects.sort();
            return subjects;
        }
        for delivery in deliveries {
            receiver.settle(session, &delivery, &json!({ "taken": {} }));
            let inline = delivery["inline"].as_str().unwrap();
            let body = base64_simd::STANDARD.decode_to_vec(inline).unwrap();
            let body: Value = serde_json::from_slice(&body).unwrap();
            subjects.push(body["Value"]["Data"][0]["TrichYeu"].as_str().unwrap().to_owned());
        }
    }
}

#[test]
fn the_good_rows_of_a_table_arrive_once_and_the_bad_one_is_named() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path());
    let mut up = Up::start(folder.path(), &[]);
    let sender = VendorClient::new(&up.gateway(), "mot-token");
    let mut answer = submit(&sender, TABLE);
    for _ in 0..200 {
        if answer.0 == 200 {
            break;
        }
        // The folder of formats is looked at twice before it counts.
        std::thread::sleep(Duration::from_millis(100));
        answer = submit(&sender, TABLE);
    }
    assert_eq!(answer.0, 200, "{:#}", answer.1);
    let first = outcomes(&answer.1);
    assert_eq!(first[1], ("line 3".to_owned(), "LT-MAP-014 line 3/Ngày".to_owned()));
    assert_eq!((first[0].0.as_str(), first[2].0.as_str(), first.len()), ("line 2", "line 4", 3));
    let finding = &answer.1["findings"][0];
    assert_eq!(
        (&finding["code"], &finding["field"]),
        (&json!("LT-MAP-232"), &json!("line 3/Ngày"))
    );

    // The answer was lost, and everything stopped in between: the same messages, and each arrives once.
    up.kill();
    up.restart();
    let sender = VendorClient::new(&up.gateway(), "mot-token");
    let (status, again) = submit(&sender, TABLE);
    assert_eq!((status, outcomes(&again)), (200, first.clone()), "{again:#}");
    let receiver = VendorClient::new(&up.gateway(), "hai-token");
    let session = receiver.hello("test");
    assert_eq!(receive_all(&receiver, &session, 2), ["Ba", "Một"]);

    // The row was corrected, and the table is sent again: that row alone is new.
    let (status, corrected) = submit(&sender, &TABLE.replace("31/11/2026", "21/11/2026"));
    assert_eq!(status, 200, "{corrected:#}");
    let corrected = outcomes(&corrected);
    assert_eq!((&corrected[0], &corrected[2]), (&first[0], &first[2]));
    assert_eq!(receive_all(&receiver, &session, 1), ["Hai"]);

    // A row with a secrecy mark: nothing of the table is taken.
    let secret = TABLE.replace("Một", "TUYỆT MẬT: một").replace("1/CV", "4/CV");
    let (status, refused) = submit(&sender, &secret);
    assert_eq!((status, &refused["code"]), (403, &json!("LT-MAP-210")), "{refused:#}");
    assert_eq!(receive_all(&receiver, &session, 0), [""; 0]);
}
