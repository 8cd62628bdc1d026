//! The loss report of a translation, for people and for programs.

use proto::fault::Lang;
use proto::message::v1::{Loss, loss};
use serde_json::{Value, json};

use crate::output::Output;

/// A loss for programs.
pub(super) fn loss_json(of: &Loss) -> Value {
    json!({
        "kind": of.kind().as_str_name().to_ascii_lowercase(),
        "path": of.path,
        "reason": of.reason,
        "value": of.value,
    })
}

/// Prints a note for each loss.
pub(super) fn print_losses(output: Output, losses: &[Loss]) {
    for it in losses {
        let effect = match (it.kind(), output.lang) {
            (loss::Kind::Lost, Lang::Vi) => "nơi nhận không thấy",
            (loss::Kind::Lost, Lang::En) => "the receiver will not see",
            (loss::Kind::Changed, Lang::Vi) => "nơi nhận thấy khác",
            (loss::Kind::Changed, Lang::En) => "the receiver will see otherwise",
            (loss::Kind::Added, Lang::Vi) => "nơi nhận thấy thêm",
            (loss::Kind::Added, Lang::En) => "the receiver will see in addition",
            (loss::Kind::Unspecified, _) => "?",
        };
        let value = if it.value.is_empty() { String::new() } else { format!(" = {}", it.value) };
        let reason = reason_text(output, &it.reason);
        output.print_note(&format!("{effect}: {}{value} ({reason})", it.path));
    }
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
