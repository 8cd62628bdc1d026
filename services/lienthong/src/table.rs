//! Lays out rows under headings in the width of a terminal.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::terminal_text::printable;

/// Spaces between two columns.
const GAP: usize = 2;
/// Words up to this long are never broken, because an id is copied as one word.
const WORD_MAX: usize = 36;
/// A text that is cut keeps at least this many columns.
const CUT_MIN: usize = 10;
/// Longer words are broken, and their column is at least this wide.
const PIECE_MIN: usize = 20;

/// A row of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Row {
    /// A line across all columns.
    Line(String),
    /// One cell for each column.
    Cells(Vec<String>),
}

impl Row {
    /// The row with every text as a terminal may show it.
    pub(crate) fn printable(&self) -> Self {
        match self {
            Self::Line(text) => Self::Line(printable(text)),
            Self::Cells(cells) => Self::Cells(cells.iter().map(|it| printable(it)).collect()),
        }
    }
}

impl Row {
    /// The row with the texts of some columns cut to the width of their column.
    fn cut_to(&self, widths: &[usize], is_cut: &[bool]) -> Self {
        let Self::Cells(cells) = self else { return self.clone() };
        let columns = cells.iter().zip(widths).zip(is_cut);
        let cut = |((cell, width), is_cut): ((&String, &usize), &bool)| {
            if *is_cut { cut_text(cell, *width) } else { cell.clone() }
        };
        Self::Cells(columns.map(cut).collect())
    }
}

impl From<Vec<String>> for Row {
    fn from(cells: Vec<String>) -> Self {
        Self::Cells(cells)
    }
}

/// The lines of a table. Columns without content are left out. When the table would be wider than
/// `available`, texts of the columns `cut` are cut with an ellipsis, and cells of the others are
/// wrapped between words; when that is not enough, each cell gets a line of its own, with its heading
/// before it, and nothing is cut.
pub(crate) fn layout(
    headings: &[&str],
    rows: &[Row],
    (available, cut): (Option<usize>, &[usize]),
) -> Vec<String> {
    let used: Vec<usize> = (0..headings.len())
        .filter(|column| cells(rows).any(|it| it.get(*column).is_some_and(|it| !it.is_empty())))
        .collect();
    let pick_used = |from: &[String]| -> Vec<String> {
        used.iter().map(|it| from.get(*it).cloned().unwrap_or_default()).collect()
    };
    let headings: Vec<String> = headings.iter().map(|it| (*it).to_owned()).collect();
    let headings = pick_used(&headings);
    let rows: Vec<Row> = rows
        .iter()
        .map(|row| match row {
            Row::Line(text) => Row::Line(text.clone()),
            Row::Cells(cells) => Row::Cells(pick_used(cells)),
        })
        .collect();
    let is_cut: Vec<bool> = used.iter().map(|it| cut.contains(it)).collect();
    match column_widths(&headings, &rows, (available, &is_cut)) {
        Some(widths) => {
            let rows: Vec<Row> = rows.iter().map(|it| it.cut_to(&widths, &is_cut)).collect();
            layout_columns(&headings, &rows, (&widths, available))
        }
        None => layout_records(&headings, &rows, available),
    }
}

fn cells(rows: &[Row]) -> impl Iterator<Item = &Vec<String>> {
    rows.iter().filter_map(|it| match it {
        Row::Line(_) => None,
        Row::Cells(cells) => Some(cells),
    })
}

