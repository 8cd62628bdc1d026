//! The syllables that Vietnamese spelling permits: onset, nucleus with one tone, coda.
//!
//! A computed set and no list of words: it holds every syllable that a name or a new word may have, and
//! few of the letter sequences that arise when bytes are taken for another charset.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::LazyLock;

use crate::letter::{is_vowel, lower, split_tone};

/// Onsets, the longest first. `gi` and `qu` are looked at apart.
const ONSETS: [&str; 24] = [
    "ngh", "ng", "nh", "ch", "gh", "kh", "ph", "th", "tr", "b", "c", "d", "đ", "g", "h", "k", "l",
    "m", "n", "p", "r", "s", "t", "v",
];

/// Rimes without tones.
const RIMES: &str = "a ac ach ai am an ang anh ao ap at au ay ăc ăm ăn ăng ăp ăt âc âm ân âng âp ât âu ây \
    e ec em en eng eo ep et ê êch êm ên ênh êp êt êu i ia ich im in inh ip it iu iêc iêm iên iêng iêp iêt iêu \
    y o oc oi om on ong op ot oa oac oach oai oam oan oang oanh oao oap oat oay oăc oăm oăn oăng oăt \
    oe oem oen oeo oet oong ooc ô ôc ôi ôm ôn ông ôp ôt ơ ơi ơm ơn ơp ơt u ua uc ui um un ung up ut \
    uân uâng uât uây uê uêch uênh uên uôc uôi uôm uôn uông uôt uơ uy uya uych uynh uyt uyn uyp uyu uyên uyêt \
    ư ưa ưc ưi ưn ưng ưt ưu ươc ươi ươm ươn ương ươp ươt ươu";

/// Rimes that only stand without an onset.
const BARE_RIMES: [&str; 5] = ["yêm", "yên", "yêng", "yêt", "yêu"];

static RIME_SET: LazyLock<HashSet<&str>> = LazyLock::new(|| RIMES.split_whitespace().collect());

/// Onsets before a lone `y`.
const ONSETS_OF_Y: [&str; 10] = ["", "h", "k", "l", "m", "n", "s", "t", "th", "v"];

/// True for a word that is one syllable of Vietnamese in NFC, in any case.
pub fn is_syllable(word: &str) -> bool {
    let mut plain = String::with_capacity(word.len());
    let mut tone = None;
    for (index, letter) in word.chars().enumerate() {
        let (letter, mark) = split_tone(lower(letter));
        plain.push(letter);
        match (mark, tone) {
            (Some(mark), None) => tone = Some((index, mark)),
            (Some(_), Some(_)) => return false,
            (None, _) => {}
        }
        if index > 7 {
            return false;
        }
    }
    !plain.is_empty() && splits(&plain).any(|(onset, rime)| is_spelled(&plain, onset, rime, tone))
}

/// Every way to cut a syllable into an onset and a rime.
fn splits(plain: &str) -> impl Iterator<Item = (&str, &str)> {
    let special = ["gi", "qu", "x"].into_iter();
    let onsets = special.chain(ONSETS).chain([""]);
    onsets.filter_map(|it| Some((plain.get(..it.len())?, plain.strip_prefix(it)?)))
}

fn is_spelled(plain: &str, onset: &str, rime: &str, tone: Option<(usize, char)>) -> bool {
    let full = match onset {
        // The `i` of `gi` is written once before ê: giếng; the `u` of `qu` once before y: quyết.
        "gi" if rime.starts_with('ê') => Cow::Owned(format!("i{rime}")),
        "qu" if rime.starts_with('y') => Cow::Owned(format!("u{rime}")),
        "qu" if rime.starts_with(['u', 'ư', 'o']) => return false,
        _ => Cow::Borrowed(rime),
    };
    let is_bare = onset.is_empty() && BARE_RIMES.contains(&rime);
    if !is_bare && !RIME_SET.contains(full.as_ref()) {
        return false;
    }
    let first = rime.chars().next().unwrap_or_default();
    let is_front = matches!(first, 'e' | 'ê' | 'i' | 'y');
    let agrees = match onset {
        "c" | "g" | "ng" => !is_front || onset == "g" && first == 'i',
        "k" | "gh" | "ngh" => is_front,
        _ => true,
    };
    if !agrees || rime == "y" && onset != "qu" && !ONSETS_OF_Y.contains(&onset) {
        return false;
    }
    has_fitting_tone(plain, onset, rime, tone)
}

/// True when the tone stands on the vowel on which it is written, and the coda permits it: before a
/// stop there are only the acute and the dot.
fn has_fitting_tone(plain: &str, onset: &str, rime: &str, tone: Option<(usize, char)>) -> bool {
    let is_stop = ["c", "ch", "p", "t"].iter().any(|it| rime.ends_with(it));
    let Some((index, mark)) = tone else { return !is_stop };
    if is_stop && !matches!(mark, '\u{301}' | '\u{323}') {
        return false;
    }
    let begin = onset.chars().count();
    let vowels: Vec<char> = rime.chars().take_while(|it| is_vowel(*it)).collect();
    if index < begin || index >= begin + vowels.len() {
        // In `gì` and `gìn` the `i` is the nucleus, and the cut `g`, `i…` finds it.
        return false;
    }
    let at = index - begin;
    let shaped = vowels.iter().rposition(|it| "ăâêôơư".contains(*it));
    let has_coda = rime.chars().count() > vowels.len();
    match (shaped, vowels.len()) {
        (Some(shaped), _) => at == shaped,
        (None, 1) => true,
        (None, 2) if has_coda => at == 1,
        (None, 2) => at == 0 || ["oa", "oe", "uy"].iter().any(|it| plain.ends_with(it)),
        (None, _) => at == 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syllables_of_texts_and_names_are_known() {
        let text = "Ủy ban nhân dân tỉnh về việc triển khai thực hiện nghị quyết của Hội đồng quý giếng gì gìn \
            giữ khuỷu khoẻ khỏe hoà hòa thuỷ thủy ngoằn ngoèo nghiêng ghế kỹ quốc quyết quỳnh huýt tuya yêu \
            yến người được mười rượu lưu khuya xoong oanh uyên ương ý ạ ở Mỹ Thy Vỹ giặt giũ già xuất luật \
            thuở quở quen que quanh oạch huơ chuột buồm giêng giết";
        for word in text.split_whitespace() {
            assert!(is_syllable(word), "{word}");
            assert!(is_syllable(&word.to_uppercase()), "{word}");
        }
    }

    #[test]
    fn other_words_are_none() {
        let text = "für naïve café Häagen message đợc nớc phơng hoaf viêc cac húôt ngie cê kà ghà abc \
            Müller résumé tèi héi béi viêt xyz à̀ qưa mẫt hổc";
        for word in text.split_whitespace() {
            assert!(!is_syllable(word), "{word}");
        }
        assert!(!is_syllable(""));
        assert!(!is_syllable(&"nghiêng".repeat(1000)));
    }
}
