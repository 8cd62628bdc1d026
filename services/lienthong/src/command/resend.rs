//! `resend`: sends documents again as copies, to their recipients or to another agency.

use chassis::Clock;
use journal_client::JournalClient;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::{Envelope, ResendRequest, Summary};
use registry_client::{Directory, day_in_vietnam};
use serde_json::{Value, json};

use crate::agency::{find_agency, read_directory};
use crate::cli::Resend;
use crate::client_settings::ClientSettings;
use crate::document_lookup::{Choice, ambiguous_fault, choose_message, read_journey};
use crate::exit_status::ExitStatus;
use crate::fault::fault_json;
use crate::journal_access::{connect_journal, journal_fault};
use crate::message_json::message_json;
use crate::message_view::print_choices;
use crate::output::Output;
use crate::table::Row;

/// A message to be sent again, and where.
struct Target {
    id: String,
    recipients: Vec<String>,
}

/// What became of an argument.
struct Outcome {
    id: String,
    copy: Result<Envelope, Fault>,
}

/// Sends each document again that the arguments name. Nothing is sent where an argument may name
/// several documents or agencies, or where a right is missing. The journal decides whether a message
/// is in a state in which a copy makes sense.
pub(crate) async fn run(
    output: Output,
    client: &ClientSettings,
    arguments: &Resend,
) -> anyhow::Result<ExitStatus> {
    let journal = connect_journal(client).await?;
    let directory = read_directory(client).await?;
    let actor = arguments.actor.clone().unwrap_or_else(chassis::account_name);
    let day = day_in_vietnam(Clock::System.now_us());
    let mut to = Vec::new();
    for text in &arguments.to {
        let key = find_agency(&directory, text, &day)?;
        if !to.contains(&key) {
            to.push(key);
        }
    }
    let mut targets = Vec::new();
    for argument in &arguments.what {
        let id = match choose_message(output, &journal, argument).await? {
            Choice::Message(id) => id,
            Choice::Ambiguous(candidates) => {
                return Ok(print_ambiguous(output, &actor, (argument, &candidates)));
            }
        };
        targets.push(read_target(&journal, id, (&directory, &to, &day)).await?);
    }
    let mut outcomes = Vec::with_capacity(targets.len());
    for target in targets {
        let request = ResendRequest {
            message_id: target.id.clone(),
            recipients: target.recipients,
            reason: arguments.reason.clone(),
            actor: actor.clone(),
        };
        let response = journal.resend(request).await.map_err(|it| journal_fault(&it));
        let copy = response.map(|it| it.copy.unwrap_or_default());
        outcomes.push(Outcome { id: target.id, copy });
    }
    Ok(print(output, &actor, &outcomes))
}

/// The message with this id and the recipients of its copy, to each of which its sender may send.
async fn read_target(
    journal: &JournalClient,
    id: String,
    (directory, to, day): (&Directory, &[String], &str),
) -> Result<Target, Fault> {
    let journey = read_journey(journal, id.clone()).await?;
    let named = journey.derived.iter().chain(&journey.message).find(|it| envelope(it).id == id);
    let envelope = named.map(envelope).unwrap_or_default();
    let recipients = if to.is_empty() { envelope.recipients.clone() } else { to.to_vec() };
    let message_type = envelope.r#type();
    let denied =
        recipients.iter().find(|it| !directory.permits(&envelope.sender, it, message_type, day));
    match denied {
        None => Ok(Target { id, recipients }),
        Some(recipient) => Err(Fault::new(&code::LT_MAP_207)
            .param("sender", &envelope.sender)
            .param("type", message_type.as_str())
            .param("recipient", recipient)),
    }
}

fn envelope(of: &Summary) -> Envelope {
    of.envelope.clone().unwrap_or_default()
}

fn print_ambiguous(
    output: Output,
    actor: &str,
    (argument, candidates): (&str, &[Summary]),
) -> ExitStatus {
    let fault = ambiguous_fault(argument, candidates);
    if output.json {
        let mut value = outcome_json(actor, &[]);
        value["not_done"] = json!([{ "id": argument, "error": fault_json(&fault) }]);
        value["candidates"] = candidates.iter().map(message_json).collect();
        output.print_json(&value);
    } else {
        print_choices(output, candidates);
        output.print_fault_text(&fault);
    }
    ExitStatus::Partial
}

fn outcome_json(actor: &str, outcomes: &[Outcome]) -> Value {
    let done = outcomes.iter().filter_map(|it| {
        let copy = it.copy.as_ref().ok()?;
        Some(json!({
            "id": it.id,
            "copy": copy.id,
            "copy_of": copy.copy_of,
            "recipients": copy.recipients,
        }))
    });
    let not_done = outcomes.iter().filter_map(|it| {
        let fault = it.copy.as_ref().err()?;
        Some(json!({ "id": it.id, "error": fault_json(fault) }))
    });
    json!({
        "action": "resend",
        "actor": actor,
        "done": done.collect::<Vec<_>>(),
        "not_done": not_done.collect::<Vec<_>>(),
    })
}

fn print(output: Output, actor: &str, outcomes: &[Outcome]) -> ExitStatus {
    let first_fault = outcomes.iter().find_map(|it| it.copy.as_ref().err());
    let exit_status = match first_fault {
        None => ExitStatus::Done,
        Some(_) if outcomes.iter().any(|it| it.copy.is_ok()) => ExitStatus::Partial,
        Some(fault) => ExitStatus::from_fault(fault),
    };
    if output.json {
        output.print_json(&outcome_json(actor, outcomes));
        return exit_status;
    }
    let rows: Vec<Row> = outcomes.iter().map(|it| outcome_row(output, it).into()).collect();
    output.print_table(
        &[
            output.localize("Mã", "Id"),
            output.localize("Nơi nhận", "To"),
            output.localize("Bản gửi lại", "Copy"),
        ],
        &rows,
    );
    if let Some(fault) = first_fault {
        output.print_note(&format!("{}: {}", fault.code, fault.remedy(output.lang)));
    }
    exit_status
}

fn outcome_row(output: Output, of: &Outcome) -> Vec<String> {
    let (recipients, result) = match &of.copy {
        Ok(copy) => (copy.recipients.join(", "), format!("✓ {}", copy.id)),
        Err(fault) => (String::new(), format!("✗ {}: {}", fault.code, fault.title(output.lang))),
    };
    vec![of.id.clone(), recipients, result]
}
