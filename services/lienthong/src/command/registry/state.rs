//! The running registry: what is in force, and the change that waits for an operator.

use proto::fault::code;
use proto::fault::v1::Fault;
use proto::registry::v1::{
    ApplyRequest, FileMistake, ForcedChange, FormatDescription, InspectRequest, InspectResponse,
    Losses, PendingChange,
};
use serde_json::{Value, json};
use tonic::Status;

use crate::cli::ApplyRegistry;
use crate::client_settings::ClientSettings;
use crate::exit_status::ExitStatus;
use crate::fault::{fault_from_status, fault_json};
use crate::journal_access::connect_registry;
use crate::output::Output;
use crate::text_format::local_time;

/// Names that one line shows.
const NAMES_MAX: usize = 5;

/// Asks the running registry for its state.
pub(crate) async fn inspect(client: &ClientSettings) -> anyhow::Result<InspectResponse> {
    let answer = connect_registry(client).await?.inspect(InspectRequest {}).await;
    Ok(answer.map_err(|it| registry_fault(&it))?.into_inner())
}

fn registry_fault(status: &Status) -> Fault {
    fault_from_status(status, "registry")
}

/// Why the folder as it is now is not in force; none when it is.
pub(crate) fn find_fault(output: Output, state: &InspectResponse) -> Option<Fault> {
    if let Some(first) = state.mistakes.first() {
        return first.fault.clone();
    }
    let losses = state.pending.as_ref()?.losses.clone().unwrap_or_default();
    Some(waiting_fault(output, &losses))
}

/// The fault of a folder that waits for an operator.
pub(crate) fn waiting_fault(output: Output, losses: &Losses) -> Fault {
    Fault::new(&code::LT_REG_019).param("losses", summarize(output, losses))
}

/// Losses in one line.
fn summarize(output: Output, losses: &Losses) -> String {
    let mut parts = Vec::new();
    for (word, names) in named_losses(output, losses) {
        if !names.is_empty() {
            let shown: Vec<_> = names.iter().take(NAMES_MAX).map(String::as_str).collect();
            let rest = if names.len() > NAMES_MAX { ", …" } else { "" };
            parts.push(format!("{} {word} ({}{rest})", names.len(), shown.join(", ")));
        }
    }
    for (word, count) in counted_losses(output, losses) {
        if count > 0 {
            parts.push(format!("{count} {word}"));
        }
    }
    parts.join("; ")
}

