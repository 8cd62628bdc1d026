//! Weighs whether the words of a text are bytes of an old charset.
//!
//! Each word is Vietnamese in Unicode, of a foreign language, or of the old charset, with a cost for
//! each (a negative logarithm of a likelihood), and it costs to change from one to another. The
//! cheapest way through the text with the old charset is compared with the cheapest way without it.

use crate::frequency::{Frequency, frequency};
use crate::letter::upper;
use crate::letter_case::{LetterCase, case_of, in_case};
use crate::spelling::Spelling;
use crate::surface::{Surface, SurfaceKind, has_eth, weigh_surface};
use crate::syllable::is_syllable;
use crate::view::View;
use crate::word::{Word, split_words};

/// An old charset, seen through another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    pub(crate) spelling: Spelling,
    pub(crate) view: View,
    /// The cost of believing in it at all.
    prior: f64,
}

/// The candidates, the likeliest first.
pub(crate) const CANDIDATES: [Candidate; 8] = [
    Candidate { spelling: Spelling::Tcvn3, view: View::Western, prior: 2.0 },
    Candidate { spelling: Spelling::Vni, view: View::Western, prior: 2.2 },
    Candidate { spelling: Spelling::Windows1258, view: View::Western, prior: 3.0 },
    Candidate { spelling: Spelling::Viscii, view: View::Western, prior: 5.0 },
    Candidate { spelling: Spelling::EthForD, view: View::Western, prior: 1.0 },
    Candidate { spelling: Spelling::Tcvn3, view: View::Vietnamese, prior: 5.0 },
    Candidate { spelling: Spelling::Vni, view: View::Vietnamese, prior: 5.2 },
    Candidate { spelling: Spelling::Viscii, view: View::Vietnamese, prior: 8.5 },
];

/// What a candidate makes of a text.
#[derive(Clone, Debug)]
pub(crate) struct Weighed {
    pub(crate) spelling: Spelling,
    pub(crate) text: String,
    /// How much likelier the text is with the candidate; a logarithm.
    pub(crate) gain: f64,
    /// How sure it is which words are of the candidate's charset, from 0 to 1.
    pub(crate) certainty: f64,
}

/// A word with what it is as Unicode.
#[derive(Debug)]
pub(crate) struct WeighedWord<'t> {
    word: Word<'t>,
    surface: Surface,
    /// The words around it are in capitals.
    is_among_capitals: bool,
}

/// Weighs the words of a text as Unicode.
pub(crate) fn weigh_words(text: &str) -> Vec<WeighedWord<'_>> {
    let words = split_words(text);
    let has_quotes = text.contains('«') && text.contains('»');
    let cases: Vec<LetterCase> = words.iter().map(|it| case_of(it.text)).collect();
    let is_known = |it: &&LetterCase| **it != LetterCase::Open;
    let known_before = cases.iter().scan(None, |last, it| {
        let before = *last;
        *last = Some(*it).filter(|it| is_known(&it)).or(*last);
        Some(before)
    });
    let before: Vec<Option<LetterCase>> = known_before.collect();
    let mut after: Option<LetterCase> = None;
    let mut weighed: Vec<WeighedWord<'_>> = Vec::with_capacity(words.len());
    for (index, word) in words.into_iter().enumerate().rev() {
        let beside = after.or_else(|| before.get(index).copied().flatten());
        let surface = weigh_surface(&word, has_quotes);
        weighed.push(WeighedWord {
            word,
            surface,
            is_among_capitals: beside == Some(LetterCase::Upper),
        });
        after = cases.get(index).copied().filter(|it| is_known(&it)).or(after);
    }
    weighed.reverse();
    weighed
}

/// A word in the candidate's charset.
#[derive(Clone, Debug)]
struct Decoded {
    /// Bytes of the word before and behind what was decoded.
    before: usize,
    behind: usize,
    text: String,
    fit: Fit,
}

/// How a decoded word fits Vietnamese.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// A letter is missing: ơ without the ư that always stands before it (đợc). Programs that drop
    /// soft hyphens drop the ư of TCVN3.
    Incomplete,
    Other,
    Abbreviation,
    Name,
    Syllable,
}

