//! Whole packets at the secrecy gate: those that bear a mark in any form are refused, and no other
//! one.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use formats::{FormatRegistry, MemoryBlobs};

use mapping::{redact_decode_fault, secrecy_refusal};
use secrecy_marks::find_in_file_name;

/// The answer of the gate to native bytes: the code of the refusal, if it is one for secrecy.
fn refusal_code(registry: &FormatRegistry, native: &[u8]) -> Option<String> {
    let (format, decoded) = match registry.decode("auto", native, &[], &mut MemoryBlobs::default())
    {
        Ok(decoded) => decoded,
        Err(fault) => {
            let fault = redact_decode_fault(native, fault);
            return ["LT-MAP-007", "LT-MAP-210"].contains(&&*fault.code).then_some(fault.code);
        }
    };
    let refusals = decoded
        .iter()
        .filter_map(|it| secrecy_refusal(&it.canonical, |path| format.native_path(path)));
    refusals.map(|it| it.code).next()
}

/// A packet with one recipient and this subject, file name and further elements.
fn packet(subject: &str, file_name: &str, other: &str) -> String {
    let case = "formats/edxml.document/cases/new/native.xml";
    let native = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(case)).unwrap();
    let set = |native: &str, element: &str, text: &str| {
        let (open, close) = (format!("{element}>"), "</");
        let Some((before, after)) = native.split_once(&open) else { return native.to_owned() };
        let (_, rest) = after.split_once(close).unwrap();
        format!("{before}{open}{text}{close}{rest}")
    };
    let native = set(&native, "Subject", subject);
    let native =
        native.replace("</edXML:MessageHeader>", &format!("{other}</edXML:MessageHeader>"));
    match file_name {
        "" => native,
        name => set(&native, "AttachmentName", name),
    }
}

#[test]
fn a_mark_is_refused_wherever_it_stands_in_a_packet() {
    let registry = FormatRegistry::shipped().unwrap();
    let many = "<edXML:Unknown>x</edXML:Unknown>".repeat(400);
    let long = "x ".repeat(20_000);
    for (subject, file_name, other) in [
        ("TUYỆT MẬT: phương án", "", String::new()),
        ("M&amp;#7852;T: báo cáo", "", String::new()),
        ("Báo cáo", "KÕ ho¹ch (MËt).pdf", String::new()),
        ("Báo cáo", "", "<edXML:MucMat>2</edXML:MucMat>".to_owned()),
        ("Báo cáo", "", "<edXML:DoKhan>B</edXML:DoKhan>".to_owned()),
        ("Báo cáo", "", "<edXML:Classification>2</edXML:Classification>".to_owned()),
        ("Báo cáo", "", format!("{many}<edXML:SecretLevel>B</edXML:SecretLevel>")),
        ("Báo cáo", "", format!("{many}<edXML:GhiChu>Tối mật</edXML:GhiChu>")),
        ("Báo cáo", "", format!("<edXML:GhiChu>{long}: TUYỆT MẬT</edXML:GhiChu>")),
        ("Báo cáo", "", "<!-- TUYỆT MẬT -->".to_owned()),
        ("Báo cáo", "", "<edXML:Signature><a>TUYỆT MẬT</a></edXML:Signature>".to_owned()),
    ] {
        let native = packet(subject, file_name, &other);
        let other: String = other.chars().rev().take(60).collect();
        assert!(
            refusal_code(&registry, native.as_bytes()).is_some(),
            "{subject} {file_name} {other}"
        );
    }
    for (subject, other) in [
        ("Luật Bảo vệ bí mật nhà nước", ""),
        ("MẬT ONG", ""),
        ("Báo cáo", "<edXML:MucMat>0</edXML:MucMat><edXML:DoKhan>Khẩn</edXML:DoKhan>"),
        ("Báo cáo", "<!-- made by a program --><edXML:SecretLevel>none</edXML:SecretLevel>"),
    ] {
        let native = packet(subject, "", other);
        assert_eq!(refusal_code(&registry, native.as_bytes()), None, "{subject} {other}");
    }
}

/// The field of a refusal by the gate, when the packet is read whole.
fn marked_field(registry: &FormatRegistry, native: &str) -> Option<(String, String)> {
    let (format, decoded) =
        registry.decode("auto", native.as_bytes(), &[], &mut MemoryBlobs::default()).unwrap();
    let refusal = decoded
        .iter()
        .find_map(|it| secrecy_refusal(&it.canonical, |it| format.native_path(it)))?;
    Some((refusal.code.clone(), refusal.violations[0].field.clone()))
}

