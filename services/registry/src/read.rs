//! Nodes into the contract's messages, with the place of everything that may be wrong later.

use proto::fault::code;
use proto::loss::CONSENT_FIELDS;
use proto::message::v1::{MessageType, Organisation, OrganisationCode, ReceiverClass};
use proto::registry::v1::{Application, CodeList, CodeRow, Right, Takes};

use crate::code::{is_day, is_key, is_scheme, scheme_of};
use crate::mistake::{Mistake, Place, Places};
use crate::node::{Node, Value, parse};

/// Everything read so far, each with its places, and every mistake.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) organisations: Vec<(Places, Organisation)>,
    pub(crate) applications: Vec<(Places, Application)>,
    pub(crate) rights: Vec<(Places, Right)>,
    pub(crate) code_lists: Vec<(Places, CodeList)>,
    pub(crate) mistakes: Vec<Mistake>,
}

/// Reads one file's text.
pub(crate) fn file(name: &str, text: &str, found: &mut Found) {
    let place = Place { file: name.to_owned(), line: 0 };
    let top = match parse(text) {
        Ok(top) => top,
        Err((line, message)) => {
            let place = Place { line, ..place };
            let mistake = Mistake::new(&place, &code::LT_REG_001).param("message", message);
            found.mistakes.push(mistake);
            return;
        }
    };
    if matches!(top.value, Value::Empty) {
        return;
    }
    let mut table = Table::open(name, &top, &mut found.mistakes);
    let organisations = table.list("organisations");
    let applications = table.list("applications");
    let rights = table.list("rights");
    let code_lists = table.list("code_lists");
    table.close();
    for node in organisations {
        found.organisations.push(organisation(Table::open(name, node, &mut found.mistakes)));
    }
    for node in applications {
        found.applications.push(application(Table::open(name, node, &mut found.mistakes)));
    }
    for node in rights {
        found.rights.push(right(Table::open(name, node, &mut found.mistakes)));
    }
    for node in code_lists {
        found.code_lists.push(code_list(Table::open(name, node, &mut found.mistakes)));
    }
}

fn at(file: &str, node: &Node) -> Place {
    Place { file: file.to_owned(), line: node.line }
}

fn organisation(mut table: Table<'_, '_>) -> (Places, Organisation) {
    let read = Organisation {
        key: table.key("key"),
        name: table.needed("name"),
        parent: table.text("parent"),
        predecessor: table.text("predecessor"),
        successor: table.text("successor"),
        valid_from: table.day("from"),
        valid_to: table.day("to"),
        codes: Vec::new(),
    };
    let nodes = table.list("codes");
    let (file, places, mistakes) = table.close();
    let codes = nodes.into_iter().map(|it| organisation_code(file, it, mistakes)).collect();
    (places, Organisation { codes, ..read })
}

/// `A99.1` alone, or a table with its scheme and its days.
fn organisation_code(file: &str, node: &Node, mistakes: &mut Vec<Mistake>) -> OrganisationCode {
    if let Value::Text(value) = &node.value {
        let value = value.trim().to_owned();
        let scheme = scheme_of(&value).to_owned();
        return OrganisationCode { scheme, value, ..OrganisationCode::default() };
    }
    let mut table = Table::open(file, node, mistakes);
    let value = table.needed("value");
    let mut scheme = table.text("scheme");
    if scheme.is_empty() {
        scheme_of(&value).clone_into(&mut scheme);
    } else if !is_scheme(&scheme) {
        let words = "qd20, qcvn102, enterprise, z, centre, local";
        table.mistake("scheme", &code::LT_REG_013, &[("value", &scheme), ("words", words)]);
    }
    let (valid_from, valid_to) = (table.day("from"), table.day("to"));
    table.close();
    OrganisationCode { scheme, value, valid_from, valid_to }
}

