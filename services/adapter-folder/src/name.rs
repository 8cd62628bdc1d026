//! Names of files that are safe on the disks of our users, whatever a sender wrote.

use std::collections::HashSet;

/// Longest name in bytes; file systems end at 255, and a number may have to be added.
const NAME_BYTES_MAX: usize = 200;

/// What a file without a usable name is called.
const NAMELESS: &str = "tep-dinh-kem";

/// Names that Windows keeps for devices, with any extension.
const DEVICES: [&str; 22] = [
    "CON", "PRN", "AUX", "NUL", "COM1", "COM2", "COM3", "COM4", "COM5", "COM6", "COM7", "COM8",
    "COM9", "LPT1", "LPT2", "LPT3", "LPT4", "LPT5", "LPT6", "LPT7", "LPT8", "LPT9",
];

/// Gives each file of one message a name of its own.
#[derive(Debug, Default)]
pub(crate) struct Names(HashSet<String>);

impl Names {
    /// A safe name near the wanted one, different from all given before, in any case of letters.
    pub(crate) fn give(&mut self, wanted: &str) -> String {
        let name = safe(wanted);
        let mut given = name.clone();
        let mut number = 1_u32;
        while !self.0.insert(given.to_lowercase()) {
            number += 1;
            given = numbered(&name, number);
        }
        given
    }
}

/// `a.pdf` with 2 is `a (2).pdf`.
pub(crate) fn numbered(name: &str, number: u32) -> String {
    match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => format!("{stem} ({number}).{extension}"),
        _ => format!("{name} ({number})"),
    }
}

/// The last part of a path, without what a file system or a screen could take for something else.
fn safe(wanted: &str) -> String {
    let last = wanted.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain: String = last.chars().filter(|it| !is_invisible(*it)).collect();
    let plain = plain.replace(['<', '>', ':', '"', '|', '?', '*'], "_");
    let plain = plain.trim_matches(|it: char| it == '.' || it.is_whitespace());
    if plain.is_empty() {
        return NAMELESS.to_owned();
    }
    let stem = plain.split('.').next().unwrap_or_default().trim_end();
    let is_device = DEVICES.iter().any(|it| it.eq_ignore_ascii_case(stem));
    shortened(&if is_device { format!("_{plain}") } else { plain.to_owned() })
}

/// Control characters, and marks that turn the direction of writing: they hide an extension.
fn is_invisible(it: char) -> bool {
    it.is_control()
        || matches!(it, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Cuts a long name in the middle, so that its extension stays.
pub(crate) fn shortened(name: &str) -> String {
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
    let kept = stem.get(..end).unwrap_or_default();
    format!("{}{extension}", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_becomes_an_ordinary_one() {
        let cases = [
            ("Công văn 45.pdf", "Công văn 45.pdf"),
            ("../../etc/passwd", "passwd"),
            ("..\\..\\windows\\system.ini", "system.ini"),
            ("/tuyệt đối.doc", "tuyệt đối.doc"),
            ("", NAMELESS),
            ("..", NAMELESS),
            (" . ", NAMELESS),
            ("con.pdf", "_con.pdf"),
            ("a:b|c?.txt", "a_b_c_.txt"),
            ("dòng\n1\0.pdf", "dòng1.pdf"),
            ("lật\u{202e}fdp.exe", "lậtfdp.exe"),
            (".ẩn", "ẩn"),
        ];
        for (wanted, expected) in cases {
            assert_eq!(safe(wanted), expected, "{wanted:?}");
        }
    }

    #[test]
    fn a_long_name_keeps_its_extension() {
        let name = safe(&format!("{}.pdf", "ả".repeat(300)));
        assert!(name.len() <= NAME_BYTES_MAX && name.ends_with(".pdf"), "{name}");
        assert!(safe(&"x".repeat(1_000)).len() <= NAME_BYTES_MAX);
    }

    #[test]
    fn two_files_of_one_name_get_two_names() {
        let mut names = Names::default();
        let given =
            ["a.pdf", "A.PDF", "x/a.pdf", "không đuôi", "không đuôi"].map(|it| names.give(it));
        assert_eq!(
            given,
            ["a.pdf", "A (2).PDF", "a (3).pdf", "không đuôi", "không đuôi (2)"].map(str::to_owned)
        );
    }
}
