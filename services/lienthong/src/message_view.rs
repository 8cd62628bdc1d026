//! Messages and journeys as tables.

use proto::fault::Lang;
use proto::journal::v1::{Envelope, JourneyResponse, Summary};
use proto::message::v1::{Fact, State, loss};

use crate::labels::{state_label, step_label, type_label};
use crate::loss_text::loss_text;
use crate::output::Output;
use crate::table::Row;
use crate::text_format::{duration, local_time};

/// Terminals narrower than this show the beginnings of ids, which every command takes.
const WHOLE_IDS_WIDTH: usize = 120;
/// Letters of an id's beginning.
const SHORT_ID: usize = 8;
/// Columns of the list that a narrow terminal cuts: subject, from and to.
const CUT_COLUMNS: [&str; 2] = ["subject", "parties"];

/// Prints messages as a table.
pub(crate) fn print_messages(output: Output, messages: &[Summary]) {
    let rows: Vec<Vec<String>> = messages.iter().map(|it| message_row(output, it)).collect();
    print_list(output, Vec::new(), rows);
}

/// Prints messages to choose from, numbered from 1.
pub(crate) fn print_choices(output: Output, messages: &[Summary]) {
    let numbered = messages.iter().zip(1..).map(|(it, number): (&Summary, usize)| {
        let mut cells = message_row(output, it);
        cells.insert(0, number.to_string());
        cells
    });
    print_list(output, vec![("#", "number")], numbered.collect());
}

fn print_list(
    output: Output,
    mut columns: Vec<(&'static str, &'static str)>,
    rows: Vec<Vec<String>>,
) {
    columns.extend([
        (output.localize("Giờ Việt Nam", "Time in Vietnam"), "time"),
        (output.localize("Loại", "Type"), "type"),
        (output.localize("Số, ký hiệu", "Number"), "document"),
        (output.localize("Trích yếu", "Subject"), "subject"),
        (output.localize("Gửi → nhận", "From → to"), "parties"),
        (output.localize("Trạng thái", "State"), "state"),
        (output.localize("Mã", "Id"), "id"),
    ]);
    let headings: Vec<_> = columns.iter().map(|(heading, _)| *heading).collect();
    let is_cut =
        |(index, (_, name)): (usize, &(&str, &str))| CUT_COLUMNS.contains(name).then_some(index);
    let cut: Vec<usize> = columns.iter().enumerate().filter_map(is_cut).collect();
    let rows: Vec<Row> = rows.into_iter().map(Row::from).collect();
    output.print_cut_table(&headings, &rows, &cut);
}

fn message_row(output: Output, of: &Summary) -> Vec<String> {
    let envelope = of.envelope.clone().unwrap_or_default();
    let index = of.index.clone().unwrap_or_default();
    let is_narrow = output.width().is_some_and(|it| it < WHOLE_IDS_WIDTH);
    let id_chars = if is_narrow { SHORT_ID } else { usize::MAX };
    vec![
        local_time(envelope.accepted_at_us),
        type_cell(output, &envelope),
        index.number,
        index.subject,
        format!("{} → {}", envelope.sender, envelope.recipients.join(", ")),
        state_cell(output, of),
        envelope.id.chars().take(id_chars).collect(),
    ]
}

