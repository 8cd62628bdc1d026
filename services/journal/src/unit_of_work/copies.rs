//! What a unit of work knows about the copies of its messages.

use journal_client::CopyDigest;

use super::UnitOfWork;

impl UnitOfWork<'_> {
    /// Notes the digest that genuine copies of a loaded message have.
    pub(crate) fn note_copy_digest(&mut self, id: &str, digest: CopyDigest) {
        if let Some(row) = self.rows.get_mut(id) {
            row.copy_digest = Some(digest);
        }
    }

    /// Notes an altered copy of a loaded message: how many there were before, as far as the cache
    /// knows.
    pub(crate) fn count_altered_copy(&mut self, id: &str) -> u32 {
        self.altered_copies += 1;
        self.rows.get_mut(id).map_or(0, |row| {
            row.altered_copies += 1;
            row.altered_copies - 1
        })
    }
}
