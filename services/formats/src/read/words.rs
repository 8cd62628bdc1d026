//! What is told of a record while it is read: violations stop it, findings do not.

use proto::message::v1::Finding;

use super::{FieldViolation, From, Reading};
use crate::convert::Unreadable;
use crate::limits::FINDINGS_MAX;
use crate::tree::{Name, joined};

impl Reading<'_> {
    /// How people find a place, there or not.
    pub(super) fn shown(&self, from: From<'_>, at: &[Name]) -> String {
        let within = match from {
            From::There(place) => self.tree.path(place),
            From::Missing(from, way) => self.shown(*from, way),
        };
        let field = [within, joined(at)].join("/");
        field.trim_matches('/').to_owned()
    }

    pub(super) fn missing(&mut self, from: From<'_>, at: &[Name]) {
        let field = self.shown(from, at);
        self.violation(field, "thiếu thông tin bắt buộc", "is required and missing");
    }

    pub(super) fn violation(&mut self, field: String, vi: &str, en: &str) {
        if self.violations.len() < FINDINGS_MAX {
            let (description_vi, description_en) = (vi.to_owned(), en.to_owned());
            self.violations.push(FieldViolation { field, description_vi, description_en });
        }
    }

    pub(super) fn finding(&mut self, code: &str, field: String, vi: String, en: String) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding { code: code.to_owned(), field, text_vi: vi, text_en: en });
        }
    }

    pub(super) fn unreadable(&mut self, place: usize, text: &str, why: &Unreadable, needed: bool) {
        let field = self.tree.path(place);
        let shown: String = text.chars().take(40).collect();
        if needed {
            let (vi, en) = (format!("“{shown}” {}", why.vi), format!("\"{shown}\" {}", why.en));
            self.violation(field, &vi, &en);
        } else {
            self.invalid.push(place);
            let vi = format!("“{shown}” {}; giữ nguyên văn, coi như không ghi.", why.vi);
            let en = format!("\"{shown}\" {}; kept as it was, taken as not said.", why.en);
            self.finding("LT-MAP-020", field, vi, en);
        }
    }

    pub(super) fn too_long(&mut self, place: usize, text: &str, max: Option<usize>) {
        if let Some(most) = max.filter(|max| text.len() > *max && text.chars().count() > *max) {
            let field = self.tree.path(place);
            let (vi, en) = (
                format!("Dài hơn {most} ký tự; vẫn nhận."),
                format!("Longer than {most} characters; taken all the same."),
            );
            self.finding("LT-MAP-021", field, vi, en);
        }
    }
}
