//! `status`: the roles of a system, what is paused, and what waits.

use proto::operate::v1::{
    ChannelProgress, Condition, ConnectionTest, Pause, ProgressRequest, ProgressResponse,
    RoleStatus, StatusRequest, StatusResponse, TestConnectionsRequest, TestConnectionsResponse,
    Text,
};
use serde_json::{Value, json};

use crate::cli::StatusArguments;
use crate::client_settings::ClientSettings;
use crate::exit_status::ExitStatus;
use crate::operate_access::{Answer, Operate, ask_all, print_silent, silent, silent_json};
use crate::output::Output;
use crate::pause_view::{pause_json, pause_words};
use crate::table::Row;
use crate::text_format::{duration, local_time, rfc3339};

/// What every address answered.
struct Answers {
    statuses: Vec<Answer<StatusResponse>>,
    channels: Vec<ChannelProgress>,
    tests: Vec<(String, ConnectionTest)>,
}

/// Prints the roles with what is not well, the pauses, what waits, and with `--test` every link.
pub(crate) async fn run(
    output: Output,
    client: &ClientSettings,
    arguments: &StatusArguments,
) -> anyhow::Result<ExitStatus> {
    let answers = read(client, arguments.test).await?;
    let silent = silent(&answers.statuses)?;
    let is_well = silent.is_empty()
        && roles(&answers.statuses).all(|(_, _, role)| role.ready)
        && answers.tests.iter().all(|(_, it)| it.ok);
    if output.json {
        let mut value = answers_json(&answers);
        value["ok"] = is_well.into();
        value["no_answer"] = silent_json(&silent);
        output.print_json(&value);
    } else {
        print_roles(output, &answers.statuses);
        print_silent(output, &silent);
        print_pauses(output, &answers.statuses);
        print_channels(output, &answers.channels);
        if arguments.test {
            print_tests(output, &answers.tests);
        }
    }
    Ok(if is_well { ExitStatus::Done } else { ExitStatus::Partial })
}

async fn read(client: &ClientSettings, is_test: bool) -> anyhow::Result<Answers> {
    let status = |mut it: Operate| async move { it.status(StatusRequest {}).await };
    let progress = |mut it: Operate| async move { it.progress(ProgressRequest {}).await };
    let (statuses, progress) =
        tokio::try_join!(ask_all(client, status), ask_all(client, progress))?;
    let mut tests = Vec::new();
    if is_test {
        let test =
            |mut it: Operate| async move { it.test_connections(TestConnectionsRequest {}).await };
        let answers: Vec<Answer<TestConnectionsResponse>> = ask_all(client, test).await?;
        for answer in answers {
            let found = answer.outcome.into_iter().flat_map(|it| it.tests);
            tests.extend(found.map(|it| (answer.address.clone(), it)));
        }
    }
    Ok(Answers { channels: channels_of(progress, &statuses), statuses, tests })
}

/// What waits: the journal knows all of it; without a journal, what gateways have in flight.
fn channels_of(
    progress: Vec<Answer<ProgressResponse>>,
    statuses: &[Answer<StatusResponse>],
) -> Vec<ChannelProgress> {
    let is_journal = |address: &str| {
        roles(statuses).any(|(of, _, role)| of == address && role.role == "journal")
    };
    let (journals, others): (Vec<_>, Vec<_>) =
        progress.into_iter().partition(|it| is_journal(&it.address));
    let answered = |from: Vec<Answer<ProgressResponse>>| {
        from.into_iter().filter_map(|it| it.outcome.ok()).flat_map(|it| it.channels)
    };
    let mut channels: Vec<_> = answered(journals).collect();
    if channels.is_empty() {
        channels = answered(others).collect();
    }
    channels
}

/// Address, process and role.
fn roles(
    statuses: &[Answer<StatusResponse>],
) -> impl Iterator<Item = (&str, &StatusResponse, &RoleStatus)> {
    let answered =
        statuses.iter().filter_map(|it| Some((it.address.as_str(), it.outcome.as_ref().ok()?)));
    answered
        .flat_map(|(address, process)| process.roles.iter().map(move |it| (address, process, it)))
}

fn print_roles(output: Output, statuses: &[Answer<StatusResponse>]) {
    let row = |(address, process, role): (&str, &StatusResponse, &RoleStatus)| {
        let ready = if role.ready {
            output.localize("✓ sẵn sàng", "✓ ready")
        } else {
            output.localize("✗ chưa sẵn sàng", "✗ not ready")
        };
        let reasons = role.failures.iter().chain(&role.warnings);
        let reasons: Vec<_> = reasons.map(|it| condition_words(output, it)).collect();
        let cells = vec![
            role.role.clone(),
            ready.to_owned(),
            reasons.join("; "),
            process.instance.clone(),
            process.version.clone(),
            local_time(process.started_at_us),
            address.to_owned(),
        ];
        Row::from(cells)
    };
    let rows: Vec<Row> = roles(statuses).map(row).collect();
    output.print_table(
        &[
            output.localize("Vai trò", "Role"),
            output.localize("Tình trạng", "State"),
            output.localize("Lý do", "Reasons"),
            output.localize("Tiến trình", "Process"),
            output.localize("Phiên bản", "Version"),
            output.localize("Chạy từ", "Since"),
            output.localize("Địa chỉ", "Address"),
        ],
        &rows,
    );
}

