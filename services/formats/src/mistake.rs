//! What is wrong with a description, in words for the person who wrote it.

/// A mistake in both languages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Words {
    pub(crate) vi: String,
    pub(crate) en: String,
}

impl Words {
    /// Words of both languages.
    pub(crate) fn new(vi: impl Into<String>, en: impl Into<String>) -> Self {
        Self { vi: vi.into(), en: en.into() }
    }
}

/// A guess at what was meant, to stand behind a mistake; empty when nothing is near.
pub(crate) fn nearest(said: &str, known: &[impl AsRef<str>]) -> Words {
    let near = known
        .iter()
        .map(|it| (distance(said, it.as_ref()), it.as_ref()))
        .min()
        .filter(|(steps, it)| *steps <= 1 + it.chars().count() / 3);
    match near {
        Some((_, it)) => {
            Words::new(format!("; có phải `{it}`?"), format!("; did you mean `{it}`?"))
        }
        None => Words::new("", ""),
    }
}

/// Letters to change, add or leave out between two names.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().flat_map(char::to_lowercase).collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, letter) in one.chars().flat_map(char::to_lowercase).enumerate() {
        let mut corner = line;
        let mut left = line + 1;
        for (place, it) in other.iter().enumerate() {
            let above = row.get(place + 1).copied().unwrap_or_default();
            let steps = (corner + usize::from(*it != letter)).min(above + 1).min(left + 1);
            if let Some(cell) = row.get_mut(place) {
                *cell = left;
            }
            (corner, left) = (above, steps);
        }
        if let Some(cell) = row.last_mut() {
            *cell = left;
        }
    }
    row.last().copied().unwrap_or_default()
}

/// What the YAML reader says, with the place in front and a guess behind.
pub(crate) fn of_yaml(error: &serde_saphyr::Error) -> String {
    let place =
        error.location().map_or_else(String::new, |it| format!("{}:{}: ", it.line(), it.column()));
    let said = error.without_snippet().to_string();
    let plain = said.replace('`', "");
    let parts =
        plain.split_once("unknown ").and_then(|(_, it)| it.split_once(", expected one of "));
    let meant = match parts {
        Some((unknown, known)) => {
            let known = known.split(" at line ").next().unwrap_or_default();
            let known: Vec<&str> = known.split(", ").collect();
            nearest(unknown.rsplit(' ').next().unwrap_or_default(), &known)
        }
        None => Words::new("", ""),
    };
    format!("{place}mô tả không đúng ngữ pháp{} / not of the grammar{}: {said}", meant.vi, meant.en)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_and_a_far_one_is_not() {
        assert_eq!(distance("subjekt", "subject"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert!(nearest("subjekt", &["summary", "subject"]).en.contains("`subject`"));
        assert_eq!(nearest("zzzz", &["summary", "subject"]).en, "");
    }
}
