//! `sessions` and `sessions end`: the adapters that are connected.

use std::collections::BTreeMap;

use proto::fault::code;
use proto::fault::v1::Fault;
use proto::operate::v1::{Asking, EndSessionRequest, ListSessionsRequest, Session};
use serde_json::{Value, json};

use crate::cli::{EndSessions, ListSessions, Sessions};
use crate::client_settings::ClientSettings;
use crate::exit_status::ExitStatus;
use crate::fault::{fault_from_status, fault_json};
use crate::operate_access::{Answer, Operate, ask_all, print_silent, silent, silent_json};
use crate::output::Output;
use crate::table::Row;
use crate::text_format::{local_time, rfc3339};

/// A session, and the process that answers calls about it.
struct Found {
    session: Session,
    client: Operate,
}

/// Lists sessions, or ends some.
pub(crate) async fn run(
    output: Output,
    client: &ClientSettings,
    arguments: &Sessions,
) -> anyhow::Result<ExitStatus> {
    match &arguments.end {
        Some(end) => end_sessions(output, client, end.arguments()).await,
        None => list(output, client, &arguments.list).await,
    }
}

async fn read_sessions(
    client: &ClientSettings,
    application: &str,
) -> anyhow::Result<Vec<Answer<proto::operate::v1::ListSessionsResponse>>> {
    let request = ListSessionsRequest { application: application.to_owned() };
    let ask = move |mut operate: Operate| {
        let request = request.clone();
        async move { operate.list_sessions(request).await }
    };
    ask_all(client, ask).await
}

/// One entry for each session: what its gateway says, or else the journal's row.
fn merge(answers: &[Answer<proto::operate::v1::ListSessionsResponse>]) -> Vec<Found> {
    let mut found: BTreeMap<(String, String, String), Found> = BTreeMap::new();
    for answer in answers {
        let sessions = answer.outcome.iter().flat_map(|it| &it.sessions);
        for session in sessions.cloned() {
            let key = (session.application.clone(), session.adapter.clone(), session.id.clone());
            let is_better = found.get(&key).is_none_or(|it| it.session.stored && !session.stored);
            if is_better {
                found.insert(key, Found { session, client: answer.client.clone() });
            }
        }
    }
    found.into_values().collect()
}

async fn list(
    output: Output,
    client: &ClientSettings,
    arguments: &ListSessions,
) -> anyhow::Result<ExitStatus> {
    let application = arguments.application.clone().unwrap_or_default();
    let answers = read_sessions(client, &application).await?;
    let silent = silent(&answers)?;
    let found = merge(&answers);
    if output.json {
        let sessions: Vec<_> = found.iter().map(|it| session_json(&it.session)).collect();
        output.print_json(&json!({ "sessions": sessions, "no_answer": silent_json(&silent) }));
        return Ok(if silent.is_empty() { ExitStatus::Done } else { ExitStatus::Partial });
    }
    let rows: Vec<Row> =
        found.iter().map(|it| session_row(output, &it.session, silent.is_empty()).into()).collect();
    if rows.is_empty() {
        output.print_line(output.localize("Không có phiên nào.", "There are no sessions."));
    } else {
        output.print_table(
            &[
                output.localize("Ứng dụng", "Application"),
                output.localize("Bộ nối", "Adapter"),
                output.localize("Phiên bản", "Version"),
                output.localize("Mở từ", "Since"),
                output.localize("Gọi gần nhất", "Last call"),
                output.localize("Đang giao", "In flight"),
                output.localize("Đang hỏi", "Asks by"),
                output.localize("Địa chỉ", "Address"),
                output.localize("Cửa", "Gateway"),
                output.localize("Mã phiên", "Session"),
            ],
            &rows,
        );
    }
    Ok(print_silent(output, &silent))
}

fn session_row(output: Output, of: &Session, have_all_answered: bool) -> Vec<String> {
    let time = |it: i64| if it == 0 { String::new() } else { local_time(it) };
    let in_flight = match of.in_flight_max {
        0 => of.in_flight.to_string(),
        most => format!("{}/{most}", of.in_flight),
    };
    vec![
        of.application.clone(),
        of.adapter.clone(),
        of.adapter_version.clone(),
        time(of.opened_at_us),
        time(of.last_call_us),
        in_flight,
        asking_cell(output, of, have_all_answered).to_owned(),
        of.address.clone(),
        of.gateway.clone(),
        of.id.clone(),
    ]
}

fn asking_cell(output: Output, of: &Session, have_all_answered: bool) -> &'static str {
    let (vi, en) = match of.asking() {
        Asking::Stream => ("luồng", "stream"),
        Asking::Poll => ("chờ kéo", "poll"),
        Asking::NotAsking => ("không hỏi", "not now"),
        Asking::Unspecified if have_all_answered => ("không cửa nào giữ", "no gateway holds it"),
        Asking::Unspecified => ("chưa rõ, có cửa không trả lời", "unknown, a gateway is silent"),
    };
    output.localize(vi, en)
}

