//! Vietnamese text from before Unicode: the charsets TCVN3 (ABC fonts), VNI, VISCII and windows-1258
//! in both directions, and a judge of texts whose bytes somebody took for another charset.
//!
//! ```text
//! bytes ── Charset::decode ─▶ text ── Charset::encode ─▶ bytes, and the characters that were lost
//!
//! text ─▶ precheck ─▶ decomposed? ─▶ encoded twice? ─▶ words, weighed by syllables ─▶ Reading
//! ```
//!
//! # Promises
//!
//! - One table for each charset; both directions come from it and agree on every character.
//! - A text is converted only when the stated confidence is [`CONFIDENCE_MIN`] or more; below it, the
//!   text stays as it is and the reading says what it may be. Nothing is changed in silence.
//! - Ordinary Unicode passes after one scan of its bytes, without an allocation.
//! - The same text gives the same reading; the time is linear in its length.
//!
//! # Not here
//!
//! Which fields are judged, findings, and the original, which the caller keeps.

mod charset;
mod frequency;
mod letter;
mod letter_case;
mod precheck;
mod reading;
mod single_byte;
mod spelling;
mod surface;
mod syllable;
mod twice;
mod view;
mod vni;
mod weigh;
mod word;

pub use charset::{Charset, EncodedText, LostCharacter};
pub use reading::{CONFIDENCE_MIN, Reading, Step, read};
pub use single_byte::tcvn3_letter;
pub use spelling::Spelling;
pub use syllable::is_syllable;
pub use vni::{vni_diacritics, vni_letter};

#[cfg(test)]
mod tests;
