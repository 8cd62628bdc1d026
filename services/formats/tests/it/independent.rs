//! Every leaf of every real packet and of a corpus of our own, before and after it was read and
//! written again. The reader of the leaves shares no code with the engine.
//!
//! The table of the note: `cargo test -p lienthong-formats --test it -- independent --nocapture`.

mod differences;
mod json;
mod leaves;
mod packets;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use formats::DecodedMessage;
use prost::Message as _;

use crate::*;
use differences::{Comparison, Said, WRITER, compare};
use json::leaves_of_json;
use leaves::{Leaf, leaves_of_xml};

/// Each record of a body after it was read, stored, and written in the format that it was in; and
/// what was said of it. None for a format that is only read.
fn write_again(
    registry: &FormatRegistry,
    native: &[u8],
    uploads: &[(String, Vec<u8>)],
) -> Result<Vec<(Vec<u8>, Said)>, Fault> {
    let mut files = MemoryBlobs::default();
    let declared: Vec<_> = uploads.iter().map(|(name, bytes)| files.declare(name, bytes)).collect();
    let (format, decoded) = registry.decode("auto", native, &declared, &mut files)?;
    decoded.into_iter().map(|it| write_record(format, it, &files)).collect()
}

fn write_record(
    format: &Format,
    decoded: DecodedMessage,
    files: &MemoryBlobs,
) -> Result<(Vec<u8>, Said), Fault> {
    let stored = decoded.canonical.encode_to_vec();
    let canonical = Canonical::decode(stored.as_slice()).unwrap();
    let (organisation, now_s, _) = WRITER;
    let context =
        EncodeContext { now_us: now_s * 1_000_000, organisation: organisation.to_owned() };
    let mut out = Vec::new();
    let losses = format.encode(&canonical, context, files, &mut out)?;
    Ok((out, Said { findings: decoded.findings, losses }))
}

fn leaves_of(native: &[u8]) -> Result<BTreeMap<String, Leaf>, String> {
    let is_json =
        leaves::decode(native).trim_start_matches('\u{feff}').trim_start().starts_with(['{', '[']);
    if is_json { leaves_of_json(native) } else { leaves_of_xml(native) }
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
        let written =
            write_again(&registry, native, &[]).unwrap_or_else(|it| panic!("{name}: {it:?}"));
        let [(written, said)] = written.as_slice() else { panic!("{name}: not one record") };
        let before = leaves_of(native).unwrap_or_else(|it| panic!("{name}: {it}"));
        let after = leaves_of(written).unwrap_or_else(|it| panic!("{name}: {it}"));
        (name.clone(), compare(&before, after, said))
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
    assert_eq!(write_again(&registry(), &malformed[0].1, &[]).unwrap_err().code, "LT-MAP-001");
    let (table, bad) = compare_all("real packets", &packets);
    println!("{table}");
    assert!(bad.is_empty(), "{} leaves\n{}", bad.len(), bad.join("\n"));
}

/// The bodies of the cases of all formats that are written as XML or JSON, where one body is one
/// message.
#[test]
fn every_leaf_of_the_shipped_cases_is_the_same_after_writing() {
    let registry = registry();
    let mut compared = Vec::new();
    for folder in cases::sorted(&cases::formats()) {
        for case in cases::sorted(&folder.join("cases")) {
            let path = format!("{}/{}", cases::name(&folder), cases::name(&case));
            let case = cases::load(&case);
            let written = write_again(&registry, &case.native, &case.files);
            let Ok([(written, said)]) = written.as_deref() else { continue };
            // Texts of other syntaxes have their own tests.
            let Ok(before) = leaves_of(&case.native) else { continue };
            let after = leaves_of(written).unwrap_or_else(|it| panic!("{path}: {it}"));
            compared.push((path, compare(&before, after, said)));
        }
    }
    assert!(compared.len() > 60, "{}", compared.len());
    let (table, bad) = table("bodies of shipped cases", &compared);
    println!("{table}");
    assert!(bad.is_empty(), "{} leaves\n{}", bad.len(), bad.join("\n"));
}

