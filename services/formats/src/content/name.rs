//! Names of files: as a person would write them, and which of several files a reference names.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization as _;

/// The name of a file where the sender's text is a path, an encoded form, or holds slashes; none
/// when the text is a name already. A name is never shortened.
pub(crate) fn plain_file_name(text: &str) -> Option<String> {
    let decoded = decode_words(text).or_else(|| decode_percent(text));
    let readable = decoded.as_deref().unwrap_or(text);
    // The letters of another writing direction or line would disguise the extension.
    let readable = readable.replace(|it: char| it.is_control(), " ");
    let name = without_slashes(readable.trim());
    let name: String = name.nfc().collect();
    // A name of dots alone is that of a folder.
    let is_folder = name.chars().all(|it| it == '.');
    let name = if is_folder { name.replace('.', "-") } else { name };
    (name != text && !name.is_empty()).then_some(name)
}

/// The last part of a client's path or of an address; another slash is part of a document's number
/// (`12/2025/QĐ-UBND.pdf`) and becomes a dash.
fn without_slashes(name: &str) -> Cow<'_, str> {
    let slashes = ['/', '\\'];
    if !name.contains(slashes) {
        return Cow::Borrowed(name);
    }
    let schemes = ["http://", "https://", "ftp://"];
    let scheme =
        |it: &&str| name.get(..it.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(it));
    let is_address = schemes.iter().any(scheme);
    let name = if is_address { name.split(['?', '#']).next().unwrap_or(name) } else { name };
    let bytes = name.as_bytes();
    let has_drive = bytes.first().is_some_and(u8::is_ascii_alphabetic)
        && bytes.get(1) == Some(&b':')
        && bytes.get(2).is_some_and(|it| matches!(it, b'/' | b'\\'));
    let begins = ["/", "\\", "./", ".\\", "../", "..\\", "~/", "file:/"];
    let is_path = has_drive || is_address || begins.iter().any(|it| name.starts_with(it));
    let last = name.rsplit(slashes).next().unwrap_or_default().trim();
    if is_path && !last.is_empty() {
        return Cow::Borrowed(last);
    }
    let inner = name.trim_matches(slashes);
    Cow::Owned(if inner.is_empty() { name } else { inner }.replace(slashes, "-"))
}

/// The text of a name that consists of encoded words (RFC 2047), as mail programs write names; none
/// for another name.
fn decode_words(text: &str) -> Option<String> {
    let mut decoded = String::new();
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let mut pending: Option<(&'static encoding_rs::Encoding, Vec<u8>)> = None;
    for word in words {
        let inner = word.strip_prefix("=?")?.strip_suffix("?=")?;
        let mut parts = inner.splitn(3, '?');
        let (charset, kind, content) = (parts.next()?, parts.next()?, parts.next()?);
        let charset = charset.split('*').next().unwrap_or_default();
        let encoding = encoding_rs::Encoding::for_label(charset.as_bytes())?;
        let bytes = match kind {
            "B" | "b" => proto::base64::decode(content).ok()?,
            "Q" | "q" => unescape(&content.replace('_', " "), b'=')?,
            _ => return None,
        };
        // Some writers cut a letter in two, so words of one charset are joined first.
        match &mut pending {
            Some((other, joined)) if *other == encoding => joined.extend(bytes),
            _ => {
                decoded += &decode_pending(pending.take())?;
                pending = Some((encoding, bytes));
            }
        }
    }
    decoded += &decode_pending(pending)?;
    (!decoded.trim().is_empty()).then_some(decoded)
}

fn decode_pending(
    pending: Option<(&'static encoding_rs::Encoding, Vec<u8>)>,
) -> Option<Cow<'static, str>> {
    let Some((encoding, bytes)) = pending else { return Some(Cow::Borrowed("")) };
    let text = encoding.decode_without_bom_handling_and_without_replacement(&bytes)?;
    Some(Cow::Owned(text.into_owned()))
}

/// The text of a percent-encoded name (RFC 3986); none unless the whole name is of letters that such
/// an encoding leaves, and decodes to something that it would have encoded.
fn decode_percent(text: &str) -> Option<String> {
    if !text.contains('%') || !text.bytes().all(|it| it.is_ascii_graphic()) {
        return None;
    }
    let decoded = String::from_utf8(unescape(text, b'%')?).ok()?;
    let is_meant = decoded.chars().any(|it| !it.is_ascii() || it == ' ');
    let is_name = !decoded.chars().any(|it| it.is_control() || it == '/' || it == '\\');
    (is_meant && is_name).then_some(decoded)
}

/// Replaces each escape and two hexadecimal digits by their byte; none when digits are missing.
fn unescape(text: &str, escape: u8) -> Option<Vec<u8>> {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(byte) = bytes.get(at) {
        if *byte != escape {
            out.push(*byte);
            at += 1;
            continue;
        }
        let mut decoded = [0];
        hex::decode_to_slice(bytes.get(at + 1..at + 3)?, &mut decoded).ok()?;
        out.extend(decoded);
        at += 3;
    }
    Some(out)
}

/// Which of several names a reference means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameMatch {
    /// The name at this index.
    One(usize),
    /// No name fits.
    None,
    /// Several names fit equally well.
    Several,
}

