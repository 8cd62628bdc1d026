//! Numbers and codes of digits that are written in another way than the format does.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::convert::error::ReadNote;

/// The row that a code of digits means when every row has the same number of digits: leading zeros do
/// not tell such codes apart. `1`, `3.0` and `003` are `01`, `03` and `03`; full-width digits count as
/// digits.
pub(super) fn row_of_digits<'l>(
    text: &str,
    rows: &'l BTreeMap<String, String>,
) -> Option<(&'l str, &'l str)> {
    let length = rows.keys().next()?.len();
    let is_of_digits = |it: &str| it.len() == length && it.bytes().all(|it| it.is_ascii_digit());
    if length == 0 || !rows.keys().all(|it| is_of_digits(it)) {
        return None;
    }
    let digits = integer_digits(text)?;
    let digits = digits.trim_start_matches('0');
    let (row, value) = rows.get_key_value(&format!("{digits:0>length$}"))?;
    Some((row, value))
}

/// The digits of a whole number that may be written with a fraction of one or two zeros, as
/// spreadsheets and JSON write it, or in full width. Three zeros may be thousands.
pub(super) fn integer_digits(text: &str) -> Option<String> {
    let text = match text.split_once(['.', ',']) {
        Some((whole, "0" | "00")) => whole,
        Some(_) => return None,
        None => text,
    };
    let digit = |it: char| match it {
        '0'..='9' => Some(it),
        '\u{ff10}'..='\u{ff19}' => char::from_digit(u32::from(it) - 0xff10, 10),
        _ => None,
    };
    let digits: Option<String> = text.chars().map(digit).collect();
    digits.filter(|it| (1..=18).contains(&it.len()))
}

/// The text with its letters of full width as those of ASCII.
pub(super) fn narrowed(text: &str) -> Cow<'_, str> {
    let narrow = |it: char| match it {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(it) - 0xfee0).unwrap_or(it),
        other => other,
    };
    if text.contains(|it| narrow(it) != it) {
        return Cow::Owned(text.chars().map(narrow).collect());
    }
    Cow::Borrowed(text)
}

/// The finding that a text was read as another one.
pub(super) fn read_as(other: &str) -> ReadNote {
    ReadNote {
        code: "LT-MAP-050",
        vi: Cow::Owned(format!("được đọc là `{other}`")),
        en: Cow::Owned(format!("is read as `{other}`")),
        is_partial: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_digits_are_known_without_their_zeros_and_never_collide() {
        let rows = |keys: &[&str]| -> BTreeMap<String, String> {
            keys.iter().map(|it| ((*it).to_owned(), format!("row {it}"))).collect()
        };
        let status = rows(&["01", "02", "03", "13"]);
        let read = |text: &str| row_of_digits(text, &status).map(|(row, _)| row);
        for (text, row) in [
            ("1", "01"),
            ("3.0", "03"),
            ("3,00", "03"),
            ("003", "03"),
            ("0000000013", "13"),
            ("\u{ff10}\u{ff13}", "03"),
        ] {
            assert_eq!(read(text), Some(row), "{text}");
        }
        for other in
            ["", "0", "4", "1.5", "3.000", "-1", "+1", "1e0", "x1", "1 ", "130", "٣", "1.0.0"]
        {
            assert_eq!(read(other), None, "{other}");
        }
        for mixed in [rows(&["1", "02"]), rows(&["1", "x"]), rows(&[]), rows(&[""])] {
            assert_eq!(row_of_digits("01", &mixed), None, "{mixed:?}");
        }
        // Every row is still itself, so no spelling reaches two rows.
        for row in status.keys() {
            assert_eq!(read(row), Some(row.as_str()));
        }
    }
}
