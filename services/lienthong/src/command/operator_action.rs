//! `redrive`, `release`, `withdraw`, `confirm`: an operator's commands on messages.

use std::collections::HashSet;

use journal_client::JournalClient;
use proto::fault::code;
use proto::fault::v1::{Fault, Reason};
use proto::journal::v1::command_request::Action;
use proto::journal::v1::{CommandRequest, JourneyResponse, Summary};
use proto::message::v1::State;
use serde_json::json;

use crate::cli::OperatorAction;
use crate::client_settings::ClientSettings;
use crate::document_lookup::{NamedMessages, find_named, read_journey, read_journeys};
use crate::exit_status::ExitStatus;
use crate::fault::fault_json;
use crate::journal_access::{connect_journal, journal_fault};
use crate::labels::state_label;
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

/// Carries out the command on every message that the arguments name. The journal decides which of
/// them are in a state that allows it.
pub(crate) async fn run(
    output: Output,
    client: &ClientSettings,
    action: Action,
    arguments: &OperatorAction,
) -> anyhow::Result<ExitStatus> {
    let journal = connect_journal(client).await?;
    let mut targets = Vec::new();
    for argument in &arguments.what {
        let candidates = find_candidates(output, &journal, argument).await?;
        targets.push(Target { argument, candidates });
    }
    let actor = arguments.actor.clone().unwrap_or_else(chassis::account_name);
    let message_ids: Vec<String> =
        targets.iter().flat_map(|it| it.candidates.iter().flatten()).map(id).collect();
    let mut done = HashSet::new();
    if !message_ids.is_empty() {
        let request = CommandRequest {
            action: action.into(),
            message_ids,
            reason: arguments.reason.clone(),
            actor: actor.clone(),
            dry_run: false,
        };
        done.extend(journal.command(request).await.map_err(|it| journal_fault(&it))?.done);
    }
    let outcomes: Vec<_> =
        targets.into_iter().flat_map(|it| outcomes_of(output, it, &done)).collect();
    Ok(print(output, (action, &actor), &outcomes))
}

/// The messages that an argument names; a fault of its own when it names none or is ambiguous.
async fn find_candidates(
    output: Output,
    journal: &JournalClient,
    argument: &str,
) -> Result<Result<Vec<Summary>, Fault>, Fault> {
    let journeys = match find_named(journal, argument).await {
        Ok(NamedMessages::Message(id)) => read_journey(journal, id).await.map(|it| vec![it]),
        Ok(NamedMessages::Conversation { documents, .. }) => {
            read_journeys(journal, documents).await
        }
        Ok(NamedMessages::Ambiguous(_)) => Err(ambiguous(output, argument)),
        Err(fault) => Err(fault),
    };
    let journeys = match journeys {
        Ok(journeys) => journeys,
        Err(fault) if matches!(fault.reason(), Reason::NotFound | Reason::Conflict) => {
            return Ok(Err(fault));
        }
        Err(fault) => return Err(fault),
    };
    Ok(Ok(select_messages(argument, journeys)))
}

/// The messages of the journeys. The id of a derived message names that recipient's message alone,
/// although the journey holds those of all recipients.
fn select_messages(argument: &str, journeys: Vec<JourneyResponse>) -> Vec<Summary> {
    let named_id = argument.trim().to_ascii_lowercase();
    let messages: Vec<Summary> =
        journeys.into_iter().flat_map(|it| it.derived.into_iter().chain(it.message)).collect();
    let is_named = |it: &&Summary| {
        it.envelope.as_ref().is_some_and(|it| it.id == named_id && !it.parent.is_empty())
    };
    match messages.iter().find(is_named) {
        Some(derived) => vec![derived.clone()],
        None => messages,
    }
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

fn ambiguous(output: Output, argument: &str) -> Fault {
    let state =
        output.localize("nhiều văn bản có số này, hãy nêu mã", "several have it, name an id");
    not_allowed(argument, state)
}

fn print(output: Output, (action, actor): (Action, &str), outcomes: &[Outcome]) -> ExitStatus {
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
        output.print_json(&json!({
            "action": action.as_str_name().to_ascii_lowercase(),
            "actor": actor,
            "done": done,
            "not_done": not_done,
        }));
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
        assert_eq!(ids(&select_messages(" 0C", vec![journey()])), ["0c"]);
        assert_eq!(ids(&select_messages("0a", vec![journey()])), ["0b", "0c", "0a"]);
        assert_eq!(ids(&select_messages("45-CV/TU", vec![journey()])), ["0b", "0c", "0a"]);
    }

    #[test]
    fn an_argument_of_which_the_journal_changed_nothing_is_refused_with_the_state() {
        let output = Output::new(false, Lang::En);
        let target = || Target {
            argument: "45-CV/TU",
            candidates: Ok(select_messages("45-CV/TU", vec![journey()])),
        };
        let changed = outcomes_of(output, target(), &HashSet::from(["0c".to_owned()]));
        assert_eq!(changed.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(), ["0c"]);
        assert!(changed.iter().all(|it| it.fault.is_none()));

        let refused = outcomes_of(output, target(), &HashSet::new());
        let fault = refused.first().unwrap().fault.clone().unwrap();
        assert_eq!((refused.len(), fault.code.as_str()), (1, "LT-CLI-010"));
        assert!(fault.title(Lang::En).contains("taken"), "{}", fault.title(Lang::En));
    }
}
