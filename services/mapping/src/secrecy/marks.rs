//! Recognizes secrecy marks in texts, and distinguishes them from words about secrecy, honey (mật
//! ong) or passwords (mật khẩu).
//!
//! A mark is `mật`, `tối mật` or `tuyệt mật` as a phrase of its own: first, last, in brackets, or
//! before a subject. It is recognized with all of its diacritics, with some and with none, composed
//! (NFC) or decomposed (NFD).

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// The combining character that stands for the bar of `đ`, which has no decomposition in Unicode.
const STROKE: char = '\u{335}';

/// Words, without diacritics, that form an ordinary compound with a preceding `mật`. In a title all
/// in capitals only the next word distinguishes a compound from a mark.
const COMPOUNDS: [&str; 18] = [
    "ong", "do", "khau", "ma", "thu", "vu", "thiet", "ngot", "danh", "mia", "gau", "duong", "hoa",
    "tong", "phuc", "tham", "ngu", "nghi",
];

/// A word in lower case without diacritics, and what was removed from it.
#[derive(Debug)]
struct Word {
    letters: String,
    diacritics: Vec<char>,
    /// The first letter is a capital.
    is_capital: bool,
    /// Every letter is a capital.
    is_capitals: bool,
}

impl Word {
    fn parse(decomposed: &str) -> Self {
        let mut word = Self {
            letters: String::new(),
            diacritics: Vec::new(),
            is_capital: false,
            is_capitals: true,
        };
        for it in decomposed.chars() {
            if is_combining_mark(it) {
                word.diacritics.push(it);
                continue;
            }
            word.is_capital |= word.letters.is_empty() && it.is_uppercase();
            word.is_capitals &= it.is_uppercase();
            word.letters.extend(it.to_lowercase());
        }
        let strokes = word.letters.matches('đ').count();
        if strokes > 0 {
            word.diacritics.extend(std::iter::repeat_n(STROKE, strokes));
            word.letters = word.letters.replace('đ', "d");
        }
        word
    }

    /// True for these letters with all, some or none of these diacritics, and no other.
    fn is_spelling_of(&self, letters: &str, diacritics: &[char]) -> bool {
        self.letters == letters && self.diacritics.iter().all(|it| diacritics.contains(it))
    }

    /// `mật`, secret.
    fn is_mat(&self) -> bool {
        self.is_spelling_of("mat", &['\u{302}', '\u{323}'])
    }

    /// `tối` or `tuyệt`, top: the first word of a mark of two words.
    fn is_degree(&self) -> bool {
        self.is_spelling_of("toi", &['\u{302}', '\u{301}'])
            || self.is_spelling_of("tuyet", &['\u{302}', '\u{323}'])
    }

    /// `độ`, level, as in `độ mật` (secrecy level).
    fn is_level(&self) -> bool {
        self.is_spelling_of("do", &[STROKE, '\u{302}', '\u{323}'])
    }
}

/// Number of words of the mark that these words begin with; 0 when they begin with none.
fn leading_mark_len(words: &[Word]) -> usize {
    match words {
        [first, second, ..] if first.is_degree() && second.is_mat() => 2,
        [first, ..] if first.is_mat() => 1,
        _ => 0,
    }
}

/// Number of words of the mark that these words end with; 0 when they end with none.
fn trailing_mark_len(words: &[Word]) -> usize {
    match words {
        [.., last_but_one, last] if last_but_one.is_degree() && last.is_mat() => 2,
        [.., last] if last.is_mat() => 1,
        _ => 0,
    }
}

/// The words between two separators.
#[derive(Debug, Default)]
struct Segment {
    words: Vec<Word>,
    is_bracketed: bool,
}

impl Segment {
    /// True when the words are a mark and nothing else.
    fn is_mark(&self) -> bool {
        leading_mark_len(&self.words) > 0 && leading_mark_len(&self.words) == self.words.len()
    }

