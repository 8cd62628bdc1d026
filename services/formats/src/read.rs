//! Reads a tree of native content into a message of the canonical model, by the rules of a plan.

mod decisive;
mod files;
mod findings;
mod join;
mod lists;
mod put;
mod reader;
mod rules;
mod secrecy_gate;
mod spelling;

pub(crate) use reader::{FileSource, RecordReader};
pub(crate) use spelling::unicode_of;
