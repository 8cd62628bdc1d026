//! Tests of patterns: what they split and join, and what is ambiguous.

use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

use super::*;
use crate::model::message_schema;

const BOTH: &str = "{number}/{notation} | {number}-{notation}";

fn pattern(template: &str, class: &str, whole: Option<&str>) -> Result<Pattern, BilingualText> {
    let mut classes = BTreeMap::new();
    if !class.is_empty() {
        classes.insert("number".to_owned(), class.to_owned());
    }
    let spec = PatternSpec { template, classes: &classes, whole, is_split: true };
    Pattern::parse(spec, message_schema("DocumentNumber").unwrap())
}

fn number_field() -> &'static FieldSchema {
    message_schema("Document").unwrap().field("number").unwrap()
}

fn message<'m>(number: &'m str, notation: &'m str, printed: &'m str) -> DynMessage<'m> {
    let mut message = DynMessage::new(message_schema("DocumentNumber").unwrap());
    for (name, text) in [("number", number), ("notation", notation), ("printed", printed)] {
        if !text.is_empty() {
            message.set_by_name(name, Value::Text(text.into()));
        }
    }
    message
}

#[test]
fn a_text_is_split_and_joined_by_the_alternative_that_fits() {
    let pattern = pattern(BOTH, "0-9 a-z A-Z", Some("printed")).unwrap();
    for (text, number, notation) in
        [("45/CV-TU", "45", "CV-TU"), ("45-CV/TU", "45", "CV/TU"), ("45a/1", "45a", "1")]
    {
        let read = pattern.read(text.into(), number_field()).unwrap();
        assert_eq!(read, Value::Message(message(number, notation, text)));
        assert_eq!(pattern.write(&message(number, notation, text)).unwrap(), text);
    }
    assert_eq!(pattern.write(&message("45", "CV", "")).unwrap(), "45/CV");
    assert_eq!(pattern.write(&message("46", "CV", "45-CV")).unwrap(), "46/CV", "the parts changed");
    assert_eq!(pattern.write(&message("", "", "Số 45")).unwrap(), "Số 45");
    assert_eq!(pattern.write(&message("4/5", "CV", "")), None, "it would be split elsewhere");
    assert_eq!(pattern.write(&message("45", "", "")), None);
    let read = pattern.read("không số".into(), number_field()).unwrap();
    assert_eq!(read, Value::Message(message("", "", "không số")));
}

#[test]
fn ambiguous_and_impossible_patterns_are_mistakes() {
    let mistake = |template: &str, class: &str| pattern(template, class, None).err().unwrap().en;
    assert!(mistake(BOTH, "").contains("may accept one text"));
    assert!(mistake(BOTH, "0-9 - a-z").contains("may accept one text"));
    assert!(mistake("{number}{notation}", "").contains("between them"));
    assert!(mistake("{number}/{number}", "").contains("twice"));
    assert!(mistake("{numbr}/{notation}", "").contains("did you mean `number`"));
    assert!(mistake("{number}/{notation", "").contains("no `}`"));
    assert!(mistake("{notation}", "0-9").contains("names `number`"));
    assert!(mistake("{number}", "90-").contains("ranges"));
    assert!(pattern("{number}", "9-0", None).is_err());
    assert!(pattern("A{number} | B{number}", "", None).is_ok());
    assert!(pattern("{number}/{notation} | {number}", "0-9", None).is_ok());
    assert!(pattern("{number}/{notation} | {number}", "", None).is_err());
}

proptest! {
    /// What is written is read as it was, and what is read is written as it was.
    #[test]
    fn both_directions_undo_each_other(text in "[0-9/A -]{0,9}", number in "[0-9/]{0,3}", notation in "[A/-]{0,3}") {
        let pattern = pattern(BOTH, "0-9", Some("printed")).unwrap();
        let text = text.trim();
        let Ok(Value::Message(read)) = pattern.read(text.into(), number_field()) else { return Ok(()) };
        if !text.is_empty() {
            prop_assert_eq!(pattern.write(&read).unwrap(), text);
        }
        let given = message(&number, &notation, "");
        if let Some(written) = pattern.write(&given) {
            let Ok(Value::Message(read)) = pattern.read(written.clone(), number_field()) else { panic!() };
            prop_assert_eq!((read.text("number"), read.text("notation")), (given.text("number"), given.text("notation")));
        }
    }

    /// A text that two alternatives split is found when the pattern is compiled.
    #[test]
    fn no_text_fits_two_alternatives(class in "[0-9a/-]{1,3}", text in "[0-9a/-]{1,8}") {
        let class: Vec<String> = class.chars().map(String::from).collect();
        let Ok(pattern) = pattern(BOTH, &class.join(" "), None) else { return Ok(()) };
        let fitting = pattern.alternatives.iter().filter(|it| split(it, &text).is_some()).count();
        prop_assert!(fitting <= 1, "{} {}", class.join(" "), text);
    }
}
