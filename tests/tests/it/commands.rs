//! The command line as people and scripts see it: exit codes, one JSON value, two languages.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use adapter_sample::{Behavior, SampleAdapter, SampleApplication};
use lienthong_tests::up::{Agency, Up, program, write_registry};
use sdk::Connection;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// Output and exit code of a command.
struct Output {
    exit: i32,
    out: String,
    err: String,
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    let output = Command::new(program())
        .args(arguments)
        .current_dir(folder)
        .env("LC_ALL", "C.UTF-8")
        .env("XDG_CONFIG_HOME", folder.join("no-config"))
        .output()
        .unwrap();
    Output {
        exit: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs a command with `--json` and parses its output, which must be exactly one JSON value.
fn run_json(folder: &Path, arguments: &[&str]) -> (i32, Value) {
    let output = run(folder, &[arguments, &["--json"]].concat());
    let value = serde_json::from_str(&output.out)
        .unwrap_or_else(|error| panic!("{arguments:?}: {error}: {}\n{}", output.out, output.err));
    (output.exit, value)
}

fn formats() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../services/mapping/formats")
}

/// A folder with a packet, a portal's document and its file, canonical JSON, registries that are
/// right and wrong, and a broken configuration.
fn fixture_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let case = |of: &str| formats().join(of);
    std::fs::copy(
        case("edxml.document/cases/new/native.xml"),
        folder.path().join("cong-van.edxml"),
    )
    .unwrap();
    let packet = std::fs::read_to_string(folder.path().join("cong-van.edxml")).unwrap();
    put("mat.edxml", &packet.replace("<edXML:Subject>", "<edXML:Subject>M\u{200b}ẬT: "));
    let plain = case("ioffice.portal/cases/plain");
    std::fs::copy(plain.join("native.json"), folder.path().join("vb.json")).unwrap();
    std::fs::copy(plain.join("canonical.json"), folder.path().join("chuan.json")).unwrap();
    for file in std::fs::read_dir(plain.join("files")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
    }
    put("cut.xml", "<edXML><a>");
    put("la.txt", "xin chào");
    put("hong.toml", "[bus\n");
    put("la.toml", "[bus]\nurll = \"amqp://\"\n");
    put("mo-ta.yaml", "format: x\n");
    let agencies = [Agency { key: "mot", code: "A99.1", takes: "ioffice.portal" }];
    write_registry(&folder.path().join("so"), &agencies);
    std::fs::create_dir(folder.path().join("so-hong")).unwrap();
    put("so-hong/a.yaml", "organisations:\n  - {key: Mot, codes: [\"A99.1\"]}\nrigths: []\n");
    std::fs::create_dir(folder.path().join("lienthong-data")).unwrap();
    put("lienthong-data/internal.token", "khoa\n");
    folder
}

/// Arguments, the expected exit code, a JSON pointer and the value expected there.
type Case = (&'static [&'static str], i32, &'static str, Value);

/// Commands on formats, and what explains descriptions.
fn cases_of_formats() -> Vec<Case> {
    vec![
        (&["format", "detect", "cong-van.edxml"], 0, "/name", json!("edxml.document")),
        (&["format", "detect", "la.txt"], 3, "/error/code", json!("LT-MAP-018")),
        (&["format", "detect", "khong.xml"], 4, "/error/code", json!("LT-CLI-001")),
        (&["format", "read", "auto", "vb.json"], 0, "/attachments/0/size", json!(18)),
        (&["format", "read", "auto", "cut.xml"], 3, "/error/code", json!("LT-MAP-001")),
        (&["format", "read", "auto", "cong-van.edxml"], 0, "/refusal", json!(null)),
        (&["format", "read", "auto", "mat.edxml"], 5, "/refusal/code", json!("LT-MAP-210")),
        (
            &["format", "try", "auto", "mat.edxml", "--to", "edxml.document"],
            5,
            "/refusal/code",
            json!("LT-MAP-210"),
        ),
        (&["format", "read", "no.such", "vb.json"], 3, "/error/code", json!("LT-MAP-017")),
        (&["format", "write", "ioffice.portal", "chuan.json"], 0, "/losses", json!([])),
        (&["format", "write", "ioffice.portal", "chuan.json"], 0, "/encoding", json!("utf-8")),
        (&["format", "write", "ioffice.portal", "la.txt"], 3, "/error/code", json!("LT-MAP-002")),
        (
            &["format", "try", "auto", "vb.json", "--to", "ioffice.portal"],
            0,
            "/messages/0/losses",
            json!([]),
        ),
        (&["format", "list"], 0, "/0/name", json!("edxml.document")),
        (&["format", "check", "mo-ta.yaml"], 3, "/format", json!(null)),
        (&["format", "explain", "recipients"], 0, "/Document/0/path", json!("recipients")),
        (&["format", "explain", "OrganisationId"], 0, "/Document/0/path", json!("issuer.ids")),
        (&["format", "explain", "nơi nhận"], 3, "/error/code", json!("LT-FMT-002")),
    ]
}

