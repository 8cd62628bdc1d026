//! How a document's journey looks on a screen, and as JSON.

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use proto::fault::Lang;
use proto::journal::v1::{JourneyResponse, Summary};
use proto::message::v1::{Fact, MessageType, State, Step, loss};
use serde_json::{Value, json};

use crate::fault;
use crate::screen::Screen;
use crate::table::Row;

/// A time as the law writes it in Vietnam: local time of Vietnam, day first.
pub(crate) fn local(at_us: i64) -> String {
    format(at_us, "%d/%m/%Y %H:%M:%S")
}

/// The time of day alone.
pub(crate) fn time_of_day(at_us: i64) -> String {
    format(at_us, "%H:%M:%S%.3f")
}

/// A time as programs read it: RFC 3339, UTC.
pub(crate) fn rfc3339(at_us: i64) -> String {
    Timestamp::from_microsecond(at_us).map_or_else(|_| String::new(), |it| it.to_string())
}

fn format(at_us: i64, pattern: &str) -> String {
    let zone = TimeZone::fixed(Offset::constant(7));
    Timestamp::from_microsecond(at_us).map_or_else(
        |_| String::new(),
        |it| it.to_zoned_datetime(zone).strftime(pattern).to_string(),
    )
}

/// The word for a state.
pub(crate) fn state(screen: Screen, state: State) -> &'static str {
    let (vi, en) = match state {
        State::Unspecified => ("không rõ", "unknown"),
        State::Accepted => ("đã vào trục", "accepted"),
        State::Routed => ("đã định tuyến", "routed"),
        State::Queued => ("đang chuyển", "queued"),
        State::Held => ("chờ văn bản trước", "held"),
        State::InHand => ("ứng dụng đang nhận", "in hand"),
        State::Parked => ("chờ thử lại", "parked"),
        State::Taken => ("đã nhận", "taken"),
        State::Refused => ("bị từ chối", "refused"),
        State::Dead => ("cách ly", "dead letter"),
        State::InDoubt => ("chưa rõ đã nhận", "in doubt"),
        State::Withdrawn => ("đã rút", "withdrawn"),
    };
    screen.say(vi, en)
}

/// The word for a step.
pub(crate) fn step(screen: Screen, step: Step) -> &'static str {
    let (vi, en) = match step {
        Step::Unspecified => ("không rõ", "unknown"),
        Step::Submitted => ("gửi vào", "submitted"),
        Step::Normalized => ("chuẩn hóa", "normalised"),
        Step::Accepted => ("nhận vào trục", "accepted"),
        Step::Repeated => ("gửi lặp, trả biên nhận cũ", "repeat, first receipt given"),
        Step::Conflicted => ("trùng khóa, khác nội dung", "same key, other content"),
        Step::Routed => ("định tuyến", "routed"),
        Step::Translated => ("dịch định dạng", "translated"),
        Step::Held => ("chờ văn bản trước", "held"),
        Step::Released => ("được đi tiếp", "released"),
        Step::Begun => ("giao cho ứng dụng", "handed over"),
        Step::Taken => ("ứng dụng đã nhận", "taken"),
        Step::Refused => ("ứng dụng từ chối", "refused"),
        Step::Unavailable => ("ứng dụng tạm vắng", "unavailable"),
        Step::Parked => ("hẹn thử lại", "parked"),
        Step::Dead => ("cách ly", "dead letter"),
        Step::DrivenAgain => ("đưa đi lại", "driven again"),
        Step::GivenBack => ("trả lại", "given back"),
        Step::InDoubt => ("chưa rõ đã nhận", "in doubt"),
        Step::Withdrawn => ("đã rút", "withdrawn"),
        Step::Confirmed => ("xác nhận đã đến", "confirmed"),
        Step::LateAnswer => ("trả lời muộn", "late answer"),
    };
    screen.say(vi, en)
}

/// The word for a type.
pub(crate) fn kind(screen: Screen, of: MessageType) -> &'static str {
    let (vi, en) = match of {
        MessageType::Unspecified => ("không rõ", "unknown"),
        MessageType::Document => ("văn bản", "document"),
        MessageType::Status => ("trạng thái", "status"),
        MessageType::Meeting => ("cuộc họp", "meeting"),
        MessageType::Notice => ("thông báo", "notice"),
        MessageType::Dataset => ("dữ liệu", "dataset"),
    };
    screen.say(vi, en)
}

