//! Calls with several items: how many items a call may have, and how a refused item is answered.

use proto::exchange::v1::ItemFault;
use proto::fault::Lang;
use proto::fault::v1::Fault;

use crate::fault::invalid_field;

/// Items of one call.
const ITEMS_MAX: usize = 256;

/// The items of a call.
///
/// # Errors
///
/// There are none, or too many.
pub(crate) fn check_items<T>(items: Vec<T>) -> Result<Vec<T>, Fault> {
    if (1..=ITEMS_MAX).contains(&items.len()) {
        return Ok(items);
    }
    let (vi, en) = (format!("cần từ 1 đến {ITEMS_MAX}"), format!("must be 1 to {ITEMS_MAX}"));
    Err(invalid_field("items", &vi, &en))
}

/// The fault of one item with its texts: the response as a whole succeeds, so no status carries
/// them.
pub(crate) fn item_fault(fault: Fault) -> ItemFault {
    ItemFault {
        title_vi: fault.title(Lang::Vi),
        title_en: fault.title(Lang::En),
        remedy_vi: fault.remedy(Lang::Vi),
        remedy_en: fault.remedy(Lang::En),
        fault: Some(fault),
    }
}
