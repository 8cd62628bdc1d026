//! A necessary condition for a mark, in one pass and without an allocation, because nearly every
//! text of every message is an ordinary one.

/// False when the text cannot bear a mark: it has only the letters of Vietnamese and English and
/// common punctuation, and no `m`, `a`, `t` in this order, whatever stands between them.
pub(crate) fn may_bear_mark(text: &str) -> bool {
    let mut found = 0;
    let mut is_lead = false;
    text.chars().any(|it| {
        // Two characters may be the bytes of one that was encoded twice.
        let was_lead = std::mem::replace(&mut is_lead, ('\u{c2}'..='\u{f4}').contains(&it));
        found = match (classify(it), found) {
            // Behind `ma`, keys and signs may stand for diacritics, and `?` behind `m` for a lost
            // letter.
            (Class::Unusual, _)
            | (Class::Lost, 1 | 2)
            | (Class::LikeT | Class::LikeA | Class::Sign, 2) => return true,
            (Class::Quote, _) if was_lead => return true,
            (Class::LikeM, _) => 1,
            (Class::LikeA, 1) => 2,
            (Class::Sign | Class::Lost | Class::Quote | Class::Separator, _) => found,
            (Class::LikeA | Class::LikeT | Class::Letter, _) => 0,
        };
        false
    })
}

enum Class {
    /// `n` too, because `rn` looks like `m`.
    LikeM,
    LikeA,
    LikeT,
    Letter,
    Separator,
    /// A sign or letter that may stand for a diacritic.
    Sign,
    /// What programs write for a letter that they have lost.
    Lost,
    /// Common punctuation that is a byte above 0x7f in windows-1252.
    Quote,
    Unusual,
}

fn classify(it: char) -> Class {
    match it {
        'm' | 'M' | 'n' | 'N' => Class::LikeM,
        'a' | 'A' | 'â' | 'Â' | 'ạ' | 'Ạ' | 'ậ' | 'Ậ' | '4' | '@' => Class::LikeA,
        't' | 'T' | '7' => Class::LikeT,
        '^' | '.' | '5' | '6' | 'j' | 'J' | 'ò' | 'Ò' => Class::Sign,
        '?' => Class::Lost,
        '&' | '%' | '\\' | '=' | '<' => Class::Unusual,
        'b'..='z'
        | 'B'..='Z'
        | 'À'
        | 'Á'
        | 'Ã'
        | 'È'..='Ê'
        | 'Ì'
        | 'Í'
        | 'Ó'..='Õ'
        | 'Ù'
        | 'Ú'
        | 'Ý'
        | 'à'
        | 'á'
        | 'ã'
        | 'è'..='ê'
        | 'ì'
        | 'í'
        | 'ó'..='õ'
        | 'ù'
        | 'ú'
        | 'ý'
        | 'ă'
        | 'Ă'
        | 'đ'
        | 'Đ'
        | 'ĩ'
        | 'Ĩ'
        | 'ũ'
        | 'Ũ'
        | 'ơ'
        | 'Ơ'
        | 'ư'
        | 'Ư'
        | '\u{1ea0}'..='\u{1ef9}' => Class::Letter,
        ' '..='~' | '\t' | '\n' | '\r' => Class::Separator,
        '“' | '”' | '‘' | '’' | '–' | '—' | '…' | '•' => Class::Quote,
        _ => Class::Unusual,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_texts_cannot_bear_a_mark() {
        for text in [
            "Về việc tổ chức Ngày hội Đại đoàn kết – “năm 2026”",
            "MẶT TRẬN TỔ QUỐC, mất, mắt",
            "45/CV-VPTU",
            "",
        ] {
            assert!(!may_bear_mark(text), "{text}");
        }
        for text in ["mật", "M-Ậ-T", "ma^.t", "&#109;", "ΜΑΤ", "m\u{200b}", "maÄt", "rnật", "M4T"]
        {
            assert!(may_bear_mark(text), "{text}");
        }
    }
}
