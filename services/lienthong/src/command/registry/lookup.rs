//! `registry lookup`: organisations and applications by key, code, id or a part of the name.

use name_folding::fold_name;
use proto::message::v1::{MessageType, Organisation};
use proto::registry::v1::{Application, Right, Snapshot};
use registry_client::Directory;
use serde_json::{Value, json};

use crate::client_settings::ClientSettings;
use crate::directory_lookup::{export_registry, nearest_organisations, today};
use crate::exit_status::ExitStatus;
use crate::labels::type_label;
use crate::output::Output;
use crate::table::Row;

/// Most organisations of one answer.
const FOUND_MAX: usize = 50;

/// Prints what the running registry knows under a text.
pub(super) async fn lookup(
    output: Output,
    client: &ClientSettings,
    text: &str,
) -> anyhow::Result<ExitStatus> {
    let snapshot = export_registry(client).await?;
    let found = find(&snapshot, text);
    if output.json {
        let organisations: Vec<_> =
            found.iter().map(|it| organisation_json(&snapshot, it)).collect();
        let near =
            if found.is_empty() { nearest_organisations(&snapshot, text) } else { Vec::new() };
        output.print_json(&json!({ "organisations": organisations, "near": near }));
    } else if found.is_empty() {
        print_nothing(output, &snapshot, text);
    } else {
        for (index, it) in found.iter().enumerate() {
            if index > 0 {
                output.print_line("");
            }
            print_organisation(output, &snapshot, it);
        }
    }
    Ok(if found.is_empty() { ExitStatus::NotFound } else { ExitStatus::Done })
}

/// Organisations that match, and those of applications whose id or name matches.
fn find(snapshot: &Snapshot, text: &str) -> Vec<Organisation> {
    let directory = Directory::new(snapshot.clone());
    let found = directory.search("", text, &today(), FOUND_MAX);
    let mut found: Vec<Organisation> = found.into_iter().filter_map(|it| it.organisation).collect();
    let words = fold_name(text.trim());
    let applications = snapshot
        .applications
        .iter()
        .filter(|it| fold_name(&it.id).contains(&words) || fold_name(&it.name).contains(&words));
    for it in applications {
        if !found.iter().any(|known| known.key == it.organisation) {
            found.extend(directory.organisation(&it.organisation).cloned());
        }
    }
    found
}

fn applications_of<'a>(
    snapshot: &'a Snapshot,
    organisation: &'a Organisation,
) -> impl Iterator<Item = &'a Application> {
    snapshot.applications.iter().filter(|it| it.organisation == organisation.key)
}

/// The rights that name an organisation on one side: who it may send to, who may send to it.
fn rights_of<'a>(
    snapshot: &'a Snapshot,
    key: &'a str,
    side: fn(&Right) -> &str,
) -> impl Iterator<Item = &'a Right> {
    snapshot.rights.iter().filter(move |it| side(it) == "*" || side(it) == key)
}

fn print_organisation(output: Output, snapshot: &Snapshot, of: &Organisation) {
    let codes: Vec<_> = of
        .codes
        .iter()
        .map(|it| format!("{}{}", it.value, period(output, &it.valid_from, &it.valid_to)))
        .collect();
    let valid = period(output, &of.valid_from, &of.valid_to);
    output.print_line(&format!("{}  {}{valid}", of.key, of.name));
    output.print_line(&format!("  {}: {}", output.localize("Mã", "Codes"), codes.join(", ")));
    let mut rows: Vec<Row> = Vec::new();
    for it in applications_of(snapshot, of) {
        let takes = it
            .takes
            .iter()
            .map(|takes| format!("{} ({})", type_label(output.lang, takes.r#type()), takes.format));
        let state = if it.disabled { output.localize("đã khóa", "disabled") } else { "" };
        let takes = takes.collect::<Vec<_>>().join(", ");
        rows.push(
            vec![format!("  {}", it.id), it.gives.join(", "), takes, state.to_owned()].into(),
        );
    }
    if rows.is_empty() {
        let none = output.localize("Chưa có ứng dụng nào nhận", "It has no application");
        output.print_line(&format!("  {none}"));
    } else {
        output.print_table(
            &[
                output.localize("  Ứng dụng", "  Application"),
                output.localize("Gửi đi", "Gives"),
                output.localize("Nhận", "Takes"),
                output.localize("Ghi chú", "Notes"),
            ],
            &rows,
        );
    }
    let may_send = output.localize("Được gửi tới", "May send to");
    let may_receive = output.localize("Được nhận từ", "May receive from");
    for it in rights_of(snapshot, &of.key, |it| &it.from) {
        output.print_line(&right_line(output, may_send, &it.to, it));
    }
    for it in rights_of(snapshot, &of.key, |it| &it.to) {
        output.print_line(&right_line(output, may_receive, &it.from, it));
    }
}

fn right_line(output: Output, label: &str, other: &str, right: &Right) -> String {
    let types: Vec<_> = right.types().map(|it| type_label(output.lang, it)).collect();
    let other =
        if other == "*" { output.localize("mọi cơ quan", "any organisation") } else { other };
    let valid = period(output, &right.valid_from, &right.valid_to);
    format!("  {label} {other}: {}{valid}", types.join(", "))
}

fn period(output: Output, from: &str, to: &str) -> String {
    let (since, until) = (output.localize("từ", "from"), output.localize("đến", "until"));
    match (from.is_empty(), to.is_empty()) {
        (true, true) => String::new(),
        (false, true) => format!(" ({since} {from})"),
        (true, false) => format!(" ({until} {to})"),
        (false, false) => format!(" ({since} {from} {until} {to})"),
    }
}

fn print_nothing(output: Output, snapshot: &Snapshot, text: &str) {
    let nothing = output.localize("Sổ đăng ký không có", "The registry has nothing named");
    output.print_warning(&format!("{nothing} {text}."));
    let near = nearest_organisations(snapshot, text);
    if !near.is_empty() {
        let nearest = output.localize("Gần nhất", "Nearest");
        output.print_note(&format!("{nearest}: {}", near.join(", ")));
    }
}

fn organisation_json(snapshot: &Snapshot, of: &Organisation) -> Value {
    let right = |it: &Right| {
        let types: Vec<_> = it.types().map(MessageType::as_str).collect();
        json!({
            "from": it.from, "to": it.to, "types": types,
            "valid_from": it.valid_from, "valid_to": it.valid_to,
        })
    };
    let application = |it: &Application| {
        let takes =
            it.takes.iter().map(|it| (it.r#type().as_str().to_owned(), it.format.clone().into()));
        let takes: serde_json::Map<String, Value> = takes.collect();
        json!({ "id": it.id, "gives": it.gives, "takes": takes, "disabled": it.disabled })
    };
    let codes: Vec<_> = of
        .codes
        .iter()
        .map(
            |it| json!({ "value": it.value, "valid_from": it.valid_from, "valid_to": it.valid_to }),
        )
        .collect();
    json!({
        "key": of.key,
        "name": of.name,
        "codes": codes,
        "valid_from": of.valid_from,
        "valid_to": of.valid_to,
        "applications": applications_of(snapshot, of).map(application).collect::<Vec<_>>(),
        "may_send": rights_of(snapshot, &of.key, |it| &it.from).map(right).collect::<Vec<_>>(),
        "may_receive": rights_of(snapshot, &of.key, |it| &it.to).map(right).collect::<Vec<_>>(),
    })
}
