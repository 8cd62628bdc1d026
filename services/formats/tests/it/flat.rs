//! Delimited text and text with named fields, in both directions.

use formats::{EncodeContext, Format, MemoryBlobs};
use proto::canonical::v1::Canonical;
use proto::message::v1::{Finding, Loss};

use crate::{document, read};

const RULES: &str = "
fields:
  - {at: Số, to: number.number, need: both}
  - {at: Ký hiệu, to: number.notation}
  - {at: Ngày, to: issued, as: date dd/MM/yyyy}
  - {at: Trích yếu, to: subject, need: both}
  - {at: Ghi chú, to: note}
  - {each: Nơi nhận, to: places}
";

fn format(syntax: &str) -> Format {
    let head = "format: t\nversion: 1\ntitle: t\ncarries: Document\ndetect: [{has: Số}]\n";
    Format::compile(&format!("{head}syntax: {syntax}{RULES}")).unwrap()
}

fn encode(format: &Format, canonical: &Canonical) -> (String, Vec<Loss>) {
    let mut native = Vec::new();
    let files = MemoryBlobs::default();
    let losses = format.encode(canonical, EncodeContext::default(), &files, &mut native).unwrap();
    (String::from_utf8(native).unwrap(), losses)
}

fn decode_all(format: &Format, native: &str) -> Vec<(Canonical, Vec<Finding>)> {
    let decoded = format.decode(native.as_bytes(), &[], &mut MemoryBlobs::default()).unwrap();
    decoded.into_iter().map(|it| (it.canonical, it.findings)).collect()
}

#[test]
fn each_row_is_a_document_and_returns_as_its_row() {
    let format = format("{kind: csv, separator: ';', bom: yes}");
    let table = "Trích yếu;Số;Lạ;Nơi nhận;Ký hiệu;Nơi nhận\r\n\
                 \"Đông; một\r\nĐông hai\";0045;x;Lưu VT;QĐ;Như trên\r\n;;;;;\r\nHai;2;;;;\r\n";
    let decoded = decode_all(&format, table);
    let [first, second] = [&decoded[0].0, &decoded[1].0].map(document);
    assert_eq!(first.subject, "Đông; một\nĐông hai");
    assert_eq!(first.number.as_ref().unwrap().number, "0045", "leading zeros stay");
    assert_eq!(first.places, ["Lưu VT", "Như trên"]);
    assert_eq!(first.leftovers[0].items[0].at, "Lạ");
    assert_eq!((second.subject.as_str(), decoded.len()), ("Hai", 2));
    let (written, losses) = encode(&format, &decoded[0].0);
    assert_eq!(
        written,
        "\u{feff}Số;Ký hiệu;Ngày;Trích yếu;Ghi chú;Nơi nhận;Nơi nhận;Lạ\r\n\
         0045;QĐ;;\"Đông; một\nĐông hai\";;Lưu VT;Như trên;x\r\n"
    );
    assert!(losses.is_empty(), "{losses:?}");
    let again = decode_all(&format, &written);
    assert_eq!(document(&again[0].0), first);
}

#[test]
fn a_formula_is_kept_as_text_and_never_written_as_one() {
    let format = format("{kind: csv, separator: [',', ';']}");
    let decoded = decode_all(&format, "Số;Trích yếu\r\n'=1+1;+1+1\r\n");
    let (canonical, findings) = &decoded[0];
    let it = document(canonical);
    assert_eq!(
        (it.number.as_ref().unwrap().number.as_str(), it.subject.as_str()),
        ("=1+1", "+1+1")
    );
    assert_eq!(findings[0].code, "LT-MAP-066");
    let (written, losses) = encode(&format, canonical);
    assert!(written.ends_with("'=1+1,,,'+1+1,,\r\n"), "{written}");
    assert!(losses.is_empty(), "{losses:?}");
}

