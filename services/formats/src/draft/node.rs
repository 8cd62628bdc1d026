//! The rules of a draft as a tree: what is proposed, and what is left to the author.

use crate::draft::known_names::{
    KnownGroup, SampleList, Within, converter_of, find_group, find_name, list_row,
};
use crate::draft::sample::{SampleField, quote};

/// Letters of a sample's text that are shown beside a place that nobody knows.
const EXAMPLE_CHARS: usize = 40;

/// A place of the sample with the rule that is proposed for it.
#[derive(Debug)]
pub(super) struct DraftNode {
    name: String,
    is_list: bool,
    /// What stands behind the place in its rule; none: the author decides.
    rule: Option<String>,
    /// A text of the sample.
    example: String,
    inside: Vec<DraftNode>,
    /// The code list that the rule needs.
    list: Option<SampleList>,
}

/// A line of the description, and the indexes on the way to the node that it is of.
type Line = (String, Vec<usize>);

impl DraftNode {
    /// Proposes rules for the fields of a sample.
    pub(super) fn propose(fields: &[SampleField], within: Within) -> Vec<Self> {
        let mut taken: Vec<&str> = Vec::new();
        fields.iter().map(|it| Self::propose_one(it, within, &mut taken)).collect()
    }

    fn propose_one(field: &SampleField, within: Within, taken: &mut Vec<&'static str>) -> Self {
        let mut node = Self {
            name: field.name.clone(),
            is_list: field.is_list,
            rule: None,
            example: field.text.clone(),
            inside: Vec::new(),
            list: None,
        };
        if field.fields.is_empty() {
            node.propose_value(within, taken);
            return node;
        }
        let is_free = |it: &&KnownGroup| within == Within::Document && !taken.contains(&it.to);
        match find_group(&field.name, field.is_list).filter(is_free) {
            Some(group) => {
                taken.push(group.to);
                node.rule = Some(format!("to: {}", quote(group.to)));
                node.inside = Self::propose(&field.fields, group.inside);
            }
            // Items of a list that nobody knows have no canonical place.
            None if field.is_list => node.inside = Self::propose(&field.fields, Within::Nothing),
            None => {
                node.rule = Some(String::new());
                let inside = field.fields.iter();
                node.inside = inside.map(|it| Self::propose_one(it, within, taken)).collect();
            }
        }
        node
    }

    fn propose_value(&mut self, within: Within, taken: &mut Vec<&'static str>) {
        let is_free = |to: &str| !taken.iter().any(|it| *it == to || starts_with(it, to));
        let Some(known) = find_name(within, &self.name).filter(|it| is_free(it.to)) else { return };
        // A place without a text in the sample would never have been tried.
        if self.example.is_empty() || self.is_list {
            return;
        }
        let Some(converter) = converter_of(known.form, &self.example) else { return };
        taken.push(known.to);
        self.list = list_row(known.form, &self.example);
        let need = if ["subject", "issued"].contains(&known.to) { ", need: both" } else { "" };
        self.rule = Some(format!("to: {}{converter}{need}", quote(known.to)));
    }

    fn is_proposed(&self) -> bool {
        let Some(rule) = &self.rule else { return false };
        // A file of which nothing but the name is known is no attachment.
        let is_file = rule == "to: \"attachments\"";
        let has_bytes = |it: &Self| {
            let rule = it.rule.as_deref().unwrap_or_default();
            ["to: \"content\"", "to: \"content.ref\""].iter().any(|to| rule.starts_with(to))
        };
        let is_needed = |it: &Self| it.is_proposed() && (!is_file || has_bytes(it));
        self.inside.is_empty() || self.inside.iter().any(is_needed)
    }

    /// Leaves the node at the end of these indexes to the author.
    pub(super) fn leave_out(nodes: &mut [Self], path: &[usize]) -> bool {
        let Some((index, rest)) = path.split_first() else { return false };
        let Some(node) = nodes.get_mut(*index) else { return false };
        if rest.is_empty() {
            return node.rule.take().is_some();
        }
        Self::leave_out(&mut node.inside, rest)
    }

