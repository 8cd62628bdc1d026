//! Glyphs: what a reader sees of a character. Invisible characters are nothing, compatibility and
//! look-alike letters are the Latin letter that they look like, and of the combining marks only
//! those of Vietnamese count.

use std::collections::HashMap;
use std::sync::LazyLock;

use unicode_normalization::char::{decompose_compatible, is_combining_mark};

/// Diacritics as bits, so that the set of a word is one number.
pub(crate) const GRAVE: u16 = 1;
pub(crate) const ACUTE: u16 = 1 << 1;
pub(crate) const CIRCUMFLEX: u16 = 1 << 2;
pub(crate) const TILDE: u16 = 1 << 3;
pub(crate) const BREVE: u16 = 1 << 4;
pub(crate) const HOOK: u16 = 1 << 5;
pub(crate) const HORN: u16 = 1 << 6;
pub(crate) const DOT: u16 = 1 << 7;
/// The bar of `đ`, which has no decomposition in Unicode.
pub(crate) const STROKE: u16 = 1 << 8;

/// A letter without its diacritics.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Letter {
    /// In lower case; a Latin letter where it looks like one.
    pub(crate) letter: char,
    pub(crate) diacritics: u16,
    pub(crate) is_upper: bool,
    /// The character is not the one that a keyboard writes for this letter.
    pub(crate) is_disguised: bool,
    /// It stood apart from the other letters of its word.
    pub(crate) is_apart: bool,
}

/// What a reader sees of a character, or of a part of its decomposition.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Glyph {
    Letter(Letter),
    /// A diacritic of the letter before it.
    Diacritic(u16),
    /// A digit, a space, punctuation or a symbol.
    Other(char),
}

/// Calls `visit` for each glyph of a character; for an invisible one not at all.
pub(crate) fn fold_char(it: char, visit: &mut impl FnMut(Glyph)) {
    if it.is_ascii() {
        return visit_plain(it, false, visit);
    }
    if is_invisible(it) {
        return;
    }
    let (plain, is_enclosed) = match enclosed_letter(it) {
        Some(letter) => (letter, true),
        None => (it, false),
    };
    // Vietnamese letters lie below U+0250 and in Latin Extended Additional.
    let is_foreign = is_enclosed || !matches!(plain, ..'\u{250}' | '\u{1e00}'..='\u{1eff}');
    if look_alike(plain).is_some() {
        return visit_plain(plain, is_foreign, visit);
    }
    decompose_compatible(plain, |part| {
        if !is_combining_mark(part) {
            visit_plain(part, is_foreign && part != plain || is_enclosed, visit);
        } else if let Some(bit) = diacritic_bit(part) {
            visit(Glyph::Diacritic(bit));
        }
    });
}

fn visit_plain(it: char, is_disguised: bool, visit: &mut impl FnMut(Glyph)) {
    if it.is_ascii_control() && !matches!(it, '\t' | '\n' | '\r') {
        return;
    }
    let (plain, is_look_alike) = match look_alike(it) {
        Some(plain) => (plain, true),
        None => (it, false),
    };
    if !plain.is_alphabetic() {
        return visit(Glyph::Other(plain));
    }
    let is_stroked = matches!(it, 'đ' | 'Đ' | 'ð' | 'Ð' | 'ɖ' | 'Ɖ');
    let mut lower = plain.to_lowercase();
    visit(Glyph::Letter(Letter {
        letter: lower.next().unwrap_or(plain),
        diacritics: if is_stroked { STROKE } else { 0 },
        is_upper: plain.is_uppercase(),
        is_disguised: is_disguised || is_look_alike && !is_stroked,
        is_apart: false,
    }));
}

fn diacritic_bit(mark: char) -> Option<u16> {
    Some(match mark {
        '\u{300}' => GRAVE,
        '\u{301}' => ACUTE,
        '\u{302}' => CIRCUMFLEX,
        '\u{303}' => TILDE,
        '\u{306}' => BREVE,
        '\u{309}' => HOOK,
        '\u{31b}' => HORN,
        '\u{323}' => DOT,
        _ => return None,
    })
}

