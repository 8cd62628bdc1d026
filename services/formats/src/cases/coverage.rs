//! What no case of a format touches: rules, code rows, forms of dates; in each direction in which
//! the format is used.
//!
//! Both sides of a `when` follow: the rules inside it are touched where it holds, and a code outside
//! its values where it does not.

use std::collections::{BTreeMap, BTreeSet};

use proto::fault::code;

use crate::cases::case::{Case, CaseOutcome};
use crate::convert::{Converter, normalize_text};
use crate::diagnostic::{Defect, SourceMistake, SourcePosition};
use crate::flat_rules::{FlatKind, FlatRule, flatten};
use crate::format::Format;
use crate::plan::{ListRule, Rule};
use crate::scan::decode_text;
use crate::tree::{NodeName, Tree};
use crate::yaml_tree::{SourceMap, parse_yaml};

/// What cases touched in one direction.
#[derive(Debug, Default)]
struct Touched {
    rules: BTreeSet<SourcePosition>,
    /// Code rows and forms of dates, by the converter as the description writes it.
    details: BTreeMap<String, BTreeSet<String>>,
}

/// A mistake for each part of the description that no case touches.
pub fn untouched(
    format: &Format,
    description: &str,
    cases: &[(Case, CaseOutcome)],
) -> Vec<SourceMistake> {
    let Ok(root) = parse_yaml(description) else { return Vec::new() };
    let source = SourceMap::new(&root);
    let (mut read, mut written) = (Touched::default(), Touched::default());
    for (case, outcome) in cases.iter().filter(|(_, it)| it.class != "refused") {
        touch_content(format, &case.native, true, &mut read);
        if format.is_written() {
            touch_content(format, &outcome.native, false, &mut written);
        }
    }
    let mut mistakes = Vec::new();
    let mut seen = BTreeSet::new();
    for rule in flatten(&format.rules) {
        let is_written = format.is_written() && !rule.is_read_only;
        if matches!(rule.kind, FlatKind::Constant) || !seen.insert(rule.position()) {
            continue;
        }
        let directions = [(true, &read), (is_written, &written)];
        mistakes.extend(untouched_rule(&rule, directions, &source));
        mistakes.extend(untouched_details(&rule, directions, &source));
    }
    mistakes.dedup_by(|one, two| one.position == two.position && one.text_en == two.text_en);
    mistakes
}

/// In which of reading and writing something is missing, in both languages.
fn missing_in(is_missing: [bool; 2]) -> Option<(&'static str, &'static str)> {
    match is_missing {
        [true, true] => Some(("đọc hay ghi", "reads or writes")),
        [true, false] => Some(("đọc", "reads")),
        [false, true] => Some(("ghi", "writes")),
        [false, false] => None,
    }
}

fn untouched_rule(
    rule: &FlatRule<'_>,
    directions: [(bool, &Touched); 2],
    source: &SourceMap,
) -> Option<SourceMistake> {
    let is_missing =
        directions.map(|(is_used, it)| is_used && !it.rules.contains(&rule.position()));
    // A format that is only read lacks nothing in writing.
    let (vi, en) = missing_in(is_missing)?;
    let position = source.value(rule.position(), "at").or(source.value(rule.position(), "each"));
    let native = &rule.native;
    let defect = Defect::new(
        &code::LT_FMT_016,
        format!("không ca mẫu nào {vi} `{native}`"),
        format!("no case {en} `{native}`"),
    );
    Some(SourceMistake::new(position.unwrap_or(rule.position()), native, defect))
}