    /// True for the label of a secrecy field (`độ mật`, `mức độ mật`); its value is the next
    /// segment.
    fn is_label(&self) -> bool {
        matches!(&self.words[..], [first, .., second, third]
            if first.letters == "muc" && self.words.len() == 3 && second.is_level() && third.is_mat())
            || matches!(&self.words[..], [first, second] if first.is_level() && second.is_mat())
    }

    /// True for the beginning of a list of marks in running text: `… độ Tuyệt mật` before `, Tối
    /// mật`.
    fn begins_list(&self) -> bool {
        let count = trailing_mark_len(&self.words);
        let before = self.words.len().checked_sub(count + 1).and_then(|it| self.words.get(it));
        !self.is_label() && (count == 2 || count == 1 && before.is_some_and(Word::is_level))
    }

    /// True for a mark among other words: `TUYỆT MẬT Phương án`, `MẬT Báo cáo`, `Báo cáo tình hình
    /// MẬT`, `độ tối mật`.
    fn contains_mark(&self) -> bool {
        let words = &self.words[..];
        let has_leading = match leading_mark_len(words) {
            2 => true,
            1 => {
                words[0].is_capitals && !words[0].diacritics.is_empty() && !is_compound(&words[1..])
            }
            _ => false,
        };
        let count = trailing_mark_len(words);
        let (front, mark) = words.split_at(words.len() - count);
        let has_trailing = count > 0
            && mark.iter().all(|it| it.is_capitals)
            && (count == 2 || !mark[0].diacritics.is_empty())
            && front.last().is_some_and(|it| !it.is_capitals && !it.is_level());
        let has_label = match words {
            [first, rest @ ..] if first.is_level() => {
                let value = rest.get(1..).unwrap_or_default();
                leading_mark_len(rest) == 2 && rest.len() == 2
                    || leading_mark_len(rest) == 1
                        && leading_mark_len(value) > 0
                        && leading_mark_len(value) == value.len()
            }
            _ => false,
        };
        has_leading || has_trailing || has_label
    }
}

/// True when `MẬT` before these words is a compound, as in `MẬT ONG VÀ SẢN PHẨM`.
fn is_compound(rest: &[Word]) -> bool {
    rest.first().is_some_and(|it| it.is_capitals && COMPOUNDS.contains(&it.letters.as_str()))
}

/// True when the text bears a mark.
pub(super) fn text_has_mark(text: &str) -> bool {
    if !may_have_mark(text) {
        return false;
    }
    let segments = split_segments(text);
    let has_no_diacritics =
        segments.iter().flat_map(|it| &it.words).all(|it| it.diacritics.is_empty());
    let last = segments.len().saturating_sub(1);
    segments.iter().enumerate().any(|(index, it)| {
        let before = index.checked_sub(1).and_then(|it| segments.get(it));
        if before.is_some_and(|it| it.begins_list() || ends_in_liver(it)) {
            return false;
        }
        if before.is_some_and(Segment::is_label) {
            return leading_mark_len(&it.words) > 0;
        }
        if it.is_label() {
            return index == last;
        }
        if !it.is_mark() {
            return it.contains_mark();
        }
        let [only] = &it.words[..] else { return true };
        let is_separate = index == 0 || index == last || it.is_bracketed || only.is_capital;
        // Without diacritics `mat` may be `mặt` or `mát` as well, so it counts only in capitals,
        // and only in a text that has no diacritics at all.
        is_separate && (!only.diacritics.is_empty() || has_no_diacritics && only.is_capitals)
    })
}

/// True when a file's name bears a mark before its extension.
pub(super) fn file_name_has_mark(name: &str) -> bool {
    let stem = name.rsplit_once('.').filter(|(_, it)| it.len() <= 5 && it.is_ascii());
    text_has_mark(stem.map_or(name, |(stem, _)| stem))
}

