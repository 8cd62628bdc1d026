//! The fields of a submitted item that mapping does not see: bounds and characters.
//!
//! A field is refused as it is and never trimmed or shortened: a key that was changed would be
//! another key, and its sender would not find it again.

use name_folding::{is_invisible, name_characters, spell_out_invisible};
use proto::exchange::v1::{SubmitRequest, SubmittedAttachment};
use proto::fault::code;
use proto::fault::v1::Fault;

use crate::fault::invalid_field;

/// Longest key of an item, bytes.
pub(crate) const KEY_BYTES_MAX: usize = 200;
/// Longest name of a format, bytes.
const FORMAT_BYTES_MAX: usize = 100;
/// Longest reference or name of a file, bytes: three times what file systems take.
const FILE_TEXT_BYTES_MAX: usize = 1_000;
/// Longest media type, bytes (RFC 6838 permits 127 on each side of the slash).
const MEDIA_TYPE_BYTES_MAX: usize = 255;
/// Longest code of a recipient, bytes; Decision 20/2020 permits 35 characters.
const CODE_BYTES_MAX: usize = 100;
/// Recipients of one call; a circular to every commune of the country has 3,321.
const RECIPIENTS_MAX: usize = 5_000;

/// Checks the fields of an item.
pub(crate) fn check_item(request: &SubmitRequest, attachments_max: usize) -> Result<(), Fault> {
    check_text("key", &request.key, KEY_BYTES_MAX)?;
    if request.format.is_empty() {
        return Err(invalid_field(
            "format",
            "cần tên định dạng hoặc auto",
            "must be a format's name or auto",
        ));
    }
    check_text("format", &request.format, FORMAT_BYTES_MAX)?;
    check_digest("body_sha256", &request.body_sha256)?;
    check_count("attachments", request.attachments.len(), attachments_max)?;
    for (index, it) in request.attachments.iter().enumerate() {
        check_attachment(&format!("attachments[{index}]"), it)?;
    }
    if request.recipients.len() > RECIPIENTS_MAX {
        let count = request.recipients.len();
        return Err(invalid_field(
            "recipients",
            &format!("có {count} nơi nhận, nhiều nhất {RECIPIENTS_MAX}"),
            &format!("has {count} recipients, at most {RECIPIENTS_MAX}"),
        ));
    }
    for (index, code) in request.recipients.iter().enumerate() {
        check_length(&format!("recipients[{index}]"), code, CODE_BYTES_MAX)?;
    }
    Ok(())
}

fn check_attachment(path: &str, attachment: &SubmittedAttachment) -> Result<(), Fault> {
    let field = |name| format!("{path}.{name}");
    check_text(&field("reference"), &attachment.reference, FILE_TEXT_BYTES_MAX)?;
    check_length(&field("file_name"), &attachment.file_name, FILE_TEXT_BYTES_MAX)?;
    check_text(&field("media_type"), &attachment.media_type, MEDIA_TYPE_BYTES_MAX)?;
    check_digest(&field("sha256"), &attachment.sha256)
}

fn check_digest(path: &str, sha256: &[u8]) -> Result<(), Fault> {
    let count = sha256.len();
    if count == 0 || count == 32 {
        return Ok(());
    }
    Err(invalid_field(
        path,
        &format!("có {count} byte, SHA-256 có 32; bỏ trống nếu không khai"),
        &format!("has {count} bytes, a SHA-256 has 32; leave it empty to declare none"),
    ))
}

fn check_count(path: &str, count: usize, count_max: usize) -> Result<(), Fault> {
    if count <= count_max {
        return Ok(());
    }
    Err(Fault::new(&code::LT_GW_002).param("most", count_max.to_string()).violation(
        path,
        format!("có {count} tệp, nhiều nhất {count_max}"),
        format!("has {count} files, at most {count_max}"),
    ))
}

