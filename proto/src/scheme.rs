//! Grammars of the code schemes of organisations: QCVN 102:2016 with Amendment 1:2022, and Decision
//! 20/2020/QĐ-TTg. `OrganisationId.scheme` and `OrganisationCode.scheme` hold their names.

/// Name of the first scheme whose grammar the code follows; `local` for any other code.
pub fn scheme_of(code: &str) -> &'static str {
    ["centre", "qcvn102", "z", "qd20", "enterprise"]
        .into_iter()
        .find(|it| fits(it, code))
        .unwrap_or("local")
}

/// True for the name of a scheme.
pub fn is_scheme(scheme: &str) -> bool {
    ["qd20", "qcvn102", "enterprise", "z", "centre", "local"].contains(&scheme)
}

/// True when the code follows the scheme's grammar.
pub fn fits(scheme: &str, code: &str) -> bool {
    let groups: Vec<&str> = code.split('.').collect();
    match scheme {
        // QCVN 102:2016: V1V2V3.Z1Z2.Y1Y2.MX1X2, thirteen characters.
        "qcvn102" => {
            groups.len() == 4
                && [3, 2, 2]
                    .iter()
                    .zip(&groups)
                    .all(|(size, it)| it.len() == *size && is_digits(it))
                && is_letter_and_two_digits(groups[3], 'A'..='Z')
        }
        // Decision 20/2020, Article 4: level 1 first, at most 35 characters.
        "qd20" => {
            code.len() <= 35
                && groups.first().is_some_and(|it| is_letter_and_two_digits(it, 'A'..='Y'))
                && groups
                    .iter()
                    .skip(1)
                    .all(|it| !it.is_empty() && it.bytes().all(is_digit_or_capital))
        }
        // Decision 20/2020, Article 6: Z, two digits, up to 32 more characters without a separator.
        "z" => {
            code.len() <= 35
                && code.get(..3).is_some_and(|it| is_letter_and_two_digits(it, 'Z'..='Z'))
                && code.bytes().skip(3).all(is_digit_or_capital)
        }
        // Decision 20/2020, Article 5: the business registration number; codes with a prefix of
        // two digits occur in practice.
        "enterprise" => (10..=14).contains(&code.len()) && is_digits(code),
        "centre" => groups.len() == 3 && groups[2] == "W00",
        "local" => !code.is_empty() && code.len() <= 100 && !code.contains(char::is_whitespace),
        _ => false,
    }
}

fn is_digit_or_capital(byte: u8) -> bool {
    byte.is_ascii_digit() || byte.is_ascii_uppercase()
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit())
}

/// True for one of the letters followed by two digits.
fn is_letter_and_two_digits(text: &str, letters: std::ops::RangeInclusive<char>) -> bool {
    text.len() == 3
        && text.chars().next().is_some_and(|it| letters.contains(&it))
        && text.get(1..).is_some_and(is_digits)
}
