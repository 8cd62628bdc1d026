//! Tests of days and times: every day, sentinels, spellings.

use super::*;
use crate::model::message_schema;

fn forms(spec: &str) -> DateForms {
    DateForms::parse(spec, "yMd").unwrap()
}

fn field(message: &str, name: &str) -> &'static FieldSchema {
    message_schema(message).unwrap().field(name).unwrap()
}

/// The text of a day after reading and writing, with the code of its note.
fn day(text: &str, spec: &str) -> Result<(String, Option<&'static str>), (&'static str, String)> {
    let forms = forms(spec);
    let read = read_date(text, &forms, field("Document", "issued"));
    let Converted { value, note } = read.map_err(|it| (it.code, it.en.to_owned()))?;
    let written = write_date(value.as_message().unwrap(), &forms).unwrap();
    Ok((written, note.map(|it| it.code)))
}

/// The text of a time after reading and writing.
fn time(text: &str, spec: &str) -> Option<String> {
    let forms = DateForms::parse(spec, "yMdHm").unwrap();
    let value = read_moment(text, &forms, field("Status", "at")).ok()?;
    write_moment(value.as_message()?, &forms)
}

/// Law L9: what a form writes it reads as the same value, for every day of 1900 to 2100.
#[test]
fn every_day_of_two_centuries_is_read_as_it_was_written() {
    let issued = field("Document", "issued");
    let specs = [
        "yyyy/MM/dd",
        "dd/MM/yyyy",
        "d/M/yyyy",
        "yyyy-MM-dd",
        "dd.MM.yyyy",
        "yyyyMMdd",
        "dd/MM/yyyy HH:mm:ss",
        "yyyy-MM-ddTHH:mm:ss",
        "MM/dd/yyyy",
        "exactly d-M-yyyy",
    ];
    for spec in specs {
        let forms = forms(spec);
        let mut date = civil::date(1900, 1, 2);
        while date <= civil::date(2100, 12, 31) {
            let mut message = new_message(issued).unwrap();
            message.set_by_name("year", Value::I32(date.year().into()));
            message.set_by_name("month", Value::I32(date.month().into()));
            message.set_by_name("day", Value::I32(date.day().into()));
            let text = write_date(&message, &forms).unwrap();
            if let Ok(Converted { value, note }) = read_date(&text, &forms, issued) {
                assert_eq!((value, note), (Value::Message(message), None), "{spec}: {text}");
            } else {
                // The days that programs write for none are no days.
                assert_eq!(text, write_date(&message, &forms).unwrap());
                assert!(matches!(
                    (date.year(), date.month(), date.day()),
                    (1970, 1, 1) | (2079, 6, 6)
                ));
            }
            date = date.tomorrow().unwrap();
        }
    }
}

/// Law L9 for times: to the second where the form has seconds, in every form and with an offset.
#[test]
fn times_are_read_as_they_were_written() {
    let at = field("Status", "at");
    for spec in [
        "yyyy/MM/dd HH:mm:ss",
        "dd/MM/yyyy HH:mm:ss",
        "yyyy-MM-ddTHH:mm:ss+07:00",
        "HH:mm:ss dd/MM/yyyy",
        "yyyyMMddHHmmss",
        "MM/dd/yyyy HH:mm:ss",
    ] {
        let forms = DateForms::parse(spec, "yMdHm").unwrap();
        // 1900-01-02 to 2100-12-31, in steps of some 13 hours.
        for seconds in (-2_208_900_000..4_133_900_000_i64).step_by(47_123) {
            let text = forms.write_seconds(seconds).unwrap();
            let Ok(Value::Message(read)) = read_moment(&text, &forms, at) else {
                assert!(text.contains("1970") || text.contains("2079"), "{spec}: {text}");
                continue;
            };
            let stamp = read.get_by_name("at").and_then(Value::as_message).unwrap();
            let read_s = match stamp.get_by_name("seconds") {
                Some(Value::I64(it)) => *it,
                _ => 0,
            };
            assert_eq!(read_s, seconds, "{spec}: {text}");
            let assumed = read.get_by_name("zone_assumed").is_some();
            assert_eq!(assumed, !spec.contains('+'), "{spec}");
            assert_eq!(write_moment(&read, &forms).unwrap(), text);
        }
    }
    assert_eq!(
        DateForms::parse("yyyy/MM/dd HH:mm", "yMdHm").unwrap().write_seconds(i64::MAX),
        None
    );
}

