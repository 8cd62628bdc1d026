//! The differences between a packet and the same packet written again that are right, each with its
//! reason. Everything else is a loss, a change, or an invention.

use std::collections::BTreeMap;

use proto::message::v1::{Finding, Loss};
use unicode_normalization::UnicodeNormalization as _;

use super::json;
use super::leaves::{Leaf, without_prefix};

type Leaves = BTreeMap<String, Leaf>;

/// What the engine said of a packet. A difference of which it has to tell counts only when it did.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) findings: Vec<Finding>,
    pub(super) losses: Vec<Loss>,
}

impl Said {
    fn found(&self, code: &str) -> bool {
        self.findings.iter().any(|it| it.code == code)
    }

    fn lost(&self, what: impl Fn(&Loss) -> bool) -> bool {
        self.losses.iter().any(what)
    }
}

/// The organisation that writes, and when.
pub(super) const WRITER: (&str, i64, &str) = ("A99.77", 1_795_222_800, "2026/11/21 08:00:00");

/// What became of the leaves of a packet.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    pub(super) before: usize,
    pub(super) equal: usize,
    /// Leaves that differ, by reason.
    pub(super) differing: BTreeMap<&'static str, usize>,
    /// Leaves that were not there before, by reason.
    pub(super) added: BTreeMap<&'static str, usize>,
    pub(super) lost: Vec<String>,
    pub(super) changed: Vec<String>,
    pub(super) invented: Vec<String>,
}

pub(super) fn compare(before: &Leaves, mut after: Leaves, said: &Said) -> Comparison {
    let mut it = Comparison { before: before.len(), ..Comparison::default() };
    for leaf in before.values() {
        let places = std::iter::once((leaf.path.clone(), "")).chain(other_places(&leaf.path));
        let found = places.into_iter().find_map(|(path, why)| Some((after.remove(&path)?, why)));
        let Some((found, moved)) = found else {
            match absent(leaf, before, said) {
                Some(why) => *it.differing.entry(why).or_default() += 1,
                None => it.lost.push(format!("{} = {}", leaf.path, shortened(&leaf.text))),
            }
            continue;
        };
        let why = if found.text == leaf.text { Some(moved) } else { differing(leaf, &found, said) };
        match why {
            Some("") => it.equal += 1,
            Some(why) => *it.differing.entry(why).or_default() += 1,
            None => it.changed.push(format!(
                "{} = {}, was {}",
                leaf.path,
                shortened(&found.text),
                shortened(&leaf.text)
            )),
        }
    }
    let plain = plain(before);
    for leaf in after.values() {
        match added(leaf, &plain) {
            Some(why) => *it.added.entry(why).or_default() += 1,
            None => it.invented.push(format!("{} = {}", leaf.path, shortened(&leaf.text))),
        }
    }
    it
}

fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

/// Other places at which a leaf may stand again.
fn other_places(path: &str) -> Vec<(String, &'static str)> {
    if let Some((_, rest)) = path.split_once("edXMLAttachments[0]/Attachment[") {
        let (number, name) = rest.split_once("]/").unwrap();
        let name = match name {
            "AttachmentData[0]" => "ContentTransferEncoded[0]",
            "AttachmentType[0]" => "ContentType[0]",
            other => other,
        };
        let id = number.parse::<usize>().unwrap() + 1;
        let place = format!("edXML[0]/AttachmentEncoded[0]/Attachment[{id}]/{name}");
        return vec![(place, GATEWAY)];
    }
    let mut places = Vec::new();
    let bound = path.replace("{}", "");
    let bound = strip_unbound(&bound);
    if bound != path {
        places.push((bound.clone(), "a name that nothing binds is of the packet's namespace"));
    }
    let spelt = bound
        .replace("/Business[", "/Bussiness[")
        .replace("/traceheaderlist[", "/TraceHeaderList[");
    if spelt != bound {
        places.push((spelt, "a decisive name in its right spelling, said in a finding"));
    }
    places
}

