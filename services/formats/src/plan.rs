//! Compiled plans: the rules of a description with every name resolved.

mod check;
mod resolve;
mod rule;

pub(crate) use resolve::resolve;
pub(crate) use rule::{GroupRule, LeafRule, ListRule, Rule, native_names, parse_native_path};
