//! File names that are safe on Linux and Windows, made from the names that senders chose.

use std::collections::HashSet;

/// Maximum length of a name, bytes. File systems allow 255; the rest is for a number.
const NAME_BYTES_MAX: usize = 200;

/// Name of a file whose own name has no usable character.
const DEFAULT_NAME: &str = "tep-dinh-kem";

/// Device names, which Windows reserves with any extension.
const DEVICES: [&str; 22] = [
    "CON", "PRN", "AUX", "NUL", "COM1", "COM2", "COM3", "COM4", "COM5", "COM6", "COM7", "COM8",
    "COM9", "LPT1", "LPT2", "LPT3", "LPT4", "LPT5", "LPT6", "LPT7", "LPT8", "LPT9",
];

/// Assigns a unique name to each file of one message.
#[derive(Debug, Default)]
pub(crate) struct UniqueNames(HashSet<String>);

impl UniqueNames {
    /// A safe name similar to `requested`, and different from all assigned before, also on a file
    /// system that ignores case.
    pub(crate) fn assign(&mut self, requested: &str) -> String {
        let name = sanitize(requested);
        let mut unique = name.clone();
        let mut number = 1_u32;
        while !self.0.insert(unique.to_lowercase()) {
            number += 1;
            unique = with_number(&name, number);
        }
        unique
    }
}

/// Inserts a number before the extension: `a.pdf` with 2 is `a (2).pdf`.
pub(crate) fn with_number(name: &str, number: u32) -> String {
    match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => format!("{stem} ({number}).{extension}"),
        _ => format!("{name} ({number})"),
    }
}

/// The last component of a path without characters that are special in a file system or invisible.
pub(crate) fn sanitize(requested: &str) -> String {
    let last = requested.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain: String = last.chars().filter(|it| !is_invisible(*it)).collect();
    let plain = plain.replace(['<', '>', ':', '"', '|', '?', '*'], "_");
    let plain = plain.trim();
    // A name that is only an ending keeps it, so that the file still opens.
    let ending = plain.strip_prefix('.').filter(|it| is_ending(it));
    if let Some(ending) = ending {
        return format!("{DEFAULT_NAME}.{ending}");
    }
    let plain = plain.trim_matches(|it: char| it == '.' || it.is_whitespace());
    if plain.is_empty() {
        return DEFAULT_NAME.to_owned();
    }
    let stem = plain.split('.').next().unwrap_or_default().trim_end();
    let is_device = DEVICES.iter().any(|it| it.eq_ignore_ascii_case(stem));
    truncate(&if is_device { format!("_{plain}") } else { plain.to_owned() })
}

/// True for the usual form of an extension without its point.
fn is_ending(text: &str) -> bool {
    (1..=5).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_alphanumeric())
}

/// Control characters, and marks of the writing direction, which can disguise an extension.
fn is_invisible(it: char) -> bool {
    it.is_control()
        || matches!(it, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Truncates a long name before its extension.
pub(crate) fn truncate(name: &str) -> String {
    if name.len() <= NAME_BYTES_MAX {
        return name.to_owned();
    }
    let (stem, extension) = match name.rsplit_once('.') {
        Some((stem, extension)) if extension.len() <= 16 => (stem, format!(".{extension}")),
        _ => (name, String::new()),
    };
    let mut end = NAME_BYTES_MAX - extension.len();
    while !stem.is_char_boundary(end) {
        end -= 1;
    }
    let start = stem.get(..end).unwrap_or_default();
    format!("{}{extension}", start.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unsafe_name_becomes_a_safe_one() {
        let cases = [
            ("Công văn 45.pdf", "Công văn 45.pdf"),
            ("../../etc/passwd", "passwd"),
            ("..\\..\\windows\\system.ini", "system.ini"),
            ("/tuyệt đối.doc", "tuyệt đối.doc"),
            ("", DEFAULT_NAME),
            ("..", DEFAULT_NAME),
            (" . ", DEFAULT_NAME),
            ("con.pdf", "_con.pdf"),
            ("a:b|c?.txt", "a_b_c_.txt"),
            ("dòng\n1\0.pdf", "dòng1.pdf"),
            ("lật\u{202e}fdp.exe", "lậtfdp.exe"),
            (".ẩn", "ẩn"),
            (".pdf", "tep-dinh-kem.pdf"),
            (".cau-hinh", "cau-hinh"),
        ];
        for (requested, expected) in cases {
            assert_eq!(sanitize(requested), expected, "{requested:?}");
        }
    }

    #[test]
    fn a_long_name_keeps_its_extension() {
        let name = sanitize(&format!("{}.pdf", "ả".repeat(300)));
        assert!(name.len() <= NAME_BYTES_MAX && name.ends_with(".pdf"), "{name}");
        assert!(sanitize(&"x".repeat(1_000)).len() <= NAME_BYTES_MAX);
    }

    #[test]
    fn files_of_the_same_name_get_different_names() {
        let mut names = UniqueNames::default();
        let assigned =
            ["a.pdf", "A.PDF", "x/a.pdf", "không đuôi", "không đuôi"].map(|it| names.assign(it));
        assert_eq!(
            assigned,
            ["a.pdf", "A (2).PDF", "a (3).pdf", "không đuôi", "không đuôi (2)"].map(str::to_owned)
        );
    }
}
