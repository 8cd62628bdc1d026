//! Reads repeated nodes into lists.

use std::borrow::Cow;

use proto::fault::code;
use proto::fault::v1::Fault;

use crate::canonical_path::{find_list, new_item};
use crate::convert::{Converted, Converter};
use crate::limits::{FILES_MAX, RECIPIENTS_MAX};
use crate::model::{DynMessage, Value};
use crate::plan::ListRule;
use crate::read::join::{Join, JoinSide, key_of};
use crate::read::put::{merge_item, push_item};
use crate::read::reader::{FileSource, Location, RecordReader, Trail};

impl<'t> RecordReader<'t> {
    pub(super) fn read_list(
        &mut self,
        rule: &'t ListRule,
        from: Location<'_>,
        message: &mut DynMessage<'t>,
    ) -> Result<(), Fault> {
        let node_ids = match from {
            Location::Present(node_id) => self.tree.find_all(node_id, &rule.at),
            Location::Absent(..) => Vec::new(),
        };
        self.check_recipients(rule, &node_ids, message)?;
        if rule.is_paired {
            let side = JoinSide { holds_files: rule.holds_files, ..JoinSide::default() };
            self.join_of(rule).sides.push(side);
        }
        let mut count = 0;
        for node_id in node_ids {
            self.tree.nodes[node_id].is_mapped.set(true);
            // A record in which nothing stands is none.
            if !self.tree.says_something(node_id) {
                continue;
            }
            let is_item = match &rule.text {
                Some(text) => self.read_text_item(node_id, text, (rule, message))?,
                None => self.read_message_item(rule, node_id, message)?,
            };
            count += usize::from(is_item);
        }
        if count == 0 && self.is_required(rule.need) {
            let field = self.display_path(from, &rule.at);
            self.report_violation(field, "cần ít nhất một", "needs at least one");
        }
        Ok(())
    }

    /// Refuses a packet to more recipients than one may have.
    fn check_recipients(
        &self,
        rule: &ListRule,
        node_ids: &[usize],
        message: &DynMessage<'_>,
    ) -> Result<(), Fault> {
        let item = rule.to.last().and_then(|it| it.field.message_schema());
        let is_received = matches!(self.files, FileSource::Received(_));
        let (Some(first), true) = (node_ids.first(), is_received) else { return Ok(()) };
        if item.is_none_or(|it| it.name != "Recipient") {
            return Ok(());
        }
        let count = find_list(message, &rule.to).len() + node_ids.len();
        if count <= RECIPIENTS_MAX {
            return Ok(());
        }
        Err(Fault::new(&code::LT_MAP_005).violation(
            self.tree.path(*first),
            format!("có {count} nơi nhận, nhiều nhất {RECIPIENTS_MAX}; hãy gửi làm nhiều lần"),
            format!("has {count} recipients, at most {RECIPIENTS_MAX}; send it in several parts"),
        ))
    }

    /// Reads a node into an item that is a text; false for an empty text.
    fn read_text_item(
        &mut self,
        node_id: usize,
        (converter, max): &'t (Converter, Option<usize>),
        (rule, message): (&'t ListRule, &mut DynMessage<'t>),
    ) -> Result<bool, Fault> {
        let found = self.read_text(Location::Present(node_id), &[], &[]);
        let (Some(last), Some((_, text))) = (rule.to.last(), found) else { return Ok(false) };
        if self.is_beyond_bound(node_id, text, *max) {
            return Ok(true);
        }
        self.report_too_long(node_id, text, *max);
        self.report_damaged(node_id, text);
        let text = self.unicode_text((node_id, text), (converter, &rule.to));
        match converter.read(text, last.field, self.codes) {
            Ok(Converted { value, note }) => {
                self.note_spelling(node_id, &rule.name);
                self.report_note((node_id, text), note, &rule.name);
                let index = find_list(message, &rule.to).len();
                self.bindings.bind(node_id, (&last.field.name, index));
                push_item(message, &rule.to, value);
            }
            Err(error) => self.report_unreadable((node_id, text), &error, &rule.name, false),
        }
        Ok(true)
    }