/// Rows of the axis's database, and two lists of administrative units. No shipped format has them,
/// so each has a description here.
const OTHER_SAMPLES: [(&str, usize, &str); 3] = [
    (
        "axis/axis-duplicates.csv",
        41,
        "syntax: {kind: csv}\nfields:\n  - {at: edxmlDocId, to: id}\n  - {at: codeNumber, to: number.number}\n  - {at: codeNotation, to: number.notation}\n  - {at: promulgationDate, to: issued, as: date yyyy-MM-dd}\n  - {at: fromOrgan, to: \"sender.ids[0]\", as: org-id}\n",
    ),
    (
        "admin-units/laocai-admin-units-2025.json",
        1,
        "syntax: {kind: json, records: ''}\nfields:\n  - {at: Code, to: id}\n  - {at: FullName, to: subject}\n  - {each: Wards, to: recipients, fields: [{at: Code, to: \"organisation.ids[0]\", as: org-id}, {at: FullName, to: organisation.name}, {at: ProvinceCode, to: organisation.fax}]}\n",
    ),
    (
        "admin-units/laocai-yenbai-admin-units-before-2025-07.json",
        319,
        "syntax: {kind: json, records: '[]'}\nfields:\n  - {at: code, to: id}\n  - {at: name, to: subject}\n",
    ),
];

/// The bodies of one record each that a body of several stands for.
fn single_bodies(native: &[u8]) -> Vec<Vec<u8>> {
    let text = String::from_utf8(native.to_vec()).unwrap();
    if let Ok(value) = serde_json::from_str::<serde_json::Value>(&text) {
        let Some(records) = value.as_array() else { return vec![native.to_vec()] };
        return records.iter().map(|it| format!("[{it}]").into_bytes()).collect();
    }
    let mut lines = text.lines().map(cells);
    let titles = lines.next().unwrap();
    let object = |cells: Vec<String>| {
        let object: BTreeMap<&String, String> = titles.iter().zip(cells).collect();
        serde_json::to_vec(&object).unwrap()
    };
    lines.map(object).collect()
}

/// The cells of a line. In this table no cell holds a line break, or a quote that is doubled.
fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut is_quoted) = (vec![String::new()], false);
    for letter in line.chars() {
        match letter {
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => cells.push(String::new()),
            other => cells.last_mut().unwrap().push(other),
        }
    }
    cells
}

#[test]
fn every_leaf_of_the_other_samples_is_the_same_after_writing() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/samples");
    let mut compared = Vec::new();
    for (path, count, rules) in OTHER_SAMPLES {
        let Ok(native) = std::fs::read(folder.join(path)) else { return };
        let head = "format: t\nversion: 1\ntitle: t\ncarries: Document\nothers: keep\n";
        let format = Format::compile(&format!("{head}{rules}")).unwrap();
        let mut files = MemoryBlobs::default();
        let decoded = format.decode(&native, &[], &mut files).unwrap();
        let before = single_bodies(&native);
        assert_eq!((decoded.len(), before.len()), (count, count), "{path}");
        for (index, (decoded, before)) in decoded.into_iter().zip(before).enumerate() {
            let (written, said) = write_record(&format, decoded, &files).unwrap();
            let [after] = single_bodies(&written).try_into().unwrap();
            let leaves = |it: &[u8]| leaves_of_json(it).unwrap();
            compared.push((
                format!("{path} {index}"),
                compare(&leaves(&before), leaves(&after), &said),
            ));
        }
    }
    let (table, bad) = table("records of other samples", &compared);
    println!("{table}");
    assert!(bad.is_empty(), "{} leaves\n{}", bad.len(), bad.join("\n"));
}

/// A file that is added to the samples gets a test.
#[test]
fn every_sample_is_read_by_a_test() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/samples");
    let mut found = Vec::new();
    for group in cases::sorted(&folder).into_iter().filter(|it| it.is_dir()) {
        let names = cases::sorted(&group);
        let group = cases::name(&group);
        found.extend(names.iter().map(|it| format!("{group}/{}", cases::name(it))));
    }
    if found.is_empty() {
        println!("no samples beside the project, so none were read");
        return;
    }
    let (packets, others): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|it| it.starts_with("edxml/"));
    assert_eq!(packets.len(), 15);
    let mut tested: Vec<_> = OTHER_SAMPLES.iter().map(|it| it.0.to_owned()).collect();
    tested.sort();
    assert_eq!(others, tested);
}
