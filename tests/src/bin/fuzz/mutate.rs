//! Random changes of inputs, reproducible from a seed.

/// Longer inputs are cut: what a parser does with much of the same is tried by the bounds' own tests.
const INPUT_BYTES_MAX: usize = 1 << 18;

/// Changes inputs.
pub(crate) struct Mutator {
    state: u64,
    /// Pieces of the target's syntax.
    words: &'static [&'static str],
}

/// Pieces that every syntax may meet.
const WORDS: [&str; 20] = [
    "\0",
    "\u{feff}",
    "\u{fffd}",
    "\u{202e}",
    "\u{200b}",
    "e\u{301}",
    "ÿ",
    "\r\n",
    "\n\n",
    " ",
    "0",
    "-1",
    "99999999999999999999",
    "1e999",
    "null",
    "true",
    "N/A",
    "sha256:",
    "data:;base64,",
    "Ｍật",
];

impl Mutator {
    pub(crate) fn new(seed: u64, words: &'static [&'static str]) -> Self {
        Self { state: seed, words }
    }

    /// A random number below a bound (SplitMix64).
    fn below(&mut self, bound: usize) -> usize {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut it = self.state;
        it = (it ^ (it >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        it = (it ^ (it >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((it ^ (it >> 31)) % bound.max(1) as u64).unwrap_or_default()
    }

    fn pick<'p, T>(&mut self, all: &'p [T]) -> Option<&'p T> {
        all.get(self.below(all.len()))
    }

    /// An input of the corpus, changed at a few places.
    pub(crate) fn changed(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut input = self.pick(corpus).cloned().unwrap_or_default();
        for _ in 0..=self.below(5) {
            let other = self.pick(corpus).map(Vec::as_slice).unwrap_or_default();
            self.change(&mut input, other);
        }
        input.truncate(INPUT_BYTES_MAX);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>, other: &[u8]) {
        let at = self.below(input.len() + 1);
        let length = self.below(40).min(input.len() - at);
        match self.below(12) {
            0 => self.change_byte(input, at),
            1 => input.truncate(at),
            2 => drop(input.drain(at..at + length)),
            3 => {
                let piece: Vec<u8> = input.drain(at..at + length).collect();
                let to = self.below(input.len() + 1);
                drop(input.splice(to..to, piece));
            }
            // Much of the same: depth, repeated names, long texts.
            4 => {
                let count = [2, 3, 70, 1_000][self.below(4)];
                let piece = input.get(at..at + length).unwrap_or_default().repeat(count);
                drop(input.splice(at..at, piece));
            }
            5 => {
                let from = self.below(other.len() + 1);
                let to = (from + self.below(200)).min(other.len());
                let piece = other.get(from..to).unwrap_or_default().iter().copied();
                drop(input.splice(at..at, piece));
            }
            6 | 7 => {
                let word = self.pick(&WORDS).copied().unwrap_or_default();
                drop(input.splice(at..at + length, word.bytes()));
            }
            // A whole line moves, or comes twice.
            8 => {
                let lines: Vec<&[u8]> = input.split(|it| *it == b'\n').collect();
                let line = self.pick(&lines).map(|it| it.to_vec()).unwrap_or_default();
                drop(input.splice(at..at, line));
            }
            _ => {
                let word = self.pick(self.words).copied().unwrap_or_default();
                let replaced = if self.below(2) == 0 { length } else { 0 };
                drop(input.splice(at..at + replaced, word.bytes()));
            }
        }
    }

    fn change_byte(&mut self, input: &mut [u8], at: usize) {
        let byte = u8::try_from(self.below(256)).unwrap_or_default();
        let bit = 1 << self.below(8);
        let is_flip = self.below(2) == 0;
        if let Some(it) = input.get_mut(at) {
            *it = if is_flip { *it ^ bit } else { byte };
        }
    }
}
