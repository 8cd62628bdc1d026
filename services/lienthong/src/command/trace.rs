//! `trace`: the journey of a document, by its id or its number.

use proto::fault::v1::{Fault, Reason};
use proto::journal::v1::Summary;
use serde_json::json;

use crate::client_settings::ClientSettings;
use crate::document_lookup::{NamedMessages, find_named, read_journey, read_journeys};
use crate::exit_status::ExitStatus;
use crate::fault::fault_json;
use crate::journal_access::connect_journal;
use crate::message_json::{journey_json, message_json};
use crate::message_view::{print_journey, print_messages, print_reports, print_statuses};
use crate::output::Output;

/// Prints the journey of a message, or those of all messages of a document's conversation.
pub(crate) async fn run(
    output: Output,
    client: &ClientSettings,
    text: &str,
) -> anyhow::Result<ExitStatus> {
    let journal = connect_journal(client).await?;
    let journeys = match find_named(&journal, text).await {
        Ok(NamedMessages::Ambiguous(candidates)) => {
            return Ok(print_candidates(output, &candidates));
        }
        Ok(NamedMessages::Message(id)) => {
            read_journey(&journal, id).await.map(|it| (vec![it], Vec::new()))
        }
        Ok(NamedMessages::Conversation { documents, statuses }) => {
            read_journeys(&journal, documents).await.map(|it| (it, statuses))
        }
        Err(fault) => Err(fault),
    };
    let (mut journeys, statuses) = match journeys {
        Ok(journeys) => journeys,
        Err(fault) if fault.reason() == Reason::NotFound => {
            return Ok(print_not_found(output, &fault));
        }
        Err(fault) => return Err(fault.into()),
    };
    if output.json {
        journeys.extend(read_journeys(&journal, statuses).await?);
        let journeys: Vec<_> = journeys.iter().map(journey_json).collect();
        output.print_json(&json!({ "journeys": journeys, "candidates": [] }));
        return Ok(ExitStatus::Done);
    }
    for (index, it) in journeys.iter().enumerate() {
        if index > 0 {
            output.print_line("");
        }
        print_journey(output, it);
        print_reports(output, it);
    }
    // Statuses belong to the conversation, so every journey of it lists the same ones.
    print_statuses(output, journeys.last().map_or(&[], |it| it.statuses.as_slice()));
    Ok(ExitStatus::Done)
}

fn print_not_found(output: Output, fault: &Fault) -> ExitStatus {
    if output.json {
        let error = fault_json(fault);
        output.print_json(&json!({ "journeys": [], "candidates": [], "error": error }));
    } else {
        output.print_fault_text(fault);
    }
    ExitStatus::NotFound
}

fn print_candidates(output: Output, candidates: &[Summary]) -> ExitStatus {
    if output.json {
        let candidates: Vec<_> = candidates.iter().map(message_json).collect();
        output.print_json(&json!({ "journeys": [], "candidates": candidates }));
    } else {
        print_messages(output, candidates);
        output.print_note(output.localize(
            "Nhiều văn bản có số này. Xem một văn bản: lienthong trace MÃ",
            "Several documents have this number. See one of them: lienthong trace ID",
        ));
    }
    ExitStatus::Partial
}
