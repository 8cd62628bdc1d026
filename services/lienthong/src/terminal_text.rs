//! Texts as a terminal may show them.

use name_folding::{is_invisible, spell_out_invisible};

/// A text in one row, in which characters that a terminal acts on or that nobody sees are spelled
/// out: control and format characters, marks of writing direction, line feeds. `ESC` reads
/// `[U+001B]`. Spaces of other widths become plain ones.
///
/// Every text of a sender, a vendor or another machine reaches a terminal through this function: as
/// it is, it could move the cursor, hide what stands before it, or forge a line of this program.
pub(crate) fn printable(text: &str) -> String {
    let is_wide_space =
        |it: char| it.is_whitespace() && !it.is_control() && !matches!(it, '\u{2028}' | '\u{2029}');
    let plain: String = text.chars().map(|it| if is_wide_space(it) { ' ' } else { it }).collect();
    spell_out_invisible(&plain)
}

/// A JSON text in which the same characters are JSON's own escapes, so that it parses to the same
/// value. Line feeds between the tokens stay.
pub(crate) fn escape_json(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter == '\n' || !is_invisible(letter) {
            escaped.push(letter);
        } else {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_acts_on_is_spelled_out_in_one_row() {
        for (text, expected) in [
            ("Về việc 45-CV/TU (Đợt 2) – “ẩn”", "Về việc 45-CV/TU (Đợt 2) – “ẩn”"),
            ("\u{1b}[2J\u{1b}[31mĐÃ XÓA\u{1b}[0m", "[U+001B][2J[U+001B][31mĐÃ XÓA[U+001B][0m"),
            ("A\n{\"level\":\"ERROR\"}", "A[U+000A]{\"level\":\"ERROR\"}"),
            ("a\r\tb\u{7f}\u{9b}31m", "a[U+000D][U+0009]b[U+007F][U+009B]31m"),
            ("45\u{202e}gnod\u{2066}", "45[U+202E]gnod[U+2066]"),
            ("a\u{2028}b\u{85}c\u{200b}d\u{feff}", "a[U+2028]b[U+0085]c[U+200B]d[U+FEFF]"),
            ("công\u{a0}văn\u{3000}số", "công văn số"),
            ("Tie\u{302}\u{301}ng", "Tie\u{302}\u{301}ng"),
        ] {
            assert_eq!(printable(text), expected);
        }
    }

    #[test]
    fn json_for_a_terminal_parses_to_the_same_value() {
        let value =
            serde_json::json!({ "a": "\u{1b}[2J \u{202e}x\u{9b}\u{e0041}\n", "b": ["đ\u{feff}"] });
        let text = escape_json(&format!("{value:#}"));
        assert!(text.chars().all(|it| it == '\n' || !is_invisible(it)), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }
}
