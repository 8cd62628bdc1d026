//! The same document again, in real processes: after a lost receipt, on another road, after a change
//! of the registry, after it was refused, and by an operator's hand.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lienthong_tests::packet::packet;
use lienthong_tests::up::{Agency, Up, write_registry};
use lienthong_tests::vendor_client::VendorClient;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const AGENCIES: [Agency; 4] = [
    Agency { key: "mot", code: "A99.1", takes: "edxml.document" },
    Agency { key: "hai", code: "A99.2", takes: "edxml.document" },
    Agency { key: "ba", code: "A99.3", takes: "edxml.document" },
    Agency { key: "bon", code: "A99.4", takes: "edxml.document" },
];

/// Megabytes of the scan whose receipt is lost.
const SCAN_CHUNKS: usize = 30;

fn base64(bytes: &[u8]) -> String {
    base64_simd::STANDARD.encode_to_string(bytes)
}

fn edxml(key: &str, packet: &str) -> Value {
    json!({ "key": key, "format": "auto", "inline": base64(packet.as_bytes()) })
}

/// A packet of the first agency to the second.
fn numbered(number: usize) -> String {
    packet(number, &AGENCIES[0], &AGENCIES[1])
}

struct System {
    folder: tempfile::TempDir,
    up: Up,
}

