//! How the scenario looks up what the journal says of a message.

use std::future::Future;

use proto::journal::v1::{FindRequest, Summary};

/// The journal's search. The caller implements it, because only the caller knows how the journal
/// is reached.
pub trait MessageFinder {
    /// The messages that match, the first page of them.
    fn find(&self, request: FindRequest) -> impl Future<Output = anyhow::Result<Vec<Summary>>>;
}
