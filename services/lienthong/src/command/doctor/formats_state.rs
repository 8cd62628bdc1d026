//! Check of the formats that a running system has in force.

use proto::registry::v1::InspectResponse;

use crate::command::doctor::check::Check;
use crate::output::Output;

/// Checks that the running registry has every description of its folder in force.
pub(super) fn check_formats_state(output: Output, state: Result<InspectResponse, String>) -> Check {
    let mistake = state.as_ref().ok().and_then(|it| it.format_mistakes.first().cloned());
    let fault = mistake.as_ref().and_then(|it| it.fault.clone());
    let outcome = match (state, mistake) {
        (Err(error), _) => Err(error),
        (Ok(_), Some(mistake)) => {
            let fault = mistake.fault.unwrap_or_default();
            Err(format!("{}: {}: {}", mistake.file, fault.code, fault.title(output.lang)))
        }
        (Ok(state), None) => {
            let shipped = output.localize("đi kèm", "shipped");
            let loaded: Vec<_> = state
                .loaded_formats
                .iter()
                .map(|it| format!("{} v{}", it.name, it.version))
                .collect();
            let count = state.shipped_formats.len();
            let all =
                if loaded.is_empty() { String::new() } else { format!(", {}", loaded.join(", ")) };
            Ok(format!("{count} {shipped}{all}"))
        }
    };
    Check {
        id: "formats_state",
        title: output.localize("Định dạng đang có hiệu lực", "Formats in force"),
        outcome,
        remedy: fault
            .map_or_else(|| "lienthong format list".to_owned(), |it| it.remedy(output.lang)),
    }
}