fn cases_without_a_system() -> Vec<Case> {
    const NOBODY: &str = "http://127.0.0.1:1";
    let others: Vec<Case> = vec![
        (&["registry", "check", "so"], 0, "/mistakes", json!([])),
        (&["registry", "check", "so-hong"], 3, "/mistakes/0/file", json!("a.yaml")),
        (&["registry", "check", "khong"], 4, "/error/code", json!("LT-CLI-001")),
        (&["registry", "show", "so"], 0, "/rights/0/types", json!(["document", "status"])),
        (&["registry", "show", "so"], 0, "/applications/0/takes/document", json!("ioffice.portal")),
        (&["registry", "show", "so"], 0, "/organisations/0/codes/0/scheme", json!("qd20")),
        (&["explain", "LT-MAP-001"], 0, "/code", json!("LT-MAP-001")),
        (&["explain", "LT-MAP-01"], 4, "/near/0", json!("LT-MAP-001")),
        (&["explain", "--all"], 0, "/0/code", json!("LT-BUS-001")),
        (&["explain"], 2, "/error/code", json!("LT-CLI-003")),
        (&["completion", "bash"], 0, "/shell", json!("bash")),
        (&["config", "show", "--origin"], 0, "/0/origin", json!("default")),
        (&["config", "show", "--config", "hong.toml"], 3, "/error/code", json!("LT-CFG-002")),
        (&["config", "show", "--config", "la.toml"], 3, "/error/code", json!("LT-CFG-003")),
        (&["config", "show", "--config", "khong.toml"], 3, "/error/code", json!("LT-CFG-001")),
        (&["find", "x", "--internal", NOBODY], 6, "/error/code", json!("LT-CLI-018")),
        (&["trace", "x", "--internal", NOBODY], 6, "/error/code", json!("LT-CLI-018")),
        (&["trace", "x", "--internal", "http://"], 3, "/error/code", json!("LT-CLI-006")),
        (&["trace", "x", "--internal", "khong.invalid"], 6, "/error/code", json!("LT-CLI-019")),
        (&["find", "--context", "khong"], 3, "/error/code", json!("LT-CLI-014")),
        (&["send", "vb.json"], 3, "/error/code", json!("LT-CLI-015")),
        (
            &["redrive", "x", "--reason", "y", "--internal", NOBODY],
            6,
            "/error/code",
            json!("LT-CLI-018"),
        ),
        (&["redrive", "x"], 2, "/error/code", json!("LT-CLI-003")),
        (&["find", "x", "--data", "khong"], 4, "/error/code", json!("LT-CLI-004")),
        (&["find", "x", "--since", "2026-02-30"], 3, "/error/code", json!("LT-CLI-002")),
        (&["nhay"], 2, "/error/code", json!("LT-CLI-003")),
        (&["send", "vb.json", "--token-file", "khong"], 4, "/error/code", json!("LT-CLI-004")),
        (&["send", "khong.json", "--token-file", "khong"], 4, "/error/code", json!("LT-CLI-001")),
        (&["demo", "--broker", "amqp://127.0.0.1:1/%2f"], 6, "/error/code", json!("LT-SYS-002")),
        (
            &["demo", "--database", "postgres://127.0.0.1:1/x"],
            6,
            "/error/code",
            json!("LT-SYS-002"),
        ),
    ];
    cases_of_formats().into_iter().chain(others).collect()
}

