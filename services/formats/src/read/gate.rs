//! The secrecy gate: looked at before anything else of an item is.

use proto::fault::code;
use proto::fault::v1::Fault;

use super::Reading;
use crate::convert::Converter;
use crate::plan::{Leaf, Line};
use crate::tree::Name;

impl Reading<'_> {
    /// Refuses a record that bears a mark; one that cannot be read is taken for a mark.
    ///
    /// # Errors
    ///
    /// The record may not pass. Nothing of it is in the fault but where the mark stands.
    pub(crate) fn gate(&self, lines: &[Line], record: usize) -> Result<(), Fault> {
        self.gates(lines, &[record])
    }

    fn gates(&self, lines: &[Line], places: &[usize]) -> Result<(), Fault> {
        let inside = |at: &[Name]| -> Vec<usize> {
            places.iter().flat_map(|it| self.tree.all(*it, at)).collect()
        };
        for line in lines {
            match line {
                Line::Leaf(leaf) => places.iter().try_for_each(|it| self.mark(leaf, *it))?,
                Line::Group(it) if it.has_gate => self.gates(&it.lines, &inside(&it.at))?,
                Line::Each(it) if it.has_gate => self.gates(&it.lines, &inside(&it.at))?,
                Line::ReadOnly(line) => self.gates(std::slice::from_ref(line), places)?,
                Line::Group(_) | Line::Each(_) | Line::Constant(..) => {}
            }
        }
        Ok(())
    }

    fn mark(&self, leaf: &Leaf, from: usize) -> Result<(), Fault> {
        let Converter::Code(list) = &leaf.converter else { return Ok(()) };
        let Some(allowed) = &list.gate else { return Ok(()) };
        let places = self.tree.all(from, &leaf.at);
        let passes = |place: usize| {
            let node = &self.tree.nodes[place];
            let text = node.text.trim();
            let is_allowed = list.rows.get(text) == Some(allowed);
            self.tree.is_end(place) && (is_allowed || self.says_nothing(text, &leaf.empty))
        };
        let Some(place) = places.iter().find(|it| places.len() > 1 || !passes(**it)) else {
            return Ok(());
        };
        let (vi, en) =
            ("có độ mật, hoặc độ mật không rõ", "bears a secrecy mark, or an unclear one");
        Err(Fault::new(&code::LT_MAP_007).violation(self.tree.path(*place), vi, en))
    }
}
