//! Check of the formats that a running system has in force.

use proto::fault::v1::Fault;
use proto::registry::v1::InspectResponse;

use crate::command::doctor::check::Check;
use crate::output::Output;

/// Checks that the running registry has every description of its folder in force.
pub(super) fn check_formats_state(output: Output, state: Result<InspectResponse, String>) -> Check {
    let mistakes = state.as_ref().map(|it| it.format_mistakes.clone()).unwrap_or_default();
    let fault = mistakes.first().and_then(|it| it.fault.clone());
    let outcome = match state {
        Err(error) => Err(error),
        Ok(_) if !mistakes.is_empty() => {
            let texts = mistakes.iter().map(|it| {
                description_mistake(output, &it.file, &it.fault.clone().unwrap_or_default())
            });
            Err(texts.collect::<Vec<_>>().join("; "))
        }
        Ok(state) => {
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

/// Why a description of a folder is not in force: its code, and where its first mistake stands.
pub(super) fn description_mistake(output: Output, file: &str, fault: &Fault) -> String {
    let title = fault.title(output.lang);
    let first = fault.violations.first().map(|it| {
        let text = output.localize(&it.description_vi, &it.description_en);
        format!(" ({} {text})", it.field)
    });
    format!("{file}: {}: {title}{}", fault.code, first.unwrap_or_default())
}
