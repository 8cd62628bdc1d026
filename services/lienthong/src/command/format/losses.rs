//! The loss report of a translation, for people and for programs.

use proto::message::v1::Loss;
use serde_json::{Value, json};

use crate::loss_text::loss_text;
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
        output.print_note(&loss_text(output, it));
    }
}
