//! Repeated places into lists, and the halves of one record brought together.

use std::borrow::Cow;
use std::collections::HashMap;

use proto::fault::code;
use proto::fault::v1::Fault;

use super::place::{merge, push};
use super::{From, Reading};
use crate::convert::Converter;
use crate::limits::{FILES_MAX, TEXT_BYTES_MAX};
use crate::path::{find, fresh, list};
use crate::plan::Each;
use crate::record::{Record, Value};

/// A list whose records are joined by a key.
#[derive(Debug, Default)]
pub(super) struct Join<'t> {
    /// The list by its canonical name, whichever of its items are meant.
    list: &'t str,
    /// Where the item of a key is in the list.
    items: HashMap<Cow<'t, str>, usize>,
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

impl<'t> Join<'t> {
    /// Learns the keys of items that came to the list since the last look.
    fn look(&mut self, each: &Each, message: &Record<'t>) {
        let items = list(message, &each.to);
        for (place, item) in items.iter().enumerate().skip(self.known) {
            if let Some(key) = key_of(each, item.as_message()) {
                self.items.entry(key).or_insert(place);
            }
        }
        self.known = items.len();
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

impl<'t> Reading<'t> {
    pub(super) fn each(
        &mut self,
        each: &'t Each,
        from: From<'_>,
        message: &mut Record<'t>,
    ) -> Result<(), Fault> {
        let places = match from {
            From::There(place) => self.tree.all(place, &each.at),
            From::Missing(..) => Vec::new(),
        };
        if each.pair {
            self.joined(each).sides.push(Side { holds_files: each.holds_files, ..Side::default() });
        }
        let mut count = 0;
        for place in places {
            self.tree.nodes[place].seen.set(true);
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
        (converter, max): &'t (Converter, Option<usize>),
        (each, message): (&'t Each, &mut Record<'t>),
    ) -> Result<bool, Fault> {
        let found = self.text(From::There(place), &[], &[]);
        let (Some(last), Some((_, text))) = (each.to.last(), found) else { return Ok(false) };
        if text.len() > TEXT_BYTES_MAX {
            return Err(Fault::new(&code::LT_MAP_005));
        }
        self.too_long(place, text, *max);
        match converter.read(text, last.field) {
            Ok(value) => push(message, &each.to, value),
            Err(why) => self.unreadable(place, text, &why, false),
        }
        Ok(true)
    }

    fn item(
        &mut self,
        each: &'t Each,
        place: usize,
        message: &mut Record<'t>,
    ) -> Result<bool, Fault> {
        let Some(last) = each.to.last() else { return Ok(false) };
        let Some(shape) = last.field.shape() else { return Ok(false) };
        let mut item = fresh(last.selector.as_ref(), shape);
        let outer = std::mem::take(&mut self.joins);
        self.lines(&each.lines, From::There(place), &mut item)?;
        self.join();
        self.joins = outer;
        if item == fresh(last.selector.as_ref(), shape) {
            return Ok(false);
        }
        if shape.name == "Attachment" {
            // The two halves of a file are two records.
            self.count += if each.pair { 1 } else { 2 };
            if self.count > 2 * FILES_MAX {
                return Err(Fault::new(&code::LT_MAP_005));
            }
        }
        match key_of(each, Some(&item)) {
            Some(key) => self.keyed(each, (key, place), (item, message)),
            None => push(message, &each.to, Value::Message(item)),
        }
        Ok(true)
    }

    /// What is known of the list's records.
    fn joined(&mut self, each: &'t Each) -> &mut Join<'t> {
        let place = self.joins.iter().position(|it| it.list == each.list).unwrap_or_else(|| {
            self.joins.push(Join { list: &each.list, ..Join::default() });
            self.joins.len() - 1
        });
        &mut self.joins[place]
    }

    /// Puts a record to the item of its key, or begins one.
    fn keyed(
        &mut self,
        each: &'t Each,
        (key, place): (Cow<'t, str>, usize),
        (item, message): (Record<'t>, &mut Record<'t>),
    ) {
        let join = self.joined(each);
        join.look(each, message);
        let index = match join.items.get(&key) {
            Some(index) => {
                merge(message, &each.to, *index, &item);
                *index
            }
            None => {
                let index = list(message, &each.to).len();
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
        let alone = self.joins.iter().filter_map(Join::alone).min();
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

/// What joins a record with its other half.
fn key_of<'t>(each: &Each, item: Option<&Record<'t>>) -> Option<Cow<'t, str>> {
    let Value::Text(key) = find(item?, each.key.as_ref()?)? else { return None };
    Some(key.clone())
}
