//! Finds secrecy marks (mật, tối mật, tuyệt mật) as a reader sees them, whatever characters they are
//! written in.
//!
//! ```text
//! text ─▶ readings (escapes undone, old spellings decoded) ─▶ glyphs (look-alikes folded)
//!      ─▶ words (letters apart joined) ─▶ segments ─▶ phrases: is it a mark?
//! ```
//!
//! # Promises
//!
//! - A mark is found with all of its diacritics, with some and with none, composed or decomposed,
//!   with invisible characters inside, in compatibility and look-alike letters, with its letters
//!   apart, escaped for HTML or twice encoded, and in the spellings TCVN3, VNI and VIQR.
//! - Words about secrecy (bí mật nhà nước), honey (mật ong), passwords (mật khẩu), the Front (mặt
//!   trận) and people named Mật are no mark.
//! - The time is linear in the length of the text, and short where the letters `mat` do not occur.
//! - One list of names ([`field_meaning`]) decides which fields hold a mark, for whoever keeps fields
//!   and for whoever refuses them.
//!
//! # Not here
//!
//! Which fields of a message are searched, and what happens to a message with a mark.

mod archive_name;
mod context;
mod escapes;
mod field;
mod glyph;
mod join;
mod legacy;
mod phrase;
mod precheck;
mod reading;
mod secrecy_mark;
mod segment;
mod tags;
mod vocabulary;
mod word;

pub use field::{FieldMeaning, field_meaning, means_no_secrecy, means_urgency};
pub use secrecy_mark::SecrecyMark;

use crate::archive_name::restore_archive_name;
use crate::phrase::Phrases;
use crate::segment::{Segment, split_segments};

/// The mark that a text bears.
pub fn find_in_text(text: &str) -> Option<SecrecyMark> {
    find_in_readings(text, |segments| Phrases::new(segments).find_mark())
}

/// The mark that a file's name bears before its extension, or in a folder's name before it.
pub fn find_in_file_name(name: &str) -> Option<SecrecyMark> {
    let is_extension = |it: &str| it.len() <= 5 && it.is_ascii();
    let name = restore_archive_name(name);
    let stem = name.rsplit_once('.').filter(|(_, it)| is_extension(it));
    find_in_text(stem.map_or(&*name, |(stem, _)| stem))
}

/// The mark that a part of a document's number is: `12-BC/TU (M)`, `05/BC-MẬT`.
pub fn find_in_number(number: &str) -> Option<SecrecyMark> {
    if has_bracketed_letter(number) {
        return Some(SecrecyMark::Clear);
    }
    find_in_readings(number, |segments| {
        let words = || segments.iter().flat_map(|it| &it.words);
        let is_marked =
            |it: &word::Word| it.is_mat() || ["toimat", "tuyetmat"].contains(&it.letters.as_str());
        let has_diacritics = words().any(|it| is_marked(it) && it.diacritics != 0);
        let mark = if has_diacritics { SecrecyMark::Clear } else { SecrecyMark::Unclear };
        words().any(is_marked).then_some(mark)
    })
}

/// The mark in the name of a person or an organisation. `Mật` is a name as well, so only marks of two
/// words, labels and marks in brackets count.
pub fn find_in_name(name: &str) -> Option<SecrecyMark> {
    find_in_readings(name, |segments| {
        segments.iter().find_map(|it| {
            let has_degree = it
                .words
                .windows(2)
                .any(|pair| pair[0].is_degree() && pair[1].is_mat() && pair[1].diacritics != 0);
            let is_mark = it.words.len() == 1 && it.words[0].is_mat();
            let is_bracketed = is_mark && it.is_bracketed() && it.words[0].diacritics != 0;
            (has_degree || is_bracketed).then_some(SecrecyMark::Clear)
        })
    })
}

/// The mark in a native field, by the names of the field and the fields around it, and by its text.
///
/// `is_known` says that a description names the field and could only not read its value; then a bare
/// code in a field for urgency is no mark.
pub fn find_in_field<'n>(
    names: impl IntoIterator<Item = &'n str>,
    value: &str,
    is_known: bool,
) -> Option<SecrecyMark> {
    let mut found = None;
    for name in names {
        let by_name = match field_meaning(name) {
            FieldMeaning::Secrecy if !means_no_secrecy(value) => Some(SecrecyMark::Clear),
            FieldMeaning::Urgency if !is_known && is_code(value) && !means_urgency(value) => {
                Some(SecrecyMark::Unclear)
            }
            FieldMeaning::Secrecy | FieldMeaning::Urgency => None,
            FieldMeaning::Other => find_in_text(name),
        };
        if by_name == Some(SecrecyMark::Clear) {
            return by_name;
        }
        found = found.or(by_name);
    }
    match find_in_text(value) {
        Some(SecrecyMark::Clear) => Some(SecrecyMark::Clear),
        mark => found.or(mark),
    }
}

/// True for a value that is a code and not a phrase.
fn is_code(value: &str) -> bool {
    value.trim().chars().count() <= 2
}

fn find_in_readings(
    text: &str,
    find: impl Fn(&[Segment]) -> Option<SecrecyMark>,
) -> Option<SecrecyMark> {
    let mut found = None;
    for reading in reading::read(text) {
        let mark = find(&split_segments(&reading.text));
        match mark {
            Some(_) if reading.is_guess => found = Some(SecrecyMark::Unclear),
            Some(SecrecyMark::Clear) => return mark,
            _ => found = found.or(mark),
        }
    }
    found
}

/// True for `(M)` or `[TM]`, the marks of numbers.
fn has_bracketed_letter(number: &str) -> bool {
    let mut plain = String::new();
    for it in number.chars() {
        glyph::fold_char(it, &mut |glyph| match glyph {
            glyph::Glyph::Letter(it) => plain.push(it.letter),
            glyph::Glyph::Other(it) if !it.is_whitespace() => plain.push(it),
            glyph::Glyph::Other(_) | glyph::Glyph::Diacritic(_) => {}
        });
    }
    ["(m)", "(tm)", "[m]", "[tm]"].iter().any(|it| plain.contains(it))
}

#[cfg(test)]
mod tests;
