//! Compiled plans: the rules of a description with every name resolved.

mod check;
mod condition;
mod enum_value;
mod pattern;
mod resolve;
mod rule;

pub(crate) use condition::Condition;
pub(crate) use resolve::resolve;
pub(crate) use rule::{
    ConstantRule, GroupRule, LeafRule, ListRule, Rule, native_names, parse_native_path,
};