fn words(output: Output, of: Option<&Text>) -> &str {
    of.map_or("", |it| output.localize(&it.vi, &it.en))
}

fn condition_words(output: Output, of: &Condition) -> String {
    format!("{}: {}", of.name, words(output, of.reason.as_ref()))
}

fn pauses(statuses: &[Answer<StatusResponse>]) -> impl Iterator<Item = &Pause> {
    statuses.iter().filter_map(|it| it.outcome.as_ref().ok()).flat_map(|it| &it.pauses)
}

fn print_pauses(output: Output, statuses: &[Answer<StatusResponse>]) {
    for (index, it) in pauses(statuses).enumerate() {
        if index == 0 {
            output.print_line("");
            output.print_line(output.localize("Đang tạm dừng:", "Paused:"));
        }
        output.print_line(&format!("  ‖ {}", pause_words(output, it)));
    }
}

fn print_channels(output: Output, channels: &[ChannelProgress]) {
    let is_shown =
        |it: &&ChannelProgress| it.waiting + it.in_flight + it.parked + it.stopped > 0 || it.paused;
    let rows: Vec<Row> =
        channels.iter().filter(is_shown).map(|it| channel_row(output, it).into()).collect();
    output.print_line("");
    if rows.is_empty() {
        output.print_line(output.localize("Không có văn bản nào đang chờ.", "Nothing waits."));
        return;
    }
    output.print_table(
        &[
            output.localize("Kênh", "Channel"),
            output.localize("Chờ", "Waiting"),
            output.localize("Đang giao", "In flight"),
            output.localize("Chờ thử lại", "Parked"),
            output.localize("Cần xử lý", "Stopped"),
            output.localize("Cũ nhất", "Oldest"),
            output.localize("Chuyển gần nhất", "Last progress"),
            output.localize("Ghi chú", "Note"),
        ],
        &rows,
    );
}

fn channel_row(output: Output, of: &ChannelProgress) -> Vec<String> {
    let time = |it: i64| if it == 0 { String::new() } else { local_time(it) };
    let count = |it: u64| if it == 0 { String::new() } else { it.to_string() };
    vec![
        of.channel.clone(),
        of.waiting.to_string(),
        count(of.in_flight),
        count(of.parked),
        count(of.stopped),
        time(of.oldest_us),
        time(of.last_progress_us),
        match (of.paused, of.stalled) {
            (true, _) => output.localize("tạm dừng", "paused").to_owned(),
            (_, true) => output.localize("đứng yên", "stands still").to_owned(),
            (false, false) => String::new(),
        },
    ]
}

fn print_tests(output: Output, tests: &[(String, ConnectionTest)]) {
    output.print_line("");
    output.print_line(output.localize("Thử các kết nối:", "Links, tested now:"));
    for (address, it) in tests {
        let mark = if it.ok { "✓" } else { "✗" };
        let took = duration(it.latency_us);
        let detail = words(output, it.detail.as_ref());
        output.print_line(&format!(
            "  {mark} {address} {} {}: {detail} ({took})",
            it.link, it.address
        ));
        let remedy = words(output, it.remedy.as_ref());
        if !remedy.is_empty() {
            output.print_line(&format!("      {remedy}"));
        }
    }
}

fn answers_json(answers: &Answers) -> Value {
    let time = |it: i64| if it == 0 { Value::Null } else { rfc3339(it).into() };
    let text = |it: Option<&Text>| it.map(|it| json!({ "vi": it.vi, "en": it.en }));
    let conditions = |of: &[Condition]| -> Value {
        of.iter().map(|it| json!({ "name": it.name, "reason": text(it.reason.as_ref()) })).collect()
    };
    let role = |(address, process, role): (&str, &StatusResponse, &RoleStatus)| {
        json!({
            "role": role.role,
            "ready": role.ready,
            "failures": conditions(&role.failures),
            "warnings": conditions(&role.warnings),
            "instance": process.instance,
            "version": process.version,
            "since": time(process.started_at_us),
            "address": address,
        })
    };
    let channel = |it: &ChannelProgress| {
        json!({
            "channel": it.channel,
            "application": it.application,
            "waiting": it.waiting,
            "in_flight": it.in_flight,
            "parked": it.parked,
            "stopped": it.stopped,
            "oldest": time(it.oldest_us),
            "last_progress": time(it.last_progress_us),
            "paused": it.paused,
            "stalled": it.stalled,
        })
    };
    let test = |(address, it): &(String, ConnectionTest)| {
        json!({
            "process": address,
            "link": it.link,
            "address": it.address,
            "ok": it.ok,
            "latency_us": it.latency_us,
            "detail": text(it.detail.as_ref()),
            "remedy": text(it.remedy.as_ref()),
        })
    };
    json!({
        "roles": roles(&answers.statuses).map(role).collect::<Vec<_>>(),
        "pauses": pauses(&answers.statuses).map(pause_json).collect::<Vec<_>>(),
        "channels": answers.channels.iter().map(channel).collect::<Vec<_>>(),
        "connections": answers.tests.iter().map(test).collect::<Vec<_>>(),
    })
}