#[test]
fn every_command_answers_with_one_json_value_and_its_exit_code() {
    let folder = fixture_folder();
    for (arguments, exit, pointer, expected) in cases_without_a_system() {
        let (is, value) = run_json(folder.path(), arguments);
        assert_eq!(is, exit, "{arguments:?}: {value:#}");
        assert_eq!(value.pointer(pointer), Some(&expected), "{arguments:?}: {value:#}");
    }
}

#[test]
fn every_failure_is_explained_in_both_languages_with_its_code() {
    let folder = fixture_folder();
    for (arguments, exit, pointer, code) in cases_without_a_system() {
        if pointer != "/error/code" {
            continue;
        }
        let code = code.as_str().unwrap().to_owned();
        let said =
            ["vi", "en"].map(|it| run(folder.path(), &[arguments, &["--lang", it]].concat()));
        for (output, words) in said.iter().zip(["Cách xử lý", "What to do"]) {
            assert_eq!(output.exit, exit, "{arguments:?}");
            assert!(
                output.err.contains(&code) && output.err.contains(words),
                "{arguments:?}: {}",
                output.err
            );
            assert_eq!(output.out, "", "{arguments:?}: a failure prints no data");
        }
        assert_ne!(said[0].err, said[1].err, "{arguments:?}");
    }
}

#[test]
fn the_locale_chooses_the_language() {
    let ask = |locale: &str| {
        let mut asked = Command::new(program());
        asked.args(["explain", "LT-MAP-001"]).env("LC_ALL", locale);
        String::from_utf8(asked.output().unwrap().stdout).unwrap()
    };
    let (vi, en) = (ask("vi_VN.UTF-8"), ask("en_GB.UTF-8"));
    assert!(vi.contains("Nguyên nhân") && !vi.contains("What happened"), "{vi}");
    assert!(en.contains("What happened") && !en.contains("Nguyên nhân"), "{en}");
}

#[test]
fn format_read_gives_the_canonical_form_of_every_shipped_case() {
    let mut count = 0;
    for format in std::fs::read_dir(formats()).unwrap() {
        for case in std::fs::read_dir(format.unwrap().path().join("cases")).unwrap() {
            let case = case.unwrap().path();
            let Ok(canonical) = std::fs::read_to_string(case.join("canonical.json")) else {
                continue;
            };
            let entries = std::fs::read_dir(&case).unwrap().map(|it| it.unwrap().path());
            let native = entries.filter(|it| it.file_stem().unwrap() == "native").last().unwrap();
            // `format read` looks for attachments beside the body.
            let folder = tempfile::tempdir().unwrap();
            let copy = folder.path().join(native.file_name().unwrap());
            std::fs::copy(&native, &copy).unwrap();
            for file in std::fs::read_dir(case.join("files")).into_iter().flatten() {
                let file = file.unwrap();
                std::fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
            }
            let output = run(folder.path(), &["format", "read", "auto", copy.to_str().unwrap()]);
            assert_eq!((output.exit, output.out), (0, canonical), "{}", case.display());
            count += 1;
        }
    }
    assert!(count >= 10, "{count} cases");
}

