//! `format coverage` and `format show`: what formats carry, and what they cannot.

use std::collections::BTreeSet;

use formats::grammar_page::{MESSAGES, canonical_fields};
use formats::{Coverage, Format, FormatRegistry, KnownLoss, MappedPlace};
use serde_json::{Value, json};

use crate::command::format::summary::format_json;
use crate::output::Output;
use crate::table::Row;

/// Prints how much of each canonical field each format carries. Without `is_whole` a row stands for
/// a field of the message, else for each field inside it too.
pub(super) fn print_coverage(output: Output, formats: &FormatRegistry, is_whole: bool) {
    if output.json {
        let messages: serde_json::Map<String, Value> = MESSAGES
            .iter()
            .map(|it| ((*it).to_owned(), coverage_json(formats, it, is_whole)))
            .collect();
        output.print_json(&Value::Object(messages));
        return;
    }
    for message in MESSAGES {
        print_message_coverage(output, formats, (message, is_whole));
    }
    output.print_line(output.localize(
        "● cả trường   ◐ một phần   ○ chỉ đọc   · không có chỗ",
        "● whole   ◐ a part   ○ read only   · no place",
    ));
}

fn formats_of<'f>(formats: &'f FormatRegistry, message: &str) -> Vec<&'f Format> {
    formats.all().filter(|it| it.has_rules() && it.inventory().message == message).collect()
}

fn fields_of(message: &str, is_whole: bool) -> Vec<String> {
    let paths = canonical_fields(message).into_iter().map(|it| it.path.replace("[]", ""));
    paths.filter(|it| is_whole || !it.contains('.')).collect()
}

fn print_message_coverage(
    output: Output,
    formats: &FormatRegistry,
    (message, is_whole): (&str, bool),
) {
    let formats = formats_of(formats, message);
    if formats.is_empty() {
        return;
    }
    output.print_line(message);
    for (index, it) in formats.iter().enumerate() {
        output.print_line(&format!("  {:>2}  {}  {}", index + 1, it.name(), it.title()));
    }
    let inventories: Vec<_> = formats.iter().map(|it| (it.is_written(), it.inventory())).collect();
    let rows: Vec<Row> = fields_of(message, is_whole)
        .into_iter()
        .map(|path| {
            let marks = inventories
                .iter()
                .map(|(is_written, it)| mark_of(it.coverage_of(&path), *is_written).to_owned());
            Row::from([path.clone()].into_iter().chain(marks).collect::<Vec<_>>())
        })
        .collect();
    let numbers: Vec<String> = (1..=formats.len()).map(|it| it.to_string()).collect();
    let headings: Vec<&str> = [output.localize("Trường", "Field")]
        .into_iter()
        .chain(numbers.iter().map(String::as_str))
        .collect();
    output.print_table(&headings, &rows);
    output.print_line("");
}

fn mark_of(coverage: Coverage, is_written: bool) -> &'static str {
    match coverage {
        Coverage::None => "·",
        Coverage::Read => "○",
        Coverage::Part | Coverage::Whole if !is_written => "○",
        Coverage::Part => "◐",
        Coverage::Whole => "●",
    }
}

fn coverage_word(coverage: Coverage) -> &'static str {
    match coverage {
        Coverage::None => "none",
        Coverage::Read => "read",
        Coverage::Part => "part",
        Coverage::Whole => "whole",
    }
}

fn coverage_json(formats: &FormatRegistry, message: &str, is_whole: bool) -> Value {
    let formats = formats_of(formats, message);
    let inventories: Vec<_> = formats.iter().map(|it| (it.name(), it.inventory())).collect();
    let fields: serde_json::Map<String, Value> = fields_of(message, is_whole)
        .into_iter()
        .map(|path| {
            let cells: serde_json::Map<String, Value> = inventories
                .iter()
                .map(|(name, it)| ((*name).to_owned(), coverage_word(it.coverage_of(&path)).into()))
                .collect();
            (path, Value::Object(cells))
        })
        .collect();
    Value::Object(fields)
}

/// Prints the page of a format; with `target`, what is lost on the way to another format.
pub(super) fn show_format(output: Output, format: &Format, target: Option<&Format>) {
    let inventory = format.inventory();
    if output.json {
        output.print_json(&page_json(format, target));
        return;
    }
    let carries: Vec<_> = format.carries().iter().map(|it| it.as_str()).collect();
    output.print_line(&format!("{} v{}  {}", format.name(), format.version(), format.title()));
    let directions = if format.is_written() {
        output.localize("đọc và ghi", "read and written")
    } else {
        output.localize("chỉ đọc", "read only")
    };
    output.print_line(&format!(
        "{}; {}; {directions}; {}",
        format.syntax_name(),
        carries.join(", "),
        format.hash()
    ));
    if let Some(target) = target {
        print_losses_to(output, &inventory.losses_to(&target.inventory()), (format, target));
        return;
    }
    output.print_line("");
    let rows: Vec<Row> = inventory.places.iter().map(|it| place_row(it).into()).collect();
    let headings = [
        output.localize("Chỗ", "Place"),
        output.localize("Trường chuẩn", "Canonical field"),
        output.localize("Bộ đổi", "Converter"),
        output.localize("Ràng buộc", "Limits"),
    ];
    output.print_table(&headings, &rows);
    print_codes(output, &inventory.places);
    print_known_losses(output, format);
}

