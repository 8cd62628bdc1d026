//! The day of a document or a status, by which its codes are valid. It is read before the rest,
//! because a code may stand in front of it.

use crate::convert::{CodeScope, Converter, Day};
use crate::model::{DynMessage, FieldSchema};
use crate::plan::{LeafRule, Rule};
use crate::tree::{NodeName, Tree};

/// Fields that have the day: of issue of a document, of what a status or a report tells.
const FIELDS: [&str; 2] = ["issued", "at"];

/// Where a format has the day.
#[derive(Clone, Debug)]
pub(crate) struct DayRule {
    at: Vec<NodeName>,
    converter: Converter,
    field: &'static FieldSchema,
}

impl DayRule {
    /// The first rule that reads the day; none for a format without one.
    pub(crate) fn find(rules: &[Rule]) -> Option<Self> {
        rules.iter().find_map(|rule| match rule {
            Rule::Leaf(leaf) => Self::of_leaf(leaf),
            Rule::Group(group) => Self::find(&group.rules)
                .map(|it| Self { at: group.at.iter().cloned().chain(it.at).collect(), ..it }),
            Rule::ReadOnly(rule) => Self::find(std::slice::from_ref(rule)),
            Rule::List(_) | Rule::Constant(_) => None,
        })
    }

    fn of_leaf(leaf: &LeafRule) -> Option<Self> {
        let [segment] = leaf.to.as_slice() else { return None };
        let is_day = FIELDS.contains(&segment.field.name.as_str())
            && matches!(leaf.converter, Converter::Date(_) | Converter::Time(_));
        let (at, converter) = (leaf.at.clone(), leaf.converter.clone());
        is_day.then_some(Self { at, converter, field: segment.field })
    }

    /// The day of a record; none when it says none that can be read.
    pub(crate) fn read(&self, tree: &Tree<'_>, record: usize, codes: CodeScope<'_>) -> Option<Day> {
        let node_id = tree.find_said(record, &self.at)?;
        let read = self.converter.read(tree.nodes[node_id].text.trim(), self.field, codes);
        Day::of_value(&read.ok()?.value)
    }
}

/// The day of a message.
pub(crate) fn day_of_message(message: &DynMessage<'_>) -> Option<Day> {
    FIELDS.iter().find_map(|it| Day::of_value(message.get_by_name(it)?))
}
