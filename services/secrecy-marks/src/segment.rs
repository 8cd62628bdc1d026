//! Segments: the words of a text between two separators.

use crate::join::join_words;
use crate::word::{Piece, Word, split_pieces};

/// The words between two separators.
#[derive(Debug, Default)]
pub(crate) struct Segment {
    pub(crate) words: Vec<Word>,
    /// What stands before it since the previous segment's last word.
    pub(crate) gap_before: String,
    /// What stands behind it up to the next segment's first word.
    pub(crate) gap_after: String,
    /// Digits before a word, by its index.
    pub(crate) numbers: Vec<usize>,
}

impl Segment {
    /// True after an opening bracket.
    pub(crate) fn is_bracketed(&self) -> bool {
        self.gap_before.trim_end().ends_with(['(', '[', '{', '<', '«', '【', '（', '［'])
    }

    /// True when digits stand directly before the word, or behind the last word.
    pub(crate) fn has_number_before(&self, index: usize) -> bool {
        let is_behind = || index == self.words.len() && first_number(&self.gap_after).is_some();
        self.numbers.binary_search(&index).is_ok() || is_behind()
    }
}

/// The first group of digits.
pub(crate) fn first_number(gap: &str) -> Option<&str> {
    gap.split(|it: char| !it.is_ascii_digit()).find(|it| !it.is_empty())
}

/// Divides a text into segments of words. A dash between letters, an underscore between letters, a
/// digit and white space separate words; line ends and all other characters that are no letters
/// separate segments.
pub(crate) fn split_segments(text: &str) -> Vec<Segment> {
    let pieces = join_words(&split_pieces(text));
    let mut segments = vec![Segment::default()];
    let mut is_first = true;
    for (index, piece) in pieces.iter().enumerate() {
        let Some(current) = segments.last_mut() else { break };
        match piece {
            Piece::Word(letters) => {
                current.words.push(Word::from_letters(letters));
                is_first = false;
            }
            Piece::Gap(gap) if is_first || index + 1 == pieces.len() => {
                let at = if is_first { &mut current.gap_before } else { &mut current.gap_after };
                at.push_str(gap);
            }
            Piece::Gap(gap) if joins_words(gap) => {
                if first_number(gap).is_some() {
                    current.numbers.push(current.words.len());
                }
            }
            Piece::Gap(gap) => {
                current.gap_after.push_str(gap);
                segments.push(Segment { gap_before: gap.clone(), ..Segment::default() });
            }
        }
    }
    segments.retain(|it| !it.words.is_empty());
    segments
}

fn joins_words(gap: &str) -> bool {
    let is_line = |it: char| matches!(it, '\n' | '\r');
    let is_blank = |it: char| it.is_whitespace() && !is_line(it);
    matches!(gap, "-" | "_" | "'" | "’" | "\u{2010}" | "\u{2011}")
        || gap.chars().all(|it| is_blank(it) || it.is_numeric())
        || gap.chars().all(|it| it.is_numeric() || it == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words_of(text: &str) -> String {
        let words = |it: &Segment| {
            it.words.iter().map(|it| it.letters.as_str()).collect::<Vec<_>>().join(" ")
        };
        split_segments(text).iter().map(words).collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn letters_that_stand_apart_are_words() {
        for (text, words) in [
            ("M Ậ T: Báo cáo", "mat | bao cao"),
            ("M.Ậ.T", "mat"),
            ("M-Ậ-T B-Á-O", "mat bao"),
            ("T U Y Ệ T  M Ậ T - Kế hoạch", "tuyet mat | ke hoach"),
            ("T U Y Ệ T M Ậ T", "tuyet mat"),
            ("T.U.Y.Ệ.T M.Ậ.T", "tuyet mat"),
            ("M\u{a0}Ậ\u{2009}T", "mat"),
            ("Báo cáo M ẬT", "bao cao mat"),
            ("TUY ỆT MẬ-T", "tuyet mat"),
            ("M Ậ T O N G", "mat ong"),
            ("BÁO CÁO A M Ậ T", "bao cao a mat"),
            ("TỐIMẬT", "toi mat"),
            ("BaoCaoTuyetMat", "bao cao tuyet mat"),
            ("baocaotuyetmat", "baocao tuyet mat"),
            ("format automat", "format automat"),
            ("_Mật_ báo cáo", "mat | bao cao"),
            ("bao_cao 2 mat", "bao cao mat"),
        ] {
            assert_eq!(words_of(text), words, "{text}");
        }
    }
}
