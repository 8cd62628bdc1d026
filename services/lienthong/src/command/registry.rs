//! `registry`: checks a folder, prints its content, shows what is in force, puts in force what
//! waits, and draws tokens.

mod formats;
mod lists;
mod lookup;
pub(crate) mod state;
mod validity;

use std::path::{Path, PathBuf};

use proto::message::v1::{MessageType, Organisation};
use proto::registry::v1::{Application, CodeList, Right, Snapshot};
use serde_json::{Map, Value, json};

use self::validity::validity;
use crate::cli::{Link, Registry};
use crate::client_settings::ClientSettings;
use crate::exit_status::ExitStatus;
use crate::fault::{fault_json, unreadable_path};
use crate::format_engine::{check_formats_folder, formats_in};
use crate::output::Output;
use crate::settings::state_file_beside;
use crate::table::Row;
use crate::token::{draw_token, hash_token};

/// Carries out a command on the registry.
pub(crate) async fn run(
    output: Output,
    client: impl FnOnce(&Link) -> anyhow::Result<ClientSettings>,
    command: Registry,
) -> anyhow::Result<ExitStatus> {
    let (folder, formats, show) = match command {
        Registry::Check { folder, formats } => (folder, formats, false),
        Registry::Show { folder, formats } => (folder, formats, true),
        Registry::Token => return Ok(print_token(output)),
        Registry::Lookup { text, link } => {
            return lookup::lookup(output, &client(&link)?, &text.join(" ")).await;
        }
        Registry::Formats(arguments) => {
            return formats::print_formats(output, &client(&arguments.link)?, &arguments).await;
        }
        Registry::Lists(arguments) => {
            return lists::print_lists(output, &client(&arguments.link)?, &arguments).await;
        }
        Registry::Status { link } => return state::print_status(output, &client(&link)?).await,
        Registry::Apply(arguments) => {
            return state::apply(output, &client(&arguments.link)?, arguments).await;
        }
    };
    std::fs::read_dir(&folder).map_err(|error| unreadable_path(&folder, &error))?;
    let formats = formats.unwrap_or_else(|| formats_beside(&folder));
    let known = check_formats_folder(&formats_in(&formats)?)?.known;
    let checked = registry::check(&folder, Some(&known));
    if !show
        && checked.is_ok()
        && let Some(losses) = registry::find_waiting_losses(&folder, &state_file_of(&folder))
    {
        return Err(state::waiting_fault(output, &losses).into());
    }
    match checked {
        Ok(snapshot) if show => print_snapshot(output, &snapshot),
        Ok(snapshot) if output.json => {
            output.print_json(&json!({ "mistakes": [], "revision": snapshot.revision }));
        }
        Ok(snapshot) => output.print_line(&format!(
            "✓ {} {}, {} {}, {} {}",
            snapshot.organisations.len(),
            output.localize("cơ quan", "organisations"),
            snapshot.applications.len(),
            output.localize("ứng dụng", "applications"),
            snapshot.rights.len(),
            output.localize("quyền", "rights"),
        )),
        Err(mistakes) => return Ok(print_mistakes(output, &mistakes)),
    }
    Ok(ExitStatus::Done)
}

/// The folder of format descriptions beside a registry's folder, as `up` has it.
fn formats_beside(folder: &Path) -> PathBuf {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    folder.with_file_name("formats")
}

/// The file beside a folder in which the registry of `up` stores what is in force.
fn state_file_of(folder: &Path) -> PathBuf {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    state_file_beside(&folder)
}

fn print_mistakes(output: Output, mistakes: &[registry::Mistake]) -> ExitStatus {
    if output.json {
        let all: Vec<_> = mistakes
            .iter()
            .map(|it| json!({ "file": it.file, "line": it.line, "fault": fault_json(&it.fault) }))
            .collect();
        output.print_json(&json!({ "mistakes": all }));
        return ExitStatus::Refused;
    }
    for it in mistakes {
        output.print_line(&format!(
            "{}:{}: {} {}",
            it.file,
            it.line,
            it.fault.code,
            it.fault.title(output.lang),
        ));
        output.print_line(&format!("    {}", it.fault.remedy(output.lang)));
    }
    output.print_note(&format!("✗ {} {}", mistakes.len(), output.localize("lỗi", "mistakes")));
    ExitStatus::Refused
}

