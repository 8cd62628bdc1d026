//! Writes a message of the canonical model to a tree, and trees to bytes.

pub(crate) mod charset;
mod content;
pub(crate) mod csv;
mod field_text;
pub(crate) mod fields;
pub(crate) mod json;
mod trace;
mod writer;
pub(crate) mod xml;

pub(crate) use content::FileWriter;
pub(crate) use trace::{TraceHop, append_trace};
pub(crate) use writer::RecordWriter;
