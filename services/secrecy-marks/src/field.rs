//! Fields of native formats: which of them hold a secrecy mark, and which values mean none.

use crate::legacy::{decode, find_scheme};
use crate::word::{Piece, Word, split_pieces};

/// What a field that the canonical model does not have holds, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldMeaning {
    /// A secrecy mark: every value that does not mean "none" refuses the item.
    Secrecy,
    /// Urgency (`DoKhan`). Decree 30/2020 has one digit for urgency and secrecy together, so in a
    /// format that does not say what its codes mean, a bare code may be either.
    Urgency,
    /// Something else.
    Other,
}

/// Parts of names that only secrecy fields have.
const SECRECY_PARTS: [&str; 26] = [
    "clearance",
    "domat",
    "mucmat",
    "capmat",
    "loaimat",
    "daumat",
    "chimat",
    "tuyetmat",
    "toimat",
    "baomat",
    "bimat",
    "intmat",
    "secre",
    "classif",
    "confiden",
    "securitylevel",
    "securityclass",
    "securitygrade",
    "securitymark",
    "securityname",
    "securitycode",
    "securityid",
    "securitytype",
    "seclevel",
    "sensitivity",
    "protectivemark",
];

/// Parts of names that contain one of [`SECRECY_PARTS`] and mean something else: secretaries, keys of
/// programs, passwords.
const OTHER_PARTS: [&str; 13] = [
    "secretar",
    "secretkey",
    "clientsecret",
    "appsecret",
    "sharedsecret",
    "secrettoken",
    "secretaccess",
    "apisecret",
    "secretion",
    "secretsanta",
    "secretvalue",
    "secrethash",
    "classifier",
];

/// Words that stand beside `mat` in the name of a secrecy field.
const WORDS_BEFORE: [&str; 34] = [
    "tinh", "chat", "ky", "ho", "so", "phan", "xep", "is", "int", "str", "bool", "b", "n", "s",
    "i", "id", "ma", "ten", "code", "vb", "van", "ban", "tai", "lieu", "cong", "flag", "la", "muc",
    "cap", "do", "loai", "dau", "chi", "hieu",
];
const WORDS_AFTER: [&str; 11] =
    ["id", "ma", "ten", "name", "code", "value", "text", "level", "flag", "type", "desc"];

/// What the last step of a native path holds: `DoMat`, `edXML:Secret`, `str_muc_do_mat[2]`,
/// `Độ mật`, `security-classification`.
pub fn field_meaning(name: &str) -> FieldMeaning {
    let name = name.split('[').next().unwrap_or_default();
    let decoded = find_scheme(name).map(|it| decode(name, it));
    let words = words_of(decoded.as_deref().unwrap_or(name));
    let joined: String = words.iter().map(|it| it.letters.as_str()).collect();
    let is_other = || OTHER_PARTS.iter().any(|it| joined.contains(it));
    let is_secrecy = SECRECY_PARTS.iter().any(|it| joined.contains(it)) && !is_other();
    if is_secrecy && has_vowels_of_mat(&words) || joined == "security" || is_mat_field(&words) {
        return FieldMeaning::Secrecy;
    }
    match joined.contains("dokhan") || joined.contains("mucdokhan") || joined == "khan" {
        true => FieldMeaning::Urgency,
        false => FieldMeaning::Other,
    }
}

/// False when the name is spelled with diacritics that make it another word (`Độ mát`).
fn has_vowels_of_mat(words: &[Word]) -> bool {
    !words.iter().any(|it| it.letters == "mat" && !it.is_mat())
}

/// True for `Mat`, `IsMat`, `intMat`, `VB_MAT`, `MatId`, and not for `MatTran`, `MatKhau`.
fn is_mat_field(words: &[Word]) -> bool {
    let Some(at) = words.iter().position(Word::is_mat) else {
        let joined: String = words.iter().map(|it| it.letters.as_str()).collect();
        return ["ismat", "vbmat", "strmat", "matid", "idmat", "mamat", "tenmat"]
            .contains(&joined.as_str());
    };
    let is_in = |it: &Word, list: &[&str]| list.contains(&it.letters.as_str());
    words[..at].iter().all(|it| is_in(it, &WORDS_BEFORE))
        && words[at + 1..].iter().all(|it| is_in(it, &WORDS_AFTER))
}

fn words_of(name: &str) -> Vec<Word> {
    let pieces = split_pieces(name).into_iter();
    let words = pieces.filter_map(|it| match it {
        Piece::Word(letters) => Some(Word::from_letters(&letters)),
        Piece::Gap(_) => None,
    });
    words.collect()
}

/// Phrases that mean no secrecy, without diacritics.
const NO_SECRECY: [&str; 34] = [
    "none",
    "no",
    "non",
    "not",
    "n",
    "na",
    "null",
    "nil",
    "undefined",
    "false",
    "f",
    "normal",
    "ordinary",
    "public",
    "open",
    "regular",
    "standard",
    "unclassified",
    "not classified",
    "not secret",
    "not confidential",
    "non secret",
    "thuong",
    "binh thuong",
    "thong thuong",
    "bt",
    "van ban thuong",
    "khong",
    "khong mat",
    "khong co",
    "khong phai mat",
    "khong bao mat",
    "khong do mat",
    "cong khai",
];

/// True for a value of a secrecy field that means no secrecy: empty, zero, `Thường`, `không`,
/// `0 - Thường (không mật)`.
pub fn means_no_secrecy(value: &str) -> bool {
    let (is_ordinary, has_words, number) = parse_value(value, &NO_SECRECY);
    let is_zero = number.is_none_or(|it| it.bytes().all(|it| it == b'0'));
    // `1 - Thường` names its code.
    is_ordinary && (has_words || is_zero)
}

