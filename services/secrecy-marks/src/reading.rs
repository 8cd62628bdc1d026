//! Readings: what a text may say to a reader, after escapes are undone and old spellings decoded.

use std::borrow::Cow;

use crate::escapes::undo_escapes;
use crate::glyph::{Glyph, fold_char, is_invisible};
use crate::legacy::{decode, find_scheme};
use crate::precheck::may_bear_mark;

/// What a text may say.
#[derive(Debug)]
pub(crate) struct Reading<'t> {
    pub(crate) text: Cow<'t, str>,
    /// The text says it only if digits stand for letters.
    pub(crate) is_guess: bool,
}

/// The readings of a text that may bear a mark; none for a text that cannot.
pub(crate) fn read(text: &str) -> Vec<Reading<'_>> {
    if !may_bear_mark(text) {
        return Vec::new();
    }
    let plain = match has_escapes(text) {
        true => undo_escapes(text),
        false => Cow::Borrowed(text),
    };
    let mut readings = Vec::new();
    let visible = strip_invisible(&plain);
    if let Some(scheme) = find_scheme(&visible) {
        readings.push(Reading { text: decode(&visible, scheme).into(), is_guess: false });
    }
    if plain.contains('\u{202e}') {
        readings.push(Reading { text: turn_right_to_left(&plain).into(), is_guess: false });
    }
    if let Some(text) = restore_lost_letters(&plain) {
        readings.push(Reading { text: text.into(), is_guess: true });
    }
    if has_letters_of_mat(&plain) {
        if let Some(text) = replace_digits(&plain) {
            readings.push(Reading { text: text.into(), is_guess: true });
        }
        readings.push(Reading { text: plain, is_guess: false });
    }
    readings
}

/// The text without invisible characters. The soft hyphen is a letter in TCVN3, and 0x87 in VISCII.
fn strip_invisible(text: &str) -> Cow<'_, str> {
    let is_hidden = |it: char| is_invisible(it) && !matches!(it, '\u{ad}' | '\u{80}'..='\u{9f}');
    match text.contains(is_hidden) {
        true => text.replace(is_hidden, "").into(),
        false => text.into(),
    }
}

/// True when the text may have been escaped.
fn has_escapes(text: &str) -> bool {
    let mut is_lead = false;
    text.chars().any(|it| {
        let was_lead = std::mem::replace(&mut is_lead, ('\u{c2}'..='\u{f4}').contains(&it));
        let is_continuation = || {
            matches!(it, '\u{80}'..='\u{bf}' | '\u{152}'..='\u{192}'
            | '\u{2c6}' | '\u{2dc}' | '\u{2010}'..='\u{203a}' | '€' | '™')
        };
        matches!(it, '&' | '%' | '\\' | '=' | '<') || was_lead && is_continuation()
    })
}

/// True when the letters `mat` stand in the text in this order, as a reader sees them, whatever
/// stands between them.
fn has_letters_of_mat(text: &str) -> bool {
    let mut found = 0;
    text.chars().any(|it| {
        let class = match it {
            'm' | 'M' => 'm',
            'a' | 'A' | 'â' | 'Â' | 'ạ' | 'Ạ' | 'ậ' | 'Ậ' | '4' | '@' => 'a',
            't' | 'T' | '7' => 't',
            'n' | 'N' => 'n',
            _ if it.is_ascii_alphabetic() => 'x',
            _ if it.is_ascii() => return false,
            '\u{c0}'..='\u{c3}'
            | '\u{c8}'..='\u{ca}'
            | '\u{d2}'..='\u{d5}'
            | '\u{e0}'..='\u{e3}'
            | '\u{e8}'..='\u{ea}'
            | '\u{f2}'..='\u{f5}'
            | '\u{1ea0}'..='\u{1ef9}'
            | 'ă'
            | 'Ă'
            | 'đ'
            | 'Đ'
            | 'ơ'
            | 'Ơ'
            | 'ư'
            | 'Ư' => 'x',
            _ => class_of_glyph(it),
        };
        found = match (found, class) {
            (_, ' ') => found,
            // `rn` looks like `m`.
            (_, 'm' | 'n') => 1,
            (1, 'a') => 2,
            (2, 't') => return true,
            _ => 0,
        };
        false
    })
}

fn class_of_glyph(it: char) -> char {
    let mut class = ' ';
    fold_char(it, &mut |glyph| {
        if let Glyph::Letter(it) = glyph {
            class = it.letter;
        }
    });
    class
}

/// The text with digits and signs as the letters for which they stand (`M4T`, `T0I`, `M@T`), when
/// letters stand beside them; none when there are no such digits.
fn replace_digits(text: &str) -> Option<String> {
    let letters: Vec<char> = text.chars().filter(|it| !is_invisible(*it)).collect();
    let is_letter =
        |at: Option<usize>| at.and_then(|it| letters.get(it)).is_some_and(|it| it.is_alphabetic());
    let mut is_replaced = false;
    let replaced = letters.iter().enumerate().map(|(index, it)| {
        let letter = match it {
            '4' | '@' => 'A',
            '7' => 'T',
            '0' => 'O',
            '1' | '|' | '!' => 'I',
            '3' => 'E',
            _ => return *it,
        };
        let (before, after) = (is_letter(index.checked_sub(1)), is_letter(Some(index + 1)));
        let is_inside = if it.is_ascii_digit() { before || after } else { before && after };
        is_replaced |= is_inside;
        if is_inside { letter } else { *it }
    });
    let replaced: String = replaced.collect();
    is_replaced.then_some(replaced)
}

/// The text with what stands behind a right-to-left override in the order in which it is shown.
fn turn_right_to_left(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for (index, part) in text.split('\u{202e}').enumerate() {
        let (turned, rest) = match index {
            0 => ("", part),
            _ => part.split_once('\u{202c}').unwrap_or((part, "")),
        };
        shown.extend(turned.chars().rev());
        shown.push_str(rest);
    }
    shown
}

/// The text with `TUYỆT MẬT` where a program has lost the Vietnamese letters (`TUY?T M?T`).
fn restore_lost_letters(text: &str) -> Option<String> {
    const SPELLINGS: [(&str, &str); 4] = [
        ("TUY?T M?T", "TUYỆT MẬT"),
        ("tuy?t m?t", "tuyệt mật"),
        ("Tuy?t m?t", "Tuyệt mật"),
        ("Tuy?t M?t", "Tuyệt Mật"),
    ];
    if !text.contains(['?', '\u{fffd}']) {
        return None;
    }
    let lost = text.replace('\u{fffd}', "?");
    let (spelling, mark) = SPELLINGS.iter().find(|it| lost.contains(it.0))?;
    Some(lost.replace(spelling, mark))
}