fn session_json(of: &Session) -> Value {
    let time = |it: i64| if it == 0 { Value::Null } else { rfc3339(it).into() };
    json!({
        "id": of.id,
        "application": of.application,
        "adapter": of.adapter,
        "adapter_version": of.adapter_version,
        "address": of.address,
        "since": time(of.opened_at_us),
        "last_call": time(of.last_call_us),
        "in_flight": of.in_flight,
        "in_flight_max": of.in_flight_max,
        "lease_until": time(of.lease_until_us),
        "asking": of.asking().as_str_name().to_ascii_lowercase(),
        "gateway": of.gateway,
        "held": !of.stored,
    })
}

async fn end_sessions(
    output: Output,
    client: &ClientSettings,
    arguments: &EndSessions,
) -> anyhow::Result<ExitStatus> {
    let answers = read_sessions(client, "").await?;
    let silent = silent(&answers)?;
    let mut found = merge(&answers);
    let actor = arguments.actor.clone().unwrap_or_else(chassis::account_name);
    let mut outcomes = Vec::new();
    for id in &arguments.ids {
        let outcome = match find_session(&mut found, id) {
            Err(fault) => Err(fault),
            Ok(found) => {
                let request = EndSessionRequest {
                    session: found.session.id.clone(),
                    reason: arguments.reason.clone().unwrap_or_default(),
                    actor: actor.clone(),
                };
                let ended = found.client.end_session(request).await;
                ended
                    .map(|it| it.into_inner().session.unwrap_or_default())
                    .map_err(|it| fault_from_status(&it, "gateway"))
            }
        };
        outcomes.push((id.as_str(), outcome));
    }
    let status = print_ended(output, &outcomes, &silent);
    if !output.json {
        print_silent(output, &silent);
    }
    Ok(status)
}

/// The session with this id, or the only one whose id begins so.
fn find_session<'a>(found: &'a mut [Found], id: &str) -> Result<&'a mut Found, Fault> {
    let named = id.trim().to_ascii_lowercase();
    let matches: Vec<usize> = (0..)
        .zip(found.iter())
        .filter(|(_, it)| !named.is_empty() && it.session.id.starts_with(&named))
        .map(|(index, _)| index)
        .collect();
    match matches[..] {
        [index] => found.get_mut(index).ok_or_else(|| Fault::new(&code::LT_OPS_004)),
        [] => Err(Fault::new(&code::LT_OPS_004).param("session", id)),
        _ => Err(Fault::new(&code::LT_OPS_005)
            .param("session", id)
            .param("count", matches.len().to_string())),
    }
}

fn print_ended(
    output: Output,
    outcomes: &[(&str, Result<Session, Fault>)],
    silent: &[(&str, &Fault)],
) -> ExitStatus {
    let first_fault = outcomes.iter().find_map(|(_, it)| it.as_ref().err());
    let ended: Vec<&Session> = outcomes.iter().filter_map(|(_, it)| it.as_ref().ok()).collect();
    if output.json {
        let not_ended: Vec<_> = outcomes
            .iter()
            .filter_map(|(id, it)| {
                Some(json!({ "id": id, "error": fault_json(it.as_ref().err()?) }))
            })
            .collect();
        let ended: Vec<_> = ended.iter().map(|it| session_json(it)).collect();
        let no_answer = silent_json(silent);
        output
            .print_json(&json!({ "ended": ended, "not_ended": not_ended, "no_answer": no_answer }));
    } else {
        for (id, outcome) in outcomes {
            match outcome {
                Ok(it) => output.print_line(&format!(
                    "✓ {} {} / {} ({}); {} {}",
                    output.localize("đã kết thúc phiên của", "ended the session of"),
                    it.application,
                    it.adapter,
                    it.id,
                    it.in_flight,
                    output.localize("văn bản đang giao được trả lại", "in flight are given back"),
                )),
                Err(fault) => {
                    output.print_line(&format!(
                        "✗ {id}: {}: {}",
                        fault.code,
                        fault.title(output.lang)
                    ));
                    output.print_note(&fault.remedy(output.lang));
                }
            }
        }
    }
    match first_fault {
        None => ExitStatus::Done,
        Some(_) if !ended.is_empty() => ExitStatus::Partial,
        Some(fault) => ExitStatus::from_fault(fault),
    }
}

#[cfg(test)]
mod tests {
    use chassis::Upstream;
    use chassis::upstream::Network;

    use super::*;

    #[tokio::test]
    async fn a_session_is_named_by_the_beginning_of_its_id_when_no_other_begins_so() {
        let upstream = Upstream::network(&Network::new("http://127.0.0.1:9")).unwrap();
        let session = |id: &str| Found {
            session: Session { id: id.to_owned(), ..Session::default() },
            client: Operate::new(upstream.clone()),
        };
        let mut found = vec![session("0198aa"), session("0198ab"), session("0199")];
        let mut find = |id: &str| {
            find_session(&mut found, id).map(|it| it.session.id.clone()).map_err(|it| it.code)
        };
        assert_eq!(find("0199"), Ok("0199".to_owned()));
        assert_eq!(find(" 0198AB"), Ok("0198ab".to_owned()));
        assert_eq!(find("0198"), Err("LT-OPS-005".to_owned()));
        assert_eq!(find("02"), Err("LT-OPS-004".to_owned()));
        assert_eq!(find(""), Err("LT-OPS-004".to_owned()));
    }
}