#[test]
fn format_check_passes_shipped_descriptions_and_finds_a_broken_case() {
    for format in std::fs::read_dir(formats()).unwrap() {
        let description = format.unwrap().path().join("description.yaml");
        let (exit, value) =
            run_json(&formats(), &["format", "check", description.to_str().unwrap()]);
        assert_eq!(exit, 0, "{value:#}");
        assert_ne!(value["cases"], json!([]), "{value:#}");
    }
    let folder = tempfile::tempdir().unwrap();
    copy_folder(&formats().join("edxml.status"), folder.path());
    let (exit, value) = run_json(folder.path(), &["format", "check", "description.yaml"]);
    assert_eq!((exit, &value["cases"][0]["differences"]), (0, &json!([])), "{value:#}");
    // A part that no case touches is a mistake of its author, and of nobody who uses the format.
    std::fs::remove_dir_all(folder.path().join("cases/recall-requested")).unwrap();
    let (exit, value) = run_json(folder.path(), &["format", "check", "."]);
    let mistake = &value["mistakes"][0];
    assert_eq!((exit, &mistake["code"]), (3, &json!("LT-FMT-016")), "{value:#}");
    assert_eq!(mistake["text_en"], "no case reads or writes the code `13`");
    let output = run(folder.path(), &["format", "check", ".", "--lang", "en"]);
    assert!(output.err.contains("A running system loads this description all the same"));
    let canonical = folder.path().join("cases/arrived/canonical.json");
    let text = std::fs::read_to_string(&canonical).unwrap();
    std::fs::write(canonical, text.replacen('"', "\"x", 1)).unwrap();
    let (exit, value) = run_json(folder.path(), &["format", "check", "description.yaml"]);
    assert_eq!(exit, 3, "{value:#}");
    assert_ne!(value["cases"][0]["differences"], json!([]), "{value:#}");
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (path, name) = entry.map(|it| (it.path(), it.file_name())).unwrap();
        if path.is_dir() {
            copy_folder(&path, &to.join(name));
        } else {
            std::fs::copy(&path, to.join(name)).unwrap();
        }
    }
}

#[test]
fn format_try_writes_attachments_into_the_packet_and_the_folder() {
    let folder = fixture_folder();
    let (exit, value) = run_json(
        folder.path(),
        &["format", "try", "auto", "vb.json", "--to", "edxml.document", "--attachments", "tep"],
    );
    assert_eq!(exit, 0, "{value:#}");
    let native = value["messages"][0]["native"].as_str().unwrap();
    assert!(native.contains("AttachmentEncoded") && native.contains("12-CV.pdf"), "{native}");
    // The hop that the format adds is of now, not of the first day of computers.
    let has_hop_of_now = |native: &str| native.contains("<edXML:Timestamp>20");
    assert!(has_hop_of_now(native) && !native.contains("1970"), "{native}");
    let kept: Vec<_> = std::fs::read_dir(folder.path().join("tep")).unwrap().collect();
    assert_eq!(kept.len(), 1);
    let kept = std::fs::read(kept[0].as_ref().unwrap().path()).unwrap();
    assert_eq!(kept, std::fs::read(folder.path().join("12-CV.pdf")).unwrap());
    // A packet needs a sender. The portal's form names none; the gateway would add it.
    let write = ["format", "write", "edxml.document", "chuan.json", "--attachments", "tep"];
    let (exit, value) = run_json(folder.path(), &write);
    assert_eq!((exit, &value["error"]["code"]), (3, &json!("LT-MAP-012")), "{value:#}");
    let file = folder.path().join("chuan.json");
    let mut message: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    message["document"]["sender"] = message["document"]["issuer"].clone();
    std::fs::write(&file, message.to_string()).unwrap();
    let (exit, value) = run_json(folder.path(), &write);
    assert_eq!(exit, 0, "{value:#}");
    let native = value["native"].as_str().unwrap();
    assert!(has_hop_of_now(native) && !native.contains("1970"), "{native}");
}

#[test]
fn a_full_disk_is_a_failure_and_a_closed_pipe_is_not() {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = Command::new(program()).args(["format", "list"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("LT-CLI-012"));
    let shell = format!("{} explain --all | head -1; echo ${{PIPESTATUS[0]}}", program().display());
    let output = Command::new("bash").args(["-c", &shell]).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).ends_with("\n0\n"));
}

/// A running system, and the folder from which operators run commands.
struct System {
    up: Up,
    folder: tempfile::TempDir,
}

