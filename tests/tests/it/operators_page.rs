//! The page of the README for operators: each of its situations is made, found as the page says,
//! and mended by the one command that the page gives.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use lienthong_tests::packet::packet;
use lienthong_tests::up::{Agency, Up, program, write_registry};
use lienthong_tests::vendor_client::VendorClient;
use serde_json::{Value, json};

const SENDER: Agency = Agency { key: "mot", code: "A99.1", takes: "edxml.document" };
const RECEIVER: Agency = Agency { key: "hai", code: "A99.2", takes: "edxml.document" };
const OTHER: Agency = Agency { key: "ba", code: "A99.3", takes: "edxml.document" };
/// Its application can neither repeat a delivery nor be asked.
const NEITHER: Agency = Agency { key: "bon", code: "A99.4", takes: "edxml.document" };
/// Its format has no code for the correction of a document.
const NARROW: Agency = Agency { key: "nam", code: "A99.5", takes: "ioffice.push" };

/// A running system, and the folder from which an operator works.
struct Page {
    up: Up,
    folder: tempfile::TempDir,
    /// The rows of the page: the situation, and its command.
    rows: Vec<(String, String)>,
}

impl Page {
    fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        registry(folder.path(), NARROW);
        std::fs::write(folder.path().join("coquan-a.token"), "mot-token\n").unwrap();
        let up = Up::start(folder.path(), &[]);
        Self { up, folder, rows: read_rows() }
    }

    fn client(&self, of: &Agency) -> VendorClient {
        VendorClient::new(&self.up.gateway(), format!("{}-token", of.key))
    }

    /// Runs a line of the page in a shell, with this system in the environment.
    fn run(&self, line: &str) -> String {
        let path = format!("{}:/usr/bin:/bin", program().parent().unwrap().display());
        let output = Command::new("sh")
            .args(["-c", line])
            .current_dir(self.folder.path())
            .env("PATH", path)
            .env("LC_ALL", "vi_VN.UTF-8")
            .env("LIENTHONG__CLIENT__INTERNAL", self.up.internal())
            .env("LIENTHONG__CLIENT__GATEWAY", self.up.gateway())
            .env("LIENTHONG__CLIENT__DATA", self.folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{line}: {said}{}",
            String::from_utf8_lossy(&output.stdout)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// The command of a situation.
    fn command(&self, situation: &str) -> &str {
        let row = self.rows.iter().find(|(it, _)| it == situation);
        &row.unwrap_or_else(|| panic!("the README has no row `{situation}`: {:?}", self.rows)).1
    }

    fn mend(&self, situation: &str) {
        self.run(self.command(situation));
    }

    fn send(&self, number: usize, to: &Agency) {
        std::fs::write(self.folder.path().join("vb.xml"), packet(number, &SENDER, to)).unwrap();
        self.run("lienthong send vb.xml --token-file coquan-a.token");
    }

    /// Waits until the printed journey of a number holds a text.
    fn until(&self, number: usize, text: &str) {
        let limit = Instant::now() + Duration::from_secs(30);
        loop {
            let journey = self.run(&format!("lienthong trace {number}/CV-TU"));
            if journey.contains(text) {
                return;
            }
            assert!(Instant::now() < limit, "`{text}` is missing in: {journey}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Receives the next delivery of an agency and settles it; its number.
    fn settle_next(&self, of: &Agency, answer: &Value) -> String {
        let client = self.client(of);
        let session = client.hello("thu");
        let delivery = client.receive(&session);
        client.settle(&session, &delivery, answer);
        delivery["index"]["number"].as_str().unwrap().to_owned()
    }
}

/// Writes the registry.
fn registry(folder: &Path, narrow: Agency) {
    let file = folder.join("registry/registry.yaml");
    write_registry(&folder.join("registry"), &[SENDER, RECEIVER, OTHER, NEITHER, narrow]);
    let text = std::fs::read_to_string(&file).unwrap();
    let neither = "- id: bon-app\n    receiver_class: neither\n";
    std::fs::write(&file, text.replace("- id: bon-app\n", neither)).unwrap();
}

/// The rows of the README's table: the first cell, and the last text in backticks of the last cell.
fn read_rows() -> Vec<(String, String)> {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("README.md");
    let text = std::fs::read_to_string(readme).unwrap();
    let (_, page) = text.split_once("### When a document did not arrive").unwrap();
    let lines =
        page.lines().take_while(|it| !it.starts_with("##")).filter(|it| it.starts_with('|'));
    let row = |line: &str| {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let command = cells.last()?.split('`').nth(1)?;
        command.starts_with("lienthong").then(|| (cells[0].to_owned(), command.to_owned()))
    };
    lines.filter_map(row).collect()
}

fn taken() -> Value {
    json!({ "taken": { "reference": "so-1" } })
}

/// Its day does not exist. The agency corrects it and sends it again.
fn refused_at_the_door(page: &Page) {
    let wrong = packet(41, &SENDER, &RECEIVER).replace("2026/11/20", "2026/11/31");
    let inline = base64_simd::STANDARD.encode_to_string(&wrong);
    let item = json!({ "key": "vb-41", "format": "auto", "inline": inline });
    let (status, refused) = page.client(&SENDER).call("POST", "/v1/submit", &item);
    assert_eq!(status, 400, "{refused:#}");
    let limit = Instant::now() + Duration::from_secs(30);
    loop {
        let found = page.run("lienthong find --state refused");
        if found.contains("mot-app") && found.contains("vb-41") {
            break;
        }
        assert!(Instant::now() < limit, "{found}");
        std::thread::sleep(Duration::from_millis(100));
    }
    let corrected = packet(41, &SENDER, &RECEIVER);
    std::fs::write(page.folder.path().join("cong-van.xml"), corrected).unwrap();
    page.mend("refused at the door");
    assert_eq!(page.settle_next(&RECEIVER, &taken()), "41/CV-TU");
}

fn refused_by_the_receiver(page: &Page) {
    page.send(42, &RECEIVER);
    page.settle_next(&RECEIVER, &json!({ "refused": { "reason": "Sai thẩm quyền" } }));
    page.until(42, "Sai thẩm quyền");
    page.mend("refused by the receiver");
    assert_eq!(page.settle_next(&RECEIVER, &taken()), "42/CV-TU");
}

fn waits_for_the_receiver(page: &Page) {
    page.send(43, &RECEIVER);
    page.settle_next(&RECEIVER, &json!({ "unavailable": { "retry_after_ms": 3_600_000 } }));
    page.until(43, "chờ thử lại");
    page.mend("waits for the receiver");
    assert_eq!(page.settle_next(&RECEIVER, &taken()), "43/CV-TU");
}

/// Its application can neither repeat a delivery nor be asked, and its adapter is started again
/// while it has the delivery.
fn in_doubt(page: &Page) {
    page.send(44, &NEITHER);
    let client = page.client(&NEITHER);
    client.receive(&client.hello("thu"));
    client.hello("thu");
    page.until(44, "chưa rõ");
    page.mend("in doubt");
    page.until(44, "seen in their register");
}

fn taken_but_lost(page: &Page) {
    page.send(45, &RECEIVER);
    page.settle_next(&RECEIVER, &taken());
    page.until(45, "so-1");
    page.mend("taken, but lost by the agency");
    assert_eq!(page.settle_next(&RECEIVER, &taken()), "45/CV-TU");
}

/// With another subject it is another document, and none of the two has left yet.
fn sent_twice(page: &Page) {
    page.send(46, &RECEIVER);
    let again = packet(46, &SENDER, &RECEIVER).replace("Về việc", "V/v");
    std::fs::write(page.folder.path().join("vb.xml"), again).unwrap();
    let second = page.run("lienthong send vb.xml --token-file coquan-a.token --json");
    let second: Value = serde_json::from_str(&second).unwrap();
    let id = second["message_id"].as_str().unwrap();
    page.run(&page.command("sent twice").replace("ID", id));
    assert_eq!(page.settle_next(&RECEIVER, &taken()), "46/CV-TU");
}

fn wrong_agency(page: &Page) {
    page.send(47, &RECEIVER);
    page.settle_next(&RECEIVER, &taken());
    page.mend("wrong agency");
    assert_eq!(page.settle_next(&OTHER, &taken()), "47/CV-TU");
}

/// The receiver's format has no place for the deadline, until the agency takes another format.
fn cannot_go_on(page: &Page) {
    let document = json!({
        "Guid": "vb-48", "SoHieu": "48", "KyHieu": "CV-TU", "TrichYeu": "Đính chính",
        "NgayBanHanh": "20/11/2026", "DoMat": "0", "MaDinhDanh": SENDER.code, "HanXuLy": "20/12/2026",
        "DonViNhanVanBanNgoaDonVi": [{ "MaDonVi": NARROW.code }], "Attachments": [],
    });
    let body = json!({ "Code": 0, "Value": { "Total": 1, "Data": [document] } });
    std::fs::write(page.folder.path().join("vb.json"), body.to_string()).unwrap();
    page.run("lienthong send vb.json --token-file coquan-a.token");
    page.until(48, "cách ly");
    registry(page.folder.path(), Agency { takes: "ioffice.portal", ..NARROW });
    page.up.wait_for_registry(2);
    page.mend("cannot go on");
    let client = page.client(&NARROW);
    let session = client.hello("thu");
    assert_eq!(client.receive(&session)["index"]["number"], "48/CV-TU");
}

#[test]
fn every_situation_of_the_page_is_mended_by_its_command() {
    let page = Page::open();
    let situations = [
        refused_at_the_door,
        refused_by_the_receiver,
        waits_for_the_receiver,
        in_doubt,
        taken_but_lost,
        sent_twice,
        wrong_agency,
        cannot_go_on,
    ];
    assert_eq!(page.rows.len(), situations.len(), "each row has its test: {:?}", page.rows);
    for situation in situations {
        situation(&page);
    }
    let client = page.client(&RECEIVER);
    let left = client.poll(&client.hello("thu"), Duration::from_secs(1));
    assert_eq!(left, None, "nothing is left for the receiver");
}
