//! Checks the YAML of a description against the table of constructs: keys, required keys, types of
//! values. It goes on after a mistake, so that all of them are reported at once.

use proto::fault::code;

use crate::constructs::{
    Construct, DETECT_KEYS, FILE_KEYS, LIST_KEYS, PROFILE_KEYS, RULE_KEYS, SYNTAXES, ValueShape,
    profile_place_keys, profile_syntax_keys,
};
use crate::diagnostic::{Defect, SourceMistake, SourcePosition, nearest, suggest};
use crate::yaml_tree::{YamlNode, YamlValue};

/// Every mistake in the form of a description.
pub(crate) fn check_grammar(root: &YamlNode) -> Vec<SourceMistake> {
    let mut checker = GrammarChecker { mistakes: Vec::new() };
    checker.check_map(root, &FILE_KEYS.iter().collect::<Vec<_>>(), "");
    checker.mistakes
}

/// Every mistake in the form of a profile.
pub(crate) fn check_profile_grammar(root: &YamlNode) -> Vec<SourceMistake> {
    let mut checker = GrammarChecker { mistakes: Vec::new() };
    checker.check_map(root, &PROFILE_KEYS.iter().collect::<Vec<_>>(), "");
    checker.mistakes
}

struct GrammarChecker {
    mistakes: Vec<SourceMistake>,
}

impl GrammarChecker {
    fn report(&mut self, position: SourcePosition, subject: &str, defect: Defect) {
        self.mistakes.push(SourceMistake::new(position, subject, defect));
    }

    /// Checks a map with these keys. The subject names the map.
    fn check_map(&mut self, node: &YamlNode, keys: &[&Construct], subject: &str) {
        if !matches!(node.value, YamlValue::Map(_)) {
            self.report_type(node, subject, ("`khóa: giá trị`", "`key: value`"));
            return;
        }
        let entries = node.entries();
        for (index, (key, position, value)) in entries.iter().enumerate() {
            let first = entries.iter().take(index).find(|(it, ..)| it == key);
            if let Some((_, first, _)) = first {
                let defect = repeated_key(key, *first);
                self.report(*position, subject, defect);
                continue;
            }
            match keys.iter().find(|it| it.key == key) {
                Some(construct) => self.check_value(value, construct.shape, key),
                None => self.report(*position, subject, unknown_key(key, keys)),
            }
        }
        // A misspelt key is reported as such, and not as missing too.
        let names: Vec<_> = keys.iter().map(|it| it.key).collect();
        let is_misspelt = |key: &str| {
            let unknown = entries.iter().filter(|(it, ..)| !names.contains(&it.as_str()));
            unknown.filter_map(|(it, ..)| nearest(it, &names)).any(|it| it == key)
        };
        let is_missing =
            |it: &&&Construct| it.is_required && node.get(it.key).is_none() && !is_misspelt(it.key);
        for it in keys.iter().filter(is_missing) {
            self.report(node.position, subject, missing_key(it));
        }
    }

    fn check_value(&mut self, node: &YamlNode, shape: ValueShape, key: &str) {
        match shape {
            ValueShape::Whole => {
                if !matches!(node.value, YamlValue::Integer(0..)) {
                    self.report_type(node, key, ("một số nguyên", "a whole number"));
                }
            }
            ValueShape::Boolean => {
                let is_word =
                    node.text().is_some_and(|it| ["yes", "no", "true", "false"].contains(&it));
                if !is_word {
                    self.report_type(node, key, ("yes hoặc no", "yes or no"));
                }
            }
            ValueShape::Word(words) => self.check_word(node, words, key),
            ValueShape::Texts => self.check_texts(node, key),
            ValueShape::TextOrTexts if node.is_list() => self.check_texts(node, key),
            ValueShape::Text | ValueShape::TextOrTexts => self.check_text(node, key),
            ValueShape::TextMap | ValueShape::TextsMap => self.check_text_map(node, shape, key),
            ValueShape::Syntax => self.check_syntax(node),
            ValueShape::DetectConditions => {
                let keys: Vec<_> = DETECT_KEYS.iter().collect();
                self.each_item(node, key, |it, item| it.check_map(item, &keys, "detect"));
            }
            ValueShape::Lists => {
                let keys: Vec<_> = LIST_KEYS.iter().collect();
                self.each_entry(node, key, |it, name, value| {
                    it.check_map(value, &keys, &format!("lists/{name}"));
                });
            }
            ValueShape::Rules => self.check_rules(node, key),
            ValueShape::Parts => {
                self.each_entry(node, key, |it, name, value| {
                    it.check_rules(value, name);
                });
            }
            ValueShape::PartnerSyntax => {
                let keys = profile_syntax_keys();
                self.check_map(node, &keys.iter().collect::<Vec<_>>(), key);
            }
            ValueShape::PartnerLists => {
                self.each_entry(node, key, |it, name, value| {
                    it.check_value(value, ValueShape::TextMap, name);
                });
            }
            ValueShape::PartnerPlaces => {
                let keys = profile_place_keys();
                let keys: Vec<_> = keys.iter().collect();
                self.each_entry(node, key, |it, place, value| it.check_map(value, &keys, place));
            }
        }
    }

    fn check_rules(&mut self, node: &YamlNode, key: &str) {
        let keys: Vec<_> = RULE_KEYS.iter().collect();
        self.each_item(node, key, |it, item| {
            let place = item.get("at").or_else(|| item.get("each")).and_then(YamlNode::text);
            it.check_map(item, &keys, place.unwrap_or(key));
        });
    }

