//! The gate: what bears a secrecy mark is not for this road.

use proto::canonical::v1::{Canonical, Code, canonical::Body};

/// Where a mark stands, as a canonical path; none: there is none.
///
/// Looks at the field for it, and for formats that have no such field at the number, the subject
/// and the names of files. Words that merely speak of secrets ("bảo vệ bí mật nhà nước") are no
/// mark.
pub(crate) fn marked(canonical: &Canonical) -> Option<String> {
    let Some(Body::Document(document)) = &canonical.body else { return None };
    if document.secrecy.as_ref().is_some_and(is_secret) {
        return Some("secrecy".to_owned());
    }
    let number = document.number.as_ref();
    let numbers = [
        ("number.notation", number.map_or("", |it| &it.notation)),
        ("number.printed", number.map_or("", |it| &it.printed)),
    ];
    if let Some((path, _)) = numbers.into_iter().find(|(_, it)| number_bears(it)) {
        return Some(path.to_owned());
    }
    if text_bears(&document.subject) {
        return Some("subject".to_owned());
    }
    let place = document.attachments.iter().position(|it| text_bears(&it.file_name))?;
    Some(format!("attachments[{place}].file_name"))
}

fn is_secret(code: &Code) -> bool {
    let said = if code.code.is_empty() { &code.name } else { &code.code };
    !["", "none", "0", "thuong", "thường", "không", "không mật"]
        .contains(&said.trim().to_lowercase().as_str())
}

/// `12-BC/TU (M)`, `05/BC-MẬT`: a part of its own that is a mark.
fn number_bears(number: &str) -> bool {
    let upper = number.to_uppercase();
    let bracketed = ["(M)", "(TM)", "[M]", "[TM]"].iter().any(|it| upper.contains(it));
    bracketed || upper.split(|it: char| !it.is_alphabetic()).any(|it| it == "MẬT")
}

/// A mark before, behind or in brackets: `MẬT: …`, `… (Tối mật)`, `[Mật] …`, `Độ mật: Mật`.
fn text_bears(text: &str) -> bool {
    let folded = text.trim().to_lowercase();
    let bracketed =
        folded.split(['(', '[']).skip(1).filter_map(|it| it.split([')', ']']).next()).any(|it| {
            is_mark(it.trim()) || it.trim().strip_prefix("độ ").is_some_and(is_mark_field)
        });
    let led = folded.split([':', '-', '–', '_', '.']).next().is_some_and(|it| is_mark(it.trim()))
        && text.trim().chars().take_while(|it| it.is_alphabetic() || *it == ' ').all(is_capital);
    bracketed || led || folded.strip_prefix("độ ").is_some_and(is_mark_field)
}

fn is_mark(words: &str) -> bool {
    ["mật", "tối mật", "tuyệt mật"].contains(&words)
}

/// `mật: tối mật`, after `độ `.
fn is_mark_field(words: &str) -> bool {
    words
        .strip_prefix("mật")
        .map(|it| it.trim_start_matches([':', ' ']))
        .is_some_and(|it| ["mật", "tối mật", "tuyệt mật"].iter().any(|mark| it.starts_with(mark)))
}

fn is_capital(letter: char) -> bool {
    letter == ' ' || letter.is_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_seen_and_words_about_secrets_are_not() {
        for marked in [
            "MẬT: Báo cáo tình hình",
            "TỐI MẬT - Kế hoạch",
            "Báo cáo tình hình (Mật)",
            "[TUYỆT MẬT] Phương án",
            "Độ mật: Tối mật. Báo cáo",
            "MẬT_baocao.pdf",
            "MẬT",
        ] {
            assert!(text_bears(marked), "{marked}");
        }
        for plain in [
            "V/v thực hiện Luật Bảo vệ bí mật nhà nước",
            "VỀ VIỆC BẢO VỆ BÍ MẬT NHÀ NƯỚC",
            "Mật ong và sản phẩm từ ong",
            "Mật độ dân số: báo cáo",
            "Công văn không mật",
            "Bảo mật hệ thống (an toàn thông tin)",
            "",
        ] {
            assert!(!text_bears(plain), "{plain}");
        }
    }

    #[test]
    fn a_number_bears_a_mark_as_a_part_of_its_own() {
        assert!(number_bears("12-BC/TU (M)"));
        assert!(number_bears("05/BC-MẬT"));
        assert!(!number_bears("45-CV/MTTQ"));
        assert!(!number_bears("12/TM-UBND"));
    }

    #[test]
    fn only_plain_codes_pass_the_gate() {
        let code = |code: &str, name: &str| Code {
            list: "secrecy".into(),
            code: code.into(),
            name: name.into(),
        };
        assert!(!is_secret(&code("none", "")));
        assert!(!is_secret(&code("", "Thường")));
        assert!(is_secret(&code("mat", "")));
        assert!(is_secret(&code("", "Tuyệt mật")));
    }
}