/// True for characters that show nothing: the default ignorable code points of Unicode (zero-width,
/// soft hyphen, direction marks, variation selectors, tags, fillers), C1 controls and annotations.
pub(crate) fn is_invisible(it: char) -> bool {
    matches!(it,
        '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}'
        | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// The letter in a circle, square, parenthesis or flag. Unicode decomposes some of them with their
/// parentheses, and others not at all.
fn enclosed_letter(it: char) -> Option<char> {
    let (first, alphabet) = match it {
        '\u{249c}'..='\u{24b5}' => ('\u{249c}', 'a'),
        '\u{1f110}'..='\u{1f129}' => ('\u{1f110}', 'A'),
        '\u{1f130}'..='\u{1f149}' => ('\u{1f130}', 'A'),
        '\u{1f150}'..='\u{1f169}' => ('\u{1f150}', 'A'),
        '\u{1f170}'..='\u{1f189}' => ('\u{1f170}', 'A'),
        '\u{1f1e6}'..='\u{1f1ff}' => ('\u{1f1e6}', 'A'),
        _ => return None,
    };
    let offset = u32::from(it) - u32::from(first);
    char::from_u32(u32::from(alphabet) + offset)
}

/// The Latin letter that a letter looks like, in the same case.
fn look_alike(it: char) -> Option<char> {
    static LATIN: LazyLock<HashMap<char, char>> = LazyLock::new(|| {
        let pairs = |it: &(char, &'static str)| {
            let latin = it.0;
            it.1.chars().map(move |it| (it, latin))
        };
        LOOK_ALIKES.iter().flat_map(pairs).collect()
    });
    let is_vietnamese = matches!(it, ..'\u{c0}' | '\u{1ea0}'..='\u{1ef9}' | '\u{300}'..='\u{323}');
    if is_vietnamese { None } else { LATIN.get(&it).copied() }
}

/// Latin letters, and characters of other alphabets that look like them: Cyrillic, Greek, Armenian,
/// Cherokee, Lisu, Coptic, small capitals, stroked and phonetic Latin letters.
const LOOK_ALIKES: [(char, &str); 50] = [
    ('A', "АΑᎪꓮⲀΛДɅ∀ᗅᗩȺⱭ₳𐌀∆△"),
    ('a', "аαɑⲁᴀⱥɐλʌ"),
    ('B', "ВΒᏴꓐⲂɃ"),
    ('b', "Ььƀ"),
    ('C', "СϹᏟꓚⲤ"),
    ('c', "сϲⲥᴄς"),
    ('D', "ĐÐƉᎠꓓɗԀƊ"),
    ('d', "đðɖᴅԁ"),
    ('E', "ЕΕᎬꓰⲈЄƎԐɆ"),
    ('e', "еεⲉᴇєɇɛəԑ"),
    ('G', "ᏀꓖԌ"),
    ('g', "ɡɢց"),
    ('H', "НΗᎻꓧⲎҺҢ"),
    ('h', "һհʜħң"),
    ('I', "ІΙӀᎥꓲⲒƗ"),
    ('i', "іιıɪⲓɩɨӏ"),
    ('J', "ЈͿᎫꓙ"),
    ('j', "јϳյᴊ"),
    ('K', "КΚᏦꓗⲔҚ"),
    ('k', "кκⲕᴋқ"),
    ('L', "ᏞꓡԼⳐ"),
    ('l', "ʟł"),
    ('M', "МΜᎷꓟⲘӍϺᗰⱮ₥ᛖ𐌌"),
    ('m', "мμⲙᴍɱӎ"),
    ('N', "ΝꓠⲚ"),
    ('n', "ոηɴпⲛ"),
    ('O', "ОΟՕꓳⲞØƟѲӨ〇𐌏"),
    ('o', "оοօⲟᴏøɵσѳө"),
    ('P', "РΡᏢꓑⲢ"),
    ('p', "рρⲣᴘ"),
    ('Q', "Ԛ"),
    ('q', "ԛզ"),
    ('R', "ᎡꓣƦ"),
    ('r', "гʀ"),
    ('S', "ЅՏᏚꓢ"),
    ('s', "ѕꜱſ"),
    ('T', "ТΤᎢꓔⲦҬŦƬƮȾ₮丅丁ㄒ𐌕ᛏ"),
    ('t', "тτⲧᴛҭŧƭʈⱦƫ"),
    ('U', "ՍꓴɄ"),
    ('u', "սυʋᴜʉи"),
    ('V', "ѴꓦᏙ"),
    ('v', "ѵνᴠ"),
    ('W', "ԜᎳꓪ"),
    ('w', "ԝωᴡ"),
    ('X', "ХΧꓫⲬ"),
    ('x', "хχⲭ"),
    ('Y', "УҮҰΥꓬⲨᎩƳɎϒ"),
    ('y', "уүұⲩʏγɣƴɏʎ"),
    ('Z', "ΖꓜᏃ"),
    ('z', "ᴢ"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn letters_of(text: &str) -> String {
        let mut glyphs = Vec::new();
        text.chars().for_each(|it| fold_char(it, &mut |glyph| glyphs.push(glyph)));
        let letter = |it: &Glyph| match it {
            Glyph::Letter(it) => Some(it.letter),
            Glyph::Diacritic(_) | Glyph::Other(_) => None,
        };
        glyphs.iter().filter_map(letter).collect()
    }

    #[test]
    fn letters_are_what_they_look_like() {
        for text in [
            "MẬT",
            "ＭẬＴ",
            "МАТ",
            "ΜΑΤ",
            "𝐌𝐀𝐓",
            "ⓂⒶⓉ",
            "🅜🅐🅣",
            "🅼🅰🆃",
            "🇲🇦🇹",
            "⒨⒜⒯",
            "ᴍᴀᴛ",
            "ᵐᵃᵗ",
            "M\u{200b}A\u{ad}T",
            "M\u{336}A\u{20dd}T\u{332}",
            "ᎷᎪᎢ",
            "ꓟꓮꓔ",
            "ⲘⲀⲦ",
            "MΛT",
        ] {
            assert_eq!(letters_of(text), "mat", "{text}");
        }
        assert_eq!(letters_of("độ Đường"), "doduong");
        assert_eq!(letters_of("中文"), "中文");
    }
}
