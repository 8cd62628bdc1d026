//! The parsers of foreign bytes, each with what its syntax is made of.

use std::collections::BTreeSet;
use std::fs;

use formats::NameMatch;
use legacy_text::Charset;

use crate::formats_targets as of_formats;
use crate::target::{Check, Target};

/// Every parser of foreign bytes.
pub(crate) const TARGETS: &[Target] = &[
    Target {
        name: "xml",
        prepare: of_formats::xml,
        cases: &["native.xml"],
        words: &[
            "<a>",
            "</a>",
            "<a/>",
            "<![CDATA[",
            "]]>",
            "<!--",
            "-->",
            "<?x?>",
            "&amp;",
            "&#x0;",
            "&#13;",
            "&x;",
            "<!DOCTYPE a [",
            " xmlns=\"\"",
            " xmlns:p=\"urn:x\"",
            " xsi:nil=\"true\"",
            "<p:",
            "<?xml version=\"1.0\" encoding=\"utf-16\"?>",
            "<edXMLEnvelope>",
            " a=\"",
            "'",
        ],
    },
    Target {
        name: "json",
        prepare: of_formats::json,
        cases: &["native.json"],
        words: &[
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"",
            "\\u0000",
            "\\ud83d\\ude42",
            "\\ud800",
            "1.0",
            "-0",
            "1E400",
            "{\"a\":",
            "[[[[[[[[",
            "\"\":",
            "\"value\":[",
            "\\\"",
            "/*",
            "\u{feff}",
        ],
    },
    Target {
        name: "csv",
        prepare: of_formats::csv,
        cases: &[],
        words: &[
            ";", ",", "\t", "\"", "\"\"", "\r\n", "\n", "\r", "sep=;\n", "=1+1", "'=1", "'", "@",
            "-1",
        ],
    },
    Target {
        name: "fields",
        prepare: of_formats::fields,
        cases: &["native.txt"],
        words: &[
            "[", "]", "[/", "[a]", "[/a]", ": ", ":", "=", "\n\n", "\r\n", "[Số]", "[/Số]", "Số: ",
        ],
    },
    Target {
        name: "description",
        prepare: of_formats::description,
        cases: &["description.yaml"],
        words: &[
            "{",
            "}",
            "[",
            "]",
            ": ",
            "- ",
            "\"",
            "'",
            "&a ",
            "*a",
            "|",
            ">",
            "!!str ",
            "<<: ",
            "\t",
            "#",
            "---\n",
            "at: ",
            "to: ",
            "each: ",
            "use: ",
            "fields:\n",
            "as: date dd/MM/yyyy",
            "as: code a",
            "pattern: '{number}/{notation}'",
            "when: {has: id}",
            "ids[0]",
            "[role=MAIN]",
            "extras[a.b]",
            "read-only: yes",
            "need: both",
            "max: 99999999999999999999",
            "of: edxml.document",
        ],
    },
    Target {
        name: "canonical-json",
        prepare: of_formats::canonical_json,
        cases: &["canonical.json"],
        words: &[
            "{\"document\":{",
            "\"attachments\":[{",
            "\"leftovers\":[{",
            "\"issued\":{\"year\":2026}",
            "\"data\":\"",
            "\"ref\":\"sha256:",
            "\"issued\":\"2026-02-30\"",
            "\"kind\":99",
            "[]",
            "{}",
            "\"extras\":[",
            "null",
            "\"trace\":[{\"at\":\"2026-01-01T00:00:00Z\"}]",
        ],
    },
    Target {
        name: "content",
        prepare: of_formats::content,
        cases: &[],
        words: &[
            "PK\u{3}\u{4}",
            "PK\u{1}\u{2}",
            "PK\u{5}\u{6}",
            "PK\u{6}\u{7}",
            "%PDF-1.4",
            "../",
            "a.zip",
            "<html>",
            "\u{8}\0",
            "\0\0\0\0",
            "BM",
        ],
    },
    Target {
        name: "values",
        prepare: of_formats::values,
        cases: &[],
        words: &[
            "\n",
            "/",
            "-",
            ".",
            ":",
            "T",
            "Z",
            "+07:00",
            "2026",
            "20/11/2026",
            "29/02/2024",
            "12:30:00",
            "24:00:00",
            "CH",
            "PM",
            "0001-01-01",
            "9999-12-31",
            "1970",
            "45000",
            "ngày 2 tháng 9 năm 2026",
            "０１",
            "1.00",
            "45/CV-TU",
            "Có",
            "không",
            ";",
            "application/pdf; q=1",
        ],
    },
    Target {
        name: "charset",
        prepare: charset,
        cases: &["native.xml", "native.json"],
        words: &[
            "<?xml version=\"1.0\" encoding=\"windows-1258\"?>",
            "encoding=\"TCVN3\"",
            "encoding='utf-16'",
            "encoding=\"iso-2022-jp\"",
            "\u{feff}",
            "a\0b\0",
            "\0a\0b",
        ],
    },
    Target {
        name: "legacy-text",
        prepare: legacy_text,
        cases: &[],
        words: &[
            "Céng hoµ x· héi",
            "Coäng hoøa",
            "VÄƒn báº£n",
            "e\u{302}\u{301}",
            "o\u{31b}\u{323}",
            "Ã¢",
            "µ",
            "°C",
            "Bé Néi vô",
            "tröôøng",
            "ª",
            "®",
        ],
    },
    Target {
        name: "file-names",
        prepare: file_names,
        cases: &[],
        words: &[
            "\n",
            "/",
            "\\",
            "..",
            "C:",
            "%20",
            "%2e%2e",
            "?a=1",
            "#",
            ".pdf",
            ".PDF.exe",
            "COM1",
            " ",
            ".",
            "=?UTF-8?B?YQ==?=",
            "cid:",
        ],
    },
    Target {
        name: "secrecy",
        prepare: secrecy,
        cases: &[],
        words: &[
            "MẬT",
            "TỐI MẬT",
            "tuyệt mật",
            "DoMat",
            "/MT-",
            "m.ậ.t",
            "ｍậｔ",
            "ma\u{323}\u{302}t",
            "0",
            "1",
            "không mật",
            "Thường",
            "\n",
        ],
    },
    Target {
        name: "registry",
        prepare: registry_yaml,
        cases: &[],
        words: &[
            "{",
            "}",
            "[",
            "]",
            ": ",
            "- ",
            "\"",
            "&a ",
            "*a",
            "organisations:",
            "applications:",
            "codes: [",
            "key: ",
            "token-sha256: ",
            "formats:",
            "valid-from: 2026-02-30",
            "---\n",
            "!!binary ",
        ],
    },
];

