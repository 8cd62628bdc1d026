//! A tree into the canonical model, as the plan says.

use prost_reflect::{DynamicMessage, Kind, Value};
use proto::fault::code;
use proto::fault::v1::{Fault, FieldViolation};
use proto::mapping::v1::{DeclaredAttachment, Finding};

use crate::content::{BlobSink, Named, decode};
use crate::convert::{Converter, Unreadable};
use crate::grammar::Need;
use crate::limits::{FILES_MAX, FINDINGS_MAX, TEXT_BYTES_MAX};
use crate::path::{Segment, fresh, get, set};
use crate::plan::{Each, Group, Leaf, Line};
use crate::tree::Tree;
use place::{attachment_name, joined, merge, push, put, twin};
pub(crate) use place::{blob, reference};

mod place;

/// Where the bytes of files are while a tree is read.
pub(crate) enum Files<'s> {
    /// In the tree, to be handed to the sink; or uploaded beside it.
    Found(&'s mut dyn BlobSink, &'s [DeclaredAttachment]),
    /// They were written a moment ago, and are known by their places.
    Known(&'s [Named]),
}

/// Reading one record.
pub(crate) struct Reading<'t, 'a, 's> {
    pub(crate) tree: &'t mut Tree<'a>,
    pub(crate) files: Files<'s>,
    pub(crate) empty: &'t [String],
    pub(crate) findings: Vec<Finding>,
    pub(crate) violations: Vec<FieldViolation>,
    /// Places whose text could not be read.
    pub(crate) invalid: Vec<usize>,
    /// Declared attachments that were named.
    pub(crate) used: Vec<String>,
    pub(crate) count: usize,
}

