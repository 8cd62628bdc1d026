//! `find` and `trace`: the journal, read from the command line.

use anyhow::Context as _;
use chassis::Upstream;
use chassis::upstream::Network;
use jiff::civil::Date;
use jiff::tz::{Offset, TimeZone};
use proto::journal::v1::journal_client::JournalClient;
use proto::journal::v1::{FindRequest, FindResponse, JourneyRequest, State};
use serde_json::json;

use crate::cli::{Find, Link, StateWord};
use crate::screen::{Ending, Screen};
use crate::view;

/// A client of the journal behind a link.
pub(crate) fn journal(link: &Link) -> anyhow::Result<JournalClient<Upstream>> {
    let file = link.internal_token_file.clone().unwrap_or_else(|| link.data.join("internal.token"));
    let token = chassis::secret::read(&file).context("the internal token cannot be read")?;
    let network = Network::new(&link.internal).token(token.reveal());
    Ok(JournalClient::new(Upstream::network(&network)?).max_decoding_message_size(128 << 20))
}

/// Finds messages.
pub(crate) async fn find(screen: Screen, arguments: Find) -> anyhow::Result<Ending> {
    let mut journal = journal(&arguments.link)?;
    let day_us = 86_400_000_000;
    let request = FindRequest {
        text: arguments.text,
        organisation: arguments.organisation.unwrap_or_default(),
        states: arguments.states.into_iter().map(|it| state(it).into()).collect(),
        from_us: arguments.since.as_deref().map(day).transpose()?.unwrap_or_default(),
        to_us: arguments.until.as_deref().map(day).transpose()?.map_or(0, |it| it + day_us),
        limit: arguments.limit,
        cursor: arguments.cursor.unwrap_or_default(),
        ..FindRequest::default()
    };
    let found = journal.find(request).await?.into_inner();
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

/// Shows the journey of one message, by its id or its number.
pub(crate) async fn trace(screen: Screen, what: String, link: &Link) -> anyhow::Result<Ending> {
    let mut journal = journal(link)?;
    let is_id = uuid::Uuid::parse_str(what.trim()).is_ok();
    let message_id = if is_id {
        what.trim().to_ascii_lowercase()
    } else {
        let request = FindRequest { text: what, limit: 20, ..FindRequest::default() };
        let found = journal.find(request).await?.into_inner();
        match found.messages.as_slice() {
            [one] => one.envelope.clone().unwrap_or_default().id,
            _ => return Ok(show(screen, &found)),
        }
    };
    let journey = journal.journey(JourneyRequest { message_id }).await?.into_inner();
    if screen.json {
        screen.value(&view::journey_json(&journey));
    } else {
        view::journey(screen, &journey);
    }
    Ok(Ending::Done)
}

/// The beginning of a day in Vietnam.
fn day(text: &str) -> anyhow::Result<i64> {
    let date: Date = text.parse().with_context(|| format!("`{text}` is no day yyyy-mm-dd"))?;
    let zone = TimeZone::fixed(Offset::constant(7));
    Ok(date.to_zoned_datetime(zone)?.timestamp().as_microsecond())
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