/// The type of a message, and whether it sends an earlier one again.
fn type_cell(output: Output, envelope: &Envelope) -> String {
    let label = type_label(output.lang, envelope.r#type());
    if envelope.copy_of.is_empty() {
        return label.to_owned();
    }
    format!("{label} ({})", output.localize("gửi lại", "copy"))
}

/// The state of a message. A submitted message that was routed is in the states of its recipients'
/// messages: `đã nhận 1/3, cách ly 1`.
pub(crate) fn state_cell(output: Output, of: &Summary) -> String {
    let mut words = match of.recipient_states.is_empty() || of.state() == State::Withdrawn {
        true => state_label(output.lang, of.state()).to_owned(),
        false => recipients_text(output, of),
    };
    if let Some(fault) = &of.fault {
        words.push_str(&format!(" {}", fault.code));
    }
    if of.due_us > 0 && matches!(of.state(), State::Parked) {
        let next = output.localize("thử lại lúc", "next try at");
        words.push_str(&format!(", {next} {}", local_time(of.due_us)));
    }
    if of.state() == State::InHand {
        if !of.adapter.is_empty() {
            words.push_str(&format!(" ({})", of.adapter));
        }
        if of.lease_until_us > 0 {
            let until = output.localize("hạn trả lời", "answer due at");
            words.push_str(&format!(", {until} {}", local_time(of.lease_until_us)));
        }
    }
    if let Some(pause) = &of.paused {
        let paused = output.localize("tạm dừng bởi", "paused by");
        words.push_str(&format!(", {paused} {}: {}", pause.actor, pause.reason));
    }
    words
}

/// How many recipients are in which state, the best first.
fn recipients_text(output: Output, of: &Summary) -> String {
    let mut counts: Vec<(State, u32)> =
        of.recipient_states.iter().map(|it| (it.state(), it.count)).collect();
    counts.sort_by_key(|(state, _)| (*state != State::Taken, i32::from(*state)));
    let total = of.recipients_total;
    let mut parts = Vec::new();
    for (state, count) in counts {
        let label = state_label(output.lang, state);
        parts.push(match (parts.is_empty(), total) {
            (true, 1) => label.to_owned(),
            (true, _) => format!("{label} {count}/{total}"),
            (false, _) => format!("{label} {count}"),
        });
    }
    parts.join(", ")
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
    let type_label = type_label(output.lang, envelope.r#type());
    output.print_line(&format!("{type_label} {}  {words}", index.number));
    output.print_line(&format!(
        "{} → {}  {}",
        envelope.sender,
        envelope.recipients.join(", "),
        state_cell(output, &message),
    ));
    let zone = output.localize("giờ Việt Nam", "Vietnam time");
    output.print_line(&format!("{} {zone}  {}", local_time(envelope.accepted_at_us), envelope.id));
    if let Some(trace_id) = chassis::trace::trace_id(&envelope.traceparent) {
        let label = output.localize("Mã vết", "Trace id");
        output.print_line(&format!("{label}: {trace_id}"));
    }
    print_copies(output, journey);
    output.print_line("");
    let mut rows = hop_rows(output, journey, &envelope.id);
    for it in &journey.derived {
        let envelope = it.envelope.clone().unwrap_or_default();
        let receiver = format!("{} ({})", envelope.recipients.join(", "), envelope.application);
        rows.push(Row::Line(format!("→ {receiver}: {}", state_cell(output, it))));
        rows.extend(failure_rows(output, it));
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

/// Prints the other messages with the same content: the first, and those that send it again.
fn print_copies(output: Output, journey: &JourneyResponse) {
    for it in &journey.copies {
        let envelope = it.envelope.clone().unwrap_or_default();
        let word = match envelope.copy_of.is_empty() {
            true => output.localize("Bản đầu tiên", "First sent as"),
            false => output.localize("Gửi lại", "Sent again"),
        };
        output.print_line(&format!(
            "{word}: {}  {}  → {}  {}",
            envelope.id,
            local_time(envelope.accepted_at_us),
            envelope.recipients.join(", "),
            state_cell(output, it),
        ));
    }
}

fn hop_rows(output: Output, journey: &JourneyResponse, message_id: &str) -> Vec<Row> {
    let of_message = journey.hops.iter().filter(|it| it.message_id == message_id);
    let facts = of_message.filter_map(|it| it.fact.as_ref());
    facts
        .flat_map(|fact| {
            let cells = vec![
                local_time(fact.at_us),
                step_label(output.lang, fact.step()).to_owned(),
                component_cell(fact),
                duration(fact.duration_us),
                result_cell(output, fact),
            ];
            let losses = fact.losses.iter().map(|it| loss_text(output, it));
            let findings = fact.findings.iter().map(|it| {
                let text = output.localize(&it.text_vi, &it.text_en);
                format!("{} {}: {text}", it.code, it.field)
            });
            let lines = losses.chain(findings).map(|it| Row::Line(format!("    · {it}")));
            std::iter::once(cells.into()).chain(lines).collect::<Vec<_>>()
        })
        .collect()
}

/// Prints why a message did not arrive at a recipient, and what to do; nothing for the others.
fn failure_rows(output: Output, of: &Summary) -> Vec<Row> {
    let Some(fault) = journal_client::failure(of) else { return Vec::new() };
    let mut lines = vec![format!("  {}: {}", fault.code, fault.title(output.lang))];
    let remedy = fault.remedy(output.lang);
    if !remedy.is_empty() {
        lines.push(format!("  {}: {remedy}", output.localize("Cần làm gì", "What to do")));
    }
    lines.into_iter().map(Row::Line).collect()
}

/// Prints the delivery reports that the sender's application was told; nothing when there are none.
pub(crate) fn print_reports(output: Output, journey: &JourneyResponse) {
    if journey.reports.is_empty() {
        return;
    }
    output.print_line("");
    output.print_line(output.localize("Đã báo cho ứng dụng gửi:", "Told to the sender:"));
    let rows: Vec<Row> = journey.reports.iter().map(|it| report_row(output, it).into()).collect();
    let headings = [
        output.localize("Giờ Việt Nam", "Time in Vietnam"),
        output.localize("Trạng thái", "State"),
        output.localize("Mã", "Id"),
    ];
    output.print_table(&headings, &rows);
}

fn report_row(output: Output, of: &Summary) -> Vec<String> {
    let envelope = of.envelope.clone().unwrap_or_default();
    let state = match (of.state(), of.recipients_total) {
        (State::Routed, 0) => output
            .localize("ứng dụng gửi không nhận báo phát", "the application takes no reports")
            .to_owned(),
        _ => state_cell(output, of),
    };
    vec![local_time(envelope.accepted_at_us), state, envelope.id]
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
                local_time(envelope.happened_at_us()),
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
    if !fact.adapter.is_empty() {
        parts.push(fact.adapter.clone());
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
    parts.join("; ")
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
