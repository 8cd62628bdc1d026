//! Every leaf of every real packet and of a corpus of our own, before and after it was read and
//! written again. The reader of the leaves shares no code with the engine.
//!
//! The table of the note: `cargo test -p lienthong-formats --test it -- independent --nocapture`.

mod differences;
mod leaves;
mod packets;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use prost::Message as _;

use crate::*;
use differences::{Comparison, Said, WRITER, compare};
use leaves::leaves_of_xml;

/// A body after it was read, stored, and written in the format that it was in; and what was said.
fn write_again(registry: &FormatRegistry, native: &[u8]) -> Result<(Vec<u8>, Said), Fault> {
    let mut files = MemoryBlobs::default();
    let (format, mut decoded) = registry.decode("auto", native, &[], &mut files)?;
    let decoded = decoded.remove(0);
    let stored = decoded.canonical.encode_to_vec();
    let canonical = Canonical::decode(stored.as_slice()).unwrap();
    let (organisation, now_s, _) = WRITER;
    let context =
        EncodeContext { now_us: now_s * 1_000_000, organisation: organisation.to_owned() };
    let mut out = Vec::new();
    let losses = format.encode(&canonical, context, &files, &mut out)?;
    Ok((out, Said { findings: decoded.findings, losses }))
}

/// The comparisons of all packets of a kind as a table, and every leaf that is not as it should be.
fn table(kind: &str, compared: &[(String, Comparison)]) -> (String, Vec<String>) {
    let (mut reasons, mut added) = (BTreeMap::<_, usize>::new(), BTreeMap::<_, usize>::new());
    let (mut before, mut equal, mut bad) = (0, 0, Vec::new());
    let mut counts = [0; 3];
    for (name, it) in compared {
        before += it.before;
        equal += it.equal;
        it.differing.iter().for_each(|(why, count)| *reasons.entry(*why).or_default() += count);
        it.added.iter().for_each(|(why, count)| *added.entry(*why).or_default() += count);
        for (index, (what, leaves)) in
            [("lost", &it.lost), ("changed", &it.changed), ("invented", &it.invented)]
                .into_iter()
                .enumerate()
        {
            counts[index] += leaves.len();
            bad.extend(leaves.iter().map(|leaf| format!("{name}: {what}: {leaf}")));
        }
    }
    let differing: usize = reasons.values().sum();
    let new: usize = added.values().sum();
    let [lost, changed, invented] = counts;
    let mut table = format!(
        "{kind}: {} files, {before} leaves, {equal} equal, {differing} differing with a reason, {new} added with a reason, {lost} lost, {changed} changed, {invented} invented\n",
        compared.len()
    );
    for (what, reasons) in [("differing", reasons), ("added", added)] {
        for (why, count) in reasons {
            writeln!(table, "  {count:6} {what}: {why}").unwrap();
        }
    }
    (table, bad)
}

fn compare_all(kind: &str, packets: &[(String, Vec<u8>)]) -> (String, Vec<String>) {
    let registry = registry();
    let compared = packets.iter().map(|(name, native)| {
        let (written, said) =
            write_again(&registry, native).unwrap_or_else(|it| panic!("{name}: {it:?}"));
        let before = leaves_of_xml(native).unwrap_or_else(|it| panic!("{name}: {it}"));
        let after = leaves_of_xml(&written).unwrap_or_else(|it| panic!("{name}: {it}"));
        (name.clone(), compare(&before, after, &said))
    });
    table(kind, &compared.collect::<Vec<_>>())
}

#[test]
fn every_leaf_of_the_corpus_is_the_same_after_writing() {
    let corpus = packets::corpus();
    assert!(corpus.len() >= 60, "{}", corpus.len());
    let (table, bad) = compare_all("synthetic packets", &corpus);
    println!("{table}");
    assert!(bad.is_empty(), "{} leaves\n{}", bad.len(), bad.join("\n"));
}

#[test]
fn every_leaf_of_the_real_packets_is_the_same_after_writing() {
    let samples = samples();
    if samples.is_empty() {
        return;
    }
    let (malformed, packets): (Vec<_>, Vec<_>) =
        samples.into_iter().partition(|it| it.0 == "edoc.edxml");
    assert_eq!((malformed.len(), packets.len()), (1, 14));
    assert!(leaves_of_xml(&malformed[0].1).is_err());
    assert_eq!(write_again(&registry(), &malformed[0].1).unwrap_err().code, "LT-MAP-001");
    let (table, bad) = compare_all("real packets", &packets);
    println!("{table}");
    assert!(bad.is_empty(), "{} leaves\n{}", bad.len(), bad.join("\n"));
}
