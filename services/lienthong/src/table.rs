//! Rows under headings, laid out in the width there is.

/// The gap between two columns.
const GAP: usize = 2;
/// Words up to this long are never broken: an id has to be copied whole.
const WORD_MAX: usize = 36;
/// Longer ones are broken into pieces of at least this.
const PIECE_MIN: usize = 20;

/// A row of cells, or a line of its own between rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Row {
    /// A line over the whole width.
    Line(String),
    /// One cell a column.
    Cells(Vec<String>),
}

impl From<Vec<String>> for Row {
    fn from(cells: Vec<String>) -> Self {
        Self::Cells(cells)
    }
}

/// The lines of a table. A column that is empty everywhere is left out; cells wrap between words
/// when all would be wider than `available`; what cannot be made narrow enough becomes one line a
/// cell.
pub(crate) fn lines(headings: &[&str], rows: &[Row], available: Option<usize>) -> Vec<String> {
    let used: Vec<usize> = (0..headings.len())
        .filter(|column| cells(rows).any(|it| it.get(*column).is_some_and(|it| !it.is_empty())))
        .collect();
    let picked = |from: &[String]| -> Vec<String> {
        used.iter().map(|it| from.get(*it).cloned().unwrap_or_default()).collect()
    };
    let headings: Vec<String> = headings.iter().map(|it| (*it).to_owned()).collect();
    let headings = picked(&headings);
    let rows: Vec<Row> = rows
        .iter()
        .map(|row| match row {
            Row::Line(text) => Row::Line(text.clone()),
            Row::Cells(cells) => Row::Cells(picked(cells)),
        })
        .collect();
    match widths(&headings, &rows, available) {
        Some(widths) => table(&headings, &rows, &widths),
        None => records(&headings, &rows),
    }
}

fn cells(rows: &[Row]) -> impl Iterator<Item = &Vec<String>> {
    rows.iter().filter_map(|it| match it {
        Row::Line(_) => None,
        Row::Cells(cells) => Some(cells),
    })
}

/// How wide each column is; none when its longest words alone are too wide together.
fn widths(headings: &[String], rows: &[Row], available: Option<usize>) -> Option<Vec<usize>> {
    let over = |measure: fn(&str) -> usize| -> Vec<usize> {
        let mut most: Vec<usize> = headings.iter().map(|it| measure(it)).collect();
        for row in cells(rows) {
            for (most, cell) in most.iter_mut().zip(row) {
                *most = (*most).max(measure(cell));
            }
        }
        most
    };
    let mut widths = over(width);
    let Some(available) = available else { return Some(widths) };
    let least = over(|it| it.split_whitespace().map(unbroken).max().unwrap_or(0));
    let mut left = available.saturating_sub(GAP * widths.len().saturating_sub(1));
    if least.iter().sum::<usize>() > left {
        return None;
    }
    left = left.max(1);
    while widths.iter().sum::<usize>() > left {
        let widest = widths.iter_mut().zip(&least).filter(|(it, least)| **it > **least);
        let Some((widest, _)) = widest.max_by_key(|(it, _)| **it) else { break };
        *widest -= 1;
    }
    Some(widths)
}

/// How narrow a column may be for a word.
fn unbroken(word: &str) -> usize {
    match width(word) {
        it if it <= WORD_MAX => it,
        _ => PIECE_MIN,
    }
}

fn table(headings: &[String], rows: &[Row], widths: &[usize]) -> Vec<String> {
    let mut lines = joined(headings, widths);
    lines.push(widths.iter().map(|it| "─".repeat(*it)).collect::<Vec<_>>().join("  "));
    for row in rows {
        match row {
            Row::Line(text) => lines.push(text.clone()),
            Row::Cells(cells) => lines.extend(joined(cells, widths)),
        }
    }
    lines
}

fn records(headings: &[String], rows: &[Row]) -> Vec<String> {
    let widest = headings.iter().map(|it| width(it)).max().unwrap_or(0);
    let mut lines = Vec::new();
    for row in rows {
        match row {
            Row::Line(text) => lines.push(text.clone()),
            Row::Cells(cells) => {
                let told = headings.iter().zip(cells).filter(|(_, cell)| !cell.is_empty());
                lines.extend(told.map(|(name, cell)| format!("{}  {cell}", padded(name, widest))));
                lines.push(String::new());
            }
        }
    }
    lines
}

/// The lines of one row: each cell wrapped in its column.
fn joined(cells: &[String], widths: &[usize]) -> Vec<String> {
    let wrapped: Vec<Vec<String>> =
        cells.iter().zip(widths).map(|(cell, width)| wrapped(cell, *width)).collect();
    let height = wrapped.iter().map(Vec::len).max().unwrap_or(0);
    (0..height)
        .map(|line| {
            let parts: Vec<String> = wrapped
                .iter()
                .zip(widths)
                .map(|(cell, width)| padded(cell.get(line).map_or("", String::as_str), *width))
                .collect();
            parts.join("  ").trim_end().to_owned()
        })
        .collect()
}

/// A text in lines no wider than this, cut between words.
pub(crate) fn wrapped(text: &str, most: usize) -> Vec<String> {
    if width(text) <= most {
        return vec![text.to_owned()];
    }
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(line) + 1 + width(word) <= most => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.extend(pieces(word, most)),
        }
    }
    lines
}

/// A word as it is, or in pieces when it is wider than there is room.
fn pieces(word: &str, most: usize) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for letter in word.chars() {
        if pieces.last().is_some_and(|it| width(it) >= most.max(1)) {
            pieces.push(String::new());
        }
        if let Some(last) = pieces.last_mut() {
            last.push(letter);
        }
    }
    pieces
}

fn padded(text: &str, to: usize) -> String {
    format!("{text}{}", " ".repeat(to.saturating_sub(width(text))))
}

/// How many columns a text takes: marks that stand over another letter take none.
pub(crate) fn width(text: &str) -> usize {
    text.chars().filter(|it| !('\u{300}'..='\u{36F}').contains(it)).count()
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
    fn a_wide_screen_shows_rows_as_they_are_without_empty_columns() {
        let lines = lines(&["Giờ", "Lỗi", "Kết quả"], &rows(), None);
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
    fn a_narrow_screen_wraps_between_words_and_a_narrower_one_gets_records() {
        let narrow = lines(&["Giờ", "Lỗi", "Kết quả"], &rows(), Some(20));
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
        let records = lines(&["Giờ", "Lỗi", "Kết quả"], &rows(), Some(8));
        assert_eq!(records.first().unwrap(), "Giờ      08:00");
    }

    #[test]
    fn marks_over_letters_take_no_room() {
        assert_eq!(width("Tiê\u{301}ng"), 5);
        assert_eq!(width("Tiếng"), 5);
    }
}
