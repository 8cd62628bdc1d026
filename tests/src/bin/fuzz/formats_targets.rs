//! Targets of the format engine: each syntax, descriptions, files, and values.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use formats::{Format, FormatRegistry, MemoryBlobs, SourceMistake, expand_profile, grammar_page};
use serde_json::json;

use crate::round_trip::read_and_write;
use crate::target::{Check, Outcome};

fn shipped() -> FormatRegistry {
    FormatRegistry::shipped().unwrap()
}

/// Gives inputs to several formats; the outcome is that of all.
fn each(formats: Vec<Format>, registry: FormatRegistry) -> Check {
    Box::new(move |bytes| {
        let mut outcome = String::new();
        for it in &formats {
            outcome += &read_and_write(it, bytes)?;
        }
        let detected = registry.choose("auto", bytes).map(|it| it.name().to_owned());
        let detected = detected.unwrap_or_else(|fault| fault.code);
        write!(outcome, "auto {detected}").unwrap();
        Ok(outcome)
    })
}

/// The shipped formats of a syntax.
fn shipped_of(syntax: &str) -> Vec<Format> {
    let all = FormatRegistry::shipped_texts().map(|it| Format::compile(it).unwrap());
    all.filter(|it| it.syntax_name() == syntax).collect()
}

pub(crate) fn xml() -> Check {
    each(shipped_of("xml"), shipped())
}

pub(crate) fn json() -> Check {
    each(shipped_of("json"), shipped())
}

/// Rules for flat syntaxes.
const FLAT: &str = "
fields:
  - {at: Số, to: number.number}
  - {at: Ký hiệu, to: number.notation}
  - {at: Trích yếu, to: subject, max: 100}
  - {at: Ngày, to: issued, as: date dd/MM/yyyy}
  - {at: Khẩn, to: urgency, as: code urgency}
  - {at: Trang, to: pages, as: whole}
  - {each: Nơi nhận, to: places}
lists:
  urgency: {rows: {Thường: NORMAL, Khẩn: URGENT}}
";

/// A description with these sections.
fn compile(syntax: &str, rules: &str) -> Format {
    let head = "format: thu\nversion: 1\ntitle: thử\ncarries: Document\n";
    let compiled = Format::compile(&format!("{head}syntax: {syntax}\n{rules}"));
    compiled.unwrap_or_else(|it| panic!("{syntax}: {it:#?}"))
}

fn flat(syntaxes: &[&str]) -> Vec<Format> {
    syntaxes.iter().map(|it| compile(it, FLAT)).collect()
}

pub(crate) fn csv() -> Check {
    let syntaxes = [
        "{kind: csv, separator: [\";\", \",\", \"\\t\"]}",
        "{kind: csv, quote: \"'\"}",
        "{kind: csv, separator: \";\", charset: tcvn3}",
        "{kind: csv, charset: windows-1258}",
    ];
    let mut formats = flat(&syntaxes);
    let numbered = "fields:\n  - {at: \"1\", to: subject}\n  - {at: \"2\", to: note}\n";
    formats.push(compile("{kind: csv, header: no, bom: yes}", numbered));
    each(formats, shipped())
}

pub(crate) fn fields() -> Check {
    let syntaxes = [
        "{kind: fields, open: '[{name}]', close: '[/{name}]'}",
        "{kind: fields, open: '{name}: ', blank-line: yes, line-break: ' '}",
        "{kind: fields, open: '{name}='}",
        "{kind: fields, open: '<<{name}>> ', charset: vni}",
        "{kind: fields, open: '{name}=', close: ';'}",
    ];
    let mut formats = flat(&syntaxes);
    formats.extend(shipped_of("fields"));
    each(formats, shipped())
}

/// A description and its pages: what compiles reads and writes any content, and has all its pages.
pub(crate) fn description() -> Check {
    let natives =
        ["<edXML><a>1</a></edXML>", "{\"a\":[{\"b\":1}]}", "a;b\n1;2\n", "a: 1\n[b]2[/b]\n"];
    Box::new(move |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let expanded = expand_profile(&text, FormatRegistry::shipped_texts());
        let expanded = match expanded {
            Some(Err(mistakes)) => return refused(&mistakes).map(|it| format!("profile {it}")),
            Some(Ok(expanded)) => expanded.description,
            None => text.into_owned(),
        };
        let (format, mistakes) = Format::check(&expanded);
        let Some(format) = format else { return refused(&mistakes) };
        let inventory = format.inventory();
        let pages = (inventory.uncarried(), inventory.known_losses());
        let _page = format!("{pages:?} {}", grammar_page::complete_example(&expanded).len());
        for native in natives {
            read_and_write(&format, native.as_bytes())?;
        }
        Ok(format!("compiles {}", codes_of(&mistakes)))
    })
}

