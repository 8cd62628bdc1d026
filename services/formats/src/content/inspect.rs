//! What the bytes of a file show while they stream by: its first bytes, and whether it was damaged.

use crate::content::file_type::HEAD_BYTES;

/// What the bytes of a file show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FileTraits {
    /// First bytes, to recognise the type.
    pub(crate) head: Vec<u8>,
    /// Every byte is zero, as in a copy that was taken while the original was being written.
    pub(crate) is_zeros: bool,
    /// The bytes went through a text: each that no text holds was turned into U+FFFD or a question
    /// mark, or each was taken for a letter of Latin-1 and written in UTF-8.
    pub(crate) is_garbled: bool,
}

impl FileTraits {
    /// The traits of a file of which no more than the first bytes are at hand.
    pub(crate) fn of_head(head: &[u8]) -> Self {
        let mut inspector = Inspector::default();
        inspector.inspect(head);
        inspector.finish()
    }
}

/// Bytes of U+FFFD in UTF-8.
const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

/// The first byte of U+0080 to U+00BF in UTF-8.
const CONTROL_LEAD: u8 = 0xc2;
/// The second byte of U+00A0, which is the first that is no control character.
const FIRST_NO_CONTROL: u8 = 0xa0;
/// So many control characters are no accident.
const CONTROLS_MIN: u64 = 16;
/// How files begin that are no texts, and that begin with ASCII: PDF and ZIP.
const BINARY_HEADS: [&[u8]; 2] = [b"%PDF-", b"PK\x03\x04"];
/// So many bytes above ASCII stand in the second line of a PDF.
const QUESTIONS_MIN: usize = 4;

/// Looks at a file piece by piece.
#[derive(Debug)]
pub(crate) struct Inspector {
    head: Vec<u8>,
    size: u64,
    is_zeros: bool,
    is_utf8: bool,
    /// The last bytes of a piece, which may begin a letter that the next piece ends.
    tail: Vec<u8>,
    replacements: u64,
    /// Control characters above ASCII, which are in no text.
    controls: u64,
}

impl Default for Inspector {
    fn default() -> Self {
        Self {
            head: Vec::new(),
            size: 0,
            is_zeros: true,
            is_utf8: true,
            tail: Vec::new(),
            replacements: 0,
            controls: 0,
        }
    }
}

impl Inspector {
    /// Looks at the next piece.
    pub(crate) fn inspect(&mut self, piece: &[u8]) {
        let missing = HEAD_BYTES.saturating_sub(self.head.len()).min(piece.len());
        self.head.extend_from_slice(piece.get(..missing).unwrap_or_default());
        self.size += piece.len() as u64;
        self.is_zeros &= piece.iter().all(|it| *it == 0);
        if self.is_utf8 {
            self.inspect_text(piece);
        }
    }

    fn inspect_text(&mut self, piece: &[u8]) {
        let joined;
        let text = if self.tail.is_empty() {
            piece
        } else {
            joined = [self.tail.as_slice(), piece].concat();
            &joined
        };
        let valid = match std::str::from_utf8(text) {
            Ok(_) => text.len(),
            // Without a length, the end of the piece cuts a letter.
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(_) => {
                self.is_utf8 = false;
                return;
            }
        };
        let (whole, tail) = text.split_at(valid);
        let lead = whole.iter().enumerate().filter(|(_, it)| **it == REPLACEMENT[0]);
        let found = lead.filter(|(at, _)| whole[*at..].starts_with(REPLACEMENT)).count();
        self.replacements += found as u64;
        let lead = whole.iter().enumerate().filter(|(_, it)| **it == CONTROL_LEAD);
        let is_control = |at: usize| whole.get(at + 1).is_some_and(|it| *it < FIRST_NO_CONTROL);
        self.controls += lead.filter(|(at, _)| is_control(*at)).count() as u64;
        self.tail = tail.to_vec();
    }

    /// What the whole file shows.
    pub(crate) fn finish(self) -> FileTraits {
        let is_binary = BINARY_HEADS.iter().any(|it| self.head.starts_with(it));
        let was_latin1 = is_binary && self.controls >= CONTROLS_MIN;
        let is_text = self.is_utf8 && (self.replacements > 0 || was_latin1);
        FileTraits {
            is_zeros: self.is_zeros && self.size > 0,
            is_garbled: is_text || has_questions_for_bytes(&self.head),
            head: self.head,
        }
    }
}

/// True for a PDF whose second line was of bytes above ASCII, as the standard recommends (ISO 32000,
/// 7.5.2), and now is of question marks.
fn has_questions_for_bytes(head: &[u8]) -> bool {
    let is_end = |it: &u8| matches!(it, b'\r' | b'\n');
    let mut lines = head.split(is_end).filter(|it| !it.is_empty());
    let is_pdf = lines.next().is_some_and(|it| it.starts_with(b"%PDF-"));
    let marks = lines.next().and_then(|it| it.strip_prefix(b"%")).unwrap_or_default();
    is_pdf && marks.len() >= QUESTIONS_MIN && marks.iter().all(|it| *it == b'?')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traits_of(bytes: &[u8], piece: usize) -> FileTraits {
        let mut inspector = Inspector::default();
        bytes.chunks(piece).for_each(|it| inspector.inspect(it));
        inspector.finish()
    }

    #[test]
    fn a_text_round_trip_shows_wherever_the_pieces_are_cut() {
        let garbled = "%PDF-1.4\n%\u{fffd}\u{fffd}ộ\nobj".as_bytes();
        for piece in 1..garbled.len() {
            assert!(traits_of(garbled, piece).is_garbled, "{piece}");
        }
        let text = "%PDF-1.4\n%ộ".as_bytes();
        let binary = [garbled, b"\xff"].concat();
        for whole in [text, &binary, b""] {
            assert!(!traits_of(whole, 3).is_garbled);
        }
    }

    #[test]
    fn bytes_taken_for_letters_or_questions_show_in_a_pdf() {
        let bytes: Vec<u8> = (0x80..=0xff).cycle().take(400).collect();
        let whole = [b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n".as_slice(), &bytes].concat();
        assert!(!traits_of(&whole, 50).is_garbled);
        let latin1: String = whole.iter().map(|it| char::from(*it)).collect();
        let ascii: String = latin1.chars().map(|it| if it.is_ascii() { it } else { '?' }).collect();
        for garbled in [latin1.as_bytes(), ascii.as_bytes(), b"%PDF-1.4\r\n%????????\r\n1 0 obj"] {
            for piece in [1, 7, garbled.len()] {
                assert!(traits_of(garbled, piece).is_garbled, "{piece}");
            }
        }
        // Some programs write letters of UTF-8 into that line, or no such line.
        for sound in ["%PDF-1.7\n%µ¶\n1 0 obj", "%PDF-1.7\n%âãÏÓ\n", "%PDF-1.4\n1 0 obj\n(a????)"]
        {
            assert!(!traits_of(sound.as_bytes(), 5).is_garbled, "{sound}");
        }
        let text: String = latin1.replace("%PDF-1.7", "Văn bản");
        assert!(!traits_of(text.as_bytes(), 9).is_garbled);
    }

    #[test]
    fn zeros_and_the_first_bytes_are_told() {
        assert!(traits_of(&[0; 5_000], 700).is_zeros);
        assert!(!traits_of(b"\0\0x", 1).is_zeros && !traits_of(b"", 1).is_zeros);
        let bytes: Vec<u8> = (0..=255).cycle().take(3_000).collect();
        assert_eq!(traits_of(&bytes, 100).head, bytes[..HEAD_BYTES]);
    }
}
