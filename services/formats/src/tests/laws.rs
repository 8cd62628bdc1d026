//! The laws that hold for every format, tried on the cases of every shipped one, as they are and
//! changed at random. `LIENTHONG_LAWS=100000` sets how often each is tried.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use proto::canonical::v1::{Canonical, Leftover, canonical::Body};
use proto::fault::v1::Fault;
use proto::mapping::v1::DeclaredAttachment;
use proto::message::v1::Loss;

use super::native_tree::NativeNode;
use super::random_messages::RandomMessages;
use super::{Leaves, apply_losses, canonical_leaves, declared};
use crate::format::{DecodedMessage, messages_of};
use crate::scan::decode_text;
use crate::{EncodeContext, Format, FormatRegistry, MemoryBlobs};

/// The shipped formats.
pub(super) static SHIPPED: LazyLock<FormatRegistry> =
    LazyLock::new(|| FormatRegistry::shipped().unwrap());

/// How often a law is tried: `LIENTHONG_LAWS`, else the number given.
#[expect(clippy::disallowed_methods, reason = "a longer run is asked for by its command")]
pub(super) fn tries(usual: u64) -> u64 {
    std::env::var("LIENTHONG_LAWS").ok().and_then(|it| it.parse().ok()).unwrap_or(usual)
}

/// Shipped formats with rules.
pub(super) fn formats_with_rules() -> impl Iterator<Item = &'static Format> {
    SHIPPED.all().filter(|it| !it.syntax.is_canonical())
}

/// A case of a shipped format.
pub(super) struct ShippedCase {
    pub(super) format: &'static Format,
    name: String,
    native: Vec<u8>,
    files: MemoryBlobs,
    declared: Vec<DeclaredAttachment>,
}

impl ShippedCase {
    fn load(format: &'static Format, folder: &Path) -> Self {
        let entries = |it: &Path| -> Vec<PathBuf> {
            let mut paths: Vec<_> =
                fs::read_dir(it).into_iter().flatten().map(|it| it.unwrap().path()).collect();
            paths.sort();
            paths
        };
        let is_native = |it: &PathBuf| it.file_stem().is_some_and(|it| it == "native");
        let native = entries(folder).into_iter().find(is_native).unwrap();
        let (mut files, mut declared) = (MemoryBlobs::default(), Vec::new());
        for it in entries(&folder.join("files")) {
            let name = it.file_name().unwrap().to_string_lossy().into_owned();
            declared.push(files.declare(&name, &fs::read(&it).unwrap()));
        }
        let name = format!("{}/{}", format.name(), folder.file_name().unwrap().to_string_lossy());
        Self { format, name, native: fs::read(native).unwrap(), files, declared }
    }

    fn decode(&self, native: &[u8]) -> Result<Vec<DecodedMessage>, Fault> {
        self.format.decode(native, &self.declared, &mut self.files.clone())
    }

    /// The content as a plain tree, and its bytes in the writing of the tests.
    fn tree(&self) -> Option<NativeNode> {
        let text = decode_text(&self.native, self.format.syntax.charset()).ok()?.text;
        let tree = self.format.scan(&text).ok()?;
        NativeNode::of(&tree, &self.format.syntax)
    }
}

/// The cases of every shipped format with rules.
pub(super) fn shipped_cases() -> Vec<ShippedCase> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mapping/formats");
    let mut cases = Vec::new();
    for format in formats_with_rules() {
        let mut folders: Vec<_> = fs::read_dir(root.join(format.name()).join("cases"))
            .unwrap()
            .map(|it| it.unwrap().path())
            .collect();
        folders.sort();
        cases.extend(folders.iter().map(|it| ShippedCase::load(format, it)));
    }
    cases
}

/// What the laws compare of a message: its values, and its leftovers in no order.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    leaves: Leaves,
    leftovers: Vec<(String, String)>,
}

fn seen(format: &Format, canonical: &Canonical) -> Seen {
    let text = |it: &Leftover| (it.at.clone(), it.raw.clone());
    let mut leftovers: Vec<_> = leftovers(canonical).iter().map(text).collect();
    leftovers.sort();
    Seen { leaves: canonical_leaves(format, canonical), leftovers }
}

/// The steps of a native path, each with its index.
fn split_indices(at: &str) -> Vec<(String, Option<usize>)> {
    let split = |step: &str| {
        let indexed = step.strip_suffix(']').and_then(|it| it.rsplit_once('['));
        let indexed = indexed.and_then(|(name, index)| Some((name, index.parse().ok()?)));
        indexed
            .map_or_else(|| (step.to_owned(), None), |(name, index)| (name.to_owned(), Some(index)))
    };
    at.split('/').map(split).collect()
}

