//! Decides for each `mật` of a text whether it is a mark: a phrase of its own, a label with its
//! value, or a word that marks the document, and not a part of another word (mật ong, mật khẩu, bí
//! mật), a name, or a word of a text about secrecy.

use crate::context::{
    has_document, has_handling, is_compound, is_document, is_name_of_person, is_name_of_place,
    is_ordinary_value,
};
use crate::secrecy_mark::SecrecyMark::{self, Clear, Unclear};
use crate::segment::{Segment, first_number};
use crate::word::{MAT_DIACRITICS, Word};

/// Words on each side of a `mật` that are looked at.
const CONTEXT_WORDS_MAX: usize = 40;

/// A text divided into segments, and what holds for the whole of it.
#[derive(Debug)]
pub(crate) struct Phrases<'s> {
    segments: &'s [Segment],
    has_no_diacritics: bool,
    /// Every word is in unusual characters, so that they say nothing about one of them.
    is_all_disguised: bool,
}

/// The position of a mark in a segment: its words, from `start` to before `end`.
#[derive(Clone, Copy, Debug)]
struct Occurrence {
    segment: usize,
    start: usize,
    end: usize,
}

impl<'s> Phrases<'s> {
    pub(crate) fn new(segments: &'s [Segment]) -> Self {
        let words = || segments.iter().flat_map(|it| &it.words).filter(|it| it.letters.len() > 1);
        Self {
            segments,
            has_no_diacritics: words().all(|it| it.diacritics == 0),
            is_all_disguised: words().all(|it| it.is_disguised),
        }
    }

    /// The most certain mark of the text.
    pub(crate) fn find_mark(&self) -> Option<SecrecyMark> {
        let mut found = None;
        // `bí mật` or `độ mật` stood before: the text is about secrecy.
        let mut is_about_secrecy = false;
        // The previous mark is an item of a list in a text about secrecy.
        let mut continues_list = false;
        for at in self.occurrences() {
            continues_list = is_about_secrecy && self.is_list_item(at, continues_list);
            if continues_list {
                continue;
            }
            let mark = self.judge(at);
            if mark == Some(Clear) {
                return mark;
            }
            found = found.or(mark);
            let before = at.start.checked_sub(1).and_then(|it| self.segment(at).words.get(it));
            is_about_secrecy |= before.is_some_and(|it| it.letters == "bi" || it.is_level());
        }
        found
    }

    /// Every `mật`, with the degree before it.
    fn occurrences(&self) -> impl Iterator<Item = Occurrence> {
        let all = self.segments.iter().enumerate();
        let words = all.flat_map(|(segment, it)| {
            let indexed = it.words.iter().enumerate();
            indexed.map(move |(index, word)| (segment, index, word))
        });
        let mut is_behind_degree = false;
        words.filter_map(move |(segment, index, word)| {
            let has_degree = std::mem::replace(&mut is_behind_degree, word.is_degree());
            let start = index - usize::from(has_degree && index > 0);
            word.is_mat().then_some(Occurrence { segment, start, end: index + 1 })
        })
    }