    /// Reads a node into an item that is a message; false when nothing was said. An item of which
    /// nothing could be read stays, because what was said is bound to it.
    fn read_message_item(
        &mut self,
        rule: &'t ListRule,
        node_id: usize,
        message: &mut DynMessage<'t>,
    ) -> Result<bool, Fault> {
        let Some(last) = rule.to.last() else { return Ok(false) };
        let Some(schema) = last.field.message_schema() else { return Ok(false) };
        let mut item = new_item(last.selector.as_ref(), schema);
        let joins = std::mem::take(&mut self.joins);
        let trail = std::mem::replace(&mut self.trail, rule.key.as_ref().map(|_| Vec::new()));
        self.read_rules(&rule.rules, Location::Present(node_id), &mut item)?;
        self.check_pairs();
        self.joins = joins;
        let trail = std::mem::replace(&mut self.trail, trail).unwrap_or_default();
        if item == new_item(last.selector.as_ref(), schema) && !self.has_leftover(node_id) {
            return Ok(false);
        }
        if schema.name == "Attachment" {
            self.half_attachments += if rule.is_paired { 1 } else { 2 };
            if self.half_attachments > 2 * FILES_MAX {
                return Err(Fault::new(&code::LT_MAP_005).violation(
                    self.tree.path(node_id),
                    format!("có hơn {FILES_MAX} tệp"),
                    format!("there are more than {FILES_MAX} files"),
                ));
            }
        }
        match key_of(rule, Some(&item)) {
            Some(key) => self.join_item(rule, (key, node_id, trail), (item, message)),
            None => {
                let index = find_list(message, &rule.to).len();
                self.bindings.bind(node_id, (&last.field.name, index));
                push_item(message, &rule.to, Value::Message(item));
            }
        }
        Ok(true)
    }

    /// The join of the rule's list.
    fn join_of(&mut self, rule: &'t ListRule) -> &mut Join<'t> {
        let index = self.joins.iter().position(|it| it.list == rule.list).unwrap_or_else(|| {
            self.joins.push(Join::new(&rule.list));
            self.joins.len() - 1
        });
        &mut self.joins[index]
    }

    /// Merges a record into the item with its key, or appends it.
    fn join_item(
        &mut self,
        rule: &'t ListRule,
        (key, node_id, trail): (Cow<'t, str>, usize, Trail<'t>),
        (item, message): (DynMessage<'t>, &mut DynMessage<'t>),
    ) {
        let label = label_of(&item).map(str::to_owned);
        let join = self.join_of(rule);
        join.index_items(rule, message);
        let index = match join.items.get(&key) {
            Some(index) => {
                let index = *index;
                let existing = find_list(message, &rule.to).get(index).and_then(Value::as_message);
                if let Some(existing) = existing {
                    self.report_others(existing, &item, &trail);
                }
                merge_item(message, &rule.to, index, &item);
                index
            }
            None => {
                let index = find_list(message, &rule.to).len();
                push_item(message, &rule.to, Value::Message(item));
                index
            }
        };
        if let Some(last) = rule.to.last() {
            self.bindings.bind(node_id, (&last.field.name, index));
        }
        let join = self.join_of(rule);
        let side = join.sides.last_mut().filter(|_| rule.is_paired);
        if side.is_some_and(|it| it.records.insert(index, (node_id, label)).is_some()) {
            let field = self.tree.path(node_id);
            self.report_violation(field, "mã này đã có ở mục khác", "another record has this id");
        }
    }

    /// Records a fault when a record of a pair lacks its counterpart.
    pub(super) fn check_pairs(&mut self) {
        let unpaired = self.joins.iter().filter_map(Join::unpaired).min();
        let Some((node_id, label, lacks_bytes)) = unpaired else { return };
        let field = self.tree.path(node_id);
        let name = label.unwrap_or(&field);
        let fault = if lacks_bytes {
            Fault::new(&code::LT_MAP_008).param("name", name).violation(
                field,
                "tệp được nêu nhưng không có trong gói tin",
                "the file is named but is not in the packet",
            )
        } else {
            Fault::new(&code::LT_MAP_013).param("name", name).violation(
                field,
                "tệp có trong gói tin nhưng không được nêu",
                "the file is in the packet but is not named",
            )
        };
        self.fault.get_or_insert(fault);
    }
}

/// What a person knows a file by: its name, else its id.
fn label_of<'m>(item: &'m DynMessage<'_>) -> Option<&'m str> {
    [item.text("file_name"), item.text("id")].into_iter().find(|it| !it.is_empty())
}
