//! What was refused reaches those who must know: a receiver's refusal its sender, a refusal at the
//! door the operators.

use std::path::Path;
use std::time::{Duration, Instant};

use lienthong_tests::up::{Agency, Up, http_get, write_registry};
use lienthong_tests::vendor_client::VendorClient;
use serde_json::{Value, json};

const AGENCIES: [Agency; 2] = [
    Agency { key: "mot", code: "A99.1", takes: "ioffice.portal" },
    Agency { key: "hai", code: "A99.2", takes: "ioffice.portal" },
];

/// A submission of a document to an organisation code, as the HTTP door takes it.
fn submission(number: &str, code: &str, key: &str) -> Value {
    let body = json!({ "Value": { "Total": 1, "Data": [{
        "Guid": format!("guid-{number}"), "SoHieu": number, "KyHieu": "BC-VP",
        "TrichYeu": "Báo cáo tháng", "NgayBanHanh": "20/11/2026", "DoMat": "0",
        "DonViNhanVanBanNgoaDonVi": [{ "MaDonVi": code }],
    }] } });
    let inline = base64_simd::STANDARD.encode_to_string(body.to_string());
    json!({ "key": key, "format": "ioffice.portal", "inline": inline })
}

/// A registry in which the application of the first agency takes delivery reports.
fn write_registry_with_reports(folder: &Path) {
    write_registry(folder, &AGENCIES);
    let path = folder.join("registry.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let with = "status: edxml.status, delivery_report: delivery.report}";
    std::fs::write(&path, text.replacen("status: edxml.status}", with, 1)).unwrap();
}

/// Runs a command with `--json`.
fn run_json(up: &Up, folder: &Path, arguments: &[&str]) -> Value {
    let (internal, data) = (up.internal(), folder.display().to_string());
    let link = ["--internal", internal.as_str(), "--data", data.as_str(), "--json"];
    let (text, _exit) = up.command(&[arguments, &link].concat());
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("{arguments:?} printed {text}"))
}

