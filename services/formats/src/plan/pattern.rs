//! The converter of a rule with a `pattern`.

use std::sync::Arc;

use proto::fault::code;

use crate::canonical_path::PathSegment;
use crate::convert::{Converter, Pattern, PatternSpec};
use crate::diagnostic::Defect;
use crate::grammar::FieldRule;

/// The converter of a template.
pub(super) fn parse(
    template: &str,
    rule: &FieldRule,
    target: Option<&PathSegment>,
) -> Result<Converter, Defect> {
    let Some(schema) = target.and_then(|it| it.field.message_schema()) else {
        return Err(Defect::new(
            &code::LT_FMT_018,
            "`pattern` cần `to` là một phần có trường con",
            "a `pattern` needs a `to` with fields inside",
        ));
    };
    if rule.converter.is_some() {
        return Err(Defect::new(
            &code::LT_FMT_018,
            "`pattern` và `as` không đi cùng nhau",
            "a `pattern` and an `as` exclude each other",
        ));
    }
    let (classes, whole) = (&rule.classes, rule.whole.as_deref());
    let spec = PatternSpec { template, classes, whole, is_split: rule.split.unwrap_or(true) };
    Pattern::parse(spec, schema)
        .map(|it| Converter::Pattern(Arc::new(it)))
        .map_err(|text| Defect { code: &code::LT_FMT_018, text })
}
