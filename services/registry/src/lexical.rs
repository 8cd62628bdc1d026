//! The lexical forms of keys, days and digests. Forms of organisation codes are in `proto::scheme`.

use jiff::civil::Date;

/// Longest key, bytes: a channel's name is made of it, and must stay readable in the broker.
const KEY_BYTES_MAX: usize = 60;

/// True for a directory key or an application id: lower-case ASCII letters, digits and inner
/// dashes.
pub(crate) fn is_key(text: &str) -> bool {
    (1..=KEY_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// True for a day of the calendar from year 1 on, written `yyyy-mm-dd`.
pub(crate) fn is_day(text: &str) -> bool {
    // `jiff` reads other forms too; only this one orders as text.
    text.parse::<Date>().is_ok_and(|it| it.year() > 0 && it.to_string() == text)
}

/// True for a SHA-256 digest in lower-case hexadecimal digits.
pub(crate) fn is_sha256_hex(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|it| it.is_ascii_digit() || (b'a'..=b'f').contains(&it))
}

/// True for a text that some reader of YAML, of version 1.1 or 1.2, takes for something else when it
/// stands without quotes: a number, a day, a time, a truth value, nothing, a merge key.
pub(crate) fn is_ambiguous(text: &str) -> bool {
    const WORDS: [&str; 17] = [
        "y", "n", "yes", "no", "on", "off", "true", "false", "null", "~", "=", "<<", ".inf",
        "+.inf", "-.inf", ".nan", "",
    ];
    let lower = text.to_ascii_lowercase();
    if WORDS.contains(&lower.as_str()) {
        return true;
    }
    let is_number_like = |it: &str| {
        it.bytes().any(|it| it.is_ascii_digit())
            && it.bytes().all(|it| it.is_ascii_digit() || b"+-._:/,".contains(&it))
    };
    let has_exponent = lower.split_once('e').is_some_and(|(mantissa, exponent)| {
        let exponent = exponent.trim_start_matches(['+', '-']);
        is_number_like(mantissa)
            && !exponent.is_empty()
            && exponent.bytes().all(|it| it.is_ascii_digit() || it == b'_')
    });
    let unsigned = lower.trim_start_matches(['+', '-']);
    let has_base = ["0x", "0o", "0b"].iter().any(|base| {
        let digits = unsigned.strip_prefix(base).unwrap_or_default();
        !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_hexdigit() || it == b'_')
    });
    is_number_like(&lower) || has_exponent || has_base || is_timestamp(&lower)
}

/// True for a day that is followed by a time.
fn is_timestamp(lower: &str) -> bool {
    let Some((day, time)) = lower.split_once(['t', ' ']) else { return false };
    let is_part = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit());
    day.split('-').count() == 3
        && day.split('-').all(is_part)
        && time.trim_start().starts_with(|it: char| it.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proto::scheme::scheme_of;

    use super::*;

    #[test]
    fn codes_in_use_have_the_scheme_of_their_form() {
        for (code, scheme) in [
            ("000.00.00.H38", "qcvn102"),
            ("H38.12", "qd20"),
            ("A99.1", "qd20"),
            ("Z01ABC", "z"),
            ("020100107370", "enterprise"),
            ("00.38.W00", "centre"),
            ("vxp.saas.03", "local"),
            ("28.22.H17", "local"),
        ] {
            assert_eq!(scheme_of(code), scheme, "{code}");
        }
    }

    #[test]
    fn what_yaml_may_take_for_something_else_is_ambiguous() {
        for text in [
            "020100107370",
            "1.10",
            "1_000",
            "1e5",
            "12E+3",
            "0x1F",
            "0o17",
            "0b11",
            "+5",
            "-0",
            "yes",
            "NO",
            "On",
            "off",
            "y",
            "N",
            "true",
            "False",
            "null",
            "Null",
            "~",
            "12:30",
            "190:20:30",
            "25-12-2025",
            "25/12/2025",
            "2025-12-25",
            "2001-12-14t21:59:43.10-05:00",
            "2001-12-14 21:59:43",
            ".inf",
            "-.INF",
            ".NaN",
            "<<",
            "=",
            "1,000",
            "000.00.01",
            ".5",
        ] {
            assert!(is_ambiguous(text), "{text}");
        }
        for text in [
            "A99.1",
            "000.00.01.H38",
            "tinhuy",
            "no-1",
            "yes-2",
            "00.38.W00",
            "vxp.saas.03",
            "nil",
            "e5",
            "1e5f",
            "0xyz",
            "edxml.document",
            "*",
            "t",
            "2025-12-25-vb",
            "Ủy ban",
        ] {
            assert!(!is_ambiguous(text), "{text}");
        }
    }

    #[test]
    fn only_days_of_the_calendar_are_days() {
        assert!(is_day("2024-02-29"));
        for wrong in [
            "2023-02-29",
            "2024-13-01",
            "2024-1-01",
            "0000-01-01",
            "01-01-2024",
            "",
            "20240229",
            "2024-02-29T00:00:00",
            "+002024-02-29",
            " 2024-02-29",
        ] {
            assert!(!is_day(wrong), "{wrong}");
        }
    }
}
