//! A mistake in the registry's files: where, what, and what to do.

use std::collections::BTreeMap;

use proto::fault::Code;
use proto::fault::v1::Fault;

/// One mistake. Its texts are those of the catalogue's page.
#[derive(Clone, Debug, PartialEq)]
pub struct Mistake {
    /// The file, by its name in the folder.
    pub file: String,
    /// The line, from 1; 0: the whole file.
    pub line: u64,
    /// What is wrong, with the values in question.
    pub fault: Fault,
}

impl Mistake {
    /// A mistake at a place.
    pub(crate) fn new(place: &Place, code: Code) -> Self {
        Self { file: place.file.clone(), line: place.line, fault: Fault::new(code) }
    }

    /// Gives a value to a placeholder of the texts.
    #[must_use]
    pub(crate) fn param(mut self, name: &str, value: impl Into<String>) -> Self {
        self.fault = self.fault.param(name, value);
        self
    }
}

/// Where something stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// The file's name in the folder.
    pub(crate) file: String,
    /// The line, from 1.
    pub(crate) line: u64,
}

/// Where an item stands, and each of its keys and rows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    pub(crate) item: Place,
    lines: BTreeMap<String, u64>,
}

impl Places {
    /// An item that begins here.
    pub(crate) fn new(item: Place) -> Self {
        Self { item, lines: BTreeMap::new() }
    }

    /// Remembers where a key stands; `codes[1]` is the second row of a list, `takes.document` a key
    /// of a key.
    pub(crate) fn put(&mut self, key: impl Into<String>, line: u64) {
        self.lines.insert(key.into(), line);
    }

    /// Where a key stands; where the item does, when it has no such key.
    pub(crate) fn at(&self, key: &str) -> Place {
        let line = self.lines.get(key).copied().unwrap_or(self.item.line);
        Place { file: self.item.file.clone(), line }
    }
}