fn decode_word(it: &WeighedWord<'_>, candidate: Candidate) -> Option<Decoded> {
    let word = &it.word;
    if candidate.spelling == Spelling::EthForD {
        let core = Some(word.core_text()).filter(|it| has_eth(it))?;
        let stroked = if core.starts_with(['ð', 'ɖ']) { 'đ' } else { 'Đ' };
        let text: String = [stroked].into_iter().chain(core.chars().skip(1)).collect();
        let fit = fit_of(&text, candidate);
        return Some(Decoded {
            before: word.core.start,
            behind: word.text.len() - word.core.end,
            text,
            fit,
        });
    }
    let charset = candidate.spelling.charset()?;
    let (start, end) = (word.core.start, word.core.end);
    let all = word.text.len();
    let mut best: Option<Decoded> = None;
    for (from, to) in [(0, all), (start, all), (0, end), (start, end)] {
        let Some(part) = word.text.get(from..to).filter(|it| !it.is_empty()) else { continue };
        let bytes = candidate.view.bytes(part);
        let Some(text) = bytes.and_then(|it| charset.decode(&it).ok()) else { continue };
        let is_tcvn3 = candidate.spelling == Spelling::Tcvn3;
        let text = if is_tcvn3 { in_case(part, &text, it.is_among_capitals) } else { text };
        let fit = fit_of(&text, candidate);
        if best.as_ref().is_none_or(|it| it.fit < fit) {
            best = Some(Decoded { before: from, behind: all - to, text, fit });
        }
    }
    best
}

fn fit_of(text: &str, candidate: Candidate) -> Fit {
    if !has_one_case(text) {
        return Fit::Other;
    }
    if is_syllable(text) {
        return Fit::Syllable;
    }
    let is_plain_capital = |it: char| it.is_ascii_uppercase() || "ĂÂĐÊÔƠƯ".contains(it);
    if text.chars().count() >= 2 && text.chars().all(is_plain_capital) {
        return Fit::Abbreviation;
    }
    let lower = text.to_lowercase();
    if lower.strip_suffix('k').is_some_and(|it| is_syllable(&format!("{it}c"))) {
        return Fit::Name;
    }
    let lacks_u = ["ơc", "ớc", "ợc", "ơng", "ờng", "ớng", "ởng", "ỡng", "ợng", "ơu", "ợu"];
    if candidate.spelling == Spelling::Tcvn3 && lacks_u.iter().any(|it| lower.ends_with(it)) {
        return Fit::Incomplete;
    }
    Fit::Other
}

/// True for small letters, capitals, and a capital before small letters.
fn has_one_case(text: &str) -> bool {
    let rest = || text.chars().skip(1);
    rest().all(|it| !it.is_uppercase())
        || text.chars().all(|it| !it.is_lowercase())
        || rest().all(|it| it == upper(it) && it.is_uppercase())
            && text.chars().all(char::is_uppercase)
}

/// Costs of a word in the three states.
type Costs = [f64; 3];

/// The states: Vietnamese in Unicode, a foreign language (1), and the old charset.
const VIETNAMESE: usize = 0;
const OLD: usize = 2;

/// The cost of a change of states in a text that has words which are Unicode for sure.
const CHANGE: f64 = 3.5;
/// The same in a text without one: nothing but the old charset explains such a text.
const CHANGE_WITHOUT_UNICODE: f64 = 6.0;
/// The cost of a foreign word in a Vietnamese text.
const FOREIGN_WORD: f64 = 4.0;

/// How unlikely it is that a foreign word is a syllable in the candidate's charset.
fn chance(decoded: Option<&Decoded>, candidate: Candidate, is_nordic: bool) -> f64 {
    let is_changed = decoded.is_some_and(|it| it.fit == Fit::Syllable);
    match (is_changed, candidate.spelling) {
        (false, _) => 0.13,
        (true, _) if is_nordic => 1.2,
        (true, Spelling::Viscii) => 1.7,
        (true, _) => 2.1,
    }
}

