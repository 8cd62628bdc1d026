//! What the bytes of a file show while they stream by: its first bytes, and whether it was damaged.

use crate::content::file_type::HEAD_BYTES;

/// What the bytes of a file show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FileTraits {
    /// First bytes, to recognise the type.
    pub(crate) head: Vec<u8>,
    /// Every byte is zero, as in a copy that was taken while the original was being written.
    pub(crate) is_zeros: bool,
    /// The bytes went through a text: the file is valid UTF-8 with replacement characters, which
    /// bytes that no text holds were turned into.
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
        self.tail = tail.to_vec();
    }

    /// What the whole file shows.
    pub(crate) fn finish(self) -> FileTraits {
        FileTraits {
            is_zeros: self.is_zeros && self.size > 0,
            is_garbled: self.is_utf8 && self.replacements > 0,
            head: self.head,
        }
    }
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
    fn zeros_and_the_first_bytes_are_told() {
        assert!(traits_of(&[0; 5_000], 700).is_zeros);
        assert!(!traits_of(b"\0\0x", 1).is_zeros && !traits_of(b"", 1).is_zeros);
        let bytes: Vec<u8> = (0..=255).cycle().take(3_000).collect();
        assert_eq!(traits_of(&bytes, 100).head, bytes[..HEAD_BYTES]);
    }
}