    fn segment(&self, at: Occurrence) -> &'s Segment {
        &self.segments[at.segment]
    }

    /// True for a level that is named in a text about secrecy, beside another level or after `độ`:
    /// `bí mật nhà nước độ Tuyệt mật, Tối mật`, `độ mật (Tuyệt mật, Tối mật, Mật) của tài liệu`.
    fn is_list_item(&self, at: Occurrence, continues_list: bool) -> bool {
        let segment = self.segment(at);
        let before = at.start.checked_sub(1).and_then(|it| segment.words.get(it));
        if before.is_some_and(Word::is_level) {
            return at.start >= 2 || continues_list;
        }
        let is_joined = match before {
            Some(it) => ["va", "hoac", "hay"].contains(&it.letters.as_str()),
            None => is_list_gap(&segment.gap_before),
        };
        if continues_list && is_joined {
            return true;
        }
        let opens_list = at.start == 0 && segment.is_bracketed() && self.ends_in_level(at);
        opens_list && at.end == segment.words.len() && self.is_followed_by_level(at)
    }

    /// True when the segment before ends with `độ mật` behind other words.
    fn ends_in_level(&self, at: Occurrence) -> bool {
        let previous = at.segment.checked_sub(1).and_then(|it| self.segments.get(it));
        previous.is_some_and(|it| match &it.words[..] {
            [_, .., level, mat] => level.is_level() && mat.is_mat(),
            _ => false,
        })
    }

    /// `Quy định gửi, nhận văn bản mật`.
    fn is_handled_before(&self, at: Occurrence) -> bool {
        let previous = at.segment.checked_sub(1).and_then(|it| self.segments.get(it));
        previous.is_some_and(|it| has_handling(nearest_before(it, it.words.len())))
    }

    fn is_followed_by_level(&self, at: Occurrence) -> bool {
        let next = self.segments.get(at.segment + 1);
        next.is_some_and(|it| is_list_gap(&it.gap_before) && leading_mark_len(&it.words) > 0)
    }

    fn judge(&self, at: Occurrence) -> Option<SecrecyMark> {
        let segment = self.segment(at);
        let words = &segment.words[..];
        let mark = &words[at.start..at.end];
        let certainty = |it: SecrecyMark| match mark.iter().any(|it| it.is_disguised || it.is_apart)
        {
            true => Unclear,
            false => it,
        };
        let is_whole = at.start == 0 && at.end == words.len();
        let found = match mark {
            [_, mat] => self.judge_degree(at, mat),
            _ if is_whole => self.judge_separate(at, &words[at.start]),
            _ if label_start(&words[..at.start]).is_some() => self.judge_label(at),
            [mat] => self.judge_in_sentence(at, mat),
            [..] => None,
        };
        found.map(certainty)
    }

    /// `tối mật`, `tuyệt mật`. Without diacritics `toi mat` may be another phrase in a text that has
    /// diacritics.
    fn judge_degree(&self, at: Occurrence, mat: &Word) -> Option<SecrecyMark> {
        let words = &self.segment(at).words;
        let degree = &words[at.start];
        let is_plain = mat.diacritics == 0 && degree.diacritics == 0;
        match is_plain {
            false => Some(Clear),
            true if self.has_no_diacritics || degree.is_tuyet() || mat.is_capital => Some(Unclear),
            true => None,
        }
    }

    /// `mật` alone between separators.
    fn judge_separate(&self, at: Occurrence, mat: &Word) -> Option<SecrecyMark> {
        let segment = self.segment(at);
        let previous = at.segment.checked_sub(1).and_then(|it| self.segments.get(it));
        // The gall bladder in a list of organs: `Gan - Mật - Tụy`.
        let is_after_liver = |it: &Segment| {
            it.words.last().is_some_and(|it| it.letters == "gan" && it.diacritics == 0)
        };
        if previous.is_some_and(is_after_liver) {
            return None;
        }
        let is_edge = at.segment == 0 || at.segment + 1 == self.segments.len();
        if mat.diacritics != 0 {
            let is_separate = is_edge || segment.is_bracketed() || mat.is_capital;
            return is_separate.then_some(Clear);
        }
        // Without diacritics `mat` may be `mặt` or `mát` as well.
        let is_marked = self.is_stressed(mat) && (is_edge || mat.is_capital)
            || mat.is_capitals && (is_edge || segment.is_bracketed() || self.has_no_diacritics)
            || segment.is_bracketed() && self.has_no_diacritics
            || self.is_value_of_label(at);
        is_marked.then_some(Unclear)
    }

    /// True when the word is written unlike the others, so that it is no word among them.
    fn is_stressed(&self, mat: &Word) -> bool {
        mat.is_apart || mat.is_disguised && !self.is_all_disguised
    }

    fn is_value_of_label(&self, at: Occurrence) -> bool {
        let previous = at.segment.checked_sub(1).and_then(|it| self.segments.get(it));
        previous.is_some_and(|it| match &it.words[..] {
            [.., level, mat] => level.is_level() && mat.is_mat(),
            _ => false,
        })
    }

    /// `độ mật`, `mức độ mật`: the label of a value behind it, and without a value a mark when it
    /// stands alone.
    fn judge_label(&self, at: Occurrence) -> Option<SecrecyMark> {
        let segment = self.segment(at);
        let words = &segment.words[..];
        let label = label_start(&words[..at.start]).unwrap_or(at.start);
        let (front, mat) = (nearest_before(segment, label), &words[at.start]);
        let is_alone = front.iter().all(|it| ["muc", "cap", "co"].contains(&it.letters.as_str()));
        // Without diacritics `do mat` may be `do mất` as well, so only a value makes it a label.
        let is_plain = words[label..at.end].iter().all(|it| it.diacritics == 0);
        let rest = nearest_behind(segment, at.end);
        if !rest.is_empty() {
            let is_value = leading_mark_len(rest) > 0 && leading_mark_len(rest) == rest.len()
                || rest[0].is_capital && is_level_letter(&rest[0]);
            let is_number = is_alone && segment.has_number_before(at.end);
            return (is_value || is_number).then_some(Clear);
        }
        let next = self.segments.get(at.segment + 1).map_or(&[][..], |it| &it.words);
        let is_assigned = segment.gap_after.contains([':', '=', '(', '[', '-', '–', '—', '|', '>']);
        if let Some(number) = first_number(&segment.gap_after) {
            let is_zero = number.chars().all(|it| it == '0');
            let is_short = number.len() <= 2 && (is_alone || is_assigned);
            return (is_short && !is_zero && !is_ordinary_value(next)).then_some(Clear);
        }
        let after_next = Occurrence { segment: at.segment + 1, start: 0, end: next.len() };
        if !is_alone && segment.gap_after.contains('(') && self.is_followed_by_level(after_next) {
            return None;
        }
        if next.is_empty() {
            let is_stamp = mat.is_capital && !has_handling(front);
            let is_named = front
                .last()
                .is_some_and(|it| ["ve", "cua", "theo", "cac"].contains(&it.letters.as_str()));
            let is_bare = !has_handling(front) && has_document(front) && !is_named;
            return match (is_alone && !is_plain, is_stamp && !is_plain) {
                (true, _) | (_, true) => Some(Unclear),
                _ => (is_bare && !is_plain).then_some(Unclear),
            };
        }
        // `(độ Mật)`, `độ Mật`: a level and not a label, which has its capital in front.
        let is_stamp = mat.is_capital && !words[label].is_capital || segment.is_bracketed();
        if is_stamp && is_alone && !is_assigned && !is_plain {
            return Some(Unclear);
        }
        let is_value = leading_mark_len(next) > 0 || next.len() == 1 && is_level_letter(&next[0]);
        let is_other_value = is_alone && is_assigned && !is_plain && !is_ordinary_value(next);
        match is_assigned && is_value {
            true => Some(if is_plain { Unclear } else { Clear }),
            false => is_other_value.then_some(Unclear),
        }
    }

    /// `mật` beside other words.
    fn judge_in_sentence(&self, at: Occurrence, mat: &Word) -> Option<SecrecyMark> {
        let segment = self.segment(at);
        let (front, rest) = (nearest_before(segment, at.start), nearest_behind(segment, at.end));
        if is_compound(front, mat, rest) {
            return None;
        }
        let is_all_capitals = is_in_capitals(front, rest);
        let is_after_document = is_document(front.len().checked_sub(2), front);
        if mat.diacritics == 0 && !self.is_stressed(mat) {
            // `MAT` may be `MẶT` or `MẤT` as well, unless it stands behind the kind of a document.
            let is_stamp = mat.is_capitals && rest.is_empty() && is_after_document;
            return (is_stamp && self.has_no_diacritics).then_some(Unclear);
        }
        if is_after_document {
            let is_handled = has_handling(&front[..front.len() - 2])
                || is_list_gap(&segment.gap_before) && self.is_handled_before(at);
            let is_stressed = mat.is_capital && !is_all_capitals;
            let is_title = front.len() == 2 || rest.is_empty() || segment.has_number_before(at.end);
            let refers = rest.first().is_some_and(|it| ["so", "ve"].contains(&&*it.letters));
            return match (is_stressed, is_handled) {
                (true, _) => Some(Clear),
                (false, true) => None,
                (false, false) => (is_title || refers || mat.is_capital).then_some(Unclear),
            };
        }
        if !mat.is_capital {
            // `Phương án tác chiến mật`: the last word of a document's title.
            let has_honey = front.iter().any(|it| ["ong", "mia"].contains(&it.letters.as_str()));
            let is_short = front.len() <= 2 && at.segment == 0;
            let is_title = rest.is_empty() && (is_short || is_document(Some(0), front));
            return (is_title && !has_honey && !has_handling(front)).then_some(Unclear);
        }
        if is_name_of_person(front, mat, is_all_capitals)
            || is_name_of_place(front, mat, is_all_capitals)
        {
            return None;
        }
        if mat.is_capitals {
            let is_honey = front.iter().any(|it| it.letters == "ong" && it.diacritics == 0);
            return match is_all_capitals {
                true => (!is_honey || self.has_no_diacritics).then_some(Unclear),
                false => Some(Clear),
            };
        }
        if front.is_empty() {
            let is_before_document = is_document(Some(0), rest);
            let is_before_title = rest.first().is_some_and(|it| {
                // `Mật số 5`, `Mật hỏa tốc`, `Mật khẩn`.
                it.is_capital || ["so", "hoa", "khan"].contains(&it.letters.as_str())
            });
            return (is_before_document || is_before_title).then_some(Unclear);
        }
        (mat.diacritics == MAT_DIACRITICS).then_some(Unclear)
    }
}