/// The path without namespaces that were made for unbound prefixes.
fn strip_unbound(path: &str) -> String {
    let mut pieces = path.split("{unbound:");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |it, piece| it + piece.split_once('}').map_or(piece, |it| it.1))
}

fn name_of(leaf: &Leaf) -> &str {
    let last = leaf.path.rsplit('/').next().unwrap();
    let last = last.rsplit('}').next().unwrap();
    last.split('[').next().unwrap()
}

const GATEWAY: &str = "the layout of a gateway becomes that of the standard";
const PACKED: &str = "the type says that the file is packed";

/// Why a leaf may have another text.
fn differing(before: &Leaf, after: &Leaf, said: &Said) -> Option<&'static str> {
    if let (Some(one), Some(other)) = (&before.file, &after.file) {
        return match () {
            () if one.by_library == other.by_library => {
                Some("another base64 or packing of the same bytes")
            }
            () if one.entry.as_ref() == Some(&other.by_library) => {
                Some("a wrapped file now says that it is wrapped")
            }
            () => None,
        };
    }
    let (one, other) = (before.text.trim(), after.text.trim());
    let composed: String = one.nfc().collect();
    if one == other {
        return Some("white space around a text");
    }
    if composed == other {
        return Some("Unicode in its composed form");
    }
    if one.starts_with(other) && said.lost(|it| it.reason == "cut" && it.value == other) {
        return Some("a description cut to the length of the standard, said as a loss");
    }
    if json::is_json(&before.path) {
        let same_day = day(one.trim_matches('"')).is_some() && day(one) == day(other);
        return json::differing(name_of(before), one, other)
            .or(same_day.then_some("another form of the same day"));
    }
    match name_of(before) {
        "PromulgationDate" | "DueDate" if day(one).is_some() && day(one) == day(other) => {
            Some("another form of the same day")
        }
        "Timestamp" if moment(one).is_some() && moment(one) == moment(other) => {
            Some("another form of the same time")
        }
        "StatusCode"
            if one.parse::<u8>().ok() == other.parse().ok() && said.found("LT-MAP-050") =>
        {
            Some("a code in its published form, said in a finding")
        }
        "PromulgationAmount" | "PageAmount" if one.parse::<u32>().ok() == other.parse().ok() => {
            Some("another form of the same amount")
        }
        "ContentId" if without_prefix(one) == without_prefix(other) => {
            Some("a content id with or without `cid:`")
        }
        "ContentType" | "AttachmentType" if other == "application/zip" => Some(PACKED),
        "ContentType" if other == "application/x-zip-compressed" => {
            Some("a type by which no reader unwraps a ZIP in capitals")
        }
        "AttachmentName" if said.found("LT-MAP-042") => {
            Some("a plain file name, said in a finding")
        }
        _ => None,
    }
}

fn numbers(text: &str) -> Vec<&str> {
    text.split(|it: char| !it.is_ascii_digit()).filter(|it| !it.is_empty()).collect()
}

fn values<const N: usize>(digits: [&str; N]) -> Option<[u32; N]> {
    let values: Vec<u32> = digits.iter().filter_map(|it| it.parse().ok()).collect();
    values.try_into().ok()
}

/// Year, month, day.
fn day(text: &str) -> Option<[u32; 3]> {
    match *numbers(text).get(..3)? {
        [year, month, day] if year.len() == 4 => values([year, month, day]),
        [day, month, year] if year.len() == 4 => values([year, month, day]),
        _ => None,
    }
}

/// A day with hour, minute and second.
fn moment(text: &str) -> Option<([u32; 3], [u32; 3])> {
    let all = numbers(text);
    let at = |index: usize| all.get(index).and_then(|it| it.parse().ok()).unwrap_or_default();
    Some((day(text)?, [at(3), at(4), at(5)]))
}

