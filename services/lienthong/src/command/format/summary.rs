//! What a format is, in one row or one JSON object.

use formats::{Format, FormatRegistry};
use serde_json::{Value, json};

use crate::output::Output;
use crate::table::Row;

/// A format for programs.
pub(super) fn format_json(format: &Format) -> Value {
    json!({
        "name": format.name(),
        "version": format.version(),
        "hash": format.hash(),
        "title": format.title(),
        "carries": format.carries().iter().map(|it| it.as_str()).collect::<Vec<_>>(),
    })
}

/// Prints all formats.
pub(super) fn print_formats(output: Output, formats: &FormatRegistry) {
    if output.json {
        output.print_json(&formats.all().map(format_json).collect());
        return;
    }
    let rows: Vec<Row> = formats.all().map(|it| format_row(it).into()).collect();
    output.print_table(
        &[
            output.localize("Tên", "Name"),
            output.localize("Phiên bản", "Version"),
            output.localize("Chở", "Carries"),
            output.localize("Tiêu đề", "Title"),
        ],
        &rows,
    );
}

fn format_row(format: &Format) -> Vec<String> {
    let carries: Vec<_> = format.carries().iter().map(|it| it.as_str()).collect();
    let hash: String = format.hash().chars().take(8).collect();
    vec![
        format.name().to_owned(),
        format!("v{} {hash}", format.version()),
        carries.join(", "),
        format.title().to_owned(),
    ]
}
