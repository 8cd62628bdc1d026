//! Property tests: what holds for every message and every shipped format, on random messages.

mod laws;
mod native_tree;
mod random_messages;
mod reference_report;
mod synthetic;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};
use prost::Message as _;
use prost_reflect::{DynamicMessage, ReflectMessage as _};
use proto::canonical::v1::{Canonical, canonical::Body};
use proto::fault::v1::Fault;
use proto::mapping::v1::DeclaredAttachment;
use proto::message::v1::{Claim, Loss, loss};

use self::laws::{SHIPPED, formats_with_rules, tries};
use self::random_messages::{RandomMessages, descriptor_of};
use self::reference_report::ReportedLoss;
use crate::model::{decode, encode, message_schema};
use crate::path_map::PathMap;
use crate::report::compare;
use crate::unmapped::leftovers_of;
use crate::{EncodeContext, Format, FormatRegistry, MemoryBlobs};

/// The files of a message, declared as uploads, for a format that names files beside its body.
fn declared(format: &Format, canonical: &Canonical) -> Vec<DeclaredAttachment> {
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
fn description(format: &Format) -> &'static str {
    let named = format!("\nformat: {}\n", format.name());
    FormatRegistry::shipped_texts().find(|it| it.contains(&named)).unwrap_or_default()
}

/// True for a refusal of values that a format requires of its senders only (`need: read`), which a
/// message need not have.
fn lacks_only_what_senders_need(format: &Format, fault: &Fault) -> bool {
    let is_needed = |field: &str| {
        let name = field.rsplit('/').next().unwrap_or_default();
        let mut lines = description(format).lines();
        lines.any(|it| it.contains(&format!("at: {name},")) && it.contains("need: read"))
    };
    !fault.violations.is_empty() && fault.violations.iter().all(|it| is_needed(&it.field))
}

/// Values by canonical path.
type Leaves = BTreeMap<String, String>;

fn leaves(message: &DynamicMessage) -> Leaves {
    let is_reported = |(path, _): &(String, String)| {
        !path.starts_with("leftovers") && !path.contains("directory_key")
    };
    reference_report::leaves(message).into_iter().filter(is_reported).collect()
}

fn canonical_leaves(format: &Format, canonical: &Canonical) -> Leaves {
    let mut message = DynamicMessage::new(descriptor_of(format));
    match canonical.body.as_ref().unwrap() {
        Body::Document(it) => message.merge(it.encode_to_vec().as_slice()).unwrap(),
        Body::Status(it) => message.merge(it.encode_to_vec().as_slice()).unwrap(),
        Body::DeliveryReport(it) => message.merge(it.encode_to_vec().as_slice()).unwrap(),
        Body::Receipt(_) => {}
    }
    leaves(&message)
}

/// Applies losses to a message: lost values are removed, and the items after a lost one move up.
fn apply_losses(mut leaves: Leaves, losses: &[Loss]) -> Leaves {
    // Leftovers are no leaves; `check_leftovers` counts them.
    for it in losses.iter().filter(|it| !it.path.starts_with("leftovers")) {
        match it.kind() {
            loss::Kind::Lost => {
                leaves.remove(&it.path).unwrap();
            }
            loss::Kind::Changed | loss::Kind::Added => {
                leaves.insert(it.path.clone(), it.value.clone());
            }
            loss::Kind::Unspecified => panic!("a loss without a kind"),
        }
    }
    let mut indexes = BTreeMap::<&str, BTreeSet<usize>>::new();
    for (within, index, _) in leaves.keys().flat_map(|it| list_items(it)) {
        indexes.entry(within).or_default().insert(index);
    }
    let moved = |path: &String| {
        let mut text = String::new();
        let mut done = 0;
        for (within, index, end) in list_items(path) {
            let position = indexes[within].iter().position(|it| *it == index).unwrap();
            text += &format!("{}[{position}]", path.get(done..within.len()).unwrap());
            done = end;
        }
        text + path.get(done..).unwrap()
    };
    leaves.iter().map(|(path, value)| (moved(path), value.clone())).collect()
}

/// The list items on a path: path of the list, index of the item, end of its bracket.
fn list_items(path: &str) -> Vec<(&str, usize, usize)> {
    let ends = path.match_indices(']').map(|(end, _)| end);
    let item = |end: usize| {
        let before = path.get(..end).unwrap();
        let (within, index) = before.rsplit_once('[').unwrap();
        (within, index.parse().unwrap(), end + 1)
    };
    ends.map(item).collect()
}

/// Encodes and decodes a random message, and checks that the losses describe the difference. False
/// when the format refuses the message.
fn check_losses(format: &Format, seed: u64) -> bool {
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    /// The own codec agrees with prost-reflect.
    #[test]
    fn the_wire_codec_agrees_with_prost_reflect(seed in any::<u64>()) {
        let registry = &*SHIPPED;
        for name in ["edxml.document", "edxml.status"] {
            let descriptor = descriptor_of(registry.get(name).unwrap());
            let message = RandomMessages(seed).any_message(&descriptor);
            let bytes = message.encode_to_vec();
            let schema = message_schema(message.descriptor().name()).unwrap();
            let decoded = decode(schema, &bytes).unwrap();
            let again = encode(&decoded);
            let mut other = DynamicMessage::new(message.descriptor());
            other.merge(again.as_slice()).unwrap();
            prop_assert_eq!(&again, &bytes);
            prop_assert_eq!(reference_report::leaves(&message), reference_report::leaves(&other));
            for end in 0..bytes.len().min(200) {
                // A truncated message is refused or shorter, but never panics.
                let _truncated = decode(schema, bytes.get(..end).unwrap());
            }
        }
    }

    /// The report of one walk equals a report that compares all paths.
    #[test]
    fn the_report_equals_the_reference_report(seed in any::<u64>()) {
        let registry = &*SHIPPED;
        for name in ["edxml.document", "edxml.status"] {
            let mut random = RandomMessages(seed);
            let descriptor = descriptor_of(registry.get(name).unwrap());
            let (message, read) = random.similar_pair(&descriptor);
            let bytes = [message.encode_to_vec(), read.encode_to_vec()];
            let schema = message_schema(message.descriptor().name()).unwrap();
            let [old, new] = [&bytes[0], &bytes[1]].map(|it| decode(schema, it).unwrap());
            let losses = compare(&old, &new, &PathMap::default());
            let reported: Vec<ReportedLoss> =
                losses.into_iter().map(|it| (it.kind(), it.path, it.value)).collect();
            prop_assert_eq!(reported, reference_report::compare(&message, &read));
        }
    }
}

/// Patch law: what a receiver reads is the message with the losses applied.
#[test]
fn a_receiver_reads_what_the_losses_say() {
    for format in formats_with_rules().filter(|it| it.is_written()) {
        let tried = tries(60);
        let accepted = (0..tried).filter(|it| check_losses(format, *it)).count();
        assert!(
            accepted as u64 > tried / 5,
            "{}: {accepted} of {tried}; the law would be tried on too few",
            format.name()
        );
    }
}