/// Prints messages as rows.
pub(crate) fn summaries(screen: Screen, messages: &[Summary]) {
    let rows: Vec<Row> = messages.iter().map(|it| summary_row(screen, it).into()).collect();
    screen.table(
        &[
            screen.say("Giờ Việt Nam", "Time in Vietnam"),
            screen.say("Loại", "Type"),
            screen.say("Số, ký hiệu", "Number"),
            screen.say("Trích yếu", "Subject"),
            screen.say("Gửi → nhận", "From → to"),
            screen.say("Trạng thái", "State"),
            screen.say("Mã", "Id"),
        ],
        &rows,
    );
}

fn summary_row(screen: Screen, of: &Summary) -> Vec<String> {
    let envelope = of.envelope.clone().unwrap_or_default();
    let index = of.index.clone().unwrap_or_default();
    vec![
        local(envelope.accepted_at_us),
        kind(screen, envelope.r#type()).to_owned(),
        index.number,
        shortened(&index.subject, 60),
        format!("{} → {}", envelope.sender, envelope.recipients.join(", ")),
        progress(screen, of),
        envelope.id,
    ]
}

/// The state, and how many recipients have it.
fn progress(screen: Screen, of: &Summary) -> String {
    let mut words = state(screen, of.state()).to_owned();
    if of.recipients_total > 0 {
        words.push_str(&format!(" {}/{}", of.recipients_taken, of.recipients_total));
    }
    if of.recipients_failed > 0 {
        words.push_str(&format!(", {} {}", of.recipients_failed, screen.say("lỗi", "failed")));
    }
    if let Some(fault) = &of.fault {
        words.push_str(&format!(" {}", fault.code));
    }
    words
}

/// Prints everything that happened to a message: at the door, then on the way to each recipient.
pub(crate) fn journey(screen: Screen, journey: &JourneyResponse) {
    let message = journey.message.clone().unwrap_or_default();
    let envelope = message.envelope.clone().unwrap_or_default();
    let index = message.index.clone().unwrap_or_default();
    let words = if index.status.is_empty() {
        index.subject
    } else {
        format!("{} {}", index.status, index.status_text)
    };
    screen.line(&format!(
        "{} {}  {}",
        kind(screen, envelope.r#type()),
        index.number,
        shortened(&words, 80)
    ));
    screen.line(&format!(
        "{} → {}  {}",
        envelope.sender,
        envelope.recipients.join(", "),
        progress(screen, &message),
    ));
    let zone = screen.say("giờ Việt Nam", "Vietnam time");
    screen.line(&format!("{} {zone}  {}", local(envelope.accepted_at_us), envelope.id));
    screen.line("");
    let mut rows = hops(screen, journey, &envelope.id);
    for it in &journey.derived {
        let envelope = it.envelope.clone().unwrap_or_default();
        let receiver = format!("{} ({})", envelope.recipients.join(", "), envelope.application);
        rows.push(Row::Line(format!("→ {receiver}: {}", progress(screen, it))));
        rows.extend(hops(screen, journey, &envelope.id));
    }
    screen.table(
        &[
            screen.say("Giờ", "Time"),
            screen.say("Chặng", "Hop"),
            screen.say("Thành phần", "Component"),
            screen.say("Lâu", "Took"),
            screen.say("Kết quả", "Result"),
        ],
        &rows,
    );
}

fn hops(screen: Screen, journey: &JourneyResponse, message_id: &str) -> Vec<Row> {
    let of_message = journey.hops.iter().filter(|it| it.message_id == message_id);
    let facts = of_message.filter_map(|it| it.fact.as_ref());
    facts
        .map(|fact| {
            let cells = vec![
                time_of_day(fact.at_us),
                step(screen, fact.step()).to_owned(),
                component(fact),
                duration(fact.duration_us),
                result(screen, fact),
            ];
            cells.into()
        })
        .collect()
}

/// Prints what the recipients reported.
pub(crate) fn statuses(screen: Screen, statuses: &[Summary]) {
    if statuses.is_empty() {
        return;
    }
    screen.line("");
    screen.line(screen.say("Trạng thái nơi nhận báo về:", "Statuses that came back:"));
    let rows: Vec<Row> = statuses
        .iter()
        .map(|it| {
            let envelope = it.envelope.clone().unwrap_or_default();
            let index = it.index.clone().unwrap_or_default();
            let cells = vec![
                local(envelope.accepted_at_us),
                envelope.sender,
                format!("{} {}", index.status, index.status_text),
                progress(screen, it),
            ];
            cells.into()
        })
        .collect();
    screen.table(
        &[
            screen.say("Giờ Việt Nam", "Time in Vietnam"),
            screen.say("Nơi báo", "From"),
            screen.say("Trạng thái", "Status"),
            screen.say("Trên trục", "On the bus"),
        ],
        &rows,
    );
}

/// Who did it, with which description.
fn component(fact: &Fact) -> String {
    if fact.format.is_empty() {
        return fact.component.clone();
    }
    let hash: String = fact.format_hash.chars().take(8).collect();
    format!("{}: {} v{} {hash}", fact.component, fact.format, fact.format_version)
}

fn duration(us: u64) -> String {
    match us {
        0 => String::new(),
        1..=999 => format!("{us} µs"),
        _ => format!("{}.{:01} ms", us / 1000, us % 1000 / 100),
    }
}

fn result(screen: Screen, fact: &Fact) -> String {
    let mut parts = Vec::new();
    if fact.attempt > 1 {
        parts.push(format!("{} {}", screen.say("lần", "try"), fact.attempt));
    }
    if let Some(fault) = &fact.fault {
        parts.push(format!("{}: {}", fault.code, fault.title(screen.lang)));
    }
    if !fact.detail.is_empty() {
        parts.push(fact.detail.clone());
    }
    if !fact.losses.is_empty() {
        parts.push(losses(screen, fact));
    }
    if !fact.findings.is_empty() {
        parts.push(format!("{} {}", fact.findings.len(), screen.say("lưu ý", "findings")));
    }
    shortened(&parts.join("; "), 120)
}

fn losses(screen: Screen, fact: &Fact) -> String {
    let count = |kind: loss::Kind| fact.losses.iter().filter(|it| it.kind() == kind).count();
    let (lost, changed, added) =
        (count(loss::Kind::Lost), count(loss::Kind::Changed), count(loss::Kind::Added));
    match screen.lang {
        Lang::Vi => format!("mất {lost}, đổi {changed}, thêm {added}"),
        Lang::En => format!("lost {lost}, changed {changed}, added {added}"),
    }
}

/// Bytes as people write digests.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|it| format!("{it:02x}")).collect()
}

/// A number of bytes as people say it.
pub(crate) fn bytes(count: u64) -> String {
    match count {
        0..1_000 => format!("{count} B"),
        1_000..1_000_000 => format!("{} kB", count / 1_000),
        _ => format!("{}.{} MB", count / 1_000_000, count % 1_000_000 / 100_000),
    }
}

/// The first `most` characters, with a sign that there are more.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

/// A message in a list, for programs.
pub(crate) fn summary_json(of: &Summary) -> Value {
    let envelope = of.envelope.clone().unwrap_or_default();
    let index = of.index.clone().unwrap_or_default();
    json!({
        "id": envelope.id,
        "type": envelope.r#type().as_str(),
        "conversation": envelope.conversation,
        "source": envelope.source,
        "sender": envelope.sender,
        "recipients": envelope.recipients,
        "application": envelope.application,
        "number": index.number,
        "document_id": index.document_id,
        "subject": index.subject,
        "status": index.status,
        "state": of.state().as_str_name().to_ascii_lowercase(),
        "accepted_at": rfc3339(envelope.accepted_at_us),
        "changed_at": rfc3339(of.changed_at_us),
        "due_at": if of.due_us == 0 { Value::Null } else { rfc3339(of.due_us).into() },
        "recipients_total": of.recipients_total,
        "recipients_taken": of.recipients_taken,
        "recipients_failed": of.recipients_failed,
        "detail": of.detail,
        "behind": of.behind,
        "fault": of.fault.as_ref().map(fault::value),
    })
}

/// A journey, for programs.
pub(crate) fn journey_json(journey: &JourneyResponse) -> Value {
    let hops: Vec<_> = journey
        .hops
        .iter()
        .map(|hop| {
            let fact = hop.fact.clone().unwrap_or_default();
            json!({
                "message_id": hop.message_id,
                "application": hop.application,
                "step": fact.step().as_str_name().trim_start_matches("STEP_").to_ascii_lowercase(),
                "at": rfc3339(fact.at_us),
                "component": fact.component,
                "attempt": fact.attempt,
                "format": fact.format,
                "format_version": fact.format_version,
                "format_hash": fact.format_hash,
                "duration_us": fact.duration_us,
                "detail": fact.detail,
                "fault": fact.fault.as_ref().map(fault::value),
                "losses": fact.losses.iter().map(|it| json!({
                    "kind": it.kind().as_str_name().to_ascii_lowercase(),
                    "path": it.path,
                    "reason": it.reason,
                    "value": it.value,
                })).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({
        "message": journey.message.as_ref().map(summary_json),
        "derived": journey.derived.iter().map(summary_json).collect::<Vec<_>>(),
        "hops": hops,
        "statuses": journey.statuses.iter().map(summary_json).collect::<Vec<_>>(),
    })
}
