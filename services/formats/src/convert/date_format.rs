//! The form in which a description writes dates and times, such as `dd/MM/yyyy`.

use crate::diagnostic::BilingualText;

/// A date or time format such as `dd/MM/yyyy`.
///
/// An own parser, because `strptime` accepts white space and widths that a description does not
/// allow, and a text that two formats accept would be read by the wrong one.
#[derive(Clone, Debug)]
pub(crate) struct DateFormat(Vec<FormatItem>);

#[derive(Clone, Copy, Debug)]
enum FormatItem {
    /// Digits: index among year, month, day, hour, minute, second; number of digits.
    Number(usize, usize),
    Literal(char),
}

impl DateFormat {
    /// Parses a format in which `y`, `M`, `d`, `H`, `m`, `s` stand for digits. It must contain
    /// every letter of `required`.
    pub(super) fn parse(format: &str, required: &str) -> Result<Self, BilingualText> {
        if let Some(letter) = required.chars().find(|it| !format.contains(*it)) {
            return Err(BilingualText::new(
                format!("dạng `{format}` thiếu `{letter}`"),
                format!("the form `{format}` lacks `{letter}`"),
            ));
        }
        if !format.contains("yyyy") {
            return Err(BilingualText::new(
                format!("dạng `{format}` cần năm đủ bốn chữ số, `yyyy`"),
                format!("the form `{format}` needs the whole year, `yyyy`"),
            ));
        }
        let mut items = Vec::new();
        let mut letters = format.chars().peekable();
        while let Some(letter) = letters.next() {
            let Some(index) = "yMdHms".find(letter) else {
                items.push(FormatItem::Literal(letter));
                continue;
            };
            let mut width = 1;
            while letters.next_if_eq(&letter).is_some() {
                width += 1;
            }
            items.push(FormatItem::Number(index, width));
        }
        Ok(Self(items))
    }

    /// True when a text in this format ends with the offset of Vietnam's time zone.
    pub(super) fn names_zone(&self) -> bool {
        let literal = |it: &FormatItem| match it {
            FormatItem::Literal(letter) => Some(*letter),
            FormatItem::Number(..) => None,
        };
        let offset = self.0.get(self.0.len().saturating_sub(6)..).unwrap_or_default();
        offset.iter().filter_map(literal).eq("+07:00".chars())
    }

    /// Year, month, day, hour, minute and second of a text in this format.
    pub(super) fn read(&self, text: &str) -> Option<[i32; 6]> {
        let mut numbers = [0; 6];
        let mut rest = text;
        for item in &self.0 {
            let (index, width) = match item {
                FormatItem::Number(index, width) => (*index, *width),
                FormatItem::Literal(letter) => {
                    rest = rest.strip_prefix(*letter)?;
                    continue;
                }
            };
            let max = if width == 1 { 2 } else { width };
            let count = rest.bytes().take(max).take_while(u8::is_ascii_digit).count();
            if count == 0 || (width > 1 && count != width) {
                return None;
            }
            let (digits, after) = rest.split_at(count);
            *numbers.get_mut(index)? = digits.parse().ok()?;
            rest = after;
        }
        rest.is_empty().then_some(numbers)
    }

    /// The text of year, month, day, hour, minute and second in this format.
    pub(super) fn write(&self, values: [i64; 6]) -> String {
        write_items(&self.0, values)
    }

    /// The text of year, month and day without the time behind them; none when the time stands
    /// elsewhere in this format.
    pub(super) fn write_day(&self, values: [i64; 6]) -> Option<String> {
        let is_number = |it: &FormatItem| matches!(it, FormatItem::Number(..));
        let is_time = |it: &FormatItem| matches!(it, FormatItem::Number(3.., _));
        let time_at = self.0.iter().position(is_time)?;
        let before = self.0.get(..time_at)?;
        let end = before.iter().rposition(is_number)? + 1;
        let days = before.iter().filter(|it| is_number(it)).count();
        (days == 3).then(|| write_items(before.get(..end).unwrap_or_default(), values))
    }

    /// True when this format has a time of day.
    pub(super) fn has_time(&self) -> bool {
        self.0.iter().any(|it| matches!(it, FormatItem::Number(3.., _)))
    }

    /// True when the parts stand in no order of the table of clear forms, such as the month in front:
    /// a description with such a form says how its texts are meant, and no other reading is tried.
    pub(super) fn has_own_order(&self) -> bool {
        let position = |wanted: usize| {
            let is_wanted =
                |it: &FormatItem| matches!(it, FormatItem::Number(it, _) if *it == wanted);
            self.0.iter().position(is_wanted)
        };
        let (year, month, day) = (position(0), position(1), position(2));
        !((year < month && month < day) || (day < month && month < year))
    }
}

fn write_items(items: &[FormatItem], values: [i64; 6]) -> String {
    let mut text = String::with_capacity(20);
    for item in items {
        match item {
            FormatItem::Number(index, width) => {
                push_digits(values.get(*index).copied().unwrap_or_default(), *width, &mut text);
            }
            FormatItem::Literal(letter) => text.push(*letter),
        }
    }
    text
}

/// Appends a number with at least `width` digits. The formatting macros take several times as long
/// for the six numbers of a time.
fn push_digits(number: i64, width: usize, text: &mut String) {
    if number < 0 {
        text.push_str(&format!("{number:0width$}"));
        return;
    }
    let is_needed = |power: u32| number.checked_div(10_i64.pow(power)).is_some_and(|it| it > 0);
    let min = u32::try_from(width).unwrap_or(1).clamp(1, 18);
    let count = (min..18).find(|it| !is_needed(*it)).unwrap_or(18);
    for power in (0..count).rev() {
        let digit = u32::try_from(number / 10_i64.pow(power) % 10).unwrap_or_default();
        text.extend(char::from_digit(digit, 10));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_reads_what_it_writes_and_nothing_else() {
        let format = |it: &str| DateFormat::parse(it, "yMd").unwrap();
        let read = |text: &str, of: &str| format(of).read(text);
        assert_eq!(read("2026/11/20", "yyyy/MM/dd"), Some([2026, 11, 20, 0, 0, 0]));
        let written = format("dd/MM/yyyy HH:mm").write([2026, 1, 2, 3, 4, 0]);
        assert_eq!(written, "02/01/2026 03:04");
        assert_eq!(format("d.M.yyyy").write([12345, 1, 20, 0, 0, 0]), "20.1.12345");
        assert_eq!(format("yyyy/M/d").write([-5, 10, 2, 0, 0, 0]), "-005/10/2");
        for wrong in ["20/11/2026", "2026/11/200", "2026/1/20", "2026/11/2x", ""] {
            assert_eq!(read(wrong, "yyyy/MM/dd"), None, "{wrong}");
        }
        assert!(DateFormat::parse("dd/MM/yy", "yMd").is_err());
        let timed = DateFormat::parse("dd/MM/yyyy, HH:mm", "yMdHm").unwrap();
        assert_eq!(timed.write_day([2026, 1, 2, 3, 4, 0]).as_deref(), Some("02/01/2026"));
        let time_first = DateFormat::parse("HH:mm dd/MM/yyyy", "yMdHm").unwrap();
        assert_eq!(time_first.write_day([2026, 1, 2, 3, 4, 0]), None);
        assert!(format("MM/dd/yyyy").has_own_order() && format("yyyy/dd/MM").has_own_order());
        assert!(!format("yyyy/MM/dd").has_own_order() && !format("d.M.yyyy").has_own_order());
    }
}
