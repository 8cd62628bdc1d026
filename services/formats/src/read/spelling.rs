//! Texts of fields that are in an old charset: converted when that is sure, and named in a finding.

use legacy_text::{Reading, Step};
use proto::message::v1::Finding;

use crate::canonical_path::PathSegment;
use crate::convert::{Converter, normalize_text};
use crate::limits::FINDINGS_MAX;
use crate::read::findings::QUOTED_CHARS_MAX;
use crate::read::reader::RecordReader;

/// Canonical fields that name something: another spelling would name something else, so they are
/// never converted.
const IDENTIFIERS: [&str; 25] = [
    "id",
    "code",
    "number",
    "notation",
    "printed",
    "sub_number",
    "copy_number",
    "extended_number",
    "file_name",
    "email",
    "phone",
    "fax",
    "website",
    "directory_key",
    "carrier_id",
    "message_id",
    "document_id",
    "document_code",
    "remote_id",
    "given_id",
    "object_id",
    "ref",
    "key",
    "rendition_of",
    "certificate_serial",
];

impl<'t> RecordReader<'t> {
    /// The text of a node in Unicode. One in an old charset is converted when that is sure, and the
    /// tree keeps both; else it stays as it is. Either is reported.
    pub(super) fn unicode_text(
        &mut self,
        (node_id, text): (usize, &'t str),
        (converter, to): (&Converter, &[PathSegment]),
    ) -> &'t str {
        let Some(is_prose) = is_prose(converter, to) else { return text };
        let Some(reading) = legacy_text::read(text) else { return text };
        let node = &self.tree.nodes[node_id];
        let finding = match &reading.text {
            Some(converted) if is_prose => converted_finding(text, converted, &reading.steps),
            // Letters and marks of an identifier are composed, as in every text.
            _ if reading.unclear.is_none() && is_composition(&reading) => return text,
            _ => unclear_finding(text, &reading, is_prose),
        };
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding { field: self.tree.path(node_id), ..finding });
        }
        match reading.text.filter(|_| is_prose) {
            Some(converted) => node.unicode.get_or_init(|| converted),
            None => text,
        }
    }

    /// Notes that a node was read in another spelling than its own, which becomes a leftover.
    pub(super) fn note_spelling(&mut self, node_id: usize, canonical: &'t str) {
        if self.tree.nodes[node_id].unicode.get().is_some() {
            self.spellings.push((node_id, canonical));
        }
    }
}

/// True for a text that people read, false for an identifier, none for another value.
fn is_prose(converter: &Converter, to: &[PathSegment]) -> Option<bool> {
    match converter {
        Converter::Text | Converter::List(_) | Converter::Affix(_) => {
            let is_identifier = |it: &PathSegment| IDENTIFIERS.contains(&it.field.name.as_str());
            Some(!to.last().is_some_and(is_identifier))
        }
        Converter::Code(_) | Converter::Extra => Some(true),
        // Its parts are those of a document's number.
        Converter::Pattern(_) => Some(false),
        Converter::Integer
        | Converter::YesNo(..)
        | Converter::Date(_)
        | Converter::Time(_)
        | Converter::OrgId
        | Converter::MediaType
        | Converter::PackedType
        | Converter::Fetch
        | Converter::Content => None,
    }
}

fn is_composition(reading: &Reading) -> bool {
    reading.steps.iter().all(|it| it.spelling == legacy_text::Spelling::Decomposed)
}

/// The text of a leftover in Unicode, as it was read; none when it is ordinary.
pub(crate) fn unicode_of(raw: &str) -> Option<String> {
    let text = legacy_text::read(raw.trim())?.text?;
    Some(normalize_text(&text).ok()?.into_owned())
}

fn quote(text: &str) -> String {
    let quoted: String = text.chars().take(QUOTED_CHARS_MAX).collect();
    name_folding::spell_out_invisible(&quoted)
}

/// The names of spellings, in the order in which they were undone.
fn names(steps: &[Step]) -> (String, String) {
    let join = |name: fn(&Step) -> &'static str| {
        let names: Vec<&str> = steps.iter().map(name).collect();
        names.join(" + ")
    };
    (join(|it| it.spelling.names().0), join(|it| it.spelling.names().1))
}

fn converted_finding(text: &str, converted: &str, steps: &[Step]) -> Finding {
    let (vi, en) = names(steps);
    let confidence = steps.iter().map(|it| it.confidence).min().unwrap_or_default();
    let (text, converted) = (quote(text), quote(converted));
    Finding {
        code: "LT-MAP-060".to_owned(),
        field: String::new(),
        text_vi: format!(
            "“{text}” là {vi} (chắc {confidence} %); đọc thành “{converted}”, nguyên văn được giữ."
        ),
        text_en: format!(
            "\"{text}\" is {en} (confidence {confidence} %); read as \"{converted}\", and the original is kept."
        ),
    }
}

fn unclear_finding(text: &str, reading: &Reading, is_prose: bool) -> Finding {
    let step = reading.unclear.or_else(|| reading.steps.last().copied());
    let (vi, en) = step.map_or(("", ""), |it| it.spelling.names());
    let confidence = step.map_or(0, |it| it.confidence);
    let (why_vi, why_en) = if is_prose {
        ("chưa đủ chắc; giữ nguyên", "not sure enough; left as it is")
    } else {
        (
            "mã định danh không được đổi; giữ nguyên",
            "an identifier is never converted; left as it is",
        )
    };
    let text = quote(text);
    Finding {
        code: "LT-MAP-061".to_owned(),
        field: String::new(),
        text_vi: format!("“{text}” trông như {vi} (chắc {confidence} %), {why_vi}."),
        text_en: format!("\"{text}\" looks like {en} (confidence {confidence} %), {why_en}."),
    }
}