impl Reading<'_, '_, '_> {
    /// Reads lines into a message; `from` is the native place, none when it is missing.
    pub(crate) fn lines(
        &mut self,
        lines: &[Line],
        from: Option<usize>,
        prefix: &[Segment],
        message: &mut DynamicMessage,
    ) -> Result<(), Fault> {
        for line in lines {
            match line {
                Line::Leaf(leaf) => self.leaf(leaf, from, prefix, message)?,
                Line::Group(group) => self.group(group, from, prefix, message)?,
                Line::Each(each) => self.each(each, from, prefix, message)?,
                Line::Constant(at, _) => {
                    self.see(from, at);
                }
            }
        }
        Ok(())
    }

    fn see(&mut self, from: Option<usize>, at: &[String]) {
        if let Some(place) = from.and_then(|it| self.tree.first(it, at)) {
            self.tree.nodes[place].seen = true;
        }
    }

    fn group(
        &mut self,
        group: &Group,
        from: Option<usize>,
        prefix: &[Segment],
        message: &mut DynamicMessage,
    ) -> Result<(), Fault> {
        let is_open = group.when.iter().all(|(path, allowed)| {
            let path = joined(prefix, path);
            get(message, &path)
                .and_then(|it| it.as_enum_number())
                .is_some_and(|it| allowed.contains(&it))
        });
        if !is_open {
            return Ok(());
        }
        let place = from.and_then(|it| self.tree.first(it, &group.at));
        if let Some(place) = place {
            self.tree.nodes[place].seen = true;
        }
        self.lines(&group.lines, place, &joined(prefix, &group.to), message)
    }

    /// The text of a place; none when it is missing or says nothing.
    fn text(
        &mut self,
        from: Option<usize>,
        at: &[String],
        empty: &[String],
    ) -> Option<(usize, String)> {
        let place = self.tree.first(from?, at)?;
        self.tree.nodes[place].seen = true;
        let node = &self.tree.nodes[place];
        let text = node.text.trim();
        let says_nothing = self.says_nothing(text, empty);
        (!says_nothing || node.file.is_some()).then(|| (place, text.to_owned()))
    }

    /// True for what a format writes where it has nothing to say.
    fn says_nothing(&self, text: &str, empty: &[String]) -> bool {
        text.is_empty() || empty.iter().chain(self.empty).any(|it| it == text)
    }

    fn leaf(
        &mut self,
        leaf: &Leaf,
        from: Option<usize>,
        prefix: &[Segment],
        message: &mut DynamicMessage,
    ) -> Result<(), Fault> {
        let to = joined(prefix, &leaf.to);
        if matches!(leaf.converter, Converter::Content) {
            return self.content(leaf, from, &to, message);
        }
        let needed = self.needs(leaf.need);
        self.gate(leaf, from)?;
        let Some((place, text)) = self.text(from, &leaf.at, &leaf.empty) else {
            if needed && from.is_some() {
                self.missing(from, leaf);
            } else if let Some(default) = &leaf.read_default {
                self.default(default, &to, message);
            }
            return Ok(());
        };
        if text.len() > TEXT_BYTES_MAX {
            return Err(Fault::new(&code::LT_MAP_005));
        }
        if matches!(leaf.converter, Converter::Fetch) {
            return self.fetch(place, &text, &to, message);
        }
        let Some(last) = to.last() else { return Ok(()) };
        match leaf.converter.read(&text, &last.field) {
            Ok(mut value) => {
                self.too_long(place, &text, leaf.max);
                if let Value::List(items) = &mut value {
                    let is_said = |it: &str| !self.says_nothing(it, &leaf.empty);
                    items.retain(|it| it.as_str().is_none_or(is_said));
                }
                put(message, &to, value, &leaf.converter);
                Ok(())
            }
            Err(why) if why.is_secret => {
                Err(Fault::new(&code::LT_MAP_007).violation(self.tree.path(place), why.vi, why.en))
            }
            Err(why) => {
                self.unreadable(place, &text, &why, needed);
                Ok(())
            }
        }
    }

    fn default(&mut self, default: &str, to: &[Segment], message: &mut DynamicMessage) {
        let Some(last) = to.last() else { return };
        if let Kind::Enum(names) = last.field.kind()
            && let Some(value) = names.get_value_by_name(default)
        {
            set(message, to, Value::EnumNumber(value.number()));
        }
    }

    /// A mark that is said twice, or not as a text, is taken for a mark.
    fn gate(&self, leaf: &Leaf, from: Option<usize>) -> Result<(), Fault> {
        let is_gate = matches!(&leaf.converter, Converter::Code(list) if list.gate.is_some());
        let places = from.filter(|_| is_gate).map(|it| self.tree.all(it, &leaf.at));
        let places = places.unwrap_or_default();
        let is_odd =
            places.len() > 1 || places.iter().any(|it| !self.tree.nodes[*it].children.is_empty());
        match places.first().filter(|_| is_odd) {
            Some(place) => Err(Fault::new(&code::LT_MAP_007).violation(
                self.tree.path(*place),
                "độ mật không rõ",
                "the secrecy mark is unclear",
            )),
            None => Ok(()),
        }
    }

    /// What only a sender must say is not asked of what we wrote ourselves.
    fn needs(&self, need: Option<Need>) -> bool {
        match need {
            Some(Need::Both) => true,
            Some(Need::Read) => matches!(self.files, Files::Found(..)),
            Some(Need::Write) | None => false,
        }
    }

    fn missing(&mut self, from: Option<usize>, leaf: &Leaf) {
        let within = from.map_or_else(String::new, |it| self.tree.path(it));
        let field = [within.as_str(), &leaf.at.join("/")].join("/");
        self.violation(
            field.trim_matches('/').to_owned(),
            "thiếu thông tin bắt buộc",
            "is required and missing",
        );
    }

    fn violation(&mut self, field: String, vi: &str, en: &str) {
        if self.violations.len() < FINDINGS_MAX {
            let (description_vi, description_en) = (vi.to_owned(), en.to_owned());
            self.violations.push(FieldViolation { field, description_vi, description_en });
        }
    }

    fn finding(&mut self, code: &str, field: String, vi: String, en: String) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding { code: code.to_owned(), field, text_vi: vi, text_en: en });
        }
    }

    fn unreadable(&mut self, place: usize, text: &str, why: &Unreadable, needed: bool) {
        let field = self.tree.path(place);
        let shown: String = text.chars().take(40).collect();
        if needed {
            let (vi, en) = (format!("“{shown}” {}", why.vi), format!("\"{shown}\" {}", why.en));
            self.violation(field, &vi, &en);
        } else {
            self.invalid.push(place);
            let vi = format!("“{shown}” {}; giữ nguyên văn, coi như không ghi.", why.vi);
            let en = format!("\"{shown}\" {}; kept as it was, taken as not said.", why.en);
            self.finding("LT-MAP-020", field, vi, en);
        }
    }

    fn too_long(&mut self, place: usize, text: &str, max: Option<usize>) {
        if max.is_some_and(|max| text.chars().count() > max) {
            let field = self.tree.path(place);
            let most = max.unwrap_or_default();
            let (vi, en) = (
                format!("Dài hơn {most} ký tự; vẫn nhận."),
                format!("Longer than {most} characters; taken all the same."),
            );
            self.finding("LT-MAP-021", field, vi, en);
        }
    }

    fn content(
        &mut self,
        leaf: &Leaf,
        from: Option<usize>,
        to: &[Segment],
        message: &mut DynamicMessage,
    ) -> Result<(), Fault> {
        let Some(place) = from.and_then(|it| self.tree.first(it, &leaf.at)) else {
            if from.is_some() {
                self.missing(from, leaf);
            }
            return Ok(());
        };
        self.tree.nodes[place].seen = true;
        let name = attachment_name(message, to);
        let named = match &mut self.files {
            Files::Known(files) => {
                let file = self.tree.nodes[place].file.and_then(|it| files.get(it)).copied();
                let Some(file) = file else { return Ok(()) };
                file
            }
            Files::Found(sink, _) => {
                self.count += 1;
                if self.count > FILES_MAX {
                    return Err(Fault::new(&code::LT_MAP_005));
                }
                let label = if name.is_empty() { self.tree.path(place) } else { name };
                decode(&self.tree.nodes[place].text, &label, &mut **sink)?
            }
        };
        blob(message, to, named);
        Ok(())
    }

    fn fetch(
        &mut self,
        place: usize,
        text: &str,
        to: &[Segment],
        message: &mut DynamicMessage,
    ) -> Result<(), Fault> {
        // `content.ref` is set with all that is known of the file.
        let content = to.get(..to.len().saturating_sub(1)).unwrap_or_default();
        let field = self.tree.path(place);
        let named = match &self.files {
            Files::Known(files) => {
                let found = files.iter().find(|it| reference(it) == text).copied();
                let Some(found) = found else { return Ok(()) };
                found
            }
            Files::Found(_, declared) => {
                let found = declared.iter().find(|it| it.reference == text);
                let named = found.and_then(|it| {
                    let claim = it.claim.as_ref()?;
                    Some(Named { sha256: claim.sha256.as_ref().try_into().ok()?, size: claim.size })
                });
                let Some(named) = named else {
                    return Err(Fault::new(&code::LT_MAP_008).param("name", text).violation(
                        field,
                        "tệp được nêu nhưng không gửi kèm",
                        "the file is named but did not come along",
                    ));
                };
                named
            }
        };
        self.used.push(text.to_owned());
        let size = get(message, content).and_then(|it| {
            it.as_message()?.get_field_by_name("size")?.as_u64().filter(|it| *it > 0)
        });
        if size.is_some_and(|it| it != named.size) {
            let (said, is) = (size.unwrap_or_default(), named.size);
            return Err(Fault::new(&code::LT_MAP_011).param("name", text).violation(
                field,
                format!("ghi {said} byte, tệp gửi kèm {is} byte"),
                format!("says {said} bytes, the file that came has {is}"),
            ));
        }
        blob(message, content, named);
        Ok(())
    }

    fn each(
        &mut self,
        each: &Each,
        from: Option<usize>,
        prefix: &[Segment],
        message: &mut DynamicMessage,
    ) -> Result<(), Fault> {
        let places = from.map_or_else(Vec::new, |it| self.tree.all(it, &each.at));
        let to = joined(prefix, &each.to);
        let mut count = 0;
        for place in places {
            self.tree.nodes[place].seen = true;
            match &each.text {
                Some(of) => count += usize::from(self.push_text(place, of, &to, message)?),
                None => count += usize::from(self.item(each, place, &to, message)?),
            }
        }
        if count == 0 && from.is_some() && self.needs(each.need) {
            let within = from.map_or_else(String::new, |it| self.tree.path(it));
            let field = [within, each.at.join("/")].join("/");
            self.violation(field, "cần ít nhất một", "needs at least one");
        }
        Ok(())
    }

    fn push_text(
        &mut self,
        place: usize,
        (converter, max): &(Converter, Option<usize>),
        to: &[Segment],
        message: &mut DynamicMessage,
    ) -> Result<bool, Fault> {
        let (Some(last), Some((_, text))) = (to.last(), self.text(Some(place), &[], &[])) else {
            return Ok(false);
        };
        if text.len() > TEXT_BYTES_MAX {
            return Err(Fault::new(&code::LT_MAP_005));
        }
        self.too_long(place, &text, *max);
        match converter.read(&text, &last.field) {
            Ok(value) => push(message, to, value),
            Err(why) => self.unreadable(place, &text, &why, false),
        }
        Ok(true)
    }

    fn item(
        &mut self,
        each: &Each,
        place: usize,
        to: &[Segment],
        message: &mut DynamicMessage,
    ) -> Result<bool, Fault> {
        let Some(last) = to.last() else { return Ok(false) };
        let Kind::Message(of) = last.field.kind() else { return Ok(false) };
        let mut item = fresh(last.selector.as_ref(), &of);
        let empty = item.clone();
        self.lines(&each.lines, Some(place), &[], &mut item)?;
        if item == empty {
            return Ok(false);
        }
        let twin = each.key.as_ref().and_then(|key| twin(message, to, (&item, key)));
        match twin {
            Some(twin) => merge(message, to, twin, &item),
            None => push(message, to, Value::Message(item)),
        }
        Ok(true)
    }
}
