//! The loss policy: which losses hold a copy back until its receiver is known to accept them.

use proto::canonical::v1::{Canonical, DocumentNumber, canonical::Body, change};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::loss::CONSENT_FIELDS;
use proto::message::v1::{Loss, loss};

use crate::document_number::is_same_number;

/// Paths that the text of a refusal names; a text must stay readable in a table's cell.
const PATHS_IN_TEXT_MAX: usize = 5;

/// The losses of a copy that need the receiver's consent and do not have it, as a fault; none when
/// the copy may be delivered.
pub(crate) fn refuse_losses(
    canonical: &Canonical,
    losses: &[Loss],
    accepted: &[String],
) -> Option<Fault> {
    let is_refused = |path: &str| {
        let field = consent_field(canonical, path, losses);
        field.is_some_and(|it| !accepted.iter().any(|accepted| accepted == it))
    };
    let refused: Vec<&Loss> = losses
        .iter()
        .filter(|it| matches!(it.kind(), loss::Kind::Lost | loss::Kind::Changed))
        .filter(|it| is_refused(&it.path))
        .collect();
    if refused.is_empty() {
        return None;
    }
    let paths: Vec<&str> =
        refused.iter().take(PATHS_IN_TEXT_MAX).map(|it| it.path.as_str()).collect();
    let more = if refused.len() > PATHS_IN_TEXT_MAX { ", …" } else { "" };
    let fault = Fault::new(&code::LT_MAP_224).param("losses", paths.join(", ") + more);
    Some(refused.iter().fold(fault, |fault, it| {
        let (vi, en) = match it.kind() {
            loss::Kind::Changed => ("bên nhận sẽ thấy khác", "the receiver would see it changed"),
            loss::Kind::Lost | loss::Kind::Added | loss::Kind::Unspecified => {
                ("bên nhận sẽ không thấy", "the receiver would not see it")
            }
        };
        fault.violation(&it.path, format!("{vi} ({})", it.reason), format!("{en} ({})", it.reason))
    }))
}

/// The field of [`CONSENT_FIELDS`] that a path belongs to; none when its loss needs no consent.
fn consent_field(canonical: &Canonical, path: &str, losses: &[Loss]) -> Option<&'static str> {
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    let name = first.split('[').next().unwrap_or_default();
    let field = *CONSENT_FIELDS.iter().find(|it| **it == name)?;
    let needs_consent = match field {
        // Bytes and file name; descriptions of a file may be lost.
        "attachments" => ["", "content", "file_name"]
            .contains(&rest.split(['.', '[']).next().unwrap_or_default()),
        // A format without a field for changes presents every packet as a new document, which is
        // right for a new one.
        "change" => !is_new_document(canonical),
        "number" => rest != "printed" || !is_printed_number_redundant(canonical, losses),
        _ => true,
    };
    needs_consent.then_some(field)
}

fn is_new_document(canonical: &Canonical) -> bool {
    let Some(Body::Document(document)) = &canonical.body else { return true };
    document
        .change
        .as_ref()
        .is_none_or(|it| matches!(it.kind(), change::Kind::New | change::Kind::Unspecified))
}

/// True when the receiver can compose the printed number from number and notation, and neither of
/// them is lost.
fn is_printed_number_redundant(canonical: &Canonical, losses: &[Loss]) -> bool {
    let Some(Body::Document(document)) = &canonical.body else { return false };
    let Some(number) = &document.number else { return false };
    let composed = DocumentNumber { printed: String::new(), ..number.clone() };
    let are_parts_kept =
        !losses.iter().any(|it| ["number.number", "number.notation"].contains(&&*it.path));
    are_parts_kept && is_same_number(number, &composed)
}

#[cfg(test)]
#[path = "loss_policy/tests.rs"]
mod tests;
