//! Texts of every spelling, and innocent ones.

use std::fmt::Write as _;

use unicode_normalization::UnicodeNormalization as _;

use super::*;

const VIETNAMESE: &str = include_str!("tests/vietnamese.txt");
const INNOCENT: &str = include_str!("tests/innocent.txt");

fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().filter(|it| !it.is_empty())
}

/// Bytes as a program shows them that takes them for another charset.
fn seen_through(bytes: &[u8], encoding: Option<&'static encoding_rs::Encoding>) -> String {
    let character = |it: &u8| match encoding {
        None => char::from(*it),
        Some(encoding) => encoding
            .decode_without_bom_handling_and_without_replacement(&[*it])
            .and_then(|it| it.chars().next())
            .unwrap_or(char::from(*it)),
    };
    bytes.iter().map(character).collect()
}

const LATIN1: Option<&encoding_rs::Encoding> = None;
const WESTERN: Option<&encoding_rs::Encoding> = Some(encoding_rs::WINDOWS_1252);
const VIETNAMESE_WINDOWS: Option<&encoding_rs::Encoding> = Some(encoding_rs::WINDOWS_1258);

/// A way to spoil a text, and what can be read of it.
struct Spoiled {
    name: &'static str,
    spoil: fn(&str) -> (String, String),
}

/// Bytes of a charset, and the text that they say.
fn of_charset(
    text: &str,
    charset: Charset,
    view: Option<&'static encoding_rs::Encoding>,
) -> (String, String) {
    let encoded = charset.encode(text);
    (seen_through(&encoded.bytes, view), charset.decode(&encoded.bytes).unwrap())
}

fn half(text: &str, spoil: impl Fn(&str) -> (String, String)) -> (String, String) {
    let words: Vec<&str> = text.split(' ').collect();
    let (first, second) = words.split_at(words.len() / 2);
    let (spoiled, expected) = spoil(&second.join(" "));
    let first = first.join(" ");
    (
        format!("{first} {spoiled}").trim().to_owned(),
        format!("{first} {expected}").trim().to_owned(),
    )
}

/// In capitals as with the caps lock: TCVN3 has capitals for letters without tones only.
fn capitals_of_tcvn3(text: &str) -> (String, String) {
    let upper = text.to_uppercase();
    (of_charset(&upper, Charset::Tcvn3, LATIN1).0, upper)
}

fn twice(text: &str, view: Option<&'static encoding_rs::Encoding>) -> String {
    seen_through(text.as_bytes(), view)
}

const SPOILED: [Spoiled; 21] = [
    Spoiled { name: "TCVN3 through Latin-1", spoil: |it| of_charset(it, Charset::Tcvn3, LATIN1) },
    Spoiled {
        name: "TCVN3 through windows-1252",
        spoil: |it| of_charset(it, Charset::Tcvn3, WESTERN),
    },
    Spoiled {
        name: "TCVN3 through windows-1258",
        spoil: |it| of_charset(it, Charset::Tcvn3, VIETNAMESE_WINDOWS),
    },
    Spoiled {
        name: "TCVN3, small letters",
        spoil: |it| of_charset(&it.to_lowercase(), Charset::Tcvn3, LATIN1),
    },
    Spoiled { name: "TCVN3, capitals", spoil: capitals_of_tcvn3 },
    Spoiled {
        name: "half TCVN3, half Unicode",
        spoil: |it| half(it, |it| of_charset(it, Charset::Tcvn3, LATIN1)),
    },
    Spoiled { name: "VNI", spoil: |it| of_charset(it, Charset::Vni, LATIN1) },
    Spoiled {
        name: "VNI, capitals",
        spoil: |it| of_charset(&it.to_uppercase(), Charset::Vni, LATIN1),
    },
    Spoiled {
        name: "VNI through windows-1258",
        spoil: |it| of_charset(it, Charset::Vni, VIETNAMESE_WINDOWS),
    },
    Spoiled {
        name: "half VNI, half Unicode",
        spoil: |it| half(it, |it| of_charset(it, Charset::Vni, LATIN1)),
    },
    Spoiled { name: "VISCII through Latin-1", spoil: |it| of_charset(it, Charset::Viscii, LATIN1) },
    Spoiled {
        name: "VISCII through windows-1252",
        spoil: |it| of_charset(it, Charset::Viscii, WESTERN),
    },
    Spoiled {
        name: "windows-1258 through Latin-1",
        spoil: |it| of_charset(it, Charset::Windows1258, LATIN1),
    },
    Spoiled {
        name: "windows-1258, capitals",
        spoil: |it| of_charset(&it.to_uppercase(), Charset::Windows1258, WESTERN),
    },
    Spoiled {
        name: "windows-1258 as such",
        spoil: |it| of_charset(it, Charset::Windows1258, VIETNAMESE_WINDOWS),
    },
    Spoiled { name: "decomposed (NFD)", spoil: |it| (it.nfd().collect(), it.to_owned()) },
    Spoiled { name: "twice, Latin-1", spoil: |it| (twice(it, LATIN1), it.to_owned()) },
    Spoiled { name: "twice, windows-1252", spoil: |it| (twice(it, WESTERN), it.to_owned()) },
    Spoiled {
        name: "twice, windows-1258",
        spoil: |it| (twice(it, VIETNAMESE_WINDOWS), it.to_owned()),
    },
    Spoiled {
        name: "three times, windows-1252",
        spoil: |it| (twice(&twice(it, WESTERN), WESTERN), it.to_owned()),
    },
    Spoiled {
        name: "half twice, half Unicode",
        spoil: |it| half(it, |it| (twice(it, WESTERN), it.to_owned())),
    },
];

