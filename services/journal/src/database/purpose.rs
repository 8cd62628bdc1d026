//! The purpose of a connection, which its settings follow from.

/// What a connection is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    /// The writer's: rows are looked up by key and changed.
    Write,
    /// A reader's: searches, with a time limit, and no writes.
    Read,
}
