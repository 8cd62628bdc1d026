//! Laws of reading: totality, accounting, determinism, order, unknown places (L4 to L8).

use proto::fault::v1::Fault;

use super::leaves::{leftovers, seen};
use super::round_trip::encode;
use super::run::{Law, SHIPPED, assert_coded, formats_with_rules};
use super::shipped_case::{ShippedCase, any_case_of, shipped_cases};
use crate::format::{DecodedMessage, messages_of};
use crate::scan::decode_text;
use crate::tests::native_tree::NativeNode;
use crate::tests::random_messages::RandomMessages;

/// Every input ends in messages or in a coded refusal.
#[test]
fn any_bytes_give_messages_or_a_coded_refusal() {
    let law = Law { name: "any_bytes_give_messages_or_a_coded_refusal", usual: 20 };
    law.try_each(formats_with_rules(), |format, seed| {
        let mut random = RandomMessages(seed);
        let case = any_case_of(format, &mut random);
        let native = random.damage(&case.native);
        for other in formats_with_rules() {
            let read = other.decode(&native, &case.declared, &mut case.files.clone());
            read.err().iter().for_each(|it| assert_coded(other.name(), it));
        }
        SHIPPED.choose("auto", &native).err().iter().for_each(|it| assert_coded("auto", it));
        true
    });
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
    let law = Law { name: "the_order_of_native_nodes_does_not_matter", usual: 30 };
    law.try_each(formats_with_rules(), |format, seed| {
        let mut random = RandomMessages(seed);
        let case = any_case_of(format, &mut random);
        let Some(tree) = case.tree() else { return false };
        let Ok(expected) = case.decode(&tree.write(&format.syntax)) else { return false };
        let mut shuffled = tree.clone();
        shuffled.shuffle(&mut random);
        let native = shuffled.write(&format.syntax);
        let words = || format!("{} seed {seed}\n{}", case.name, String::from_utf8_lossy(&native));
        let actual = case.decode(&native).unwrap_or_else(|it| panic!("{it:?} {}", words()));
        assert_eq!(expected.len(), actual.len(), "{}", words());
        for (one, other) in expected.iter().zip(&actual) {
            assert_eq!(seen(format, &one.canonical), seen(format, &other.canonical), "{}", words());
        }
        true
    });
}

/// An unknown node becomes a leftover and changes nothing else.
#[test]
fn an_unknown_node_changes_leftovers_only() {
    let law = Law { name: "an_unknown_node_changes_leftovers_only", usual: 30 };
    law.try_each(formats_with_rules(), |format, seed| {
        let mut random = RandomMessages(seed);
        let case = any_case_of(format, &mut random);
        let Some(mut tree) = case.tree() else { return false };
        let Ok(expected) = case.decode(&tree.write(&format.syntax)) else { return false };
        add_unknown_node(&mut tree, random);
        let native = tree.write(&format.syntax);
        let words = || format!("{} seed {seed}\n{}", case.name, String::from_utf8_lossy(&native));
        let actual = case.decode(&native).unwrap_or_else(|it| panic!("{it:?} {}", words()));
        for (one, other) in expected.iter().zip(&actual) {
            let (one, other) = (seen(format, &one.canonical), seen(format, &other.canonical));
            assert_eq!(one.leaves, other.leaves, "{}", words());
            let added: Vec<_> =
                other.leftovers.iter().filter(|it| !one.leftovers.contains(it)).collect();
            assert!(added.len() <= 1, "{added:?} {}", words());
            assert!(added.iter().all(|(_, raw)| raw == UNKNOWN_TEXT), "{added:?} {}", words());
        }
        true
    });
}

const UNKNOWN_TEXT: &str = "giữ lại";

/// Adds a node that no rule names somewhere.
fn add_unknown_node(tree: &mut NativeNode, mut random: RandomMessages) {
    let mut count = 0;
    tree.all_mut(&mut |it| count += usize::from(it.is_container()));
    let (mut index, chosen) = (0, random.index_below(count.max(1)));
    tree.all_mut(&mut |it| {
        let is_chosen = it.is_container() && index == chosen;
        index += usize::from(it.is_container());
        if is_chosen {
            let at = random.index_below(it.children.len() + 1);
            it.children.insert(at, NativeNode::unknown("ten-chua-ai-biet", UNKNOWN_TEXT));
        }
    });
}
