//! `demo`: agencies with different software exchange documents, and everything that can go wrong
//! at the door does. Nothing has to be installed.

mod agency;
mod arrivals;
mod office;
mod paper;
mod report;
mod stage;
mod story;

use std::time::Duration;

use anyhow::Context as _;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::{FindRequest, Summary};
use proto::message::v1::State;
use serde_json::Value;

use crate::cli::{Demo, Link};
use crate::command::find::{ask, journal};
use crate::command::trace;
use crate::screen::{Ending, Screen};
use crate::view;

use self::office::Office;
use self::report::Report;
use self::stage::Stage;
use self::story::tell;

/// The longest the whole demonstration may take.
const LIMIT: Duration = Duration::from_secs(180);
/// How long nothing may be left on its way, once everything arrived.
const CALM: Duration = Duration::from_secs(20);

/// Where a message is that has not ended.
const UNFINISHED: [State; 7] = [
    State::Accepted,
    State::Queued,
    State::Held,
    State::InHand,
    State::Parked,
    State::Dead,
    State::InDoubt,
];

/// Shows the main job, and says whether all was as promised.
pub(crate) async fn run(screen: Screen, arguments: &Demo) -> anyhow::Result<Ending> {
    let interrupted = chassis::shutdown_signal()?;
    let mut stage = Stage::open(arguments).await?;
    screen.note(screen.say(
        "Trình diễn: bốn cơ quan, hai loại phần mềm, một trục liên thông.",
        "Demonstration: four agencies, two kinds of software, one bus.",
    ));
    let late = || Fault::new(&code::LT_CLI_013).param("seconds", LIMIT.as_secs().to_string());
    let outcome = tokio::select! {
        played = tokio::time::timeout(LIMIT, play(screen, &stage.set, arguments)) => {
            played.unwrap_or_else(|_elapsed| Err(late().into())).map(Some)
        }
        // What ends by itself has failed; why it did is the answer.
        failure = stage::failure(&mut stage.system) => Err(failure),
        () = interrupted.cancelled() => Ok(None),
    };
    screen.progress_done();
    stage.close().await;
    let Some((report, journeys)) = outcome? else { return Ok(Ending::Interrupted) };
    let transport = if arguments.broker.is_some() { "rabbitmq" } else { "embedded" };
    if screen.json {
        screen.value(&report.json(transport, &journeys));
    } else {
        report.print(screen);
    }
    Ok(if report.is_kept() { Ending::Done } else { Ending::Failed })
}

/// The demonstration itself; its counts, and the journeys worth looking at.
async fn play(
    screen: Screen,
    set: &stage::Set,
    arguments: &Demo,
) -> anyhow::Result<(Report, Vec<Value>)> {
    set.ready().await;
    let mut told = tell(screen, (&set.offices, &set.run), arguments.documents).await?;
    for it in calm(&set.link, &set.offices).await? {
        let id = it.envelope.clone().unwrap_or_default().id;
        let state = |lang| view::state(Screen { json: false, lang }, it.state());
        told.report.breach(
            format!("{id} vẫn ở trạng thái {}", state(proto::fault::Lang::Vi)),
            format!("{id} is still {}", state(proto::fault::Lang::En)),
        );
    }
    let journeys = journeys(screen, &set.link, &told.shown).await?;
    // Looked at last, so that a copy that comes late is seen.
    arrivals::compare(&set.offices, &told.expected, &mut told.report)?;
    Ok((told.report, journeys))
}

/// Waits until the journal has nothing of these offices left to do; what is left in the end.
async fn calm(link: &Link, offices: &[Office]) -> anyhow::Result<Vec<Summary>> {
    let mut journal = journal(link)?;
    let limit = tokio::time::Instant::now() + CALM;
    let mut look = tokio::time::interval(Duration::from_millis(50));
    loop {
        look.tick().await;
        let mut left = Vec::new();
        for office in offices {
            let request = FindRequest {
                organisation: office.key.clone(),
                states: UNFINISHED.map(Into::into).to_vec(),
                derived: true,
                ..FindRequest::default()
            };
            left.extend(ask(journal.find(request)).await?.messages);
        }
        if left.is_empty() || tokio::time::Instant::now() > limit {
            left.sort_by_key(|it| it.envelope.as_ref().map(|it| it.id.clone()));
            left.dedup();
            return Ok(left);
        }
    }
}

/// The journeys of the messages the story points at, printed as they are read.
async fn journeys(screen: Screen, link: &Link, shown: &[String]) -> anyhow::Result<Vec<Value>> {
    let mut journal = journal(link)?;
    let mut all = Vec::new();
    for message_id in shown {
        let journey = trace::one(&mut journal, message_id.clone()).await.context("no journey")?;
        if !screen.json {
            screen.line("");
            view::journey(screen, &journey);
            // The recall belongs to the first document's conversation: its statuses come there.
            if Some(message_id) != shown.first() {
                view::statuses(screen, &journey.statuses);
            }
        }
        all.push(view::journey_json(&journey));
    }
    Ok(all)
}
