//! Walks the rules of a description over one record, as its documentation says they are read.

use std::collections::{BTreeMap, BTreeSet};

use prost_reflect::{DynamicMessage, MessageDescriptor, ReflectMessage as _, Value};
use proto::canonical::v1::leftover::Why;
use proto::mapping::v1::DeclaredAttachment;

use super::Refused;
use super::native::Native;
use super::paths::{self, Path, Step};
use super::texts::{Converter, Unconverted, compared_text, is_unlisted};
use crate::absent::{Absence, absence_of};
use crate::content::digest_reference;
use crate::file::find_upload;
use crate::grammar::{Description, FieldRule, OneOrMany, Requirement, SpannedRule};
use crate::limits::{FILES_MAX, LENGTH_FACTOR_MAX, LIMITED_TEXT_CHARS_MIN, TEXT_CHARS_MAX};
use crate::plan::parse_native_path;

/// The prefix of the provisional reference of a file; the place with its bytes follows.
pub(super) const PLACE: &str = "place:";

/// Where rules are read: at a place, or at the path of one that is missing.
#[derive(Clone, Debug)]
pub(super) enum At {
    Here(usize),
    Missing(String),
}

/// Where canonical paths begin: a message type, and the path to it from that of the record or item.
#[derive(Clone)]
struct Scope {
    of: MessageDescriptor,
    path: Path,
    name: String,
}

impl Scope {
    fn full_path(&self, text: &str) -> Path {
        self.path.iter().cloned().chain(paths::parse(text, &self.of)).collect()
    }

    fn full_name(&self, to: &str) -> String {
        let names = [self.name.as_str(), to].into_iter().filter(|it| !it.is_empty());
        names.collect::<Vec<_>>().join(".")
    }
}

/// Records of one list that are joined by a key.
#[derive(Default)]
struct Join {
    list: Vec<String>,
    /// Whether its records hold files, and each record with its item, of every rule with `pair`.
    sides: Vec<(bool, Vec<(usize, usize)>)>,
}

/// What reading a record has found so far.
pub(super) struct Reader<'d> {
    pub(super) description: &'d Description,
    pub(super) native: &'d Native,
    pub(super) declared: &'d [DeclaredAttachment],
    pub(super) record: usize,
    /// Places that a rule names.
    pub(super) mapped: BTreeSet<usize>,
    /// Places whose text a rule read.
    pub(super) read: BTreeSet<usize>,
    /// Places whose text was read in another spelling.
    respelled: BTreeSet<usize>,
    /// Places whose text is a leftover although a rule read it, and of which field.
    pub(super) kept: BTreeMap<usize, (Why, String)>,
    /// The item of a canonical list that a record stands for.
    pub(super) items: BTreeMap<usize, (String, usize)>,
    /// Codes and fields.
    pub(super) findings: Vec<(String, String)>,
    pub(super) violations: Vec<String>,
    pub(super) fault: Option<String>,
    /// Texts that name an upload, and the upload.
    pub(super) uploads: Vec<(String, String)>,
    joins: Vec<Join>,
    trail: Option<Vec<(usize, Path)>>,
    undecided: Vec<Path>,
    half_attachments: usize,
}

