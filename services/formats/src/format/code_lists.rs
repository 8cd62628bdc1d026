//! The registry's lists that a format is bound to.

use std::sync::Arc;

use crate::convert::{CodeListSet, CodeScope};
use crate::document_day::day_of_message;
use crate::format::Format;
use crate::model::DynMessage;

impl Format {
    /// The format with these lists of the registry, where its description is bound to one; none
    /// where it has them, or is bound to none.
    pub(crate) fn with_code_lists(&self, lists: &Arc<CodeListSet>) -> Option<Self> {
        let is_new = self.binds_code_lists && self.code_lists.digest() != lists.digest();
        is_new.then(|| Self { code_lists: Arc::clone(lists), ..self.clone() })
    }

    /// The registry's lists without a day.
    pub(super) fn code_scope(&self) -> CodeScope<'_> {
        CodeScope { lists: &self.code_lists, day: None }
    }

    /// The registry's lists with the day of a message.
    pub(super) fn codes_of(&self, message: &DynMessage<'_>) -> CodeScope<'_> {
        let day = if self.binds_code_lists { day_of_message(message) } else { None };
        CodeScope { day, ..self.code_scope() }
    }
}