fn application(mut table: Table<'_, '_>) -> (Places, Application) {
    let class = table.text("receiver_class");
    let receiver_class = match class.as_str() {
        "" | "repeatable" => ReceiverClass::Repeatable,
        "askable" => ReceiverClass::Askable,
        "neither" => ReceiverClass::Neither,
        other => {
            let params = [("value", other), ("words", "repeatable, askable, neither")];
            table.mistake("receiver_class", &code::LT_REG_013, &params);
            ReceiverClass::Unspecified
        }
    };
    let takes = table.entries("takes");
    let read = Application {
        id: table.key("id"),
        organisation: table.needed("organisation"),
        name: table.text("name"),
        gives: table.texts("gives"),
        takes: takes.into_iter().filter_map(|(word, node)| table.takes(&word, node)).collect(),
        receiver_class: receiver_class.into(),
        token_sha256: table.texts("token_sha256"),
        in_hand_max: u32::try_from(table.number("in_hand_max", 1..=10_000, 32)).unwrap_or(32),
        lease_ms: 1000 * table.number("lease_seconds", 10..=86_400, 600),
        disabled: table.flag("disabled"),
        accepts_losses: table.texts("accepts_losses"),
    };
    for (place, hash) in read.token_sha256.iter().enumerate() {
        let hex = |it: u8| it.is_ascii_digit() || (b'a'..=b'f').contains(&it);
        if hash.len() != 64 || !hash.bytes().all(hex) {
            let params = [("key", "token_sha256"), ("expected", "sha256 hex")];
            table.mistake(&format!("token_sha256[{place}]"), &code::LT_REG_004, &params);
        }
    }
    for (place, loss) in read.accepts_losses.iter().enumerate() {
        if !CONSENT_FIELDS.contains(&loss.as_str()) {
            let params = [("value", loss.as_str()), ("words", &CONSENT_FIELDS.join(", "))];
            table.mistake(&format!("accepts_losses[{place}]"), &code::LT_REG_013, &params);
        }
    }
    let (_file, places, _mistakes) = table.close();
    (places, read)
}

fn right(mut table: Table<'_, '_>) -> (Places, Right) {
    let words = table.texts("types");
    if words.is_empty() {
        table.mistake("types", &code::LT_REG_003, &[("key", "types")]);
    }
    let types = words.iter().enumerate().filter_map(|(place, it)| {
        table.message_type(&format!("types[{place}]"), it).map(i32::from)
    });
    let types = types.collect();
    let read = Right {
        from: table.needed("from"),
        to: table.needed("to"),
        types,
        valid_from: table.day("valid_from"),
        valid_to: table.day("valid_to"),
    };
    let (_file, places, _mistakes) = table.close();
    (places, read)
}

fn code_list(mut table: Table<'_, '_>) -> (Places, CodeList) {
    let read =
        CodeList { name: table.key("name"), version: table.needed("version"), rows: Vec::new() };
    let nodes = table.list("rows");
    let (file, places, mistakes) = table.close();
    let mut rows = Vec::new();
    for node in nodes {
        let mut table = Table::open(file, node, mistakes);
        rows.push(CodeRow {
            code: table.needed("code"),
            name_vi: table.needed("vi"),
            name_en: table.text("en"),
            valid_from: table.day("from"),
            valid_to: table.day("to"),
        });
        table.close();
    }
    (places, CodeList { rows, ..read })
}

/// A map being read: keys are taken out one by one, and what is left in the end is unknown.
struct Table<'a, 'm> {
    file: &'a str,
    places: Places,
    entries: Vec<(&'a str, u64, &'a Node)>,
    known: Vec<&'static str>,
    mistakes: &'m mut Vec<Mistake>,
}

impl<'a, 'm> Table<'a, 'm> {
    fn open(file: &'a str, node: &'a Node, mistakes: &'m mut Vec<Mistake>) -> Self {
        let entries = match &node.value {
            Value::Map(entries) => {
                entries.iter().map(|(key, line, node)| (key.as_str(), *line, node)).collect()
            }
            Value::List(_)
            | Value::Text(_)
            | Value::Number(_)
            | Value::Flag(_)
            | Value::Empty
            | Value::Odd => {
                let mistake = Mistake::new(&at(file, node), &code::LT_REG_004);
                mistakes.push(mistake.param("key", "-").param("expected", "key: value"));
                Vec::new()
            }
        };
        Self { file, places: Places::new(at(file, node)), entries, known: Vec::new(), mistakes }
    }

    /// A mistake at a key; at the item, when it has no such key.
    fn mistake(&mut self, key: &str, page: proto::fault::Code, params: &[(&str, &str)]) {
        self.mistake_at(self.places.at(key).line, page, params);
    }

    fn mistake_at(&mut self, line: u64, page: proto::fault::Code, params: &[(&str, &str)]) {
        let place = Place { file: self.file.to_owned(), line };
        let mistake = params
            .iter()
            .fold(Mistake::new(&place, page), |it, (name, value)| it.param(name, *value));
        self.mistakes.push(mistake);
    }

    fn take(&mut self, key: &'static str) -> Option<(u64, &'a Node)> {
        self.known.push(key);
        let place = self.entries.iter().position(|(it, ..)| *it == key)?;
        let (_, line, node) = self.entries.remove(place);
        self.places.put(key, line);
        Some((line, node))
    }

    fn text(&mut self, key: &'static str) -> String {
        match self.take(key) {
            None | Some((_, Node { value: Value::Empty, .. })) => String::new(),
            Some((_, Node { value: Value::Text(text), .. })) => text.trim().to_owned(),
            Some((line, _)) => {
                self.mistake_at(line, &code::LT_REG_004, &[("key", key), ("expected", "\"text\"")]);
                String::new()
            }
        }
    }

