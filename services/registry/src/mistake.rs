//! A mistake in the registry's files, and the positions at which mistakes are reported.

use std::collections::BTreeMap;

use proto::fault::Code;
use proto::fault::v1::Fault;

/// A mistake in a file, with the code, the cause and the remedy of the error catalogue.
#[derive(Clone, Debug, PartialEq)]
pub struct Mistake {
    /// Path of the file in the folder.
    pub file: String,
    /// The line, from 1; 0 when the mistake concerns the whole file.
    pub line: u64,
    /// The error, with the values in question.
    pub fault: Fault,
}

impl Mistake {
    /// A mistake at a position.
    pub(crate) fn new(position: &Position, code: Code) -> Self {
        Self { file: position.file.clone(), line: position.line, fault: Fault::new(code) }
    }

    /// A mistake of a file whose error is known.
    pub(crate) fn of_fault(position: &Position, fault: Fault) -> Self {
        Self { file: position.file.clone(), line: position.line, fault }
    }

    /// Sets a placeholder of the error's texts.
    #[must_use]
    pub(crate) fn param(mut self, name: &str, value: impl Into<String>) -> Self {
        self.fault = self.fault.param(name, value);
        self
    }
}

/// A file and a line in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    /// Path of the file in the folder.
    pub(crate) file: String,
    /// The line, from 1.
    pub(crate) line: u64,
}

/// The positions of an entry and of the keys and rows in it, so that a check of the whole folder
/// can still report the line.
#[derive(Clone, Debug, Default)]
pub(crate) struct EntryPositions {
    entry: Position,
    line_by_path: BTreeMap<String, u64>,
}

impl EntryPositions {
    /// The positions of an entry that begins here.
    pub(crate) fn new(entry: Position) -> Self {
        Self { entry, line_by_path: BTreeMap::new() }
    }

    /// The file that the entry is in.
    pub(crate) fn file(&self) -> &str {
        &self.entry.file
    }

    /// Records the line of a path: a key, a row of a list (`codes[1]`) or a key of a map
    /// (`takes.document`).
    pub(crate) fn insert(&mut self, path: impl Into<String>, line: u64) {
        self.line_by_path.insert(path.into(), line);
    }

    /// The position of a path; the position of the entry when it has no such path.
    pub(crate) fn at(&self, path: &str) -> Position {
        let line = self.line_by_path.get(path).copied().unwrap_or(self.entry.line);
        Position { file: self.entry.file.clone(), line }
    }
}
