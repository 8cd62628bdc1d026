//! How strange a word is as Unicode: what it costs to believe that somebody wrote it so.

use crate::letter::is_vietnamese;
use crate::syllable::is_syllable;
use crate::vni;
use crate::word::{Word, is_sign};

/// What a word is as Unicode. Costs are negative logarithms of likelihoods.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Surface {
    pub(crate) kind: SurfaceKind,
    /// The cost of its signs and of its letters' places, apart from what kind it is.
    pub(crate) strangeness: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SurfaceKind {
    /// Signs alone.
    Signs,
    /// ASCII that Vietnamese has without a tone.
    PlainSyllable,
    /// Other ASCII in small letters.
    PlainOther,
    /// An abbreviation or a single letter.
    Abbreviation,
    /// A syllable with letters above ASCII.
    Syllable,
    /// Letters that are no syllable, all of them in Latin-1 or windows-1252.
    Foreign,
    /// Letters that are no syllable, with some that no Western charset has.
    Unicode,
}

/// Weighs a word as Unicode. A quotation mark « or » that is alone in a text is none.
pub(crate) fn weigh_surface(word: &Word<'_>, has_quotes: bool) -> Surface {
    let core = word.core_text();
    let edges = edge_cost(word, has_quotes);
    if core.is_empty() {
        return Surface { kind: SurfaceKind::Signs, strangeness: edges };
    }
    let kind = if core.is_ascii() {
        plain_kind(core)
    } else if is_syllable(core) {
        SurfaceKind::Syllable
    } else if core.chars().all(|it| is_western(it) || is_sign(it)) {
        SurfaceKind::Foreign
    } else {
        SurfaceKind::Unicode
    };
    let inside = match kind {
        SurfaceKind::Foreign | SurfaceKind::Unicode => inside_cost(core),
        SurfaceKind::Syllable if has_odd_case(&core.chars().collect::<Vec<_>>()) => 6.0,
        SurfaceKind::Syllable
        | SurfaceKind::Signs
        | SurfaceKind::PlainSyllable
        | SurfaceKind::PlainOther
        | SurfaceKind::Abbreviation => 0.0,
    };
    Surface { kind, strangeness: edges + inside }
}

fn plain_kind(core: &str) -> SurfaceKind {
    let is_upper = core.bytes().all(|it| it.is_ascii_uppercase());
    match core {
        _ if core.len() == 1 || is_upper => SurfaceKind::Abbreviation,
        _ if is_syllable(core) => SurfaceKind::PlainSyllable,
        _ => SurfaceKind::PlainOther,
    }
}

fn is_western(it: char) -> bool {
    it <= '\u{ff}' || matches!(it, 'Œ' | 'œ' | 'Š' | 'š' | 'Ž' | 'ž' | 'Ÿ' | 'ƒ')
}

/// Units with the prefix micro.
const MICRO_UNITS: [&str; 15] =
    ["m", "g", "s", "l", "L", "A", "V", "F", "W", "H", "C", "M", "mol", "Sv", "Pa"];

/// The cost of signs before and behind the letters.
fn edge_cost(word: &Word<'_>, has_quotes: bool) -> f64 {
    let (before, behind) = word.edges();
    let has_core = !word.core.is_empty();
    if !has_core {
        // A sign that stands alone says little.
        return match word.text.chars().count() {
            1 => 0.5,
            _ => 2.0,
        };
    }
    let is_unit = before == "µ" && MICRO_UNITS.contains(&word.core_text());
    let before = before.chars().map(|it| match it {
        'µ' if is_unit => 0.2,
        '«' | '»' if !has_quotes => 4.0,
        '«' | '»' | '‹' | '›' | '“' | '”' | '„' | '‘' | '’' | '‚' | '–' | '—' | '…' | '•' | '¿'
        | '¡' => 0.2,
        '°' | '€' | '£' | '$' | '¥' | '©' | '·' | '±' | '×' => 1.0,
        '§' | '¶' => 4.0,
        _ => 6.0,
    });
    let behind = behind.chars().map(|it| match it {
        '«' | '»' if !has_quotes => 4.0,
        '«' | '»' | '‹' | '›' | '“' | '”' | '„' | '‘' | '’' | '‚' | '–' | '—' | '…' => {
            0.2
        }
        '°' | '²' | '³' | '¹' | '®' | '™' | '©' | 'º' | 'ª' | '€' | '£' | '¥' => 1.5,
        '½' | '¼' | '¾' | '†' | '‡' | '·' => 3.0,
        '§' => 4.0,
        _ => 6.0,
    });
    before.chain(behind).sum()
}

/// The cost of the places of letters above ASCII in a word that is no syllable.
fn inside_cost(core: &str) -> f64 {
    let letters: Vec<char> = core.chars().collect();
    let signs = letters.iter().filter(|it| is_sign(**it)).count();
    if signs > 0 {
        let is_catalan = signs == 1 && core.contains("l·l");
        return if is_catalan { 1.0 } else { 7.0 };
    }
    let mut cost: f64 = 0.0;
    if has_odd_case(&letters) {
        cost = 6.0;
    }
    for (index, it) in letters.iter().enumerate().filter(|it| !it.1.is_ascii()) {
        let lower = |at: Option<usize>| {
            at.and_then(|it| letters.get(it)).and_then(|it| it.to_lowercase().next())
        };
        let it = it.to_lowercase().next().unwrap_or(*it);
        let (before, next) = (lower(index.checked_sub(1)), lower(Some(index + 1)));
        cost += place_cost(before, it, next);
    }
    cost.min(9.0)
}

