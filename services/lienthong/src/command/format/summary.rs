//! What a format is, in one row or one JSON object.

use formats::{Format, FormatRegistry, FormatSource};
use serde_json::{Value, json};

use crate::command::format::cases::shipped_cases;
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
        "syntax": format.syntax_name(),
        "written": format.is_written(),
    })
}

/// Prints all formats.
pub(super) fn print_formats(output: Output, formats: &FormatRegistry) {
    if output.json {
        let all = formats.sources().map(|(format, source)| {
            let mut value = format_json(format);
            if let Some(it) = value.as_object_mut() {
                it.insert("source".to_owned(), source_text(source).into());
                it.insert("cases".to_owned(), shipped_cases(format.name()).len().into());
            }
            value
        });
        output.print_json(&all.collect());
        return;
    }
    let rows: Vec<Row> =
        formats.sources().map(|(it, source)| format_row(output, it, source).into()).collect();
    output.print_table(
        &[
            output.localize("Tên", "Name"),
            output.localize("Phiên bản", "Version"),
            output.localize("Chở", "Carries"),
            output.localize("Cú pháp", "Syntax"),
            output.localize("Chiều", "Directions"),
            output.localize("Ca mẫu", "Cases"),
            output.localize("Từ đâu", "From"),
            output.localize("Tiêu đề", "Title"),
        ],
        &rows,
    );
}

fn source_text(source: &FormatSource) -> &str {
    match source {
        FormatSource::Shipped => "lienthong",
        FormatSource::File(file) => file,
    }
}

fn format_row(output: Output, format: &Format, source: &FormatSource) -> Vec<String> {
    let carries: Vec<_> = format.carries().iter().map(|it| it.as_str()).collect();
    let hash: String = format.hash().chars().take(8).collect();
    let directions = if format.is_written() {
        output.localize("đọc, ghi", "read, write")
    } else {
        output.localize("đọc", "read")
    };
    vec![
        format.name().to_owned(),
        format!("v{} {hash}", format.version()),
        carries.join(", "),
        format.syntax_name().to_owned(),
        directions.to_owned(),
        shipped_cases(format.name()).len().to_string(),
        source_text(source).to_owned(),
        format.title().to_owned(),
    ]
}
