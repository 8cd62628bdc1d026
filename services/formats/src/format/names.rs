//! Checks that the native paths of a description are possible in its syntax.

use proto::fault::code;

use crate::diagnostic::{Defect, SourceMistake};
use crate::grammar::{CsvSyntax, FieldsSyntax, Syntax};
use crate::unmapped::is_xml_name;
use crate::yaml_tree::SourceMap;

/// Checks the native paths and the options of the syntax.
pub(super) fn check_names(syntax: &Syntax, source: &SourceMap) -> Vec<SourceMistake> {
    let mut mistakes = Vec::new();
    match syntax {
        Syntax::Xml { .. } => check_places(source, xml_defect, &mut mistakes),
        Syntax::Csv(it) => {
            check_csv(it, source, &mut mistakes);
            check_places(source, |name| csv_defect(it, name), &mut mistakes);
        }
        Syntax::Fields(it) => {
            check_fields(it, source, &mut mistakes);
            let defect = |name: &str| (!it.permits_name(name) && name != ".").then(no_field_name);
            check_places(source, defect, &mut mistakes);
        }
        Syntax::Json { .. } | Syntax::CanonicalJson => {}
    }
    mistakes
}

fn check_places(
    source: &SourceMap,
    defect: impl Fn(&str) -> Option<(&'static str, &'static str)>,
    mistakes: &mut Vec<SourceMistake>,
) {
    for (place, position) in source.places() {
        if let Some((vi, en)) = defect(place) {
            let defect = Defect::new(
                &code::LT_FMT_019,
                format!("`{place}` {vi}"),
                format!("`{place}` {en}"),
            );
            mistakes.push(SourceMistake::new(*position, place, defect));
        }
    }
}

fn xml_defect(place: &str) -> Option<(&'static str, &'static str)> {
    let separated = place.replace('@', "/@");
    let mut names = separated.split('/').filter(|it| !it.is_empty());
    let is_name = |it: &str| it == "." || is_xml_name(it.strip_prefix('@').unwrap_or(it));
    (!names.all(is_name)).then_some(("không phải tên XML", "is no XML name"))
}

fn csv_defect(syntax: &CsvSyntax, name: &str) -> Option<(&'static str, &'static str)> {
    let is_number = name.parse::<u16>().is_ok_and(|it| it > 0);
    if !syntax.header && !is_number {
        return Some((
            "phải là số của cột, từ 1, vì không có dòng tiêu đề",
            "must be the number of the column, from 1, because there is no header",
        ));
    }
    (name.trim() != name || name.contains(['\r', '\n'])).then_some((
        "có khoảng trắng ở đầu hoặc cuối, hoặc xuống dòng",
        "has white space around it, or a line break",
    ))
}

fn no_field_name() -> (&'static str, &'static str) {
    (
        "không thể là tên trường, vì chứa chữ đứng quanh tên",
        "cannot be told from what stands around a name",
    )
}

fn check_csv(syntax: &CsvSyntax, source: &SourceMap, mistakes: &mut Vec<SourceMistake>) {
    let is_delimiter =
        |it: &String| it.len() == 1 && it.is_ascii() && !it.starts_with(['\r', '\n']);
    let separators = syntax.separator.to_vec();
    if separators.is_empty() || !separators.iter().all(is_delimiter) {
        let (vi, en) =
            ("`separator` phải là một ký tự ASCII", "`separator` is one ASCII character");
        mistakes.push(option_mistake(source, "separator", (vi, en)));
    }
    if !is_delimiter(&syntax.quote) {
        let (vi, en) = ("`quote` phải là một ký tự ASCII", "`quote` is one ASCII character");
        mistakes.push(option_mistake(source, "quote", (vi, en)));
    }
    if separators.contains(&syntax.quote) {
        let (vi, en) = ("`separator` và `quote` phải khác nhau", "`separator` and `quote` differ");
        mistakes.push(option_mistake(source, "quote", (vi, en)));
    }
}

fn check_fields(syntax: &FieldsSyntax, source: &SourceMap, mistakes: &mut Vec<SourceMistake>) {
    let mut check = |is_wrong: bool, option: &str, words: (&str, &str)| {
        if is_wrong {
            mistakes.push(option_mistake(source, option, words));
        }
    };
    check(
        syntax.open.matches("{name}").count() != 1 || syntax.open.ends_with("{name}"),
        "open",
        ("`open` cần một `{name}` và chữ phía sau", "`open` needs one `{name}` and text behind it"),
    );
    check(
        syntax.close.is_empty() && !syntax.between.contains('\n'),
        "between",
        (
            "không có `close` thì `between` phải xuống dòng",
            "without `close`, `between` holds a line break",
        ),
    );
    check(
        !syntax.between.trim().is_empty(),
        "between",
        ("`between` phải là khoảng trắng", "`between` is white space"),
    );
    check(
        syntax.line_break.as_ref().is_some_and(|it| it.contains(['\r', '\n'])),
        "line-break",
        ("`line-break` không được xuống dòng", "`line-break` holds no line break"),
    );
}

fn option_mistake(source: &SourceMap, option: &str, (vi, en): (&str, &str)) -> SourceMistake {
    let defect = Defect::new(&code::LT_FMT_004, vi, en);
    SourceMistake::new(source.path(&["syntax", option]), option, defect)
}
