//! Words that are a secrecy mark, told from words that only speak of secrets, honey or passwords.
//!
//! A mark is `mật`, `tối mật` or `tuyệt mật` standing for itself: first, last, in brackets, or
//! before a subject. It is known with all of its accents, with some and with none, composed or not.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// What distinguishes `đ` from `d`, counted as an accent.
const STROKE: char = '\u{335}';

/// What `mật` begins in ordinary language; in a title all in capitals the next word decides.
const COMPOUNDS: [&str; 18] = [
    "ong", "do", "khau", "ma", "thu", "vu", "thiet", "ngot", "danh", "mia", "gau", "duong", "hoa",
    "tong", "phuc", "tham", "ngu", "nghi",
];

/// A word without case and accents, and what was taken from it.
#[derive(Debug)]
struct Word {
    letters: String,
    accents: Vec<char>,
    is_capital: bool,
    is_capitals: bool,
}

impl Word {
    fn of(raw: &str) -> Self {
        let mut word = Self {
            letters: String::new(),
            accents: Vec::new(),
            is_capital: false,
            is_capitals: true,
        };
        for it in raw.chars() {
            if is_combining_mark(it) {
                word.accents.push(it);
                continue;
            }
            word.is_capital |= word.letters.is_empty() && it.is_uppercase();
            word.is_capitals &= it.is_uppercase();
            word.letters.extend(it.to_lowercase());
        }
        let strokes = word.letters.matches('đ').count();
        if strokes > 0 {
            word.accents.extend(std::iter::repeat_n(STROKE, strokes));
            word.letters = word.letters.replace('đ', "d");
        }
        word
    }

    /// True with all, some or none of the accents of the word that is meant.
    fn spells(&self, letters: &str, accents: &[char]) -> bool {
        self.letters == letters && self.accents.iter().all(|it| accents.contains(it))
    }

    fn is_mat(&self) -> bool {
        self.spells("mat", &['\u{302}', '\u{323}'])
    }

    fn is_degree(&self) -> bool {
        self.spells("toi", &['\u{302}', '\u{301}']) || self.spells("tuyet", &['\u{302}', '\u{323}'])
    }

    fn is_do(&self) -> bool {
        self.spells("do", &[STROKE, '\u{302}', '\u{323}'])
    }
}

/// How many words of a mark these begin with.
fn leading(words: &[Word]) -> usize {
    match words {
        [first, second, ..] if first.is_degree() && second.is_mat() => 2,
        [first, ..] if first.is_mat() => 1,
        _ => 0,
    }
}

/// How many words of a mark these end with.
fn trailing(words: &[Word]) -> usize {
    match words {
        [.., last_but_one, last] if last_but_one.is_degree() && last.is_mat() => 2,
        [.., last] if last.is_mat() => 1,
        _ => 0,
    }
}

/// What stands between two separators.
#[derive(Debug, Default)]
struct Segment {
    words: Vec<Word>,
    is_bracketed: bool,
}

impl Segment {
    fn is_mark(&self) -> bool {
        leading(&self.words) > 0 && leading(&self.words) == self.words.len()
    }

    /// `độ mật`, `mức độ mật`: the value follows.
    fn is_label(&self) -> bool {
        matches!(&self.words[..], [first, .., second, third]
            if first.letters == "muc" && self.words.len() == 3 && second.is_do() && third.is_mat())
            || matches!(&self.words[..], [first, second] if first.is_do() && second.is_mat())
    }

    /// `… độ Tuyệt mật`, before `, Tối mật`: a list in running text.
    fn lists(&self) -> bool {
        let count = trailing(&self.words);
        let before = self.words.len().checked_sub(count + 1).and_then(|it| self.words.get(it));
        !self.is_label() && (count == 2 || count == 1 && before.is_some_and(Word::is_do))
    }

    /// `TUYỆT MẬT Phương án`, `MẬT Báo cáo`, `Báo cáo tình hình MẬT`, `độ tối mật`.
    fn contains(&self) -> bool {
        let words = &self.words[..];
        let led = match leading(words) {
            2 => true,
            1 => words[0].is_capitals && !words[0].accents.is_empty() && !is_compound(&words[1..]),
            _ => false,
        };
        let count = trailing(words);
        let (front, mark) = words.split_at(words.len() - count);
        let closed = count > 0
            && mark.iter().all(|it| it.is_capitals)
            && (count == 2 || !mark[0].accents.is_empty())
            && front.last().is_some_and(|it| !it.is_capitals && !it.is_do());
        let labelled = match words {
            [first, rest @ ..] if first.is_do() => {
                let value = rest.get(1..).unwrap_or_default();
                leading(rest) == 2 && rest.len() == 2
                    || leading(rest) == 1 && leading(value) > 0 && leading(value) == value.len()
            }
            _ => false,
        };
        led || closed || labelled
    }
}

/// `ONG VÀ SẢN PHẨM`, after `MẬT`.
fn is_compound(rest: &[Word]) -> bool {
    rest.first().is_some_and(|it| it.is_capitals && COMPOUNDS.contains(&it.letters.as_str()))
}