/// Why a leaf may be absent.
fn absent(leaf: &Leaf, before: &Leaves, said: &Said) -> Option<&'static str> {
    let text = leaf.text.trim();
    if leaf.path.contains("Signature[") && said.lost(|it| it.path.contains("Signature")) {
        return Some("a signature of the old bytes, said as a loss");
    }
    if leaf.path.contains("/?") || leaf.path.contains("comment()") {
        return Some("a comment or an instruction");
    }
    if json::is_json(&leaf.path) {
        let is_envelope = leaf.path.starts_with("/status/");
        let envelope = is_envelope.then_some("the envelope of an answer, around its records");
        return json::says_nothing(text).then_some("nothing stood there").or(envelope);
    }
    if said.lost(|it| it.path.contains(name_of(leaf)) && it.reason == "not-carried") {
        return Some("what the description never carries, said as a loss");
    }
    let is_nil = leaf.path.ends_with("/@{http://www.w3.org/2001/XMLSchema-instance}nil");
    if text.is_empty() || is_nil {
        return Some("nothing stood there");
    }
    match name_of(leaf) {
        _ if text == "N/A" => Some("a word for nothing"),
        _ if ["null", "undefined"].contains(&text) => Some("a word for nothing"),
        "AttachmentSize" if has(before, "edXMLAttachments[") => Some(GATEWAY),
        _ => None,
    }
}

/// The leaves at the places where they stand when they are written, in composed Unicode.
fn plain(leaves: &Leaves) -> Leaves {
    let place = |it: &Leaf| strip_unbound(&it.path.replace("{}", ""));
    let text = |it: &Leaf| it.text.trim().nfc().collect();
    let leaves = leaves.values();
    leaves.map(|it| (place(it), Leaf { text: text(it), ..it.clone() })).collect()
}

fn has(leaves: &Leaves, part: &str) -> bool {
    leaves.keys().any(|it| it.contains(part))
}

/// Why a leaf may be there that was not.
fn added(leaf: &Leaf, before: &Leaves) -> Option<&'static str> {
    let (organisation, _, now) = WRITER;
    let text = leaf.text.as_str();
    if json::is_json(&leaf.path) {
        return json::added(&leaf.path, text, [organisation, now]);
    }
    let said = |path: &str| before.get(path).map(|it| it.text.trim());
    let header = "edXML[0]/edXMLEnvelope[0]/edXMLHeader[0]";
    if leaf.path.contains("/TraceHeader[") {
        let sender = said(&format!("{header}/MessageHeader[0]/From[0]/OrganId[0]"));
        let sender = sender.filter(|_| !has(before, "/TraceHeaderList[0]/TraceHeader["));
        let is_hop = text == organisation || Some(text) == sender || text == now;
        return is_hop.then_some("a hop of the writer, or of the sender where none was");
    }
    if let Some((place, name)) = leaf.path.split_once("/Attachment[") {
        let other = format!("{header}/edXMLBody[0]/edXMLManifest[0]/Reference[{name}");
        let other = other.replace("/edXMLHeader[0]", "");
        if place == "edXML[0]/AttachmentEncoded[0]" && said(&other) == Some(text) {
            return Some("both records of a file say the same");
        }
    }
    if let Some((_, name)) = leaf.path.split_once("/Reference[") {
        let other = format!("edXML[0]/AttachmentEncoded[0]/Attachment[{name}");
        if said(&other) == Some(text) {
            return Some("both records of a file say the same");
        }
    }
    if has(before, "edXMLAttachments[") && leaf.path.contains("/edXMLManifest[0]/") {
        return Some(GATEWAY);
    }
    if has(before, "edXMLAttachments[") && leaf.path.contains("/AttachmentEncoded[0]/") {
        return Some(GATEWAY);
    }
    match name_of(leaf) {
        "ContentType" if text == "application/zip" => Some(PACKED),
        "Type" if text == "2" => Some("the kind of document, which the standard wants"),
        "BussinessDocType" if text == "0" => Some("the kind of business, which it wants"),
        "Timestamp" if text == now => Some("the time of writing, where a status has none"),
        "DocumentId" if leaf.path.contains("/Bussiness[") => {
            let reference = format!("{header}/MessageHeader[0]/ResponseFor[0]/DocumentId[0]");
            (said(&reference) == Some(text)).then_some("the target of a recall, from its reference")
        }
        _ => None,
    }
}
