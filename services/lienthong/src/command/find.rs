//! `find`: searches the journal.

use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::{FindRequest, FindResponse};
use proto::message::v1::State;
use serde_json::json;

use crate::cli::{Find, StateFilter};
use crate::client_settings::ClientSettings;
use crate::exit_status::ExitStatus;
use crate::journal_access::{connect_journal, journal_fault};
use crate::message_json::message_json;
use crate::message_view::print_messages;
use crate::output::Output;
use crate::text_format::parse_day;

/// Microseconds of a day.
const DAY_US: i64 = 86_400_000_000;

/// Prints the messages that match.
pub(crate) async fn find(
    output: Output,
    client: &ClientSettings,
    arguments: Find,
) -> anyhow::Result<ExitStatus> {
    let journal = connect_journal(client).await?;
    let request = FindRequest {
        text: arguments.text.join(" "),
        organisation: arguments.organisation.unwrap_or_default(),
        states: arguments.states.into_iter().map(|it| state(it).into()).collect(),
        from_us: arguments.since.as_deref().map(day).transpose()?.unwrap_or_default(),
        to_us: arguments.until.as_deref().map(day).transpose()?.map_or(0, |it| it + DAY_US),
        limit: arguments.limit,
        cursor: arguments.cursor.unwrap_or_default(),
        derived: arguments.derived,
        ..FindRequest::default()
    };
    let found = journal.find(request).await.map_err(|it| journal_fault(&it))?;
    Ok(print(output, &found))
}

fn print(output: Output, found: &FindResponse) -> ExitStatus {
    if output.json {
        let messages: Vec<_> = found.messages.iter().map(message_json).collect();
        output.print_json(&json!({ "messages": messages, "next": found.next }));
    } else if found.messages.is_empty() {
        output.print_note(output.localize(
            "Không thấy văn bản nào. Thử ít chữ hơn, hoặc bỏ bớt điều kiện.",
            "No document was found. Try fewer words, or fewer conditions.",
        ));
    } else {
        print_messages(output, &found.messages);
        if !found.next.is_empty() {
            let next_page = output.localize("Trang sau:", "Next page:");
            output.print_note(&format!("{next_page} --cursor {}", found.next));
        }
    }
    if found.messages.is_empty() { ExitStatus::NotFound } else { ExitStatus::Done }
}

/// The beginning of a day that was given as an option.
fn day(text: &str) -> Result<i64, Fault> {
    parse_day(text).map_err(|error| {
        Fault::new(&code::LT_CLI_002).param("text", text).detail(error.to_string())
    })
}

fn state(filter: StateFilter) -> State {
    match filter {
        StateFilter::Accepted => State::Accepted,
        StateFilter::Routed => State::Routed,
        StateFilter::Queued => State::Queued,
        StateFilter::Held => State::Held,
        StateFilter::InHand => State::InHand,
        StateFilter::Parked => State::Parked,
        StateFilter::Taken => State::Taken,
        StateFilter::Refused => State::Refused,
        StateFilter::Dead => State::Dead,
        StateFilter::InDoubt => State::InDoubt,
        StateFilter::Withdrawn => State::Withdrawn,
    }
}