/// D02, E02, J07: a day in every form that has one reading.
#[test]
fn a_day_is_read_in_every_clear_form() {
    for text in [
        "2026/11/20",
        "2026-11-20",
        "2026.11.20",
        "20/11/2026",
        "20-11-2026",
        "20.11.2026",
        "20261120",
        "2026-11-20T00:00:00",
        "2026/11/20 00:00:00",
        "20/11/2026 0:00",
        "2026-11-20T00:00:00.0000000",
        "2026-11-20T00:00:00Z",
        "2026-11-20T00:00:00+09:00",
        "2026-11-19T17:00:00Z",
        "2026-11-19T17:00:00.000Z",
        "20/11/2026 12:00:00 SA",
        "/Date(1795107600000)/",
        "/Date(1795107600000+0700)/",
        "ngày 20 tháng 11 năm 2026",
        "Ngày 20  tháng 11 năm 2026",
    ] {
        let read = day(text, "yyyy/MM/dd");
        assert_eq!(read, Ok(("2026/11/20".to_owned(), None)), "{text}");
    }
    for text in ["5/1/2026", "05/01/2026", "2026-1-5", "5.1.2026", "20260105", "5-01-2026"] {
        assert_eq!(day(text, "yyyy/MM/dd").unwrap().0, "2026/01/05", "{text}");
    }
    // A time says more than the day, which is said.
    for text in ["2023/03/14 17:19:16", "14/03/2023 17:19", "2023-03-14T08:00:00+07:00"] {
        let read = day(text, "yyyy/MM/dd");
        assert_eq!(read, Ok(("2023/03/14".to_owned(), Some("LT-MAP-053"))), "{text}");
    }
    assert_eq!(day("2026-11-19T20:00:00Z", "yyyy/MM/dd").unwrap().0, "2026/11/20");
}

#[test]
fn a_day_that_may_be_another_one_is_never_guessed() {
    for (text, reason) in [
        ("11/20/2026", "has the month first, which is not read"),
        ("11-20-2026 08:00", "has the month first, which is not read"),
        ("20/11/26", "is no day of a known form"),
        ("26-11-20", "is no day of a known form"),
        ("5/11/2026 9:30:00 AM", "may be meant day first or month first"),
        ("20112026", "is a day that does not exist"),
        ("12345678", "is no day of a known form"),
        ("10121112", "is no day of a known form"),
        ("1795107600", "is no day of a known form"),
        ("46346", "is no day of a known form"),
        ("2026/11-20", "is no day of a known form"),
        ("2026/11", "is no day of a known form"),
        ("2026-11-20T25:00:00", "is a day that does not exist"),
        ("20/11/2026 13:00 SA", "is a day that does not exist"),
        ("2026-11-20T00:00:00+99:00", "is a day that does not exist"),
        ("2026/02/30", "is a day that does not exist"),
        ("2026/13/01", "is a day that does not exist"),
        ("0/0/2026", "is a day that does not exist"),
        ("20/11/2026x", "is no day of a known form"),
        ("20/11/2026 ", "is no day of a known form"),
        ("hôm nay", "is no day of a known form"),
        ("ngày 20 tháng 11", "is no day of a known form"),
        ("/Date(x)/", "is no day of a known form"),
        ("/Date()/", "is no day of a known form"),
        ("/Date(99999999999999999)/", "is a day that does not exist"),
        ("", "is no day of a known form"),
    ] {
        if text.ends_with(' ') {
            // White space around is no part of a text.
            assert!(day(text, "yyyy/MM/dd").is_ok());
            continue;
        }
        assert_eq!(day(text, "yyyy/MM/dd"), Err(("LT-MAP-020", reason.to_owned())), "{text}");
    }
    // A day that is the same both ways is no doubt.
    assert_eq!(day("5/5/2026 12:00:00 AM", "yyyy/MM/dd").unwrap().0, "2026/05/05");
}

/// D01: what programs write where they have no day.
#[test]
fn the_first_and_last_days_of_programs_are_no_days() {
    for text in [
        "0001/01/01",
        "0001-01-01",
        "01/01/0001",
        "1/1/0001 12:00:00 SA",
        "0001-01-01T00:00:00",
        "0001-01-01T00:00:00Z",
        "1900/01/01",
        "01/01/1900 00:00:00",
        "1753-01-01",
        "1601-01-01T00:00:00Z",
        "1899-12-30",
        "1970-01-01T07:00:00",
        "9999-12-31T23:59:59.9999999",
        "2079-06-06",
        "0000-00-00",
        "0000-00-00 00:00:00",
        "00/00/0000",
        "/Date(-62135596800000)/",
        "/Date(-62135622000000+0700)/",
        "/Date(253402300799999)/",
        "/Date(0)/",
    ] {
        assert_eq!(day(text, "yyyy/MM/dd").unwrap_err().0, "LT-MAP-054", "{text}");
        assert_eq!(time(text, "yyyy/MM/dd HH:mm:ss"), None, "{text}");
    }
    for near in ["0001-01-02", "1899-12-29", "1900-01-02", "1970-01-02", "9999-12-30"] {
        assert!(day(near, "yyyy/MM/dd").is_ok(), "{near}");
    }
}

