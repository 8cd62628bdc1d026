//! The spellings of Vietnamese from before Unicode: TCVN3 (ABC) and VNI fonts, whose bytes were taken
//! for Latin-1, VIQR, VISCII, windows-1258, and the keys of Telex and VNI that were not converted.

use unicode_normalization::UnicodeNormalization as _;

/// A way to spell Vietnamese letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Tcvn3,
    Vni,
    Viqr,
    /// Words known by heart: VISCII, windows-1258 and unconverted keys.
    Words,
}

/// `mật` in each scheme, in lower case without its `m`.
const MAT: [(&str, Scheme); 22] = [
    ("ët", Scheme::Tcvn3),
    ("e\u{308}t", Scheme::Tcvn3),
    ("aät", Scheme::Vni),
    ("aa\u{308}t", Scheme::Vni),
    ("aâït", Scheme::Vni),
    ("a^.t", Scheme::Viqr),
    ("a.^t", Scheme::Viqr),
    ("â.t", Scheme::Viqr),
    ("ạ^t", Scheme::Viqr),
    ("a6.t", Scheme::Viqr),
    ("§t", Scheme::Words),
    ("\u{87}t", Scheme::Words),
    ("‡t", Scheme::Words),
    ("âòt", Scheme::Words),
    ("aatj", Scheme::Words),
    ("aajt", Scheme::Words),
    ("ataj", Scheme::Words),
    ("ajat", Scheme::Words),
    ("a65t", Scheme::Words),
    ("a6t5", Scheme::Words),
    ("at65", Scheme::Words),
    ("a56t", Scheme::Words),
];

/// Characters behind an `m` that are compared with [`MAT`].
const WINDOW: usize = 6;

/// The scheme in which the text has the word `mật`; spaces and dashes between letters are passed
/// over.
pub(crate) fn find_scheme(text: &str) -> Option<Scheme> {
    text.char_indices().filter(|(_, it)| matches!(it, 'm' | 'M')).find_map(|(at, _)| {
        let after = text.get(at + 1..).filter(|it| may_begin_mat(it))?;
        let lower = |it: char| it.to_lowercase().next().unwrap_or(it);
        let raw: String = after.chars().take(WINDOW).map(lower).collect();
        let is_gap = |it: &char| it.is_whitespace() || *it == '-';
        let tight: String =
            after.chars().filter(|it| !is_gap(it)).take(WINDOW).map(lower).collect();
        let is_alphabetic = |it: &char| it.is_alphabetic();
        let letters: String = after.chars().filter(is_alphabetic).take(2).map(lower).collect();
        let is_at = |it: &&(&str, Scheme)| {
            raw.starts_with(it.0)
                || tight.starts_with(it.0)
                || it.1 == Scheme::Tcvn3 && letters == it.0
        };
        MAT.iter().find(is_at).map(|it| it.1)
    })
}

/// A necessary condition for [`MAT`], without an allocation.
fn may_begin_mat(after: &str) -> bool {
    let is_gap = |it: &char| it.is_whitespace() || matches!(it, '-' | '.' | '_' | '*' | '/');
    let mut letters = after.chars().filter(|it| !is_gap(it));
    match letters.next() {
        Some('a' | 'A' | 'â' | 'Â' | 'ạ' | 'Ạ') => letters.next().is_some_and(|it| {
            !it.is_alphabetic()
                || matches!(
                    it,
                    'a' | 'A' | 'ä' | 'Ä' | 'â' | 'Â' | 't' | 'T' | 'j' | 'J' | 'ò' | 'Ò'
                )
        }),
        Some('e' | 'E') => matches!(letters.next(), Some('\u{308}')),
        Some('ë' | 'Ë' | '§' | '\u{87}' | '‡') => true,
        _ => false,
    }
}

/// The text in Unicode.
pub(crate) fn decode(text: &str, scheme: Scheme) -> String {
    match scheme {
        Scheme::Tcvn3 => {
            let text: String = text.nfc().collect();
            decode_words(&text, &TCVN3_WORDS, decode_tcvn3_word)
        }
        Scheme::Vni => decode_vni(&text.nfc().collect::<String>()),
        Scheme::Viqr => decode_viqr(text),
        Scheme::Words => decode_words(text, &KNOWN_WORDS, str::to_owned),
    }
}

