//! Two folder adapters exchange documents through a running system.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lienthong_tests::up::{Agency, Up, program, write_registry};
use lienthong_tests::vendor_client::VendorClient;
use serde_json::{Value, json};

/// A running `lienthong serve adapter-folder`, killed when dropped.
struct Adapter(Child);

impl Adapter {
    fn start(up: &Up, key: &str, folder: &Path) -> Self {
        fs::create_dir_all(folder).unwrap();
        let token = folder.with_extension("token");
        fs::write(&token, format!("{key}-token\n")).unwrap();
        let log = fs::File::create(folder.with_extension("log")).unwrap();
        let child = Command::new(program())
            .args(["serve", "adapter-folder"])
            .env("LIENTHONG__LISTEN__OPS", "127.0.0.1:0")
            .env("LIENTHONG__ADAPTER_FOLDER__GATEWAY", up.gateway())
            .env("LIENTHONG__ADAPTER_FOLDER__TOKEN_FILE", &token)
            .env("LIENTHONG__ADAPTER_FOLDER__APPLICATION", format!("{key}-app"))
            .env("LIENTHONG__ADAPTER_FOLDER__FOLDER", folder)
            .env("LIENTHONG__ADAPTER_FOLDER__LOOK_EVERY_MS", "50")
            .env("LIENTHONG__ADAPTER_FOLDER__SETTLE_MS", "100")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Self(child)
    }
}

