//! The differences between the expected files of a case and its result.

use crate::cases::case::{Case, CaseOutcome};

/// Lines on each side up to which lines are matched one by one; longer texts differ as a whole.
const LINES_MAX: usize = 2_000;
/// Unchanged lines around a change.
const CONTEXT: usize = 2;

/// An expected file that differs from the result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseDifference {
    /// The file in the folder of the case.
    pub file: &'static str,
    /// The changed lines with those around them.
    pub lines: Vec<DifferenceLine>,
}

/// A line of a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DifferenceLine {
    /// It is in both.
    Same(String),
    /// It is in the file only.
    Expected(String),
    /// It is in the result only.
    Actual(String),
    /// Lines that are in both are left out; the number of the next line in the file.
    Gap(usize),
}

/// Every expected file of a case that differs from its result.
pub fn differences(case: &Case, actual: &CaseOutcome) -> Vec<CaseDifference> {
    let canonical = |it: &Option<String>| it.clone().unwrap_or_default();
    let files = [
        ("class", case.class.clone(), actual.class.to_owned()),
        ("outcome", case.outcome.clone(), actual.outcome.clone()),
        ("canonical.json", canonical(&case.canonical), canonical(&actual.canonical)),
    ];
    files
        .into_iter()
        .filter(|(_, expected, actual)| expected.trim_end() != actual.trim_end())
        .map(|(file, expected, actual)| CaseDifference {
            file,
            lines: compare_lines(expected.trim_end(), actual.trim_end()),
        })
        .collect()
}

/// The lines of both texts, with what is the same far from a change left out.
fn compare_lines(expected: &str, actual: &str) -> Vec<DifferenceLine> {
    let expected: Vec<&str> = expected.lines().collect();
    let actual: Vec<&str> = actual.lines().collect();
    let before = expected.iter().zip(&actual).take_while(|(one, two)| one == two).count();
    let (left, right) = (&expected[before..], &actual[before..]);
    let after = left.iter().rev().zip(right.iter().rev()).take_while(|(one, two)| one == two);
    let after = after.count();
    let (left, right) = (&left[..left.len() - after], &right[..right.len() - after]);
    let same = |it: &&str| DifferenceLine::Same((*it).to_owned());
    let mut lines: Vec<_> = expected[..before].iter().map(same).collect();
    lines.extend(match_lines(left, right));
    lines.extend(expected[expected.len() - after..].iter().map(same));
    leave_out(lines)
}

/// Matches lines by their longest common subsequence.
fn match_lines(left: &[&str], right: &[&str]) -> Vec<DifferenceLine> {
    let (height, width) = (left.len(), right.len());
    if height > LINES_MAX || width > LINES_MAX {
        let expected = left.iter().map(|it| DifferenceLine::Expected((*it).to_owned()));
        let actual = right.iter().map(|it| DifferenceLine::Actual((*it).to_owned()));
        return expected.chain(actual).collect();
    }
    // length[row][column]: lines that the rests of both sides have in common.
    let mut length = vec![vec![0_u32; width + 1]; height + 1];
    for row in (0..height).rev() {
        for column in (0..width).rev() {
            length[row][column] = if left[row] == right[column] {
                length[row + 1][column + 1] + 1
            } else {
                length[row + 1][column].max(length[row][column + 1])
            };
        }
    }
    let (mut row, mut column, mut lines) = (0, 0, Vec::new());
    while row < height || column < width {
        if row < height && column < width && left[row] == right[column] {
            lines.push(DifferenceLine::Same(left[row].to_owned()));
            (row, column) = (row + 1, column + 1);
        } else if column == width
            || row < height && length[row + 1][column] >= length[row][column + 1]
        {
            lines.push(DifferenceLine::Expected(left[row].to_owned()));
            row += 1;
        } else {
            lines.push(DifferenceLine::Actual(right[column].to_owned()));
            column += 1;
        }
    }
    lines
}

/// Leaves out lines that are the same and far from a change.
fn leave_out(lines: Vec<DifferenceLine>) -> Vec<DifferenceLine> {
    let is_change = |it: &DifferenceLine| !matches!(it, DifferenceLine::Same(_));
    let changes: Vec<usize> =
        lines.iter().enumerate().filter(|(_, it)| is_change(it)).map(|(index, _)| index).collect();
    let is_near = |index: usize| changes.iter().any(|it| it.abs_diff(index) <= CONTEXT);
    let (mut kept, mut number, mut was_left_out) = (Vec::new(), 0, false);
    for (index, line) in lines.into_iter().enumerate() {
        number += usize::from(!matches!(line, DifferenceLine::Actual(_)));
        if !is_near(index) {
            was_left_out = true;
            continue;
        }
        if was_left_out {
            kept.push(DifferenceLine::Gap(number));
            was_left_out = false;
        }
        kept.push(line);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(expected: &str, actual: &str) -> String {
        let line = |it: &DifferenceLine| match it {
            DifferenceLine::Same(it) => format!(" {it}"),
            DifferenceLine::Expected(it) => format!("-{it}"),
            DifferenceLine::Actual(it) => format!("+{it}"),
            DifferenceLine::Gap(number) => format!("@{number}"),
        };
        compare_lines(expected, actual).iter().map(line).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn every_change_is_shown_with_the_lines_around_it() {
        let numbers = |it: std::ops::Range<u32>| it.map(|it| format!("{it}\n")).collect::<String>();
        let expected = numbers(1..20);
        let actual =
            expected.replace("\n3\n", "\n3a\n").replace("\n17\n", "\n").replace("19", "19\nnew");
        assert_eq!(
            text(&expected, &actual),
            " 1\n 2\n-3\n+3a\n 4\n 5\n@15\n 15\n 16\n-17\n 18\n 19\n+new"
        );
        assert_eq!(text("", "a"), "+a");
        assert_eq!(text("a\nb", ""), "-a\n-b");
        assert_eq!(text("a", "a"), "");
    }

    #[test]
    fn long_texts_are_compared_in_bounded_memory() {
        let long =
            |prefix: &str| (0..5_000).map(|it| format!("{prefix}{it}\n")).collect::<String>();
        assert_eq!(compare_lines(&long("a"), &long("b")).len(), 10_000);
    }
}