/// Words about secrecy in each spelling, in lower case.
const KNOWN_WORDS: [(&str, &[&str]); 14] = [
    (
        "mật",
        &[
            "m§t", "m\u{87}t", "m‡t", "mâòt", "maatj", "maajt", "mataj", "majat", "ma65t", "ma6t5",
            "mat65", "ma56t",
        ],
    ),
    (
        "tuyệt",
        &[
            "tuy®t",
            "tuy\u{8e}t",
            "tuyžt",
            "tuyêòt",
            "tuyeetj",
            "tuyeejt",
            "tuyetej",
            "tuye65t",
            "tuye6t5",
            "tuyet65",
            "tuye56t",
        ],
    ),
    ("tối", &["t¯i", "t\u{8f}i", "tôìi", "toois", "toosi", "toios", "to61i", "to6i1", "toi61"]),
    ("độ", &["ðµ", "ðôò", "ddooj", "ddojo", "d9o65", "d9o56", "do659"]),
    ("mức", &["mñc", "mýìc", "muwcs", "muwsc", "mu71c", "muc71"]),
    ("bí", &["bi1", "bis"]),
    ("bảo", &["bäo", "baÒo", "baor", "baro", "ba3o", "bao3"]),
    ("khẩu", &["kh¦u", "khâÒu", "khaaur", "khaaru", "kha63u", "khau63"]),
    ("không", &["khoong", "khongo", "kho6ng", "khong6"]),
    ("giải", &["giäi", "giaÒi", "giair", "giari", "gia3i", "giai3"]),
    ("nhà", &["nhaf", "nha2"]),
    ("nước", &["nß¾c", "nýõìc", "nuwowcs", "nuowcs", "nu7o71c", "nuoc71", "nuo7c1", "nuo71c"]),
    ("văn", &["vån", "vawn", "va8n", "van8"]),
    ("bản", &["bän", "baÒn", "banr", "barn", "ba3n", "ban3"]),
];

/// Words of TCVN3 whose letters a program has changed to the other case as letters of Latin-1.
const TCVN3_WORDS: [(&str, &[&str]); 5] = [
    ("mật", &["mët"]),
    ("tuyệt", &["tuyöt"]),
    ("tối", &["tèi"]),
    ("bí", &["bý"]),
    ("khẩu", &["khèu"]),
];

/// Replaces known words, and decodes the others.
fn decode_words(
    text: &str,
    words: &[(&str, &[&str])],
    decode_other: impl Fn(&str) -> String,
) -> String {
    let mut decoded = String::with_capacity(text.len());
    let is_end = |it: char| it.is_whitespace() || it.is_ascii_punctuation();
    for part in text.split_inclusive(is_end) {
        let word = part.trim_end_matches(is_end);
        let lower = word.to_lowercase();
        let known = words.iter().find(|(_, spellings)| spellings.contains(&lower.as_str()));
        match known {
            Some((plain, _)) => decoded.push_str(&in_case_of(word, plain)),
            None => decoded.push_str(&decode_other(word)),
        }
        decoded.push_str(part.get(word.len()..).unwrap_or_default());
    }
    decoded
}

/// A word with capitals where its spelling has them.
fn in_case_of(spelling: &str, word: &str) -> String {
    let mut letters = spelling.chars().filter(char::is_ascii_alphabetic);
    let is_capital = letters.next().is_some_and(|it| it.is_ascii_uppercase());
    match (is_capital, letters.all(|it| it.is_ascii_uppercase())) {
        (true, true) => word.to_uppercase(),
        (true, false) => {
            let mut rest = word.chars();
            rest.next().into_iter().flat_map(char::to_uppercase).chain(rest).collect()
        }
        _ => word.to_owned(),
    }
}

fn decode_tcvn3_word(word: &str) -> String {
    let letters: Vec<char> = word.chars().collect();
    let mut decoded = String::with_capacity(word.len());
    for (index, it) in letters.iter().enumerate() {
        let Some(plain) = tcvn3_letter(*it) else {
            decoded.push(*it);
            continue;
        };
        // Fonts in capitals have the codes of small letters, so the neighbours tell the case.
        let next = letters.get(index + 1).filter(|it| it.is_alphabetic());
        let beside = next.or_else(|| index.checked_sub(1).and_then(|it| letters.get(it)));
        match beside.is_some_and(char::is_ascii_uppercase) {
            true => decoded.extend(plain.to_uppercase()),
            false => decoded.push(plain),
        }
    }
    decoded
}

fn tcvn3_letter(it: char) -> Option<char> {
    /// The letters of the codes from 0xA1 on; `_` for codes without a letter.
    const LETTERS: &str = "ĂÂÊÔƠƯĐăâêôơưđ______àảãáạ_ằẳẵắ_______ặầẩẫấậè_ẻẽéẹềểễếệìỉ___ĩíịò_ỏõóọồổỗốộờởỡớợù_ủũúụừửữứựỳỷỹýỵ";
    let at = u32::from(it).checked_sub(0xa1)?;
    let letter = LETTERS.chars().nth(usize::try_from(at).ok()?)?;
    (letter != '_').then_some(letter)
}

