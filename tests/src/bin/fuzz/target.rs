//! What a target is: a parser, and what came of its inputs.

/// What came of an input: its outcome, or what is wrong with the answer. Inputs with one outcome are of
/// one kind.
pub(crate) type Outcome = Result<String, String>;

/// Answers inputs.
pub(crate) type Check = Box<dyn Fn(&[u8]) -> Outcome>;

/// A parser.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) name: &'static str,
    /// Makes what the parser needs, once.
    pub(crate) prepare: fn() -> Check,
    /// Names of the files in the cases of the shipped formats that are inputs as well.
    pub(crate) cases: &'static [&'static str],
    /// Pieces of the syntax.
    pub(crate) words: &'static [&'static str],
}
