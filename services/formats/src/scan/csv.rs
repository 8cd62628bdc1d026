//! Scans delimited text (RFC 4180) to a tree: a node per row, named by its line, with a child per
//! cell, named by its column.
//!
//! An own splitter, because `csv-core` takes a quote that is never closed, and text behind a closing
//! quote, without an error: rows would vanish into one cell in silence. Tests compare the two.

use std::borrow::Cow;

use proto::fault::code;
use proto::fault::v1::Fault;
use unicode_normalization::{UnicodeNormalization as _, is_nfc};

use crate::grammar::CsvSyntax;
use crate::limits::CELLS_MAX;
use crate::tree::Tree;

/// Scans rows; the root has one child per row that has content. `columns` are those that the
/// description names.
///
/// # Errors
///
/// A quote is not closed, or a bound is exceeded. A row that has more or fewer cells than the first
/// is a record with a defect.
pub(crate) fn scan<'a>(
    text: &'a str,
    syntax: &CsvSyntax,
    columns: &[String],
) -> Result<Tree<'a>, Fault> {
    let mut rows = Rows::new(text, syntax, columns);
    let mut tree = Tree::new("");
    let Some(first) = rows.next_row()? else { return Ok(tree) };
    let names = column_names(&first, syntax.header);
    if !syntax.header {
        add_row(&mut tree, first, &names)?;
    }
    while let Some(row) = rows.next_row()? {
        add_row(&mut tree, row, &names)?;
    }
    Ok(tree)
}

/// True for a text that a spreadsheet would evaluate as a formula. A signed number is none.
pub(crate) fn is_formula(text: &str) -> bool {
    let is_numeric = |it: &str| it.chars().all(|it| it.is_ascii_digit() || " .,()-/".contains(it));
    let mut letters = text.trim_start_matches(' ').chars();
    match letters.next() {
        Some('=' | '@' | '\t' | '\r' | '＝' | '＠') => true,
        Some('+' | '-' | '＋' | '－') => !is_numeric(letters.as_str()),
        _ => false,
    }
}

/// True for a text that is written with an apostrophe in front, so that no spreadsheet evaluates
/// it. Texts that have one in front already get a second, which reading removes.
pub(crate) fn needs_guard(text: &str) -> bool {
    is_formula(text.trim_start_matches('\''))
}

/// The fault of a text that is not of its syntax, with the line of the mistake.
pub(super) fn malformed(line: usize, vi: impl Into<String>, en: impl Into<String>) -> Fault {
    let at = format!("line {line}");
    Fault::new(&code::LT_MAP_065).param("at", &at).violation(at, vi, en)
}

struct Cell<'a> {
    text: Cow<'a, str>,
    is_quoted: bool,
}

struct Row<'a> {
    /// Line of the file at which the row begins, from 1.
    line: usize,
    cells: Vec<Cell<'a>>,
}

struct Rows<'a> {
    text: &'a str,
    position: usize,
    line: usize,
    separator: char,
    quote: char,
}

impl<'a> Rows<'a> {
    /// The rows of a text, with the separator that its `sep=` line names, or the one of the
    /// description that finds the most columns.
    fn new(text: &'a str, syntax: &CsvSyntax, columns: &[String]) -> Self {
        let quote = char::from(syntax.quote());
        if let Some((separator, position)) = separator_line(text) {
            return Self { text, position, line: 2, separator, quote };
        }
        let rows =
            |separator: u8| Self { text, position: 0, line: 1, separator: separator.into(), quote };
        let found = |separator: u8| {
            let first = rows(separator).next_row().ok().flatten();
            let names = first.map(|it| column_names(&it, syntax.header)).unwrap_or_default();
            columns.iter().filter(|it| names.contains(&Cow::Borrowed(it.as_str()))).count()
        };
        let mut separators = syntax.separators().into_iter();
        let mut best = separators.next().unwrap_or(b',');
        for it in separators {
            if found(it) > found(best) {
                best = it;
            }
        }
        rows(best)
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.position..).unwrap_or_default()
    }

    /// The next row that has content; a quoted cell is content although it is empty.
    fn next_row(&mut self) -> Result<Option<Row<'a>>, Fault> {
        while self.position < self.text.len() {
            let line = self.line;
            let mut cells = vec![self.next_cell()?];
            while cells.len() <= CELLS_MAX && self.consume(self.separator) {
                cells.push(self.next_cell()?);
            }
            if cells.len() > CELLS_MAX {
                return Err(too_many_cells(line));
            }
            let is_line_end = self.consume('\r') | self.consume('\n');
            self.line += usize::from(is_line_end);
            if cells.iter().any(|it| it.is_quoted || !it.text.trim().is_empty()) {
                return Ok(Some(Row { line, cells }));
            }
        }
        Ok(None)
    }

    fn consume(&mut self, letter: char) -> bool {
        let matches = self.rest().starts_with(letter);
        self.position += if matches { letter.len_utf8() } else { 0 };
        matches
    }

    fn next_cell(&mut self) -> Result<Cell<'a>, Fault> {
        if self.consume(self.quote) {
            return Ok(Cell { text: unguarded(self.quoted_text()?), is_quoted: true });
        }
        let rest = self.rest();
        let end = rest.find([self.separator, '\r', '\n']).unwrap_or(rest.len());
        self.position += end;
        let text = Cow::Borrowed(rest.get(..end).unwrap_or_default());
        Ok(Cell { text: unguarded(text), is_quoted: false })
    }

    /// The text up to the closing quote; two quotes in it stand for one.
    fn quoted_text(&mut self) -> Result<Cow<'a, str>, Fault> {
        let opened = self.line;
        let mut text = Cow::Borrowed("");
        loop {
            let Some(end) = self.rest().find(self.quote) else {
                return Err(malformed(
                    opened,
                    "dấu ngoặc kép mở ở đây không có dấu đóng",
                    "the quote that opens here is never closed",
                ));
            };
            let piece = self.rest().get(..end).unwrap_or_default();
            self.line += count_line_ends(piece);
            self.position += end + 1;
            if text.is_empty() {
                text = Cow::Borrowed(piece);
            } else {
                text.to_mut().push_str(piece);
            }
            if self.consume(self.quote) {
                text.to_mut().push(self.quote);
                continue;
            }
            let is_end = self.rest().chars().next();
            if is_end.is_none_or(|it| [self.separator, '\r', '\n'].contains(&it)) {
                return Ok(text);
            }
            return Err(malformed(
                self.line,
                "có chữ sau dấu ngoặc kép đóng",
                "text follows a closing quote",
            ));
        }
    }
}

