//! The patch law (L1): what a receiver reads is the message with the losses applied.

use std::collections::BTreeSet;

use proto::canonical::v1::{Canonical, canonical::Body};
use proto::fault::v1::Fault;
use proto::mapping::v1::DeclaredAttachment;
use proto::message::v1::{Claim, Loss};

use super::leaves::{apply_losses, canonical_leaves, leaves};
use super::run::{Law, formats_with_rules};
use crate::tests::random_messages::RandomMessages;
use crate::unmapped::leftovers_of;
use crate::{EncodeContext, Format, FormatRegistry, MemoryBlobs};

/// The files of a message, declared as uploads, for a format that names files beside its body.
pub(in crate::tests) fn declared(
    format: &Format,
    canonical: &Canonical,
) -> Vec<DeclaredAttachment> {
    if !description(format).contains("as: fetch") {
        return Vec::new();
    }
    let attachments = match &canonical.body {
        Some(Body::Document(it)) => &it.attachments,
        Some(Body::Status(it)) => &it.attachments,
        Some(Body::DeliveryReport(_) | Body::Receipt(_)) | None => return Vec::new(),
    };
    let mut seen = BTreeSet::new();
    let all = attachments.iter().filter_map(|it| it.content.as_ref());
    let all = all.filter(|it| seen.insert(it.r#ref.clone()));
    all.map(|it| DeclaredAttachment {
        reference: it.r#ref.clone(),
        claim: Some(Claim { sha256: it.digests[0].value.clone(), size: it.size }),
        ..Default::default()
    })
    .collect()
}

/// The description of a shipped format; empty for another.
pub(in crate::tests) fn description(format: &Format) -> &'static str {
    let named = format!("\nformat: {}\n", format.name());
    FormatRegistry::shipped_texts().find(|it| it.contains(&named)).unwrap_or_default()
}

/// True for a refusal of values that a format requires of its senders only (`need: read`), which a
/// message need not have.
pub(in crate::tests) fn lacks_only_what_senders_need(format: &Format, fault: &Fault) -> bool {
    let is_needed = |field: &str| {
        let name = field.rsplit('/').next().unwrap_or_default();
        let mut lines = description(format).lines();
        lines.any(|it| it.contains(&format!("at: {name},")) && it.contains("need: read"))
    };
    !fault.violations.is_empty() && fault.violations.iter().all(|it| is_needed(&it.field))
}

/// Encodes and decodes a random message, and checks that the losses describe the difference. False
/// when the format refuses the message.
pub(in crate::tests) fn check_losses(format: &Format, seed: u64) -> bool {
    let mut files = MemoryBlobs::default();
    let (canonical, message) = RandomMessages(seed).canonical(format, &mut files);
    let declared = declared(format, &canonical);
    let organisation = if seed.is_multiple_of(2) { "A99.9".to_owned() } else { String::new() };
    let context = EncodeContext { now_us: 1_770_000_000_000_000, organisation };
    let mut native = Vec::new();
    let Ok(losses) = format.encode(&canonical, context, &files, &mut native) else { return false };
    let mut decoded_files = MemoryBlobs::default();
    let context = || format!("{} seed {seed}\n{}", format.name(), String::from_utf8_lossy(&native));
    let decoded = format.decode(&native, &declared, &mut decoded_files);
    if decoded.as_ref().is_err_and(|it| lacks_only_what_senders_need(format, it)) {
        return false;
    }
    let decoded = decoded.unwrap_or_else(|it| panic!("{it:?} {}", context())).remove(0).canonical;
    let expected = apply_losses(leaves(&message), &losses);
    let actual = canonical_leaves(format, &decoded);
    let differing: Vec<_> = expected
        .iter()
        .filter(|(path, value)| actual.get(*path) != Some(value))
        .map(|(path, value)| {
            format!("{path}: report says {value:?}, reader sees {:?}", actual.get(path))
        })
        .chain(
            actual
                .iter()
                .filter(|(it, _)| !expected.contains_key(*it))
                .map(|it| format!("unreported {it:?}")),
        )
        .collect();
    assert!(differing.is_empty(), "{differing:#?} {}", context());
    for (digest, bytes) in decoded_files.files() {
        assert_eq!(files.files().get(digest), Some(bytes), "{}", context());
    }
    check_second_pass(format, (&decoded, &declared), &files);
    true
}

/// Checks that a decoded message encodes to the same bytes from the second pass on.
fn check_second_pass(
    format: &Format,
    (decoded, declared): (&Canonical, &[DeclaredAttachment]),
    files: &MemoryBlobs,
) {
    let encode = |canonical: &Canonical| {
        let mut native = Vec::new();
        let context = EncodeContext { now_us: 1_780_000_000_000_000, ..EncodeContext::default() };
        let losses = format.encode(canonical, context, files, &mut native);
        losses.map(|losses| (native, losses))
    };
    let Ok((second, losses)) = encode(decoded) else { return };
    let again =
        format.decode(&second, declared, &mut MemoryBlobs::default()).unwrap().remove(0).canonical;
    assert_eq!(
        apply_losses(canonical_leaves(format, decoded), &losses),
        canonical_leaves(format, &again),
        "{losses:?}"
    );
    check_leftovers((decoded, &again), &losses);
    let (third, _) = encode(&again).unwrap();
    assert_eq!(second, third, "the same message gives the same bytes");
}

/// Checks that each leftover is either read again or reported as lost.
fn check_leftovers((before, after): (&Canonical, &Canonical), losses: &[Loss]) {
    let raw = |it: &Canonical| -> Vec<String> {
        let all = leftovers_of(it).iter().flat_map(|it| &it.items);
        all.map(|it| it.raw.clone()).collect()
    };
    let lost = losses.iter().filter(|it| it.path.starts_with("leftovers[")).count();
    let (before, after) = (raw(before), raw(after));
    assert_eq!(before.len(), after.len() + lost, "{before:?} {after:?} {losses:?}");
    assert!(after.iter().all(|it| before.contains(it)), "{before:?} {after:?}");
}

/// Patch law: what a receiver reads is the message with the losses applied.
#[test]
fn a_receiver_reads_what_the_losses_say() {
    let law = Law { name: "a_receiver_reads_what_the_losses_say", usual: 60 };
    for (format, tried, held) in
        law.try_each(formats_with_rules().filter(|it| it.is_written()), check_losses)
    {
        assert!(held > tried / 5, "{format}: {held} of {tried}; the law is tried on too few");
    }
}
