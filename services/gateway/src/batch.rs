//! Several items in one call: how many there may be, and what is said of one that is not taken.

use proto::exchange::v1::ItemFault;
use proto::fault::Lang;
use proto::fault::v1::Fault;

use crate::parts::field;

/// Items of one call.
const ITEMS_MAX: usize = 256;

/// Refuses a call with no items, or too many.
pub(crate) fn counted<T>(items: Vec<T>) -> Result<Vec<T>, Fault> {
    if (1..=ITEMS_MAX).contains(&items.len()) {
        return Ok(items);
    }
    let (vi, en) = (format!("cần từ 1 đến {ITEMS_MAX}"), format!("must be 1 to {ITEMS_MAX}"));
    Err(field("items", &vi, &en))
}

/// A fault with its words: one inside an answer that succeeds has no status to carry them.
pub(crate) fn worded(fault: Fault) -> ItemFault {
    ItemFault {
        title_vi: fault.title(Lang::Vi),
        title_en: fault.title(Lang::En),
        remedy_vi: fault.remedy(Lang::Vi),
        remedy_en: fault.remedy(Lang::En),
        fault: Some(fault),
    }
}
