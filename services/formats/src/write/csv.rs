//! Writes a record as delimited text: a row of titles, where the format has one, and a row of cells.

use std::borrow::Cow;

use crate::grammar::CsvSyntax;
use crate::scan::csv::needs_guard;
use crate::tree::Tree;

/// Writes the record below the root. `columns` are those of the description, in its order; columns
/// that only leftovers have follow.
pub(crate) fn write(tree: &Tree<'_>, syntax: &CsvSyntax, columns: &[String], out: &mut Vec<u8>) {
    let row = cells(tree, columns);
    if syntax.bom && syntax.charset.is_none() {
        out.extend_from_slice("\u{feff}".as_bytes());
    }
    if syntax.header {
        write_row(row.iter().map(|(title, _)| title.as_ref()), syntax, out);
    }
    write_row(row.iter().map(|(_, text)| text.as_ref()), syntax, out);
}

/// The title and the text of each cell. A column that the record has several times, as the items of
/// a list, stands several times.
fn cells<'t>(tree: &'t Tree<'_>, columns: &'t [String]) -> Vec<(Cow<'t, str>, Cow<'t, str>)> {
    let text_of = |it: usize| Cow::Borrowed(tree.nodes[it].text.as_ref());
    let mut cells = Vec::new();
    for title in columns {
        let before = cells.len();
        let texts = tree.children_named(0, title).map(text_of);
        cells.extend(texts.map(|it| (Cow::Borrowed(title.as_str()), it)));
        if cells.len() == before {
            cells.push((Cow::Borrowed(title.as_str()), Cow::Borrowed("")));
        }
    }
    for child in tree.children(0) {
        let title = tree.nodes[child].name.as_ref();
        if !columns.iter().any(|it| it == title) {
            cells.push((Cow::Borrowed(title), text_of(child)));
        }
    }
    cells
}

fn write_row<'r>(
    texts: impl Iterator<Item = &'r str> + Clone,
    syntax: &CsvSyntax,
    out: &mut Vec<u8>,
) {
    let separator = syntax.separators().first().copied().unwrap_or(b',');
    // A row without any text would be taken for an empty line.
    let is_blank = texts.clone().all(str::is_empty);
    for (index, text) in texts.enumerate() {
        if index > 0 {
            out.push(separator);
        }
        let guard = if needs_guard(text) { "'" } else { "" };
        let is_special = |it: char| {
            ['\r', '\n', char::from(separator), char::from(syntax.quote())].contains(&it)
        };
        let could_be_option = index == 0 && text.to_ascii_lowercase().starts_with("sep=");
        if text.contains(is_special) || text.trim() != text || is_blank || could_be_option {
            write_quoted(&[guard, text], syntax.quote(), out);
        } else {
            out.extend_from_slice(guard.as_bytes());
            out.extend_from_slice(text.as_bytes());
        }
    }
    out.extend_from_slice(b"\r\n");
}

fn write_quoted(texts: &[&str], quote: u8, out: &mut Vec<u8>) {
    out.push(quote);
    for byte in texts.iter().flat_map(|it| it.bytes()) {
        if byte == quote {
            out.push(quote);
        }
        out.push(byte);
    }
    out.push(quote);
}
