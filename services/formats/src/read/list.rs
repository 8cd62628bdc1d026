//! Repeated places into lists, and the halves of one record brought together.

use std::collections::HashMap;

use prost_reflect::{DynamicMessage, Kind, Value};
use proto::fault::code;
use proto::fault::v1::Fault;

use super::place::{merge, push, whole};
use super::{From, Reading};
use crate::convert::Converter;
use crate::limits::{FILES_MAX, TEXT_BYTES_MAX};
use crate::path::{find, fresh, get};
use crate::plan::Each;

/// A list whose records are joined by a key.
#[derive(Debug, Default)]
pub(super) struct Join {
    /// Where the item of a key is in the list.
    items: HashMap<String, usize>,
    /// How many items of the list were looked at.
    known: usize,
    /// Kinds of records that must meet.
    sides: Vec<Side>,
}

/// Records of one kind: the item each belongs to, and its place.
#[derive(Debug, Default)]
struct Side {
    holds_files: bool,
    records: HashMap<usize, usize>,
}

impl Join {
    /// Learns the keys of items that came to the list since the last look.
    fn look(&mut self, each: &Each, message: &DynamicMessage) {
        let Some(key) = &each.key else { return };
        find(message, &whole(&each.to), |list| {
            let items = list.as_list().unwrap_or_default();
            let said = |it: &Value| get(it.as_message()?, key)?.as_str().map(ToOwned::to_owned);
            for (place, item) in items.iter().enumerate().skip(self.known) {
                said(item).map(|it| self.items.entry(it).or_insert(place));
            }
            self.known = items.len();
        });
    }

    /// Places of records that did not meet their other half, and whether that holds the file.
    fn alone(&self) -> Option<(usize, bool)> {
        let lacks = |one: &Side, other: &Side| {
            let records = one.records.iter().filter(|(it, _)| !other.records.contains_key(it));
            records.map(|(_, place)| (*place, other.holds_files)).min()
        };
        let [one, other] = self.sides.as_slice() else { return None };
        lacks(one, other).into_iter().chain(lacks(other, one)).min()
    }
}

impl Reading<'_, '_, '_> {
    pub(super) fn each(
        &mut self,
        each: &Each,
        from: From<'_>,
        message: &mut DynamicMessage,
    ) -> Result<(), Fault> {
        let places = match from {
            From::There(place) => self.tree.all(place, &each.at),
            From::Missing(..) => Vec::new(),
        };
        if each.pair {
            let join = self.joins.entry(list_name(each)).or_default();
            join.sides.push(Side { holds_files: each.holds_files, ..Side::default() });
        }
        let mut count = 0;
        for place in places {
            self.tree.nodes[place].seen = true;
            match &each.text {
                Some(of) => count += usize::from(self.item_text(place, of, (each, message))?),
                None => count += usize::from(self.item(each, place, message)?),
            }
        }
        if count == 0 && self.needs(each.need) {
            let field = self.shown(from, &each.at);
            self.violation(field, "cần ít nhất một", "needs at least one");
        }
        Ok(())
    }

    fn item_text(
        &mut self,
        place: usize,
        (converter, max): &(Converter, Option<usize>),
        (each, message): (&Each, &mut DynamicMessage),
    ) -> Result<bool, Fault> {
        let found = self.text(From::There(place), &[], &[]);
        let (Some(last), Some((_, text))) = (each.to.last(), found) else { return Ok(false) };
        if text.len() > TEXT_BYTES_MAX {
            return Err(Fault::new(&code::LT_MAP_005));
        }
        self.too_long(place, &text, *max);
        match converter.read(&text, &last.field) {
            Ok(value) => push(message, &each.to, value),
            Err(why) => self.unreadable(place, &text, &why, false),
        }
        Ok(true)
    }

    fn item(
        &mut self,
        each: &Each,
        place: usize,
        message: &mut DynamicMessage,
    ) -> Result<bool, Fault> {
        let Some(last) = each.to.last() else { return Ok(false) };
        let Kind::Message(of) = last.field.kind() else { return Ok(false) };
        let mut item = fresh(last.selector.as_ref(), &of);
        let empty = item.clone();
        let outer = std::mem::take(&mut self.joins);
        self.lines(&each.lines, From::There(place), &mut item)?;
        self.join();
        self.joins = outer;
        if item == empty {
            return Ok(false);
        }
        if of.name() == "Attachment" {
            // The two halves of a file are two records.
            self.count += if each.pair { 1 } else { 2 };
            if self.count > 2 * FILES_MAX {
                return Err(Fault::new(&code::LT_MAP_005));
            }
        }
        let key = each.key.as_ref().and_then(|key| get(&item, key));
        match key.as_ref().and_then(Value::as_str) {
            Some(key) => self.keyed(each, (key, place), (item, message)),
            None => push(message, &each.to, Value::Message(item)),
        }
        Ok(true)
    }

    /// Puts a record to the item of its key, or begins one.
    fn keyed(
        &mut self,
        each: &Each,
        (key, place): (&str, usize),
        (item, message): (DynamicMessage, &mut DynamicMessage),
    ) {
        let join = self.joins.entry(list_name(each)).or_default();
        join.look(each, message);
        let index = match join.items.get(key) {
            Some(index) => {
                merge(message, &each.to, *index, &item);
                *index
            }
            None => {
                let index = length(message, each);
                push(message, &each.to, Value::Message(item));
                index
            }
        };
        let side = join.sides.last_mut().filter(|_| each.pair);
        if side.is_some_and(|it| it.records.insert(index, place).is_some()) {
            let field = self.tree.path(place);
            self.violation(field, "mã này đã có ở mục khác", "another record has this id");
        }
    }

    /// Every record of a pair has met its other half, or the file it is about is missing.
    pub(super) fn join(&mut self) {
        let alone = self.joins.values().filter_map(Join::alone).min();
        let Some((place, is_absent)) = alone else { return };
        let field = self.tree.path(place);
        let fault = if is_absent {
            Fault::new(&code::LT_MAP_008).param("name", &field).violation(
                field,
                "tệp được nêu nhưng không có trong gói tin",
                "the file is named but is not in the packet",
            )
        } else {
            Fault::new(&code::LT_MAP_013).param("name", &field).violation(
                field,
                "tệp có trong gói tin nhưng không được nêu",
                "the file is in the packet but is not named",
            )
        };
        self.fault.get_or_insert(fault);
    }
}

/// A list by its canonical name, whichever of its items are meant.
fn list_name(each: &Each) -> String {
    each.name.split('[').next().unwrap_or_default().to_owned()
}

fn length(message: &DynamicMessage, each: &Each) -> usize {
    let count = find(message, &whole(&each.to), |it| it.as_list().map(<[Value]>::len));
    count.flatten().unwrap_or_default()
}
