//! Scans JSON to a tree; numbers stay texts as they are written.
//!
//! An own scanner (RFC 8259), because serde_json gives no borrowed tree, rounds numbers, accepts
//! repeated keys, and reports no position of a repeated key. Tests compare it with serde_json.

use std::borrow::Cow;
use std::collections::HashSet;

use proto::fault::code;
use proto::fault::v1::Fault;

use crate::limits::{DEPTH_MAX, nodes_max};
use crate::tree::{NodeKind, ROOT_LIST, Tree};

/// Scans JSON; the root is the outermost value.
///
/// # Errors
///
/// The JSON is malformed, repeats a key, or exceeds a bound.
pub(crate) fn scan(text: &str) -> Result<Tree<'_>, Fault> {
    let mut scanner = Scanner { text, position: 0, tree: Tree::new(""), repeated: None };
    let result = scanner.scan_value(0, 0).and_then(|()| scanner.expect_end());
    match result {
        Ok(()) => Ok(scanner.tree),
        Err(error) => Err(scanner.fault(error)),
    }
}

/// True for a text that is a number, `true`, `false` or `null` of JSON.
pub(crate) fn is_literal(text: &str) -> bool {
    scan(text).is_ok_and(|it| it.nodes[0].is_literal)
}

/// Number of keys from which an object's keys are hashed: below it, comparison is faster.
const HASHED_KEYS_MIN: usize = 48;

/// A syntax error, in words for the detail of the fault.
type SyntaxError = &'static str;

const TOO_DEEP: SyntaxError = "too deep";
const TOO_MANY: SyntaxError = "too many values";
const FOLLOWED: SyntaxError = "something follows the value";

struct Scanner<'a> {
    text: &'a str,
    position: usize,
    tree: Tree<'a>,
    /// Path of the key that stands twice.
    repeated: Option<String>,
}

impl<'a> Scanner<'a> {
    fn fault(&self, error: SyntaxError) -> Fault {
        let before = self.text.get(..self.position).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let at = format!("{line}:{column}");
        let bound = match error {
            TOO_DEEP => Some(("độ sâu", "depth", DEPTH_MAX)),
            TOO_MANY => Some(("số giá trị", "number of values", nodes_max(self.position))),
            _ => None,
        };
        if let Some((vi, en, max)) = bound {
            return Fault::new(&code::LT_MAP_005).violation(
                at,
                format!("{vi} vượt giới hạn {max}"),
                format!("the {en} is beyond the bound of {max}"),
            );
        }
        let fault = Fault::new(&code::LT_MAP_002).param("at", &at).detail(error);
        if let Some(path) = &self.repeated {
            return fault.violation(
                path,
                format!("có hai lần, ở {at}"),
                format!("stands twice, at {at}"),
            );
        }
        let (vi, en) = if error == FOLLOWED {
            ("có nội dung sau JSON", "something follows the JSON")
        } else {
            ("JSON không đúng cú pháp hoặc bị cắt cụt", "the JSON is malformed or cut off")
        };
        fault.violation(at, vi, en)
    }

