//! Every command with each of its outcomes, as printed in both languages and two widths: no sentence
//! of the other language, no line wider than the terminal, nothing that a terminal would act on.
//!
//! What was printed lies in `words/` of cargo's temporary folder, to be looked at.

use std::path::Path;
use std::process::Command;

use lienthong_tests::up::{Agency, Up, program, write_registry};
use lienthong_tests::vendor_client::VendorClient;
use serde_json::json;
use unicode_width::UnicodeWidthStr as _;

/// Words that make an English sentence, when two of them stand in one line.
const ENGLISH: [&str; 28] = [
    "the", "is", "are", "was", "cannot", "not", "of", "with", "and", "for", "this", "that", "has",
    "there", "which", "its", "be", "must", "found", "when", "or", "you", "from", "an", "by", "it",
    "no", "such",
];
/// Letters that only Vietnamese has.
const VIETNAMESE: &str = "ăâđêôơưạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ";

/// Command lines without a system, and those with one, which get its addresses.
const ALONE: &[&[&str]] = &[
    &[],
    &["--help"],
    &["find", "--help"],
    &["redrive", "--help"],
    &["registry", "--help"],
    &["registry", "lookup", "--help"],
    &["send", "--help"],
    &["up", "--help"],
    &["fnd"],
    &["find", "--limt", "3"],
    &["find", "--limit", "9999"],
    &["find", "--state", "x"],
    &["redrive"],
    &["find", "--since", "31/02/2026"],
    &["find", "--internal", "127.0.0.1:1"],
    &["find", "--internal", "http://"],
    &["find", "--internal", "http://khong.invalid:1"],
    &["find", "--internal", "https://khong.invalid:1"],
    &["find", "--context", "khong"],
    &["find", "--data", "khong"],
    &["find", "--internal-token-file", "empty.token"],
    &["send", "khong.json"],
    &["send", "body.json"],
    &["send", "body.json", "--token-file", "mot.token", "--gateway", "127.0.0.1:1"],
    &["config", "show", "--config", "bad.toml"],
    &["config", "show", "--config", "unknown.toml"],
    &["config", "show", "--config", "missing.toml"],
    &["resend", "--help"],
    &["pause", "--help"],
    &["sessions", "--help"],
    &["certificates", "--help"],
    &["certificates", "show", "mot.token"],
    &["pause", "x"],
    &["serve", "khong"],
    &["up", "--listen", "x"],
    &["doctor", "--config", "bad.toml"],
    &["doctor", "--data", "khong"],
    &["explain", "LT-JNL-020"],
    &["explain", "LT-MAP-001"],
    &["explain", "LT-MAP-01"],
    &["explain", "--all"],
    &["format", "list"],
    &["format", "detect", "body.json"],
    &["format", "detect", "bad.toml"],
    &["format", "read", "auto", "body.json"],
    &["format", "check", "bad.toml"],
    &["registry", "check", "registry"],
    &["registry", "show", "registry"],
    &["registry", "check", "missing"],
];
const WITH_SYSTEM: &[&[&str]] = &[
    &["find"],
    &["find", "12"],
    &["find", "khong-co-gi"],
    &["find", "--organisation", "mott"],
    &["find", "--application", "xyz"],
    &["find", "--state", "refused"],
    &["trace", "12/BC-VP"],
    &["trace", "99/KHONG"],
    &["trace", "21/BC-VP"],
    &["trace", "22/BC-VP"],
    &["trace", "23/BC-VP"],
    &["trace", "24/BC-VP"],
    &["resend", "12/BC-VP", "--reason", "x"],
    &["resend", "99/KHONG", "--reason", "x"],
    &["resend", "21/BC-VP", "--to", "khong", "--reason", "x"],
    &["release", "21/BC-VP", "--reason", "x"],
    &["confirm", "12/BC-VP", "--reason", "x"],
    &["pause", "khong", "--reason", "x"],
    &["pause", "application:hai-app", "--reason", "x"],
    &["trace", "12/BC-VP"],
    &["find", "--state", "queued", "--state", "in-hand"],
    &["status", "--test"],
    &["doctor"],
    &["resume", "application:hai-app", "--reason", "x"],
    &["sessions", "end", "ffff", "--reason", "x"],
    &["redrive", "12/BC-VP", "--reason", "x"],
    &["withdraw", "12/BC-VP", "--reason", "x", "--dry-run"],
    &["withdraw", "7/BC-VP", "--reason", "x"],
    &["withdraw", "99/KHONG", "--reason", "x"],
    &["registry", "lookup", "mot"],
    &["registry", "lookup", "khong co"],
    &["registry", "status"],
    &["status"],
    &["sessions"],
    &["find", "--internal-token-file", "wrong.token"],
];