/// VNI: a letter of Latin-1 behind a vowel stands for its diacritics.
fn decode_vni(text: &str) -> String {
    let mut decoded = String::with_capacity(text.len());
    let mut is_behind_vowel = false;
    for it in text.chars() {
        let lower = it.to_lowercase().next().unwrap_or(it);
        let diacritics = vni_diacritics(lower).filter(|_| is_behind_vowel);
        is_behind_vowel = matches!(lower, 'a' | 'e' | 'o' | 'u' | 'y' | 'ö' | 'ô');
        let plain = match (diacritics, lower) {
            (Some(diacritics), _) => {
                decoded.push_str(diacritics);
                continue;
            }
            (None, 'ñ') => 'đ',
            (None, 'ö') => 'ư',
            (None, 'ô') => 'ơ',
            (None, 'æ') => 'ỉ',
            (None, 'ó') => 'ĩ',
            (None, 'ò') => 'ị',
            (None, 'î') => 'ỵ',
            (None, _) => lower,
        };
        match it == lower {
            true => decoded.push(plain),
            false => decoded.extend(plain.to_uppercase()),
        }
    }
    decoded
}

fn vni_diacritics(it: char) -> Option<&'static str> {
    Some(match it {
        'ø' => "\u{300}",
        'ù' => "\u{301}",
        'û' => "\u{309}",
        'õ' => "\u{303}",
        'ï' => "\u{323}",
        'â' => "\u{302}",
        'à' => "\u{302}\u{300}",
        'á' => "\u{302}\u{301}",
        'å' => "\u{302}\u{309}",
        'ã' => "\u{302}\u{303}",
        'ä' => "\u{302}\u{323}",
        'ê' => "\u{306}",
        'è' => "\u{306}\u{300}",
        'é' => "\u{306}\u{301}",
        'ú' => "\u{306}\u{309}",
        'ü' => "\u{306}\u{303}",
        'ë' => "\u{306}\u{323}",
        _ => return None,
    })
}

/// VIQR: punctuation behind a vowel stands for its diacritics, `dd` for `đ`.
fn decode_viqr(text: &str) -> String {
    let mut decoded = String::with_capacity(text.len());
    let mut is_behind_vowel = false;
    let mut letters = text.chars().peekable();
    while let Some(it) = letters.next() {
        if is_behind_vowel && let Some(diacritic) = viqr_diacritic(it) {
            // At the end of a word these are punctuation.
            let is_inside = letters.peek().is_some_and(|it| it.is_alphanumeric())
                || !matches!(it, '.' | '?' | '\'')
                || decoded.ends_with(['\u{302}', '\u{306}', '\u{31b}']);
            if is_inside {
                decoded.push(diacritic);
                continue;
            }
        }
        is_behind_vowel = "aeiouyAEIOUY".contains(it)
            || matches!(it, 'â' | 'ê' | 'ô' | 'Â' | 'Ê' | 'Ô' | 'ạ' | 'Ạ');
        let is_stroked = matches!((it, letters.peek()), ('d', Some('d')) | ('D', Some('d' | 'D')));
        if is_stroked {
            letters.next();
        }
        decoded.push(match (is_stroked, it) {
            (true, 'D') => 'Đ',
            (true, _) => 'đ',
            (false, it) => it,
        });
    }
    decoded
}

fn viqr_diacritic(it: char) -> Option<char> {
    Some(match it {
        '^' | '6' => '\u{302}',
        '(' => '\u{306}',
        '+' | '*' => '\u{31b}',
        '\'' => '\u{301}',
        '`' => '\u{300}',
        '?' => '\u{309}',
        '~' => '\u{303}',
        '.' => '\u{323}',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_from_before_unicode_are_read() {
        for (text, expected) in [
            ("TUYÖT MËT - KÕ ho¹ch", "TUYỆT MẬT - KẾ hoạch"),
            ("LuËt B¶o vÖ bÝ mËt nhµ n\u{ad}íc", "Luật Bảo vệ bí mật nhà nước"),
            ("tèi mËt, §é mËt", "tối mật, Độ mật"),
            ("TÈI MËT", "TỐI MẬT"),
            ("tuyöt mët", "tuyệt mật"),
            ("TUYEÄT MAÄT - Keá hoaïch", "TUYỆT MẬT - Kế hoạch"),
            ("Luaät Baûo veä bí maät nhaø nöôùc", "Luật Bảo vệ bí mật nhà nước"),
            ("TOÁI MAÄT, ñoä maät", "TỐI MẬT, độ mật"),
            ("TUYE^.T MA^.T", "TUYỆT MẬT"),
            ("to^'i ma^.t. ddo^. ma^.t", "tối mật. độ mật"),
            ("Luật ba?o ve^. bi' ma^.t", "Luật bảo vệ bi' mật"),
            ("TUYEETJ MAATJ", "TUYỆT MẬT"),
            ("Toois maatj", "Tối mật"),
            ("bí ma65t", "bí mật"),
            ("t¯i m§t", "tối mật"),
            ("MÂÒT", "MẬT"),
        ] {
            let scheme = find_scheme(text).unwrap();
            let decoded: String = decode(text, scheme).nfc().collect();
            assert_eq!(decoded, expected, "{text}");
        }
        for plain in ["Mật ong", "MẬT ĐỘ", "mặt trận", "met", "Công văn mã 5, mâm"] {
            assert_eq!(find_scheme(plain), None, "{plain}");
        }
    }
}