fn untouched_details(
    rule: &FlatRule<'_>,
    [(_, read), (is_written, written)]: [(bool, &Touched); 2],
    source: &SourceMap,
) -> Vec<SourceMistake> {
    let spec = match rule.kind {
        FlatKind::Leaf(it) => &it.spec,
        FlatKind::List(it) => &it.spec,
        FlatKind::Constant => return Vec::new(),
    };
    let has = |touched: &Touched, detail: &str| {
        touched.details.get(spec).is_some_and(|it| it.contains(detail))
    };
    let (list, details): (&str, Vec<&str>) = match rule.converter() {
        Some(Converter::Code(list)) => {
            let name = spec.strip_prefix("code ").unwrap_or_default();
            // What a gate refuses is in cases of refusals, where nothing is touched.
            let is_permitted =
                |it: &(&String, &String)| list.gate.as_ref().is_none_or(|gate| gate == it.1);
            (name, list.rows.iter().filter(is_permitted).map(|(row, _)| row.as_str()).collect())
        }
        Some(Converter::Date(_)) => {
            let forms = spec.strip_prefix("date ").unwrap_or_default();
            ("", forms.split('|').map(str::trim).collect())
        }
        _ => return Vec::new(),
    };
    let mut mistakes = Vec::new();
    for (index, detail) in details.into_iter().enumerate() {
        // Writing gives the first form of a date and every code.
        let is_given = is_written && (index == 0 || !list.is_empty());
        let is_missing = [!has(read, detail), is_given && !has(written, detail)];
        let Some((vi, en)) = missing_in(is_missing) else { continue };
        let (position, what_vi, what_en) = if list.is_empty() {
            (source.value(rule.position(), "as"), "dạng", "the form")
        } else {
            (Some(source.path(&["lists", list, "rows", detail])), "mã", "the code")
        };
        let native = &rule.native;
        let defect = Defect::new(
            &code::LT_FMT_016,
            format!("không ca mẫu nào {vi} {what_vi} `{detail}`"),
            format!("no case {en} {what_en} `{detail}`"),
        );
        mistakes.push(SourceMistake::new(position.unwrap_or(rule.position()), native, defect));
    }
    mistakes
}

fn touch_content(format: &Format, native: &[u8], is_read: bool, touched: &mut Touched) {
    // Content that cannot be scanned touches nothing.
    let Ok(decoded) = decode_text(native, format.syntax.charset()) else { return };
    let Ok(tree) = format.scan(&decoded.text) else { return };
    for record in format.find_records(&tree) {
        let mut toucher = Toucher { tree: &tree, is_read, touched: &mut *touched };
        toucher.touch_rules(&format.rules, record);
    }
}

struct Toucher<'t, 'a> {
    tree: &'t Tree<'a>,
    is_read: bool,
    touched: &'t mut Touched,
}

impl Toucher<'_, '_> {
    fn touch_rules(&mut self, rules: &[Rule], node_id: usize) {
        rules.iter().for_each(|it| self.touch_rule(it, node_id));
    }

    fn touch_rule(&mut self, rule: &Rule, node_id: usize) {
        match rule {
            Rule::Leaf(it) => {
                let converter = (&it.converter, it.spec.as_str());
                let found = self.nodes(node_id, &it.at);
                found.into_iter().for_each(|at| self.touch_text(at, it.position, converter));
            }
            Rule::Group(it) => {
                let found = self.nodes(node_id, &it.at);
                found.into_iter().for_each(|at| self.touch_rules(&it.rules, at));
            }
            Rule::List(it) => {
                let found = self.nodes(node_id, &it.at);
                found.into_iter().for_each(|at| self.touch_item(it, at));
            }
            Rule::ReadOnly(it) if self.is_read => self.touch_rule(it, node_id),
            Rule::ReadOnly(_) | Rule::Constant(..) => {}
        }
    }

    fn touch_item(&mut self, list: &ListRule, node_id: usize) {
        self.touched.rules.insert(list.position);
        if let Some((converter, _)) = &list.text {
            self.touch_text(node_id, list.position, (converter, &list.spec));
        }
        self.touch_rules(&list.rules, node_id);
    }

    fn nodes(&self, node_id: usize, at: &[NodeName]) -> Vec<usize> {
        self.tree.find_all(node_id, at)
    }

    fn touch_text(
        &mut self,
        node_id: usize,
        position: SourcePosition,
        (converter, spec): (&Converter, &str),
    ) {
        let text = self.tree.nodes.get(node_id).map(|it| it.text.trim()).unwrap_or_default();
        if text.is_empty() {
            return;
        }
        self.touched.rules.insert(position);
        let Ok(text) = normalize_text(text) else { return };
        let mut details = Vec::new();
        if let Converter::Date(forms) = converter {
            let written = spec.strip_prefix("date ").unwrap_or_default().split('|');
            let reads = forms.reading(&text).into_iter().zip(written).filter(|(it, _)| *it);
            details.extend(reads.map(|(_, form)| form.trim().to_owned()));
        } else if converter.code_list().is_some() {
            details.push(text.into_owned());
        }
        self.touched.details.entry(spec.to_owned()).or_default().extend(details);
    }
}