fn run(folder: &Path, arguments: &[&str], (lang, columns): (&str, usize)) -> String {
    let output = Command::new(program())
        .args(arguments)
        .args(["--lang", lang])
        .current_dir(folder)
        .env("LC_ALL", "C.UTF-8")
        .env("COLUMNS", columns.to_string())
        .env("XDG_CONFIG_HOME", folder.join("no-config"))
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8(text).unwrap()
}

/// The faults of one printed text.
fn faults(text: &str, (lang, columns): (&str, usize)) -> Vec<String> {
    let mut faults = Vec::new();
    for line in text.lines() {
        let words: Vec<String> = line
            .split(|it: char| !it.is_alphanumeric() && it != '-' && it != '_')
            .map(str::to_lowercase)
            .collect();
        let english = words.iter().filter(|it| ENGLISH.contains(&it.as_str())).count();
        if lang == "vi" && english >= 2 {
            faults.push(format!("English: {line}"));
        }
        // The name of the product, the agencies of the registry and a reason are data.
        let line_without_data = line.replace("Liên Thông", "").replace("Cơ quan", "");
        let is_data = line.contains("--reason");
        if lang == "en"
            && !is_data
            && line_without_data.to_lowercase().chars().any(|it| VIETNAMESE.contains(it))
        {
            faults.push(format!("Vietnamese: {line}"));
        }
        let longest = line.split(' ').map(str::width).max().unwrap_or(0);
        let indent = line.len() - line.trim_start().len();
        if line.width() > columns.max(longest + indent) {
            faults.push(format!("{} wide: {line}", line.width()));
        }
        if line.chars().any(|it| it.is_control()) {
            faults.push(format!("control character: {line:?}"));
        }
    }
    faults
}

