//! Words of a text as a reader sees them, and the gaps between them.

use crate::glyph::{ACUTE, CIRCUMFLEX, DOT, Glyph, HORN, Letter, STROKE, fold_char};

/// The diacritics of `mật` and `tuyệt`.
pub(crate) const MAT_DIACRITICS: u16 = CIRCUMFLEX | DOT;
const TOI_DIACRITICS: u16 = CIRCUMFLEX | ACUTE;

/// A word in lower case without diacritics, and what was removed from it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Word {
    pub(crate) letters: String,
    pub(crate) diacritics: u16,
    /// The first letter is a capital.
    pub(crate) is_capital: bool,
    /// Every letter is a capital.
    pub(crate) is_capitals: bool,
    /// It has look-alike or compatibility letters.
    pub(crate) is_disguised: bool,
    /// Its letters stood apart.
    pub(crate) is_apart: bool,
}

impl Word {
    pub(crate) fn from_letters(letters: &[Letter]) -> Self {
        Self {
            letters: letters.iter().map(|it| it.letter).collect(),
            diacritics: letters.iter().fold(0, |bits, it| bits | it.diacritics),
            is_capital: letters.first().is_some_and(|it| it.is_upper),
            is_capitals: letters.iter().all(|it| it.is_upper),
            is_disguised: letters.iter().any(|it| it.is_disguised),
            is_apart: letters.iter().any(|it| it.is_apart),
        }
    }

    /// True for these letters with all, some or none of these diacritics, and no other.
    fn is_spelling_of(&self, letters: &str, diacritics: u16) -> bool {
        self.letters == letters && self.diacritics & !diacritics == 0
    }

    /// `mật`, secret. `rn` looks like `m`.
    pub(crate) fn is_mat(&self) -> bool {
        self.is_spelling_of("mat", MAT_DIACRITICS)
            || self.letters == "rnat" && self.diacritics == MAT_DIACRITICS
    }

    /// `tuyệt`, as in `tuyệt mật` (top secret).
    pub(crate) fn is_tuyet(&self) -> bool {
        self.is_spelling_of("tuyet", MAT_DIACRITICS)
    }

    /// `tối` or `tuyệt`: the first word of a mark of two words. `l` looks like `I`.
    pub(crate) fn is_degree(&self) -> bool {
        self.is_tuyet()
            || self.is_spelling_of("toi", TOI_DIACRITICS)
            || self.letters == "tol" && self.diacritics == TOI_DIACRITICS
    }

    /// `độ`, `mức` or `cấp`, level, as in `độ mật` (secrecy level).
    pub(crate) fn is_level(&self) -> bool {
        self.is_spelling_of("do", STROKE | MAT_DIACRITICS)
            || self.is_spelling_of("muc", HORN | ACUTE)
            || self.is_spelling_of("cap", TOI_DIACRITICS)
    }
}

/// A word, or the characters between two words.
#[derive(Clone, Debug)]
pub(crate) enum Piece {
    Word(Vec<Letter>),
    Gap(String),
}

/// Divides a text into words and gaps. A capital after small letters begins a word (`BaoCaoMat`).
pub(crate) fn split_pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for it in text.chars() {
        fold_char(it, &mut |glyph| add_glyph(&mut pieces, glyph));
    }
    pieces.into_iter().flat_map(split_camel_case).collect()
}

fn add_glyph(pieces: &mut Vec<Piece>, glyph: Glyph) {
    match (glyph, pieces.last_mut()) {
        (Glyph::Letter(it), Some(Piece::Word(letters))) => letters.push(it),
        (Glyph::Letter(it), _) => pieces.push(Piece::Word(vec![it])),
        (Glyph::Diacritic(bit), Some(Piece::Word(letters))) => {
            if let Some(last) = letters.last_mut() {
                last.diacritics |= bit;
            }
        }
        (Glyph::Diacritic(_), _) => {}
        (Glyph::Other(it), Some(Piece::Gap(gap))) => gap.push(it),
        (Glyph::Other(it), _) => pieces.push(Piece::Gap(it.to_string())),
    }
}

fn split_camel_case(piece: Piece) -> Vec<Piece> {
    let Piece::Word(letters) = piece else { return vec![piece] };
    let mut words = Vec::new();
    let mut rest = letters.as_slice();
    let mut index = 2;
    while index + 1 < rest.len() {
        let is_behind_small = !rest[index - 1].is_upper && (index > 2 || !rest[0].is_upper);
        if rest[index].is_upper && is_behind_small {
            let (word, after) = rest.split_at(index);
            words.extend([Piece::Word(word.to_vec()), Piece::Gap(String::new())]);
            (rest, index) = (after, 2);
        } else {
            index += 1;
        }
    }
    if words.is_empty() {
        return vec![Piece::Word(letters)];
    }
    words.push(Piece::Word(rest.to_vec()));
    words
}