    /// The error of a key that stands twice in an object.
    fn repeated_key(&mut self, object: usize, name: &str) -> SyntaxError {
        let path = [&self.tree.path(object), name].join("/");
        self.repeated = Some(path.trim_start_matches('/').to_owned());
        "a key stands twice"
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.position).copied()
    }

    /// Skips white space and peeks at the next byte.
    fn peek_token(&mut self) -> Option<u8> {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.position += 1;
        }
        self.peek()
    }

    /// Consumes the next token if it is this byte.
    fn consume(&mut self, byte: u8) -> bool {
        let matches = self.peek_token() == Some(byte);
        self.position += usize::from(matches);
        matches
    }

    fn expect_end(&mut self) -> Result<(), SyntaxError> {
        if self.peek_token().is_none() { Ok(()) } else { Err(FOLLOWED) }
    }

    fn scan_value(&mut self, node_id: usize, depth: usize) -> Result<(), SyntaxError> {
        if depth > DEPTH_MAX {
            return Err(TOO_DEEP);
        }
        if self.tree.nodes.len() > nodes_max(self.position) {
            return Err(TOO_MANY);
        }
        match self.peek_token() {
            Some(b'{') => self.scan_object(node_id, depth),
            Some(b'[') => self.scan_list(node_id, depth),
            Some(b'"') => {
                let text = self.scan_string()?;
                self.tree.nodes[node_id].text = text;
                Ok(())
            }
            Some(b'-' | b'0'..=b'9') => {
                let text = self.scan_number()?;
                self.tree.nodes[node_id].text = Cow::Borrowed(text);
                self.tree.nodes[node_id].is_literal = true;
                Ok(())
            }
            _ => self.scan_literal(node_id),
        }
    }

    fn scan_literal(&mut self, node_id: usize) -> Result<(), SyntaxError> {
        let rest = self.text.get(self.position..).unwrap_or_default();
        let literal = ["true", "false", "null"].into_iter().find(|it| rest.starts_with(it));
        let literal = literal.ok_or("a value is missing")?;
        self.position += literal.len();
        if literal != "null" {
            self.tree.nodes[node_id].text = Cow::Borrowed(literal);
            self.tree.nodes[node_id].is_literal = true;
        }
        Ok(())
    }

    fn scan_object(&mut self, node_id: usize, depth: usize) -> Result<(), SyntaxError> {
        self.position += 1;
        if self.consume(b'}') {
            return Ok(());
        }
        let (mut count, mut names) = (0, HashSet::new());
        loop {
            if self.peek_token() != Some(b'"') {
                return Err("a key is missing");
            }
            let name = self.scan_string()?;
            count += 1;
            if count == HASHED_KEYS_MIN {
                names
                    .extend(self.tree.children(node_id).map(|it| self.tree.nodes[it].name.clone()));
            }
            let is_new = if count < HASHED_KEYS_MIN {
                self.tree.children_named(node_id, &name).next().is_none()
            } else {
                names.insert(name.clone())
            };
            if !is_new {
                return Err(self.repeated_key(node_id, &name));
            }
            if !self.consume(b':') {
                return Err("a colon is missing");
            }
            let child = self.tree.add_child(node_id, name);
            self.scan_value(child, depth + 1)?;
            if self.consume(b'}') {
                return Ok(());
            }
            if !self.consume(b',') {
                return Err("a comma or the end of the object is missing");
            }
        }
    }

    /// The items become siblings with the list's name; the list itself is no node unless it is
    /// empty.
    fn scan_list(&mut self, node_id: usize, depth: usize) -> Result<(), SyntaxError> {
        self.position += 1;
        if self.consume(b']') {
            self.tree.nodes[node_id].kind = NodeKind::EmptyList;
            return Ok(());
        }
        // The root is no item of a list: nothing stands beside it.
        let mut item = if node_id == 0 { self.tree.add_child(0, ROOT_LIST) } else { node_id };
        let (name, parent) = (self.tree.nodes[item].name.clone(), self.tree.nodes[item].parent);
        loop {
            self.tree.nodes[item].kind = NodeKind::Item;
            self.scan_value(item, depth + 1)?;
            if self.consume(b']') {
                return Ok(());
            }
            if !self.consume(b',') {
                return Err("a comma or the end of the list is missing");
            }
            item = self.tree.add_child(parent, name.clone());
        }
    }

    fn scan_number(&mut self) -> Result<&'a str, SyntaxError> {
        let begin = self.position;
        self.position += usize::from(self.peek() == Some(b'-'));
        let integer_digits = self.skip_digits();
        let has_leading_zero =
            self.text.as_bytes().get(self.position - integer_digits) == Some(&b'0');
        if integer_digits == 0 || (has_leading_zero && integer_digits > 1) {
            return Err("a number is malformed");
        }
        if self.peek() == Some(b'.') {
            self.position += 1;
            if self.skip_digits() == 0 {
                return Err("a number is malformed");
            }
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.position += 1;
            self.position += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            if self.skip_digits() == 0 {
                return Err("a number is malformed");
            }
        }
        self.text.get(begin..self.position).ok_or("a number is malformed")
    }

    fn skip_digits(&mut self) -> usize {
        let begin = self.position;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.position += 1;
        }
        self.position - begin
    }

    /// Scans a string; it is copied only when it contains an escape.
    fn scan_string(&mut self) -> Result<Cow<'a, str>, SyntaxError> {
        self.position += 1;
        let mut text = Cow::Borrowed("");
        loop {
            let begin = self.position;
            while !matches!(self.peek(), None | Some(b'"' | b'\\' | 0..=0x1f)) {
                self.position += 1;
            }
            let plain = self.text.get(begin..self.position).ok_or("a text is malformed")?;
            if text.is_empty() {
                text = Cow::Borrowed(plain);
            } else {
                text.to_mut().push_str(plain);
            }
            match self.peek() {
                Some(b'"') => {
                    self.position += 1;
                    return Ok(text);
                }
                Some(b'\\') => text.to_mut().push(self.scan_escape()?),
                _ => return Err("a text does not end, or holds a control character"),
            }
        }
    }

    fn scan_escape(&mut self) -> Result<char, SyntaxError> {
        let letter = self.text.as_bytes().get(self.position + 1).copied();
        self.position += 2;
        match letter {
            Some(it @ (b'"' | b'\\' | b'/')) => Ok(char::from(it)),
            Some(b'b') => Ok('\u{8}'),
            Some(b'f') => Ok('\u{c}'),
            Some(b'n') => Ok('\n'),
            Some(b'r') => Ok('\r'),
            Some(b't') => Ok('\t'),
            Some(b'u') => self.scan_unicode_escape(),
            _ => Err("an escape is malformed"),
        }
    }

    /// Scans the number of a character; one beyond 16 bits is a pair of surrogates.
    fn scan_unicode_escape(&mut self) -> Result<char, SyntaxError> {
        let first = self.scan_hex_digits()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first).ok_or("half a character");
        }
        let rest = self.text.get(self.position..).unwrap_or_default();
        if !rest.starts_with("\\u") {
            return Err("half a character");
        }
        self.position += 2;
        let second = self.scan_hex_digits()?;
        if !(0xdc00..0xe000).contains(&second) {
            return Err("half a character");
        }
        let number = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        char::from_u32(number).ok_or("half a character")
    }

    fn scan_hex_digits(&mut self) -> Result<u32, SyntaxError> {
        let digits =
            self.text.get(self.position..self.position + 4).ok_or("an escape is malformed")?;
        if !digits.bytes().all(|it| it.is_ascii_hexdigit()) {
            return Err("an escape is malformed");
        }
        self.position += 4;
        u32::from_str_radix(digits, 16).map_err(|_error| "an escape is malformed")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};

    use super::*;

    fn first_value(text: &str) -> String {
        let tree = scan(text).unwrap();
        let node_id = tree.children(0).next().unwrap();
        tree.nodes[node_id].text.clone().into_owned()
    }

    #[test]
    fn texts_and_numbers_are_scanned_as_they_are_written() {
        assert_eq!(first_value(r#"{"a": 1.10}"#), "1.10");
        assert_eq!(first_value(r#"{"a": -0e+5 }"#), "-0e+5");
        assert_eq!(first_value(r#"{"a": 12345678901234567890123}"#), "12345678901234567890123");
        assert_eq!(first_value(r#"{"a": "\u00ea\ud83d\ude42\n\/"}"#), "ê🙂\n/");
        assert_eq!(first_value(r#"{"a": null}"#), "");
        assert!(matches!(scan(r#"{"a":"chữ"}"#).unwrap().nodes[1].text, Cow::Borrowed("chữ")));
        let fault = scan("{\n \"a\": 1,}").unwrap_err();
        assert_eq!(fault.violations[0].field, "2:9");
    }

    #[test]
    fn a_repeated_key_is_found_among_few_and_many() {
        for count in [
            1,
            HASHED_KEYS_MIN - 2,
            HASHED_KEYS_MIN - 1,
            HASHED_KEYS_MIN,
            HASHED_KEYS_MIN + 1,
            3 * HASHED_KEYS_MIN,
        ] {
            let keys: Vec<String> = (0..count).map(|it| format!("\"{it}\":[1,2]")).collect();
            let keys = keys.join(",");
            assert!(scan(&format!("{{{keys}}}")).is_ok(), "{count}");
            for twice in [0, count / 2, count - 1] {
                assert!(scan(&format!("{{{keys},\"{twice}\":1}}")).is_err(), "{count} {twice}");
            }
        }
    }

    /// Checks that serde_json accepts the same texts.
    fn assert_same_verdict(text: &str) {
        let other = serde_json::from_str::<serde_json::Value>(text);
        // The two differ on purpose for numbers beyond a double and for repeated keys.
        let is_out_of_range =
            other.as_ref().is_err_and(|it| it.to_string().contains("out of range"));
        let ours = scan(text);
        let is_repeated_key =
            ours.as_ref().is_err_and(|it| format!("{it:?}").contains("stands twice"));
        assert!(
            is_out_of_range || is_repeated_key || ours.is_ok() == other.is_ok(),
            "{text:?}: {ours:?} {other:?}"
        );
    }

    #[test]
    fn edge_cases_are_accepted_and_refused_as_by_serde_json() {
        for text in [
            "",
            " ",
            "{",
            "}",
            "[",
            "[]",
            "[1,]",
            "[,1]",
            "{}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "01",
            "-",
            "-1",
            "1.",
            ".5",
            "1e",
            "1e5",
            "+1",
            "nul",
            "nulll",
            "true false",
            "\"",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\ud800\"",
            "\"\\udc00\"",
            "\"\\ud800\\u0041\"",
            "\"\t\"",
            "\"\u{7f}\"",
            "{a:1}",
            "{\"a\" 1}",
            "[1 2]",
            "\u{feff}1",
            "\"\\u+123\"",
            "[[],[]]",
        ] {
            assert_same_verdict(text);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

        #[test]
        fn damaged_json_gets_the_verdict_of_serde_json(
            at in any::<usize>(),
            letter in 0_usize..24,
        ) {
            let good = r#"{"a":[1,-2.5e3,{"b":"\u0041\n"}],"c":{"d":[[],null,true]},"é":"x"}"#;
            let letters: Vec<char> = "{}[]\",:\\ue+-.0123ntf\u{1} é".chars().collect();
            let mut text: Vec<char> = good.chars().collect();
            let at = at % text.len();
            text[at] = letters[letter % letters.len()];
            assert_same_verdict(&text.into_iter().collect::<String>());
            prop_assert_eq!(scan(good).is_ok(), true);
        }
    }
}
