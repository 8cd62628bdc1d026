//! Pauses in words, and for programs.

use proto::operate::v1::Pause;
use proto::operate::v1::pause_target::Kind;
use serde_json::{Value, json};

use crate::output::Output;
use crate::text_format::{local_time, rfc3339};

/// A pause in words: what, who, when, why.
pub(crate) fn pause_words(output: Output, of: &Pause) -> String {
    format!(
        "{}: {}, {} {}: {}",
        target_words(output, of),
        of.actor,
        output.localize("từ", "since"),
        local_time(of.since_us),
        of.reason
    )
}

/// What a pause holds.
pub(crate) fn target_words(output: Output, of: &Pause) -> String {
    let target = of.target.clone().unwrap_or_default();
    let kind = match target.kind() {
        Kind::Application => output.localize("ứng dụng", "application"),
        Kind::Organisation => output.localize("cơ quan", "organisation"),
        Kind::Channel | Kind::Unspecified => output.localize("kênh", "channel"),
    };
    format!("{kind} {}", target.name)
}

/// A pause for programs.
pub(crate) fn pause_json(of: &Pause) -> Value {
    let target = of.target.clone().unwrap_or_default();
    json!({
        "kind": target.kind().as_str_name().to_ascii_lowercase(),
        "name": target.name,
        "reason": of.reason,
        "actor": of.actor,
        "since": rfc3339(of.since_us),
    })
}
