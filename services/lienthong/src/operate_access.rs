//! Calls of operate/v1 to every internal address of the settings.

use std::time::Duration;

use chassis::Upstream;
use futures::future::join_all;
use proto::fault::v1::Fault;
use proto::operate::v1::operate_client::OperateClient;
use serde_json::{Value, json};
use tonic::{Response, Status};

use crate::client_settings::ClientSettings;
use crate::exit_status::ExitStatus;
use crate::fault::fault_json;
use crate::journal_access::internal_endpoints;
use crate::output::Output;

/// Calls of a command to one process.
pub(crate) type Operate = OperateClient<Upstream>;

/// What one address answered, or why it did not.
pub(crate) struct Answer<T> {
    pub(crate) address: String,
    pub(crate) client: Operate,
    pub(crate) outcome: Result<T, Fault>,
}

/// Calls every address at the same time, within the time limit of the settings.
pub(crate) async fn ask_all<T, F>(
    client: &ClientSettings,
    call: impl Fn(Operate) -> F,
) -> anyhow::Result<Vec<Answer<T>>>
where
    F: Future<Output = Result<Response<T>, Status>>,
{
    let limit = Duration::from_millis(client.call_ms_max);
    let asked = internal_endpoints(client)?.into_iter().map(|endpoint| {
        let client = OperateClient::new(endpoint.upstream.clone());
        let answering = call(client.clone());
        async move {
            let answer = tokio::time::timeout(limit, answering).await;
            let answer = answer.unwrap_or_else(|_elapsed| Err(Status::deadline_exceeded("")));
            let outcome = match answer {
                Ok(answer) => Ok(answer.into_inner()),
                Err(status) => Err(endpoint.fault(&status, &endpoint.address.printed()).await),
            };
            Answer { address: endpoint.address.printed(), client, outcome }
        }
    });
    Ok(join_all(asked).await)
}

/// The faults of the addresses that did not answer; an error when none of them did.
pub(crate) fn silent<T>(answers: &[Answer<T>]) -> Result<Vec<(&str, &Fault)>, Fault> {
    let silent: Vec<_> = answers
        .iter()
        .filter_map(|it| Some((it.address.as_str(), it.outcome.as_ref().err()?)))
        .collect();
    match silent.first() {
        Some((_, fault)) if silent.len() == answers.len() => Err((*fault).clone()),
        _ => Ok(silent),
    }
}

/// Names the addresses that did not answer, after what the others said.
pub(crate) fn print_silent(output: Output, silent: &[(&str, &Fault)]) -> ExitStatus {
    for (address, fault) in silent {
        let no_answer = output.localize("không trả lời", "does not answer");
        let title = fault.title(output.lang);
        output.print_warning(&format!("✗ {address} {no_answer}: {}: {title}", fault.code));
    }
    if silent.is_empty() { ExitStatus::Done } else { ExitStatus::Partial }
}

/// The same for programs.
pub(crate) fn silent_json(silent: &[(&str, &Fault)]) -> Value {
    let entry = |(address, fault): &(&str, &Fault)| json!({ "address": address, "error": fault_json(fault) });
    silent.iter().map(entry).collect()
}
