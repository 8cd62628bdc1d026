//! `find`: the journal, searched from the command line.

use std::time::Duration;

use chassis::Upstream;
use chassis::upstream::Network;
use jiff::civil::Date;
use jiff::tz::{Offset, TimeZone};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::journal_client::JournalClient;
use proto::journal::v1::{FindRequest, FindResponse};
use proto::message::v1::State;
use serde_json::json;
use tonic::{Response, Status};

use crate::cli::{Find, Link, StateWord};
use crate::fault;
use crate::screen::{Ending, Screen};
use crate::view;

/// Largest answer of the journal.
const ANSWER_BYTES_MAX: usize = 128 << 20;
/// The longest one question to the journal may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A client of the journal behind a link.
pub(crate) fn journal(link: &Link) -> anyhow::Result<JournalClient<Upstream>> {
    let file = link.internal_token_file.clone().unwrap_or_else(|| link.data.join("internal.token"));
    let token = chassis::secret::read(&file)?;
    let network = Network::new(&link.internal).token(token.reveal());
    let client = JournalClient::new(Upstream::network(&network)?);
    Ok(client.max_decoding_message_size(ANSWER_BYTES_MAX))
}

/// Waits for the journal's answer, for a bounded time; whatever goes wrong is a coded fault.
pub(crate) async fn ask<T>(
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, Fault> {
    let silent = || Status::deadline_exceeded(format!("no answer in {} s", PATIENCE.as_secs()));
    let outcome = tokio::time::timeout(PATIENCE, call).await;
    let answer = outcome.unwrap_or_else(|_elapsed| Err(silent()));
    answer.map(Response::into_inner).map_err(|it| fault::answered(&it, "journal"))
}

/// Finds messages.
pub(crate) async fn find(screen: Screen, arguments: Find) -> anyhow::Result<Ending> {
    let mut journal = journal(&arguments.link)?;
    let day_us = 86_400_000_000;
    let request = FindRequest {
        text: arguments.text.join(" "),
        organisation: arguments.organisation.unwrap_or_default(),
        states: arguments.states.into_iter().map(|it| state(it).into()).collect(),
        from_us: arguments.since.as_deref().map(day).transpose()?.unwrap_or_default(),
        to_us: arguments.until.as_deref().map(day).transpose()?.map_or(0, |it| it + day_us),
        limit: arguments.limit,
        cursor: arguments.cursor.unwrap_or_default(),
        derived: arguments.derived,
        ..FindRequest::default()
    };
    let found = ask(journal.find(request)).await?;
    Ok(show(screen, &found))
}

fn show(screen: Screen, found: &FindResponse) -> Ending {
    if screen.json {
        let messages: Vec<_> = found.messages.iter().map(view::summary_json).collect();
        screen.value(&json!({ "messages": messages, "next": found.next }));
    } else if found.messages.is_empty() {
        screen.note(screen.say(
            "Không thấy văn bản nào. Thử ít chữ hơn, hoặc bỏ bớt điều kiện.",
            "No document was found. Try fewer words, or fewer conditions.",
        ));
    } else {
        view::summaries(screen, &found.messages);
        if !found.next.is_empty() {
            let words = screen.say("Trang sau:", "Next page:");
            screen.note(&format!("{words} --cursor {}", found.next));
        }
    }
    if found.messages.is_empty() { Ending::NotFound } else { Ending::Done }
}

/// The beginning of a day in Vietnam.
fn day(text: &str) -> Result<i64, Fault> {
    let none = |error: jiff::Error| {
        Fault::new(&code::LT_CLI_002).param("text", text).detail(error.to_string())
    };
    let date: Date = text.parse().map_err(none)?;
    let zone = TimeZone::fixed(Offset::constant(7));
    Ok(date.to_zoned_datetime(zone).map_err(none)?.timestamp().as_microsecond())
}

fn state(word: StateWord) -> State {
    match word {
        StateWord::Accepted => State::Accepted,
        StateWord::Routed => State::Routed,
        StateWord::Queued => State::Queued,
        StateWord::Held => State::Held,
        StateWord::InHand => State::InHand,
        StateWord::Parked => State::Parked,
        StateWord::Taken => State::Taken,
        StateWord::Refused => State::Refused,
        StateWord::Dead => State::Dead,
        StateWord::InDoubt => State::InDoubt,
        StateWord::Withdrawn => State::Withdrawn,
    }
}
