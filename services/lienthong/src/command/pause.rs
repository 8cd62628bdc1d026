//! `pause` and `resume`: lets the messages of an application, an organisation or a channel wait.

use proto::fault::code;
use proto::fault::v1::Fault;
use proto::operate::v1::pause_target::Kind;
use proto::operate::v1::{FindTargetsRequest, PauseRequest, PauseTarget, ResumeRequest};
use serde_json::json;

use crate::cli::PauseArguments;
use crate::client_settings::ClientSettings;
use crate::exit_status::ExitStatus;
use crate::fault::fault_from_status;
use crate::journal_access::connect_operate;
use crate::operate_access::{Operate, ask_all, silent};
use crate::output::Output;
use crate::pause_view::{pause_json, target_words};

/// Pauses a target.
pub(crate) async fn pause(
    output: Output,
    client: &ClientSettings,
    arguments: &PauseArguments,
) -> anyhow::Result<ExitStatus> {
    let target = resolve(client, &arguments.target).await?;
    let mut journal = connect_operate(client).await?;
    let request = PauseRequest {
        target: Some(target),
        reason: arguments.reason.clone(),
        actor: arguments.actor.clone().unwrap_or_else(chassis::account_name),
    };
    let paused = journal.pause(request).await.map_err(|it| fault_from_status(&it, "journal"))?;
    let pause = paused.into_inner().pause.unwrap_or_default();
    if output.json {
        output.print_json(&json!({ "paused": pause_json(&pause) }));
    } else {
        let what = target_words(output, &pause);
        output.print_line(&format!("✓ {} {what}", output.localize("đã tạm dừng", "paused")));
        output.print_note(output.localize(
            "Văn bản đến sẽ chờ, không mất; phiên vẫn mở. Cho chạy lại: lienthong resume",
            "What arrives waits and is not lost; sessions stay open. Go on: lienthong resume",
        ));
    }
    Ok(ExitStatus::Done)
}

/// Ends a pause.
pub(crate) async fn resume(
    output: Output,
    client: &ClientSettings,
    arguments: &PauseArguments,
) -> anyhow::Result<ExitStatus> {
    let target = resolve(client, &arguments.target).await?;
    let mut journal = connect_operate(client).await?;
    let request = ResumeRequest {
        target: Some(target),
        reason: arguments.reason.clone(),
        actor: arguments.actor.clone().unwrap_or_else(chassis::account_name),
    };
    let resumed = journal.resume(request).await.map_err(|it| fault_from_status(&it, "journal"))?;
    let pause = resumed.into_inner().pause.unwrap_or_default();
    if output.json {
        output.print_json(&json!({ "resumed": pause_json(&pause) }));
    } else {
        let what = target_words(output, &pause);
        output.print_line(&format!("✓ {} {what}", output.localize("đã cho chạy lại", "resumed")));
    }
    Ok(ExitStatus::Done)
}

/// The target that the text names: a channel, or what the registry has under the name. A prefix
/// says which of both is meant.
async fn resolve(client: &ClientSettings, text: &str) -> anyhow::Result<PauseTarget> {
    let text = text.trim();
    let (wanted, name) = match text.split_once(':') {
        Some(("application" | "app", name)) => (Some(Kind::Application), name),
        Some(("organisation" | "org", name)) => (Some(Kind::Organisation), name),
        _ if text == "intake" || text.starts_with("intake.") => (Some(Kind::Channel), text),
        _ => (None, text.strip_prefix("delivery.").unwrap_or(text)),
    };
    let target = |kind: Kind| PauseTarget { kind: kind.into(), name: name.to_owned() };
    if wanted == Some(Kind::Channel) {
        return Ok(target(Kind::Channel));
    }
    let request = FindTargetsRequest { name: name.to_owned() };
    let ask = |mut operate: Operate| {
        let request = request.clone();
        async move { operate.find_targets(request).await }
    };
    let answers = ask_all(client, ask).await?;
    silent(&answers)?;
    let answered = || answers.iter().filter_map(|it| it.outcome.as_ref().ok());
    if !answered().any(|it| it.known) {
        return match wanted {
            // The operator says what it is, and nobody can tell whether it exists.
            Some(kind) => Ok(target(kind)),
            None => Err(Fault::new(&code::LT_OPS_001)
                .param("what", "registry")
                .param("role", "registry")
                .into()),
        };
    }
    let mut found: Vec<PauseTarget> = Vec::new();
    for it in answered().flat_map(|it| &it.targets) {
        if wanted.is_none_or(|kind| kind == it.kind()) && !found.contains(it) {
            found.push(it.clone());
        }
    }
    match &found[..] {
        [found] => Ok(found.clone()),
        [] => Err(Fault::new(&code::LT_OPS_002).param("target", text).into()),
        _ => Err(Fault::new(&code::LT_OPS_006).param("target", text).into()),
    }
}