fn print_snapshot(output: Output, snapshot: &Snapshot) {
    if output.json {
        output.print_json(&snapshot_json(snapshot));
        return;
    }
    let organisations: Vec<Row> = snapshot
        .organisations
        .iter()
        .map(|it| {
            let codes: Vec<_> = it.codes.iter().map(|it| it.value.as_str()).collect();
            vec![
                it.key.clone(),
                it.name.clone(),
                codes.join(", "),
                it.parent.clone(),
                validity(&it.valid_from, &it.valid_to),
            ]
            .into()
        })
        .collect();
    output.print_table(
        &[
            output.localize("Cơ quan", "Organisation"),
            output.localize("Tên", "Name"),
            output.localize("Mã", "Codes"),
            output.localize("Cấp trên", "Parent"),
            output.localize("Hiệu lực", "Valid"),
        ],
        &organisations,
    );
    output.print_line("");
    output.print_table(
        &[
            output.localize("Ứng dụng", "Application"),
            output.localize("Cơ quan", "Organisation"),
            output.localize("Đưa ra", "Gives"),
            output.localize("Nhận vào", "Takes"),
            output.localize("Ghi chú", "Notes"),
        ],
        &snapshot.applications.iter().map(|it| application_row(output, it)).collect::<Vec<_>>(),
    );
    output.print_line("");
    let rights: Vec<Row> = snapshot
        .rights
        .iter()
        .map(|it| {
            let types: Vec<_> = it.types().map(MessageType::as_str).collect();
            let valid = validity(&it.valid_from, &it.valid_to);
            vec![it.from.clone(), it.to.clone(), types.join(", "), valid].into()
        })
        .collect();
    output.print_table(
        &[
            output.localize("Quyền gửi: từ", "Right: from"),
            output.localize("Tới", "To"),
            output.localize("Loại", "Types"),
            output.localize("Hiệu lực", "Valid"),
        ],
        &rights,
    );
    for it in &snapshot.code_lists {
        let rows = output.localize("dòng", "rows");
        output.print_line("");
        output.print_line(&format!("{} {}: {} {rows}", it.name, it.version, it.rows.len()));
    }
}

fn application_row(output: Output, of: &Application) -> Row {
    let takes: Vec<_> =
        of.takes.iter().map(|it| format!("{}: {}", it.r#type().as_str(), it.format)).collect();
    let notes = if of.disabled { output.localize("đã khóa", "disabled") } else { "" };
    vec![
        of.id.clone(),
        of.organisation.clone(),
        of.gives.join(", "),
        takes.join(", "),
        notes.to_owned(),
    ]
    .into()
}

/// The registry for programs. Of the tokens, which are secrets, it has the number only.
fn snapshot_json(of: &Snapshot) -> Value {
    let organisation = |it: &Organisation| {
        let codes: Vec<_> = it
            .codes
            .iter()
            .map(|it| {
                json!({
                    "scheme": it.scheme, "value": it.value,
                    "valid_from": it.valid_from, "valid_to": it.valid_to,
                })
            })
            .collect();
        json!({
            "key": it.key, "name": it.name, "codes": codes, "parent": it.parent,
            "predecessor": it.predecessor, "successor": it.successor,
            "valid_from": it.valid_from, "valid_to": it.valid_to,
        })
    };
    let application = |it: &Application| {
        let takes: Map<String, Value> = it
            .takes
            .iter()
            .map(|it| (it.r#type().as_str().to_owned(), it.format.clone().into()))
            .collect();
        let class = it.receiver_class().as_str_name().to_ascii_lowercase();
        json!({
            "id": it.id, "organisation": it.organisation, "name": it.name, "gives": it.gives,
            "takes": takes, "receiver_class": class, "tokens": it.token_sha256.len(),
            "in_hand_max": it.in_hand_max, "lease_ms": it.lease_ms, "disabled": it.disabled,
        })
    };
    let right = |it: &Right| {
        let types: Vec<_> = it.types().map(MessageType::as_str).collect();
        json!({
            "from": it.from, "to": it.to, "types": types,
            "valid_from": it.valid_from, "valid_to": it.valid_to,
        })
    };
    let list = |it: &CodeList| {
        let rows: Vec<_> = it
            .rows
            .iter()
            .map(|it| {
                json!({
                    "code": it.code, "name_vi": it.name_vi, "name_en": it.name_en,
                    "valid_from": it.valid_from, "valid_to": it.valid_to, "means": it.means,
                })
            })
            .collect();
        json!({ "name": it.name, "version": it.version, "of": it.of, "rows": rows })
    };
    json!({
        "revision": of.revision,
        "organisations": of.organisations.iter().map(organisation).collect::<Vec<_>>(),
        "applications": of.applications.iter().map(application).collect::<Vec<_>>(),
        "rights": of.rights.iter().map(right).collect::<Vec<_>>(),
        "code_lists": of.code_lists.iter().map(list).collect::<Vec<_>>(),
    })
}

fn print_token(output: Output) -> ExitStatus {
    let token = draw_token();
    let (token, hash) = (token.reveal(), hash_token(&token));
    if output.json {
        output.print_json(&json!({ "token": token, "token_sha256": hash }));
    } else {
        output.print_line(&format!("token:        {token}"));
        output.print_line(&format!("token_sha256: [\"{hash}\"]"));
        output.print_note(output.localize(
            "Đưa token cho nhà cung cấp một lần duy nhất; chỉ dòng băm vào sổ đăng ký.",
            "Give the token to the vendor once; only the hash line goes into the registry.",
        ));
    }
    ExitStatus::Done
}