fn costs(
    it: &WeighedWord<'_>,
    (decoded, candidate): (Option<&Decoded>, Candidate),
    is_nordic: bool,
) -> Costs {
    let strange = it.surface.strangeness;
    let chance = chance(decoded, candidate, is_nordic);
    let is_ambiguous = is_ambiguous(it, decoded);
    let unicode = if is_ambiguous { rarity(it.word.core_text(), AMBIGUOUS) } else { 0.3 };
    let (vietnamese, foreign) = match it.surface.kind {
        SurfaceKind::Signs => (strange, strange),
        SurfaceKind::PlainSyllable => (0.3 + strange, 1.2 + strange),
        SurfaceKind::PlainOther => (2.0 + strange, 0.1 + strange),
        SurfaceKind::Abbreviation => (0.4 + strange, 0.4 + strange),
        SurfaceKind::Syllable => (unicode + strange, chance.max(1.5) + strange),
        SurfaceKind::Foreign => (FOREIGN_WORD + chance + strange, chance + strange),
        SurfaceKind::Unicode => (FOREIGN_WORD + strange, 3.0 + strange),
    };
    let old = match decoded {
        _ if it.word.text.is_ascii() => vietnamese,
        Some(decoded) if !is_changed(decoded, it) => vietnamese,
        _ if it.surface.kind == SurfaceKind::Signs && !is_of_fit(decoded, Fit::Syllable) => strange,
        // The other letters of such a text are Unicode.
        None if candidate.spelling == Spelling::EthForD => vietnamese,
        None => f64::INFINITY,
        Some(decoded) => match decoded.fit {
            Fit::Syllable if is_ambiguous => rarity(&decoded.text, AMBIGUOUS),
            Fit::Syllable => rarity(&decoded.text, CLEAR),
            Fit::Abbreviation | Fit::Name => 1.5,
            Fit::Other => 5.0,
            Fit::Incomplete => 12.0,
        },
    };
    [vietnamese, foreign, old]
}

/// Costs of a possible, an attested and a frequent syllable.
type Rarity = [f64; 3];

/// Costs of a word that is a syllable in one of both readings only.
const CLEAR: Rarity = [3.5, 1.3, 0.3];
/// Costs of a word that is a syllable in both readings: how often each occurs tells them apart.
const AMBIGUOUS: Rarity = [5.0, 3.0, 0.3];

fn rarity(syllable: &str, costs: Rarity) -> f64 {
    match frequency(syllable) {
        Frequency::Possible => costs[0],
        Frequency::Attested => costs[1],
        Frequency::Frequent => costs[2],
    }
}

fn is_of_fit(decoded: Option<&Decoded>, fit: Fit) -> bool {
    decoded.is_some_and(|it| it.fit == fit)
}

/// True for a word that is a syllable in Unicode, and another one in the candidate's charset.
fn is_ambiguous(it: &WeighedWord<'_>, decoded: Option<&Decoded>) -> bool {
    it.surface.kind == SurfaceKind::Syllable
        && decoded.is_some_and(|decoded| decoded.fit == Fit::Syllable && is_changed(decoded, it))
}

/// True for a syllable in Unicode that is nothing in the candidate's charset.
fn is_unicode(it: &WeighedWord<'_>, decoded: Option<&Decoded>) -> bool {
    it.surface.kind == SurfaceKind::Syllable && !is_of_fit(decoded, Fit::Syllable)
}

/// True when the decoded word differs from what was written.
fn is_changed(decoded: &Decoded, it: &WeighedWord<'_>) -> bool {
    let written = it.word.text.get(decoded.before..it.word.text.len() - decoded.behind);
    written != Some(decoded.text.as_str())
}

/// Costs of the cheapest way from the first word to each, in each state.
fn ways(all: impl Iterator<Item = Costs>, (states, change): (usize, f64)) -> Vec<Costs> {
    let mut totals: Option<Costs> = None;
    all.map(|costs| {
        let next = match totals {
            Some(totals) => next_totals(totals, costs, (states, change)),
            None => [costs[0], costs[1], if states > OLD { costs[OLD] } else { f64::INFINITY }],
        };
        totals = Some(next);
        next
    })
    .collect()
}

fn next_totals(totals: Costs, costs: Costs, (states, change): (usize, f64)) -> Costs {
    let mut next = [f64::INFINITY; 3];
    for (state, into) in next.iter_mut().enumerate().take(states) {
        let from =
            |(before, total): (usize, f64)| total + if before == state { 0.0 } else { change };
        let before = totals.into_iter().take(states).enumerate().map(from);
        *into = before.fold(f64::INFINITY, f64::min) + costs[state];
    }
    next
}