#[test]
fn a_malformed_table_names_its_line() {
    let format = format("{kind: csv}");
    let fault = format.decode(b"S\xe1\xbb\x91,x\n1\n", &[], &mut MemoryBlobs::default());
    let fault = fault.err().unwrap();
    assert_eq!((fault.code.as_str(), fault.violations[0].field.as_str()), ("LT-MAP-065", "line 2"));
    let fault = format.decode("Số,Trích yếu\n1,\n".as_bytes(), &[], &mut MemoryBlobs::default());
    assert_eq!(fault.err().unwrap().violations[0].field, "line 2/Trích yếu");
}

#[test]
fn lines_of_fields_return_as_they_came() {
    let format = format("{kind: fields, open: '{name}: ', between: \"\\r\\n\"}");
    let text = "Số: 45\r\nKý hiệu: CV/TU\r\nNgày: 20/11/2026\r\nTrích yếu: V/v: họp\r\nNơi nhận: A\r\nNơi nhận: B\r\nLạ: x\r\n";
    let canonical = read(&format, text.as_bytes(), &mut MemoryBlobs::default()).unwrap();
    let it = document(&canonical);
    assert_eq!((it.subject.as_str(), it.places.len()), ("V/v: họp", 2));
    assert_eq!(encode(&format, &canonical), (text.to_owned(), Vec::new()));
}

#[test]
fn brackets_hold_lines_and_refuse_their_own_end() {
    let format =
        format("{kind: fields, open: '[{name}]', close: '[/{name}]', between: \"\\r\\n\"}");
    let text = "[Số]45[/Số]\r\n[Trích yếu]một\nhai [b][/Trích yếu]";
    let mut canonical = read(&format, text.as_bytes(), &mut MemoryBlobs::default()).unwrap();
    assert_eq!(document(&canonical).subject, "một\nhai [b]");
    assert_eq!(encode(&format, &canonical), (text.to_owned(), Vec::new()));
    let Some(proto::canonical::v1::canonical::Body::Document(it)) = &mut canonical.body else {
        panic!("no document")
    };
    it.subject = "a[/Trích yếu][Số]99[/Số]".into();
    let (files, mut out) = (MemoryBlobs::default(), Vec::new());
    let fault =
        format.encode(&canonical, EncodeContext::default(), &files, &mut out).err().unwrap();
    assert_eq!(
        (fault.code.as_str(), fault.violations[0].field.as_str()),
        ("LT-MAP-012", "subject")
    );
}

#[test]
fn a_line_break_becomes_what_the_description_says_and_is_reported() {
    let refusing = format("{kind: fields, open: '{name}='}");
    let joining = format("{kind: fields, open: '{name}=', line-break: ' '}");
    let mut canonical =
        read(&joining, "Số=1\nTrích yếu=a".as_bytes(), &mut MemoryBlobs::default()).unwrap();
    let Some(proto::canonical::v1::canonical::Body::Document(it)) = &mut canonical.body else {
        panic!("no document")
    };
    it.subject = "một\nhai".into();
    let (files, mut out) = (MemoryBlobs::default(), Vec::new());
    assert!(refusing.encode(&canonical, EncodeContext::default(), &files, &mut out).is_err());
    let (written, losses) = encode(&joining, &canonical);
    assert_eq!(written, "Số=1\nTrích yếu=một hai\n");
    assert_eq!((losses[0].path.as_str(), losses[0].value.as_str()), ("subject", "một hai"));
}

#[test]
fn names_that_the_syntax_cannot_hold_are_mistakes() {
    let compile = |text: &str| {
        let mistakes = Format::compile(text).err().unwrap();
        mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let head = "format: t\nversion: 1\ntitle: t\ncarries: Document\n";
    let colon = compile(&format!(
        "{head}syntax: {{kind: fields, open: '{{name}}: '}}\nfields: [{{at: 'a:b', to: subject}}]"
    ));
    assert!(colon.contains("a:b"), "{colon}");
    let number = compile(&format!(
        "{head}syntax: {{kind: csv, header: no}}\nfields: [{{at: Số, to: subject}}]"
    ));
    assert!(number.contains("number of the column"), "{number}");
    let separator = compile(&format!(
        "{head}syntax: {{kind: csv, separator: '||'}}\nfields: [{{at: Số, to: subject}}]"
    ));
    assert!(separator.contains("one ASCII character"), "{separator}");
}