/// A native path with each index counted among the places that have texts: an unknown element
/// without any text is not carried, and what stands after it moves up.
fn without_gaps(at: &str, places: &[Vec<(String, Option<usize>)>]) -> String {
    let steps = split_indices(at);
    let mut written = Vec::new();
    for (depth, (name, index)) in steps.iter().enumerate() {
        let is_beside = |it: &&Vec<(String, Option<usize>)>| {
            it.len() > depth && it[..depth] == steps[..depth] && it[depth].0 == *name
        };
        let beside: BTreeSet<_> = places.iter().filter(is_beside).map(|it| it[depth].1).collect();
        let rank = beside.iter().position(|it| it == index).unwrap();
        written.push(if beside.len() > 1 { format!("{name}[{rank}]") } else { name.clone() });
    }
    written.join("/")
}

fn all_without_gaps(leftovers: &[(String, String)]) -> Vec<(String, String)> {
    let places: Vec<_> = leftovers.iter().map(|(at, _)| split_indices(at)).collect();
    let mut plain: Vec<_> =
        leftovers.iter().map(|(at, raw)| (without_gaps(at, &places), raw.clone())).collect();
    plain.sort();
    plain
}

fn leftovers(canonical: &Canonical) -> Vec<Leftover> {
    let all = match canonical.body.as_ref() {
        Some(Body::Document(it)) => &it.leftovers,
        Some(Body::Status(it)) => &it.leftovers,
        Some(Body::DeliveryReport(it)) => &it.leftovers,
        Some(Body::Receipt(_)) | None => return Vec::new(),
    };
    all.iter().flat_map(|it| it.items.clone()).collect()
}

/// A time at which messages are written.
fn written_at() -> EncodeContext {
    EncodeContext { now_us: 1_770_000_000_000_000, ..EncodeContext::default() }
}