/// For each word and state, the cost of the cheapest way through all words that has the word in that
/// state.
fn costs_through(all: &[Costs], (states, change): (usize, f64)) -> Vec<Costs> {
    let forward = ways(all.iter().copied(), (states, change));
    let mut backward = ways(all.iter().rev().copied(), (states, change));
    backward.reverse();
    let through = forward.iter().zip(&backward).zip(all);
    through
        .map(|((forward, backward), own)| {
            let total = |it: usize| forward[it] + backward[it] - own[it];
            [total(0), total(1), if states > OLD { total(2) } else { f64::INFINITY }]
        })
        .map(|it| it.map(|it| if it.is_nan() { f64::INFINITY } else { it }))
        .collect()
}

fn cheapest(through: &[Costs]) -> f64 {
    through.first().map_or(0.0, |it| it.iter().copied().fold(f64::INFINITY, f64::min))
}

/// What a candidate makes of a text; none when it would change nothing.
pub(crate) fn weigh(
    text: &str,
    words: &[WeighedWord<'_>],
    candidate: Candidate,
) -> Option<Weighed> {
    let decoded: Vec<Option<Decoded>> = words
        .iter()
        .map(|it| Some(it).filter(|it| !it.word.text.is_ascii()))
        .map(|it| it.and_then(|it| decode_word(it, candidate)))
        .collect();
    let is_nordic = is_nordic(text);
    let pairs = words.iter().zip(&decoded);
    let all: Vec<Costs> =
        pairs.map(|(it, decoded)| costs(it, (decoded.as_ref(), candidate), is_nordic)).collect();
    let has_unicode =
        words.iter().zip(&decoded).any(|(it, decoded)| is_unicode(it, decoded.as_ref()));
    let change = if has_unicode { CHANGE } else { CHANGE_WITHOUT_UNICODE };
    let without = cheapest(&costs_through(&all, (OLD, change)));
    let through = costs_through(&all, (OLD + 1, change));
    let gain = without - cheapest(&through) - candidate.prior;
    let mut converted = String::with_capacity(text.len());
    let mut end = 0;
    let mut certainty: f64 = 1.0;
    for ((it, decoded), through) in words.iter().zip(decoded).zip(through) {
        let Some(decoded) = decoded.filter(|decoded| is_changed(decoded, it)) else { continue };
        let advantage = through[VIETNAMESE].min(through[1]) - through[OLD];
        if is_ambiguous(it, Some(&decoded)) {
            certainty = certainty.min(1.0 / (1.0 + (-advantage.abs()).exp()));
        }
        if advantage <= 0.0 || !is_convertible(&decoded, it) {
            continue;
        }
        let from = it.word.begin + decoded.before;
        converted.push_str(text.get(end..from).unwrap_or_default());
        converted.push_str(&decoded.text);
        end = it.word.begin + it.word.text.len() - decoded.behind;
    }
    if end == 0 {
        return None;
    }
    converted.push_str(text.get(end..).unwrap_or_default());
    Some(Weighed { spelling: candidate.spelling, text: converted, gain, certainty })
}

/// A sign alone stands for a letter only where that is a word, or `đ` behind an amount.
fn is_convertible(decoded: &Decoded, it: &WeighedWord<'_>) -> bool {
    let is_amount = decoded.text == "đ" && it.word.is_behind_digit;
    decoded.fit == Fit::Syllable || decoded.text.chars().nth(1).is_some() || is_amount
}

/// True when the candidate's view may have shown the text.
pub(crate) fn may_be_seen(text: &str, candidate: Candidate) -> bool {
    let is_of_view = |it: char| {
        View::Western.byte(it).is_none()
            && View::Vietnamese.bytes(it.encode_utf8(&mut [0; 4])).is_some()
    };
    candidate.view == View::Western || text.chars().any(is_of_view)
}

/// True when all letters above ASCII are those of the northern languages, whose words of one syllable
/// are often syllables of Vietnamese too.
fn is_nordic(text: &str) -> bool {
    text.chars().all(|it| it.is_ascii() || "åäöøæÅÄÖØÆ".contains(it) || !it.is_alphabetic())
}