/// True when a part of a document number is a mark: `12-BC/TU (M)`, `05/BC-MẬT`.
pub(super) fn number_has_mark(number: &str) -> bool {
    let upper = number.to_uppercase();
    let bracketed = ["(M)", "(TM)", "[M]", "[TM]"].iter().any(|it| upper.contains(it));
    bracketed
        || number
            .nfd()
            .collect::<String>()
            .split(|it| !is_letter(it))
            .map(Word::parse)
            .any(|it| it.is_mat() || ["toimat", "tuyetmat"].contains(&it.letters.as_str()))
}

/// True before the gall bladder (mật) in a list of organs: `Gan - Mật - Tụy`.
fn ends_in_liver(segment: &Segment) -> bool {
    segment.words.last().is_some_and(|it| it.letters == "gan" && it.diacritics.is_empty())
}

/// A necessary condition for a mark, cheap enough for every text: the letters `mat` in this order.
fn may_have_mark(text: &str) -> bool {
    let mut found = 0;
    for it in text.chars().filter(|it| !is_combining_mark(*it)) {
        found = match (found, it) {
            (_, 'm' | 'M') => 1,
            (1, 'a' | 'A' | 'â' | 'Â' | 'ậ' | 'Ậ' | 'ạ' | 'Ạ') => 2,
            (2, 't' | 'T') => return true,
            _ => 0,
        };
    }
    false
}

fn is_letter(letter: char) -> bool {
    letter.is_alphabetic() || is_combining_mark(letter)
}

/// Divides a text into segments and words. A dash between letters, an underscore, a digit and white
/// space separate words; line ends and all other characters that are no letters separate segments.
fn split_segments(text: &str) -> Vec<Segment> {
    let letters: Vec<char> = text.trim().nfd().collect();
    let mut segments = vec![Segment::default()];
    let mut word = String::new();
    for (index, it) in letters.iter().enumerate() {
        if is_letter(*it) {
            word.push(*it);
            continue;
        }
        push_word(&mut segments, &mut word);
        let is_beside_letter = |it: Option<&char>| it.is_some_and(|it| is_letter(*it));
        let before = index.checked_sub(1).and_then(|it| letters.get(it));
        let joins_word =
            *it == '-' && is_beside_letter(before) && is_beside_letter(letters.get(index + 1));
        let is_line = matches!(it, '\n' | '\r');
        if joins_word || *it == '_' || it.is_numeric() || (it.is_whitespace() && !is_line) {
            continue;
        }
        segments.push(Segment { words: Vec::new(), is_bracketed: matches!(it, '(' | '[' | '{') });
    }
    push_word(&mut segments, &mut word);
    segments.retain(|it| !it.words.is_empty());
    segments
}

