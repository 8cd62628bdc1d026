//! `redrive`, `release`, `withdraw`, `confirm`: an operator's commands on messages.

use std::collections::HashSet;

use journal_client::JournalClient;
use proto::fault::code;
use proto::fault::v1::{Fault, Reason};
use proto::journal::v1::command_request::Action;
use proto::journal::v1::{CommandRequest, JourneyResponse, Summary};
use proto::message::v1::State;
use serde_json::{Value, json};

use crate::cli::OperatorAction;
use crate::client_settings::ClientSettings;
use crate::document_lookup::{Choice, ambiguous_fault, choose_message, read_journey};
use crate::exit_status::ExitStatus;
use crate::fault::fault_json;
use crate::journal_access::{connect_journal, journal_fault};
use crate::labels::state_label;
use crate::message_json::message_json;
use crate::message_view::print_choices;
use crate::output::Output;
use crate::table::Row;

/// An argument of the command, and the messages it names.
struct Target<'a> {
    argument: &'a str,
    candidates: Result<Vec<Summary>, Fault>,
}

/// The outcome for a message, or for an argument that changed none.
struct Outcome {
    /// The message's id, or the argument.
    id: String,
    /// The organisations the message goes to.
    recipients: Vec<String>,
    /// Why nothing was changed; none when the command was carried out.
    fault: Option<Fault>,
}

/// What the command is, for requests and for what is printed.
struct Order<'a> {
    action: Action,
    actor: String,
    arguments: &'a OperatorAction,
}

/// Carries out the command on every message that the arguments name. The journal decides which of
/// them are in a state that allows it. Nothing is changed where an argument may name several
/// documents, and where several messages would be changed and nobody confirms it.
pub(crate) async fn run(
    output: Output,
    client: &ClientSettings,
    action: Action,
    arguments: &OperatorAction,
) -> anyhow::Result<ExitStatus> {
    let journal = connect_journal(client).await?;
    let actor = arguments.actor.clone().unwrap_or_else(chassis::account_name);
    let order = Order { action, actor, arguments };
    let mut targets = Vec::new();
    for argument in &arguments.what {
        let candidates = match choose_message(output, &journal, argument).await {
            Ok(Choice::Ambiguous(candidates)) => {
                return Ok(print_ambiguous(output, &order, (argument, &candidates)));
            }
            Ok(Choice::Message(id)) => read_candidates(&journal, id).await,
            Err(fault) => Err(fault),
        };
        match candidates {
            Err(fault) if !matches!(fault.reason(), Reason::NotFound | Reason::Conflict) => {
                return Err(fault.into());
            }
            candidates => targets.push(Target { argument, candidates }),
        }
    }
    let changed = command(&journal, &order, ids_of(&targets), true).await?;
    if arguments.dry_run {
        return Ok(print_plan(output, &order, (&targets, &changed)));
    }
    if changed.len() > 1 && !arguments.yes && !is_confirmed(output, &targets, &changed) {
        let fault = Fault::new(&code::LT_CLI_017).param("count", changed.len().to_string());
        return Ok(print_unconfirmed(output, &order, (&targets, &changed), &fault));
    }
    let done = command(&journal, &order, changed, false).await?.into_iter().collect();
    let outcomes: Vec<_> =
        targets.into_iter().flat_map(|it| outcomes_of(output, it, &done)).collect();
    Ok(print(output, &order, &outcomes))
}

/// Gives the command to the journal; the ids of the messages that it changes.
async fn command(
    journal: &JournalClient,
    order: &Order<'_>,
    message_ids: Vec<String>,
    dry_run: bool,
) -> Result<Vec<String>, Fault> {
    if message_ids.is_empty() {
        return Ok(Vec::new());
    }
    let request = CommandRequest {
        action: order.action.into(),
        message_ids,
        reason: order.arguments.reason.clone(),
        actor: order.actor.clone(),
        dry_run,
    };
    Ok(journal.command(request).await.map_err(|it| journal_fault(&it))?.done)
}

