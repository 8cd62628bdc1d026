//! Messages and journeys as tables.

use proto::fault::Lang;
use proto::journal::v1::{JourneyResponse, Summary};
use proto::message::v1::{Fact, loss};

use crate::labels::{state_label, step_label, type_label};
use crate::output::Output;
use crate::table::Row;
use crate::text_format::{duration, local_time, local_time_of_day, truncate};

/// Prints messages as a table.
pub(crate) fn print_messages(output: Output, messages: &[Summary]) {
    let rows: Vec<Row> = messages.iter().map(|it| message_row(output, it).into()).collect();
    output.print_table(&message_headings(output), &rows);
}

/// Prints messages to choose from, numbered from 1.
pub(crate) fn print_choices(output: Output, messages: &[Summary]) {
    let numbered = messages.iter().zip(1..).map(|(it, number): (&Summary, usize)| {
        let mut cells = message_row(output, it);
        cells.insert(0, number.to_string());
        Row::from(cells)
    });
    let mut headings = vec!["#"];
    headings.extend(message_headings(output));
    output.print_table(&headings, &numbered.collect::<Vec<_>>());
}

fn message_headings(output: Output) -> [&'static str; 7] {
    [
        output.localize("Giờ Việt Nam", "Time in Vietnam"),
        output.localize("Loại", "Type"),
        output.localize("Số, ký hiệu", "Number"),
        output.localize("Trích yếu", "Subject"),
        output.localize("Gửi → nhận", "From → to"),
        output.localize("Trạng thái", "State"),
        output.localize("Mã", "Id"),
    ]
}

fn message_row(output: Output, of: &Summary) -> Vec<String> {
    let envelope = of.envelope.clone().unwrap_or_default();
    let index = of.index.clone().unwrap_or_default();
    vec![
        local_time(envelope.accepted_at_us),
        type_label(output.lang, envelope.r#type()).to_owned(),
        index.number,
        truncate(&index.subject, 60),
        format!("{} → {}", envelope.sender, envelope.recipients.join(", ")),
        state_cell(output, of),
        envelope.id,
    ]
}

/// The state of a message, how many recipients have it, and its fault.
fn state_cell(output: Output, of: &Summary) -> String {
    let mut words = state_label(output.lang, of.state()).to_owned();
    if of.recipients_total > 0 {
        words.push_str(&format!(" {}/{}", of.recipients_taken, of.recipients_total));
    }
    if of.recipients_failed > 0 {
        words.push_str(&format!(", {} {}", of.recipients_failed, output.localize("lỗi", "failed")));
    }
    if let Some(fault) = &of.fault {
        words.push_str(&format!(" {}", fault.code));
    }
    words
}

/// Prints the facts of a message, and then those of the message derived for each recipient.
pub(crate) fn print_journey(output: Output, journey: &JourneyResponse) {
    let message = journey.message.clone().unwrap_or_default();
    let envelope = message.envelope.clone().unwrap_or_default();
    let index = message.index.clone().unwrap_or_default();
    let words = if index.status.is_empty() {
        index.subject
    } else {
        format!("{} {}", index.status, index.status_text)
    };
    output.print_line(&format!(
        "{} {}  {}",
        type_label(output.lang, envelope.r#type()),
        index.number,
        truncate(&words, 80)
    ));
    output.print_line(&format!(
        "{} → {}  {}",
        envelope.sender,
        envelope.recipients.join(", "),
        state_cell(output, &message),
    ));
    let zone = output.localize("giờ Việt Nam", "Vietnam time");
    output.print_line(&format!("{} {zone}  {}", local_time(envelope.accepted_at_us), envelope.id));
    output.print_line("");
    let mut rows = hop_rows(output, journey, &envelope.id);
    for it in &journey.derived {
        let envelope = it.envelope.clone().unwrap_or_default();
        let receiver = format!("{} ({})", envelope.recipients.join(", "), envelope.application);
        rows.push(Row::Line(format!("→ {receiver}: {}", state_cell(output, it))));
        rows.extend(hop_rows(output, journey, &envelope.id));
    }
    output.print_table(
        &[
            output.localize("Giờ", "Time"),
            output.localize("Chặng", "Hop"),
            output.localize("Thành phần", "Component"),
            output.localize("Lâu", "Took"),
            output.localize("Kết quả", "Result"),
        ],
        &rows,
    );
}

fn hop_rows(output: Output, journey: &JourneyResponse, message_id: &str) -> Vec<Row> {
    let of_message = journey.hops.iter().filter(|it| it.message_id == message_id);
    let facts = of_message.filter_map(|it| it.fact.as_ref());
    facts
        .map(|fact| {
            let cells = vec![
                local_time_of_day(fact.at_us),
                step_label(output.lang, fact.step()).to_owned(),
                component_cell(fact),
                duration(fact.duration_us),
                result_cell(output, fact),
            ];
            cells.into()
        })
        .collect()
}

/// Prints the statuses that recipients reported; nothing when there are none.
pub(crate) fn print_statuses(output: Output, statuses: &[Summary]) {
    if statuses.is_empty() {
        return;
    }
    output.print_line("");
    output.print_line(output.localize("Trạng thái nơi nhận báo về:", "Statuses that came back:"));
    let rows: Vec<Row> = statuses
        .iter()
        .map(|it| {
            let envelope = it.envelope.clone().unwrap_or_default();
            let index = it.index.clone().unwrap_or_default();
            let cells = vec![
                local_time(envelope.accepted_at_us),
                envelope.sender,
                format!("{} {}", index.status, index.status_text),
                state_cell(output, it),
            ];
            cells.into()
        })
        .collect();
    output.print_table(
        &[
            output.localize("Giờ Việt Nam", "Time in Vietnam"),
            output.localize("Nơi báo", "From"),
            output.localize("Trạng thái", "Status"),
            output.localize("Trên trục", "On the bus"),
        ],
        &rows,
    );
}

/// The component of a fact, and the format description it worked with.
fn component_cell(fact: &Fact) -> String {
    if fact.format.is_empty() {
        return fact.component.clone();
    }
    let hash: String = fact.format_hash.chars().take(8).collect();
    format!("{}: {} v{} {hash}", fact.component, fact.format, fact.format_version)
}

fn result_cell(output: Output, fact: &Fact) -> String {
    let mut parts = Vec::new();
    if fact.attempt > 1 {
        parts.push(format!("{} {}", output.localize("lần", "try"), fact.attempt));
    }
    if let Some(fault) = &fact.fault {
        parts.push(format!("{}: {}", fault.code, fault.title(output.lang)));
    }
    if !fact.detail.is_empty() {
        parts.push(fact.detail.clone());
    }
    if !fact.losses.is_empty() {
        parts.push(losses_text(output, fact));
    }
    if !fact.findings.is_empty() {
        parts.push(format!("{} {}", fact.findings.len(), output.localize("lưu ý", "findings")));
    }
    truncate(&parts.join("; "), 120)
}

fn losses_text(output: Output, fact: &Fact) -> String {
    let count = |kind: loss::Kind| fact.losses.iter().filter(|it| it.kind() == kind).count();
    let (lost, changed, added) =
        (count(loss::Kind::Lost), count(loss::Kind::Changed), count(loss::Kind::Added));
    match output.lang {
        Lang::Vi => format!("mất {lost}, đổi {changed}, thêm {added}"),
        Lang::En => format!("lost {lost}, changed {changed}, added {added}"),
    }
}
