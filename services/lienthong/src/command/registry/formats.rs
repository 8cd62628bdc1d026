//! The formats of a running system: those in force, and every version that was ever in force.

use proto::journal::v1::{GetFormatRequest, ListFormatsRequest, StoredFormat};
use proto::registry::v1::{FileMistake, FormatDescription, InspectResponse};
use serde_json::{Value, json};

use super::state::inspect;
use crate::cli::RegistryFormats;
use crate::client_settings::ClientSettings;
use crate::exit_status::ExitStatus;
use crate::fault::{fault_from_status, fault_json};
use crate::journal_access::connect_format_store;
use crate::output::Output;
use crate::table::Row;
use crate::text_format::local_time;

/// Prints the formats in force, all versions, or the text of one.
pub(super) async fn print_formats(
    output: Output,
    client: &ClientSettings,
    arguments: &RegistryFormats,
) -> anyhow::Result<ExitStatus> {
    if let Some(hash) = &arguments.hash {
        return print_text(output, client, hash).await;
    }
    if arguments.history {
        return print_history(output, client).await;
    }
    let state = inspect(client).await?;
    if output.json {
        output.print_json(&in_force_json(&state));
    } else {
        print_in_force(output, &state);
    }
    let is_well = state.format_mistakes.is_empty();
    Ok(if is_well { ExitStatus::Done } else { ExitStatus::Refused })
}

fn print_in_force(output: Output, state: &InspectResponse) {
    let all = state.shipped_formats.iter().chain(&state.loaded_formats);
    let rows: Vec<Row> = all.map(|it| row(output, it).into()).collect();
    output.print_table(
        &[
            output.localize("Tên", "Name"),
            output.localize("Phiên bản", "Version"),
            output.localize("Nguồn", "From"),
            output.localize("Tiêu đề", "Title"),
        ],
        &rows,
    );
    for it in &state.format_mistakes {
        let fault = it.fault.clone().unwrap_or_default();
        let title = fault.title(output.lang);
        output.print_line(&format!("✗ {}: {} {title}", it.file, fault.code));
        for it in &fault.violations {
            let text = output.localize(&it.description_vi, &it.description_en);
            output.print_line(&format!("    {} {text}", it.field));
        }
        output.print_line(&format!("    {}", fault.remedy(output.lang)));
    }
}

fn row(output: Output, of: &FormatDescription) -> Vec<String> {
    let shipped = output.localize("đi kèm", "shipped");
    let source = if of.file.is_empty() { shipped } else { &of.file };
    let version = format!("v{} {}", of.version, short(&of.hash));
    vec![of.name.clone(), version, source.to_owned(), of.title.clone()]
}

fn short(hash: &str) -> String {
    hash.chars().take(8).collect()
}

fn in_force_json(state: &InspectResponse) -> Value {
    let format = |it: &FormatDescription| {
        json!({
            "name": it.name, "version": it.version, "hash": it.hash, "title": it.title,
            "file": it.file, "shipped": it.file.is_empty(),
        })
    };
    let mistake = |it: &FileMistake| json!({ "file": it.file, "fault": fault_json(&it.fault.clone().unwrap_or_default()) });
    let all = state.shipped_formats.iter().chain(&state.loaded_formats);
    json!({
        "formats": all.map(format).collect::<Vec<_>>(),
        "mistakes": state.format_mistakes.iter().map(mistake).collect::<Vec<_>>(),
    })
}

async fn print_history(output: Output, client: &ClientSettings) -> anyhow::Result<ExitStatus> {
    let mut store = connect_format_store(client).await?;
    let listed = store.list_formats(ListFormatsRequest::default()).await;
    let formats = listed.map_err(|it| fault_from_status(&it, "journal"))?.into_inner().formats;
    if output.json {
        output.print_json(&json!({
            "versions": formats.iter().map(stored_json).collect::<Vec<_>>(),
        }));
        return Ok(ExitStatus::Done);
    }
    let (shipped, loaded) =
        (output.localize("đi kèm", "shipped"), output.localize("nạp thêm", "loaded"));
    let rows: Vec<Row> = formats
        .iter()
        .map(|it| {
            let source = if it.shipped { shipped } else { loaded };
            let version = format!("v{}", it.version);
            let seen = local_time(it.first_seen_us);
            vec![it.name.clone(), version, seen, source.to_owned(), it.hash.clone()].into()
        })
        .collect();
    output.print_table(
        &[
            output.localize("Tên", "Name"),
            output.localize("Phiên bản", "Version"),
            output.localize("Có từ", "Since"),
            output.localize("Nguồn", "From"),
            output.localize("Mã băm", "Hash"),
        ],
        &rows,
    );
    Ok(ExitStatus::Done)
}

fn stored_json(of: &StoredFormat) -> Value {
    json!({
        "name": of.name, "version": of.version, "hash": of.hash, "shipped": of.shipped,
        "first_seen_us": of.first_seen_us,
    })
}

async fn print_text(
    output: Output,
    client: &ClientSettings,
    hash: &str,
) -> anyhow::Result<ExitStatus> {
    let mut store = connect_format_store(client).await?;
    let found = store.get_format(GetFormatRequest { hash: hash.trim().to_owned() }).await;
    let found = found.map_err(|it| fault_from_status(&it, "journal"))?.into_inner();
    let format = found.format.unwrap_or_default();
    if output.json {
        let mut json = stored_json(&format);
        json["text"] = format.text.into();
        output.print_json(&json);
    } else {
        output.print_bytes(format.text.as_bytes());
    }
    Ok(ExitStatus::Done)
}
