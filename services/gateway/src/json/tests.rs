//! The JSON of calls: wrong fields by their path, kinds of values, and random damage.

use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};
use prost_reflect::{DeserializeOptions, Kind, MessageDescriptor};
use proto::exchange::v1::{SubmitBatchRequest, SubmitRequest};

use super::*;

const REQUESTS: [&str; 5] =
    ["HelloRequest", "SubmitRequest", "SubmitBatchRequest", "SettleRequest", "SettleBatchRequest"];

const GOOD: &str = r#"{"key":"k1","format":"auto","inline":"PGE+","recipients":["A99.2"],
    "attachments":[{"reference":"r","part":"p","file_name":"c\u00f4ng văn.pdf","mediaType":null}]}"#;

/// What is wrong with a text: the code, and each field with its English description.
fn refusals<M: prost::Message + Default>(name: &str, json: &str) -> Vec<String> {
    let fault = from_json::<M>(name, json).err();
    let fault = fault.unwrap_or_else(|| panic!("accepted: {json}"));
    assert_eq!(fault.code, "LT-EX-011", "{json}");
    for it in &fault.violations {
        assert!(!it.description_vi.is_empty() && it.description_vi != it.description_en, "{json}");
    }
    fault.violations.iter().map(|it| format!("{}: {}", it.field, it.description_en)).collect()
}