/// The outcome of a description that is refused.
fn refused(mistakes: &[SourceMistake]) -> Outcome {
    let is_told = !mistakes.is_empty();
    if is_told { Ok(codes_of(mistakes)) } else { Err("refused without a mistake".to_owned()) }
}

fn codes_of(mistakes: &[SourceMistake]) -> String {
    let codes: BTreeSet<&str> = mistakes.iter().map(|it| it.code.code).collect();
    codes.into_iter().collect::<Vec<_>>().join(" ")
}

pub(crate) fn canonical_json() -> Check {
    let format = shipped_of("canonical-json").remove(0);
    Box::new(move |bytes| read_and_write(&format, bytes))
}

/// A file: a letter before its first line break, then the bytes (in base64) or the base64 itself, under
/// a name that goes round.
pub(crate) fn content() -> Check {
    let registry = shipped();
    let edxml = registry.get("edxml.document").unwrap();
    let packet = PACKET.to_owned();
    let names = ["a.pdf", "a.zip", "a.docx", "a", "a.xml", "a.PDF.zip"];
    let format = Format::compile(
        FormatRegistry::shipped_texts().find(|it| it.contains("format: edxml.document\n")).unwrap(),
    );
    debug_assert_eq!(edxml.name(), "edxml.document");
    let format = format.unwrap();
    Box::new(move |bytes| {
        let name = names.get(bytes.len() % names.len()).copied().unwrap_or_default();
        let is_text = bytes.first() == Some(&b'=');
        let base64 = match is_text {
            true => {
                let letters = bytes.iter().skip(1).filter(|it| it.is_ascii_graphic());
                let letters = letters.filter(|it| !b"<&>".contains(it));
                letters.map(|it| char::from(*it)).collect()
            }
            false => base64_simd::STANDARD.encode_to_string(bytes),
        };
        let native = packet.replace("a.pdf", name).replace("JVBERi0xLjQ=", &base64);
        let outcome = read_and_write(&format, native.as_bytes())?;
        if !is_text && name == "a.zip" && outcome.contains("read") {
            let mut files = MemoryBlobs::default();
            let read = format.decode(native.as_bytes(), &[], &mut files);
            let is_whole = files.files().values().any(|it| it == bytes);
            if read.is_ok() && !is_whole {
                return Err("a file named .zip is not what was sent".to_owned());
            }
        }
        Ok(outcome)
    })
}

const PACKET: &str = include_str!("../../../fuzz/packet.xml");

/// Lines that become the values of many converters.
pub(crate) fn values() -> Check {
    const RULES: &str = "
fields:
  - {at: a, to: id}
  - {at: b, to: subject, max: 20}
  - {at: c, to: issued, as: date dd/MM/yyyy | yyyy-MM-dd}
  - {at: d, to: due, as: date exactly yyyyMMdd}
  - {at: e, to: 'trace[0].at', as: time yyyy/MM/dd HH:mm:ss}
  - {at: f, to: pages, as: whole}
  - {at: g, to: urgency, as: code urgency}
  - {at: h, to: type, as: code type}
  - {at: i, to: directive, as: yes-no Có Không}
  - {at: j, to: 'sender.ids[0]', as: org-id}
  - {at: k, to: number, pattern: '{number}/{notation} | {number}-{notation}', where: {number: 0-9}, whole: printed}
  - {at: l, to: places, as: list ;}
  - {at: m, to: note, as: 'affix GC:'}
  - {at: n, to: 'extras[t.n]', as: extra}
lists:
  urgency: {rows: {'01': NORMAL, '02': URGENT}, near: {FLASH: '02'}}
  type: {list: document-type, open: yes, rows: {CV: cong-van}}
";
    let format = compile("{kind: json, records: \"\"}", RULES);
    Box::new(move |bytes| -> Outcome {
        let text = String::from_utf8_lossy(bytes);
        // Each line is every value in turn, so that a line finds the converter that it is for.
        let mut outcome = String::new();
        for line in text.split('\n').take(4) {
            let keys = ('a'..='n').map(|it| (it.to_string(), json!(line)));
            let record: serde_json::Map<_, _> = keys.collect();
            outcome += &read_and_write(&format, json!(record).to_string().as_bytes())?;
        }
        Ok(outcome)
    })
}
