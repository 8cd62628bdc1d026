//! The registry's code lists as one version, and which of their rows holds on a day.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use proto::registry::v1::{CodeList, CodeRow};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::convert::day::Day;
use crate::convert::digits::row_of_digits;

/// The code lists of a registry. A description binds a list of its own to one of these by name.
///
/// Codes are never removed, they end: a row is used for documents of the days that it is valid on, so
/// a document that is converted again years later has the same codes.
#[derive(Clone, Debug, Default)]
pub struct CodeListSet {
    text: String,
    digest: Bytes,
    lists: BTreeMap<String, ListRows>,
}

/// No lists.
pub(super) static NO_LISTS: CodeListSet =
    CodeListSet { text: String::new(), digest: Bytes::new(), lists: BTreeMap::new() };

impl CodeListSet {
    /// The lists of a registry; of two with one name the first counts.
    pub fn new(lists: &[CodeList]) -> Self {
        if lists.is_empty() {
            return Self::default();
        }
        let mut sorted: Vec<&CodeList> = lists.iter().collect();
        // The same lists in other files are the same version.
        sorted.sort_by(|left, right| left.name.cmp(&right.name));
        let text = to_text(&sorted);
        let digest = Bytes::copy_from_slice(&Sha256::digest(&text));
        let mut rows_by_name = BTreeMap::new();
        for it in sorted {
            rows_by_name.entry(it.name.clone()).or_insert_with(|| ListRows::new(it));
        }
        Self { text, digest, lists: rows_by_name }
    }

    /// The lists as JSON, for who keeps what messages were converted by; empty for no lists.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// SHA-256 of the text, lower-case hex; empty for no lists.
    pub fn hash(&self) -> String {
        hex::encode(&self.digest)
    }

    /// SHA-256 of the text; empty for no lists.
    pub(crate) fn digest(&self) -> &Bytes {
        &self.digest
    }

    pub(super) fn get(&self, name: &str) -> Option<&ListRows> {
        self.lists.get(name)
    }
}

/// The lists as JSON. Keys are in the order of their names, in which every writer of JSON has them.
fn to_text(lists: &[&CodeList]) -> String {
    let row = |it: &CodeRow| {
        json!({
            "code": it.code, "from": it.valid_from, "means": it.means, "name_en": it.name_en,
            "name_vi": it.name_vi, "to": it.valid_to,
        })
    };
    let list = |it: &&CodeList| {
        let rows: Vec<_> = it.rows.iter().map(row).collect();
        json!({ "name": it.name, "of": it.of, "rows": rows, "version": it.version })
    };
    json!(lists.iter().map(list).collect::<Vec<_>>()).to_string()
}

/// A row with the canonical code that it means.
#[derive(Clone, Debug)]
pub(super) struct ListRow {
    code: String,
    name: String,
    pub(super) meaning: String,
    from: Option<Day>,
    to: Option<Day>,
}

impl ListRow {
    /// True on the days of its period, and for a document without a day.
    fn is_valid_on(&self, day: Option<Day>) -> bool {
        day.is_none_or(|day| {
            self.from.is_none_or(|it| it <= day) && self.to.is_none_or(|it| day <= it)
        })
    }

    /// The text that a format has for the row: its name, or its code.
    pub(super) fn text(&self, is_by_name: bool) -> &str {
        if is_by_name { &self.name } else { &self.code }
    }

    /// When the row is valid, in words.
    pub(super) fn validity(&self) -> (String, String) {
        match (self.from, self.to) {
            (Some(from), Some(to)) => {
                (format!("từ {from} đến {to}"), format!("from {from} to {to}"))
            }
            (Some(from), None) => (format!("từ {from}"), format!("from {from}")),
            (None, Some(to)) => (format!("đến {to}"), format!("until {to}")),
            (None, None) => (String::new(), String::new()),
        }
    }
}

/// A row that was found, and whether it is valid on the day that was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct FoundRow<'l> {
    pub(super) row: &'l ListRow,
    pub(super) is_valid: bool,
}

/// The rows of a list, found by what they say.
#[derive(Clone, Debug)]
pub(super) struct ListRows {
    /// Name of the list that the meanings belong to.
    pub(super) canonical: String,
    /// The codes are those of an application, and mean codes of another list.
    pub(super) is_native: bool,
    rows: Vec<ListRow>,
    /// Indexes of rows.
    by_code: HashMap<String, Vec<usize>>,
    by_name: HashMap<String, Vec<usize>>,
    by_meaning: HashMap<String, Vec<usize>>,
    /// Each code by itself, by which codes of digits are known without their zeros.
    codes: BTreeMap<String, String>,
}

