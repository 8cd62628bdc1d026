//! `find`: searches the journal.

mod refused_items;

use chassis::Clock;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::{FindRefusalsResponse, FindRequest, FindResponse};
use proto::message::v1::State;
use serde_json::json;

use self::refused_items::{
    find_refused_items, join_cursors, print_refused_items, refused_item_json, split_cursor,
};
use crate::cli::{Find, StateFilter};
use crate::client_settings::ClientSettings;
use crate::directory_lookup::{check_application, export_registry, resolve_organisation};
use crate::exit_status::ExitStatus;
use crate::journal_access::{connect_journal, journal_fault};
use crate::message_json::message_json;
use crate::message_view::print_messages;
use crate::output::Output;
use crate::text_format::parse_period;

/// Prints the messages that match, and with them what was refused at the door: where refused ones
/// are asked for, and where a text leads to no message.
pub(crate) async fn find(
    output: Output,
    client: &ClientSettings,
    arguments: Find,
) -> anyhow::Result<ExitStatus> {
    let (since, until) = match &arguments.on {
        Some(day) => (Some(day), Some(day)),
        None => (arguments.since.as_ref(), arguments.until.as_ref()),
    };
    let from_us = since.map(|it| period(it)).transpose()?.map_or(0, |(begin, _)| begin);
    let to_us = until.map(|it| period(it)).transpose()?.map_or(0, |(_, end)| end);
    let journal = connect_journal(client).await?;
    let organisation = resolve_parties(client, &arguments).await?;
    let code = arguments.code.clone().unwrap_or_default().to_ascii_uppercase();
    let is_refused = |it: &StateFilter| matches!(it, StateFilter::Refused);
    let wants_refused = arguments.states.iter().any(is_refused) || !code.is_empty();
    let (cursor, item_cursor) = split_cursor(arguments.cursor.as_deref().unwrap_or_default());
    let search = search_of(arguments, organisation);
    let request =
        FindRequest { from_us, to_us, cursor: cursor.clone().unwrap_or_default(), ..search };
    let messages = match cursor {
        Some(_) => journal.find(request.clone()).await.map_err(|it| journal_fault(&it))?,
        None => FindResponse::default(),
    };
    let is_lost = messages.messages.is_empty() && !request.text.is_empty();
    let items = match wants_refused || is_lost && request.states.is_empty() {
        true => find_refused_items(&journal, &request, (&code, item_cursor)).await?,
        false => FindRefusalsResponse::default(),
    };
    // A list of messages alone has the journal's own cursor.
    let next = match wants_refused {
        true => join_cursors(&messages.next, &items.next),
        false => messages.next.clone(),
    };
    Ok(print(output, (&messages, &items), &next))
}

fn search_of(arguments: Find, organisation: String) -> FindRequest {
    FindRequest {
        text: arguments.text.join(" "),
        organisation,
        application: arguments.application.unwrap_or_default(),
        key: arguments.key.unwrap_or_default(),
        code: arguments.code.unwrap_or_default().to_ascii_uppercase(),
        states: arguments.states.into_iter().map(|it| state(it).into()).collect(),
        limit: arguments.limit,
        derived: arguments.derived,
        ..FindRequest::default()
    }
}

fn print(
    output: Output,
    (found, items): (&FindResponse, &FindRefusalsResponse),
    next: &str,
) -> ExitStatus {
    let is_empty = found.messages.is_empty() && items.refusals.is_empty();
    if output.json {
        let messages: Vec<_> = found.messages.iter().map(message_json).collect();
        let refused: Vec<_> = items.refusals.iter().map(refused_item_json).collect();
        output.print_json(&json!({ "messages": messages, "refused_items": refused, "next": next }));
    } else if is_empty {
        output.print_note(output.localize(
            "Không thấy văn bản nào. Thử ít chữ hơn, hoặc bỏ bớt điều kiện.",
            "No document was found. Try fewer words, or fewer conditions.",
        ));
    } else {
        print_lists(output, found, items);
        if !next.is_empty() {
            let next_page = output.localize("Trang sau:", "Next page:");
            output.print_note(&format!("{next_page} --cursor {next}"));
        }
    }
    if is_empty { ExitStatus::NotFound } else { ExitStatus::Done }
}

/// Prints messages, and refused items apart from them.
fn print_lists(output: Output, found: &FindResponse, items: &FindRefusalsResponse) {
    if items.refusals.is_empty() {
        return print_messages(output, &found.messages);
    }
    print_refused_items(output, &items.refusals);
    if !found.messages.is_empty() {
        output.print_line("");
        output.print_line(output.localize("Đã vào trục:", "Taken by the bus:"));
        print_messages(output, &found.messages);
    }
}

/// The key of the organisation that the options name. An organisation or application that the
/// registry does not know is an error, because it would find nothing without saying why.
async fn resolve_parties(client: &ClientSettings, arguments: &Find) -> anyhow::Result<String> {
    if arguments.organisation.is_none() && arguments.application.is_none() {
        return Ok(String::new());
    }
    let snapshot = export_registry(client).await?;
    if let Some(application) = &arguments.application {
        check_application(&snapshot, application)?;
    }
    let organisation = arguments.organisation.as_deref();
    Ok(organisation.map(|it| resolve_organisation(&snapshot, it)).transpose()?.unwrap_or_default())
}

/// The period that an option names, as microseconds since 1970 UTC.
fn period(text: &str) -> Result<(i64, i64), Fault> {
    let found = parse_period(text, Clock::System.now_us());
    found.ok_or_else(|| Fault::new(&code::LT_CLI_002).param("text", text))
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