    fn needed(&mut self, key: &'static str) -> String {
        let before = self.mistakes.len();
        let text = self.text(key);
        if text.is_empty() && self.mistakes.len() == before {
            self.mistake(key, &code::LT_REG_003, &[("key", key)]);
        }
        text
    }

    fn key(&mut self, key: &'static str) -> String {
        let text = self.needed(key);
        if !text.is_empty() && !is_key(&text) {
            self.mistake(key, &code::LT_REG_004, &[("key", key), ("expected", "a-z 0-9 -")]);
        }
        text
    }

    fn day(&mut self, key: &'static str) -> String {
        let text = self.text(key);
        if !text.is_empty() && !is_day(&text) {
            self.mistake(key, &code::LT_REG_008, &[("value", &text)]);
        }
        text
    }

    fn number(
        &mut self,
        key: &'static str,
        within: std::ops::RangeInclusive<i64>,
        default: u64,
    ) -> u64 {
        match self.take(key) {
            None => default,
            Some((_, Node { value: Value::Number(number), .. })) if within.contains(number) => {
                u64::try_from(*number).unwrap_or(default)
            }
            Some((line, _)) => {
                let expected = format!("{}…{}", within.start(), within.end());
                self.mistake_at(line, &code::LT_REG_004, &[("key", key), ("expected", &expected)]);
                default
            }
        }
    }

    fn flag(&mut self, key: &'static str) -> bool {
        match self.take(key) {
            None => false,
            Some((_, Node { value: Value::Flag(flag), .. })) => *flag,
            Some((line, _)) => {
                self.mistake_at(
                    line,
                    &code::LT_REG_004,
                    &[("key", key), ("expected", "true, false")],
                );
                false
            }
        }
    }

    fn list(&mut self, key: &'static str) -> Vec<&'a Node> {
        match self.take(key) {
            None | Some((_, Node { value: Value::Empty, .. })) => Vec::new(),
            Some((_, Node { value: Value::List(items), .. })) => {
                for (place, it) in items.iter().enumerate() {
                    self.places.put(format!("{key}[{place}]"), it.line);
                }
                items.iter().collect()
            }
            Some((line, _)) => {
                self.mistake_at(line, &code::LT_REG_004, &[("key", key), ("expected", "- …")]);
                Vec::new()
            }
        }
    }

    fn texts(&mut self, key: &'static str) -> Vec<String> {
        let mut texts = Vec::new();
        for node in self.list(key) {
            if let Value::Text(text) = &node.value {
                texts.push(text.clone());
            } else {
                self.mistake_at(
                    node.line,
                    &code::LT_REG_004,
                    &[("key", key), ("expected", "\"text\"")],
                );
            }
        }
        texts
    }

    fn entries(&mut self, key: &'static str) -> Vec<(String, &'a Node)> {
        match self.take(key) {
            None => Vec::new(),
            Some((_, Node { value: Value::Map(entries), .. })) => {
                for (word, line, _) in entries {
                    self.places.put(format!("{key}.{word}"), *line);
                }
                entries.iter().map(|(word, _, node)| (word.clone(), node)).collect()
            }
            Some((line, _)) => {
                self.mistake_at(
                    line,
                    &code::LT_REG_004,
                    &[("key", key), ("expected", "type: format")],
                );
                Vec::new()
            }
        }
    }

    fn message_type(&mut self, key: &str, word: &str) -> Option<MessageType> {
        let found = MessageType::parse(word);
        if found.is_none() {
            let words = "document, status, meeting, notice, dataset";
            self.mistake(key, &code::LT_REG_013, &[("value", word), ("words", words)]);
        }
        found
    }

    fn takes(&mut self, word: &str, format: &Node) -> Option<Takes> {
        let of = self.message_type(&format!("takes.{word}"), word)?;
        let Value::Text(format) = &format.value else {
            self.mistake_at(
                format.line,
                &code::LT_REG_004,
                &[("key", "takes"), ("expected", "type: format")],
            );
            return None;
        };
        Some(Takes { r#type: of.into(), format: format.clone() })
    }

    /// Names what nobody knows, and lets go of the rest.
    fn close(mut self) -> (&'a str, Places, &'m mut Vec<Mistake>) {
        let left = std::mem::take(&mut self.entries);
        for (key, line, _) in left {
            let known = self.known.join(", ");
            self.mistake_at(line, &code::LT_REG_002, &[("key", key), ("known", &known)]);
        }
        (self.file, self.places, self.mistakes)
    }
}
