//! Capitals of TCVN3. Its fonts for capitals have the bytes of small letters, so the letters beside
//! them tell the case where they can.

use crate::letter::upper;

/// What the letters of ASCII in a word say about its case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LetterCase {
    /// All capitals: at least two, or one behind a letter above ASCII.
    Upper,
    /// Some small letter.
    Lower,
    /// One capital or no letter: the words beside it tell.
    Open,
}

/// The case of a word as it was written.
pub(crate) fn case_of(word: &str) -> LetterCase {
    let mut capitals = 0;
    let mut has_small_first = false;
    for (index, it) in word.chars().enumerate() {
        match it {
            'a'..='z' => return LetterCase::Lower,
            'A'..='Z' => capitals += if has_small_first { 2 } else { 1 },
            '¡'..='§' => capitals += 1,
            _ => has_small_first |= index == 0 && !it.is_ascii(),
        }
    }
    if capitals >= 2 { LetterCase::Upper } else { LetterCase::Open }
}

/// The decoded word in its own case, or else in that of its neighbours.
pub(crate) fn in_case(word: &str, decoded: &str, is_among_capitals: bool) -> String {
    let is_upper = match case_of(word) {
        LetterCase::Upper => true,
        LetterCase::Lower => false,
        LetterCase::Open => is_among_capitals,
    };
    if is_upper { decoded.chars().map(upper).collect() } else { decoded.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_tell_the_case() {
        for (word, decoded, is_among_capitals, expected) in [
            ("CéNG", "CộNG", false, "CỘNG"),
            ("Céng", "Cộng", true, "Cộng"),
            ("Uû", "Uỷ", false, "Uỷ"),
            ("Uû", "Uỷ", true, "UỶ"),
            ("¸N", "áN", false, "ÁN"),
            ("¸n", "án", true, "án"),
            ("ë", "ở", true, "Ở"),
            ("§¶NG", "ĐảNG", false, "ĐẢNG"),
        ] {
            assert_eq!(in_case(word, decoded, is_among_capitals), expected, "{word}");
        }
    }
}