/// Where the label of a secrecy field begins that ends with the `mật` behind these words: `độ mật`,
/// `độ bảo mật`.
fn label_start(front: &[Word]) -> Option<usize> {
    match front {
        [.., level, security] if level.is_level() && security.letters == "bao" => {
            Some(front.len() - 2)
        }
        [.., level] if level.is_level() => Some(front.len() - 1),
        _ => None,
    }
}

/// The words before a word that decide about it, so that the time of a long text stays linear.
fn nearest_before(segment: &Segment, index: usize) -> &[Word] {
    segment.words.get(index.saturating_sub(CONTEXT_WORDS_MAX)..index).unwrap_or_default()
}

fn nearest_behind(segment: &Segment, index: usize) -> &[Word] {
    let end = segment.words.len().min(index + CONTEXT_WORDS_MAX);
    segment.words.get(index..end).unwrap_or_default()
}

/// True for what stands between the items of a list.
fn is_list_gap(gap: &str) -> bool {
    matches!(gap.trim(), "," | "/" | ";" | "、" | "+" | "&")
}

/// Number of words of the mark that these words begin with; 0 when they begin with none.
fn leading_mark_len(words: &[Word]) -> usize {
    match words {
        [first, second, ..] if first.is_degree() && second.is_mat() => 2,
        [first, ..] if first.is_mat() => 1,
        _ => 0,
    }
}

/// The letters that stand for the three levels on envelopes, and abbreviations of the levels.
fn is_level_letter(word: &Word) -> bool {
    ["a", "b", "c", "m", "tm"].contains(&word.letters.as_str()) && word.is_capital
}

/// True when the other words of the segment are in capitals.
fn is_in_capitals(front: &[Word], rest: &[Word]) -> bool {
    let mut others = front.iter().chain(rest).filter(|it| it.letters.len() > 1).peekable();
    others.peek().is_some() && others.all(|it| it.is_capitals)
}
