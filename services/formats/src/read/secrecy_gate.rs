//! Secrecy gate: refuses a record with a secrecy mark before anything else of the item is read.

use proto::fault::code;
use proto::fault::v1::Fault;
use secrecy_marks::means_no_secrecy;

use crate::convert::Converter;
use crate::plan::{LeafRule, Rule};
use crate::read::reader::RecordReader;
use crate::tree::NodeName;

impl RecordReader<'_> {
    /// Refuses a record with a secrecy mark. A text that is no code of the list counts as a mark,
    /// unless it says in words that there is none (`Thường`), and so does a second node, because a
    /// reader would see only one of them.
    ///
    /// # Errors
    ///
    /// The record has a mark. The fault names the mark's path and nothing else of the record.
    pub(crate) fn check_secrecy(&self, rules: &[Rule], record: usize) -> Result<(), Fault> {
        self.check_rules(rules, &[record])
    }

    fn check_rules(&self, rules: &[Rule], node_ids: &[usize]) -> Result<(), Fault> {
        let inside = |at: &[NodeName]| -> Vec<usize> {
            node_ids.iter().flat_map(|it| self.tree.find_all(*it, at)).collect()
        };
        for rule in rules {
            match rule {
                Rule::Leaf(leaf) => {
                    node_ids.iter().try_for_each(|it| self.check_mark(leaf, *it))?
                }
                Rule::Group(it) if it.has_gate => self.check_rules(&it.rules, &inside(&it.at))?,
                Rule::List(it) if it.has_gate => self.check_rules(&it.rules, &inside(&it.at))?,
                Rule::ReadOnly(rule) => self.check_rules(std::slice::from_ref(rule), node_ids)?,
                Rule::Group(_) | Rule::List(_) | Rule::Constant(..) => {}
            }
        }
        Ok(())
    }

    fn check_mark(&self, leaf: &LeafRule, from: usize) -> Result<(), Fault> {
        let Converter::Code(list) = &leaf.converter else { return Ok(()) };
        let Some(permitted) = &list.gate else { return Ok(()) };
        let marks = self.tree.find_all(from, &leaf.at);
        let is_permitted = |node_id: usize| {
            let text = self.tree.nodes[node_id].text.trim();
            let is_listed = match list.canonical(text) {
                Some(row) => row == permitted,
                None => means_no_secrecy(text),
            };
            self.tree.is_leaf(node_id) && (is_listed || self.is_empty_text(text, &leaf.empty))
        };
        let refused = marks.iter().find(|it| marks.len() > 1 || !is_permitted(**it));
        let Some(node_id) = refused else { return Ok(()) };
        Err(Fault::new(&code::LT_MAP_007).violation(
            self.tree.path(*node_id),
            "có độ mật, hoặc độ mật không rõ",
            "bears a secrecy mark, or an unclear one",
        ))
    }
}
