//! JSON into a tree: objects and lists as parts, numbers as they are written.

use std::borrow::Cow;
use std::collections::HashSet;

use proto::fault::code;
use proto::fault::v1::Fault;

use crate::limits::{DEPTH_MAX, PLACES_MAX};
use crate::tree::{Kind, Tree};

/// Reads JSON; the root stands for the outermost value.
pub(crate) fn scan(text: &str) -> Result<Tree<'_>, Fault> {
    let mut scanner = Scanner { text, at: 0, tree: Tree::new("") };
    let read = scanner.value(0, 0).and_then(|()| scanner.end());
    match read {
        Ok(()) => Ok(scanner.tree),
        Err(why) => Err(scanner.fault(why)),
    }
}

/// Keys of an object that are compared one by one.
const FEW: usize = 48;

/// What is wrong with the JSON, in a few words.
type Wrong = &'static str;

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    tree: Tree<'a>,
}

impl<'a> Scanner<'a> {
    fn fault(&self, why: Wrong) -> Fault {
        let before = self.text.get(..self.at).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let at = format!("{line}:{column}");
        Fault::new(&code::LT_MAP_002).param("at", &at).detail(why).violation(
            at,
            "JSON không đúng cú pháp, bị cắt cụt, hoặc có khóa lặp",
            "the JSON is malformed, cut off, or repeats a key",
        )
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The next byte that is no white space.
    fn next(&mut self) -> Option<u8> {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        self.peek()
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_there = self.next() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn end(&mut self) -> Result<(), Wrong> {
        if self.next().is_none() { Ok(()) } else { Err("something follows the value") }
    }

    fn value(&mut self, place: usize, depth: usize) -> Result<(), Wrong> {
        if depth > DEPTH_MAX || self.tree.nodes.len() > PLACES_MAX {
            return Err("too deep or too large");
        }
        match self.next() {
            Some(b'{') => self.object(place, depth),
            Some(b'[') => self.list(place, depth),
            Some(b'"') => {
                let text = self.string()?;
                self.tree.nodes[place].text = text;
                Ok(())
            }
            Some(b'-' | b'0'..=b'9') => {
                let text = self.number()?;
                self.tree.nodes[place].text = Cow::Borrowed(text);
                Ok(())
            }
            _ => self.word(place),
        }
    }

    fn word(&mut self, place: usize) -> Result<(), Wrong> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let word = ["true", "false", "null"].into_iter().find(|it| rest.starts_with(it));
        let word = word.ok_or("a value is missing")?;
        self.at += word.len();
        if word != "null" {
            self.tree.nodes[place].text = Cow::Borrowed(word);
        }
        Ok(())
    }

    fn object(&mut self, place: usize, depth: usize) -> Result<(), Wrong> {
        self.at += 1;
        if self.take(b'}') {
            return Ok(());
        }
        let (mut count, mut names) = (0, HashSet::new());
        loop {
            if self.next() != Some(b'"') {
                return Err("a key is missing");
            }
            let name = self.string()?;
            // Few names are compared faster than they are hashed.
            count += 1;
            if count == FEW {
                names.extend(self.tree.children(place).map(|it| self.tree.nodes[it].name.clone()));
            }
            let is_new = if count < FEW {
                self.tree.named(place, &name).next().is_none()
            } else {
                names.insert(name.clone())
            };
            if !is_new {
                return Err("a key stands twice");
            }
            if !self.take(b':') {
                return Err("a colon is missing");
            }
            let part = self.tree.add(place, name);
            self.value(part, depth + 1)?;
            if self.take(b'}') {
                return Ok(());
            }
            if !self.take(b',') {
                return Err("a comma or the end of the object is missing");
            }
        }
    }

    /// Each item stands in the list's place, under the list's name.
    fn list(&mut self, place: usize, depth: usize) -> Result<(), Wrong> {
        self.at += 1;
        let (name, parent) = (self.tree.nodes[place].name.clone(), self.tree.nodes[place].parent);
        if self.take(b']') {
            self.tree.nodes[place].kind = Kind::NoItems;
            return Ok(());
        }
        let mut item = place;
        loop {
            self.tree.nodes[item].kind = Kind::Item;
            self.value(item, depth + 1)?;
            if self.take(b']') {
                return Ok(());
            }
            if !self.take(b',') {
                return Err("a comma or the end of the list is missing");
            }
            item = self.tree.add(parent, name.clone());
        }
    }

    fn number(&mut self) -> Result<&'a str, Wrong> {
        let begin = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        let whole = self.digits();
        let is_led = self.text.as_bytes().get(self.at - whole) == Some(&b'0');
        if whole == 0 || (is_led && whole > 1) {
            return Err("a number is malformed");
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return Err("a number is malformed");
            }
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            if self.digits() == 0 {
                return Err("a number is malformed");
            }
        }
        self.text.get(begin..self.at).ok_or("a number is malformed")
    }

    fn digits(&mut self) -> usize {
        let begin = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - begin
    }

    /// A text; copied only where something in it is spelled out.
    fn string(&mut self) -> Result<Cow<'a, str>, Wrong> {
        self.at += 1;
        let mut text = Cow::Borrowed("");
        loop {
            let begin = self.at;
            while !matches!(self.peek(), None | Some(b'"' | b'\\' | 0..=0x1f)) {
                self.at += 1;
            }
            let plain = self.text.get(begin..self.at).ok_or("a text is malformed")?;
            if text.is_empty() {
                text = Cow::Borrowed(plain);
            } else {
                text.to_mut().push_str(plain);
            }
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => text.to_mut().push(self.escape()?),
                _ => return Err("a text does not end, or holds a control character"),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Wrong> {
        let letter = self.text.as_bytes().get(self.at + 1).copied();
        self.at += 2;
        match letter {
            Some(it @ (b'"' | b'\\' | b'/')) => Ok(char::from(it)),
            Some(b'b') => Ok('\u{8}'),
            Some(b'f') => Ok('\u{c}'),
            Some(b'n') => Ok('\n'),
            Some(b'r') => Ok('\r'),
            Some(b't') => Ok('\t'),
            Some(b'u') => self.unicode(),
            _ => Err("an escape is malformed"),
        }
    }

    /// A character by number; those beyond 16 bits stand as a pair.
    fn unicode(&mut self) -> Result<char, Wrong> {
        let first = self.hex()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first).ok_or("half a character");
        }
        let rest = self.text.get(self.at..).unwrap_or_default();
        if !rest.starts_with("\\u") {
            return Err("half a character");
        }
        self.at += 2;
        let second = self.hex()?;
        if !(0xdc00..0xe000).contains(&second) {
            return Err("half a character");
        }
        let number = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        char::from_u32(number).ok_or("half a character")
    }

    fn hex(&mut self) -> Result<u32, Wrong> {
        let digits = self.text.get(self.at..self.at + 4).ok_or("an escape is malformed")?;
        if !digits.bytes().all(|it| it.is_ascii_hexdigit()) {
            return Err("an escape is malformed");
        }
        self.at += 4;
        u32::from_str_radix(digits, 16).map_err(|_error| "an escape is malformed")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};

    use super::*;

    fn first(text: &str) -> String {
        let tree = scan(text).unwrap();
        let place = tree.children(0).next().unwrap();
        tree.nodes[place].text.clone().into_owned()
    }

    #[test]
    fn texts_and_numbers_stay_as_they_are_written() {
        assert_eq!(first(r#"{"a": 1.10}"#), "1.10");
        assert_eq!(first(r#"{"a": -0e+5 }"#), "-0e+5");
        assert_eq!(first(r#"{"a": 12345678901234567890123}"#), "12345678901234567890123");
        assert_eq!(first(r#"{"a": "\u00ea\ud83d\ude42\n\/"}"#), "ê🙂\n/");
        assert_eq!(first(r#"{"a": null}"#), "");
        assert!(matches!(scan(r#"{"a":"chữ"}"#).unwrap().nodes[1].text, Cow::Borrowed("chữ")));
        let fault = scan("{\n \"a\": 1,}").unwrap_err();
        assert_eq!(fault.violations[0].field, "2:9");
    }

    #[test]
    fn a_key_that_stands_twice_is_found_among_few_and_many() {
        for count in [1, FEW - 2, FEW - 1, FEW, FEW + 1, 3 * FEW] {
            let keys: Vec<String> = (0..count).map(|it| format!("\"{it}\":[1,2]")).collect();
            let keys = keys.join(",");
            assert!(scan(&format!("{{{keys}}}")).is_ok(), "{count}");
            for twice in [0, count / 2, count - 1] {
                assert!(scan(&format!("{{{keys},\"{twice}\":1}}")).is_err(), "{count} {twice}");
            }
        }
    }

    /// What another reader of JSON takes is taken, and nothing else.
    fn agrees(text: &str) {
        let other = serde_json::from_str::<serde_json::Value>(text);
        // Numbers beyond a double and keys that stand twice are where the two differ.
        let is_known = other.as_ref().is_err_and(|it| it.to_string().contains("out of range"));
        let ours = scan(text);
        let is_twice = ours.as_ref().is_err_and(|it| format!("{it:?}").contains("stands twice"));
        assert!(
            is_known || is_twice || ours.is_ok() == other.is_ok(),
            "{text:?}: {ours:?} {other:?}"
        );
    }

    #[test]
    fn the_corners_of_json_are_judged_as_by_others() {
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
            agrees(text);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

        #[test]
        fn damaged_json_is_judged_as_by_others(place in any::<usize>(), letter in 0_usize..24) {
            let good = r#"{"a":[1,-2.5e3,{"b":"\u0041\n"}],"c":{"d":[[],null,true]},"é":"x"}"#;
            let letters: Vec<char> = "{}[]\",:\\ue+-.0123ntf\u{1} é".chars().collect();
            let mut text: Vec<char> = good.chars().collect();
            let place = place % text.len();
            text[place] = letters[letter % letters.len()];
            agrees(&text.into_iter().collect::<String>());
            prop_assert_eq!(scan(good).is_ok(), true);
        }
    }
}
