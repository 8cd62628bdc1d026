//! The grammars of organisation codes (QCVN 102:2016 and its amendment; Decision 20/2020), which
//! `OrganisationId.scheme` and `OrganisationCode.scheme` name.

/// Which grammar a code follows; none: it follows no grammar, and is a local code.
pub fn scheme_of(code: &str) -> &'static str {
    ["centre", "qcvn102", "z", "qd20", "enterprise"]
        .into_iter()
        .find(|it| fits(it, code))
        .unwrap_or("local")
}

/// True for a scheme the registry knows.
pub fn is_scheme(scheme: &str) -> bool {
    ["qd20", "qcvn102", "enterprise", "z", "centre", "local"].contains(&scheme)
}

/// True when the code follows the scheme's grammar.
pub fn fits(scheme: &str, code: &str) -> bool {
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