impl<'d> Reader<'d> {
    pub(super) fn new(
        description: &'d Description,
        (native, record): (&'d Native, usize),
        declared: &'d [DeclaredAttachment],
    ) -> Self {
        Self {
            description,
            native,
            declared,
            record,
            mapped: BTreeSet::from([record]),
            read: BTreeSet::new(),
            respelled: BTreeSet::new(),
            kept: BTreeMap::new(),
            items: BTreeMap::new(),
            findings: Vec::new(),
            violations: Vec::new(),
            fault: None,
            uploads: Vec::new(),
            joins: Vec::new(),
            trail: None,
            undecided: Vec::new(),
            half_attachments: 0,
        }
    }

    /// Reads the record into a message.
    pub(super) fn read_record(&mut self, message: &mut DynamicMessage) -> Result<(), Refused> {
        let scope = Scope { of: message.descriptor(), path: Path::new(), name: String::new() };
        self.rules(&self.description.fields, &At::Here(self.record), &scope, message)?;
        self.check_pairs();
        Ok(())
    }

    fn rules(
        &mut self,
        rules: &'d [SpannedRule],
        at: &At,
        scope: &Scope,
        message: &mut DynamicMessage,
    ) -> Result<(), Refused> {
        rules.iter().try_for_each(|it| self.rule(&it.value, at, scope, message))
    }

    /// The rules inside a rule: its own, or those of the part that it uses.
    pub(super) fn inner_rules(&self, rule: &'d FieldRule) -> &'d [SpannedRule] {
        rule.part.as_ref().map_or(&rule.fields, |it| &self.description.parts[it])
    }

    /// The names of a native path; a flat record has one name.
    pub(super) fn names(&self, path: &str) -> Vec<String> {
        let is_flat = self.description.syntax.is_flat();
        let names = parse_native_path(path, is_flat).into_iter().filter(|it| !it.is_self);
        names.map(|it| it.text).collect()
    }

    fn rule(
        &mut self,
        rule: &'d FieldRule,
        at: &At,
        scope: &Scope,
        message: &mut DynamicMessage,
    ) -> Result<(), Refused> {
        if !rule.when.iter().all(|it| holds(it, scope, message)) {
            self.check_undecided(rule, at, scope);
            return Ok(());
        }
        let path = self.names(rule.at.as_deref().or(rule.each.as_deref()).unwrap_or_default());
        if let Some(constant) = &rule.constant {
            let found = self.text_at(at, &path, &[]);
            if let Some((place, _)) = found.filter(|(_, text)| !rule.unchecked && text != constant)
            {
                self.find("LT-MAP-067", place);
            }
            return Ok(());
        }
        let inner = self.inner_rules(rule);
        if rule.each.is_some() {
            return self.list((rule, &path), at, scope, message);
        }
        if inner.is_empty() {
            return self.leaf((rule, &path), at, scope, message);
        }
        let to = rule.to.as_deref().unwrap_or_default();
        let full_path = scope.full_path(to);
        let of = paths::message_type(&paths::parse(to, &scope.of), &scope.of).unwrap();
        let inner_scope = Scope { of, path: full_path, name: scope.full_name(to) };
        if path.is_empty() {
            return self.rules(inner, at, &inner_scope, message);
        }
        let mut found = self.place_at(at, &path);
        if rule.decides {
            match found.filter(|it| self.native.says_something(*it)) {
                Some(own) => self.note_resembling(own, path.last().unwrap()),
                None => found = self.meant(at, &path).or(found),
            }
        }
        match found {
            Some(place) => self.rules(inner, &At::Here(place), &inner_scope, message),
            None if is_needed(rule) => {
                self.violations.push(self.field(at, &path));
                Ok(())
            }
            None => self.rules(inner, &At::Missing(self.field(at, &path)), &inner_scope, message),
        }
    }

    fn leaf(
        &mut self,
        (rule, path): (&'d FieldRule, &[String]),
        at: &At,
        scope: &Scope,
        message: &mut DynamicMessage,
    ) -> Result<(), Refused> {
        let converter = Converter::new(rule, &self.description.lists);
        let text_to = rule.to.as_deref().unwrap();
        let (to, of) = (scope.full_path(text_to), scope.full_name(text_to));
        if converter.name() == "content" {
            let (place, field) = (self.place_at(at, path), self.field(at, path));
            self.note_file(place, (&field, &to), message);
            return Ok(());
        }
        let mut found = self.text_at(at, path, &rule.empty);
        if found.is_none() && rule.decides {
            let meant = self.meant(at, path);
            found = meant.and_then(|it| self.text_at(&At::Here(it), &[], &rule.empty));
        }
        let Some((place, text)) = found else {
            self.absent((rule, &converter), (&self.field(at, path), &to), scope, message);
            return Ok(());
        };
        if self.is_beyond_bound(place, &text, rule.max) {
            return Ok(());
        }
        if converter.name() == "fetch" {
            self.resolve_upload(place, &text, (&to, message));
            return Ok(());
        }
        let text = match converter.name() {
            // The code of an organisation is carried as it was written.
            "org-id" if self.is_layout_trimmed() => {
                self.native.0[place].text.trim_matches([' ', '\t', '\r', '\n']).to_owned()
            }
            "org-id" => self.native.0[place].text.clone(),
            _ => text,
        };
        self.note_damage(place, &text);
        let field = &to.last().unwrap().field;
        let text = self.in_unicode((place, &text), converter.is_prose(field));
        match converter.read(&text, field) {
            Ok(mut read) => {
                if rule.max.is_some_and(|it| text.chars().count() > it) {
                    self.find("LT-MAP-021", place);
                }
                self.note(read.note, place, &of);
                if let Value::List(items) = &mut read.value {
                    items
                        .retain(|it| it.as_str().is_none_or(|it| !self.is_absent(it, &rule.empty)));
                }
                let unlisted = is_unlisted(converter.list(), &read.value, field);
                let unlisted = rule.unlisted.as_deref().filter(|_| unlisted);
                let unlisted = unlisted.map(|it| (scope.full_path(it), text));
                self.put(rule, (place, &of), (&to, read.value, unlisted), message);
            }
            Err(Unconverted::Secret) => return Err("LT-MAP-007"),
            Err(Unconverted::Unreadable(code)) => {
                // With a default, absence has a meaning of its own.
                let is_needed = is_needed(rule) || rule.read_default.is_some();
                self.unreadable(place, (&code, &of), is_needed);
            }
        }
        Ok(())
    }

    /// A leaf at which nothing stands.
    fn absent(
        &mut self,
        (rule, converter): (&'d FieldRule, &Converter<'_>),
        (field, to): (&str, &Path),
        scope: &Scope,
        message: &mut DynamicMessage,
    ) {
        if is_needed(rule) {
            self.violations.push(field.to_owned());
        } else if let Some(default) = &rule.read_default {
            if rule.decides {
                self.undecided.push(to.clone());
            }
            let target = &to.last().unwrap().field;
            let kind = target.kind();
            let named = kind.as_enum().and_then(|it| it.get_value_by_name(default));
            if let Some(it) = named {
                paths::set(message, to, &Value::EnumNumber(it.number()));
            } else if let Ok(read) = converter.read(default, target) {
                put_value(rule, to, read.value, message);
            }
        } else {
            let other = rule.read_else.as_ref().map(|it| scope.full_path(it));
            let other = other.and_then(|it| only_value(message, &it));
            match other {
                Some(it) => put_value(rule, to, it, message),
                None if rule.expect => {
                    self.findings.push(("LT-MAP-036".to_owned(), field.to_owned()))
                }
                None => {}
            }
        }
    }

    /// Puts the value of a place into the message. The first of two values stays.
    fn put(
        &mut self,
        rule: &'d FieldRule,
        (place, of): (usize, &str),
        (to, mut value, unlisted): (&Path, Value, Option<(Path, String)>),
        message: &mut DynamicMessage,
    ) {
        if let Some(trail) = &mut self.trail {
            trail.push((place, to.clone()));
        }
        let is_default = value.as_list().is_none()
            && value.as_message().is_none()
            && value == Value::default_value(&to.last().unwrap().field.kind());
        if is_default {
            self.kept.insert(place, (Why::Spelling, of.to_owned()));
            return;
        }
        if let Some(existing) = paths::find(message, to).filter(|_| rule.read_default.is_none()) {
            if paths::differ(&existing, &value) {
                self.kept.insert(place, (Why::Other, String::new()));
                self.find("LT-MAP-031", place);
                return;
            }
            if let (Value::Message(read), Value::Message(existing)) = (&mut value, &existing) {
                paths::complete(read, existing);
            }
        }
        if self.respelled.contains(&place) {
            self.kept.insert(place, (Why::Spelling, of.to_owned()));
        }
        if let Some((path, text)) = unlisted {
            paths::set(message, &path, &Value::String(text));
        }
        put_value(rule, to, value, message);
    }

    fn list(
        &mut self,
        (rule, path): (&'d FieldRule, &[String]),
        at: &At,
        scope: &Scope,
        message: &mut DynamicMessage,
    ) -> Result<(), Refused> {
        let to = scope.full_path(rule.to.as_deref().unwrap());
        let name = scope.full_name(rule.to.as_deref().unwrap());
        if rule.pair {
            let holds_files = self.holds_file(self.inner_rules(rule));
            self.join_of(&to).sides.push((holds_files, Vec::new()));
        }
        let mut count = 0;
        let records = match at {
            At::Here(place) => self.native.all_at(*place, path),
            At::Missing(_) => Vec::new(),
        };
        for place in records {
            self.mapped.insert(place);
            if !self.native.says_something(place) {
                continue;
            }
            let is_item = match to.last().unwrap().field.kind().as_message() {
                Some(of) => self.message_item((rule, &name), (place, of), &to, message)?,
                None => self.text_item((rule, &name), place, &to, message),
            };
            count += usize::from(is_item);
        }
        if count == 0 && is_needed(rule) {
            self.violations.push(self.field(at, path));
        }
        Ok(())
    }

    fn text_item(
        &mut self,
        (rule, name): (&'d FieldRule, &str),
        place: usize,
        to: &Path,
        message: &mut DynamicMessage,
    ) -> bool {
        let Some((_, text)) = self.text_at(&At::Here(place), &[], &[]) else { return false };
        if self.is_beyond_bound(place, &text, rule.max) {
            return true;
        }
        if rule.max.is_some_and(|it| text.chars().count() > it) {
            self.find("LT-MAP-021", place);
        }
        self.note_damage(place, &text);
        let field = &to.last().unwrap().field;
        let converter = Converter::new(rule, &self.description.lists);
        let text = self.in_unicode((place, &text), converter.is_prose(field));
        match converter.read(&text, field) {
            Ok(read) => {
                if self.respelled.contains(&place) {
                    self.kept.insert(place, (Why::Spelling, name.to_owned()));
                }
                self.note(read.note, place, name);
                let index = paths::items(message, to).len();
                self.items.insert(place, (field.name().to_owned(), index));
                paths::push(message, to, &read.value);
            }
            Err(Unconverted::Unreadable(code)) => self.unreadable(place, (&code, name), false),
            Err(Unconverted::Secret) => self.unreadable(place, ("LT-MAP-020", name), false),
        }
        true
    }

    fn message_item(
        &mut self,
        (rule, name): (&'d FieldRule, &str),
        (place, of): (usize, &MessageDescriptor),
        to: &Path,
        message: &mut DynamicMessage,
    ) -> Result<bool, Refused> {
        let last = to.last().unwrap();
        let mut item = paths::new_item(last.chosen.as_ref(), of);
        let empty = item.clone();
        let joins = std::mem::take(&mut self.joins);
        let trail = std::mem::replace(&mut self.trail, rule.key.as_ref().map(|_| Vec::new()));
        let scope = Scope { of: of.clone(), path: Path::new(), name: format!("{name}[]") };
        self.rules(self.inner_rules(rule), &At::Here(place), &scope, &mut item)?;
        self.check_pairs();
        self.joins = joins;
        let trail = std::mem::replace(&mut self.trail, trail).unwrap_or_default();
        if item == empty && !self.has_leftover(place) {
            return Ok(false);
        }
        if of.name() == "Attachment" {
            self.half_attachments += if rule.pair { 1 } else { 2 };
            if self.half_attachments > 2 * FILES_MAX {
                return Err("LT-MAP-005");
            }
        }
        let key = rule.key.as_ref().map(|it| paths::parse(it, of));
        let key_of = |it: &Value| paths::find(it.as_message()?, key.as_ref()?);
        let item = Value::Message(item);
        let own_key = key_of(&item);
        let existing = paths::items(message, to);
        let same = existing.iter().position(|it| own_key.is_some() && key_of(it) == own_key);
        let index = same.unwrap_or(existing.len());
        match same {
            None => paths::push(message, to, &item),
            Some(index) => {
                let (first, second) =
                    (existing[index].as_message().unwrap(), item.as_message().unwrap());
                let value = |message, path: &Path| paths::find(message, path);
                let is_other = |(_, path): &&(usize, Path)| {
                    let (one, other) = (value(first, path), value(second, path));
                    one.zip(other).is_some_and(|(one, other)| paths::differ(&one, &other))
                };
                for (place, _) in trail.iter().filter(is_other) {
                    self.kept.insert(*place, (Why::Other, String::new()));
                    self.find("LT-MAP-031", *place);
                }
                let mut joined = first.clone();
                paths::complete(&mut joined, second);
                replace_item(message, to, index, &joined);
            }
        }
        self.items.insert(place, (last.field.name().to_owned(), index));
        if rule.pair && own_key.is_some() {
            let side = self.join_of(to).sides.last_mut().unwrap();
            let is_second = side.1.iter().any(|(_, it)| *it == index);
            side.1.push((place, index));
            if is_second {
                self.violations.push(self.native.path(place));
            }
        }
        Ok(true)
    }

    fn join_of(&mut self, to: &[Step]) -> &mut Join {
        let list: Vec<String> = to.iter().map(|it| it.field.name().to_owned()).collect();
        let index = self.joins.iter().position(|it| it.list == list).unwrap_or_else(|| {
            self.joins.push(Join { list, ..Join::default() });
            self.joins.len() - 1
        });
        &mut self.joins[index]
    }

    /// Each record of a pair needs its counterpart.
    fn check_pairs(&mut self) {
        let mut alone = Vec::new();
        for join in &self.joins {
            let [one, other] = join.sides.as_slice() else { continue };
            for (side, counterpart) in [(one, other), (other, one)] {
                let is_alone =
                    |(_, item): &&(usize, usize)| !counterpart.1.iter().any(|(_, it)| it == item);
                alone.extend(
                    side.1.iter().filter(is_alone).map(|(place, _)| (*place, counterpart.0)),
                );
            }
        }
        if let Some((_, lacks_bytes)) = alone.into_iter().min() {
            self.fail(if lacks_bytes { "LT-MAP-008" } else { "LT-MAP-013" });
        }
    }

    fn holds_file(&self, rules: &'d [SpannedRule]) -> bool {
        rules.iter().any(|it| {
            let is_file = it.value.converter.as_deref() == Some("content");
            is_file || it.value.each.is_none() && self.holds_file(self.inner_rules(&it.value))
        })
    }
}

impl<'d> Reader<'d> {
    pub(super) fn find(&mut self, code: &str, place: usize) {
        self.findings.push((code.to_owned(), self.native.path(place)));
    }

    /// The first fault of a record is the one that is told.
    pub(super) fn fail(&mut self, code: &str) {
        self.fault.get_or_insert(code.to_owned());
    }

    /// The path of a place that may be missing.
    fn field(&self, at: &At, path: &[String]) -> String {
        let within = match at {
            At::Here(place) => self.native.path(*place),
            At::Missing(path) => path.clone(),
        };
        [within, path.join("/")].join("/").trim_matches('/').to_owned()
    }

    fn place_at(&mut self, at: &At, path: &[String]) -> Option<usize> {
        let At::Here(from) = at else { return None };
        let found = self.native.at(*from, path)?;
        self.mapped.insert(found);
        Some(found)
    }

    /// The place at the end of a path and its text; none where nothing stands there.
    fn text_at(&mut self, at: &At, path: &[String], empty: &[String]) -> Option<(usize, String)> {
        let place = self.place_at(at, path)?;
        self.read.insert(place);
        let text = self.native.0[place].text.trim().to_owned();
        match absence_of(&text, empty.iter().chain(&self.description.empty)) {
            Absence::Value => Some((place, text)),
            Absence::Declared => None,
            Absence::Word => {
                self.find("LT-MAP-034", place);
                None
            }
        }
    }

    pub(super) fn is_absent(&self, text: &str, empty: &[String]) -> bool {
        absence_of(text, empty.iter().chain(&self.description.empty)) != Absence::Value
    }

    /// White space around a text is layout.
    fn is_layout_trimmed(&self) -> bool {
        use crate::grammar::Syntax::{Fields, Xml};
        matches!(self.description.syntax, Xml { .. } | Fields(_))
    }

    fn is_beyond_bound(&mut self, place: usize, text: &str, max: Option<usize>) -> bool {
        let bound =
            max.map_or(TEXT_CHARS_MAX, |it| (it * LENGTH_FACTOR_MAX).max(LIMITED_TEXT_CHARS_MIN));
        let is_beyond = text.chars().count() > bound;
        if is_beyond {
            self.fail("LT-MAP-005");
        }
        let _ = place;
        is_beyond
    }

    fn note_damage(&mut self, place: usize, text: &str) {
        if text.contains('\u{fffd}') {
            self.find("LT-MAP-052", place);
        }
    }

    fn note(&mut self, note: Option<(&'static str, bool)>, place: usize, of: &str) {
        if let Some((code, is_partial)) = note {
            if is_partial {
                self.kept.insert(place, (Why::Spelling, of.to_owned()));
            }
            self.find(code, place);
        }
    }

    fn unreadable(&mut self, place: usize, (code, of): (&str, &str), is_needed: bool) {
        if is_needed {
            self.violations.push(self.native.path(place));
        } else {
            self.kept.insert(place, (Why::Invalid, of.to_owned()));
            self.find(code, place);
        }
    }

    /// The text in Unicode, where it is prose in an old charset for sure.
    fn in_unicode(&mut self, (place, text): (usize, &str), is_prose: Option<bool>) -> String {
        let Some(reading) = is_prose.and_then(|_| legacy_text::read(text)) else {
            return text.to_owned();
        };
        let is_composition =
            reading.steps.iter().all(|it| it.spelling == legacy_text::Spelling::Decomposed);
        match reading.text.filter(|_| is_prose == Some(true)) {
            Some(converted) => {
                self.find("LT-MAP-060", place);
                self.respelled.insert(place);
                converted
            }
            None => {
                if reading.unclear.is_some() || !is_composition {
                    self.find("LT-MAP-061", place);
                }
                text.to_owned()
            }
        }
    }

    /// True where a text in the place was not read or not understood.
    fn has_leftover(&self, place: usize) -> bool {
        let is_said = |it: &usize| !self.native.0[*it].text.trim().is_empty();
        let is_invalid = |it: &usize| matches!(self.kept.get(it), Some((Why::Invalid, _)));
        let all = self.native.below(place);
        all.iter().any(|it| is_said(it) && (!self.read.contains(it) || is_invalid(it)))
    }

    fn note_file(
        &mut self,
        place: Option<usize>,
        (field, to): (&str, &Path),
        message: &mut DynamicMessage,
    ) {
        let Some(place) = place else { return self.violations.push(field.to_owned()) };
        self.read.insert(place);
        paths::change(message, to, &mut |blob| {
            blob.set_field_by_name("ref", Value::String(format!("{PLACE}{place}")));
        });
    }

    /// The upload that a text names, as the file of the attachment.
    fn resolve_upload(
        &mut self,
        place: usize,
        text: &str,
        (to, message): (&Path, &mut DynamicMessage),
    ) {
        let Ok((upload, digest)) = find_upload(self.declared, text, "") else {
            return self.fail("LT-MAP-008");
        };
        let _ = place;
        if self.uploads.iter().any(|(other, it)| *it == upload.reference && other != text) {
            self.fail("LT-MAP-008");
        }
        self.uploads.push((text.to_owned(), upload.reference.clone()));
        if digest.size == 0 {
            self.fail("LT-MAP-010");
        }
        let content = &to[..to.len() - 1];
        let said = paths::find(message, content);
        let said = said.and_then(|it| it.as_message()?.get_field_by_name("size")?.as_u64());
        if said.is_some_and(|it| it != 0 && it != digest.size) {
            self.fail("LT-MAP-011");
        }
        let of = content.last().unwrap().field.kind().as_message().unwrap().clone();
        paths::set(message, content, &Value::Message(blob(&of, &digest.sha256, digest.size)));
    }
}

/// Decisive values: without them the item means another thing.
impl<'d> Reader<'d> {
    /// The only place of the record with this name or nearly this name, where its own has nothing.
    fn meant(&mut self, at: &At, path: &[String]) -> Option<usize> {
        let found = self.resembling(path.last()?);
        if found.len() > 1 {
            self.violations.push(self.field(at, path));
        }
        let [only] = found[..] else { return None };
        self.mapped.insert(only);
        self.find("LT-MAP-035", only);
        Some(only)
    }

    fn note_resembling(&mut self, own: usize, name: &str) {
        for it in self.resembling(name).into_iter().filter(|it| *it != own) {
            self.find("LT-MAP-035", it);
        }
    }

    /// Outermost places with this name or nearly this name in which something stands.
    fn resembling(&self, name: &str) -> Vec<usize> {
        let mut found: Vec<usize> = Vec::new();
        for it in self.native.below(self.record).into_iter().skip(1) {
            let is_inside = |outer: &usize| self.native.below(*outer).contains(&it);
            let is_found = resembles(&self.native.0[it].name, name)
                && self.native.says_something(it)
                && !found.iter().any(is_inside);
            found.extend(is_found.then_some(it));
        }
        found
    }

    /// Content of a rule that only another decisive value permits, where that value was not said.
    fn check_undecided(&mut self, rule: &'d FieldRule, at: &At, scope: &Scope) {
        let At::Here(from) = at else { return };
        let is_undecided = |text: &String| {
            let path = scope.full_path(text);
            self.undecided.iter().any(|it| without_choice(it) == without_choice(&path))
        };
        let fields = rule.when.iter().flat_map(|(key, values)| match key.as_str() {
            "has" | "lacks" => values.to_vec(),
            _ => vec![key.clone()],
        });
        if fields.into_iter().any(|it| is_undecided(&it))
            && let Some(said) = self.said_place(rule, *from)
        {
            self.violations.push(self.native.path(said));
        }
    }

    fn said_place(&self, rule: &'d FieldRule, from: usize) -> Option<usize> {
        if rule.constant.is_some() {
            return None;
        }
        let path = self.names(rule.at.as_deref().or(rule.each.as_deref()).unwrap_or_default());
        if path.is_empty() && rule.each.is_none() {
            return self.inner_rules(rule).iter().find_map(|it| self.said_place(&it.value, from));
        }
        let found = self.native.at(from, &path).filter(|it| *it != from);
        found.filter(|it| self.native.says_something(*it))
    }
}

fn without_choice(path: &[Step]) -> Vec<String> {
    path.iter().map(|it| it.field.full_name().to_owned()).collect()
}

/// The same name in another case, or a long one with at most two other letters.
fn resembles(name: &str, expected: &str) -> bool {
    let is_near = expected.len() >= 8
        && name.len().abs_diff(expected.len()) <= 2
        && !name.starts_with(['@', '{'])
        && strsim::osa_distance(&name.to_lowercase(), &expected.to_lowercase()) <= 2;
    name.eq_ignore_ascii_case(expected) || is_near
}

/// Whoever reads needs the value.
fn is_needed(rule: &FieldRule) -> bool {
    matches!(rule.need, Some(Requirement::Read | Requirement::Both))
}

/// True where the message fulfils a condition.
fn holds((key, values): (&String, &OneOrMany), scope: &Scope, message: &DynamicMessage) -> bool {
    let values = values.to_vec();
    let is_said = |path: &String| match paths::find(message, &scope.full_path(path)) {
        Some(Value::Message(it)) => it.fields().next().is_some(),
        found => found.is_some(),
    };
    match key.as_str() {
        "has" => values.iter().all(is_said),
        "lacks" => !values.iter().any(is_said),
        _ => {
            let path = scope.full_path(key);
            let found = paths::find(message, &path);
            let kind = path.last().unwrap().field.kind();
            match (&found, kind.as_enum()) {
                (Some(found), Some(names)) => values.iter().any(|it| {
                    names.get_value_by_name(it).map(|it| it.number()) == found.as_enum_number()
                }),
                (None, Some(_)) => false,
                (_, None) if kind == prost_reflect::Kind::Bool => {
                    values.contains(&found.is_some().to_string())
                }
                _ => values.contains(&found.as_ref().map(compared_text).unwrap_or_default()),
            }
        }
    }
}

/// The value at a path on which every list has one item that is meant.
fn only_value(message: &DynamicMessage, path: &Path) -> Option<Value> {
    if let Some(list) = path.iter().position(|it| it.field.is_list()) {
        let items = paths::items(message, &path[..=list]);
        let chosen = path[list].chosen.as_ref();
        if items.iter().filter(|it| paths::is_chosen(chosen, it)).count() != 1 {
            return None;
        }
    }
    paths::find(message, path)
}

fn put_value(rule: &FieldRule, to: &Path, value: Value, message: &mut DynamicMessage) {
    let last = to.last().unwrap();
    match (rule.pattern.is_some(), rule.converter.as_deref(), value) {
        // Other rules may have set other fields of the message.
        (true, _, Value::Message(parts)) => paths::change(message, to, &mut |whole| {
            parts.fields().for_each(|(field, part)| whole.set_field(&field, part.clone()));
        }),
        // The first value for an owner and name stays.
        (_, Some("extra"), Value::Message(read)) => {
            let chosen = last.chosen.as_ref();
            if paths::items(message, to).iter().any(|it| paths::is_chosen(chosen, it)) {
                return;
            }
            let mut extra = paths::new_item(chosen, last.field.kind().as_message().unwrap());
            extra.set_field_by_name("value", Value::String(paths::text(&read, "value")));
            paths::push(message, to, &Value::Message(extra));
        }
        (_, _, value) => paths::set(message, to, &value),
    }
}

fn replace_item(message: &mut DynamicMessage, to: &[Step], index: usize, item: &DynamicMessage) {
    let (last, parents) = to.split_last().unwrap();
    paths::change(message, parents, &mut |it| {
        it.get_field_mut(&last.field).as_list_mut().unwrap()[index] = Value::Message(item.clone());
    });
}

/// The blob of a file.
pub(super) fn blob(of: &MessageDescriptor, sha256: &[u8], size: u64) -> DynamicMessage {
    let mut blob = DynamicMessage::new(of.clone());
    blob.set_field_by_name("ref", Value::String(digest_reference(sha256)));
    blob.set_field_by_name("size", Value::U64(size));
    let digests = of.get_field_by_name("digests").unwrap();
    let mut digest = DynamicMessage::new(digests.kind().as_message().unwrap().clone());
    digest.set_field_by_name("algorithm", Value::String("sha256".to_owned()));
    digest.set_field_by_name("value", Value::Bytes(sha256.to_vec().into()));
    blob.set_field(&digests, Value::List(vec![Value::Message(digest)]));
    blob
}