fn count_line_ends(text: &str) -> usize {
    text.matches('\n').count() + text.replace("\r\n", "").matches('\r').count()
}

/// The separator that the first line names, as Excel reads and writes it, and where the rows begin.
fn separator_line(text: &str) -> Option<(char, usize)> {
    let line = text.split(['\r', '\n']).next()?;
    let name = line.get(..4).filter(|it| it.eq_ignore_ascii_case("sep="))?;
    let mut letters = line.strip_prefix(name)?.chars();
    let separator = letters.next().filter(char::is_ascii)?;
    let rest = text.get(line.len()..)?;
    let end = if rest.starts_with("\r\n") { 2 } else { usize::from(!rest.is_empty()) };
    letters.as_str().trim().is_empty().then_some((separator, line.len() + end))
}

/// A text without the apostrophe that keeps spreadsheets from evaluating it.
fn unguarded(text: Cow<'_, str>) -> Cow<'_, str> {
    match text.strip_prefix('\'').filter(|it| needs_guard(it)) {
        Some(it) => Cow::Owned(it.to_owned()),
        None => text,
    }
}

/// The names of the columns: the titles of the first row, or numbers from 1. A column without a
/// title has its number.
fn column_names<'a>(first: &Row<'a>, has_header: bool) -> Vec<Cow<'a, str>> {
    let name = |(index, cell): (usize, &Cell<'a>)| {
        let title = cell.text.trim();
        if !has_header || title.is_empty() {
            return Cow::Owned((index + 1).to_string());
        }
        match &cell.text {
            Cow::Borrowed(it) if is_nfc(title) => Cow::Borrowed(it.trim()),
            Cow::Borrowed(_) | Cow::Owned(_) => Cow::Owned(title.nfc().collect()),
        }
    };
    first.cells.iter().enumerate().map(name).collect()
}

fn add_row<'a>(tree: &mut Tree<'a>, row: Row<'a>, names: &[Cow<'a, str>]) -> Result<(), Fault> {
    let (count, width, line) = (row.cells.len(), names.len(), row.line);
    if tree.nodes.len() + count > CELLS_MAX {
        return Err(too_many_cells(line));
    }
    let parent = tree.add_child(0, format!("line {line}"));
    if count != width {
        let fault = malformed(
            line,
            format!("có {count} ô, dòng đầu có {width}"),
            format!("has {count} cells, the first row has {width}"),
        );
        tree.defects.push((parent, fault));
    }
    // Cells beyond the last column are searched for secrecy marks as all others are.
    let names = names.iter().cloned().chain(std::iter::repeat(Cow::Borrowed("")));
    for (cell, name) in row.cells.into_iter().zip(names) {
        let node_id = tree.add_child(parent, name);
        tree.nodes[node_id].text = cell.text;
    }
    Ok(())
}

fn too_many_cells(line: usize) -> Fault {
    Fault::new(&code::LT_MAP_005).violation(
        format!("line {line}"),
        format!("có hơn {CELLS_MAX} ô"),
        format!("there are more than {CELLS_MAX} cells"),
    )
}

#[cfg(test)]
mod tests;
