//! Formats that are dropped into the folder of a running system, in one process and in many.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use lienthong_tests::roles::Roles;
use lienthong_tests::up::{Agency, Up, program, write_registry};
use lienthong_tests::vendor_client::VendorClient;
use serde_json::{Value, json};

use crate::{cluster, node};

/// How soon a change of the folder has an effect: two looks of the registry, a second apart, the
/// watch, and a busy machine.
const SOON: Duration = Duration::from_secs(20);

/// A description whose subject stands under this key.
fn description(version: u32, subject: &str) -> String {
    format!(
        "format: so.thu\nversion: {version}\ntitle: Sổ thư\ncarries: Document\n\
         syntax: {{kind: json, records: \"\"}}\ndetect: [{{has: so_thu}}]\nfields:\n  \
         - at: so_thu\n    fields:\n      \
         - at: so\n        to: number\n        need: both\n        \
           pattern: \"{{number}}/{{notation}}\"\n        whole: printed\n        split: no\n      \
         - {{at: {subject}, to: subject, need: both}}\n      \
         - {{at: ngay, to: issued, as: \"date dd/MM/yyyy\", need: both}}\n      \
         - at: gui\n        to: sender\n        fields:\n          \
         - {{at: ma, to: \"ids[0]\", as: org-id}}\n      \
         - each: nhan\n        to: \"recipients[role=MAIN]\"\n        fields:\n          \
         - {{at: ma, to: \"organisation.ids[0]\", as: org-id}}\n"
    )
}

/// A letter from the first agency to the second.
fn letter(number: u32, subject: &str) -> Value {
    json!({ "so_thu": {
        "so": format!("{number}/CV-VP"), subject: format!("Thư số {number}"), "ngay": "20/11/2026",
        "gui": { "ma": "A99.1" }, "nhan": [{ "ma": "A99.2" }],
    } })
}

/// A running system over a folder, of which two agencies exchange letters.
struct System {
    folder: PathBuf,
    gateway: String,
    /// Arguments by which operators' commands reach it.
    operators: Vec<String>,
    /// Files with the logs of its processes.
    logs: Vec<PathBuf>,
    receiver: VendorClient,
    session: String,
}

impl System {
    fn new(
        folder: &Path,
        gateway: String,
        (internal, token): (String, PathBuf),
        logs: &[&str],
    ) -> Self {
        let receiver = VendorClient::new(&gateway, "hai-token");
        let session = receiver.hello("test");
        let token = token.display().to_string();
        Self {
            folder: folder.to_owned(),
            gateway,
            operators: vec!["--internal".into(), internal, "--internal-token-file".into(), token],
            logs: logs.iter().map(|it| folder.join(it)).collect(),
            receiver,
            session,
        }
    }

    /// Writes a description as a careful program does, under another name first.
    fn write(&self, text: &str) {
        let folder = self.folder.join("formats/so.thu");
        fs::create_dir_all(folder.join("cases/one")).unwrap();
        fs::write(folder.join("cases/one/native.json"), "{}").unwrap();
        fs::write(folder.join(".new"), text).unwrap();
        fs::rename(folder.join(".new"), folder.join("description.yaml")).unwrap();
    }

    /// Names the format in the registry, for both agencies.
    fn name_format(&self) {
        self.give_format();
        let path = self.folder.join("registry/registry.yaml");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(path, text.replace("document: ioffice.portal", "document: so.thu")).unwrap();
    }

    fn give_format(&self) {
        let path = self.folder.join("registry/registry.yaml");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(path, text.replace("gives: [", "gives: [so.thu, ")).unwrap();
    }

    /// Submits a letter: the receipt or the refusal.
    fn submit(&self, format: &str, letter: &Value) -> (u16, Value) {
        let inline = base64_simd::STANDARD.encode_to_string(letter.to_string());
        let sender = VendorClient::new(&self.gateway, "mot-token");
        sender.call("POST", "/v1/submit", &json!({ "format": format, "inline": inline }))
    }

    /// The body of the next delivery, which is taken.
    fn receive(&self) -> Value {
        let delivery = self.receiver.receive(&self.session);
        self.receiver.settle(&self.session, &delivery, &json!({ "taken": {} }));
        let inline = delivery["inline"].as_str().unwrap_or_else(|| panic!("{delivery:#}"));
        serde_json::from_slice(&base64_simd::STANDARD.decode_to_vec(inline).unwrap()).unwrap()
    }

    /// The codes of the mistakes in the folder of formats, as `registry status` says.
    fn mistakes(&self) -> Vec<String> {
        let status = self.status();
        let mistakes = status["format_mistakes"].as_array().unwrap_or_else(|| panic!("{status}"));
        mistakes.iter().map(|it| it["fault"]["code"].as_str().unwrap().to_owned()).collect()
    }

