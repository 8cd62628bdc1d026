//! Sessions of connected adapters, and the rows they are stored in.

use proto::message::v1::ReceiverClass;

use crate::database::error::Corrupt;
use crate::database::row::{Row, Unreadable};

/// Reads a session by its id.
pub(crate) const SELECT: &str =
    "SELECT id, application, adapter, receiver_class, lease_ms FROM session WHERE id = $1";

/// An open session.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) application: String,
    pub(crate) adapter: String,
    pub(crate) class: ReceiverClass,
    pub(crate) lease_ms: i64,
}

impl Session {
    /// Reads the columns of [`SELECT`].
    pub(crate) fn read(row: &mut Row, id: &str) -> Result<Self, Corrupt> {
        let columns = |row: &mut Row| {
            Ok::<_, Unreadable>(Self {
                id: row.text("id")?,
                application: row.text("application")?,
                adapter: row.text("adapter")?,
                class: row.enumeration("receiver_class")?,
                lease_ms: row.number("lease_ms")?,
            })
        };
        columns(row).map_err(|it| it.in_row("session", id))
    }
}
