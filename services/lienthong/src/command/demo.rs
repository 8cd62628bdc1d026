//! `demo`: simulated agencies exchange documents over a system that runs in this process. Nothing
//! has to be installed.

mod environment;
mod narration;
mod report;

use std::time::Duration;

use journal_client::JournalClient;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::{FindRequest, JourneyRequest, Summary};
use sandbox::{MessageFinder, Scenario, ScenarioReport};
use serde_json::Value;

use self::environment::{Environment, Participants, system_failure};
use crate::cli::Demo;
use crate::exit_status::ExitStatus;
use crate::journal_access::{connect_journal, journal_fault};
use crate::message_json::journey_json;
use crate::message_view::{print_journey, print_statuses};
use crate::output::Output;

/// The longest the whole demonstration may take.
const LIMIT: Duration = Duration::from_secs(180);

/// Shows the main job, and fails when an expectation was not met.
pub(crate) async fn run(output: Output, arguments: &Demo) -> anyhow::Result<ExitStatus> {
    let interrupted = chassis::shutdown_signal()?;
    let mut environment = Environment::open(arguments).await?;
    output.print_note(output.localize(
        "Trình diễn: bốn cơ quan, hai loại phần mềm, một trục liên thông.",
        "Demonstration: four agencies, two kinds of software, one bus.",
    ));
    let late = || Fault::new(&code::LT_CLI_013).param("seconds", LIMIT.as_secs().to_string());
    let playing = play(output, &environment.participants, arguments.documents);
    let outcome = tokio::select! {
        played = tokio::time::timeout(LIMIT, playing) => {
            played.unwrap_or_else(|_elapsed| Err(late().into())).map(Some)
        }
        // A system that ends before the scenario has failed, and its error explains more than the
        // scenario's.
        failure = system_failure(&mut environment.system) => Err(failure),
        () = interrupted.cancelled() => Ok(None),
    };
    output.clear_progress();
    environment.close().await;
    let Some((report, journeys)) = outcome? else { return Ok(ExitStatus::Interrupted) };
    let transport = if arguments.broker.is_some() { "rabbitmq" } else { "embedded" };
    if output.json {
        output.print_json(&report::to_json(&report, transport, &journeys));
    } else {
        report::print(output, &report);
    }
    Ok(if report.is_successful() { ExitStatus::Done } else { ExitStatus::Failed })
}

/// Plays the scenario and prints the journeys of its highlights.
async fn play(
    output: Output,
    participants: &Participants,
    ordinary_documents: u32,
) -> anyhow::Result<(ScenarioReport, Vec<Value>)> {
    participants.await_readiness().await;
    let scenario = Scenario {
        agencies: &participants.agencies,
        id_suffix: &participants.name_suffix,
        ordinary_documents,
    };
    let mut run = scenario.play(&|event| narration::print_event(output, event)).await?;
    let journal = connect_journal(&participants.client).await?;
    run.await_terminal_states(&JournalFinder(&journal)).await?;
    let journeys = print_journeys(output, &journal, run.highlights()).await?;
    Ok((run.check()?, journeys))
}

/// The search of the scenario.
struct JournalFinder<'a>(&'a JournalClient);

impl MessageFinder for JournalFinder<'_> {
    async fn find(&self, request: FindRequest) -> anyhow::Result<Vec<Summary>> {
        Ok(self.0.find(request).await.map_err(|it| journal_fault(&it))?.messages)
    }
}

/// Prints the journeys of these messages, and returns them for programs.
async fn print_journeys(
    output: Output,
    journal: &JournalClient,
    message_ids: &[String],
) -> anyhow::Result<Vec<Value>> {
    let mut journeys = Vec::new();
    for message_id in message_ids {
        let request = JourneyRequest { message_id: message_id.clone() };
        let journey = journal.journey(request).await.map_err(|it| journal_fault(&it))?;
        if !output.json {
            output.print_line("");
            print_journey(output, &journey);
            // The statuses of the first message's conversation are printed with its recall.
            if Some(message_id) != message_ids.first() {
                print_statuses(output, &journey.statuses);
            }
        }
        journeys.push(journey_json(&journey));
    }
    Ok(journeys)
}

#[cfg(test)]
mod tests;