/// Phrases that mean an urgency, without diacritics.
const URGENCIES: [&str; 17] = [
    "khan",
    "thuong khan",
    "hoa toc",
    "hoa toc hen gio",
    "hen gio",
    "toi khan",
    "rat khan",
    "khong khan",
    "urgent",
    "very urgent",
    "immediate",
    "flash",
    "high",
    "low",
    "medium",
    "priority",
    "hoa toc khan",
];

/// True for a value of an urgency field that says an urgency in words, or none.
pub fn means_urgency(value: &str) -> bool {
    let phrases: Vec<&str> = NO_SECRECY.into_iter().chain(URGENCIES).collect();
    let (is_known, has_words, number) = parse_value(value, &phrases);
    let is_zero = number.is_none_or(|it| it.bytes().all(|it| it == b'0'));
    is_known && (has_words || is_zero)
}

/// Whether all phrases of a value are known, whether it has one, and its first number.
fn parse_value(value: &str, known: &[&str]) -> (bool, bool, Option<String>) {
    let (mut phrase, mut digits) = (String::new(), String::new());
    let (mut is_known, mut has_words) = (true, false);
    let mut end_phrase = |phrase: &mut String| {
        let text = phrase.trim();
        if !text.is_empty() {
            has_words = true;
            is_known &= known.contains(&text);
        }
        phrase.clear();
    };
    for piece in split_pieces(value) {
        match piece {
            Piece::Word(letters) => phrase.extend(letters.iter().map(|it| it.letter)),
            Piece::Gap(gap) if gap.chars().all(|it| it.is_whitespace() || it == '_') => {
                phrase.push(' ');
            }
            Piece::Gap(gap) => {
                // `n/a` is one word.
                if gap == "/" && phrase == "n" {
                    continue;
                }
                end_phrase(&mut phrase);
                digits.extend(gap.chars().filter(char::is_ascii_digit));
            }
        }
    }
    end_phrase(&mut phrase);
    (is_known, has_words, (!digits.is_empty()).then_some(digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRECY_NAMES: &[&str] = &[
        "DoMat",
        "doMat",
        "DO_MAT",
        "do-mat",
        "DOMAT_ID",
        "Độ mật",
        "ĐỘ MẬT",
        "mức độ mật",
        "MucMat",
        "mucDoMat",
        "intMat",
        "strTenDoMat",
        "tenDoMat",
        "edXML:Secret",
        "@secret",
        "Secrecy",
        "SecretLevel",
        "secret_id",
        "Classification",
        "security_classification",
        "SecurityLevel",
        "Security",
        "SecurityName",
        "Confidentiality",
        "ConfidentialityLevel",
        "phân loại bảo mật",
        "PhanLoaiBaoMat",
        "CapDoMat",
        "Mat",
        "Mật",
        "IsMat",
        "VB_MAT",
        "ＤｏＭａｔ",
        "Dо\u{41c}at",
        "Do\u{200b}Mat",
        "§é mËt",
        "ñoä maät",
        "data.doMat",
        "DoMat[2]",
        "độMật",
        "dấu mật",
    ];

    #[test]
    fn names_of_secrecy_fields_are_known_in_every_spelling() {
        for name in SECRECY_NAMES {
            assert_eq!(field_meaning(name), FieldMeaning::Secrecy, "{name}");
        }
        for name in [
            "MatTran",
            "MatKhau",
            "matKhau",
            "MatHang",
            "mat_do",
            "SecretKey",
            "secretary",
            "Secretariat",
            "Độ mát",
            "Mặt hàng",
            "format",
            "automatic",
            "Title",
            "TrichYeu",
            "SoTrang",
            "NgayMat",
            "TienMat",
            "SecurityToken",
            "",
        ] {
            assert_eq!(field_meaning(name), FieldMeaning::Other, "{name}");
        }
        for name in ["DoKhan", "độ khẩn", "MUC_DO_KHAN"] {
            assert_eq!(field_meaning(name), FieldMeaning::Urgency, "{name}");
        }
    }

    #[test]
    fn only_values_that_say_none_mean_no_secrecy() {
        for value in [
            "",
            " ",
            "0",
            "00",
            "0.0",
            "none",
            "None",
            "NULL",
            "n/a",
            "N/A",
            "false",
            "không",
            "Khong",
            "KHÔNG MẬT",
            "Thường",
            "thuong",
            "Bình thường",
            "0 - Thường",
            "1 - Thường",
            "Thường (không mật)",
            "Công khai",
            "-",
            "normal",
            "Public",
            "Unclassified",
        ] {
            assert!(means_no_secrecy(value), "{value}");
        }
        for value in [
            "1",
            "2",
            "B",
            "A",
            "C",
            "M",
            "mật",
            "Mật",
            "Tối mật",
            "tuyet mat",
            "true",
            "yes",
            "high",
            "secret",
            "Confidential",
            "xyz",
            "10",
            "0 - Mật",
            "Thường, Mật",
            "thường mật",
            "có",
        ] {
            assert!(!means_no_secrecy(value), "{value}");
        }
        for value in ["Khẩn", "hỏa tốc", "2 - Thượng khẩn", "Thường", "0", ""] {
            assert!(means_urgency(value), "{value}");
        }
        for value in ["2", "B", "Mật", "tối mật"] {
            assert!(!means_urgency(value), "{value}");
        }
    }
}
