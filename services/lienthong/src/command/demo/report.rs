//! What the demonstration counted, and whether all is as promised.

use serde_json::{Value, json};

use crate::screen::Screen;

/// The counts of a demonstration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Report {
    /// Items for which a first receipt was given: documents and statuses.
    pub(super) submitted: usize,
    /// Documents that reached a recipient, each recipient counted.
    pub(super) delivered: usize,
    /// Documents that should have reached a recipient.
    pub(super) expected: usize,
    /// Statuses that came back to the sender.
    pub(super) statuses_returned: usize,
    /// Statuses that should have come back.
    pub(super) statuses_expected: usize,
    /// Repeats that were answered with the first receipt.
    pub(super) repeats_answered: usize,
    /// Codes of the items that were refused at the door.
    pub(super) refused: Vec<String>,
    /// Deliveries that came twice.
    pub(super) duplicated: usize,
    /// What is in an inbox and nobody sent there.
    pub(super) unexpected: usize,
    /// Attachments that arrived and are bit-identical.
    pub(super) attachments_identical: usize,
    /// Attachments that should have arrived.
    pub(super) attachments_expected: usize,
    /// From the first submit to the last status, milliseconds.
    pub(super) elapsed_ms: u128,
    /// What is not as promised, in both languages.
    broken: Vec<(String, String)>,
    /// What is as promised and worth knowing, in both languages.
    notes: Vec<(String, String)>,
}

impl Report {
    /// Notes something that is not as promised.
    pub(super) fn breach(&mut self, vi: impl Into<String>, en: impl Into<String>) {
        self.broken.push((vi.into(), en.into()));
    }

    /// Notes something worth knowing.
    pub(super) fn remark(&mut self, vi: impl Into<String>, en: impl Into<String>) {
        self.notes.push((vi.into(), en.into()));
    }

    /// How many things are not as promised.
    #[cfg(test)]
    pub(super) fn breaches(&self) -> usize {
        self.broken.len()
    }

    /// Deliveries and statuses that never came.
    pub(super) fn lost(&self) -> usize {
        self.expected.saturating_sub(self.delivered)
            + self.statuses_expected.saturating_sub(self.statuses_returned)
    }

    /// True when everything is as promised.
    pub(super) fn is_kept(&self) -> bool {
        self.lost() == 0
            && self.duplicated == 0
            && self.unexpected == 0
            && self.attachments_identical == self.attachments_expected
            && self.broken.is_empty()
    }

    /// The counts as programs read them.
    pub(super) fn json(&self, transport: &str, journeys: &[Value]) -> Value {
        let both = |of: &[(String, String)]| -> Value {
            of.iter().map(|(vi, en)| json!({ "vi": vi, "en": en })).collect()
        };
        json!({
            "transport": transport,
            "submitted": self.submitted,
            "delivered": self.delivered,
            "expected": self.expected,
            "statuses_returned": self.statuses_returned,
            "statuses_expected": self.statuses_expected,
            "repeats_answered": self.repeats_answered,
            "refused": self.refused.len(),
            "refused_codes": self.refused,
            "lost": self.lost(),
            "duplicated": self.duplicated,
            "unexpected": self.unexpected,
            "attachments_identical": self.attachments_identical,
            "attachments_expected": self.attachments_expected,
            "seconds": self.seconds(),
            "kept": self.is_kept(),
            "broken": both(&self.broken),
            "notes": both(&self.notes),
            "journeys": journeys,
        })
    }

    /// The counts as people read them.
    pub(super) fn print(&self, screen: Screen) {
        screen.line("");
        screen.line(screen.say("Kết quả", "Result"));
        let of = |done: usize, all: usize| format!("{done}/{all}");
        let rows = [
            (screen.say("Nhận vào trục", "Submitted"), self.submitted.to_string()),
            (
                screen.say("Văn bản đến nơi", "Documents delivered"),
                of(self.delivered, self.expected),
            ),
            (
                screen.say("Trạng thái về lại", "Statuses returned"),
                of(self.statuses_returned, self.statuses_expected),
            ),
            (
                screen.say("Tệp đính kèm nguyên vẹn", "Attachments bit-identical"),
                of(self.attachments_identical, self.attachments_expected),
            ),
            (
                screen.say("Gửi lặp, trả biên nhận cũ", "Repeats given the first receipt"),
                self.repeats_answered.to_string(),
            ),
            (
                screen.say("Từ chối tại cửa", "Refused at the door"),
                format!("{}: {}", self.refused.len(), self.refused.join(", ")),
            ),
            (screen.say("Mất", "Lost"), self.lost().to_string()),
            (screen.say("Trùng", "Duplicated"), self.duplicated.to_string()),
            (screen.say("Lạc", "Unexpected"), self.unexpected.to_string()),
            (screen.say("Thời gian", "Time"), format!("{:.2} s", self.seconds())),
        ];
        let longest = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
        for (name, value) in rows {
            let gap = longest + 2 - name.chars().count();
            screen.line(&format!("  {name}{}{value}", " ".repeat(gap)));
        }
        for (vi, en) in &self.notes {
            screen.line(&format!("  · {}", screen.say(vi, en)));
        }
        for (vi, en) in &self.broken {
            screen.line(&format!("  ✗ {}", screen.say(vi, en)));
        }
        screen.line(if self.is_kept() {
            screen.say("✓ Mọi điều đúng như cam kết.", "✓ All is as promised.")
        } else {
            screen.say("✗ Có điều không đúng cam kết.", "✗ Something is not as promised.")
        });
    }

    fn seconds(&self) -> f64 {
        let ms = u32::try_from(self.elapsed_ms).unwrap_or(u32::MAX);
        f64::from(ms) / 1000.0
    }
}