impl System {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let agency = |key, code| Agency { key, code, takes: "ioffice.portal" };
        let agencies = [agency("mot", "A99.1"), agency("hai", "A99.2"), agency("ba", "A99.3")];
        write_registry(&folder.path().join("registry"), &agencies);
        for it in agencies {
            let token = format!("{}-token\n", it.key);
            std::fs::write(folder.path().join(format!("{}.token", it.key)), token).unwrap();
        }
        let up = Up::start(folder.path(), &[]);
        Self { up, folder }
    }

    /// Runs an operator's command.
    fn run_json(&self, arguments: &[&str]) -> (i32, Value) {
        let internal = self.up.internal();
        run_json(
            self.folder.path(),
            &[arguments, &["--internal", &internal, "--data", "."]].concat(),
        )
    }

    /// Sends a document as one agency to another.
    fn send(&self, (from, code): (&str, &str), to: &str, number: &str) -> (i32, Value) {
        let document = json!({
            "Guid": format!("{from}-{number}"), "SoHieu": number, "KyHieu": "BC-VP",
            "TrichYeu": "Báo cáo", "NgayBanHanh": "20/11/2026", "DoMat": "0", "MaDinhDanh": code,
            "DonViNhanVanBanNgoaDonVi": [{ "MaDonVi": to }], "Attachments": [],
        });
        self.submit(from, &json!({ "Code": 0, "Value": { "Total": 1, "Data": [document] } }))
    }

    fn submit(&self, from: &str, body: &Value) -> (i32, Value) {
        std::fs::write(self.folder.path().join("body.json"), body.to_string()).unwrap();
        let (token, gateway) = (format!("{from}.token"), self.up.gateway());
        let arguments = ["send", "body.json", "--token-file", &token, "--gateway", &gateway];
        run_json(self.folder.path(), &arguments)
    }

    /// Repeats a command until its output meets the condition.
    fn until(&self, arguments: &[&str], is_so: impl Fn(&Value) -> bool) -> Value {
        let limit = Instant::now() + Duration::from_secs(30);
        loop {
            let (_, value) = self.run_json(arguments);
            if is_so(&value) {
                return value;
            }
            assert!(Instant::now() < limit, "{arguments:?}: {value:#}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn states(journey: &Value) -> Vec<&str> {
    let derived = journey["journeys"][0]["derived"].as_array();
    derived.into_iter().flatten().filter_map(|it| it["state"].as_str()).collect()
}

fn status(about: &str, number: &str) -> Value {
    let organisation =
        |code: &str| json!({ "ids": [{ "scheme": "qd20", "value": code }], "name": "Cơ quan" });
    json!({ "status": {
        "about": { "id": about, "number": { "printed": number } },
        "reporter": organisation("A99.2"),
        "addressee": organisation("A99.1"),
        "kind": "REGISTERED",
        "code": { "list": "edxml-status", "code": "03" },
        "at": { "at": "2026-11-20T02:00:00Z" },
        "text": "Đã vào sổ",
    }})
}

#[test]
fn a_document_is_traced_by_its_number_after_its_status_came_back() {
    let system = System::start();
    let (exit, receipt) = system.send(("mot", "A99.1"), "A99.2", "45");
    assert_eq!(exit, 0, "{receipt:#}");
    assert_eq!(receipt["native_sha256"].as_str().unwrap().len(), 64, "{receipt:#}");
    let (_, again) = system.send(("mot", "A99.1"), "A99.2", "45");
    assert_eq!((&again["repeat"], &again["message_id"]), (&json!(true), &receipt["message_id"]));
    // Another document whose number begins with the same digits.
    assert_eq!(system.send(("mot", "A99.1"), "A99.2", "456").0, 0);
    let (exit, back) = system.submit("hai", &status("mot-45", "45/BC-VP"));
    assert_eq!(exit, 0, "{back:#}");

    for spelling in ["45/BC-VP", "45 bc vp", "45/BC-VP "] {
        let (exit, trace) = system.run_json(&["trace", spelling]);
        assert_eq!((exit, &trace["candidates"]), (0, &json!([])), "{spelling}: {trace:#}");
        let types: Vec<_> =
            trace["journeys"].as_array().unwrap().iter().map(|it| &it["message"]["type"]).collect();
        assert_eq!(types, ["document", "status"], "{spelling}");
        assert_eq!(trace["journeys"][0]["message"]["id"], receipt["message_id"]);
        assert_eq!(trace["journeys"][0]["statuses"][0]["status"], "03");
    }
    let (exit, one) = system.run_json(&["trace", receipt["message_id"].as_str().unwrap()]);
    assert_eq!((exit, one["journeys"].as_array().unwrap().len()), (0, 1));

    assert_eq!(system.send(("ba", "A99.3"), "A99.2", "45").0, 0);
    let (exit, both) = system.run_json(&["trace", "45/BC-VP"]);
    assert_eq!((exit, &both["journeys"]), (8, &json!([])), "{both:#}");
    assert_eq!(both["candidates"].as_array().unwrap().len(), 2);

    for nothing in ["99/KHONG", "0198c0de-0000-5000-8000-000000000000"] {
        let (exit, none) = system.run_json(&["trace", nothing]);
        assert_eq!((exit, &none["journeys"]), (4, &json!([])), "{none:#}");
    }
    let wrong = system.folder.path().join("sai.token");
    std::fs::write(&wrong, "sai\n").unwrap();
    let (exit, none) = system.run_json(&["find", "--internal-token-file", wrong.to_str().unwrap()]);
    assert_eq!((exit, &none["error"]["code"]), (5, &json!("LT-CLI-005")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_redrives_and_withdraws_waiting_messages() {
    let system = System::start();
    let application = SampleApplication::new();
    application.set_behavior(Behavior::Unavailable(1));
    let sample =
        Arc::new(SampleAdapter::new("hai-app".to_owned(), "thu".to_owned(), application.clone()));
    let connection = Connection::new(system.up.gateway(), "hai-token");
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    let mut serving = tokio::task::JoinSet::new();
    serving.spawn(async move { sdk::serve(sample, &connection, stopping).await });

    let worked = tokio::task::spawn_blocking(move || {
        assert_eq!(system.send(("mot", "A99.1"), "A99.2", "7").0, 0);
        let parked = system.until(&["find", "--state", "parked"], |it| it["messages"] != json!([]));
        assert_eq!(parked["messages"][0]["number"], "7/BC-VP");
        let why = ["--reason", "đã mở lại", "--actor", "trực ca"];
        let (exit, none) = system.run_json(&[&["confirm", "7/BC-VP"], &why[..]].concat());
        assert_eq!((exit, &none["done"]), (7, &json!([])), "{none:#}");
        assert_eq!(none["not_done"][0]["error"]["code"], "LT-CLI-010");
        let (exit, done) = system.run_json(&[&["redrive", "7/BC-VP"], &why[..]].concat());
        assert_eq!((exit, &done["not_done"]), (0, &json!([])), "{done:#}");
        assert_eq!(done["done"].as_array().unwrap().len(), 1);
        let taken = system.until(&["trace", "7/BC-VP"], |it| states(it) == ["taken"]);
        let hops = taken["journeys"][0]["hops"].as_array().unwrap();
        let mut words = hops.iter().filter_map(|it| it["detail"].as_str());
        assert!(words.any(|it| it == "trực ca: đã mở lại"), "{hops:#?}");

        // The third agency has no adapter, so its message stays queued.
        let (_, receipt) = system.send(("mot", "A99.1"), "A99.3", "8");
        system.until(&["trace", "8/BC-VP"], |it| states(it) == ["queued"]);
        let id = receipt["message_id"].as_str().unwrap();
        let (exit, some) = system.run_json(&["withdraw", id, "99/KHONG", "--reason", "gửi nhầm"]);
        assert_eq!((exit, some["done"].as_array().unwrap().len()), (8, 1), "{some:#}");
        assert_eq!(some["not_done"][0]["error"]["code"], "LT-CLI-007");
        assert_ne!(some["actor"], "", "the actor defaults to the user of the machine");
        system.until(&["trace", "8/BC-VP"], |it| states(it) == ["withdrawn"]);
        let (exit, again) = system.run_json(&["withdraw", id, "--reason", "gửi nhầm"]);
        assert_eq!((exit, &again["done"]), (7, &json!([])), "{again:#}");
        let (exit, none) = system.run_json(&["release", "99/KHONG", "--reason", "x"]);
        assert_eq!(exit, 4, "{none:#}");
        system
    });
    let system = worked.await.unwrap();
    stop.cancel();
    while serving.join_next().await.is_some() {}
    drop(system);
}
