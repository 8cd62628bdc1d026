//! `trace`: the story of a document, by its id or its number.

use std::collections::BTreeSet;

use chassis::Upstream;
use proto::fault::code;
use proto::fault::v1::{Fault, Reason};
use proto::journal::v1::journal_client::JournalClient;
use proto::journal::v1::{FindRequest, JourneyRequest, JourneyResponse, Summary};
use proto::message::v1::MessageType;
use serde_json::json;

use crate::cli::Link;
use crate::command::find::{ask, journal};
use crate::fault;
use crate::screen::{Ending, Screen};
use crate::view;

/// Most messages of one question.
const PAGE: u32 = 500;

/// What a person's words stand for.
pub(crate) enum Meant {
    /// This message.
    Message(String),
    /// The documents of one conversation, in their order, and the statuses about them.
    Conversation { documents: Vec<Summary>, statuses: Vec<Summary> },
    /// Documents of several conversations have this number.
    Several(Vec<Summary>),
}

/// Shows the journey of a message, or of a document with everything that followed it.
pub(crate) async fn run(screen: Screen, what: &str, link: &Link) -> anyhow::Result<Ending> {
    let mut journal = journal(link)?;
    let found = match meant(&mut journal, what).await {
        Ok(Meant::Several(candidates)) => return Ok(choose(screen, &candidates)),
        Ok(Meant::Message(id)) => one(&mut journal, id).await.map(|it| (vec![it], Vec::new())),
        Ok(Meant::Conversation { documents, statuses }) => {
            all(&mut journal, documents).await.map(|it| (it, statuses))
        }
        Err(fault) => Err(fault),
    };
    let (mut journeys, statuses) = match found {
        Ok(found) => found,
        Err(fault) if fault.reason() == Reason::NotFound => return Ok(nothing(screen, &fault)),
        Err(fault) => return Err(fault.into()),
    };
    if screen.json {
        journeys.extend(all(&mut journal, statuses).await?);
        let journeys: Vec<_> = journeys.iter().map(view::journey_json).collect();
        screen.value(&json!({ "journeys": journeys, "candidates": [] }));
        return Ok(Ending::Done);
    }
    for (place, it) in journeys.iter().enumerate() {
        if place > 0 {
            screen.line("");
        }
        view::journey(screen, it);
    }
    // Each journey of a conversation names the same statuses.
    view::statuses(screen, journeys.last().map_or(&[], |it| it.statuses.as_slice()));
    Ok(Ending::Done)
}

/// Finds out what is meant by an id or a number.
pub(crate) async fn meant(
    journal: &mut JournalClient<Upstream>,
    what: &str,
) -> Result<Meant, Fault> {
    if uuid::Uuid::parse_str(what.trim()).is_ok() {
        return Ok(Meant::Message(what.trim().to_ascii_lowercase()));
    }
    let request = FindRequest {
        text: what.to_owned(),
        r#type: MessageType::Document.into(),
        limit: PAGE,
        ..FindRequest::default()
    };
    let mut found = ask(journal.find(request.clone())).await?.messages;
    if found.is_empty() {
        // A meeting or a notice has words to be found by, and a status its document's number.
        let anything = FindRequest { r#type: 0, ..request };
        found = ask(journal.find(anything)).await?.messages;
    }
    let mut best = nearest(what, found);
    let conversations: BTreeSet<String> = best.iter().map(conversation).collect();
    let mut conversations = conversations.into_iter();
    match (conversations.next(), conversations.next()) {
        (None, _) => Err(Fault::new(&code::LT_CLI_007).param("text", what)),
        (Some(_), Some(_)) => {
            best.truncate(50);
            Ok(Meant::Several(best))
        }
        (Some(conversation), None) => {
            let request = FindRequest { conversation, limit: PAGE, ..FindRequest::default() };
            let mut messages = ask(journal.find(request)).await?.messages;
            messages.reverse();
            let (statuses, documents) = messages.into_iter().partition(is_status);
            Ok(Meant::Conversation { documents, statuses })
        }
    }
}

/// Of what was found, what has this very number; everything, when nothing has.
fn nearest(what: &str, found: Vec<Summary>) -> Vec<Summary> {
    let number = name_folding::fold_number(what);
    let is_exact = |it: &Summary| {
        it.index.as_ref().is_some_and(|it| name_folding::fold_number(&it.number) == number)
    };
    if found.iter().any(is_exact) { found.into_iter().filter(is_exact).collect() } else { found }
}

fn conversation(of: &Summary) -> String {
    of.envelope.as_ref().map_or_else(String::new, |it| it.conversation.clone())
}

fn is_status(of: &Summary) -> bool {
    of.envelope.as_ref().is_some_and(|it| it.r#type() == MessageType::Status)
}

/// The journey of one message.
pub(crate) async fn one(
    journal: &mut JournalClient<Upstream>,
    message_id: String,
) -> Result<JourneyResponse, Fault> {
    ask(journal.journey(JourneyRequest { message_id })).await
}

/// The journeys of messages, in their order.
pub(crate) async fn all(
    journal: &mut JournalClient<Upstream>,
    of: Vec<Summary>,
) -> Result<Vec<JourneyResponse>, Fault> {
    let mut journeys = Vec::with_capacity(of.len());
    for it in of {
        journeys.push(one(journal, it.envelope.unwrap_or_default().id).await?);
    }
    Ok(journeys)
}

fn nothing(screen: Screen, fault: &Fault) -> Ending {
    if screen.json {
        let error = fault::value(fault);
        screen.value(&json!({ "journeys": [], "candidates": [], "error": error }));
    } else {
        screen.complain(fault);
    }
    Ending::NotFound
}

fn choose(screen: Screen, candidates: &[Summary]) -> Ending {
    if screen.json {
        let candidates: Vec<_> = candidates.iter().map(view::summary_json).collect();
        screen.value(&json!({ "journeys": [], "candidates": candidates }));
    } else {
        view::summaries(screen, candidates);
        screen.note(screen.say(
            "Nhiều văn bản có số này. Xem một văn bản: lienthong trace MÃ",
            "Several documents have this number. See one of them: lienthong trace ID",
        ));
    }
    Ending::Partial
}