/// Texts of fonts from before Unicode are converted on reading, and what they say then is judged.
#[test]
fn a_mark_in_an_old_charset_is_refused_once_its_field_is_converted() {
    let registry = FormatRegistry::shipped().unwrap();
    let header = "edXMLEnvelope/edXMLHeader/MessageHeader";
    let marks = [
        "Tµi liÖu tuyÖt mËt vÒ kÕ ho¹ch",
        "TUYÖT MËT - KÕ ho¹ch c«ng t¸c",
        "Taøi lieäu tuyeät maät veà keá hoaïch",
        "Tuyá»‡t máº\u{ad}t: káº¿ hoáº¡ch",
    ];
    for mark in marks {
        let in_subject = packet(mark, "", "");
        let (code, field) = marked_field(&registry, &in_subject).unwrap_or_default();
        assert_eq!((code.as_str(), field), ("LT-MAP-210", format!("{header}/Subject")), "{mark}");
        for (name, content) in [
            ("Content", mark.to_owned()),
            ("SignerInfo", format!("<edXML:Position>{mark}</edXML:Position>")),
            ("GhiChu", mark.to_owned()),
        ] {
            let other = format!("<edXML:{name}>{content}</edXML:{name}>");
            let (code, field) =
                marked_field(&registry, &packet("Báo cáo", "", &other)).unwrap_or_default();
            assert!(code == "LT-MAP-210" && field.contains(name), "{mark} {name}: {code} {field}");
        }
    }
    for innocent in ["KÕ ho¹ch c«ng t¸c tuÇn", "B¸o c¸o vÒ mËt ong", "Keá hoaïch coâng taùc"]
    {
        assert_eq!(marked_field(&registry, &packet(innocent, "", "")), None, "{innocent}");
    }
}

#[test]
fn a_mark_outside_the_records_of_a_list_is_refused() {
    let registry = FormatRegistry::shipped().unwrap();
    let body = |other: &str| {
        let record = r#"{"Guid":"g","TrichYeu":"Báo cáo","SoHieu":"1","KyHieu":"BC","DoMat":"0"}"#;
        format!(r#"{{"Code":0,{other}"Value":{{"Total":1,"Data":[{record}]}}}}"#)
    };
    for other in [r#""Message":"TUYỆT MẬT","#, r#""MucMat":"2","#, r#""Tối mật":"x","#] {
        assert!(refusal_code(&registry, body(other).as_bytes()).is_some(), "{other}");
    }
    for other in ["", r#""Message":"OK","#, r#""MucMat":"0","#] {
        assert_eq!(refusal_code(&registry, body(other).as_bytes()), None, "{other}");
    }
}

#[test]
fn a_mark_is_refused_in_every_encoding_of_a_body_whole_or_cut_off() {
    let registry = FormatRegistry::shipped().unwrap();
    let utf16 = |text: &str, unit: fn(u16) -> [u8; 2]| {
        text.encode_utf16().flat_map(unit).collect::<Vec<u8>>()
    };
    for (subject, is_marked) in [("TUYỆT MẬT: phương án", true), ("Báo cáo tháng", false)]
    {
        let text = packet(subject, "", "");
        let little = utf16(&text, u16::to_le_bytes);
        let with_mark = [b"\xff\xfe".as_slice(), &little].concat();
        let bodies = [little, with_mark, utf16(&text, u16::to_be_bytes), text.into_bytes()];
        for (index, body) in bodies.iter().enumerate() {
            let half = body.len() / 4 * 2;
            for native in [body.as_slice(), body.get(..half).unwrap()] {
                let code = refusal_code(&registry, native);
                assert_eq!(code.is_some(), is_marked, "{subject}, body {index}, {}", native.len());
            }
        }
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|it| it.unwrap().path()).collect();
    paths.sort();
    let below = |it: PathBuf| if it.is_dir() { files_below(&it) } else { vec![it] };
    paths.into_iter().flat_map(below).collect()
}

/// Files beside the project; none when the folder is absent.
fn shared(folder: &str) -> Vec<PathBuf> {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared").join(folder);
    let files = files_below(&shared);
    if files.is_empty() {
        println!("no files in {folder} beside the project, so none were read");
    }
    files
}

#[test]
fn packets_in_other_clothes_are_refused() {
    let registry = FormatRegistry::shipped().unwrap();
    for path in shared("cases/S01-secrecy-in-other-clothes") {
        let native = std::fs::read(&path).unwrap();
        assert!(refusal_code(&registry, &native).is_some(), "{}", path.display());
    }
}

#[test]
fn packets_without_a_mark_are_not_refused_for_secrecy() {
    let registry = FormatRegistry::shipped().unwrap();
    for path in [shared("samples"), shared("cases")].concat() {
        let name = path.display().to_string();
        if name.contains("/S01-") || name.contains("/S02-") || name.ends_with(".md") {
            continue;
        }
        let native = std::fs::read(&path).unwrap();
        assert_eq!(refusal_code(&registry, &native), None, "{name}");
        let file_name = path.file_name().unwrap().to_string_lossy();
        assert_eq!(find_in_file_name(&file_name), None, "{name}");
    }
}
