//! Checks that the native paths of a description are possible in its syntax.

use crate::grammar::{CsvSyntax, FieldsSyntax, Syntax};
use crate::path_map::PathMapping;
use crate::unmapped::is_xml_name;

/// Checks the native paths and the options of the syntax. `names` are those of a flat record.
pub(super) fn check_names(
    syntax: &Syntax,
    (mappings, names): (&[PathMapping], &[String]),
) -> Result<(), Vec<String>> {
    let mistakes = match syntax {
        Syntax::Xml { .. } => check_xml(mappings),
        Syntax::Csv(it) => check_csv(it, names),
        Syntax::Fields(it) => check_fields(it, names),
        Syntax::Json { .. } | Syntax::CanonicalJson => Vec::new(),
    };
    if mistakes.is_empty() { Ok(()) } else { Err(mistakes) }
}

fn check_xml(mappings: &[PathMapping]) -> Vec<String> {
    let is_name = |it: &str| it == "." || is_xml_name(it.strip_prefix('@').unwrap_or(it));
    mappings
        .iter()
        .filter(|it| !it.native.is_empty() && !it.native.split('/').all(is_name))
        .map(|it| format!("`{}` không phải tên XML / is no XML name", it.native))
        .collect()
}

fn check_csv(syntax: &CsvSyntax, names: &[String]) -> Vec<String> {
    let mut mistakes = Vec::new();
    let is_delimiter =
        |it: &String| it.len() == 1 && it.is_ascii() && !it.starts_with(['\r', '\n']);
    let separators = syntax.separator.to_vec();
    if separators.is_empty() || !separators.iter().chain([&syntax.quote]).all(is_delimiter) {
        mistakes.push(
            "syntax: `separator` và `quote` phải là một ký tự ASCII / must be one ASCII character"
                .to_owned(),
        );
    }
    if separators.contains(&syntax.quote) {
        mistakes.push("syntax: `separator` và `quote` phải khác nhau / must differ".to_owned());
    }
    let is_number = |it: &String| it.parse::<u16>().is_ok_and(|it| it > 0);
    let wrong = names.iter().filter(|it| !syntax.header && !is_number(it));
    mistakes.extend(wrong.map(|it| {
        format!(
            "`{it}`: không có dòng tiêu đề thì cột là số từ 1 / without a header a column is a \
             number from 1"
        )
    }));
    let wrong = names.iter().filter(|it| it.trim() != it.as_str() || it.contains(['\r', '\n']));
    mistakes.extend(wrong.map(|it| {
        format!("`{it}`: tên cột có khoảng trắng ở đầu hoặc cuối / has white space around it")
    }));
    mistakes
}

fn check_fields(syntax: &FieldsSyntax, names: &[String]) -> Vec<String> {
    let mut mistakes = Vec::new();
    if syntax.open.matches("{name}").count() != 1 || syntax.open.ends_with("{name}") {
        mistakes.push(
            "syntax: `open` cần một `{name}` và chữ phía sau / needs one `{name}` and text behind it"
                .to_owned(),
        );
    }
    if syntax.close.is_empty() && !syntax.between.contains('\n') {
        mistakes.push(
            "syntax: không có `close` thì `between` phải xuống dòng / without `close`, `between` \
             must hold a line break"
                .to_owned(),
        );
    }
    if !syntax.between.trim().is_empty() {
        mistakes.push("syntax: `between` phải là khoảng trắng / must be white space".to_owned());
    }
    if syntax.line_break.as_ref().is_some_and(|it| it.contains(['\r', '\n'])) {
        mistakes.push("syntax: `line-break` không được xuống dòng / holds a line break".to_owned());
    }
    let wrong = names.iter().filter(|it| !syntax.permits_name(it));
    mistakes.extend(wrong.map(|it| {
        format!("`{it}` không thể là tên trường / cannot be told from what stands around a name")
    }));
    mistakes
}
