//! Reports of a record: violations refuse it, findings are returned with the message.

use proto::fault::code;
use proto::fault::v1::{Fault, FieldViolation};
use proto::message::v1::Finding;

use crate::canonical_path::{PathSegment, find_value};
use crate::convert::{ConvertError, ReadNote};
use crate::limits::{FINDINGS_MAX, LENGTH_FACTOR_MAX, LIMITED_TEXT_CHARS_MIN, TEXT_CHARS_MAX};
use crate::model::{DynMessage, Value};
use crate::read::put::contradicts;
use crate::read::reader::{FileSource, Location, RecordReader};
use crate::tree::{NodeName, join_names};

/// Characters of the sender's text that a report quotes.
pub(super) const QUOTED_CHARS_MAX: usize = 40;

impl<'t> RecordReader<'t> {
    /// The native path of a node, whether it is present or not.
    pub(super) fn display_path(&self, from: Location<'_>, at: &[NodeName]) -> String {
        let parent = match from {
            Location::Present(node_id) => self.tree.path(node_id),
            Location::Absent(from, path) => self.display_path(*from, path),
        };
        let field = [parent, join_names(at)].join("/");
        field.trim_matches('/').to_owned()
    }

    /// Reports a required node that is missing.
    pub(super) fn report_missing(&mut self, from: Location<'_>, at: &[NodeName]) {
        let field = self.display_path(from, at);
        self.report_violation(field, "thiếu thông tin bắt buộc", "is required and missing");
    }

    pub(super) fn report_violation(&mut self, field: String, vi: &str, en: &str) {
        if self.violations.len() < FINDINGS_MAX {
            let (description_vi, description_en) = (vi.to_owned(), en.to_owned());
            self.violations.push(FieldViolation { field, description_vi, description_en });
        }
    }