fn place_row(place: &MappedPlace) -> Vec<String> {
    let mut limits = Vec::new();
    if !place.need.is_empty() {
        limits.push(format!("need {}", place.need));
    }
    limits.extend(place.max.map(|it| format!("max {it}")));
    limits.extend(place.conditions.iter().map(|it| format!("when {it}")));
    if place.is_read_only {
        limits.push("read-only".to_owned());
    }
    let native = if place.is_list { format!("{}[]", place.native) } else { place.native.clone() };
    vec![native, place.canonical.clone(), place.converter.clone(), limits.join("; ")]
}

fn print_codes(output: Output, places: &[MappedPlace]) {
    let mut seen = BTreeSet::new();
    for it in places.iter().filter(|it| !it.codes.is_empty() && seen.insert(it.converter.clone())) {
        output.print_line("");
        let list = it.converter.strip_prefix("code ").unwrap_or(&it.converter);
        output.print_line(&format!(
            "{} {list} ({})",
            output.localize("Danh mục", "List"),
            it.native
        ));
        let codes: Vec<_> =
            it.codes.iter().map(|it| format!("\"{}\" {}", it.native, it.canonical)).collect();
        output.print_line(&format!("  {}", codes.join(", ")));
    }
}

fn print_known_losses(output: Output, format: &Format) {
    let inventory = format.inventory();
    if !format.has_rules() {
        return;
    }
    output.print_line("");
    output.print_line(if format.is_written() {
        output.localize("Không chở được", "What it cannot carry")
    } else {
        output.localize("Không có trong định dạng này", "What this format does not have")
    });
    let uncarried: Vec<_> =
        inventory.uncarried().iter().map(|it| it.path.replace("[]", "")).collect();
    output.print_line(&format!(
        "  {}: {}",
        output.localize("không có chỗ", "no place"),
        uncarried.join(", ")
    ));
    for (reason, text) in format.described_losses() {
        output.print_line(&format!("  {reason}: {text}"));
    }
    let rows: Vec<Row> =
        known_losses(format).iter().map(|it| loss_row(output, it).into()).collect();
    if !rows.is_empty() {
        print_loss_table(output, &rows);
    }
}

/// What the format loses of a message that is written in it; nothing where none is.
fn known_losses(format: &Format) -> Vec<KnownLoss> {
    if format.is_written() { format.inventory().known_losses() } else { Vec::new() }
}

fn print_losses_to(output: Output, losses: &[KnownLoss], (from, to): (&Format, &Format)) {
    output.print_line("");
    output.print_line(&format!(
        "{} {} → {}",
        output.localize("Có thể mất:", "May be lost:"),
        from.name(),
        to.name()
    ));
    let rows: Vec<Row> = losses.iter().map(|it| loss_row(output, it).into()).collect();
    print_loss_table(output, &rows);
}

fn print_loss_table(output: Output, rows: &[Row]) {
    let headings = [
        output.localize("Trường", "Field"),
        output.localize("Vì sao", "Why"),
        output.localize("Giá trị", "Values"),
    ];
    output.print_table(&headings, rows);
}

fn loss_row(output: Output, loss: &KnownLoss) -> Vec<String> {
    let reason = match loss.reason {
        "no-place" => output.localize("không có chỗ", "no place"),
        "first-only" => output.localize("chỉ phần tử đầu", "only the first item"),
        "no-code" => output.localize("không có mã", "no code"),
        "cut" => output.localize("bị cắt ở số ký tự", "cut at characters"),
        other => other,
    };
    vec![loss.path.clone(), reason.to_owned(), loss.detail.clone()]
}

fn page_json(format: &Format, target: Option<&Format>) -> Value {
    let inventory = format.inventory();
    let losses = |losses: &[KnownLoss]| -> Vec<Value> {
        let loss =
            |it: &KnownLoss| json!({ "path": it.path, "reason": it.reason, "detail": it.detail });
        losses.iter().map(loss).collect()
    };
    json!({
        "format": format_json(format),
        "places": inventory.places.iter().map(place_json).collect::<Vec<_>>(),
        "uncarried": inventory.uncarried().iter().map(|it| it.path.clone()).collect::<Vec<_>>(),
        "known_losses": losses(&known_losses(format)),
        "losses_to": target.map(|it| losses(&inventory.losses_to(&it.inventory()))),
    })
}

fn place_json(place: &MappedPlace) -> Value {
    let codes: serde_json::Map<String, Value> =
        place.codes.iter().map(|it| (it.native.clone(), it.canonical.clone().into())).collect();
    json!({
        "native": place.native,
        "canonical": place.canonical,
        "converter": place.converter,
        "need": place.need,
        "max": place.max,
        "conditions": place.conditions,
        "list": place.is_list,
        "read_only": place.is_read_only,
        "codes": codes,
        "uncoded": place.uncoded,
        "line": place.line,
    })
}