fn push_word(segments: &mut [Segment], word: &mut String) {
    if let Some(segment) = segments.last_mut().filter(|_| !word.is_empty()) {
        segment.words.push(Word::parse(word));
        word.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKED: [&str; 34] = [
        "MẬT",
        "Mật",
        "MẬT: Báo cáo tình hình",
        "Mật: báo cáo",
        "MẬT, báo cáo",
        "MẬT. Báo cáo",
        "MẬT\nBáo cáo",
        "MẬT-Báo cáo",
        "MẬT Báo cáo",
        "MẬT BÁO CÁO TÌNH HÌNH",
        "TỐI MẬT - Kế hoạch",
        "Tối mật: Kế hoạch",
        "TUYỆT MẬT Phương án A",
        "Tuyệt mật phương án A",
        "[TUYỆT MẬT] Phương án",
        "Báo cáo tình hình (Mật)",
        "Báo cáo (mật) quý 3",
        "Báo cáo tình hình - MẬT",
        "Báo cáo tình hình – tối mật",
        "Báo cáo tình hình MẬT",
        "Báo cáo - Mật - 2026",
        "Độ mật: Tối mật. Báo cáo",
        "Báo cáo (Độ mật: mật)",
        "Độ mật Tối mật",
        "Báo cáo (độ mật)",
        "Báo cáo, độ tuyệt mật",
        "TUYET MAT",
        "Bao cao tinh hinh (Toi mat)",
        "MAT: Bao cao tinh hinh",
        "TUYÊT MÂT: Báo cáo",
        "TUYET_MAT_phuong_an",
        "MẬT_baocao",
        "Mật 2026",
        "Báo cáo bí mật: TUYỆT MẬT",
    ];

    const PLAIN: [&str; 32] = [
        "",
        "V/v thực hiện Luật Bảo vệ bí mật nhà nước",
        "VỀ VIỆC BẢO VỆ BÍ MẬT NHÀ NƯỚC",
        "VỀ VIỆC BẢO VỆ BÍ MẬT",
        "Bí mật kinh doanh",
        "Bảo mật thông tin",
        "Bảo mật hệ thống (an toàn thông tin)",
        "Mật ong và sản phẩm từ ong",
        "MẬT ONG VÀ SẢN PHẨM TỪ ONG",
        "Sữa ong chúa, mật, phấn hoa",
        "Mật khẩu: hướng dẫn đổi",
        "MẬT KHẨU hệ thống",
        "Mật độ dân số: báo cáo",
        "MẬT ĐỘ DÂN SỐ",
        "Công văn không mật",
        "Quy chế quản lý văn bản mật",
        "Danh mục bí mật nhà nước độ Tuyệt mật, Tối mật, Mật",
        "Danh mục bí mật nhà nước độ Tối mật và độ Mật",
        "Quy định về độ mật (Tuyệt mật, Tối mật, Mật) của tài liệu",
        "Độ mật: Thường",
        "Hội nghị Gan - Mật - Tụy toàn quốc",
        "Mặt trận Tổ quốc",
        "MẶT TRẬN: báo cáo",
        "Mặt, chất liệu",
        "Thông báo giấy tờ bị mất: mất",
        "MAT TRAN TO QUOC",
        "MAT_TRAN_TO_QUOC",
        "mat-bang",
        "giai_phong_mat_bang",
        "Dự án MAT",
        "mat",
        "Thảm yoga: mat",
    ];

    #[test]
    fn marks_are_recognized_in_any_spelling() {
        for marked in MARKED {
            assert!(text_has_mark(marked), "{marked}");
            let decomposed: String = marked.nfd().collect();
            assert!(text_has_mark(&decomposed), "{marked}, decomposed");
        }
    }

    #[test]
    fn words_that_are_no_mark_pass() {
        for plain in PLAIN {
            assert!(!text_has_mark(plain), "{plain}");
            let decomposed: String = plain.nfd().collect();
            assert!(!text_has_mark(&decomposed), "{plain}, decomposed");
        }
    }

    #[test]
    fn a_files_name_bears_a_mark_before_its_extension() {
        for marked in
            ["Mật.pdf", "Báo cáo - mật.docx", "MẬT_baocao.pdf", "TUYET MAT.pdf", "MAT.pdf"]
        {
            assert!(file_name_has_mark(marked), "{marked}");
        }
        for plain in ["mat_bang.pdf", "mat-tran.docx", "Mật độ.xlsx", "bao mat.pdf", "format.pdf"]
        {
            assert!(!file_name_has_mark(plain), "{plain}");
        }
    }

    #[test]
    fn a_number_bears_a_mark_as_a_part_of_its_own() {
        for marked in ["12-BC/TU (M)", "12(tm)", "05/BC-MẬT", "05/BC-MAT", "7/TUYETMAT-BC"] {
            assert!(number_has_mark(marked), "{marked}");
        }
        for plain in ["45-CV/MTTQ", "12/TM-UBND", "7/M", "12-HD/BTCTU"] {
            assert!(!number_has_mark(plain), "{plain}");
        }
    }
}