/// The width of each column; none when the longest words of the columns do not fit side by side.
fn column_widths(
    headings: &[String],
    rows: &[Row],
    (available, is_cut): (Option<usize>, &[bool]),
) -> Option<Vec<usize>> {
    let widest = |measure: fn(&str) -> usize| -> Vec<usize> {
        let mut widest: Vec<usize> = headings.iter().map(|it| measure(it)).collect();
        for row in cells(rows) {
            for (widest, cell) in widest.iter_mut().zip(row) {
                *widest = (*widest).max(measure(cell));
            }
        }
        widest
    };
    let mut widths = widest(width);
    let Some(available) = available else { return Some(widths) };
    let mut least = widest(|it| it.split_whitespace().map(least_width).max().unwrap_or(0));
    for (least, _) in least.iter_mut().zip(is_cut).filter(|(_, is_cut)| **is_cut) {
        *least = (*least).min(CUT_MIN);
    }
    let available = available.saturating_sub(GAP * widths.len().saturating_sub(1)).max(1);
    if least.iter().sum::<usize>() > available {
        return None;
    }
    // Texts that may be cut give way first, down to half of what they need to be recognised.
    for (is_turn, floor) in [(true, 2 * CUT_MIN), (false, 0), (true, 0)] {
        while widths.iter().sum::<usize>() > available {
            let columns = widths.iter_mut().zip(&least).zip(is_cut);
            let shrinkable = columns
                .filter(|((it, least), is_cut)| **is_cut == is_turn && **it > (**least).max(floor));
            let Some(((widest, _), _)) = shrinkable.max_by_key(|((it, _), _)| **it) else { break };
            *widest -= 1;
        }
    }
    Some(widths)
}

/// The least width of a column that holds this word.
fn least_width(word: &str) -> usize {
    match width(word) {
        it if it <= WORD_MAX => it,
        _ => PIECE_MIN,
    }
}

/// A line for each row, or several for a row with wrapped cells.
fn layout_columns(
    headings: &[String],
    rows: &[Row],
    (widths, available): (&[usize], Option<usize>),
) -> Vec<String> {
    let mut lines = layout_row(headings, widths);
    lines.push(widths.iter().map(|it| "─".repeat(*it)).collect::<Vec<_>>().join("  "));
    for row in rows {
        match row {
            Row::Line(text) => lines.extend(wrap_line(text, available.unwrap_or(usize::MAX))),
            Row::Cells(cells) => lines.extend(layout_row(cells, widths)),
        }
    }
    lines
}

/// A line for each cell, with its heading before it.
fn layout_records(headings: &[String], rows: &[Row], available: Option<usize>) -> Vec<String> {
    let available = available.unwrap_or(usize::MAX);
    let widest = headings.iter().map(|it| width(it)).max().unwrap_or(0);
    let mut lines = Vec::new();
    for row in rows {
        match row {
            Row::Line(text) => lines.extend(wrap_line(text, available)),
            Row::Cells(cells) => {
                let filled = headings.iter().zip(cells).filter(|(_, cell)| !cell.is_empty());
                let rest = available.saturating_sub(widest + GAP).max(1);
                lines
                    .extend(filled.flat_map(|(name, cell)| layout_field(name, widest, cell, rest)));
                lines.push(String::new());
            }
        }
    }
    lines
}

/// The lines of one cell, with its heading before the first.
fn layout_field(name: &str, widest: usize, cell: &str, rest: usize) -> Vec<String> {
    let mut before = pad(name, widest);
    let mut lines = Vec::new();
    for piece in wrap_line(cell, rest) {
        lines.push(format!("{before}  {piece}"));
        before = " ".repeat(widest);
    }
    lines
}

/// The lines of one row: each cell wrapped in its column.
fn layout_row(cells: &[String], widths: &[usize]) -> Vec<String> {
    let wrapped: Vec<Vec<String>> =
        cells.iter().zip(widths).map(|(cell, width)| wrap(cell, *width)).collect();
    let height = wrapped.iter().map(Vec::len).max().unwrap_or(0);
    (0..height)
        .map(|line| {
            let parts: Vec<String> = wrapped
                .iter()
                .zip(widths)
                .map(|(cell, width)| pad(cell.get(line).map_or("", String::as_str), *width))
                .collect();
            parts.join("  ").trim_end().to_owned()
        })
        .collect()
}

/// A text in lines of at most this width, broken between words.
fn wrap(text: &str, width_max: usize) -> Vec<String> {
    if width(text) <= width_max {
        return vec![text.to_owned()];
    }
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(line) + 1 + width(word) <= width_max => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.extend(break_word(word, width_max)),
        }
    }
    lines
}

