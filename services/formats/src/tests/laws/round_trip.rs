//! GetPut and idempotence (L2, L3), and translation between formats (L10).

use proto::canonical::v1::Canonical;
use proto::fault::v1::Fault;
use proto::message::v1::Loss;

use super::leaves::{all_without_gaps, apply_losses, canonical_leaves, leftovers, seen};
use super::patch::{declared, lacks_only_what_senders_need};
use super::run::{Law, assert_coded, formats_with_rules};
use super::shipped_case::{ShippedCase, any_case_of, shipped_cases};
use crate::format::DecodedMessage;
use crate::tests::random_messages::RandomMessages;
use crate::{EncodeContext, Format, MemoryBlobs};

/// A time at which messages are written.
fn written_at() -> EncodeContext {
    EncodeContext { now_us: 1_770_000_000_000_000, ..EncodeContext::default() }
}

pub(super) fn encode(
    format: &Format,
    canonical: &Canonical,
    files: &MemoryBlobs,
) -> Result<(Vec<u8>, Vec<Loss>), Fault> {
    let mut native = Vec::new();
    let losses = format.encode(canonical, written_at(), files, &mut native)?;
    Ok((native, losses))
}

/// The native paths of the leftovers of a format that a report says are lost.
fn lost_leftovers<'l>(format: &Format, losses: &'l [Loss]) -> Vec<&'l str> {
    let of = format!("leftovers[{}].", format.name());
    losses.iter().filter_map(|it| it.path.strip_prefix(&of)).collect()
}

/// A message that goes back to its own format is what it was (GetPut), and the second time changes
/// nothing more, not one byte.
fn check_round_trip(case: &ShippedCase, native: &[u8]) {
    let format = case.format;
    let mut files = case.files.clone();
    let decoded = match format.decode(native, &case.declared, &mut files) {
        Ok(decoded) => decoded,
        Err(fault) => return assert_coded(&case.name, &fault),
    };
    for it in decoded {
        let Ok((first, losses)) = encode(format, &it.canonical, &files) else { continue };
        let words = || {
            let (before, after) =
                (String::from_utf8_lossy(native), String::from_utf8_lossy(&first));
            format!("{}\n{before}\n--- written:\n{after}\n{losses:#?}", case.name)
        };
        let declared = declared(format, &it.canonical);
        let again = format.decode(&first, &declared, &mut files.clone());
        let again = again.unwrap_or_else(|it| panic!("{it:?} {}", words())).remove(0).canonical;
        let (before, after) = (seen(format, &it.canonical), seen(format, &again));
        assert_eq!(apply_losses(before.leaves, &losses), after.leaves, "{}", words());
        let lost = lost_leftovers(format, &losses);
        let is_whole = lost.is_empty() && !losses.iter().any(tells_another_type);
        let mut expected = before.leftovers;
        for at in lost {
            let index = expected.iter().position(|it| it.0 == at);
            expected.remove(index.unwrap_or_else(|| panic!("no leftover {at}: {}", words())));
        }
        let (expected, found) = (all_without_gaps(&expected), all_without_gaps(&after.leftovers));
        assert_eq!(expected, found, "{}", words());
        let Ok((second, _)) = encode(format, &again, &files) else {
            panic!("the second writing is refused: {}", words());
        };
        let differing = String::from_utf8_lossy(&first)
            .lines()
            .zip(String::from_utf8_lossy(&second).lines())
            .find(|(one, other)| one != other)
            .map(|(one, other)| format!("{one}\n{other}"));
        // Where a text that nobody understood could not be put back, a default may stand next time.
        assert!(!is_whole || first == second, "{differing:?}\n{}", words());
    }
}

/// True where the report says that a file beside the body is read as of another type: the report and
/// the second reading have not its first bytes at hand, which the first reading had.
fn tells_another_type(loss: &Loss) -> bool {
    loss.path.starts_with("attachments[") && loss.path.ends_with(".media_type")
}

#[test]
fn a_message_returns_to_its_own_format_as_it_was() {
    for case in shipped_cases().iter().filter(|it| it.format.is_written()) {
        check_round_trip(case, &case.native);
    }
}

#[test]
fn a_changed_message_returns_to_its_own_format_as_it_was() {
    let law = Law { name: "a_changed_message_returns_to_its_own_format_as_it_was", usual: 40 };
    law.try_each(formats_with_rules().filter(|it| it.is_written()), |format, seed| {
        let mut random = RandomMessages(seed);
        let case = any_case_of(format, &mut random);
        let Some(mut tree) = case.tree() else { return false };
        tree.mutate(&mut random);
        check_round_trip(case, &tree.write(&format.syntax));
        true
    });
}

/// From one format to another and back to the model: the model with the losses of the other. True
/// when the other format can carry the message.
fn check_translation(
    case: &ShippedCase,
    (it, files): (&DecodedMessage, &MemoryBlobs),
    other: &Format,
) -> bool {
    let Ok((native, losses)) = encode(other, &it.canonical, files) else { return false };
    let words = || {
        let native = String::from_utf8_lossy(&native);
        format!("{} as {}\n{native}\n{losses:#?}", case.name, other.name())
    };
    let declared = declared(other, &it.canonical);
    let read = match other.decode(&native, &declared, &mut files.clone()) {
        Ok(mut read) => read.remove(0).canonical,
        Err(fault) if lacks_only_what_senders_need(other, &fault) => return false,
        Err(fault) => panic!("{fault:?} {}", words()),
    };
    let expected = apply_losses(canonical_leaves(other, &it.canonical), &losses);
    assert_eq!(expected, canonical_leaves(other, &read), "{}", words());
    if other.name() != case.format.name() {
        let bag: Vec<_> = leftovers(&it.canonical);
        let lost = lost_leftovers(case.format, &losses);
        assert_eq!(lost.len(), bag.len(), "{}", words());
    }
    true
}

/// From one format to another and back to the model: the model with the losses of the other.
#[test]
fn a_message_in_another_format_is_what_the_losses_say() {
    let mut count = 0;
    for case in shipped_cases() {
        let mut files = case.files.clone();
        let Ok(decoded) = case.format.decode(&case.native, &case.declared, &mut files) else {
            continue;
        };
        for it in &decoded {
            for other in formats_with_rules().filter(|it| it.is_written()) {
                count += u32::from(check_translation(&case, (it, &files), other));
            }
        }
    }
    assert!(count > 100, "{count} translations");
}
