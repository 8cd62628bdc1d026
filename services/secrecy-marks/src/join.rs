//! Joins letters that stand apart (`M Ậ T`, `M.Ậ.T`, `TUY ỆT`), and divides words that stand
//! together (`TUYETMAT`), so that a mark is a word of its own.

use crate::glyph::{ACUTE, CIRCUMFLEX, Letter};
use crate::vocabulary::COMPOUND_ENDS;
use crate::word::{MAT_DIACRITICS, Piece};

/// Longest gap between the letters of one word.
const GAP_CHARS_MAX: usize = 3;
/// Words before a mark that decide about it, also where all words stand together.
const WORDS_BEFORE: [&str; 7] = ["tuyet", "toi", "bao", "khong", "giai", "bi", "do"];

/// Joins and divides until marks are words.
pub(crate) fn join_words(pieces: &[Piece]) -> Vec<Piece> {
    join_parts(&join_single_letters(pieces))
        .into_iter()
        .flat_map(|it| match it {
            Piece::Word(letters) => divide_word(letters),
            Piece::Gap(_) => vec![it],
        })
        .collect()
}

/// The letter of a word of one letter.
fn single_letter(piece: Option<&Piece>) -> Option<Letter> {
    match piece {
        Some(Piece::Word(letters)) if letters.len() == 1 => letters.first().copied(),
        _ => None,
    }
}

fn is_small_gap(piece: Option<&Piece>) -> bool {
    let Some(Piece::Gap(gap)) = piece else { return false };
    gap.chars().count() <= GAP_CHARS_MAX && !gap.contains(|it: char| it.is_numeric())
}

/// Joins three or more single letters. The gaps between words are longer than those between letters,
/// or are spaces where those are punctuation.
fn join_single_letters(pieces: &[Piece]) -> Vec<Piece> {
    let mut joined = Vec::with_capacity(pieces.len());
    let mut index = 0;
    while index < pieces.len() {
        let mut last = index;
        while single_letter(pieces.get(last)).is_some()
            && is_small_gap(pieces.get(last + 1))
            && single_letter(pieces.get(last + 2)).is_some()
        {
            last += 2;
        }
        if last >= index + 4 {
            join_run(pieces.get(index..=last).unwrap_or_default(), &mut joined);
        } else {
            joined.extend(pieces.get(index..=last).unwrap_or_default().iter().cloned());
        }
        index = last + 1;
    }
    joined
}

fn join_run(run: &[Piece], joined: &mut Vec<Piece>) {
    let gaps = || {
        run.iter().filter_map(|it| match it {
            Piece::Gap(gap) => Some(gap.as_str()),
            Piece::Word(_) => None,
        })
    };
    let is_blank = |gap: &str| gap.chars().all(char::is_whitespace);
    let shortest = gaps().map(|it| it.chars().count()).min().unwrap_or_default();
    let is_shortest = |gap: &&str| gap.chars().count() == shortest;
    let has_blank = |gap: &str| gap.contains(char::is_whitespace);
    let has_punctuation = gaps().filter(is_shortest).any(|it| !has_blank(it));
    let has_spaces = gaps().filter(is_shortest).any(is_blank);
    let is_boundary = |gap: &str| {
        gap.chars().count() > shortest
            || has_punctuation && has_blank(gap)
            || !has_punctuation && has_spaces && !is_blank(gap)
    };
    let mut word: Vec<Letter> = Vec::new();
    for piece in run {
        match piece {
            Piece::Word(letters) => {
                word.extend(letters.iter().map(|it| Letter { is_apart: true, ..*it }));
            }
            Piece::Gap(gap) if is_boundary(gap) => {
                joined.push(Piece::Word(std::mem::take(&mut word)));
                joined.push(Piece::Gap(gap.clone()));
            }
            Piece::Gap(_) => {}
        }
    }
    joined.push(Piece::Word(word));
}

