//! "Did you mean": the known name nearest to an unknown one.

/// A hint to append to an error, Vietnamese and English; empty when no known name is near.
pub(crate) fn suggest(unknown: &str, known: &[impl AsRef<str>]) -> (String, String) {
    let folded = fold(unknown);
    let nearest = known
        .iter()
        .map(|it| (strsim::levenshtein(&folded, &fold(it.as_ref())), it.as_ref()))
        .min()
        .filter(|(distance, it)| *distance <= 1 + it.chars().count() / 3);
    match nearest {
        Some((_, it)) => (format!("; có phải `{it}`?"), format!("; did you mean `{it}`?")),
        None => Default::default(),
    }
}

/// A name without case and separators: `FileName`, `file-name` and `file_name` are one.
fn fold(name: &str) -> String {
    let letters = name.chars().take(LETTERS_MAX).filter(|it| !matches!(it, '_' | '-' | '.' | ' '));
    letters.flat_map(char::to_lowercase).collect()
}

/// Letters that are compared: a sender could make the comparison slow with a long name.
const LETTERS_MAX: usize = 60;

#[cfg(test)]
mod tests {
    use super::suggest;

    #[test]
    fn a_near_name_is_suggested_and_a_far_one_is_not() {
        let known = ["key", "file_name", "recipients"];
        for (unknown, expected) in
            [("kee", "key"), ("FileName", "file_name"), ("recipient", "recipients")]
        {
            assert!(suggest(unknown, &known).1.contains(&format!("`{expected}`")), "{unknown}");
        }
        assert_eq!(suggest("idempotency", &known).1, "");
        assert_eq!(suggest(&"x".repeat(1_000_000), &known).1, "");
    }
}
