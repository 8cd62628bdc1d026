//! A first description from a native sample: every place of the sample is named, with a proposal by
//! its name, or as a comment for the author to decide.
//!
//! What is proposed is tried on the sample itself. A proposal that does not compile, that the sample
//! refutes, or that the sample does not try becomes a comment too, so that a draft passes the check
//! of formats with its sample as the only case.

mod known_names;
mod node;
mod sample;

use proto::fault::v1::Fault;

use crate::cases::{Case, CaseOutcome, run_case, untouched};
use crate::diagnostic::SourceMistake;
use crate::draft::known_names::Within;
use crate::draft::node::DraftNode;
use crate::draft::sample::{Sample, quote, read_sample};
use crate::format::Format;
use crate::scan::decode_text;

/// Most proposals that are taken back; a sample has fewer places than that, or nothing is proposed.
const ROUNDS_MAX: usize = 1_000;

/// A first description with its first case.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The description.
    pub description: String,
    /// What the sample gives in it.
    pub outcome: CaseOutcome,
    /// Places with a proposed rule.
    pub proposed: usize,
    /// Places that the author decides.
    pub open: usize,
}

/// Drafts a description with this name from a sample.
///
/// # Errors
///
/// The sample is of no syntax that a description has, or breaks its own.
pub fn draft_description(name: &str, sample: &Case) -> Result<Draft, Fault> {
    let text = decode_text(&sample.native, None)?;
    let taken_apart = read_sample(&text.text, name)?;
    let mut nodes = DraftNode::propose(&taken_apart.fields, Within::Document);
    let mut drafted = try_out(name, &taken_apart, &mut nodes, sample);
    for _ in 0..ROUNDS_MAX {
        let Attempt { outcome: None, .. } = drafted else { break };
        drafted = try_out(name, &taken_apart, &mut nodes, sample);
    }
    let (proposed, open) = DraftNode::count(&nodes);
    let outcome = drafted.outcome.unwrap_or_default();
    Ok(Draft { description: drafted.description, outcome, proposed, open })
}

struct Attempt {
    description: String,
    /// What the sample gives; none where a proposal was taken back.
    outcome: Option<CaseOutcome>,
}

/// Compiles the description and runs the sample in it. What fails is taken back.
fn try_out(name: &str, sample: &Sample, nodes: &mut [DraftNode], case: &Case) -> Attempt {
    let (description, paths) = render(name, sample, nodes);
    let mut leave_out = |mistake: &SourceMistake| {
        let line = usize::try_from(mistake.position.line).unwrap_or_default();
        let path = line.checked_sub(1).and_then(|it| paths.get(it));
        path.is_some_and(|it| DraftNode::leave_out(nodes, it))
    };
    let (format, mistakes) = Format::check(&description);
    let Some(format) = format else {
        let is_changed = mistakes.first().is_some_and(leave_out);
        let outcome = (!is_changed).then(CaseOutcome::default);
        return Attempt { description, outcome };
    };
    let outcome = run_case(&format, case);
    let mut places = unreadable_places(&outcome);
    if outcome.class == "refused" {
        let lines = outcome.outcome.lines().skip(1).filter_map(|it| it.split_once(": "));
        places.extend(lines.map(|(place, _)| place.to_owned()));
    }
    let is_changed = if outcome.class == "refused" || !places.is_empty() {
        let refuted = nodes_at(&format, &places, &paths);
        refuted.iter().filter(|path| DraftNode::leave_out(nodes, path)).count() > 0
    } else {
        let run = [(case.clone(), outcome.clone())];
        let found = untouched(&format, &description, &run);
        found.iter().filter(|it| leave_out(it)).count() > 0
    };
    Attempt { description, outcome: (!is_changed).then_some(outcome) }
}

/// The places whose texts the proposed converters cannot read.
fn unreadable_places(outcome: &CaseOutcome) -> Vec<String> {
    let canonical = outcome.canonical.as_deref().unwrap_or_default();
    let messages = serde_json::Deserializer::from_str(canonical).into_iter::<serde_json::Value>();
    let items = |message: &serde_json::Value| -> Vec<String> {
        let leftovers = message["document"]["leftovers"].as_array().into_iter().flatten();
        let items = leftovers.filter_map(|it| it["items"].as_array()).flatten();
        let invalid = items.filter(|it| it["why"] == "INVALID");
        invalid.filter_map(|it| it["at"].as_str()).map(str::to_owned).collect()
    };
    messages.flatten().flat_map(|it| items(&it)).collect()
}

/// The nodes of the rules at these places.
fn nodes_at(format: &Format, places: &[String], paths: &[Vec<usize>]) -> Vec<Vec<usize>> {
    // `a[0]/b` and `a[attachments.0]/b` are items of `a/b`.
    let without_items = |place: &String| -> String {
        let parts = place.split('[').map(|it| it.split_once(']').map_or(it, |(_, rest)| rest));
        parts.collect()
    };
    let places: Vec<String> = places.iter().map(without_items).collect();
    let is_named =
        |native: &str| places.iter().any(|it| it == native || it.ends_with(&format!("/{native}")));
    let inventory = format.inventory();
    let lines = inventory.places.iter().filter(|it| is_named(&it.native)).map(|it| it.line);
    let paths = lines.filter_map(|it| paths.get(usize::try_from(it).ok()?.checked_sub(1)?));
    paths.cloned().collect()
}

/// The description, and for each line the node that it is of.
fn render(name: &str, sample: &Sample, nodes: &[DraftNode]) -> (String, Vec<Vec<usize>>) {
    let mut text = format!(
        "# Bản nháp từ một tệp mẫu. Dòng có `to: ?` là chỗ chưa biết: chọn trường chuẩn (`lienthong format\n\
         # explain fields`) rồi bỏ dấu #, hoặc để nguyên: giá trị vẫn được giữ và ghi lại.\n\
         # A draft from a sample. A line with `to: ?` is a place that nobody knows: choose the canonical\n\
         # field and take the # away, or leave it: the value is kept and written back all the same.\n\
         format: {}\nversion: 1\ntitle: {}\ncarries: Document\nothers: keep\n{}syntax: {}\n",
        quote(name),
        quote(name),
        sample.remark,
        sample.syntax
    );
    let mut detect = Vec::new();
    DraftNode::detect_paths(nodes, "", &mut detect);
    if !detect.is_empty() {
        text += "detect:\n";
        detect.iter().take(3).for_each(|it| text += &format!("  - has: {}\n", quote(it)));
    }
    text += &render_lists(nodes);
    let mut lines = Vec::new();
    DraftNode::render(nodes, 2, &mut lines, &[]);
    if lines.iter().any(|(_, path)| !path.is_empty()) {
        text += "fields:\n";
    }
    let mut paths = vec![Vec::new(); text.lines().count()];
    for (line, path) in lines {
        text += &line;
        text.push('\n');
        paths.push(path);
    }
    (text, paths)
}

fn render_lists(nodes: &[DraftNode]) -> String {
    let mut rows = Vec::new();
    DraftNode::lists(nodes, &mut rows);
    if rows.is_empty() {
        return String::new();
    }
    let mut text = "# Chỉ có mã của tệp mẫu; thêm các mã khác. / Only the sample's codes; add the others.\nlists:\n".to_owned();
    for it in rows {
        let rows = it.row.map(|(code, value)| format!("rows: {{{}: {value}}}", quote(&code)));
        let keys = Some(it.keys.to_owned()).filter(|it| !it.is_empty());
        let all: Vec<String> = [keys, rows].into_iter().flatten().collect();
        text += &format!("  {}: {{{}}}\n", it.name, all.join(", "));
    }
    text
}
