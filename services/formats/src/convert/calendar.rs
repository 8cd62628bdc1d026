//! Days and times in the forms that descriptions name; times stand in Vietnam's zone.

use super::{Unreadable, message, unreadable};
use crate::mistake::Words;
use crate::record::{Field, Record, Value};

/// A form of days or times: what stands in it, in its order.
#[derive(Clone, Debug)]
pub(crate) struct Form(Vec<Step>);

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Digits: which of year, month, day, hour, minute, second, and how many.
    Number(usize, usize),
    Letter(char),
}

impl Form {
    /// Reads a form: y, M, d, H, m, s stand for digits. It must have all the letters it needs.
    pub(super) fn parse(form: &str, needs: &str) -> Result<Self, Words> {
        if let Some(letter) = needs.chars().find(|it| !form.contains(*it)) {
            return Err(Words::new(
                format!("dạng `{form}` thiếu `{letter}`"),
                format!("the form `{form}` lacks `{letter}`"),
            ));
        }
        let mut steps = Vec::new();
        let mut letters = form.chars().peekable();
        while let Some(letter) = letters.next() {
            let Some(place) = "yMdHms".find(letter) else {
                steps.push(Step::Letter(letter));
                continue;
            };
            let mut width = 1;
            while letters.next_if_eq(&letter).is_some() {
                width += 1;
            }
            steps.push(Step::Number(place, width));
        }
        Ok(Self(steps))
    }

    /// Numbers of a text that has this form.
    fn numbers(&self, text: &str) -> Option<[i32; 6]> {
        let mut found = [0; 6];
        let mut rest = text;
        for step in &self.0 {
            let (place, width) = match step {
                Step::Number(place, width) => (*place, *width),
                Step::Letter(letter) => {
                    rest = rest.strip_prefix(*letter)?;
                    continue;
                }
            };
            let most = if width == 1 { 2 } else { width };
            let count = rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
            if count == 0 || (width > 1 && count != width) {
                return None;
            }
            let (digits, after) = rest.split_at(count);
            *found.get_mut(place)? = digits.parse().ok()?;
            rest = after;
        }
        rest.is_empty().then_some(found)
    }

    /// A text of this form.
    fn text(&self, values: [i64; 6]) -> String {
        let mut text = String::with_capacity(20);
        for step in &self.0 {
            match step {
                Step::Number(place, width) => {
                    digits(values.get(*place).copied().unwrap_or_default(), *width, &mut text);
                }
                Step::Letter(letter) => text.push(*letter),
            }
        }
        text
    }

    /// Seconds since 1970 in Vietnam's time.
    pub(super) fn at(&self, seconds: i64) -> String {
        let seconds = seconds.saturating_add(ZONE_S);
        let (year, month, day) = civil(seconds.div_euclid(86_400));
        let rest = seconds.rem_euclid(86_400);
        self.text([year, month, day, rest / 3_600, rest / 60 % 60, rest % 60])
    }
}

/// A number with at least so many digits.
fn digits(number: i64, width: usize, text: &mut String) {
    if number < 0 {
        text.push_str(&format!("{number:0width$}"));
        return;
    }
    let is_needed = |place: u32| number.checked_div(10_i64.pow(place)).is_some_and(|it| it > 0);
    let least = u32::try_from(width).unwrap_or(1).clamp(1, 18);
    let count = (least..18).find(|it| !is_needed(*it)).unwrap_or(18);
    for place in (0..count).rev() {
        let digit = u32::try_from(number / 10_i64.pow(place) % 10).unwrap_or_default();
        text.extend(char::from_digit(digit, 10));
    }
}

fn last_day(year: i32, month: i32) -> i32 {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 0,
    }
}

/// True for a day of the calendar.
pub(crate) fn is_day(year: i32, month: i32, day: i32) -> bool {
    (1..=9999).contains(&year) && day >= 1 && day <= last_day(year, month)
}

