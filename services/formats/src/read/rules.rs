//! Applies the rules of a plan to a record.

use std::borrow::Cow;

use proto::fault::code;
use proto::fault::v1::Fault;

use crate::canonical_path::{find_value, set_value};
use crate::convert::{CodeScope, Converted, Converter};
use crate::model::{DynMessage, Value};
use crate::plan::{ConstantRule, GroupRule, LeafRule, Rule};
use crate::read::put::{complete_message, contradicts, put_value};
use crate::read::reader::{Location, RecordReader};

impl<'t> RecordReader<'t> {
    /// Reads a whole record into a message.
    ///
    /// # Errors
    ///
    /// A bound is exceeded, or a secrecy mark is found; violations and faults of files are
    /// collected.
    pub(crate) fn read_record(
        &mut self,
        rules: &'t [Rule],
        record: usize,
        message: &mut DynMessage<'t>,
    ) -> Result<(), Fault> {
        self.record = record;
        self.tree.nodes[record].is_mapped.set(true);
        self.read_rules(rules, Location::Present(record), message)?;
        self.check_pairs();
        Ok(())
    }

    pub(super) fn read_rules(
        &mut self,
        rules: &'t [Rule],
        from: Location<'_>,
        message: &mut DynMessage<'t>,
    ) -> Result<(), Fault> {
        for rule in rules {
            self.read_rule(rule, from, message)?;
        }
        Ok(())
    }

    fn read_rule(
        &mut self,
        rule: &'t Rule,
        from: Location<'_>,
        message: &mut DynMessage<'t>,
    ) -> Result<(), Fault> {
        match rule {
            Rule::Leaf(leaf) => self.read_leaf(leaf, from, message),
            Rule::Group(group) => self.read_group(group, from, message),
            Rule::List(list) => self.read_list(list, from, message),
            Rule::ReadOnly(rule) => self.read_rule(rule, from, message),
            Rule::Constant(rule) => {
                self.check_constant(rule, from);
                Ok(())
            }
        }
    }

    /// Reports a text that differs from the constant at its node.
    fn check_constant(&mut self, rule: &ConstantRule, from: Location<'_>) {
        let Some((node_id, text)) = self.read_text(from, &rule.at, &[]) else { return };
        if rule.is_checked && text != rule.text {
            self.report_constant(node_id, text, &rule.text);
        }
    }

    fn read_group(
        &mut self,
        group: &'t GroupRule,
        from: Location<'_>,
        message: &mut DynMessage<'t>,
    ) -> Result<(), Fault> {
        if !group.when.iter().all(|it| it.holds(message)) {
            self.check_undecided(group, from);
            return Ok(());
        }
        if group.at.is_empty() {
            return self.read_rules(&group.rules, from, message);
        }
        let mut found = self.find_node(from, &group.at);
        if let (true, Some(name)) = (group.decides, group.at.last()) {
            found = match found.filter(|it| self.tree.says_something(*it)) {
                Some(own) => {
                    self.report_resembling(own, name);
                    Some(own)
                }
                None => self.find_meant(from, &group.at).or(found),
            };
        }
        match found {
            Some(node_id) => self.read_rules(&group.rules, Location::Present(node_id), message),
            None if self.is_required(group.need) => {
                self.report_missing(from, &group.at);
                Ok(())
            }
            None => self.read_rules(&group.rules, Location::Absent(&from, &group.at), message),
        }
    }

