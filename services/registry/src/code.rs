//! The grammars of organisation codes (QCVN 102:2016 and its amendment; Decision 20/2020).

/// Which grammar a code follows; none: it follows no grammar, and is a local code.
pub(crate) fn scheme_of(code: &str) -> &'static str {
    ["centre", "qcvn102", "z", "qd20", "enterprise"]
        .into_iter()
        .find(|it| fits(it, code))
        .unwrap_or("local")
}

/// True for a scheme the registry knows.
pub(crate) fn is_scheme(scheme: &str) -> bool {
    ["qd20", "qcvn102", "enterprise", "z", "centre", "local"].contains(&scheme)
}

/// True when the code follows the scheme's grammar.
pub(crate) fn fits(scheme: &str, code: &str) -> bool {
    let groups: Vec<&str> = code.split('.').collect();
    match scheme {
        // V1V2V3.Z1Z2.Y1Y2.MX1X2, thirteen characters.
        "qcvn102" => {
            groups.len() == 4
                && [3, 2, 2].iter().zip(&groups).all(|(size, it)| it.len() == *size && digits(it))
                && lettered(groups[3], 'A'..='Z')
        }
        // Article 4: level 1 first, at most 35 characters.
        "qd20" => {
            code.len() <= 35
                && groups.first().is_some_and(|it| lettered(it, 'A'..='Y'))
                && groups.iter().skip(1).all(|it| !it.is_empty() && it.bytes().all(capital))
        }
        // Article 6: Z, two digits, up to 32 more without a separator.
        "z" => {
            code.len() <= 35
                && code.get(..3).is_some_and(|it| lettered(it, 'Z'..='Z'))
                && code.bytes().skip(3).all(capital)
        }
        // Article 5: the registered code; a prefix of two digits is seen in practice.
        "enterprise" => (10..=14).contains(&code.len()) && digits(code),
        "centre" => groups.len() == 3 && groups[2] == "W00",
        "local" => !code.is_empty() && code.len() <= 100 && !code.contains(char::is_whitespace),
        _ => false,
    }
}

fn capital(byte: u8) -> bool {
    byte.is_ascii_digit() || byte.is_ascii_uppercase()
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit())
}

fn lettered(text: &str, letters: std::ops::RangeInclusive<char>) -> bool {
    text.len() == 3
        && text.chars().next().is_some_and(|it| letters.contains(&it))
        && text.get(1..).is_some_and(digits)
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
