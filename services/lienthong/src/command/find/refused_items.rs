//! Items that were refused at the door: they never became messages, so the journal lists them apart.

use journal_client::JournalClient;
use proto::fault::v1::Fault;
use proto::journal::v1::{FindRefusalsRequest, FindRefusalsResponse, FindRequest, Refusal};
use serde_json::{Value, json};

use crate::fault::fault_json;
use crate::journal_access::journal_fault;
use crate::labels::type_label;
use crate::output::Output;
use crate::table::Row;
use crate::text_format::{local_time, rfc3339};

/// The mark of a list that has no further page, in a cursor of both lists.
const NO_PAGE: &str = "-";

/// Finds items that were refused at the door by the conditions of a search of messages, and by the
/// code of their refusal. `cursor` is that of their own pages; none when there are no more.
pub(super) async fn find_refused_items(
    journal: &JournalClient,
    request: &FindRequest,
    (code, cursor): (&str, Option<String>),
) -> Result<FindRefusalsResponse, Fault> {
    let Some(cursor) = cursor else { return Ok(FindRefusalsResponse::default()) };
    let request = FindRefusalsRequest {
        text: request.text.clone(),
        application: request.application.clone(),
        organisation: request.organisation.clone(),
        key: request.key.clone(),
        code: code.to_uppercase(),
        from_us: request.from_us,
        to_us: request.to_us,
        limit: request.limit,
        cursor,
        ..FindRefusalsRequest::default()
    };
    journal.find_refusals(request).await.map_err(|it| journal_fault(&it))
}

/// The cursors of messages and of refused items in one; none of a list that has no more.
pub(super) fn split_cursor(cursor: &str) -> (Option<String>, Option<String>) {
    let (messages, items) = cursor.split_once('/').unwrap_or((cursor, ""));
    let page = |it: &str| (it != NO_PAGE).then(|| it.to_owned());
    (page(messages), page(items))
}

/// One cursor of both lists; empty when neither has a further page.
pub(super) fn join_cursors(messages: &str, items: &str) -> String {
    if messages.is_empty() && items.is_empty() {
        return String::new();
    }
    let page = |it: &str| if it.is_empty() { NO_PAGE.to_owned() } else { it.to_owned() };
    format!("{}/{}", page(messages), page(items))
}

/// A refused item for programs.
pub(super) fn refused_item_json(item: &Refusal) -> Value {
    json!({
        "application": item.application,
        "organisation": item.organisation,
        "key": item.key,
        "number": item.number,
        "type": item.r#type().as_str(),
        "format": item.format,
        "fields": item.fields,
        "first_at": rfc3339(item.first_at_us),
        "last_at": rfc3339(item.at_us),
        "count": item.count,
        "fault": item.fault.as_ref().map(fault_json),
    })
}

/// Prints refused items as a table under a line that says what they are.
pub(super) fn print_refused_items(output: Output, items: &[Refusal]) {
    output.print_line(output.localize(
        "Bị từ chối ngay khi gửi, chưa vào trục:",
        "Refused at the door, never on the bus:",
    ));
    let rows: Vec<Row> = items.iter().map(|it| cells(output, it).into()).collect();
    let headings = [
        output.localize("Lần cuối, giờ Việt Nam", "Last time, Vietnam"),
        output.localize("Mấy lần", "Times"),
        output.localize("Ứng dụng gửi", "Application"),
        output.localize("Loại", "Type"),
        output.localize("Số, ký hiệu", "Number"),
        output.localize("Khóa", "Key"),
        output.localize("Vì sao", "Why"),
    ];
    output.print_table(&headings, &rows);
}

fn cells(output: Output, item: &Refusal) -> Vec<String> {
    let message_type = match item.r#type {
        0 => String::new(),
        _ => type_label(output.lang, item.r#type()).to_owned(),
    };
    let mut why = match &item.fault {
        Some(fault) => format!("{}: {}", fault.code, fault.title(output.lang)),
        None => String::new(),
    };
    if !item.fields.is_empty() {
        why.push_str(&format!(" ({})", item.fields.join(", ")));
    }
    vec![
        local_time(item.at_us),
        item.count.to_string(),
        item.application.clone(),
        message_type,
        item.number.clone(),
        item.key.clone(),
        why,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_cursor_leads_through_both_lists() {
        let page = |it: &str| Some(it.to_owned());
        assert_eq!(split_cursor(""), (page(""), page("")), "the first pages");
        assert_eq!(join_cursors("", ""), "", "the last pages");
        assert_eq!(split_cursor(&join_cursors("1:a", "2:b")), (page("1:a"), page("2:b")));
        assert_eq!(split_cursor(&join_cursors("1:a", "")), (page("1:a"), None));
        assert_eq!(split_cursor(&join_cursors("", "2:b")), (None, page("2:b")));
    }
}