fn encode(
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

/// Refusals carry a code of reading or of formats, and say where.
fn assert_coded(name: &str, fault: &Fault) {
    assert!(
        ["LT-MAP-", "LT-FMT-"].iter().any(|it| fault.code.starts_with(it)),
        "{name}: {fault:?}"
    );
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
        let is_whole = lost.is_empty();
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

#[test]
fn a_message_returns_to_its_own_format_as_it_was() {
    for case in shipped_cases().iter().filter(|it| it.format.is_written()) {
        check_round_trip(case, &case.native);
    }
}

#[test]
fn a_changed_message_returns_to_its_own_format_as_it_was() {
    let cases = shipped_cases();
    let cases: Vec<_> = cases.iter().filter(|it| it.format.is_written()).collect();
    let tried = tries(400);
    for seed in 0..tried {
        let mut random = RandomMessages(seed);
        let case = cases[random.index_below(cases.len())];
        let Some(mut tree) = case.tree() else { continue };
        tree.mutate(&mut random);
        check_round_trip(case, &tree.write(&case.format.syntax));
    }
}

/// Every input ends in messages or in a coded refusal.
#[test]
fn any_bytes_give_messages_or_a_coded_refusal() {
    let cases = shipped_cases();
    for seed in 0..tries(200) {
        let mut random = RandomMessages(seed);
        let case = &cases[random.index_below(cases.len())];
        let native = random.damage(&case.native);
        if let Err(fault) = case.decode(&native) {
            assert_coded(&case.name, &fault);
        }
        for format in formats_with_rules() {
            if let Err(fault) = format.decode(&native, &case.declared, &mut case.files.clone()) {
                assert_coded(format.name(), &fault);
            }
        }
        if let Err(fault) = SHIPPED.choose("auto", &native) {
            assert_coded("auto", &fault);
        }
    }
}

/// Every text of the content is read, left over, named by a finding, or declared ignorable.
#[test]
fn every_native_text_is_accounted_for() {
    for case in shipped_cases() {
        let format = case.format;
        let Ok(text) = decode_text(&case.native, format.syntax.charset()) else { continue };
        let Ok(tree) = format.scan(&text.text) else { continue };
        let (native, mut files) =
            ((case.native.as_slice(), &case.declared[..]), case.files.clone());
        let decoded = format.decode_scanned(&tree, &text, native, &mut files);
        let Ok(decoded) = decoded.and_then(messages_of) else { continue };
        let leftovers: Vec<_> =
            decoded.iter().flat_map(|it| leftovers(&it.canonical)).map(|it| it.raw).collect();
        let found: Vec<_> = decoded.iter().flat_map(|it| &it.findings).collect();
        let records = format.find_records(&tree);
        for node_id in 1..tree.nodes.len() {
            let node = &tree.nodes[node_id];
            let ancestors: Vec<usize> = std::iter::successors(Some(node_id), |it| {
                (*it != 0).then(|| tree.nodes[*it].parent)
            })
            .collect();
            let is_inside = ancestors.iter().any(|it| records.contains(it));
            let ignored = format.syntax.ignored();
            let is_ignored = ancestors
                .iter()
                .any(|it| ignored.iter().any(|name| tree.nodes[*it].name == name.as_str()));
            let text = node.text.trim();
            if text.is_empty() || !is_inside || is_ignored {
                continue;
            }
            let is_accounted = node.is_read.get()
                || leftovers.iter().any(|it| it == text)
                || found.iter().any(|it| it.field == tree.path(node_id));
            assert!(is_accounted, "{}: {} `{text}`", case.name, tree.path(node_id));
        }
    }
}

/// The same bytes give the same messages, findings and bytes, in whatever thread.
#[test]
fn the_same_content_gives_the_same_result() {
    let result = |case: &ShippedCase| {
        let mut files = case.files.clone();
        let decoded = case.format.decode(&case.native, &case.declared, &mut files)?;
        let written = |it: DecodedMessage| {
            let written = encode(case.format, &it.canonical, &files);
            (it.canonical, it.findings, written)
        };
        Ok::<Vec<_>, Fault>(decoded.into_iter().map(written).collect())
    };
    let first: Vec<_> = shipped_cases().iter().map(|it| (it.name.clone(), result(it))).collect();
    let other = std::thread::spawn(move || shipped_cases().iter().map(result).collect::<Vec<_>>());
    for ((name, first), other) in first.iter().zip(other.join().unwrap()) {
        assert_eq!(*first, other, "{name}");
    }
}

/// The order of children, keys and lines does not matter; that of the items of a list does.
#[test]
fn the_order_of_native_nodes_does_not_matter() {
    let cases = shipped_cases();
    for seed in 0..tries(400) {
        let mut random = RandomMessages(seed);
        let case = &cases[random.index_below(cases.len())];
        let (format, Some(tree)) = (case.format, case.tree()) else { continue };
        let Ok(expected) = case.decode(&tree.write(&format.syntax)) else { continue };
        let mut shuffled = tree.clone();
        shuffled.shuffle(&mut random);
        let native = shuffled.write(&format.syntax);
        let words = || format!("{} seed {seed}\n{}", case.name, String::from_utf8_lossy(&native));
        let actual = case.decode(&native).unwrap_or_else(|it| panic!("{it:?} {}", words()));
        assert_eq!(expected.len(), actual.len(), "{}", words());
        for (one, other) in expected.iter().zip(&actual) {
            assert_eq!(seen(format, &one.canonical), seen(format, &other.canonical), "{}", words());
        }
    }
}

/// An unknown node becomes a leftover and changes nothing else.
#[test]
fn an_unknown_node_changes_leftovers_only() {
    let cases = shipped_cases();
    for seed in 0..tries(400) {
        let mut random = RandomMessages(seed);
        let case = &cases[random.index_below(cases.len())];
        let (format, Some(mut tree)) = (case.format, case.tree()) else { continue };
        let Ok(expected) = case.decode(&tree.write(&format.syntax)) else { continue };
        let mut count = 0;
        tree.all_mut(&mut |it| count += usize::from(it.is_container()));
        let (mut index, chosen) = (0, random.index_below(count.max(1)));
        let mut place = random;
        tree.all_mut(&mut |it| {
            let is_chosen = it.is_container() && index == chosen;
            index += usize::from(it.is_container());
            if is_chosen {
                let at = place.index_below(it.children.len() + 1);
                it.children.insert(at, NativeNode::unknown("ten-chua-ai-biet", "giữ lại"));
            }
        });
        let native = tree.write(&format.syntax);
        let words = || format!("{} seed {seed}\n{}", case.name, String::from_utf8_lossy(&native));
        let actual = case.decode(&native).unwrap_or_else(|it| panic!("{it:?} {}", words()));
        for (one, other) in expected.iter().zip(&actual) {
            let (one, other) = (seen(format, &one.canonical), seen(format, &other.canonical));
            assert_eq!(one.leaves, other.leaves, "{}", words());
            let added: Vec<_> =
                other.leftovers.iter().filter(|it| !one.leftovers.contains(it)).collect();
            assert!(added.len() <= 1, "{added:?} {}", words());
            assert!(added.iter().all(|(_, raw)| raw == "giữ lại"), "{added:?} {}", words());
        }
    }
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
        Err(fault) if super::lacks_only_what_senders_need(other, &fault) => return false,
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
