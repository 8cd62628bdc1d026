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
