//! `adapter-sample` as a program: one instance sends files, another receives them.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use lienthong_tests::up::{Agency, Up, program, write_registry};
use serde_json::{Value, json};

/// The sample's program, which is built together with the product.
fn sample() -> PathBuf {
    program().with_file_name("lienthong-adapter-sample")
}

/// A running sample, killed when dropped.
struct Adapter {
    child: Child,
    input: ChildStdin,
    log: PathBuf,
}

impl Adapter {
    fn start(up: &Up, key: &str, folder: &Path) -> Self {
        let (token, log) = (folder.join(format!("{key}.token")), folder.join(format!("{key}.log")));
        fs::write(&token, format!("{key}-token\n")).unwrap();
        let mut child = Command::new(sample())
            .env("LIENTHONG__ADAPTER_SAMPLE__GATEWAY", up.gateway())
            .env("LIENTHONG__ADAPTER_SAMPLE__TOKEN_FILE", &token)
            .env("LIENTHONG__ADAPTER_SAMPLE__APPLICATION", format!("{key}-app"))
            .stdin(Stdio::piped())
            .stdout(fs::File::create(&log).unwrap())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        Self { child, input, log }
    }

    fn send(&mut self, path: &Path) {
        writeln!(self.input, "{}", path.display()).unwrap();
    }

    /// Waits for a line of the log.
    fn wait_for_log(&self, words: &str) -> Value {
        let limit = Instant::now() + Duration::from_secs(60);
        loop {
            let log = fs::read_to_string(&self.log).unwrap();
            let lines = log.lines().filter_map(|it| serde_json::from_str::<Value>(it).ok());
            if let Some(found) = lines.into_iter().find(|it| it["message"] == words) {
                return found;
            }
            assert!(Instant::now() < limit, "{words:?} was not logged\n{log}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Adapter {
    fn drop(&mut self) {
        // A panic here, in the middle of another one, would hide what failed.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn the_sample_sends_named_files_and_logs_received_messages() {
    let folder = tempfile::tempdir().unwrap();
    let agencies = [
        Agency { key: "mot", code: "A99.1", takes: "ioffice.portal" },
        Agency { key: "hai", code: "A99.2", takes: "ioffice.portal" },
    ];
    write_registry(&folder.path().join("registry"), &agencies);
    let up = Up::start(folder.path(), &[]);
    let mut one = Adapter::start(&up, "mot", folder.path());
    let two = Adapter::start(&up, "hai", folder.path());
    let (good, bad) = (folder.path().join("bao-cao.json"), folder.path().join("hong.json"));
    let document = json!({ "Code": 0, "Value": { "Total": 1, "Data": [{
        "Guid": "guid-7", "SoHieu": "7", "KyHieu": "BC-VP", "TrichYeu": "Báo cáo tháng",
        "NgayBanHanh": "20/11/2026", "DoMat": "0",
        "DonViNhanVanBanNgoaDonVi": [{ "MaDonVi": "A99.2" }], "Attachments": [],
    }] } });
    fs::write(&good, document.to_string()).unwrap();
    fs::write(&bad, "{\"Value\":").unwrap();
    one.send(&good);
    one.send(&bad);
    assert_eq!(one.wait_for_log("file sent")["path"], good.display().to_string());
    assert_eq!(one.wait_for_log("file refused")["path"], bad.display().to_string());
    let received = two.wait_for_log("message received");
    assert_eq!(received["sender"], "mot");
    assert!(received["number"].as_str().unwrap().contains("7"), "{received}");
}