pub(super) fn date<'t>(text: &str, forms: &[Form], field: &Field) -> Result<Value<'t>, Unreadable> {
    let Some([year, month, day, ..]) = forms.iter().find_map(|it| it.numbers(text)) else {
        return Err(unreadable("không đúng dạng ngày", "is no day of a known form"));
    };
    if !is_day(year, month, day) {
        return Err(unreadable("ngày không có thật", "is a day that does not exist"));
    }
    let mut date = message(field)?;
    date.set_named("year", Value::I32(year));
    date.set_named("month", Value::I32(month));
    date.set_named("day", Value::I32(day));
    Ok(Value::Message(date))
}

pub(super) fn day_text(date: &Record<'_>, form: &Form) -> Option<String> {
    let number = |name: &str| match date.named(name) {
        Some(Value::I32(it)) => i64::from(*it),
        _ => 0,
    };
    let (year, month, day) = (number("year"), number("month"), number("day"));
    (month > 0 && day > 0).then(|| form.text([year, month, day, 0, 0, 0]))
}

/// Vietnam's distance from UTC, seconds.
const ZONE_S: i64 = 7 * 3_600;

/// Days since 1970 of a day of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let shifted = (month + 9) % 12;
    let of_year = (153 * shifted + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

pub(super) fn moment<'t>(text: &str, form: &Form, field: &Field) -> Result<Value<'t>, Unreadable> {
    let Some([year, month, day, hour, minute, second]) = form.numbers(text) else {
        return Err(unreadable("không đúng dạng thời gian", "is no time of the known form"));
    };
    if !is_day(year, month, day) || hour > 23 || minute > 59 || second > 59 {
        return Err(unreadable("thời gian không có thật", "is a time that does not exist"));
    }
    let seconds = days(year.into(), month.into(), day.into()) * 86_400
        + i64::from(hour) * 3_600
        + i64::from(minute) * 60
        + i64::from(second)
        - ZONE_S;
    let mut moment = message(field)?;
    let at = moment.shape.field("at");
    if let Some(at) = at.and_then(|it| moment.message(it)) {
        at.set_named("seconds", Value::I64(seconds));
    }
    moment.set_named("zone_assumed", Value::Bool(true));
    Ok(Value::Message(moment))
}

pub(super) fn moment_text(moment: &Record<'_>, form: &Form) -> Option<String> {
    let seconds = match moment.named("at") {
        Some(Value::Message(at)) => at.named("seconds"),
        _ => None,
    };
    // What is not said is 1970.
    let Some(Value::I64(seconds)) = seconds else { return Some(form.at(0)) };
    Some(form.at(*seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_three_centuries_is_counted_once() {
        let mut expected = days(1900, 1, 1);
        let months = (1900..=2200).flat_map(|year| (1..=12).map(move |month| (year, month)));
        for (year, month) in months {
            for day in 1..=last_day(year, month) {
                let number = days(year.into(), month.into(), day.into());
                assert_eq!(number, expected);
                assert_eq!(civil(number), (year.into(), month.into(), day.into()));
                expected += 1;
            }
        }
        assert_eq!(days(1970, 1, 1), 0);
    }

    #[test]
    fn a_form_reads_what_it_writes_and_nothing_else() {
        let form = |it: &str| Form::parse(it, "yMd").unwrap();
        let numbers = |text: &str, of: &str| form(of).numbers(text);
        assert_eq!(numbers("2026/11/20", "yyyy/MM/dd"), Some([2026, 11, 20, 0, 0, 0]));
        let written = form("dd/MM/yyyy HH:mm").text([2026, 1, 2, 3, 4, 0]);
        assert_eq!(written, "02/01/2026 03:04");
        assert_eq!(form("d.M.y").text([12345, 1, 20, 0, 0, 0]), "20.1.12345");
        assert_eq!(form("yyyy/M/d").text([-5, 10, 2, 0, 0, 0]), "-005/10/2");
        for wrong in ["20/11/2026", "2026/11/200", "2026/1/20", "2026/11/2x", ""] {
            assert_eq!(numbers(wrong, "yyyy/MM/dd"), None, "{wrong}");
        }
        assert!(!is_day(2023, 2, 29) && is_day(2024, 2, 29) && !is_day(2026, 13, 1));
    }
}
