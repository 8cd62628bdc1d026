//! `explain`: what an error code means, in both languages.

use proto::fault::v1::Fault;
use proto::fault::{Code, LocalizedText, catalog, code, find};
use serde_json::json;
use strsim::levenshtein;

use crate::exit_status::ExitStatus;
use crate::fault::fault_json;
use crate::output::Output;
use crate::table::Row;

/// Prints the entry of a code, or a line for every code.
pub(crate) fn run(output: Output, code: Option<&str>) -> ExitStatus {
    let Some(code) = code else { return print_all(output) };
    match find(code) {
        Some(entry) if output.json => output.print_json(&entry_json(entry)),
        Some(entry) => print_entry(output, entry),
        None => return print_unknown(output, code),
    }
    ExitStatus::Done
}

fn print_all(output: Output) -> ExitStatus {
    if output.json {
        output.print_json(&catalog().iter().map(|it| entry_json(it)).collect());
        return ExitStatus::Done;
    }
    let rows: Vec<Row> = catalog()
        .iter()
        .map(|it| vec![it.code.to_owned(), it.title.get(output.lang).to_owned()].into())
        .collect();
    output.print_table(
        &[output.localize("Mã", "Code"), output.localize("Nội dung", "What happened")],
        &rows,
    );
    ExitStatus::Done
}

fn print_entry(output: Output, entry: Code) {
    output.print_line(entry.code);
    for (name, text) in [
        (output.localize("Nội dung", "What happened"), entry.title),
        (output.localize("Nguyên nhân", "Why"), entry.cause),
        (output.localize("Cách xử lý", "What to do"), entry.remedy),
        (output.localize("Ai xử lý", "Who acts"), entry.responsible.label()),
        (output.localize("Gửi lại", "Retry"), entry.retry.label()),
    ] {
        output.print_line("");
        output.print_line(name);
        output.print_line(&format!("  {}", text.get(output.lang)));
    }
    output.print_line("");
    output.print_line(&format!("gRPC {:?}, HTTP {}", entry.grpc, entry.http));
}

fn print_unknown(output: Output, code: &str) -> ExitStatus {
    let fault = Fault::new(&code::LT_CLI_008).param("code", code);
    let near = nearest_codes(&code.to_ascii_uppercase());
    if output.json {
        output.print_json(&json!({ "error": fault_json(&fault), "near": near }));
        return ExitStatus::NotFound;
    }
    output.print_fault_text(&fault);
    for it in near.iter().filter_map(|it| find(it)) {
        let nearest = output.localize("Gần nhất", "Nearest");
        output.print_note(&format!("{nearest}: {}  {}", it.code, it.title.get(output.lang)));
    }
    ExitStatus::NotFound
}

/// At most three codes that differ from the text in few letters, the nearest first.
fn nearest_codes(text: &str) -> Vec<&'static str> {
    let mut all: Vec<(usize, &'static str)> = catalog()
        .iter()
        .map(|it| (levenshtein(it.code, text), it.code))
        .filter(|(distance, code)| *distance <= code.len() / 2)
        .collect();
    all.sort_unstable();
    all.into_iter().map(|(_, code)| code).take(3).collect()
}

fn entry_json(entry: Code) -> serde_json::Value {
    let both = |it: LocalizedText| json!({ "vi": it.vi, "en": it.en });
    json!({
        "code": entry.code,
        "title": both(entry.title),
        "cause": both(entry.cause),
        "remedy": both(entry.remedy),
        "who": both(entry.responsible.label()),
        "retry": both(entry.retry.label()),
        "grpc": format!("{:?}", entry.grpc),
        "http": entry.http,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_code_suggests_the_nearest() {
        assert_eq!(nearest_codes("LT-MAP-01").first(), Some(&"LT-MAP-001"));
        assert_eq!(nearest_codes(&"lt-mpa-007".to_ascii_uppercase()).first(), Some(&"LT-MAP-007"));
        assert_eq!(nearest_codes("LT_JNL_001").first(), Some(&"LT-JNL-001"));
        assert_eq!(nearest_codes("hôm nay trời đẹp"), Vec::<&str>::new());
    }
}