    pub(super) fn report_finding(&mut self, code: &str, field: String, vi: String, en: String) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding { code: code.to_owned(), field, text_vi: vi, text_en: en });
        }
    }

    /// Reports a text that its converter cannot read: a violation where a value is required, else a
    /// finding, and the text becomes a leftover.
    pub(super) fn report_unreadable(
        &mut self,
        (node_id, text): (usize, &str),
        error: &ConvertError,
        of: &'t str,
        is_required: bool,
    ) {
        let field = self.tree.path(node_id);
        let quoted = quote(text);
        if is_required {
            let (vi, en) =
                (format!("“{quoted}” {}", error.vi), format!("\"{quoted}\" {}", error.en));
            self.report_violation(field, &vi, &en);
        } else {
            self.unreadable.push((node_id, of));
            let vi = format!("“{quoted}” {}; giữ nguyên văn, coi như không ghi.", error.vi);
            let en = format!("\"{quoted}\" {}; kept as it was, taken as not said.", error.en);
            self.report_finding(error.code, field, vi, en);
        }
    }

    /// Reports how a text was read, where its converter has something to say.
    pub(super) fn report_note(
        &mut self,
        (node_id, text): (usize, &str),
        note: Option<ReadNote>,
        of: &'t str,
    ) {
        let Some(note) = note else { return };
        if note.is_partial {
            self.spellings.push((node_id, of));
        }
        let (field, quoted) = (self.tree.path(node_id), quote(text));
        let vi = format!("“{quoted}” {}.", note.vi);
        let en = format!("\"{quoted}\" {}.", note.en);
        self.report_finding(note.code, field, vi, en);
    }

    /// Reports a text with the character that programs write for one they could not read. What stood
    /// there is lost, and only the sender has it.
    pub(super) fn report_damaged(&mut self, node_id: usize, text: &str) {
        if text.contains(char::REPLACEMENT_CHARACTER) {
            let count = text.chars().filter(|it| *it == char::REPLACEMENT_CHARACTER).count();
            let vi = format!("Chữ đã hỏng trước khi đến đây: có {count} ký tự thay thế U+FFFD.");
            let en = format!("Damaged before it came here: {count} replacement characters U+FFFD.");
            let field = self.tree.path(node_id);
            self.report_finding("LT-MAP-052", field, vi, en);
        }
    }

    /// Reports a word that stands for nothing.
    pub(super) fn report_word(&mut self, node_id: usize, text: &str) {
        let field = self.tree.path(node_id);
        let vi = format!("Chữ “{text}” được coi như không ghi.");
        let en = format!("The word \"{text}\" is taken as not said.");
        self.report_finding("LT-MAP-034", field, vi, en);
    }

    /// Reports the values of a second record that differ from those of the first one.
    pub(super) fn report_others(
        &mut self,
        first: &DynMessage<'_>,
        second: &DynMessage<'_>,
        trail: &[(usize, &[PathSegment])],
    ) {
        for (node_id, path) in trail {
            if let (Some(existing), Some(other)) =
                (find_value(first, path), find_value(second, path))
                && contradicts(existing, other)
            {
                let text = self.tree.nodes[*node_id].text.trim();
                self.report_other(*node_id, existing, text);
            }
        }
    }

    /// Reports a second value for a field, which becomes a leftover.
    pub(super) fn report_other(&mut self, node_id: usize, existing: &Value<'_>, text: &str) {
        self.others.push(node_id);
        let text = quote(text);
        let (mut vi, mut en) = (
            format!("“{text}” khác giá trị đã đọc ở chỗ khác"),
            format!("\"{text}\" differs from the value that stands elsewhere"),
        );
        if let Some(existing) = existing.as_text().map(quote) {
            vi += &format!(" (“{existing}”)");
            en += &format!(" (\"{existing}\")");
        }
        let field = self.tree.path(node_id);
        vi += "; giữ nguyên văn.";
        en += "; kept as it was.";
        self.report_finding("LT-MAP-031", field, vi, en);
    }

    /// Reports a text where the format has a constant.
    pub(super) fn report_constant(&mut self, node_id: usize, text: &str, constant: &str) {
        let field = self.tree.path(node_id);
        let quoted: String = text.chars().take(QUOTED_CHARS_MAX).collect();
        let vi = format!("Định dạng ghi “{constant}” ở đây, bên gửi ghi “{quoted}”; không dùng.");
        let en = format!("The format has \"{constant}\" here, the sender \"{quoted}\"; not used.");
        self.report_finding("LT-MAP-067", field, vi, en);
    }

    /// True for a text far beyond any length the field has a use for. It is a fault, which names the
    /// bound and how far it was passed, and is returned after the sink has seen the message.
    pub(super) fn is_beyond_bound(
        &mut self,
        node_id: usize,
        text: &str,
        max: Option<usize>,
    ) -> bool {
        let limited = |max: usize| (max * LENGTH_FACTOR_MAX).max(LIMITED_TEXT_CHARS_MIN);
        let bound = max.map_or(TEXT_CHARS_MAX, limited);
        if text.len() <= bound || matches!(self.files, FileSource::Written(_)) {
            return false;
        }
        let count = text.chars().count();
        if count > bound {
            let fault = Fault::new(&code::LT_MAP_005).violation(
                self.tree.path(node_id),
                format!("dài {count} ký tự, nhiều nhất {bound}"),
                format!("has {count} characters, at most {bound}"),
            );
            self.fault.get_or_insert(fault);
        }
        count > bound
    }

    /// Reports a text that is longer than the format permits; it is read all the same.
    pub(super) fn report_too_long(&mut self, node_id: usize, text: &str, max: Option<usize>) {
        if let Some(max) = max.filter(|max| text.len() > *max && text.chars().count() > *max) {
            let field = self.tree.path(node_id);
            let (vi, en) = (
                format!("Dài hơn {max} ký tự; vẫn nhận."),
                format!("Longer than {max} characters; taken all the same."),
            );
            self.report_finding("LT-MAP-021", field, vi, en);
        }
    }
}

/// The beginning of a text, for a report.
fn quote(text: &str) -> String {
    text.chars().take(QUOTED_CHARS_MAX).collect()
}
