//! Which losses keep a copy back until somebody says that its receiver can do without.

use proto::canonical::v1::{Canonical, DocumentNumber, canonical::Body, change};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::message::v1::{Loss, loss};

use crate::identity::same_number;

/// At most this many losses are named in the words of a refusal.
const NAMED_MAX: usize = 5;

/// What a document must not lose on its way unless its receiver accepts it, as the registry's
/// `accepts_losses` names it. Secrecy is not among them: nothing secret comes this far.
const KEPT: [&str; 6] = ["attachments", "change", "number", "subject", "issued", "due"];

/// The losses of a copy that its receiver did not accept, as a fault; none: it may go.
pub(crate) fn refusal(
    canonical: &Canonical,
    losses: &[Loss],
    accepted: &[String],
) -> Option<Fault> {
    let refused: Vec<&Loss> = losses
        .iter()
        .filter(|it| matches!(it.kind(), loss::Kind::Lost | loss::Kind::Changed))
        .filter(|it| kept(canonical, &it.path, losses).is_some_and(|of| !accepts(accepted, of)))
        .collect();
    if refused.is_empty() {
        return None;
    }
    let paths: Vec<&str> = refused.iter().take(NAMED_MAX).map(|it| it.path.as_str()).collect();
    let more = if refused.len() > NAMED_MAX { ", …" } else { "" };
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

fn accepts(accepted: &[String], of: &str) -> bool {
    accepted.iter().any(|it| it == of)
}

/// Which of what must be kept a path belongs to; none: it may be lost.
fn kept(canonical: &Canonical, path: &str, losses: &[Loss]) -> Option<&'static str> {
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    let name = first.split('[').next().unwrap_or_default();
    let of = *KEPT.iter().find(|it| **it == name)?;
    let is_kept = match of {
        // The bytes and the name; what else is said about a file is beside it.
        "attachments" => ["", "content", "file_name"]
            .contains(&rest.split(['.', '[']).next().unwrap_or_default()),
        // A format that cannot say what a packet does to an earlier one says that it is new.
        "change" => !is_new(canonical),
        "number" => rest != "printed" || !is_composed(canonical, losses),
        _ => true,
    };
    is_kept.then_some(of)
}

fn is_new(canonical: &Canonical) -> bool {
    let Some(Body::Document(document)) = &canonical.body else { return true };
    document
        .change
        .as_ref()
        .is_none_or(|it| matches!(it.kind(), change::Kind::New | change::Kind::Unspecified))
}

/// The number as printed is the number and the notation, and both arrive.
fn is_composed(canonical: &Canonical, losses: &[Loss]) -> bool {
    let Some(Body::Document(document)) = &canonical.body else { return false };
    let Some(number) = &document.number else { return false };
    let parts = DocumentNumber { printed: String::new(), ..number.clone() };
    let is_whole =
        !losses.iter().any(|it| ["number.number", "number.notation"].contains(&&*it.path));
    is_whole && same_number(number, &parts)
}

#[cfg(test)]
#[path = "consent/tests.rs"]
mod tests;