impl Drop for Adapter {
    fn drop(&mut self) {
        // A panic here, in the middle of another one, would hide what failed.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn wait_for<T>(what: &str, folder: &Path, found: impl Fn() -> Option<T>) -> T {
    let limit = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = found() {
            return found;
        }
        let log = fs::read_to_string(folder.with_extension("log")).unwrap_or_default();
        assert!(Instant::now() < limit, "{what} did not come\n{log}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn value(path: &Path) -> Option<Value> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn messages(inbox: &Path) -> Vec<PathBuf> {
    fs::read_dir(inbox).into_iter().flatten().map(|it| it.unwrap().path()).collect()
}

fn document(number: &str) -> Value {
    json!({ "Code": 0, "Value": { "Total": 1, "Data": [{
        "Guid": format!("guid-{number}"), "SoHieu": number, "KyHieu": "BC-VP",
        "TrichYeu": "Báo cáo tháng", "NgayBanHanh": "20/11/2026", "DoMat": "0",
        "DonViNhanVanBanNgoaDonVi": [{ "MaDonVi": "A99.2" }],
        "Attachments": [
            { "Id": "1", "FileName": "Phụ lục.pdf", "FilePath": "a.pdf" },
            { "Id": "2", "FileName": "phụ lục.PDF", "FilePath": "b.pdf" },
        ],
    }] } })
}

fn put(outbox: &Path, name: &str, body: &[u8], files: &[(&str, &[u8])]) {
    fs::create_dir_all(outbox).unwrap();
    for (file, bytes) in files {
        fs::create_dir_all(outbox.join(format!("{name}.files"))).unwrap();
        fs::write(outbox.join(format!("{name}.files/{file}")), bytes).unwrap();
    }
    fs::write(outbox.join(name), body).unwrap();
}

#[test]
fn a_document_reaches_the_other_folder_and_a_malformed_one_is_refused_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let agencies = [
        Agency { key: "mot", code: "A99.1", takes: "ioffice.portal" },
        Agency { key: "hai", code: "A99.2", takes: "ioffice.portal" },
    ];
    write_registry(&folder.path().join("registry"), &agencies);
    let up = Up::start(folder.path(), &[]);
    let (one, two) = (folder.path().join("mot"), folder.path().join("hai"));
    let first = Adapter::start(&up, "mot", &one);
    let _second = Adapter::start(&up, "hai", &two);
    let (a, b): (Vec<u8>, Vec<u8>) = (vec![1; 3 << 20], vec![2; 70_000]);
    let files: [(&str, &[u8]); 2] = [("a.pdf", &a), ("b.pdf", &b)];
    let body = document("7").to_string();
    put(&one.join("outbox"), "bao-cao.json", body.as_bytes(), &files);
    let receipt =
        wait_for("the receipt", &one, || value(&one.join("sent/bao-cao.json/receipt.json")));
    assert_eq!(receipt["repeat"], false);
    assert_eq!(receipt["recipients"], json!(["hai"]));
    let arrived = wait_for("the message", &two, || messages(&two.join("inbox")).pop());
    let about = value(&arrived.join("message.json")).unwrap();
    assert_eq!(about["sender"], "mot");
    assert_eq!(about["message_id"], arrived.file_name().unwrap().to_string_lossy().as_ref());
    assert_eq!(fs::read(arrived.join("document.json.files/Phụ lục.pdf")).unwrap(), a);
    assert_eq!(fs::read(arrived.join("document.json.files/phụ lục (2).PDF")).unwrap(), b);
    let there = value(&arrived.join("document.json")).unwrap();
    assert_eq!(there["Value"]["Data"][0]["TrichYeu"], "Báo cáo tháng");

    put(&one.join("outbox"), "hong.json", b"{\"Value\":", &[]);
    let reason = wait_for("the reason", &one, || {
        fs::read_to_string(one.join("refused/hong.json/LY-DO.txt")).ok()
    });
    assert!(reason.contains("Bị từ chối LT-MAP-002"), "{reason}");
    assert!(one.join("refused/hong.json/hong.json").exists());

    // A file written while the adapter is down is sent after its restart; the same content gets
    // the first receipt again.
    drop(first);
    put(&one.join("outbox"), "bao-cao.json", body.as_bytes(), &files);
    let _first = Adapter::start(&up, "mot", &one);
    let again = wait_for("the second receipt", &one, || {
        value(&one.join("sent/bao-cao (2).json/receipt.json"))
    });
    assert_eq!(again["repeat"], true);
    assert_eq!(again["message_id"], receipt["message_id"]);
    assert_eq!(messages(&two.join("inbox")).len(), 1, "the repeat was not delivered");
}

#[test]
fn a_receivers_refusal_becomes_a_text_beside_the_sent_file() {
    let folder = tempfile::tempdir().unwrap();
    let agencies = [
        Agency { key: "mot", code: "A99.1", takes: "ioffice.portal" },
        Agency { key: "hai", code: "A99.2", takes: "ioffice.portal" },
    ];
    let registry = folder.path().join("registry");
    write_registry(&registry, &agencies);
    let path = registry.join("registry.yaml");
    let with_reports = fs::read_to_string(&path).unwrap().replacen(
        "status: edxml.status}",
        "status: edxml.status, delivery_report: delivery.report}",
        1,
    );
    fs::write(&path, with_reports).unwrap();
    let up = Up::start(folder.path(), &[]);
    let one = folder.path().join("mot");
    let first = Adapter::start(&up, "mot", &one);
    let receiver = VendorClient::new(&up.gateway(), "hai-token");
    let session = receiver.hello("nhan");
    let files: [(&str, &[u8]); 2] = [("a.pdf", b"%PDF-a"), ("b.pdf", b"%PDF-b")];
    let refuse = |reason: &str| {
        let delivery = receiver.receive(&session);
        receiver.settle(&session, &delivery, &json!({ "refused": { "reason": reason } }));
    };
    let text_beside = |name: &str| {
        let path = one.join(format!("sent/{name}/BI-TU-CHOI hai.txt"));
        wait_for("the report", &one, || fs::read_to_string(&path).ok())
    };
    put(&one.join("outbox"), "bao-cao.json", document("7").to_string().as_bytes(), &files);
    wait_for("the receipt", &one, || value(&one.join("sent/bao-cao.json/receipt.json")));
    refuse("Thiếu phụ lục 3");
    let text = text_beside("bao-cao.json");
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], "NƠI NHẬN ĐÃ TỪ CHỐI VĂN BẢN NÀY");
    for words in [
        "Văn bản: 7/BC-VP ngày 20/11/2026",
        "Trích yếu: Báo cáo tháng",
        "Nơi nhận: Cơ quan hai",
        "Việc gì: Ứng dụng nhận đã từ chối: Thiếu phụ lục 3",
        "Tệp đã gửi: bao-cao.json",
    ] {
        assert!(lines.contains(&words), "{words} in\n{text}");
    }
    assert!(lines.iter().any(|it| it.starts_with("Cần làm gì: ")), "{text}");

    // The refusal comes while the adapter is down.
    put(&one.join("outbox"), "hai.json", document("8").to_string().as_bytes(), &files);
    wait_for("the receipt", &one, || value(&one.join("sent/hai.json/receipt.json")));
    drop(first);
    refuse("Sai thẩm quyền");
    let _first = Adapter::start(&up, "mot", &one);
    assert!(text_beside("hai.json").contains("Sai thẩm quyền"));
    assert_eq!(messages(&one.join("inbox")).len(), 0, "a report is no message for the inbox");
}
