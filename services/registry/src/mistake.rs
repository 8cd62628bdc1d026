//! A mistake in the registry's files: where, what, and what to do.

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
