//! Nodes into the contract's messages, with the place of everything that may be wrong later.

use proto::fault::code;
use proto::journal::v1::MessageType;
use proto::registry::v1::{
    Application, CodeList, CodeRow, Organisation, OrganisationCode, ReceiverClass, Right, Takes,
};

use crate::code::{is_day, is_key, is_scheme, scheme_of};
use crate::mistake::{Mistake, Place};
use crate::node::{Node, Value, parse};

/// Everything read so far, each with its place, and every mistake.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) organisations: Vec<(Place, Organisation)>,
    pub(crate) applications: Vec<(Place, Application)>,
    pub(crate) rights: Vec<(Place, Right)>,
    pub(crate) code_lists: Vec<(Place, CodeList)>,
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
        let read = organisation(Table::open(name, node, &mut found.mistakes));
        found.organisations.push((at(name, node), read));
    }
    for node in applications {
        let read = application(Table::open(name, node, &mut found.mistakes));
        found.applications.push((at(name, node), read));
    }
    for node in rights {
        let read = right(Table::open(name, node, &mut found.mistakes));
        found.rights.push((at(name, node), read));
    }
    for node in code_lists {
        let read = code_list(Table::open(name, node, &mut found.mistakes));
        found.code_lists.push((at(name, node), read));
    }
}

fn at(file: &str, node: &Node) -> Place {
    Place { file: file.to_owned(), line: node.line }
}

fn organisation(mut table: Table<'_, '_>) -> Organisation {
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
    let (file, mistakes) = table.close();
    let codes = nodes.into_iter().map(|it| organisation_code(file, it, mistakes)).collect();
    Organisation { codes, ..read }
}

/// `A99.1` alone, or a table with its scheme and its days.
fn organisation_code(file: &str, node: &Node, mistakes: &mut Vec<Mistake>) -> OrganisationCode {
    if let Value::Text(value) = &node.value {
        let scheme = scheme_of(value).to_owned();
        return OrganisationCode { scheme, value: value.clone(), ..OrganisationCode::default() };
    }
    let mut table = Table::open(file, node, mistakes);
    let value = table.needed("value");
    let mut scheme = table.text("scheme");
    if scheme.is_empty() {
        scheme_of(&value).clone_into(&mut scheme);
    } else if !is_scheme(&scheme) {
        let words = "qd20, qcvn102, enterprise, z, centre, local";
        table.mistake(&code::LT_REG_013, &[("value", &scheme), ("words", words)]);
    }
    let (valid_from, valid_to) = (table.day("from"), table.day("to"));
    table.close();
    OrganisationCode { scheme, value, valid_from, valid_to }
}

fn application(mut table: Table<'_, '_>) -> Application {
    let class = table.text("receiver_class");
    let receiver_class = match class.as_str() {
        "" | "repeatable" => ReceiverClass::Repeatable,
        "askable" => ReceiverClass::Askable,
        "neither" => ReceiverClass::Neither,
        other => {
            let words = "repeatable, askable, neither";
            table.mistake(&code::LT_REG_013, &[("value", other), ("words", words)]);
            ReceiverClass::Unspecified
        }
    };
    let takes = table.entries("takes");
    let read = Application {
        id: table.key("id"),
        organisation: table.needed("organisation"),
        name: table.text("name"),
        gives: table.texts("gives"),
        takes: Vec::new(),
        receiver_class: receiver_class.into(),
        token_sha256: table.texts("token_sha256"),
        in_hand_max: u32::try_from(table.number("in_hand_max", 1..=10_000, 32)).unwrap_or(32),
        lease_ms: 1000 * table.number("lease_seconds", 10..=86_400, 600),
        disabled: table.flag("disabled"),
    };
    for hash in &read.token_sha256 {
        let hex = |it: u8| it.is_ascii_digit() || (b'a'..=b'f').contains(&it);
        if hash.len() != 64 || !hash.bytes().all(hex) {
            table
                .mistake(&code::LT_REG_004, &[("key", "token_sha256"), ("expected", "sha256 hex")]);
        }
    }
    let takes = takes.into_iter().filter_map(|(word, format)| table.takes(&word, format)).collect();
    table.close();
    Application { takes, ..read }
}

fn right(mut table: Table<'_, '_>) -> Right {
    let words = table.texts("types");
    if words.is_empty() {
        table.mistake(&code::LT_REG_003, &[("key", "types")]);
    }
    let types = words.iter().filter_map(|it| table.message_type(it)).map(i32::from).collect();
    let read = Right {
        from: table.needed("from"),
        to: table.needed("to"),
        types,
        valid_from: table.day("valid_from"),
        valid_to: table.day("valid_to"),
    };
    table.close();
    read
}

fn code_list(mut table: Table<'_, '_>) -> CodeList {
    let read =
        CodeList { name: table.key("name"), version: table.needed("version"), rows: Vec::new() };
    let nodes = table.list("rows");
    let (file, mistakes) = table.close();
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
    CodeList { rows, ..read }
}

/// A map being read: keys are taken out one by one, and what is left in the end is unknown.
struct Table<'a, 'm> {
    file: &'a str,
    line: u64,
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
        Self { file, line: node.line, entries, known: Vec::new(), mistakes }
    }

    fn mistake(&mut self, page: proto::fault::Code, params: &[(&str, &str)]) {
        self.mistake_at(self.line, page, params);
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
            self.mistake(&code::LT_REG_003, &[("key", key)]);
        }
        text
    }

    fn key(&mut self, key: &'static str) -> String {
        let text = self.needed(key);
        if !text.is_empty() && !is_key(&text) {
            self.mistake(&code::LT_REG_004, &[("key", key), ("expected", "a-z 0-9 -")]);
        }
        text
    }

    fn day(&mut self, key: &'static str) -> String {
        let text = self.text(key);
        if !text.is_empty() && !is_day(&text) {
            self.mistake(&code::LT_REG_008, &[("value", &text)]);
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
            Some((_, Node { value: Value::List(items), .. })) => items.iter().collect(),
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
                entries.iter().map(|(key, _, node)| (key.clone(), node)).collect()
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

    fn message_type(&mut self, word: &str) -> Option<MessageType> {
        let found = MessageType::from_word(word);
        if found.is_none() {
            let words = "document, status, meeting, notice, dataset";
            self.mistake(&code::LT_REG_013, &[("value", word), ("words", words)]);
        }
        found
    }

    fn takes(&mut self, word: &str, format: &Node) -> Option<Takes> {
        let of = self.message_type(word)?;
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
    fn close(mut self) -> (&'a str, &'m mut Vec<Mistake>) {
        let left = std::mem::take(&mut self.entries);
        for (key, line, _) in left {
            let known = self.known.join(", ");
            self.mistake_at(line, &code::LT_REG_002, &[("key", key), ("known", &known)]);
        }
        (self.file, self.mistakes)
    }
}