/// The target of a name.
pub(crate) fn find_target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|it| it.name == name)
}

/// Bytes of unknown charset: readable somehow, and read by each charset as it writes them.
fn charset() -> Check {
    Box::new(|bytes| {
        let text = formats::readable_text(bytes);
        if text.len() > 8 * bytes.len() + 16 {
            return Err(format!("{} bytes became {}", bytes.len(), text.len()));
        }
        let mut outcome = format!("{}", text.is_empty());
        for it in Charset::ALL {
            let Ok(text) = it.decode(bytes) else {
                outcome += &format!(" {}: no", it.name());
                continue;
            };
            let written = it.encode(&text);
            let again = it.decode(&written.bytes);
            if written.lost.is_empty() && again.as_ref() != Ok(&text) {
                return Err(format!("{}: {text:?} is read again as {again:?}", it.name()));
            }
            outcome += &format!(" {}: {}", it.name(), written.lost.is_empty());
        }
        Ok(outcome)
    })
}

/// Texts in old charsets: what is converted is ordinary afterwards.
fn legacy_text() -> Check {
    Box::new(|bytes| {
        let text = String::from_utf8_lossy(bytes);
        let Some(reading) = legacy_text::read(&text) else { return Ok("ordinary".to_owned()) };
        let steps: Vec<_> = reading.steps.iter().map(|it| it.spelling.names().1).collect();
        let Some(converted) = reading.text else {
            return Ok(format!("unclear {:?}", reading.unclear.map(|it| it.spelling.names().1)));
        };
        if converted.len() > 4 * text.len() + 16 {
            return Err(format!("{} bytes became {}", text.len(), converted.len()));
        }
        let again = legacy_text::read(&converted).and_then(|it| it.text);
        let is_settled = again.as_ref().is_none_or(|it| *it == converted);
        Ok(format!("{steps:?} {is_settled}"))
    })
}

/// References and the names of uploads, one a line.
fn file_names() -> Check {
    Box::new(|bytes| {
        let text = String::from_utf8_lossy(bytes);
        let mut lines = text.split('\n');
        let reference = lines.next().unwrap_or_default();
        let names: Vec<&str> = lines.take(50).collect();
        match formats::match_file_name(reference, &names) {
            NameMatch::One(index) if names.get(index).is_none() => Err(format!("no name {index}")),
            NameMatch::None if names.contains(&reference) => {
                Err("the same name is none".to_owned())
            }
            found @ (NameMatch::One(_) | NameMatch::None | NameMatch::Several) => {
                Ok(format!("{found:?}"))
            }
        }
    })
}

/// Texts, names and numbers that may be secrecy marks.
fn secrecy() -> Check {
    Box::new(|bytes| {
        let text = String::from_utf8_lossy(bytes);
        let (name, value) = text.split_once('\n').unwrap_or(("DoMat", &text));
        let found = [
            secrecy_marks::find_in_text(value).is_some(),
            secrecy_marks::find_in_name(name).is_some(),
            secrecy_marks::find_in_number(value).is_some(),
            secrecy_marks::find_in_file_name(value).is_some(),
            secrecy_marks::find_in_field([name], value, false).is_some(),
            secrecy_marks::means_no_secrecy(value),
        ];
        Ok(format!("{found:?}"))
    })
}

/// A file of the registry's folder.
fn registry_yaml() -> Check {
    let folder = tempfile::tempdir().unwrap();
    Box::new(move |bytes| {
        fs::write(folder.path().join("registry.yaml"), bytes).unwrap();
        match registry::check(folder.path(), None) {
            Ok(_) => Ok("read".to_owned()),
            Err(mistakes) if mistakes.is_empty() => Err("refused without a mistake".to_owned()),
            Err(mistakes) => {
                let codes: BTreeSet<&str> =
                    mistakes.iter().map(|it| it.fault.code.as_str()).collect();
                Ok(format!("{codes:?}"))
            }
        }
    })
}