/// Asks again until the answer holds.
fn until(mut ask: impl FnMut() -> Value, holds: impl Fn(&Value) -> bool) -> Value {
    let limit = Instant::now() + Duration::from_secs(30);
    loop {
        let answer = ask();
        if holds(&answer) {
            return answer;
        }
        assert!(Instant::now() < limit, "{answer:#}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Submits a document, refuses it at its receiver, and gives the id of the submitted message.
fn submit_and_refuse(sender: &VendorClient, receiver: &VendorClient, item: &Value) -> String {
    let receipt = sender.expect("POST", "/v1/submit", item)["receipt"].clone();
    let session = receiver.hello("nhan");
    let delivery = receiver.receive(&session);
    let refused = json!({ "refused": { "reason": "Thiếu phụ lục 2" } });
    receiver.settle(&session, &delivery, &refused);
    receipt["message_id"].as_str().unwrap().to_owned()
}

#[test]
fn a_receivers_refusal_reaches_the_sender_as_a_message_and_in_track() {
    let folder = tempfile::tempdir().unwrap();
    write_registry_with_reports(&folder.path().join("registry"));
    let up = Up::start(folder.path(), &[]);
    let client = |key: &str| VendorClient::new(&up.gateway(), format!("{key}-token"));
    let (one, two) = (client("mot"), client("hai"));
    let id = submit_and_refuse(&one, &two, &submission("7", "A99.2", "k-7"));
    let session = one.hello("gui");
    let delivery = one.receive(&session);
    assert_eq!(delivery["type"], "DELIVERY_REPORT");
    assert_eq!(delivery["format"], "delivery.report");
    assert_eq!(delivery["sender"], "lienthong");
    let bytes = proto::base64::decode(delivery["inline"].as_str().unwrap()).unwrap();
    let report: Value = serde_json::from_slice(&bytes).unwrap();
    let expected = [
        ("message_id", id.as_str()),
        ("key", "k-7"),
        ("number", "7/BC-VP"),
        ("document_id", "guid-7"),
        ("subject", "Báo cáo tháng"),
        ("recipient", "hai"),
        ("recipient_name", "Cơ quan hai"),
        ("recipient_application", "hai-app"),
        ("outcome", "refused"),
        ("reason", "Thiếu phụ lục 2"),
    ];
    for (name, value) in expected {
        assert_eq!(report[name], value, "{report:#}");
    }
    for name in ["text_vi", "text_en"] {
        assert!(report[name].as_str().unwrap().contains("Thiếu phụ lục 2"), "{report:#}");
    }
    one.settle(&session, &delivery, &json!({ "taken": {} }));
    assert_eq!(one.poll(&session, Duration::from_secs(1)), None, "once, and no status with it");
    let tracked = one.expect("GET", &format!("/v1/track?message_id={id}"), &Value::Null);
    let recipient = &tracked["messages"][0]["recipients"][0];
    assert_eq!(recipient["state"], "REFUSED");
    assert_eq!(recipient["statuses"], json!([]), "never an invented status");
    let trace = run_json(&up, folder.path(), &["trace", &id]);
    assert_eq!(trace["journeys"][0]["reports"][0]["recipients_taken"], 1, "{trace:#}");
}

#[test]
fn a_dead_letter_reaches_the_sender_and_so_does_its_arrival_at_last() {
    let folder = tempfile::tempdir().unwrap();
    let registry = folder.path().join("registry");
    write_registry_with_reports(&registry);
    let path = registry.join("registry.yaml");
    let whole = std::fs::read_to_string(&path).unwrap();
    // The second application takes documents in a format that carries none.
    let (before, of_two) = whole.split_once("- id: hai-app").unwrap();
    let unknown = of_two.replacen("document: ioffice.portal", "document: edxml.status", 1);
    assert_ne!(unknown, of_two);
    std::fs::write(&path, format!("{before}- id: hai-app{unknown}")).unwrap();
    let up = Up::start(folder.path(), &[]);
    let client = |key: &str| VendorClient::new(&up.gateway(), format!("{key}-token"));
    let (one, two) = (client("mot"), client("hai"));
    let item = submission("7", "A99.2", "k-7");
    let receipt = one.expect("POST", "/v1/submit", &item)["receipt"].clone();
    let id = receipt["message_id"].as_str().unwrap();
    let session = one.hello("gui");
    let report_of = || {
        let delivery = one.receive(&session);
        let bytes = proto::base64::decode(delivery["inline"].as_str().unwrap()).unwrap();
        one.settle(&session, &delivery, &json!({ "taken": {} }));
        serde_json::from_slice::<Value>(&bytes).unwrap()
    };
    let report = report_of();
    assert_eq!((&report["outcome"], &report["message_id"]), (&json!("undeliverable"), &json!(id)));
    assert_eq!((&report["code"], &report["recipient"]), (&json!("LT-MAP-015"), &json!("hai")));
    assert!(report["text_vi"].as_str().unwrap().contains("edxml.status"), "{report:#}");
    assert_ne!(report["remedy_vi"], "");
    std::fs::write(&path, whole).unwrap();
    up.wait_for_registry(2);
    let session_of_two = two.hello("nhan");
    let redrive = ["redrive", id, "--reason", "registered", "--yes"];
    run_json(&up, folder.path(), &redrive);
    let delivery = two.receive(&session_of_two);
    two.settle(&session_of_two, &delivery, &json!({ "taken": {} }));
    let report = report_of();
    assert_eq!(report["outcome"], "delivered", "the last word is true: {report:#}");
    assert_eq!(report["recipient_application"], "hai-app");
}

#[test]
fn an_application_that_takes_no_reports_sees_why_in_track_and_nothing_waits() {
    let folder = tempfile::tempdir().unwrap();
    write_registry_with_reports(&folder.path().join("registry"));
    let up = Up::start(folder.path(), &[]);
    let client = |key: &str| VendorClient::new(&up.gateway(), format!("{key}-token"));
    let (one, two) = (client("mot"), client("hai"));
    let id = submit_and_refuse(&two, &one, &submission("8", "A99.1", ""));
    let trace = until(
        || run_json(&up, folder.path(), &["trace", &id]),
        |it| it["journeys"][0]["reports"][0]["state"] == "routed",
    );
    assert_eq!(trace["journeys"][0]["reports"][0]["recipients_total"], 0, "to nobody");
    let waiting = ["--state", "dead", "--state", "held", "--state", "parked", "--state", "queued"];
    let found = run_json(&up, folder.path(), &[&["find"], &waiting[..]].concat());
    assert_eq!(found["messages"], json!([]), "{found:#}");
    let session = two.hello("gui");
    assert_eq!(two.poll(&session, Duration::from_secs(1)), None);
    let tracked = two.expect("GET", &format!("/v1/track?message_id={id}"), &Value::Null);
    let recipient = &tracked["messages"][0]["recipients"][0];
    assert_eq!(
        (&recipient["state"], &recipient["code"]),
        (&json!("REFUSED"), &json!("LT-JNL-016"))
    );
    for name in ["reason_vi", "reason_en"] {
        assert!(recipient[name].as_str().unwrap().contains("Thiếu phụ lục 2"), "{recipient:#}");
    }
    assert_ne!(recipient["remedy_vi"], "");
    assert_ne!(recipient["remedy_en"], "");
}

#[test]
fn what_was_refused_at_the_door_is_found_counted_and_coalesced() {
    let folder = tempfile::tempdir().unwrap();
    write_registry(&folder.path().join("registry"), &AGENCIES);
    let mut up = Up::start(folder.path(), &[]);
    let one = VendorClient::new(&up.gateway(), "mot-token");
    let unknown = submission("07", "A99.9", "k-07");
    for _ in 0..30 {
        assert_ne!(one.call("POST", "/v1/submit", &unknown).0, 200);
    }
    let batch = json!({ "items": [submission("9", "A99.9", "")] });
    one.expect("POST", "/v1/submit-batch", &batch);
    assert_ne!(one.call("POST", "/v1/submit", &json!({ "khong-co": 1 })).0, 200);
    let find = |up: &Up, arguments: &[&str]| {
        run_json(up, folder.path(), &[&["find"], arguments].concat())["refused_items"].clone()
    };
    let all = until(
        || find(&up, &["--state", "refused"]),
        |it| it.as_array().is_some_and(|it| it.len() == 3 && it.iter().any(|it| it["count"] == 30)),
    );
    assert_eq!(all.as_array().unwrap().len(), 3, "{all:#}");
    up.kill();
    up.restart();
    for arguments in [
        &["--state", "refused", "7-bc-vp"][..],
        &["--state", "refused", "k-07"],
        &["07/BC-VP"],
        &["--code", "LT-MAP-204", "--application", "mot-app", "07/BC-VP"],
        &["--state", "refused", "--organisation", "mot", "--since", "2026-01-01", "07/BC-VP"],
    ] {
        let found = find(&up, arguments);
        let [item] = &found.as_array().unwrap()[..] else { panic!("{arguments:?}: {found:#}") };
        assert_eq!((&item["count"], &item["key"]), (&json!(30), &json!("k-07")), "{item:#}");
        assert_eq!((&item["number"], &item["type"]), (&json!("07/BC-VP"), &json!("document")));
        assert_eq!(item["fault"]["code"], "LT-MAP-204");
        assert!(!item["fields"].as_array().unwrap().is_empty(), "{item:#}");
    }
    assert_eq!(find(&up, &["--state", "refused", "--application", "hai-app"]), json!([]));
    let again = VendorClient::new(&up.gateway(), "mot-token");
    again.call("POST", "/v1/submit", &unknown);
    let metrics = http_get(up.ops_port(), "/metrics").unwrap();
    let counted = metrics.lines().find(|it| {
        it.starts_with("lienthong_gateway_refusals_total")
            && it.contains("application=\"mot-app\"")
            && it.contains("code=\"LT-MAP-204\"")
    });
    assert!(counted.is_some_and(|it| it.ends_with(" 1")), "{metrics}");
}

#[test]
fn received_and_door_refusals_are_told_apart_in_words() {
    let folder = tempfile::tempdir().unwrap();
    write_registry_with_reports(&folder.path().join("registry"));
    let up = Up::start(folder.path(), &[]);
    let client = |key: &str| VendorClient::new(&up.gateway(), format!("{key}-token"));
    let (one, two) = (client("mot"), client("hai"));
    let id = submit_and_refuse(&one, &two, &submission("7", "A99.2", ""));
    one.call("POST", "/v1/submit", &submission("8", "A99.9", ""));
    let (internal, data) = (up.internal(), folder.path().display().to_string());
    let link = ["--internal", internal.as_str(), "--data", data.as_str()];
    let find = |lang: &str| {
        let arguments = [&["find", "--state", "refused", "--lang", lang], &link[..]].concat();
        Value::from(up.command(&arguments).0)
    };
    let holds = |it: &Value| it.as_str().unwrap().contains("8/BC-VP");
    let vi = until(|| find("vi"), holds);
    let vi = vi.as_str().unwrap();
    let door = vi.find("Bị từ chối ngay khi gửi, chưa vào trục:").unwrap();
    let bus = vi.find("Đã vào trục:").unwrap();
    let (at_door, at_bus) = (vi.find("8/BC-VP").unwrap(), vi.find(&id).unwrap());
    assert!(door < at_door && at_door < bus && bus < at_bus, "{vi}");
    let en = find("en");
    let en = en.as_str().unwrap();
    for words in ["Refused at the door, never on the bus:", "Taken by the bus:"] {
        assert!(en.contains(words), "{en}");
    }
    let trace = [&["trace", &id, "--lang", "vi"], &link[..]].concat();
    let trace = up.command(&trace).0;
    for words in
        ["Ứng dụng nhận đã từ chối: Thiếu phụ lục 2", "Cần làm gì:", "Đã báo cho ứng dụng gửi:"]
    {
        assert!(trace.contains(words), "{trace}");
    }
}
