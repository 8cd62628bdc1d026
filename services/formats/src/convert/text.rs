//! Normal form of texts: what the model stores, and what a format may write.

use std::borrow::Cow;

use unicode_normalization::{UnicodeNormalization as _, is_nfc};

use crate::convert::error::ConvertError;

/// The text as the model stores it: NFC, trimmed, without control characters but line feed.
///
/// The two checks in front let ASCII and composed Vietnamese pass without the tables of
/// normalisation; most texts end there.
pub(crate) fn normalize_text(text: &str) -> Result<Cow<'_, str>, ConvertError> {
    let text = text.trim();
    if text.bytes().all(|it| matches!(it, b' '..=b'~')) {
        return Ok(Cow::Borrowed(text));
    }
    if text.chars().all(|it| is_composed(it) && !it.is_control()) {
        return Ok(Cow::Borrowed(text));
    }
    if text.chars().any(|it| it.is_control() && !['\n', '\r', '\t'].contains(&it)) {
        return Err(ConvertError::new("có ký tự điều khiển", "holds a control character"));
    }
    let text = if is_nfc(text) { Cow::Borrowed(text) } else { Cow::Owned(text.nfc().collect()) };
    Ok(if text.contains('\r') {
        Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        text
    })
}

/// A text without the characters that XML 1.0 forbids; none when nothing but white space is left.
pub(crate) fn writable_text(text: Cow<'_, str>) -> Option<Cow<'_, str>> {
    let is_forbidden = |it: char| {
        (it.is_control() && !['\n', '\r', '\t'].contains(&it))
            || ['\u{fffe}', '\u{ffff}'].contains(&it)
    };
    // In UTF-8 every forbidden character begins with one of these bytes.
    let may_contain = text.bytes().any(|it| matches!(it, ..0x20 | 0x7f | 0xc2 | 0xef));
    let text = if may_contain && text.contains(is_forbidden) {
        Cow::Owned(text.replace(is_forbidden, ""))
    } else {
        text
    };
    (!text.trim().is_empty()).then_some(text)
}

/// True for characters that NFC leaves alone and that combine with no neighbour: Latin letters
/// including all of Vietnamese, and common punctuation.
fn is_composed(letter: char) -> bool {
    matches!(letter, ..'\u{300}' | '\u{1e00}'..='\u{1eff}' | '\u{2010}'..='\u{2027}')
}

#[cfg(test)]
mod tests {
    use unicode_normalization::{IsNormalized, is_nfc_quick};

    use super::*;

    #[test]
    fn characters_treated_as_composed_are_unchanged_by_nfc() {
        for letter in ('\0'..='\u{ffff}').filter(|it| is_composed(*it)) {
            let quick = is_nfc_quick([letter].into_iter());
            assert!(matches!(quick, IsNormalized::Yes), "{:x}", u32::from(letter));
            let class = unicode_normalization::char::canonical_combining_class(letter);
            assert_eq!(class, 0, "{:x}", u32::from(letter));
        }
    }

    #[test]
    fn a_text_is_copied_only_when_it_changes() {
        let is_same = |it: &str| matches!(normalize_text(it), Ok(Cow::Borrowed(_)));
        assert!(is_same(" A99.1 ") && is_same("Ủy ban Mặt trận Tổ quốc – “đỏ”") && is_same("a\nb"));
        let normalized = |it: &'static str| normalize_text(it).map(Cow::into_owned).ok();
        assert_eq!(normalized("a\r\nb\rc").as_deref(), Some("a\nb\nc"));
        assert_eq!(normalized("e\u{301}\u{323}").as_deref(), Some("ẹ\u{301}"));
        for refused in ["a\u{1}b", "a\u{85}b", "a\u{7f}"] {
            assert_eq!(normalized(refused), None);
        }
    }
}
