//! Tables as Excel of a Vietnamese Windows writes them (cases N09): cells are texts as they are
//! shown, and the encoding is that of the bytes or of the description.

use formats::{DecodedMessage, EncodeContext, Format, MemoryBlobs};
use legacy_text::Charset;
use proto::fault::v1::Fault;

use crate::document;

/// A file of the cases; none when the folder is absent.
#[expect(clippy::print_stdout, reason = "a test that is skipped says so")]
fn case(name: &str) -> Option<Vec<u8>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/cases/N09-csv-of-excel");
    let native = std::fs::read(format!("{folder}/{name}")).ok();
    if native.is_none() {
        println!("no {name} beside the project, so it was not read");
    }
    native
}

fn table(charset: &str) -> Format {
    let charset = if charset.is_empty() { String::new() } else { format!(", charset: {charset}") };
    let description = format!(
        "
format: t
version: 1
title: Sổ văn bản
carries: Document
syntax: {{kind: csv, separator: [';', ',', \"\\t\"]{charset}}}
detect: [{{has: Số}}]
fields:
  - {{at: Số, to: number.number}}
  - {{at: Ký hiệu, to: number.notation}}
  - {{at: Ngày, to: issued, as: date dd/MM/yyyy}}
  - {{at: Mã cơ quan, to: \"sender.ids[0]\", as: org-id}}
  - {{at: Trích yếu, to: subject}}
"
    );
    Format::compile(&description).unwrap()
}

fn decode(charset: &str, native: &[u8]) -> Result<DecodedMessage, Fault> {
    let mut decoded = table(charset).decode(native, &[], &mut MemoryBlobs::default())?;
    Ok(decoded.remove(0))
}

/// Number, notation, day, code and subject of the only row.
fn row(decoded: &DecodedMessage) -> [String; 5] {
    let it = document(&decoded.canonical);
    let number = it.number.clone().unwrap_or_default();
    let day = it.issued.map(|it| format!("{}-{}-{}", it.year, it.month, it.day));
    let code = it.sender.as_ref().map(|it| it.ids[0].value.clone());
    let [day, code] = [day, code].map(Option::unwrap_or_default);
    [number.number, number.notation, day, code, it.subject.clone()]
}

fn strings(texts: [&str; 5]) -> [String; 5] {
    texts.map(str::to_owned)
}

const TABLE: &str = "Số;Ký hiệu;Ngày;Mã cơ quan;Trích yếu\r\n0045;QĐ-UBND;20/11/2026;020100107370;\"Dòng một\nDòng hai; có chấm phẩy\"\r\n";
const CELLS: [&str; 5] =
    ["0045", "QĐ-UBND", "2026-11-20", "020100107370", "Dòng một\nDòng hai; có chấm phẩy"];

#[test]
fn cells_are_texts_with_their_zeros_and_lines() {
    if let Some(native) = case("bom-semicolon.csv") {
        let decoded = decode("", &native).unwrap();
        assert_eq!((row(&decoded), decoded.findings), (strings(CELLS), vec![]));
    }
    if let Some(native) = case("sep-line.csv") {
        let decoded = decode("", &native).unwrap();
        assert_eq!(row(&decoded), strings(["0045", "", "2026-11-20", "", ""]));
    }
    // The first line names the separator, in whatever encoding; it may be one that the description
    // does not expect.
    let piped = TABLE.replace("; có", ", có").replace(';', "|");
    let with_commas = TABLE.replace("; có", ", có").replace(';', ",");
    let expected = CELLS.map(|it| it.replace("; có", ", có"));
    for native in [
        format!("sep=|\r\n{piped}"),
        format!("\u{feff}SEP=|\n{piped}"),
        with_commas.clone(),
        format!("\u{feff}{}", with_commas.replace("\r\n", "\n")),
    ] {
        assert_eq!(row(&decode("", native.as_bytes()).unwrap()), expected, "{native}");
    }
}

#[test]
fn the_unicode_text_of_excel_is_read_in_both_orders() {
    let tabs = TABLE.replace("; có", ", có").replace(';', "\t");
    let expected = CELLS.map(|it| it.replace("; có", ", có"));
    let units: [fn(u16) -> [u8; 2]; 2] = [u16::to_le_bytes, u16::to_be_bytes];
    for unit in units {
        for mark in ["\u{feff}", ""] {
            let text = format!("{mark}{tabs}");
            let native: Vec<u8> = text.encode_utf16().flat_map(unit).collect();
            let decoded = decode("", &native).unwrap();
            assert_eq!((row(&decoded), decoded.findings), (expected.clone(), vec![]));
        }
    }
}

#[test]
fn a_table_in_an_old_charset_is_read_as_its_description_says_and_else_told() {
    if let Some(native) = case("cp1258.csv") {
        let decoded = decode("windows-1258", &native).unwrap();
        assert_eq!(row(&decoded), strings(["0045", "", "", "", "Về việc hướng dẫn nghiệp vụ"]));
        let fault = decode("", &native).unwrap_err();
        assert_eq!(fault.code, "LT-MAP-016");
        let text = &fault.violations[0].description_en;
        assert!(text.contains("1258"), "{text}");
    }
    for charset in Charset::ALL {
        let native = charset.encode(TABLE).bytes;
        let decoded = decode(charset.name(), &native).unwrap();
        assert_eq!((row(&decoded), decoded.findings), (strings(CELLS), vec![]), "{charset:?}");
        let fault = decode("", &native).unwrap_err();
        assert_eq!(fault.code, "LT-MAP-016", "{charset:?}");
        // The description's charset is not that of a table that is Unicode: a finding.
        let unicode = decode(charset.name(), TABLE.as_bytes()).unwrap();
        assert_eq!(row(&unicode), strings(CELLS), "{charset:?}");
        assert_eq!(unicode.findings[0].code, "LT-MAP-062", "{charset:?}");
        let marked = format!("\u{feff}{TABLE}");
        assert_eq!(row(&decode(charset.name(), marked.as_bytes()).unwrap()), strings(CELLS));
    }
}

#[test]
fn a_formula_is_a_text_with_a_finding_and_goes_out_guarded() {
    let format = table("");
    let written = |decoded: &DecodedMessage| {
        let mut out = Vec::new();
        let blobs = MemoryBlobs::default();
        format.encode(&decoded.canonical, EncodeContext::default(), &blobs, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    if let Some(native) = case("formula.csv") {
        // Excel quotes a cell with quotes in it, so this row was typed by somebody.
        let decoded = decode("", &native).unwrap();
        let [number, .., subject] = row(&decoded);
        assert_eq!((&*number, &*subject), ("=HYPERLINK(\"http://127.0.0.1/\",\"xem\")", "+1+1"));
        assert!(!decoded.findings.is_empty());
        assert!(decoded.findings.iter().all(|it| it.code == "LT-MAP-066"), "{decoded:?}");
        let again = written(&decoded);
        assert!(again.contains("'=HYPERLINK") && !again.contains(";+1+1"), "{again}");
        assert_eq!(row(&decode("", again.as_bytes()).unwrap()), row(&decoded));
    }
    for formula in ["=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "-2+3+cmd|x", "\t=1", "＝1+1"] {
        let quoted = formula.replace('"', "\"\"");
        for cell in [format!("\"{quoted}\""), formula.to_owned()] {
            let native = format!("Số;Trích yếu\r\n1;{cell}\r\n");
            let decoded = decode("", native.as_bytes()).unwrap();
            let text = row(&decoded)[4].clone();
            assert_eq!(decoded.findings[0].code, "LT-MAP-066", "{formula}");
            let again = written(&decoded);
            let cell = again.lines().last().unwrap().rsplit(';').next().unwrap();
            let cell = cell.trim_start_matches('"');
            assert!(cell.starts_with('\''), "{formula}: {again}");
            assert_eq!(row(&decode("", again.as_bytes()).unwrap())[4], text, "{formula}");
        }
    }
    // Numbers with a sign are no formulas.
    for number in ["-5", "+84 912 000 001", "-1,5"] {
        let native = format!("Số;Trích yếu\r\n1;{number}\r\n");
        let decoded = decode("", native.as_bytes()).unwrap();
        assert_eq!(decoded.findings, [], "{number}");
        assert!(written(&decoded).ends_with(&format!(";{number}\r\n")));
    }
}
