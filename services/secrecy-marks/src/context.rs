//! What the words beside a `mật` say about it: a compound, a name, a kind of document.

use crate::vocabulary::{
    COMPOUND_BEGINNINGS, COMPOUND_ENDS, DISTINCT_FAMILY_NAMES, DOCUMENTS, FAMILY_NAMES, HANDLING,
    MIDDLE_NAMES, PLACES, TITLES,
};
use crate::word::Word;

/// Words before a name that are looked at.
const NAME_WORDS_MAX: usize = 4;

/// True when `mật` is a part of another word: `MẬT ONG`, `mật khẩu`, `bí mật`. In a word in small
/// letters `MẬT` is stressed, and no compound with the word behind it.
pub(crate) fn is_compound(front: &[Word], mat: &Word, rest: &[Word]) -> bool {
    let is_stressed = |other: &Word| mat.is_capitals && !other.is_capitals;
    let has_end = |it: &Word| COMPOUND_ENDS.contains(it) && !is_stressed(it);
    rest.first().is_some_and(has_end)
        || front.last().is_some_and(|it| COMPOUND_BEGINNINGS.contains(it))
            && !is_document(front.len().checked_sub(2), front)
}

/// True when the two words from the index on name a kind of document.
pub(crate) fn is_document(first: Option<usize>, words: &[Word]) -> bool {
    let Some(pair) = first.and_then(|it| words.get(it..it + 2)) else { return false };
    let [one, two] = pair else { return false };
    let is = |it: &&(&str, &str)| it.0 == one.letters && it.1 == two.letters;
    DOCUMENTS.iter().any(|it| is(&it))
}

/// True when the words name a kind of document.
pub(crate) fn has_document(words: &[Word]) -> bool {
    (0..words.len()).any(|it| is_document(Some(it), words))
}

/// True when the words say how documents are handled, as in `quản lý văn bản mật`.
pub(crate) fn has_handling(words: &[Word]) -> bool {
    words
        .windows(2)
        .any(|pair| HANDLING.iter().any(|it| it.0 == pair[0].letters && it.1 == pair[1].letters))
}

/// True when `Mật` is the name of a person: behind a family name, or behind how a person is addressed.
/// Where all is in capitals, a family name counts only with a middle name or a title.
pub(crate) fn is_name_of_person(front: &[Word], mat: &Word, is_all_capitals: bool) -> bool {
    if front.last().is_some_and(|it| TITLES.contains(it)) || has_full_name(front) {
        return true;
    }
    let is_family = |it: &Word| FAMILY_NAMES.contains(&it.letters.as_str());
    if is_all_capitals {
        return match front {
            [.., title, family] => TITLES.contains(title) && is_family(family),
            _ => false,
        };
    }
    // `Y Mật Êban`, `H'Mật Niê`: the first letter says whether it is a man or a woman.
    if front.last().is_some_and(|it| it.is_capital && ["y", "h"].contains(&it.letters.as_str())) {
        return true;
    }
    let is_like_mat = |it: &&Word| it.is_capital && it.is_capitals == mat.is_capitals;
    let length = front.iter().rev().take(NAME_WORDS_MAX).take_while(is_like_mat).count();
    let (before, name) = front.split_at(front.len() - length);
    let is_addressed = !name.is_empty() && before.last().is_some_and(|it| TITLES.contains(it));
    name.first().is_some_and(is_family) || name.get(1).is_some_and(is_family) || is_addressed
}

/// True when the words end with a family name and one or two middle names.
fn has_full_name(front: &[Word]) -> bool {
    if !front.last().is_some_and(|it| it.is_capital) {
        return false;
    }
    let families = FAMILY_NAMES.get(..DISTINCT_FAMILY_NAMES).unwrap_or_default();
    let is_family = |it: &Word| families.contains(&it.letters.as_str());
    let is_middle = |it: &Word| MIDDLE_NAMES.contains(&it.letters.as_str());
    match front {
        [.., family, middle] if is_family(family) && is_middle(middle) => true,
        [.., family, first, second] => is_family(family) && is_middle(first) && is_middle(second),
        _ => false,
    }
}

/// True when `Mật` is the name of a place: `thôn Mật`.
pub(crate) fn is_name_of_place(front: &[Word], mat: &Word, is_all_capitals: bool) -> bool {
    let is_place = |it: &Word| PLACES.contains(&it.letters.as_str());
    !is_all_capitals && !mat.is_capitals && front.last().is_some_and(is_place)
}

/// True for a value of a label that means no secrecy: `Thường`, `Không`, `Bình thường`.
pub(crate) fn is_ordinary_value(words: &[Word]) -> bool {
    let folded: Vec<&str> = words.iter().map(|it| it.letters.as_str()).collect();
    matches!(
        folded.as_slice(),
        ["thuong" | "khong" | "none" | "normal" | "no" | "public", ..]
            | ["binh" | "thong", "thuong", ..]
            | ["cong", "khai", ..]
    )
}
