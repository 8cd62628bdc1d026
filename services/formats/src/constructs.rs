//! The table of constructs: the only keys that a description may have, with the values they take.
//! The check of a description, the pages of `format explain` and the JSON Schema for editors are
//! made from it, and a test compares it with the types that a description is parsed to.

mod construct;
mod file;
mod profile;
mod rule;
mod syntax;

pub(crate) use construct::{Construct, ValueShape};
pub(crate) use file::{DETECT_KEYS, FILE_KEYS, LIST_KEYS};
pub(crate) use profile::{PROFILE_KEYS, profile_place_keys, profile_syntax_keys};
pub(crate) use rule::RULE_KEYS;
pub(crate) use syntax::SYNTAXES;

#[cfg(test)]
mod tests;
