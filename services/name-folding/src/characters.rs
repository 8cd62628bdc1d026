//! Characters that people do not see, or take for others, in codes and keys.

use unicode_normalization::UnicodeNormalization as _;

/// True for a character without ink of its own that no code or key has a use for: control and
/// format characters, every white space but U+0020, fillers, variation selectors and tags.
pub fn is_invisible(letter: char) -> bool {
    letter.is_control()
        || (letter.is_whitespace() && letter != ' ')
        || matches!(letter,
            '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
            | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// A code as it is shown in an error: every character beyond printable ASCII is followed by its
/// number, or replaced by it when it is invisible, so that `A99.2` with a zero-width space behind it
/// reads `A99.2[U+200B]`.
pub fn spell_out(code: &str) -> String {
    let mut shown = String::with_capacity(code.len());
    for letter in code.chars() {
        let number = u32::from(letter);
        if matches!(letter, ' '..='~') {
            shown.push(letter);
        } else if is_invisible(letter) {
            shown.push_str(&format!("[U+{number:04X}]"));
        } else {
            shown.push_str(&format!("{letter}[U+{number:04X}]"));
        }
    }
    shown
}

/// A code as it looks: in compatibility composition (NFKC), without invisible characters and
/// surrounding spaces. It names what a sender meant in an error, and never replaces what was written.
pub fn visible_code(code: &str) -> String {
    let visible: String = code.nfkc().filter(|it| !is_invisible(*it)).collect();
    visible.trim().to_owned()
}

/// A text with its invisible characters replaced by their numbers; every other letter stays.
pub fn spell_out_invisible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_invisible(letter) {
            shown.push_str(&format!("[U+{:04X}]", u32::from(letter)));
        } else {
            shown.push(letter);
        }
    }
    shown
}

/// Names of the characters beyond printable ASCII in a code, Vietnamese and English, each once;
/// `None` for a code without any.
pub fn name_characters(code: &str) -> Option<(String, String)> {
    let mut found: Vec<char> = Vec::new();
    for it in code.chars().filter(|it| !matches!(it, ' '..='~')) {
        if !found.contains(&it) && found.len() < NAMED_MAX {
            found.push(it);
        }
    }
    if found.is_empty() {
        return None;
    }
    let names = |of: fn(char) -> &'static str| {
        let name = |it: &char| format!("U+{:04X} ({})", u32::from(*it), of(*it));
        found.iter().map(name).collect::<Vec<_>>().join(", ")
    };
    Some((names(|it| character_name(it).0), names(|it| character_name(it).1)))
}

/// Characters that one error names.
const NAMED_MAX: usize = 5;

/// The name of a character's kind, Vietnamese and English.
fn character_name(letter: char) -> (&'static str, &'static str) {
    match letter {
        '\u{a0}' | '\u{202f}' => ("dấu cách không ngắt", "no-break space"),
        '\u{200b}' => ("dấu cách không bề rộng", "zero-width space"),
        '\u{200c}' | '\u{200d}' => ("dấu nối không bề rộng", "zero-width joiner"),
        '\u{feff}' => ("dấu thứ tự byte", "byte order mark"),
        '\u{ad}' => ("dấu gạch nối ẩn", "soft hyphen"),
        '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => ("xuống dòng", "line break"),
        '\t' => ("dấu tab", "tab"),
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            ("dấu đổi chiều viết", "mark of writing direction")
        }
        '\u{ff01}'..='\u{ff5e}' => ("chữ toàn độ rộng", "full-width letter"),
        '\u{400}'..='\u{52f}' => ("chữ Kirin", "Cyrillic letter"),
        '\u{370}'..='\u{3ff}' => ("chữ Hy Lạp", "Greek letter"),
        '\u{300}'..='\u{36f}' => ("dấu rời", "combining mark"),
        it if it.is_control() => ("ký tự điều khiển", "control character"),
        it if it.is_whitespace() => ("dấu cách lạ", "unusual space"),
        it if is_invisible(it) => ("ký tự ẩn", "invisible character"),
        _ => ("ký tự ngoài ASCII", "character beyond ASCII"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_shown_with_what_people_do_not_see() {
        let shown = [
            ("A99.2", "A99.2"),
            ("A99.2\u{200b}", "A99.2[U+200B]"),
            ("\u{feff}A99.2", "[U+FEFF]A99.2"),
            ("A99.2\u{a0}", "A99.2[U+00A0]"),
            ("\u{ff21}99.2", "Ａ[U+FF21]99.2"),
            ("\u{410}99.2", "А[U+0410]99.2"),
            ("A99\n.2", "A99[U+000A].2"),
        ];
        for (code, expected) in shown {
            assert_eq!(spell_out(code), expected);
        }
        assert_eq!(spell_out_invisible("số\u{200b} Ａ"), "số[U+200B] Ａ");
        for code in ["A99.2", "\u{feff}A99\u{200b}.2\u{a0}", "\u{ff21}99.2 "] {
            assert_eq!(visible_code(code), "A99.2");
        }
        assert_eq!(name_characters("A99.2"), None);
        let (vi, en) = name_characters("\u{ff21}99.2\u{200b}\u{200b}").unwrap();
        assert_eq!(vi, "U+FF21 (chữ toàn độ rộng), U+200B (dấu cách không bề rộng)");
        assert_eq!(en, "U+FF21 (full-width letter), U+200B (zero-width space)");
    }

    #[test]
    fn vietnamese_letters_and_the_plain_space_are_visible() {
        assert!(!"Công văn số 05-CV/TU (Đợt 2) – “ẩn”".chars().any(is_invisible));
        for it in
            ['\u{200b}', '\u{feff}', '\u{a0}', '\t', '\n', '\u{202e}', '\u{e0041}', '\u{3164}']
        {
            assert!(is_invisible(it), "{:x}", u32::from(it));
        }
    }
}