    fn check_syntax(&mut self, node: &YamlNode) {
        let Some(kind) = node.get("kind") else {
            if matches!(node.value, YamlValue::Map(_)) {
                let kinds = SYNTAXES.iter().map(|it| it.kind).collect::<Vec<_>>().join(", ");
                let defect = Defect::new(
                    &code::LT_FMT_003,
                    format!("thiếu `kind`: một trong {kinds}"),
                    format!("`kind` is missing: one of {kinds}"),
                );
                self.report(node.position, "syntax", defect);
            } else {
                self.report_type(node, "syntax", ("`kind: …`", "`kind: …`"));
            }
            return;
        };
        let entry = SYNTAXES.iter().find(|it| kind.text() == Some(it.kind));
        let Some(entry) = entry else {
            let kinds: Vec<_> = SYNTAXES.iter().map(|it| it.kind).collect();
            self.check_word(kind, &kinds, "kind");
            return;
        };
        let keys: Vec<&Construct> = [&KIND].into_iter().chain(entry.keys).collect();
        self.check_map(node, &keys, "syntax");
    }

    fn check_text(&mut self, node: &YamlNode, key: &str) {
        if node.text().is_some() {
            return;
        }
        if !matches!(node.value, YamlValue::Null) || node.source.is_empty() {
            self.report_type(node, key, ("một chữ", "a text"));
            return;
        }
        let word = &node.source;
        let defect = Defect::new(
            &code::LT_FMT_004,
            format!("YAML đọc `{word}` là không có gì; ghi \"{word}\" nếu đó là chữ"),
            format!("YAML reads `{word}` as nothing; write \"{word}\" if it is a text"),
        );
        self.report(node.position, key, defect);
    }

    fn check_texts(&mut self, node: &YamlNode, key: &str) {
        self.each_item(node, key, |it, item| it.check_text(item, key));
    }

    fn check_text_map(&mut self, node: &YamlNode, shape: ValueShape, key: &str) {
        self.each_entry(node, key, |it, _, value| {
            let is_many = matches!(shape, ValueShape::TextsMap);
            let one = if is_many { ValueShape::TextOrTexts } else { ValueShape::Text };
            it.check_value(value, one, key);
        });
    }

    fn check_word(&mut self, node: &YamlNode, words: &[&str], key: &str) {
        let text = node.text().unwrap_or_default();
        if words.contains(&text) {
            return;
        }
        let known = words.join(", ");
        let suggestion = suggest(text, words);
        let defect = Defect::new(
            &code::LT_FMT_004,
            format!("`{text}` không phải một trong {known}{}", suggestion.vi),
            format!("`{text}` is none of {known}{}", suggestion.en),
        );
        self.report(node.position, key, defect);
    }

    fn each_item(&mut self, node: &YamlNode, key: &str, check: impl Fn(&mut Self, &YamlNode)) {
        if node.is_list() {
            node.items().iter().for_each(|it| check(self, it));
        } else {
            self.report_type(node, key, ("một danh sách", "a list"));
        }
    }

    fn each_entry(
        &mut self,
        node: &YamlNode,
        key: &str,
        check: impl Fn(&mut Self, &str, &YamlNode),
    ) {
        if !matches!(node.value, YamlValue::Map(_)) {
            self.report_type(node, key, ("`khóa: giá trị`", "`key: value`"));
        }
        for (index, (name, position, value)) in node.entries().iter().enumerate() {
            let first = node.entries().iter().take(index).find(|(it, ..)| it == name);
            match first {
                Some((_, first, _)) => self.report(*position, key, repeated_key(name, *first)),
                None => check(self, name, value),
            }
        }
    }

    fn report_type(&mut self, node: &YamlNode, key: &str, (vi, en): (&str, &str)) {
        let (is_vi, is_en) = match &node.value {
            YamlValue::Map(_) => ("`khóa: giá trị`", "`key: value`"),
            YamlValue::List(_) => ("danh sách", "a list"),
            YamlValue::Text(_) => ("chữ", "a text"),
            YamlValue::Integer(_) | YamlValue::Unsupported => ("số", "a number"),
            YamlValue::Boolean => ("đúng/sai", "true or false"),
            YamlValue::Null => ("không có gì", "nothing"),
        };
        let defect = Defect::new(
            &code::LT_FMT_004,
            format!("`{key}` nhận {vi}, ở đây là {is_vi}"),
            format!("`{key}` takes {en}, here is {is_en}"),
        );
        self.report(node.position, key, defect);
    }
}

/// The key that says which syntax it is.
const KIND: Construct = Construct {
    key: "kind",
    shape: ValueShape::Text,
    is_required: true,
    meaning: crate::diagnostic::Wording { vi: "cú pháp nào", en: "which syntax" },
    example: "",
};

fn repeated_key(key: &str, first: SourcePosition) -> Defect {
    let line = first.line;
    Defect::new(
        &code::LT_FMT_001,
        format!("khóa `{key}` đã có ở dòng {line}"),
        format!("the key `{key}` stands in line {line} already"),
    )
}

fn missing_key(construct: &Construct) -> Defect {
    let (key, meaning) = (construct.key, construct.meaning);
    Defect::new(
        &code::LT_FMT_003,
        format!("thiếu `{key}`: {}", meaning.vi),
        format!("`{key}` is missing: {}", meaning.en),
    )
}

fn unknown_key(key: &str, keys: &[&Construct]) -> Defect {
    let names: Vec<_> = keys.iter().map(|it| it.key).collect();
    if let Some(it) = nearest(key, &names) {
        return Defect::new(
            &code::LT_FMT_002,
            format!("không có khóa `{key}` ở đây; có phải `{it}`?"),
            format!("there is no key `{key}` here; did you mean `{it}`?"),
        );
    }
    let known = names.join(", ");
    Defect::new(
        &code::LT_FMT_002,
        format!("không có khóa `{key}` ở đây; có {known}"),
        format!("there is no key `{key}` here; there are {known}"),
    )
}
