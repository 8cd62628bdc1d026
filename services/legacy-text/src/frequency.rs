//! How often a syllable occurs, in three classes.

use std::collections::HashMap;
use std::sync::LazyLock;

/// Classes of syllables, the rarest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Frequency {
    /// The spelling permits it; few people have seen it.
    Possible,
    /// It occurs in words and names.
    Attested,
    /// It occurs in documents of offices all the time.
    Frequent,
}

const ATTESTED: &str = include_str!("attested_syllables.txt");
const FREQUENT: &str = include_str!("frequent_syllables.txt");

static CLASSES: LazyLock<HashMap<&str, Frequency>> = LazyLock::new(|| {
    let attested = ATTESTED.split_whitespace().map(|it| (it, Frequency::Attested));
    attested.chain(FREQUENT.split_whitespace().map(|it| (it, Frequency::Frequent))).collect()
});

/// The class of a syllable, in any case.
pub(crate) fn frequency(syllable: &str) -> Frequency {
    CLASSES.get(syllable.to_lowercase().as_str()).copied().unwrap_or(Frequency::Possible)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syllable::is_syllable;

    #[test]
    fn every_listed_syllable_is_one() {
        let wrong: Vec<_> = CLASSES.keys().filter(|it| !is_syllable(it)).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    #[test]
    fn classes_are_told_in_any_case() {
        assert_eq!(frequency("CÔNG"), Frequency::Frequent);
        assert_eq!(frequency("Ngoằn"), Frequency::Attested);
        assert_eq!(frequency("nhõn"), Frequency::Possible);
    }
}
