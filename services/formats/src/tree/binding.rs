//! Which native record stands for which canonical item.

use std::collections::HashMap;

/// A canonical item: the name of its list, and its index in the whole list.
pub(crate) type CanonicalItem = (&'static str, usize);

/// The bindings of one tree, in the order in which its records were read or written.
#[derive(Clone, Debug, Default)]
pub(crate) struct ItemBindings(Vec<(usize, CanonicalItem)>);

impl ItemBindings {
    /// Binds the node of a record to its canonical item.
    pub(crate) fn bind(&mut self, node_id: usize, item: CanonicalItem) {
        self.0.push((node_id, item));
    }

    /// The canonical items by node.
    pub(crate) fn by_node(&self) -> HashMap<usize, CanonicalItem> {
        self.0.iter().copied().collect()
    }
}