impl ListRows {
    fn new(list: &CodeList) -> Self {
        let is_native = !list.of.is_empty();
        let to_row = |it: &CodeRow| ListRow {
            code: it.code.clone(),
            name: it.name_vi.clone(),
            meaning: if is_native { it.means.clone() } else { it.code.clone() },
            from: Day::parse(&it.valid_from),
            to: Day::parse(&it.valid_to),
        };
        let rows: Vec<ListRow> = list.rows.iter().map(to_row).collect();
        let index_by = |key: &dyn Fn(&ListRow) -> String| {
            let mut indexes: HashMap<String, Vec<usize>> = HashMap::new();
            for (index, it) in rows.iter().enumerate() {
                indexes.entry(key(it)).or_default().push(index);
            }
            indexes
        };
        Self {
            canonical: if is_native { list.of.clone() } else { list.name.clone() },
            is_native,
            by_code: index_by(&|it| it.code.clone()),
            by_name: index_by(&|it| it.name.to_lowercase()),
            by_meaning: index_by(&|it| it.meaning.clone()),
            codes: rows.iter().map(|it| (it.code.clone(), it.code.clone())).collect(),
            rows,
        }
    }

    /// The row of a native text. Of several with one name on one day none is meant.
    pub(super) fn find(
        &self,
        text: &str,
        is_by_name: bool,
        day: Option<Day>,
    ) -> Option<FoundRow<'_>> {
        if !is_by_name {
            return self.choose(self.by_code.get(text)?, day);
        }
        let indexes = self.by_name.get(&text.to_lowercase())?;
        let found = self.choose(indexes, day)?;
        let is_other = |it: &&usize| {
            let row = &self.rows[**it];
            row.is_valid_on(day) == found.is_valid && row.meaning != found.row.meaning
        };
        (!indexes.iter().any(|it| is_other(&it))).then_some(found)
    }

    /// The row of a code of digits that is written with other zeros, with the code as it should be.
    pub(super) fn find_digits(&self, text: &str, day: Option<Day>) -> Option<(&str, FoundRow<'_>)> {
        let (code, _) = row_of_digits(text, &self.codes)?;
        Some((code, self.find(code, false, day)?))
    }

    /// The row of a canonical code.
    pub(super) fn find_meaning(&self, meaning: &str, day: Option<Day>) -> Option<FoundRow<'_>> {
        self.choose(self.by_meaning.get(meaning)?, day)
    }

    /// The native text of a canonical code: that of the first row that is valid on the day; else one
    /// that is still read as this code, which is not so once it was given another meaning.
    pub(super) fn native(&self, meaning: &str, is_by_name: bool, day: Option<Day>) -> Option<&str> {
        let is_read = |row: &ListRow| {
            let found = self.find(row.text(is_by_name), is_by_name, day);
            found.is_some_and(|it| it.row.meaning == meaning)
        };
        let rows = || self.by_meaning.get(meaning).into_iter().flatten().map(|it| &self.rows[*it]);
        let is_first_choice = |it: &ListRow| match day {
            Some(_) => it.is_valid_on(day),
            None => it.to.is_none(),
        };
        let valid = rows().find(|it| is_first_choice(it) && is_read(it));
        let row = valid.or_else(|| rows().find(|it| is_read(it)))?;
        Some(row.text(is_by_name)).filter(|it| !it.is_empty())
    }

    /// The row that is valid on the day; else the last that ended before it, else the next one.
    /// Without a day, the row that has no end.
    fn choose(&self, indexes: &[usize], day: Option<Day>) -> Option<FoundRow<'_>> {
        let rows = || indexes.iter().map(|it| &self.rows[*it]);
        let valid = match day {
            Some(_) => rows().find(|it| it.is_valid_on(day)),
            None => rows().find(|it| it.to.is_none()).or_else(|| rows().max_by_key(|it| it.to)),
        };
        if let Some(row) = valid {
            return Some(FoundRow { row, is_valid: true });
        }
        let ended = rows().filter(|it| it.to < day && it.to.is_some()).max_by_key(|it| it.to);
        let row = ended.or_else(|| rows().min_by_key(|it| it.from))?;
        Some(FoundRow { row, is_valid: false })
    }
}

#[cfg(test)]
mod tests;