    fn read_leaf(
        &mut self,
        leaf: &'t LeafRule,
        from: Location<'_>,
        message: &mut DynMessage<'t>,
    ) -> Result<(), Fault> {
        if matches!(leaf.converter, Converter::Content) {
            self.note_content(leaf, from, message);
            return Ok(());
        }
        let is_required = self.is_required(leaf.need);
        let mut found = self.read_text(from, &leaf.at, &leaf.empty);
        if found.is_none() && leaf.decides {
            let meant = self.find_meant(from, &leaf.at);
            found = meant.and_then(|it| self.read_text(Location::Present(it), &[], &leaf.empty));
        }
        let Some((node_id, text)) = found else {
            if is_required {
                self.report_missing(from, &leaf.at);
            } else if let Some(default) = &leaf.read_default {
                self.note_default(leaf);
                set_default((default, self.codes), leaf, message);
            } else {
                self.read_substitute(leaf, from, message);
            }
            return Ok(());
        };
        if self.is_beyond_bound(node_id, text, leaf.max) {
            return Ok(());
        }
        let is_code = matches!(leaf.converter, Converter::OrgId);
        let text = if is_code { self.code_text(node_id) } else { text };
        if matches!(leaf.converter, Converter::Fetch) {
            self.resolve_reference((node_id, text), &leaf.to, message);
            return Ok(());
        }
        let Some(last) = leaf.to.last() else { return Ok(()) };
        self.report_damaged(node_id, text);
        let text = self.unicode_text((node_id, text), (&leaf.converter, &leaf.to));
        match leaf.converter.read(text, last.field, self.codes) {
            Ok(Converted { mut value, note }) => {
                self.report_too_long(node_id, text, leaf.max);
                self.report_note((node_id, text), note, &leaf.name);
                if let Value::List(items) = &mut value {
                    let is_present = |it: &str| !self.is_empty_text(it, &leaf.empty);
                    items.retain(|it| it.as_text().is_none_or(is_present));
                }
                self.put(leaf, (node_id, text, value), message);
                Ok(())
            }
            Err(error) if error.is_secret => {
                let field = self.tree.path(node_id);
                Err(Fault::new(&code::LT_MAP_007).violation(field, error.vi, error.en))
            }
            Err(error) => {
                // With a default, absence has a meaning, so an unreadable text may not count as
                // absent.
                let is_required = is_required || leaf.read_default.is_some();
                self.report_unreadable((node_id, text), &error, &leaf.name, is_required);
                Ok(())
            }
        }
    }
}

impl<'t> RecordReader<'t> {
    /// Puts the value of a node into the message. A value that another node gave before stays, and a
    /// differing one becomes a leftover; so does a text for a value that counts as absent, because
    /// the sender wrote it.
    fn put(
        &mut self,
        leaf: &'t LeafRule,
        (node_id, text, mut value): (usize, &'t str, Value<'t>),
        message: &mut DynMessage<'t>,
    ) {
        if let Some(trail) = &mut self.trail {
            trail.push((node_id, &leaf.to));
        }
        if value.is_default() && value.as_list().is_none() {
            self.spellings.push((node_id, &leaf.name));
            return;
        }
        if let Some(existing) = find_value(message, &leaf.to).filter(|_| !leaf.has_default()) {
            if contradicts(existing, &value) {
                self.report_other(node_id, existing, text);
                return;
            }
            if let (Some(existing), Value::Message(read)) = (existing.as_message(), &mut value) {
                complete_message(read, existing);
            }
        }
        self.note_spelling(node_id, &leaf.name);
        set_unlisted_code(leaf, (&value, text), message);
        put_value(message, &leaf.to, value, &leaf.converter);
    }
}

/// Stores a code outside the list in the field that the rule names for it.
fn set_unlisted_code<'t>(
    leaf: &'t LeafRule,
    (value, text): (&Value<'t>, &'t str),
    message: &mut DynMessage<'t>,
) {
    let (Some(path), Some(last)) = (&leaf.unlisted, leaf.to.last()) else { return };
    if leaf.converter.is_unlisted_value(value, last.field) {
        set_value(message, path, Value::Text(Cow::Borrowed(text)));
    }
}

fn set_default<'t>(
    (default, codes): (&'t str, CodeScope<'t>),
    leaf: &'t LeafRule,
    message: &mut DynMessage<'t>,
) {
    let Some(last) = leaf.to.last() else { return };
    if let Some(number) = last.field.enum_schema().and_then(|it| it.number(default)) {
        set_value(message, &leaf.to, Value::Enum(number));
    } else if let Ok(read) = leaf.converter.read(default, last.field, codes) {
        put_value(message, &leaf.to, read.value, &leaf.converter);
    }
}