/// Checks a text by which something is found again: two that look alike must be alike.
pub(crate) fn check_text(path: &str, text: &str, bytes_max: usize) -> Result<(), Fault> {
    check_length(path, text, bytes_max)?;
    let hidden: String = text.chars().filter(|it| is_invisible(*it)).collect();
    let Some((vi, en)) = name_characters(&hidden) else { return Ok(()) };
    let shown = spell_out_invisible(text);
    Err(invalid_field(
        path,
        &format!("có ký tự không nhìn thấy {vi}: `{shown}`; bỏ ký tự này"),
        &format!("holds characters that cannot be seen, {en}: `{shown}`; remove them"),
    ))
}

fn check_length(path: &str, text: &str, bytes_max: usize) -> Result<(), Fault> {
    if text.len() <= bytes_max {
        return Ok(());
    }
    let count = text.len();
    Err(invalid_field(
        path,
        &format!("dài {count} byte, dài nhất {bytes_max}"),
        &format!("has {count} bytes, at most {bytes_max}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The refusal of an item that was right before the change: code, field, English text.
    fn refusal(change: impl FnOnce(&mut SubmitRequest)) -> Option<(String, String, String)> {
        let attachment = SubmittedAttachment {
            reference: "r".to_owned(),
            part: "p".to_owned(),
            file_name: "Công văn.pdf".to_owned(),
            ..SubmittedAttachment::default()
        };
        let mut item = SubmitRequest {
            key: "công văn 1".to_owned(),
            format: "auto".to_owned(),
            attachments: vec![attachment.clone(), attachment],
            recipients: vec!["A99.2".to_owned(); 3],
            ..SubmitRequest::default()
        };
        change(&mut item);
        let fault = check_item(&item, 2).err()?;
        let first = fault.violations[0].clone();
        Some((fault.code, first.field, first.description_en))
    }

    #[test]
    fn every_field_has_a_bound_that_the_refusal_names() {
        assert_eq!(refusal(|_| {}), None);
        let refused = |field: &str, text: &str| {
            Some(("LT-EX-011".to_owned(), field.to_owned(), text.to_owned()))
        };
        let long = || "x".repeat(1 << 20);
        let most = |bytes: usize| format!("has 1048576 bytes, at most {bytes}");
        assert_eq!(refusal(|it| it.key = long()), refused("key", &most(200)));
        assert_eq!(refusal(|it| it.format = long()), refused("format", &most(100)));
        assert_eq!(
            refusal(|it| it.attachments[1].file_name = long()),
            refused("attachments[1].file_name", &most(1_000))
        );
        assert_eq!(refusal(|it| it.recipients[2] = long()), refused("recipients[2]", &most(100)));
        assert_eq!(
            refusal(|it| it.recipients = vec![String::new(); 5_001]),
            refused("recipients", "has 5001 recipients, at most 5000")
        );
        let (code, field, _) =
            refusal(|it| it.attachments = vec![SubmittedAttachment::default(); 3]).unwrap();
        assert_eq!((&*code, &*field), ("LT-GW-002", "attachments"));
    }

    #[test]
    fn a_key_with_a_character_that_nobody_sees_is_refused_and_shown() {
        for (key, shown) in [
            ("k1\u{200b}", "U+200B (zero-width space): `k1[U+200B]`"),
            ("\u{feff}k1", "U+FEFF (byte order mark): `[U+FEFF]k1`"),
            ("k\u{a0}1", "U+00A0 (no-break space): `k[U+00A0]1`"),
            ("k\n1", "U+000A (line break): `k[U+000A]1`"),
            ("k\0", "U+0000 (control character): `k[U+0000]`"),
        ] {
            let (_, field, text) = refusal(|it| it.key = key.to_owned()).unwrap();
            assert_eq!(field, "key");
            assert!(text.contains(shown), "{text}");
        }
        let (_, field, _) = refusal(|it| it.attachments[0].reference.push('\u{202e}')).unwrap();
        assert_eq!(field, "attachments[0].reference");
    }
}