fn named_losses(output: Output, losses: &Losses) -> [(&'static str, &[String]); 3] {
    [
        (output.localize("cơ quan", "organisations"), &losses.organisations),
        (output.localize("ứng dụng", "applications"), &losses.applications),
        (output.localize("tệp bị làm rỗng", "emptied files"), &losses.emptied_files),
    ]
}

fn counted_losses(output: Output, losses: &Losses) -> [(&'static str, u32); 2] {
    [
        (output.localize("quyền", "rights"), losses.rights),
        (output.localize("danh mục", "code lists"), losses.code_lists),
    ]
}

/// Prints what is in force, and what is not and why.
pub(super) async fn print_status(
    output: Output,
    client: &ClientSettings,
) -> anyhow::Result<ExitStatus> {
    let state = inspect(client).await?;
    let fault = find_fault(output, &state);
    let is_well = fault.is_none() && state.format_mistakes.is_empty();
    let exit_status = if is_well { ExitStatus::Done } else { ExitStatus::Refused };
    if output.json {
        output.print_json(&state_json(&state));
        return Ok(exit_status);
    }
    let in_force = (state.revision.as_str(), state.organisations, state.applications);
    print_revision(output, output.localize("✓ Đang có hiệu lực", "✓ In force"), in_force);
    for it in &state.mistakes {
        let fault = it.fault.clone().unwrap_or_default();
        let title = fault.title(output.lang);
        output.print_line(&format!("✗ {}:{}: {} {title}", it.file, it.line, fault.code));
    }
    for it in &state.loaded_formats {
        let loaded = output.localize("✓ Định dạng", "✓ Format");
        let hash: String = it.hash.chars().take(8).collect();
        output.print_line(&format!("{loaded} {} v{} {hash}: {}", it.name, it.version, it.file));
    }
    for it in &state.format_mistakes {
        let fault = it.fault.clone().unwrap_or_default();
        let title = fault.title(output.lang);
        output.print_line(&format!("✗ {}: {} {title}", it.file, fault.code));
        for it in &fault.violations {
            let text = output.localize(&it.description_vi, &it.description_en);
            output.print_line(&format!("    {text}"));
        }
    }
    if let Some(pending) = &state.pending {
        print_pending(output, pending);
    }
    if !state.not_stored.is_empty() {
        let text =
            output.localize("Chưa ghi được cho lần khởi động sau", "Not stored for the next start");
        output.print_line(&format!("! {text}: {}", state.not_stored));
    }
    for it in &state.forced {
        output.print_line(&format!("· {} {}: {}", local_time(it.at_us), it.actor, it.reason));
    }
    if let Some(fault) = fault {
        output.print_note(&format!("{}: {}", fault.code, fault.remedy(output.lang)));
    }
    Ok(exit_status)
}

fn print_revision(
    output: Output,
    title: &str,
    (revision, organisations, applications): (&str, u32, u32),
) {
    output.print_line(&format!(
        "{title} {}: {organisations} {}, {applications} {}",
        revision.chars().take(12).collect::<String>(),
        output.localize("cơ quan", "organisations"),
        output.localize("ứng dụng", "applications"),
    ));
}

/// Prints a change that waits, with everything that it would take away.
fn print_pending(output: Output, pending: &PendingChange) {
    let title = output.localize("✗ Đang chờ xác nhận", "✗ Waits for confirmation");
    let waiting = (pending.revision.as_str(), pending.organisations, pending.applications);
    print_revision(output, title, waiting);
    let losses = pending.losses.clone().unwrap_or_default();
    for (word, names) in named_losses(output, &losses) {
        for name in names {
            output.print_line(&format!("  - {word}: {name}"));
        }
    }
    for (word, count) in counted_losses(output, &losses) {
        if count > 0 {
            output.print_line(&format!("  - {word}: {count}"));
        }
    }
}

/// Puts the change in force that waits. Without `--force` it is shown and refused.
pub(super) async fn apply(
    output: Output,
    client: &ClientSettings,
    arguments: ApplyRegistry,
) -> anyhow::Result<ExitStatus> {
    let state = inspect(client).await?;
    let fault = find_fault(output, &state);
    let (Some(pending), Some(fault)) = (state.pending, fault.clone()) else {
        // The folder is in force, or has mistakes that no force overcomes.
        if let Some(fault) = fault {
            return Err(fault.into());
        }
        print_applied(output, None);
        return Ok(ExitStatus::Done);
    };
    let Some(reason) = arguments.reason.filter(|_| arguments.force) else {
        if !output.json {
            print_pending(output, &pending);
        }
        return Err(fault.into());
    };
    let actor = arguments.actor.unwrap_or_else(chassis::account_name);
    let request = ApplyRequest { revision: pending.revision, actor, reason };
    let answer = connect_registry(client).await?.apply(request).await;
    let change = answer.map_err(|it| registry_fault(&it))?.into_inner().change;
    print_applied(output, change.as_ref());
    Ok(ExitStatus::Done)
}

fn print_applied(output: Output, change: Option<&ForcedChange>) {
    if output.json {
        output.print_json(&json!({ "applied": change.map(change_json) }));
        return;
    }
    output.print_line(&match change {
        None => output.localize("✓ không có thay đổi nào đang chờ", "✓ no change waits").to_owned(),
        Some(change) => format!(
            "✓ {} {}: {}",
            change.to_revision.chars().take(12).collect::<String>(),
            output.localize("đã có hiệu lực; đã bỏ", "is in force; lost"),
            summarize(output, &change.losses.clone().unwrap_or_default())
        ),
    });
}

fn state_json(state: &InspectResponse) -> Value {
    let mistake = |it: &FileMistake| {
        let fault = it.fault.clone().unwrap_or_default();
        json!({ "file": it.file, "line": it.line, "fault": fault_json(&fault) })
    };
    let pending = state.pending.as_ref().map(|it| {
        json!({
            "revision": it.revision, "since_us": it.since_us,
            "organisations": it.organisations, "applications": it.applications,
            "losses": losses_json(it.losses.as_ref()),
        })
    });
    json!({
        "revision": state.revision, "applied_at_us": state.applied_at_us,
        "organisations": state.organisations, "applications": state.applications,
        "mistakes": state.mistakes.iter().map(mistake).collect::<Vec<_>>(),
        "pending": pending, "not_stored": state.not_stored,
        "loaded_formats": state.loaded_formats.iter().map(format_json).collect::<Vec<_>>(),
        "format_mistakes": state.format_mistakes.iter().map(mistake).collect::<Vec<_>>(),
        "forced": state.forced.iter().map(change_json).collect::<Vec<_>>(),
    })
}

fn format_json(of: &FormatDescription) -> Value {
    json!({ "name": of.name, "version": of.version, "hash": of.hash, "file": of.file })
}

fn change_json(of: &ForcedChange) -> Value {
    json!({
        "id": of.id, "at_us": of.at_us, "actor": of.actor, "reason": of.reason,
        "from": of.from_revision, "to": of.to_revision, "recorded": of.is_recorded,
        "losses": losses_json(of.losses.as_ref()),
    })
}

fn losses_json(of: Option<&Losses>) -> Value {
    let of = of.cloned().unwrap_or_default();
    json!({
        "organisations": of.organisations, "applications": of.applications,
        "emptied_files": of.emptied_files, "rights": of.rights, "code_lists": of.code_lists,
    })
}