/// True when a capital stands behind a small letter, or a small letter above ASCII among capitals.
fn has_odd_case(letters: &[char]) -> bool {
    let is_upper_behind_lower = letters
        .windows(2)
        .any(|it| it[0].is_lowercase() && !it[1].is_ascii() && it[1].is_uppercase());
    let mut ascii = letters.iter().filter(|it| it.is_ascii_alphabetic());
    let are_capitals = ascii.clone().count() >= 2 && ascii.all(char::is_ascii_uppercase);
    let has_small = letters.iter().any(|it| !it.is_ascii() && it.is_lowercase() && *it != 'ß');
    is_upper_behind_lower || are_capitals && has_small
}

/// The cost of a letter between its neighbours, all in small letters, in the languages of Latin-1.
fn place_cost(before: Option<char>, it: char, next: Option<char>) -> f64 {
    let is_vowel = |it: Option<char>| it.is_some_and(is_western_vowel);
    let is_consonant = |it: Option<char>| it.is_some() && !is_vowel(it);
    if let Some(before) = before
        && let Some(cost) = pair_cost(before, it)
    {
        return cost;
    }
    match it {
        'ñ' if (is_vowel(before) || before.is_none()) && is_vowel(next) => 0.0,
        'ñ' | 'ã' if !matches!(next, Some('o' | 'e' | 's') | None) => 2.5,
        'ñ' => 2.5,
        'ß' if is_vowel(before) => 0.0,
        'ß' => 3.0,
        'ç' if is_vowel(next) && !matches!(next, Some('e' | 'i' | 'ê')) => 0.0,
        'ç' => 1.5,
        'ï' | 'ë' if is_consonant(before) || before.is_none() => 2.0,
        'ù' if next.is_some() => 2.0,
        'î' if !is_consonant(next) => 2.0,
        'û' | 'ô' | 'â' | 'ê' if !is_consonant(next) && next != Some('e') => 1.0,
        'ð' | 'đ' if before.is_none() && is_vowel(next) => 4.0,
        'ý' | 'þ' | 'ð' => 1.0,
        _ => 0.0,
    }
}

fn is_western_vowel(it: char) -> bool {
    "aeiouyàáâãäåæèéêëìíîïòóôõöøùúûüýÿœ".contains(it)
}

/// Vowels and characters of VNI behind them that languages of Latin-1 have as well.
const KNOWN_PAIRS: [&str; 28] = [
    "aï", "eï", "oï", "uï", "yï", "où", "oû", "eû", "aû", "aü", "oü", "aé", "aë", "oá", "oà", "oã",
    "eá", "eã", "aú", "eä", "uä", "oä", "uü", "où", "aù", "uå", "oå", "eé",
];

/// The cost of two vowels that no language of Latin-1 has beside each other.
fn pair_cost(before: char, it: char) -> Option<f64> {
    let pair: String = [before, it].iter().collect();
    if vni::is_pair(before, it) && !KNOWN_PAIRS.contains(&pair.as_str()) {
        return Some(6.5);
    }
    // Two letters above ASCII: `créée`, `théâtre`, `tüütu` and `hääl` are words, others are not.
    let are_both_high = !before.is_ascii() && is_western_vowel(before) && is_western_vowel(it);
    let is_french = before == 'é' && matches!(it, 'â' | 'ï' | 'ô');
    let is_umlaut = |it: char| matches!(it, 'ä' | 'ö' | 'ü' | 'õ');
    (are_both_high && before != it && !is_french && !(is_umlaut(before) && is_umlaut(it)))
        .then_some(4.0)
}

/// True for a word that is Vietnamese written with `ð` or `Ð`.
pub(crate) fn has_eth(core: &str) -> bool {
    core.starts_with(['ð', 'Ð', 'ɖ', 'Ɖ']) && core.chars().skip(1).all(is_vietnamese)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::word::split_words;

    fn weigh(text: &str) -> Surface {
        weigh_surface(&split_words(text)[0], text.contains('»'))
    }

    #[test]
    fn words_that_people_write_are_not_strange() {
        for text in [
            "Häagen",
            "naïve",
            "café",
            "Straße",
            "señor",
            "façade",
            "São",
            "où",
            "laïc",
            "Loïc",
            "«Công»",
            "µm",
            "30°C",
            "créée",
            "geändert",
            "Noël",
            "Zürich",
            "aún",
            "Citroën",
            "João",
            "lång",
            "m²",
            "aérien",
            "théâtre",
            "STRAßE",
            "más",
            "À",
            "Đắk",
            "¿Qué",
            "col·legi",
            "chú¹",
        ] {
            assert!(weigh(text).strangeness <= 1.5, "{text} {:?}", weigh(text));
        }
    }

    #[test]
    fn words_of_old_charsets_are() {
        for text in [
            "viÖc", "C«ng", "Coâng", "vaên", "thýì", "viêòc", "CéNG", "x·c", "lµ", "§ång", "Hßa",
            "cña",
        ] {
            assert!(weigh(text).strangeness >= 2.0, "{text} {:?}", weigh(text));
        }
    }
}