    /// Version in force.
    fn version(&self) -> Option<u64> {
        self.status()["loaded_formats"][0]["version"].as_u64()
    }

    fn status(&self) -> Value {
        self.run(&["registry", "status", "--json"])
    }

    /// What a command prints.
    fn run(&self, arguments: &[&str]) -> Value {
        let output =
            Command::new(program()).args(arguments).args(&self.operators).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Lines in the logs with this message.
    fn logged(&self, message: &str) -> usize {
        let texts = self.logs.iter().map(|it| fs::read_to_string(it).unwrap_or_default());
        texts.map(|it| it.matches(message).count()).sum()
    }
}

/// Waits for something, and says how long it took.
#[expect(clippy::print_stdout, reason = "the figure is read with --nocapture")]
fn measure(what: &str, found: impl Fn() -> bool) {
    let begun = Instant::now();
    while !found() {
        assert!(begun.elapsed() < SOON, "{what} did not happen within {SOON:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
    println!("{what}: {:.1} s", begun.elapsed().as_secs_f64());
}

fn prepare(folder: &Path) {
    let agencies = [
        Agency { key: "mot", code: "A99.1", takes: "ioffice.portal" },
        Agency { key: "hai", code: "A99.2", takes: "ioffice.portal" },
    ];
    write_registry(&folder.join("registry"), &agencies);
    fs::create_dir_all(folder.join("formats")).unwrap();
}

/// Drops, breaks, changes and removes a description while documents are exchanged.
fn exercise(system: &System) {
    assert_eq!(system.submit("so.thu", &letter(1, "trich_yeu")).0, 400);
    system.write(&description(1, "trich_yeu"));
    system.name_format();
    measure("a dropped description carries a document", || {
        system.submit("so.thu", &letter(1, "trich_yeu")).0 == 200
    });
    measure("the recipient takes it", || system.version() == Some(1));
    let first = system.receive();
    assert_eq!(first["so_thu"]["trich_yeu"], "Thư số 1", "{first}");
    assert_eq!(system.submit("auto", &letter(2, "trich_yeu")).0, 200, "it is detected");
    assert_eq!(system.receive()["so_thu"]["so"], "2/CV-VP");

    // A mistake: the last good version stays, and it is shown.
    system.write("format: so.thu\nversion: 2\ntitle: [");
    measure("a broken description is shown", || system.mistakes() == ["LT-FMT-020"]);
    assert_eq!(system.submit("so.thu", &letter(3, "trich_yeu")).0, 200);
    assert_eq!(system.receive()["so_thu"]["trich_yeu"], "Thư số 3");
    system.write(&description(1, "other"));
    measure("a version number with other content is shown", || system.mistakes() == ["LT-FMT-027"]);

    // A new version: what is under way stays as it was begun.
    assert_eq!(system.submit("so.thu", &letter(4, "trich_yeu")).0, 200);
    // It is routed meanwhile.
    std::thread::sleep(Duration::from_secs(1));
    system.write(&description(2, "noi_dung"));
    measure("a new version is in force", || system.version() == Some(2));
    measure("new documents use it", || system.submit("so.thu", &letter(5, "noi_dung")).0 == 200);
    let (old, new) = (system.receive(), system.receive());
    assert_eq!(old["so_thu"]["trich_yeu"], "Thư số 4", "{old}");
    assert_eq!(new["so_thu"]["noi_dung"], "Thư số 5", "{new}");
    let (code, answer) = system.submit("so.thu", &letter(6, "trich_yeu"));
    assert_eq!(code, 400, "{answer}");

    // An editor that empties the file and writes it in two steps changes nothing.
    let (path, text) = (system.folder.join("formats/so.thu/description.yaml"), description(3, "a"));
    let logged = system.logged("format description is not in force");
    for _ in 0..5 {
        fs::write(&path, "").unwrap();
        std::thread::sleep(Duration::from_millis(200));
        fs::write(&path, &text.as_bytes()[..text.len() / 2]).unwrap();
        std::thread::sleep(Duration::from_millis(200));
    }
    fs::write(&path, description(3, "noi_dung")).unwrap();
    measure("the written file is in force", || system.version() == Some(3));
    assert_eq!(system.logged("format description is not in force"), logged);

    // Its file is gone, and applications use it.
    fs::remove_dir_all(system.folder.join("formats/so.thu")).unwrap();
    measure("a removed description is shown", || system.mistakes() == ["LT-FMT-028"]);
    assert_eq!(system.submit("so.thu", &letter(7, "noi_dung")).0, 200);
    assert_eq!(system.receive()["so_thu"]["noi_dung"], "Thư số 7");
}

#[test]
fn in_one_process_a_format_is_loaded_changed_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path());
    let mut up = Up::start(folder.path(), &[]);
    let operators = |up: &Up| (up.internal(), up.token_file());
    let system = System::new(folder.path(), up.gateway(), operators(&up), &["log"]);
    exercise(&system);
    // A restart keeps what is in force, although its file is gone.
    up.kill();
    up.restart();
    let system = System::new(folder.path(), up.gateway(), operators(&up), &["log"]);
    assert_eq!(system.submit("so.thu", &letter(8, "noi_dung")).0, 200);
    assert_eq!(system.receive()["so_thu"]["noi_dung"], "Thư số 8");
    // The folder is looked at twice before it counts.
    measure("it is shown after a restart", || system.mistakes() == ["LT-FMT-028"]);
}

#[test]
fn over_rabbitmq_a_format_is_loaded_by_every_role() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path());
    let (node, database) = (node::Node::start(1), cluster::database());
    let roles = Roles::start(folder.path(), (&node.url(0), &database), &[]);
    let logs = ["registry.log", "mapping.log"];
    let operators = (roles.operated_addresses(), roles.token_file());
    let system = System::new(folder.path(), roles.gateway(), operators, &logs);
    exercise(&system);
}

