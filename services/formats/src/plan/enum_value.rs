//! Values of enums by their names.

use proto::fault::Code;

use crate::diagnostic::{Defect, suggest_or_list};
use crate::model::EnumSchema;

/// The number of an enum value.
pub(super) fn enum_number(schema: &EnumSchema, value: &str, code: Code) -> Result<i32, Defect> {
    schema.number(value).ok_or_else(|| {
        let known: Vec<_> = schema.values.iter().map(|(_, it)| it.as_str()).collect();
        let (hint, of) = (suggest_or_list(value, &known, ("có", "there are")), &schema.name);
        Defect::new(
            code,
            format!("`{value}` không thuộc {of}{}", hint.vi),
            format!("`{value}` is no {of}{}", hint.en),
        )
    })
}
