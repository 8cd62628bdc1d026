//! No description ends the process that loads it: mutated shipped descriptions compile or are
//! refused, and what compiles reads any bytes or refuses them.

use proptest::prelude::*;

use super::*;
use crate::MemoryBlobs;

/// One change of a text.
#[derive(Clone, Debug)]
enum Mutation {
    Cut(usize),
    Remove(usize, usize),
    Repeat(usize, usize),
    Swap(usize, usize),
    Insert(usize, &'static str),
}

/// What is inserted: punctuation of YAML, and values at the ends of what a key may hold.
const INSERTED: [&str; 16] = [
    "{",
    "}",
    "[",
    "]",
    ": ",
    "- ",
    "\"",
    "&a ",
    "*a",
    "|",
    "\n",
    "\t",
    "-1",
    "99999999999999999999",
    "ids[",
    "[role=",
];

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = || 0..20_000usize;
    prop_oneof![
        at().prop_map(Mutation::Cut),
        (at(), 1..40usize).prop_map(|(at, len)| Mutation::Remove(at, len)),
        (at(), 1..200usize).prop_map(|(at, len)| Mutation::Repeat(at, len)),
        (at(), at()).prop_map(|(left, right)| Mutation::Swap(left, right)),
        (at(), 0..INSERTED.len()).prop_map(|(at, which)| Mutation::Insert(at, INSERTED[which])),
    ]
}

fn mutate(text: &str, mutation: &Mutation) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    if letters.is_empty() {
        return String::new();
    }
    let count = letters.len();
    let place = |at: usize| at % count;
    match *mutation {
        Mutation::Cut(at) => letters.truncate(place(at)),
        Mutation::Remove(at, len) => {
            let begin = place(at);
            letters.drain(begin..(begin + len).min(count));
        }
        Mutation::Repeat(at, len) => {
            let begin = place(at);
            let part: Vec<char> = letters[begin..(begin + len).min(count)].to_vec();
            letters.splice(begin..begin, part);
        }
        Mutation::Swap(left, right) => letters.swap(place(left), place(right)),
        Mutation::Insert(at, text) => {
            let begin = place(at);
            letters.splice(begin..begin, text.chars());
        }
    }
    letters.into_iter().collect()
}

/// Number of mutated descriptions; `MUTATED_DESCRIPTIONS` asks for more.
fn cases() -> u32 {
    #[expect(clippy::disallowed_methods, reason = "a longer run is asked for by its command")]
    let asked = std::env::var("MUTATED_DESCRIPTIONS").ok().and_then(|it| it.parse().ok());
    asked.unwrap_or(300)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn a_mutated_description_compiles_or_is_refused(
        which in 0..SHIPPED.len(),
        mutations in proptest::collection::vec(mutation(), 1..4),
        native in "[{\\[<]?\\PC{0,60}",
    ) {
        let text = mutations.iter().fold(SHIPPED[which].to_owned(), |text, it| mutate(&text, it));
        // Not through the registry, which would catch a panic.
        if let Ok(format) = Format::compile(&text) {
            let mut sink = MemoryBlobs::default();
            drop(format.decode(native.as_bytes(), &[], &mut sink));
        }
    }
}