/// The types of documents, and the codes that an application has for them.
fn code_lists(meaning_of_3: &str) -> String {
    format!(
        "code_lists:\n  \
         - name: document-type\n    version: \"1\"\n    rows:\n      \
         - {{code: cong-van, vi: Công văn}}\n      \
         - {{code: to-trinh, vi: Tờ trình}}\n  \
         - name: so-thu\n    version: \"1\"\n    of: document-type\n    rows:\n      \
         - {{code: \"3\", vi: Loại 3, means: {meaning_of_3}}}\n"
    )
}

#[test]
fn a_changed_code_list_is_used_within_seconds() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path());
    let lists = folder.path().join("registry/lists.yaml");
    fs::write(&lists, code_lists("cong-van")).unwrap();
    let up = Up::start(folder.path(), &[]);
    let system =
        System::new(folder.path(), up.gateway(), (up.internal(), up.token_file()), &["log"]);
    // The portal has two places for the number, so that it has to be split.
    let description = description(1, "trich_yeu").replace("        split: no\n", "").replace(
        "fields:\n  - at: so_thu\n    fields:\n",
        "lists: {loai: {registered: so-thu}}\n\
         fields:\n  - at: so_thu\n    fields:\n      - {at: loai, to: type, as: code loai}\n      \
         - {at: ma, to: id}\n",
    );
    system.write(&description);
    system.give_format();
    let submit = |number: u32| {
        let mut letter = letter(number, "trich_yeu");
        letter["so_thu"]["loai"] = "3".into();
        letter["so_thu"]["ma"] = format!("thu-{number}").into();
        system.submit("so.thu", &letter).0 == 200
    };
    measure("a description with a code list carries a document", || submit(1));
    let type_of = |portal: &Value| portal["Value"]["Data"][0]["LoaiVanBan"].clone();
    let portal = system.receive();
    assert_eq!(type_of(&portal), "Công văn", "{portal:#}");

    fs::write(&lists, code_lists("to-trin")).unwrap();
    measure("a mistake in a list is shown with its line", || {
        let mistake = &system.status()["mistakes"][0];
        (&mistake["fault"]["code"], &mistake["line"]) == (&json!("LT-REG-033"), &json!(11))
    });
    assert!(submit(2), "the last good lists stay in force");
    assert_eq!(type_of(&system.receive()), "Công văn");

    fs::write(&lists, code_lists("to-trinh")).unwrap();
    let meaning = || {
        let lists = system.run(&["registry", "lists", "so-thu", "--json"]);
        lists["lists"][0]["rows"][0]["means"].clone()
    };
    measure("the changed list is in force", || meaning() == "to-trinh");
    let number = std::cell::Cell::new(2);
    measure("a document has the new meaning", || {
        number.set(number.get() + 1);
        assert!(submit(number.get()));
        type_of(&system.receive()) == "Tờ trình"
    });
    let history = system.run(&["registry", "formats", "--history", "--json"]);
    let versions = history["versions"].as_array().unwrap();
    let kept = versions.iter().filter(|it| it["name"] == "registry/code-lists").count();
    assert!(kept >= 2, "each version of the lists is kept: {history:#}");
}
