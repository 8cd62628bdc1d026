//! `doctor`: whether this machine and its links are well, and what to do where they are not.

mod links;
mod machine;

use std::time::Duration;

use chassis::config::{ConfigError, Layers};
use proto::fault::v1::Fault;
use serde_json::json;

use crate::cli::Link;
use crate::command::up::in_folder;
use crate::screen::{Ending, Screen};
use crate::settings::{Settings, fault};

/// The longest one look may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// One thing that was looked at.
struct Finding {
    /// Stays the same for programs, whatever is said to people.
    id: &'static str,
    what: &'static str,
    outcome: Result<String, String>,
    remedy: String,
}

/// Looks at everything, one line each.
pub(crate) async fn run(
    screen: Screen,
    layers: Result<Layers, ConfigError>,
    link: &Link,
) -> anyhow::Result<Ending> {
    let layers = layers.map(|it| in_folder(it, &link.data));
    let read = layers.and_then(|it| Ok((Settings::read(&it)?, it)));
    let mut findings = vec![machine::formats(screen), machine::catalogue(screen)];
    match read {
        Err(error) => findings.push(unread(screen, &fault(&error))),
        Ok((settings, layers)) => {
            findings.push(Finding {
                id: "configuration",
                what: screen.say("Cấu hình", "Configuration"),
                outcome: Ok(screen.say("đọc được", "can be read").to_owned()),
                remedy: String::new(),
            });
            findings.extend(machine::folders(screen, &settings));
            findings.extend(links::all(screen, (&settings, &layers), link).await);
        }
    }
    Ok(show(screen, &findings))
}

fn unread(screen: Screen, fault: &Fault) -> Finding {
    let mut words = format!("{}: {}", fault.code, fault.title(screen.lang));
    for it in &fault.violations {
        let more = screen.say(&it.description_vi, &it.description_en);
        words.push_str(&format!(" ({more})"));
    }
    Finding {
        id: "configuration",
        what: screen.say("Cấu hình", "Configuration"),
        outcome: Err(words),
        remedy: fault.remedy(screen.lang),
    }
}

fn show(screen: Screen, findings: &[Finding]) -> Ending {
    let is_well = findings.iter().all(|it| it.outcome.is_ok());
    if screen.json {
        let checks: Vec<_> = findings
            .iter()
            .map(|it| {
                let (Ok(detail) | Err(detail)) = &it.outcome;
                let remedy = if it.outcome.is_ok() { "" } else { &it.remedy };
                json!({ "id": it.id, "ok": it.outcome.is_ok(), "detail": detail, "remedy": remedy })
            })
            .collect();
        screen.value(&json!({ "ok": is_well, "checks": checks }));
    } else {
        for it in findings {
            match &it.outcome {
                Ok(words) => screen.line(&format!("✓ {}: {words}", it.what)),
                Err(words) => screen.line(&format!("✗ {}: {words}\n    {}", it.what, it.remedy)),
            }
        }
    }
    if is_well { Ending::Done } else { Ending::Partial }
}

/// Waits for an outcome, and not for ever.
async fn within<T, E: Into<anyhow::Error>>(
    screen: Screen,
    look: impl Future<Output = Result<T, E>>,
) -> Result<T, String> {
    match tokio::time::timeout(PATIENCE, look).await {
        Ok(outcome) => outcome.map_err(|error| format!("{:#}", error.into())),
        Err(_elapsed) => {
            Err(screen.say("không trả lời trong 10 giây", "no answer in 10 s").to_owned())
        }
    }
}