fn fixture() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let agency = |key, code| Agency { key, code, takes: "ioffice.portal" };
    let agencies = [agency("mot", "A99.1"), agency("hai", "A99.2")];
    write_registry(&folder.path().join("registry"), &agencies);
    for (name, text) in [
        ("mot.token", "mot-token\n"),
        ("wrong.token", "wrong\n"),
        ("empty.token", ""),
        ("bad.toml", "[bus\n"),
        ("unknown.toml", "[bus]\nurll = \"x\"\n"),
        ("body.json", "{}"),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn document(number: &str, guid: &str, subject: &str) -> String {
    let document = json!({
        "Guid": guid, "SoHieu": number, "KyHieu": "BC-VP", "TrichYeu": subject,
        "NgayBanHanh": "20/11/2026", "DoMat": "0", "MaDinhDanh": "A99.1",
        "DonViNhanVanBanNgoaDonVi": [{ "MaDonVi": "A99.2" }], "Attachments": [],
    });
    json!({ "Code": 0, "Value": { "Total": 1, "Data": [document] } }).to_string()
}

/// Documents that were taken, refused, put off, and are in hand.
fn settle_some(up: &Up, folder: &Path) {
    let gateway = up.gateway();
    let client = VendorClient::new(&gateway, "hai-token");
    let session = client.hello("vanthu");
    let answers = [
        Some(json!({ "taken": { "reference": "so-1" } })),
        Some(json!({ "refused": { "reason": "sai noi nhan" } })),
        Some(json!({ "unavailable": { "retry_after_ms": 3_600_000 } })),
        None,
    ];
    for (number, answer) in (21..).zip(answers) {
        let number = number.to_string();
        let text = document(&number, &format!("g{number}"), "Bao cao quy");
        std::fs::write(folder.join("new.json"), text).unwrap();
        let send = ["send", "new.json", "--token-file", "mot.token", "--gateway", &gateway];
        run(folder, &send, ("vi", 80));
        let printed = format!("{number}/BC-VP");
        let delivery = loop {
            let delivery = client.receive(&session);
            if delivery["index"]["number"] == printed {
                break delivery;
            }
        };
        if let Some(answer) = answer {
            client.settle(&session, &delivery, &answer);
        }
    }
}

#[test]
fn every_command_speaks_one_language_and_fits_the_terminal() {
    let folder = fixture();
    let up = Up::start(folder.path(), &[]);
    let (internal, gateway) = (up.internal(), up.gateway());
    let long = "Bao cao ".repeat(40);
    for (number, guid, subject) in
        [("12", "a", "Bao cao nam"), ("7", "b", long.as_str()), ("7", "c", "Bao cao khac")]
    {
        std::fs::write(folder.path().join("new.json"), document(number, guid, subject)).unwrap();
        let send = ["send", "new.json", "--token-file", "mot.token", "--gateway", &gateway];
        let said = run(folder.path(), &send, ("vi", 80));
        assert!(said.contains("sha256"), "{said}");
    }
    settle_some(&up, folder.path());
    let forged = "\u{1b}[2J\u{1b}[31mDA XOA\u{1b}[0m\n{\"level\":\"ERROR\"}\u{202e}\u{9b}x";
    std::fs::write(folder.path().join("forged.json"), document("13", "d", forged)).unwrap();
    let send_forged =
        ["send", "forged.json", "--token-file", "mot.token", "--gateway", gateway.as_str()];
    let dump = Path::new(env!("CARGO_TARGET_TMPDIR")).join("words");
    // Only what this run printed stands there afterwards.
    drop(std::fs::remove_dir_all(&dump));
    let mut all = Vec::new();
    for form in [("vi", 80), ("vi", 140), ("en", 80), ("en", 140)] {
        let into = dump.join(format!("{}-{}", form.0, form.1));
        std::fs::create_dir_all(&into).unwrap();
        let alone = ALONE.iter().map(|it| it.to_vec());
        let link = ["--internal", internal.as_str()];
        let with_system = WITH_SYSTEM.iter().map(|it| {
            let token: &[&str] = if it.contains(&"wrong.token") { &[] } else { &["--data", "."] };
            [it.to_vec(), link.to_vec(), token.to_vec()].concat()
        });
        let all_commands = alone.chain(with_system).chain([send_forged.to_vec()]);
        for (index, arguments) in all_commands.enumerate() {
            let text = run(folder.path(), &arguments, form);
            let name: String = arguments.iter().take(3).copied().collect::<Vec<_>>().join("_");
            let name = name.replace(['/', ':'], "-");
            std::fs::write(into.join(format!("{index:02}-{name}.txt")), &text).unwrap();
            assert!(!text.is_empty(), "{arguments:?} prints nothing");
            // Titles of formats are data, and mistakes of a description are told in both languages.
            let is_data = matches!(arguments[..], ["format", "list" | "check", ..]);
            if is_data {
                continue;
            }
            all.extend(
                faults(&text, form).into_iter().map(|it| format!("{form:?} {arguments:?}: {it}")),
            );
        }
    }
    assert!(all.is_empty(), "{} faults:\n{}", all.len(), all.join("\n"));
}