#[test]
fn every_wrong_field_is_named_by_its_path() {
    let table = [
        (r#"{"kee":1}"#, "kee: SubmitRequest has no such field; did you mean `key`?"),
        (r#"{"Format":"auto"}"#, "Format: SubmitRequest has no such field; did you mean `format`?"),
        (r#"{"key\u200b":1}"#, "key[U+200B]: SubmitRequest has no such field; did you mean `key`?"),
        (r#"{"key":"a","key":"a"}"#, "key: stands twice (`key` and `key`)"),
        (r#"{"key":null,"key":"a"}"#, "key: stands twice (`key` and `key`)"),
        (
            r#"{"attachments":[{},{"file_name":"a","fileName":"b"}]}"#,
            "attachments[1].file_name: stands twice (`file_name` and `fileName`)",
        ),
        (r#"{"inline":"","part":"p"}"#, "part: only one of `inline` and `part` may be given"),
        (r#"{"key":1}"#, "key: must be a text in quotes, not a number"),
        (r#"{"recipients":"A99.2"}"#, "recipients: must be a list `[…]`, even of one, not a text"),
        (r#"{"recipients":["a",null]}"#, "recipients[1]: must be a text in quotes, not null"),
        (r#"{"attachments":["p"]}"#, "attachments[0]: must be an object `{…}`, not a text"),
        (r#"{"inline":"AA*A"}"#, "inline: the base64 holds the foreign character U+002A at byte 2"),
        (r#"{"inline":[1,2]}"#, "inline: must be base64 in quotes, not a list"),
        ("[]", "body: must be an object `{…}`, not a list"),
        ("null", "body: must be an object `{…}`, not null"),
        (r#""{}""#, "body: must be an object `{…}`, not a text"),
        ("{} x", "body: something follows the JSON at line 1, column 4"),
        ("{}{}", "body: something follows the JSON at line 1, column 3"),
        (r#"{"key":"#, "body: the JSON is cut off at line 1, column 7"),
        (r#"{"key":NaN}"#, "body: the JSON is malformed at line 1, column 8"),
        (r#"{'key':1}"#, "body: the JSON is malformed at line 1, column 2"),
    ];
    for (json, expected) in table {
        assert_eq!(refusals::<SubmitRequest>("SubmitRequest", json), [expected], "{json}");
    }
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let deep = refusals::<SubmitRequest>("SubmitRequest", &format!("{{\"key\":{deep}}}"));
    assert!(deep[0].contains("nested deeper than 128 levels"), "{deep:?}");
    let many = format!("{{\"recipients\":[{}0]}}", "0,".repeat(300_000));
    let many = refusals::<SubmitRequest>("SubmitRequest", &many);
    assert!(many[0].contains("too many values"), "{many:?}");
    let all = refusals::<SubmitBatchRequest>(
        "SubmitBatchRequest",
        r#"{"items":[{},{"attachments":[{},{},{"file_name":7}],"x":1}]}"#,
    );
    assert_eq!(all.len(), 2, "every wrong field is reported at once: {all:?}");
    assert!(all[0].starts_with("items[1].attachments[2].file_name: "), "{all:?}");
    assert!(all[1].starts_with("items[1].x: "), "{all:?}");
}

#[test]
fn numbers_and_enums_are_read_as_the_mapping_says_and_refused_with_their_range() {
    use proto::exchange::v1::{HelloRequest, SettleRequest};
    let lease = |json: &str| from_json::<SettleRequest>("SettleRequest", json).unwrap().lease;
    for (json, expected) in [("7", 7), (r#""7""#, 7), ("7.0", 7), ("1e3", 1_000)] {
        assert_eq!(lease(&format!("{{\"lease\":{json}}}")), expected);
    }
    assert_eq!(lease(&format!("{{\"lease\":{}}}", u64::MAX)), u64::MAX);
    for wrong in ["-1", "1.5", r#""0x7""#, r#"" 7""#, "true", r#""""#, "1e30", r#""-""#] {
        let json = format!("{{\"lease\":{wrong}}}");
        let refused = refusals::<SettleRequest>("SettleRequest", &json);
        assert!(refused[0].starts_with("lease: must be a whole number from 0 to"), "{refused:?}");
    }
    let class = |json: &str| from_json::<HelloRequest>("HelloRequest", json);
    let read = class(r#"{"receiverClass":"ASKABLE"}"#).unwrap();
    assert_eq!(read.receiver_class().as_str_name(), "ASKABLE");
    for wrong in [r#""Askable""#, r#""asks""#, "99", "true"] {
        let json = format!("{{\"receiver_class\":{wrong}}}");
        let refused = refusals::<HelloRequest>("HelloRequest", &json);
        let expected = "receiver_class: is no value of ReceiverClass";
        assert!(refused[0].starts_with(expected), "{refused:?}");
        assert!(refused[0].contains("REPEATABLE"), "{refused:?}");
    }
}

/// The converter knows the kinds of fields that requests have today; a new kind fails here.
#[test]
fn no_request_has_a_field_of_a_kind_that_cannot_be_read() {
    fn check(descriptor: &MessageDescriptor) {
        for field in descriptor.fields() {
            assert!(!field.is_map(), "{}", field.full_name());
            match field.kind() {
                Kind::Double | Kind::Float => panic!("{}", field.full_name()),
                Kind::Message(it) => {
                    assert!(!it.full_name().starts_with("google."), "{}", field.full_name());
                    check(&it);
                }
                Kind::String
                | Kind::Bytes
                | Kind::Bool
                | Kind::Enum(_)
                | Kind::Int32
                | Kind::Int64
                | Kind::Uint32
                | Kind::Uint64
                | Kind::Sint32
                | Kind::Sint64
                | Kind::Fixed32
                | Kind::Fixed64
                | Kind::Sfixed32
                | Kind::Sfixed64 => {}
            }
        }
    }
    for name in REQUESTS {
        check(&descriptor(name).unwrap());
    }
}

/// The other implementation of the mapping, which takes repeated keys and no white space in base64.
fn by_prost_reflect(json: &str) -> Option<SubmitRequest> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let options = DeserializeOptions::new().deny_unknown_fields(true);
    let descriptor = descriptor("SubmitRequest").unwrap();
    let message =
        DynamicMessage::deserialize_with_options(descriptor, &mut deserializer, &options).ok()?;
    deserializer.end().ok()?;
    message.transcode_to().ok()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    /// Whatever is changed in a call, the answer is the message or a fault with a code and both
    /// languages; and a message that both implementations read is the same.
    #[test]
    fn a_damaged_call_is_read_or_refused_with_a_field(
        changes in proptest::collection::vec((any::<usize>(), 0_usize..40, any::<bool>()), 1..4),
    ) {
        let letters: Vec<char> = "{}[]\",:\\ue+-.0129ntfNa_=\u{0}\u{1} \n\u{200b}\u{feff}éđ*/".chars().collect();
        let mut text: Vec<char> = GOOD.chars().collect();
        for (at, letter, is_insert) in changes {
            let (at, letter) = (at % text.len(), letters[letter % letters.len()]);
            if is_insert { text.insert(at, letter) } else { text[at] = letter }
        }
        let text: String = text.into_iter().collect();
        match from_json::<SubmitRequest>("SubmitRequest", &text) {
            Ok(message) => {
                if let Some(other) = by_prost_reflect(&text) {
                    prop_assert_eq!(message, other);
                }
            }
            Err(fault) => {
                prop_assert_eq!(fault.code, "LT-EX-011");
                prop_assert!(!fault.violations.is_empty());
                for it in fault.violations {
                    prop_assert!(!it.field.is_empty() && it.description_vi != it.description_en);
                }
            }
        }
    }

    #[test]
    fn arbitrary_text_never_panics(text in ".{0,60}") {
        for name in REQUESTS {
            let _read = from_json::<SubmitRequest>(name, &text).is_ok();
        }
    }
}