/// Joins the parts of `mật`, `tuyệt` and `tối` (`M ẬT`, `TUY-ỆT`). Only with all diacritics, because
/// `ma t` may be two words.
fn join_parts(pieces: &[Piece]) -> Vec<Piece> {
    let mut joined = Vec::with_capacity(pieces.len());
    let mut index = 0;
    while let Some(piece) = pieces.get(index) {
        let Some((word, next)) = find_parts(pieces, index) else {
            joined.push(piece.clone());
            index += 1;
            continue;
        };
        joined.push(Piece::Word(word));
        index = next;
    }
    joined
}

/// The word that the parts from here on make, and the index after them.
fn find_parts(pieces: &[Piece], first: usize) -> Option<(Vec<Letter>, usize)> {
    let begins_word = |it: &Letter| matches!(it.letter, 'm' | 't');
    let is_beginning =
        matches!(pieces.get(first), Some(Piece::Word(it)) if it.first().is_some_and(begins_word));
    if !is_beginning {
        return None;
    }
    let mut word: Vec<Letter> = Vec::new();
    let mut index = first;
    while let Some(Piece::Word(part)) = pieces.get(index) {
        if word.len() + part.len() > "tuyet".len() {
            return None;
        }
        word.extend(part.iter().map(|it| Letter { is_apart: true, ..*it }));
        if index > first && is_whole_word(&word) {
            return Some((word, index + 1));
        }
        if word.len() == "tuyet".len() || !is_small_gap(pieces.get(index + 1)) {
            return None;
        }
        index += 2;
    }
    None
}

fn is_whole_word(letters: &[Letter]) -> bool {
    let diacritics = letters.iter().fold(0, |bits, it| bits | it.diacritics);
    let is = |word: &str| letters.iter().map(|it| it.letter).eq(word.chars());
    diacritics == MAT_DIACRITICS && (is("mat") || is("tuyet"))
        || diacritics == CIRCUMFLEX | ACUTE && is("toi")
}

/// Divides a word in which a mark stands together with other words; other words stay as they are.
fn divide_word(letters: Vec<Letter>) -> Vec<Piece> {
    let shortest = if letters.iter().all(|it| it.is_apart) { "amat" } else { "domat" };
    if letters.len() < shortest.len() || letters.iter().all(|it| it.letter != 'm') {
        return vec![Piece::Word(letters)];
    }
    let text: Vec<char> = letters.iter().map(|it| it.letter).collect();
    let is_apart = letters.iter().all(|it| it.is_apart);
    let has_diacritics = letters.iter().any(|it| it.diacritics != 0);
    let found = (0..text.len().saturating_sub(2)).find(|at| {
        let bits = letters.iter().skip(*at).take(3).fold(0, |bits, it| bits | it.diacritics);
        let is_mat = text.get(*at..*at + 3) == Some(&['m', 'a', 't'])
            && (bits == MAT_DIACRITICS || bits == 0 && !has_diacritics);
        let is_behind_word = || word_before(&text[..*at]).is_some_and(|it| it != "bi");
        is_mat && (is_apart && *at == 0 || bits != 0 || is_behind_word())
    });
    let Some(at) = found else { return vec![Piece::Word(letters)] };
    let before = word_before(&text[..at]).map_or(0, |it| it.chars().count());
    let rest: String = text.iter().skip(at + 3).collect();
    let after = COMPOUND_ENDS.longest_prefix(&rest);
    let cuts = [0, at - before, at, at + 3, at + 3 + after, text.len()];
    let mut pieces = Vec::new();
    for pair in cuts.windows(2) {
        if let [from, to] = *pair
            && from < to
        {
            pieces.push(Piece::Word(letters[from..to].to_vec()));
            pieces.push(Piece::Gap(String::new()));
        }
    }
    pieces.pop();
    pieces
}

fn word_before(text: &[char]) -> Option<&'static str> {
    WORDS_BEFORE.into_iter().find(|it| text.ends_with(&chars(it)))
}

fn chars(text: &str) -> Vec<char> {
    text.chars().collect()
}