/// What became of texts.
#[derive(Default)]
struct Outcome {
    texts: usize,
    converted: usize,
    unclear: usize,
    /// Not converted and not reported.
    silent: usize,
    /// Converted to something else than was meant.
    wrong: usize,
    characters: usize,
    right: usize,
    /// Right but for the case, which TCVN3 leaves to the font.
    other_case: usize,
}

impl Outcome {
    fn add(&mut self, spoiled: &str, expected: &str) {
        let expected: String = expected.nfc().collect();
        if spoiled == expected {
            return;
        }
        self.texts += 1;
        let reading = read(spoiled);
        let text = reading.as_ref().and_then(|it| it.text.clone());
        // Composition alone is no conversion of the other spelling.
        let composed: String = spoiled.nfc().collect();
        let text = text.filter(|it| *it != composed || composed == expected);
        match (&text, reading.is_some_and(|it| it.unclear.is_some())) {
            (Some(_), _) => self.converted += 1,
            (None, true) => self.unclear += 1,
            (None, false) => self.silent += 1,
        }
        let Some(text) = text else { return };
        self.wrong += usize::from(text.to_lowercase() != expected.to_lowercase());
        self.characters += expected.chars().count();
        for (one, other) in text.chars().zip(expected.chars()) {
            let is_same = one.to_lowercase().eq(other.to_lowercase());
            self.right += usize::from(is_same);
            self.other_case += usize::from(is_same && one != other);
        }
    }

    fn row(&self, name: &str) -> String {
        let share = 100.0 * self.right as f64 / self.characters.max(1) as f64;
        format!(
            "{name:30} {:6} {:9} {:7} {:6} {:5} {:10} {share:8.3} {:10}",
            self.texts,
            self.converted,
            self.unclear,
            self.silent,
            self.wrong,
            self.characters,
            self.other_case
        )
    }
}

const HEAD: &str = "spelling                        texts converted unclear silent wrong characters  % right other case";

/// What becomes of the corpus, cut into texts of so many words.
fn measure(spoiled: &Spoiled, words: usize) -> Outcome {
    let mut outcome = Outcome::default();
    for line in lines(VIETNAMESE) {
        let all: Vec<&str> = line.split(' ').collect();
        for part in all.chunks(words.min(all.len())) {
            let (spoiled, expected) = (spoiled.spoil)(&part.join(" "));
            outcome.add(&spoiled, &expected);
        }
    }
    outcome
}

/// Whole texts are the promise; texts of one or two words are seldom sure, and mixed ones seldom
/// tell where they change.
#[test]
fn the_corpus_is_read_as_it_was_meant() {
    let mut table = String::new();
    let mut bad = Vec::new();
    for (kind, words, right_min, converted_min) in [
        ("whole texts", usize::MAX, 0.999, 0.7),
        ("texts of two words", 2, 0.99, 0.4),
        ("texts of one word", 1, 0.95, 0.0),
    ] {
        writeln!(table, "\n{kind}\n{HEAD}").unwrap();
        for it in &SPOILED {
            let outcome = measure(it, words);
            writeln!(table, "{}", outcome.row(it.name)).unwrap();
            let share = |part: usize, of: usize| part as f64 / of.max(1) as f64;
            if share(outcome.right, outcome.characters) < right_min {
                bad.push(format!("{kind}, {}: too many wrong characters", it.name));
            }
            if share(outcome.converted, outcome.texts) < converted_min {
                bad.push(format!("{kind}, {}: too few texts converted", it.name));
            }
        }
    }
    println!("{table}");
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[test]
fn innocent_texts_stay() {
    let (mut texts, mut unclear, mut changed) = (0, Vec::new(), Vec::new());
    for line in lines(INNOCENT).chain(lines(VIETNAMESE)) {
        texts += 1;
        let Some(reading) = read(line) else { continue };
        match reading.text {
            Some(text) => changed.push(format!("{line} became {text}: {:?}", reading.steps)),
            None => unclear.push(format!("{line}: {:?}", reading.unclear)),
        }
    }
    println!("{texts} innocent texts: {} changed, {} unclear", changed.len(), unclear.len());
    println!("{}", unclear.join("\n"));
    assert!(changed.is_empty(), "{}", changed.join("\n"));
    assert!(unclear.len() * 20 < texts, "{}", unclear.join("\n"));
}

#[test]
fn what_was_read_is_read_no_further() {
    for line in lines(VIETNAMESE).chain(lines(INNOCENT)) {
        for it in &SPOILED {
            let spoiled = (it.spoil)(line).0;
            let Some(text) = read(&spoiled).and_then(|it| it.text) else { continue };
            let again = read(&text).and_then(|it| it.text);
            assert_eq!(again, None, "{}: {spoiled}", it.name);
        }
    }
}

proptest::proptest! {
    /// No text makes the reader fail, and what was read is ordinary.
    #[test]
    fn any_text_is_read_once(text in "[\u{20}-\u{17f}\u{1ea0}-\u{1ef9}\u{300}-\u{323}]{0,40}") {
        if let Some(text) = read(&text).and_then(|it| it.text) {
            proptest::prop_assert_eq!(read(&text).and_then(|it| it.text), None);
        }
    }
}