/// D03, truth 4: the time of a status in every clear form, in its own zone.
#[test]
fn a_time_is_read_in_every_clear_form() {
    for text in [
        "2026/11/20 09:30:00",
        "2026-11-20T09:30:00",
        "2026-11-20T09:30:00.000",
        "2026-11-20T02:30:00Z",
        "2026-11-20T02:30:00.0000000Z",
        "2026-11-20T11:30:00+09:00",
        "2026-11-20T09:30:00 +07:00",
        "2026-11-20T09:30+07:00[Asia/Ho_Chi_Minh]",
        "2026-11-20 02:30:00 UTC",
        "2026-11-20 09:30:00 GMT+7",
        "2026-11-20T09:30:00+0700",
        "2026-11-20T09:30:00+07",
        "20/11/2026 09:30:00",
        "20/11/2026 9:30",
        "20-11-2026 9:30:0",
        "2026/11/20 09:30",
        "2026/11/20 09:30:00 SA",
        "2026/11/20 09:30:00SA",
        "20/11/2026 9:30:00 AM",
        "20261120093000",
        "202611200930",
        "20261120T093000",
        "20261120T023000Z",
        "09:30 20/11/2026",
        "9:30:00, 20/11/2026",
        "/Date(1795141800000)/",
        "/Date(1795141800000+0700)/",
    ] {
        let read = time(text, "yyyy/MM/dd HH:mm:ss");
        assert_eq!(read.as_deref(), Some("2026/11/20 09:30:00"), "{text}");
    }
    let afternoon = time("20/11/2026 9:30 CH", "yyyy/MM/dd HH:mm:ss");
    assert_eq!(afternoon.as_deref(), Some("2026/11/20 21:30:00"));
    let noon = time("2026/11/20 12:05 PM", "yyyy/MM/dd HH:mm:ss");
    assert_eq!(noon.as_deref(), Some("2026/11/20 12:05:00"));
    // Nobody said the time of a day, and none is written.
    for text in ["2026/11/20", "20.11.2026"] {
        assert_eq!(time(text, "yyyy/MM/dd HH:mm:ss").as_deref(), Some("2026/11/20"), "{text}");
    }
    for wrong in
        ["09:30", "2026/11/20 sáng", "2026/11/20 9h30", "2026/11/20 09:30:60", "11/20/2026 09:30"]
    {
        assert_eq!(time(wrong, "yyyy/MM/dd HH:mm:ss"), None, "{wrong}");
    }
}

#[test]
fn a_fraction_and_a_zone_are_kept() {
    let forms = DateForms::parse("yyyy/MM/dd HH:mm:ss", "yMdHm").unwrap();
    let at = field("Status", "at");
    let Ok(Value::Message(moment)) = read_moment("2026-11-20T09:30:00.125+07:00", &forms, at)
    else {
        panic!("no moment")
    };
    let stamp = moment.get_by_name("at").and_then(Value::as_message).unwrap();
    assert_eq!(stamp.get_by_name("nanos"), Some(&Value::I32(125_000_000)));
    assert_eq!(moment.get_by_name("zone_assumed"), None);
    assert_eq!(moment.get_by_name("day_only"), None);
}

/// A description may say that its texts are meant otherwise, or that nothing else is meant.
#[test]
fn a_description_narrows_the_forms() {
    assert_eq!(day("11/20/2026", "MM/dd/yyyy").unwrap().0, "11/20/2026");
    assert_eq!(day("05/11/2026", "MM/dd/yyyy").unwrap().0, "05/11/2026");
    for other in ["20/11/2026", "2026-11-20"] {
        assert!(day(other, "MM/dd/yyyy").is_err(), "{other}");
        assert!(day(other, "exactly yyyy/MM/dd").is_err(), "{other}");
    }
    assert_eq!(day("2026/11/20", "exactly yyyy/MM/dd").unwrap().0, "2026/11/20");
    assert!(DateForms::parse("exactly yyyy/MM", "yMd").is_err());
    assert!(DateForms::parse("", "yMd").is_err());
}

#[test]
fn days_of_the_calendar() {
    assert!(!is_date(2023, 2, 29) && is_date(2024, 2, 29) && !is_date(2026, 13, 1));
    assert!(!is_date(0, 1, 1) && is_date(9999, 12, 31) && !is_date(10_000, 1, 1));
}