/// A line in rows of at most this width, broken between words; each row is indented like the line.
/// A word that is wider, such as an id or a path, stays whole, because it is copied as one word.
pub(crate) fn wrap_line(line: &str, width_max: usize) -> Vec<String> {
    if width(line) <= width_max {
        return vec![line.to_owned()];
    }
    let indent = " ".repeat(line.len() - line.trim_start_matches(' ').len());
    let mut rows: Vec<String> = Vec::new();
    for (index, word) in line.trim_start_matches(' ').split(' ').enumerate() {
        match rows.last_mut() {
            Some(row) if index > 0 && width(row) + 1 + width(word) <= width_max => {
                row.push(' ');
                row.push_str(word);
            }
            _ => rows.push(format!("{indent}{word}")),
        }
    }
    rows
}

/// A text of at most this width; an ellipsis stands for what is left out.
fn cut_text(text: &str, width_max: usize) -> String {
    if width(text) <= width_max {
        return text.to_owned();
    }
    let mut cut = String::new();
    for letter in text.chars() {
        if width(&cut) + letter.width().unwrap_or(0) + 1 > width_max {
            break;
        }
        cut.push(letter);
    }
    format!("{}…", cut.trim_end())
}

/// A word in pieces of at most this width.
fn break_word(word: &str, width_max: usize) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for letter in word.chars() {
        let taken = letter.width().unwrap_or(0);
        if pieces.last().is_some_and(|it| width(it) + taken > width_max.max(1)) {
            pieces.push(String::new());
        }
        if let Some(last) = pieces.last_mut() {
            last.push(letter);
        }
    }
    pieces
}

/// A text filled with spaces to this width.
fn pad(text: &str, to_width: usize) -> String {
    format!("{text}{}", " ".repeat(to_width.saturating_sub(width(text))))
}

/// How many columns of a terminal a text takes: combining marks take none, East Asian letters two.
fn width(text: &str) -> usize {
    text.width()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Row> {
        let cells = |it: [&str; 3]| Row::Cells(it.map(ToOwned::to_owned).to_vec());
        vec![
            cells(["08:00", "", "đã nhận vào trục liên thông"]),
            Row::Line("→ mttq".to_owned()),
            cells(["08:01", "", "chờ"]),
        ]
    }

    #[test]
    fn without_a_width_rows_are_not_wrapped_and_empty_columns_are_left_out() {
        let lines = layout(&["Giờ", "Lỗi", "Kết quả"], &rows(), (None, &[]));
        let expected = [
            "Giờ    Kết quả",
            "─────  ───────────────────────────",
            "08:00  đã nhận vào trục liên thông",
            "→ mttq",
            "08:01  chờ",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_narrow_table_is_wrapped_between_words_and_a_narrower_one_is_printed_as_records() {
        let narrow = layout(&["Giờ", "Lỗi", "Kết quả"], &rows(), (Some(20), &[]));
        let expected = [
            "Giờ    Kết quả",
            "─────  ─────────────",
            "08:00  đã nhận vào",
            "       trục liên",
            "       thông",
            "→ mttq",
            "08:01  chờ",
        ];
        assert_eq!(narrow, expected);
        let records = layout(&["Giờ", "Lỗi", "Kết quả"], &rows(), (Some(8), &[]));
        assert_eq!(records.first().unwrap(), "Giờ      08:00");
    }

    #[test]
    fn a_text_that_may_be_cut_gives_way_before_others_are_wrapped() {
        let lines = layout(&["Giờ", "Lỗi", "Kết quả"], &rows(), (Some(20), &[2]));
        assert!(lines.contains(&"08:00  đã nhận vào…".to_owned()), "{lines:#?}");
        assert!(lines.iter().all(|it| width(it) <= 20), "{lines:#?}");
        assert_eq!(cut_text("文書文書", 5), "文書…");
    }

    #[test]
    fn combining_marks_take_no_column() {
        assert_eq!(width("Tiê\u{301}ng"), 5);
        assert_eq!(width("Tiếng"), 5);
        assert_eq!(width("文書"), 4, "East Asian letters take two columns");
    }
}
