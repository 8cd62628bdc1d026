//! `demo`: simulated agencies exchange documents over a system that runs in this process. Nothing
//! has to be installed.

mod environment;
mod narration;
mod report;

use std::time::Duration;

use anyhow::Context as _;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::{FindRequest, Summary};
use sandbox::{MessageFinder, Scenario, ScenarioReport};
use serde_json::Value;

use self::environment::{Environment, Participants, system_failure};
use crate::cli::{Demo, Link};
use crate::command::find::{ask, journal};
use crate::command::trace;
use crate::screen::{Ending, Screen};
use crate::view;

/// The longest the whole demonstration may take.
const LIMIT: Duration = Duration::from_secs(180);

/// Shows the main job, and fails when an expectation was not met.
pub(crate) async fn run(screen: Screen, arguments: &Demo) -> anyhow::Result<Ending> {
    let interrupted = chassis::shutdown_signal()?;
    let mut environment = Environment::open(arguments).await?;
    screen.note(screen.say(
        "Trình diễn: bốn cơ quan, hai loại phần mềm, một trục liên thông.",
        "Demonstration: four agencies, two kinds of software, one bus.",
    ));
    let late = || Fault::new(&code::LT_CLI_013).param("seconds", LIMIT.as_secs().to_string());
    let playing = play(screen, &environment.participants, arguments.documents);
    let outcome = tokio::select! {
        played = tokio::time::timeout(LIMIT, playing) => {
            played.unwrap_or_else(|_elapsed| Err(late().into())).map(Some)
        }
        // A system that ends before the scenario has failed, and its error explains more than the
        // scenario's.
        failure = system_failure(&mut environment.system) => Err(failure),
        () = interrupted.cancelled() => Ok(None),
    };
    screen.progress_done();
    environment.close().await;
    let Some((report, journeys)) = outcome? else { return Ok(Ending::Interrupted) };
    let transport = if arguments.broker.is_some() { "rabbitmq" } else { "embedded" };
    if screen.json {
        screen.value(&report::to_json(&report, transport, &journeys));
    } else {
        report::print(screen, &report);
    }
    Ok(if report.is_successful() { Ending::Done } else { Ending::Failed })
}

/// Plays the scenario and prints the journeys of its highlights.
async fn play(
    screen: Screen,
    participants: &Participants,
    ordinary_documents: u32,
) -> anyhow::Result<(ScenarioReport, Vec<Value>)> {
    participants.await_readiness().await;
    let scenario = Scenario {
        agencies: &participants.agencies,
        id_suffix: &participants.name_suffix,
        ordinary_documents,
    };
    let mut run = scenario.play(&|event| narration::print_event(screen, event)).await?;
    run.await_terminal_states(&JournalFinder(&participants.link)).await?;
    let journeys = print_journeys(screen, &participants.link, run.highlights()).await?;
    Ok((run.check()?, journeys))
}

/// Searches the journal behind a link.
struct JournalFinder<'a>(&'a Link);

impl MessageFinder for JournalFinder<'_> {
    async fn find(&self, request: FindRequest) -> anyhow::Result<Vec<Summary>> {
        let mut journal = journal(self.0)?;
        Ok(ask(journal.find(request)).await?.messages)
    }
}

/// Prints the journeys of these messages, and returns them for programs.
async fn print_journeys(
    screen: Screen,
    link: &Link,
    message_ids: &[String],
) -> anyhow::Result<Vec<Value>> {
    let mut journal = journal(link)?;
    let mut journeys = Vec::new();
    for message_id in message_ids {
        let journey = trace::one(&mut journal, message_id.clone()).await.context("no journey")?;
        if !screen.json {
            screen.line("");
            view::journey(screen, &journey);
            // The statuses of the first message's conversation are printed with its recall.
            if Some(message_id) != message_ids.first() {
                view::statuses(screen, &journey.statuses);
            }
        }
        journeys.push(view::journey_json(&journey));
    }
    Ok(journeys)
}
