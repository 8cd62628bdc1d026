//! `doctor`: checks this machine and its connections, and says how to repair what fails.

mod check;
mod connections;
mod formats_state;
mod links;
mod machine;
mod readiness;

use chassis::config::{ConfigError, Layers};
use proto::fault::v1::Fault;
use serde_json::json;

use self::check::Check;
use crate::cli::Link;
use crate::client_settings::ClientSettings;
use crate::data_folder::layer_data_folder;
use crate::exit_status::ExitStatus;
use crate::output::Output;
use crate::settings::{Settings, config_fault};

/// Makes every check and prints a line for each.
pub(crate) async fn run(
    output: Output,
    layers: Result<Layers, ConfigError>,
    link: &Link,
) -> anyhow::Result<ExitStatus> {
    let read = layers.and_then(|it| {
        let client = ClientSettings::of_link(it.clone(), link)?;
        let layers = layer_data_folder(it, &client.data);
        Ok((Settings::read(&layers)?, layers, client))
    });
    let mut checks = vec![machine::check_formats(output), machine::check_catalog(output)];
    match read {
        Err(error) => checks.push(failed_configuration(output, &config_fault(&error))),
        Ok((settings, layers, client)) => {
            checks.push(Check {
                id: "configuration",
                title: output.localize("Cấu hình", "Configuration"),
                outcome: Ok(output.localize("đọc được", "can be read").to_owned()),
                remedy: String::new(),
            });
            checks.extend(machine::check_folders(output, &settings));
            let connections = connections::check_all(output, (&settings, &layers), &client);
            checks.extend(Box::pin(connections).await);
            checks.extend(links::check_all(output, &settings).await);
        }
    }
    Ok(print(output, &checks))
}

fn failed_configuration(output: Output, fault: &Fault) -> Check {
    let mut text = format!("{}: {}", fault.code, fault.title(output.lang));
    for it in &fault.violations {
        let violation = output.localize(&it.description_vi, &it.description_en);
        text.push_str(&format!(" ({violation})"));
    }
    Check {
        id: "configuration",
        title: output.localize("Cấu hình", "Configuration"),
        outcome: Err(text),
        remedy: fault.remedy(output.lang),
    }
}

fn print(output: Output, checks: &[Check]) -> ExitStatus {
    let all_passed = checks.iter().all(|it| it.outcome.is_ok());
    if output.json {
        let checks: Vec<_> = checks
            .iter()
            .map(|it| {
                let (Ok(detail) | Err(detail)) = &it.outcome;
                let remedy = if it.outcome.is_ok() { "" } else { &it.remedy };
                json!({ "id": it.id, "ok": it.outcome.is_ok(), "detail": detail, "remedy": remedy })
            })
            .collect();
        output.print_json(&json!({ "ok": all_passed, "checks": checks }));
    } else {
        for it in checks {
            match &it.outcome {
                Ok(detail) => output.print_line(&format!("✓ {}: {detail}", it.title)),
                Err(detail) => {
                    output.print_line(&format!("✗ {}: {detail}", it.title));
                    output.print_line(&format!("    {}", it.remedy));
                }
            }
        }
    }
    if all_passed { ExitStatus::Done } else { ExitStatus::Partial }
}
