//! `redrive`, `release`, `withdraw`, `confirm`: what an operator does with messages that wait.

use chassis::Upstream;
use proto::fault::code;
use proto::fault::v1::{Fault, Reason};
use proto::journal::v1::command_request::Action;
use proto::journal::v1::journal_client::JournalClient;
use proto::journal::v1::{CommandRequest, JourneyResponse, Summary};
use proto::message::v1::State;
use serde_json::{Value, json};

use crate::cli::Act;
use crate::command::find::{ask, journal};
use crate::command::trace::{self, Meant};
use crate::fault;
use crate::screen::{Ending, Screen};
use crate::table::Row;
use crate::view;

/// What became of one thing that was asked for.
struct Outcome {
    /// The message, or the words that named none.
    id: String,
    /// The organisation it goes to.
    recipients: Vec<String>,
    /// Why nothing was done; none: it was done.
    fault: Option<Fault>,
}

/// Does what is asked with every message named, each by itself.
pub(crate) async fn run(screen: Screen, action: Action, asked: &Act) -> anyhow::Result<Ending> {
    let mut journal = journal(&asked.link)?;
    let mut outcomes = Vec::new();
    for what in &asked.what {
        outcomes.extend(named(screen, &mut journal, what, action).await?);
    }
    let message_ids: Vec<String> =
        outcomes.iter().filter(|it| it.fault.is_none()).map(|it| it.id.clone()).collect();
    let actor = asked.actor.clone().unwrap_or_else(chassis::user);
    if !message_ids.is_empty() {
        let request = CommandRequest {
            action: action.into(),
            message_ids,
            reason: asked.reason.clone(),
            actor: actor.clone(),
        };
        let answer = ask(journal.command(request)).await?;
        for it in outcomes.iter_mut().filter(|it| answer.not_done.contains(&it.id)) {
            it.fault = Some(unfit(&it.id, screen.say("đã đổi", "changed meanwhile")));
        }
    }
    Ok(show(screen, (action, &actor), &outcomes))
}

/// The messages that words name and that the action is for.
async fn named(
    screen: Screen,
    journal: &mut JournalClient<Upstream>,
    what: &str,
    action: Action,
) -> Result<Vec<Outcome>, Fault> {
    let journeys = match trace::meant(journal, what).await {
        Ok(Meant::Message(id)) => trace::one(journal, id).await.map(|it| vec![it]),
        Ok(Meant::Conversation { documents, .. }) => trace::all(journal, documents).await,
        Ok(Meant::Several(_)) => Err(several(screen, what)),
        Err(fault) => Err(fault),
    };
    let journeys = match journeys {
        Ok(journeys) => journeys,
        Err(fault) if matches!(fault.reason(), Reason::NotFound | Reason::Conflict) => {
            let (id, recipients) = (what.to_owned(), Vec::new());
            return Ok(vec![Outcome { id, recipients, fault: Some(fault) }]);
        }
        Err(fault) => return Err(fault),
    };
    let id = what.trim().to_ascii_lowercase();
    let all: Vec<&Summary> = journeys.iter().flat_map(messages).collect();
    let this: Vec<&Summary> = all
        .iter()
        .copied()
        // The id of what was made for one recipient means that recipient alone.
        .filter(|it| it.envelope.as_ref().is_some_and(|it| it.id == id && !it.parent.is_empty()))
        .collect();
    let all = if this.is_empty() { all } else { this };
    let fitting: Vec<Outcome> =
        all.iter().filter(|it| journal::allows(action, it.state())).map(|it| outcome(it)).collect();
    if !fitting.is_empty() {
        return Ok(fitting);
    }
    let state = all.first().map_or(State::Unspecified, |it| it.state());
    let fault = Some(unfit(what, view::state(screen, state)));
    Ok(vec![Outcome { id: what.to_owned(), recipients: Vec::new(), fault }])
}

fn messages(of: &JourneyResponse) -> impl Iterator<Item = &Summary> {
    of.derived.iter().chain(&of.message)
}

fn outcome(of: &Summary) -> Outcome {
    let envelope = of.envelope.clone().unwrap_or_default();
    Outcome { id: envelope.id, recipients: envelope.recipients, fault: None }
}

fn unfit(id: &str, state: &str) -> Fault {
    Fault::new(&code::LT_CLI_010).param("id", id).param("state", state)
}

fn several(screen: Screen, what: &str) -> Fault {
    unfit(what, screen.say("nhiều văn bản có số này, hãy nêu mã", "several have it, name an id"))
}

fn show(screen: Screen, (action, actor): (Action, &str), outcomes: &[Outcome]) -> Ending {
    let done = outcomes.iter().filter(|it| it.fault.is_none()).count();
    let first = outcomes.iter().find_map(|it| it.fault.as_ref());
    let ending = match first {
        None => Ending::Done,
        Some(_) if done > 0 => Ending::Partial,
        Some(fault) => Ending::of(fault),
    };
    if screen.json {
        let ids = |it: &&Outcome| Value::from(it.id.clone());
        let not_done: Vec<_> = outcomes
            .iter()
            .filter_map(|it| {
                Some(json!({ "id": it.id, "error": fault::value(it.fault.as_ref()?) }))
            })
            .collect();
        screen.value(&json!({
            "action": action.as_str_name().to_ascii_lowercase(),
            "actor": actor,
            "done": outcomes.iter().filter(|it| it.fault.is_none()).map(|it| ids(&it)).collect::<Vec<_>>(),
            "not_done": not_done,
        }));
        return ending;
    }
    let rows: Vec<Row> = outcomes
        .iter()
        .map(|it| {
            let words = match &it.fault {
                None => screen.say("✓ đã làm", "✓ done").to_owned(),
                Some(fault) => format!("✗ {}: {}", fault.code, fault.title(screen.lang)),
            };
            vec![it.id.clone(), it.recipients.join(", "), words].into()
        })
        .collect();
    screen.table(
        &[screen.say("Mã", "Id"), screen.say("Nơi nhận", "To"), screen.say("Kết quả", "Result")],
        &rows,
    );
    if let Some(fault) = first {
        screen.note(&format!("{}: {}", fault.code, fault.remedy(screen.lang)));
    }
    ending
}
