//! Native bytes into a tree: XML and JSON.

pub(crate) mod json;
pub(crate) mod xml;
