//! Words, that decide whether `mật` beside them is a mark.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::word::{Piece, Word, split_pieces};

/// Words with their diacritics.
#[derive(Debug)]
pub(crate) struct WordSet(HashMap<String, Vec<u16>>);

impl WordSet {
    fn new(words: &str) -> Self {
        let mut set: HashMap<String, Vec<u16>> = HashMap::new();
        for piece in split_pieces(words) {
            if let Piece::Word(letters) = piece {
                let word = Word::from_letters(&letters);
                set.entry(word.letters).or_default().push(word.diacritics);
            }
        }
        Self(set)
    }

    /// True for a word of the set with all, some or none of its diacritics, and no other.
    pub(crate) fn contains(&self, word: &Word) -> bool {
        let spellings = self.0.get(&word.letters).map_or(&[][..], Vec::as_slice);
        spellings.iter().any(|it| word.diacritics & !it == 0)
    }

    /// The length of the longest word of the set, without diacritics, with which letters begin.
    pub(crate) fn longest_prefix(&self, letters: &str) -> usize {
        let words = self.0.keys().filter(|it| letters.starts_with(it.as_str()));
        words.map(|it| it.chars().count()).max().unwrap_or_default()
    }
}

/// Words that form an ordinary compound with a preceding `mật`: honey, passwords, density, ciphers,
/// police, religion and places.
pub(crate) static COMPOUND_ENDS: LazyLock<WordSet> = LazyLock::new(|| {
    WordSet::new(
        "ong độ khẩu mã thư vụ thiết ngọt danh mía gấu đường hoa tông phục thám ngữ nghị sơn hiệu \
         lệnh đàm ước giáo chú phái mông rỉ dừa lợn heo bò gà trăn",
    )
});

/// Words that form an ordinary compound with a following `mật`: secrets in general (bí mật), security
/// (bảo mật), honey and the gall bladder.
pub(crate) static COMPOUND_BEGINNINGS: LazyLock<WordSet> = LazyLock::new(|| {
    WordSet::new(
        "bí bảo giải không cơ túi ống sỏi trăng thân cẩn trù kín đường lấy rỉ gan ngọt mùa quay thu \
         làm sữa chu nghiêm giọt mùi lộ",
    )
});

/// Kinds of documents and what they hold, in two words.
pub(crate) const DOCUMENTS: [(&str, &str); 36] = [
    ("cong", "van"),
    ("van", "ban"),
    ("tai", "lieu"),
    ("bao", "cao"),
    ("ke", "hoach"),
    ("to", "trinh"),
    ("thong", "bao"),
    ("nghi", "quyet"),
    ("quyet", "dinh"),
    ("chi", "thi"),
    ("de", "an"),
    ("phuong", "an"),
    ("ho", "so"),
    ("bien", "ban"),
    ("danh", "sach"),
    ("tinh", "hinh"),
    ("huong", "dan"),
    ("cong", "dien"),
    ("thong", "tin"),
    ("noi", "dung"),
    ("so", "lieu"),
    ("chuong", "trinh"),
    ("du", "an"),
    ("ban", "do"),
    ("nghi", "dinh"),
    ("thong", "tri"),
    ("ket", "luan"),
    ("giay", "moi"),
    ("phieu", "gui"),
    ("phieu", "trinh"),
    ("chuyen", "de"),
    ("hop", "dong"),
    ("giay", "to"),
    ("cong", "thu"),
    ("y", "kien"),
    ("thu", "moi"),
];

/// How secret documents are handled, in two words: texts with them are about documents of that kind.
pub(crate) const HANDLING: [(&str, &str); 36] = [
    ("tu", "dung"),
    ("mua", "sam"),
    ("bao", "quan"),
    ("luu", "giu"),
    ("may", "tinh"),
    ("in", "sao"),
    ("gui", "nhan"),
    ("thu", "hoi"),
    ("quan", "ly"),
    ("quy", "che"),
    ("quy", "dinh"),
    ("quy", "trinh"),
    ("bao", "ve"),
    ("huong", "dan"),
    ("xu", "ly"),
    ("tieu", "huy"),
    ("sao", "chup"),
    ("tap", "huan"),
    ("boi", "duong"),
    ("kiem", "tra"),
    ("noi", "quy"),
    ("thong", "ke"),
    ("danh", "muc"),
    ("soan", "thao"),
    ("luu", "tru"),
    ("giao", "nhan"),
    ("tiep", "nhan"),
    ("so", "dang"),
    ("pho", "bien"),
    ("con", "dau"),
    ("van", "chuyen"),
    ("dang", "ky"),
    ("xac", "dinh"),
    ("gia", "han"),
    ("thay", "doi"),
    ("giam", "do"),
];

/// Family names. In capitals only those count that are no other word.
pub(crate) const FAMILY_NAMES: [&str; 28] = [
    "nguyen", "tran", "pham", "huynh", "phan", "bui", "dang", "vu", "vo", "ngo", "le", "hoang",
    "dinh", "trinh", "do", "ho", "ly", "duong", "doan", "luong", "mai", "truong", "cao", "ha",
    "trieu", "nong", "lo", "vi",
];
/// The first of [`FAMILY_NAMES`] that are no other word.
pub(crate) const DISTINCT_FAMILY_NAMES: usize = 14;

/// Words between a family name and a given name.
pub(crate) const MIDDLE_NAMES: [&str; 30] = [
    "van", "thi", "dinh", "huu", "duc", "xuan", "ngoc", "minh", "quang", "cong", "the", "quoc",
    "trong", "ba", "viet", "duy", "thanh", "hong", "kim", "manh", "nhu", "thu", "huy", "tien",
    "gia", "khac", "sy", "tan", "hoang", "phu",
];

/// How a person is addressed; the last word.
pub(crate) static TITLES: LazyLock<WordSet> = LazyLock::new(|| {
    WordSet::new(
        "ông bà chí anh chị em cô chú bác thầy sĩ sỹ tá úy tướng họ tên cháu cụ mẹ vợ chồng con",
    )
});

/// Kinds of places that a name follows.
pub(crate) const PLACES: [&str; 22] = [
    "thon", "xom", "lang", "suoi", "cau", "hang", "nui", "doi", "khe", "pho", "cho", "ben", "song",
    "ap", "chua", "deo", "thac", "xa", "phuong", "den", "ban", "duong",
];
