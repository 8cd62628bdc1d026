//! A loss of a translation in words, for the loss report and for the journey.

use proto::fault::Lang;
use proto::message::v1::{Loss, loss};

use crate::output::Output;

/// What the receiver sees differently, where, and why.
pub(crate) fn loss_text(output: Output, of: &Loss) -> String {
    let effect = match (of.kind(), output.lang) {
        (loss::Kind::Lost, Lang::Vi) => "nơi nhận không thấy",
        (loss::Kind::Lost, Lang::En) => "the receiver will not see",
        (loss::Kind::Changed, Lang::Vi) => "nơi nhận thấy khác",
        (loss::Kind::Changed, Lang::En) => "the receiver will see otherwise",
        (loss::Kind::Added, Lang::Vi) => "nơi nhận thấy thêm",
        (loss::Kind::Added, Lang::En) => "the receiver will see in addition",
        (loss::Kind::Unspecified, _) => "?",
    };
    let value = if of.value.is_empty() { String::new() } else { format!(" = {}", of.value) };
    let reason = reason_text(output, &of.reason);
    format!("{effect}: {}{value} ({reason})", of.path)
}

/// The text for a reason of a loss report; the reason itself when it has none.
fn reason_text(output: Output, reason: &str) -> &str {
    let (vi, en) = match reason {
        "no-place" => ("định dạng không có chỗ", "the format has no place for it"),
        "first-only" => ("định dạng chỉ giữ mục đầu", "the format keeps the first only"),
        "no-code" => ("không có mã tương ứng", "there is no code for it"),
        "condition" => ("không đúng điều kiện", "its condition does not hold"),
        "not-admitted" => ("định dạng không nhận giá trị này", "the value is not admitted"),
        "cut" => ("bị cắt ngắn", "cut"),
        "precision" => ("kém chính xác hơn", "less precise"),
        "spelling" => ("viết khác", "spelled otherwise"),
        "default" => ("giá trị mặc định", "a default"),
        "derived" => ("suy ra từ trường khác", "follows from another field"),
        "context" => ("do trục thêm vào", "added by the bus"),
        other => return other,
    };
    output.localize(vi, en)
}