/// The ids of all messages that the arguments name, each once.
fn ids_of(targets: &[Target<'_>]) -> Vec<String> {
    let mut seen = HashSet::new();
    let all = targets.iter().flat_map(|it| it.candidates.iter().flatten()).map(id);
    all.filter(|it| seen.insert(it.clone())).collect()
}

/// The messages of a document: those of all its recipients and the submitted one. The id of a
/// derived message names that recipient's message alone.
async fn read_candidates(journal: &JournalClient, id: String) -> Result<Vec<Summary>, Fault> {
    let journey = read_journey(journal, id.clone()).await?;
    Ok(select_messages(&id, journey))
}

fn select_messages(named_id: &str, journey: JourneyResponse) -> Vec<Summary> {
    let messages: Vec<Summary> = journey.derived.into_iter().chain(journey.message).collect();
    let is_named = |it: &&Summary| {
        it.envelope.as_ref().is_some_and(|it| it.id == named_id && !it.parent.is_empty())
    };
    match messages.iter().find(is_named) {
        Some(derived) => vec![derived.clone()],
        None => messages,
    }
}

/// Shows what would be changed, and asks on a terminal.
fn is_confirmed(output: Output, targets: &[Target<'_>], changed: &[String]) -> bool {
    if !output.can_ask() {
        return false;
    }
    print_messages_to_change(output, targets, changed);
    let question = output.localize("Làm tất cả những việc trên?", "Do all of the above?");
    output.confirm(question)
}

/// An outcome for each message that the journal changed; one fault for the argument when it
/// changed none.
fn outcomes_of(output: Output, target: Target<'_>, done: &HashSet<String>) -> Vec<Outcome> {
    let refused = |fault| {
        vec![Outcome { id: target.argument.to_owned(), recipients: Vec::new(), fault: Some(fault) }]
    };
    let candidates = match target.candidates {
        Ok(candidates) => candidates,
        Err(fault) => return refused(fault),
    };
    let changed = candidates.iter().filter(|it| done.contains(&id(it)));
    let outcomes: Vec<_> = changed
        .map(|it| it.envelope.clone().unwrap_or_default())
        .map(|it| Outcome { id: it.id, recipients: it.recipients, fault: None })
        .collect();
    if !outcomes.is_empty() {
        return outcomes;
    }
    let state = candidates.first().map_or(State::Unspecified, Summary::state);
    refused(not_allowed(target.argument, state_label(output.lang, state)))
}

fn id(of: &Summary) -> String {
    of.envelope.as_ref().map_or_else(String::new, |it| it.id.clone())
}

fn not_allowed(id: &str, state: &str) -> Fault {
    Fault::new(&code::LT_CLI_010).param("id", id).param("state", state)
}

/// The command as programs read it, with nothing done.
fn order_json(order: &Order<'_>) -> Value {
    json!({
        "action": order.action.as_str_name().to_ascii_lowercase(),
        "actor": order.actor,
        "done": [],
        "not_done": [],
    })
}

fn print_ambiguous(
    output: Output,
    order: &Order<'_>,
    (argument, candidates): (&str, &[Summary]),
) -> ExitStatus {
    let fault = ambiguous_fault(argument, candidates);
    if output.json {
        let mut value = order_json(order);
        value["not_done"] = json!([{ "id": argument, "error": fault_json(&fault) }]);
        value["candidates"] = candidates.iter().map(message_json).collect();
        output.print_json(&value);
    } else {
        print_choices(output, candidates);
        output.print_fault_text(&fault);
    }
    ExitStatus::Partial
}

/// Prints what the command would change, for `--dry-run`.
fn print_plan(
    output: Output,
    order: &Order<'_>,
    (targets, changed): (&[Target<'_>], &[String]),
) -> ExitStatus {
    if output.json {
        let mut value = order_json(order);
        value["would_change"] = json!(changed);
        output.print_json(&value);
    } else if changed.is_empty() {
        output.print_line(output.localize("Lệnh sẽ không đổi gì.", "Nothing would be changed."));
    } else {
        print_messages_to_change(output, targets, changed);
        output.print_note(
            output.localize("Chưa làm gì (--dry-run).", "Nothing was done (--dry-run)."),
        );
    }
    let fault = targets.iter().find_map(|it| it.candidates.as_ref().err());
    match fault {
        None if changed.is_empty() => ExitStatus::Conflict,
        None => ExitStatus::Done,
        Some(fault) => {
            output.print_fault_text(fault);
            if changed.is_empty() { ExitStatus::from_fault(fault) } else { ExitStatus::Partial }
        }
    }
}

fn print_unconfirmed(
    output: Output,
    order: &Order<'_>,
    (targets, changed): (&[Target<'_>], &[String]),
    fault: &Fault,
) -> ExitStatus {
    if output.json {
        let mut value = order_json(order);
        value["would_change"] = json!(changed);
        value["error"] = fault_json(fault);
        output.print_json(&value);
    } else if output.can_ask() {
        output.print_warning(output.localize("Chưa làm gì.", "Nothing was done."));
    } else {
        print_messages_to_change(output, targets, changed);
        output.print_fault_text(fault);
    }
    ExitStatus::from_fault(fault)
}

/// Prints the messages that the command would change, with their states.
fn print_messages_to_change(output: Output, targets: &[Target<'_>], changed: &[String]) {
    let mut rows: Vec<Row> = Vec::new();
    for it in targets.iter().flat_map(|it| it.candidates.iter().flatten()) {
        let envelope = it.envelope.clone().unwrap_or_default();
        if changed.contains(&envelope.id) {
            let number = it.index.clone().unwrap_or_default().number;
            let state = state_label(output.lang, it.state()).to_owned();
            rows.push(vec![envelope.id, number, envelope.recipients.join(", "), state].into());
        }
    }
    output.print_table(
        &[
            output.localize("Sẽ đổi", "Would change"),
            output.localize("Số, ký hiệu", "Number"),
            output.localize("Nơi nhận", "To"),
            output.localize("Trạng thái", "State"),
        ],
        &rows,
    );
}

fn print(output: Output, order: &Order<'_>, outcomes: &[Outcome]) -> ExitStatus {
    let done: Vec<_> =
        outcomes.iter().filter(|it| it.fault.is_none()).map(|it| it.id.as_str()).collect();
    let first_fault = outcomes.iter().find_map(|it| it.fault.as_ref());
    let exit_status = match first_fault {
        None => ExitStatus::Done,
        Some(_) if !done.is_empty() => ExitStatus::Partial,
        Some(fault) => ExitStatus::from_fault(fault),
    };
    if output.json {
        let not_done: Vec<_> = outcomes
            .iter()
            .filter_map(|it| Some(json!({ "id": it.id, "error": fault_json(it.fault.as_ref()?) })))
            .collect();
        let mut value = order_json(order);
        value["done"] = json!(done);
        value["not_done"] = json!(not_done);
        output.print_json(&value);
        return exit_status;
    }
    let rows: Vec<Row> = outcomes.iter().map(|it| outcome_row(output, it).into()).collect();
    output.print_table(
        &[
            output.localize("Mã", "Id"),
            output.localize("Nơi nhận", "To"),
            output.localize("Kết quả", "Result"),
        ],
        &rows,
    );
    if let Some(fault) = first_fault {
        output.print_note(&format!("{}: {}", fault.code, fault.remedy(output.lang)));
    }
    exit_status
}

fn outcome_row(output: Output, of: &Outcome) -> Vec<String> {
    let result = match &of.fault {
        None => output.localize("✓ đã làm", "✓ done").to_owned(),
        Some(fault) => format!("✗ {}: {}", fault.code, fault.title(output.lang)),
    };
    vec![of.id.clone(), of.recipients.join(", "), result]
}

#[cfg(test)]
mod tests {
    use proto::fault::Lang;
    use proto::journal::v1::Envelope;

    use super::*;

    fn message(id: &str, parent: &str) -> Summary {
        let (id, parent) = (id.to_owned(), parent.to_owned());
        let envelope = Envelope { id, parent, ..Envelope::default() };
        Summary { envelope: Some(envelope), state: State::Taken.into(), ..Summary::default() }
    }

    fn journey() -> JourneyResponse {
        JourneyResponse {
            message: Some(message("0a", "")),
            derived: vec![message("0b", "0a"), message("0c", "0a")],
            ..JourneyResponse::default()
        }
    }

    fn ids(messages: &[Summary]) -> Vec<String> {
        messages.iter().map(id).collect()
    }

    #[test]
    fn the_id_of_a_derived_message_names_that_message_alone() {
        assert_eq!(ids(&select_messages("0c", journey())), ["0c"]);
        assert_eq!(ids(&select_messages("0a", journey())), ["0b", "0c", "0a"]);
    }

    #[test]
    fn an_argument_of_which_the_journal_changed_nothing_is_refused_with_the_state() {
        let output = Output::new(false, Lang::En);
        let target =
            || Target { argument: "45-CV/TU", candidates: Ok(select_messages("0a", journey())) };
        let changed = outcomes_of(output, target(), &HashSet::from(["0c".to_owned()]));
        assert_eq!(changed.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(), ["0c"]);
        assert!(changed.iter().all(|it| it.fault.is_none()));

        let refused = outcomes_of(output, target(), &HashSet::new());
        let fault = refused.first().unwrap().fault.clone().unwrap();
        assert_eq!((refused.len(), fault.code.as_str()), (1, "LT-CLI-010"));
        assert!(fault.title(Lang::En).contains("taken"), "{}", fault.title(Lang::En));
    }
}