impl System {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_registry(&folder.path().join("registry"), &AGENCIES);
        let up = Up::start(folder.path(), &[]);
        Self { folder, up }
    }

    fn registry(&self) -> PathBuf {
        self.folder.path().join("registry/registry.yaml")
    }

    /// Changes the registry while nothing runs, and starts again until the change is in force.
    fn restart_with(&mut self, change: impl FnOnce(String) -> String) {
        let before = self.run(&["registry", "status"]).0["revision"].clone();
        self.up.kill();
        let text = std::fs::read_to_string(self.registry()).unwrap();
        let changed = change(text.clone());
        assert_ne!(changed, text);
        std::fs::write(self.registry(), changed).unwrap();
        self.up.restart();
        let limit = Instant::now() + Duration::from_secs(30);
        while self.run(&["registry", "status"]).0["revision"] == before {
            assert!(Instant::now() < limit, "the change does not come into force");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn client(&self, key: &str) -> VendorClient {
        VendorClient::new(&self.up.gateway(), format!("{key}-token"))
    }

    /// Runs an operator's command with `--json`: its answer and its exit code.
    fn run(&self, arguments: &[&str]) -> (Value, i32) {
        let (internal, data) = (self.up.internal(), self.folder.path().display().to_string());
        let link = ["--internal", internal.as_str(), "--data", data.as_str(), "--json"];
        let (text, exit) = self.up.command(&[arguments, &link].concat());
        let value = serde_json::from_str(&text);
        (value.unwrap_or_else(|_| panic!("{arguments:?} printed {text}")), exit)
    }

    fn document_count(&self) -> usize {
        let (found, _) = self.run(&["find"]);
        let messages = found["messages"].as_array().unwrap_or_else(|| panic!("{found:#}"));
        messages.iter().filter(|it| it["type"] == "document").count()
    }
}

fn submit(client: &VendorClient, item: &Value) -> Value {
    client.expect("POST", "/v1/submit", item)
}

fn codes(response: &Value) -> Vec<&str> {
    let findings = response["findings"].as_array().unwrap();
    findings.iter().map(|it| it["code"].as_str().unwrap()).collect()
}

/// The files of case P01, and synthetic ones with the same relations: the first, with one more hop,
/// with another subject, indented anew.
fn same_documents() -> Vec<[String; 4]> {
    let first = numbered(101);
    let hop = "<edXML:TraceHeader><edXML:OrganId>00.38.W00</edXML:OrganId><edXML:Timestamp>2026/11/20 08:05:00</edXML:Timestamp></edXML:TraceHeader>";
    let with_hop = first.replace("<edXML:Bussiness>", &format!("{hop}<edXML:Bussiness>"));
    let subject = first.replace("hội nghị lần thứ 101", "một việc khác hẳn");
    let mut all =
        vec![[first.clone(), with_hop, subject, first.replace("><edXML:", ">\n\t<edXML:")]];
    let shared =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/cases/P01-same-document-again");
    let names = ["1-first.xml", "2-one-more-hop.xml", "3-other-subject.xml", "4-reindented.xml"];
    if shared.is_dir() {
        all.push(names.map(|it| std::fs::read_to_string(shared.join(it)).unwrap()));
    } else {
        let said = b"the shared case P01 is not here: the synthetic one is tested alone\n";
        std::io::stderr().write_all(said).unwrap();
    }
    all
}

#[test]
fn the_same_document_again_gets_the_first_receipt_and_a_changed_one_a_warning() {
    for [first, one_more_hop, other_subject, reindented] in same_documents() {
        let system = System::start();
        let sender = system.client("mot");
        let receipt = submit(&sender, &edxml("", &first));
        let id = receipt["receipt"]["message_id"].as_str().unwrap();
        assert_eq!(codes(&receipt), [""; 0]);
        for again in [&first, &one_more_hop, &reindented] {
            let answer = submit(&sender, &edxml("", again));
            let repeat = (&answer["receipt"]["repeat"], &answer["receipt"]["message_id"]);
            assert_eq!(repeat, (&json!(true), &json!(id)), "{again}");
        }
        let changed = submit(&sender, &edxml("", &other_subject));
        assert_eq!(changed["receipt"]["repeat"], false);
        assert_eq!(codes(&changed), ["LT-JNL-012"], "{changed:#}");
        for text in ["text_vi", "text_en"] {
            let text = changed["findings"][0][text].as_str().unwrap();
            assert!(text.contains(id) && text.contains("101/CV"), "{text}");
        }
        assert_eq!(system.document_count(), 2);
    }
}

/// Uploads text in chunks of 1 MiB.
fn upload(client: &VendorClient, part: &str, text: &str) {
    let (size, sha256) = (text.len(), hex::encode(Sha256::digest(text)));
    for (index, chunk) in text.as_bytes().chunks(1 << 20).enumerate() {
        let (offset, chunk) = (index << 20, std::str::from_utf8(chunk).unwrap());
        let path = format!("/v1/parts/{part}?offset={offset}&size={size}&sha256={sha256}");
        let mut socket = client.begin("PUT", &path, chunk);
        let mut answer = String::new();
        std::io::Read::read_to_string(&mut socket, &mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

/// A document of the portal with one uploaded file.
fn with_scan(key: &str, part: &str) -> Value {
    let body = json!({ "Value": { "Total": 1, "Data": [{
        "Guid": "g-9", "SoHieu": "9", "KyHieu": "BC-VP", "TrichYeu": "Báo cáo",
        "NgayBanHanh": "20/11/2026", "DoMat": "0",
        "DonViNhanVanBanNgoaDonVi": [{ "MaDonVi": "A99.2" }],
        "Attachments": [{ "Id": "1", "FileName": "scan.pdf", "FilePath": "scan.pdf" }],
    }] } });
    json!({
        "key": key, "format": "ioffice.portal", "inline": base64(body.to_string().as_bytes()),
        "attachments": [{ "reference": "scan.pdf", "part": part, "file_name": "scan.pdf" }],
    })
}

#[test]
fn a_lost_receipt_is_had_again_without_uploading_30_mb_again() {
    let mut system = System::start();
    let scan = format!("%PDF-1.4\n{}", "x".repeat((SCAN_CHUNKS << 20) - 9));
    let sha256 = base64(&Sha256::digest(&scan));
    let sender = system.client("mot");
    upload(&sender, "scan", &scan);
    let first = submit(&sender, &with_scan("k-9", "scan"));
    let id = first["receipt"]["message_id"].clone();
    // Killed at once: no gateway has the upload any more.
    system.up.kill();
    system.up.restart();
    let sender = system.client("mot");
    let mut declared = with_scan("", "another-name");
    declared["attachments"][0]["sha256"] = json!(sha256);
    let batch = json!({ "items": [with_scan("k-9", "scan"), declared] });
    let results = sender.expect("POST", "/v1/submit-batch", &batch)["results"].clone();
    let alone = [
        submit(&sender, &with_scan("k-9", "scan")),
        submit(&sender, &declared),
        results[0]["submitted"].clone(),
        results[1]["submitted"].clone(),
    ];
    for (answer, expected) in alone.iter().zip([vec!["LT-EX-019"], vec![]].iter().cycle()) {
        assert_eq!(answer["receipt"]["message_id"], id, "{answer:#}");
        assert_eq!(answer["receipt"]["repeat"], true);
        assert_eq!(&codes(answer), expected, "what could not be compared is said");
    }
    let (status, other) = sender.call("POST", "/v1/submit", &with_scan("k-10", "scan"));
    assert_eq!((status, &other["code"]), (409, &json!("LT-EX-004")), "nothing is known of it");
    assert_eq!(system.document_count(), 1);
}

#[test]
fn a_changed_registry_turns_no_retry_into_a_refusal_or_a_second_document() {
    let mut system = System::start();
    let first = submit(&system.client("mot"), &edxml("k-1", &numbered(1)));
    let id = first["receipt"]["message_id"].clone();
    let keyless = submit(&system.client("mot"), &edxml("", &numbered(2)));
    // The code now belongs to another agency, so the content is another one.
    system.restart_with(|text| {
        let swapped = text.replace("[\"A99.2\"]", "[\"A99.x\"]");
        swapped.replace("[\"A99.3\"]", "[\"A99.2\"]").replace("[\"A99.x\"]", "[\"A99.3\"]")
    });
    let forbidding = |text: String| text.replace("types: [document, status]", "types: [status]");
    for forbid in [false, true] {
        if forbid {
            system.restart_with(forbidding);
            let new = edxml("", &numbered(3));
            let (_, refused) = system.client("mot").call("POST", "/v1/submit", &new);
            assert_eq!(refused["code"], "LT-MAP-207", "documents are forbidden by now");
        }
        let sender = system.client("mot");
        for key in ["k-1", "", "a new key"] {
            let again = submit(&sender, &edxml(key, &numbered(1)));
            assert_eq!(again["receipt"]["message_id"], id, "{key}: {again:#}");
            assert_eq!(again["receipt"]["repeat"], true);
        }
        let again = submit(&sender, &edxml("", &numbered(2)));
        assert_eq!(again["receipt"]["message_id"], keyless["receipt"]["message_id"]);
        assert_eq!(system.document_count(), 2, "no second document");
    }
}

/// Receives the next delivery and answers it.
fn answer(client: &VendorClient, answer: &Value) -> Value {
    let session = client.hello("nhan");
    let delivery = client.receive(&session);
    client.settle(&session, &delivery, answer);
    delivery
}

#[test]
fn a_refused_document_can_be_sent_again_as_often_as_it_is_refused() {
    let system = System::start();
    let (sender, receiver) = (system.client("mot"), system.client("hai"));
    let refused = json!({ "refused": { "reason": "Thiếu phụ lục" } });
    let first = submit(&sender, &edxml("k-5", &numbered(5)));
    let id = first["receipt"]["message_id"].clone();
    let delivered = answer(&receiver, &refused);
    for key in ["k-5", "a new key", ""] {
        let again = submit(&sender, &edxml(key, &numbered(5)));
        assert_eq!(again["receipt"]["repeat"], false, "{key}");
        assert_eq!(again["receipt"]["copy_of"], id);
        let delivery = answer(&receiver, &refused);
        assert_eq!(delivery["copy_of"], delivered["message_id"], "what it refused before");
        assert_ne!(delivery["message_id"], delivered["message_id"]);
    }
    let last = submit(&sender, &edxml("k-5", &numbered(5)));
    answer(&receiver, &json!({ "taken": { "reference": "so-7" } }));
    let repeat = submit(&sender, &edxml("", &numbered(5)));
    assert_eq!(repeat["receipt"]["message_id"], last["receipt"]["message_id"]);
    assert_eq!(repeat["recipients"][0]["state"], "TAKEN", "{repeat:#}");
    assert_eq!(codes(&repeat), [""; 0]);
    let tracked = sender.expect("GET", "/v1/track?key=k-5", &Value::Null);
    let newest = &tracked["messages"][0]["receipt"]["message_id"];
    assert_eq!(newest, &last["receipt"]["message_id"], "Track by key finds the newest first");
}

#[test]
fn what_one_of_two_recipients_refused_is_told_and_resent_by_an_operator_to_that_one() {
    let system = System::start();
    let (sender, two, three) = (system.client("mot"), system.client("hai"), system.client("ba"));
    let mut item = edxml("k-6", &numbered(6));
    item["recipients"] = json!(["A99.2", "A99.3"]);
    let first = submit(&sender, &item);
    answer(&two, &json!({ "taken": {} }));
    answer(&three, &json!({ "refused": { "reason": "Sai phòng" } }));
    let repeat = submit(&sender, &item);
    assert_eq!(repeat["receipt"]["repeat"], true, "one of them has it");
    assert_eq!(codes(&repeat), ["LT-JNL-013"], "{repeat:#}");
    let text = repeat["findings"][0]["text_vi"].as_str().unwrap();
    assert!(text.contains("Cơ quan ba (ba): đã từ chối (Sai phòng)"), "{text}");
    let states: Vec<_> = repeat["recipients"].as_array().unwrap().iter().collect();
    assert_eq!(states.len(), 2);
    let (done, exit) = system.run(&["resend", "6/CV-TU", "--to", "Cơ quan ba", "--reason", "mất"]);
    assert_eq!((exit, &done["done"][0]["recipients"]), (0, &json!(["ba"])), "{done:#}");
    let copy = answer(&three, &json!({ "taken": {} }));
    assert_ne!(copy["copy_of"], "");
    let session = two.hello("nhan");
    assert_eq!(two.poll(&session, Duration::from_secs(1)), None, "the other gets nothing");
    assert_eq!(submit(&sender, &item)["receipt"]["message_id"], first["receipt"]["message_id"]);
}

#[test]
fn an_operator_sends_again_what_was_taken_and_lost_or_went_to_the_wrong_agency() {
    let mut system = System::start();
    system.restart_with(|text| {
        let allowed = ["hai", "ba"].map(|it| format!("{{from: mot, to: {it}, types: [document]}}"));
        text.replace("{from: \"*\", to: \"*\", types: [document, status]}", &allowed.join("\n  - "))
    });
    let (sender, receiver) = (system.client("mot"), system.client("hai"));
    let first = submit(&sender, &edxml("k-7", &numbered(7)));
    let id = first["receipt"]["message_id"].as_str().unwrap().to_owned();
    let (early, exit) = system.run(&["resend", &id, "--reason", "mất"]);
    assert_ne!(exit, 0);
    assert_eq!(early["not_done"][0]["error"]["code"], "LT-JNL-014", "it may still arrive");
    let delivered = answer(&receiver, &json!({ "taken": {} }));
    // Nothing is sent where agency or right are not clear.
    let similar = ["resend", &id, "--to", "Cơ quan", "--reason", "x"];
    let (unclear, _) = system.run(&similar);
    assert_eq!(unclear["error"]["code"], "LT-CLI-031", "{unclear:#}");
    assert!(unclear["error"]["title_vi"].to_string().contains("(A99.3)"), "{unclear:#}");
    let (denied, _) = system.run(&["resend", &id, "--to", "A99.4", "--reason", "x"]);
    assert_eq!(denied["error"]["code"], "LT-MAP-207", "{denied:#}");
    let (done, exit) =
        system.run(&["resend", "7/CV-TU", "--reason", "cơ quan làm mất", "--actor", "lan"]);
    assert_eq!((exit, &done["done"][0]["copy_of"]), (0, &json!(id)), "{done:#}");
    let copy = answer(&receiver, &json!({ "taken": {} }));
    assert_eq!(copy["copy_of"], delivered["message_id"], "marked as a copy of what it took");
    // By number the document is now several messages, so none is sent.
    let (ambiguous, _) = system.run(&["resend", "7/CV-TU", "--reason", "x"]);
    assert_eq!(ambiguous["not_done"][0]["error"]["code"], "LT-CLI-016", "{ambiguous:#}");
    let (_, exit) = system.run(&["resend", &id, "--to", "a99.3", "--reason", "gửi nhầm"]);
    assert_eq!(exit, 0);
    let other = answer(&system.client("ba"), &json!({ "taken": {} }));
    let bytes = proto::base64::decode(other["inline"].as_str().unwrap()).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.contains("A99.3") && text.contains("A99.2"), "both agencies stand in it: {text}");
    let (trace, _) = system.run(&["trace", &id]);
    let journey = &trace["journeys"][0];
    assert_eq!(journey["copies"].as_array().unwrap().len(), 2, "{trace:#}");
    let resent = journey["hops"].as_array().unwrap().iter().filter(|it| it["step"] == "resent");
    let details: Vec<String> = resent.map(|it| it["detail"].to_string()).collect();
    assert!(details[0].contains("lan: cơ quan làm mất"), "{details:?}");
    let (found, _) = system.run(&["find", "7/CV-TU"]);
    let marked =
        found["messages"].as_array().unwrap().iter().filter(|it| it["copy_of"] == json!(id));
    assert_eq!(marked.count(), 2, "{found:#}");
}
