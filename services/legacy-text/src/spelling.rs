//! What a text was found to be, in words for people.

use crate::charset::Charset;

/// How a text was spelled before it was converted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Spelling {
    /// Bytes of TCVN3 that were taken for another charset.
    Tcvn3,
    /// Bytes of VNI that were taken for another charset.
    Vni,
    /// Bytes of VISCII that were taken for another charset.
    Viscii,
    /// Bytes of windows-1258 that were taken for another charset.
    Windows1258,
    /// Bytes of UTF-8 that were taken for another charset.
    EncodedTwice,
    /// The same, once more.
    EncodedThrice,
    /// Letters and their diacritics apart (NFD, or windows-1258 that was read as such).
    Decomposed,
    /// `Ð`, the capital eth of Icelandic, for `Đ`.
    EthForD,
}

impl Spelling {
    /// A name for people; the first in Vietnamese, the second in English.
    pub fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Tcvn3 => ("TCVN3 (ABC)", "TCVN3 (ABC)"),
            Self::Vni => ("VNI", "VNI"),
            Self::Viscii => ("VISCII", "VISCII"),
            Self::Windows1258 => ("windows-1258", "windows-1258"),
            Self::EncodedTwice => ("UTF-8 mã hóa hai lần", "UTF-8 encoded twice"),
            Self::EncodedThrice => ("UTF-8 mã hóa ba lần", "UTF-8 encoded three times"),
            Self::Decomposed => ("Unicode tổ hợp", "decomposed Unicode"),
            Self::EthForD => ("chữ Ð (eth) thay cho Đ", "the letter eth (Ð) for Đ"),
        }
    }

    /// The charset whose bytes the text is.
    pub(crate) fn charset(self) -> Option<Charset> {
        match self {
            Self::Tcvn3 => Some(Charset::Tcvn3),
            Self::Vni => Some(Charset::Vni),
            Self::Viscii => Some(Charset::Viscii),
            Self::Windows1258 => Some(Charset::Windows1258),
            Self::EncodedTwice | Self::EncodedThrice | Self::Decomposed | Self::EthForD => None,
        }
    }
}
