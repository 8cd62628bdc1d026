//! Tests of the forms in which days and times are written.

use proptest::prelude::{any, prop_assert, proptest};

use super::*;

proptest! {
    /// Nothing that a text holds makes the reader panic, and what it reads exists.
    #[test]
    fn any_text_is_a_date_or_is_not(text in any::<String>()) {
        let _read = read_any(&text);
    }

    /// Texts of the characters that dates are made of reach every branch.
    #[test]
    fn texts_like_dates_are_dates_or_are_not(
        text in "[0-9/.:TZ+()\\- ,SAChPMDatengàyhá]{0,28}",
        head in "(/Date\\(-?[0-9]{0,19}|[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}[ T]|ngày )",
    ) {
        for it in [text.clone(), format!("{head}{text}"), format!("{head}{text})/")] {
            if let Ok(read) = read_any(&it) {
                prop_assert!((1..=9999).contains(&read.date.year()), "{it}");
                let _day = read.day();
                let _seconds = read.seconds();
            }
        }
    }
}
