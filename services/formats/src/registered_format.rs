//! A format with where its description comes from.

use std::sync::Arc;

use crate::format::Format;

/// Where the description of a format comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormatSource {
    /// It is part of the product.
    Shipped,
    /// It was loaded from this file.
    File(String),
}

/// A format of a registry, and where it comes from.
#[derive(Clone, Debug)]
pub(crate) struct RegisteredFormat {
    pub(crate) format: Arc<Format>,
    pub(crate) source: FormatSource,
}
