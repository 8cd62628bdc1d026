//! Errors of a description, in Vietnamese and English for the person who wrote it.

/// A text in both languages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BilingualText {
    pub(crate) vi: String,
    pub(crate) en: String,
}

impl BilingualText {
    /// A text from its two translations.
    pub(crate) fn new(vi: impl Into<String>, en: impl Into<String>) -> Self {
        Self { vi: vi.into(), en: en.into() }
    }
}

/// "Did you mean" for an unknown name, to append to an error; empty when no known name is near.
pub(crate) fn suggest(unknown: &str, known: &[impl AsRef<str>]) -> BilingualText {
    let unknown = unknown.to_lowercase();
    let nearest = known
        .iter()
        .map(|it| (strsim::levenshtein(&unknown, &it.as_ref().to_lowercase()), it.as_ref()))
        .min()
        .filter(|(distance, it)| *distance <= 1 + it.chars().count() / 3);
    match nearest {
        Some((_, it)) => {
            BilingualText::new(format!("; có phải `{it}`?"), format!("; did you mean `{it}`?"))
        }
        None => BilingualText::new("", ""),
    }
}

/// An error of the YAML parser with line and column in front and a suggestion behind.
pub(crate) fn yaml_error_text(error: &serde_saphyr::Error) -> String {
    let location =
        error.location().map_or_else(String::new, |it| format!("{}:{}: ", it.line(), it.column()));
    let message = error.without_snippet().to_string();
    let plain = message.replace('`', "");
    // serde's text for an unknown key: "unknown field x, expected one of a, b at line 1".
    let names =
        plain.split_once("unknown ").and_then(|(_, it)| it.split_once(", expected one of "));
    let suggestion = match names {
        Some((unknown, known)) => {
            let known = known.split(" at line ").next().unwrap_or_default();
            let known: Vec<&str> = known.split(", ").collect();
            suggest(unknown.rsplit(' ').next().unwrap_or_default(), &known)
        }
        None => BilingualText::new("", ""),
    };
    let BilingualText { vi, en } = suggestion;
    format!("{location}mô tả không đúng ngữ pháp{vi} / not of the grammar{en}: {message}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_name_is_suggested_and_a_far_one_is_not() {
        assert!(suggest("subjekt", &["summary", "subject"]).en.contains("`subject`"));
        assert!(suggest("SUBJECT", &["summary", "subject"]).en.contains("`subject`"));
        assert_eq!(suggest("zzzz", &["summary", "subject"]).en, "");
        assert_eq!(suggest("", &["abc"]).en, "");
        assert!(
            suggest("sitting", &["kitten"]).en.contains("`kitten`"),
            "three edits of six letters"
        );
    }
}
