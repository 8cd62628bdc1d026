//! Texts as the model holds them.

use std::borrow::Cow;

use unicode_normalization::{UnicodeNormalization as _, is_nfc};

use super::{Unreadable, unreadable};

/// NFC, trimmed, without control characters but line feed.
pub(crate) fn clean(text: &str) -> Result<Cow<'_, str>, Unreadable> {
    let text = text.trim();
    if text.bytes().all(|it| matches!(it, b' '..=b'~')) {
        return Ok(Cow::Borrowed(text));
    }
    if text.chars().all(|it| is_alone(it) && !it.is_control()) {
        return Ok(Cow::Borrowed(text));
    }
    if text.chars().any(|it| it.is_control() && !['\n', '\r', '\t'].contains(&it)) {
        return Err(unreadable("có ký tự điều khiển", "holds a control character"));
    }
    let text = if is_nfc(text) { Cow::Borrowed(text) } else { Cow::Owned(text.nfc().collect()) };
    Ok(if text.contains('\r') {
        Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        text
    })
}

/// True for letters that are composed and join with nothing: those of Vietnamese are.
fn is_alone(letter: char) -> bool {
    matches!(letter, ..'\u{300}' | '\u{1e00}'..='\u{1eff}' | '\u{2010}'..='\u{2027}')
}

#[cfg(test)]
mod tests {
    use unicode_normalization::{IsNormalized, is_nfc_quick};

    use super::*;

    #[test]
    fn letters_that_are_taken_for_composed_are() {
        for letter in ('\0'..='\u{ffff}').filter(|it| is_alone(*it)) {
            let quick = is_nfc_quick([letter].into_iter());
            assert!(matches!(quick, IsNormalized::Yes), "{:x}", u32::from(letter));
            let class = unicode_normalization::char::canonical_combining_class(letter);
            assert_eq!(class, 0, "{:x}", u32::from(letter));
        }
    }

    #[test]
    fn a_text_is_copied_only_where_it_changes() {
        let is_same = |it: &str| matches!(clean(it), Ok(Cow::Borrowed(_)));
        assert!(is_same(" A99.1 ") && is_same("Ủy ban Mặt trận Tổ quốc – “đỏ”") && is_same("a\nb"));
        let clean = |it: &'static str| clean(it).map(Cow::into_owned).ok();
        assert_eq!(clean("a\r\nb\rc").as_deref(), Some("a\nb\nc"));
        assert_eq!(clean("e\u{301}\u{323}").as_deref(), Some("ẹ\u{301}"));
        assert_eq!((clean("a\u{1}b"), clean("a\u{85}b"), clean("a\u{7f}")), (None, None, None));
    }
}
