//! Days and times in the forms that descriptions name; times stand in Vietnam's zone.

use prost_reflect::{DynamicMessage, FieldDescriptor, Value};

use super::{Unreadable, message, unreadable};

/// Numbers of a text that has this form: y, M, d, H, m, s stand for digits.
fn numbers(text: &str, form: &str) -> Option<[i32; 6]> {
    let mut found = [0; 6];
    let mut rest = text;
    let mut letters = form.chars().peekable();
    while let Some(letter) = letters.next() {
        let mut width = 1;
        while letters.next_if_eq(&letter).is_some() {
            width += 1;
        }
        match "yMdHms".find(letter) {
            Some(place) => {
                let most = if width == 1 { 2 } else { width };
                let count = rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
                if count == 0 || (width > 1 && count != width) {
                    return None;
                }
                let (digits, after) = rest.split_at(count);
                *found.get_mut(place)? = digits.parse().ok()?;
                rest = after;
            }
            None => {
                for _ in 0..width {
                    rest = rest.strip_prefix(letter)?;
                }
            }
        }
    }
    rest.is_empty().then_some(found)
}

/// A text of this form.
fn formed(form: &str, values: [i64; 6]) -> String {
    let mut text = String::new();
    let mut letters = form.chars().peekable();
    while let Some(letter) = letters.next() {
        let mut width = 1;
        while letters.next_if_eq(&letter).is_some() {
            width += 1;
        }
        match "yMdHms".find(letter).and_then(|it| values.get(it)) {
            Some(value) => text.push_str(&format!("{value:0width$}")),
            None => text.extend(std::iter::repeat_n(letter, width)),
        }
    }
    text
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

pub(super) fn date(
    text: &str,
    forms: &[String],
    field: &FieldDescriptor,
) -> Result<Value, Unreadable> {
    let read = forms.iter().find_map(|form| numbers(text, form));
    let Some([year, month, day, ..]) = read else {
        return Err(unreadable("không đúng dạng ngày", "is no day of a known form"));
    };
    if !is_day(year, month, day) {
        return Err(unreadable("ngày không có thật", "is a day that does not exist"));
    }
    let mut date = message(field);
    date.set_field_by_name("year", Value::I32(year));
    date.set_field_by_name("month", Value::I32(month));
    date.set_field_by_name("day", Value::I32(day));
    Ok(Value::Message(date))
}

pub(super) fn day_text(date: &DynamicMessage, form: &str) -> Option<String> {
    let number = |name: &str| date.get_field_by_name(name)?.as_i32().map(i64::from);
    let (year, month, day) = (number("year")?, number("month")?, number("day")?);
    (month > 0 && day > 0).then(|| formed(form, [year, month, day, 0, 0, 0]))
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

pub(super) fn moment(text: &str, form: &str, field: &FieldDescriptor) -> Result<Value, Unreadable> {
    let Some([year, month, day, hour, minute, second]) = numbers(text, form) else {
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
    let mut moment = message(field);
    if let Some(at) = moment.get_field_by_name_mut("at").and_then(Value::as_message_mut) {
        at.set_field_by_name("seconds", Value::I64(seconds));
    }
    moment.set_field_by_name("zone_assumed", Value::Bool(true));
    Ok(Value::Message(moment))
}

pub(super) fn moment_text(moment: &DynamicMessage, form: &str) -> Option<String> {
    let at = moment.get_field_by_name("at")?;
    Some(at_text(at.as_message()?.get_field_by_name("seconds")?.as_i64()?, form))
}

/// Seconds since 1970 in Vietnam's time.
pub(super) fn at_text(seconds: i64, form: &str) -> String {
    let seconds = seconds.saturating_add(ZONE_S);
    let (year, month, day) = civil(seconds.div_euclid(86_400));
    let rest = seconds.rem_euclid(86_400);
    formed(form, [year, month, day, rest / 3_600, rest / 60 % 60, rest % 60])
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
        assert_eq!(numbers("2026/11/20", "yyyy/MM/dd"), Some([2026, 11, 20, 0, 0, 0]));
        assert_eq!(formed("dd/MM/yyyy HH:mm", [2026, 1, 2, 3, 4, 0]), "02/01/2026 03:04");
        for wrong in ["20/11/2026", "2026/11/200", "2026/1/20", "2026/11/2x", ""] {
            assert_eq!(numbers(wrong, "yyyy/MM/dd"), None, "{wrong}");
        }
        assert!(!is_day(2023, 2, 29) && is_day(2024, 2, 29) && !is_day(2026, 13, 1));
    }
}
