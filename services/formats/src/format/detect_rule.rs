//! The conditions by which a format is told from others.

use crate::grammar::DetectCondition;
use crate::plan::parse_native_path;
use crate::tree::NodeName;

/// A native path that a record has, or lacks.
#[derive(Clone, Debug)]
pub(crate) struct DetectRule {
    pub(crate) has: Option<Vec<NodeName>>,
    pub(crate) lacks: Option<Vec<NodeName>>,
}

impl DetectRule {
    pub(super) fn new(condition: &DetectCondition, is_flat: bool) -> Self {
        let paths = [&condition.has, &condition.lacks];
        let parse = |it: &str| parse_native_path(it, is_flat);
        let [has, lacks] = paths.map(|it| it.as_deref().map(parse));
        Self { has, lacks }
    }
}
