//! Calls with several items: how many items a call may have, and how a refused item is answered.

use proto::exchange::v1::submit_request::Body as SubmittedBody;
use proto::exchange::v1::{ItemFault, SubmitRequest};
use proto::fault::Lang;
use proto::fault::v1::Fault;

use crate::fault::invalid_field;
use crate::limits::{BATCH_BYTES_MAX, BATCH_ITEMS_MAX};

/// The items of a call.
///
/// # Errors
///
/// There are none, or too many.
pub(crate) fn check_items<T>(items: Vec<T>) -> Result<Vec<T>, Fault> {
    if (1..=BATCH_ITEMS_MAX as usize).contains(&items.len()) {
        return Ok(items);
    }
    let count = items.len();
    let vi = format!("có {count} mục, cần từ 1 đến {BATCH_ITEMS_MAX}");
    let en = format!("has {count} items, must have 1 to {BATCH_ITEMS_MAX}");
    Err(invalid_field("items", &vi, &en))
}

/// Checks the inline bodies of a call together.
///
/// # Errors
///
/// They are too large.
pub(crate) fn check_bodies(items: &[SubmitRequest]) -> Result<(), Fault> {
    let inline = items.iter().map(|it| match &it.body {
        Some(SubmittedBody::Inline(bytes)) => bytes.len(),
        Some(SubmittedBody::Part(_)) | None => 0,
    });
    let bytes: usize = inline.sum();
    if bytes <= BATCH_BYTES_MAX as usize {
        return Ok(());
    }
    let vi = format!("các nội dung có {bytes} byte, cộng lại nhiều nhất {BATCH_BYTES_MAX}");
    let en = format!("the bodies have {bytes} bytes, together at most {BATCH_BYTES_MAX}");
    Err(invalid_field("items.inline", &vi, &en))
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
