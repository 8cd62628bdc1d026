//! When a changed folder counts: once two looks in a row have seen the same.

use crate::yaml_files::FolderState;

/// The last looks at a folder. An editor empties a file before it writes it, and a copy takes time, so
/// a state counts when it has not changed between two looks.
#[derive(Debug, Default)]
pub(crate) struct FolderWatch {
    seen: Option<FolderState>,
    handled: Option<FolderState>,
}

impl FolderWatch {
    /// True when the state was seen before. At the very first start there is nothing to protect.
    pub(crate) fn is_steady(&self, state: &FolderState, is_first: bool) -> bool {
        is_first || self.seen.as_ref() == Some(state)
    }

    /// True for a state that is steady and was not handled yet.
    pub(crate) fn is_due(&self, state: &FolderState, is_first: bool) -> bool {
        self.handled.as_ref() != Some(state) && self.is_steady(state, is_first)
    }

    /// The state was handled.
    pub(crate) fn handle(&mut self, state: FolderState) {
        self.handled = Some(state);
    }

    /// The state was seen.
    pub(crate) fn see(&mut self, state: FolderState) {
        self.seen = Some(state);
    }
}
