//! The code lists of a running system: each list with its version, and the rows of one.

use formats::CodeListSet;
use proto::registry::v1::{CodeList, CodeRow};
use serde_json::{Value, json};

use super::validity::validity;
use crate::cli::RegistryLists;
use crate::client_settings::ClientSettings;
use crate::directory_lookup::export_registry;
use crate::exit_status::ExitStatus;
use crate::output::Output;
use crate::table::Row;

/// Prints the lists, or the rows of one of them.
pub(super) async fn print_lists(
    output: Output,
    client: &ClientSettings,
    arguments: &RegistryLists,
) -> anyhow::Result<ExitStatus> {
    let lists = export_registry(client).await?.code_lists;
    let hash = CodeListSet::new(&lists).hash();
    let is_asked = |it: &&CodeList| arguments.name.as_ref().is_none_or(|name| it.name == *name);
    let found: Vec<&CodeList> = lists.iter().filter(is_asked).collect();
    let day = arguments.on.as_deref();
    if output.json {
        let lists: Vec<Value> = found.iter().map(|it| list_json(it, day)).collect();
        output.print_json(&json!({ "hash": hash, "lists": lists }));
    } else if let (Some(name), []) = (&arguments.name, found.as_slice()) {
        let known: Vec<&str> = lists.iter().map(|it| it.name.as_str()).collect();
        let nothing = output.localize("Không có danh mục", "There is no list");
        let there_are = output.localize("Có", "There are");
        output.print_note(&format!("{nothing} {name}. {there_are}: {}", known.join(", ")));
    } else if arguments.name.is_some() {
        found.iter().for_each(|it| print_rows(output, it, day));
    } else {
        print_all(output, &lists, &hash);
    }
    let is_missing = arguments.name.is_some() && found.is_empty();
    Ok(if is_missing { ExitStatus::NotFound } else { ExitStatus::Done })
}

fn print_all(output: Output, lists: &[CodeList], hash: &str) {
    let row = |it: &CodeList| -> Row {
        let count = it.rows.len().to_string();
        vec![it.name.clone(), it.version.clone(), count, it.of.clone()].into()
    };
    output.print_table(
        &[
            output.localize("Danh mục", "List"),
            output.localize("Phiên bản", "Version"),
            output.localize("Số mã", "Codes"),
            output.localize("Mã của", "Codes of"),
        ],
        &lists.iter().map(row).collect::<Vec<_>>(),
    );
    if !hash.is_empty() {
        output.print_line(&format!("{}: {hash}", output.localize("Mã băm", "Hash")));
    }
}

fn print_rows(output: Output, list: &CodeList, day: Option<&str>) {
    let row = |it: &CodeRow| -> Row {
        let valid = validity(&it.valid_from, &it.valid_to);
        vec![it.code.clone(), it.name_vi.clone(), it.means.clone(), valid].into()
    };
    output.print_table(
        &[
            output.localize("Mã", "Code"),
            output.localize("Tên", "Name"),
            output.localize("Nghĩa là", "Means"),
            output.localize("Hiệu lực", "Valid"),
        ],
        &rows_on(list, day).map(row).collect::<Vec<_>>(),
    );
}

/// The rows that are valid on a day; all rows without one.
fn rows_on<'l>(list: &'l CodeList, day: Option<&'l str>) -> impl Iterator<Item = &'l CodeRow> {
    let is_valid = move |it: &&CodeRow| {
        day.is_none_or(|day| {
            (it.valid_from.is_empty() || it.valid_from.as_str() <= day)
                && (it.valid_to.is_empty() || day <= it.valid_to.as_str())
        })
    };
    list.rows.iter().filter(is_valid)
}

fn list_json(list: &CodeList, day: Option<&str>) -> Value {
    let row = |it: &CodeRow| {
        json!({
            "code": it.code, "name_vi": it.name_vi, "name_en": it.name_en, "means": it.means,
            "valid_from": it.valid_from, "valid_to": it.valid_to,
        })
    };
    let rows: Vec<Value> = rows_on(list, day).map(row).collect();
    json!({ "name": list.name, "version": list.version, "of": list.of, "rows": rows })
}