/// Finds the name that a reference means: the same text, else the same letters composed (NFC), else
/// percent-decoded, else by the last part of the path, else in another case. A looser form counts
/// only when exactly one name has it.
pub fn match_file_name(reference: &str, names: &[&str]) -> NameMatch {
    let forms: [fn(&str) -> String; 5] = [
        str::to_owned,
        |it| it.trim().nfc().collect(),
        decoded_form,
        |it| last_part(&decoded_form(it)).to_owned(),
        |it| last_part(&decoded_form(it)).to_lowercase(),
    ];
    for form in forms {
        let wanted = form(reference);
        if wanted.is_empty() {
            continue;
        }
        let mut fitting = names.iter().enumerate().filter(|(_, it)| form(it) == wanted);
        match (fitting.next(), fitting.next()) {
            (Some((index, _)), None) => return NameMatch::One(index),
            (Some(_), Some(_)) => return NameMatch::Several,
            (None, _) => {}
        }
    }
    NameMatch::None
}

fn decoded_form(text: &str) -> String {
    let bytes = text.contains('%').then(|| unescape(text, b'%')).flatten();
    let decoded = bytes.and_then(|it| String::from_utf8(it).ok());
    decoded.as_deref().unwrap_or(text).trim().nfc().collect()
}

fn last_part(text: &str) -> &str {
    text.rsplit(['/', '\\']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_made_readable_and_never_shorter_than_it_was() {
        let rows = [
            ("12/2025/QĐ-UBND.pdf", "12-2025-QĐ-UBND.pdf"),
            ("12\\2025\\QĐ-UBND.pdf", "12-2025-QĐ-UBND.pdf"),
            ("C:\\fakepath\\to trinh.docx", "to trinh.docx"),
            ("D:/ho so/to trinh.docx", "to trinh.docx"),
            ("\\\\may-chu\\chung\\a.pdf", "a.pdf"),
            ("/home/x/a.pdf", "a.pdf"),
            ("../../etc/passwd", "passwd"),
            ("file:///C:/a.pdf", "a.pdf"),
            ("=?UTF-8?B?Q8O0bmcgdsSDbi5wZGY=?=", "Công văn.pdf"),
            ("=?utf-8?Q?C=C3=B4ng_v=C4=83n.pdf?=", "Công văn.pdf"),
            ("=?UTF-8?B?Q8O0bmcgdsQ=?= =?UTF-8?B?g24ucGRm?=", "Công văn.pdf"),
            ("C%C3%B4ng%20v%C4%83n.pdf", "Công văn.pdf"),
            ("12%2F2025%20a.pdf", "12%2F2025%20a.pdf"),
            ("a\nb.pdf", "a b.pdf"),
            ("https://cdn.vn/vb/12.pdf?token=a/b#x", "12.pdf"),
            ("/", "-"),
            ("..", "--"),
            (".", "-"),
            ("../..", "--"),
            ("Co\u{302}ng.pdf", "Công.pdf"),
        ];
        for (text, expected) in rows {
            let name = plain_file_name(text).unwrap_or_else(|| text.to_owned());
            assert_eq!(name, expected);
            assert_eq!(plain_file_name(&name), None, "{name} is a name already");
        }
        let long = format!("{}.pdf", "Báo cáo ".repeat(100));
        for text in
            ["tăng 5%20.pdf", "100%.pdf", "50%25.pdf", ".pdf", "=?x?=", "=?UTF-8?B?*?=", &long]
        {
            assert_eq!(plain_file_name(text), None, "{text}");
        }
    }

    #[test]
    fn a_reference_finds_the_one_file_that_it_can_mean() {
        let names = ["Công văn số 5.pdf", "phu-luc.pdf", "Phu-Luc.pdf", "c%20d.pdf"];
        for reference in [
            "Công văn số 5.pdf",
            "Co\u{302}ng va\u{306}n so\u{302}\u{301} 5.pdf",
            "/Upload/2026/11/Công văn số 5.pdf",
            "Upload\\2026\\Công văn số 5.pdf",
            "C%C3%B4ng%20v%C4%83n%20s%E1%BB%91%205.pdf",
            "CÔNG VĂN SỐ 5.PDF",
        ] {
            assert_eq!(match_file_name(reference, &names), NameMatch::One(0), "{reference}");
        }
        assert_eq!(match_file_name("phu-luc.pdf", &names), NameMatch::One(1), "exactly");
        assert_eq!(match_file_name("x/Phu-Luc.pdf", &names), NameMatch::One(2), "by its path");
        assert_eq!(match_file_name("PHU-LUC.pdf", &names), NameMatch::Several);
        assert_eq!(match_file_name("c%20d.pdf", &names), NameMatch::One(3));
        for reference in ["khac.pdf", "", "/", "x/"] {
            assert_eq!(match_file_name(reference, &names), NameMatch::None, "{reference}");
        }
    }
}