    /// Places with and without a proposed rule.
    pub(super) fn count(nodes: &[Self]) -> (usize, usize) {
        let count = |node: &Self| match (node.inside.is_empty(), node.is_proposed()) {
            (true, true) => (1, 0),
            (true, false) => (0, 1),
            (false, true) => Self::count(&node.inside),
            (false, false) => (0, Self::leaves(&node.inside)),
        };
        nodes.iter().map(count).fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1))
    }

    fn leaves(nodes: &[Self]) -> usize {
        let leaves = |it: &Self| if it.inside.is_empty() { 1 } else { Self::leaves(&it.inside) };
        nodes.iter().map(leaves).sum()
    }

    /// The code lists of the proposed rules.
    pub(super) fn lists(nodes: &[Self], into: &mut Vec<SampleList>) {
        for it in nodes.iter().filter(|it| it.is_proposed()) {
            into.extend(it.list.clone());
            Self::lists(&it.inside, into);
        }
    }

    /// Native paths of proposed rules by which the format can be told.
    pub(super) fn detect_paths(nodes: &[Self], within: &str, into: &mut Vec<String>) {
        const TELLING: [&str; 5] =
            ["\"subject\"", "\"number\"", "\"number.number\"", "\"id\"", "\"issued\""];
        for it in nodes.iter().filter(|it| it.is_proposed() && !it.is_list) {
            let path = format!("{within}{}", it.name);
            let rule = it.rule.as_deref().unwrap_or_default();
            if it.inside.is_empty() && TELLING.iter().any(|to| rule.contains(&format!("to: {to}")))
            {
                into.push(path);
            } else {
                Self::detect_paths(&it.inside, &format!("{path}/"), into);
            }
        }
    }

    /// The lines of the rules; what is left to the author is a comment.
    pub(super) fn render(nodes: &[Self], indent: usize, lines: &mut Vec<Line>, path: &[usize]) {
        for (index, node) in nodes.iter().enumerate() {
            let path = [path, &[index]].concat();
            if node.is_proposed() {
                node.render_rule(indent, lines, &path);
            } else {
                let mut inner = Vec::new();
                node.render_open(0, &mut inner);
                let space = " ".repeat(indent);
                lines.extend(inner.into_iter().map(|it| (format!("{space}# {it}"), Vec::new())));
            }
        }
    }

    fn key(&self) -> &'static str {
        if self.is_list { "each" } else { "at" }
    }

    fn render_rule(&self, indent: usize, lines: &mut Vec<Line>, path: &[usize]) {
        let (space, key, name) = (" ".repeat(indent), self.key(), quote(&self.name));
        let rule = self.rule.as_deref().unwrap_or_default();
        if self.inside.is_empty() {
            lines.push((format!("{space}- {{{key}: {name}, {rule}}}"), path.to_vec()));
            return;
        }
        lines.push((format!("{space}- {key}: {name}"), path.to_vec()));
        if !rule.is_empty() {
            lines.push((format!("{space}  {rule}"), path.to_vec()));
        }
        lines.push((format!("{space}  fields:"), path.to_vec()));
        Self::render(&self.inside, indent + 4, lines, path);
    }

    /// A place for which the author chooses a field.
    fn render_open(&self, indent: usize, lines: &mut Vec<String>) {
        let (space, key, name) = (" ".repeat(indent), self.key(), quote(&self.name));
        if self.inside.is_empty() {
            let example: String = self.example.chars().take(EXAMPLE_CHARS).collect();
            lines.push(format!("{space}- {{{key}: {name}, to: ?}}  # {}", quote(&example)));
            return;
        }
        let to = if self.is_list { ", to: ?" } else { "" };
        lines.push(format!("{space}- {key}: {name}{to}, fields:"));
        self.inside.iter().for_each(|it| it.render_open(indent + 4, lines));
    }
}

/// True when one canonical path lies inside the other.
fn starts_with(one: &str, other: &str) -> bool {
    let is_inside =
        |outer: &str, inner: &str| inner.strip_prefix(outer).is_some_and(|it| it.starts_with('.'));
    is_inside(one, other) || is_inside(other, one)
}
