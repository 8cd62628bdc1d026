//! The forms of keys and days, beside the contract's grammars of codes.

pub(crate) use proto::scheme::{fits, is_scheme, scheme_of};

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit())
}

/// True for a directory key or an application id: lower-case ASCII letters, digits, dashes.
pub(crate) fn is_key(key: &str) -> bool {
    (1..=60).contains(&key.len())
        && key.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-')
        && !key.starts_with('-')
        && !key.ends_with('-')
}

/// True for a real day, `yyyy-mm-dd`.
pub(crate) fn is_day(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts[..] else { return false };
    if (year.len(), month.len(), day.len()) != (4, 2, 2) || !parts.iter().all(|it| digits(it)) {
        return false;
    }
    let number = |it: &str| it.parse::<u32>().unwrap_or_default();
    let (year, month, day) = (number(year), number(month), number(day));
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        _ => 0,
    };
    year > 0 && (1..=last).contains(&day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_seen_in_the_wild_find_their_scheme() {
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
    fn only_real_days_are_days() {
        assert!(is_day("2024-02-29"));
        for wrong in ["2023-02-29", "2024-13-01", "2024-1-01", "0000-01-01", "01-01-2024", ""] {
            assert!(!is_day(wrong), "{wrong}");
        }
    }
}
