//! Values are read and written true: what identifies is whole, what could not be read is not replaced.

use crate::*;

/// The packet with the text of its first element of this name replaced.
fn with(name: &str, text: &str) -> String {
    let open = format!("<edXML:{name}>");
    let (before, rest) = PACKET.split_once(&open).unwrap();
    let (_, after) = rest.split_once("</").unwrap();
    format!("{before}{open}{text}</{after}")
}

/// The packet after it was read and written, and the losses of writing.
fn rewritten(native: &str) -> (String, Vec<String>) {
    let registry = registry();
    let edxml = registry.get("edxml.document").unwrap();
    let mut files = MemoryBlobs::default();
    let canonical =
        read(edxml, native.as_bytes(), &mut files).unwrap_or_else(|it| panic!("{native}: {it:?}"));
    let mut out = Vec::new();
    let losses = edxml.encode(&canonical, EncodeContext::default(), &files, &mut out).unwrap();
    let losses = losses.into_iter().filter(|it| it.kind() != loss::Kind::Added);
    let losses = losses.map(|it| format!("{} {}", it.path, it.reason));
    (String::from_utf8(out).unwrap(), losses.collect())
}

/// Two documents would become one, and an address that of somebody else.
#[test]
fn what_identifies_is_written_whole() {
    let long_name = format!("{}.pdf", "a".repeat(600));
    for (name, value) in [
        ("CodeNumber", "20251020104803".to_owned()),
        ("CodeNotation", "TB-UBND-VXNV-".repeat(5)),
        ("DocumentId", format!("A99.1,2026/11/20,{}", "4".repeat(200))),
        ("DocumentId", "bộ phận ".repeat(20).trim().to_owned()),
    ] {
        let (written, losses) = rewritten(&with(name, &value));
        assert!(written.contains(&format!("<edXML:{name}>{value}</")), "{name}: {written}");
        assert_eq!(losses, [""; 0], "{name}");
    }
    let named = PACKET.replace(">a.pdf<", &format!(">{long_name}<"));
    let (written, losses) = rewritten(&named);
    assert_eq!(written.matches(&format!(">{long_name}<")).count(), 2, "{written}");
    assert_eq!(losses, [""; 0]);
    let mail = format!("{}@a.vn", "x".repeat(120));
    let addressed = PACKET.replacen(
        "</edXML:From>",
        &format!(
            "<edXML:Email>{mail}</edXML:Email><edXML:Telephone>{0}</edXML:Telephone></edXML:From>",
            "0".repeat(40)
        ),
        1,
    );
    let (written, losses) = rewritten(&addressed);
    assert!(written.contains(&mail) && written.contains(&"0".repeat(40)), "{written}");
    assert_eq!(losses, [""; 0]);
    // A description may be cut, and the loss says so.
    let (_, losses) = rewritten(&with("Subject", &"dài ".repeat(200)));
    assert_eq!(losses, ["subject cut"]);
}

/// A description that would cut an identity does not compile, whichever field it is.
#[test]
fn a_rule_that_would_cut_an_identity_does_not_compile() {
    let mistakes = |rule: &str| {
        let text = format!(
            "format: x\nversion: 1\ntitle: X\ncarries: Document\nsyntax: {{kind: json, records: a}}\n\
             lists: {{t: {{open: yes, rows: {{abcdef: x}}}}}}\nfields:\n  - {rule}\n"
        );
        let mistakes = Format::compile(&text).err().unwrap_or_default();
        mistakes.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    for target in [
        "to: id",
        "to: number.number",
        "to: number, pattern: '{number}/{notation}'",
        "to: sender.email",
        "to: sender.phone",
        "to: \"sender.ids[0]\", as: org-id",
        "to: change.target.id",
        "to: \"extras[a.B]\", as: extra",
        "to: \"relations[kind=ANSWERS].target.id\"",
        "to: dossier.code",
        "to: pages, as: whole",
        "to: issued, as: date yyyy/MM/dd",
        "to: type, as: code t",
    ] {
        let found = mistakes(&format!("{{at: A, {target}, max: 5}}"));
        assert!(found.len() == 1 && found[0].contains("never cut"), "{target}: {found:?}");
        for other in ["carry", "refuse"] {
            let rule = format!("{{at: A, {target}, max: 5, too-long: {other}}}");
            assert_eq!(mistakes(&rule), [""; 0], "{target}");
        }
    }
    for descriptive in ["subject", "sender.name", "note", "change.reason"] {
        assert_eq!(mistakes(&format!("{{at: A, to: {descriptive}, max: 5}}")), [""; 0]);
    }
    assert_eq!(mistakes("{at: A, to: type, as: code t, max: 6}"), [""; 0]);
    let alone = mistakes("{at: A, to: id, too-long: carry}");
    assert!(alone[0].contains("needs a `max`"), "{alone:?}");
}