/// True when a mark stands in the text.
pub(super) fn bears(text: &str) -> bool {
    if !may_bear(text) {
        return false;
    }
    let segments = segments(text);
    let is_bare = segments.iter().flat_map(|it| &it.words).all(|it| it.accents.is_empty());
    let last = segments.len().saturating_sub(1);
    segments.iter().enumerate().any(|(place, it)| {
        let before = place.checked_sub(1).and_then(|it| segments.get(it));
        if before.is_some_and(|it| it.lists() || ends_in_liver(it)) {
            return false;
        }
        if before.is_some_and(Segment::is_label) {
            return leading(&it.words) > 0;
        }
        if it.is_label() {
            return place == last;
        }
        if !it.is_mark() {
            return it.contains();
        }
        let [only] = &it.words[..] else { return true };
        let is_apart = place == 0 || place == last || it.is_bracketed || only.is_capital;
        // Without accents it may be `mặt` or `mát` as well: only in capitals, and only where
        // nothing else has accents either.
        is_apart && (!only.accents.is_empty() || is_bare && only.is_capitals)
    })
}

/// True when a mark stands in a file's name.
pub(super) fn name_bears(name: &str) -> bool {
    let stem = name.rsplit_once('.').filter(|(_, it)| it.len() <= 5 && it.is_ascii());
    bears(stem.map_or(name, |(stem, _)| stem))
}

/// `12-BC/TU (M)`, `05/BC-MẬT`: a part of its own that is a mark.
pub(super) fn number_bears(number: &str) -> bool {
    let upper = number.to_uppercase();
    let bracketed = ["(M)", "(TM)", "[M]", "[TM]"].iter().any(|it| upper.contains(it));
    bracketed
        || number
            .nfd()
            .collect::<String>()
            .split(|it| !belongs(it))
            .map(Word::of)
            .any(|it| it.is_mat() || ["toimat", "tuyetmat"].contains(&it.letters.as_str()))
}

/// `Gan - Mật - Tụy`: the organ.
fn ends_in_liver(segment: &Segment) -> bool {
    segment.words.last().is_some_and(|it| it.letters == "gan" && it.accents.is_empty())
}

/// A quick look that passes over nearly every text.
fn may_bear(text: &str) -> bool {
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

fn belongs(letter: char) -> bool {
    letter.is_alphabetic() || is_combining_mark(letter)
}

/// A dash with a letter at both sides, an underline, a number and white space part words; anything
/// else that is no letter parts segments.
fn segments(text: &str) -> Vec<Segment> {
    let letters: Vec<char> = text.trim().nfd().collect();
    let mut segments = vec![Segment::default()];
    let mut word = String::new();
    for (place, it) in letters.iter().enumerate() {
        if belongs(*it) {
            word.push(*it);
            continue;
        }
        add(&mut segments, &mut word);
        let beside = |it: Option<&char>| it.is_some_and(|it| belongs(*it));
        let before = place.checked_sub(1).and_then(|it| letters.get(it));
        let is_tight = *it == '-' && beside(before) && beside(letters.get(place + 1));
        let is_line = matches!(it, '\n' | '\r');
        if is_tight || *it == '_' || it.is_numeric() || (it.is_whitespace() && !is_line) {
            continue;
        }
        segments.push(Segment { words: Vec::new(), is_bracketed: matches!(it, '(' | '[' | '{') });
    }
    add(&mut segments, &mut word);
    segments.retain(|it| !it.words.is_empty());
    segments
}

fn add(segments: &mut [Segment], word: &mut String) {
    if let Some(segment) = segments.last_mut().filter(|_| !word.is_empty()) {
        segment.words.push(Word::of(word));
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
    fn marks_are_seen_in_any_spelling() {
        for marked in MARKED {
            assert!(bears(marked), "{marked}");
            let decomposed: String = marked.nfd().collect();
            assert!(bears(&decomposed), "{marked}, decomposed");
        }
    }

    #[test]
    fn words_that_are_no_mark_pass() {
        for plain in PLAIN {
            assert!(!bears(plain), "{plain}");
            let decomposed: String = plain.nfd().collect();
            assert!(!bears(&decomposed), "{plain}, decomposed");
        }
    }

    #[test]
    fn a_files_name_bears_a_mark_before_its_extension() {
        for marked in
            ["Mật.pdf", "Báo cáo - mật.docx", "MẬT_baocao.pdf", "TUYET MAT.pdf", "MAT.pdf"]
        {
            assert!(name_bears(marked), "{marked}");
        }
        for plain in ["mat_bang.pdf", "mat-tran.docx", "Mật độ.xlsx", "bao mat.pdf", "format.pdf"]
        {
            assert!(!name_bears(plain), "{plain}");
        }
    }

    #[test]
    fn a_number_bears_a_mark_as_a_part_of_its_own() {
        for marked in ["12-BC/TU (M)", "12(tm)", "05/BC-MẬT", "05/BC-MAT", "7/TUYETMAT-BC"] {
            assert!(number_bears(marked), "{marked}");
        }
        for plain in ["45-CV/MTTQ", "12/TM-UBND", "7/M", "12-HD/BTCTU"] {
            assert!(!number_bears(plain), "{plain}");
        }
    }
}
