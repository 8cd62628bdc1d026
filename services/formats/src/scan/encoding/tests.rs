//! Bytes of every encoding, declared rightly, wrongly and not at all.

use super::*;

fn text_of(native: &[u8]) -> String {
    decode_text(native, None).unwrap().text.into_owned()
}

fn finding_of(native: &[u8]) -> Option<String> {
    decode_text(native, None).unwrap().finding.map(|it| it.text_en)
}

fn utf16(text: &str, to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(to_bytes).collect()
}

#[test]
fn utf16_is_read_with_and_without_a_mark() {
    for text in
        ["<?xml version=\"1.0\" encoding=\"utf-16\"?><a>Về việc</a>", "{\"a\": \"Về\"}", " [1]"]
    {
        for to_bytes in [u16::to_le_bytes, u16::to_be_bytes] {
            assert_eq!(text_of(&utf16(text, to_bytes)), text);
            assert_eq!(text_of(&utf16(&format!("\u{feff}{text}"), to_bytes)), text);
            assert_eq!(finding_of(&utf16(text, to_bytes)), None);
        }
    }
    let wrong = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><a/>";
    let finding = finding_of(&utf16(wrong, u16::to_le_bytes)).unwrap();
    assert_eq!(finding, "Declared as UTF-8, but the bytes are UTF-16LE; read as UTF-16LE.");
}

#[test]
fn declared_charsets_are_read() {
    let xml = |encoding: &str, bytes: &[u8]| {
        [format!("<?xml version='1.0' encoding='{encoding}'?><a>").as_bytes(), bytes, b"</a>"]
            .concat()
    };
    let inside = |native: &[u8]| {
        let text = text_of(native);
        text.split_once("<a>").unwrap().1.trim_end_matches("</a>").to_owned()
    };
    assert_eq!(inside(&xml("windows-1258", b"V\xea\xcc vi\xea\xf2c")), "Về việc");
    assert_eq!(inside(&xml("viscii", b"V\xab vi\xaec")), "Về việc");
    assert_eq!(inside(&xml("TCVN", b"V\xd2 vi\xd6c")), "Về việc");
    assert_eq!(inside(&xml("ISO-8859-1", b"caf\xe9")), "café");
    assert_eq!(inside(&xml("iso-8859-2", b"\xb3")), "ł");
    let native = xml("ISO-8859-1", "Báo".as_bytes());
    assert_eq!(inside(&native), "Báo");
    assert_eq!(
        finding_of(&native).unwrap(),
        "Declared as ISO-8859-1/windows-1252, but the bytes are UTF-8; read as UTF-8."
    );
    assert_eq!(finding_of(&xml("ISO-8859-1", b"plain")), None);
    assert_eq!(finding_of(&xml("utf-16", "Báo".as_bytes())), None);
}

#[test]
fn a_description_says_the_charset_of_plain_text() {
    let read = |native: &'static [u8], charset| decode_text(native, Some(charset)).unwrap();
    let it = read(b"Tr\xddch y\xd5u;C\xabng v\xa8n", Charset::Tcvn3);
    assert_eq!((it.text.as_ref(), it.finding), ("Trích yếu;Công văn", None));
    assert_eq!(read(b"Co\xe2ng va\xean", Charset::Vni).text, "Công văn");
    // The partner's program has changed to Unicode.
    let it = read("Công văn".as_bytes(), Charset::Tcvn3);
    assert_eq!(it.text, "Công văn");
    assert!(it.finding.is_some());
}

#[test]
fn wrong_bytes_are_refused_with_their_place() {
    let refusal = |native: &[u8]| {
        let fault = decode_text(native, None).unwrap_err();
        let violation = fault.violations.into_iter().next().unwrap();
        (fault.code, violation.field, violation.description_en)
    };
    let expected =
        |code: &str, field: &str, text: &str| (code.to_owned(), field.to_owned(), text.to_owned());
    assert_eq!(
        refusal(b"<a>\n<b>V\xd2 vi\xd6c tri\xd3n khai</b></a>"),
        expected(
            "LT-MAP-016",
            "line 2, byte 8",
            "the bytes are not UTF-8; they look like TCVN3 (ABC)"
        )
    );
    assert_eq!(
        refusal(b"{\"a\": \"\xff\"}"),
        expected("LT-MAP-016", "line 1, byte 7", "the bytes are not UTF-8")
    );
    assert_eq!(
        refusal(b"<?xml version='1.0' encoding='x-viet-tcvn5712'?>\n<a>\xd2\xb0</a>"),
        expected("LT-MAP-063", "line 2, byte 53", "the byte B0 is no character of tcvn3")
    );
    assert_eq!(
        refusal(b"\xff\xfe<\0a\0\0\xd8>\0"),
        expected("LT-MAP-063", "line 1, byte 4", "the byte 00 is no character of UTF-16LE")
    );
    let (code, _, text) = refusal(b"\xff\xfe\0\0<\0\0\0");
    assert_eq!(
        (code.as_str(), text.as_str()),
        ("LT-MAP-016", "the bytes are not UTF-8; they look like UTF-32")
    );
    assert_eq!(refusal(b"\xef\xbb\xbf<?xml encoding='iso-8859-1'?>\xe9").0, "LT-MAP-016");
}
